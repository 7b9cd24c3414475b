//! Runs a frozen list through a chain of providers, each recipient exactly once.
//!
//! One loop owns everything: what is pending, what is in flight, which provider is trusted. It
//! decides with pure functions ([`crate::policy::next_step`], [`crate::breaker`], [`crate::budget`])
//! and acts in one place. An attempt runs in a task of its own and comes back as outcomes; the
//! journal holds an intent before any byte of a message leaves, and the outcome before the same
//! connection hands over another. The rules are DELIVERY.md's.
//!
//! # Dropping the future
//!
//! Dropping [`Engine::run`] aborts what is in flight. Intents that are durable then become unknown
//! when the run is next resumed; nobody is sent the release twice. To stop politely use
//! [`Stop::drain`].

mod admission;
mod ahead;
mod asking;
mod attempt;
mod conclude;
mod control;
mod event;
mod hand_out;
mod hour;
mod item;
mod link;
mod look_ahead;
mod look_up;
mod pace;
mod prior;
mod render;
mod take_in;
mod turns;
mod waiting;
mod work;

use std::sync::Arc;

use jiff::Timestamp;

pub use admission::{Admission, Admitted};
pub use control::{Control, Level, Stop};
pub use event::{Event, Events};
pub use link::LinkConfig;
pub use render::{Needs, Render, RenderRefused};

use crate::after;
use crate::clock::{Clock, Entropy};
use crate::journal::{Hold, Journal, JournalError, RunId, RunState, Totals};
use crate::policy::Policy;

/// What a run needs. Everything is handed in; nothing is global.
pub struct Engine {
    /// Where intents and outcomes go.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for identifiers.
    pub entropy: Arc<dyn Entropy>,
    /// Makes messages.
    pub render: Arc<dyn Render>,
    /// Providers in order of fallback.
    pub chain: Vec<LinkConfig>,
    /// The user's choices.
    pub policy: Policy,
    /// Where progress is told.
    pub events: Events,
}

/// How a run ended, for now or for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Where the run stands.
    pub state: RunState,
    /// Where everybody stands; the states add up to the frozen list.
    pub totals: Totals,
    /// Why it ended.
    pub why: Why,
    /// When it is worth resuming, if that is known.
    pub resume_at: Option<Timestamp>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nobody is pending.
    Done,
    /// It was told to stop.
    Interrupted,
    /// It was cancelled, here or elsewhere.
    Cancelled,
    /// A person paused it, here or elsewhere.
    Paused,
    /// Its hour passed before anything of it was sent ([`Policy::not_after`]).
    TooLate(Timestamp),
    /// Every provider of the route is set aside; the reasons, by provider.
    NoProvider(Vec<(String, String)>),
    /// It would have to wait, and was told not to.
    WouldWait,
    /// The journal could not take an intent or an outcome.
    JournalFailed(String),
    /// The mirror of the journal cannot be reached, and nothing may be sent without it.
    MirrorLost(String),
    /// Another machine has taken the work over; nothing may be sent from here.
    TakenOver(String),
}

/// Why a run could not be worked on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The journal failed before anything was sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no provider in the chain.
    #[error("the route names no provider")]
    EmptyRoute,
    /// The states do not add up to the frozen list: a defect of depeche; nothing more is sent.
    #[error("the states of run `{run}` do not add up to its list: {totals:?}")]
    DoesNotAddUp {
        /// Which run.
        run: RunId,
        /// What was counted.
        totals: Totals,
    },
}

impl Engine {
    /// Works on the run that `hold` holds until nobody is pending, or it must stop.
    ///
    /// Open attempts of an earlier process become unknown first. Returns with everything durable and
    /// every kept connection closed.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the journal cannot be read or the states do not add up. A journal that
    /// fails in the middle is [`Why::JournalFailed`]: what was sent is told all the same.
    pub async fn run(&self, hold: &dyn Hold, control: Control) -> Result<Ended, EngineError> {
        self.run_asking(hold, control, None).await
    }

