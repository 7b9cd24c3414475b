//! A journal whose intents are kept in a second place, and beside it, before the wire.
//!
//! A decorator over any [`Journal`]. What changes a run goes to the journal first and then, as a record,
//! beside it and to the mirror; an outcome is queued before its own commit, so that it is in the mirror
//! no later than the next intent of its connection. Only real runs are kept: an outbox and a test copy
//! never count as sent.
//!
//! With [`Mode::Sync`] an intent that the mirror does not get is taken back in the journal (nothing was
//! handed over) and denied with [`Denied::MirrorLost`]. In both modes an intent is denied with
//! [`Denied::TakenOver`] once it is known that another machine sends.

mod before_wire;
mod forgetting;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::address::RecipientKey;
use depeche_core::event::{ProviderEvent, StoredEvent};
use depeche_core::journal::{
    AcceptedDay, AttemptRecord, AuditEntry, BreakerRecord, Decision, DeliveryId, DeliveryRecord,
    DeliveryState, Forgotten, FreezeError, Frozen, Hold, HoldError, Intent, Journal, JournalError,
    NewDeliveries, NewRun, Outage, Recorded, RunId, RunKind, RunRecord, RunState, Settlement, Stepped,
    Suppression, Taken, Totals, Urgency, Usage,
};
use depeche_core::opt_out::DeliveryReference;
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use uuid::Uuid;

use crate::beside::{Beside, Lag};
use crate::keeper::{Keeper, Mode};
use crate::lineage::Lineage;
use crate::log::{Log, LogError};
use crate::record::{Record, Stands};
use crate::session::{NotOpened, Opening, deliveries_of};
use crate::telling::{TellError, Telling};

/// How a session treats its mirror.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Whether the mirror has an intent before the wire.
    pub mode: Mode,
    /// [`Mode::Sync`]: how long a failing mirror is waited for before the run pauses.
    pub patience: Duration,
    /// How long the end waits for what is queued.
    pub farewell: Duration,
}

/// A journal with a second place.
pub struct MirroredJournal {
    inner: Arc<dyn Journal>,
    beside: Arc<Beside>,
    keeper: Option<Keeper>,
    /// Shared with the keeper's task: a compaction has it for itself.
    log: Option<Arc<tokio::sync::Mutex<Log>>>,
    /// The journal's id.
    id: Uuid,
    mode: Mode,
    patience: Duration,
    farewell: Duration,
    epoch: u64,
    epoch_was_lost: bool,
    mirror_trouble: Option<LogError>,
    owes_forgetting: AtomicBool,
    known: Mutex<BTreeMap<RunId, names::Known>>,
}

/// Recipients of a run, by their number in this journal.
type Names = BTreeMap<DeliveryId, RecipientKey>;

impl Default for Terms {
    fn default() -> Self {
        Self { mode: Mode::Sync, patience: Duration::from_secs(20), farewell: Duration::from_secs(10) }
    }
}

impl MirroredJournal {
    /// Begins a session: looks whether the journal may send, and raises its number
    /// ([`Opening::begin`]). What the mirror lacks is written to it.
    ///
    /// Must be called inside a tokio runtime: the mirror is written by a task of it.
    ///
    /// # Errors
    ///
    /// [`NotOpened`] says why nothing may be sent.
    pub async fn begin(mut opening: Opening, terms: Terms) -> Result<Self, NotOpened> {
        let begun = opening.begin(terms.mode == Mode::Sync).await?;
        let (beside, clock) = (Arc::clone(&opening.beside), Arc::clone(&opening.clock));
        let log = opening.log.take().map(|log| Arc::new(tokio::sync::Mutex::new(log)));
        let keeper = log.as_ref().map(|log| {
            Keeper::start(Arc::clone(log), begun.journal, terms.patience, Arc::clone(&beside), clock)
        });
        if let (Some(keeper), Some(known)) = (&keeper, &begun.lacking) {
            let telling = Telling {
                journal: &*opening.journal,
                known,
                skips_held: true,
                owes_forgetting: begun.owes_forgetting,
            };
            let mut queue = before_wire::Queue { keeper, waits: terms.mode == Mode::Sync };
            telling.to(&mut queue).await.map_err(|error| match error {
                TellError::Journal(error) => NotOpened::Journal(error),
                TellError::Log(error) => NotOpened::Mirror(error),
            })?;
        }
        Ok(Self {
            inner: opening.journal,
            beside,
            keeper,
            log,
            id: begun.journal,
            mode: terms.mode,
            patience: terms.patience,
            farewell: terms.farewell,
            epoch: begun.epoch,
            epoch_was_lost: begun.epoch_was_lost,
            mirror_trouble: begun.mirror_trouble,
            owes_forgetting: AtomicBool::new(begun.owes_forgetting),
            known: Mutex::default(),
        })
    }

