//! Rows of the tables as values of the trait, and back.

use std::str::FromStr;

use depeche_core::address::EmailAddress;
use depeche_core::journal::{
    AttemptRecord, AttemptState, DeliveryId, DeliveryRecord, DeliveryState, JournalError, RunId, RunKind,
    RunRecord, RunState, Settlement,
};
use depeche_core::message::MessageId;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Database, Row, read_failed};

/// Something stored that cannot be read.
pub(crate) fn corrupt(what: &str) -> impl Fn(String) -> JournalError + '_ {
    move |reason| JournalError::Corrupt(format!("{what}: {reason}"))
}

/// Microseconds since 1970.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(crate) fn time(micros: i64) -> Result<Timestamp, JournalError> {
    Timestamp::from_microsecond(micros).map_err(|error| corrupt("a time")(error.to_string()))
}

/// A number of the tables as an unsigned one; nothing negative is ever stored.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(crate) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

pub(crate) fn column<'r, T>(row: &'r Row, name: &str) -> Result<T, JournalError>
where
    T: sqlx::Decode<'r, Database> + sqlx::Type<Database>,
{
    row.try_get(name).map_err(|error| read_failed(&error))
}

fn optional_time(row: &Row, name: &str) -> Result<Option<Timestamp>, JournalError> {
    column::<Option<i64>>(row, name)?.map(time).transpose()
}

pub(crate) fn parsed<T>(text: &str, what: &str) -> Result<T, JournalError>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| corrupt(what)(error.to_string()))
}

pub(crate) fn provider(text: &str) -> Result<ProviderName, JournalError> {
    ProviderName::new(text).map_err(|error| corrupt("a provider")(error.to_string()))
}

pub(crate) fn digest(bytes: &[u8]) -> Result<[u8; 32], JournalError> {
    bytes.try_into().map_err(|_| corrupt("a digest")(format!("{} octets", bytes.len())))
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, JournalError> {
    serde_json::from_str(text).map_err(|error| corrupt(what)(error.to_string()))
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, JournalError> {
    serde_json::to_string(value).map_err(|error| JournalError::WriteFailed { reason: error.to_string() })
}

pub(crate) fn run_id(text: &str) -> Result<RunId, JournalError> {
    RunId::new(text).map_err(|error| corrupt("a run")(error.to_string()))
}

pub(crate) fn run(row: &Row) -> Result<RunRecord, JournalError> {
    Ok(RunRecord {
        id: run_id(column(row, "id")?)?,
        kind: parsed::<RunKind>(column(row, "kind")?, "a run's kind")?,
        state: parsed::<RunState>(column(row, "state")?, "a run's state")?,
        slug: column(row, "slug")?,
        release: column(row, "release")?,
        digest: digest(column(row, "digest")?)?,
        frozen: column(row, "frozen")?,
        route: json(column(row, "route")?, "a route")?,
        left_out: column(row, "left_out")?,
        settings: column(row, "settings")?,
        created_at: time(column(row, "created_at")?)?,
        ended_at: optional_time(row, "ended_at")?,
        note: column(row, "note")?,
    })
}

pub(crate) fn delivery(row: &Row) -> Result<DeliveryRecord, JournalError> {
    let message_id: &str = column(row, "message_id")?;
    Ok(DeliveryRecord {
        id: DeliveryId(column(row, "id")?),
        address: parsed::<EmailAddress>(column(row, "address")?, "an address")?,
        tier: small(column(row, "tier")?),
        position: count(column(row, "position")?),
        fields: json(column(row, "fields")?, "a contact's fields")?,
        message_id: MessageId::new(message_id).map_err(|error| corrupt("a Message-ID")(error.to_string()))?,
        state: parsed::<DeliveryState>(column(row, "state")?, "a delivery's state")?,
        not_before: optional_time(row, "not_before")?,
        fence: column(row, "fence")?,
        transient_refusals: small(column(row, "transient_refusals")?),
        avoid: json(column(row, "avoid")?, "the providers to avoid")?,
        attempts: small(column(row, "attempts")?),
        provider: column::<Option<&str>>(row, "provider")?.map(provider).transpose()?,
        provider_id: column(row, "provider_id")?,
        reply: column(row, "reply")?,
        at: optional_time(row, "at")?,
    })
}

pub(crate) fn attempt(row: &Row) -> Result<AttemptRecord, JournalError> {
    Ok(AttemptRecord {
        id: parsed::<Uuid>(column(row, "id")?, "an attempt")?,
        delivery: DeliveryId(column(row, "delivery")?),
        number: small(column(row, "number")?),
        provider: provider(column(row, "provider")?)?,
        state: parsed::<AttemptState>(column(row, "state")?, "an attempt's state")?,
        request_id: parsed::<Uuid>(column(row, "request_id")?, "a request")?,
        idempotency_key: parsed::<Uuid>(column(row, "idempotency_key")?, "an idempotency key")?,
        request_digest: column::<Option<&[u8]>>(row, "request_digest")?.map(digest).transpose()?,
        reply: column(row, "reply")?,
        provider_id: column(row, "provider_id")?,
        started_at: time(column(row, "started_at")?)?,
        ended_at: optional_time(row, "ended_at")?,
    })
}

/// Whether the outcome ends an attempt that is open, and does nothing else.
pub(crate) fn ends_an_open_attempt(s: &Settlement) -> bool {
    s.from == DeliveryState::Intent
        && s.from.may_become(s.to)
        // Whoever is to be tried again may be known by now to have it.
        && s.to != DeliveryState::Pending
        && s.avoid.is_none()
        && s.wish.is_none()
        && s.attempt.as_ref().is_some_and(|attempt| attempt.had_intent)
}
