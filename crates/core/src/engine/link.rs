//! One link of the chain: a provider with its windows, its breaker, its rest and its lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ahead::Next;
use super::item::Item;
use super::prior::Prior;
use super::render::Needs;
use super::turns::{MOMENT, Turns};
use crate::breaker::{Breaker, BreakerPolicy, Opening, Permit};
use crate::budget::{Limits, Room, Window};
use crate::journal::{BreakerRecord, Usage};
use crate::outcome::Trouble;
use crate::policy::OnBudget;
use crate::provider::{Capability, Provider, ProviderName};

/// A provider of the route, with the windows that depeche.toml gives it.
#[derive(Clone)]
pub struct LinkConfig {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Its windows.
    pub limits: Limits,
    /// Which account it is, and what this machine comes with ([`crate::journal::config_digest`]): a change
    /// closes a breaker left open.
    pub config_digest: [u8; 32],
}

/// A link at work. Owned by the engine's loop; nothing here is shared but [`Silence`].
pub(super) struct Link {
    pub(super) name: ProviderName,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) capability: Capability,
    /// Whether its attempts ask who comes next.
    pub(super) announces: bool,
    pub(super) limits: Limits,
    /// Without its `last`, which is the turns'.
    pub(super) usage: Usage,
    /// Whose turn it is under `per_second`; its attempts share it.
    pub(super) turns: Arc<Turns>,
    pub(super) breaker: Breaker,
    pub(super) resting_until: Option<Timestamp>,
    pub(super) lanes: Vec<Lane>,
    pub(super) silence: Arc<Silence>,
    /// How often it was throttled since it last accepted something.
    throttled: u32,
    /// Since when attempts end without any answer at all.
    unanswered_since: Option<Timestamp>,
    /// The window whose overflow was told already.
    told_full: Option<Window>,
    /// Whether its suspicion was told.
    told_suspect: bool,
    /// Another process used its windows: until when the journal denied, and they must be read again.
    pub(super) denied_until: Option<Timestamp>,
    /// Whether it may be used at all.
    pub(super) gate: Gate,
    config_digest: [u8; 32],
    /// When this process last saw it work, or first looked: what was known before that is over.
    pub(super) worked_at: Timestamp,
}

/// One place for an attempt: one connection.
#[derive(Default)]
pub(super) struct Lane {
    /// The attempt in flight.
    pub(super) open: Option<OpenAttempt>,
    /// The last outcome of this lane, on its way to the disk.
    pub(super) prior: Option<Arc<Prior>>,
}

/// Whether a provider may be used, as [`super::Admission`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may.
    Open,
    /// To be asked before its first message.
    Closed,
    /// Being asked.
    Asking,
    /// Never in this run, and why.
    Blocked(String),
}

/// An attempt in flight.
pub(super) struct OpenAttempt {
    pub(super) abort: Option<AbortHandle>,
    pub(super) items: Vec<Item>,
    pub(super) watch: Arc<AttemptWatch>,
    pub(super) started_at: Timestamp,
    pub(super) is_probe: bool,
    /// Whoever comes next on this lane.
    pub(super) next: Arc<Next>,
}

/// What an attempt and the loop both see.
pub(super) struct AttemptWatch {
    /// The intent is durable.
    pub(super) intended: AtomicBool,
    /// The other side answered at least once.
    pub(super) answered_once: AtomicBool,
    /// When it became so: the moment that counts for the windows.
    intended_at: std::sync::Mutex<Option<Timestamp>>,
    last_heard: std::sync::Mutex<Instant>,
    /// This silence made the provider suspect already.
    told: AtomicBool,
    /// The journal is at work: silence is ours.
    pub(super) journalling: AtomicBool,
    /// [`OPEN`], then [`INTENDING`] or [`GIVEN_UP`]: the loop and the attempt agree by one exchange.
    stage: AtomicU8,
    given_up: Notify,
    silence: Arc<Silence>,
}

/// Nothing durable was asked for yet.
const OPEN: u8 = 0;
/// The intent was asked for: the attempt keeps its deadline, whatever comes of it.
const INTENDING: u8 = 1;
/// The loop took the recipient back before the intent was asked for.
const GIVEN_UP: u8 = 2;

/// Whether a provider is suspect for its silence.
#[derive(Default)]
pub(super) struct Silence {
    suspect: AtomicBool,
    /// Rings when a suspect provider answers.
    answered: Arc<Notify>,
}