    /// How the mirror and the wire stand to each other.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Why the mirror could not be reached when the session began ([`Mode::Async`] goes on without it).
    #[must_use]
    pub fn mirror_trouble(&self) -> Option<&LogError> {
        self.mirror_trouble.as_ref()
    }

    /// Whether nothing stood beside the journal, and its mirror made up for it.
    #[must_use]
    pub fn epoch_was_lost(&self) -> bool {
        self.epoch_was_lost
    }

    /// How far the mirror lags; `None` without a mirror.
    #[must_use]
    pub fn lag(&self) -> Option<Lag> {
        self.keeper.as_ref().map(Keeper::lag)
    }

    /// Notes records beside the journal and queues them for the mirror.
    fn keep(&self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        self.note(&records);
        if let Some(keeper) = &self.keeper {
            keeper.keep(records);
        }
    }

    /// A full disk must not stop a run whose journal itself was written: the number still tells.
    fn note(&self, records: &[Record]) {
        if let Err(error) = self.beside.note(records) {
            tracing::warn!(%error, "nothing can be noted beside the journal");
        }
    }
}

#[async_trait]
impl Journal for MirroredJournal {
    async fn freeze_list(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        let (id, is_kept) = (run.id.clone(), run.kind == RunKind::Real);
        let frozen = self.inner.freeze_list(run, deliveries).await?;
        if is_kept {
            self.keep_list(&id).await?;
        }
        Ok(frozen)
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<(), Denied> {
        self.taken_over()?;
        self.inner.intend(intents.clone()).await?;
        self.mirror_or_withdraw(&intents).await
    }

    async fn settle_and_intend(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        if let Err(denied) = self.taken_over() {
            return Stepped { settled: self.settle(settlements, Urgency::Now).await, intended: Err(denied) };
        }
        let names = self.names_of(&settlements).await;
        let records = Self::outcomes(&settlements, &names);
        let is_fact = settlements.iter().all(ends_an_intent);
        if is_fact {
            self.keep(records.clone());
        }
        let mut stepped = self.inner.settle_and_intend(settlements, intents.clone()).await;
        if !is_fact && stepped.settled.is_ok() {
            self.keep(records);
        }
        if stepped.intended.is_ok() {
            stepped.intended = self.mirror_or_withdraw(&intents).await;
        }
        stepped
    }

    async fn settle(&self, settlements: Vec<Settlement>, urgency: Urgency) -> Result<(), JournalError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let names = self.names_of(&settlements).await;
        let records = Self::outcomes(&settlements, &names);
        // An answer is a fact, whatever becomes of its commit: it goes ahead of the connection's next
        // intent. Anything else counts once the journal has it.
        let is_fact = settlements.iter().all(ends_an_intent);
        if is_fact {
            self.keep(records.clone());
        }
        self.inner.settle(settlements, urgency).await?;
        if !is_fact {
            self.keep(records);
        }
        Ok(())
    }

    async fn set_run_state(
        &self,
        run: &RunId,
        state: RunState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        self.inner.set_run_state(run, state, note.clone(), at).await?;
        if self.is_kept(run).await {
            self.keep(vec![Record::State { run: run.clone(), state, note, at }]);
        }
        Ok(())
    }

    async fn go_on(&self, run: &RunId, at: Timestamp) -> Result<bool, JournalError> {
        let runs = self.inner.go_on(run, at).await?;
        if runs && self.is_kept(run).await {
            self.keep(vec![Record::State { run: run.clone(), state: RunState::Running, note: None, at }]);
        }
        Ok(runs)
    }

    async fn set_settings(&self, run: &RunId, settings: String) -> Result<(), JournalError> {
        self.inner.set_settings(run, settings).await
    }

    async fn adopt_orphans(&self, hold: &dyn Hold, now: Timestamp) -> Result<u64, JournalError> {
        let count = self.inner.adopt_orphans(hold, now).await?;
        if count > 0 && self.is_kept(hold.run()).await {
            self.keep(vec![Record::Orphans { run: hold.run().clone(), at: now }]);
        }
        Ok(count)
    }

    async fn cancel(&self, run: &RunId, at: Timestamp) -> Result<u64, JournalError> {
        let count = self.inner.cancel(run, at).await?;
        if self.is_kept(run).await {
            self.keep(vec![Record::Cancelled { run: run.clone(), at }]);
        }
        Ok(count)
    }

