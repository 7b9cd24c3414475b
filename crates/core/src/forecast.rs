//! How a run will go, if nothing goes wrong: who takes how many, and how long that lasts.
//!
//! It is arithmetic over windows ([`crate::budget`]), for `plan`. A provider without limits has no
//! stated pace, so nothing is said of its time. Refused recipients, rests and outages are not foreseen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::budget::Limits;
use crate::journal::Usage;
use crate::provider::Quota;

/// What one provider of the route will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// So many messages.
    pub messages: u64,
    /// For so long, at its own pace; `None`: nothing states a pace.
    pub lasts: Option<Duration>,
}

/// Shares out `messages` over the route, in order of fallback: an hour or day window that is full sends
/// the rest to the next provider. What finds no room waits at the end of the chain, and is returned.
#[must_use]
pub fn forecast(route: &[(Limits, Usage)], messages: u64, now: Timestamp) -> (Vec<Share>, u64) {
    let mut left = messages;
    let mut shares = Vec::new();
    for (limits, usage) in route {
        let taken = left.min(room(limits, usage, now));
        left -= taken;
        shares.push(Share { messages: taken, lasts: pace(limits, taken) });
    }
    (shares, left)
}

/// The limits of a provider whose account had this quota at `heard_at`: never wider than the user's own.
/// `usage` reaches back to a day before now, and to `heard_at`.
#[must_use]
pub fn within_quota(
    limits: &Limits,
    usage: &Usage,
    quota: Quota,
    heard_at: Timestamp,
    now: Timestamp,
) -> Limits {
    let narrower = |stated: Option<u32>, places: u64| {
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        Some(stated.map_or(places, |stated| stated.min(places)))
    };
    match quota {
        Quota::PerHour(places) => Limits { per_hour: narrower(limits.per_hour, places), ..*limits },
        Quota::Left(places) => {
            // What was sent since is gone; the window of a day counts what was sent before as well.
            let left = places.saturating_sub(used_since(usage, heard_at));
            let day = left.saturating_add(used_since(usage, now - SignedDuration::from_hours(24)));
            Limits { per_day: narrower(limits.per_day, day), ..*limits }
        }
    }
}

fn used_since(usage: &Usage, since: Timestamp) -> u64 {
    usage.buckets.range(since.as_second()..).map(|(_, count)| u64::from(*count)).sum()
}

/// Places left now in the windows of an hour and of a day.
fn room(limits: &Limits, usage: &Usage, now: Timestamp) -> u64 {
    let windows =
        [(limits.per_hour, SignedDuration::from_hours(1)), (limits.per_day, SignedDuration::from_hours(24))];
    let stated = windows.into_iter().filter_map(|(limit, window)| Some((limit?, window)));
    stated
        .map(|(limit, window)| u64::from(limit).saturating_sub(used_since(usage, now - window)))
        .min()
        .unwrap_or(u64::MAX)
}

/// The slowest of the even spacing of `per_second` and the window of a minute.
fn pace(limits: &Limits, messages: u64) -> Option<Duration> {
    let gaps = messages.saturating_sub(1);
    let spacing =
        limits.spacing().map(|spacing| Duration::from_secs_f64(gaps as f64 * spacing.gap.as_secs_f64()));
    // After each full minute the next begins.
    let minutes = limits.per_minute.map(|limit| Duration::from_secs(gaps / u64::from(limit.max(1)) * 60));
    spacing.into_iter().chain(minutes).max()
}

/// How long so many messages to one receiving domain take at its pace, whose windows all wait; `None`
/// without windows. What was used before is not looked at.
#[must_use]
pub fn at_pace_of_domain(limits: &Limits, messages: u64) -> Option<Duration> {
    let gaps = messages.saturating_sub(1);
    let whole = |limit: Option<u32>, seconds: u64| {
        limit.map(|limit| Duration::from_secs(gaps / u64::from(limit.max(1)) * seconds))
    };
    [pace(limits, messages), whole(limits.per_hour, 3_600), whole(limits.per_day, 86_400)]
        .into_iter()
        .flatten()
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Brevo's free plan: 300 a day, of which 40 were left at 90 000 s; ten went out since, 60 before.
    #[test]
    fn what_the_account_has_left_narrows_the_day_and_an_hourly_quota_the_hour() {
        let limits = Limits { per_day: Some(300), ..Limits::default() };
        let usage = Usage { buckets: [(80_000, 60), (90_001, 10)].into(), last: None };
        let left = within_quota(&limits, &usage, Quota::Left(40), at(90_000), at(91_000));

        let (shares, waits) = forecast(&[(left, usage.clone())], 100, at(91_000));
        assert_eq!((shares[0].messages, waits), (30, 70), "40 less the ten that went out since");

        let spent = within_quota(&limits, &usage, Quota::Left(5), at(90_000), at(91_000));
        assert_eq!(forecast(&[(spent, usage.clone())], 100, at(91_000)).1, 100);
        let hour = within_quota(&limits, &usage, Quota::PerHour(50), at(90_000), at(91_000));
        assert_eq!(forecast(&[(hour, usage.clone())], 100, at(91_000)).0[0].messages, 40);
        let wide = within_quota(&limits, &usage, Quota::PerHour(1_000), at(90_000), at(91_000));
        assert_eq!((wide.per_hour, wide.per_day), (Some(1_000), Some(300)), "never wider than our own");
    }

    #[test]
    fn what_an_hour_cannot_hold_goes_to_the_next_and_the_rest_waits() {
        let ovh = Limits { per_hour: Some(200), per_second: Some(2), ..Limits::default() };
        let brevo = Limits { per_day: Some(300), ..Limits::default() };
        // 50 of OVH's hour are used; an older use does not count.
        let used = Usage { buckets: [(90_000, 50), (1_000, 70)].into(), last: None };

        let (shares, waits) = forecast(&[(ovh, used), (brevo, Usage::default())], 500, at(90_100));

        // By hand: 150 at 2 a second are 149 gaps of 0.510002 s (`Spacing`); 300 go to Brevo; 50 wait.
        assert_eq!(shares[0], Share { messages: 150, lasts: Some(Duration::from_micros(75_990_298)) });
        assert_eq!(shares[1], Share { messages: 300, lasts: None });
        assert_eq!(waits, 50);
    }

    #[test]
    fn a_domain_waits_for_all_its_windows() {
        let orange = Limits { per_minute: Some(30), per_hour: Some(200), ..Limits::default() };

        // By hand: 500 need 2 full hours before the third begins (200, 200, 100); 201 need one.
        assert_eq!(at_pace_of_domain(&orange, 500), Some(Duration::from_secs(7_200)));
        // 61 at 30 a minute: the third minute begins after 120 s.
        assert_eq!(at_pace_of_domain(&orange, 61), Some(Duration::from_secs(120)));
        assert_eq!(at_pace_of_domain(&orange, 30), Some(Duration::ZERO));
        assert_eq!(at_pace_of_domain(&Limits::default(), 500), None);
    }

    #[test]
    fn a_minute_that_is_full_makes_the_next_one_begin() {
        let limits = Limits { per_minute: Some(60), ..Limits::default() };

        let (shares, waits) = forecast(&[(limits, Usage::default())], 121, at(0));

        assert_eq!((shares[0].lasts, waits), (Some(Duration::from_secs(120)), 0));
    }
}
