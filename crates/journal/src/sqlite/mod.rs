//! The journal in one SQLite file.
//!
//! WAL, `synchronous=FULL`, one writer task per process whose commits are shared, `BEGIN IMMEDIATE`,
//! `busy_timeout`: several processes may use one file on one machine. The file is 0600; a network
//! file system is refused, because SQLite's locks do not hold there.

mod hold;
mod owner;
mod pages;
mod together;
mod unix;

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

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use depeche_core::journal::{
    DeliveryId, DeliveryRecord, FreezeError, Frozen, Hold, HoldError, Intent, JournalError, NewDeliveries,
    NewRun, RunId, Settlement, Stepped, Totals,
};
use depeche_core::outcome::Denied;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection, SqlitePool};

use crate::{describe, read_failed, write_failed};
use hold::Holds;
use writer::{Rows, Writer};

/// What the shared code reads and writes with.
type Connection = SqliteConnection;
type Row = sqlx::sqlite::SqliteRow;
type Database = sqlx::Sqlite;
type Store = SqliteJournal;

/// All runs, the newest first.
const NEWEST_FIRST: &str = "SELECT * FROM run ORDER BY created_at DESC, rowid DESC";
/// Those that are not over.
const OPEN_RUNS: &str = "SELECT * FROM run WHERE state NOT IN ('finished', 'cancelled')
     ORDER BY created_at DESC, rowid DESC";
/// Takes a pending delivery, as it was read.
const TAKE: &str = "UPDATE delivery SET state = 'intent', fence = fence + 1, attempts = attempts + 1,
     provider = $3, at = $4 WHERE id = $1 AND state = 'pending' AND fence = $2";

/// Whether others work on a run as well: never with a file.
const OTHERS_WORK: &str = "1 = 0";
/// A file answers, or fails.
const PATIENCE: Option<Duration> = None;

/// Keeps SQLite from using an index over the column that follows (sqlite.org/optoverview.html).
const PASS_OVER: &str = "+";

/// A text whose places are question marks: SQLite takes it as it is.
fn numbered(text: String) -> String {
    text
}

/// One transaction writes at a time: nothing passes by itself that [`BUSY`] did not wait for.
fn passes(_: &sqlx::Error) -> bool {
    false
}

/// A list and a person who is forgotten never meet: one transaction writes at a time.
async fn nobody_freezes(_: &mut Connection) -> Result<(), JournalError> {
    Ok(())
}

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
            writer: Writer::start(Door::new(connection)),
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
        Ok(Self { writer: Writer::start(Door::new(connection)), readers: None, holds })
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

    async fn freeze_run(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
        self.write(move |c| Box::pin(async move { freeze::freeze(c, &run, deliveries).await })).await
    }

    async fn take_hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.holds.take(run).await
    }

    /// One process on a run at a time.
    async fn join_hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.holds.take(run).await
    }

    /// A file tells nobody.
    async fn wait_for_change(&self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }

    async fn holder_of(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        self.holds.holder(run)
    }

    async fn totals_of(&self, run: &RunId) -> Result<Totals, JournalError> {
        let owner_lives = self.holds.holder(run)?.is_some();
        let run = run.clone();
        self.read(move |c| Box::pin(async move { owner::totals(c, &run, owner_lives).await })).await
    }

    async fn orphans_of(&self, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
        let is_held = self.holds.holder(run)?.is_some();
        let run = run.clone();
        match is_held {
            true => Ok(Vec::new()),
            false => self.read(move |c| Box::pin(async move { owner::orphans(c, &run).await })).await,
        }
    }

    async fn due_of(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let run = run.clone();
        self.read(move |c| Box::pin(async move { owner::due(c, &run, now, limit).await })).await
    }

    async fn adopt(&self, run: &RunId, now: Timestamp) -> Result<u64, JournalError> {
        let run = run.clone();
        self.write(move |c| Box::pin(async move { owner::adopt_orphans(c, &run, now).await })).await
    }

    /// Outcomes and intents in one commit.
    async fn step(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        let (settlements, intents): (Arc<[Settlement]>, Arc<[Intent]>) = (settlements.into(), intents.into());
        let rows = Rows::Step(Arc::clone(&settlements), Arc::clone(&intents));
        let work: writer::Again<Result<(), Denied>, JournalError> = Box::new(move || {
            let (settlements, intents) = (Arc::clone(&settlements), Arc::clone(&intents));
            Box::new(move |c| {
                Box::pin(async move { owner::settle_and_intend(c, &settlements, &intents).await })
            })
        });
        match self.writer.write_answered_rows(true, (rows, || Ok(())), work).await {
            Ok(intended) => Stepped { settled: Ok(()), intended },
            Err(error) => Stepped::failed(error),
        }
    }

    /// Writes the file anew, so that nothing of what was replaced stands in its free pages or in the log;
    /// false when the file is in use.
    async fn sweep(&self) -> Result<bool, JournalError> {
        let Some(readers) = &self.readers else { return Ok(true) };
        let mut connection = readers.acquire().await.map_err(|error| read_failed(&error))?;
        // Not in a transaction; another process may be in the middle of one.
        if sqlx::query("VACUUM").execute(&mut *connection).await.is_err() {
            return Ok(false);
        }
        let truncated: Result<(i64, i64, i64), _> =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
        Ok(truncated.is_ok_and(|(busy, _, _)| busy == 0))
    }

    async fn close_readers(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
    }
}

/// What became of a commit that failed.
enum Fate {
    /// Nothing of it is there.
    Undone,
    /// Nothing of it is there, because the connection was lost. Not with a file.
    #[expect(dead_code, reason = "a file has no connection to lose")]
    Lost,
    /// It stands, though its answer was lost. Not with a file.
    #[expect(dead_code, reason = "a file has no connection to lose")]
    Stands,
}

/// The writer's connection.
struct Door {
    connection: SqliteConnection,
    texts: together::Texts,
}

impl Door {
    fn new(connection: SqliteConnection) -> Self {
        Self { connection, texts: together::Texts::default() }
    }

    async fn begin(&mut self, _rows: Option<&[Rows]>) -> Result<&mut SqliteConnection, sqlx::Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        Ok(&mut self.connection)
    }

    async fn commit(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await.map(drop)
    }

    async fn undo(&mut self, _rows: &[Rows]) -> Fate {
        let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
        Fate::Undone
    }

    async fn close(self) {
        let _ = self.connection.close().await;
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