    async fn resolve(
        &self,
        hold: &dyn Hold,
        keys: &[RecipientKey],
        decision: Decision,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let moved = self.inner.resolve(hold, keys, decision, reason, at).await?;
        if !moved.is_empty() && self.is_kept(hold.run()).await {
            let run = hold.run();
            let keys: BTreeSet<RecipientKey> = moved.iter().map(|delivery| delivery.address.key()).collect();
            let mut records = Vec::new();
            for (key, delivery) in deliveries_of(&*self.inner, run, &keys).await? {
                let stands = Stands::of(&delivery, &self.inner.attempts(delivery.id).await?);
                records.push(Record::Stands { run: run.clone(), key, stands });
            }
            self.keep(records);
        }
        Ok(moved)
    }

    async fn record_events(
        &self,
        source: &ProviderName,
        events: Vec<ProviderEvent>,
        now: Timestamp,
    ) -> Result<Recorded, JournalError> {
        let recorded = self.inner.record_events(source, events.clone(), now).await?;
        let told = events.into_iter().zip(&recorded.events).filter(|(_, told)| told.new);
        let events = self.without_the_forgotten(told.collect()).await?;
        if !events.is_empty() {
            self.keep(vec![Record::Events { source: source.clone(), events, at: now }]);
        }
        Ok(recorded)
    }

    async fn save_breaker(&self, record: BreakerRecord) -> Result<(), JournalError> {
        self.inner.save_breaker(record.clone()).await?;
        self.keep(vec![Record::Breaker(record)]);
        Ok(())
    }

    async fn suppress(&self, entries: Vec<Suppression>) -> Result<u64, JournalError> {
        let count = self.inner.suppress(entries.clone()).await?;
        if count > 0 {
            let entries = self.entries_to_keep(&entries).await?;
            self.keep(vec![Record::Suppressed { entries }]);
        }
        Ok(count)
    }

    async fn unsuppress(
        &self,
        key: &RecipientKey,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        // Whoever was forgotten stands on the list under another name, until now.
        let names = self.inner.known_as(std::slice::from_ref(key)).await?;
        let was_there = self.inner.unsuppress(key, reason, at).await?;
        if was_there {
            self.keep(names.into_iter().map(|key| Record::Unsuppressed { key }).collect());
        }
        Ok(was_there)
    }

    /// What is queued for the mirror is written, as far as it can be; then the journal ends.
    async fn close(&self) {
        if let Some(keeper) = &self.keeper
            && let Some(ended) = keeper.end(self.farewell).await
            && ended.in_step
            && self.mirror_trouble.is_none()
        {
            let saved = self.leave(ended.seen).await;
            if let Err(error) = saved {
                tracing::warn!(%error, "the next session compares journal and mirror anew");
            }
        }
        self.inner.close().await;
    }

    // ---- Only read, or of no concern to another machine.

