//! Intents, outcomes, and a person's decisions: every move of a delivery is a compare-and-set.

use super::rows::{self, column, micros, to_json};
use super::{Connection, TAKE, keeping, proof, read_failed, write_failed};
use depeche_core::address::RecipientKey;
use depeche_core::budget::{DomainPace, Limits, Room};
use depeche_core::journal::{
    AttemptState, AuditEntry, Decision, DeliveryRecord, DeliveryState, Intent, JournalError, RunId,
    SettledAttempt, Settlement, Suppression, Usage,
};
use depeche_core::outcome::Denied;
use jiff::Timestamp;

/// Why an intent was not taken.
pub(crate) struct NotIntended(pub(crate) Denied);

impl From<JournalError> for NotIntended {
    fn from(error: JournalError) -> Self {
        let reason = match error {
            JournalError::WriteFailed { reason } => reason,
            other => other.to_string(),
        };
        Self(Denied::JournalFailed { reason })
    }
}

/// Takes all intents or none; their places in the provider's windows go with them.
pub(crate) async fn intend(c: &mut Connection, intents: &[Intent]) -> Result<(), NotIntended> {
    let Some(first) = intents.first() else { return Ok(()) };
    run_goes_on(c, &first.run).await?;
    take_places(c, first, u32::try_from(intents.len()).unwrap_or(u32::MAX)).await?;
    for intent in intents {
        take_place_of_domain(c, intent).await?;
        not_suppressed(c, intent).await?;
        open_attempt(c, intent).await?;
    }
    Ok(())
}

async fn run_goes_on(c: &mut Connection, run: &RunId) -> Result<(), NotIntended> {
    let state: Option<(String,)> = sqlx::query_as("SELECT state FROM run WHERE id = $1")
        .bind(run.as_str())
        .fetch_optional(c)
        .await
        .map_err(|error| read_failed(&error))?;
    match state {
        Some((state,)) if state != "cancelled" => Ok(()),
        _ => Err(NotIntended(Denied::Cancelled)),
    }
}

async fn take_places(c: &mut Connection, intent: &Intent, messages: u32) -> Result<(), NotIntended> {
    let resting = keeping::resting_until(c, &intent.provider).await?;
    if let Some(until) = resting.filter(|until| *until > intent.at) {
        return Err(NotIntended(Denied::BudgetSpent { until }));
    }
    let mut due = None;
    if !intent.limits.is_unlimited() {
        let used = keeping::usage(c, intent.provider.as_str(), intent.at - intent.limits.horizon()).await?;
        match intent.limits.room(&used, messages - 1, intent.at) {
            Room::Free(_) => {}
            Room::Full { until, .. } => return Err(NotIntended(Denied::BudgetSpent { until })),
        }
        due = due_after(&intent.limits, &used, intent.at);
    }
    keeping::use_window(c, intent.provider.as_str(), messages, intent.at, due).await?;
    Ok(())
}

/// One after the other: a batch needs a place for each of its messages.
async fn take_place_of_domain(c: &mut Connection, intent: &Intent) -> Result<(), NotIntended> {
    let Some(pace) = &intent.pace else { return Ok(()) };
    let key = DomainPace::key(&pace.domain);
    let used = keeping::usage(c, &key, intent.at - pace.limits.horizon()).await?;
    if let Room::Full { until, .. } = pace.limits.room(&used, 0, intent.at) {
        return Err(NotIntended(Denied::PaceSpent { domain: pace.domain.clone(), until }));
    }
    keeping::use_window(c, &key, 1, intent.at, due_after(&pace.limits, &used, intent.at)).await?;
    Ok(())
}

fn due_after(limits: &Limits, used: &Usage, at: Timestamp) -> Option<Timestamp> {
    limits.spacing().map(|spacing| spacing.last_after(used.last, at))
}

