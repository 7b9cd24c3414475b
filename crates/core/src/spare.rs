//! Warm spares: a part of every ordinary run goes through a provider that is otherwise a fallback, so
//! that receivers know its mail on the day it is needed.
//!
//! A spare with a share of 5 % takes 5 of 100 recipients, spread over the list; who they are follows
//! from their places alone, so that a resumed run decides as the first one did. Everything here is
//! pure; the engine asks for the spare first and falls back along the chain as ever, so its budget, its
//! breaker and what it can carry are respected.
//!
//! # Not covered
//!
//! Who is trusted: the caller says so. A spare that is not takes nobody of tier 1.

use jiff::{SignedDuration, Timestamp};

use crate::journal::AcceptedDay;
use crate::provider::ProviderName;

/// The part of a run that goes through a spare, in hundredths of a percent: 1 to 5000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// A provider that takes its share of a run, wherever it stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spare {
    /// Which.
    pub provider: ProviderName,
    /// How much of a run.
    pub share: Share,
    /// It accepted something lately and is not set aside: it may take recipients of tier 1.
    pub trusted: bool,
}

/// The text is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share of a run: write \"5%\", more than 0 and at most 50")]
pub struct BadShare(pub String);

/// What the journal says of a provider's last 90 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Warmth {
    /// It accepted something within the last 30 days.
    pub warm: bool,
    /// The most messages that it accepted on one day (UTC) of the last 90.
    pub largest_day: u64,
}

/// All of a run, in the unit of [`Share`].
const WHOLE: u64 = 10_000;
/// 2^32 divided by the golden ratio: its multiples, modulo 2^32, spread evenly whatever their number
/// (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const STRIDE: u64 = 2_654_435_769;

impl Share {
    /// Reads `5%`, `0.5%` or `12,5 %`.
    ///
    /// # Errors
    ///
    /// [`BadShare`] when it is none, or more than half.
    pub fn parse(text: &str) -> Result<Self, BadShare> {
        let bad = || BadShare(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(bad)?.trim_end().replace(',', ".");
        let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 2 || part.len() > 2 || !is_digits(whole) || !is_digits(part) {
            return Err(bad());
        }
        let hundredths: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| bad())?;
        if (1..=5_000).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(bad()) }
    }

    /// In hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// The spare that the recipient at `position` (from 0) and of `tier` goes through first, as its place
/// in `spares`; `None`: the ordinary way.
#[must_use]
pub fn spare_for(position: u64, tier: u32, spares: &[Spare]) -> Option<usize> {
    // The offset keeps the first place of the list out of every share up to half.
    let lot = (position.wrapping_mul(STRIDE) + (1 << 31)) % (1 << 32) * WHOLE / (1 << 32);
    let mut end = 0;
    for (place, spare) in spares.iter().enumerate() {
        end += u64::from(spare.share.0);
        if lot < end {
            return (spare.trusted || tier != 1).then_some(place);
        }
    }
    None
}

/// How warm `provider` is, from what the journal holds of the last 90 days.
#[must_use]
pub fn warmth(days: &[AcceptedDay], provider: &ProviderName, now: Timestamp) -> Warmth {
    let own = || days.iter().filter(|day| day.provider == *provider && day.messages > 0);
    let earliest = (now - SignedDuration::from_hours(24 * 30)).as_second().div_euclid(86_400);
    Warmth {
        warm: own().any(|day| day.day >= earliest),
        largest_day: own().map(|day| day.messages).max().unwrap_or(0),
    }
}

impl Warmth {
    /// Whether `messages` at once would be more than twice the largest day: receivers take such a leap
    /// for a stolen account.
    #[must_use]
    pub fn would_leap(self, messages: u64) -> bool {
        messages > 2 * self.largest_day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(share: &str, trusted: bool) -> Spare {
        let provider = ProviderName::new("brevo").unwrap();
        Spare { provider, share: Share::parse(share).unwrap(), trusted }
    }

    fn places(count: u64, spares: &[Spare]) -> Vec<(u64, usize)> {
        (0..count).filter_map(|place| Some((place, spare_for(place, 2, spares)?))).collect()
    }

    #[test]
    fn a_share_is_a_percentage_up_to_half() {
        for (text, hundredths, shown) in
            [("5%", 500, "5%"), ("0.5 %", 50, "0.5%"), ("12,25%", 1_225, "12.25%"), ("50%", 5_000, "50%")]
        {
            let share = Share::parse(text).unwrap();
            assert_eq!((share.hundredths(), share.to_string().as_str()), (hundredths, shown));
        }
        for text in ["5", "0%", "51%", "100%", "-1%", "%", "5.%%", "1.234%", "five%", ".5%", ""] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
    }

    /// By hand: 5 % of 1000 are 50, and an even spread leaves a gap of about 20 between two.
    #[test]
    fn five_percent_of_a_thousand_are_fifty_spread_over_the_list() {
        let taken: Vec<u64> = places(1_000, &[spare("5%", true)]).into_iter().map(|(at, _)| at).collect();

        assert!((48..=52).contains(&taken.len()), "{}", taken.len());
        let gaps: Vec<u64> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (5..=40).contains(gap)), "{gaps:?}");
        assert!(taken[0] > 0 && taken[0] < 40 && taken[taken.len() - 1] > 960, "{taken:?}");
    }

    #[test]
    fn two_spares_never_share_a_recipient_and_each_has_its_part() {
        let both = places(2_000, &[spare("5%", true), spare("10%", true)]);

        let of = |which| both.iter().filter(|(_, place)| *place == which).count();
        assert!((97..=103).contains(&of(0)) && (196..=204).contains(&of(1)), "{} {}", of(0), of(1));
    }

    #[test]
    fn a_spare_that_is_not_trusted_takes_nobody_of_tier_one() {
        let untrusted = [spare("50%", false)];

        assert!((0..200).all(|place| spare_for(place, 1, &untrusted).is_none()));
        assert!((0..200).any(|place| spare_for(place, 2, &untrusted).is_some()));
        assert!((0..200).any(|place| spare_for(place, 1, &[spare("50%", true)]).is_some()));
    }

    #[test]
    fn a_spare_is_warm_for_thirty_days_and_its_largest_day_counts_for_ninety() {
        let provider = ProviderName::new("brevo").unwrap();
        let now: Timestamp = "2026-12-03T08:00:00Z".parse().unwrap();
        let day = |days_ago: i64, messages| AcceptedDay {
            provider: provider.clone(),
            day: now.as_second() / 86_400 - days_ago,
            messages,
        };

        let cold = warmth(&[day(31, 40), day(80, 7)], &provider, now);
        let warm = warmth(&[day(30, 1), day(80, 7)], &provider, now);

        assert_eq!(cold, Warmth { warm: false, largest_day: 40 });
        assert_eq!(warm, Warmth { warm: true, largest_day: 7 });
        assert!(warm.would_leap(15) && !warm.would_leap(14));
    }

    proptest::proptest! {
        #[test]
        fn any_share_of_any_list_is_kept(hundredths in 1_u32..5_000, count in 1_u64..3_000, from in 0_u64..10_000) {
            let share = Share(hundredths);
            let spares = [Spare { provider: ProviderName::new("b").unwrap(), share, trusted: true }];
            let taken = (from..from + count).filter(|place| spare_for(*place, 2, &spares).is_some()).count();
            let exact = count as f64 * f64::from(hundredths) / 10_000.0;
            // The discrepancy of multiples of the golden ratio grows with the logarithm of their number.
            proptest::prop_assert!((taken as f64 - exact).abs() <= 6.0, "{taken} of {count}, {exact}");
        }
    }
}
