//! The one task that writes to the mirror: what is queued goes into one segment.
//!
//! With [`Mode::Sync`] whoever queues an intent waits until its segment is there. With [`Mode::Async`]
//! nobody waits; a segment is begun [`LINGER`] after its first record at the latest. What could not be
//! written stays first in line, under the same id, so that a write whose answer was lost is recognised.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use depeche_core::clock::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use crate::beside::{Beside, Lag};
use crate::log::{Log, LogError};
use crate::record::Record;
use crate::segment::Segment;

/// How an intent and the wire stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The mirror has the intent before the wire.
    Sync,
    /// The mirror has it at most a second later, when it can be reached.
    Async,
}

/// The sending side of the task.
#[derive(Clone)]
pub(crate) struct Keeper {
    queue: mpsc::UnboundedSender<Order>,
    told: Arc<Mutex<Lag>>,
    clock: Arc<dyn Clock>,
}

enum Order {
    Keep { records: Vec<Record>, done: Option<oneshot::Sender<Result<(), LogError>>> },
    End { by: Instant, done: oneshot::Sender<Ended> },
}

/// What is left when the task ends.
pub(crate) struct Ended {
    /// Everything queued is in the mirror.
    pub(crate) in_step: bool,
    /// The last segment.
    pub(crate) seen: u64,
}

/// A record waits no longer than this for company.
const LINGER: Duration = Duration::from_millis(200);
/// So many records share a segment at the most; of lists and assets one record is large.
const BATCH: usize = 256;
/// Between two tries; doubled up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

struct Task {
    log: Arc<tokio::sync::Mutex<Log>>,
    journal: Uuid,
    patience: Duration,
    beside: Arc<Beside>,
    told: Arc<Mutex<Lag>>,
    /// When the lag was last kept for `status`, and whether there was none.
    saved: Option<(Instant, bool)>,
    /// Nobody can queue any more.
    is_closed: bool,
    orders: mpsc::UnboundedReceiver<Order>,
    /// Being written, and who waits for it.
    segment: Option<Segment>,
    waiting: Vec<oneshot::Sender<Result<(), LogError>>>,
    ending: Option<(Instant, oneshot::Sender<Ended>)>,
    /// No try before this moment, unless somebody waits.
    rest_until: Option<Instant>,
    pause: Duration,
}

impl Keeper {
    /// Starts the task. `patience`: how long a waiter is kept waiting while the mirror fails.
    pub(crate) fn start(
        log: Arc<tokio::sync::Mutex<Log>>,
        journal: Uuid,
        patience: Duration,
        beside: Arc<Beside>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (queue, orders) = mpsc::unbounded_channel();
        let told = Arc::new(Mutex::new(Lag::default()));
        let task = Task {
            log,
            journal,
            patience,
            beside,
            told: Arc::clone(&told),
            saved: None,
            is_closed: false,
            orders,
            segment: None,
            waiting: Vec::new(),
            ending: None,
            rest_until: None,
            pause: PAUSES.0,
        };
        tokio::spawn(task.run());
        Self { queue, told, clock }
    }

    /// Queues records; nobody waits for them.
    pub(crate) fn keep(&self, records: Vec<Record>) {
        self.count(&records);
        // The task ends with the journal only.
        let _ = self.queue.send(Order::Keep { records, done: None });
    }

    /// Queues records and waits until the mirror has them.
    pub(crate) async fn keep_before_going_on(&self, records: Vec<Record>) -> Result<(), LogError> {
        self.count(&records);
        let (done, answer) = oneshot::channel();
        let _ = self.queue.send(Order::Keep { records, done: Some(done) });
        let gone = || LogError::Target(depeche_core::journal::mirror::TargetFailed::new("it is closed"));
        answer.await.map_err(|_| gone())?
    }

    /// Waits until what is queued now is in the mirror.
    pub(crate) async fn catch_up(&self) -> Result<(), LogError> {
        self.keep_before_going_on(Vec::new()).await
    }

    /// How far the mirror lags.
    pub(crate) fn lag(&self) -> Lag {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what is queued, for `at_most` so long.
    pub(crate) async fn end(&self, at_most: Duration) -> Option<Ended> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Order::End { by: Instant::now() + at_most, done }).ok()?;
        answer.await.ok()
    }

    fn count(&self, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        let mut lag = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        lag.records += records.len() as u64;
        lag.since = lag.since.or(Some(self.clock.now()));
    }
}

