//! Whether a provider may be used at all: the door for the check of its sending domain.

use async_trait::async_trait;

use crate::provider::ProviderName;

/// Says whether a provider may carry a release.
///
/// The engine asks for every provider of the route before a run, and again before the first message
/// of a fallback. An answer that takes longer than 30 s counts as [`Admitted::NotChecked`].
#[async_trait]
pub trait Admission: Send + Sync {
    /// Whether `provider` may be used now.
    async fn admit(&self, provider: &ProviderName) -> Admitted;
}

/// The answer of an [`Admission`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It may.
    Allowed,
    /// It may not, in this run; and why (DMARC would reject its mail, say).
    Blocked(String),
    /// It could not be found out, and why. A temporary DNS failure never blocks: it is used.
    NotChecked(String),
}
