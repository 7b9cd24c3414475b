//! What is kept in the second place, as values that stand on their own.
//!
//! A recipient is named by run and folded address, never by its number in one journal: the journal that
//! reads this may be another one. Unknown kinds are refused by the reader, so that a newer depeche's
//! mirror is not half understood by an older one.

use depeche_core::address::{EmailAddress, RecipientKey};
use depeche_core::contact::Fields;
use depeche_core::event::ProviderEvent;
use depeche_core::journal::{
    AttemptRecord, AttemptState, BreakerRecord, DeliveryRecord, DeliveryState, Intent, Outage, RunId,
    RunRecord, RunState, Settlement, Suppression,
};
use depeche_core::message::MessageId;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Record {
    /// A journal is the one that sends from here on.
    Owner(Owner),
    /// A list is about to follow.
    Run(Box<FrozenRun>),
    /// An attachment or image of a run.
    Asset {
        /// Of which run.
        run: RunId,
        /// Its name.
        name: String,
        /// In base64.
        content: String,
    },
    /// Some of a run's recipients, in the order of its list.
    Recipients {
        /// Of which run.
        run: RunId,
        /// Who.
        recipients: Vec<FrozenRecipient>,
    },
    /// Something may be on the wire from here on.
    Intent {
        /// Of which run.
        run: RunId,
        /// To whom.
        key: RecipientKey,
        /// The attempt, open.
        attempt: Attempt,
    },
    /// What became of an attempt, or of a recipient without one.
    Outcome(Box<Outcome>),
    /// Where a recipient stands, whole: after decisions, and where something was missed.
    Stands {
        /// Of which run.
        run: RunId,
        /// Who.
        key: RecipientKey,
        /// Where.
        stands: Stands,
    },
    /// Open attempts of a run were given up.
    Orphans {
        /// Of which run.
        run: RunId,
        /// When.
        at: Timestamp,
    },
    /// What was pending in a run will never be sent.
    Cancelled {
        /// Which run.
        run: RunId,
        /// When.
        at: Timestamp,
    },
    /// Where a run stands.
    State {
        /// Which run.
        run: RunId,
        /// Where.
        state: RunState,
        /// Why.
        note: Option<String>,
        /// Since when.
        at: Timestamp,
    },
    /// What was told after the acceptance.
    Events {
        /// Who told.
        source: ProviderName,
        /// What.
        events: Vec<ProviderEvent>,
        /// When it came.
        at: Timestamp,
    },
    /// What is known of a provider.
    Breaker(BreakerRecord),
    /// Addresses that are never mailed.
    Suppressed {
        /// Who, and why.
        entries: Vec<Suppressed>,
    },
    /// The key under which the journal knows those who were forgotten: without it they would be mailed from a
    /// second machine.
    ForgottenKey {
        /// 32 octets.
        key: [u8; 32],
    },
    /// An address that may be mailed again.
    Unsuppressed {
        /// Who.
        key: RecipientKey,
    },
    /// A person declared that a provider is, or was, out of service; what is said last of the same provider and
    /// beginning holds.
    Outage(Outage),
    /// A person took that back.
    OutageWithdrawn {
        /// Of which provider.
        provider: ProviderName,
        /// The beginning that was declared.
        since: Timestamp,
    },
    /// A snapshot begins: its parts say all that the journal holds, read after this was written.
    Snapshot {
        /// Which.
        id: Uuid,
    },
    /// A snapshot is whole: what stands before its beginning is not needed any more.
    SnapshotWhole {
        /// Which.
        id: Uuid,
        /// The number of the segment in which it begins.
        from: u64,
        /// How many segments are parts of it.
        parts: u64,
    },
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The journal's own id.
    pub journal: Uuid,
    /// The machine, for people.
    pub machine: String,
    /// Since when.
    pub at: Timestamp,
}

/// A run as it was frozen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrozenRun {
    /// Its name.
    pub id: RunId,
    /// The release's slug.
    pub slug: String,
    /// The release's file.
    pub release: String,
    /// SHA-256 over source and assets.
    pub digest: [u8; 32],
    /// Everything needed to render again.
    pub frozen: String,
    /// Providers in order of fallback.
    pub route: Vec<ProviderName>,
    /// Contact rows left out.
    pub left_out: String,
    /// What else a later process must know.
    pub settings: String,
    /// When it was frozen.
    pub created_at: Timestamp,
    /// How many assets and recipients follow: a run of which some are missing was never begun.
    pub assets: u64,
    /// See `assets`.
    pub recipients: u64,
}

/// A recipient as it was frozen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrozenRecipient {
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
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// On the suppression list when the list was frozen.
    pub suppressed: bool,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// UUID version 7.
    pub id: Uuid,
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
    /// Whom a refusal blames.
    pub blames: Option<String>,
    /// The answer.
    pub reply: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// When the intent became durable.
    pub started_at: Timestamp,
    /// When the outcome came.
    pub ended_at: Option<Timestamp>,
}

/// What became of an attempt. Counts only while the recipient stands at `from`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Of which run.
    pub run: RunId,
    /// Whose.
    pub key: RecipientKey,
    /// The attempt that ends, with its state; `None` for a recipient that was never tried.
    pub attempt: Option<Attempt>,
    /// Where the recipient stood.
    pub from: DeliveryState,
    /// Where it stands.
    pub to: DeliveryState,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// What was said.
    pub reply: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Where a recipient stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Its state.
    pub state: DeliveryState,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// What was said last.
    pub reply: Option<String>,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
}

