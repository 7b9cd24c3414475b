//! How many messages a provider may be given, in sliding windows.
//!
//! Windows slide over buckets of one second, rounded against us: a bucket counts until the window
//! has passed its *end*. `per_second` is evenly spaced, without a burst, across restarts too: a schedule in
//! which a message that is a little late moves nobody behind it ([`Spacing`]). The rules are DELIVERY.md's
//! ("Budgets"). Everything here is pure; the journal keeps the buckets, and takes a place in the same commit
//! as the intent.

use jiff::{SignedDuration, Timestamp};

use crate::journal::Usage;
use crate::journal::UsageBuckets;

/// A provider's windows. `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Evenly spaced: at 2, one message every 510 ms ([`Spacing`]).
    pub per_second: Option<u32>,
    /// In any 60 s.
    pub per_minute: Option<u32>,
    /// In any 3 600 s.
    pub per_hour: Option<u32>,
    /// In any 86 400 s.
    pub per_day: Option<u32>,
}

/// The windows of a receiving domain, whichever provider carries the message. They always wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainPace {
    /// In lower case, as A-labels: what [`crate::address::EmailAddress::domain`] gives.
    pub domain: String,
    /// How many messages it may be given.
    pub limits: Limits,
}

impl DomainPace {
    /// Under which name a journal counts its places: no provider can have it.
    #[must_use]
    pub fn key(domain: &str) -> String {
        format!("@{domain}")
    }
}

/// Which window is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The even spacing of `per_second`.
    Second,
    /// 60 s.
    Minute,
    /// 3 600 s.
    Hour,
    /// 86 400 s.
    Day,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// So many messages may go now (at least 1).
    Free(u32),
    /// None before `until`.
    Full {
        /// UTC.
        until: Timestamp,
        /// The window that is full the longest.
        window: Window,
    },
}

impl Window {
    /// Second and minute windows wait; hour and day windows overflow to the next provider.
    #[must_use]
    pub fn overflows(self) -> bool {
        matches!(self, Self::Hour | Self::Day)
    }

    fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

impl Limits {
    /// Whether there is no limit at all.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// How long usage must be kept: the longest window, with its rounding.
    #[must_use]
    pub fn horizon(&self) -> SignedDuration {
        let longest = self.windows().map(|(window, _)| window.seconds()).max().unwrap_or(0);
        SignedDuration::from_secs(longest + 2)
    }

    /// The room at `now`, with `reserved` places promised to messages that are under way.
    #[must_use]
    pub fn room(&self, used: &Usage, reserved: u32, now: Timestamp) -> Room {
        let mut free = u32::MAX;
        let mut full: Option<(Timestamp, Window)> = None;
        for (window, limit) in self.windows() {
            match window_room(&used.buckets, window, limit, reserved, now) {
                Ok(places) => free = free.min(places),
                Err(until) => full = Some(later(full, until, window)),
            }
        }
        if let Some(spacing) = self.spacing() {
            match spacing.next(used.last, now) {
                until if until > now => full = Some(later(full, until, Window::Second)),
                _ => free = free.min(1),
            }
        }
        match full {
            Some((until, window)) => Room::Full { until, window },
            None => Room::Free(free),
        }
    }

    /// The schedule of `per_second`, where there is one.
    #[must_use]
    pub fn spacing(&self) -> Option<Spacing> {
        self.per_second.map(Spacing::of)
    }

    /// What [`Usage::last`] is after a message that takes its place at `at`.
    #[must_use]
    pub fn last_after(&self, last: Option<Timestamp>, at: Timestamp) -> Timestamp {
        match self.spacing() {
            Some(spacing) => spacing.last_after(last, at),
            None => last.map_or(at, |last| last.max(at)),
        }
    }

