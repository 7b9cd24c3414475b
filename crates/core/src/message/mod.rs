//! One message to one recipient, rendered once to immutable parts and bytes.
//!
//! Providers that speak SMTP send [`Message::mime`]; providers with an API of their own send the
//! parts. Both come from one rendering, so that a release arrives the same whoever carries it.

pub mod build;
pub mod compare;
pub mod inspect;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::ZonedDateTime;

use crate::address::{EmailAddress, Mailbox};
use crate::release::Merge;
use crate::text::HeaderText;

/// One message to one recipient. Its fields are what the MIME bytes say, and never change.
#[derive(Debug, Clone)]
pub struct Message {
    /// Who signs.
    pub from: Mailbox,
    /// The one recipient.
    pub to: Mailbox,
    /// Where answers go, when not to `from`.
    pub reply_to: Option<Mailbox>,
    /// The subject.
    pub subject: HeaderText,
    /// The moment of the run, the same on every attempt, with its offset.
    pub date: ZonedDateTime,
    /// With angle brackets, on the sender's own domain, the same on every attempt.
    pub message_id: MessageId,
    /// BCP 47 tag for Content-Language: `fr`, `en` …
    pub lang: String,
    /// How the recipient opts out.
    pub unsubscribe: Unsubscribe,
    /// Further headers (name, value) that the message carries.
    pub headers: Vec<(HeaderText, HeaderText)>,
    /// The HTML part.
    pub html: Arc<str>,
    /// The text part.
    pub text: Arc<str>,
    /// Files attached, shared by all messages of a run.
    pub attachments: Arc<[Attachment]>,
    /// Images inside the HTML part, by Content-ID.
    pub images: Arc<[InlineImage]>,
    /// The same release as a campaign with this recipient's tags, when one may be sent.
    pub merge: Option<Arc<Merge>>,
    /// The whole message in RFC 5322 form: CRLF line ends, no line over 998 octets.
    pub mime: Mime,
}

/// The bytes of a message. The large shared pieces are not copied.
#[derive(Debug, Clone, Default)]
pub struct Mime {
    /// The pieces; the message is their concatenation.
    pub segments: Vec<Bytes>,
    /// Whether any octet is above 127 (then 8BITMIME is needed; SMTPUTF8 when in headers).
    pub is_8bit: bool,
}

/// A Message-ID with its angle brackets (RFC 5322, section 3.6.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct MessageId(HeaderText);

/// How a recipient opts out (RFC 2369, RFC 8058).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Unsubscribe {
    /// `mailto:` target.
    pub mailto: Option<EmailAddress>,
    /// https URL of this recipient, one-click by RFC 8058.
    pub url: Option<String>,
}

/// A file attached to every message of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The name that the reader sees.
    pub name: HeaderText,
    /// The media type, `application/pdf` …
    pub media_type: String,
    /// The content.
    pub content: Bytes,
    /// The content in base64, lines of 76 characters with CRLF, encoded once per run.
    pub encoded: Bytes,
}

/// An image inside the HTML part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineImage {
    /// Without angle brackets; the HTML refers to it as `cid:…`.
    pub content_id: String,
    /// The image.
    pub file: Attachment,
    /// Where the same image is on the web, for providers that carry none inside a message.
    pub url: Option<String>,
}

impl Message {
    /// The HTML part with links to the images in place of the images inside: for providers that carry
    /// none. `None` when an image has no address on the web.
    #[must_use]
    pub fn html_with_linked_images(&self) -> Option<Cow<'_, str>> {
        if self.images.is_empty() {
            return Some(Cow::Borrowed(&self.html));
        }
        let mut html = self.html.to_string();
        for image in self.images.iter() {
            let url = image.url.as_ref()?.replace('&', "&amp;").replace('"', "&quot;");
            html = html.replace(&format!("\"cid:{}\"", image.content_id), &format!("\"{url}\""));
        }
        (!html.contains("\"cid:")).then_some(Cow::Owned(html))
    }
}

impl Unsubscribe {
    /// What List-Unsubscribe lists (RFC 2369, section 3.2) for the message `id`.
    ///
    /// The mail that a program sends for the `mailto:` has a subject of ours, `STOP abc.1@exemple.fr`: it
    /// answers no message, so nothing else would tell it from one that somebody made up.
    #[must_use]
    pub fn targets(&self, id: &MessageId) -> Vec<String> {
        let mailto = self
            .mailto
            .as_ref()
            .map(|address| format!("<mailto:{address}?subject=STOP%20{}>", reference_in_url(id)));
        let url = self.url.as_ref().map(|url| format!("<{url}>"));
        mailto.into_iter().chain(url).collect()
    }
}

/// The Message-ID as the subject of an opt-out names it, in a `mailto:`.
pub(crate) fn reference_in_url(id: &MessageId) -> String {
    percent_encoded(id.as_str().trim_matches(['<', '>']))
}

/// RFC 6068, section 2: everything but the unreserved characters of RFC 3986, section 2.3.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl Mime {
    /// Length in octets.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len() as u64).sum()
    }

    /// The whole message in one piece; a copy.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.segments.concat()
    }
}

impl MessageId {
    /// Takes an id in angle brackets.
    ///
    /// # Errors
    ///
    /// [`BadMessageId`] when it is not `<left@right>` of printable ASCII.
    pub fn new(text: &str) -> Result<Self, BadMessageId> {
        let bad = || BadMessageId(text.to_owned());
        let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).ok_or_else(bad)?;
        let (left, right) = inner.split_once('@').ok_or_else(bad)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
        };
        if !plain(left) || !plain(right) {
            return Err(bad());
        }
        HeaderText::new(text).map(Self).map_err(|_| bad())
    }

    /// With angle brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The text is not a Message-ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Message-ID")]
pub struct BadMessageId(pub String);
