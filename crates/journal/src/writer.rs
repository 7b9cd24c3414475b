//! The one task that writes: everything queued goes into one transaction and one fsync.
//!
//! Connections share commits (DELIVERY.md). Jobs keep their order. Each runs in a savepoint of its
//! own, so that a denied intent takes nobody with it. A job that may wait joins the next commit and
//! waits [`LINGER`] at most; any urgent job takes it along. Where a commit holds nothing but intents
//! and outcomes, all of them go together first ([`crate::together`]).

use std::sync::Arc;
use std::time::Duration;

use depeche_core::journal::{Intent, JournalError, Settlement};
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::together;

/// An outcome waits no longer than this for company.
const LINGER: Duration = Duration::from_millis(100);
/// So many jobs share a transaction at the most.
const BATCH: usize = 512;
/// So many seconds pass between two looks for usage that no window needs any more.
const SWEEP: i64 = 3_600;

pub(crate) type Work<T, E> =
    Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send>;

/// The sending side of the writer's queue.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::UnboundedSender<Queued>);

struct Queued {
    job: Box<dyn Job>,
    urgent: bool,
}

/// What may go together with others of its kind.
#[derive(Clone)]
pub(crate) enum Rows {
    Intents(Arc<[Intent]>),
    Outcomes(Arc<[Settlement]>),
}

/// A write whose answer is given after the commit.
trait Job: Send {
    /// What it writes, where that is all.
    fn rows(&self) -> Option<&Rows>;
    /// Its rows were written together with others.
    fn is_written(&mut self);
    /// Runs inside the savepoint; false rolls it back.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;
    /// Answers, given what became of the commit.
    fn answer(self: Box<Self>, commit: Result<(), String>);
}

struct Typed<T, E> {
    work: Option<Work<T, E>>,
    /// With the answer that it gets when these are written.
    rows: Option<(Rows, T)>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T: Send, E: From<JournalError> + Send> Job for Typed<T, E> {
    fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref().map(|(rows, _)| rows)
    }

    fn is_written(&mut self) {
        self.result = self.rows.take().map(|(_, value)| Ok(value));
        self.work = None;
    }

    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            if let Some(work) = self.work.take() {
                self.result = Some(work(connection).await);
            }
            matches!(self.result, Some(Ok(_)))
        })
    }

    fn answer(self: Box<Self>, commit: Result<(), String>) {
        let failed = |reason| E::from(JournalError::WriteFailed { reason });
        let result = match (self.result, commit) {
            (Some(Err(refused)), _) => Err(refused),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(reason)) => Err(failed(reason)),
            (None, Ok(())) => Err(failed("the write was not made".to_owned())),
        };
        // Whoever asked may be gone; the write stands all the same.
        let _ = self.reply.send(result);
    }
}

impl Writer {
    /// Starts the task; it ends when the last [`Writer`] is dropped.
    pub(crate) fn start(connection: SqliteConnection) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write_all(connection, receiver));
        Self(sender)
    }

    /// Queues a write and waits until it is on the disk.
    pub(crate) async fn write<T, E>(&self, urgent: bool, work: Work<T, E>) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        self.queue(urgent, work, None).await
    }

    /// The same for `rows` that may go together with others; `work` writes them alone.
    pub(crate) async fn write_rows<E>(&self, urgent: bool, rows: Rows, work: Work<(), E>) -> Result<(), E>
    where
        E: From<JournalError> + Send + 'static,
    {
        let is_plain = match &rows {
            Rows::Intents(intents) => together::are_plain_intents(intents),
            Rows::Outcomes(settlements) => together::are_plain_outcomes(settlements),
        };
        self.queue(urgent, work, is_plain.then_some((rows, ()))).await
    }

    async fn queue<T, E>(&self, urgent: bool, work: Work<T, E>, rows: Option<(Rows, T)>) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed { work: Some(work), rows, result: None, reply });
        let gone = || E::from(JournalError::WriteFailed { reason: "the writer has stopped".to_owned() });
        self.0.send(Queued { job, urgent }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write_all(mut connection: SqliteConnection, mut queue: mpsc::UnboundedReceiver<Queued>) {
    let mut swept = None;
    while let Some(first) = queue.recv().await {
        let batch = gather(first, &mut queue).await;
        commit(&mut connection, batch, &mut swept).await;
    }
    let _ = connection.close().await;
}

/// Everything queued; waits for company only while nothing is urgent.
async fn gather(first: Queued, queue: &mut mpsc::UnboundedReceiver<Queued>) -> Vec<Box<dyn Job>> {
    let deadline = Instant::now() + LINGER;
    let mut urgent = first.urgent;
    let mut batch = vec![first.job];
    while batch.len() < BATCH {
        let next = match queue.try_recv() {
            Ok(next) => Some(next),
            Err(_) if urgent => None,
            Err(_) => tokio::time::timeout_at(deadline, queue.recv()).await.ok().flatten(),
        };
        let Some(next) = next else { break };
        urgent |= next.urgent;
        batch.push(next.job);
    }
    batch
}

async fn commit(connection: &mut SqliteConnection, mut batch: Vec<Box<dyn Job>>, swept: &mut Option<i64>) {
    let rows: Option<Vec<Rows>> = batch.iter().map(|job| job.rows().cloned()).collect();
    let went_together = match rows {
        Some(rows) => together(connection, &rows, swept).await,
        None => Ok(false),
    };
    let written = match went_together {
        Ok(true) => {
            batch.iter_mut().for_each(|job| job.is_written());
            Ok(())
        }
        Ok(false) => one_by_one(connection, &mut batch).await,
        Err(error) => Err(error),
    };
    let written = written.map_err(|error| describe(&error));
    if written.is_err() {
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    for job in batch {
        job.answer(written.clone());
    }
}

/// A batch of nothing but rows in a few statements. False, with nothing changed, when one of them cannot
/// be written: each job alone then hears what is the matter.
async fn together(
    connection: &mut SqliteConnection,
    rows: &[Rows],
    swept: &mut Option<i64>,
) -> Result<bool, sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    if !matches!(write_rows(connection, rows, swept).await, Ok(true)) {
        // A database that failed has rolled back by itself, perhaps.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        return Ok(false);
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(true)
}

async fn write_rows(
    connection: &mut SqliteConnection,
    rows: &[Rows],
    swept: &mut Option<i64>,
) -> Result<bool, sqlx::Error> {
    let (mut intents, mut outcomes) = (Vec::new(), Vec::new());
    for rows in rows {
        match rows {
            Rows::Intents(more) => intents.extend(more.iter()),
            Rows::Outcomes(more) => outcomes.extend(more.iter()),
        }
    }
    // An intent for a delivery follows the outcome of the one before it, never the other way.
    if !together::settle(connection, &outcomes).await? || !together::intend(connection, &intents).await? {
        return Ok(false);
    }
    if let Some(second) = intents.last().map(|intent| intent.at.as_second())
        && swept.is_none_or(|last| (second - last).abs() >= SWEEP)
    {
        together::forget_usage(connection, second).await?;
        *swept = Some(second);
    }
    Ok(true)
}

/// Each job in a savepoint of its own.
async fn one_by_one(
    connection: &mut SqliteConnection,
    batch: &mut [Box<dyn Job>],
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for job in batch {
        sqlx::query("SAVEPOINT job").execute(&mut *connection).await?;
        if !job.run(connection).await {
            sqlx::query("ROLLBACK TO job").execute(&mut *connection).await?;
        }
        sqlx::query("RELEASE job").execute(&mut *connection).await?;
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

/// What the database said, in one line.
pub(crate) fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    }
}
