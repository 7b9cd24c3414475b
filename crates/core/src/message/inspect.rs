//! Re-reads a built message: what is not exactly what was meant never leaves.
//!
//! Two readers that did not build it look at the bytes: a plain scan of the header lines (RFC 5322,
//! section 2.2) and mail-parser, which reads the headers of the message and of each part. The text of the
//! parts is not decoded again, nor are the files that all messages of a run share. mail-builder writes a CR LF in a header through as a new header;
//! our types refuse one, and this is the second lock on the same door.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::{MessageParser, MimeHeaders};
use memchr::memmem;

use super::{Message, Mime};

/// Why a built message must not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The builder gave nothing usable.
    #[error("the message could not be built")]
    NotBuilt,
    /// The header fields are not those that were meant.
    #[error("the header fields are {found}, not {meant}")]
    Fields {
        /// As read.
        found: String,
        /// As meant.
        meant: String,
    },
    /// A header says something else than what was meant.
    #[error("the {0} header does not say what was meant")]
    Header(&'static str),
    /// Not exactly one recipient.
    #[error("the message has not exactly one recipient")]
    Recipients,
    /// A part is missing, or there is one too many.
    #[error("the parts of the message are not those that were meant")]
    Parts,
    /// A line is longer than 998 octets, or a CR or LF stands alone (RFC 5322, section 2.3).
    #[error("the message has a line that mail servers refuse")]
    Line,
}

/// Re-reads `message`.
///
/// # Errors
///
/// [`MessageError`] names the first thing that is not as meant.
pub fn inspect(message: &Message) -> Result<(), MessageError> {
    if !lines_are_sound(&message.mime) {
        return Err(MessageError::Line);
    }
    let bytes = skeleton(message);
    let end = memmem::find(&bytes, b"\r\n\r\n").ok_or(MessageError::NotBuilt)?;
    same_fields(message, &bytes[..end])?;
    let (header, body) = bytes.split_at(end + 4);
    let parsed = MessageParser::default().parse_headers(header).ok_or(MessageError::NotBuilt)?;
    same_headers(message, &parsed)?;
    same_parts(message, &parsed, body)
}

/// The message without the base64 of its files, which all messages of a run share.
fn skeleton(message: &Message) -> Cow<'_, [u8]> {
    let files = || message.attachments.iter().chain(message.images.iter().map(|image| &image.file));
    let is_file = |segment: &Bytes| {
        files().any(|file| file.encoded.as_ptr() == segment.as_ptr() && file.encoded.len() == segment.len())
    };
    match &message.mime.segments[..] {
        [whole] => Cow::Borrowed(&whole[..]),
        segments => {
            let own = segments.iter().filter(|segment| !is_file(segment));
            Cow::Owned(own.flat_map(|segment| segment.iter().copied()).collect())
        }
    }
}

/// CRLF line ends only, lines of at most 998 octets, and the last line ended.
fn lines_are_sound(mime: &Mime) -> bool {
    let (mut length, mut after_cr, mut is_ended) = (0, false, false);
    for segment in &mime.segments {
        let mut from = 0;
        let ends = memchr::memchr2_iter(b'\r', b'\n', segment).map(Some).chain([None]);
        for end in ends {
            let run = end.unwrap_or(segment.len()) - from;
            length += run;
            if length > 998 || (run > 0 && after_cr) {
                return false;
            }
            is_ended &= run == 0;
            let Some(at) = end else { break };
            match (segment[at], after_cr) {
                (b'\n', true) => (length, after_cr, is_ended) = (0, false, true),
                (b'\r', false) => (after_cr, is_ended) = (true, false),
                _ => return false,
            }
            from = at + 1;
        }
    }
    is_ended
}

/// The names of the header fields, in order, against those meant.
fn same_fields(message: &Message, header: &[u8]) -> Result<(), MessageError> {
    let header = String::from_utf8_lossy(header);
    let names = header.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut found: Vec<&str> = names.map(|line| line.split(':').next().unwrap_or_default()).collect();
    let mut meant = vec!["From", "To", "Subject", "Date", "Message-ID", "Content-Language", "MIME-Version"];
    meant.push("Content-Type");
    if message.reply_to.is_some() {
        meant.push("Reply-To");
    }
    if message.unsubscribe.mailto.is_some() || message.unsubscribe.url.is_some() {
        meant.push("List-Unsubscribe");
    }
    if message.unsubscribe.url.is_some() {
        meant.push("List-Unsubscribe-Post");
    }
    found.sort_unstable();
    meant.sort_unstable();
    if found == meant {
        return Ok(());
    }
    Err(MessageError::Fields { found: found.join(", "), meant: meant.join(", ") })
}

fn same_headers(message: &Message, parsed: &mail_parser::Message<'_>) -> Result<(), MessageError> {
    let to = parsed.to().ok_or(MessageError::Recipients)?;
    let mut recipients = to.iter();
    let first = recipients.next().ok_or(MessageError::Recipients)?;
    if recipients.next().is_some() || parsed.cc().is_some() || parsed.bcc().is_some() {
        return Err(MessageError::Recipients);
    }
    if first.address() != Some(message.to.address.to_string().as_str()) {
        return Err(MessageError::Header("To"));
    }
    let from = parsed.from().and_then(|from| from.first()).and_then(|from| from.address());
    if from != Some(message.from.address.to_string().as_str()) {
        return Err(MessageError::Header("From"));
    }
    if parsed.subject().map(fold_spaces) != Some(fold_spaces(message.subject.as_str())) {
        return Err(MessageError::Header("Subject"));
    }
    let id = message.message_id.as_str().trim_matches(['<', '>']);
    if parsed.message_id() != Some(id) {
        return Err(MessageError::Header("Message-ID"));
    }
    Ok(())
}

