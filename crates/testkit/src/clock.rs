//! A clock that moves only when told, and randomness that counts.
//!
//! With these a day of budgets takes no time, and every identifier of a test is the same each run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use depeche_core::clock::{Clock, Entropy};
use jiff::Timestamp;

/// A clock that stands still until [`advance`](ManualClock::advance).
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now: Mutex::new(now) }
    }

    /// A clock that shows `text`, as in `2026-12-03T08:00:00Z`.
    ///
    /// # Panics
    ///
    /// When `text` is not a timestamp: a fault of the test.
    #[must_use]
    pub fn at_text(text: &str) -> Self {
        Self::at(text.parse().expect("the test gives an RFC 3339 timestamp"))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }

    /// Sets the clock, backwards too: machines do that.
    pub fn set(&self, to: Timestamp) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives 1, 2, 3 … in place of random bytes.
#[derive(Debug, Default)]
pub struct CountingEntropy {
    calls: AtomicU64,
}

impl CountingEntropy {
    /// Starts after `seed`, so that two sources in one test do not give the same identifiers.
    #[must_use]
    pub fn starting_after(seed: u64) -> Self {
        Self { calls: AtomicU64::new(seed) }
    }
}

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let digits = count.to_be_bytes();
        bytes.fill(0);
        for (place, digit) in bytes.iter_mut().rev().zip(digits.iter().rev()) {
            *place = *digit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_only_when_told() {
        let clock = ManualClock::at_text("2026-12-03T08:00:00Z");
        assert_eq!(clock.now(), clock.now());

        clock.advance(Duration::from_secs(90));

        assert_eq!(clock.now().to_string(), "2026-12-03T08:01:30Z");
    }

    #[test]
    fn identifiers_count_up_and_never_repeat() {
        let entropy = CountingEntropy::default();

        assert_eq!(entropy.uuid().to_string(), "00000000-0000-4000-8000-000000000001");
        assert_eq!(entropy.uuid().to_string(), "00000000-0000-4000-8000-000000000002");
    }
}
