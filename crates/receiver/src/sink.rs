//! Where what was received is kept: the journal, behind a trait.

use async_trait::async_trait;
use depeche_core::event::ProviderEvent;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use depeche_core::opt_out::DeliveryReference;

/// Keeps what was received, for good, before the sender is told that it was.
///
/// Senders repeat themselves and are not in order: keeping the same event or opt-out again must change
/// nothing and succeed. A call that takes too long is dropped, and the sender told to repeat it; so each
/// call is one commit, all or nothing.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Keeps what the provider `source` says happened. Who said it has been proved.
    ///
    /// # Errors
    ///
    /// [`SinkError::Busy`] when nothing of it is kept: the sender is asked to repeat it later.
    async fn record(&self, source: &ProviderName, events: Vec<ProviderEvent>) -> Result<(), SinkError>;

    /// Keeps that the recipient of a delivery wants no more releases.
    ///
    /// # Errors
    ///
    /// [`SinkError`]; nothing is kept then.
    async fn opt_out(&self, subject: OptOut) -> Result<(), SinkError>;

    /// Whether anything could be kept at this moment; cheap.
    ///
    /// # Errors
    ///
    /// [`SinkError::Busy`] when not.
    async fn check(&self) -> Result<(), SinkError>;
}

/// Somebody wants no more releases. Their link was signed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OptOut {
    /// The delivery whose recipient it is.
    pub reference: DeliveryReference,
    /// When the request came, by our clock.
    pub at: Timestamp,
    /// How they said so.
    pub means: OptOutMeans,
}

/// How somebody opted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OptOutMeans {
    /// By their mail program's button (RFC 8058).
    OneClick,
    /// By the button of our page.
    Page,
}

/// Why something was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// It cannot be written now; later it may.
    #[error("the journal cannot be written now: {0}")]
    Busy(String),
    /// The journal knows no delivery of that reference (any more).
    #[error("no delivery has this reference")]
    NoSuchDelivery,
}

impl OptOutMeans {
    /// The word for it in measurements and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneClick => "one_click",
            Self::Page => "page",
        }
    }
}
