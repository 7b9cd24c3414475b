//! Silence, waiting, and the end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::control::Level;
use super::event::Event;
use super::item::Item;
use super::link::{Link, Readiness};
use super::work::Work;
use super::{EngineError, Why};

/// While waiting, look this often whether the run was cancelled elsewhere.
const POLL: Duration = Duration::from_secs(1);
/// A shorter wait is pace, not waiting: it is neither told nor a reason to end.
const PACE: SignedDuration = SignedDuration::from_secs(2);

/// When a recipient can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prospect {
    Now,
    At(Timestamp),
    /// Its providers are set aside, and nobody knows until when.
    Never,
}

impl Work<'_> {
    pub(super) fn watch_silence(&mut self) {
        let (suspect_after, now) = (self.engine.policy.suspect_after, Instant::now());
        for link in &mut self.links {
            let provider = link.name.clone();
            if link.notice_silence(suspect_after, now) {
                self.engine.events.tell(Event::Suspect { provider });
            } else if link.newly_trusted() {
                self.engine.events.tell(Event::Trusted { provider });
            }
        }
        self.give_up_silent();
        self.take_back_from_suspects();
    }

    /// Those at a silent provider whose intent was not asked for yet go to the next one at once, where there
    /// is one; the others keep their deadline.
    fn give_up_silent(&self) {
        let now = self.now();
        for (index, link) in self.links.iter().enumerate().filter(|(_, link)| link.silence.is_suspect()) {
            for open in link.lanes.iter().filter_map(|lane| lane.open.as_ref()) {
                if open.items.iter().all(|item| self.is_awaited_elsewhere(item, index, now)) {
                    open.watch.give_up_if_silent();
                }
            }
        }
    }

    /// Whether another link than `index` takes this recipient now, or as soon as a place is free.
    fn is_awaited_elsewhere(&self, item: &Item, index: usize, now: Timestamp) -> bool {
        let takes = |link: &Link| {
            matches!(self.readiness(link, now), Readiness::Ready { .. } | Readiness::Busy { .. })
        };
        let mut others = self.links_for(item).filter(|(other, _)| *other != index);
        others.any(|(_, other)| !item.tried.contains(&other.name) && takes(other))
    }

    pub(super) async fn one_event(&mut self) {
        let wake = self.wake_in();
        let mut control = self.control.clone();
        tokio::select! {
            // In this order, so that a simulation of one seed replays; the loop looks at the level each time.
            biased;
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

    /// How long to sleep when nothing happens.
    fn wake_in(&self) -> Duration {
        // What has become free since the last look is free now: it is judged as it was seen then.
        let (now, seen) = (self.now(), self.looked_at);
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let silences = self.links.iter().filter_map(|l| l.next_silence(self.engine.policy.suspect_after));
        let mut wake = silences.map(|at| at.saturating_duration_since(Instant::now())).min();
        let mut consider = |wait: Duration| wake = Some(wake.map_or(wait, |known| known.min(wait)));
        if self.takes_new() {
            for link in &self.links {
                match self.readiness(link, seen) {
                    Readiness::Busy { until: Some(at) } | Readiness::SetAside { until: Some(at) } => {
                        consider(until(at));
                    }
                    Readiness::Later { until: at, .. } => consider(until(at)),
                    _ => {}
                }
            }
            self.ready.iter().filter_map(|item| item.not_before).filter(|at| *at > seen).for_each(|at| {
                consider(until(at));
            });
            if let Some(at) = self.paces.next_room(seen) {
                consider(until(at));
            }
            if let Some(at) = self.dry_until.filter(|at| *at != Timestamp::MAX) {
                consider(until(at));
            }
        }
        // A millisecond more: waking just before the moment would only sleep again.
        wake.map_or(POLL, |wait| wait.min(POLL)) + Duration::from_millis(1)
    }

    /// Nothing is in flight: the end, or a wait that is told.
    pub(super) async fn end_or_wait(&mut self) -> Result<Option<(Why, Option<Timestamp>)>, EngineError> {
        // With others waiting nobody is at the end, and the pace need not wait for the disk.
        if self.ready.is_empty() {
            self.settle_priors().await;
        }
        if let Some(why) = self.over.take() {
            return Ok(Some((why, None)));
        }
        if self.control.level() != Level::Run {
            return Ok(Some((Why::Interrupted, None)));
        }
        let now = self.now();
        let totals = self.engine.journal.totals(&self.run).await?;
        if totals.pending == 0 {
            let why = if self.is_cancelled().await? { Why::Cancelled } else { Why::Done };
            return Ok(Some((why, None)));
        }
        if let Some(end) = self.nobody_trusted(now) {
            return Ok(Some(end));
        }
        let Some(until) = self.goes_on_at(now) else { return Ok(None) };
        if until.duration_since(now) <= PACE {
            return Ok(None);
        }
        if self.engine.policy.no_wait {
            return Ok(Some((Why::WouldWait, Some(until))));
        }
        if self.told_waiting != Some(until) {
            self.told_waiting = Some(until);
            self.engine.events.tell(Event::Waiting { until, pending: totals.pending });
        }
        Ok(None)
    }

    /// Every provider of the route that could carry what is pending is set aside.
    fn nobody_trusted(&self, now: Timestamp) -> Option<(Why, Option<Timestamp>)> {
        let needs = self.engine.render.needs();
        let could = |link: &Link| self.ready.is_empty() || self.ready.iter().any(|i| link.fits(needs, i));
        let mut soonest: Option<Timestamp> = None;
        for link in self.links.iter().filter(|link| could(link)) {
            let Readiness::SetAside { until } = self.readiness(link, now) else { return None };
            soonest = soonest.into_iter().chain(until).min();
        }
        let is_aside = |link: &&Link| matches!(self.readiness(link, now), Readiness::SetAside { .. });
        let aside = self.links.iter().filter(is_aside);
        let reasons = aside.map(|link| (link.name.to_string(), link.reason())).collect();
        Some((Why::NoProvider(reasons), soonest))
    }

    /// When something can be sent again; `None` when that is now, or to be seen at the next look.
    fn goes_on_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        let soonest = self.ready.iter().map(|item| self.prospect(item, now)).min();
        let dry_until = self.dry_until.filter(|at| *at != Timestamp::MAX);
        match soonest {
            Some(Prospect::Now) => None,
            Some(Prospect::At(at)) => dry_until.into_iter().chain([at]).min().filter(|at| *at > now),
            Some(Prospect::Never) | None => {
                // Nothing is known to come: what the journal says next decides.
                if dry_until.is_none() {
                    self.dry_until = None;
                }
                dry_until.filter(|at| *at > now)
            }
        }
    }

    fn prospect(&self, item: &Item, now: Timestamp) -> Prospect {
        if let Some(at) = item.not_before.filter(|at| *at > now) {
            return Prospect::At(at);
        }
        if let Some(at) = self.paces.full_until(item.record.address.domain(), now) {
            return Prospect::At(at);
        }
        let mut soonest = Prospect::Never;
        for (_, link) in self.links_for(item) {
            let is_tried = item.tried.contains(&link.name);
            let at = match self.readiness(link, now) {
                // A tried one counts when it was set aside meanwhile: its probe opens a new round.
                Readiness::SetAside { until } => until.map_or(Prospect::Never, Prospect::At),
                _ if is_tried => continue,
                Readiness::Ready { .. } | Readiness::Busy { until: None } => return Prospect::Now,
                Readiness::Busy { until: Some(until) } => return soonest.min(Prospect::At(until)),
                Readiness::Later { until, .. } => Prospect::At(until),
            };
            soonest = soonest.min(at);
        }
        soonest
    }
}
