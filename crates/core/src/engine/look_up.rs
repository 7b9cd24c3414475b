//! Asks a provider what became of an attempt whose outcome is unknown.
//!
//! Only while the attempt is still unknown, with the identifiers and the digest that were stored
//! with its intent, and only a trace counts: absence is not proof (DELIVERY.md, "What each provider
//! allows").

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::conclude::blame_name;
use super::render::Render;
use crate::breaker::signed;
use crate::clock::Clock;
use crate::journal::{
    AttemptRecord, AttemptState, DeliveryRecord, DeliveryState, Journal, JournalError, RunId, SettledAttempt,
    Settlement, Urgency,
};
use crate::message::Message;
use crate::outcome::{Blame, Outcome, Persistence, Receipt, Refusal};
use crate::provider::{EarlierAttempt, LookUp, Parcel, Provider};

/// What asking proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proved {
    /// The provider has the message.
    Accepted,
    /// It never sent it and never will: the recipient is pending again.
    NotAccepted,
    /// It refused to send it to this recipient, in these words.
    Refused(String),
    /// Neither.
    Nothing,
}

pub(super) struct LookUpTask {
    pub(super) run: RunId,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) render: Arc<dyn Render>,
    /// How long after the intent it is asked; `None`: always.
    pub(super) window: Option<Duration>,
    /// As it stands, unknown.
    pub(super) delivery: DeliveryRecord,
    pub(super) message: Option<Arc<Message>>,
}

impl LookUpTask {
    /// Asks once. What was proved is in the journal then.
    pub(super) async fn once(&self) -> Result<Proved, JournalError> {
        let attempts = self.journal.attempts(self.delivery.id).await?;
        let ours = |attempt: &AttemptRecord| {
            attempt.state == AttemptState::Unknown && attempt.provider == *self.provider.name()
        };
        let Some(attempt) = attempts.into_iter().rfind(ours) else { return Ok(Proved::Nothing) };
        let age = self.clock.now().duration_since(attempt.started_at);
        if self.window.is_some_and(|window| age.is_negative() || age >= signed(window)) {
            return Ok(Proved::Nothing);
        }
        let Some(message) = self.message() else { return Ok(Proved::Nothing) };
        let earlier = EarlierAttempt {
            parcel: Parcel { message, attempt: attempt.id, idempotency_key: attempt.idempotency_key },
            started_at: attempt.started_at,
            request_digest: attempt.request_digest,
            provider_id: attempt.provider_id.clone(),
        };
        match AssertUnwindSafe(self.provider.look_up(&earlier)).catch_unwind().await {
            Ok(LookUp::Found(Outcome::Accepted(receipt))) => {
                self.journal.settle(vec![self.accepted(&attempt, &receipt)], Urgency::Now).await?;
                Ok(Proved::Accepted)
            }
            // The provider shows that it never sent it, and never will: the next one goes on.
            Ok(LookUp::Found(Outcome::Refused(refusal))) if refusal.blames != Blame::Recipient => {
                self.journal.settle(vec![self.not_accepted(&attempt, &refusal)], Urgency::Now).await?;
                Ok(Proved::NotAccepted)
            }
            Ok(LookUp::Found(Outcome::Refused(refusal))) if refusal.persistence == Persistence::Permanent => {
                self.journal.settle(vec![self.refused(&attempt, &refusal)], Urgency::Now).await?;
                Ok(Proved::Refused(refusal.reply))
            }
            Ok(LookUp::Failed(reason)) => {
                tracing::warn!(provider = %self.provider.name(), reason, "the look-up failed");
                Ok(Proved::Nothing)
            }
            _ => Ok(Proved::Nothing),
        }
    }

    fn message(&self) -> Option<Arc<Message>> {
        let render = || std::panic::catch_unwind(AssertUnwindSafe(|| self.render.render(&self.delivery)));
        self.message.clone().or_else(|| render().ok()?.ok().map(Arc::new))
    }

    /// Pending again; where the provider refused this very recipient for good, for others only.
    fn not_accepted(&self, attempt: &AttemptRecord, refusal: &Refusal) -> Settlement {
        let proof = Receipt::new(attempt.provider_id.clone(), &refusal.reply);
        let mut settlement = self.accepted(attempt, &proof);
        settlement.to = DeliveryState::Pending;
        settlement.avoid = (refusal.blames == Blame::Message
            && refusal.persistence == Persistence::Permanent)
            .then(|| attempt.provider.clone());
        if let Some(attempt) = &mut settlement.attempt {
            attempt.state = AttemptState::NotAccepted;
        }
        settlement
    }

    /// No fallback: the provider left this recipient out.
    fn refused(&self, attempt: &AttemptRecord, refusal: &Refusal) -> Settlement {
        let proof = Receipt::new(attempt.provider_id.clone(), &refusal.reply);
        let mut settlement = self.accepted(attempt, &proof);
        settlement.to = DeliveryState::Refused;
        settlement.bad_address = refusal.bad_address;
        settlement.wish = refusal.wish;
        if let Some(attempt) = &mut settlement.attempt {
            attempt.state = AttemptState::Refused;
            attempt.blames = Some(blame_name(refusal.blames).to_owned());
        }
        settlement
    }

    fn accepted(&self, attempt: &AttemptRecord, receipt: &Receipt) -> Settlement {
        Settlement {
            run: self.run.clone(),
            delivery: self.delivery.id,
            fence: self.delivery.fence,
            attempt: Some(SettledAttempt {
                id: attempt.id,
                had_intent: true,
                provider: attempt.provider.clone(),
                state: AttemptState::Accepted,
                blames: None,
                provider_id: receipt.provider_id.clone(),
                started_at: attempt.started_at,
            }),
            from: DeliveryState::Unknown,
            to: DeliveryState::Accepted,
            not_before: None,
            transient: false,
            avoid: None,
            bad_address: false,
            wish: None,
            reply: Some(receipt.reply.clone()),
            at: self.clock.now(),
        }
    }
}