async fn not_suppressed(c: &mut Connection, intent: &Intent) -> Result<(), NotIntended> {
    let found = sqlx::query(
        "SELECT 1 FROM suppression s JOIN delivery d ON d.recipient_key = s.recipient_key
         WHERE d.id = $1 AND s.quarantined = 0",
    )
    .bind(intent.delivery.0)
    .fetch_optional(c)
    .await
    .map_err(|error| read_failed(&error))?;
    if found.is_some() { Err(NotIntended(Denied::Suppressed)) } else { Ok(()) }
}

async fn open_attempt(c: &mut Connection, intent: &Intent) -> Result<(), NotIntended> {
    let moved = sqlx::query(TAKE)
        .bind(intent.delivery.0)
        .bind(intent.fence)
        .bind(intent.provider.as_str())
        .bind(micros(intent.at))
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    if moved.rows_affected() == 0 {
        return Err(NotIntended(Denied::AlreadyTaken));
    }
    let inserted = sqlx::query(
        "INSERT INTO attempt (id, delivery, number, provider, state, request_id, idempotency_key,
         request_digest, started_at, provider_id)
         SELECT $1, $2, COALESCE(MAX(number), 0) + 1, $3, 'intent', $4, $5, $6, $7, $8
         FROM attempt WHERE delivery = $2",
    )
    .bind(intent.attempt.to_string())
    .bind(intent.delivery.0)
    .bind(intent.provider.as_str())
    .bind(intent.request_id.to_string())
    .bind(intent.idempotency_key.to_string())
    .bind(intent.request_digest.map(|digest| digest.to_vec()))
    .bind(micros(intent.at))
    .bind(&intent.provider_id)
    .execute(&mut *c)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(NotIntended(Denied::AlreadyTaken))
        }
        Err(error) => Err(write_failed(&error).into()),
    }
}

pub(crate) async fn settle(c: &mut Connection, settlements: &[Settlement]) -> Result<(), JournalError> {
    for settlement in settlements {
        settle_one(c, settlement).await?;
    }
    Ok(())
}

async fn settle_one(c: &mut Connection, s: &Settlement) -> Result<(), JournalError> {
    if !s.from.may_become(s.to) {
        return Err(JournalError::Forbidden { delivery: s.delivery, from: s.from, to: s.to });
    }
    let avoid = match &s.avoid {
        Some(provider) => Some(with_avoided(c, s, provider).await?),
        None => None,
    };
    let attempt = s.attempt.as_ref();
    let moved = sqlx::query(
        "UPDATE delivery SET state = $4, fence = fence + 1, not_before = $5,
         transient_refusals = transient_refusals + $6, avoid = COALESCE($7, avoid),
         bad_address = CASE WHEN $8 > bad_address THEN $8 ELSE bad_address END, reply = COALESCE($9, reply), at = $10,
         provider = COALESCE($11, provider), provider_id = COALESCE($12, provider_id),
         attempts = attempts + $13
         WHERE id = $1 AND state = $2 AND fence = $3",
    )
    .bind(s.delivery.0)
    .bind(s.from.as_str())
    .bind(s.fence)
    .bind(s.to.as_str())
    .bind(s.not_before.map(micros))
    .bind(i64::from(s.transient))
    .bind(avoid)
    .bind(i64::from(s.bad_address))
    .bind(&s.reply)
    .bind(micros(s.at))
    .bind(attempt.map(|attempt| attempt.provider.as_str()))
    .bind(attempt.and_then(|attempt| attempt.provider_id.as_deref()))
    .bind(i64::from(attempt.is_some_and(|attempt| !attempt.had_intent)))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if moved.rows_affected() == 0 {
        return Err(JournalError::Stale { delivery: s.delivery });
    }
    match attempt {
        Some(attempt) if attempt.had_intent => end_attempt(c, s, attempt).await?,
        Some(attempt) => insert_ended_attempt(c, s, attempt).await?,
        // Without its name, the one open attempt ends (the process leaves in the middle).
        None if s.from == DeliveryState::Intent => end_open_attempt(c, s).await?,
        None => {}
    }
    suppress_who_wished(c, s).await?;
    if s.to == DeliveryState::Pending {
        proof::prove_superseded(c, s.delivery.0, s.at).await?;
    }
    Ok(())
}

