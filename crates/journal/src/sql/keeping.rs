//! What is kept beside the deliveries: run states, windows, breakers, suppressions, the audit.

use depeche_core::address::RecipientKey;
use depeche_core::after::{BAD_ADDRESS, MANUAL, REMOVED};
use depeche_core::journal::{
    AuditEntry, BreakerRecord, JournalError, PAUSED, RunId, RunState, Suppression, Usage,
};
use depeche_core::outcome::Trouble;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::forgotten::Pseudonyms;
use super::rows::{column, corrupt, digest, json, micros, run_id, small, time, to_json};
use super::{Connection, OTHERS_WORK, Row, numbered, read_failed, write_failed};

/// So many addresses are asked for at once; SQLite takes 32 766 values.
const KEYS: usize = 500;

pub(crate) async fn set_run_state(
    c: &mut Connection,
    run: &RunId,
    state: RunState,
    note: Option<String>,
    at: Timestamp,
) -> Result<(), JournalError> {
    let ended_at = (state != RunState::Running).then(|| micros(at));
    // A cancelled run stays so, whatever an engine that has not heard of it yet may say; a paused one too, with
    // its reason, unless it is begun again; and while others work on it, it goes on.
    let text = format!(
        "UPDATE run SET state = $2, note = $3, ended_at = $4 WHERE id = $1 AND NOT (state = 'cancelled'
         OR ($2 IN ('waiting', 'interrupted', 'paused') AND (state = 'paused' OR {OTHERS_WORK})))"
    );
    // Only a constant is put into the text.
    let done = sqlx::query(AssertSqlSafe(text))
        .bind(run.as_str())
        .bind(state.as_str())
        .bind(note)
        .bind(ended_at)
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    if done.rows_affected() == 0 { is_there(c, run).await } else { Ok(()) }
}

async fn is_there(c: &mut Connection, run: &RunId) -> Result<(), JournalError> {
    let found = sqlx::query("SELECT 1 FROM run WHERE id = $1").bind(run.as_str()).fetch_optional(c).await;
    let found = found.map_err(|error| write_failed(&error))?;
    found.map(drop).ok_or_else(|| JournalError::NoSuchRun(run.clone()))
}

/// See [`depeche_core::journal::Journal::go_on`]: one compare-and-set.
pub(crate) async fn go_on(c: &mut Connection, run: &RunId) -> Result<bool, JournalError> {
    let done = sqlx::query(
        "UPDATE run SET state = 'running', note = NULL, ended_at = NULL
         WHERE id = $1 AND state <> 'cancelled' AND NOT (state = 'paused' AND note = $2)",
    )
    .bind(run.as_str())
    .bind(PAUSED)
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    if done.rows_affected() > 0 {
        return Ok(true);
    }
    is_there(c, run).await?;
    Ok(false)
}

pub(crate) async fn set_settings(
    c: &mut Connection,
    run: &RunId,
    settings: String,
) -> Result<(), JournalError> {
    let done = sqlx::query("UPDATE run SET settings = $2 WHERE id = $1")
        .bind(run.as_str())
        .bind(settings)
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    if done.rows_affected() == 0 { Err(JournalError::NoSuchRun(run.clone())) } else { Ok(()) }
}

pub(crate) async fn pause(c: &mut Connection, run: &RunId, at: Timestamp) -> Result<(), JournalError> {
    let done = sqlx::query(
        "UPDATE run SET state = CASE WHEN state IN ('finished', 'cancelled') THEN state ELSE 'paused' END,
         note = $3, ended_at = $2 WHERE id = $1",
    )
    .bind(run.as_str())
    .bind(micros(at))
    .bind(PAUSED)
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    if done.rows_affected() == 0 { Err(JournalError::NoSuchRun(run.clone())) } else { Ok(()) }
}

/// The usage of a provider, or of a receiving domain (`DomainPace::key`).
pub(crate) async fn usage(c: &mut Connection, name: &str, since: Timestamp) -> Result<Usage, JournalError> {
    let buckets: Vec<(i64, i64)> =
        sqlx::query_as("SELECT second, count FROM usage WHERE provider = $1 AND second >= $2")
            .bind(name)
            .bind(since.as_second())
            .fetch_all(&mut *c)
            .await
            .map_err(|error| read_failed(&error))?;
    let last: Option<(i64,)> = sqlx::query_as("SELECT at FROM usage_last WHERE provider = $1")
        .bind(name)
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| read_failed(&error))?;
    Ok(Usage {
        buckets: buckets.into_iter().map(|(second, count)| (second, small(count))).collect(),
        last: last.map(|(at,)| time(at)).transpose()?,
    })
}

