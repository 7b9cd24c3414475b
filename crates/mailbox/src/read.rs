//! One message in, one [`Letter`] out.
//!
//! The content type decides between report and answer (RFC 6522), never the subject. What a mail server
//! writes in another form is read by its own layout ([`crate::report::plain`]).
//!
//! The parser is mail-parser. A message inside a message is a value inside a value there, and is dropped by
//! recursion: one that is nested a few thousand deep in 200 kB overflows an ordinary stack, which ends the
//! process. So what it is given is cut, and it works on a stack of its own, for the deepest that fits.

use std::{io, thread};

use depeche_core::address::EmailAddress;
use depeche_core::outcome::one_line;
use depeche_providers::smtp::EnvelopeFrom;
use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MimeHeaders as _};

use crate::letter::Letter;
use crate::{answer, report};

/// A longer message is cut here: a report and the headers that it returns stand well before.
pub const MESSAGE_CAP_BYTES: usize = 256 * 1024;

/// More parts than this have no report in them, and an answer is in the first.
const MOST_PARTS: usize = 100;

/// For [`MESSAGE_CAP_BYTES`] of nothing but `Content-Type: message/rfc822`, 29 octets a level, hidden from
/// [`count_parts`] by a transfer encoding: some 9,000 levels, of less than 4 kB each without optimisation.
/// The system gives what is touched and no more.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What is ours.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// The envelope senders of the providers, for those with an address per attempt.
    pub senders: Vec<EnvelopeFrom>,
    /// Where opt-outs by mail go.
    pub opt_out: Option<EmailAddress>,
    /// Our other addresses: never shown as somebody's new one.
    pub addresses: Vec<EmailAddress>,
}

/// Reads messages. What cannot be understood is [`Letter::Unclear`] or [`Letter::Unreadable`], and changes
/// nothing.
///
/// # Errors
///
/// When the system gives no thread to read on; nothing was read.
pub fn read<M: AsRef<[u8]> + Sync>(messages: &[M], ours: &Ours) -> io::Result<Vec<Letter>> {
    let joined = thread::scope(|scope| {
        let reading = thread::Builder::new()
            .name("letters".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || messages.iter().map(|raw| one(raw.as_ref(), ours)).collect())?;
        Ok::<_, io::Error>(reading.join())
    })?;
    match (joined, messages) {
        (Ok(letters), _) => Ok(letters),
        // The parser promises not to panic. One message that it does so on must not keep the others unread.
        (Err(_), [_]) => Ok(vec![Letter::Unclear { subject: String::new() }]),
        (Err(_), several) => {
            let one_by_one = several.iter().map(|message| read(std::slice::from_ref(message), ours));
            Ok(one_by_one.collect::<io::Result<Vec<_>>>()?.concat())
        }
    }
}

fn one(raw: &[u8], ours: &Ours) -> Letter {
    let raw = without_envelope_line(&raw[..raw.len().min(MESSAGE_CAP_BYTES)]);
    if count_parts(raw) > MOST_PARTS {
        return MessageParser::default()
            .parse_headers(raw)
            .map_or(Letter::Unreadable, |headers| unclear(&headers));
    }
    let Some(message) = MessageParser::default().parse(raw).filter(|message| !message.parts.is_empty())
    else {
        return Letter::Unreadable;
    };
    match report_type(&message).as_deref() {
        Some("delivery-status") => {
            report::standard(&message, ours).map_or_else(|| unclear(&message), Letter::Report)
        }
        Some("feedback-report") => complaint(&message, ours),
        // RFC 8098: a read receipt is a machine's answer.
        Some("disposition-notification") => answer::automatic(&message),
        Some(_) => unclear(&message),
        None if report::is_from_a_server(&message) => {
            report::plain(&message, ours).map_or_else(|| unclear(&message), Letter::Report)
        }
        None => answer::read(&message, ours),
    }
}

/// The parameter of multipart/report (RFC 6522, section 3), in lower case; empty when there is none.
fn report_type(message: &Message<'_>) -> Option<String> {
    let content_type = message.content_type()?;
    let is_report = content_type.ctype().eq_ignore_ascii_case("multipart")
        && content_type.subtype().is_some_and(|subtype| subtype.eq_ignore_ascii_case("report"));
    is_report.then(|| content_type.attribute("report-type").unwrap_or_default().to_ascii_lowercase())
}

fn complaint(message: &Message<'_>, ours: &Ours) -> Letter {
    let clues = report::clues(message, ours);
    Letter::Complaint { clues, at: date(message) }
}

fn unclear(message: &Message<'_>) -> Letter {
    Letter::Unclear { subject: subject(message) }
}

pub(crate) fn subject(message: &Message<'_>) -> String {
    one_line(message.subject().unwrap_or_default())
}

pub(crate) fn date(message: &Message<'_>) -> Option<Timestamp> {
    Timestamp::from_second(message.date().filter(|date| date.is_valid())?.to_timestamp()).ok()
}

/// A header's text, however the parser reads it.
pub(crate) fn header<'m>(message: &'m Message<'_>, name: &'static str) -> Option<&'m str> {
    message.header_raw(name).map(str::trim)
}

/// `From MAILER-DAEMON  Mon Apr 29 …`: a line of mbox files that is no part of the message.
fn without_envelope_line(raw: &[u8]) -> &[u8] {
    match raw.strip_prefix(b"From ").and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
        Some(end) => &raw[5 + end + 1..],
        None => raw,
    }
}

fn count_parts(raw: &[u8]) -> usize {
    const NAME: &[u8] = b"content-type";
    raw.windows(NAME.len()).filter(|window| window.eq_ignore_ascii_case(NAME)).count()
}
