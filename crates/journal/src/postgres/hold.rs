//! Who works on a run: holds with leases, and the claims that go with them.
//!
//! A hold is a row with a lease by the database's clock; a heartbeat prolongs it. A delivery is claimed by
//! writing the hold's number on it, and an intent needs the lease of its claim. So a worker that was
//! stopped for longer than its lease finds nothing of its own before an intent, and what it had open is
//! unknown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use depeche_core::journal::{
    DeliveryId, DeliveryRecord, DeliveryState, Hold, HoldError, JournalError, RunId, Totals,
};
use jiff::Timestamp;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::Notify;

use super::clock::DatabaseClock;
use super::rows::{self, corrupt, count, micros};
use super::writer::Writer;
use crate::{read_failed, write_failed};

/// A worker among others claims so many recipients more at a time: the others want some too.
const SHARE: usize = 64;
/// A lease is prolonged so often while it lasts.
const BEATS: u32 = 4;
/// Someone who lets go needs an instant: a hold is asked for a few times.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// A hold of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    id: i64,
    shared: bool,
}

/// The holds of this process.
pub(crate) struct Holds {
    lease: Duration,
    pool: PgPool,
    clock: Arc<DatabaseClock>,
    mine: Mutex<BTreeMap<RunId, Claim>>,
    ended: Mutex<Vec<i64>>,
    /// One gives back at a time: who asks next finds what was dropped before given back, not on its way.
    giving: tokio::sync::Mutex<()>,
    woken: Notify,
}

/// A held run.
struct Held {
    run: RunId,
    id: i64,
    holds: Arc<Holds>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("run", &self.run).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Hold for Held {
    fn run(&self) -> &RunId {
        &self.run
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut mine = self.holds.mine.lock().unwrap_or_else(PoisonError::into_inner);
        mine.remove(&self.run);
        self.holds.ended.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
        self.holds.woken.notify_one();
    }
}

impl Holds {
    /// Starts the heartbeat; it ends with the holds.
    pub(crate) fn start(lease: Duration, pool: PgPool, clock: Arc<DatabaseClock>) -> Arc<Self> {
        let (mine, ended, giving) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        let holds = Arc::new(Self { lease, pool, clock, mine, ended, giving, woken: Notify::new() });
        tokio::spawn(beat(Arc::downgrade(&holds), lease / BEATS));
        holds
    }

