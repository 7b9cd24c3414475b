//! A journal whose disk fills up, or whose process dies at a chosen write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::address::RecipientKey;
use depeche_core::event::{ProviderEvent, StoredEvent};
use depeche_core::journal::*;
use depeche_core::opt_out::DeliveryReference;
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use tokio::sync::Notify;

/// Passes everything on, until a write of the chosen kind fails: then nothing of it is written, and
/// all later ones of that kind fail too.
pub struct FaultyJournal {
    inner: Arc<dyn Journal>,
    intents: Budget,
    settlements: Budget,
    crash: Option<Crash>,
}

/// When the process dies: at this write of an intent or an outcome.
struct Crash {
    writes: Budget,
    /// Whether that write is durable.
    after: bool,
    crashed: Notify,
}

/// So many writes succeed.
struct Budget(AtomicU64);

impl Budget {
    fn fails(&self) -> bool {
        let spend = |left: u64| left.checked_sub(1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).is_err()
    }
}

const FULL: &str = "database or disk is full";

impl FaultyJournal {
    /// In front of `inner`; nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Journal>) -> Self {
        let endless = || Budget(AtomicU64::new(u64::MAX));
        Self { inner, intents: endless(), settlements: endless(), crash: None }
    }

    /// Takes so many commits of intents and no more.
    #[must_use]
    pub fn intents(mut self, count: u64) -> Self {
        self.intents = Budget(AtomicU64::new(count));
        self
    }

    /// Takes so many commits of outcomes and no more.
    #[must_use]
    pub fn settlements(mut self, count: u64) -> Self {
        self.settlements = Budget(AtomicU64::new(count));
        self
    }

    /// The process dies at the write after `count` ones: it and all later writes never return. With
    /// `after` that write is durable all the same. Drop the engine when [`FaultyJournal::crashed`].
    #[must_use]
    pub fn crash_at(mut self, count: u64, after: bool) -> Self {
        self.crash = Some(Crash { writes: Budget(AtomicU64::new(count)), after, crashed: Notify::new() });
        self
    }

    /// Returns when the process died; never, when it was not told to.
    pub async fn crashed(&self) {
        match &self.crash {
            Some(crash) => crash.crashed.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Passes a write on, unless the process dies at it.
    async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        match &self.crash {
            Some(crash) if crash.writes.fails() => {
                if crash.after {
                    write.await;
                }
                crash.crashed.notify_one();
                std::future::pending().await
            }
            _ => write.await,
        }
    }
}

#[async_trait]
impl Journal for FaultyJournal {
    async fn taken(&self, digest: &[u8; 32], keys: &[RecipientKey]) -> Result<Vec<Taken>, JournalError> {
        self.inner.taken(digest, keys).await
    }

    async fn freeze_list(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        self.inner.freeze_list(run, deliveries).await
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

    async fn due(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.inner.due(run, now, limit).await
    }

    async fn next_due(&self, run: &RunId, now: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        self.inner.next_due(run, now).await
    }

    async fn adopt_orphans(&self, hold: &dyn Hold, now: Timestamp) -> Result<u64, JournalError> {
        self.inner.adopt_orphans(hold, now).await
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<(), Denied> {
        if self.intents.fails() {
            return Err(Denied::JournalFailed { reason: FULL.to_owned() });
        }
        self.write(self.inner.intend(intents)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>, urgency: Urgency) -> Result<(), JournalError> {
        if self.settlements.fails() {
            return Err(JournalError::WriteFailed { reason: FULL.to_owned() });
        }
        self.write(self.inner.settle(settlements, urgency)).await
    }

    /// One write; what room there is for intents alone is asked for as if it were two.
    async fn settle_and_intend(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        let full = || FULL.to_owned();
        if self.settlements.fails() {
            return Stepped::failed(JournalError::WriteFailed { reason: full() });
        }
        if self.intents.fails() {
            let settled = self.write(self.inner.settle(settlements, Urgency::Now)).await;
            return Stepped { settled, intended: Err(Denied::JournalFailed { reason: full() }) };
        }
        self.write(self.inner.settle_and_intend(settlements, intents)).await
    }

    async fn set_run_state(
        &self,
        run: &RunId,
        state: RunState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        self.inner.set_run_state(run, state, note, at).await
    }

    async fn go_on(&self, run: &RunId, at: Timestamp) -> Result<bool, JournalError> {
        self.inner.go_on(run, at).await
    }

    async fn set_settings(&self, run: &RunId, settings: String) -> Result<(), JournalError> {
        self.inner.set_settings(run, settings).await
    }

    async fn cancel(&self, run: &RunId, at: Timestamp) -> Result<u64, JournalError> {
        self.inner.cancel(run, at).await
    }

    async fn resolve(
        &self,
        hold: &dyn Hold,
        keys: &[RecipientKey],
        decision: Decision,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.inner.resolve(hold, keys, decision, reason, at).await
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

    async fn save_breaker(&self, record: BreakerRecord) -> Result<(), JournalError> {
        self.inner.save_breaker(record).await
    }

    async fn record_events(
        &self,
        source: &ProviderName,
        events: Vec<ProviderEvent>,
        now: Timestamp,
    ) -> Result<Recorded, JournalError> {
        self.write(self.inner.record_events(source, events, now)).await
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

    async fn suppress(&self, entries: Vec<Suppression>) -> Result<u64, JournalError> {
        self.inner.suppress(entries).await
    }

    async fn unsuppress(
        &self,
        key: &RecipientKey,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        self.inner.unsuppress(key, reason, at).await
    }

    async fn suppressions(&self, keys: Option<&[RecipientKey]>) -> Result<Vec<Suppression>, JournalError> {
        self.inner.suppressions(keys).await
    }

    async fn forget(
        &self,
        key: &RecipientKey,
        fresh: [u8; 32],
        at: Timestamp,
    ) -> Result<Forgotten, HoldError> {
        self.inner.forget(key, fresh, at).await
    }

    async fn forgotten_key(&self, adopt: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, JournalError> {
        self.inner.forgotten_key(adopt).await
    }

    async fn known_as(&self, keys: &[RecipientKey]) -> Result<Vec<RecipientKey>, JournalError> {
        self.inner.known_as(keys).await
    }

    async fn declare_outage(&self, outage: Outage) -> Result<(), JournalError> {
        self.inner.declare_outage(outage).await
    }

    async fn withdraw_outage(
        &self,
        provider: &ProviderName,
        since: Timestamp,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        self.inner.withdraw_outage(provider, since, reason, at).await
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

    async fn close(&self) {
        self.inner.close().await
    }
}
