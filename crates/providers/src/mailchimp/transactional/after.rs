//! What Mailchimp Transactional tells after the send: `messages/search`, and its own block list.
//!
//! A search gives 1000 messages at the most, so it is asked day by day, and a day that is fuller is told
//! as incomplete: the webhook has no such limit. It lists messages by the day on which they were sent; who
//! opts out of an older one, or complains, is found on the block list. Mailchimp allows 20 searches a minute. PROVIDERS.md,
//! section 3.

use depeche_core::address::EmailAddress;
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::outcome::{Refusal, one_line};
use depeche_core::provider::{BlockList, Blocked, EventList};
use depeche_core::secret::ExposeSecret;
use jiff::{Span, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::ask_with;
use super::payload::METADATA;
use super::provider::TransactionalProvider;
use super::reply;
use crate::reason::judged;

/// Messages a search: more would not fit the cap on bodies.
const MESSAGES: usize = 500;
/// Days back at the most: Mailchimp keeps 30 for a search.
const DAYS: i64 = 30;
/// Entries of `rejects/list` at the most (Mailchimp's own bound).
const ENTRIES: usize = 1_000;

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "_id")]
    id: String,
    email: String,
    #[serde(default)]
    ts: Option<i64>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    diag: Option<String>,
    #[serde(default)]
    bounce_description: Option<String>,
    #[serde(default)]
    metadata: Value,
    /// Of one that was rejected, and null of the others.
    #[serde(default)]
    reject: Value,
}

pub(super) async fn events(provider: &TransactionalProvider, since: Timestamp, now: Timestamp) -> EventList {
    let earliest = now.saturating_sub(Span::new().hours(24 * DAYS)).unwrap_or(since);
    let (mut events, mut complete, mut from) = (Vec::new(), since >= earliest, since.max(earliest));
    loop {
        let next = from.saturating_add(Span::new().hours(24)).unwrap_or(now);
        let key = provider.config().api_key.expose_secret();
        let search = json!({ "key": key, "query": "*", "date_from": day(from), "date_to": day(from),
            "limit": MESSAGES });
        let found: Vec<Value> = match ask_with(provider, "/messages/search", &search).await {
            Ok(found) => found,
            Err(refusal) => return EventList::Failed(refusal.reply),
        };
        complete &= found.len() < MESSAGES;
        events.extend(found.iter().filter_map(|item| event(Message::deserialize(item).ok()?)));
        if day(from) >= day(now) {
            break;
        }
        from = next;
    }
    match wishes(provider, since).await {
        Ok((wishes, whole)) => {
            events.extend(wishes);
            EventList::Listed { events, complete: complete && whole }
        }
        // What the search told is kept; a key may be kept from this list, and the list has a limit of its own.
        Err(reason) => {
            tracing::warn!(reason, "Mailchimp's block list could not be read");
            EventList::Listed { events, complete: false }
        }
    }
}

/// Opt-outs and complaints since then, and whether that is all: the search lists a message by the day on
/// which it was sent, and people opt out of old messages too.
async fn wishes(
    provider: &TransactionalProvider,
    since: Timestamp,
) -> Result<(Vec<ProviderEvent>, bool), String> {
    let found = rejects(provider).await.map_err(|refusal| refusal.reply)?;
    let whole = found.len() < ENTRIES;
    let entries = found.iter().filter_map(|item| Reject::deserialize(item).ok());
    let wishes = entries.filter_map(wish).filter(|event| event.at.is_none_or(|at| at >= since));
    Ok((wishes.collect(), whole))
}

fn wish(reject: Reject) -> Option<ProviderEvent> {
    let at = moment(&reject.last_event_at).or_else(|| moment(&reject.created_at));
    let Blocked { address, kind, reason } = blocked(reject);
    let event = ProviderEvent { at, reason: Some(reason), ..ProviderEvent::new(kind, &address) };
    kind.is_wish().then_some(event)
}

/// `2023-01-15 10:30:00`, UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let moment: jiff::civil::DateTime = text.parse().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(moment).ok()
}

fn event(message: Message) -> Option<ProviderEvent> {
    let rejected_for = message.reject.get("reason").and_then(Value::as_str);
    let stated = |text: &String| !text.is_empty();
    let reason = message.diag.filter(stated).or(message.bounce_description.filter(stated));
    let reason = reason.or_else(|| rejected_for.map(str::to_owned).filter(stated));
    let kind = match message.state.as_str() {
        // Mailchimp's "sent": the receiver took it, or at least has not refused it.
        "sent" => EventKind::Accepted,
        "delivered" => EventKind::Delivered,
        "bounced" => judged(EventKind::BouncedHard, reason.as_deref()),
        "soft-bounced" => EventKind::BouncedSoft,
        "deferred" => EventKind::Deferred,
        "rejected" => reply::rejection(rejected_for),
        "spam" => EventKind::Complained,
        "unsub" => EventKind::Unsubscribed,
        _ => return None,
    };
    let attempt = message.metadata.get(METADATA).and_then(Value::as_str);
    Some(ProviderEvent {
        at: message.ts.and_then(|ts| Timestamp::from_second(ts).ok()),
        provider_id: Some(one_line(&message.id)),
        attempt: attempt.and_then(|attempt| attempt.parse().ok()),
        reason: reason.as_deref().map(one_line),
        ..ProviderEvent::new(kind, &one_line(&message.email))
    })
}

#[derive(Deserialize)]
struct Reject {
    email: String,
    reason: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    last_event_at: String,
}

pub(super) async fn block_list(provider: &TransactionalProvider) -> BlockList {
    let found = match rejects(provider).await {
        Ok(found) => found,
        Err(refusal) => return BlockList::Failed(refusal.reply),
    };
    let complete = found.len() < ENTRIES;
    let entries = found.iter().filter_map(|item| Some(blocked(Reject::deserialize(item).ok()?))).collect();
    BlockList::Listed { entries, complete }
}

async fn rejects(provider: &TransactionalProvider) -> Result<Vec<Value>, Refusal> {
    let key = provider.config().api_key.expose_secret();
    ask_with(provider, "/rejects/list", &json!({ "key": key, "include_expired": false })).await
}

fn blocked(reject: Reject) -> Blocked {
    let detail = reject.detail.unwrap_or_default();
    let kind = match reject.reason.as_str() {
        "unsub" => EventKind::Unsubscribed,
        "spam" => EventKind::Complained,
        "hard-bounce" => match judged(EventKind::BouncedHard, Some(&detail)) {
            EventKind::InvalidAddress => EventKind::InvalidAddress,
            _ => EventKind::Blocked,
        },
        _ => EventKind::Blocked,
    };
    let reason = one_line(&format!("{} {detail}", reject.reason)).trim().to_owned();
    Blocked { address: one_line(&reject.email), kind, reason }
}

pub(super) async fn block(
    provider: &TransactionalProvider,
    address: &EmailAddress,
    comment: &str,
) -> Result<bool, Refusal> {
    let key = provider.config().api_key.expose_secret();
    let asked = json!({ "key": key, "email": address.to_string(), "comment": comment });
    let _: Value = ask_with(provider, "/rejects/add", &asked).await?;
    Ok(true)
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