/// What a link would do with one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Take it; at most so many at once.
    Ready { places: u32, is_probe: bool },
    /// Take it later: a lane, a second or a minute window is in the way. The recipient waits for it.
    Busy { until: Option<Timestamp> },
    /// Not before then; another provider may go on meanwhile (rest, hour or day window).
    Later { until: Timestamp, full: Option<Window> },
    /// Not trusted now.
    SetAside { until: Option<Timestamp> },
}

impl Link {
    pub(super) fn new(
        config: &LinkConfig,
        mut usage: Usage,
        kept: Option<&BreakerRecord>,
        policy: &BreakerPolicy,
        answered: Arc<Notify>,
        now: Timestamp,
    ) -> Self {
        let capability = config.provider.capability();
        let kept = kept.filter(|record| record.is_of_account(&config.config_digest));
        let open = kept.filter(|record| record.holds_for(&config.config_digest));
        let breaker = match open.and_then(|record| record.open_since.map(|since| (record, since))) {
            Some((record, since)) => {
                let reason = record.reason.clone().unwrap_or_default();
                Breaker::reopened(policy.clone(), Opening { since, reason, trouble: record.trouble }, now)
            }
            None => Breaker::new(policy.clone()),
        };
        Self {
            name: config.provider.name().clone(),
            provider: Arc::clone(&config.provider),
            lanes: (0..capability.lanes.max(1)).map(|_| Lane::default()).collect(),
            capability,
            announces: config.provider.announces(),
            limits: config.limits,
            turns: Arc::new(Turns::new(&config.limits, usage.last.take())),
            usage,
            breaker,
            resting_until: kept.and_then(|record| record.resting_until).filter(|until| *until > now),
            silence: Arc::new(Silence { answered, ..Silence::default() }),
            throttled: 0,
            unanswered_since: None,
            told_full: None,
            told_suspect: false,
            denied_until: None,
            gate: Gate::Open,
            config_digest: config.config_digest,
            worked_at: now,
        }
    }

    /// What it would do with one more message.
    pub(super) fn readiness(&self, on_budget: OnBudget, now: Timestamp) -> Readiness {
        if self.silence.is_suspect() || matches!(self.gate, Gate::Blocked(_)) {
            return Readiness::SetAside { until: None };
        }
        let is_probe = match self.breaker.permit(now) {
            Permit::Yes => false,
            Permit::Probe => true,
            Permit::No { until } => {
                return Readiness::SetAside { until: (until != Timestamp::MAX).then_some(until) };
            }
        };
        if let Some(until) = self.resting_until.filter(|until| *until > now) {
            return Readiness::Later { until, full: None };
        }
        match self.limits.room(&self.usage, self.reserved(), now) {
            Room::Full { until, window } if window.overflows() && on_budget == OnBudget::Next => {
                Readiness::Later { until, full: Some(window) }
            }
            Room::Full { until, .. } => Readiness::Busy { until: Some(until) },
            Room::Free(_) if self.next_turn_begins(now).is_some() => {
                Readiness::Busy { until: self.next_turn_begins(now) }
            }
            Room::Free(_) if self.idle_lane().is_none() || self.gate == Gate::Asking => {
                Readiness::Busy { until: None }
            }
            Room::Free(places) => Readiness::Ready { places: if is_probe { 1 } else { places }, is_probe },
        }
    }

    /// Whether it can carry such a message at all.
    pub(super) fn fits(&self, needs: Needs, item: &Item) -> bool {
        let capability = &self.capability;
        (capability.inline_images || !needs.inline_images)
            && (capability.attachments || !needs.attachments)
            && capability.max_size_bytes.is_none_or(|limit| needs.size_bytes <= limit)
            && (capability.international_local_part || !item.record.address.needs_smtputf8())
            && !item.record.avoid.contains(&self.name)
    }

