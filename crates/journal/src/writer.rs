//! The one task that writes: everything queued goes into one transaction and one fsync.
//!
//! Connections share commits (DELIVERY.md). Jobs keep their order. Each runs in a savepoint of its
//! own, so that a denied intent takes nobody with it. A job that may wait joins the next commit and
//! waits [`LINGER`] at most; any urgent job takes it along.

use std::time::Duration;

use depeche_core::journal::JournalError;
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// An outcome waits no longer than this for company.
const LINGER: Duration = Duration::from_millis(100);
/// So many jobs share a transaction at the most.
const BATCH: usize = 512;

pub(crate) type Work<T, E> =
    Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send>;

/// The sending side of the writer's queue.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::UnboundedSender<Queued>);

struct Queued {
    job: Box<dyn Job>,
    urgent: bool,
}

/// A write whose answer is given after the commit.
trait Job: Send {
    /// Runs inside the savepoint; false rolls it back.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;
    /// Answers, given what became of the commit.
    fn answer(self: Box<Self>, commit: Result<(), String>);
}

struct Typed<T, E> {
    work: Option<Work<T, E>>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T: Send, E: From<JournalError> + Send> Job for Typed<T, E> {
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
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed { work: Some(work), result: None, reply });
        let gone = || E::from(JournalError::WriteFailed { reason: "the writer has stopped".to_owned() });
        self.0.send(Queued { job, urgent }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write_all(mut connection: SqliteConnection, mut queue: mpsc::UnboundedReceiver<Queued>) {
    while let Some(first) = queue.recv().await {
        let batch = gather(first, &mut queue).await;
        commit(&mut connection, batch).await;
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

async fn commit(connection: &mut SqliteConnection, mut batch: Vec<Box<dyn Job>>) {
    let committed = transaction(connection, &mut batch).await.map_err(|error| describe(&error));
    if committed.is_err() {
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    for job in batch {
        job.answer(committed.clone());
    }
}

async fn transaction(
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