    fn windows(&self) -> impl Iterator<Item = (Window, u32)> {
        [(Window::Minute, self.per_minute), (Window::Hour, self.per_hour), (Window::Day, self.per_day)]
            .into_iter()
            .filter_map(|(window, limit)| limit.map(|limit| (window, limit)))
    }
}

fn later(full: Option<(Timestamp, Window)>, until: Timestamp, window: Window) -> (Timestamp, Window) {
    match full {
        Some((known, known_window)) if known >= until => (known, known_window),
        _ => (until, window),
    }
}

/// Places left in a window, or when the next one comes free.
fn window_room(
    used: &UsageBuckets,
    window: Window,
    limit: u32,
    reserved: u32,
    now: Timestamp,
) -> Result<u32, Timestamp> {
    // A bucket of second s holds messages from [s, s+1); it leaves the window when s+1+length <= now.
    let oldest = now.as_second() - window.seconds();
    let counted = || used.range(oldest..);
    let sum: u64 = counted().map(|(_, count)| u64::from(*count)).sum::<u64>() + u64::from(reserved);
    if sum < u64::from(limit) {
        return Ok(limit - u32::try_from(sum).unwrap_or(limit));
    }
    let mut to_go = sum - u64::from(limit) + 1;
    for (second, count) in counted() {
        if u64::from(*count) >= to_go {
            return Err(at_second(second + 1 + window.seconds()));
        }
        to_go -= u64::from(*count);
    }
    // Only messages that are under way fill it: ask again in a moment.
    Err(now + SignedDuration::from_millis(200))
}

/// The even spacing of `per_second`, as a schedule (the generic cell rate algorithm's theoretical arrival times,
/// ITU-T I.371, annex A): message k is due a gap after message k - 1 *was due*, not after it came.
///
/// A message may be late by [`Spacing::lateness`] without moving those behind it. So that no sliding second
/// holds more than its `n` messages all the same, `n` gaps are a second and that lateness: the message n
/// places behind one that came at t is due at t + 1 s or later, whatever either of them was late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// From one message's due time to the next one's.
    pub gap: SignedDuration,
    /// So much later than its due time a message is still on schedule: 20 ms or half of an even gap, whichever
    /// is less. It costs as much of the rate: 2 % at most.
    pub lateness: SignedDuration,
}

/// How far the moments of several processes may be out of order.
const DISORDER: SignedDuration = SignedDuration::from_secs(2);
const SECOND: i64 = 1_000_000;
const LATENESS: i64 = 20_000;

impl Spacing {
    /// For so many messages a second; in whole microseconds, as a journal keeps them, rounded against us.
    #[must_use]
    pub fn of(per_second: u32) -> Self {
        let rate = i64::from(per_second.max(1));
        let lateness = LATENESS.min(SECOND / rate / 2);
        // One for the division, one for what a journal cuts off a moment.
        let gap = (SECOND + lateness) / rate + 2;
        Self { gap: SignedDuration::from_micros(gap), lateness: SignedDuration::from_micros(lateness) }
    }

    /// When the next message is due: `now`, where that has passed.
    #[must_use]
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp) -> Timestamp {
        // Another process may have taken its moment later and its place earlier: so much disorder is none of
        // the clock's. A clock that was set back by more must not stop the run.
        match last.filter(|last| *last <= now + DISORDER) {
            Some(last) => now.max(last + self.gap),
            None => now,
        }
    }

    /// When a message that comes at `at`, not before it is due, counts as due for those behind it.
    #[must_use]
    pub fn last_after(&self, last: Option<Timestamp>, at: Timestamp) -> Timestamp {
        match last.filter(|last| *last <= at + DISORDER) {
            Some(last) => (last + self.gap).max(at - self.lateness),
            None => at,
        }
    }
}

