//! The journal in one PostgreSQL database, shared by the workers of a fleet.
//!
//! Every move is a compare-and-set, so two workers never open an attempt at one delivery; who may try
//! is told by claims (`hold`), whose leases go by the database's clock only. Commits that share nothing
//! run side by side; those of one provider come one after the other, so that its windows hold whoever
//! takes a place (`Door`); a list is frozen beside all of them (`freezing`). The rules are DELIVERY.md's
//! ("Fleet").
//!
//! Refused: clear text to anything but this machine, a certificate that does not fit the name, a server
//! that may lose what it has confirmed (`fsync` or `synchronous_commit` off), and one that only reads.

mod clock;
mod connect;
mod door;
mod freezing;
mod hold;
mod pages;
mod together;
mod words;

// The same for every database: see the crate's documentation.
#[path = "../sql/attempts.rs"]
mod attempts;
#[path = "../sql/events.rs"]
mod events;
#[path = "../sql/forgotten.rs"]
mod forgotten;
#[path = "../sql/freeze.rs"]
mod freeze;
#[path = "../sql/journal.rs"]
mod journal;
#[path = "../sql/keeping.rs"]
mod keeping;
#[path = "../sql/outages.rs"]
mod outages;
#[path = "../sql/proof.rs"]
mod proof;
#[path = "../sql/reading.rs"]
mod reading;
#[path = "../sql/rows.rs"]
mod rows;
#[path = "../sql/writer.rs"]
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use depeche_core::clock::Clock;
use depeche_core::journal::{
    DeliveryId, DeliveryRecord, FreezeError, Frozen, Hold, HoldError, Intent, Journal as _, JournalError,
    NewDeliveries, NewRun, RunId, Settlement, Stepped, Totals, Urgency,
};
use depeche_core::secret::Secret;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgListener};
use sqlx::{PgConnection, PgPool};

use crate::{read_failed, write_failed};
use clock::DatabaseClock;
use door::{Door, Fate, passes};
use hold::Holds;
use writer::Writer;

/// What the shared code reads and writes with.
type Connection = PgConnection;
type Row = sqlx::postgres::PgRow;
type Database = sqlx::Postgres;
type Store = PostgresJournal;

/// All runs, the newest first.
const NEWEST_FIRST: &str = "SELECT * FROM run ORDER BY created_at DESC, number DESC";
/// Those that are not over.
const OPEN_RUNS: &str = "SELECT * FROM run WHERE state NOT IN ('finished', 'cancelled')
     ORDER BY created_at DESC, number DESC";
/// Takes a pending delivery, as it was read. One that was claimed needs its claim.
const TAKE: &str = "UPDATE delivery SET state = 'intent', fence = fence + 1, attempts = attempts + 1,
     provider = $3, at = $4 WHERE id = $1 AND state = 'pending' AND fence = $2 AND (owner IS NULL
     OR EXISTS (SELECT 1 FROM run_hold h WHERE h.id = owner AND h.lease_until >= depeche_now()))";
/// Whether others work on a run as well.
const OTHERS_WORK: &str = "(SELECT COUNT(*) FROM run_hold h WHERE h.run = run.id
     AND h.lease_until >= depeche_now()) > 1";
/// A transaction without an answer for so long has lost its connection. Longer than any lock is waited for.
const SILENCE: Duration = Duration::from_secs(45);
const PATIENCE: Option<Duration> = Some(SILENCE);

/// PostgreSQL chooses its indexes by what it knows of the values.
const PASS_OVER: &str = "";

/// A text whose places are question marks, with numbers instead. It holds no other question mark.
fn numbered(text: String) -> String {
    let mut parts = text.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(1..).fold(first, |text, (part, number)| format!("{text}${number}{part}"))
}

/// Before a person is forgotten: a list that is being frozen would name them still.
async fn nobody_freezes(c: &mut Connection) -> Result<(), JournalError> {
    if door::nobody_freezes(c).await.map_err(|error| read_failed(&error))? {
        return Ok(());
    }
    let reason = "a list is just being frozen, and may name this person; forget them once it is there";
    Err(JournalError::WriteFailed { reason: reason.to_owned() })
}

/// Where a journal on PostgreSQL is, and how it is reached.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user@host:port/database`. `sslmode` is `verify-full` unless the host is this machine,
    /// and nothing less is taken; `sslrootcert` names the file of a private authority.
    pub url: String,
    /// The password, where one is asked for.
    pub password: Option<Secret>,
    /// PEM certificates to trust besides; as `sslrootcert` in the URL.
    pub ca_file: Option<PathBuf>,
    /// How long a worker that is not heard of keeps what it claimed, by the database's clock. A crashed
    /// worker's recipients wait as long; one that is stopped for longer loses them. [`PostgresConfig::new`]
    /// gives 30 s.
    pub lease: Duration,
}

