//! Re-reads a built message: what is not exactly what was meant never leaves.
//!
//! Two readers that did not build it look at the bytes: a plain scan of the header lines (RFC 5322,
//! section 2.2) and mail-parser. mail-builder writes a CR LF in a header through as a new header;
//! our types refuse one, and this is the second lock on the same door.

use mail_parser::{MessageParser, MimeHeaders};

use super::Message;

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
    let bytes = message.mime.to_vec();
    if !lines_are_sound(&bytes) {
        return Err(MessageError::Line);
    }
    same_fields(message, &bytes)?;
    let parsed = MessageParser::default().parse(&bytes).ok_or(MessageError::NotBuilt)?;
    same_headers(message, &parsed)?;
    same_parts(message, &parsed)
}

/// CRLF line ends only, lines of at most 998 octets, and the last line ended.
fn lines_are_sound(bytes: &[u8]) -> bool {
    let (mut length, mut after_cr) = (0, false);
    for byte in bytes {
        match byte {
            b'\n' if !after_cr => return false,
            b'\n' => length = 0,
            _ if after_cr => return false,
            b'\r' => {}
            _ => length += 1,
        }
        after_cr = *byte == b'\r';
        if length > 998 {
            return false;
        }
    }
    bytes.ends_with(b"\r\n")
}

/// The names of the header fields, in order, against those meant.
fn same_fields(message: &Message, bytes: &[u8]) -> Result<(), MessageError> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or(MessageError::NotBuilt)?;
    let header = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let names = header.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut found: Vec<&str> = names.map(|line| line.split(':').next().unwrap_or_default()).collect();
    let mut meant = vec!["From", "To", "Subject", "Date", "Message-ID", "Content-Language", "MIME-Version"];
    meant.push("Content-Type");
    if message.reply_to.is_some() {
        meant.push("Reply-To");
    }
    if super::build::list_unsubscribe(&message.unsubscribe).is_some() {
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

fn same_parts(message: &Message, parsed: &mail_parser::Message<'_>) -> Result<(), MessageError> {
    let files = message.attachments.len() + message.images.len();
    let multiparts =
        1 + usize::from(!message.images.is_empty()) + usize::from(!message.attachments.is_empty());
    if parsed.parts.len() != 2 + files + multiparts || parsed.html_body_count() == 0 {
        return Err(MessageError::Parts);
    }
    let kind = parsed.content_type().and_then(|kind| kind.subtype());
    let meant = if message.attachments.is_empty() { "alternative" } else { "mixed" };
    if kind != Some(meant) {
        return Err(MessageError::Parts);
    }
    Ok(())
}

/// Folding may change the white space between words, nothing else.
fn fold_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
