//! What is asked of the journal and changes nothing.

use bytes::Bytes;
use depeche_core::address::RecipientKey;
use depeche_core::journal::{
    AcceptedDay, AttemptRecord, DeliveryId, DeliveryRecord, DeliveryState, JournalError, RunId, RunRecord,
};
use depeche_core::opt_out::DeliveryReference;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use super::rows::{self, column, corrupt, count, micros, time};
use super::{Connection, NEWEST_FIRST, OPEN_RUNS, PASS_OVER, Row, numbered, read_failed};

pub(crate) async fn run(c: &mut Connection, run: &RunId) -> Result<Option<RunRecord>, JournalError> {
    let row = sqlx::query("SELECT * FROM run WHERE id = $1").bind(run.as_str()).fetch_optional(c).await;
    row.map_err(|error| read_failed(&error))?.map(|row| rows::run(&row)).transpose()
}

pub(crate) async fn runs(c: &mut Connection) -> Result<Vec<RunRecord>, JournalError> {
    let found = sqlx::query(NEWEST_FIRST).fetch_all(c).await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::run).collect()
}

pub(crate) async fn open_runs(c: &mut Connection) -> Result<Vec<RunRecord>, JournalError> {
    let found = sqlx::query(OPEN_RUNS).fetch_all(c).await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::run).collect()
}

pub(crate) async fn assets(c: &mut Connection, run: &RunId) -> Result<Vec<(String, Bytes)>, JournalError> {
    let found: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT name, content FROM asset WHERE run = $1 ORDER BY position")
            .bind(run.as_str())
            .fetch_all(c)
            .await
            .map_err(|error| read_failed(&error))?;
    Ok(found.into_iter().map(|(name, content)| (name, Bytes::from(content))).collect())
}

pub(crate) async fn deliveries(
    c: &mut Connection,
    run: &RunId,
    after: Option<(u32, u64)>,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, JournalError> {
    let (tier, position) = place(after);
    let found = sqlx::query(
        "SELECT * FROM delivery WHERE run = $1 AND (tier, position) > ($2, $3)
         ORDER BY tier, position LIMIT $4",
    )
    .bind(run.as_str())
    .bind(tier)
    .bind(position)
    .bind(to_limit(limit))
    .fetch_all(c)
    .await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::delivery).collect()
}

/// Those in `states` alone. States that most of a list is in are picked out on the way along the list;
/// the few refused or uncertain ones of a long list are looked up by their state.
pub(crate) async fn deliveries_in(
    c: &mut Connection,
    run: &RunId,
    states: &[DeliveryState],
    after: Option<(u32, u64)>,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, JournalError> {
    use DeliveryState::{Held, Intent, Refused, Unknown};
    let few = states.iter().all(|state| matches!(state, Intent | Held | Unknown | Refused));
    let places: Vec<String> = (5..states.len() + 5).map(|place| format!("${place}")).collect();
    let places = places.join(", ");
    let text = if few {
        format!(
            "SELECT * FROM delivery WHERE id IN (
                SELECT id FROM delivery WHERE run = $1 AND state IN ({places}) AND {ENDED}
                UNION ALL SELECT id FROM delivery WHERE run = $1 AND state = 'intent' AND state IN ({places}))
             AND (tier, position) > ($2, $3) ORDER BY {PASS_OVER}tier, {PASS_OVER}position LIMIT $4"
        )
    } else {
        format!(
            "SELECT * FROM delivery WHERE run = $1 AND {PASS_OVER}state IN ({places})
             AND (tier, position) > ($2, $3) ORDER BY tier, position LIMIT $4"
        )
    };
    let (tier, position) = place(after);
    // Only numbered places are put into the text.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(run.as_str());
    query = query.bind(tier).bind(position).bind(to_limit(limit));
    for state in states {
        query = query.bind(state.as_str());
    }
    let found = query.fetch_all(c).await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::delivery).collect()
}

/// As the index over all that is neither pending nor open says it: SQLite uses a partial index where the
/// question repeats its condition (sqlite.org/partialindex.html).
pub(crate) const ENDED: &str = "state NOT IN ('pending', 'intent')";

/// Before everybody, when there is no place to go on after.
fn place(after: Option<(u32, u64)>) -> (i64, i64) {
    after.map_or((-1, -1), |(tier, position)| (i64::from(tier), i64::try_from(position).unwrap_or(i64::MAX)))
}

pub(crate) async fn delivery_of(
    c: &mut Connection,
    reference: DeliveryReference,
) -> Result<Option<(RunId, DeliveryRecord)>, JournalError> {
    let found = sqlx::query("SELECT * FROM delivery WHERE reference = $1 ORDER BY id DESC LIMIT 1")
        .bind(reference.0.to_vec())
        .fetch_optional(c)
        .await
        .map_err(|error| read_failed(&error))?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some((rows::run_id(column(&row, "run")?)?, rows::delivery(&row)?)))
}

