//! The last outcome of a lane, on its way to the disk.
//!
//! It waits for the next intent of its lane, to be durable in the same commit (DELIVERY.md, "Write-ahead
//! journal", 5), and [`LINGER`] at the most. Whoever takes it first writes it: the intent, the time, or
//! the end of the run. A failure is kept: no later intent of the lane may be durable without it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::journal::{DeliveryId, Journal, JournalError, Settlement, Urgency};

/// An outcome waits no longer than this for the next intent of its lane.
const LINGER: Duration = Duration::from_millis(100);

/// An outcome that is not known to be durable yet.
pub(super) struct Prior {
    journal: Arc<dyn Journal>,
    waiting: Mutex<Waiting>,
    ended: watch::Sender<Option<Result<(), Kept>>>,
}

/// A failure that is kept for whoever asks.
#[derive(Debug, Clone)]
enum Kept {
    /// Another process moved the delivery.
    Stale(DeliveryId),
    Failed(String),
}

struct Waiting {
    settlements: Option<Vec<Settlement>>,
    time: Option<AbortHandle>,
    /// An intent took it along; nobody else needs to wait for it.
    with_an_intent: bool,
}

impl Prior {
    /// Makes `settlements` durable, soon.
    pub(super) fn begin(journal: Arc<dyn Journal>, settlements: Vec<Settlement>) -> Arc<Self> {
        let waiting = Waiting { settlements: Some(settlements), time: None, with_an_intent: false };
        let prior = Arc::new(Self { journal, waiting: Mutex::new(waiting), ended: watch::Sender::new(None) });
        let alone = Arc::clone(&prior);
        let time = tokio::spawn(async move {
            tokio::time::sleep(LINGER).await;
            alone.write();
        });
        prior.lock().time = Some(time.abort_handle());
        prior
    }

    /// The outcome, for the commit of the next intent; `None` when it went its own way. The caller says
    /// with [`Prior::end`] what became of it.
    pub(super) fn take(&self) -> Option<Vec<Settlement>> {
        let mut waiting = self.lock();
        let settlements = waiting.settlements.take()?;
        waiting.with_an_intent = true;
        if let Some(time) = waiting.time.take() {
            time.abort();
        }
        Some(settlements)
    }

    /// Says what became of the outcome.
    pub(super) fn end(&self, result: &Result<(), JournalError>) {
        let said = result.as_ref().copied().map_err(|error| match error {
            JournalError::Stale { delivery } => Kept::Stale(*delivery),
            JournalError::WriteFailed { reason } => Kept::Failed(reason.clone()),
            other => Kept::Failed(other.to_string()),
        });
        self.ended.send_replace(Some(said));
    }

    /// Returns when the outcome is durable, or cannot be; what an intent took along ends with it.
    pub(super) async fn durable(self: &Arc<Self>) -> Result<(), JournalError> {
        self.write();
        if self.lock().with_an_intent && self.ended.borrow().is_none() {
            return Ok(());
        }
        let mut ended = self.ended.subscribe();
        let said = ended.wait_for(Option::is_some).await.map(|said| said.clone());
        match said {
            Ok(Some(Err(Kept::Stale(delivery)))) => Err(JournalError::Stale { delivery }),
            Ok(Some(Err(Kept::Failed(reason)))) => Err(JournalError::WriteFailed { reason }),
            _ => Ok(()),
        }
    }

    /// The same for the next intent of the lane: an outcome that an intent took along, and of which
    /// nothing was heard since, is none that is durable.
    pub(super) async fn known_to_be_durable(self: &Arc<Self>) -> Result<(), JournalError> {
        if self.lock().with_an_intent && self.ended.borrow().is_none() {
            let reason = "the last outcome of this connection may not be on the disk".to_owned();
            return Err(JournalError::WriteFailed { reason });
        }
        self.durable().await
    }

    /// Writes it, if it waits still: in a task of its own, for whoever asked may be given up in the middle
    /// (a second Ctrl-C), and then nobody would ever say that it is written.
    fn write(self: &Arc<Self>) {
        let Some(settlements) = self.lock().settlements.take() else { return };
        let prior = Arc::clone(self);
        tokio::spawn(async move {
            let result = prior.journal.settle(settlements, Urgency::Now).await;
            prior.end(&result);
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
