//! The writer's connection: what each transaction locks, and what becomes of a commit without an answer.
//!
//! Transactions of intents and outcomes run beside each other, except that those that take places of one
//! provider come one after the other: in READ COMMITTED two of them would each count without the other.
//! Providers are locked in the order of their names, and everything else (cancelling, a person's decision, a
//! sweep) is alone: so no two transactions can wait for each other in a circle. Only a list is frozen beside
//! all of them, with locks of its own ([`super::freezing`] says why that is enough).
//!
//! A COMMIT without an answer may stand. Then nothing is sent: the rows are looked up over a new
//! connection, once the server has done with the old one (DELIVERY.md, "Fleet").

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use depeche_core::budget::DomainPace;
use depeche_core::journal::{AttemptState, NewRun, RunKind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::Instant;

use super::writer::Rows;

/// Locks of ours among the advisory locks of the database: "depe" in ASCII.
const SPACE: i32 = 0x6465_7065;
/// The one lock that all share, or that one has alone.
const ALL: i32 = 0;
/// Shared by all that freeze a list; whoever forgets a person has it alone.
const FREEZING: i32 = -1;
/// How long a lost database is asked for again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one question about it may take.
const SHORT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a commit that failed.
pub(crate) enum Fate {
    /// Nothing of it is there, or nobody can tell.
    Undone,
    /// Nothing of it is there, because the connection was lost.
    Lost,
    /// It stands, though its answer was lost.
    Stands,
}

/// How far a transaction has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Its name, once it has one.
    Open(Option<String>),
    Committing(Option<String>),
}

/// The writer's connection.
pub(crate) struct Door {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    stage: Stage,
}

