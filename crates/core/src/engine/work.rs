//! The engine's loop: refill from the journal, hand out to lanes, take in what came back.
//!
//! Handing out is in [`super::hand_out`], taking in [`super::take_in`], silence, waiting and the end
//! in [`super::waiting`], admission and look-ups in [`super::asking`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::admission::Admission;
use super::asking::Answered;
use super::attempt::Made;
use super::conclude;
use super::control::{Control, Level};
use super::event::Event;
use super::hour::Hour;
use super::item::Item;
use super::link::Link;
use super::pace::Paces;
use super::{Engine, EngineError, Why};
use crate::journal::{DeliveryId, DeliveryState, JournalError, RunId, RunState, Settlement, Urgency};

/// So many pending deliveries are kept in memory at the most, or as many as the largest batch takes.
const WINDOW: usize = 512;
/// Refill when fewer than this many are ready.
const LOW_WATER: usize = 128;
/// So many that wait for their domain's pace are kept besides: others may stand behind them in the list.
const HELD: usize = 4_096;
/// So often the journal is asked what a person, or another worker, decided.
const HEAR: SignedDuration = SignedDuration::from_secs(1);
/// How long leaving waits for what is on its way to the disk.
const LEAVING: Duration = Duration::from_secs(2);

pub(super) struct Work<'e> {
    pub(super) engine: &'e Engine,
    pub(super) run: RunId,
    pub(super) control: Control,
    pub(super) admission: Option<Arc<dyn Admission>>,
    pub(super) links: Vec<Link>,
    /// Of receiving domains.
    pub(super) paces: Paces,
    /// Pending, in memory, in order of (tier, position).
    pub(super) ready: Vec<Item>,
    /// Everything of this run in memory or in flight.
    pub(super) known: BTreeSet<DeliveryId>,
    pub(super) tasks: JoinSet<Done>,
    /// A suspect provider answered.
    pub(super) answered: Arc<Notify>,
    /// The journal has nothing more that is due before this moment.
    pub(super) dry_until: Option<Timestamp>,
    /// Another process moved a delivery of this run: was it cancelled?
    pub(super) moved_elsewhere: bool,
    pub(super) over: Option<Why>,
    pub(super) told_waiting: Option<Timestamp>,
    /// When the journal was last asked what others decided.
    pub(super) heard_at: Timestamp,
    pub(super) hour: Arc<Hour>,
    /// When recipients were last handed out.
    pub(super) looked_at: Timestamp,
    pub(super) draining_told: bool,
}

/// A task came to its end.
pub(super) enum Done {
    Attempt { link: usize, lane: usize, made: Vec<Made> },
    Settled { then: Then, delivery: DeliveryId, result: Result<(), JournalError> },
    Saved(Result<(), JournalError>),
    Answered(Answered),
}

/// What follows once a settlement is durable.
pub(super) enum Then {
    /// The journal knows; nothing is kept in memory.
    Forget,
    /// Pending still, and next.
    PutBack(Box<Item>),
    /// Unknown, and its provider can be asked.
    LookUp(Box<Item>, usize),
}

impl<'e> Work<'e> {
    pub(super) async fn begin(
        engine: &'e Engine,
        run: RunId,
        control: Control,
        admission: Option<Arc<dyn Admission>>,
    ) -> Result<Self, EngineError> {
        let (now, answered) = (engine.clock.now(), Arc::new(Notify::new()));
        let kept = engine.journal.breakers().await?;
        let mut links = Vec::new();
        for config in &engine.chain {
            let name = config.provider.name();
            let usage = engine.journal.usage(name, now - config.limits.horizon()).await?;
            let kept = kept.iter().find(|record| record.provider == *name);
            let breaker = &engine.policy.breaker;
            links.push(Link::new(config, usage, kept, breaker, Arc::clone(&answered), now));
        }
        // What is only written goes to nobody's server.
        let sends = links.iter().any(|link| link.capability.sends);
        let paces = match sends {
            true => Paces::begin(engine.journal.as_ref(), &engine.policy.pace, now).await?,
            false => Paces::default(),
        };
        Ok(Self {
            engine,
            run,
            control,
            admission,
            links,
            paces,
            ready: Vec::new(),
            known: BTreeSet::new(),
            tasks: JoinSet::new(),
            answered,
            dry_until: None,
            moved_elsewhere: false,
            over: None,
            told_waiting: None,
            heard_at: now,
            hour: Arc::new(Hour::new(engine.policy.not_after)),
            looked_at: now,
            draining_told: false,
        })
    }