    /// [`Engine::run`] with the providers that `admission` allows.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    pub async fn run_admitted(
        &self,
        hold: &dyn Hold,
        control: Control,
        admission: Arc<dyn Admission>,
    ) -> Result<Ended, EngineError> {
        self.run_asking(hold, control, Some(admission)).await
    }

    async fn run_asking(
        &self,
        hold: &dyn Hold,
        control: Control,
        admission: Option<Arc<dyn Admission>>,
    ) -> Result<Ended, EngineError> {
        let run = hold.run().clone();
        if self.chain.is_empty() {
            return Err(EngineError::EmptyRoute);
        }
        let record = self.journal.run(&run).await?.ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        let orphans = self.journal.adopt_orphans(hold, self.clock.now()).await?;
        if orphans > 0 {
            self.events.tell(Event::OrphansFound { count: orphans });
        }
        if record.state == RunState::Cancelled {
            return self.conclude(&run, Why::Cancelled, None).await;
        }
        if !self.journal.go_on(&run, self.clock.now()).await? {
            let is_cancelled =
                self.journal.run(&run).await?.is_some_and(|now| now.state == RunState::Cancelled);
            let why = if is_cancelled { Why::Cancelled } else { Why::Paused };
            return self.conclude(&run, why, None).await;
        }
        self.events.tell(Event::Started { totals: self.journal.totals(&run).await? });
        let mut work = work::Work::begin(self, run.clone(), control, admission).await?;
        let (why, resume_at) = work.until_over().await?;
        work.end().await;
        drop(work);
        // Nothing is in flight any more: what is open now was given up.
        self.journal.adopt_orphans(hold, self.clock.now()).await.or_else(|error| match why {
            Why::JournalFailed(_) => Ok(0),
            _ => Err(error),
        })?;
        self.conclude(&run, why, resume_at).await
    }

    async fn conclude(
        &self,
        run: &RunId,
        why: Why,
        resume_at: Option<Timestamp>,
    ) -> Result<Ended, EngineError> {
        if why == Why::Cancelled {
            // An attempt that was open at the cancel may have come back as pending.
            self.journal.cancel(run, self.clock.now()).await?;
        }
        let mut totals = self.journal.totals(run).await?;
        if !totals.add_up() {
            return Err(EngineError::DoesNotAddUp { run: run.clone(), totals });
        }
        let state = end_state(&why, &totals);
        let note = note_of(&why);
        let stored = self.journal.set_run_state(run, state, note, self.clock.now()).await;
        if !matches!(why, Why::JournalFailed(_)) {
            stored?;
            // True bad addresses go to the suppression list, but for those of a wave.
            after::judge_bad_addresses(self.journal.as_ref(), run, self.clock.now()).await?;
            totals = self.journal.totals(run).await?;
        }
        self.events.tell(Event::Ended { state, totals });
        Ok(Ended { state, totals, why, resume_at })
    }
}

/// How the note of a run begins that stopped because the journal failed: a worker goes on with it.
pub const JOURNAL_FAILED: &str = "the journal failed";

fn end_state(why: &Why, totals: &Totals) -> RunState {
    match why {
        Why::Cancelled => RunState::Cancelled,
        Why::Interrupted if totals.pending > 0 => RunState::Interrupted,
        Why::JournalFailed(_) | Why::MirrorLost(_) | Why::TakenOver(_) if totals.pending > 0 => {
            RunState::Paused
        }
        Why::JournalFailed(_) => RunState::Paused,
        _ if totals.pending == 0 => RunState::Finished,
        Why::Paused | Why::TooLate(_) => RunState::Paused,
        _ if totals.unknown + totals.held > 0 && matches!(why, Why::NoProvider(_)) => RunState::Paused,
        _ => RunState::Waiting,
    }
}

fn note_of(why: &Why) -> Option<String> {
    match why {
        Why::NoProvider(reasons) => {
            let lines: Vec<String> =
                reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
            Some(format!("every provider is set aside ({})", lines.join("; ")))
        }
        Why::JournalFailed(reason) => Some(format!("{JOURNAL_FAILED}: {reason}")),
        Why::MirrorLost(reason) => Some(format!("the mirror cannot be reached: {reason}")),
        Why::TakenOver(by) => Some(format!("another machine has taken over: {by}")),
        Why::Paused => Some(crate::journal::PAUSED.to_owned()),
        Why::TooLate(until) => Some(format!("it was to begin by {until}; nothing was sent")),
        Why::Done | Why::Interrupted | Why::Cancelled | Why::WouldWait => None,
    }
}