impl Door {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None, stage: Stage::Idle }
    }

    /// Begins a transaction, over a new connection if need be.
    pub(crate) async fn begin(&mut self, rows: Option<&[Rows]>) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.options).await?);
        }
        self.stage = Stage::Open(None);
        let connection = self.connection.as_mut().expect("it was just made");
        sqlx::query("BEGIN ISOLATION LEVEL READ COMMITTED").execute(&mut *connection).await?;
        let name = match rows {
            Some(rows) => sqlx::query_as::<_, (String,)>(
                "SELECT pg_current_xact_id()::TEXT, pg_advisory_xact_lock_shared($1, $2)::TEXT,
                     (SELECT COUNT(pg_advisory_xact_lock($1, key)::TEXT) FROM unnest($3) AS k (key))",
            )
            .bind(SPACE)
            .bind(ALL)
            .bind(keys(rows)),
            None => sqlx::query_as::<_, (String,)>(
                "SELECT pg_current_xact_id()::TEXT, pg_advisory_xact_lock($1, $2)::TEXT",
            )
            .bind(SPACE)
            .bind(ALL),
        };
        let (name,) = name.fetch_one(&mut *connection).await?;
        self.stage = Stage::Open(Some(name));
        Ok(connection)
    }

    /// Begins a transaction that freezes a list: one after the other for one release, one slug and one name,
    /// for as long as the other one takes. `steps` counts the server's answers.
    pub(crate) async fn begin_freezing(
        &mut self,
        run: &NewRun,
        steps: &AtomicU64,
    ) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection = Some(connect(&self.options).await?);
        self.stage = Stage::Open(None);
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        sqlx::query("BEGIN ISOLATION LEVEL READ COMMITTED").execute(&mut *connection).await?;
        let name = sqlx::query_as("SELECT pg_current_xact_id()::TEXT").fetch_one(&mut *connection).await?;
        let (name,): (String,) = name;
        self.stage = Stage::Open(Some(name));
        let shared = "SELECT pg_try_advisory_xact_lock_shared($1, $2)";
        let alone = "SELECT pg_try_advisory_xact_lock($1, $2)";
        let keys = freezing_keys(run).into_iter().map(|key| (alone, key));
        for (text, key) in std::iter::once((shared, FREEZING)).chain(keys) {
            // Asked for again and again: a list may take longer than any other lock is waited for.
            loop {
                let asked = sqlx::query_as(text).bind(SPACE).bind(key);
                let (is_ours,): (bool,) = asked.fetch_one(&mut *connection).await?;
                steps.fetch_add(1, Ordering::Relaxed);
                if is_ours {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(connection)
    }

    /// Whether this very run is in the tables; `None`: nobody could be asked.
    pub(crate) async fn has(&mut self, run: &NewRun) -> Option<bool> {
        let found = sqlx::query("SELECT 1 FROM run WHERE id = $1 AND digest = $2 AND created_at = $3")
            .bind(run.id.as_str())
            .bind(run.digest.as_slice())
            .bind(super::rows::micros(run.created_at))
            .fetch_optional(self.connection.as_mut()?);
        let found = tokio::time::timeout(SHORT, found).await.ok()?.ok()?;
        Some(found.is_some())
    }

    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        let name = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Open(name) | Stage::Committing(name) => name,
            Stage::Idle => None,
        };
        self.stage = Stage::Committing(name.clone());
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        match sqlx::query("COMMIT").execute(connection).await {
            Ok(_) => self.stage = Stage::Idle,
            Err(sqlx::Error::Database(error)) if !ends_connection(error.code().as_deref()) => {
                // An answer, and a no.
                self.stage = Stage::Open(name);
                return Err(sqlx::Error::Database(error));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Ends a transaction that failed; `rows` are those that a commit would have left.
    pub(crate) async fn undo(&mut self, rows: &[Rows]) -> Fate {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Committing(name) => {
                self.connection = None;
                self.find_out(name, rows).await.unwrap_or(Fate::Undone)
            }
            Stage::Idle if self.connection.is_some() => Fate::Undone,
            Stage::Idle => Fate::Lost,
            Stage::Open(_) => {
                let rolled_back = match self.connection.as_mut() {
                    Some(connection) => rolls_back(connection).await,
                    None => false,
                };
                if rolled_back {
                    return Fate::Undone;
                }
                self.connection = None;
                Fate::Lost
            }
        }
    }

    /// Asks over a new connection what became of the transaction; `None`: nobody could be asked.
    async fn find_out(&mut self, name: Option<String>, rows: &[Rows]) -> Option<Fate> {
        let mut connection = connect(&self.options).await.ok()?;
        let until = Instant::now() + PATIENCE;
        // A name of which the server has lost all memory in a crash is not known to it: nothing stands.
        while status(&mut connection, name.as_deref()).await.as_deref() == Some("in progress") {
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
        // A name may be given again after a crash, so the rows themselves tell.
        let is_there = is_any_there(&mut connection, rows);
        let is_there = tokio::time::timeout(SHORT, is_there).await.ok()?.ok()?;
        self.connection = Some(connection);
        Some(if is_there { Fate::Stands } else { Fate::Lost })
    }

    pub(crate) async fn close(self) {
        if let Some(connection) = self.connection {
            let _ = tokio::time::timeout(SHORT, connection.close()).await;
        }
    }
}

/// Makes a transaction the only one that changes the journal, until it ends.
pub(crate) async fn alone(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)::TEXT").bind(SPACE).bind(ALL);
    lock.execute(connection).await.map(drop)
}

/// Whether no list is being frozen; none is until this transaction ends.
pub(crate) async fn nobody_freezes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query_as("SELECT pg_try_advisory_xact_lock($1, $2)").bind(SPACE).bind(FREEZING);
    let (nobody,): (bool,) = asked.fetch_one(connection).await?;
    Ok(nobody)
}

/// The locks of a list: its run's name, and, where it counts as sent, its slug and its release; in one order
/// for all, and never one of a provider's.
fn freezing_keys(run: &NewRun) -> BTreeSet<i32> {
    let below = |text: &str| (-key(text)).min(FREEZING - 1);
    let mut keys = BTreeSet::from([below(&format!("run {}", run.id))]);
    if run.kind == RunKind::Real {
        keys.insert(below(&format!("slug {}", run.slug)));
        keys.insert(below(&format!("release {:02x?}", run.digest)));
    }
    keys
}

