//! What became of an uncertain message.
//!
//! Within 10 minutes of the intent the identical request is repeated under its key: Brevo recognises
//! it, so it is taken once in any case. A batch is repeated once for all of its members, by the process that
//! sent it ([`super::batches`]). Later, Brevo's events and its list of e-mails are asked for a
//! message to this address under the release's tag. Only a trace is proof; its absence is none
//! (DELIVERY.md, "What each provider allows").

use depeche_core::address::EmailAddress;
use depeche_core::event::EventKind;
use depeche_core::outcome::{Outcome, Persistence, Receipt, Refusal};
use depeche_core::provider::{EarlierAttempt, LookUp, Parcel};
use jiff::{Span, Timestamp};
use serde::Deserialize;

use super::payload::release_tag;
use super::provider::{BrevoProvider, REPEATABLE_FOR};
use super::{reply, webhook};
use crate::http::Answer;
use crate::http::classify::{Means, means};

#[derive(Deserialize)]
struct Events {
    #[serde(default)]
    events: Vec<Trace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Emails {
    #[serde(default)]
    transactional_emails: Vec<Trace>,
}

/// One item of either list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    email: String,
    message_id: String,
    date: String,
    /// Of an event: a tag, or a JSON list of tags in a string.
    #[serde(default)]
    tag: Option<String>,
    /// Of an e-mail.
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    event: Option<String>,
}

pub(super) async fn look_up(provider: &BrevoProvider, earlier: &EarlierAttempt, now: Timestamp) -> LookUp {
    if let Some(found) = repeat(provider, earlier, now).await {
        return LookUp::Found(found);
    }
    trace(provider, earlier, now).await
}

/// The outcome of repeating the request, when it may be repeated and its answer proves something.
async fn repeat(provider: &BrevoProvider, earlier: &EarlierAttempt, now: Timestamp) -> Option<Outcome> {
    let age = now.duration_since(earlier.started_at);
    let limit = jiff::SignedDuration::try_from(REPEATABLE_FOR).ok()?;
    if age.is_negative() || age >= limit {
        return None;
    }
    let stored = earlier.request_digest?;
    let outcome = match provider.batch_of(&stored) {
        Some(batch) => {
            let ask = async |parcels: &[Parcel]| again(provider, parcels, &stored).await;
            batch.told_of(&earlier.parcel, now, ask).await
        }
        None => again(provider, std::slice::from_ref(&earlier.parcel), &stored).await?.pop(),
    };
    outcome.filter(|outcome| matches!(outcome, Outcome::Accepted(_)))
}

/// The outcomes of the request with that digest, made once more; `None` when it would not be the same bytes (a batch
/// that another process sent, a release that renders differently now), or its answer proves nothing.
async fn again(provider: &BrevoProvider, parcels: &[Parcel], stored: &[u8; 32]) -> Option<Vec<Outcome>> {
    let (body, sum) = provider.request(parcels).ok()?;
    if sum != *stored {
        return None;
    }
    let answer = provider.send(body, &|| ()).await.ok()?;
    // A refusal of the repeat (429, a revoked key) says nothing about the first.
    let taken = reply::is_duplicate(&answer) || means(answer.status) == Means::Yes;
    let outcomes = reply::outcomes(&answer, parcels);
    (taken && outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_)))).then_some(outcomes)
}

async fn trace(provider: &BrevoProvider, earlier: &EarlierAttempt, now: Timestamp) -> LookUp {
    let address = earlier.parcel.message.to.address.to_string();
    let tag = release_tag(&earlier.parcel.message);
    let (start, end) = days(earlier.started_at, now);
    let common = vec![
        ("email", address),
        ("startDate", start),
        ("endDate", end),
        ("limit", "500".to_owned()),
        ("sort", "desc".to_owned()),
    ];
    let mut tagged = common.clone();
    tagged.push(("tags", tag.clone()));
    let asked = [("/smtp/statistics/events", tagged), ("/smtp/emails", common)];
    for (path, query) in asked {
        let answer = match provider.fetch(path, query).await {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => return LookUp::Failed(answer.line()),
            Err(refusal) => return LookUp::Failed(format!("{path}: {}", refusal.reply)),
        };
        let Some(traces) = read(path, &answer) else { return LookUp::Failed(answer.line()) };
        let ours: Vec<&Trace> = traces.iter().filter(|trace| trace.proves(earlier, &tag)).collect();
        if let Some(outcome) = told(&ours) {
            return LookUp::Found(outcome);
        }
    }
    LookUp::NotFound
}

/// What the traces of one message say together: of several events the strongest (a message that was blocked
/// was requested before). `None` without any.
fn told(traces: &[&Trace]) -> Option<Outcome> {
    let strongest = EventKind::strongest(traces.iter().filter_map(|trace| trace.kind()));
    let found = traces.iter().find(|trace| trace.kind() == strongest).or(traces.first())?;
    let seen = format!("Brevo lists it: {}", found.event.as_deref().unwrap_or("e-mail"));
    Some(match strongest {
        Some(EventKind::Blocked) => Outcome::Refused(Refusal::recipient(Persistence::Permanent, false, seen)),
        Some(EventKind::Failed) => Outcome::Refused(Refusal::message(seen)),
        _ => Outcome::Accepted(Receipt::new(Some(found.message_id.clone()), seen)),
    })
}

fn read(path: &str, answer: &Answer) -> Option<Vec<Trace>> {
    let document = answer.document()?;
    if path.ends_with("/events") {
        serde_json::from_value::<Events>(document).ok().map(|found| found.events)
    } else {
        serde_json::from_value::<Emails>(document).ok().map(|found| found.transactional_emails)
    }
}

impl Trace {
    /// What happened, of an event that says it.
    fn kind(&self) -> Option<EventKind> {
        webhook::kind(self.event.as_deref()?)
    }

    /// Whether this is the message of `earlier`: its address, its release, and not from before.
    fn proves(&self, earlier: &EarlierAttempt, tag: &str) -> bool {
        let address = &earlier.parcel.message.to.address;
        let same = EmailAddress::parse(&self.email).is_ok_and(|email| email.key() == address.key());
        // Brevo's clock and ours may differ a little.
        let earliest = earlier.started_at.saturating_sub(Span::new().minutes(2)).unwrap_or(Timestamp::MIN);
        let is_after = self.date.parse::<Timestamp>().is_ok_and(|date| date >= earliest);
        same && is_after && self.has_tag(tag) && !self.message_id.is_empty()
    }

    fn has_tag(&self, tag: &str) -> bool {
        let in_event = self.tag.as_deref().is_some_and(|text| {
            serde_json::from_str::<Vec<String>>(text).map_or_else(
                |_| text.split(',').any(|part| part.trim() == tag),
                |tags| tags.iter().any(|t| t == tag),
            )
        });
        in_event || self.tags.iter().any(|other| other == tag)
    }
}

/// The days to be asked for, a day wider at each end, and at most a month back (`/smtp/emails` answers
/// for no more).
fn days(from: Timestamp, now: Timestamp) -> (String, String) {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let hours = |at: Timestamp, hours: i64| at.saturating_add(Span::new().hours(hours)).unwrap_or(at);
    (day(hours(from, -24).max(hours(now, -24 * 29))), day(now))
}
