//! The engine's loop: refill from the journal, hand out to lanes, take in what came back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::attempt::{Attempt, Attempted, Made};
use super::conclude::{self, Ended, reply_of, settlement};
use super::control::{Control, Level};
use super::event::Event;
use super::item::Item;
use super::link::{AttemptWatch, Link, OpenAttempt, Readiness};
use super::{Engine, EngineError, Why};
use crate::journal::{DeliveryId, DeliveryState, JournalError, RunId, Settlement, Urgency};
use crate::outcome::{Denied, Doubt, DoubtCause, Outcome, Refusal, Trouble};
use crate::policy::{History, Step, next_step};

/// So many pending deliveries are kept in memory at the most.
const WINDOW: usize = 512;
/// Refill when fewer than this many are ready.
const LOW_WATER: usize = 128;
/// While waiting, look this often whether the run was cancelled elsewhere.
const POLL: Duration = Duration::from_secs(1);
/// So many quick rounds through the chain before a recipient waits by the retry times.
const QUICK_ROUNDS: u32 = 3;

pub(super) struct Work<'e> {
    engine: &'e Engine,
    run: RunId,
    control: Control,
    links: Vec<Link>,
    /// Pending, in memory, in order of (tier, position).
    ready: Vec<Item>,
    /// Everything of this run in memory or in flight.
    known: BTreeSet<DeliveryId>,
    tasks: JoinSet<Done>,
    /// A suspect provider answered.
    answered: Arc<Notify>,
    /// The journal has nothing more that is due before this moment.
    dry_until: Option<Timestamp>,
    over: Option<Why>,
    told_waiting: Option<Timestamp>,
    draining_told: bool,
}

/// A task came to its end.
enum Done {
    Attempt { link: usize, lane: usize, made: Vec<Made> },
    Settled { item: Option<Box<Item>>, delivery: DeliveryId, result: Result<(), JournalError> },
    Saved(Result<(), JournalError>),
}

impl<'e> Work<'e> {
    pub(super) async fn begin(engine: &'e Engine, run: RunId, control: Control) -> Result<Self, EngineError> {
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
        Ok(Self {
            engine,
            run,
            control,
            links,
            ready: Vec::new(),
            known: BTreeSet::new(),
            tasks: JoinSet::new(),
            answered,
            dry_until: None,
            over: None,
            told_waiting: None,
            draining_told: false,
        })
    }

