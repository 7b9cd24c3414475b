//! What the journal holds, as values.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::state::{AttemptState, DeliveryState, RunKind, RunState};
use crate::address::{EmailAddress, RecipientKey};
use crate::budget::{DomainPace, Limits};
use crate::contact::{Contact, Fields};
use crate::message::MessageId;
use crate::outcome::{Trouble, Wish};
use crate::provider::ProviderName;
use crate::release::FrozenRelease;

/// The name of a run: `20261203-lancement`, unique in a journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

/// The number of a delivery in its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub i64);

/// A run about to be frozen.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Proposed by the caller; the journal refuses one that exists.
    pub id: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// The release's slug; same slug with other content needs `again`.
    pub slug: String,
    /// The release's file, as the user named it (for people; never read again).
    pub release: String,
    /// SHA-256 over the release's source and assets.
    pub digest: [u8; 32],
    /// Everything needed to render again (the frozen release and the date), as JSON.
    pub frozen: String,
    /// Attachments and images, by name.
    pub assets: Vec<(String, Bytes)>,
    /// Providers in order of fallback.
    pub route: Vec<ProviderName>,
    /// Contact rows left out, as JSON (`[{"row":58,"reason":"…"}]`).
    pub left_out: String,
    /// What else a later process must know (outbox folder, on_unknown …), as JSON.
    pub settings: String,
    /// When the run begins.
    pub created_at: Timestamp,
    /// Whether an earlier run with the same slug and other content is meant to be so (`--again`).
    pub again: bool,
    /// How many the user confirmed: pending deliveries after freezing must be exactly this many.
    pub confirmed: u64,
}

/// One recipient about to be frozen.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Where it goes.
    pub address: EmailAddress,
    /// 1 is served first.
    pub tier: u32,
    /// Place in the list.
    pub position: u64,
    /// The contact's fields that the release uses, and those shown in reports.
    pub fields: Fields,
    /// The same on every attempt.
    pub message_id: MessageId,
    /// Not before this moment (embargo).
    pub not_before: Option<Timestamp>,
}

/// What freezing gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Deliveries that will be mailed.
    pub pending: u64,
    /// Deliveries on the suppression list.
    pub suppressed: u64,
}

/// A recipient that another run of the same release already holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Who.
    pub key: RecipientKey,
    /// By which run.
    pub run: RunId,
    /// In which state.
    pub state: DeliveryState,
}

/// A run.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Its name.
    pub id: RunId,
    /// What it is for.
    pub kind: RunKind,
    /// As stored; a killed run still says `running` (see [`super::effective_state`]).
    pub state: RunState,
    /// The release's slug.
    pub slug: String,
    /// The release's file.
    pub release: String,
    /// SHA-256 over source and assets.
    pub digest: [u8; 32],
    /// As given to [`NewRun::frozen`].
    pub frozen: String,
    /// Providers in order of fallback.
    pub route: Vec<ProviderName>,
    /// As given to [`NewRun::left_out`].
    pub left_out: String,
    /// As given to [`NewRun::settings`].
    pub settings: String,
    /// When it was frozen.
    pub created_at: Timestamp,
    /// When it last ended.
    pub ended_at: Option<Timestamp>,
    /// Why it stands where it stands, for people.
    pub note: Option<String>,
}

