//! What happened after the acceptance: events, whose they are, and what they prove.
//!
//! An event is kept once, whoever repeats it. It belongs to the attempt that it names, or else to the
//! one with the provider's id, or else to the delivery with the Message-ID. What it proves of that attempt is
//! [`super::proof`]'s.

use depeche_core::address::{EmailAddress, RecipientKey};
use depeche_core::event::{EventKind, ProviderEvent, StoredEvent};
use depeche_core::journal::{
    AttemptState, AuditEntry, DeliveryId, DeliveryState, JournalError, Recorded, RecordedEvent, RunId,
};
use depeche_core::message::MessageId;
use depeche_core::opt_out::DeliveryReference;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use super::forgotten::Pseudonyms;
use super::rows::{column, corrupt, micros, parsed, provider, run_id, time};
use super::{Connection, Row, keeping, numbered, proof, read_failed, write_failed};

/// Whose message an event is about.
pub(crate) struct Owner {
    pub(crate) delivery: i64,
    pub(crate) run: RunId,
    pub(crate) key: RecipientKey,
    /// The attempt, where it is certain.
    pub(crate) attempt: Option<(String, AttemptState)>,
}

pub(crate) async fn record(
    c: &mut Connection,
    source: &ProviderName,
    events: &[ProviderEvent],
    now: Timestamp,
) -> Result<Recorded, JournalError> {
    let mut recorded = Recorded::default();
    let pseudonyms = Pseudonyms::load(c).await?;
    for event in events {
        let mut event = event.clone();
        let owner = owner(c, source, &mut event, &pseudonyms).await?;
        let event = &event;
        let scrubbed = pseudonyms.scrub(c, event, owner.as_ref().map(|owner| &owner.key)).await?;
        let event = scrubbed.as_ref().unwrap_or(event);
        let known = owner.is_some() || event.kind.is_wish();
        let new = known && keep(c, source, event, owner.as_ref(), now).await?;
        let contradicts = owner.as_ref().is_some_and(|owner| contradicts(owner, event.kind));
        if let Some(owner) = &owner {
            if event.kind == EventKind::InvalidAddress {
                mark_bad(c, owner.delivery).await?;
            }
            if contradicts && new {
                tell_contradiction(c, source, event, owner, now).await?;
            }
            proof::name(c, source, event, owner).await?;
            if let Some(to) = proof::prove(c, source, event, owner, now).await? {
                recorded.resolved.push((owner.run.clone(), owner.key.clone(), to));
            }
        }
        let of = owner.map(|owner| (owner.run, owner.key));
        recorded.events.push(RecordedEvent { new, of, contradicts });
    }
    Ok(recorded)
}

/// An event that names its attempt by the key of its request is kept as one of that attempt.
async fn owner(
    c: &mut Connection,
    source: &ProviderName,
    event: &mut ProviderEvent,
    pseudonyms: &Pseudonyms,
) -> Result<Option<Owner>, JournalError> {
    let by_attempt =
        "SELECT a.id AS attempt, a.state AS attempt_state, d.id AS delivery, d.run, d.recipient_key
         FROM attempt a JOIN delivery d ON d.id = a.delivery WHERE ";
    if let Some(attempt) = event.attempt {
        let question = format!("{by_attempt} a.id = $1");
        let found = one(c, question, &[&attempt.to_string()]).await?;
        if let Some(row) = found.first() {
            return attempt_of(row).map(Some);
        }
    }
    if let Some(id) = &event.provider_id {
        // Brevo writes its ids with and without angle brackets.
        let bare = id.trim_matches(['<', '>']);
        let question = format!("{by_attempt} a.provider = $1 AND a.provider_id IN ($2, $3)");
        let found = one(c, question, &[source.as_str(), bare, &format!("<{bare}>")]).await?;
        // One id may stand for a batch: then the address decides.
        let key = EmailAddress::parse(&event.recipient).ok().map(|address| address.key());
        let about = |row: &&Row| -> bool {
            let theirs = column::<&str>(row, "recipient_key").unwrap_or_default();
            found.len() == 1 || key.as_ref().is_some_and(|key| key.as_str() == theirs)
        };
        if let Some(row) = found.iter().find(about) {
            return attempt_of(row).map(Some);
        }
    }
    if let Some(owner) = by_key(c, source, event, pseudonyms).await? {
        event.attempt = owner.attempt.as_ref().and_then(|(id, _)| id.parse().ok());
        return Ok(Some(owner));
    }
    match &event.message_id {
        Some(id) => by_message_id(c, id).await,
        None => Ok(None),
    }
}