/// The locks of the providers and receiving domains whose places the rows take, in one order for all.
fn keys(rows: &[Rows]) -> Vec<i32> {
    let intents = rows.iter().filter_map(|rows| match rows {
        Rows::Intents(intents) | Rows::Step(_, intents) => Some(intents.iter()),
        Rows::Outcomes(_) => None,
    });
    let mut keys = BTreeSet::new();
    for intent in intents.flatten() {
        keys.insert(key(intent.provider.as_str()));
        keys.extend(intent.pace.as_ref().map(|pace| key(&DomainPace::key(&pace.domain))));
    }
    keys.into_iter().collect()
}

/// FNV-1a (draft-eastlake-fnv, 32 bits): the same in every process. Two names with one key only wait for
/// each other. Never [`ALL`].
fn key(name: &str) -> i32 {
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed().max(i32::MIN + 1).checked_abs().unwrap_or(1).max(1)
}

/// Whether one of the rows is in the tables as its commit would have left it.
async fn is_any_there(c: &mut PgConnection, rows: &[Rows]) -> Result<bool, sqlx::Error> {
    for rows in rows {
        let ids: Vec<(String, AttemptState)> = match rows {
            Rows::Intents(intents) | Rows::Step(_, intents) => {
                intents.iter().map(|intent| (intent.attempt.to_string(), AttemptState::Intent)).collect()
            }
            Rows::Outcomes(settlements) => {
                let attempts = settlements.iter().filter_map(|s| s.attempt.as_ref());
                attempts.map(|attempt| (attempt.id.to_string(), attempt.state)).collect()
            }
        };
        for (id, state) in ids {
            let found = sqlx::query("SELECT 1 FROM attempt WHERE id = $1 AND state = $2")
                .bind(id)
                .bind(state.as_str())
                .fetch_optional(&mut *c)
                .await?;
            if found.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether only others were in the way, and the same may be had a moment later: a lock that was waited for too
/// long (55P03), a deadlock (40P01), a serialisation failure (40001), a statement that somebody cancelled (57014;
/// PostgreSQL's documentation, appendix A).
pub(crate) fn passes(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().is_some_and(|code| matches!(&*code, "55P03" | "40P01" | "40001" | "57014"))
}

/// SQLSTATE classes 08 (connection) and 57P (the server ends it): no answer to what was asked.
fn ends_connection(code: Option<&str>) -> bool {
    code.is_none_or(|code| code.starts_with("08") || code.starts_with("57P"))
}

async fn rolls_back(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(SHORT, sqlx::query("ROLLBACK").execute(connection)).await, Ok(Ok(_)))
}

async fn status(connection: &mut PgConnection, name: Option<&str>) -> Option<String> {
    let asked = sqlx::query_as::<_, (Option<String>,)>("SELECT pg_xact_status($1::TEXT::xid8)").bind(name?);
    let answer = tokio::time::timeout(SHORT, asked.fetch_one(connection)).await;
    answer.ok()?.ok()?.0
}

/// A connection, asked for again while the server restarts.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        let made = tokio::time::timeout(SHORT, options.connect()).await.map_err(timed_out);
        match made.and_then(|made| made) {
            Ok(connection) => return Ok(connection),
            // A wrong password does not become right; a server that is full (class 53) has room again.
            Err(sqlx::Error::Database(error))
                if !ends_connection(error.code().as_deref())
                    && !error.code().is_some_and(|code| code.starts_with("53")) =>
            {
                return Err(sqlx::Error::Database(error));
            }
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_providers_lock_is_the_same_for_every_process() {
        // FNV-1a 32 of "a" and "foobar" from the draft's test vectors: 0xe40c292c, 0xbf9cf968.
        assert_eq!(key("a"), 0xe40c_292c_u32.cast_signed().abs());
        assert_eq!(key("foobar"), 0xbf9c_f968_u32.cast_signed().abs());
    }
}
