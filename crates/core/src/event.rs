//! What happened to a message after a provider accepted it, in one form for every provider.
//!
//! Webhooks, polled lists and bounces are read into [`ProviderEvent`]; the journal overlays them on the
//! delivery. They come late, more than once and out of order, so nothing here assumes an order.

use jiff::Timestamp;

/// One thing that a provider says happened to one message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ProviderEvent {
    /// What happened.
    pub kind: EventKind,
    /// When, by the provider's clock, UTC.
    pub at: Option<Timestamp>,
    /// The recipient's address, as the provider wrote it.
    pub recipient: String,
    /// The provider's own id of the message: what its acceptance answered.
    pub provider_id: Option<String>,
    /// Our attempt, where the provider gives back what we tagged the message with.
    pub attempt: Option<uuid::Uuid>,
    /// What the receiver or the provider said, as one line without control characters.
    pub reason: Option<String>,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The provider took it: proof of acceptance.
    Accepted,
    /// The receiver took it.
    Delivered,
    /// The receiver put it off; the provider tries again.
    Deferred,
    /// The receiver refused it for good. Not yet a bad address: the reason says which (PROVIDERS.md,
    /// section 5).
    BouncedHard,
    /// The receiver refused it this time; the provider gave up.
    BouncedSoft,
    /// The provider says that this is no address.
    InvalidAddress,
    /// The provider did not send it: the recipient is on its own block list.
    Blocked,
    /// The provider did not send it, for a reason of the message or the account.
    Failed,
    /// The recipient reported it as spam.
    Complained,
    /// The recipient opted out at the provider.
    Unsubscribed,
}
