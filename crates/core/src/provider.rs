//! What a provider is to the engine: something that makes one attempt.
//!
//! One attempt at one message (or at a batch, where its [`Capability`] allows): no retry, no sleep,
//! no second provider. All of that is the engine's. A provider calls [`Commit::intent`] at the one
//! moment when the intent must be durable, and [`Commit::heard`] whenever the other side answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::address::EmailAddress;
use crate::event::{EventKind, ProviderEvent};
use crate::message::Message;
use crate::outcome::{Denied, Outcome, Refusal};

/// The name of a provider in depeche.toml: what logs, the journal and the user call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ProviderName(Arc<str>);

/// One message on its way, with the identifiers of this attempt.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The message; the same bytes on every attempt.
    pub message: Arc<Message>,
    /// Names this attempt in the journal (UUID version 7).
    pub attempt: Uuid,
    /// The key under which a provider recognises a repeated request (UUID version 4). A batch goes
    /// under the key of its first parcel.
    pub idempotency_key: Uuid,
}

/// What a provider can do; the engine and the conformance suite go by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// The most octets that one built message may have, when there is a known limit.
    pub max_size_bytes: Option<u64>,
    /// Whether images inside the message (`cid:`) arrive. Where they do not, the provider links to those
    /// that are on the web ([`Message::html_with_linked_images`]).
    pub inline_images: bool,
    /// Whether attachments arrive.
    pub attachments: bool,
    /// Whether recipients whose local part is not ASCII can be mailed.
    pub international_local_part: bool,
    /// The most messages in one attempt; 1 for providers without batches.
    pub batch: usize,
    /// How long a repeated identical request is recognised as the same one, if it is.
    pub idempotent_for: Option<Duration>,
    /// The most attempts at a time (connections).
    pub lanes: usize,
    /// False for the outbox, which writes and never sends.
    pub sends: bool,
}

/// The engine's side of one attempt.
#[async_trait]
pub trait Commit: Send + Sync {
    /// Makes the intent durable. To be called exactly once per attempt: for SMTP after 354 (or before
    /// the first BDAT) and before the first body byte; for HTTP before the first request byte.
    ///
    /// `request_digest` is SHA-256 over the request, for providers that recognise a repeat.
    ///
    /// # Errors
    ///
    /// [`Denied`]: nothing may be handed over. The provider returns [`Outcome::NotStarted`] for every
    /// parcel, after leaving the dialogue without completing the message.
    async fn intent(&self, request_digest: Option<[u8; 32]>) -> Result<(), Denied>;

    /// [`Commit::intent`] for a provider that has a name for what it is about to send, such as the id of
    /// a campaign: the name is durable with the intent, and comes back in [`EarlierAttempt`].
    ///
    /// # Errors
    ///
    /// As [`Commit::intent`].
    async fn intent_under(&self, request_digest: Option<[u8; 32]>, provider_id: &str) -> Result<(), Denied>;

    /// The parcel that this lane will be given after this one, if all stays as it is: a provider that can
    /// tell its server of it early ([`Provider::announces`]) asks for it when the message of this attempt is
    /// all but handed over. `None` when there is none, or the run is to end; that may be the lane's last.
    ///
    /// It is a promise of nothing. The next attempt on the lane may be another one, or never come: what was
    /// announced must then be taken back without handing over a byte of it, and its own attempt still asks
    /// for its own [`Commit::intent`].
    fn next(&self) -> Option<Parcel> {
        None
    }

    /// The other side answered (any complete reply, in any phase). Silence between two calls is what
    /// makes a provider suspect.
    fn heard(&self);
}

/// What a login showed (`provider test`).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Login {
    /// What the provider said, in lines fit to be shown: greeting, account, quota, domains.
    pub facts: Vec<(String, String)>,
    /// What will go wrong later if nothing is done.
    pub warnings: Vec<String>,
    /// How much the account may send, where the provider says so.
    pub quota: Option<Quota>,
}

/// How much an account may send, in the provider's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// So many messages are left.
    Left(u64),
    /// So many messages an hour; the provider keeps what is more.
    PerHour(u64),
}

/// What a search for an earlier attempt found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp {
    /// Positive proof: the provider has the message ([`Outcome::Accepted`]), or can show that it never
    /// sent it and never will ([`Outcome::Refused`]).
    Found(Outcome),
    /// No trace. Absence is not proof that it was not taken.
    NotFound,
    /// This provider cannot be asked.
    CannotTell,
    /// It could not be asked now.
    Failed(String),
}