fn at_second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn used<const N: usize>(buckets: [(i64, u32); N]) -> Usage {
        Usage { buckets: buckets.into(), last: None }
    }

    #[test]
    fn a_full_hour_is_free_again_an_hour_after_the_end_of_the_oldest_second() {
        let limits = Limits { per_hour: Some(2), ..Limits::default() };
        let used = used([(1_000, 1), (1_010, 1)]);

        // By hand: 1000 + 1 + 3600.
        assert_eq!(limits.room(&used, 0, at(1_020)), Room::Full { until: at(4_601), window: Window::Hour });
        assert_eq!(limits.room(&used, 0, at(4_601)), Room::Free(1));
    }

    #[test]
    fn a_message_under_way_takes_a_place() {
        let limits = Limits { per_day: Some(3), ..Limits::default() };
        let used = used([(10, 2)]);

        assert_eq!(limits.room(&used, 0, at(20)), Room::Free(1));
        assert!(matches!(limits.room(&used, 1, at(20)), Room::Full { .. }));
    }

    #[test]
    fn messages_of_a_second_are_evenly_spaced_without_a_burst() {
        let limits = Limits { per_second: Some(2), ..Limits::default() };
        let last = at(100);
        // By hand: a second and 20 ms are two gaps, and 2 microseconds of rounding.
        let after = Usage { last: Some(last), ..Usage::default() };

        assert_eq!(
            limits.room(&after, 0, at(100)),
            Room::Full { until: last + SignedDuration::from_micros(510_002), window: Window::Second }
        );
        assert_eq!(limits.room(&after, 0, at(101)), Room::Free(1));
        assert_eq!(limits.room(&Usage::default(), 0, at(100)), Room::Free(1));
    }

    #[test]
    fn a_place_that_another_process_took_a_moment_later_is_kept_apart_too() {
        let limits = Limits { per_second: Some(20), ..Limits::default() };
        let last = at(100) + SignedDuration::from_millis(30);
        let after = Usage { last: Some(last), ..Usage::default() };

        // By hand: (1 s + 20 ms) / 20 and 2 microseconds after the other's place, although this moment is before it.
        let until = last + SignedDuration::from_micros(51_002);
        assert_eq!(limits.room(&after, 0, at(100)), Room::Full { until, window: Window::Second });
        // A clock set back by an hour stops nobody.
        assert_eq!(limits.room(&after, 0, at(100 - 3_600)), Room::Free(1));
    }

    #[test]
    fn no_limits_leave_room_without_end() {
        assert_eq!(Limits::default().room(&used([(1, 9_999)]), 5, at(1)), Room::Free(u32::MAX));
    }

    /// Sends as soon as it may, each message late by so many microseconds; when each of them came.
    fn sent_late(per_second: u32, lateness: &[i64]) -> Vec<Timestamp> {
        let (limits, mut last, mut now) =
            (Limits { per_second: Some(per_second), ..Limits::default() }, None, at(5));
        let mut sent = Vec::new();
        for late in lateness {
            now = match limits.room(&Usage { last, ..Usage::default() }, 0, now) {
                Room::Full { until, .. } => until,
                Room::Free(_) => now,
            } + SignedDuration::from_micros(*late);
            last = Some(limits.last_after(last, now));
            sent.push(now);
        }
        sent
    }

    #[test]
    fn messages_that_are_a_little_late_keep_98_of_100_of_their_rate() {
        for rate in [1, 2, 10, 20] {
            // By hand: n gaps are 1.02 s and 2 n microseconds, so n / 1.02 a second.
            let sent = sent_late(rate, &vec![15_000; 1_001]);
            let spent = sent[1_000].duration_since(sent[0]).as_secs_f64();
            assert!(1_000.0 / spent >= 0.98 * f64::from(rate), "{rate}: {}", 1_000.0 / spent);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_sliding_second_ever_holds_more_than_its_limit(
            rate in 1_u32..200,
            lateness in proptest::collection::vec(proptest::prop_oneof![0_i64..25_000, 0_i64..2_000_000], 1..400),
        ) {
            let sent = sent_late(rate, &lateness);
            for pair in sent.windows(rate as usize + 1) {
                let apart = pair[rate as usize].duration_since(pair[0]);
                proptest::prop_assert!(apart >= SignedDuration::from_secs(1), "{apart}");
            }
        }

        #[test]
        fn no_sliding_window_ever_holds_more_than_its_limit(steps in proptest::collection::vec(0_i64..50, 1..400)) {
            let limits = Limits { per_minute: Some(7), ..Limits::default() };
            let (mut used, mut now, mut sent) = (Usage::default(), 10_000_i64, Vec::new());
            for step in steps {
                now += step;
                if let Room::Free(_) = limits.room(&used, 0, at(now)) {
                    *used.buckets.entry(now).or_default() += 1;
                    sent.push(now);
                }
            }
            for start in &sent {
                let inside = sent.iter().filter(|at| (*start..*start + 60).contains(*at)).count();
                proptest::prop_assert!(inside <= 7);
            }
        }
    }
}
