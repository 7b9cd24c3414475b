//! The request body of `POST /smtp/email`.
//!
//! A pure function of the messages and their keys: the same parcels give the same bytes, so that a
//! repeat within Brevo's 30 minutes is recognised. Fields and limits: PROVIDERS.md, section 1.1.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use depeche_core::address::Mailbox;
use depeche_core::message::Message;
use depeche_core::provider::Parcel;
use serde::Serialize;

use crate::http::names::{base64_line, display_name, file_name, header_value, unsubscribe_headers};

/// Why messages cannot be put to Brevo as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFit {
    /// Brevo has no `cid:` images, and one of them has no address on the web to link to.
    #[error("Brevo carries no images inside a message; give them a url to be linked to")]
    InlineImages,
    /// Brevo refuses mail without HTML.
    #[error("Brevo needs an HTML part")]
    NoHtml,
    /// A request has one sender and one set of attachments.
    #[error("the messages of one batch differ in sender or attachments")]
    Uneven,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    sender: Address,
    subject: &'a str,
    html_content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text_content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachment: Vec<File>,
    headers: BTreeMap<String, String>,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    message_versions: Vec<Version<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version<'a> {
    to: [Address; 1],
    subject: &'a str,
    html_content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text_content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address>,
    headers: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Address {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct File {
    name: String,
    content: String,
}

/// The request body for `parcels`: one message as `to`, several as `messageVersions`.
///
/// # Errors
///
/// [`NotFit`] when Brevo cannot carry them; nothing was sent.
pub(super) fn body(parcels: &[Parcel], sender_ips: &[IpAddr]) -> Result<Vec<u8>, NotFit> {
    let Some(first) = parcels.first() else { return Err(NotFit::Uneven) };
    for parcel in parcels {
        fits(&parcel.message, &first.message)?;
    }
    let message = &first.message;
    let is_batch = parcels.len() > 1;
    let mut headers = request_headers(first, sender_ips);
    if !is_batch {
        headers.extend(message_headers(first));
    }
    let body = Body {
        sender: address(&message.from),
        subject: message.subject.as_str(),
        html_content: html(message),
        text_content: &message.text,
        to: if is_batch { Vec::new() } else { vec![address(&message.to)] },
        reply_to: message.reply_to.as_ref().map(address),
        attachment: files(message),
        headers,
        tags: vec![release_tag(message), request_tag(first)],
        message_versions: if is_batch { versions(parcels, sender_ips) } else { Vec::new() },
    };
    Ok(serde_json::to_vec(&body).expect("strings and lists are always JSON"))
}

/// The tag that all messages of one release carry at Brevo, by which they are found again: no two
/// releases leave at the same moment from the same address.
#[must_use]
pub fn release_tag(message: &Message) -> String {
    let moment = format!("{} {}", message.from.address, message.date.timestamp());
    let sum = digest(&SHA256, moment.as_bytes());
    let short: String = sum.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("depeche-{short}")
}

/// The tag of one request.
pub(super) fn request_tag(first: &Parcel) -> String {
    format!("depeche-{}", first.idempotency_key)
}

fn fits(message: &Message, first: &Message) -> Result<(), NotFit> {
    if message.html_with_linked_images().is_none() {
        return Err(NotFit::InlineImages);
    }
    if message.html.trim().is_empty() {
        return Err(NotFit::NoHtml);
    }
    let same_files = std::ptr::eq(message.attachments.as_ptr(), first.attachments.as_ptr())
        || message.attachments == first.attachments;
    if message.from == first.from && same_files { Ok(()) } else { Err(NotFit::Uneven) }
}

/// With links in place of images; [`fits`] saw that each has one.
fn html(message: &Message) -> Cow<'_, str> {
    message.html_with_linked_images().unwrap_or(Cow::Borrowed(&message.html))
}

