//! The last outcome of a lane, on its way to the disk.
//!
//! It waits for the next intent of its lane, to be durable in the same commit (DELIVERY.md, "Write-ahead
//! journal", 5), and [`LINGER`] at the most. Whoever takes it first writes it: the intent, the time, or
//! the end of the run. A failure is kept: no later intent of the lane may be durable without it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::journal::{Journal, JournalError, Settlement, Urgency};

/// An outcome waits no longer than this for the next intent of its lane.
const LINGER: Duration = Duration::from_millis(100);

/// An outcome that is not known to be durable yet.
pub(super) struct Prior {
    journal: Arc<dyn Journal>,
    waiting: Mutex<Waiting>,
    ended: watch::Sender<Option<Result<(), String>>>,
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
            // A failure is kept for whoever asks.
            let _ = alone.write().await;
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
        let said = result.as_ref().copied().map_err(ToString::to_string);
        self.ended.send_replace(Some(said));
    }

    /// Returns when the outcome is durable, or cannot be; what an intent took along ends with it.
    pub(super) async fn durable(&self) -> Result<(), JournalError> {
        if let Some(result) = self.write().await {
            return result;
        }
        if self.lock().with_an_intent && self.ended.borrow().is_none() {
            return Ok(());
        }
        let mut ended = self.ended.subscribe();
        let said = ended.wait_for(Option::is_some).await.map(|said| said.clone());
        match said {
            Ok(Some(Err(reason))) => Err(JournalError::WriteFailed { reason }),
            _ => Ok(()),
        }
    }

    /// The same for the next intent of the lane: an outcome that an intent took along, and of which
    /// nothing was heard since, is none that is durable.
    pub(super) async fn known_to_be_durable(&self) -> Result<(), JournalError> {
        if self.lock().with_an_intent && self.ended.borrow().is_none() {
            let reason = "the last outcome of this connection may not be on the disk".to_owned();
            return Err(JournalError::WriteFailed { reason });
        }
        self.durable().await
    }

    /// Writes it, if it waits still.
    async fn write(&self) -> Option<Result<(), JournalError>> {
        let settlements = self.lock().settlements.take()?;
        let result = self.journal.settle(settlements, Urgency::Now).await;
        self.end(&result);
        Some(result)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
