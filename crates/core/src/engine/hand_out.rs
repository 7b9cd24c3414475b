//! Handing recipients out: who goes through which provider now, who waits, who is out of luck.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ahead::Next;
use super::attempt::{Attempt, Maker};
use super::conclude;
use super::event::Event;
use super::item::Item;
use super::link::{AttemptWatch, Gate, Link, OpenAttempt, Readiness};
use super::work::{Done, Then, Work};
use crate::journal::DeliveryState;
use crate::provider::{Parcel, ProviderName};
use crate::spare::spare_for;

/// So many quick rounds through the chain before a recipient waits by the retry times.
const QUICK_ROUNDS: u32 = 3;
/// The wait after them, where the user gave no retry times.
const SLOW_ROUND: SignedDuration = SignedDuration::from_mins(5);

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

impl Work<'_> {
    pub(super) fn hand_out(&mut self) {
        let now = self.now();
        self.looked_at = now;
        self.hand_out_ready(now);
        if self.take_back_waiting() {
            self.hand_out_ready(now);
        }
        self.look_ahead(now);
    }

    fn hand_out_ready(&mut self, now: Timestamp) {
        let mut index = 0;
        while index < self.ready.len() {
            match self.choose(&self.ready[index], now) {
                Choice::Take { link, .. } if self.links[link].gate == Gate::Closed => self.ask_for(link),
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

    /// Tells of hour and day windows that overflow to the next provider.
    pub(super) fn tell_full(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let (now, on_budget) = (self.now(), self.engine.policy.on_budget);
        for link in &mut self.links {
            if let Some((window, until)) = link.newly_full(on_budget, now) {
                let provider = link.name.clone();
                self.engine.events.tell(Event::BudgetFull { provider, window, until });
            }
        }
    }

    fn nobody_can_start(&self, now: Timestamp) -> bool {
        !self.links.iter().any(|link| matches!(self.readiness(link, now), Readiness::Ready { .. }))
    }

    pub(super) fn readiness(&self, link: &Link, now: Timestamp) -> Readiness {
        link.readiness(self.engine.policy.on_budget, now)
    }

    /// The links that can carry the message to this recipient, in the order in which it tries them: a
    /// recipient that was refused for now goes back to the same provider first, and a warm spare has its
    /// share of the others.
    pub(super) fn links_for<'a>(&'a self, item: &'a Item) -> impl Iterator<Item = (usize, &'a Link)> {
        let needs = self.engine.render.needs();
        let same = match item.record.transient_refusals {
            0 => self.spare_for(item),
            _ => item.record.provider.as_ref(),
        };
        let is_same = move |link: &Link| same == Some(&link.name);
        let links = || self.links.iter().enumerate();
        let first = links().filter(move |(_, link)| is_same(link));
        let others = links().filter(move |(_, link)| !is_same(link));
        first.chain(others).filter(move |(_, link)| link.fits(needs, item))
    }

    fn spare_for(&self, item: &Item) -> Option<&ProviderName> {
        let spares = &self.engine.policy.spares;
        let place = spare_for(item.record.position, item.record.tier, spares)?;
        spares.get(place).map(|spare| &spare.provider)
    }

    /// The first link, in order of fallback, that would take the recipient.
    fn choose(&self, item: &Item, now: Timestamp) -> Choice {
        if !item.is_due(now) {
            return Choice::Wait;
        }
        if self.paces.full_until(item.record.address.domain(), now).is_some() {
            return Choice::Nobody;
        }
        let (mut fits_somewhere, mut tried_and_usable, mut may_come) = (false, false, false);
        for (index, link) in self.links_for(item) {
            fits_somewhere = true;
            let readiness = self.readiness(link, now);
            if item.tried.contains(&link.name) {
                tried_and_usable |= !matches!(readiness, Readiness::SetAside { .. });
                continue;
            }
            match readiness {
                Readiness::Ready { places, is_probe } => {
                    return Choice::Take { link: index, places, is_probe };
                }
                Readiness::Busy { .. } => return Choice::Wait,
                // A rest or a window: it will be ready later.
                Readiness::Later { .. } => may_come = true,
                Readiness::SetAside { .. } => {}
            }
        }
        match (fits_somewhere, tried_and_usable) {
            (false, _) => Choice::NewRound,
            (true, true) if !may_come => Choice::NewRound,
            (true, _) => Choice::Nobody,
        }
    }

    fn take_batch(&mut self, index: usize, link: usize, places: u32, now: Timestamp) -> Vec<Item> {
        // Asked anew: a provider makes its requests smaller after one that was refused for somebody unnamed.
        let size = self.links[link].provider.capability().batch.min(places as usize).max(1);
        let mut items = vec![self.ready.remove(index)];
        let mut at = index;
        while items.len() < size && at < self.ready.len() {
            if self.is_held_back(&self.ready[at], &items, now) {
                // Nobody behind waits for its domain.
                at += 1;
                continue;
            }
            let choice = self.choose(&self.ready[at], now);
            if !matches!(choice, Choice::Take { link: chosen, is_probe: false, .. } if chosen == link) {
                break;
            }
            items.push(self.ready.remove(at));
        }
        items
    }

    /// Whether the pace of its domain has no place for a recipient beside those of the same request.
    fn is_held_back(&self, item: &Item, beside: &[Item], now: Timestamp) -> bool {
        let domain = item.record.address.domain();
        let Some(room) = self.paces.room(domain, now) else { return false };
        beside.iter().filter(|other| other.record.address.domain() == domain).count() >= room as usize
    }

    /// Whether this link takes the recipient now, in no other role than everybody's.
    pub(super) fn would_take(&self, item: &Item, index: usize, now: Timestamp) -> bool {
        self.links[index].gate == Gate::Open
            && matches!(self.choose(item, now), Choice::Take { link, is_probe: false, .. } if link == index)
    }

    fn start(&mut self, index: usize, items: Vec<Item>, is_probe: bool) {
        let lane = self.links[index].idle_lane().expect("a ready link has an idle lane");
        self.start_on(index, lane, items, is_probe, None);
    }

    /// Starts an attempt on an idle lane; `announced` is the parcel that the provider was told of.
    pub(super) fn start_on(
        &mut self,
        index: usize,
        lane_index: usize,
        items: Vec<Item>,
        is_probe: bool,
        announced: Option<Parcel>,
    ) {
        let link = &mut self.links[index];
        if is_probe {
            link.breaker.begin_probe();
        }
        let (watch, next) = (Arc::new(AttemptWatch::new(&link.silence)), Arc::<Next>::default());
        let attempt = Attempt {
            run: self.run.clone(),
            provider: Arc::clone(&link.provider),
            limits: link.limits,
            turns: Arc::clone(&link.turns),
            lane: lane_index,
            paces: items.iter().map(|item| self.paces.of(item.record.address.domain())).collect(),
            deliveries: items.iter().map(|item| (item.record.clone(), item.message.clone())).collect(),
            announced,
            next: Arc::clone(&next),
            watch: Arc::clone(&watch),
            prior: link.lanes[lane_index].prior.clone(),
            journal: Arc::clone(&self.engine.journal),
            maker: Maker {
                clock: Arc::clone(&self.engine.clock),
                entropy: Arc::clone(&self.engine.entropy),
                render: Arc::clone(&self.engine.render),
            },
            control: self.control.clone(),
            hour: Arc::clone(&self.hour),
            suspect_after: self.engine.policy.suspect_after,
        };
        let started_at = self.engine.clock.now();
        items.iter().for_each(|item| self.paces.begins(item.record.address.domain(), started_at));
        self.told_waiting = None;
        let abort = self.tasks.spawn(async move {
            Done::Attempt { link: index, lane: lane_index, made: attempt.make().await }
        });
        let open = OpenAttempt { abort: Some(abort), items, watch, started_at, is_probe, next };
        self.links[index].lanes[lane_index].open = Some(open);
    }

    /// The whole chain failed for this recipient: again soon, then by the retry times. Providers are to
    /// blame, so it is never refused for that: nobody is forgotten, and a chain that goes on failing is
    /// set aside by its breakers.
    fn new_round(&mut self, index: usize, now: Timestamp) {
        let mut item = self.ready.remove(index);
        if self.links_for(&item).next().is_none() {
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
        let rounds = item.record.attempts as usize / (QUICK_ROUNDS as usize * self.links.len()).max(1);
        let wait = waits.get(rounds.saturating_sub(1)).or(waits.last()).copied();
        let mut settlement =
            conclude::without_attempt(&self.run, &item.record, DeliveryState::Pending, None, now);
        settlement.not_before = Some(now + wait.map_or(SLOW_ROUND, crate::breaker::signed));
        self.settle(settlement, Then::Forget);
    }

    pub(super) fn refuse_unsent(&mut self, item: Item, reply: String, now: Timestamp) {
        let address = item.record.address.to_string();
        self.engine.events.tell(Event::Refused { provider: None, address, reply: reply.clone() });
        let refused =
            conclude::without_attempt(&self.run, &item.record, DeliveryState::Refused, Some(reply), now);
        self.settle(refused, Then::Forget);
    }
}
