//! Which moves bring a recipient of a journal to where records say that it stands: pure.
//!
//! The direction is one: a journal that knows of an attempt which the records do not know, and which may
//! have reached somebody, is not moved by them, and nobody is taken from accepted or unknown back to pending but by a person's decision that
//! the records hold.

use depeche_core::journal::{AttemptRecord, AttemptState, DeliveryState};

use uuid::Uuid;

use crate::record::{Attempt, Stands};

/// One move, through one call of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Opens an attempt.
    Intend(Attempt),
    /// Ends an attempt that is open, unknown or held.
    Settle {
        /// The attempt as it ends.
        attempt: Attempt,
        /// Where the recipient stands.
        from: DeliveryState,
        /// Where it comes to stand.
        to: DeliveryState,
    },
    /// A person decided to send again.
    Supersede {
        /// Where the recipient stands: accepted, unknown or held.
        from: DeliveryState,
    },
    /// Without an attempt.
    Bare {
        /// Where it comes to stand.
        to: DeliveryState,
    },
}

/// The moves from what a journal holds (`state` and `attempts`) to `wanted`; `None` when the journal
/// knows more than the records and is left alone.
#[must_use]
pub fn moves(state: DeliveryState, attempts: &[AttemptRecord], wanted: &Stands) -> Option<Vec<Move>> {
    let is_foreign = |own: &&AttemptRecord| !wanted.attempts.iter().any(|attempt| attempt.id == own.id);
    let counts = |own: &AttemptRecord| own.state.excludes_others() || own.state == AttemptState::Refused;
    if attempts.iter().filter(is_foreign).any(counts) {
        return None;
    }
    let (mut at, mut moves) = (state, Vec::new());
    for attempt in &wanted.attempts {
        let own = attempts.iter().find(|own| own.id == attempt.id).map(|own| own.state);
        at = bring(attempt, own, at, &mut moves)?;
    }
    let untried = matches!(wanted.state, DeliveryState::Suppressed | DeliveryState::Refused);
    if at == DeliveryState::Pending && untried {
        moves.push(Move::Bare { to: wanted.state });
    }
    Some(moves)
}

/// Brings one attempt to where it stands; where the recipient stands then.
fn bring(
    attempt: &Attempt,
    own: Option<AttemptState>,
    at: DeliveryState,
    moves: &mut Vec<Move>,
) -> Option<DeliveryState> {
    use AttemptState as A;
    let mut at = at;
    let own = match own {
        Some(own) => own,
        None if at == DeliveryState::Pending => {
            moves.push(Move::Intend(attempt.clone()));
            at = DeliveryState::Intent;
            A::Intent
        }
        // Somewhere else than where another attempt could be: the journal's word stands.
        None => return None,
    };
    let doubt = match own {
        A::Unknown => Some(DeliveryState::Unknown),
        A::Held => Some(DeliveryState::Held),
        _ => None,
    };
    let mut settle = |from: DeliveryState, state: AttemptState, to: DeliveryState| {
        let attempt = Attempt { state, ..attempt.clone() };
        moves.push(Move::Settle { attempt, from, to });
        to
    };
    Some(match (own, attempt.state) {
        (own, wanted) if own == wanted => at,
        (A::Intent, A::Superseded) => {
            let from = settle(at, A::Unknown, DeliveryState::Unknown);
            moves.push(Move::Supersede { from });
            DeliveryState::Pending
        }
        (A::Intent, wanted) => settle(at, wanted, delivery_state(wanted)),
        (A::Accepted | A::Unknown | A::Held, A::Superseded) => {
            moves.push(Move::Supersede { from: at });
            DeliveryState::Pending
        }
        (A::Unknown | A::Held, A::Accepted | A::Refused) => {
            settle(doubt?, attempt.state, delivery_state(attempt.state))
        }
        // This journal withdrew it, and yet somebody knows that it went: it counts under a name of its
        // own, because an attempt that ended does not begin again.
        (A::NotAccepted | A::Superseded, A::Accepted | A::Held) if at == DeliveryState::Pending => {
            let renamed = Attempt { id: Uuid::from_u128(attempt.id.as_u128() ^ 1), ..attempt.clone() };
            let to = delivery_state(attempt.state);
            moves.push(Move::Intend(renamed.clone()));
            moves.push(Move::Settle { attempt: renamed, from: DeliveryState::Intent, to });
            to
        }
        // The journal is further on.
        _ => at,
    })
}

fn delivery_state(attempt: AttemptState) -> DeliveryState {
    match attempt {
        AttemptState::Intent => DeliveryState::Intent,
        AttemptState::Accepted => DeliveryState::Accepted,
        AttemptState::NotAccepted | AttemptState::Superseded => DeliveryState::Pending,
        AttemptState::Refused => DeliveryState::Refused,
        AttemptState::Held => DeliveryState::Held,
        AttemptState::Unknown => DeliveryState::Unknown,
        AttemptState::Written => DeliveryState::Written,
    }
}
