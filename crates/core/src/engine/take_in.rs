//! Taking in what came back: what an outcome says of the provider, and what becomes of the recipient.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinError;

use super::Why;
use super::attempt::{Attempted, Made};
use super::conclude::{Ended, reply_of, settlement};
use super::event::Event;
use super::item::Item;
use super::link::OpenAttempt;
use super::prior::Prior;
use super::work::{Done, Then, Work};
use crate::journal::{AuditEntry, BACK, DeliveryState, SET_ASIDE, Settlement};
use crate::outcome::{Denied, Doubt, DoubtCause, Outcome, Refusal, Trouble};
use crate::policy::{History, Step, next_step};

impl Work<'_> {
    pub(super) fn take_in(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Attempt { link, lane, made }) => self.attempt_came_back(link, lane, made),
            Ok(Done::Settled { then, delivery, result }) => {
                match then {
                    Then::PutBack(item) if result.is_ok() => self.put_back(*item),
                    Then::LookUp(item, link) if result.is_ok() => {
                        self.forget(delivery);
                        self.look_up(*item, link);
                    }
                    _ => self.forget(delivery),
                }
                self.journal_answered(result);
            }
            Ok(Done::Answered(answered)) => self.answer_came(answered),
            Ok(Done::Saved(result)) => self.journal_answered(result),
            // Attempts catch panics themselves; what is left is a defect in this file.
            Err(lost) => self.over = Some(Why::JournalFailed(format!("a task was lost: {lost}"))),
        }
    }

    fn attempt_came_back(&mut self, link: usize, lane: usize, made: Vec<Made>) {
        let now = self.now();
        let open = self.links[link].lanes[lane].open.take().expect("the attempt was in flight on this lane");
        let had_intent = open.watch.intended.load(Ordering::Acquire);
        if let Some(at) = open.watch.intended_at() {
            self.links[link].used(open.items.len(), at);
        }
        for item in &open.items {
            self.paces.ended(item.record.address.domain(), open.watch.intended_at());
        }
        self.hear(link, &open, &made, now);
        let next = open.next.close();
        let (mut items, mut accepted) = (open.items, Vec::new());
        for made in made {
            let Some(place) = items.iter().position(|item| item.record.id == made.delivery) else { continue };
            let item = items.swap_remove(place);
            let facts = Facts { link, attempt: made.attempt, had_intent, started_at: open.started_at, now };
            accepted.extend(self.delivery_came_back(item, made, &facts));
        }
        if !accepted.is_empty() {
            // The yes joins the next commit of its lane; everything else is durable at once.
            let journal = Arc::clone(&self.engine.journal);
            self.links[link].lanes[lane].prior = Some(Prior::begin(journal, accepted));
        }
        if self.links[link].set_aside_if_silent(now) {
            self.tell_set_aside(link);
        }
        self.go_on(link, lane, next);
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
            // What was in flight when the breaker opened proves nothing: only the probe does.
            Some(Heard::Accepted | Heard::Answered) if was_open && !open.is_probe => {}
            Some(Heard::Accepted) => {
                link.worked_at = now;
                back = link.accepted();
            }
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
                self.write_down(index, BACK, String::new());
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
        let reason = self.links[index].breaker.opening().map(|opening| opening.reason.clone());
        self.write_down(index, SET_ASIDE, reason.unwrap_or_default());
        self.save_breaker(index);
    }

    /// A line in the run's audit, for the report: from when to when a provider was set aside.
    fn write_down(&mut self, index: usize, action: &str, reason: String) {
        let entry = AuditEntry {
            at: self.engine.clock.now(),
            run: Some(self.run.clone()),
            action: action.to_owned(),
            detail: format!("{}: {reason}", self.links[index].name),
        };
        let journal = Arc::clone(&self.engine.journal);
        self.tasks.spawn(async move { Done::Saved(journal.audit(entry).await) });
    }

    fn save_breaker(&mut self, index: usize) {
        let (journal, record) = (Arc::clone(&self.engine.journal), self.links[index].to_record());
        self.tasks.spawn(async move { Done::Saved(journal.save_breaker(record).await) });
    }

    /// The settlement of a yes, for the caller to make durable with its lane.
    fn delivery_came_back(&mut self, mut item: Item, made: Made, facts: &Facts) -> Option<Settlement> {
        item.message = item.message.or(made.message);
        let outcome = match made.outcome {
            Attempted::Outcome(outcome) => outcome,
            Attempted::CannotRender(reason) => {
                self.refuse_unsent(item, reason, facts.now);
                return None;
            }
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
        match settlement {
            Some(settlement) => self.follow(item, facts, &outcome, step, settlement),
            None => {
                self.as_before(item, facts, &outcome);
                None
            }
        }
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
        outcome: &Outcome,
        step: Step,
        settlement: Settlement,
    ) -> Option<Settlement> {
        let provider = self.links[facts.link].name.clone();
        // Every settlement moves the fence by one, and counts an attempt that had no intent.
        item.record.fence += 1;
        item.record.attempts += u32::from(!facts.had_intent);
        let then = match step {
            Step::Stop(DeliveryState::Accepted | DeliveryState::Written) => {
                self.known.remove(&item.record.id);
                return Some(settlement);
            }
            Step::TryNext { avoid } => {
                if !goes_again_at_once(outcome) {
                    item.tried.push(provider.clone());
                }
                if avoid {
                    item.record.avoid.push(provider);
                }
                Then::PutBack(Box::new(item))
            }
            Step::Resend => {
                item.tried.push(provider);
                Then::PutBack(Box::new(item))
            }
            Step::AsBefore(denied) => {
                self.denied(facts.link, &denied, facts.now);
                Then::PutBack(Box::new(item))
            }
            Step::AskPerson if self.can_be_looked_up(facts.link, outcome) => {
                Then::LookUp(Box::new(item), facts.link)
            }
            Step::Stop(_) | Step::RetryLater(_) | Step::AskPerson => Then::Forget,
        };
        self.settle(settlement, then);
        None
    }

    /// An unknown whose provider recognises a repeat: DELIVERY.md, "What each provider allows".
    fn can_be_looked_up(&self, link: usize, outcome: &Outcome) -> bool {
        let is_ours = matches!(outcome, Outcome::Unknown(Doubt { cause: DoubtCause::Interrupted, .. }));
        !is_ours && self.links[link].capability.idempotent_for.is_some()
    }

    /// Nothing was handed over and nothing is in the journal: the recipient is as before.
    fn as_before(&mut self, item: Item, facts: &Facts, outcome: &Outcome) {
        let Outcome::NotStarted(denied) = outcome else { return self.put_back(item) };
        match denied {
            // Another process moved or suppressed it, or another one of its batch: what the journal says
            // now counts.
            Denied::AlreadyTaken | Denied::Suppressed => self.forget(item.record.id),
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
            Denied::MirrorLost { reason } => {
                self.over.get_or_insert(Why::MirrorLost(reason.clone()));
            }
            // Stronger than any other end: nothing may be sent from here.
            Denied::TakenOver { by } => self.over = Some(Why::TakenOver(by.clone())),
            // Another process used the window: what the journal says of it is read again.
            Denied::BudgetSpent { until } => {
                self.links[link].denied_until = Some(*until).filter(|at| *at > now)
            }
            Denied::PaceSpent { domain, until } => self.paces.denied(domain, *until),
            Denied::Suppressed | Denied::AlreadyTaken | Denied::Interrupted => {}
        }
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
            Step::AsBefore(_) => return,
        };
        self.engine.events.tell(event);
    }
}

/// Left out of a request for the sake of another one in it: nothing is wrong with the recipient, nor with the
/// provider, which gets it again.
fn goes_again_at_once(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(Refusal { trouble: Some(Trouble::Throttled), retry_after: Some(wait), .. })
        if wait.is_zero())
}

/// Where and when an attempt was made.
struct Facts {
    link: usize,
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
