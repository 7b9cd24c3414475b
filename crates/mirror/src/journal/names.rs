//! Who the recipients of a run are, for the records that name them by address and not by number.
//!
//! Whoever is handed out was listed by this journal shortly before ([`super::MirroredJournal`] sees each list pass by),
//! so a few thousand names are enough: a list of a million does not stand in memory. Whoever is not among
//! them is looked for in the whole run, once, and from then on all of it is known.

use std::collections::{BTreeMap, VecDeque};

use depeche_core::address::RecipientKey;
use depeche_core::journal::{DeliveryId, DeliveryRecord};

/// More than any engine has listed and not yet settled: its window is 512, a batch 1 000.
const LISTED: usize = 8_192;

/// What is known of one run.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether records are kept of it: a test is not.
    pub(super) is_kept: bool,
    names: BTreeMap<DeliveryId, RecipientKey>,
    /// Those that were listed, the oldest first; not used once all are known.
    listed: VecDeque<DeliveryId>,
    /// Whether `names` is the whole run.
    has_all: bool,
}

impl Known {
    /// Of a run of which nobody was listed yet.
    pub(super) fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    /// These were listed.
    pub(super) fn listed(&mut self, page: &[DeliveryRecord]) {
        if !self.is_kept || self.has_all {
            return;
        }
        for delivery in page {
            if self.names.insert(delivery.id, delivery.address.key()).is_none() {
                self.listed.push_back(delivery.id);
            }
        }
        while self.listed.len() > LISTED {
            let oldest = self.listed.pop_front();
            oldest.and_then(|oldest| self.names.remove(&oldest));
        }
    }

    /// The whole run.
    pub(super) fn all(&mut self, names: BTreeMap<DeliveryId, RecipientKey>) {
        (self.names, self.has_all, self.listed) = (names, true, VecDeque::new());
    }

    /// The names of those; `None` when the whole run must be read first.
    pub(super) fn of(&self, wanted: &[DeliveryId]) -> Option<BTreeMap<DeliveryId, RecipientKey>> {
        if !self.is_kept {
            return Some(BTreeMap::new());
        }
        let name = |id: &DeliveryId| self.names.get(id).map(|key| (*id, key.clone()));
        let names: BTreeMap<_, _> = wanted.iter().filter_map(name).collect();
        (self.has_all || wanted.iter().all(|id| names.contains_key(id))).then_some(names)
    }
}

#[cfg(test)]
mod tests {
    use depeche_core::contact::Fields;
    use depeche_core::journal::DeliveryState;

    use super::*;

    fn page(numbers: std::ops::Range<i64>) -> Vec<DeliveryRecord> {
        let record = |number: i64| DeliveryRecord {
            id: DeliveryId(number),
            address: format!("j{number}@journal.example").parse().unwrap(),
            tier: 1,
            position: number.unsigned_abs(),
            fields: Fields::default(),
            message_id: depeche_core::message::MessageId::new(&format!("<{number}@exemple.fr>")).unwrap(),
            state: DeliveryState::Pending,
            not_before: None,
            fence: 0,
            transient_refusals: 0,
            avoid: Vec::new(),
            attempts: 0,
            provider: None,
            provider_id: None,
            reply: None,
            at: None,
        };
        numbers.map(record).collect()
    }

    #[test]
    fn a_long_list_that_passes_by_leaves_the_newest_names_alone_in_memory() {
        let mut known = Known::new(true);
        for first in (0..100_000).step_by(500) {
            known.listed(&page(first..first + 500));
            // The same page again, as for whoever must wait.
            known.listed(&page(first..first + 500));
        }

        assert_eq!((known.names.len(), known.listed.len()), (LISTED, LISTED));
        let newest = known.of(&[DeliveryId(99_999), DeliveryId(99_000)]).unwrap();
        assert_eq!(newest[&DeliveryId(99_000)].as_str(), "j99000@journal.example");
        assert!(
            known.of(&[DeliveryId(99_999), DeliveryId(3)]).is_none(),
            "the run must be read for the third"
        );
    }

    #[test]
    fn once_the_whole_run_is_known_nothing_is_dropped_and_nobody_is_looked_for_again() {
        let mut known = Known::new(true);
        known.listed(&page(0..10));
        known.all(page(0..20_000).iter().map(|one| (one.id, one.address.key())).collect());
        known.listed(&page(0..20_000));

        assert_eq!(known.of(&[DeliveryId(3), DeliveryId(19_999)]).unwrap().len(), 2);
        assert!(known.of(&[DeliveryId(20_001)]).unwrap().is_empty());
    }

    #[test]
    fn of_a_test_run_nothing_is_kept() {
        let mut known = Known::new(false);
        known.listed(&page(0..10));

        assert!(known.names.is_empty());
        assert!(known.of(&[DeliveryId(3)]).unwrap().is_empty());
    }
}
