//! Turns what came of an attempt into what the journal must hold. Pure.

use jiff::Timestamp;
use uuid::Uuid;

use crate::breaker::signed;
use crate::journal::{AttemptState, DeliveryRecord, DeliveryState, RunId, SettledAttempt, Settlement};
use crate::outcome::{Blame, Outcome, Refusal};
use crate::policy::Step;
use crate::provider::ProviderName;

/// The facts of an attempt that ended.
pub(super) struct Ended<'a> {
    pub(super) run: &'a RunId,
    pub(super) record: &'a DeliveryRecord,
    pub(super) provider: &'a ProviderName,
    pub(super) attempt: Uuid,
    pub(super) had_intent: bool,
    pub(super) started_at: Timestamp,
    pub(super) now: Timestamp,
}

/// What the journal must hold of it; `None` when nothing happened at all.
///
/// The record's fence is the one after the intent, where there was one.
pub(super) fn settlement(ended: &Ended<'_>, outcome: &Outcome, step: &Step) -> Option<Settlement> {
    let from = if ended.had_intent { DeliveryState::Intent } else { DeliveryState::Pending };
    let (to, attempt_state) = states(outcome, step, ended.had_intent)?;
    let refusal = match outcome {
        Outcome::Refused(refusal) => Some(refusal),
        _ => None,
    };
    let provider_id = match outcome {
        Outcome::Accepted(receipt) | Outcome::Written(receipt) | Outcome::Held(receipt) => {
            receipt.provider_id.clone()
        }
        _ => None,
    };
    let retry_in = match step {
        Step::RetryLater(wait) => Some(*wait),
        _ => None,
    };
    Some(Settlement {
        run: ended.run.clone(),
        delivery: ended.record.id,
        fence: ended.record.fence,
        attempt: Some(SettledAttempt {
            id: ended.attempt,
            had_intent: ended.had_intent,
            provider: ended.provider.clone(),
            state: attempt_state,
            blames: refusal.map(|refusal| blame_name(refusal.blames).to_owned()),
            provider_id,
            started_at: ended.started_at,
        }),
        from,
        to,
        not_before: retry_in.map(|wait| ended.now + signed(wait)),
        transient: retry_in.is_some(),
        avoid: matches!(step, Step::TryNext { avoid: true }).then(|| ended.provider.clone()),
        bad_address: refusal.is_some_and(|refusal: &Refusal| refusal.bad_address),
        wish: refusal.and_then(|refusal| refusal.wish),
        reply: Some(reply_of(outcome).to_owned()).filter(|reply| !reply.is_empty()),
        at: ended.now,
    })
}

/// A delivery that ends without an attempt.
pub(super) fn without_attempt(
    run: &RunId,
    record: &DeliveryRecord,
    to: DeliveryState,
    reply: Option<String>,
    now: Timestamp,
) -> Settlement {
    Settlement {
        run: run.clone(),
        delivery: record.id,
        fence: record.fence,
        attempt: None,
        from: DeliveryState::Pending,
        to,
        not_before: None,
        transient: false,
        avoid: None,
        bad_address: false,
        wish: None,
        reply,
        at: now,
    }
}

/// The answer, or what came instead of one.
pub(super) fn reply_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Accepted(receipt) | Outcome::Written(receipt) | Outcome::Held(receipt) => &receipt.reply,
        Outcome::Refused(refusal) => &refusal.reply,
        Outcome::Unknown(doubt) => &doubt.detail,
        Outcome::NotStarted(_) => "",
    }
}

fn states(outcome: &Outcome, step: &Step, had_intent: bool) -> Option<(DeliveryState, AttemptState)> {
    Some(match step {
        Step::Stop(DeliveryState::Accepted) => (DeliveryState::Accepted, AttemptState::Accepted),
        Step::Stop(DeliveryState::Written) => (DeliveryState::Written, AttemptState::Written),
        Step::Stop(DeliveryState::Held) => (DeliveryState::Held, AttemptState::Held),
        Step::Stop(state) => (*state, AttemptState::Refused),
        Step::TryNext { .. } | Step::RetryLater(_) => (DeliveryState::Pending, AttemptState::NotAccepted),
        Step::AskPerson => (DeliveryState::Unknown, AttemptState::Unknown),
        Step::Resend => (DeliveryState::Pending, AttemptState::Superseded),
        // A provider that gave up after a durable intent handed nothing over: proved not accepted.
        Step::AsBefore(_) if had_intent => (DeliveryState::Pending, AttemptState::NotAccepted),
        Step::AsBefore(_) => {
            debug_assert!(matches!(outcome, Outcome::NotStarted(_)));
            return None;
        }
    })
}

pub(super) fn blame_name(blame: Blame) -> &'static str {
    match blame {
        Blame::Recipient => "recipient",
        Blame::Message => "message",
        Blame::Provider => "provider",
    }
}
