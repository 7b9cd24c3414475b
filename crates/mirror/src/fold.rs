//! What a series of records says, all told: pure, and the same however often a record is repeated.
//!
//! An outcome counts only while its recipient stands where the outcome began, as in the journal itself.
//! What came later never takes back that somebody may have been mailed.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use bytes::Bytes;
use depeche_core::address::{EmailAddress, RecipientKey};
use depeche_core::contact::Fields;
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
    /// The list, by tier and place.
    pub list: BTreeMap<(u32, u64), FrozenRecipient>,
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
            Record::Owner(_) | Record::Snapshot { .. } | Record::SnapshotWhole { .. } => {}
            Record::Run(run) => {
                let known = self.run(&run.id);
                let is_same = |old: &FrozenRun| old.digest == run.digest && old.created_at == run.created_at;
                // Its assets follow at once. Of the same run told again the list stays: it may not follow whole.
                known.assets.clear();
                if !known.run.as_ref().is_some_and(is_same) {
                    known.list.clear();
                }
                known.run = Some(*run);
            }
            Record::Asset { run, name, content } => {
                let content = base64::engine::general_purpose::STANDARD.decode(content).unwrap_or_default();
                self.run(&run).assets.push((name, Bytes::from(content)));
            }
            Record::Recipients { run, recipients } => {
                let placed = recipients.into_iter().map(|one| ((one.tier, one.position), one));
                self.run(&run).list.extend(placed);
            }
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
        // The end of an earlier attempt, told again, is not the end of the one that is open now.
        let other = |attempt: &Attempt| {
            attempt.state == AttemptState::Intent
                && outcome.attempt.as_ref().is_some_and(|ended| ended.id != attempt.id)
        };
        if stands.attempts.iter().any(other) {
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

    /// What is proved is not taken back by a journal that has not heard of the proof; nor is an attempt by a
    /// word from before it.
    pub(crate) fn stand(&mut self, key: RecipientKey, stands: Stands) {
        use DeliveryState as D;
        let is_proved = |known: &Stands| {
            matches!(known.state, D::Accepted | D::Refused)
                && matches!(stands.state, D::Intent | D::Unknown | D::Held)
                && known.attempts.last().map(|one| one.id) == stands.attempts.last().map(|one| one.id)
        };
        let is_newer = |known: &Stands| {
            let has = |id| stands.attempts.iter().any(|attempt| attempt.id == id);
            let counts = |state: AttemptState| state.excludes_others() || state == AttemptState::Superseded;
            known.attempts.iter().any(|attempt| counts(attempt.state) && !has(attempt.id))
        };
        if !self.recipients.get(&key).is_some_and(|known| is_proved(known) || is_newer(known)) {
            self.recipients.insert(key, stands);
        }
    }

    /// Everybody of whom something is known.
    pub(crate) fn named(&self) -> Vec<RecipientKey> {
        let listed = self.list.values().map(|one| one.address.key());
        let named: BTreeSet<RecipientKey> = listed.chain(self.recipients.keys().cloned()).collect();
        named.into_iter().collect()
    }

    /// Somebody goes by another name: nothing of what their contact carried is kept.
    pub(crate) fn rename(&mut self, from: &RecipientKey, to: &RecipientKey) {
        if let Some(stands) = self.recipients.remove(from) {
            self.stand(to.clone(), stands);
        }
        if let Ok(address) = EmailAddress::parse(to.as_str()) {
            for one in self.list.values_mut().filter(|one| one.address.key() == *from) {
                (one.address, one.fields) = (address.clone(), Fields::default());
            }
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

#[cfg(test)]
mod tests {
    use depeche_core::address::EmailAddress;
    use depeche_core::message::MessageId;
    use uuid::Uuid;

    use super::*;

    fn run() -> RunId {
        RunId::new("r1").unwrap()
    }

    fn address(number: u64) -> EmailAddress {
        format!("j{number}@journal.example").parse().unwrap()
    }

    fn attempt(number: u128, state: AttemptState) -> Attempt {
        Attempt {
            id: Uuid::from_u128(number),
            provider: ProviderName::new("ovh").unwrap(),
            state,
            request_id: Uuid::nil(),
            idempotency_key: Uuid::nil(),
            request_digest: None,
            blames: None,
            reply: None,
            provider_id: None,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
        }
    }

    fn intent(number: u128) -> Record {
        Record::Intent { run: run(), key: address(0).key(), attempt: attempt(number, AttemptState::Intent) }
    }

    fn ended(number: u128, state: AttemptState, to: DeliveryState) -> Record {
        Record::Outcome(Box::new(Outcome {
            run: run(),
            key: address(0).key(),
            attempt: Some(attempt(number, state)),
            from: DeliveryState::Intent,
            to,
            not_before: None,
            reply: None,
            at: Timestamp::UNIX_EPOCH,
        }))
    }

    fn stands(state: DeliveryState, attempts: Vec<Attempt>) -> Record {
        let stands = Stands { state, not_before: None, reply: None, attempts };
        Record::Stands { run: run(), key: address(0).key(), stands }
    }

    fn told(records: impl IntoIterator<Item = Record>) -> Stands {
        Known::from_records(records).runs[&run()].stands(&address(0).key())
    }

    /// A process that lags writes, after a snapshot, what the snapshot was read with already.
    #[test]
    fn what_is_told_again_after_a_snapshot_changes_nothing() {
        let history = || {
            [
                intent(1),
                ended(1, AttemptState::NotAccepted, DeliveryState::Pending),
                intent(2),
                ended(2, AttemptState::Accepted, DeliveryState::Accepted),
            ]
        };
        for read_after in 0..=4 {
            let pending = [stands(DeliveryState::Pending, Vec::new())];
            let snapshot = told(pending.into_iter().chain(history().into_iter().take(read_after)));
            let records = [Record::Stands { run: run(), key: address(0).key(), stands: snapshot }];

            let known = told(records.into_iter().chain(history()));

            assert_eq!(known.state, DeliveryState::Accepted, "read after {read_after}");
            assert_eq!(known.attempts.len(), 2, "read after {read_after}");
        }
        // Where the last word is still under way, the open attempt stays open.
        let snapshot = told(history().into_iter().take(3));
        let again = history().into_iter().take(3);
        let records = [Record::Stands { run: run(), key: address(0).key(), stands: snapshot }];
        assert_eq!(told(records.into_iter().chain(again)).state, DeliveryState::Intent);
    }

    #[test]
    fn a_word_from_before_an_attempt_does_not_take_it_back() {
        let refused = || attempt(1, AttemptState::NotAccepted);
        let before = || stands(DeliveryState::Pending, vec![refused()]);
        let known = told([before(), intent(2), before()]);
        assert_eq!((known.state, known.attempts.len()), (DeliveryState::Intent, 2));
        // One that knows of it counts: a person decided to send again.
        let superseded = vec![refused(), attempt(2, AttemptState::Superseded)];
        let known = told([before(), intent(2), stands(DeliveryState::Pending, superseded)]);
        assert_eq!(known.state, DeliveryState::Pending);
    }

    #[test]
    fn a_list_that_is_told_again_is_one_list_and_another_one_counts_from_there() {
        let frozen = |digest: u8, recipients: u64| {
            Record::Run(Box::new(FrozenRun {
                id: run(),
                slug: "usine".to_owned(),
                release: "release.md".to_owned(),
                digest: [digest; 32],
                frozen: String::new(),
                route: Vec::new(),
                left_out: String::new(),
                settings: String::new(),
                created_at: Timestamp::UNIX_EPOCH,
                assets: 1,
                recipients,
            }))
        };
        let asset = || Record::Asset { run: run(), name: "logo.png".to_owned(), content: "cG5n".to_owned() };
        let page = |numbers: std::ops::Range<u64>| Record::Recipients {
            run: run(),
            recipients: numbers
                .map(|number| FrozenRecipient {
                    address: address(number),
                    tier: 1,
                    position: number,
                    fields: Fields::default(),
                    message_id: MessageId::new(&format!("<{number}@exemple.fr>")).unwrap(),
                    not_before: None,
                    suppressed: false,
                })
                .collect(),
        };
        let whole = |records: Vec<Record>| Known::from_records(records).runs[&run()].is_whole();

        assert!(!whole(vec![frozen(1, 4), asset(), page(0..2)]));
        assert!(whole(vec![frozen(1, 4), asset(), page(0..2), page(2..4)]));
        assert!(whole(vec![frozen(1, 4), asset(), page(0..4), page(2..4)]));
        assert!(whole(vec![frozen(1, 4), asset(), page(0..4), frozen(1, 4), asset(), page(0..2)]));
        assert!(!whole(vec![frozen(1, 4), asset(), page(0..4), frozen(2, 4), asset(), page(0..2)]));
    }
}