fn versions<'a>(parcels: &'a [Parcel], sender_ips: &[IpAddr]) -> Vec<Version<'a>> {
    let ip = sender_ip(&parcels[0], sender_ips);
    parcels
        .iter()
        .map(|parcel| {
            let message = &parcel.message;
            let mut headers = message_headers(parcel);
            // Whether a version's headers add to the request's or replace them is not documented.
            headers.extend(ip.clone());
            Version {
                to: [address(&message.to)],
                subject: message.subject.as_str(),
                html_content: html(message),
                text_content: &message.text,
                reply_to: message.reply_to.as_ref().map(address),
                headers,
            }
        })
        .collect()
}

fn request_headers(first: &Parcel, sender_ips: &[IpAddr]) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::from([("idempotencyKey".to_owned(), first.idempotency_key.to_string())]);
    headers.extend(sender_ip(first, sender_ips));
    headers
}

/// In turn by the key and not by a counter: a repeat must be the same bytes.
fn sender_ip(first: &Parcel, sender_ips: &[IpAddr]) -> Option<(String, String)> {
    let turn = first.idempotency_key.as_u128().checked_rem(sender_ips.len() as u128)?;
    let ip = sender_ips.get(usize::try_from(turn).ok()?)?;
    Some(("sender.ip".to_owned(), ip.to_string()))
}

fn message_headers(parcel: &Parcel) -> BTreeMap<String, String> {
    let message = &parcel.message;
    let mut headers: BTreeMap<String, String> = message
        .headers
        .iter()
        .filter(|(name, _)| !OURS.iter().any(|ours| name.as_str().eq_ignore_ascii_case(ours)))
        .map(|(name, value)| (name.as_str().to_owned(), header_value(value.as_str())))
        .collect();
    headers.extend(unsubscribe_headers(message));
    if !message.lang.is_empty() {
        headers.insert("Content-Language".to_owned(), header_value(&message.lang));
    }
    // Comes back in every webhook event; the recipient can see it, so it names nobody.
    headers.insert("X-Mailin-custom".to_owned(), parcel.attempt.to_string());
    headers
}

fn address(mailbox: &Mailbox) -> Address {
    let name = mailbox.name.as_ref().filter(|name| !name.is_blank());
    Address { email: mailbox.address.to_string(), name: name.map(|name| display_name(name.as_str())) }
}

fn files(message: &Message) -> Vec<File> {
    let file = |attachment: &depeche_core::message::Attachment| File {
        name: file_name(attachment.name.as_str()),
        content: base64_line(attachment),
    };
    message.attachments.iter().map(file).collect()
}

/// What steers Brevo is not the release's to say.
const OURS: [&str; 3] = ["idempotencyKey", "sender.ip", "X-Mailin-custom"];

#[cfg(test)]
mod tests {
    use depeche_testkit::conformance::{parcel_to, parcels_to};
    use serde_json::{Value, json};

    use super::*;

    fn read(parcels: &[Parcel], ips: &[IpAddr]) -> Value {
        serde_json::from_slice(&body(parcels, ips).unwrap()).unwrap()
    }