/// Where each part begins and ends, and of what kind it says to be, against what was meant.
fn same_parts(message: &Message, parsed: &mail_parser::Message<'_>, body: &[u8]) -> Result<(), MessageError> {
    let token = super::build::token_of(&message.message_id);
    let kind = if message.attachments.is_empty() { "alternative" } else { "mixed" };
    let boundary = parsed.content_type().and_then(|kind| kind.attribute("boundary"));
    let is_meant = boundary.and_then(|boundary| boundary.strip_prefix("=_")?.strip_prefix(kind)).is_some();
    if !is_meant || !is_kind(parsed, &format!("multipart/{kind}")) {
        return Err(MessageError::Parts);
    }
    let mut found = memmem::find_iter(body, token.as_bytes())
        .map(|at| memchr::memrchr(b'\n', &body[..at]).map_or(0, |end| end + 1))
        .filter(|start| body[*start..].starts_with(b"--"));
    for (delimiter, kind) in outline(message, &token) {
        let start = found.next().ok_or(MessageError::Parts)?;
        let rest = body[start..].strip_prefix(delimiter.as_bytes());
        let rest = rest.and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or(MessageError::Parts)?;
        let Some(kind) = kind else { continue };
        let end = memmem::find(rest, b"\r\n\r\n").ok_or(MessageError::Parts)?;
        let part = MessageParser::default().parse_headers(&rest[..end + 4]).ok_or(MessageError::Parts)?;
        if !is_kind(&part, kind) {
            return Err(MessageError::Parts);
        }
    }
    if found.next().is_some() { Err(MessageError::Parts) } else { Ok(()) }
}

/// Every delimiter line that is meant, in order, with the media type of the part that it opens; `None`
/// where it closes a multipart.
fn outline<'a>(message: &'a Message, token: &str) -> Vec<(String, Option<&'a str>)> {
    let open = |kind: &str, media_type: &'a str| (format!("--=_{kind}_{token}"), Some(media_type));
    let close = |kind: &str| (format!("--=_{kind}_{token}--"), None);
    let mut lines = Vec::with_capacity(8);
    if !message.attachments.is_empty() {
        lines.push(open("mixed", "multipart/alternative"));
    }
    lines.push(open("alternative", "text/plain"));
    if message.images.is_empty() {
        lines.push(open("alternative", "text/html"));
    } else {
        lines.push(open("alternative", "multipart/related"));
        lines.push(open("related", "text/html"));
        lines.extend(message.images.iter().map(|image| open("related", &image.file.media_type)));
        lines.push(close("related"));
    }
    lines.push(close("alternative"));
    if !message.attachments.is_empty() {
        lines.extend(message.attachments.iter().map(|file| open("mixed", &file.media_type)));
        lines.push(close("mixed"));
    }
    lines
}

/// Whether the Content-Type is `media_type`, whatever its parameters.
fn is_kind(part: &mail_parser::Message<'_>, media_type: &str) -> bool {
    let Some(found) = part.content_type() else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let found = format!("{}/{}", found.ctype(), found.subtype().unwrap_or_default());
    found.eq_ignore_ascii_case(essence)
}

/// Folding may change the white space between words, nothing else.
fn fold_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::{file, parts};
    use super::super::{InlineImage, Mime};
    use super::*;
    use std::sync::Arc;

    fn message() -> Message {
        let mut parts = parts();
        parts.attachments = Arc::from([file("a.pdf"), file("b.pdf")]);
        parts.images =
            Arc::from([InlineImage { content_id: "c.1".to_owned(), file: file("c.pdf"), url: None }]);
        parts.build().unwrap()
    }

    /// The message with something else in its bytes, its shared segments included.
    fn with(message: &Message, from: &str, to: &str) -> Message {
        let text = String::from_utf8(message.mime.to_vec()).unwrap();
        assert!(text.contains(from), "{from}");
        let mut changed = message.clone();
        changed.mime.segments = vec![Bytes::from(text.replacen(from, to, 1))];
        changed
    }

    #[test]
    fn parts_that_are_not_those_meant_are_found() {
        let message = message();
        inspect(&message).unwrap();
        inspect(&with(&message, "JVBERg==", "JVBERi==")).unwrap();
        let token = super::super::build::token_of(&message.message_id);
        for (from, to) in [
            ("text/html", "text/plain"),
            ("multipart/related", "multipart/mixed"),
            ("application/pdf", "text/html"),
            (&*format!("--=_mixed_{token}--\r\n"), ""),
            (&*format!("--=_related_{token}--\r\n"), &*format!("--=_related_{token}\r\n")),
            (
                &*format!("--=_alternative_{token}--\r\n"),
                &*format!(
                    "--=_alternative_{token}\r\nContent-Type: text/html\r\n\r\n--=_alternative_{token}--\r\n"
                ),
            ),
        ] {
            assert_eq!(inspect(&with(&message, from, to)), Err(MessageError::Parts), "{from}");
        }
    }

    #[test]
    fn lines_are_sound_across_segments_or_not_at_all() {
        let long = "a".repeat(998);
        let table: [(&[&str], bool); 10] = [
            (&["a\r\n"], true),
            (&["a\r", "\nb\r\n"], true),
            (&["a", "", "\r\n"], true),
            (&["a\r\n", ""], true),
            (&[&long, "\r\n"], true),
            (&[&long, "a\r\n"], false),
            (&["a\r", "b\r\n"], false),
            (&["a\n"], false),
            (&["a\r\r\n"], false),
            (&["a\r\n", "b"], false),
        ];
        for (segments, expected) in table {
            let segments = segments.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
            let mime = Mime { segments, is_8bit: false };
            assert_eq!(lines_are_sound(&mime), expected, "{mime:?}");
        }
    }
}