    /// Works until nobody is pending, or it must stop.
    pub(super) async fn until_over(&mut self) -> Result<(Why, Option<Timestamp>), EngineError> {
        self.has_begun_before().await?;
        self.ask_before_the_run().await;
        self.ask_about_unknowns().await?;
        loop {
            if self.control.level() == Level::Leave {
                self.leave().await;
                return Ok((Why::Interrupted, None));
            }
            self.watch_silence();
            self.hear_of_other_processes().await?;
            if self.takes_new() {
                self.refill().await?;
                self.hand_out();
                self.tell_full();
            }
            if self.tasks.is_empty()
                && let Some(end) = self.end_or_wait().await?
            {
                return Ok(end);
            }
            self.one_event().await;
        }
    }

    /// Closes every kept connection, with everything durable.
    pub(super) async fn end(&mut self) {
        self.settle_priors().await;
        let closing = self.links.iter().map(|link| link.provider.close());
        futures_util::future::join_all(closing).await;
    }

    /// Waits until the last outcome of every lane is durable: 100 ms at the most.
    pub(super) async fn settle_priors(&mut self) {
        let lanes = self.links.iter_mut().flat_map(|link| &mut link.lanes);
        let priors: Vec<_> = lanes.filter_map(|lane| lane.prior.take()).collect();
        let settled = priors.iter().map(|prior| prior.durable());
        for result in futures_util::future::join_all(settled).await {
            self.journal_answered(result);
        }
    }