/// What a provider says of its recipient's wish counts for every provider.
async fn suppress_who_wished(c: &mut Connection, s: &Settlement) -> Result<(), JournalError> {
    let (Some(wish), Some(attempt)) = (s.wish, &s.attempt) else { return Ok(()) };
    let (key,): (String,) = sqlx::query_as("SELECT recipient_key FROM delivery WHERE id = $1")
        .bind(s.delivery.0)
        .fetch_one(&mut *c)
        .await
        .map_err(|error| read_failed(&error))?;
    let entry = Suppression {
        key: RecipientKey::from_stored(key),
        reason: wish.reason().to_owned(),
        source: attempt.provider.to_string(),
        quarantined: false,
        at: s.at,
    };
    keeping::suppress(c, &[entry]).await.map(drop)
}

async fn with_avoided(
    c: &mut Connection,
    s: &Settlement,
    provider: &depeche_core::provider::ProviderName,
) -> Result<String, JournalError> {
    let row = sqlx::query("SELECT avoid FROM delivery WHERE id = $1")
        .bind(s.delivery.0)
        .fetch_optional(c)
        .await
        .map_err(|error| read_failed(&error))?
        .ok_or(JournalError::Stale { delivery: s.delivery })?;
    let mut avoid: Vec<depeche_core::provider::ProviderName> =
        rows::json(column(&row, "avoid")?, "the providers to avoid")?;
    if !avoid.contains(provider) {
        avoid.push(provider.clone());
    }
    to_json(&avoid)
}

async fn end_attempt(c: &mut Connection, s: &Settlement, a: &SettledAttempt) -> Result<(), JournalError> {
    let ended = sqlx::query(
        "UPDATE attempt SET state = $2, blames = $3, reply = $4, provider_id = COALESCE($5, provider_id),
         ended_at = $6
         WHERE id = $1 AND state = $7",
    )
    .bind(a.id.to_string())
    .bind(a.state.as_str())
    .bind(&a.blames)
    .bind(&s.reply)
    .bind(&a.provider_id)
    .bind(micros(s.at))
    // An attempt is open, unknown or held when its delivery is.
    .bind(s.from.as_str())
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if ended.rows_affected() == 0 {
        return Err(JournalError::Stale { delivery: s.delivery });
    }
    if matches!(s.from, DeliveryState::Unknown | DeliveryState::Held) {
        proved(c, s, a).await?;
    }
    Ok(())
}

/// A proof moves an unknown or held delivery on: with a line in the audit.
async fn proved(c: &mut Connection, s: &Settlement, a: &SettledAttempt) -> Result<(), JournalError> {
    let (address,): (String,) = sqlx::query_as("SELECT address FROM delivery WHERE id = $1")
        .bind(s.delivery.0)
        .fetch_one(&mut *c)
        .await
        .map_err(|error| read_failed(&error))?;
    let said = s.reply.as_deref().unwrap_or_default();
    let detail = format!("{address}: {} by {} ({said})", s.to, a.provider);
    let entry = AuditEntry { at: s.at, run: Some(s.run.clone()), action: "proof".to_owned(), detail };
    keeping::audit(c, &entry).await
}

async fn end_open_attempt(c: &mut Connection, s: &Settlement) -> Result<(), JournalError> {
    let state = match s.to {
        DeliveryState::Unknown => AttemptState::Unknown,
        DeliveryState::Pending => AttemptState::NotAccepted,
        DeliveryState::Accepted => AttemptState::Accepted,
        DeliveryState::Held => AttemptState::Held,
        DeliveryState::Written => AttemptState::Written,
        _ => AttemptState::Refused,
    };
    sqlx::query(
        "UPDATE attempt SET state = $2, reply = $3, ended_at = $4 WHERE delivery = $1 AND state = 'intent'",
    )
    .bind(s.delivery.0)
    .bind(state.as_str())
    .bind(&s.reply)
    .bind(micros(s.at))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(())
}

