//! A journal of one's own: another journal, and a file elsewhere that knows who may be on the wire.
//!
//! Before an intent counts, a line of that file is on its disk. When the machine with the database
//! burns, the file says whom nobody may mail again. A journal from the ground up implements the same
//! trait; this one changes one call and passes the others on.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use depeche::address::RecipientKey;
use depeche::event::{ProviderEvent, StoredEvent};
use depeche::journal::*;
use depeche::opt_out::DeliveryReference;
use depeche::outcome::Denied;
use depeche::provider::ProviderName;
use jiff::Timestamp;

/// A journal with a note of every intent in a second place.
pub(crate) struct NotedJournal {
    inner: Arc<dyn Journal>,
    notes: PathBuf,
}

impl NotedJournal {
    /// In front of `inner`; the notes are added to the file `notes`.
    pub(crate) fn new(inner: Arc<dyn Journal>, notes: PathBuf) -> Self {
        Self { inner, notes }
    }

    /// Writes a line for each delivery, and returns when they are on the disk.
    async fn note(&self, what: &str, deliveries: impl Iterator<Item = DeliveryId>) -> std::io::Result<()> {
        let lines: String = deliveries.map(|delivery| format!("{what} {}\n", delivery.0)).collect();
        let path = self.notes.clone();
        let write = move || {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        };
        tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other)?
    }
}

#[async_trait]
impl Journal for NotedJournal {
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

    async fn assets(&self, run: &RunId) -> Result<Vec<(String, bytes::Bytes)>, JournalError> {
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
        // First the note: who may be on the wire is known even when the database is lost.
        if let Err(error) = self.note("on the wire", intents.iter().map(|intent| intent.delivery)).await {
            return Err(Denied::JournalFailed { reason: error.to_string() });
        }
        self.inner.intend(intents).await
    }

    async fn settle(&self, settlements: Vec<Settlement>, urgency: Urgency) -> Result<(), JournalError> {
        self.inner.settle(settlements, urgency).await
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
        self.inner.record_events(source, events, now).await
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

    async fn delivery_of(
        &self,
        reference: DeliveryReference,
    ) -> Result<Option<(RunId, DeliveryRecord)>, JournalError> {
        self.inner.delivery_of(reference).await
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