/// One recipient of a run.
#[derive(Debug, Clone)]
pub struct DeliveryRecord {
    /// Its number.
    pub id: DeliveryId,
    /// Where it goes.
    pub address: EmailAddress,
    /// 1 is served first.
    pub tier: u32,
    /// Place in the list.
    pub position: u64,
    /// The contact's fields.
    pub fields: Fields,
    /// The same on every attempt.
    pub message_id: MessageId,
    /// Where it stands.
    pub state: DeliveryState,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// Grows by one with every change of the row; part of every compare-and-set.
    pub fence: i64,
    /// How often the recipient was refused for now.
    pub transient_refusals: u32,
    /// Providers that refused the message itself; not tried again.
    pub avoid: Vec<ProviderName>,
    /// Attempts made so far.
    pub attempts: u32,
    /// The provider of the last attempt.
    pub provider: Option<ProviderName>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// The last answer.
    pub reply: Option<String>,
    /// When it last changed.
    pub at: Option<Timestamp>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// UUID version 7.
    pub id: Uuid,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// Counted from 1.
    pub number: u32,
    /// Through whom.
    pub provider: ProviderName,
    /// Where it stands.
    pub state: AttemptState,
    /// Shared by the attempts of one batch.
    pub request_id: Uuid,
    /// The key under which the provider recognises a repeat.
    pub idempotency_key: Uuid,
    /// SHA-256 over the request, where the provider has one.
    pub request_digest: Option<[u8; 32]>,
    /// The answer.
    pub reply: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// When the intent became durable (or the failure was seen).
    pub started_at: Timestamp,
    /// When the outcome came.
    pub ended_at: Option<Timestamp>,
}

/// An intent: to be durable before the wire.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Of which run.
    pub run: RunId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// The fence that the caller read; must still be so.
    pub fence: i64,
    /// Names the attempt.
    pub attempt: Uuid,
    /// Shared by the attempts of one batch.
    pub request_id: Uuid,
    /// The key under which the provider recognises a repeat.
    pub idempotency_key: Uuid,
    /// SHA-256 over the request, where the provider has one.
    pub request_digest: Option<[u8; 32]>,
    /// Through whom.
    pub provider: ProviderName,
    /// What the provider calls the thing that is about to be sent, when it has a name before: a
    /// campaign. It is kept whatever becomes of the attempt, so that it can be asked for.
    pub provider_id: Option<String>,
    /// The provider's windows; the same commit takes one place in each.
    pub limits: Limits,
    /// The receiving domain's windows, where it has any; the same commit takes a place in each.
    pub pace: Option<DomainPace>,
    /// Now.
    pub at: Timestamp,
}

/// The outcome of an attempt, to be made durable.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Of which run.
    pub run: RunId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// The fence that the caller knows; must still be so.
    pub fence: i64,
    /// The attempt. If there was no intent, it is recorded with this settlement.
    pub attempt: Option<SettledAttempt>,
    /// The state that the delivery must be in.
    pub from: DeliveryState,
    /// The state that it comes to be in.
    pub to: DeliveryState,
    /// For `to` = pending: not before this moment.
    pub not_before: Option<Timestamp>,
    /// Adds one to the transient refusals.
    pub transient: bool,
    /// The provider is not to be tried again for this delivery.
    pub avoid: Option<ProviderName>,
    /// A true bad address.
    pub bad_address: bool,
    /// What the recipient wished, as the provider of `attempt` tells: it is on the suppression list in the same commit.
    pub wish: Option<Wish>,
    /// What was said (also for deliveries without an attempt, such as one that cannot be rendered).
    pub reply: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// The attempt that a settlement ends.
#[derive(Debug, Clone)]
pub struct SettledAttempt {
    /// Its name.
    pub id: Uuid,
    /// Whether its intent is in the journal; if not the attempt is inserted.
    pub had_intent: bool,
    /// Through whom.
    pub provider: ProviderName,
    /// Where it comes to stand.
    pub state: AttemptState,
    /// Whom a refusal blames, for reports: `recipient`, `message`, `provider`.
    pub blames: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
}

/// How soon a settlement must be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// With the next commit, and within 100 ms.
    Soon,
    /// In a commit of its own if need be.
    Now,
}

/// How many recipients stand where. They add up to `recipients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// The frozen list.
    pub recipients: u64,
    /// Pending, and open attempts of a live process.
    pub pending: u64,
    /// Accepted by a provider.
    pub accepted: u64,
    /// Refused for good.
    pub refused: u64,
    /// Held by a provider.
    pub held: u64,
    /// Unknown, and open attempts whose process is gone.
    pub unknown: u64,
    /// On the suppression list.
    pub suppressed: u64,
    /// Cancelled first.
    pub cancelled: u64,
    /// In the outbox.
    pub written: u64,
}

