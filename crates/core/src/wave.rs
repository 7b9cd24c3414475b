//! A wave of bad-address replies is an outage, not list hygiene.
//!
//! DELIVERY.md: 5 or more and 3 % or more from one receiving domain within an hour, or any from an
//! address delivered in the last 90 days, are quarantined for a person, not suppressed. As long as no
//! event proves a delivery, an acceptance stands for it: that errs towards asking. Receivers under repair answer "no such user" for everybody, and a
//! press office that believed them would lose its list in a morning.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::address::RecipientKey;

/// What to do with one bad address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the suppression list.
    Suppress,
    /// A person looks at it first.
    Quarantine,
}

/// An address that was good so recently may be good still.
pub const RECENT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Judges the bad addresses of a run. `recipients` is how many recipients of the run each domain
/// has; `recently` are those that another run reached within [`RECENT`].
#[must_use]
pub fn judge(
    bad: &[(RecipientKey, Timestamp)],
    recipients: &BTreeMap<String, u64>,
    recently: &BTreeSet<RecipientKey>,
) -> Vec<(RecipientKey, Verdict)> {
    let mut by_domain: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for (key, at) in bad {
        by_domain.entry(domain_of(key)).or_default().push(*at);
    }
    for times in by_domain.values_mut() {
        times.sort_unstable();
    }
    let judged = |key: &RecipientKey| {
        let domain = domain_of(key);
        let of_domain = recipients.get(domain).copied().unwrap_or_default();
        let times = by_domain.get(domain).map_or(&[][..], Vec::as_slice);
        if recently.contains(key) || is_wave(times, of_domain) {
            Verdict::Quarantine
        } else {
            Verdict::Suppress
        }
    };
    bad.iter().map(|(key, _)| (key.clone(), judged(key))).collect()
}

/// Whether some hour holds 5 or more bad replies that are 3 % or more of the domain's recipients.
fn is_wave(sorted: &[Timestamp], recipients: u64) -> bool {
    let hour = SignedDuration::from_hours(1);
    let most_in_an_hour = (0..sorted.len())
        .map(|first| sorted[first..].iter().take_while(|at| **at - hour <= sorted[first]).count())
        .max()
        .unwrap_or(0) as u64;
    most_in_an_hour >= 5 && most_in_an_hour * 100 >= recipients * 3
}

fn domain_of(key: &RecipientKey) -> &str {
    key.as_str().rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EmailAddress;

    fn bad(domain: &str, count: usize) -> Vec<(RecipientKey, Timestamp)> {
        (0..count)
            .map(|n| {
                let address = EmailAddress::parse(&format!("j{n}@{domain}")).unwrap();
                (address.key(), Timestamp::from_second(1_000 + n as i64).unwrap())
            })
            .collect()
    }

    fn verdicts(bad: &[(RecipientKey, Timestamp)], recipients: u64) -> Vec<Verdict> {
        let counts = BTreeMap::from([("orange.example".to_owned(), recipients)]);
        judge(bad, &counts, &BTreeSet::new()).into_iter().map(|(_, verdict)| verdict).collect()
    }

    #[test]
    fn a_wave_of_two_hundred_suppresses_nobody() {
        assert!(verdicts(&bad("orange.example", 200), 200).iter().all(|v| *v == Verdict::Quarantine));
    }

    #[test]
    fn four_bad_addresses_or_fewer_than_three_percent_are_hygiene() {
        assert!(verdicts(&bad("orange.example", 4), 10).iter().all(|v| *v == Verdict::Suppress));
        assert!(verdicts(&bad("orange.example", 5), 200).iter().all(|v| *v == Verdict::Suppress));
        assert!(verdicts(&bad("orange.example", 6), 200).iter().all(|v| *v == Verdict::Quarantine));
    }

    #[test]
    fn an_address_that_was_good_last_month_is_for_a_person_to_judge() {
        let bad = bad("orange.example", 2);
        let recently = BTreeSet::from([bad[1].0.clone()]);

        let judged = judge(&bad, &BTreeMap::from([("orange.example".to_owned(), 200)]), &recently);

        let verdicts: Vec<Verdict> = judged.into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Verdict::Suppress, Verdict::Quarantine]);
    }
}
