//! Mailchimp Transactional's webhook: its signature, and its events as [`ProviderEvent`]s.
//!
//! Posted as a form with the field `mandrill_events`, a JSON list. The signature is base64 of HMAC-SHA1
//! over the exact public URL and each form field, sorted by name, name and value joined (PROVIDERS.md,
//! section 3). What a recipient did with the message (open, click) is left out on purpose.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::outcome::one_line;
use jiff::Timestamp;
use serde_json::Value;

use super::transactional::{METADATA, rejection};
use crate::reason::judged;

/// The key with which Mailchimp signs the empty list that it posts to try a URL out.
pub const TEST_KEY: &str = "test-webhook";

/// The events are not a JSON list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mandrill_events is not a JSON list of events")]
pub struct BadEvents;

/// Whether `signature` (the header `X-Mandrill-Signature`) is that of a form posted to `url`. Takes the
/// same time whether or not it is.
#[must_use]
pub fn is_signed(key: &[u8], url: &str, form: &[(String, String)], signature: &str) -> bool {
    let Ok(claimed) = STANDARD.decode(signature.trim()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::verify(&key, signed_text(url, form).as_bytes(), &claimed).is_ok()
}

/// The signature of a form posted to `url`.
#[must_use]
pub fn signature(key: &[u8], url: &str, form: &[(String, String)]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    STANDARD.encode(hmac::sign(&key, signed_text(url, form).as_bytes()))
}

fn signed_text(url: &str, form: &[(String, String)]) -> String {
    let mut fields: Vec<&(String, String)> = form.iter().collect();
    fields.sort();
    let mut text = url.to_owned();
    for (name, value) in fields {
        text.push_str(name);
        text.push_str(value);
    }
    text
}

/// The events in the form field `mandrill_events`. Those that are none of ours (open, click, inbound,
/// list changes, and kinds yet unknown) are left out.
///
/// # Errors
///
/// [`BadEvents`] when it is not a JSON list.
pub fn events(mandrill_events: &str) -> Result<Vec<ProviderEvent>, BadEvents> {
    let list: Vec<Value> = serde_json::from_str(mandrill_events).map_err(|_| BadEvents)?;
    Ok(list.iter().filter_map(event).collect())
}

fn event(item: &Value) -> Option<ProviderEvent> {
    let message = item.get("msg")?;
    let text = |field: &str| message.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let rejected_for = message.get("reject").and_then(|reject| reject.get("reason")).and_then(Value::as_str);
    let reason = text("diag").or_else(|| text("bounce_description")).or(rejected_for);
    let kind = match item.get("event")?.as_str()? {
        "reject" => rejection(rejected_for),
        name => judged(kind(name)?, reason),
    };
    let attempt = message.get("metadata").and_then(|metadata| metadata.get(METADATA)).and_then(Value::as_str);
    Some(ProviderEvent {
        kind,
        at: item.get("ts").and_then(Value::as_i64).and_then(|ts| Timestamp::from_second(ts).ok()),
        recipient: one_line(text("email")?),
        provider_id: text("_id").or_else(|| item.get("_id").and_then(Value::as_str)).map(one_line),
        message_id: None,
        attempt: attempt.and_then(|attempt| attempt.parse().ok()),
        key: None,
        reason: reason.map(one_line),
    })
}

fn kind(name: &str) -> Option<EventKind> {
    Some(match name {
        "send" => EventKind::Accepted,
        "delivered" => EventKind::Delivered,
        "deferral" => EventKind::Deferred,
        "hard_bounce" => EventKind::BouncedHard,
        "soft_bounce" => EventKind::BouncedSoft,
        "spam" => EventKind::Complained,
        "unsub" => EventKind::Unsubscribed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(value: &str) -> Vec<(String, String)> {
        vec![("mandrill_events".to_owned(), value.to_owned())]
    }

    /// The vector of PROVIDERS.md, section 3, computed there with Python.
    #[test]
    fn the_published_signature_holds_and_no_other() {
        let url = "https://presse.example/hook";
        let good = "hMQ80qj7rlDX3CJeY2D2wrbKXoM=";

        assert_eq!(signature(TEST_KEY.as_bytes(), url, &form("[]")), good);
        assert!(is_signed(TEST_KEY.as_bytes(), url, &form("[]"), good));
        for (key, url, value, signature) in [
            ("other-key", url, "[]", good),
            (TEST_KEY, "https://presse.example/hook/", "[]", good),
            (TEST_KEY, url, "[{}]", good),
            (TEST_KEY, url, "[]", "hMQ80qj7rlDX3CJeY2D2wrbKXoN="),
            (TEST_KEY, url, "[]", "hMQ80qj7"),
            (TEST_KEY, url, "[]", ""),
            (TEST_KEY, url, "[]", "not base64!"),
        ] {
            assert!(
                !is_signed(key.as_bytes(), url, &form(value), signature),
                "{key} {url} {value} {signature}"
            );
        }
    }

    #[test]
    fn fields_are_signed_in_the_order_of_their_names() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());

        let one = signature(b"k", "u", &[field("b", "2"), field("a", "1")]);

        assert_eq!(one, signature(b"k", "u", &[field("a", "1"), field("b", "2")]));
    }

    #[test]
    fn what_is_no_list_is_an_error_and_what_is_no_event_is_left_out() {
        assert_eq!(events("{}"), Err(BadEvents));
        assert_eq!(events("[]"), Ok(Vec::new()));
        assert_eq!(
            events(r#"[{"event":"sync"},{"event":"open","msg":{"email":"a@b.example"}},7]"#),
            Ok(Vec::new())
        );
    }
}