impl Task {
    async fn run(mut self) {
        let mut queue = Vec::new();
        loop {
            if self.segment.is_none() && queue.is_empty() && self.ending.is_none() {
                match self.orders.recv().await {
                    Some(order) => self.take(order, &mut queue),
                    None => return,
                }
            }
            self.gather(&mut queue).await;
            if self.segment.is_none() && !queue.is_empty() {
                let rest = queue.split_off(queue.len().min(BATCH));
                let records = std::mem::replace(&mut queue, rest);
                self.segment = Some(self.log.lock().await.segment(self.journal, records));
            }
            let written = match self.segment.take() {
                Some(segment) => self.write(segment, queue.len()).await,
                None => true,
            };
            if written && queue.is_empty() {
                self.answer(&Ok(()));
            }
            self.save_lag(written && queue.is_empty());
            let in_step = written && queue.is_empty();
            if self.is_closed && !written {
                return;
            }
            if self.is_at_its_end(in_step) {
                if let Some((_, done)) = self.ending.take() {
                    let _ = done.send(Ended { in_step, seen: self.log.lock().await.seen() });
                }
                return;
            }
        }
    }

    fn is_at_its_end(&self, in_step: bool) -> bool {
        let Some((by, _)) = &self.ending else { return false };
        in_step
            || Instant::now() >= *by
            || self.told.lock().unwrap_or_else(PoisonError::into_inner).taken_over
    }

    fn take(&mut self, order: Order, queue: &mut Vec<Record>) {
        match order {
            Order::Keep { records, done } => {
                queue.extend(records);
                self.waiting.extend(done);
            }
            Order::End { by, done } => self.ending = Some((by, done)),
        }
    }

    /// Takes everything queued; waits for company only while nobody waits.
    async fn gather(&mut self, queue: &mut Vec<Record>) {
        let deadline = match self.rest_until {
            Some(until) => until,
            None if self.segment.is_some() => Instant::now(),
            None => Instant::now() + LINGER,
        };
        loop {
            if let Ok(order) = self.orders.try_recv() {
                self.take(order, queue);
                continue;
            }
            if !self.waiting.is_empty() || self.ending.is_some() || queue.len() >= BATCH {
                return;
            }
            match timeout_at(deadline, self.orders.recv()).await {
                Ok(Some(order)) => self.take(order, queue),
                Ok(None) => {
                    self.is_closed = true;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Tries to write a segment, for as long as somebody waits and patience lasts; true when it is there.
    async fn write(&mut self, segment: Segment, queued: usize) -> bool {
        let patience = Instant::now() + self.patience;
        loop {
            let written = self.log.lock().await.append(&segment).await;
            match written {
                Ok(()) => {
                    self.is_kept(&segment, queued);
                    return true;
                }
                Err(error) => {
                    let is_over = matches!(error, LogError::OtherOwner(_));
                    self.has_trouble(&error, is_over);
                    let next = Instant::now() + self.pause;
                    self.pause = (self.pause * 2).min(PAUSES.1);
                    let by = self.ending.as_ref().map_or(patience, |(by, _)| patience.min(*by));
                    let nobody_waits = self.waiting.is_empty() && self.ending.is_none();
                    if is_over || nobody_waits || next > by {
                        self.answer(&Err(error));
                        self.rest_until = Some(next);
                        self.segment = Some(segment);
                        return false;
                    }
                    sleep_until(next).await;
                }
            }
        }
    }

    fn is_kept(&mut self, segment: &Segment, queued: usize) {
        self.pause = PAUSES.0;
        self.rest_until = None;
        let mut lag = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        lag.records = lag.records.saturating_sub(segment.records.len() as u64).max(queued as u64);
        lag.trouble = None;
        if lag.records == 0 {
            lag.since = None;
        }
    }

    fn has_trouble(&self, error: &LogError, is_over: bool) {
        tracing::warn!(%error, "the mirror does not take a segment");
        let mut lag = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        lag.trouble = Some(error.to_string());
        lag.taken_over |= is_over;
    }

    fn answer(&mut self, result: &Result<(), LogError>) {
        for waiter in self.waiting.drain(..) {
            // Whoever waited may be gone.
            let _ = waiter.send(result.clone());
        }
    }

    /// For `status`: at each change, and once a second while it lags.
    fn save_lag(&mut self, in_step: bool) {
        let now = Instant::now();
        let is_told = self.saved.is_some_and(|(at, was_in_step)| {
            was_in_step == in_step && (in_step || now.duration_since(at) < Duration::from_secs(1))
        });
        if is_told {
            return;
        }
        let lag = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A disk that is full shows elsewhere.
        let _ = self.beside.save_lag(&lag);
        self.saved = Some((now, in_step));
    }
}