async fn insert_ended_attempt(
    c: &mut Connection,
    s: &Settlement,
    a: &SettledAttempt,
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO attempt (id, delivery, number, provider, state, request_id, idempotency_key, blames,
         reply, provider_id, started_at, ended_at)
         SELECT $1, $2, COALESCE(MAX(number), 0) + 1, $3, $4, $1, $1, $5, $6, $7, $8, $9
         FROM attempt WHERE delivery = $2",
    )
    .bind(a.id.to_string())
    .bind(s.delivery.0)
    .bind(a.provider.as_str())
    .bind(a.state.as_str())
    .bind(&a.blames)
    .bind(&s.reply)
    .bind(&a.provider_id)
    .bind(micros(a.started_at))
    .bind(micros(s.at))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(())
}

/// Intents whose commit stands although nobody heard of it in time: nothing of them was sent.
pub(crate) async fn withdraw(c: &mut Connection, intents: &[Intent]) -> Result<(), sqlx::Error> {
    for intent in intents {
        let reply = "the journal did not answer in time; nothing was sent";
        let moved = sqlx::query(
            "UPDATE delivery SET state = 'pending', fence = fence + 1
             WHERE id = $1 AND state = 'intent' AND fence = $2 + 1",
        )
        .bind(intent.delivery.0)
        .bind(intent.fence)
        .execute(&mut *c)
        .await?;
        if moved.rows_affected() == 0 {
            continue;
        }
        sqlx::query(
            "UPDATE attempt SET state = 'not_accepted', reply = $2, ended_at = started_at
             WHERE id = $1 AND state = 'intent'",
        )
        .bind(intent.attempt.to_string())
        .bind(reply)
        .execute(&mut *c)
        .await?;
    }
    Ok(())
}

/// So many recipients are cancelled in one transaction: nobody waits long for it, however long the list is.
const CANCELLED: u64 = 20_000;

/// Cancels a run, and [`CANCELLED`] of its recipients at the most; `before` were cancelled by the last calls. From
/// the first one on no intent of the run is taken. How many it were, and whether some are left.
pub(crate) async fn cancel(
    c: &mut Connection,
    run: &RunId,
    at: Timestamp,
    before: u64,
) -> Result<(u64, bool), JournalError> {
    let was_cancelled = sqlx::query("SELECT 1 FROM run WHERE id = $1 AND state = 'cancelled'")
        .bind(run.as_str())
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| read_failed(&error))?
        .is_some();
    let found = sqlx::query(
        "UPDATE run SET state = 'cancelled', ended_at = $2 WHERE id = $1 AND state <> 'finished'",
    )
    .bind(run.as_str())
    .bind(micros(at))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if found.rows_affected() == 0 {
        let known = sqlx::query("SELECT 1 FROM run WHERE id = $1").bind(run.as_str());
        let known = known.fetch_optional(&mut *c).await.map_err(|error| read_failed(&error))?;
        // Nothing of a finished run is pending.
        return known.map(|_| (0, false)).ok_or_else(|| JournalError::NoSuchRun(run.clone()));
    }
    let moved = cancel_pending(c, run, at).await?;
    let all = before + moved;
    let are_left = moved > 0 && is_anybody_pending(c, run).await?;
    if !are_left && (all > 0 || !was_cancelled) {
        let detail = format!("{all} recipients cancelled");
        let entry = AuditEntry { at, run: Some(run.clone()), action: "cancel".to_owned(), detail };
        keeping::audit(c, &entry).await?;
    }
    Ok((moved, are_left))
}

async fn is_anybody_pending(c: &mut Connection, run: &RunId) -> Result<bool, JournalError> {
    let found = sqlx::query("SELECT 1 FROM delivery WHERE run = $1 AND state = 'pending' LIMIT 1")
        .bind(run.as_str())
        .fetch_optional(c)
        .await;
    Ok(found.map_err(|error| read_failed(&error))?.is_some())
}