pub(crate) async fn attempts(
    c: &mut Connection,
    delivery: DeliveryId,
) -> Result<Vec<AttemptRecord>, JournalError> {
    let found = sqlx::query("SELECT * FROM attempt WHERE delivery = $1 ORDER BY number")
        .bind(delivery.0)
        .fetch_all(c)
        .await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::attempt).collect()
}

pub(crate) async fn accepted_by_provider(
    c: &mut Connection,
    run: &RunId,
) -> Result<Vec<(ProviderName, u64)>, JournalError> {
    let found: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT provider, COUNT(*) FROM delivery WHERE run = $1 AND state = 'accepted' AND {ENDED}
         AND provider IS NOT NULL GROUP BY provider"
    )))
    .bind(run.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    found
        .into_iter()
        .map(|(name, number)| {
            let name = ProviderName::new(&name).map_err(|e| corrupt("a provider")(e.to_string()))?;
            Ok((name, count(number)))
        })
        .collect()
}

/// Counted by the time of the outcome, in days since 1970.
pub(crate) async fn accepted_by_day(
    c: &mut Connection,
    since: Timestamp,
) -> Result<Vec<AcceptedDay>, JournalError> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT provider, ended_at / 86400000000 AS day, COUNT(*) FROM attempt
         WHERE state = 'accepted' AND ended_at >= $1 GROUP BY provider, day ORDER BY provider, day",
    )
    .bind(micros(since))
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    found
        .into_iter()
        .map(|(name, day, messages)| {
            let provider = ProviderName::new(&name).map_err(|e| corrupt("a provider")(e.to_string()))?;
            Ok(AcceptedDay { provider, day, messages: count(messages) })
        })
        .collect()
}

pub(crate) async fn next_due(
    c: &mut Connection,
    run: &RunId,
    now: Timestamp,
) -> Result<Option<Timestamp>, JournalError> {
    let (next,): (Option<i64>,) = sqlx::query_as(
        "SELECT MIN(not_before) FROM delivery WHERE run = $1 AND state = 'pending' AND not_before > $2",
    )
    .bind(run.as_str())
    .bind(micros(now))
    .fetch_one(c)
    .await
    .map_err(|error| read_failed(&error))?;
    next.map(time).transpose()
}

pub(crate) async fn bad_addresses(
    c: &mut Connection,
    run: &RunId,
) -> Result<Vec<(RecipientKey, Timestamp)>, JournalError> {
    let found = sqlx::query(
        // A bounce tells of it after the acceptance: then the moment of the bounce counts.
        "SELECT recipient_key, COALESCE((SELECT MIN(COALESCE(e.at, e.seen_at)) FROM event e
         WHERE e.delivery = delivery.id AND e.kind = 'invalid_address'), at) AS at
         FROM delivery WHERE run = $1 AND state IN ('refused', 'accepted') AND bad_address = 1",
    )
    .bind(run.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    let entry =
        |row: &Row| Ok((RecipientKey::from_stored(column(row, "recipient_key")?), time(column(row, "at")?)?));
    found.iter().map(entry).collect()
}

/// Of those keys, the ones that accepted a release since then. Asked run by run, each by the index that keeps
/// its recipients apart: there are few runs, and an index over all recipients would cost every acceptance.
pub(crate) async fn accepted_since(
    c: &mut Connection,
    keys: &[RecipientKey],
    since: Timestamp,
) -> Result<Vec<RecipientKey>, JournalError> {
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS) {
        // Only places are put into the text.
        let question = sqlx::AssertSqlSafe(numbered(who_accepted(keys.len())));
        let mut query = sqlx::query_as::<_, (String,)>(question).bind(micros(since));
        for key in keys {
            query = query.bind(key.as_str());
        }
        let rows = query.fetch_all(&mut *c).await.map_err(|error| read_failed(&error))?;
        found.extend(rows.into_iter().map(|(key,)| RecipientKey::from_stored(key)));
    }
    Ok(found)
}

/// Who of so many keys accepted since a moment.
pub(crate) fn who_accepted(keys: usize) -> String {
    let places = vec!["?"; keys].join(", ");
    format!(
        "SELECT DISTINCT d.recipient_key FROM run r CROSS JOIN delivery d WHERE r.kind = 'real'
         AND d.run = r.id AND d.state = 'accepted' AND d.at >= ?
         AND NOT EXISTS (SELECT 1 FROM event e WHERE e.delivery = d.id AND e.kind IN
         ('bounced_hard', 'bounced_soft', 'invalid_address', 'blocked', 'failed'))
         AND d.recipient_key IN ({places})"
    )
}

/// So many addresses are asked for at once; SQLite takes 32 766 values.
const KEYS: usize = 500;

fn to_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
