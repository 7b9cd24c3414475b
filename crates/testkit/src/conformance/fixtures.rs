//! Messages built by hand, so that no suite depends on how releases are rendered.

use std::sync::Arc;

use bytes::Bytes;
use depeche_core::address::{EmailAddress, Mailbox};
use depeche_core::clock::Entropy;
use depeche_core::message::{Message, MessageId, Mime, Unsubscribe};
use depeche_core::provider::Parcel;
use depeche_core::text::HeaderText;

use crate::clock::CountingEntropy;

/// A small message to `address`, from `presse@exemple.fr`, the same bytes each time.
///
/// # Panics
///
/// When `address` is not one that depeche mails: a fault of the test.
#[must_use]
pub fn message_to(address: &str) -> Message {
    message_with_body(address, "Bonjour,\r\n\r\nVoici notre annonce.\r\n.\r\n..\r\nFin.\r\n")
}

/// The same with another text body, whose lines end in CR LF.
///
/// # Panics
///
/// When `address` is not one that depeche mails.
#[must_use]
pub fn message_with_body(address: &str, body: &str) -> Message {
    let to = EmailAddress::parse(address).expect("the test gives an address");
    let from = EmailAddress::parse("presse@exemple.fr").expect("a fixed address");
    let id = format!("<{:08x}.release@exemple.fr>", sum(address));
    let subject = "Une annonce";
    let head = format!(
        "From: Service de presse <{from}>\r\nTo: {to}\r\nSubject: {subject}\r\n\
         Date: Thu, 3 Dec 2026 09:00:00 +0100\r\nMessage-ID: {id}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    );
    Message {
        from: Mailbox { name: Some(text("Service de presse")), address: from },
        to: Mailbox::bare(to),
        reply_to: None,
        subject: text(subject),
        date: "2026-12-03T09:00:00+01:00[Europe/Paris]".parse().expect("a fixed date"),
        message_id: MessageId::new(&id).expect("built from hexadecimal digits"),
        lang: "fr".to_owned(),
        unsubscribe: Unsubscribe::default(),
        headers: Vec::new(),
        html: format!("<p>{body}</p>").into(),
        text: body.into(),
        attachments: Arc::from([]),
        images: Arc::from([]),
        merge: None,
        mime: Mime {
            is_8bit: !(head.is_ascii() && body.is_ascii()),
            segments: vec![Bytes::from(head), Bytes::from(body.to_owned())],
        },
    }
}

/// [`message_to`] as a parcel with identifiers of its own.
#[must_use]
pub fn parcel_to(address: &str) -> Parcel {
    parcel_of(message_to(address))
}

/// `count` parcels to `journaliste1@journal.example` and so on.
#[must_use]
pub fn parcels_to(count: usize) -> Vec<Parcel> {
    (1..=count).map(|number| parcel_to(&format!("journaliste{number}@journal.example"))).collect()
}

/// A message as a parcel, with identifiers that follow from its recipient.
#[must_use]
pub fn parcel_of(message: Message) -> Parcel {
    let entropy = CountingEntropy::starting_after(u64::from(sum(&message.to.address.to_string())) << 8);
    Parcel { attempt: entropy.uuid(), idempotency_key: entropy.uuid(), message: Arc::new(message) }
}

fn text(text: &str) -> HeaderText {
    HeaderText::new(text).expect("a fixed text without control characters")
}

/// FNV-1a: differs between the addresses of a test and is the same each run.
fn sum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
