//! Sets a failing provider aside, and lets one message probe it later.
//!
//! From DELIVERY.md ("Providers that fail slowly, or silently"): it opens on provider-blaming
//! failures (5 in 30 s, or half of the last 20) and on unknowns (3 in this process, a batch counting
//! as one); refused credentials, quota and TLS identity open it at once. One probe at a time; an
//! accepted probe closes it. Pure: the engine passes `now` and keeps the result in the journal.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::outcome::Trouble;

/// When a breaker opens, and when it lets a probe through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many failures …
    pub failures: u32,
    /// … within so long open it.
    pub within: Duration,
    /// So many unknowns in this process open it.
    pub unknowns: u32,
    /// So long after opening one probe may go.
    pub retry_after: Duration,
}

/// The breaker of one provider.
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    failures: VecDeque<Timestamp>,
    recent: VecDeque<bool>,
    unknowns: u32,
}

/// Why and since when a provider is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Since when.
    pub since: Timestamp,
    /// In the provider's words, or ours.
    pub reason: String,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
}

/// What a breaker allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Send.
    Yes,
    /// One message may go, to see.
    Probe,
    /// Nothing before `until` (the far future while a probe is under way).
    No {
        /// UTC.
        until: Timestamp,
    },
}

#[derive(Debug, Clone)]
enum State {
    Closed,
    Open { opening: Opening, probe_at: Timestamp },
    Probing { opening: Opening },
}