/// The attempt of the source whose request had the idempotency key, among those at the address: a batch is one
/// request, named by its first attempt.
async fn by_key(
    c: &mut Connection,
    source: &ProviderName,
    event: &ProviderEvent,
    pseudonyms: &Pseudonyms,
) -> Result<Option<Owner>, JournalError> {
    let Some(key) = event.key else { return Ok(None) };
    let Ok(address) = EmailAddress::parse(&event.recipient) else { return Ok(None) };
    let recipient = address.key();
    let pseudonym = pseudonyms.of(recipient.as_str());
    let found = sqlx::query(BY_KEY)
        .bind(recipient.as_str())
        .bind(pseudonym.as_deref().unwrap_or(recipient.as_str()))
        .bind(source.as_str())
        .bind(key.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| read_failed(&error))?;
    found.as_ref().map(attempt_of).transpose()
}

pub(crate) const BY_KEY: &str =
    "SELECT a.id AS attempt, a.state AS attempt_state, d.id AS delivery, d.run, d.recipient_key
     FROM run r CROSS JOIN delivery d JOIN attempt a ON a.delivery = d.id
     JOIN attempt f ON f.id = a.request_id
     WHERE d.run = r.id AND d.recipient_key IN ($1, $2) AND a.provider = $3 AND f.idempotency_key = $4
     ORDER BY a.started_at DESC LIMIT 1";

/// The delivery with the Message-ID, and its attempt if only one can have reached the wire.
async fn by_message_id(c: &mut Connection, id: &str) -> Result<Option<Owner>, JournalError> {
    let Some(row) = named(c, id).await? else { return Ok(None) };
    let delivery: i64 = column(&row, "delivery")?;
    let wired: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, state FROM attempt WHERE delivery = $1
         AND state IN ('intent', 'accepted', 'held', 'unknown', 'superseded')",
    )
    .bind(delivery)
    .fetch_all(&mut *c)
    .await
    .map_err(|error| read_failed(&error))?;
    let attempt = match wired.as_slice() {
        [(id, state)] => Some((id.clone(), parsed::<AttemptState>(state, "an attempt's state")?)),
        _ => None,
    };
    Ok(Some(Owner { delivery, run: run_id(column(&row, "run")?)?, key: key_of(&row)?, attempt }))
}

/// The newest delivery with the Message-ID, by the reference that is made of it: one index serves both. Those
/// frozen before there were references have an index of their own.
async fn named(c: &mut Connection, id: &str) -> Result<Option<Row>, JournalError> {
    let bracketed = format!("<{}>", id.trim_matches(['<', '>']));
    let Ok(id) = MessageId::new(&bracketed) else { return Ok(None) };
    let reference = DeliveryReference::of(&id).0.to_vec();
    let found = sqlx::query(BY_REFERENCE).bind(reference).bind(id.as_str()).fetch_optional(&mut *c).await;
    if let Some(row) = found.map_err(|error| read_failed(&error))? {
        return Ok(Some(row));
    }
    let older = sqlx::query(BY_MESSAGE_ID).bind(id.as_str()).fetch_optional(&mut *c).await;
    older.map_err(|error| read_failed(&error))
}

pub(crate) const BY_REFERENCE: &str = "SELECT id AS delivery, run, recipient_key FROM delivery
     WHERE reference = $1 AND message_id = $2 ORDER BY id DESC LIMIT 1";
pub(crate) const BY_MESSAGE_ID: &str = "SELECT id AS delivery, run, recipient_key FROM delivery
     WHERE message_id = $1 AND reference IS NULL ORDER BY id DESC LIMIT 1";

pub(crate) fn attempt_of(row: &Row) -> Result<Owner, JournalError> {
    let state = parsed::<AttemptState>(column(row, "attempt_state")?, "an attempt's state")?;
    Ok(Owner {
        delivery: column(row, "delivery")?,
        run: run_id(column(row, "run")?)?,
        key: key_of(row)?,
        attempt: Some((column(row, "attempt")?, state)),
    })
}

fn key_of(row: &Row) -> Result<RecipientKey, JournalError> {
    Ok(RecipientKey::from_stored(column(row, "recipient_key")?))
}

async fn one(c: &mut Connection, question: String, values: &[&str]) -> Result<Vec<Row>, JournalError> {
    // The texts are fixed ones of this file; every value is bound.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(question));
    for value in values {
        query = query.bind((*value).to_owned());
    }
    query.fetch_all(c).await.map_err(|error| read_failed(&error))
}

/// True when the event is new.
async fn keep(
    c: &mut Connection,
    source: &ProviderName,
    event: &ProviderEvent,
    owner: Option<&Owner>,
    now: Timestamp,
) -> Result<bool, JournalError> {
    let attempt = owner.and_then(|owner| owner.attempt.as_ref()).map(|(id, _)| id.clone());
    let done = sqlx::query(
        "INSERT INTO event (identity, source, kind, at, seen_at, recipient, provider_id, tag, message_id,
         reason, delivery, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (identity) DO NOTHING",
    )
    .bind(event.identity(source).as_slice())
    .bind(source.as_str())
    .bind(event.kind.as_str())
    .bind(event.at.map(micros))
    .bind(micros(now))
    .bind(&event.recipient)
    .bind(&event.provider_id)
    .bind(event.attempt.map(|attempt| attempt.to_string()))
    .bind(&event.message_id)
    .bind(&event.reason)
    .bind(owner.map(|owner| owner.delivery))
    .bind(attempt)
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(done.rows_affected() > 0)
}

