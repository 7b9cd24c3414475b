//! The write-ahead journal of depeche on SQLite.
//!
//! WAL, `synchronous=FULL`, one writer task per process whose commits are shared, `BEGIN IMMEDIATE`,
//! `busy_timeout`: several processes may use one file on one machine. The file is 0600; a network
//! file system is refused, because SQLite's locks do not hold there. The rules are DELIVERY.md's
//! ("Write-ahead journal"); the tables are in `migrations/`.

mod attempts;
mod events;
mod freeze;
mod hold;
mod keeping;
mod reading;
mod rows;
mod together;
mod unix;
mod writer;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::address::RecipientKey;
use depeche_core::event::{ProviderEvent, StoredEvent};
use depeche_core::journal::{
    AttemptRecord, AuditEntry, BreakerRecord, Decision, DeliveryId, DeliveryRecord, DeliveryState,
    FreezeError, Frozen, Hold, HoldError, Intent, Journal, JournalError, NewDeliveries, NewRun, Recorded,
    RunId, RunRecord, RunState, Settlement, Suppression, Taken, Totals, Urgency, Usage,
};
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqliteConnection, SqlitePool};

use crate::hold::Holds;
use crate::writer::{Rows, Writer, describe};

/// The journal in one SQLite file.
pub struct SqliteJournal {
    writer: Writer,
    /// `None` for a journal in memory: then the writer's connection reads as well.
    readers: Option<SqlitePool>,
    holds: Holds,
}

/// How long a process waits for another's transaction.
const BUSY: Duration = Duration::from_secs(30);

impl SqliteJournal {
    /// Opens the journal at `path`, creating file, folder and tables as needed.
    ///
    /// Must be called inside a tokio runtime: the writer is a task of it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unusable`] when the file cannot be opened, is no journal, was written by a newer
    /// depeche, or lies on a network file system.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let unusable = |reason: String| JournalError::Unusable { place: path.display().to_string(), reason };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
        }
        unix::private_file(path).map_err(|error| unusable(error.to_string()))?;
        // An empty file has no tables: this process, or a killed one before it, has just made it.
        if std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.len() == 0 {
            unix::sync_folders(path).map_err(|error| unusable(error.to_string()))?;
        }
        if let Some(kind) = unix::network_file_system(path) {
            return Err(unusable(format!("it lies on a network file system ({kind}); use a local disk")));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        // Two processes that open a new journal at once must not both make its tables.
        let opening = hold::opening(path).await.map_err(|error| unusable(error.to_string()))?;
        let connection = connect(&options).await.map_err(unusable)?;
        drop(opening);
        let readers = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
        Ok(Self {
            writer: Writer::start(connection),
            readers: Some(readers),
            holds: Holds::Files(path.to_path_buf()),
        })
    }

    /// A journal in memory, gone when dropped: for runs into the outbox without a depeche.toml.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unusable`] when the tables cannot be made.
    pub async fn in_memory() -> Result<Self, JournalError> {
        let unusable = |reason: String| JournalError::Unusable { place: "in memory".to_owned(), reason };
        let options = SqliteConnectOptions::from_str("sqlite::memory:")
            .map_err(|error| unusable(describe(&error)))?
            .foreign_keys(true);
        let connection = connect(&options).await.map_err(unusable)?;
        let holds = Holds::Memory(Arc::default());
        Ok(Self { writer: Writer::start(connection), readers: None, holds })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, JournalError>>
        + Send
        + 'static,
    ) -> Result<T, JournalError> {
        match &self.readers {
            Some(pool) => {
                let mut connection = pool.acquire().await.map_err(|error| read_failed(&error))?;
                work(&mut connection).await
            }
            None => self.writer.write(true, Box::new(work)).await,
        }
    }

    async fn write<T, E>(
        &self,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        self.writer.write(true, Box::new(work)).await
    }
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, String> {
    // Through a pool of one: the future of a migration over a plain connection is not `Send`.
    let one = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
    let pool = one.await.map_err(|error| describe(&error))?;
    sqlx::migrate!("./migrations").run(&pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            format!("it was written by a newer depeche (its tables are at version {version}); update depeche")
        }
        other => other.to_string(),
    })?;
    let connection = pool.acquire().await.map_err(|error| describe(&error))?;
    Ok(connection.detach())
}

/// A read that failed.
pub(crate) fn read_failed(error: &sqlx::Error) -> JournalError {
    JournalError::Corrupt(describe(error))
}

/// A write that failed.
pub(crate) fn write_failed(error: &sqlx::Error) -> JournalError {
    JournalError::WriteFailed { reason: describe(error) }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn taken(&self, digest: &[u8; 32], keys: &[RecipientKey]) -> Result<Vec<Taken>, JournalError> {
        let (digest, keys) = (*digest, keys.to_vec());
        self.read(move |c| Box::pin(async move { freeze::taken(c, &digest, &keys).await })).await
    }

    async fn freeze_list(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        self.write(move |c| Box::pin(async move { freeze::freeze(c, &run, deliveries).await })).await
    }

    async fn hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.holds.take(run).await
    }

    async fn holder(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        self.holds.holder(run)
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::run(c, &run).await })).await
    }

    async fn runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        self.read(|c| Box::pin(reading::runs(c))).await
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

    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRecord>, JournalError> {
        self.read(move |c| Box::pin(reading::attempts(c, delivery))).await
    }

    async fn totals(&self, run: &RunId) -> Result<Totals, JournalError> {
        let owner_lives = self.holds.holder(run)?.is_some();
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::totals(c, &run, owner_lives).await })).await
    }

    async fn accepted_by_provider(&self, run: &RunId) -> Result<Vec<(ProviderName, u64)>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::accepted_by_provider(c, &run).await })).await
    }

    async fn due(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::due(c, &run, now, limit).await })).await
    }

    async fn next_due(&self, run: &RunId, now: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { reading::next_due(c, &run, now).await })).await
    }

    async fn adopt_orphans(&self, hold: &dyn Hold, now: Timestamp) -> Result<u64, JournalError> {
        let run = hold.run().clone();
        self.write(move |c| Box::pin(async move { attempts::adopt_orphans(c, &run, now).await })).await
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<(), Denied> {
        let intents: Arc<[Intent]> = intents.into();
        let rows = Rows::Intents(Arc::clone(&intents));
        let work: writer::Work<(), attempts::NotIntended> =
            Box::new(move |c| Box::pin(async move { attempts::intend(c, &intents).await }));
        self.writer.write_rows(true, rows, work).await.map_err(|refused| refused.0)
    }

    async fn settle(&self, settlements: Vec<Settlement>, urgency: Urgency) -> Result<(), JournalError> {
        if settlements.is_empty() {
            return Ok(());
        }
        let settlements: Arc<[Settlement]> = settlements.into();
        let rows = Rows::Outcomes(Arc::clone(&settlements));
        let work: writer::Work<(), JournalError> =
            Box::new(move |c| Box::pin(async move { attempts::settle(c, &settlements).await }));
        self.writer.write_rows(urgency == Urgency::Now, rows, work).await
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

    async fn cancel(&self, run: &RunId, at: Timestamp) -> Result<u64, JournalError> {
        let run = run.clone();
        self.write(move |c| Box::pin(async move { attempts::cancel(c, &run, at).await })).await
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
        self.read(move |c| Box::pin(async move { keeping::usage(c, &provider, since).await })).await
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
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
    }
}
