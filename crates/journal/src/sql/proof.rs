//! What an event proves of the attempt that it is about.
//!
//! An attempt that is unknown or held becomes accepted, refused, or not accepted (the recipient is pending). One that was superseded, because a person (or
//! `on_unknown = "resend"`) decided to send again, becomes accepted as long as nothing else is on its way to the
//! recipient: nobody gets a release twice (DELIVERY.md) although it is known by then that they have it. Nothing
//! else is moved on, and everything only by an event of that very attempt.

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::{AttemptState, AuditEntry, DeliveryState, JournalError};
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use super::events::{Owner, attempt_of, told};
use super::rows::micros;
use super::{Connection, keeping, read_failed, write_failed};

/// The audit's word for the decision to send an accepted recipient again (DELIVERY.md, "accepted, at risk").
pub(crate) const AT_RISK: &str = "resolve --at-risk --resend";
/// The audit's word for the decision to send an uncertain recipient again.
pub(crate) const RESEND: &str = "resolve --resend";

/// Keeps the provider's own id of a message that was accepted without one: what is told of it later may name
/// nothing else.
pub(crate) async fn name(
    c: &mut Connection,
    source: &ProviderName,
    event: &ProviderEvent,
    owner: &Owner,
) -> Result<(), JournalError> {
    let (Some((attempt, AttemptState::Accepted)), Some(id)) = (&owner.attempt, &event.provider_id) else {
        return Ok(());
    };
    let named = sqlx::query(
        "UPDATE attempt SET provider_id = $2
         WHERE id = $1 AND provider = $3 AND provider_id IS NULL AND state = 'accepted'",
    )
    .bind(attempt)
    .bind(id)
    .bind(source.as_str())
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if named.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("UPDATE delivery SET provider_id = $2 WHERE id = $1 AND state = 'accepted'")
        .bind(owner.delivery)
        .bind(id)
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(())
}

/// Moves the attempt on; what the recipient came to be.
pub(crate) async fn prove(
    c: &mut Connection,
    source: &ProviderName,
    event: &ProviderEvent,
    owner: &Owner,
    now: Timestamp,
) -> Result<Option<DeliveryState>, JournalError> {
    let Some((attempt, state)) = &owner.attempt else { return Ok(None) };
    // Where the delivery and its attempt stand now: held or unknown both, for the delivery stands where its
    // one open attempt does.
    let (to, delivery_is, attempt_is) = match state {
        AttemptState::Unknown | AttemptState::Held => {
            (event.kind.proves(), ["unknown", "held"], ["unknown", "held"])
        }
        AttemptState::Superseded if shows_that_it_went(c, owner, event.kind).await? => {
            (DeliveryState::Accepted, ["pending"; 2], ["superseded"; 2])
        }
        _ => return Ok(None),
    };
    // Pending again: the attempt is proved not accepted.
    let ended = if to == DeliveryState::Pending { AttemptState::NotAccepted.as_str() } else { to.as_str() };
    let said = event.reason.as_deref().unwrap_or_default();
    let reply = format!("{source} told: {} {said}", event.kind).trim_end().to_owned();
    let moved = sqlx::query(
        "UPDATE delivery SET state = $2, fence = fence + 1, reply = $3, at = $4, not_before = NULL,
         provider = (SELECT provider FROM attempt WHERE id = $6),
         provider_id = COALESCE((SELECT provider_id FROM attempt WHERE id = $6), $5)
         WHERE id = $1 AND state IN ($7, $8)",
    )
    .bind(owner.delivery)
    .bind(to.as_str())
    .bind(&reply)
    .bind(micros(now))
    .bind(&event.provider_id)
    .bind(attempt)
    .bind(delivery_is[0])
    .bind(delivery_is[1])
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if moved.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query(
        "UPDATE attempt SET state = $2, reply = $3, ended_at = $4, provider_id = COALESCE(provider_id, $5)
         WHERE id = $1 AND state IN ($6, $7)",
    )
    .bind(attempt)
    .bind(ended)
    .bind(&reply)
    .bind(micros(now))
    .bind(&event.provider_id)
    .bind(attempt_is[0])
    .bind(attempt_is[1])
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if to == DeliveryState::Pending {
        goes_on(c, owner).await?;
    }
    let detail = format!("{}: {to} ({reply})", owner.key);
    let entry = AuditEntry { at: now, run: Some(owner.run.clone()), action: "proof".to_owned(), detail };
    keeping::audit(c, &entry).await?;
    Ok(Some(to))
}

/// A run that was finished has somebody to send to again.
async fn goes_on(c: &mut Connection, owner: &Owner) -> Result<(), JournalError> {
    sqlx::query("UPDATE run SET state = 'waiting' WHERE id = $1 AND state = 'finished'")
        .bind(owner.run.as_str())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| write_failed(&error))
}

/// The recipient is to be tried again; what was told already of an attempt that was superseded may show that
/// they have it.
pub(crate) async fn prove_superseded(
    c: &mut Connection,
    delivery: i64,
    now: Timestamp,
) -> Result<Option<DeliveryState>, JournalError> {
    let found = sqlx::query(
        "SELECT e.*, a.state AS attempt_state, d.run, d.recipient_key
         FROM attempt a JOIN event e ON e.delivery = a.delivery AND e.attempt = a.id
         JOIN delivery d ON d.id = a.delivery
         WHERE a.delivery = $1 AND a.state = 'superseded' ORDER BY e.id",
    )
    .bind(delivery)
    .fetch_all(&mut *c)
    .await
    .map_err(|error| read_failed(&error))?;
    for row in &found {
        let (source, event) = told(row)?;
        if let Some(to) = prove(c, &source, &event, &attempt_of(row)?, now).await? {
            return Ok(Some(to));
        }
    }
    Ok(None)
}

/// Whether the event is word that the superseded message reached its recipient, or is on its way there. A
/// bounce is not: whoever did not get it is sent it again, as was decided. That the provider took it is no
/// news of somebody who was to be sent it again because the provider burned with it.
async fn shows_that_it_went(
    c: &mut Connection,
    owner: &Owner,
    kind: EventKind,
) -> Result<bool, JournalError> {
    match kind {
        EventKind::Accepted | EventKind::Deferred => Ok(!was_at_risk(c, owner.delivery).await?),
        kind => Ok(kind.reached()),
    }
}

/// Whether the last decision to send again was one about an accepted recipient.
async fn was_at_risk(c: &mut Connection, delivery: i64) -> Result<bool, JournalError> {
    let last: Option<(String,)> = sqlx::query_as(
        "SELECT a.action FROM audit a JOIN delivery d ON a.run = d.run
         WHERE d.id = $1 AND a.action IN ($2, $3)
         AND substr(a.detail, 1, length(d.address) + 2) = d.address || ': ' ORDER BY a.id DESC LIMIT 1",
    )
    .bind(delivery)
    .bind(AT_RISK)
    .bind(RESEND)
    .fetch_optional(c)
    .await
    .map_err(|error| read_failed(&error))?;
    Ok(last.is_some_and(|(action,)| action == AT_RISK))
}