    /// A lane with nothing in flight.
    pub(super) fn idle_lane(&self) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.open.is_none())
    }

    /// How many attempts are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.open.is_some()).count()
    }

    /// Messages in flight, and those that come next on their lanes: their places are promised, and counted
    /// when they come back.
    fn reserved(&self) -> u32 {
        let open = self.lanes.iter().filter_map(|lane| lane.open.as_ref());
        let places = open.map(|open| open.items.len() + usize::from(open.next.is_taken()));
        u32::try_from(places.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// When one more attempt may begin under `per_second`, if not now: those in flight that have no turn yet,
    /// and those that come next on their lanes, go before it.
    fn next_turn_begins(&self, now: Timestamp) -> Option<Timestamp> {
        let open = self.lanes.iter().filter_map(|lane| lane.open.as_ref());
        let waiting =
            open.map(|open| usize::from(open.watch.has_no_turn()) + usize::from(open.next.is_taken()));
        self.turns.may_begin(waiting.sum(), now)
    }

    /// Counts what a journalled intent took.
    pub(super) fn used(&mut self, messages: usize, at: Timestamp) {
        let count = u32::try_from(messages).unwrap_or(u32::MAX);
        *self.usage.buckets.entry(at.as_second()).or_default() += count;
        let oldest = (at - self.limits.horizon()).as_second();
        self.usage.buckets = self.usage.buckets.split_off(&oldest);
    }

    /// What the journal says of its windows now, after it denied a place in them.
    pub(super) fn reload(&mut self, usage: Usage, resting_until: Option<Timestamp>, now: Timestamp) {
        self.turns.hear(usage.last);
        self.usage = Usage { last: None, ..usage };
        self.resting_until = self.resting_until.max(resting_until).filter(|until| *until > now);
        let denied_until = self.denied_until.take().filter(|until| *until > now);
        // A turn of `per_second` that others were quicker for is waited for; nobody goes elsewhere for it.
        let is_turn =
            self.limits.spacing().is_some() && denied_until.is_some_and(|until| until <= now + MOMENT);
        // The journal knows of something that is not in its windows: what it said stands.
        if !is_turn && matches!(self.readiness(OnBudget::Next, now), Readiness::Ready { .. }) {
            self.resting_until = self.resting_until.max(denied_until);
        }
    }

    /// The hour or day window that is full, once for each.
    pub(super) fn newly_full(&mut self, on_budget: OnBudget, now: Timestamp) -> Option<(Window, Timestamp)> {
        match self.readiness(on_budget, now) {
            Readiness::Later { until, full: Some(window) }
                if self.told_full != Some(window) && until > now + SignedDuration::from_secs(1) =>
            {
                self.told_full = Some(window);
                Some((window, until))
            }
            _ => None,
        }
    }

    /// Why it is set aside, for people.
    pub(super) fn reason(&self) -> String {
        match &self.gate {
            Gate::Blocked(reason) => reason.clone(),
            _ => self.breaker.opening().map_or("no answer", |opening| &opening.reason).to_owned(),
        }
    }

    /// Rests: as long as the provider said, else 60 s doubling to 15 min.
    pub(super) fn rest(&mut self, stated: Option<Duration>, now: Timestamp) -> Timestamp {
        let doubled = Duration::from_secs(60 << self.throttled.min(4)).min(Duration::from_secs(900));
        let until = now + crate::breaker::signed(stated.unwrap_or(doubled));
        self.throttled += 1;
        self.resting_until = self.resting_until.max(Some(until));
        self.breaker.throttled(until);
        until
    }

    /// It accepted a message. True when that brought it back.
    pub(super) fn accepted(&mut self) -> bool {
        self.throttled = 0;
        self.breaker.accepted()
    }

    /// An attempt that began at `started_at` ended, with or without any answer. True when the
    /// provider has now been silent for `suspect_after` over several attempts and is set aside.
    pub(super) fn attempt_ended(
        &mut self,
        answered: bool,
        started_at: Timestamp,
        suspect_after: Duration,
        now: Timestamp,
    ) -> bool {
        if answered {
            self.unanswered_since = None;
            return false;
        }
        let since = *self.unanswered_since.get_or_insert(started_at);
        let silent = now >= since + crate::breaker::signed(suspect_after);
        silent && self.breaker.open("no answer", Some(Trouble::Unreachable), now)
    }

    /// What another process keeps of the provider: its rest, and that it was set aside since this one last
    /// saw it work. True when it is set aside because of that; who comes back does so by a probe of one's own.
    pub(super) fn hear(&mut self, record: &BreakerRecord, now: Timestamp) -> bool {
        if !record.is_of_account(&self.config_digest) {
            return false;
        }
        self.resting_until = self.resting_until.max(record.resting_until).filter(|until| *until > now);
        let is_new = record.open_since.is_some_and(|since| since > self.worked_at);
        is_new
            && record.holds_for(&self.config_digest)
            && self.breaker.opening().is_none()
            && self.breaker.open(record.reason.as_deref().unwrap_or_default(), record.trouble, now)
    }

    /// What the journal keeps of it.
    pub(super) fn to_record(&self) -> BreakerRecord {
        let opening = self.breaker.opening();
        BreakerRecord {
            provider: self.name.clone(),
            config_digest: self.config_digest,
            open_since: opening.map(|opening| opening.since),
            reason: opening.map(|opening| opening.reason.clone()),
            trouble: opening.and_then(|opening| opening.trouble),
            resting_until: self.resting_until,
        }
    }

    /// Attempts whose silence has lasted `suspect_after` and was not told yet: marks the provider
    /// suspect. True when it became so.
    pub(super) fn notice_silence(&mut self, suspect_after: Duration, now: Instant) -> bool {
        let mut newly = false;
        for open in self.lanes.iter().filter_map(|lane| lane.open.as_ref()) {
            let silent = open.watch.silent_since().is_some_and(|since| now >= since + suspect_after);
            if silent && !open.watch.told.swap(true, Ordering::AcqRel) {
                newly |= !self.silence.suspect.swap(true, Ordering::AcqRel);
            }
        }
        self.told_suspect |= newly;
        newly
    }

    /// Whether a suspicion that was told has ended.
    pub(super) fn newly_trusted(&mut self) -> bool {
        let is_over = self.told_suspect && !self.silence.is_suspect();
        self.told_suspect &= !is_over;
        is_over
    }

    /// When the next silence would be long enough.
    pub(super) fn next_silence(&self, suspect_after: Duration) -> Option<Instant> {
        let open = self.lanes.iter().filter_map(|lane| lane.open.as_ref());
        open.filter(|open| !open.watch.told.load(Ordering::Acquire))
            .filter_map(|open| open.watch.silent_since())
            .map(|since| since + suspect_after)
            .min()
    }

    /// A suspect provider without an open attempt can no longer answer: it is set aside, to be probed
    /// later. True when that happened.
    pub(super) fn set_aside_if_silent(&mut self, now: Timestamp) -> bool {
        if self.in_flight() > 0 || !self.silence.is_suspect() {
            return false;
        }
        self.silence.suspect.store(false, Ordering::Release);
        self.told_suspect = false;
        self.breaker.open("no answer", Some(Trouble::Unreachable), now)
    }
}

impl Silence {
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }
}

