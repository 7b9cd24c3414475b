//! What happened to a message after a provider accepted it, in one form for every provider.
//!
//! Webhooks, polled lists and bounces are read into [`ProviderEvent`]; the journal overlays them on the
//! delivery. They come late, more than once and out of order, so nothing here assumes an order.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::journal::DeliveryState;
use crate::journal::state::{NoSuchState, state_names};
use crate::provider::ProviderName;

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
    /// The idempotency key of our request, where the provider gives back only what the request was tagged with: with
    /// the address it names the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<uuid::Uuid>,
    /// Our Message-ID, with its angle brackets, where the provider or a report quotes it.
    pub message_id: Option<String>,
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

/// An event as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Who told: a provider's name, or `bounces` for the mailbox of reports.
    pub source: ProviderName,
    /// What was told.
    pub event: ProviderEvent,
    /// When it came, by our clock.
    pub seen_at: Timestamp,
}

impl ProviderEvent {
    /// An event about `recipient` of which nothing else is known.
    #[must_use]
    pub fn new(kind: EventKind, recipient: &str) -> Self {
        Self {
            kind,
            at: None,
            recipient: recipient.to_owned(),
            provider_id: None,
            attempt: None,
            key: None,
            message_id: None,
            reason: None,
        }
    }

    /// What makes two tellings one event: who told it, what, of which message, to whom, when to the
    /// second. The wording of the reason is left out, because a webhook and a list word it differently.
    #[must_use]
    pub fn identity(&self, source: &ProviderName) -> [u8; 32] {
        let message = self
            .provider_id
            .clone()
            .or_else(|| self.attempt.map(|attempt| attempt.to_string()))
            .or_else(|| self.message_id.clone())
            .unwrap_or_default();
        let at = self.at.map(|at| at.as_second().to_string()).unwrap_or_default();
        let recipient = self.recipient.to_lowercase();
        let mut sum = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in [source.as_str(), self.kind.as_str(), &message, &recipient, &at] {
            sum.update(part.as_bytes());
            sum.update(&[0]);
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(sum.finish().as_ref());
        identity
    }
}

impl EventKind {
    /// Every kind, from the weakest word to the strongest: of all that is known of a message the
    /// strongest stands, in whatever order it came. A bounce is stronger than a delivery, because
    /// receivers send reports for mail that they first took.
    pub const BY_STRENGTH: [Self; 10] = [
        Self::Accepted,
        Self::Deferred,
        Self::BouncedSoft,
        Self::Delivered,
        Self::Failed,
        Self::Blocked,
        Self::BouncedHard,
        Self::InvalidAddress,
        Self::Unsubscribed,
        Self::Complained,
    ];

    /// What stands of all that is known of a message; `None` when nothing is.
    #[must_use]
    pub fn strongest(kinds: impl IntoIterator<Item = Self>) -> Option<Self> {
        kinds.into_iter().max_by_key(|kind| kind.strength())
    }

    fn strength(self) -> usize {
        Self::BY_STRENGTH.iter().position(|kind| *kind == self).unwrap_or(0)
    }

    /// What it proves of a delivery whose attempt is unknown or held: that the provider took the message;
    /// that it refused to send it to this recipient; or that it did not send it for a reason of its own or
    /// of the message, and the recipient is pending for another one (DELIVERY.md, "Outcome of one attempt").
    /// A provider cannot tell of a message that it never had.
    #[must_use]
    pub fn proves(self) -> DeliveryState {
        match self {
            Self::Blocked => DeliveryState::Refused,
            Self::Failed => DeliveryState::Pending,
            _ => DeliveryState::Accepted,
        }
    }

    /// Whether it is the recipient's own word, which counts whatever message it was about.
    #[must_use]
    pub fn is_wish(self) -> bool {
        matches!(self, Self::Unsubscribed | Self::Complained)
    }

    /// Whether the message reached the receiver's server, as far as this event tells.
    #[must_use]
    pub fn reached(self) -> bool {
        matches!(self, Self::Delivered | Self::Unsubscribed | Self::Complained)
    }

    /// Whether the message did not reach the recipient and never will.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::BouncedHard | Self::BouncedSoft | Self::InvalidAddress | Self::Blocked | Self::Failed
        )
    }
}

state_names!(EventKind {
    Accepted = "accepted",
    Delivered = "delivered",
    Deferred = "deferred",
    BouncedHard = "bounced_hard",
    BouncedSoft = "bounced_soft",
    InvalidAddress = "invalid_address",
    Blocked = "blocked",
    Failed = "failed",
    Complained = "complained",
    Unsubscribed = "unsubscribed",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_does_not_depend_on_the_order_of_arrival() {
        use EventKind as K;
        let table = [
            (&[K::Accepted, K::Deferred, K::Delivered][..], K::Delivered),
            (&[K::Delivered, K::BouncedHard], K::BouncedHard),
            (&[K::BouncedSoft, K::Delivered], K::Delivered),
            (&[K::Delivered, K::Complained], K::Complained),
            (&[K::Deferred, K::BouncedSoft], K::BouncedSoft),
        ];
        for (kinds, stands) in table {
            let mut reversed = kinds.to_vec();
            reversed.reverse();
            assert_eq!(K::strongest(kinds.iter().copied()), Some(stands));
            assert_eq!(K::strongest(reversed), Some(stands));
        }
        assert_eq!(K::strongest([]), None);
    }

    #[test]
    fn every_kind_has_its_place_and_its_name() {
        for kind in EventKind::BY_STRENGTH {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        let all: std::collections::BTreeSet<_> = EventKind::BY_STRENGTH.into_iter().collect();
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn the_same_event_told_in_other_words_is_one_event() {
        let brevo = ProviderName::new("brevo").unwrap();
        let mut one = ProviderEvent::new(EventKind::BouncedHard, "Zoe@exemple.fr");
        one.provider_id = Some("<1@relay>".to_owned());
        let mut other = one.clone();
        other.reason = Some("550 user unknown".to_owned());
        other.recipient = "zoe@exemple.fr".to_owned();
        let mut later = one.clone();
        later.at = Some(Timestamp::UNIX_EPOCH);

        assert_eq!(one.identity(&brevo), other.identity(&brevo));
        assert_ne!(one.identity(&brevo), later.identity(&brevo));
        assert_ne!(one.identity(&brevo), one.identity(&ProviderName::new("ovh").unwrap()));
    }
}