impl PostgresConfig {
    /// The database at `url`, with a lease of 30 s.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), password: None, ca_file: None, lease: Duration::from_secs(30) }
    }
}

/// The journal in one PostgreSQL database.
pub struct PostgresJournal {
    options: PgConnectOptions,
    writer: Writer,
    readers: PgPool,
    holds: Arc<Holds>,
    clock: Arc<DatabaseClock>,
    listener: tokio::sync::Mutex<Option<PgListener>>,
}

impl PostgresJournal {
    /// Opens the journal, creating its tables as needed.
    ///
    /// Must be called inside a tokio runtime: the writer and the heartbeat are tasks of it. libpq's
    /// variables (`PGSSLCERT`, `PGPASSFILE` and so on) are heard by the driver, but not `PGSSLMODE`.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unusable`] when the database cannot be reached or was written by a newer depeche,
    /// when the connection would be in clear text to another machine, and when the server may lose what it
    /// confirmed: `fsync` or `synchronous_commit` off, or a standby.
    pub async fn open(config: &PostgresConfig) -> Result<Self, JournalError> {
        let place = connect::shown(&config.url);
        let unusable = |reason: String| JournalError::Unusable { place: place.clone(), reason };
        let options = connect::options(config).map_err(unusable)?;
        let readers = connect::pool(&options).await.map_err(unusable)?;
        let clock =
            Arc::new(DatabaseClock::read(&readers).await.map_err(|error| unusable(error.to_string()))?);
        let writer = Writer::start(Door::new(options.clone()));
        let holds = Holds::start(config.lease, readers.clone(), Arc::clone(&clock));
        Ok(Self { options, writer, readers, holds, clock, listener: tokio::sync::Mutex::new(None) })
    }

    /// The database's clock, as seen from here: what every worker of the fleet goes by, whatever its own
    /// clock says. Read when the journal is opened and with every heartbeat; exact to half a round trip.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, JournalError>> + Send + 'static,
    ) -> Result<T, JournalError> {
        let mut connection = self.readers.acquire().await.map_err(|error| read_failed(&error))?;
        work(&mut connection).await
    }

    async fn write<T, E>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        self.writer.write(true, Box::new(work)).await
    }

    async fn freeze_run(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        freezing::freeze(&self.options, &run, deliveries).await
    }

    async fn take_hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.holds.take(&self.writer, run, false).await
    }

    async fn join_hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.holds.take(&self.writer, run, true).await
    }

    async fn wait_for_change(&self, at_most: Duration) {
        let heard = async {
            let mut listener = self.listener.lock().await;
            if listener.is_none() {
                *listener = connect::listen(&self.readers).await.ok();
            }
            match listener.as_mut() {
                Some(open) => {
                    if open.recv().await.is_err() {
                        *listener = None;
                        std::future::pending::<()>().await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        let _ = tokio::time::timeout(at_most, heard).await;
    }

    async fn holder_of(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        self.holds.let_go().await;
        let run = run.clone();
        self.read(move |c| Box::pin(async move { hold::holder(c, &run).await })).await
    }

    async fn totals_of(&self, run: &RunId) -> Result<Totals, JournalError> {
        self.holds.let_go().await;
        let run = run.clone();
        self.read(move |c| Box::pin(async move { hold::totals(c, &run).await })).await
    }

    async fn orphans_of(&self, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { hold::orphans(c, &run).await })).await
    }

    async fn due_of(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let (run, claim) = (run.clone(), self.holds.claim_of(run));
        self.read(move |c| {
            Box::pin(async move {
                match claim {
                    Some(claim) => hold::claim(c, &run, claim, now, limit).await,
                    None => hold::free(c, &run, now, limit).await,
                }
            })
        })
        .await
    }

    async fn adopt(&self, run: &RunId, now: Timestamp) -> Result<u64, JournalError> {
        let (run, claim) = (run.clone(), self.holds.claim_of(run));
        self.write(move |c| Box::pin(async move { hold::adopt(c, &run, claim, now).await })).await
    }

    /// Outcomes, and then intents. In two commits: when a connection is lost, outcomes are written once more
    /// and intents are not.
    async fn step(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        if let Err(error) = self.settle(settlements, Urgency::Now).await {
            return Stepped::failed(error);
        }
        Stepped { settled: Ok(()), intended: self.intend(intents).await }
    }

    /// Old rows stand in the tables, and in the server's log, until an administrator has them swept.
    async fn sweep(&self) -> Result<bool, JournalError> {
        Ok(false)
    }

    async fn close_readers(&self) {
        self.holds.let_go().await;
        // It has a connection of the pool, which waits for all of its own.
        *self.listener.lock().await = None;
        self.readers.close().await;
    }
}