impl AttemptWatch {
    pub(super) fn new(silence: &Arc<Silence>) -> Self {
        Self {
            intended: AtomicBool::new(false),
            intended_at: std::sync::Mutex::new(None),
            answered_once: AtomicBool::new(false),
            last_heard: std::sync::Mutex::new(Instant::now()),
            told: AtomicBool::new(false),
            journalling: AtomicBool::new(false),
            stage: AtomicU8::new(OPEN),
            given_up: Notify::new(),
            silence: Arc::clone(silence),
        }
    }

    /// The other side answered: the silence is over, and a suspect provider is trusted again.
    pub(super) fn heard(&self) {
        self.restart();
        self.answered_once.store(true, Ordering::Release);
        self.told.store(false, Ordering::Release);
        if self.silence.suspect.swap(false, Ordering::AcqRel) {
            self.silence.answered.notify_one();
        }
    }

    /// From here on the attempt cannot be given up. False when it was: no intent may be made.
    pub(super) fn begins_intent(&self) -> bool {
        let held = self.stage.compare_exchange(OPEN, INTENDING, Ordering::AcqRel, Ordering::Acquire);
        held.is_ok() || held == Err(INTENDING)
    }

    /// Whether its intent was not asked for yet.
    fn has_no_turn(&self) -> bool {
        self.stage.load(Ordering::Acquire) == OPEN
    }

    /// Takes a silent attempt's recipients back, which is possible until its intent is asked for.
    pub(super) fn give_up_if_silent(&self) {
        let is_open = || self.stage.compare_exchange(OPEN, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
        if self.told.load(Ordering::Acquire) && is_open().is_ok() {
            self.given_up.notify_one();
        }
    }

    /// Returns when the attempt was given up.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }

    /// The intent is durable.
    pub(super) fn intend(&self, at: Timestamp) {
        if let Ok(mut intended_at) = self.intended_at.lock() {
            *intended_at = Some(at);
        }
        self.intended.store(true, Ordering::Release);
    }

    /// When the intent became durable.
    pub(super) fn intended_at(&self) -> Option<Timestamp> {
        self.intended_at.lock().ok().and_then(|at| *at)
    }

    /// The silence is counted from now.
    pub(super) fn restart(&self) {
        if let Ok(mut last) = self.last_heard.lock() {
            *last = Instant::now();
        }
    }

    fn silent_since(&self) -> Option<Instant> {
        if self.journalling.load(Ordering::Acquire) {
            return None;
        }
        self.last_heard.lock().ok().map(|last| *last)
    }
}
