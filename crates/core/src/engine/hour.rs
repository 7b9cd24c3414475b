//! The hour after which a run that has not begun is not begun any more ([`crate::policy::Policy::not_after`]).
//!
//! What has begun is finished, however late it is; and begun is what some recipient may have, not what was tried:
//! the hour is looked at again at the one moment when a message's intent is about to be made durable.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

/// Shared by a run's attempts.
#[derive(Debug)]
pub(super) struct Hour {
    not_after: Option<Timestamp>,
    begun: AtomicBool,
}

impl Hour {
    pub(super) fn new(not_after: Option<Timestamp>) -> Self {
        Self { not_after, begun: AtomicBool::new(false) }
    }

    /// Whether there is one, and nothing has begun.
    pub(super) fn is_open(&self) -> bool {
        self.not_after.is_some() && !self.begun.load(Ordering::Acquire)
    }

    /// An intent is durable: somebody may have the release.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// The hour, where it has passed and nothing was begun.
    pub(super) fn passed(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_after.filter(|until| now > *until && self.is_open())
    }
}
