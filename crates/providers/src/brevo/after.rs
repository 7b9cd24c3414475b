//! What Brevo tells after the send: `GET /smtp/statistics/events`, and its own block list.
//!
//! The statistics allow 300 calls an hour and 90 days; a page is kept to what fits the cap on bodies.
//! PROVIDERS.md, sections 1.3 and 1.4.

use depeche_core::address::EmailAddress;
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::outcome::{Refusal, one_line};
use depeche_core::provider::{BlockList, Blocked, EventList};
use jiff::{Span, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::fault;
use super::provider::BrevoProvider;
use super::webhook;
use crate::http::Request;
use crate::http::classify::{Means, means, proved};
use crate::http::client::Cut;
use crate::reason::judged;

/// So many events a page: at 2 KiB each they fit the cap on bodies (1 MiB). Long reasons and subjects make
/// it smaller.
const EVENTS: usize = 500;
/// So many calls at the most: two thirds of an hour's.
const PAGES: usize = 200;
/// So many entries a page of the block list (Brevo's most).
const ENTRIES: usize = 100;

pub(super) async fn events(provider: &BrevoProvider, since: Timestamp, now: Timestamp) -> EventList {
    let (mut events, mut read, mut limit) = (Vec::new(), 0, EVENTS);
    for _ in 0..PAGES {
        let query = vec![
            ("startDate", day(since.max(hours_before(now, 24 * 89)))),
            ("endDate", day(now)),
            ("sort", "asc".to_owned()),
            ("limit", limit.to_string()),
            ("offset", read.to_string()),
        ];
        let items = match list(provider, "/smtp/statistics/events", query, "events").await {
            Ok(items) => items,
            Err(NoList::TooLong(_)) if limit > 1 => {
                limit /= 2;
                continue;
            }
            Err(NoList::TooLong(reason) | NoList::Failed(reason)) => return EventList::Failed(reason),
        };
        events.extend(items.iter().filter_map(|item| webhook::event(item).ok().flatten()));
        if items.len() < limit {
            return EventList::Listed { events: since_then(events, since), complete: true };
        }
        read += items.len();
    }
    EventList::Listed { events: since_then(events, since), complete: false }
}

/// Brevo is asked for whole days.
fn since_then(events: Vec<ProviderEvent>, since: Timestamp) -> Vec<ProviderEvent> {
    events.into_iter().filter(|event| event.at.is_none_or(|at| at >= since)).collect()
}

pub(super) async fn block_list(provider: &BrevoProvider) -> BlockList {
    let mut entries = Vec::new();
    for page in 0..PAGES {
        let query = vec![("limit", ENTRIES.to_string()), ("offset", (page * ENTRIES).to_string())];
        let items = match list(provider, "/smtp/blockedContacts", query, "contacts").await {
            Ok(items) => items,
            Err(NoList::TooLong(reason) | NoList::Failed(reason)) => return BlockList::Failed(reason),
        };
        entries.extend(items.iter().filter_map(|item| entry(Contact::deserialize(item).ok()?)));
        if items.len() < ENTRIES {
            return BlockList::Listed { entries, complete: true };
        }
    }
    BlockList::Listed { entries, complete: false }
}

#[derive(Deserialize)]
struct Contact {
    email: String,
    reason: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    #[serde(default)]
    message: String,
}

fn entry(contact: Contact) -> Option<Blocked> {
    let Reason { code, message } = contact.reason;
    let kind = match code.as_str() {
        "unsubscribedViaMA" | "unsubscribedViaEmail" | "unsubscribedViaApi" => EventKind::Unsubscribed,
        "contactFlaggedAsSpam" => EventKind::Complained,
        "hardBounce" => match judged(EventKind::BouncedHard, Some(&message)) {
            EventKind::InvalidAddress => EventKind::InvalidAddress,
            _ => EventKind::Blocked,
        },
        _ => EventKind::Blocked,
    };
    let reason = one_line(&format!("{code} {message}")).trim().to_owned();
    Some(Blocked { address: one_line(&contact.email), kind, reason })
}

/// Forbids the From address of this account's mail to the contact, which Brevo makes if need be.
pub(super) async fn block(
    provider: &BrevoProvider,
    address: &EmailAddress,
    _comment: &str,
) -> Result<bool, Refusal> {
    let Some(sender) = provider.config().sender_address.as_ref() else { return Ok(false) };
    let body = json!({ "email": address.to_string(), "updateEnabled": true,
        "smtpBlacklistSender": [sender.to_string()] });
    let answer = provider.post("/contacts", body.to_string().into_bytes()).await?;
    match means(answer.status) {
        Means::Yes => Ok(true),
        // 204: the contact was there and was changed.
        _ if answer.status == 204 => Ok(true),
        Means::No(trouble) => Err(proved(trouble, &answer)),
        _ => Err(fault(&answer)),
    }
}

/// Why there is no list.
enum NoList {
    /// It is longer than the cap on bodies: a shorter page may fit.
    TooLong(String),
    Failed(String),
}

async fn list(
    provider: &BrevoProvider,
    path: &str,
    query: Vec<(&'static str, String)>,
    field: &str,
) -> Result<Vec<Value>, NoList> {
    let fetched = provider.fetch(path, query).await;
    let answer = fetched.map_err(|refusal| NoList::Failed(format!("{path}: {}", refusal.reply)))?;
    let Some(mut document) = answer.document().filter(|_| answer.status == 200) else {
        let is_too_long = answer.status == 200 && answer.cut == Some(Cut::TooLong);
        return Err(if is_too_long { NoList::TooLong } else { NoList::Failed }(answer.line()));
    };
    match document.get_mut(field).map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        // An account without any has no such field.
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(_) => Err(NoList::Failed(format!("{path}: `{field}` is not a list"))),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn hours_before(at: Timestamp, hours: i64) -> Timestamp {
    at.saturating_sub(Span::new().hours(hours)).unwrap_or(at)
}

impl BrevoProvider {
    async fn post(&self, path: &str, body: Vec<u8>) -> Result<crate::http::Answer, Refusal> {
        self.free(path).await?;
        self.call(Request::post(path, body)).await.map_err(|failure| failure.refusal())
    }
}
