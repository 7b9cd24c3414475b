//! What the engine needs of a release: a message for one delivery.

use crate::journal::DeliveryRecord;
use crate::message::Message;

/// Makes the message of a delivery: the same bytes every time it is asked for the same one.
pub trait Render: Send + Sync {
    /// What every message of this release needs of a provider.
    fn needs(&self) -> Needs;

    /// Renders one message.
    ///
    /// # Errors
    ///
    /// [`RenderRefused`] refuses this recipient and nobody else.
    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused>;
}

/// What a release needs of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// It has images that are nowhere but inside the message: one with an address on the web can be
    /// linked to instead.
    pub inline_images: bool,
    /// It has attachments.
    pub attachments: bool,
    /// About how large each message is.
    pub size_bytes: u64,
}

/// This contact's message cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RenderRefused {
    /// Why, without the contact's data.
    pub reason: String,
}
