//! What follows an outcome: the table of DELIVERY.md, as one pure, total function.

use std::time::Duration;

use crate::breaker::BreakerPolicy;
use crate::journal::DeliveryState;
use crate::outcome::{Blame, Denied, Outcome, Persistence, Refusal};
use crate::spare::Spare;

/// The user's choices for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The waits after transient refusals; when they are used up the recipient is refused.
    pub transient: Vec<Duration>,
    /// Silence of this length makes a provider suspect.
    pub suspect_after: Duration,
    /// When a provider is set aside.
    pub breaker: BreakerPolicy,
    /// What to do with an unknown recipient.
    pub on_unknown: OnUnknown,
    /// What to do when an hour or day window is full.
    pub on_budget: OnBudget,
    /// End with recipients pending rather than wait.
    pub no_wait: bool,
    /// Providers that take their share of the run, wherever they stand in the chain.
    pub spares: Vec<Spare>,
    /// A run of which nothing was sent by then is not begun any more: its hour has passed.
    pub not_after: Option<jiff::Timestamp>,
    /// How many messages a receiving domain may be given, by domain ([`crate::budget::DomainPace`]).
    pub pace: std::collections::BTreeMap<String, crate::budget::Limits>,
}

/// What to do with an unknown recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// At most once: a person decides.
    Hold,
    /// At least once: send again, through whoever is next.
    Resend,
}

/// What to do when an hour or day window is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBudget {
    /// Go on with the next provider.
    Next,
    /// Wait for the window.
    Wait,
}

/// What a delivery has behind it when an outcome arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Transient refusals before this outcome.
    pub transient_refusals: u32,
    /// Providers that refused the message itself before this outcome.
    pub message_refusals: u32,
    /// Whether another provider of the route could carry the message.
    pub another_fits: bool,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The delivery is at its end, in this state.
    Stop(DeliveryState),
    /// Pending again, for the next provider; with `avoid`, never this one again.
    TryNext {
        /// This provider refused the message itself.
        avoid: bool,
    },
    /// Pending again after a wait, the same provider first.
    RetryLater(Duration),
    /// Unknown: never re-sent by itself.
    AskPerson,
    /// Unknown, and the user chose at least once: the attempt is superseded, pending again.
    Resend,
    /// Nothing happened; the recipient is as before.
    AsBefore(Denied),
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            transient: [5, 15, 30, 60, 120].map(minutes).to_vec(),
            suspect_after: Duration::from_secs(15),
            breaker: BreakerPolicy::default(),
            on_unknown: OnUnknown::Hold,
            on_budget: OnBudget::Next,
            no_wait: false,
            spares: Vec::new(),
            not_after: None,
            pace: std::collections::BTreeMap::new(),
        }
    }
}

/// Decides what follows `outcome`.
#[must_use]
pub fn next_step(outcome: &Outcome, history: History, policy: &Policy) -> Step {
    match outcome {
        Outcome::Accepted(_) => Step::Stop(DeliveryState::Accepted),
        Outcome::Written(_) => Step::Stop(DeliveryState::Written),
        Outcome::Held(_) => Step::Stop(DeliveryState::Held),
        Outcome::Refused(refusal) => after_refusal(refusal, history, policy),
        Outcome::Unknown(_) => match policy.on_unknown {
            OnUnknown::Hold => Step::AskPerson,
            OnUnknown::Resend => Step::Resend,
        },
        Outcome::NotStarted(denied) => Step::AsBefore(denied.clone()),
    }
}

fn after_refusal(refusal: &Refusal, history: History, policy: &Policy) -> Step {
    match (refusal.blames, refusal.persistence) {
        // No fallback: a second provider only burns reputation.
        (Blame::Recipient, Persistence::Permanent) => Step::Stop(DeliveryState::Refused),
        (Blame::Recipient, Persistence::Transient) => later(refusal, history, policy),
        // One other provider at the most.
        (Blame::Message, _) if history.message_refusals == 0 && history.another_fits => {
            Step::TryNext { avoid: true }
        }
        // Left out of a request that was taken: the same provider later, where no other fits.
        (Blame::Message, Persistence::Transient) if !history.another_fits => later(refusal, history, policy),
        (Blame::Message, _) => Step::Stop(DeliveryState::Refused),
        (Blame::Provider, _) => Step::TryNext { avoid: false },
    }
}