/// A suppressed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Who.
    pub key: RecipientKey,
    /// Why, for people: `bad address`, `opted out`, `complaint`, a person's words.
    pub reason: String,
    /// Where it comes from: `manual`, `run 20261203-lancement`, a provider's name.
    pub source: String,
    /// Quarantined addresses are shown to a person and still mailed (DELIVERY.md, the wave rule).
    pub quarantined: bool,
    /// Since when.
    pub at: Timestamp,
}

/// What the journal keeps of a provider between processes, and between the machines of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BreakerRecord {
    /// Which provider.
    pub provider: ProviderName,
    /// Which account it is about, and how that was reached: see [`config_digest`]. A change closes the breaker.
    pub config_digest: [u8; 32],
    /// Since when it is set aside; `None`: it is not.
    pub open_since: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// The trouble that opened it.
    pub trouble: Option<Trouble>,
    /// Throttled until then.
    pub resting_until: Option<Timestamp>,
}

impl BreakerRecord {
    /// Whether it is about the account that a section of this digest names. Then its rest is that section's too:
    /// the provider counts by account, whatever machine asks.
    #[must_use]
    pub fn is_of_account(&self, digest: &[u8; 32]) -> bool {
        self.config_digest[..ACCOUNT] == digest[..ACCOUNT]
    }

    /// Whether what set it aside holds for a section of this digest. It does for the same account, but for a
    /// login or a certificate that was refused: another machine has its own secret and its own authorities,
    /// and a changed one is to be tried.
    #[must_use]
    pub fn holds_for(&self, digest: &[u8; 32]) -> bool {
        let is_of_machine = matches!(self.trouble, Some(Trouble::Credentials | Trouble::TlsIdentity));
        self.is_of_account(digest) && (!is_of_machine || self.config_digest == *digest)
    }
}

/// So many octets of a digest name the account: 128 bits of SHA-256.
const ACCOUNT: usize = 16;

/// The digest of a provider's section, from two SHA-256: half of the one over what names the `account` (kind,
/// host, user name and the like), which is the same on every machine of a fleet, and half of the one over
/// what a machine comes with (`means`: where its secret is, whom it trusts).
#[must_use]
pub fn config_digest(account: &[u8; 32], means: &[u8; 32]) -> [u8; 32] {
    let mut digest = *account;
    digest[ACCOUNT..].copy_from_slice(&means[..32 - ACCOUNT]);
    digest
}

/// How many messages a provider accepted on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedDay {
    /// Which provider.
    pub provider: ProviderName,
    /// Days since 1970, UTC.
    pub day: i64,
    /// How many.
    pub messages: u64,
}

/// What a person decides about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// An unknown or held one was sent: counts as accepted.
    Sent,
    /// Send an unknown or held one again: the old attempt is superseded.
    Resend,
    /// Send an accepted one again, because its provider burned with it (DELIVERY.md, "accepted, at
    /// risk"): the old attempt is superseded. Only for recipients that are named.
    ResendAccepted,
}

/// What became of events that were told to the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// One for each event, in order.
    pub events: Vec<RecordedEvent>,
    /// Unknown or held recipients that an event proved accepted or refused, and pending ones whose superseded message
    /// it shows to have reached them, with what it proved.
    pub resolved: Vec<(RunId, RecipientKey, DeliveryState)>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// False for one that the journal had already.
    pub new: bool,
    /// Whose message it is about; `None` when the journal knows of none.
    pub of: Option<(RunId, RecipientKey)>,
    /// It tells of a message that its provider is said to have refused: somebody may have it twice.
    pub contradicts: bool,
}

