//! What a provider's account may send, as it was last heard: `provider test` keeps it in the journal's audit,
//! `plan` forecasts with it and asks nobody.
//!
//! Credits change by the day: what is left counts for a day. An hourly quota counts for 30.

use depeche::journal::{AuditEntry, Journal};
use depeche::provider::{ProviderName, Quota};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::words::say;

/// What such a word is called in the audit.
const ACTION: &str = "quota";

#[derive(Serialize, Deserialize)]
struct Kept {
    provider: String,
    quota: Quota,
}

/// A provider's last word on its quota.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) quota: Quota,
    pub(crate) at: Timestamp,
}

/// Keeps what a login showed.
pub(crate) async fn keep(
    journal: &dyn Journal,
    provider: &ProviderName,
    quota: Option<Quota>,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(quota) = quota else { return Ok(()) };
    let kept = Kept { provider: provider.to_string(), quota };
    let detail = serde_json::to_string(&kept).unwrap_or_default();
    journal.audit(AuditEntry { at: now, run: None, action: ACTION.to_owned(), detail }).await?;
    Ok(())
}

/// The last words that still count, by provider.
pub(crate) async fn heard(
    journal: &dyn Journal,
    now: Timestamp,
) -> Result<Vec<(ProviderName, Heard)>, Failure> {
    let mut found: Vec<(ProviderName, Heard)> = Vec::new();
    for entry in journal.audit_of(None).await?.iter().rev().filter(|entry| entry.action == ACTION) {
        let Ok(kept) = serde_json::from_str::<Kept>(&entry.detail) else { continue };
        let Ok(name) = ProviderName::new(&kept.provider) else { continue };
        // Newest first: the first one of a provider counts, or none of it.
        if !found.iter().any(|(other, _)| *other == name) {
            found.push((name, Heard { quota: kept.quota, at: entry.at }));
        }
    }
    found.retain(|(_, heard)| now < heard.at + heard.counts_for());
    Ok(found)
}

impl Heard {
    fn counts_for(self) -> SignedDuration {
        match self.quota {
            Quota::Left(_) => SignedDuration::from_hours(24),
            Quota::PerHour(_) => SignedDuration::from_hours(24 * 30),
        }
    }

    /// For the plan's document.
    pub(crate) fn document(self, provider: &ProviderName) -> Value {
        let (left, per_hour) = match self.quota {
            Quota::Left(messages) => (Some(messages), None),
            Quota::PerHour(messages) => (None, Some(messages)),
        };
        json!({ "provider": provider.as_str(), "left": left, "per_hour": per_hour, "at": self.at })
    }

    /// For people.
    pub(crate) fn line(self, provider: &ProviderName, context: &Context<'_>) -> String {
        let (out, name) = (context.out, provider.to_string());
        let at = self.at.to_zoned_datetime(jiff::tz::TimeZone::system());
        let at = at.strftime("%Y-%m-%d %H:%M").to_string();
        match self.quota {
            Quota::Left(count) => say!(out, "plan-quota-left", provider = name, count = count, at = at),
            Quota::PerHour(count) => say!(out, "plan-quota-hour", provider = name, count = count, at = at),
        }
    }
}