/// Pending after the next of the waits; refused when all are used up.
fn later(refusal: &Refusal, history: History, policy: &Policy) -> Step {
    match policy.transient.get(history.transient_refusals as usize) {
        Some(wait) => Step::RetryLater(refusal.retry_after.unwrap_or(*wait).max(*wait)),
        None => Step::Stop(DeliveryState::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Doubt, DoubtCause, Receipt, Trouble};

    fn step(outcome: Outcome, history: History) -> Step {
        next_step(&outcome, history, &Policy::default())
    }

    fn every_trouble() -> [Trouble; 8] {
        use Trouble as T;
        [T::Unreachable, T::Tls, T::TlsIdentity, T::Credentials, T::Sender, T::Throttled, T::Quota, T::Fault]
    }

    /// DELIVERY.md, "Outcome of one attempt", row by row.
    #[test]
    fn every_outcome_has_the_step_of_the_table() {
        let fresh = History { another_fits: true, ..History::default() };
        let transient = || Outcome::Refused(Refusal::recipient(Persistence::Transient, false, "450"));
        let minutes = |n: u64| Step::RetryLater(Duration::from_secs(n * 60));

        assert_eq!(step(Outcome::Accepted(Receipt::default()), fresh), Step::Stop(DeliveryState::Accepted));
        assert_eq!(step(Outcome::Held(Receipt::default()), fresh), Step::Stop(DeliveryState::Held));
        for bad_address in [true, false] {
            let refused = Outcome::Refused(Refusal::recipient(Persistence::Permanent, bad_address, "550"));
            assert_eq!(step(refused, fresh), Step::Stop(DeliveryState::Refused));
        }
        for (count, wait) in [5, 15, 30, 60, 120].into_iter().enumerate() {
            let history = History { transient_refusals: count as u32, ..fresh };
            assert_eq!(step(transient(), history), minutes(wait));
        }
        let used_up = History { transient_refusals: 5, ..fresh };
        assert_eq!(step(transient(), used_up), Step::Stop(DeliveryState::Refused));
        for trouble in every_trouble() {
            let refused = Outcome::Refused(Refusal::provider(trouble, "no"));
            assert_eq!(step(refused, fresh), Step::TryNext { avoid: false }, "{trouble:?}");
        }
        let doubt = Outcome::Unknown(Doubt::new(DoubtCause::LineLost, "eof"));
        assert_eq!(step(doubt, fresh), Step::AskPerson);
    }

    #[test]
    fn a_message_refused_once_gets_one_other_provider_and_no_third() {
        let refused = || Outcome::Refused(Refusal::message("552 too large"));

        let first = History { another_fits: true, ..History::default() };
        assert_eq!(step(refused(), first), Step::TryNext { avoid: true });
        let second = History { message_refusals: 1, another_fits: true, ..History::default() };
        assert_eq!(step(refused(), second), Step::Stop(DeliveryState::Refused));
        assert_eq!(step(refused(), History::default()), Step::Stop(DeliveryState::Refused));
    }

    /// As a Mailchimp campaign that did not go to one of its recipients.
    #[test]
    fn whoever_was_left_out_goes_to_another_provider_or_waits_for_the_same_one() {
        let left_out = || Outcome::Refused(Refusal::left_out("not on the list"));
        let alone = |transient_refusals| History { transient_refusals, ..History::default() };

        let among_others = History { another_fits: true, ..History::default() };
        assert_eq!(step(left_out(), among_others), Step::TryNext { avoid: true });
        assert_eq!(step(left_out(), alone(0)), Step::RetryLater(Duration::from_secs(300)));
        assert_eq!(step(left_out(), alone(5)), Step::Stop(DeliveryState::Refused));
    }

    #[test]
    fn a_stated_wait_longer_than_ours_is_kept() {
        let wait = Some(Duration::from_secs(3_600));
        let refused = Refusal::recipient(Persistence::Transient, false, "450").with_retry_after(wait);

        let step = step(Outcome::Refused(refused), History::default());

        assert_eq!(step, Step::RetryLater(Duration::from_secs(3_600)));
    }

    #[test]
    fn an_unknown_recipient_is_sent_again_only_when_the_user_chose_so() {
        let doubt = Outcome::Unknown(Doubt::new(DoubtCause::TimedOut, ""));
        let policy = Policy { on_unknown: OnUnknown::Resend, ..Policy::default() };

        assert_eq!(next_step(&doubt, History::default(), &policy), Step::Resend);
    }
}