    /// Written by hand after PROVIDERS.md, section 1.1.
    #[test]
    fn one_message_is_one_request_with_one_to() {
        let parcel = parcel_to("ana@journal.example");

        let sent = read(std::slice::from_ref(&parcel), &[]);

        let expected = json!({
            "sender": {"email": "presse@exemple.fr", "name": "Service de presse"},
            "to": [{"email": "ana@journal.example"}],
            "subject": "Une annonce",
            "htmlContent": &*parcel.message.html,
            "textContent": &*parcel.message.text,
            "headers": {
                "idempotencyKey": parcel.idempotency_key.to_string(),
                "X-Mailin-custom": parcel.attempt.to_string(),
                "Content-Language": "fr",
            },
            "tags": [release_tag(&parcel.message), format!("depeche-{}", parcel.idempotency_key)],
        });
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_batch_has_one_version_per_journalist_and_nobody_sees_another() {
        let parcels = parcels_to(3);

        let sent = read(&parcels, &[]);

        assert!(sent.get("to").is_none());
        assert_eq!(sent["headers"]["idempotencyKey"], parcels[0].idempotency_key.to_string());
        let versions = sent["messageVersions"].as_array().unwrap();
        for (version, parcel) in versions.iter().zip(&parcels) {
            assert_eq!(version["to"], json!([{"email": parcel.message.to.address.to_string()}]));
            assert_eq!(version["headers"]["X-Mailin-custom"], parcel.attempt.to_string());
        }
        assert_eq!(versions.len(), 3);
    }

    #[test]
    fn the_same_parcel_gives_the_same_bytes_and_takes_its_address_in_turn() {
        let ips: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let mut parcels = parcels_to(40);
        for (number, parcel) in (0..).zip(&mut parcels) {
            parcel.idempotency_key = uuid::Uuid::from_u128(number);
        }

        let first = |parcel: &Parcel| body(std::slice::from_ref(parcel), &ips).unwrap();
        let used: std::collections::BTreeSet<String> = parcels
            .iter()
            .map(|parcel| read(std::slice::from_ref(parcel), &ips)["headers"]["sender.ip"].to_string())
            .collect();

        assert!(parcels.iter().all(|parcel| first(parcel) == first(parcel)));
        assert_eq!(used.len(), 2);
    }

    #[test]
    fn a_message_that_brevo_cannot_carry_is_named_and_not_sent() {
        let mut parcel = parcel_to("ana@journal.example");
        let mut message = (*parcel.message).clone();
        message.html = "  ".into();
        parcel.message = message.into();

        assert_eq!(body(&[parcel], &[]), Err(NotFit::NoHtml));
    }

    #[test]
    fn an_image_with_an_address_on_the_web_is_linked_and_one_without_is_not_sent() {
        let image = |url: Option<&str>| depeche_core::message::InlineImage {
            content_id: "photo1@depeche".to_owned(),
            file: depeche_core::message::Attachment {
                name: depeche_core::text::HeaderText::new("usine.jpg").unwrap(),
                media_type: "image/jpeg".to_owned(),
                content: bytes::Bytes::from_static(b"x"),
                encoded: bytes::Bytes::from_static(b"eA==\r\n"),
            },
            url: url.map(str::to_owned),
        };
        let with = |url| {
            let mut parcel = parcel_to("ana@journal.example");
            let mut message = (*parcel.message).clone();
            message.html = "<p><img src=\"cid:photo1@depeche\" alt=\"\"></p>".into();
            message.images = [image(url)].into();
            parcel.message = message.into();
            parcel
        };

        let linked = read(&[with(Some("https://presse.exemple.fr/usine.jpg?a=1&b=2"))], &[]);

        assert_eq!(
            linked["htmlContent"],
            "<p><img src=\"https://presse.exemple.fr/usine.jpg?a=1&amp;b=2\" alt=\"\"></p>"
        );
        assert_eq!(body(&[with(None)], &[]), Err(NotFit::InlineImages));
    }

    #[test]
    fn a_header_of_the_release_cannot_steer_brevo() {
        let text = |text: &str| depeche_core::text::HeaderText::new(text).unwrap();
        let mut parcel = parcel_to("ana@journal.example");
        let mut message = (*parcel.message).clone();
        message.headers = vec![(text("IdempotencyKey"), text("x")), (text("Sender.ip"), text("192.0.2.9"))];
        parcel.message = message.into();

        let headers = read(std::slice::from_ref(&parcel), &[])["headers"].clone();

        assert_eq!(headers["idempotencyKey"], parcel.idempotency_key.to_string());
        assert_eq!(headers.as_object().unwrap().len(), 3, "{headers}");
    }

    #[test]
    fn a_batch_of_two_senders_is_refused() {
        let mut parcels = parcels_to(2);
        let mut message = (*parcels[1].message).clone();
        message.from.name = None;
        parcels[1].message = message.into();

        assert_eq!(body(&parcels, &[]), Err(NotFit::Uneven));
    }
}