/// What a provider tells of messages that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventList {
    /// What happened in the time asked for.
    Listed {
        /// In any order; some may be known already, and some may be about other mail of the account.
        events: Vec<ProviderEvent>,
        /// False when there is more than the provider lets anybody ask for.
        complete: bool,
    },
    /// This provider cannot be asked: a relay tells by bounces only.
    CannotTell,
    /// It could not be asked now.
    Failed(String),
}

/// An address that a provider keeps on a block list of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// As the provider writes it.
    pub address: String,
    /// [`EventKind::Unsubscribed`], [`EventKind::Complained`], [`EventKind::InvalidAddress`] for a true
    /// bad address, and [`EventKind::Blocked`] for everything else.
    pub kind: EventKind,
    /// In the provider's words.
    pub reason: String,
}

/// A provider's own block list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockList {
    /// Its entries.
    Listed {
        /// In the provider's order.
        entries: Vec<Blocked>,
        /// False when there are more than the provider lets anybody ask for.
        complete: bool,
    },
    /// This provider has none.
    None,
    /// It could not be asked now.
    Failed(String),
}

/// What a provider says of a sending domain: whether it signs for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has authenticated the domain.
    Authenticated,
    /// It has not, in its words.
    NotAuthenticated(String),
    /// This provider has no such notion: a relay.
    CannotTell,
    /// It could not be asked now.
    Failed(String),
}

/// An earlier attempt whose outcome is unknown.
#[derive(Debug, Clone)]
pub struct EarlierAttempt {
    /// The message, rendered again from the journal; byte-identical to the first.
    pub parcel: Parcel,
    /// When the intent was made durable, UTC.
    pub started_at: jiff::Timestamp,
    /// The digest that was stored with the intent.
    pub request_digest: Option<[u8; 32]>,
    /// The provider's name of it, where it was stored with the intent.
    pub provider_id: Option<String>,
}

/// Hands messages to one mail provider.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in depeche.toml.
    fn name(&self) -> &ProviderName;

    /// Its kind: `smtp`, `brevo`, `mailchimp-transactional`, `outbox` …
    fn kind(&self) -> &'static str;

    /// What it can do.
    fn capability(&self) -> Capability;

    /// Whether its attempts ask for [`Commit::next`]. Only for providers without batches.
    fn announces(&self) -> bool {
        false
    }

    /// Makes one attempt at `parcels` (at most [`Capability::batch`], never empty) and returns one
    /// outcome per parcel, in order.
    ///
    /// `lane` is below [`Capability::lanes`]; two attempts on one lane never overlap, and what one
    /// connection did is durable before the same lane's next body. A provider that keeps connections
    /// keeps them by lane.
    ///
    /// Dropping the future after the intent leaves the outcome unknown.
    async fn attempt(&self, lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome>;

    /// Logs in without sending anything.
    ///
    /// # Errors
    ///
    /// The refusal that an attempt would have met.
    async fn login(&self) -> Result<Login, Refusal>;

    /// Looks for an earlier attempt whose outcome is unknown.
    async fn look_up(&self, _earlier: &EarlierAttempt) -> LookUp {
        LookUp::CannotTell
    }

    /// What happened to messages since `since`, as far as the provider can be asked.
    async fn events(&self, _since: jiff::Timestamp) -> EventList {
        EventList::CannotTell
    }

    /// The provider's own block list.
    async fn block_list(&self) -> BlockList {
        BlockList::None
    }

    /// Puts an address on the provider's own block list; false when it has none.
    ///
    /// # Errors
    ///
    /// Why the provider did not.
    async fn block(&self, _address: &EmailAddress, _comment: &str) -> Result<bool, Refusal> {
        Ok(false)
    }

    /// Whether it has authenticated that sending domain, in its own view.
    async fn standing(&self, _domain: &str) -> Standing {
        Standing::CannotTell
    }

    /// Ends kept connections politely. Bounded in time by the provider itself (5 s).
    async fn close(&self) {}
}

impl ProviderName {
    /// A name: 1 to 40 of `a-z`, `0-9`, `-`, `_`.
    ///
    /// # Errors
    ///
    /// [`BadProviderName`] with the text.
    pub fn new(name: &str) -> Result<Self, BadProviderName> {
        let fits = (1..=40).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
        if fits { Ok(Self(name.into())) } else { Err(BadProviderName(name.to_owned())) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a provider's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a provider name (1 to 40 of a-z, 0-9, - and _)")]
pub struct BadProviderName(pub String);

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
