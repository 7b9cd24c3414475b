//! What a series of records says, all told: pure, and the same however often a record is repeated.
//!
//! An outcome counts only while its recipient stands where the outcome began, as in the journal itself.
//! What came later never takes back that somebody may have been mailed.

use std::collections::BTreeMap;

use base64::Engine as _;
use bytes::Bytes;
use depeche_core::address::RecipientKey;
use depeche_core::event::ProviderEvent;
use depeche_core::journal::{AttemptState, BreakerRecord, DeliveryState, Outage, RunId, RunState};
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use crate::record::{Attempt, FrozenRecipient, FrozenRun, Outcome, Record, Stands, Suppressed};

/// What is known from records.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The runs, by name.
    pub runs: BTreeMap<RunId, KnownRun>,
    /// Addresses that are never mailed.
    pub suppressed: BTreeMap<RecipientKey, Suppressed>,
    /// The key under which those who were forgotten are known.
    pub forgotten_key: Option<[u8; 32]>,
    /// What was told after acceptances, in order.
    pub events: Vec<(ProviderName, Vec<ProviderEvent>, Timestamp)>,
    /// What is known of providers.
    pub breakers: BTreeMap<ProviderName, BreakerRecord>,
    /// Declared outages, by provider and beginning; `None` for one that was taken back.
    pub outages: BTreeMap<(ProviderName, Timestamp), Option<Outage>>,
}

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub struct KnownRun {
    /// As it was frozen; `None` when the records begin later.
    pub run: Option<FrozenRun>,
    /// Attachments and images.
    pub assets: Vec<(String, Bytes)>,
    /// The list.
    pub list: Vec<FrozenRecipient>,
    /// Where it stands, why, and since when.
    pub state: Option<(RunState, Option<String>, Timestamp)>,
    /// When it was cancelled.
    pub cancelled: Option<Timestamp>,
    /// Where recipients stand of whom more is known than that they are on the list.
    pub recipients: BTreeMap<RecipientKey, Stands>,
}

impl Known {
    /// What `records` say.
    #[must_use]
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        let mut known = Self::default();
        records.into_iter().for_each(|record| known.take(record));
        known
    }

    /// Takes one more.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Owner(_) => {}
            Record::Run(run) => {
                let known = self.run(&run.id);
                // A run whose freezing was begun again counts from there.
                known.assets.clear();
                known.list.clear();
                known.run = Some(*run);
            }
            Record::Asset { run, name, content } => {
                let content = base64::engine::general_purpose::STANDARD.decode(content).unwrap_or_default();
                self.run(&run).assets.push((name, Bytes::from(content)));
            }
            Record::Recipients { run, recipients } => self.run(&run).list.extend(recipients),
            Record::Intent { run, key, attempt } => self.run(&run).intend(key, attempt),
            Record::Outcome(outcome) => self.run(&outcome.run.clone()).settle(*outcome),
            Record::Stands { run, key, stands } => {
                self.run(&run).stand(key, stands);
            }
            Record::Orphans { run, at } => self.run(&run).give_up(at),
            Record::Cancelled { run, at } => {
                let known = self.run(&run);
                known.cancelled = Some(at);
                known.state = Some((RunState::Cancelled, None, at));
            }
            Record::State { run, state, note, at } => self.run(&run).state = Some((state, note, at)),
            Record::Events { source, events, at } => self.events.push((source, events, at)),
            Record::Breaker(breaker) => {
                self.breakers.insert(breaker.provider.clone(), breaker);
            }
            Record::Suppressed { entries } => {
                let entries = entries.into_iter().map(|entry| (entry.key.clone(), entry));
                self.suppressed.extend(entries);
            }
            Record::ForgottenKey { key } => self.forgotten_key = Some(key),
            Record::Unsuppressed { key } => {
                self.suppressed.remove(&key);
            }
            Record::Outage(outage) => {
                self.outages.insert((outage.provider.clone(), outage.since), Some(outage));
            }
            Record::OutageWithdrawn { provider, since } => {
                self.outages.insert((provider, since), None);
            }
        }
    }

    fn run(&mut self, run: &RunId) -> &mut KnownRun {
        self.runs.entry(run.clone()).or_default()
    }
}

impl KnownRun {
    /// Whether all of the list and its assets is here. Of a run that is not, nothing was sent: its first
    /// intent comes after the last of them.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let whole = |run: &FrozenRun| {
            run.assets == self.assets.len() as u64 && run.recipients == self.list.len() as u64
        };
        self.run.as_ref().is_some_and(whole)
    }

    /// Where a recipient stands.
    #[must_use]
    pub fn stands(&self, key: &RecipientKey) -> Stands {
        self.recipients.get(key).cloned().unwrap_or_else(|| Stands::at_the_start(None))
    }

    fn intend(&mut self, key: RecipientKey, attempt: Attempt) {
        let stands = self.recipients.entry(key).or_insert_with(|| Stands::at_the_start(None));
        if stands.attempts.iter().any(|known| known.id == attempt.id) {
            return;
        }
        stands.attempts.push(attempt);
        stands.state = DeliveryState::Intent;
    }

    fn settle(&mut self, outcome: Outcome) {
        let stands = self.recipients.entry(outcome.key).or_insert_with(|| Stands::at_the_start(None));
        if stands.state != outcome.from || !outcome.from.may_become(outcome.to) {
            return;
        }
        if let Some(mut ended) = outcome.attempt {
            match stands.attempts.iter_mut().find(|attempt| attempt.id == ended.id) {
                Some(attempt) => {
                    ended.request_id = attempt.request_id;
                    ended.idempotency_key = attempt.idempotency_key;
                    ended.request_digest = attempt.request_digest;
                    ended.provider_id = ended.provider_id.take().or_else(|| attempt.provider_id.clone());
                    *attempt = ended;
                }
                None => stands.attempts.push(ended),
            }
        }
        stands.state = outcome.to;
        stands.not_before = outcome.not_before;
        stands.reply = outcome.reply.or(stands.reply.take());
    }

    /// What is proved is not taken back by a journal that has not heard of the proof.
    fn stand(&mut self, key: RecipientKey, stands: Stands) {
        use DeliveryState as D;
        let is_proved = |known: &Stands| {
            matches!(known.state, D::Accepted | D::Refused)
                && matches!(stands.state, D::Intent | D::Unknown | D::Held)
                && known.attempts.last().map(|one| one.id) == stands.attempts.last().map(|one| one.id)
        };
        if !self.recipients.get(&key).is_some_and(is_proved) {
            self.recipients.insert(key, stands);
        }
    }

    /// When it was cancelled, whoever said so.
    #[must_use]
    pub fn cancelled_at(&self) -> Option<Timestamp> {
        let state = self.state.as_ref().filter(|(state, _, _)| *state == RunState::Cancelled);
        self.cancelled.or(state.map(|(_, _, at)| *at))
    }

    /// What was open is unknown from here on.
    fn give_up(&mut self, at: Timestamp) {
        for stands in self.recipients.values_mut().filter(|one| one.state == DeliveryState::Intent) {
            stands.state = DeliveryState::Unknown;
            let open = stands.attempts.iter_mut().filter(|attempt| attempt.state == AttemptState::Intent);
            open.for_each(|attempt| {
                attempt.state = AttemptState::Unknown;
                attempt.ended_at = Some(at);
            });
        }
    }
}
