//! Warm spares, as `plan`, `send`, `resume` and `provider status` see them: whose share is how large,
//! and which fallback would surprise its receivers. The figures are the journal's.

use depeche::journal::{AcceptedDay, Journal};
use depeche::provider::ProviderName;
use depeche::spare::{Spare, spare_for, warmth};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::config::{Config, Kind};
use crate::context::Context;
use crate::failure::Failure;
use crate::run::prepare::Prepared;
use crate::words::say;

/// What is looked back on.
const DAYS: i64 = 90;

/// The spares of a plan, with how many of the list each takes, and what must be said.
pub(crate) struct Warm {
    spares: Vec<(Spare, u64)>,
    pub(crate) warnings: Vec<Warning>,
}

/// A fallback that would surprise its receivers.
pub(crate) struct Warning {
    provider: String,
    code: &'static str,
    /// In the user's language.
    pub(crate) message: String,
}

impl Warm {
    /// Of the run that `prepared` would be.
    pub(crate) async fn of(
        config: Option<&Config>,
        route: &[ProviderName],
        journal: &dyn Journal,
        prepared: &Prepared,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let Some(config) = config else { return Ok(Self { spares: Vec::new(), warnings: Vec::new() }) };
        let days = days(journal, context).await?;
        let spares = spares(config, route, journal, context).await?;
        let mut counts = vec![0; spares.len()];
        for (position, tier) in prepared.places() {
            if let Some(place) = spare_for(position, tier, &spares) {
                counts[place] += 1;
            }
        }
        let warnings = warnings(config, route, prepared.count(), &days, context);
        Ok(Self { spares: spares.into_iter().zip(counts).collect(), warnings })
    }

    /// How many go through spares first.
    pub(crate) fn total(&self) -> u64 {
        self.spares.iter().map(|(_, count)| count).sum()
    }

    /// How many go through this one first.
    pub(crate) fn count_of(&self, provider: &str) -> u64 {
        let own = self.spares.iter().filter(|(spare, _)| spare.provider.as_str() == provider);
        own.map(|(_, count)| count).sum()
    }

    /// For the plan's document.
    pub(crate) fn documents(&self) -> Value {
        let one = |(spare, count): &(Spare, u64)| {
            json!({ "provider": spare.provider.as_str(), "share": spare.share.to_string(),
                "trusted": spare.trusted, "count": count })
        };
        self.spares.iter().map(one).collect()
    }

    /// Lines for people.
    pub(crate) fn show(&self, context: &Context<'_>) {
        let out = context.out;
        for (spare, count) in &self.spares {
            let (provider, share) = (spare.provider.as_str(), spare.share.to_string());
            out.line(if spare.trusted {
                say!(out, "plan-spare", provider = provider, share = share, count = *count)
            } else {
                say!(out, "plan-spare-untrusted", provider = provider, share = share, count = *count)
            });
        }
        for warning in &self.warnings {
            out.warn(&warning.message);
        }
    }
}

impl Warning {
    /// For a document.
    pub(crate) fn document(&self) -> Value {
        json!({ "provider": self.provider, "code": self.code, "message": self.message })
    }
}

/// The spares of a route: trusted when they accepted something within 30 days and are not set aside.
pub(crate) async fn spares(
    config: &Config,
    route: &[ProviderName],
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<Vec<Spare>, Failure> {
    let shared = || config.providers.iter().filter_map(|one| Some((&one.name, one.share?)));
    if shared().next().is_none() {
        return Ok(Vec::new());
    }
    let (days, breakers) = (days(journal, context).await?, journal.breakers().await?);
    let is_open = |name: &ProviderName| {
        breakers.iter().any(|record| record.provider == *name && record.open_since.is_some())
    };
    let now = context.clock.now();
    let spare = |(name, share): (&ProviderName, _)| Spare {
        provider: name.clone(),
        share,
        trusted: warmth(&days, name, now).warm && !is_open(name),
    };
    // The first of the route has all the others anyway.
    let is_spare = |name: &ProviderName| route.iter().skip(1).any(|other| other == name);
    Ok(shared().filter(|(name, _)| is_spare(name)).map(spare).collect())
}

/// What the providers accepted, by day.
pub(crate) async fn days(journal: &dyn Journal, context: &Context<'_>) -> Result<Vec<AcceptedDay>, Failure> {
    let since = context.clock.now() - SignedDuration::from_hours(24 * DAYS);
    Ok(journal.accepted_by_day(since).await?)
}

/// The most that all providers together accepted on one day.
pub(crate) fn busiest(days: &[AcceptedDay]) -> u64 {
    let mut totals: std::collections::BTreeMap<i64, u64> = std::collections::BTreeMap::new();
    for day in days {
        *totals.entry(day.day).or_default() += day.messages;
    }
    totals.into_values().max().unwrap_or(0)
}

/// Fallbacks that nobody knows, or for whom `count` messages would be a leap.
pub(crate) fn warnings(
    config: &Config,
    route: &[ProviderName],
    count: u64,
    days: &[AcceptedDay],
    context: &Context<'_>,
) -> Vec<Warning> {
    let out = context.out;
    let mut found = Vec::new();
    for name in route.iter().skip(1) {
        let sends =
            config.providers.iter().any(|one| one.name == *name && !matches!(one.kind, Kind::Outbox(_)));
        let warmth = warmth(days, name, context.clock.now());
        let provider = name.to_string();
        if !sends {
            continue;
        } else if !warmth.warm {
            let message = say!(out, "warm-cold", provider = &provider);
            found.push(Warning { provider, code: "cold", message });
        } else if warmth.would_leap(count) {
            let largest = warmth.largest_day;
            let message = say!(out, "warm-leap", provider = &provider, count = count, largest = largest);
            found.push(Warning { provider, code: "leap", message });
        }
    }
    found
}
