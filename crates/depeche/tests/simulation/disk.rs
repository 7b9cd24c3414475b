//! The simulated disk: the real SQLite journal, seen from simulated time.
//!
//! SQLite works in a thread of its own while simulated time stands still, so that its speed decides
//! nothing; how long a write takes is drawn from the seed. Before a write goes to it, what it says is
//! held against what the receivers saw.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use depeche::address::RecipientKey;
use depeche::event::{ProviderEvent, StoredEvent};
use depeche::journal::*;
use depeche::opt_out::DeliveryReference;
use depeche::outcome::Denied;
use depeche::provider::ProviderName;
use depeche::sqlite::SqliteJournal;
use jiff::Timestamp;

use crate::world::World;

/// No write takes longer, in simulated milliseconds.
pub(crate) const SLOWEST_MS: u64 = 30;

/// What one process sees of the disk.
pub(crate) struct Disk {
    pub(crate) world: Arc<World>,
    pub(crate) journal: Arc<SqliteJournal>,
    /// The process that writes; when another has begun, it is dead.
    pub(crate) process: u64,
    /// What a waiting run looks at every second; nobody else writes.
    pub(crate) cached: Mutex<Cached>,
}

#[derive(Default)]
pub(crate) struct Cached {
    run: Option<RunRecord>,
    totals: Option<Totals>,
    breakers: Option<Vec<BreakerRecord>>,
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits in real time; simulated time stands still meanwhile.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

impl Disk {
    /// A write: takes its time, and is not made when its process died meanwhile.
    async fn write<T>(&self, what: &str, write: impl Future<Output = T>) -> T {
        let wait = self.world.dice.below(SLOWEST_MS + 1);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if self.world.process.load(Ordering::SeqCst) != self.process {
            return std::future::pending().await;
        }
        *self.cached.lock().unwrap() = Cached::default();
        self.world.step(&format!("disk {what}"));
        at_once(write)
    }
}

#[async_trait]
impl Journal for Disk {
    async fn taken(&self, digest: &[u8; 32], keys: &[RecipientKey]) -> Result<Vec<Taken>, JournalError> {
        at_once(self.journal.taken(digest, keys))
    }

    async fn freeze_list(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        self.write("freeze", self.journal.freeze_list(run, deliveries)).await
    }

    async fn hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        at_once(self.journal.hold(run))
    }

    async fn holder(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        at_once(self.journal.holder(run))
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, JournalError> {
        let mut cached = self.cached.lock().unwrap();
        if cached.run.is_none() {
            cached.run = at_once(self.journal.run(run))?;
        }
        Ok(cached.run.clone())
    }

    async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        at_once(self.journal.runs())
    }

    async fn assets(&self, run: &RunId) -> Result<Vec<(String, Bytes)>, JournalError> {
        at_once(self.journal.assets(run))
    }

    async fn deliveries(
        &self,
        run: &RunId,
        after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        at_once(self.journal.deliveries(run, after, limit))
    }

    async fn delivery_of(
        &self,
        reference: DeliveryReference,
    ) -> Result<Option<(RunId, DeliveryRecord)>, JournalError> {
        at_once(self.journal.delivery_of(reference))
    }

    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRecord>, JournalError> {
        at_once(self.journal.attempts(delivery))
    }

    async fn orphans(&self, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
        at_once(self.journal.orphans(run))
    }

    async fn totals(&self, run: &RunId) -> Result<Totals, JournalError> {
        let mut cached = self.cached.lock().unwrap();
        let totals = cached.totals.map_or_else(|| at_once(self.journal.totals(run)), Ok)?;
        cached.totals = Some(totals);
        Ok(totals)
    }

    async fn accepted_by_provider(&self, run: &RunId) -> Result<Vec<(ProviderName, u64)>, JournalError> {
        at_once(self.journal.accepted_by_provider(run))
    }

    async fn due(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        at_once(self.journal.due(run, now, limit))
    }

    async fn next_due(&self, run: &RunId, now: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        at_once(self.journal.next_due(run, now))
    }