    /// The claim of this process on the run.
    pub(crate) fn claim_of(&self, run: &RunId) -> Option<Claim> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner).get(run).copied()
    }

    pub(crate) async fn take(
        self: &Arc<Self>,
        writer: &Writer,
        run: &RunId,
        shared: bool,
    ) -> Result<Box<dyn Hold>, HoldError> {
        for attempt in 1.. {
            self.let_go().await;
            let (name, lease) = (run.clone(), self.lease_micros());
            let taken: Result<i64, HoldError> = writer
                .write(true, Box::new(move |c| Box::pin(async move { take(c, &name, shared, lease).await })))
                .await;
            match taken {
                Ok(id) => {
                    let mut mine = self.mine.lock().unwrap_or_else(PoisonError::into_inner);
                    mine.insert(run.clone(), Claim { id, shared });
                    return Ok(Box::new(Held { run: run.clone(), id, holds: Arc::clone(self) }));
                }
                Err(HoldError::Held { .. }) if attempt < TRIES => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        unreachable!("the loop ends by itself")
    }

    fn lease_micros(&self) -> i64 {
        i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX / 4)
    }

    /// Gives back what was dropped. What cannot be given back now ends with its lease.
    pub(crate) async fn let_go(&self) {
        let _one = self.giving.lock().await;
        let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        if ended.is_empty() {
            return;
        }
        let given = async {
            let mut connection = self.pool.acquire().await?;
            let mut transaction = connection.begin().await?;
            super::door::alone(&mut transaction).await?;
            sqlx::query("UPDATE delivery SET owner = NULL WHERE owner = ANY($1) AND state = 'pending'")
                .bind(&ended)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM run_hold WHERE id = ANY($1)")
                .bind(&ended)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        if given.await.is_err() {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
        }
    }

    /// Prolongs the leases. One that has run out meanwhile is taken anew, unless another process holds the
    /// run alone by now.
    async fn prolong(&self) -> Result<(), sqlx::Error> {
        let mine: Vec<(RunId, Claim)> = {
            let mine = self.mine.lock().unwrap_or_else(PoisonError::into_inner);
            mine.iter().map(|(run, claim)| (run.clone(), *claim)).collect()
        };
        for (run, claim) in mine {
            let mut connection = self.pool.acquire().await?;
            sqlx::query(
                "INSERT INTO run_hold (id, run, shared, host, pid, lease_until)
                 SELECT $1, $2, $3, $4, $5, depeche_now() + $6 WHERE NOT EXISTS (SELECT 1 FROM run_hold
                 WHERE run = $2 AND id <> $1 AND (shared = 0 OR $3 = 0) AND lease_until >= depeche_now())
                 ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
            )
            .bind(claim.id)
            .bind(run.as_str())
            .bind(i64::from(claim.shared))
            .bind(host())
            .bind(i64::from(std::process::id()))
            .bind(self.lease_micros())
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

async fn beat(holds: Weak<Holds>, pause: Duration) {
    let mut asleep = std::pin::pin!(tokio::time::sleep(pause));
    loop {
        let Some(now) = holds.upgrade() else { return };
        let is_time = tokio::select! {
            () = &mut asleep => true,
            () = now.woken.notified() => false,
            // Whoever drops the journal must not wait for this.
            () = tokio::time::sleep(Duration::from_millis(250)) => false,
        };
        now.let_go().await;
        if is_time {
            // The next beat tries again; a lease that lapses meanwhile costs nothing but its claims.
            let _ = now.prolong().await;
            let _ = now.clock.set(&now.pool).await;
            let _ = sweep(&now.pool).await;
            asleep.as_mut().reset(tokio::time::Instant::now() + pause);
        }
    }
}

async fn take(c: &mut PgConnection, run: &RunId, shared: bool, lease: i64) -> Result<i64, HoldError> {
    let failed = |error: sqlx::Error| HoldError::Journal(write_failed(&error));
    end_leases(&mut *c).await.map_err(failed)?;
    let in_the_way: Option<(i64,)> = sqlx::query_as(
        "SELECT pid FROM run_hold WHERE run = $1 AND (shared = 0 OR $2 = 0) ORDER BY id LIMIT 1",
    )
    .bind(run.as_str())
    .bind(i64::from(shared))
    .fetch_optional(&mut *c)
    .await
    .map_err(failed)?;
    if let Some((pid,)) = in_the_way {
        return Err(HoldError::Held { run: run.clone(), pid: u32::try_from(pid).ok() });
    }
    let (id,): (i64,) = sqlx::query_as(
        "INSERT INTO run_hold (run, shared, host, pid, lease_until)
         VALUES ($1, $2, $3, $4, depeche_now() + $5) RETURNING id",
    )
    .bind(run.as_str())
    .bind(i64::from(shared))
    .bind(host())
    .bind(i64::from(std::process::id()))
    .bind(lease)
    .fetch_one(c)
    .await
    .map_err(failed)?;
    Ok(id)
}

/// Ends the leases that have run out, of whatever worker.
async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let ended = sqlx::query("SELECT 1 FROM run_hold WHERE lease_until < depeche_now() LIMIT 1");
    if ended.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    super::door::alone(&mut transaction).await?;
    end_leases(&mut transaction).await?;
    transaction.commit().await
}

/// What was claimed is free again, and what was open is unknown.
async fn end_leases(c: &mut PgConnection) -> Result<(), sqlx::Error> {
    let ended: Vec<(i64,)> =
        sqlx::query_as("DELETE FROM run_hold WHERE lease_until < depeche_now() RETURNING id")
            .fetch_all(&mut *c)
            .await?;
    if ended.is_empty() {
        return Ok(());
    }
    let ended: Vec<i64> = ended.into_iter().map(|(id,)| id).collect();
    let reply = "the worker was not heard of before an answer came";
    sqlx::query(
        "UPDATE attempt SET state = 'unknown', reply = $2, ended_at = depeche_now() WHERE state = 'intent'
         AND delivery IN (SELECT id FROM delivery WHERE owner = ANY($1) AND state = 'intent')",
    )
    .bind(&ended)
    .bind(reply)
    .execute(&mut *c)
    .await?;
    sqlx::query(
        "UPDATE delivery SET fence = fence + 1, owner = NULL,
         state = CASE state WHEN 'intent' THEN 'unknown' ELSE state END,
         reply = CASE state WHEN 'intent' THEN $2 ELSE reply END,
         at = CASE state WHEN 'intent' THEN depeche_now() ELSE at END
         WHERE owner = ANY($1) AND state IN ('pending', 'intent')",
    )
    .bind(&ended)
    .bind(reply)
    .execute(&mut *c)
    .await?;
    Ok(())
}

/// The process that holds the run now; the one that holds it alone first.
pub(crate) async fn holder(c: &mut PgConnection, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
    let found: Option<(i64,)> = sqlx::query_as(
        "SELECT pid FROM run_hold WHERE run = $1 AND lease_until >= depeche_now() ORDER BY shared, id LIMIT 1",
    )
    .bind(run.as_str())
    .fetch_optional(c)
    .await
    .map_err(|error| read_failed(&error))?;
    Ok(found.map(|(pid,)| u32::try_from(pid).ok()))
}

/// How many stand where; an open attempt counts as pending while its claim lives.
pub(crate) async fn totals(c: &mut PgConnection, run: &RunId) -> Result<Totals, JournalError> {
    let found: Vec<(String, bool, i64)> = sqlx::query_as(
        "SELECT d.state, COALESCE(d.state = 'intent' AND h.id IS NOT NULL, FALSE), COUNT(*) FROM delivery d
         LEFT JOIN run_hold h ON d.state = 'intent' AND h.id = d.owner AND h.lease_until >= depeche_now()
         WHERE d.run = $1 GROUP BY 1, 2",
    )
    .bind(run.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    let mut totals = Totals::default();
    for (state, owner_lives, number) in found {
        let state: DeliveryState = state.parse().map_err(|e| corrupt("a state")(format!("{e}")))?;
        totals.add(state, count(number), owner_lives);
    }
    Ok(totals)
}

/// The open attempts whose worker is not heard of any more: those that [`totals`] counts as unknown.
pub(crate) async fn orphans(c: &mut PgConnection, run: &RunId) -> Result<Vec<DeliveryId>, JournalError> {
    let found: Vec<(i64,)> = sqlx::query_as(
        "SELECT id FROM delivery d WHERE run = $1 AND state = 'intent' AND NOT EXISTS
         (SELECT 1 FROM run_hold h WHERE h.id = d.owner AND h.lease_until >= depeche_now())
         ORDER BY tier, position",
    )
    .bind(run.as_str())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    Ok(found.into_iter().map(|(id,)| DeliveryId(id)).collect())
}

/// Claims what is due and free, and gives it with what is claimed and due already.
///
/// A delivery whose claim has ended without being given back gets a new fence with its new owner.
pub(crate) async fn claim(
    c: &mut PgConnection,
    run: &RunId,
    claim: Claim,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, JournalError> {
    let share = if claim.shared { SHARE.min(limit) } else { limit };
    let found = sqlx::query(
        "WITH free AS (SELECT id FROM delivery WHERE run = $1 AND state = 'pending'
            AND (not_before IS NULL OR not_before <= $2)
            AND (owner IS NULL OR (owner <> $3 AND NOT EXISTS (SELECT 1 FROM run_hold h WHERE h.id = owner)))
            AND EXISTS (SELECT 1 FROM run_hold h WHERE h.id = $3 AND h.lease_until >= depeche_now())
            ORDER BY tier, position LIMIT $4 FOR UPDATE SKIP LOCKED),
         claimed AS (UPDATE delivery d SET owner = $3,
            fence = d.fence + CASE WHEN d.owner IS NULL THEN 0 ELSE 1 END
            FROM free WHERE d.id = free.id RETURNING d.*)
         SELECT * FROM claimed UNION ALL (SELECT * FROM delivery WHERE run = $1 AND state = 'pending'
            AND owner = $3 AND (not_before IS NULL OR not_before <= $2))
         ORDER BY tier, position",
    )
    .bind(run.as_str())
    .bind(micros(now))
    .bind(claim.id)
    .bind(i64::try_from(share).unwrap_or(i64::MAX))
    .fetch_all(c)
    .await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::delivery).collect()
}

/// What is due and claimed by no worker that lives: for whoever has not joined the run.
pub(crate) async fn free(
    c: &mut PgConnection,
    run: &RunId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DeliveryRecord>, JournalError> {
    let found = sqlx::query(
        "SELECT * FROM delivery d WHERE run = $1 AND state = 'pending' AND (not_before IS NULL OR not_before <= $2)
         AND (owner IS NULL OR NOT EXISTS
            (SELECT 1 FROM run_hold h WHERE h.id = d.owner AND h.lease_until >= depeche_now()))
         ORDER BY tier, position LIMIT $3",
    )
    .bind(run.as_str())
    .bind(micros(now))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(c)
    .await;
    found.map_err(|error| read_failed(&error))?.iter().map(rows::delivery).collect()
}

/// Makes unknown what this process left open in the run, and what nobody alive owns.
pub(crate) async fn adopt(
    c: &mut PgConnection,
    run: &RunId,
    claim: Option<Claim>,
    now: Timestamp,
) -> Result<u64, JournalError> {
    let found: Vec<(i64,)> = sqlx::query_as(
        "UPDATE delivery d SET state = 'unknown', fence = fence + 1, reply = $2, at = $3
         WHERE run = $1 AND state = 'intent' AND (owner IS NULL OR owner = $4 OR NOT EXISTS
         (SELECT 1 FROM run_hold h WHERE h.id = d.owner AND h.lease_until >= depeche_now())) RETURNING id",
    )
    .bind(run.as_str())
    .bind("the process stopped before an answer came")
    .bind(micros(now))
    .bind(claim.map(|claim| claim.id))
    .fetch_all(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    let moved: Vec<i64> = found.into_iter().map(|(id,)| id).collect();
    sqlx::query(
        "UPDATE attempt SET state = 'unknown', reply = $2, ended_at = $3
         WHERE state = 'intent' AND delivery = ANY($1)",
    )
    .bind(&moved)
    .bind("the process stopped before an answer came")
    .bind(micros(now))
    .execute(c)
    .await
    .map_err(|error| write_failed(&error))?;
    Ok(moved.len() as u64)
}

/// This machine's name, for people.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| String::new(), |name| name.trim().to_owned())
}
