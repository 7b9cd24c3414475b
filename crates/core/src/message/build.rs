//! Builds the MIME bytes of a message: the only file that touches mail-builder.
//!
//! One rendering, byte-identical each time: boundaries come from the Message-ID, and Date and
//! Message-ID are always given (mail-builder's defaults leak the host name). Attachments' base64 is
//! made once per run and spliced in, not copied. What comes out is re-read before it may leave
//! ([`super::inspect`]).

use std::sync::Arc;

use bytes::Bytes;
use jiff::ZonedDateTime;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::inspect::{self, MessageError};
use super::{Attachment, InlineImage, Message, MessageId, Mime, Unsubscribe};
use crate::address::Mailbox;
use crate::text::HeaderText;

/// Everything that a message says; [`Parts::build`] makes the bytes.
#[derive(Debug, Clone)]
pub struct Parts {
    /// See [`Message::from`].
    pub from: Mailbox,
    /// See [`Message::to`].
    pub to: Mailbox,
    /// See [`Message::reply_to`].
    pub reply_to: Option<Mailbox>,
    /// See [`Message::subject`].
    pub subject: HeaderText,
    /// See [`Message::date`].
    pub date: ZonedDateTime,
    /// See [`Message::message_id`].
    pub message_id: MessageId,
    /// See [`Message::lang`].
    pub lang: String,
    /// See [`Message::unsubscribe`].
    pub unsubscribe: Unsubscribe,
    /// See [`Message::html`].
    pub html: String,
    /// See [`Message::text`].
    pub text: String,
    /// See [`Message::attachments`].
    pub attachments: Arc<[Attachment]>,
    /// See [`Message::images`].
    pub images: Arc<[InlineImage]>,
}

impl Parts {
    /// Makes the message and re-reads it.
    ///
    /// # Errors
    ///
    /// [`MessageError`] when the bytes do not say exactly what was meant.
    pub fn build(self) -> Result<Message, MessageError> {
        let token = token_of(&self.message_id);
        let bytes = self.serialize(&token).map_err(|_| MessageError::NotBuilt)?;
        let mime = splice(bytes, &token, &self.attachments, &self.images)?;
        let message = Message {
            from: self.from,
            to: self.to,
            reply_to: self.reply_to,
            subject: self.subject,
            date: self.date,
            message_id: self.message_id,
            lang: self.lang,
            unsubscribe: self.unsubscribe,
            headers: Vec::new(),
            html: self.html.into(),
            text: self.text.into(),
            attachments: self.attachments,
            images: self.images,
            merge: None,
            mime,
        };
        inspect::inspect(&message)?;
        Ok(message)
    }

    fn serialize(&self, token: &str) -> std::io::Result<Vec<u8>> {
        let mut builder = MessageBuilder::new().from(address(&self.from)).to(address(&self.to));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(address(reply_to));
        }
        builder = builder
            .subject(self.subject.as_str())
            .header("Date", raw(self.date.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()))
            .header("Message-ID", raw(self.message_id.as_str().to_owned()))
            .header("Content-Language", raw(self.lang.clone()));
        let targets = self.unsubscribe.targets(&self.message_id);
        if !targets.is_empty() {
            builder = builder.header("List-Unsubscribe", raw(targets.join(", ")));
        }
        // RFC 8058, section 3.1: only with a one-click https URL.
        if self.unsubscribe.url.is_some() {
            builder = builder.header("List-Unsubscribe-Post", raw("List-Unsubscribe=One-Click".to_owned()));
        }
        builder.body(self.body(token)).write_to_vec()
    }

    /// multipart/alternative, inside related and mixed only when needed.
    fn body(&self, token: &str) -> MimePart<'_> {
        let html = MimePart::new(text_type("text/html"), BodyPart::Text(self.html.as_str().into()));
        let text = MimePart::new(text_type("text/plain"), BodyPart::Text(self.text.as_str().into()));
        let html = if self.images.is_empty() {
            html
        } else {
            let images = self.images.iter().enumerate();
            let images = images.map(|(n, image)| image_part(image, placeholder(token, "image", n)));
            multipart("related", token, std::iter::once(html).chain(images).collect())
        };
        let alternative = multipart("alternative", token, vec![text, html]);
        if self.attachments.is_empty() {
            return alternative;
        }
        let files = self.attachments.iter().enumerate();
        let files = files.map(|(n, file)| file_part(file, placeholder(token, "file", n)));
        multipart("mixed", token, std::iter::once(alternative).chain(files).collect())
    }
}

fn address(mailbox: &Mailbox) -> Address<'static> {
    let name = mailbox.name.as_ref().filter(|name| !name.is_blank()).map(|name| name.to_string());
    Address::new_address(name, mailbox.address.to_string())
}

fn raw(value: String) -> HeaderType<'static> {
    HeaderType::Raw(Raw::new(value))
}

fn text_type(kind: &'static str) -> ContentType<'static> {
    ContentType::new(kind).attribute("charset", "utf-8")
}

fn multipart<'x>(kind: &str, token: &str, parts: Vec<MimePart<'x>>) -> MimePart<'x> {
    let boundary = format!("=_{kind}_{token}");
    let content_type = ContentType::new(format!("multipart/{kind}")).attribute("boundary", boundary);
    MimePart::new(content_type, parts)
}