/// A suppressed address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// Who.
    pub key: RecipientKey,
    /// Why, for people.
    pub reason: String,
    /// Where it comes from.
    pub source: String,
    /// Shown to a person and still mailed.
    pub quarantined: bool,
    /// Since when.
    pub at: Timestamp,
}

impl Record {
    /// Whether it says something of the log, and nothing of the journal.
    #[must_use]
    pub(crate) fn is_of_the_log_itself(&self) -> bool {
        matches!(self, Self::Owner(_) | Self::Snapshot { .. } | Self::SnapshotWhole { .. })
    }

    /// Whether a depeche that knows version 1 of a segment alone cannot read it.
    #[must_use]
    pub(crate) fn is_of_version_2(&self) -> bool {
        matches!(
            self,
            Self::Outage(_)
                | Self::OutageWithdrawn { .. }
                | Self::Snapshot { .. }
                | Self::SnapshotWhole { .. }
        )
    }
}

impl Attempt {
    /// The attempt that an intent opens.
    #[must_use]
    pub fn open(intent: &Intent) -> Self {
        Self {
            id: intent.attempt,
            provider: intent.provider.clone(),
            state: AttemptState::Intent,
            request_id: intent.request_id,
            idempotency_key: intent.idempotency_key,
            request_digest: intent.request_digest,
            blames: None,
            reply: None,
            provider_id: intent.provider_id.clone(),
            started_at: intent.at,
            ended_at: None,
        }
    }

    /// As the journal holds it.
    #[must_use]
    pub fn of(record: &AttemptRecord) -> Self {
        Self {
            id: record.id,
            provider: record.provider.clone(),
            state: record.state,
            request_id: record.request_id,
            idempotency_key: record.idempotency_key,
            request_digest: record.request_digest,
            blames: None,
            reply: record.reply.clone(),
            provider_id: record.provider_id.clone(),
            started_at: record.started_at,
            ended_at: record.ended_at,
        }
    }
}

impl Outcome {
    /// What a settlement says of `key`.
    #[must_use]
    pub fn of(settlement: &Settlement, key: RecipientKey) -> Self {
        // What the intent said of the attempt is known already; an attempt without an intent has no more.
        let attempt = settlement.attempt.as_ref().map(|attempt| Attempt {
            id: attempt.id,
            provider: attempt.provider.clone(),
            state: attempt.state,
            request_id: attempt.id,
            idempotency_key: attempt.id,
            request_digest: None,
            blames: attempt.blames.clone(),
            reply: settlement.reply.clone(),
            provider_id: attempt.provider_id.clone(),
            started_at: attempt.started_at,
            ended_at: Some(settlement.at),
        });
        Self {
            run: settlement.run.clone(),
            key,
            attempt,
            from: settlement.from,
            to: settlement.to,
            not_before: settlement.not_before,
            reply: settlement.reply.clone(),
            at: settlement.at,
        }
    }
}

impl Stands {
    /// Where a recipient stands, as the journal holds it.
    #[must_use]
    pub fn of(delivery: &DeliveryRecord, attempts: &[AttemptRecord]) -> Self {
        let mut attempts: Vec<Attempt> = attempts.iter().map(Attempt::of).collect();
        let mut transient = delivery.transient_refusals;
        // The journal keeps of whom a refusal blamed what still counts; it is said where it came from.
        let refused = attempts.iter_mut().rev().filter(|attempt| attempt.state == AttemptState::NotAccepted);
        for attempt in refused {
            if delivery.avoid.contains(&attempt.provider) {
                attempt.blames = Some("message".to_owned());
            } else if transient > 0 {
                transient -= 1;
                attempt.blames = Some("recipient".to_owned());
            }
        }
        Self {
            state: delivery.state,
            not_before: delivery.not_before,
            reply: delivery.reply.clone(),
            attempts,
        }
    }

    /// Pending and never tried.
    #[must_use]
    pub fn at_the_start(not_before: Option<Timestamp>) -> Self {
        Self { state: DeliveryState::Pending, not_before, reply: None, attempts: Vec::new() }
    }
}

impl FrozenRun {
    /// The run as the journal holds it, followed by so many assets and recipients.
    #[must_use]
    pub fn of(run: &RunRecord, assets: usize, recipients: u64) -> Self {
        Self {
            id: run.id.clone(),
            slug: run.slug.clone(),
            release: run.release.clone(),
            digest: run.digest,
            frozen: run.frozen.clone(),
            route: run.route.clone(),
            left_out: run.left_out.clone(),
            settings: run.settings.clone(),
            created_at: run.created_at,
            assets: assets as u64,
            recipients,
        }
    }
}

impl FrozenRecipient {
    /// The recipient as the journal holds it.
    #[must_use]
    pub fn of(delivery: &DeliveryRecord) -> Self {
        Self {
            address: delivery.address.clone(),
            tier: delivery.tier,
            position: delivery.position,
            fields: delivery.fields.clone(),
            message_id: delivery.message_id.clone(),
            not_before: delivery.not_before,
            suppressed: delivery.state == DeliveryState::Suppressed,
        }
    }
}

impl From<&Suppression> for Suppressed {
    fn from(entry: &Suppression) -> Self {
        Self {
            key: entry.key.clone(),
            reason: entry.reason.clone(),
            source: entry.source.clone(),
            quarantined: entry.quarantined,
            at: entry.at,
        }
    }
}

impl From<Suppressed> for Suppression {
    fn from(entry: Suppressed) -> Self {
        Self {
            key: entry.key,
            reason: entry.reason,
            source: entry.source,
            quarantined: entry.quarantined,
            at: entry.at,
        }
    }
}
