//! Whose turn it is at a provider with `per_second`, among the attempts of this process.
//!
//! The dialogue that leads to an intent takes its time, and never the same. So an attempt begins up to
//! [`LEAD`] before its turn, is with the server when that comes (after 354, before the first body octet), and
//! waits for it there. Turns go to whoever is ready first; the journal, which keeps the schedule for all
//! processes ([`crate::budget::Spacing`]), has the last word. Not governor's cells: these turns must be the
//! journal's to the microsecond, or each would be asked for twice.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::budget::{Limits, Spacing};

/// So long before its turn an attempt may begin. At one message a second that is enough for the next one to be
/// announced behind the last.
pub(super) const LEAD: SignedDuration = SignedDuration::from_millis(1_050);
/// A turn that is further away than this is not waited for with a server on the line.
pub(super) const MOMENT: SignedDuration = SignedDuration::from_millis(1_100);

/// The turns of one provider. Without `per_second` it is always everybody's.
#[derive(Debug)]
pub(super) struct Turns {
    spacing: Option<Spacing>,
    /// When the last turn that was taken is due.
    last: Mutex<Option<Timestamp>>,
}

impl Turns {
    /// `last` is what the journal knows ([`crate::journal::Usage::last`]).
    pub(super) fn new(limits: &Limits, last: Option<Timestamp>) -> Self {
        Self { spacing: limits.spacing(), last: Mutex::new(last) }
    }

    /// Takes the next turn, and says when it is: now, or in a moment.
    ///
    /// # Errors
    ///
    /// When it is too far away to be waited for; then it is not taken.
    pub(super) fn take(&self, now: Timestamp) -> Result<Timestamp, Timestamp> {
        let Some(spacing) = self.spacing else { return Ok(now) };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = spacing.next(*last, now);
        if turn > now + MOMENT {
            return Err(turn);
        }
        *last = Some(spacing.last_after(*last, turn));
        Ok(turn)
    }

    /// When one more attempt may begin, with so many that have begun and have no turn yet.
    pub(super) fn may_begin(&self, waiting: usize, now: Timestamp) -> Option<Timestamp> {
        let spacing = self.spacing?;
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before_it = i32::try_from(waiting).unwrap_or(i32::MAX);
        let turn = spacing.next(last, now) + spacing.gap.saturating_mul(before_it);
        Some(turn - LEAD).filter(|begin| *begin > now)
    }

    /// What the journal says of the last message of all processes.
    pub(super) fn hear(&self, told: Option<Timestamp>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milli: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + milli).unwrap()
    }

    /// 2 a second: a gap of 510.002 ms (`Spacing`).
    fn two_a_second() -> Turns {
        Turns::new(&Limits { per_second: Some(2), ..Limits::default() }, None)
    }

    #[test]
    fn turns_are_evenly_spaced_and_those_far_away_are_not_given() {
        let turns = two_a_second();
        let second = at(0) + SignedDuration::from_micros(510_002);
        let third = at(0) + SignedDuration::from_micros(1_020_004);

        assert_eq!(turns.take(at(0)), Ok(at(0)));
        assert_eq!(turns.take(at(0)), Ok(second));
        assert_eq!(turns.take(at(0)), Ok(third));
        let fourth = third + SignedDuration::from_micros(510_002);
        assert_eq!(turns.take(at(0)), Err(fourth));
        assert_eq!(turns.take(at(500)), Ok(fourth), "it was not taken before");
    }

    #[test]
    fn an_attempt_begins_before_its_turn_and_behind_those_that_have_none_yet() {
        let turns = two_a_second();
        assert_eq!(turns.may_begin(0, at(0)), None);
        turns.take(at(0)).unwrap();

        // By hand: the second turn is at 510 ms, the third at 1020 ms: both within the lead of 1050 ms.
        assert_eq!(turns.may_begin(1, at(0)), None);
        // The fourth is at 1530.006 ms.
        let begin = at(0) + SignedDuration::from_micros(1_530_006 - 1_050_000);
        assert_eq!(turns.may_begin(2, at(0)), Some(begin));
        assert_eq!(turns.may_begin(2, begin), None);
    }

    #[test]
    fn without_a_limit_it_is_everybodys_turn() {
        let turns = Turns::new(&Limits::default(), Some(at(900)));

        assert_eq!((turns.take(at(0)), turns.may_begin(99, at(0))), (Ok(at(0)), None));
    }

    #[test]
    fn what_another_process_took_is_heard_of() {
        let turns = two_a_second();
        turns.hear(Some(at(300)));

        assert_eq!(turns.take(at(301)), Ok(at(300) + SignedDuration::from_micros(510_002)));
    }
}