/// How many of the last attempts are looked at, and how many of them must have failed.
const RECENT: usize = 20;

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            within: Duration::from_secs(30),
            unknowns: 3,
            retry_after: Duration::from_secs(120),
        }
    }
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        let (failures, recent) = (VecDeque::new(), VecDeque::new());
        Self { policy, state: State::Closed, failures, recent, unknowns: 0 }
    }

    /// A breaker that an earlier process left open: it may be probed at once.
    #[must_use]
    pub fn reopened(policy: BreakerPolicy, opening: Opening, now: Timestamp) -> Self {
        Self { state: State::Open { opening, probe_at: now }, ..Self::new(policy) }
    }

    /// What may go now.
    #[must_use]
    pub fn permit(&self, now: Timestamp) -> Permit {
        match &self.state {
            State::Closed => Permit::Yes,
            State::Open { probe_at, .. } if *probe_at <= now => Permit::Probe,
            State::Open { probe_at, .. } => Permit::No { until: *probe_at },
            State::Probing { .. } => Permit::No { until: Timestamp::MAX },
        }
    }

    /// Why it is open, if it is.
    #[must_use]
    pub fn opening(&self) -> Option<&Opening> {
        match &self.state {
            State::Closed => None,
            State::Open { opening, .. } | State::Probing { opening } => Some(opening),
        }
    }

    /// A probe is on its way: no second one.
    pub fn begin_probe(&mut self) {
        if let State::Open { opening, .. } = &self.state {
            self.state = State::Probing { opening: opening.clone() };
        }
    }

    /// The provider accepted a message. True when that closed the breaker.
    pub fn accepted(&mut self) -> bool {
        self.note(false);
        let was_open = !matches!(self.state, State::Closed);
        if was_open {
            self.state = State::Closed;
            self.failures.clear();
            self.recent.clear();
            self.unknowns = 0;
        }
        was_open
    }

    /// The provider answered, about the recipient or the message. It neither opens nor closes; a
    /// probe so answered proves nothing, and the next one may go at once.
    pub fn answered(&mut self, now: Timestamp) {
        self.note(false);
        self.back_to_open(now);
    }

    /// The provider asked for a rest: a probe may go after it.
    pub fn throttled(&mut self, until: Timestamp) {
        self.back_to_open(until);
    }

    /// A failure that blames the provider. True when it opened the breaker (or a probe failed).
    pub fn failed(&mut self, trouble: Trouble, reason: &str, now: Timestamp) -> bool {
        self.note(true);
        self.failures.push_back(now);
        let window = signed(self.policy.within);
        while self.failures.front().is_some_and(|at| *at + window < now) {
            self.failures.pop_front();
        }
        let opens_at_once =
            matches!(trouble, Trouble::Credentials | Trouble::TlsIdentity | Trouble::Quota | Trouble::Sender);
        let failed_recently = self.recent.iter().filter(|failed| **failed).count();
        let half_failed = self.recent.len() >= RECENT && failed_recently * 2 >= RECENT;
        let many = self.failures.len() >= self.policy.failures as usize;
        if opens_at_once || many || half_failed || !matches!(self.state, State::Closed) {
            return self.open(reason, Some(trouble), now);
        }
        false
    }

    /// An outcome that nobody knows (a batch counts as one). True when it opened the breaker.
    pub fn unknown(&mut self, reason: &str, now: Timestamp) -> bool {
        self.note(true);
        self.unknowns += 1;
        if self.unknowns >= self.policy.unknowns || !matches!(self.state, State::Closed) {
            return self.open(reason, None, now);
        }
        false
    }

    /// Opens it, whatever came before (a provider that stays silent).
    pub fn open(&mut self, reason: &str, trouble: Option<Trouble>, now: Timestamp) -> bool {
        let since = self.opening().map_or(now, |opening| opening.since);
        let newly = matches!(self.state, State::Closed);
        let opening = Opening { since, reason: reason.to_owned(), trouble };
        self.state = State::Open { opening, probe_at: now + signed(self.policy.retry_after) };
        newly
    }

    /// The probe was never made (nothing was handed over): another may go at once.
    pub fn probe_withdrawn(&mut self, now: Timestamp) {
        self.back_to_open(now);
    }

    fn back_to_open(&mut self, probe_at: Timestamp) {
        if let State::Probing { opening } = &self.state {
            self.state = State::Open { opening: opening.clone(), probe_at };
        }
    }

    fn note(&mut self, failed: bool) {
        self.recent.push_back(failed);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

/// A [`Duration`] as jiff's; saturates at about 292 billion years.
pub(crate) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerPolicy::default())
    }

    #[test]
    fn five_failures_within_thirty_seconds_open_it() {
        let mut breaker = breaker();
        for second in 0..4 {
            assert!(!breaker.failed(Trouble::Unreachable, "refused", at(second)));
        }

        assert!(breaker.failed(Trouble::Unreachable, "refused", at(29)));
        assert_eq!(breaker.permit(at(30)), Permit::No { until: at(149) });
    }

    #[test]
    fn failures_far_apart_leave_it_closed() {
        let mut breaker = breaker();
        for n in 0..9 {
            assert!(!breaker.failed(Trouble::Unreachable, "refused", at(n * 31)));
        }
    }

    #[test]
    fn half_of_the_last_twenty_opens_it_however_slow() {
        let mut breaker = breaker();
        for n in 0..19 {
            if n % 2 == 0 {
                assert!(!breaker.failed(Trouble::Fault, "421", at(n * 100)));
            } else {
                breaker.accepted();
            }
        }

        assert!(breaker.failed(Trouble::Fault, "421", at(5_000)));
    }

    #[test]
    fn refused_credentials_open_it_at_once() {
        for trouble in [Trouble::Credentials, Trouble::TlsIdentity, Trouble::Quota] {
            assert!(breaker().failed(trouble, "535", at(0)), "{trouble:?}");
        }
    }

    #[test]
    fn three_unknowns_open_it_and_acceptances_between_do_not_help() {
        let mut breaker = breaker();
        assert!(!breaker.unknown("line lost", at(0)));
        breaker.accepted();
        assert!(!breaker.unknown("line lost", at(1_000)));

        assert!(breaker.unknown("line lost", at(2_000)));
    }

    #[test]
    fn one_probe_at_a_time_and_only_an_accepted_one_closes_it() {
        let mut breaker = breaker();
        breaker.open("silent", None, at(0));
        assert_eq!(breaker.permit(at(120)), Permit::Probe);
        breaker.begin_probe();
        assert_eq!(breaker.permit(at(121)), Permit::No { until: Timestamp::MAX });

        breaker.answered(at(122));
        assert_eq!(breaker.permit(at(122)), Permit::Probe);
        breaker.begin_probe();
        breaker.failed(Trouble::Unreachable, "refused", at(123));
        assert_eq!(breaker.permit(at(124)), Permit::No { until: at(243) });
        assert_eq!(breaker.opening().unwrap().since, at(0));

        assert!(breaker.accepted());
        assert_eq!(breaker.permit(at(125)), Permit::Yes);
    }
}
