//! Reports of what became of a message.
//!
//! RFC 3464 in multipart/report (RFC 6522) is the rule; Exim before 4.84 and qmail write text of their own
//! ([`plain`]). What a code means is asked of the one table of receivers' answers
//! ([`depeche_providers::reason`]).

mod class;
mod fields;
mod plain;
mod torn;

use depeche_core::address::EmailAddress;
use depeche_core::outcome::one_line;
use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use uuid::Uuid;

use crate::letter::{Clues, Notice, Report};
use crate::read::{Ours, date, header};
use fields::{Status, xtext};

pub(crate) use plain::read as plain;

/// So many recipients of one report count: ours has one.
const MOST_RECIPIENTS: usize = 20;

/// Reads a report of RFC 3464; `None` when it holds none.
pub(crate) fn standard(message: &Message<'_>, ours: &Ours) -> Option<Report> {
    let body = String::from_utf8_lossy(message.raw_message());
    let torn = || {
        let torn = torn::apart(&body)?;
        let returned = torn.returned.and_then(|text| MessageParser::default().parse_headers(text.as_bytes()));
        Some((Status::read(torn.status), returned))
    };
    let (status, returned) = match status(message) {
        Some(status) => (status, returned(message)),
        None => torn()?,
    };
    let by_envid = status.envelope_id().and_then(|id| xtext(id).parse().ok());
    let clues = Clues {
        attempt: by_envid.or_else(|| attempt(message, ours)),
        message_id: returned.as_ref().and_then(message_id),
    };
    let original = returned.as_ref().and_then(to_of);
    let recipients = status.recipients().take(MOST_RECIPIENTS);
    let notices: Vec<Notice> = recipients.filter_map(|one| class::notice(&one, original.as_ref())).collect();
    (!notices.is_empty()).then(|| Report { clues, notices, at: date(message) })
}

fn status(message: &Message<'_>) -> Option<Status> {
    message.parts.iter().find_map(|part| {
        let content_type = part.content_type()?;
        let is_status = content_type.ctype().eq_ignore_ascii_case("message")
            && matches!(
                content_type.subtype().map(str::to_ascii_lowercase).as_deref(),
                // RFC 6533, section 6.
                Some("delivery-status" | "global-delivery-status")
            );
        is_status.then(|| Status::read(&String::from_utf8_lossy(part.contents())))
    })
}

/// What tells which message a report is about, but for ENVID.
pub(crate) fn clues(message: &Message<'_>, ours: &Ours) -> Clues {
    Clues {
        attempt: attempt(message, ours),
        message_id: returned(message).and_then(|returned| message_id(&returned)),
    }
}

/// The attempt, by the address that the report came to.
fn attempt(message: &Message<'_>, ours: &Ours) -> Option<Uuid> {
    sent_to(message).find_map(|address| ours.senders.iter().find_map(|sender| sender.attempt(&address)))
}

/// The addresses that the report was sent to, by what servers note on delivery and by its headers.
fn sent_to<'m>(message: &'m Message<'_>) -> impl Iterator<Item = EmailAddress> + 'm {
    const NAMES: [&str; 5] = ["x-original-to", "envelope-to", "delivered-to", "x-delivered-to", "to"];
    let texts =
        message.headers_raw().filter(|(name, _)| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)));
    texts
        .take(20)
        .flat_map(|(_, text)| text.split([',', '<', '>', ' ', '\t', '\r', '\n', '"']))
        .filter_map(|word| word.contains('@').then(|| EmailAddress::parse(word).ok()).flatten())
}

/// The message that is returned, or its headers (RFC 6522, section 3; RFC 3462 called them
/// text/rfc822-headers).
fn returned<'m>(message: &'m Message<'_>) -> Option<Message<'m>> {
    message.parts.iter().skip(1).find_map(|part| match &part.body {
        PartType::Message(returned) => Some(returned.clone()),
        _ => {
            let is_headers = part.content_type().is_some_and(|kind| {
                kind.subtype().is_some_and(|subtype| {
                    ["rfc822-headers", "global-headers"]
                        .iter()
                        .any(|known| subtype.eq_ignore_ascii_case(known))
                })
            });
            is_headers.then(|| MessageParser::default().parse_headers(part.contents())).flatten()
        }
    })
}

fn message_id(returned: &Message<'_>) -> Option<String> {
    let id = returned.message_id()?;
    is_id(id).then(|| format!("<{id}>"))
}

/// Whether the text can be a Message-ID of ours, without its angle brackets.
pub(crate) fn is_id(id: &str) -> bool {
    (3..=250).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>')
}

fn to_of(returned: &Message<'_>) -> Option<EmailAddress> {
    EmailAddress::parse(returned.to()?.first()?.address()?).ok()
}

/// Whether a mail server wrote it: from its postmaster or daemon, and with the empty return path that
/// reports have (RFC 5321, section 6.1) where the return path is known.
pub(crate) fn is_from_a_server(message: &Message<'_>) -> bool {
    const NAMES: [&str; 4] = ["mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon"];
    let from = message.from().and_then(|from| from.first()).and_then(|from| from.address());
    let is_server = from.is_some_and(|from| {
        let local = from.split('@').next().unwrap_or_default();
        NAMES.iter().any(|name| local.eq_ignore_ascii_case(name))
    });
    is_server && header(message, "Return-Path").is_none_or(|path| matches!(path, "<>" | ""))
}

/// A stranger's text as a reason: `None` when nothing is left of it.
fn reason(text: &str) -> Option<String> {
    let line = one_line(text);
    (!line.is_empty()).then_some(line)
}