/// A provider that tells of a message which it is said to have refused.
fn contradicts(owner: &Owner, kind: EventKind) -> bool {
    let refused = matches!(
        owner.attempt,
        Some((_, AttemptState::NotAccepted | AttemptState::Refused | AttemptState::Written))
    );
    refused && kind.proves() == DeliveryState::Accepted && kind != EventKind::InvalidAddress
}

async fn tell_contradiction(
    c: &mut Connection,
    source: &ProviderName,
    event: &ProviderEvent,
    owner: &Owner,
    now: Timestamp,
) -> Result<(), JournalError> {
    let detail = format!(
        "{}: {source} told `{}` of an attempt that it is said to have refused",
        owner.key, event.kind
    );
    let entry =
        AuditEntry { at: now, run: Some(owner.run.clone()), action: "contradiction".to_owned(), detail };
    keeping::audit(c, &entry).await
}

async fn mark_bad(c: &mut Connection, delivery: i64) -> Result<(), JournalError> {
    sqlx::query("UPDATE delivery SET bad_address = 1 WHERE id = $1 AND bad_address = 0")
        .bind(delivery)
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(())
}

pub(crate) async fn of_run(
    c: &mut Connection,
    run: &RunId,
) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
    let found = sqlx::query(
        "SELECT e.* FROM event e JOIN delivery d ON d.id = e.delivery WHERE d.run = $1 ORDER BY e.id",
    )
    .bind(run.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    found.iter().map(stored).collect()
}

/// So many deliveries are asked about at once.
const AT_ONCE: usize = 500;

/// Events of some deliveries, each delivery's in order of their arrival.
pub(crate) async fn on(
    c: &mut Connection,
    deliveries: &[DeliveryId],
) -> Result<Vec<(DeliveryId, StoredEvent)>, JournalError> {
    let mut events = Vec::new();
    for part in deliveries.chunks(AT_ONCE) {
        let places = vec!["?"; part.len()].join(", ");
        let text = format!("SELECT * FROM event WHERE delivery IN ({places}) ORDER BY id");
        // Only places are put into the text.
        let mut query = sqlx::query(sqlx::AssertSqlSafe(numbered(text)));
        for delivery in part {
            query = query.bind(delivery.0);
        }
        let found = query.fetch_all(&mut *c).await.map_err(|error| read_failed(&error))?;
        for row in &found {
            events.push(stored(row)?);
        }
    }
    Ok(events)
}

fn stored(row: &Row) -> Result<(DeliveryId, StoredEvent), JournalError> {
    let (source, event) = told(row)?;
    let delivery: Option<i64> = column(row, "delivery")?;
    let delivery = delivery.ok_or_else(|| corrupt("an event")("it has no delivery".to_owned()))?;
    Ok((DeliveryId(delivery), StoredEvent { source, event, seen_at: time(column(row, "seen_at")?)? }))
}

/// Who told what.
pub(crate) fn told(row: &Row) -> Result<(ProviderName, ProviderEvent), JournalError> {
    let tag = column::<Option<&str>>(row, "tag")?;
    let event = ProviderEvent {
        kind: parsed(column(row, "kind")?, "an event")?,
        at: column::<Option<i64>>(row, "at")?.map(time).transpose()?,
        recipient: column(row, "recipient")?,
        provider_id: column(row, "provider_id")?,
        attempt: tag.map(|tag| parsed(tag, "an attempt")).transpose()?,
        key: None,
        message_id: column(row, "message_id")?,
        reason: column(row, "reason")?,
    };
    Ok((provider(column(row, "source")?)?, event))
}

pub(crate) async fn mark(c: &mut Connection, source: &ProviderName) -> Result<Option<String>, JournalError> {
    let found: Option<(String,)> = sqlx::query_as("SELECT mark FROM mark WHERE source = $1")
        .bind(source.as_str())
        .fetch_optional(c)
        .await
        .map_err(|error| read_failed(&error))?;
    Ok(found.map(|(mark,)| mark))
}

pub(crate) async fn save_mark(
    c: &mut Connection,
    source: &ProviderName,
    mark: &str,
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO mark (source, mark) VALUES ($1, $2)
         ON CONFLICT (source) DO UPDATE SET mark = excluded.mark",
    )
    .bind(source.as_str())
    .bind(mark)
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(())
}