    /// Works until nobody is pending, or it must stop.
    pub(super) async fn until_over(&mut self) -> Result<(Why, Option<Timestamp>), EngineError> {
        loop {
            if self.control.level() == Level::Leave {
                self.leave().await;
                return Ok((Why::Interrupted, None));
            }
            self.watch_silence();
            if self.takes_new() {
                self.refill().await?;
                self.hand_out();
                self.tell_full_windows();
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
        for link in &mut self.links {
            for lane in &mut link.lanes {
                if let Some(prior) = lane.prior.take() {
                    let _ = prior.await;
                }
            }
        }
        let closing = self.links.iter().map(|link| link.provider.close());
        futures_util::future::join_all(closing).await;
    }

    fn takes_new(&self) -> bool {
        self.over.is_none() && self.control.level() == Level::Run
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    // ---- Taking recipients from the journal.

    async fn refill(&mut self) -> Result<(), EngineError> {
        let now = self.now();
        if self.ready.len() >= LOW_WATER || self.dry_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        let page = self.engine.journal.due(&self.run, now, WINDOW + self.known.len()).await?;
        let mut fresh: Vec<Item> =
            page.into_iter().filter(|record| !self.known.contains(&record.id)).map(Item::new).collect();
        self.leave_out_suppressed(&mut fresh).await?;
        if fresh.is_empty() {
            let next = self.engine.journal.next_due(&self.run, now).await?;
            self.dry_until = Some(next.unwrap_or(Timestamp::MAX));
            return Ok(());
        }
        fresh.truncate(WINDOW);
        self.known.extend(fresh.iter().map(|item| item.record.id));
        self.ready.extend(fresh);
        self.ready.sort_by_key(Item::place);
        Ok(())
    }

    /// The suppression list is read before each attempt: here, and again in the intent's commit.
    async fn leave_out_suppressed(&mut self, fresh: &mut Vec<Item>) -> Result<(), EngineError> {
        let keys: Vec<_> = fresh.iter().map(|item| item.record.address.key()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let suppressed = self.engine.journal.suppressions(Some(&keys)).await?;
        if suppressed.is_empty() {
            return Ok(());
        }
        let is_suppressed =
            |item: &Item| suppressed.iter().any(|entry| entry.key == item.record.address.key());
        let (out, keep): (Vec<Item>, Vec<Item>) = fresh.drain(..).partition(is_suppressed);
        *fresh = keep;
        let now = self.now();
        let settle = |item: &Item| {
            conclude::without_attempt(&self.run, &item.record, DeliveryState::Suppressed, None, now)
        };
        self.engine.journal.settle(out.iter().map(settle).collect(), Urgency::Now).await?;
        for item in out {
            self.engine.events.tell(Event::Suppressed { address: item.record.address.to_string() });
        }
        Ok(())
    }

    // ---- Handing out to lanes.

    fn hand_out(&mut self) {
        let now = self.now();
        let mut index = 0;
        while index < self.ready.len() {
            match self.choose(&self.ready[index], now) {
                Choice::Take { link, places, is_probe } => {
                    let items = self.take_batch(index, link, places, now);
                    self.start(link, items, is_probe);
                }
                Choice::NewRound => {
                    self.new_round(index, now);
                }
                // All lanes of a provider that everybody waits for are busy: nobody behind fares better,
                // unless an earlier failure sends one elsewhere.
                Choice::Wait if self.nobody_can_start(now) => return,
                Choice::Wait | Choice::Nobody => index += 1,
            }
        }
    }

    /// Says once that an hour or day window is full, when there is still somebody to send to.
    fn tell_full_windows(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let now = self.now();
        for link in &mut self.links {
            if let Readiness::Later { until, full: Some(window) } =
                link.readiness(self.engine.policy.on_budget, now)
                && link.told_full.replace(window) != Some(window)
            {
                let provider = link.name.clone();
                self.engine.events.tell(Event::BudgetFull { provider, window, until });
            }
        }
    }

    fn nobody_can_start(&self, now: Timestamp) -> bool {
        let on_budget = self.engine.policy.on_budget;
        !self.links.iter().any(|link| matches!(link.readiness(on_budget, now), Readiness::Ready { .. }))
    }

    /// The first link, in order of fallback, that would take the recipient.
    fn choose(&self, item: &Item, now: Timestamp) -> Choice {
        if !item.is_due(now) {
            return Choice::Wait;
        }
        let needs = self.engine.render.needs();
        let (mut fits_somewhere, mut tried_and_usable) = (false, false);
        for (index, link) in self.links.iter().enumerate() {
            if !link.fits(needs, item) {
                continue;
            }
            fits_somewhere = true;
            let readiness = link.readiness(self.engine.policy.on_budget, now);
            if item.tried.contains(&link.name) {
                tried_and_usable |= !matches!(readiness, Readiness::SetAside { .. });
                continue;
            }
            match readiness {
                Readiness::Ready { places, is_probe } => {
                    return Choice::Take { link: index, places, is_probe };
                }
                Readiness::Busy { .. } => return Choice::Wait,
                Readiness::Later { .. } | Readiness::SetAside { .. } => {}
            }
        }
        match (fits_somewhere, tried_and_usable) {
            (false, _) => Choice::NewRound,
            (true, true) if !self.someone_else_may_come(item, now) => Choice::NewRound,
            (true, _) => Choice::Nobody,
        }
    }

    /// Whether a link that was not tried in this round will be ready later (a rest or a window).
    fn someone_else_may_come(&self, item: &Item, now: Timestamp) -> bool {
        let needs = self.engine.render.needs();
        let untried = self.links.iter().filter(|l| l.fits(needs, item) && !item.tried.contains(&l.name));
        let on_budget = self.engine.policy.on_budget;
        untried.into_iter().any(|link| matches!(link.readiness(on_budget, now), Readiness::Later { .. }))
    }

    fn take_batch(&mut self, index: usize, link: usize, places: u32, now: Timestamp) -> Vec<Item> {
        let size = self.links[link].capability.batch.min(places as usize).max(1);
        let mut items = vec![self.ready.remove(index)];
        while items.len() < size && index < self.ready.len() {
            let fits = matches!(
                self.choose(&self.ready[index], now),
                Choice::Take { link: chosen, is_probe: false, .. } if chosen == link
            );
            if !fits {
                break;
            }
            items.push(self.ready.remove(index));
        }
        items
    }

    fn start(&mut self, index: usize, items: Vec<Item>, is_probe: bool) {
        let link = &mut self.links[index];
        let lane_index = link.idle_lane().expect("a ready link has an idle lane");
        if is_probe {
            link.breaker.begin_probe();
        }
        link.told_full = None;
        let watch = Arc::new(AttemptWatch::new(&link.silence));
        let attempt = Attempt {
            run: self.run.clone(),
            provider: Arc::clone(&link.provider),
            limits: link.limits,
            lane: lane_index,
            deliveries: items.iter().map(|item| (item.record.clone(), item.message.clone())).collect(),
            watch: Arc::clone(&watch),
            prior: link.lanes[lane_index].prior.take(),
            journal: Arc::clone(&self.engine.journal),
            clock: Arc::clone(&self.engine.clock),
            entropy: Arc::clone(&self.engine.entropy),
            render: Arc::clone(&self.engine.render),
            control: self.control.clone(),
        };
        let started_at = self.engine.clock.now();
        link.lanes[lane_index].open = Some(OpenAttempt { items, watch, started_at, is_probe });
        self.told_waiting = None;
        self.tasks.spawn(async move {
            Done::Attempt { link: index, lane: lane_index, made: attempt.make().await }
        });
    }

    /// The whole chain failed for this recipient: again soon, then by the retry times, then refused.
    fn new_round(&mut self, index: usize, now: Timestamp) {
        let mut item = self.ready.remove(index);
        let needs = self.engine.render.needs();
        if !self.links.iter().any(|link| link.fits(needs, &item)) {
            let reply = "no provider of the route can carry this message".to_owned();
            return self.refuse_unsent(item, reply, now);
        }
        item.tried.clear();
        item.rounds += 1;
        if item.rounds < QUICK_ROUNDS {
            item.not_before = Some(now + SignedDuration::from_secs(1));
            self.put_back(item);
            return;
        }
        let waits = &self.engine.policy.transient;
        let Some(wait) = waits.get(item.record.transient_refusals as usize).copied() else {
            return self.refuse_unsent(item, "every provider of the route refused it".to_owned(), now);
        };
        let mut settlement =
            conclude::without_attempt(&self.run, &item.record, DeliveryState::Pending, None, now);
        settlement.not_before = Some(now + crate::breaker::signed(wait));
        settlement.transient = true;
        self.settle(settlement, None);
    }

    fn refuse_unsent(&mut self, item: Item, reply: String, now: Timestamp) {
        let address = item.record.address.to_string();
        self.engine.events.tell(Event::Refused { provider: None, address, reply: reply.clone() });
        let refused =
            conclude::without_attempt(&self.run, &item.record, DeliveryState::Refused, Some(reply), now);
        self.settle(refused, None);
    }

    fn put_back(&mut self, item: Item) {
        let at = self.ready.partition_point(|other| other.place() < item.place());
        self.ready.insert(at, item);
    }

    // ---- Taking in what came back.

    async fn one_event(&mut self) {
        let wake = self.wake_in();
        let mut control = self.control.clone();
        tokio::select! {
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.take_in(done),
            () = control.risen() => self.tell_draining(),
            () = self.answered.notified() => {}
            () = tokio::time::sleep(wake) => {}
        }
        self.control = control;
    }

    fn tell_draining(&mut self) {
        if self.control.level() != Level::Run && !std::mem::replace(&mut self.draining_told, true) {
            let in_flight = self.links.iter().map(Link::in_flight).sum::<usize>() as u64;
            self.engine.events.tell(Event::Draining { in_flight });
        }
    }

    fn take_in(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Attempt { link, lane, made }) => self.attempt_came_back(link, lane, made),
            Ok(Done::Settled { item, delivery, result }) => {
                match item {
                    Some(item) if result.is_ok() => self.put_back(*item),
                    _ => {
                        self.known.remove(&delivery);
                        self.dry_until = None;
                    }
                }
                self.journal_answered(result);
            }
            Ok(Done::Saved(result)) => self.journal_answered(result),
            // Attempts catch panics themselves; what is left is a defect in this file.
            Err(lost) => self.over = Some(Why::JournalFailed(format!("a task was lost: {lost}"))),
        }
    }

    fn journal_answered(&mut self, result: Result<(), JournalError>) {
        if let Err(error) = result {
            tracing::error!(%error, "the journal failed");
            self.over.get_or_insert(Why::JournalFailed(error.to_string()));
        }
    }

    fn attempt_came_back(&mut self, link: usize, lane: usize, made: Vec<Made>) {
        let now = self.now();
        let open = self.links[link].lanes[lane].open.take().expect("the attempt was in flight on this lane");
        let had_intent = open.watch.intended.load(Ordering::Acquire);
        if had_intent {
            self.links[link].used(open.items.len(), now);
        }
        self.hear(link, &open, &made, now);
        let mut items = open.items;
        for made in made {
            let Some(place) = items.iter().position(|item| item.record.id == made.delivery) else { continue };
            let item = items.swap_remove(place);
            let facts =
                Facts { link, lane, attempt: made.attempt, had_intent, started_at: open.started_at, now };
            self.delivery_came_back(item, made, &facts);
        }
        if self.links[link].set_aside_if_silent(now) {
            self.tell_set_aside(link);
        }
    }

    /// What the attempt says of the provider: breaker, rest, silence.
    fn hear(&mut self, index: usize, open: &OpenAttempt, made: &[Made], now: Timestamp) {
        let suspect_after = self.engine.policy.suspect_after;
        let link = &mut self.links[index];
        let answered = open.watch.answered_once.load(Ordering::Acquire);
        let mut worst = None;
        for made in made {
            if let Attempted::Outcome(outcome) = &made.outcome {
                worst = worst.max(Some(Heard::of(outcome)));
            }
        }
        let was_open = link.breaker.opening().is_some();
        let mut back = false;
        match worst {
            Some(Heard::Accepted) => back = link.accepted(),
            Some(Heard::Answered) => link.breaker.answered(now),
            Some(Heard::Unknown(reason)) => {
                link.breaker.unknown(&reason, now);
            }
            Some(Heard::Failed(Trouble::Throttled, retry_after, reply)) => {
                let until = link.rest(retry_after, now);
                let provider = link.name.clone();
                self.engine.events.tell(Event::Resting { provider, until, reply });
                self.save_breaker(index);
            }
            Some(Heard::Failed(trouble, _, reply)) => {
                link.breaker.failed(trouble, &reply, now);
                if matches!(trouble, Trouble::Unreachable | Trouble::Tls) {
                    link.attempt_ended(answered, open.started_at, suspect_after, now);
                }
            }
            Some(Heard::Nothing) | None if open.is_probe => link.breaker.probe_withdrawn(now),
            Some(Heard::Nothing) | None => {}
        }
        let is_open = self.links[index].breaker.opening().is_some();
        match (was_open, is_open) {
            (false, true) => self.tell_set_aside(index),
            (true, true) => self.save_breaker(index),
            (true, false) => {
                debug_assert!(back);
                self.engine.events.tell(Event::Back { provider: self.links[index].name.clone() });
                self.save_breaker(index);
            }
            (false, false) => {}
        }
    }

    fn tell_set_aside(&mut self, index: usize) {
        let link = &self.links[index];
        if let Some(opening) = link.breaker.opening() {
            self.engine.events.tell(Event::SetAside {
                provider: link.name.clone(),
                since: opening.since,
                reason: opening.reason.clone(),
                trouble: opening.trouble,
            });
        }
        self.save_breaker(index);
    }

    fn save_breaker(&mut self, index: usize) {
        let (journal, record) = (Arc::clone(&self.engine.journal), self.links[index].to_record());
        self.tasks.spawn(async move { Done::Saved(journal.save_breaker(record).await) });
    }

    fn delivery_came_back(&mut self, mut item: Item, made: Made, facts: &Facts) {
        item.message = item.message.or(made.message);
        let outcome = match made.outcome {
            Attempted::Outcome(outcome) => outcome,
            Attempted::CannotRender(reason) => return self.refuse_unsent(item, reason, facts.now),
        };
        if facts.had_intent {
            item.record.fence += 1;
            item.record.attempts += 1;
        }
        let step = next_step(&outcome, self.history(&item, facts.link), &self.engine.policy);
        let ended = Ended {
            run: &self.run,
            record: &item.record,
            provider: &self.links[facts.link].name,
            attempt: facts.attempt,
            had_intent: facts.had_intent,
            started_at: facts.started_at,
            now: facts.now,
        };
        let settlement = settlement(&ended, &outcome, &step);
        self.tell_outcome(&item, facts.link, &outcome, &step, settlement.as_ref());
        self.follow(item, facts, outcome, step, settlement);
    }

    fn history(&self, item: &Item, link: usize) -> History {
        let needs = self.engine.render.needs();
        let mut others = self.links.iter().enumerate().filter(|(index, _)| *index != link);
        History {
            transient_refusals: item.record.transient_refusals,
            message_refusals: u32::try_from(item.record.avoid.len()).unwrap_or(u32::MAX),
            another_fits: others.any(|(_, other)| other.fits(needs, item)),
        }
    }

    fn follow(
        &mut self,
        mut item: Item,
        facts: &Facts,
        outcome: Outcome,
        step: Step,
        settlement: Option<Settlement>,
    ) {
        let provider = self.links[facts.link].name.clone();
        let Some(settlement) = settlement else { return self.as_before(item, facts, &outcome) };
        match step {
            // The yes joins the next commit of its lane; everything else is durable at once.
            Step::Stop(DeliveryState::Accepted | DeliveryState::Written) => {
                self.known.remove(&item.record.id);
                let journal = Arc::clone(&self.engine.journal);
                let settled = async move { journal.settle(vec![settlement], Urgency::Soon).await };
                self.links[facts.link].lanes[facts.lane].prior = Some(tokio::spawn(settled));
            }
            Step::TryNext { avoid } => {
                item.record.fence += 1;
                item.tried.push(provider.clone());
                if avoid {
                    item.record.avoid.push(provider);
                }
                self.settle(settlement, Some(item));
            }
            Step::Resend => {
                item.record.fence += 1;
                item.tried.push(provider);
                self.settle(settlement, Some(item));
            }
            Step::AsBefore(denied) if settlement.to == DeliveryState::Pending => {
                item.record.fence += 1;
                self.denied(facts.link, &denied, facts.now);
                self.settle(settlement, Some(item));
            }
            Step::Stop(_) | Step::RetryLater(_) | Step::AskPerson | Step::AsBefore(_) => {
                self.settle(settlement, None);
            }
        }
    }

    /// Nothing was handed over and nothing is in the journal: the recipient is as before.
    fn as_before(&mut self, item: Item, facts: &Facts, outcome: &Outcome) {
        let Outcome::NotStarted(denied) = outcome else { return self.put_back(item) };
        match denied {
            // Another process moved it: what the journal says now counts.
            Denied::AlreadyTaken => {
                self.known.remove(&item.record.id);
                self.dry_until = None;
            }
            _ => self.put_back(item),
        }
        self.denied(facts.link, denied, facts.now);
    }

    fn denied(&mut self, link: usize, denied: &Denied, now: Timestamp) {
        match denied {
            Denied::Cancelled => self.over = Some(Why::Cancelled),
            Denied::JournalFailed { reason } => {
                self.over.get_or_insert(Why::JournalFailed(reason.clone()));
            }
            // Another process used the window: rest as long as the journal says.
            Denied::BudgetSpent { until } => {
                let link = &mut self.links[link];
                link.resting_until = link.resting_until.max(Some(*until)).filter(|until| *until > now);
            }
            Denied::Suppressed | Denied::AlreadyTaken | Denied::Interrupted => {}
        }
    }

    fn settle(&mut self, settlement: Settlement, item: Option<Item>) {
        let (journal, delivery) = (Arc::clone(&self.engine.journal), settlement.delivery);
        self.tasks.spawn(async move {
            let result = journal.settle(vec![settlement], Urgency::Now).await;
            Done::Settled { item: item.map(Box::new), delivery, result }
        });
    }

    fn tell_outcome(
        &self,
        item: &Item,
        link: usize,
        outcome: &Outcome,
        step: &Step,
        settlement: Option<&Settlement>,
    ) {
        let (provider, address) = (self.links[link].name.clone(), item.record.address.to_string());
        let reply = reply_of(outcome).to_owned();
        let event = match step {
            Step::Stop(DeliveryState::Accepted) => Event::Accepted { provider, address },
            Step::Stop(DeliveryState::Written) => Event::Written { address },
            Step::Stop(DeliveryState::Held) => Event::Held { provider, address, reply },
            Step::Stop(_) => Event::Refused { provider: Some(provider), address, reply },
            Step::TryNext { .. } => Event::MovedOn { provider, address, reply },
            Step::RetryLater(_) => {
                let at = settlement.and_then(|s| s.not_before).unwrap_or_else(|| self.now());
                Event::WillRetry { provider, address, at, reply }
            }
            Step::AskPerson | Step::Resend => Event::Unknown { provider, address, detail: reply },
            Step::AsBefore(Denied::Suppressed) => Event::Suppressed { address },
            Step::AsBefore(_) => return,
        };
        self.engine.events.tell(event);
    }

    // ---- Silence, waiting, ending.

    fn watch_silence(&mut self) {
        let (suspect_after, now) = (self.engine.policy.suspect_after, Instant::now());
        for link in &self.links {
            let was_suspect = link.silence.is_suspect();
            if link.notice_silence(suspect_after, now) && !was_suspect {
                self.engine.events.tell(Event::Suspect { provider: link.name.clone() });
            }
        }
    }

    /// How long to sleep when nothing happens.
    fn wake_in(&self) -> Duration {
        let now = self.now();
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let silences = self.links.iter().filter_map(|l| l.next_silence(self.engine.policy.suspect_after));
        let mut wake = silences.map(|at| at.saturating_duration_since(Instant::now())).min();
        let mut consider = |wait: Duration| wake = Some(wake.map_or(wait, |known| known.min(wait)));
        if self.takes_new() {
            for link in &self.links {
                match link.readiness(self.engine.policy.on_budget, now) {
                    Readiness::Busy { until: Some(at) } | Readiness::SetAside { until: Some(at) } => {
                        consider(until(at));
                    }
                    Readiness::Later { until: at, .. } => consider(until(at)),
                    _ => {}
                }
            }
            self.ready.iter().filter_map(|item| item.not_before).filter(|at| *at > now).for_each(|at| {
                consider(until(at));
            });
            if let Some(at) = self.dry_until.filter(|at| *at != Timestamp::MAX) {
                consider(until(at));
            }
        }
        // A millisecond more: waking just before the moment would only sleep again.
        wake.map_or(POLL, |wait| wait.min(POLL)) + Duration::from_millis(1)
    }

    /// Outcomes still on their way to the disk would be counted as pending: waits for them. True when
    /// one could not be written.
    async fn wait_for_priors(&mut self) -> bool {
        let lanes = self.links.iter_mut().flat_map(|link| &mut link.lanes);
        let priors: Vec<_> = lanes.filter_map(|lane| lane.prior.take()).collect();
        for prior in priors {
            match prior.await {
                Ok(result) => self.journal_answered(result),
                Err(lost) => {
                    self.over.get_or_insert(Why::JournalFailed(format!("a task was lost: {lost}")));
                }
            }
        }
        self.over.is_some()
    }

    /// Nothing is in flight: the end, or a wait that is told.
    async fn end_or_wait(&mut self) -> Result<Option<(Why, Option<Timestamp>)>, EngineError> {
        if let Some(why) = self.over.take() {
            return Ok(Some((why, None)));
        }
        if self.control.level() != Level::Run {
            return Ok(Some((Why::Interrupted, None)));
        }
        if self.wait_for_priors().await {
            return Ok(None);
        }
        let now = self.now();
        let totals = self.engine.journal.totals(&self.run).await?;
        if totals.pending == 0 {
            return Ok(Some((self.done_or_cancelled().await?, None)));
        }
        if let Some(end) = self.nobody_trusted(now) {
            return Ok(Some(end));
        }
        let Some(until) = self.goes_on_at(now) else { return Ok(None) };
        if self.engine.policy.no_wait {
            return Ok(Some((Why::WouldWait, Some(until))));
        }
        let is_long = until.duration_since(now) > SignedDuration::from_secs(2);
        if is_long && self.told_waiting != Some(until) {
            self.told_waiting = Some(until);
            self.engine.events.tell(Event::Waiting { until, pending: totals.pending });
        }
        Ok(None)
    }

    async fn done_or_cancelled(&self) -> Result<Why, EngineError> {
        let record = self.engine.journal.run(&self.run).await?;
        let cancelled = record.is_some_and(|record| record.state == crate::journal::RunState::Cancelled);
        Ok(if cancelled { Why::Cancelled } else { Why::Done })
    }

    /// Every provider of the route is set aside.
    fn nobody_trusted(&self, now: Timestamp) -> Option<(Why, Option<Timestamp>)> {
        let mut reasons = Vec::new();
        let mut soonest: Option<Timestamp> = None;
        for link in &self.links {
            let Readiness::SetAside { until } = link.readiness(self.engine.policy.on_budget, now) else {
                return None;
            };
            let reason = link.breaker.opening().map_or("no answer", |opening| &opening.reason);
            reasons.push((link.name.to_string(), reason.to_owned()));
            soonest = soonest.into_iter().chain(until).min();
        }
        Some((Why::NoProvider(reasons), soonest))
    }

    /// When something can be sent again; `None` when that is now.
    fn goes_on_at(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.ready.iter().any(|item| item.is_due(now));
        if !due {
            let in_memory = self.ready.iter().filter_map(|item| item.not_before).min();
            let in_journal = self.dry_until.filter(|at| *at != Timestamp::MAX);
            return in_memory.into_iter().chain(in_journal).min().filter(|at| *at > now);
        }
        let on_budget = self.engine.policy.on_budget;
        let mut soonest: Option<Timestamp> = None;
        for link in &self.links {
            let at = match link.readiness(on_budget, now) {
                Readiness::Ready { .. } | Readiness::Busy { until: None } => return None,
                Readiness::Busy { until: Some(at) } | Readiness::Later { until: at, .. } => Some(at),
                Readiness::SetAside { until } => until,
            };
            soonest = soonest.into_iter().chain(at).min();
        }
        soonest
    }

    /// Leaves now: what has a durable intent is unknown, the rest is as before.
    async fn leave(&mut self) {
        self.tasks.abort_all();
        let now = self.now();
        let mut settlements = Vec::new();
        for link in &mut self.links {
            for open in link.lanes.iter_mut().filter_map(|lane| lane.open.take()) {
                if !open.watch.intended.load(Ordering::Acquire) {
                    continue;
                }
                for item in open.items {
                    let reply = Some("interrupted before an answer came".to_owned());
                    let mut unknown = conclude::without_attempt(
                        &self.run,
                        &item.record,
                        DeliveryState::Unknown,
                        reply,
                        now,
                    );
                    unknown.from = DeliveryState::Intent;
                    unknown.fence += 1;
                    settlements.push(unknown);
                }
            }
        }
        // Best effort: whatever is not settled here is an orphan, and unknown at the next resume.
        let settled = self.engine.journal.settle(settlements, Urgency::Now);
        let _ = tokio::time::timeout(Duration::from_secs(2), settled).await;
    }
}

/// What the loop does with one recipient.
enum Choice {
    /// Hand it to this link.
    Take { link: usize, places: u32, is_probe: bool },
    /// The first link that fits is busy: wait for it.
    Wait,
    /// No link takes it now.
    Nobody,
    /// Every link failed for it (or none can carry it).
    NewRound,
}

/// Where and when an attempt was made.
struct Facts {
    link: usize,
    lane: usize,
    attempt: uuid::Uuid,
    had_intent: bool,
    started_at: Timestamp,
    now: Timestamp,
}

/// What an outcome says of the provider itself; the order says which of a batch counts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Nothing,
    Answered,
    Accepted,
    Failed(Trouble, Option<Duration>, String),
    Unknown(String),
}

impl Heard {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted(_) | Outcome::Written(_) => Self::Accepted,
            Outcome::Refused(Refusal { trouble: Some(trouble), retry_after, reply, .. }) => {
                Self::Failed(*trouble, *retry_after, reply.clone())
            }
            Outcome::Refused(_) | Outcome::Held(_) => Self::Answered,
            Outcome::Unknown(Doubt { cause: DoubtCause::Interrupted, .. }) | Outcome::NotStarted(_) => {
                Self::Nothing
            }
            Outcome::Unknown(doubt) => Self::Unknown(doubt.detail.clone()),
        }
    }
}
