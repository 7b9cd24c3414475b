//! What became of an uncertain message: `messages/search` on our metadata.
//!
//! The field must be registered as custom metadata in the account, or the search finds nothing;
//! `provider test` says so. A message found there is proof; none found is not (DELIVERY.md, "What each
//! provider allows"). Mailchimp allows 20 searches a minute.

use depeche_core::address::EmailAddress;
use depeche_core::outcome::{Outcome, Persistence, Receipt, Refusal};
use depeche_core::provider::{EarlierAttempt, LookUp};
use depeche_core::secret::ExposeSecret;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::payload::METADATA;
use super::provider::TransactionalProvider;
use super::reply;

#[derive(Serialize)]
struct Search<'a> {
    key: &'a str,
    query: String,
    date_from: String,
    date_to: String,
    limit: u32,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "_id")]
    id: String,
    email: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    metadata: serde_json::Value,
    #[serde(default)]
    reject: Option<Reject>,
}

#[derive(Deserialize)]
struct Reject {
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn look_up(
    provider: &TransactionalProvider,
    earlier: &EarlierAttempt,
    now: Timestamp,
) -> LookUp {
    let search = Search {
        key: provider.config().api_key.expose_secret(),
        query: format!("u_{METADATA}:{}", earlier.parcel.attempt),
        date_from: day(earlier.started_at, -24),
        date_to: day(now, 24),
        limit: 10,
    };
    let body = serde_json::to_vec(&search).expect("strings and numbers are always JSON");
    let answer = match provider.call("/messages/search", body, &|| ()).await {
        Ok(answer) => answer,
        Err(failure) => return LookUp::Failed(failure.detail().to_owned()),
    };
    let list = || serde_json::from_value::<Vec<serde_json::Value>>(answer.document()?).ok();
    let Some(list) = list().filter(|_| answer.status == 200) else {
        return LookUp::Failed(answer.line());
    };
    let mut messages = list.into_iter().filter_map(|item| serde_json::from_value::<Found>(item).ok());
    messages.find(|found| found.is(earlier)).map_or(LookUp::NotFound, |found| LookUp::Found(found.outcome()))
}

impl Found {
    /// The search is full-text: only the very attempt, to the very address, is proof.
    fn is(&self, earlier: &EarlierAttempt) -> bool {
        let address = &earlier.parcel.message.to.address;
        let attempt = self.metadata.get(METADATA).and_then(serde_json::Value::as_str);
        attempt == Some(earlier.parcel.attempt.to_string().as_str())
            && EmailAddress::parse(&self.email).is_ok_and(|email| email.key() == address.key())
            && !self.id.is_empty()
    }

    fn outcome(self) -> Outcome {
        if self.state != "rejected" {
            let seen = format!("Mailchimp lists it: {}", self.state);
            return Outcome::Accepted(Receipt::new(Some(self.id), seen));
        }
        // `reject` may be null.
        let reason = self.reject.and_then(|reject| reject.reason);
        let seen = format!("Mailchimp lists it: rejected {}", reason.as_deref().unwrap_or_default());
        Outcome::Refused(match &reason {
            Some(reason) => reply::rejected(Some(reason), &seen),
            None => Refusal::recipient(Persistence::Permanent, false, seen.trim_end()),
        })
    }
}

fn day(at: Timestamp, hours: i64) -> String {
    at.saturating_add(Span::new().hours(hours)).unwrap_or(at).strftime("%Y-%m-%d").to_string()
}
