//! The request bodies of `messages/send-raw` and `messages/send`.
//!
//! A pure function of the message and its key. Fields and limits: PROVIDERS.md, section 3.

use std::collections::BTreeMap;

use depeche_core::message::Message;
use depeche_core::provider::Parcel;
use depeche_core::secret::{ExposeSecret, Secret};
use serde::Serialize;

use super::config::Mode;
use crate::http::names::{base64_line, display_name, file_name, header_value, unsubscribe_headers};

/// Why a message cannot be put to Mailchimp as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFit {
    /// JSON carries UTF-8 only.
    #[error("the message is not UTF-8 throughout")]
    NotUtf8,
}

/// The name of our metadata field: an attempt is searched for under it.
pub const METADATA: &str = "depeche_attempt";

#[derive(Serialize)]
struct Raw<'a> {
    key: &'a str,
    raw_message: String,
    from_email: String,
    to: [String; 1],
    r#async: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_pool: Option<&'a str>,
}

#[derive(Serialize)]
struct Send<'a> {
    key: &'a str,
    message: Parts<'a>,
    r#async: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_pool: Option<&'a str>,
}

#[derive(Serialize)]
struct Parts<'a> {
    html: &'a str,
    text: &'a str,
    subject: &'a str,
    from_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    to: [To; 1],
    headers: BTreeMap<String, String>,
    // Everything by which Mailchimp would change the message is off.
    track_opens: bool,
    track_clicks: bool,
    auto_text: bool,
    auto_html: bool,
    inline_css: bool,
    preserve_recipients: bool,
    merge: bool,
    metadata: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<File>,
}

#[derive(Serialize)]
struct To {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct File {
    r#type: String,
    name: String,
    content: String,
}

/// Path and request body for one parcel.
///
/// # Errors
///
/// [`NotFit`] when Mailchimp cannot carry it; nothing was sent.
pub(super) fn call(
    parcel: &Parcel,
    mode: Mode,
    key: &Secret,
    ip_pool: Option<&str>,
) -> Result<(&'static str, Vec<u8>), NotFit> {
    let key = key.expose_secret();
    match mode {
        Mode::Raw => {
            let message = &parcel.message;
            let body = Raw {
                key,
                raw_message: raw_message(parcel)?,
                from_email: message.from.address.to_string(),
                to: [message.to.address.to_string()],
                r#async: false,
                ip_pool,
            };
            Ok(("/messages/send-raw", to_json(&body)))
        }
        Mode::Parts => {
            let body = Send { key, message: parts(parcel), r#async: false, ip_pool };
            Ok(("/messages/send", to_json(&body)))
        }
    }
}

fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("strings and lists are always JSON")
}

/// Our MIME behind the headers by which Mailchimp is steered; it takes them out again. `send-raw` works
/// "exactly as if it were sent through Mandrill's SMTP servers", so what steers SMTP steers it.
fn raw_message(parcel: &Parcel) -> Result<String, NotFit> {
    let mime = String::from_utf8(parcel.message.mime.to_vec()).map_err(|_| NotFit::NotUtf8)?;
    let attempt = parcel.attempt;
    Ok(format!(
        "X-MC-Track: none\r\nX-MC-Autotext: false\r\nX-MC-AutoHtml: false\r\nX-MC-InlineCSS: false\r\n\
         X-MC-PreserveRecipients: false\r\nX-MC-Metadata: {{\"{METADATA}\":\"{attempt}\"}}\r\n{mime}"
    ))
}

fn parts(parcel: &Parcel) -> Parts<'_> {
    let message = &*parcel.message;
    let name = |name: &Option<depeche_core::text::HeaderText>| {
        name.as_ref().filter(|name| !name.is_blank()).map(|name| display_name(name.as_str()))
    };
    Parts {
        html: &message.html,
        text: &message.text,
        subject: message.subject.as_str(),
        from_email: message.from.address.to_string(),
        from_name: name(&message.from.name),
        to: [To { email: message.to.address.to_string(), name: name(&message.to.name), r#type: "to" }],
        headers: headers(message),
        track_opens: false,
        track_clicks: false,
        auto_text: false,
        auto_html: false,
        inline_css: false,
        preserve_recipients: false,
        merge: false,
        metadata: BTreeMap::from([(METADATA, parcel.attempt.to_string())]),
        attachments: message
            .attachments
            .iter()
            .map(|file| self::file(file, file_name(file.name.as_str())))
            .collect(),
        // An image is referred to by its name: `cid:` and this.
        images: message.images.iter().map(|image| file(&image.file, image.content_id.clone())).collect(),
    }
}

fn headers(message: &Message) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = message
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), header_value(value.as_str())))
        .collect();
    headers.extend(unsubscribe_headers(message));
    headers.insert("Message-Id".to_owned(), message.message_id.as_str().to_owned());
    if !message.lang.is_empty() {
        headers.insert("Content-Language".to_owned(), header_value(&message.lang));
    }
    if let Some(reply_to) = &message.reply_to {
        // There is no field for it.
        let address = &reply_to.address;
        let value = match reply_to.name.as_ref().filter(|name| !name.is_blank()) {
            Some(name) => format!("{} <{address}>", phrase(name.as_str())),
            None => address.to_string(),
        };
        headers.insert("Reply-To".to_owned(), value);
    }
    headers
}