fn file_part(file: &Attachment, placeholder: String) -> MimePart<'static> {
    MimePart::new(ContentType::new(file.media_type.clone()), BodyPart::Text(placeholder.into()))
        .attachment(file.name.to_string())
        .transfer_encoding("base64")
}

fn image_part(image: &InlineImage, placeholder: String) -> MimePart<'static> {
    MimePart::new(ContentType::new(image.file.media_type.clone()), BodyPart::Text(placeholder.into()))
        .inline()
        .cid(image.content_id.clone())
        .transfer_encoding("base64")
}

/// A token that no text of a stranger can hold: from the hash of the Message-ID, which is random.
pub(super) fn token_of(id: &MessageId) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, id.as_str().as_bytes());
    digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn placeholder(token: &str, kind: &str, number: usize) -> String {
    format!("@@{kind}-{number}-{token}@@")
}

/// Puts the shared base64 in place of the placeholders.
fn splice(
    bytes: Vec<u8>,
    token: &str,
    attachments: &[Attachment],
    images: &[InlineImage],
) -> Result<Mime, MessageError> {
    let images = images.iter().enumerate().map(|(n, image)| (placeholder(token, "image", n), &image.file));
    let files = attachments.iter().enumerate().map(|(n, file)| (placeholder(token, "file", n), file));
    let whole = Bytes::from(bytes);
    let (mut segments, mut from) = (Vec::new(), 0);
    for (placeholder, file) in images.chain(files) {
        let found = whole[from..].windows(placeholder.len()).position(|w| w == placeholder.as_bytes());
        let at = from + found.ok_or(MessageError::NotBuilt)?;
        segments.push(whole.slice(from..at));
        segments.push(file.encoded.clone());
        from = at + placeholder.len();
    }
    segments.push(whole.slice(from..));
    let is_8bit = segments.iter().any(|segment| !segment.is_ascii());
    Ok(Mime { segments, is_8bit })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::address::EmailAddress;

    pub(crate) fn parts() -> Parts {
        let mailbox = |text: &str, name: &str| Mailbox {
            name: Some(HeaderText::new(name).unwrap()),
            address: EmailAddress::parse(text).unwrap(),
        };
        Parts {
            from: mailbox("presse@exemple.fr", "Service de presse, Exemple"),
            to: mailbox("zoe@journal.example", "Zoé Lefèvre"),
            reply_to: Some(Mailbox::bare(EmailAddress::parse("jeanne@exemple.fr").unwrap())),
            subject: HeaderText::new("L’usine de Grenoble rouvre").unwrap(),
            date: "2026-12-03T08:00:00+01:00[Europe/Paris]".parse().unwrap(),
            message_id: MessageId::new("<abc.1@exemple.fr>").unwrap(),
            lang: "fr".to_owned(),
            unsubscribe: Unsubscribe {
                mailto: Some(EmailAddress::parse("presse+stop@exemple.fr").unwrap()),
                url: None,
            },
            html: "<p>L’été</p>".to_owned(),
            text: "L’été\r\n".to_owned(),
            attachments: Arc::from([]),
            images: Arc::from([]),
        }
    }

    pub(crate) fn file(name: &str) -> Attachment {
        Attachment {
            name: HeaderText::new(name).unwrap(),
            media_type: "application/pdf".to_owned(),
            content: Bytes::from_static(b"%PDF"),
            encoded: Bytes::from_static(b"JVBERg==\r\n"),
        }
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let (first, second) = (parts().build().unwrap(), parts().build().unwrap());

        assert_eq!(first.mime.to_vec(), second.mime.to_vec());
        assert!(!first.mime.is_8bit);
    }

    #[test]
    fn an_attachment_is_shared_and_its_accented_name_arrives() {
        let mut with_file = parts();
        with_file.attachments = Arc::from([file("Communiqué, été.pdf")]);

        let message = with_file.build().unwrap();

        let whole = message.mime.to_vec();
        let parsed = mail_parser::MessageParser::default().parse(&whole).unwrap();
        let attachment = parsed.attachments().next().unwrap();
        assert_eq!(attachment.contents(), b"%PDF");
        use mail_parser::MimeHeaders as _;
        assert_eq!(attachment.attachment_name(), Some("Communiqué, été.pdf"));
        let shared = message.attachments[0].encoded.as_ptr();
        assert!(message.mime.segments.iter().any(|segment| segment.as_ptr() == shared), "not copied");
    }

    #[test]
    fn one_click_is_offered_only_with_a_url() {
        let mut with_url = parts();
        with_url.unsubscribe.url = Some("https://presse.exemple.fr/stop/abc".to_owned());

        let without = String::from_utf8(parts().build().unwrap().mime.to_vec()).unwrap();
        let with = String::from_utf8(with_url.build().unwrap().mime.to_vec()).unwrap();

        assert!(!without.contains("List-Unsubscribe-Post"));
        // RFC 6068, section 2: a space and an at sign in a subject are encoded.
        let mailto =
            "List-Unsubscribe: <mailto:presse+stop@exemple.fr?subject=STOP%20abc.1%40exemple.fr>\r\n";
        assert!(without.contains(mailto), "{without}");
        assert!(with.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    }

    #[test]
    fn a_header_put_in_behind_our_back_is_found() {
        let mut message = parts().build().unwrap();
        let mut bytes = b"Bcc: spy@example.org\r\n".to_vec();
        bytes.extend(message.mime.to_vec());
        message.mime.segments = vec![Bytes::from(bytes)];

        assert!(inspect::inspect(&message).is_err());
    }
}
