//! Batches whose answer was not heard, for as long as their request may be repeated.
//!
//! A batch is one request under one key, so it is repeated once for all of its members, with the same bytes: they
//! are made again from the same parcels, and the digest must be the one that the journal has. What is kept lives
//! in this process alone: after a restart each member is looked up by Brevo's events (`look_up`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use depeche_core::outcome::Outcome;
use depeche_core::provider::Parcel;
use jiff::{SignedDuration, Timestamp};

use super::provider::REPEATABLE_FOR;

/// A repeat that proved nothing is not made again sooner: all members are asked for within a moment.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// One request for several recipients.
pub(super) struct Batch {
    digest: [u8; 32],
    begun_at: Timestamp,
    pub(super) parcels: Vec<Parcel>,
    told: tokio::sync::Mutex<Told>,
}

/// What its repeats told.
#[derive(Default)]
pub(super) struct Told {
    asked_at: Option<Timestamp>,
    outcomes: Option<Vec<Outcome>>,
}

#[derive(Clone, Default)]
pub(super) struct Batches(Arc<Mutex<Vec<Arc<Batch>>>>);

impl Batches {
    /// A request that is about to leave.
    pub(super) fn begin(&self, digest: [u8; 32], parcels: &[Parcel], now: Timestamp) {
        if parcels.len() < 2 {
            return;
        }
        let batch = Batch { digest, begun_at: now, parcels: parcels.to_vec(), told: Default::default() };
        let mut kept = self.kept();
        kept.retain(|batch| batch.may_be_repeated(now));
        kept.push(Arc::new(batch));
    }

    /// Its answer is known for all of it.
    pub(super) fn end(&self, digest: &[u8; 32]) {
        self.kept().retain(|batch| batch.digest != *digest);
    }

    pub(super) fn of(&self, digest: &[u8; 32]) -> Option<Arc<Batch>> {
        self.kept().iter().find(|batch| batch.digest == *digest).map(Arc::clone)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<Batch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn may_be_repeated(&self, now: Timestamp) -> bool {
        SignedDuration::try_from(REPEATABLE_FOR).is_ok_and(|limit| now.duration_since(self.begun_at) < limit)
    }

    /// What the repeat told of one member; `ask` makes it, where none has told anything yet. One at a time.
    pub(super) async fn told_of(
        &self,
        member: &Parcel,
        now: Timestamp,
        ask: impl AsyncFnOnce(&[Parcel]) -> Option<Vec<Outcome>>,
    ) -> Option<Outcome> {
        let place = self.parcels.iter().position(|parcel| parcel.attempt == member.attempt)?;
        let mut told = self.told.lock().await;
        let is_time = told.asked_at.is_none_or(|at| now.duration_since(at) >= AGAIN);
        if told.outcomes.is_none() && is_time {
            told.asked_at = Some(now);
            told.outcomes = ask(&self.parcels).await;
        }
        told.outcomes.as_ref()?.get(place).cloned()
    }
}
