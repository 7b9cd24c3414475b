//! The write-ahead journal: what a run froze, and what happened.
//!
//! [`Journal`] is what the engine needs of it. The rules are DELIVERY.md's ("Write-ahead journal"):
//! the intent is durable before the wire; the database itself refuses a second open or successful
//! attempt at a delivery, and a second delivery of one release to one recipient; every transition is
//! a compare-and-set on (state, fence); an intent whose owner is gone becomes unknown, never pending.
//!
//! Implementations live elsewhere (`depeche-journal` on SQLite) and pass the one conformance suite of
//! `depeche-testkit`. The trait names nothing of SQL, so that PostgreSQL and a mirror fit behind it.

mod list;
pub mod mirror;
pub mod pseudonym;
pub mod record;
pub mod state;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

pub use list::NewDeliveries;
pub use record::*;
pub use state::{AttemptState, DeliveryState, RunKind, RunState};

use crate::address::RecipientKey;
use crate::event::{ProviderEvent, StoredEvent};
use crate::opt_out::DeliveryReference;
use crate::outcome::Denied;
use crate::provider::ProviderName;

/// What went wrong with the journal itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file or server cannot be opened or used; the text says which and why.
    #[error("the journal {place} cannot be used: {reason}")]
    Unusable {
        /// The path or URL, without password.
        place: String,
        /// Why.
        reason: String,
    },
    /// The disk is full, or the write failed; nothing of the commit is durable.
    #[error("the journal could not write: {reason}")]
    WriteFailed {
        /// What the system said.
        reason: String,
    },
    /// A compare-and-set found another state or fence: somebody else moved the row.
    #[error("delivery {} was changed by another process", delivery.0)]
    Stale {
        /// Which.
        delivery: DeliveryId,
    },
    /// A transition that no rule allows.
    #[error("delivery {} cannot go from {from} to {to}", delivery.0)]
    Forbidden {
        /// Which.
        delivery: DeliveryId,
        /// From.
        from: DeliveryState,
        /// To.
        to: DeliveryState,
    },
    /// No such run.
    #[error("there is no run `{0}`")]
    NoSuchRun(RunId),
    /// What is stored cannot be read.
    #[error("the journal holds something unreadable: {0}")]
    Corrupt(String),
}

/// Why a list was not frozen. Nothing of the run remains.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// The run's name exists.
    #[error("there is already a run `{0}`")]
    RunExists(RunId),
    /// Every recipient is held by earlier runs of this release.
    #[error("every recipient already has this release from run `{run}`")]
    NobodyLeft {
        /// The run that holds the first of them.
        run: RunId,
    },
    /// Some recipients are held by earlier runs: leave them out and count again.
    #[error("{} recipients already have this release", .0.len())]
    Taken(Vec<Taken>),
    /// An earlier run used this slug for other content.
    #[error("run `{run}` used the slug `{slug}` for another content")]
    SlugUsed {
        /// Which run.
        run: RunId,
        /// Which slug.
        slug: String,
    },
    /// The number of those who would be mailed is not the confirmed one.
    #[error("{confirmed} recipients were confirmed, and {now} would be mailed")]
    CountChanged {
        /// As the user typed it.
        confirmed: u64,
        /// As it would be now.
        now: u64,
    },
    /// The list that was being frozen could not be read to its end.
    #[error("the list could not be read to its end: {reason}")]
    ListBroken {
        /// What the system said.
        reason: String,
    },
    /// The journal itself failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why a run cannot be held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// Another process works on it.
    #[error("run `{run}` is held by process {}", pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Held {
        /// Which run.
        run: RunId,
        /// The other process, when it could be read.
        pid: Option<u32>,
    },
    /// The journal itself failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The sole right to work on a run. It ends when dropped, or with its process.
pub trait Hold: Send + Sync + std::fmt::Debug {
    /// The run.
    fn run(&self) -> &RunId;
}

