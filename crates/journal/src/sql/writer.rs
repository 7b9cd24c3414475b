//! The one task that writes: everything queued goes into one transaction and one fsync.
//!
//! Connections share commits (DELIVERY.md). Jobs keep their order. Each runs in a savepoint of its
//! own, so that a denied intent takes nobody with it. A job that may wait joins the next commit and
//! waits [`LINGER`] at most; any urgent job takes it along. Where a commit holds nothing but intents
//! and outcomes, all of them go together first ([`super::together`]).
//!
//! Where the database is reached over a network, a connection may be lost in the middle. What was not
//! committed is answered as failed, and nothing of it is sent; only outcomes, which nobody can ask for
//! again, are written once more over a new connection ([`Job::renew`]). So it is where the database said
//! that others were in the way (a lock waited for too long, a deadlock, a serialisation failure): outcomes
//! are written again until they stand, for [`OTHERS`] at the most, and intents are not.

use std::sync::Arc;
use std::time::Duration;

use depeche_core::journal::{Intent, JournalError, Settlement};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::rows::ends_an_open_attempt;
use super::{Connection, Door, Fate, PATIENCE, attempts, passes, together};
use crate::describe;

/// An outcome waits no longer than this for company.
const LINGER: Duration = Duration::from_millis(100);
/// So many jobs share a transaction at the most.
const BATCH: usize = 512;
/// So often an outcome is written over a new connection.
const TRIES: usize = 3;
/// So long an outcome is written again while others are in the way: then something else is the matter.
const OTHERS: Duration = Duration::from_secs(600);
/// So many seconds pass between two looks for usage that no window needs any more.
const SWEEP: i64 = 3_600;

pub(crate) type Work<T, E> =
    Box<dyn for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, E>> + Send>;

/// Makes the same work once more.
pub(crate) type Again<T, E> = Box<dyn Fn() -> Work<T, E> + Send>;

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
    /// The last outcomes of a connection and its next intents: for a file, which has no connection to lose.
    #[allow(dead_code, reason = "PostgreSQL writes them in two commits")]
    Step(Arc<[Settlement]>, Arc<[Intent]>),
}

/// A write whose answer is given after the commit.
trait Job: Send {
    /// What it writes, where that is all.
    fn rows(&self) -> Option<&Rows>;
    /// Its rows were written together with others.
    fn is_written(&mut self);
    /// Whether its answer is a refusal already.
    fn is_denied(&self) -> bool;
    /// Whether it may be written once more when a connection was lost.
    fn may_be_renewed(&self) -> bool;
    /// Makes it ready to be written once more.
    fn renew(&mut self);
    /// Its commit stands, but its answer did not come: intents are not to be acted on.
    fn stands(&mut self, reason: &str);
    /// Runs inside the savepoint; false rolls it back.
    fn run<'c>(&'c mut self, connection: &'c mut Connection) -> BoxFuture<'c, bool>;
    /// Answers, given what became of the commit.
    fn answer(self: Box<Self>, commit: Result<(), String>);
}

struct Typed<T, E> {
    work: Option<Work<T, E>>,
    again: Option<Again<T, E>>,
    /// With the answer that it gets when these are written.
    rows: Option<(Rows, fn() -> T)>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T: Send, E: From<JournalError> + Send> Job for Typed<T, E> {
    fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref().map(|(rows, _)| rows)
    }

    fn is_denied(&self) -> bool {
        matches!(self.result, Some(Err(_)))
    }

    fn may_be_renewed(&self) -> bool {
        self.again.is_some()
    }

    fn renew(&mut self) {
        self.work = self.again.as_ref().map(|again| again());
        self.result = None;
    }

    fn stands(&mut self, reason: &str) {
        if self.result.is_none() {
            self.is_written();
        }
        let intends = |rows: &Rows| !matches!(rows, Rows::Outcomes(_));
        if self.rows().is_some_and(intends) && matches!(self.result, Some(Ok(_))) {
            self.result = Some(Err(E::from(JournalError::WriteFailed { reason: reason.to_owned() })));
        }
    }

    fn is_written(&mut self) {
        self.result = self.rows.as_ref().map(|(_, value)| Ok(value()));
        self.work = None;
    }

    fn run<'c>(&'c mut self, connection: &'c mut Connection) -> BoxFuture<'c, bool> {
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
    pub(crate) fn start(door: Door) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(write_all(door, receiver));
        Self(sender)
    }