/// Counts `messages` at `at`, and forgets what no window looks at any more. `due` is what the spacing of
/// `per_second` goes by from then on, where there is one (`Limits::last_after`).
pub(crate) async fn use_window(
    c: &mut Connection,
    name: &str,
    messages: u32,
    at: Timestamp,
    due: Option<Timestamp>,
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO usage (provider, second, count) VALUES ($1, $2, $3)
         ON CONFLICT (provider, second) DO UPDATE SET count = usage.count + excluded.count",
    )
    .bind(name)
    .bind(at.as_second())
    .bind(i64::from(messages))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    sqlx::query(
        "INSERT INTO usage_last (provider, at) VALUES ($1, $2)
         ON CONFLICT (provider) DO UPDATE SET at =
         CASE WHEN $3 = 1 OR excluded.at > usage_last.at THEN excluded.at ELSE usage_last.at END",
    )
    .bind(name)
    .bind(micros(due.unwrap_or(at)))
    .bind(i64::from(due.is_some()))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    // Two days: longer than the longest window, whatever a clock did.
    sqlx::query("DELETE FROM usage WHERE provider = $1 AND second < $2")
        .bind(name)
        .bind(at.as_second() - 172_800)
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(())
}

pub(crate) async fn breakers(c: &mut Connection) -> Result<Vec<BreakerRecord>, JournalError> {
    let found = sqlx::query("SELECT * FROM breaker ORDER BY provider").fetch_all(c).await;
    found.map_err(|error| read_failed(&error))?.iter().map(breaker).collect()
}

/// Until when the provider rests, if it does.
pub(crate) async fn resting_until(
    c: &mut Connection,
    provider: &ProviderName,
) -> Result<Option<Timestamp>, JournalError> {
    let found: Option<(Option<i64>,)> =
        sqlx::query_as("SELECT resting_until FROM breaker WHERE provider = $1")
            .bind(provider.as_str())
            .fetch_optional(c)
            .await
            .map_err(|error| read_failed(&error))?;
    found.and_then(|(until,)| until).map(time).transpose()
}

fn breaker(row: &Row) -> Result<BreakerRecord, JournalError> {
    let name: &str = column(row, "provider")?;
    let moment = |name: &str| column::<Option<i64>>(row, name)?.map(time).transpose();
    Ok(BreakerRecord {
        provider: ProviderName::new(name).map_err(|e| corrupt("a provider")(e.to_string()))?,
        config_digest: digest(column(row, "config_digest")?)?,
        open_since: moment("open_since")?,
        reason: column(row, "reason")?,
        trouble: column::<Option<&str>>(row, "trouble")?
            .map(|text| json::<Trouble>(text, "a provider's trouble"))
            .transpose()?,
        resting_until: moment("resting_until")?,
    })
}

pub(crate) async fn save_breaker(c: &mut Connection, record: &BreakerRecord) -> Result<(), JournalError> {
    // A rest that another process was told stands, whatever machine writes: it is never made shorter.
    sqlx::query(
        "INSERT INTO breaker (provider, config_digest, open_since, reason, trouble, resting_until)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (provider) DO UPDATE SET config_digest = excluded.config_digest,
         open_since = excluded.open_since, reason = excluded.reason, trouble = excluded.trouble,
         resting_until = CASE WHEN excluded.resting_until IS NULL
         OR breaker.resting_until > excluded.resting_until
         THEN breaker.resting_until ELSE excluded.resting_until END",
    )
    .bind(record.provider.as_str())
    .bind(record.config_digest.as_slice())
    .bind(record.open_since.map(micros))
    .bind(&record.reason)
    .bind(record.trouble.map(|trouble| to_json(&trouble)).transpose()?)
    .bind(record.resting_until.map(micros))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(())
}

pub(crate) async fn suppress(c: &mut Connection, entries: &[Suppression]) -> Result<u64, JournalError> {
    let mut added = 0;
    let keys: Vec<RecipientKey> = entries.iter().map(|entry| entry.key.clone()).collect();
    // Who is forgotten stands on the list already, and not under this name.
    let forgotten: Vec<RecipientKey> =
        Pseudonyms::load(c).await?.among(c, &keys).await?.into_values().collect();
    for entry in entries.iter().filter(|entry| !forgotten.contains(&entry.key)) {
        // The first reason stays, with three exceptions. A quarantined address that is suppressed for good is so
        // from then on. A wish or a person's word takes the place of a bad address, which a wave may lift again.
        // And a bad address that turns out to be one of a wave is quarantined (bounces trickle in); nothing else is.
        let done = sqlx::query(
            "INSERT INTO suppression (recipient_key, reason, source, quarantined, at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (recipient_key) DO UPDATE SET reason = excluded.reason, source = excluded.source,
             quarantined = excluded.quarantined, at = excluded.at
             WHERE (suppression.quarantined = 1 AND excluded.quarantined = 0)
             OR (suppression.reason = $6 AND suppression.source <> $7 AND excluded.quarantined = 0
                 AND (excluded.reason <> $6 OR excluded.source = $7))
             OR (suppression.quarantined = 0 AND excluded.quarantined = 1 AND suppression.reason = $6
                 AND suppression.source = excluded.source AND suppression.reason = excluded.reason)",
        )
        .bind(entry.key.as_str())
        .bind(&entry.reason)
        .bind(&entry.source)
        .bind(i64::from(entry.quarantined))
        .bind(micros(entry.at))
        .bind(BAD_ADDRESS)
        .bind(MANUAL)
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
        added += done.rows_affected();
    }
    Ok(added)
}