/// The write-ahead journal.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Which of `keys` another real run of the release `digest` holds.
    async fn taken(&self, digest: &[u8; 32], keys: &[RecipientKey]) -> Result<Vec<Taken>, JournalError>;

    /// Freezes a run and its list in one write transaction. Suppressed recipients are frozen as
    /// suppressed. For a real run, recipients held elsewhere make it fail with
    /// [`FreezeError::Taken`] (or [`FreezeError::NobodyLeft`]); the caller leaves them out and shows
    /// them.
    ///
    /// The list is taken page by page: memory does not grow with it.
    async fn freeze_list(&self, run: NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError>;

    /// [`Journal::freeze_list`] for a list that is in memory.
    async fn freeze(&self, run: NewRun, deliveries: Vec<NewDelivery>) -> Result<Frozen, FreezeError> {
        self.freeze_list(run, deliveries.into()).await
    }

    /// Takes the sole right to work on a run.
    async fn hold(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError>;

    /// Takes the right to work on a run beside others that take it so too, where the journal lets several
    /// workers share one; otherwise the sole right. What [`Journal::due`] gives to a run that is held so is
    /// claimed: no other worker gets it.
    async fn join(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        self.hold(run).await
    }

    /// Waits until something may have changed in the journal, and `at_most` so long. A journal that cannot
    /// tell waits for all of it.
    async fn changed(&self, at_most: std::time::Duration) {
        tokio::time::sleep(at_most).await;
    }

    /// The process that holds the run now: `None` when nobody does, `Some(None)` when it cannot be named.
    async fn holder(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError>;

    /// One run.
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, JournalError>;

    /// All runs, the newest first.
    async fn runs(&self) -> Result<Vec<RunRecord>, JournalError>;

    /// The runs that are not over, the newest first.
    async fn open_runs(&self) -> Result<Vec<RunRecord>, JournalError> {
        let mut runs = self.runs().await?;
        runs.retain(|run| !run.state.is_over());
        Ok(runs)
    }

    /// The attachments and images of a run.
    async fn assets(&self, run: &RunId) -> Result<Vec<(String, Bytes)>, JournalError>;

    /// A page of a run's deliveries in order of (tier, position), after the given place.
    async fn deliveries(
        &self,
        run: &RunId,
        after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError>;

    /// The same, of the deliveries in one of `states` alone; an empty page is the end.
    async fn deliveries_in(
        &self,
        run: &RunId,
        states: &[DeliveryState],
        mut after: Option<(u32, u64)>,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError> {
        let mut found = Vec::new();
        while found.len() < limit {
            let page = self.deliveries(run, after, limit).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.tier, last.position));
            found.extend(page.into_iter().filter(|one| states.contains(&one.state)));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The delivery that an opt-out link names, and its run.
    async fn delivery_of(
        &self,
        reference: DeliveryReference,
    ) -> Result<Option<(RunId, DeliveryRecord)>, JournalError>;

    /// Every attempt at one delivery, in order.
    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRecord>, JournalError>;

    /// The open attempts of a run whose process is gone: those that [`Journal::totals`] counts as unknown
    /// before anybody has written so, in the order in which they are served.
    ///
    /// Made here for a journal whose runs are held by one process at a time.
    async fn orphans(&self, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
        let (mut found, mut after) = (Vec::new(), None);
        if self.holder(run).await?.is_some() {
            return Ok(found);
        }
        loop {
            let page = self.deliveries_in(run, &[DeliveryState::Intent], after, 1_000).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some((last.tier, last.position));
            found.extend(page.into_iter().map(|one| one.id));
        }
    }

    /// How many recipients stand where.
    async fn totals(&self, run: &RunId) -> Result<Totals, JournalError>;

    /// How many recipients of the run each provider accepted.
    async fn accepted_by_provider(&self, run: &RunId) -> Result<Vec<(ProviderName, u64)>, JournalError>;

    /// How many messages each provider accepted on each day (UTC) from `since` on, test messages
    /// included.
    ///
    /// Made here of what else a journal tells; one that counts for itself is faster.
    async fn accepted_by_day(&self, since: Timestamp) -> Result<Vec<AcceptedDay>, JournalError> {
        let mut days: BTreeMap<(ProviderName, i64), u64> = BTreeMap::new();
        for run in self.runs().await? {
            let mut after = None;
            loop {
                let page = self.deliveries(&run.id, after, 1_000).await?;
                let Some(last) = page.last() else { break };
                after = Some((last.tier, last.position));
                for delivery in page.into_iter().filter(|one| one.state == DeliveryState::Accepted) {
                    let (Some(provider), Some(at)) = (delivery.provider, delivery.at) else { continue };
                    if at >= since {
                        *days.entry((provider, at.as_second().div_euclid(86_400))).or_default() += 1;
                    }
                }
            }
        }
        let day = |((provider, day), messages)| AcceptedDay { provider, day, messages };
        Ok(days.into_iter().map(day).collect())
    }

    /// Pending deliveries that may be sent at `now`, in order of (tier, position).
    async fn due(
        &self,
        run: &RunId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, JournalError>;

    /// The earliest moment, after `now`, at which a pending delivery becomes due.
    async fn next_due(&self, run: &RunId, now: Timestamp) -> Result<Option<Timestamp>, JournalError>;

    /// Makes every open attempt of a run unknown; only for whoever holds the run and has none open.
    /// Returns how many.
    async fn adopt_orphans(&self, hold: &dyn Hold, now: Timestamp) -> Result<u64, JournalError>;

    /// Makes intents durable, all or none, and takes their places in the provider's windows in the
    /// same commit. Returns after the commit is on the disk.
    ///
    /// # Errors
    ///
    /// [`Denied`] when the run is cancelled, a window is full or the provider rests
    /// ([`BreakerRecord::resting_until`]: a reset that one process was told blocks all), a recipient is
    /// suppressed, a delivery is taken, or the journal cannot write.
    async fn intend(&self, intents: Vec<Intent>) -> Result<(), Denied>;

    /// Makes outcomes durable, each as a compare-and-set. With [`Urgency::Soon`] the write joins the
    /// next commit and waits 100 ms at most; the call returns when it is durable.
    async fn settle(&self, settlements: Vec<Settlement>, urgency: Urgency) -> Result<(), JournalError>;

    /// The last outcomes of a connection and its next intents, in one commit: no intent is durable whose
    /// connection has an outcome that is not. Intents that are denied take no outcome with them.
    ///
    /// Here it is two commits, the second only after the first is durable, which promises the same.
    async fn settle_and_intend(&self, settlements: Vec<Settlement>, intents: Vec<Intent>) -> Stepped {
        if let Err(error) = self.settle(settlements, Urgency::Now).await {
            return Stepped::failed(error);
        }
        Stepped { settled: Ok(()), intended: self.intend(intents).await }
    }

    /// Writes where the run stands, and why. A cancelled run stays as it is, and so does a paused one unless
    /// `state` is [`RunState::Running`], or [`RunState::Finished`] or [`RunState::Cancelled`].
    async fn set_run_state(
        &self,
        run: &RunId,
        state: RunState,
        note: Option<String>,
        at: Timestamp,
    ) -> Result<(), JournalError>;

    /// Begins to work on a run, and writes that it runs; false when a person paused it or it is cancelled. In
    /// one step: a pause that comes meanwhile is never undone by whoever was about to begin.
    ///
    /// Made here in two, for a journal in which nobody else writes at the same time.
    async fn go_on(&self, run: &RunId, at: Timestamp) -> Result<bool, JournalError> {
        let record = self.run(run).await?.ok_or_else(|| JournalError::NoSuchRun(run.clone()))?;
        let is_paused = record.state == RunState::Paused && record.note.as_deref() == Some(PAUSED);
        if is_paused || record.state == RunState::Cancelled {
            return Ok(false);
        }
        self.set_run_state(run, RunState::Running, None, at).await?;
        Ok(true)
    }

    /// Replaces what a run keeps of how it was asked for ([`NewRun::settings`]).
    async fn set_settings(&self, run: &RunId, settings: String) -> Result<(), JournalError>;

    /// Pauses a run, for a person: whoever works on it hears of it within a second or so and takes nobody
    /// new. Only [`Journal::set_run_state`] with [`RunState::Running`] begins it again, never
    /// [`Journal::go_on`]. A run that is over stays as it is.
    async fn pause(&self, run: &RunId, at: Timestamp) -> Result<(), JournalError> {
        self.set_run_state(run, RunState::Paused, Some(PAUSED.to_owned()), at).await
    }

    /// Cancels what is pending; returns how many. Open attempts end as they end.
    async fn cancel(&self, run: &RunId, at: Timestamp) -> Result<u64, JournalError>;

    /// A person's decision about unknown or held recipients of a run (all of them when `keys` is
    /// empty), with an audit entry each. [`Decision::ResendAccepted`] moves accepted ones, and only
    /// those in `keys` of whom no event tells what became of the message. Returns the deliveries that it moved, as they were.
    async fn resolve(
        &self,
        hold: &dyn Hold,
        keys: &[RecipientKey],
        decision: Decision,
        reason: &str,
        at: Timestamp,
    ) -> Result<Vec<DeliveryRecord>, JournalError>;

    /// What was used of a provider's windows since `since`.
    async fn usage(&self, provider: &ProviderName, since: Timestamp) -> Result<Usage, JournalError>;

    /// What was used of a receiving domain's windows since `since` ([`Intent::pace`]).
    async fn pace_usage(&self, domain: &str, since: Timestamp) -> Result<Usage, JournalError>;

    /// What is kept of every provider.
    async fn breakers(&self) -> Result<Vec<BreakerRecord>, JournalError>;

    /// Keeps what is known of a provider.
    async fn save_breaker(&self, record: BreakerRecord) -> Result<(), JournalError>;

    /// Keeps what was told of messages after their acceptance; the same event told again changes
    /// nothing. An event belongs to the attempt that it names, or else to the one with the provider's
    /// id, or else to the delivery with the Message-ID. One that proves what became of an unknown or
    /// held attempt moves it on, with an audit entry; nothing else moves. Of messages that this journal
    /// does not know only opt-outs and complaints are kept: an account may send other mail as well.
    async fn record_events(
        &self,
        source: &ProviderName,
        events: Vec<ProviderEvent>,
        now: Timestamp,
    ) -> Result<Recorded, JournalError>;

    /// Everything told of a run's messages, by delivery, in order of their arrival.
    async fn events_of(&self, run: &RunId) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError>;

    /// The same, of some of the run's deliveries alone, in any order of deliveries: for reading a run page by
    /// page.
    ///
    /// Made here of what else a journal tells; one that chooses for itself is faster.
    async fn events_on(
        &self,
        run: &RunId,
        deliveries: &[DeliveryId],
    ) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
        let mut events = self.events_of(run).await?;
        events.retain(|(delivery, _)| deliveries.contains(delivery));
        Ok(events)
    }

    /// Up to where a source was read: the text that [`Journal::save_mark`] kept.
    async fn mark(&self, source: &ProviderName) -> Result<Option<String>, JournalError>;

    /// Keeps up to where a source was read.
    async fn save_mark(&self, source: &ProviderName, mark: &str) -> Result<(), JournalError>;

    /// Recipients of a run with a true bad address, refused or bounced, and when.
    async fn bad_addresses(&self, run: &RunId) -> Result<Vec<(RecipientKey, Timestamp)>, JournalError>;

    /// Which of `keys` a real run reached at or after `since`, as far as its providers accepted and no
    /// event tells otherwise.
    async fn accepted_since(
        &self,
        keys: &[RecipientKey],
        since: Timestamp,
    ) -> Result<Vec<RecipientKey>, JournalError>;

    /// Adds to the suppression list; how many entries were added or changed. An address already there keeps its
    /// first reason, but: one that is suppressed for good is quarantined no longer; an opt-out, a complaint or a
    /// person's entry takes the place of a bad address ([`crate::after::BAD_ADDRESS`]); and only what is a bad
    /// address by the same source is quarantined later.
    async fn suppress(&self, entries: Vec<Suppression>) -> Result<u64, JournalError>;

    /// Takes an address off the list; false when it was not there.
    async fn unsuppress(&self, key: &RecipientKey, reason: &str, at: Timestamp)
    -> Result<bool, JournalError>;

    /// Which of `keys` are suppressed (not quarantined); all entries when `keys` is `None`.
    async fn suppressions(&self, keys: Option<&[RecipientKey]>) -> Result<Vec<Suppression>, JournalError>;

    /// Forgets a person: wherever the journal names them, a pseudonym stands from then on, and the same
    /// pseudonym on the suppression list. It is a keyed hash, so that whoever asks about the address later
    /// ([`Journal::freeze`], [`Journal::suppressions`], [`Journal::taken`]) is told that it is suppressed, or
    /// who holds it; nothing brings the address back. What was pending is suppressed. States, times, ids and
    /// Message-IDs stay, so that the totals and the promise of "exactly once" do.
    ///
    /// `fresh` is random, and becomes the key of the journal's first hash.
    ///
    /// # Errors
    ///
    /// [`HoldError::Held`] while a process works on a run in which the person is still open.
    async fn forget(
        &self,
        key: &RecipientKey,
        fresh: [u8; 32],
        at: Timestamp,
    ) -> Result<Forgotten, HoldError>;

    /// The key of the hashes of [`Journal::forget`]; `None` as long as nobody was forgotten. `adopt` becomes it
    /// where there is none: a journal that is made anew from a second place must know the forgotten by the
    /// same pseudonyms, or it would mail them.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read, or written with `adopt`.
    async fn forgotten_key(&self, adopt: Option<[u8; 32]>) -> Result<Option<[u8; 32]>, JournalError>;

    /// How this journal names those recipients: whoever was forgotten ([`Journal::forget`]) by the pseudonym, everybody
    /// else as asked. In the order of `keys`.
    ///
    /// Made here for a journal that forgets nobody; one that does must answer for itself.
    async fn known_as(&self, keys: &[RecipientKey]) -> Result<Vec<RecipientKey>, JournalError> {
        Ok(keys.to_vec())
    }

    /// Keeps that a provider is, or was, out of service, with a line in the audit. The same provider and
    /// beginning again replace what was said before.
    async fn declare_outage(&self, outage: Outage) -> Result<(), JournalError>;

    /// Every declared outage, the latest beginning first.
    async fn outages(&self) -> Result<Vec<Outage>, JournalError>;

    /// Takes back what was declared of a provider from `since` on, with a line in the audit; false when
    /// nothing was.
    async fn withdraw_outage(
        &self,
        provider: &ProviderName,
        since: Timestamp,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, JournalError>;

    /// Adds a line to the audit.
    async fn audit(&self, entry: AuditEntry) -> Result<(), JournalError>;

    /// The audit of a run, or of everything, oldest first.
    async fn audit_of(&self, run: Option<&RunId>) -> Result<Vec<AuditEntry>, JournalError>;

    /// Ends the journal politely: everything queued is durable.
    async fn close(&self);
}

/// What became of [`Journal::settle_and_intend`].
#[derive(Debug)]
pub struct Stepped {
    /// Whether the outcomes are durable.
    pub settled: Result<(), JournalError>,
    /// Whether the intents are.
    pub intended: Result<(), Denied>,
}

impl Stepped {
    /// Neither is durable.
    #[must_use]
    pub fn failed(error: JournalError) -> Self {
        let reason = match &error {
            JournalError::WriteFailed { reason } => reason.clone(),
            other => other.to_string(),
        };
        Self { settled: Err(error), intended: Err(Denied::JournalFailed { reason }) }
    }
}

/// What a run's note says when a person paused it.
pub const PAUSED: &str = "paused by a person";

/// The audit's word for a provider that was set aside during a run; the detail is its name, a colon, and why.
pub const SET_ASIDE: &str = "provider set aside";
/// The audit's word for a provider that is used again; the detail is its name and a colon.
pub const BACK: &str = "provider used again";

/// Where a run stands, given whether a process holds it: a run that says `running` and is held by
/// nobody was killed.
#[must_use]
pub fn effective_state(stored: RunState, held: bool) -> RunState {
    match (stored, held) {
        (_, true) => RunState::Running,
        (RunState::Running, false) => RunState::Interrupted,
        (state, false) => state,
    }
}
