//! What depends on who works on a run (here one process at the most, which holds it), and what one commit
//! of a file can promise.

use depeche_core::journal::{
    DeliveryId, DeliveryRecord, DeliveryState, Intent, JournalError, RunId, Settlement, Totals,
};
use depeche_core::outcome::Denied;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::attempts;
use super::reading::ENDED;
use super::rows::{self, corrupt, count, micros};
use crate::{read_failed, write_failed};

/// An intent whose owner is gone becomes unknown, never pending.
pub(crate) async fn adopt_orphans(
    c: &mut SqliteConnection,
    run: &RunId,
    now: Timestamp,
) -> Result<u64, JournalError> {
    let reply = "the process stopped before an answer came";
    sqlx::query(
        "UPDATE attempt SET state = 'unknown', reply = $2, ended_at = $3 WHERE state = 'intent'
         AND delivery IN (SELECT id FROM delivery WHERE run = $1 AND state = 'intent')",
    )
    .bind(run.as_str())
    .bind(reply)
    .bind(micros(now))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    let moved = sqlx::query(
        "UPDATE delivery SET state = 'unknown', fence = fence + 1, reply = $2, at = $3
         WHERE run = $1 AND state = 'intent'",
    )
    .bind(run.as_str())
    .bind(reply)
    .bind(micros(now))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(moved.rows_affected())
}

/// Outcomes, and then intents: those that are denied take no outcome with them.
pub(crate) async fn settle_and_intend(
    c: &mut SqliteConnection,
    settlements: &[Settlement],
    intents: &[Intent],
) -> Result<Result<(), Denied>, JournalError> {
    attempts::settle(c, settlements).await?;
    run(c, "SAVEPOINT intents").await?;
    let intended = attempts::intend(c, intents).await.map_err(|refused| refused.0);
    if intended.is_err() {
        run(c, "ROLLBACK TO intents").await?;
    }
    run(c, "RELEASE intents").await?;
    Ok(intended)
}

async fn run(c: &mut SqliteConnection, statement: &'static str) -> Result<(), JournalError> {
    sqlx::query(statement).execute(c).await.map_err(|error| write_failed(&error))?;
    Ok(())
}

/// What is due, in the order in which it is served.
pub(crate) async fn due(
    c: &mut SqliteConnection,
    run: &RunId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, JournalError> {
    let found = sqlx::query(
        "SELECT * FROM delivery WHERE run = $1 AND state = 'pending'
         AND (not_before IS NULL OR not_before <= $2) ORDER BY tier, position LIMIT $3",
    )
    .bind(run.as_str())
    .bind(micros(now))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(c)
    .await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::delivery).collect()
}

/// The open attempts of a run that nobody holds.
pub(crate) async fn orphans(c: &mut SqliteConnection, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
    let found: Vec<(i64,)> =
        sqlx::query_as("SELECT id FROM delivery WHERE run = $1 AND state = 'intent' ORDER BY tier, position")
            .bind(run.as_str())
            .fetch_all(c)
            .await
            .map_err(|error| read_failed(&error))?;
    Ok(found.into_iter().map(|(id,)| DeliveryId(id)).collect())
}

/// How many stand where. `owner_lives` tells whether open attempts are a live process's.
pub(crate) async fn totals(
    c: &mut SqliteConnection,
    run: &RunId,
    owner_lives: bool,
) -> Result<Totals, JournalError> {
    // Each from an index of its own, in one statement: of one moment.
    let found: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT state, COUNT(*) FROM delivery WHERE run = $1 AND {ENDED} GROUP BY state
         UNION ALL SELECT 'pending', COUNT(*) FROM delivery WHERE run = $1 AND state = 'pending'
         UNION ALL SELECT 'intent', COUNT(*) FROM delivery WHERE run = $1 AND state = 'intent'"
    )))
    .bind(run.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    let mut totals = Totals::default();
    for (state, number) in found {
        let state: DeliveryState = state.parse().map_err(|e| corrupt("a state")(format!("{e}")))?;
        totals.add(state, count(number), owner_lives);
    }
    Ok(totals)
}
