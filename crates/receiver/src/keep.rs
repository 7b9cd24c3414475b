//! The journal as a [`Sink`]: what was received is kept first, and what it means is drawn from it.
//!
//! A call is finished even when nobody waits for it any more: a sender that was told to repeat itself may
//! find its event kept already, which changes nothing. Opt-outs and complaints are on the suppression list
//! when the sender is answered. Bad addresses are judged apart ([`JournalSink::judge`]), because a wave
//! can only be seen over a whole run (DELIVERY.md: 0 living addresses are suppressed in one).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use depeche_core::after::{judge_bad_addresses, take_in};
use depeche_core::clock::Clock;
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::{Journal, JournalError, RunId, RunKind};
use depeche_core::provider::ProviderName;
use depeche_core::wave;
use jiff::{SignedDuration, Timestamp};

use crate::sink::{OptOut, OptOutMeans, Sink, SinkError};

/// Keeps what is received in a journal.
#[derive(Clone)]
pub struct JournalSink {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    /// Runs with a bad address that was not judged yet.
    to_judge: Arc<Mutex<BTreeSet<RunId>>>,
    /// When a write was last tried for [`Sink::check`], and how it went.
    checked: Arc<tokio::sync::Mutex<Option<Checked>>>,
}

/// When a write was tried, and how it went.
type Checked = (Timestamp, Result<(), SinkError>);

impl JournalSink {
    /// Keeps in `journal`.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, clock, to_judge: Arc::default(), checked: Arc::default() }
    }

    /// Remembers every run that may still hold a bad address that nobody judged: what an earlier process
    /// kept, and had no time to judge.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub async fn remember_unjudged(&self) -> Result<(), JournalError> {
        let earliest = self.clock.now() - wave::RECENT;
        let runs = self.journal.runs().await?;
        let recent = runs.into_iter().filter(|run| run.kind == RunKind::Real && run.created_at >= earliest);
        self.to_judge().extend(recent.map(|run| run.id));
        Ok(())
    }

    /// Judges the bad addresses that came since the last time. To be called every few seconds, and at the
    /// end. Returns how many addresses were put on the list, or before a person.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read or written; the runs are judged again next time.
    pub async fn judge(&self) -> Result<u64, JournalError> {
        let runs = std::mem::take(&mut *self.to_judge());
        let mut judged = 0;
        let mut left = runs.clone();
        for run in &runs {
            match judge_bad_addresses(&*self.journal, run, self.clock.now()).await {
                Ok(count) => judged += count,
                Err(error) => {
                    self.to_judge().extend(left);
                    return Err(error);
                }
            }
            left.remove(run);
        }
        Ok(judged)
    }

    fn to_judge(&self) -> std::sync::MutexGuard<'_, BTreeSet<RunId>> {
        // A set is whole at any moment.
        self.to_judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, source: ProviderName, events: Vec<ProviderEvent>) -> Result<(), SinkError> {
        let taken_in = take_in(&*self.journal, &source, events, self.clock.now()).await.map_err(busy)?;
        tracing::info!(%source, new = taken_in.new, repeated = taken_in.repeated,
            unmatched = taken_in.unmatched, suppressed = taken_in.suppressed, "kept");
        if taken_in.contradicting > 0 {
            tracing::warn!(%source, count = taken_in.contradicting,
                "told of messages that this provider is said to have refused: see the audit");
        }
        self.to_judge().extend(taken_in.to_judge);
        Ok(())
    }

    async fn opt_out_of(&self, subject: OptOut) -> Result<(), SinkError> {
        let found = self.journal.delivery_of(subject.reference).await.map_err(busy)?;
        let (_, delivery) = found.ok_or(SinkError::NoSuchDelivery)?;
        // Without a moment of its own: the same wish said again is the same event.
        let event = ProviderEvent {
            message_id: Some(delivery.message_id.as_str().to_owned()),
            ..ProviderEvent::new(EventKind::Unsubscribed, &delivery.address.to_string())
        };
        self.take(source(subject.means), vec![event]).await
    }

    /// A write that changes nothing else, at most one in [`CHECK_EVERY`].
    async fn try_write(&self) -> Result<(), SinkError> {
        let now = self.clock.now();
        let mut checked = self.checked.lock().await;
        if let Some((at, answer)) = &*checked
            && now.duration_since(*at).abs() < CHECK_EVERY
        {
            return answer.clone();
        }
        let answer = self.journal.save_mark(&name("serve"), &now.to_string()).await.map_err(busy);
        *checked = Some((now, answer.clone()));
        answer
    }
}

#[async_trait]
impl Sink for JournalSink {
    async fn record(&self, source: &ProviderName, events: Vec<ProviderEvent>) -> Result<(), SinkError> {
        let (this, source) = (self.clone(), source.clone());
        finished(tokio::spawn(async move { this.take(source, events).await })).await
    }

    async fn opt_out(&self, subject: OptOut) -> Result<(), SinkError> {
        let this = self.clone();
        finished(tokio::spawn(async move { this.opt_out_of(subject).await })).await
    }

    async fn check(&self) -> Result<(), SinkError> {
        self.try_write().await
    }
}

impl std::fmt::Debug for JournalSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalSink").finish_non_exhaustive()
    }
}

async fn finished(task: tokio::task::JoinHandle<Result<(), SinkError>>) -> Result<(), SinkError> {
    task.await.unwrap_or_else(|error| Err(SinkError::Busy(error.to_string())))
}

fn busy(error: JournalError) -> SinkError {
    SinkError::Busy(error.to_string())
}

/// Under which name the journal keeps an opt-out by a link.
fn source(means: OptOutMeans) -> ProviderName {
    name(match means {
        OptOutMeans::OneClick => "one-click",
        OptOutMeans::Page => "opt-out-page",
    })
}

fn name(text: &str) -> ProviderName {
    ProviderName::new(text).expect("a fixed name")
}

/// Whoever asks for `/healthz` more often than this is told what was found last.
const CHECK_EVERY: SignedDuration = SignedDuration::from_secs(5);