async fn cancel_pending(c: &mut Connection, run: &RunId, at: Timestamp) -> Result<u64, JournalError> {
    let moved = sqlx::query(
        "UPDATE delivery SET state = 'cancelled', fence = fence + 1, at = $2 WHERE state = 'pending' AND id IN
         (SELECT id FROM delivery WHERE run = $1 AND state = 'pending' ORDER BY tier, position LIMIT $3)",
    )
    .bind(run.as_str())
    .bind(micros(at))
    .bind(i64::try_from(CANCELLED).unwrap_or(i64::MAX))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(moved.rows_affected())
}

pub(crate) async fn resolve(
    c: &mut Connection,
    run: &RunId,
    keys: &[RecipientKey],
    decision: Decision,
    reason: &str,
    at: Timestamp,
) -> Result<Vec<DeliveryRecord>, JournalError> {
    let burned = decision == Decision::ResendAccepted;
    let found = sqlx::query(if burned {
        // Of whom nothing tells what became of the message (depeche_core::risk).
        "SELECT * FROM delivery WHERE run = $1 AND state = 'accepted' AND NOT EXISTS
         (SELECT 1 FROM event WHERE event.delivery = delivery.id AND event.kind NOT IN ('accepted', 'deferred'))
         ORDER BY tier, position"
    } else {
        "SELECT * FROM delivery WHERE run = $1 AND state IN ('unknown', 'held')
         AND state NOT IN ('pending', 'intent') ORDER BY +tier, +position"
    })
    .bind(run.as_str())
    .fetch_all(&mut *c)
    .await
    .map_err(|error| read_failed(&error))?;
    let mut moved = Vec::new();
    for row in &found {
        let record = rows::delivery(row)?;
        let named = keys.contains(&record.address.key());
        if named || (keys.is_empty() && !burned) {
            resolve_one(c, run, &record, decision, reason, at).await?;
            moved.push(record);
        }
    }
    if decision != Decision::Sent && !moved.is_empty() {
        sqlx::query("UPDATE run SET state = 'waiting' WHERE id = $1 AND state = 'finished'")
            .bind(run.as_str())
            .execute(&mut *c)
            .await
            .map_err(|error| write_failed(&error))?;
    }
    Ok(moved)
}

async fn resolve_one(
    c: &mut Connection,
    run: &RunId,
    record: &DeliveryRecord,
    decision: Decision,
    reason: &str,
    at: Timestamp,
) -> Result<(), JournalError> {
    let (delivery_state, attempt_state, action) = match decision {
        Decision::Sent => ("accepted", "accepted", "resolve --sent"),
        Decision::Resend => ("pending", "superseded", proof::RESEND),
        Decision::ResendAccepted => ("pending", "superseded", proof::AT_RISK),
    };
    sqlx::query("UPDATE attempt SET state = $2 WHERE delivery = $1 AND state = $3")
        .bind(record.id.0)
        .bind(attempt_state)
        .bind(record.state.as_str())
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    let moved = sqlx::query(
        "UPDATE delivery SET state = $3, fence = fence + 1, not_before = NULL, at = $4
         WHERE id = $1 AND fence = $2 AND state = $5",
    )
    .bind(record.id.0)
    .bind(record.fence)
    .bind(delivery_state)
    .bind(micros(at))
    .bind(record.state.as_str())
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if moved.rows_affected() == 0 {
        return Err(JournalError::Stale { delivery: record.id });
    }
    let detail = format!("{}: {reason}", record.address);
    let entry = AuditEntry { at, run: Some(run.clone()), action: action.to_owned(), detail };
    keeping::audit(c, &entry).await?;
    // Somebody may have told what became of it while the attempt was open, when there was nothing to prove.
    if delivery_state == "pending" {
        proof::prove_superseded(c, record.id.0, at).await?;
    }
    Ok(())
}
