//! The pace of receiving domains (`[pace]`), for `plan` and `status`: what it will cost, and what is used.

use std::collections::BTreeMap;

use depeche::budget::Limits;
use depeche::forecast::at_pace_of_domain;
use depeche::journal::Journal;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::prepare::Prepared;
use crate::config::Config;
use crate::context::Context;
use crate::failure::Failure;
use crate::verbs::contacts;
use crate::words::say;

/// How many of the list each domain with a pace gets, and how long that lasts.
pub(crate) struct Planned(Vec<(String, u64, Limits)>);

impl Planned {
    /// Counts those who will be mailed. Domains that nobody of the list is in are left out.
    pub(crate) fn of(config: Option<&Config>, prepared: &Prepared) -> Result<Self, Failure> {
        let Some(stated) = config.map(|config| &config.policy.pace).filter(|pace| !pace.is_empty()) else {
            return Ok(Self(Vec::new()));
        };
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (place, contact) in prepared.contacts().enumerate() {
            let contact = contact.map_err(contacts::broken)?;
            let known = stated.get_key_value(contact.address.domain());
            if let Some((domain, _)) = known.filter(|_| !prepared.is_suppressed(place)) {
                *counts.entry(domain).or_default() += 1;
            }
        }
        let all = counts.into_iter().map(|(domain, count)| (domain.to_owned(), count, stated[domain]));
        Ok(Self(all.collect()))
    }

    pub(crate) fn documents(&self) -> Vec<Value> {
        let one = |(domain, count, limits): &(String, u64, Limits)| {
            let lasts = at_pace_of_domain(limits, *count);
            json!({ "domain": domain, "count": count, "seconds": lasts.map(|lasts| lasts.as_secs()) })
        };
        self.0.iter().map(one).collect()
    }

    pub(crate) fn show(&self, context: &Context<'_>) {
        let out = context.out;
        for (domain, count, limits) in &self.0 {
            let seconds = at_pace_of_domain(limits, *count).unwrap_or_default().as_secs();
            let minutes = seconds.div_ceil(60);
            out.line(match seconds {
                60.. => {
                    say!(out, "plan-pace-minutes", domain = domain, count = *count, minutes = minutes)
                }
                _ => say!(out, "plan-pace", domain = domain, count = *count),
            });
        }
    }
}

/// What is used of one window of one domain.
pub(crate) struct Used {
    domain: String,
    window: &'static str,
    used: u64,
    limit: u32,
}

/// What every process on the journal has used of the windows of a minute, an hour and a day.
pub(crate) async fn used(
    config: &Config,
    journal: &dyn Journal,
    now: Timestamp,
) -> Result<Vec<Used>, Failure> {
    let mut all = Vec::new();
    for (domain, limits) in &config.policy.pace {
        let usage = journal.pace_usage(domain, now - limits.horizon()).await?;
        let windows = [
            ("minute", 60, limits.per_minute),
            ("hour", 3_600, limits.per_hour),
            ("day", 86_400, limits.per_day),
        ];
        for (window, seconds, limit) in windows {
            let Some(limit) = limit else { continue };
            let since = (now - SignedDuration::from_secs(seconds)).as_second();
            let used = usage.buckets.range(since..).map(|(_, count)| u64::from(*count)).sum();
            all.push(Used { domain: domain.clone(), window, used, limit });
        }
    }
    Ok(all)
}

impl Used {
    pub(crate) fn document(&self) -> Value {
        json!({ "domain": self.domain, "window": self.window, "used": self.used, "limit": self.limit })
    }

    pub(crate) fn line(&self, context: &Context<'_>) -> String {
        let out = context.out;
        let (used, limit) = (self.used, u64::from(self.limit));
        say!(out, "status-pace", domain = &self.domain, window = self.window, used = used, limit = limit)
    }
}
