//! The journal's trait over the tables: the same for every database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::address::RecipientKey;
use depeche_core::budget::DomainPace;
use depeche_core::event::{ProviderEvent, StoredEvent};
use depeche_core::journal::{
    AcceptedDay, AttemptRecord, AuditEntry, BreakerRecord, Decision, DeliveryId, DeliveryRecord,
    DeliveryState, Forgotten, FreezeError, Frozen, Hold, HoldError, Intent, Journal, JournalError,
    NewDeliveries, NewRun, Outage, Recorded, RunId, RunRecord, RunState, Settlement, Stepped, Suppression,
    Taken, Totals, Urgency, Usage,
};
use depeche_core::opt_out::DeliveryReference;
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use super::writer::{self, Rows};
use super::{Store, attempts, events, forgotten, freeze, keeping, outages, reading};

#[async_trait]
impl Journal for Store {
    async fn taken(&self, digest: &[u8; 32], keys: &[RecipientKey]) -> Result<Vec<Taken>, JournalError> {
        let (digest, keys) = (*digest, keys.to_vec());
        self.read(move |c| Box::pin(async move { freeze::taken(c, &digest, &keys).await })).await
    }

    async fn freeze_list(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        self.freeze_run(run, deliveries).await
    }

    async fn hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.take_hold(run).await
    }

    async fn join(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.join_hold(run).await
    }

    async fn changed(&self, at_most: Duration) {
        self.wait_for_change(at_most).await;
    }

    async fn holder(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        self.holder_of(run).await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::run(c, &run).await })).await
    }

    async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.read(|c| Box::pin(reading::runs(c))).await
    }

    async fn open_runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.read(|c| Box::pin(reading::open_runs(c))).await
    }

    async fn assets(&self, run: &RunId) -> Result<Vec<(String, Bytes)>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::assets(c, &run).await })).await
    }

    async fn deliveries(
        &self,
        run: &RunId,
        after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::deliveries(c, &run, after, limit).await })).await
    }

    async fn deliveries_in(
        &self,
        run: &RunId,
        states: &[DeliveryState],
        after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let (run, states) = (run.clone(), states.to_vec());
        self.read(move |c| {
            Box::pin(async move { reading::deliveries_in(c, &run, &states, after, limit).await })
        })
        .await
    }

    async fn delivery_of(
        &self,
        reference: DeliveryReference,
    ) -> Result<Option<(RunId, DeliveryRecord)>, JournalError> {
        self.read(move |c| Box::pin(reading::delivery_of(c, reference))).await
    }

    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRecord>, JournalError> {
        self.read(move |c| Box::pin(reading::attempts(c, delivery))).await
    }

    async fn orphans(&self, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
        self.orphans_of(run).await
    }

    async fn totals(&self, run: &RunId) -> Result<Totals, JournalError> {
        self.totals_of(run).await
    }

    async fn accepted_by_provider(&self, run: &RunId) -> Result<Vec<(ProviderName, u64)>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::accepted_by_provider(c, &run).await })).await
    }

    async fn accepted_by_day(&self, since: Timestamp) -> Result<Vec<AcceptedDay>, JournalError> {
        self.read(move |c| Box::pin(async move { reading::accepted_by_day(c, since).await })).await
    }

    async fn due(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        self.due_of(run, now, limit).await
    }

    async fn next_due(&self, run: &RunId, now: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::next_due(c, &run, now).await })).await
    }

    async fn adopt_orphans(&self, hold: &dyn Hold, now: Timestamp) -> Result<u64, JournalError> {
        self.adopt(hold.run(), now).await
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<(), Denied> {
        let intents: Arc<[Intent]> = intents.into();
        let rows = Rows::Intents(Arc::clone(&intents));
        let work: writer::Again<(), attempts::NotIntended> = Box::new(move || {
            let intents = Arc::clone(&intents);
            Box::new(move |c| Box::pin(async move { attempts::intend(c, &intents).await }))
        });
        self.writer.write_rows(true, rows, work).await.map_err(|refused| refused.0)
    }

    async fn settle(&self, settlements: Vec<Settlement>, urgency: Urgency) -> Result<(), JournalError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let settlements: Arc<[Settlement]> = settlements.into();
        let rows = Rows::Outcomes(Arc::clone(&settlements));
        let work: writer::Again<(), JournalError> = Box::new(move || {
            let settlements = Arc::clone(&settlements);
            Box::new(move |c| Box::pin(async move { attempts::settle(c, &settlements).await }))
        });
        self.writer.write_rows(urgency == Urgency::Now, rows, work).await
    }

    async fn settle_and_intend(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        self.step(settlements, intents).await
    }

    async fn go_on(&self, run: &RunId, _at: Timestamp) -> Result<bool, JournalError> {
        let run = run.clone();
        self.write(move |c| Box::pin(async move { keeping::go_on(c, &run).await })).await
    }

    async fn set_settings(&self, run: &RunId, settings: String) -> Result<(), JournalError> {
        let run = run.clone();
        self.write(move |c| Box::pin(async move { keeping::set_settings(c, &run, settings).await })).await
    }

    async fn set_run_state(
        &self,
        run: &RunId,
        state: RunState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        let run = run.clone();
        self.write(move |c| Box::pin(async move { keeping::set_run_state(c, &run, state, note, at).await }))
            .await
    }

    async fn pause(&self, run: &RunId, at: Timestamp) -> Result<(), JournalError> {
        let run = run.clone();
        self.write(move |c| Box::pin(async move { keeping::pause(c, &run, at).await })).await
    }

    async fn cancel(&self, run: &RunId, at: Timestamp) -> Result<u64, JournalError> {
        let mut all = 0;
        loop {
            let run = run.clone();
            let cancelled: Result<_, JournalError> =
                self.write(move |c| Box::pin(async move { attempts::cancel(c, &run, at, all).await })).await;
            let (moved, are_left) = cancelled?;
            all += moved;
            if !are_left {
                return Ok(all);
            }
        }
    }

    async fn resolve(
        &self,
        hold: &dyn Hold,
        keys: &[RecipientKey],
        decision: Decision,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let (run, keys, reason) = (hold.run().clone(), keys.to_vec(), reason.to_owned());
        self.write(move |c| {
            Box::pin(async move { attempts::resolve(c, &run, &keys, decision, &reason, at).await })
        })
        .await
    }

    async fn usage(&self, provider: &ProviderName, since: Timestamp) -> Result<Usage, JournalError> {
        let provider = provider.clone();
        self.read(move |c| Box::pin(async move { keeping::usage(c, provider.as_str(), since).await })).await
    }

    async fn pace_usage(&self, domain: &str, since: Timestamp) -> Result<Usage, JournalError> {
        let key = DomainPace::key(domain);
        self.read(move |c| Box::pin(async move { keeping::usage(c, &key, since).await })).await
    }

    async fn breakers(&self) -> Result<Vec<BreakerRecord>, JournalError> {
        self.read(|c| Box::pin(keeping::breakers(c))).await
    }

    async fn save_breaker(&self, record: BreakerRecord) -> Result<(), JournalError> {
        self.write(move |c| Box::pin(async move { keeping::save_breaker(c, &record).await })).await
    }

    async fn record_events(
        &self,
        source: &ProviderName,
        events: Vec<ProviderEvent>,
        now: Timestamp,
    ) -> Result<Recorded, JournalError> {
        let source = source.clone();
        self.write(move |c| Box::pin(async move { events::record(c, &source, &events, now).await })).await
    }

    async fn events_of(&self, run: &RunId) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { events::of_run(c, &run).await })).await
    }

    async fn events_on(
        &self,
        _run: &RunId,
        deliveries: &[DeliveryId],
    ) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
        let deliveries = deliveries.to_vec();
        self.read(move |c| Box::pin(async move { events::on(c, &deliveries).await })).await
    }

    async fn mark(&self, source: &ProviderName) -> Result<Option<String>, JournalError> {
        let source = source.clone();
        self.read(move |c| Box::pin(async move { events::mark(c, &source).await })).await
    }

    async fn save_mark(&self, source: &ProviderName, mark: &str) -> Result<(), JournalError> {
        let (source, mark) = (source.clone(), mark.to_owned());
        self.write(move |c| Box::pin(async move { events::save_mark(c, &source, &mark).await })).await
    }

    async fn bad_addresses(&self, run: &RunId) -> Result<Vec<(RecipientKey, Timestamp)>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::bad_addresses(c, &run).await })).await
    }

    async fn accepted_since(
        &self,
        keys: &[RecipientKey],
        since: Timestamp,
    ) -> Result<Vec<RecipientKey>, JournalError> {
        let keys = keys.to_vec();
        self.read(move |c| Box::pin(async move { reading::accepted_since(c, &keys, since).await })).await
    }

    async fn suppress(&self, entries: Vec<Suppression>) -> Result<u64, JournalError> {
        self.write(move |c| Box::pin(async move { keeping::suppress(c, &entries).await })).await
    }

    async fn unsuppress(
        &self,
        key: &RecipientKey,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        let (key, reason) = (key.clone(), reason.to_owned());
        self.write(move |c| Box::pin(async move { keeping::unsuppress(c, &key, &reason, at).await })).await
    }

    async fn suppressions(&self, keys: Option<&[RecipientKey]>) -> Result<Vec<Suppression>, JournalError> {
        let keys = keys.map(<[RecipientKey]>::to_vec);
        self.read(move |c| Box::pin(async move { keeping::suppressions(c, keys.as_deref()).await })).await
    }

    async fn forget(
        &self,
        key: &RecipientKey,
        fresh: [u8; 32],
        at: Timestamp,
    ) -> Result<Forgotten, HoldError> {
        let person = key.clone();
        let open =
            self.read(move |c| Box::pin(async move { forgotten::open_runs(c, &person).await })).await?;
        for run in open {
            if let Some(pid) = self.holder_of(&run).await? {
                return Err(HoldError::Held { run, pid });
            }
        }
        let person = key.clone();
        let changed: Result<Forgotten, JournalError> = self
            .write(move |c| Box::pin(async move { forgotten::forget(c, &person, &fresh, at).await }))
            .await;
        Ok(Forgotten { swept: self.sweep().await?, ..changed? })
    }

    async fn forgotten_key(&self, adopt: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, JournalError> {
        if let Some(key) = adopt {
            self.write(move |c| Box::pin(async move { forgotten::adopt(c, &key).await })).await?;
        }
        self.read(move |c| Box::pin(async move { forgotten::key(c).await })).await
    }

    async fn known_as(&self, keys: &[RecipientKey]) -> Result<Vec<RecipientKey>, JournalError> {
        let keys = keys.to_vec();
        self.read(move |c| {
            Box::pin(async move { forgotten::Pseudonyms::load(&mut *c).await?.replaced(c, keys).await })
        })
        .await
    }

    async fn declare_outage(&self, outage: Outage) -> Result<(), JournalError> {
        self.write(move |c| Box::pin(async move { outages::declare(c, &outage).await })).await
    }

    async fn withdraw_outage(
        &self,
        provider: &ProviderName,
        since: Timestamp,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError> {
        let (provider, reason) = (provider.clone(), reason.to_owned());
        self.write(move |c| {
            Box::pin(async move { outages::withdraw(c, &provider, since, &reason, at).await })
        })
        .await
    }

    async fn outages(&self) -> Result<Vec<Outage>, JournalError> {
        self.read(|c| Box::pin(outages::all(c))).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), JournalError> {
        self.write(move |c| Box::pin(async move { keeping::audit(c, &entry).await })).await
    }

    async fn audit_of(&self, run: Option<&RunId>) -> Result<Vec<AuditEntry>, JournalError> {
        let run = run.cloned();
        self.read(move |c| Box::pin(async move { keeping::audit_of(c, run.as_ref()).await })).await
    }

    async fn close(&self) {
        // An empty urgent write comes back when everything before it is durable.
        let _: Result<(), JournalError> = self.write(|_| Box::pin(async { Ok(()) })).await;
        self.close_readers().await;
    }
}