/// What forgetting a person changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Under which name they stand from now on.
    pub pseudonym: RecipientKey,
    /// In how many runs they were.
    pub deliveries: u64,
    /// How many events named them.
    pub events: u64,
    /// Whether what was replaced is gone from the free space of the journal's file as well; false while
    /// another process uses the file.
    pub swept: bool,
}

/// A time in which a provider is, or was, out of service, as a person declared it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outage {
    /// Whose.
    pub provider: ProviderName,
    /// From when.
    pub since: Timestamp,
    /// Until when; `None`: it goes on.
    pub until: Option<Timestamp>,
    /// What the person knows of it.
    pub reason: String,
    /// When it was declared.
    pub declared_at: Timestamp,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// On which run.
    pub run: Option<RunId>,
    /// What was done: `resolve --resend`, `cancel`, `suppress add` …
    pub action: String,
    /// To whom, and why, in the person's words.
    pub detail: String,
}

/// What was used of a provider's windows: messages by second.
pub type UsageBuckets = BTreeMap<i64, u32>;

/// What was used of a provider's windows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Messages by second (UTC, since 1970).
    pub buckets: UsageBuckets,
    /// When the last message was due, to the microsecond, for the even spacing of `per_second`
    /// ([`crate::budget::Limits::last_after`]); without one, when it came.
    pub last: Option<Timestamp>,
}

impl NewRun {
    /// A real run of `release`, with the shortest route and nothing left out; change what differs.
    ///
    /// `confirmed` is how many the user agreed to mail.
    ///
    /// # Errors
    ///
    /// When the release cannot be written as JSON.
    pub fn real(
        id: RunId,
        release: &FrozenRelease,
        confirmed: u64,
        created_at: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id,
            kind: RunKind::Real,
            slug: release.slug.clone(),
            release: release.slug.clone(),
            digest: release.digest,
            frozen: serde_json::to_string(release)?,
            assets: Vec::new(),
            route: Vec::new(),
            left_out: "[]".to_owned(),
            settings: "{}".to_owned(),
            created_at,
            again: false,
            confirmed,
        })
    }
}

impl NewDelivery {
    /// A delivery to `contact` at its place in the list, due at once.
    #[must_use]
    pub fn to(contact: &Contact, position: u64, message_id: MessageId) -> Self {
        Self {
            address: contact.address.clone(),
            tier: contact.tier,
            position,
            fields: contact.fields.clone(),
            message_id,
            not_before: None,
        }
    }
}

impl RunId {
    /// A run's name: 1 to 80 of `a-z`, `0-9`, `-`, `_`, `.`; it becomes a file name.
    ///
    /// # Errors
    ///
    /// [`BadRunId`] with the text.
    pub fn new(text: &str) -> Result<Self, BadRunId> {
        let fits = (1..=80).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(BadRunId(text.to_owned())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a run's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a run")]
pub struct BadRunId(pub String);

impl Totals {
    /// Counts `count` deliveries in `state`. `owner_lives` tells open attempts of a live process
    /// (pending) from orphans (unknown).
    pub fn add(&mut self, state: DeliveryState, count: u64, owner_lives: bool) {
        self.recipients += count;
        match state {
            DeliveryState::Pending => self.pending += count,
            DeliveryState::Intent if owner_lives => self.pending += count,
            DeliveryState::Intent | DeliveryState::Unknown => self.unknown += count,
            DeliveryState::Accepted => self.accepted += count,
            DeliveryState::Refused => self.refused += count,
            DeliveryState::Held => self.held += count,
            DeliveryState::Suppressed => self.suppressed += count,
            DeliveryState::Cancelled => self.cancelled += count,
            DeliveryState::Written => self.written += count,
        }
    }

    /// Whether the states add up to the frozen list.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.pending
            + self.accepted
            + self.refused
            + self.held
            + self.unknown
            + self.suppressed
            + self.cancelled
            + self.written
            == self.recipients
    }
}
