//! The pace of receiving domains: so many messages to `orange.fr` a minute, whichever provider carries them.
//!
//! The journal takes the places with the intent, for all processes on it ([`crate::budget::DomainPace`]); what
//! stands here only keeps the engine from trying before its time. A recipient whose domain is full waits, and
//! the others go on. It is never announced ahead, and shares a request only where its domain has room; a request that
//! the journal denies for one domain is not waited with, but put together again without it: waiting costs nobody else.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::budget::{DomainPace, Limits, Room};
use crate::journal::{Journal, JournalError, Usage};

/// Every receiving domain with a pace.
#[derive(Default)]
pub(super) struct Paces(BTreeMap<String, Pace>);

struct Pace {
    limits: Limits,
    usage: Usage,
    /// Messages under way.
    reserved: u32,
    /// Another process used its windows: nothing before then, and they must be read again.
    denied_until: Option<Timestamp>,
}

impl Paces {
    /// What the journal knows of the domains.
    pub(super) async fn begin(
        journal: &dyn Journal,
        stated: &BTreeMap<String, Limits>,
        now: Timestamp,
    ) -> Result<Self, JournalError> {
        let mut paces = BTreeMap::new();
        for (domain, limits) in stated.iter().filter(|(_, limits)| !limits.is_unlimited()) {
            let usage = journal.pace_usage(domain, now - limits.horizon()).await?;
            paces.insert(domain.clone(), Pace { limits: *limits, usage, reserved: 0, denied_until: None });
        }
        Ok(Self(paces))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pace of a domain, for its intent.
    pub(super) fn of(&self, domain: &str) -> Option<DomainPace> {
        let pace = self.0.get(domain)?;
        Some(DomainPace { domain: domain.to_owned(), limits: pace.limits })
    }

    /// Until when nobody of this domain may go; `None` when somebody may.
    pub(super) fn full_until(&self, domain: &str, now: Timestamp) -> Option<Timestamp> {
        self.0.get(domain).and_then(|pace| pace.full_until(now))
    }

    /// How many of this domain may go now; `None` without a pace.
    pub(super) fn room(&self, domain: &str, now: Timestamp) -> Option<u32> {
        let pace = self.0.get(domain)?;
        Some(match pace.full_until(now) {
            Some(_) => 0,
            None => match pace.limits.room(&pace.usage, pace.reserved, now) {
                Room::Free(places) => places,
                Room::Full { .. } => 0,
            },
        })
    }

    /// When the next full domain has room again.
    pub(super) fn next_room(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().filter_map(|pace| pace.full_until(now)).min()
    }

    pub(super) fn begins(&mut self, domain: &str, at: Timestamp) {
        if let Some(pace) = self.0.get_mut(domain) {
            pace.reserved += 1;
            pace.usage.last = pace.usage.last.max(Some(at));
        }
    }

    /// An attempt ended; `intended_at` is when its intent took a place, if it did.
    pub(super) fn ended(&mut self, domain: &str, intended_at: Option<Timestamp>) {
        let Some(pace) = self.0.get_mut(domain) else { return };
        pace.reserved = pace.reserved.saturating_sub(1);
        if let Some(at) = intended_at {
            *pace.usage.buckets.entry(at.as_second()).or_default() += 1;
            pace.usage.last = pace.usage.last.max(Some(at));
            let oldest = (at - pace.limits.horizon()).as_second();
            pace.usage.buckets = pace.usage.buckets.split_off(&oldest);
        }
    }

    /// The journal denied a place: its windows are read again, and nobody goes before `until`.
    pub(super) fn denied(&mut self, domain: &str, until: Timestamp) {
        if let Some(pace) = self.0.get_mut(domain) {
            pace.denied_until = pace.denied_until.max(Some(until));
        }
    }

    /// Reads again what other processes used.
    pub(super) async fn reload(&mut self, journal: &dyn Journal, now: Timestamp) -> Result<(), JournalError> {
        for (domain, pace) in &mut self.0 {
            if pace.denied_until.is_some() {
                pace.usage = journal.pace_usage(domain, now - pace.limits.horizon()).await?;
                pace.denied_until = pace.denied_until.filter(|until| *until > now);
            }
        }
        Ok(())
    }
}

impl Pace {
    fn full_until(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(until) = self.denied_until.filter(|until| *until > now) {
            return Some(until);
        }
        match self.limits.room(&self.usage, self.reserved, now) {
            Room::Full { until, .. } => Some(until),
            Room::Free(_) => None,
        }
    }
}