    async fn adopt_orphans(&self, hold: &dyn Hold, now: Timestamp) -> Result<u64, JournalError> {
        self.write("adopt", self.journal.adopt_orphans(hold, now)).await
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<(), Denied> {
        self.write("intend", self.journal.intend(intents)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>, _urgency: Urgency) -> Result<(), JournalError> {
        for settlement in &settlements {
            self.world.hold_against_the_truth(settlement);
        }
        // The company that a soon write waits for would be waited for in real time.
        self.write("settle", self.journal.settle(settlements, Urgency::Now)).await
    }

    async fn settle_and_intend(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        for settlement in &settlements {
            self.world.hold_against_the_truth(settlement);
        }
        self.write("settle and intend", self.journal.settle_and_intend(settlements, intents)).await
    }

    async fn set_run_state(
        &self,
        run: &RunId,
        state: RunState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        self.write("state", self.journal.set_run_state(run, state, note, at)).await
    }

    async fn go_on(&self, run: &RunId, at: Timestamp) -> Result<bool, JournalError> {
        self.write("state", self.journal.go_on(run, at)).await
    }

    async fn set_settings(&self, run: &RunId, settings: String) -> Result<(), JournalError> {
        self.write("settings", self.journal.set_settings(run, settings)).await
    }

    async fn cancel(&self, run: &RunId, at: Timestamp) -> Result<u64, JournalError> {
        self.write("cancel", self.journal.cancel(run, at)).await
    }

    async fn resolve(
        &self,
        hold: &dyn Hold,
        keys: &[RecipientKey],
        decision: Decision,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.write("resolve", self.journal.resolve(hold, keys, decision, reason, at)).await
    }

    async fn usage(&self, provider: &ProviderName, since: Timestamp) -> Result<Usage, JournalError> {
        at_once(self.journal.usage(provider, since))
    }

    async fn pace_usage(&self, domain: &str, since: Timestamp) -> Result<Usage, JournalError> {
        at_once(self.journal.pace_usage(domain, since))
    }

    async fn breakers(&self) -> Result<Vec<BreakerRecord>, JournalError> {
        let mut cached = self.cached.lock().unwrap();
        if cached.breakers.is_none() {
            cached.breakers = Some(at_once(self.journal.breakers())?);
        }
        Ok(cached.breakers.clone().unwrap_or_default())
    }

    async fn save_breaker(&self, record: BreakerRecord) -> Result<(), JournalError> {
        self.write("breaker", self.journal.save_breaker(record)).await
    }

    async fn record_events(
        &self,
        source: &ProviderName,
        events: Vec<ProviderEvent>,
        now: Timestamp,
    ) -> Result<Recorded, JournalError> {
        self.write("events", self.journal.record_events(source, events, now)).await
    }

    async fn events_of(&self, run: &RunId) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
        at_once(self.journal.events_of(run))
    }

    async fn mark(&self, source: &ProviderName) -> Result<Option<String>, JournalError> {
        at_once(self.journal.mark(source))
    }

    async fn save_mark(&self, source: &ProviderName, mark: &str) -> Result<(), JournalError> {
        self.write("mark", self.journal.save_mark(source, mark)).await
    }

    async fn bad_addresses(&self, run: &RunId) -> Result<Vec<(RecipientKey, Timestamp)>, JournalError> {
        at_once(self.journal.bad_addresses(run))
    }

    async fn accepted_since(
        &self,
        keys: &[RecipientKey],
        since: Timestamp,
    ) -> Result<Vec<RecipientKey>, JournalError> {
        at_once(self.journal.accepted_since(keys, since))
    }

    async fn suppress(&self, entries: Vec<Suppression>) -> Result<u64, JournalError> {
        self.write("suppress", self.journal.suppress(entries)).await
    }

    async fn unsuppress(
        &self,
        key: &RecipientKey,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        self.write("unsuppress", self.journal.unsuppress(key, reason, at)).await
    }

    async fn suppressions(&self, keys: Option<&[RecipientKey]>) -> Result<Vec<Suppression>, JournalError> {
        at_once(self.journal.suppressions(keys))
    }

    async fn forget(
        &self,
        key: &RecipientKey,
        fresh: [u8; 32],
        at: Timestamp,
    ) -> Result<Forgotten, HoldError> {
        at_once(self.journal.forget(key, fresh, at))
    }

    async fn forgotten_key(&self, adopt: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, JournalError> {
        at_once(self.journal.forgotten_key(adopt))
    }

    async fn known_as(&self, keys: &[RecipientKey]) -> Result<Vec<RecipientKey>, JournalError> {
        at_once(self.journal.known_as(keys))
    }

    async fn declare_outage(&self, outage: Outage) -> Result<(), JournalError> {
        at_once(self.journal.declare_outage(outage))
    }

    async fn withdraw_outage(
        &self,
        provider: &ProviderName,
        since: Timestamp,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        at_once(self.journal.withdraw_outage(provider, since, reason, at))
    }

    async fn outages(&self) -> Result<Vec<Outage>, JournalError> {
        at_once(self.journal.outages())
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), JournalError> {
        self.write("audit", self.journal.audit(entry)).await
    }

    async fn audit_of(&self, run: Option<&RunId>) -> Result<Vec<AuditEntry>, JournalError> {
        at_once(self.journal.audit_of(run))
    }

    async fn close(&self) {
        at_once(self.journal.close());
    }
}