    pub(super) fn takes_new(&self) -> bool {
        self.over.is_none() && self.control.level() == Level::Run
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    pub(super) fn journal_answered(&mut self, result: Result<(), JournalError>) {
        match result {
            Ok(()) => {}
            // A compare-and-set that another process won (a cancel, say): what the journal says counts.
            Err(JournalError::Stale { .. }) => self.moved_elsewhere = true,
            Err(error) => {
                tracing::error!(%error, "the journal failed");
                self.over.get_or_insert(Why::JournalFailed(error.to_string()));
            }
        }
    }

    async fn hear_of_other_processes(&mut self) -> Result<(), EngineError> {
        let now = self.now();
        if std::mem::take(&mut self.moved_elsewhere) || now >= self.heard_at + HEAR {
            self.heard_at = now;
            self.hear_of_the_run().await?;
        }
        if let Some(until) = self.hour.passed(now) {
            // Others may have begun it in time.
            self.has_begun_before().await?;
            if self.hour.passed(now).is_some() {
                self.over.get_or_insert(Why::TooLate(until));
            }
        }
        self.paces.reload(self.engine.journal.as_ref(), now).await?;
        for link in self.links.iter_mut().filter(|link| link.denied_until.is_some()) {
            let usage = self.engine.journal.usage(&link.name, now - link.limits.horizon()).await?;
            let kept = self.engine.journal.breakers().await?;
            let kept = kept.into_iter().find(|record| record.provider == link.name);
            link.reload(usage, kept.and_then(|record| record.resting_until), now);
        }
        Ok(())
    }

    /// What a person decided elsewhere, and which providers other workers set aside.
    async fn hear_of_the_run(&mut self) -> Result<(), EngineError> {
        match self.engine.journal.run(&self.run).await?.map(|record| record.state) {
            Some(RunState::Cancelled) => self.over.get_or_insert(Why::Cancelled),
            Some(RunState::Paused) => self.over.get_or_insert(Why::Paused),
            _ => return self.hear_of_providers().await,
        };
        Ok(())
    }

    async fn hear_of_providers(&mut self) -> Result<(), EngineError> {
        let now = self.now();
        let kept = self.engine.journal.breakers().await?;
        for link in &mut self.links {
            let Some(record) = kept.iter().find(|record| record.provider == link.name) else { continue };
            if link.hear(record, now) {
                self.engine.events.tell(Event::SetAside {
                    provider: link.name.clone(),
                    since: record.open_since.unwrap_or(now),
                    reason: record.reason.clone().unwrap_or_default(),
                    trouble: record.trouble,
                });
            }
        }
        Ok(())
    }

    /// A run that has begun is finished, however late it is.
    async fn has_begun_before(&mut self) -> Result<(), JournalError> {
        if self.hour.is_open() {
            let totals = self.engine.journal.totals(&self.run).await?;
            if totals.accepted + totals.unknown + totals.held + totals.written > 0 {
                self.hour.begin();
            }
        }
        Ok(())
    }

    pub(super) async fn is_cancelled(&self) -> Result<bool, JournalError> {
        let record = self.engine.journal.run(&self.run).await?;
        Ok(record.is_some_and(|record| record.state == RunState::Cancelled))
    }

    // ---- Taking recipients from the journal.

    async fn refill(&mut self) -> Result<(), EngineError> {
        let now = self.now();
        let window = self.links.iter().map(|link| link.capability.batch).fold(WINDOW, usize::max);
        while self.few_can_go(now) && self.dry_until.is_none_or(|until| until <= now) {
            let page = self.engine.journal.due(&self.run, now, window + self.known.len()).await?;
            let mut fresh: Vec<Item> =
                page.into_iter().filter(|record| !self.known.contains(&record.id)).map(Item::new).collect();
            if fresh.is_empty() {
                let next = self.engine.journal.next_due(&self.run, now).await?;
                self.dry_until = Some(next.unwrap_or(Timestamp::MAX));
                return Ok(());
            }
            if !self.leave_out_suppressed(&mut fresh).await? {
                return Ok(());
            }
            fresh.truncate(window);
            self.known.extend(fresh.iter().map(|item| item.record.id));
            self.ready.extend(fresh);
            self.ready.sort_by_key(Item::place);
        }
        Ok(())
    }

    fn few_can_go(&self, now: Timestamp) -> bool {
        if self.paces.is_empty() || self.ready.len() >= HELD {
            return self.ready.len() < LOW_WATER;
        }
        let is_held = |item: &&Item| self.paces.full_until(item.record.address.domain(), now).is_some();
        self.ready.len() - self.ready.iter().filter(is_held).count() < LOW_WATER
    }

    /// The suppression list is read before each attempt: here, and again in the intent's commit. False
    /// when the page is out of date.
    async fn leave_out_suppressed(&mut self, fresh: &mut Vec<Item>) -> Result<bool, EngineError> {
        let keys: Vec<_> = fresh.iter().map(|item| item.record.address.key()).collect();
        let suppressed = self.engine.journal.suppressions(Some(&keys)).await?;
        if suppressed.is_empty() {
            return Ok(true);
        }
        let suppressed: BTreeSet<_> = suppressed.into_iter().map(|entry| entry.key).collect();
        let is_suppressed = |item: &Item| suppressed.contains(&item.record.address.key());
        let (out, keep): (Vec<Item>, Vec<Item>) = fresh.drain(..).partition(is_suppressed);
        *fresh = keep;
        let now = self.now();
        let settle = |item: &Item| {
            conclude::without_attempt(&self.run, &item.record, DeliveryState::Suppressed, None, now)
        };
        match self.engine.journal.settle(out.iter().map(settle).collect(), Urgency::Now).await {
            Err(JournalError::Stale { .. }) => {
                self.moved_elsewhere = true;
                return Ok(false);
            }
            settled => settled?,
        }
        for item in out {
            self.engine.events.tell(Event::Suppressed { address: item.record.address.to_string() });
        }
        Ok(true)
    }

    /// Gives up what is in memory of a delivery: the journal is read again.
    pub(super) fn forget(&mut self, delivery: DeliveryId) {
        self.known.remove(&delivery);
        self.dry_until = None;
    }

    pub(super) fn put_back(&mut self, item: Item) {
        let at = self.ready.partition_point(|other| other.place() < item.place());
        self.ready.insert(at, item);
    }

    pub(super) fn settle(&mut self, settlement: Settlement, then: Then) {
        let (journal, delivery) = (Arc::clone(&self.engine.journal), settlement.delivery);
        self.tasks.spawn(async move {
            let result = journal.settle(vec![settlement], Urgency::Now).await;
            Done::Settled { then, delivery, result }
        });
    }

    /// Leaves now. What came back is kept, what is on its way to the disk gets there, and the attempts
    /// in flight are given up: their intents are adopted as unknown by [`Engine::run`].
    async fn leave(&mut self) {
        for lane in self.links.iter_mut().flat_map(|link| &mut link.lanes) {
            if let Some(abort) = lane.open.as_mut().and_then(|open| open.abort.take()) {
                abort.abort();
            }
        }
        let settled = async {
            while let Some(done) = self.tasks.join_next().await {
                match done {
                    Err(lost) if lost.is_cancelled() => {}
                    done => self.take_in(done),
                }
            }
        };
        let _ = tokio::time::timeout(LEAVING, settled).await;
        self.tasks.shutdown().await;
    }
}