    async fn taken(&self, digest: &[u8; 32], keys: &[RecipientKey]) -> Result<Vec<Taken>, JournalError> {
        self.inner.taken(digest, keys).await
    }
    async fn hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.inner.hold(run).await
    }
    async fn holder(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        self.inner.holder(run).await
    }
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, JournalError> {
        self.inner.run(run).await
    }
    async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.inner.runs().await
    }
    async fn assets(&self, run: &RunId) -> Result<Vec<(String, Bytes)>, JournalError> {
        self.inner.assets(run).await
    }
    async fn deliveries(
        &self,
        run: &RunId,
        after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.inner.deliveries(run, after, limit).await
    }
    async fn deliveries_in(
        &self,
        run: &RunId,
        states: &[DeliveryState],
        after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.inner.deliveries_in(run, states, after, limit).await
    }
    async fn delivery_of(
        &self,
        reference: DeliveryReference,
    ) -> Result<Option<(RunId, DeliveryRecord)>, JournalError> {
        self.inner.delivery_of(reference).await
    }
    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRecord>, JournalError> {
        self.inner.attempts(delivery).await
    }
    async fn orphans(&self, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
        self.inner.orphans(run).await
    }

    async fn totals(&self, run: &RunId) -> Result<Totals, JournalError> {
        self.inner.totals(run).await
    }
    async fn accepted_by_provider(&self, run: &RunId) -> Result<Vec<(ProviderName, u64)>, JournalError> {
        self.inner.accepted_by_provider(run).await
    }
    async fn accepted_by_day(&self, since: Timestamp) -> Result<Vec<AcceptedDay>, JournalError> {
        self.inner.accepted_by_day(since).await
    }
    async fn due(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let page = self.inner.due(run, now, limit).await?;
        self.listed(run, &page).await?;
        Ok(page)
    }
    async fn next_due(&self, run: &RunId, now: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        self.inner.next_due(run, now).await
    }
    async fn usage(&self, provider: &ProviderName, since: Timestamp) -> Result<Usage, JournalError> {
        self.inner.usage(provider, since).await
    }
    async fn pace_usage(&self, domain: &str, since: Timestamp) -> Result<Usage, JournalError> {
        self.inner.pace_usage(domain, since).await
    }
    async fn breakers(&self) -> Result<Vec<BreakerRecord>, JournalError> {
        self.inner.breakers().await
    }
    async fn events_on(
        &self,
        run: &RunId,
        deliveries: &[DeliveryId],
    ) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
        self.inner.events_on(run, deliveries).await
    }
    async fn events_of(&self, run: &RunId) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
        self.inner.events_of(run).await
    }
    async fn mark(&self, source: &ProviderName) -> Result<Option<String>, JournalError> {
        self.inner.mark(source).await
    }
    async fn save_mark(&self, source: &ProviderName, mark: &str) -> Result<(), JournalError> {
        self.inner.save_mark(source, mark).await
    }
    async fn bad_addresses(&self, run: &RunId) -> Result<Vec<(RecipientKey, Timestamp)>, JournalError> {
        self.inner.bad_addresses(run).await
    }
    async fn accepted_since(
        &self,
        keys: &[RecipientKey],
        since: Timestamp,
    ) -> Result<Vec<RecipientKey>, JournalError> {
        self.inner.accepted_since(keys, since).await
    }
    async fn suppressions(&self, keys: Option<&[RecipientKey]>) -> Result<Vec<Suppression>, JournalError> {
        self.inner.suppressions(keys).await
    }
    /// In the mirror as well, by [`MirroredJournal::compact`]. Where that fails the journal has forgotten the person,
    /// and the mirror has not ([`MirroredJournal::owes_forgetting`]): compacting again does it.
    ///
    /// The records beside the journal are removed: an older copy of the journal then finds sessions without a record,
    /// and whoever is pending in it becomes uncertain, which mails nobody twice.
    async fn forget(
        &self,
        key: &RecipientKey,
        fresh: [u8; 32],
        at: Timestamp,
    ) -> Result<Forgotten, HoldError> {
        self.forget_everywhere(key, fresh, at).await
    }
    async fn forgotten_key(&self, adopt: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, JournalError> {
        self.inner.forgotten_key(adopt).await
    }

    async fn known_as(&self, keys: &[RecipientKey]) -> Result<Vec<RecipientKey>, JournalError> {
        self.inner.known_as(keys).await
    }

    async fn declare_outage(&self, outage: Outage) -> Result<(), JournalError> {
        self.inner.declare_outage(outage.clone()).await?;
        self.keep(vec![Record::Outage(outage)]);
        Ok(())
    }
    async fn withdraw_outage(
        &self,
        provider: &ProviderName,
        since: Timestamp,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        let was_there = self.inner.withdraw_outage(provider, since, reason, at).await?;
        if was_there {
            self.keep(vec![Record::OutageWithdrawn { provider: provider.clone(), since }]);
        }
        Ok(was_there)
    }
    async fn outages(&self) -> Result<Vec<Outage>, JournalError> {
        self.inner.outages().await
    }
    async fn audit(&self, entry: AuditEntry) -> Result<(), JournalError> {
        self.inner.audit(entry).await
    }
    async fn audit_of(&self, run: Option<&RunId>) -> Result<Vec<AuditEntry>, JournalError> {
        self.inner.audit_of(run).await
    }
}

impl MirroredJournal {
    /// This session ended with everything mirrored: the next one need not compare.
    async fn leave(&self, seen: u64) -> Result<(), JournalError> {
        let failed = |error: std::io::Error| JournalError::WriteFailed { reason: error.to_string() };
        let lock = self.beside.lock().await.map_err(failed)?;
        if let Some(mut lineage) = Lineage::read(&*self.inner).await?
            && let Some(place) = &mut lineage.mirror
        {
            place.open.retain(|open| *open != self.epoch);
            place.seen = place.seen.max(seen);
            lineage.save(&*self.inner).await?;
        }
        drop(lock);
        Ok(())
    }
}

/// Whether it is the answer to what was handed over.
fn ends_an_intent(one: &Settlement) -> bool {
    one.from == DeliveryState::Intent && one.attempt.as_ref().is_some_and(|attempt| attempt.had_intent)
}

impl std::fmt::Debug for MirroredJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MirroredJournal").field("epoch", &self.epoch).field("mode", &self.mode).finish()
    }
}