/// A display name in a header (RFC 5322, section 3.2.5): quoted, or an encoded word.
fn phrase(name: &str) -> String {
    if name.is_ascii() && !name.contains("=?") {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        header_value(name)
    }
}

fn file(attachment: &depeche_core::message::Attachment, name: String) -> File {
    File { r#type: attachment.media_type.clone(), name, content: base64_line(attachment) }
}

#[cfg(test)]
mod tests {
    use depeche_testkit::conformance::parcel_to;
    use serde_json::{Value, json};

    use super::*;

    fn read(mode: Mode, parcel: &Parcel) -> (&'static str, Value) {
        let (path, body) = call(parcel, mode, &Secret::from("md-key".to_owned()), Some("presse")).unwrap();
        (path, serde_json::from_slice(&body).unwrap())
    }

    /// Written by hand after PROVIDERS.md, section 3.
    #[test]
    fn a_raw_call_carries_our_mime_to_one_journalist() {
        let parcel = parcel_to("ana@journal.example");

        let (path, sent) = read(Mode::Raw, &parcel);

        assert_eq!(path, "/messages/send-raw");
        let raw = sent["raw_message"].as_str().unwrap();
        let mime = String::from_utf8(parcel.message.mime.to_vec()).unwrap();
        assert!(raw.ends_with(&format!("\r\n{mime}")), "{raw}");
        assert!(raw.contains("X-MC-Track: none\r\n"));
        assert!(raw.contains(&format!("X-MC-Metadata: {{\"depeche_attempt\":\"{}\"}}\r\n", parcel.attempt)));
        let mut rest = sent.clone();
        rest.as_object_mut().unwrap().remove("raw_message");
        let expected = json!({"key": "md-key", "from_email": "presse@exemple.fr",
            "to": ["ana@journal.example"], "async": false, "ip_pool": "presse"});
        assert_eq!(rest, expected);
    }

    #[test]
    fn a_call_in_parts_switches_everything_off_that_changes_the_message() {
        let parcel = parcel_to("ana@journal.example");

        let (path, sent) = read(Mode::Parts, &parcel);

        assert_eq!(path, "/messages/send");
        let message = &sent["message"];
        for switch in [
            "track_opens",
            "track_clicks",
            "auto_text",
            "auto_html",
            "inline_css",
            "merge",
            "preserve_recipients",
        ] {
            assert_eq!(message[switch], false, "{switch}");
        }
        assert_eq!(message["to"], json!([{"email": "ana@journal.example", "type": "to"}]));
        assert_eq!(message["metadata"], json!({"depeche_attempt": parcel.attempt.to_string()}));
        assert_eq!(message["headers"]["Message-Id"], parcel.message.message_id.as_str());
        assert_eq!(sent["async"], false);
    }

    #[test]
    fn metadata_fits_in_mailchimps_two_hundred_octets() {
        let parcel = parcel_to("ana@journal.example");
        let metadata = serde_json::to_vec(&parts(&parcel).metadata).unwrap();

        assert!(metadata.len() <= 200);
    }
}
