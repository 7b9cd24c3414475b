//! One recipient in memory, between the journal and the wire.

use std::sync::Arc;

use jiff::Timestamp;

use crate::journal::DeliveryRecord;
use crate::message::Message;
use crate::provider::ProviderName;

/// A pending delivery in memory.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// As the journal holds it; the fence is kept up to date.
    pub(super) record: DeliveryRecord,
    /// Rendered at the first attempt.
    pub(super) message: Option<Arc<Message>>,
    /// Providers that failed for it in this round.
    pub(super) tried: Vec<ProviderName>,
    /// How many rounds through the whole chain failed.
    pub(super) rounds: u32,
    /// Not before this moment.
    pub(super) not_before: Option<Timestamp>,
}

impl Item {
    pub(super) fn new(record: DeliveryRecord) -> Self {
        Self { record, message: None, tried: Vec::new(), rounds: 0, not_before: None }
    }

    /// Its place: tier first, then list order.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.record.tier, self.record.position)
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }
}