pub(crate) async fn unsuppress(
    c: &mut Connection,
    key: &RecipientKey,
    reason: &str,
    at: Timestamp,
) -> Result<bool, JournalError> {
    let pseudonym = Pseudonyms::load(c).await?.of(key.as_str());
    let done = sqlx::query("DELETE FROM suppression WHERE recipient_key = $1 OR recipient_key = $2")
        .bind(key.as_str())
        .bind(pseudonym)
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let detail = format!("{key}: {reason}");
    audit(c, &AuditEntry { at, run: None, action: REMOVED.to_owned(), detail }).await?;
    Ok(true)
}

pub(crate) async fn suppressions(
    c: &mut Connection,
    keys: Option<&[RecipientKey]>,
) -> Result<Vec<Suppression>, JournalError> {
    let Some(keys) = keys else {
        let found = sqlx::query("SELECT * FROM suppression ORDER BY recipient_key").fetch_all(c).await;
        return found.map_err(|error| read_failed(&error))?.iter().map(suppression).collect();
    };
    let forgotten = Pseudonyms::load(c).await?.among(c, keys).await?;
    let hashed: Vec<RecipientKey> = forgotten.keys().cloned().map(RecipientKey::from_stored).collect();
    let mut entries = listed(c, keys).await?;
    for entry in listed(c, &hashed).await? {
        // Whoever asked knows the person by this name.
        let asked = forgotten.get(entry.key.as_str()).cloned().unwrap_or_else(|| entry.key.clone());
        entries.push(Suppression { key: asked, ..entry });
    }
    Ok(entries)
}

async fn listed(c: &mut Connection, keys: &[RecipientKey]) -> Result<Vec<Suppression>, JournalError> {
    let mut entries = Vec::new();
    if !suppresses_anybody(c).await? {
        return Ok(entries);
    }
    for keys in keys.chunks(KEYS) {
        // Without numbers: SQLite looks numbered places up by name, one after the other.
        let places = vec!["?"; keys.len()].join(", ");
        let text = format!("SELECT * FROM suppression WHERE quarantined = 0 AND recipient_key IN ({places})");
        // Only places are put into the text.
        let mut query = sqlx::query(AssertSqlSafe(numbered(text)));
        for key in keys {
            query = query.bind(key.as_str());
        }
        let found = query.fetch_all(&mut *c).await.map_err(|error| read_failed(&error))?;
        let found: Result<Vec<_>, _> = found.iter().map(suppression).collect();
        entries.extend(found?);
    }
    Ok(entries)
}

/// Whether anybody is suppressed: where nobody is, nobody needs to be asked for.
pub(crate) async fn suppresses_anybody(c: &mut Connection) -> Result<bool, JournalError> {
    let found =
        sqlx::query("SELECT 1 FROM suppression WHERE quarantined = 0 LIMIT 1").fetch_optional(c).await;
    Ok(found.map_err(|error| read_failed(&error))?.is_some())
}

fn suppression(row: &Row) -> Result<Suppression, JournalError> {
    Ok(Suppression {
        key: RecipientKey::from_stored(column(row, "recipient_key")?),
        reason: column(row, "reason")?,
        source: column(row, "source")?,
        quarantined: column::<i64>(row, "quarantined")? != 0,
        at: time(column(row, "at")?)?,
    })
}

pub(crate) async fn audit(c: &mut Connection, entry: &AuditEntry) -> Result<(), JournalError> {
    sqlx::query("INSERT INTO audit (at, run, action, detail) VALUES ($1, $2, $3, $4)")
        .bind(micros(entry.at))
        .bind(entry.run.as_ref().map(RunId::as_str))
        .bind(&entry.action)
        .bind(&entry.detail)
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(())
}

pub(crate) async fn audit_of(
    c: &mut Connection,
    run: Option<&RunId>,
) -> Result<Vec<AuditEntry>, JournalError> {
    let found = sqlx::query("SELECT * FROM audit WHERE $1 IS NULL OR run = $1 ORDER BY id")
        .bind(run.map(RunId::as_str))
        .fetch_all(c)
        .await
        .map_err(|error| read_failed(&error))?;
    let entry = |row: &Row| {
        Ok(AuditEntry {
            at: time(column(row, "at")?)?,
            run: column::<Option<&str>>(row, "run")?.map(run_id).transpose()?,
            action: column(row, "action")?,
            detail: column(row, "detail")?,
        })
    };
    found.iter().map(entry).collect()
}