    /// Queues a write and waits until it is on the disk.
    pub(crate) async fn write<T, E>(&self, urgent: bool, work: Work<T, E>) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        self.queue(urgent, |reply| Typed { work: Some(work), again: None, rows: None, result: None, reply })
            .await
    }

    /// The same for `rows` that may go together with others; `again` makes what writes them alone.
    pub(crate) async fn write_rows<E>(&self, urgent: bool, rows: Rows, again: Again<(), E>) -> Result<(), E>
    where
        E: From<JournalError> + Send + 'static,
    {
        self.write_answered_rows(urgent, (rows, || ()), again).await
    }

    /// The same where the answer is another one: given with the rows, it is that of all of them together.
    pub(crate) async fn write_answered_rows<T, E>(
        &self,
        urgent: bool,
        (rows, answer): (Rows, fn() -> T),
        again: Again<T, E>,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        let work = Some(again());
        // An intent that was not answered in time is not taken any more.
        let again = matches!(rows, Rows::Outcomes(_)).then_some(again);
        let rows = Some((rows, answer));
        self.queue(urgent, |reply| Typed { work, again, rows, result: None, reply }).await
    }

    async fn queue<T, E>(
        &self,
        urgent: bool,
        job: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Typed<T, E>,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(job(reply));
        let gone = || E::from(JournalError::WriteFailed { reason: "the writer has stopped".to_owned() });
        self.0.send(Queued { job, urgent }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Rows {
    fn are_plain(&self) -> bool {
        match self {
            Self::Intents(intents) => together::are_plain_intents(intents),
            Self::Outcomes(settlements) => {
                !settlements.is_empty() && settlements.iter().all(ends_an_open_attempt)
            }
            Self::Step(settlements, intents) => {
                settlements.iter().all(ends_an_open_attempt) && together::are_plain_intents(intents)
            }
        }
    }
}

async fn write_all(mut door: Door, mut queue: mpsc::UnboundedReceiver<Queued>) {
    let mut swept = None;
    while let Some(first) = queue.recv().await {
        let batch = gather(first, &mut queue).await;
        commit(&mut door, batch, &mut swept).await;
    }
    door.close().await;
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

async fn commit(door: &mut Door, mut batch: Vec<Box<dyn Job>>, swept: &mut Option<i64>) {
    let (mut reason, mut lost) = (String::new(), 0);
    let until = Instant::now() + OTHERS;
    while lost < TRIES && Instant::now() < until {
        let Err(error) = in_time(write(door, &mut batch, swept)).await else {
            return answer(batch, Ok(()));
        };
        reason = describe(&error);
        match door.undo(&rows_of(&batch)).await {
            Fate::Undone if !passes(&error) => break,
            Fate::Stands => {
                withdraw(door, &rows_of(&batch)).await;
                batch.iter_mut().for_each(|job| job.stands(&reason));
                return answer(batch, Ok(()));
            }
            fate @ (Fate::Lost | Fate::Undone) => {
                lost += usize::from(matches!(fate, Fate::Lost));
                let (again, over) = batch.into_iter().partition(|job| job.may_be_renewed());
                answer(over, Err(reason.clone()));
                batch = again;
                batch.iter_mut().for_each(|job| job.renew());
            }
        }
        if batch.is_empty() {
            return;
        }
    }
    answer(batch, Err(reason));
}

/// A database that does not answer at all has lost the connection.
async fn in_time(written: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), sqlx::Error> {
    let Some(patience) = PATIENCE else { return written.await };
    let elapsed = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(patience, written).await.map_err(elapsed)?
}

fn answer(batch: Vec<Box<dyn Job>>, written: Result<(), String>) {
    for job in batch {
        job.answer(written.clone());
    }
}

/// Intents of a commit whose answer did not come: whoever asked for them is told that they failed, so
/// nothing of them is sent.
async fn withdraw(door: &mut Door, rows: &[Rows]) {
    let intents = rows.iter().filter_map(|rows| match rows {
        Rows::Intents(intents) | Rows::Step(_, intents) => Some(Arc::clone(intents)),
        Rows::Outcomes(_) => None,
    });
    let intents: Vec<Intent> = intents.flat_map(|intents| intents.to_vec()).collect();
    if intents.is_empty() {
        return;
    }
    let withdrawn = async {
        let connection = door.begin(None).await?;
        attempts::withdraw(connection, &intents).await?;
        door.commit().await
    };
    // Those that cannot be withdrawn now are unknown once their owner lets the run go.
    if withdrawn.await.is_err() {
        door.undo(&[]).await;
    }
}

/// The rows of those jobs that were not denied.
fn rows_of(batch: &[Box<dyn Job>]) -> Vec<Rows> {
    batch.iter().filter(|job| !job.is_denied()).filter_map(|job| job.rows().cloned()).collect()
}

async fn write(
    door: &mut Door,
    batch: &mut [Box<dyn Job>],
    swept: &mut Option<i64>,
) -> Result<(), sqlx::Error> {
    let rows: Option<Vec<Rows>> = batch.iter().map(|job| job.rows().cloned()).collect();
    if let Some(rows) = rows.as_deref().filter(|rows| rows.iter().all(Rows::are_plain))
        && together(door, rows, swept).await?
    {
        batch.iter_mut().for_each(|job| job.is_written());
        return Ok(());
    }
    one_by_one(door, batch).await
}

/// A batch of nothing but rows in one go. False, with nothing changed, when one of them cannot be
/// written: each job alone then hears what is the matter.
async fn together(door: &mut Door, rows: &[Rows], swept: &mut Option<i64>) -> Result<bool, sqlx::Error> {
    let (mut intents, mut outcomes) = (Vec::new(), Vec::new());
    for rows in rows {
        match rows {
            Rows::Intents(more) => intents.extend(more.iter()),
            Rows::Outcomes(more) => outcomes.extend(more.iter()),
            Rows::Step(ended, next) => {
                outcomes.extend(ended.iter());
                intents.extend(next.iter());
            }
        }
    }
    let now = intents.last().map(|intent: &&Intent| intent.at.as_second());
    let sweep = now.filter(|now| swept.is_none_or(|last| (now - last).abs() >= SWEEP));
    let is_written = together::commit(door, rows, &together::Batch { outcomes, intents, sweep }).await?;
    *swept = sweep.filter(|_| is_written).or(*swept);
    Ok(is_written)
}

/// Each job in a savepoint of its own.
async fn one_by_one(door: &mut Door, batch: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
    let rows: Option<Vec<Rows>> = batch.iter().map(|job| job.rows().cloned()).collect();
    let connection = door.begin(rows.as_deref()).await?;
    for job in batch {
        sqlx::query("SAVEPOINT job").execute(&mut *connection).await?;
        if !job.run(connection).await {
            sqlx::query("ROLLBACK TO job").execute(&mut *connection).await?;
        }
        sqlx::query("RELEASE job").execute(&mut *connection).await?;
    }
    door.commit().await
}
