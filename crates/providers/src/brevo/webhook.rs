//! Brevo's webhook bodies and polled events, as [`ProviderEvent`]s.
//!
//! Names of events and fields: PROVIDERS.md, section 1.5. Brevo signs nothing: who posted it must be
//! known by other means (a bearer token, basic auth, address ranges) before it is read. What a
//! recipient did with the message (opened, clicked) is left out on purpose: depeche does not track.

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::outcome::one_line;
use jiff::Timestamp;
use serde_json::Value;

use crate::reason::judged;

/// Why a body is not Brevo's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Not JSON, or neither an object nor a list of objects.
    #[error("the body is not a JSON object or list of objects")]
    NotJson,
    /// A field that every event has is missing.
    #[error("the event has no `{0}`")]
    Missing(&'static str),
}

/// The events in `body`: one object, or a list of them (`batched`). Events that are none of ours
/// (opened, click, what concerns contacts and lists, and kinds yet unknown) are left out, and so is one
/// that cannot be read beside others that can: a log line counts those.
///
/// # Errors
///
/// [`WebhookError`] when nothing in the body is what Brevo posts.
pub fn events(body: &[u8]) -> Result<Vec<ProviderEvent>, WebhookError> {
    let document: Value = serde_json::from_slice(body).map_err(|_| WebhookError::NotJson)?;
    let items = match document {
        Value::Array(items) => items,
        item @ Value::Object(_) => vec![item],
        _ => return Err(WebhookError::NotJson),
    };
    let read: Vec<_> = items.iter().map(event).collect();
    let unreadable = read.iter().filter(|event| event.is_err()).count();
    if unreadable == items.len() {
        // An empty list is nothing to complain of.
        return read.into_iter().find_map(Result::err).map_or(Ok(Vec::new()), Err);
    }
    if unreadable > 0 {
        tracing::warn!(unreadable, of = items.len(), "events of Brevo were left out");
    }
    Ok(read.into_iter().flatten().flatten().collect())
}

/// One event; `None` for those that are none of ours.
pub(super) fn event(item: &Value) -> Result<Option<ProviderEvent>, WebhookError> {
    let text = |field: &'static str| item.get(field).and_then(Value::as_str);
    let name = text("event").ok_or(WebhookError::Missing("event"))?;
    // Of a contact or a list: other fields, and `email` may be a list of addresses.
    let Some(kind) = kind(name) else { return Ok(None) };
    let recipient = text("email").ok_or(WebhookError::Missing("email"))?;
    let reason = text("reason").filter(|reason| !reason.is_empty()).map(one_line);
    let kind = judged(kind, reason.as_deref());
    let id = text("message-id").or_else(|| text("messageId")).map(one_line);
    Ok(Some(ProviderEvent {
        kind,
        at: moment(item),
        recipient: one_line(recipient),
        // A message that came over SMTP has no id of the API's: where the relay kept ours, it stands here.
        message_id: id.clone(),
        provider_id: id,
        attempt: text("X-Mailin-custom").and_then(|custom| custom.parse().ok()),
        key: tags(item).find_map(|tag| tag.strip_prefix("depeche-")?.parse().ok()),
        reason,
    }))
}

/// The tags of a message: a list, a tag, or in one text a JSON list of tags or several with commas between.
fn tags(item: &Value) -> impl Iterator<Item = String> {
    let listed = item.get("tags").and_then(Value::as_array).into_iter().flatten();
    let listed: Vec<String> = listed.filter_map(|tag| Some(tag.as_str()?.to_owned())).collect();
    let in_text = item.get("tag").and_then(Value::as_str).unwrap_or_default();
    let in_text = serde_json::from_str(in_text)
        .unwrap_or_else(|_| in_text.split(',').map(|tag| tag.trim().to_owned()).collect::<Vec<String>>());
    listed.into_iter().chain(in_text)
}

/// Both spellings: of webhooks, and of `GET /smtp/statistics/events`.
pub(super) fn kind(name: &str) -> Option<EventKind> {
    Some(match name {
        "request" | "requests" => EventKind::Accepted,
        "delivered" => EventKind::Delivered,
        "deferred" => EventKind::Deferred,
        "hard_bounce" | "hardBounces" => EventKind::BouncedHard,
        "soft_bounce" | "softBounces" | "bounces" => EventKind::BouncedSoft,
        "invalid_email" | "invalid" => EventKind::InvalidAddress,
        "blocked" => EventKind::Blocked,
        "error" => EventKind::Failed,
        "complaint" | "spam" => EventKind::Complained,
        "unsubscribed" | "unsubscribe" => EventKind::Unsubscribed,
        _ => return None,
    })
}

/// `ts_event` is in seconds of UTC; `date` is in the account's own zone and therefore the last choice.
fn moment(item: &Value) -> Option<Timestamp> {
    let seconds = ["ts_event", "ts"].iter().find_map(|field| item.get(*field)?.as_i64());
    match seconds {
        Some(seconds) => Timestamp::from_second(seconds).ok(),
        None => item.get("date")?.as_str()?.parse().ok(),
    }
}
