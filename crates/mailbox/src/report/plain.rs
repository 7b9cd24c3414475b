//! Reports in the text forms of Exim (before 4.84 all of them) and qmail (QSBMF,
//! <https://cr.yp.to/proto/qsbmf.txt>). Only these layouts are read; every other text is left to a person.

use depeche_core::address::EmailAddress;
use depeche_core::event::EventKind;
use depeche_core::outcome::one_line;
use mail_parser::{Message, MessageParser};

use super::{class, clues, message_id, reason};
use crate::letter::{Class, Notice, Report};
use crate::read::{Ours, date};

const EXIM: &str = "This message was created automatically by mail delivery software";
const EXIM_COPY: [&str; 2] = ["------ This is a copy of", "------ This is the message"];
const QMAIL: &str = "Hi. This is the";
const QMAIL_COPY: [&str; 1] = ["--- Below this line is a copy of the message."];

/// So many lines of text are looked at.
const MOST_LINES: usize = 500;

/// Reads it; `None` when the layout is another one or names nobody.
pub(crate) fn read(message: &Message<'_>, ours: &Ours) -> Option<Report> {
    let text = message.body_text(0)?;
    let is_exim = text.trim_start().starts_with(EXIM);
    let is_qmail = text.trim_start().starts_with(QMAIL);
    let marks: &[&str] = if is_exim { &EXIM_COPY } else { &QMAIL_COPY };
    let (told, copy) = split(&text, marks);
    let lines: Vec<&str> = told.lines().take(MOST_LINES).collect();
    let notices = match (is_exim, is_qmail) {
        (true, _) => exim(&lines),
        (false, true) => qmail(&lines),
        (false, false) => return None,
    };
    let mut clues = clues(message, ours);
    let returned = copy.and_then(|copy| MessageParser::default().parse_headers(copy.trim_start().as_bytes()));
    clues.message_id = clues.message_id.or_else(|| returned.as_ref().and_then(message_id));
    (!notices.is_empty()).then(|| Report { clues, notices, at: date(message) })
}

/// What is told, and the copy of the message below the first of `marks`.
fn split<'t>(text: &'t str, marks: &[&str]) -> (&'t str, Option<&'t str>) {
    let found = marks.iter().filter_map(|mark| text.find(mark)).min();
    let Some(at) = found else { return (text, None) };
    let below = text[at..].split_once('\n').map(|(_, below)| below);
    (&text[..at], below)
}

/// `  zoe@exemple.fr`, then what was said of it, further in.
fn exim(lines: &[&str]) -> Vec<Notice> {
    let is_delay =
        lines.iter().any(|line| line.contains("has not yet been delivered") || line.contains("delayed"))
            && !lines.iter().any(|line| line.contains("permanent error"));
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut notices = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let Some(address) = (depth(line) == 2).then(|| address(line)).flatten() else { continue };
        let below = lines[place + 1..].iter().take_while(|line| depth(line) > 2 && !line.trim().is_empty());
        let said: Vec<&str> = below.map(|line| line.trim()).collect();
        let is_forwarded = said.iter().any(|line| line.starts_with("(generated from "));
        notices.push(notice(&address, &said.join(" "), is_forwarded, is_delay));
    }
    notices
}

/// `<zoe@exemple.fr>:`, then what was said of it, up to an empty line.
fn qmail(lines: &[&str]) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let bracketed = line.strip_prefix('<').and_then(|rest| rest.trim_end().strip_suffix(">:"));
        let Some(address) = bracketed.and_then(address) else { continue };
        let said: Vec<&str> =
            lines[place + 1..].iter().take_while(|line| !line.trim().is_empty()).copied().collect();
        notices.push(notice(&address, &said.join(" "), false, false));
    }
    notices
}

fn address(text: &str) -> Option<String> {
    EmailAddress::parse(text.trim().trim_end_matches(':')).ok().map(|address| address.to_string())
}

fn notice(recipient: &str, said: &str, is_forwarded: bool, is_delay: bool) -> Notice {
    let answer = answer_in(said);
    let (kind, class) = if is_delay {
        (EventKind::Deferred, Class::Delayed)
    } else {
        class::judge(answer, None, is_forwarded)
    };
    Notice { recipient: one_line(recipient), kind, class, reason: reason(answer.unwrap_or(said)) }
}

/// The receiver's answer inside a sentence: from its three digits on.
fn answer_in(said: &str) -> Option<&str> {
    let bytes = said.as_bytes();
    let starts = (0..bytes.len()).find(|at| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        matches!(before, None | Some(b' ' | b'>'))
            && matches!(bytes[*at], b'4' | b'5')
            && bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
            && matches!(bytes.get(at + 3), Some(b' ' | b'-'))
    });
    starts.and_then(|at| said.get(at..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::Letter;

    /// The example of Daniel Bernstein's QSBMF page, with addresses of ours.
    #[test]
    fn a_report_of_qmail_is_read() {
        let raw = "Return-Path: <>\r\nFrom: MAILER-DAEMON@heaven.af.mil\r\nTo: presse@exemple.fr\r\n\
            Subject: failure notice\r\n\r\nHi. This is the qmail-send program at heaven.af.mil.\r\n\
            I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\
            This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n\
            <god@heaven.af.mil>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n\
            <zoe@matin.example>:\r\n192.0.2.1 does not like recipient.\r\n\
            Remote host said: 550 5.1.1 No such user\r\nGiving up on 192.0.2.1.\r\n\r\n\
            --- Below this line is a copy of the message.\r\n\r\n\
            Return-Path: <presse@exemple.fr>\r\nMessage-ID: <abc.1@exemple.fr>\r\nTo: zoe@matin.example\r\n\r\nBonjour\r\n";

        let Letter::Report(report) = crate::read(&[raw], &Ours::default()).unwrap().remove(0) else {
            panic!("a report")
        };

        assert_eq!(report.clues.message_id.as_deref(), Some("<abc.1@exemple.fr>"));
        let classes: Vec<_> =
            report.notices.iter().map(|notice| (notice.recipient.as_str(), notice.class)).collect();
        assert_eq!(classes, [("god@heaven.af.mil", Class::Hard), ("zoe@matin.example", Class::BadAddress)]);
    }

    #[test]
    fn a_port_or_an_address_is_no_answer() {
        assert_eq!(answer_in("host [192.0.2.1]:587 refused"), None);
        assert_eq!(answer_in("host x [192.0.2.1]: 550 5.2.0 no"), Some("550 5.2.0 no"));
        assert_eq!(answer_in("550-no"), Some("550-no"));
    }
}
