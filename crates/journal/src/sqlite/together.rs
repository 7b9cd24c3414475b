//! The intents and outcomes of one commit, in two ways to the connection's thread and back.
//!
//! A connection to the database lives on a thread of its own, and every text is a way there and back: with
//! one text per step and message these ways cost more than the writing. Here the usual case goes in one
//! text from BEGIN to the last row, and COMMIT: nobody is denied, no window is in the way, and nothing was
//! moved by another process. Whatever is otherwise changes nothing, by a roll-back, and is then done one by
//! one by [`super::attempts`], which says who is denied and why. The conditions are the same.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use depeche_core::journal::{Intent, Settlement};
use futures_util::TryStreamExt as _;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult};
use sqlx::{AssertSqlSafe, Executor as _, Sqlite, SqliteConnection};

use super::Door;
use super::rows::micros;
use super::writer::Rows;

/// So many rows of a kind share a text at the most.
const ROWS: usize = 24;
/// So many texts are kept, each for its numbers of rows.
const TEXTS: usize = 64;

/// Whether the intents need nothing but rows.
pub(crate) fn are_plain_intents(intents: &[Intent]) -> bool {
    !intents.is_empty()
        && intents.iter().all(|intent| {
            intent.limits.is_unlimited() && intent.pace.is_none() && intent.provider_id.is_none()
        })
}

/// What goes into one commit.
pub(crate) struct Batch<'b> {
    pub(crate) outcomes: Vec<&'b Settlement>,
    pub(crate) intents: Vec<&'b Intent>,
    /// The second of now, where usage that no window needs any more is due to be forgotten.
    pub(crate) sweep: Option<i64>,
}

/// Writes a batch. False, with nothing changed, when one of its rows cannot be written.
pub(crate) async fn commit(door: &mut Door, _rows: &[Rows], batch: &Batch<'_>) -> Result<bool, sqlx::Error> {
    if !matches!(write(&mut door.connection, &mut door.texts, batch).await, Ok(true)) {
        // A database that failed has rolled back by itself, perhaps.
        door.undo(&[]).await;
        return Ok(false);
    }
    door.commit().await?;
    Ok(true)
}

/// From BEGIN to the last row.
async fn write(c: &mut SqliteConnection, texts: &mut Texts, batch: &Batch<'_>) -> Result<bool, sqlx::Error> {
    let (no_outcomes, no_intents): (&[&Settlement], &[&Intent]) = (&[], &[]);
    // An intent for a delivery follows the outcome of the one before it, never the other way.
    let parts: Vec<(&[&Settlement], &[&Intent])> =
        if batch.outcomes.len() <= ROWS && batch.intents.len() <= ROWS {
            vec![(&batch.outcomes, &batch.intents)]
        } else {
            let outcomes = batch.outcomes.chunks(ROWS).map(|some| (some, no_intents));
            outcomes.chain(batch.intents.chunks(ROWS).map(|some| (no_outcomes, some))).collect()
        };
    for (place, (outcomes, intents)) in parts.into_iter().enumerate() {
        let shape = Shape { outcomes: outcomes.len(), intents: intents.len(), begins: place == 0 };
        let mut query = sqlx::query(AssertSqlSafe(texts.text(shape)));
        for settlement in outcomes {
            query = bind_outcome(query, settlement);
        }
        for intent in intents {
            query = bind_intent(query, intent);
        }
        let seconds: BTreeSet<_> = intents.iter().map(|i| (i.provider.as_str(), i.at.as_second())).collect();
        let providers: BTreeSet<_> = intents.iter().map(|intent| intent.provider.as_str()).collect();
        let mut wanted = Vec::with_capacity(6);
        if !outcomes.is_empty() {
            wanted.extend([outcomes.len(); 2]);
        }
        if !intents.is_empty() {
            wanted.extend([intents.len(), intents.len(), seconds.len(), providers.len()]);
        }
        let done: Vec<SqliteQueryResult> = c.execute_many(query).try_collect().await?;
        // What BEGIN is said to have changed is what the statement before it did.
        let changed = done.iter().skip(usize::from(shape.begins)).map(SqliteQueryResult::rows_affected);
        if !changed.eq(wanted.into_iter().map(|rows| rows as u64)) {
            return Ok(false);
        }
    }
    if let Some(second) = batch.sweep {
        sqlx::query("DELETE FROM usage WHERE second < $1").bind(second - 172_800).execute(c).await?;
    }
    Ok(true)
}

type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind_outcome<'q>(query: Bound<'q>, s: &'q Settlement) -> Bound<'q> {
    let attempt = s.attempt.as_ref();
    query
        .bind(s.delivery.0)
        .bind(s.fence)
        .bind(s.to.as_str())
        .bind(s.not_before.map(micros))
        .bind(i64::from(s.transient))
        .bind(i64::from(s.bad_address))
        .bind(&s.reply)
        .bind(micros(s.at))
        .bind(attempt.map(|attempt| attempt.provider.as_str()))
        .bind(attempt.and_then(|attempt| attempt.provider_id.as_deref()))
        .bind(attempt.map(|attempt| attempt.id.to_string()))
        .bind(attempt.map(|attempt| attempt.state.as_str()))
        .bind(attempt.and_then(|attempt| attempt.blames.as_deref()))
}

fn bind_intent<'q>(query: Bound<'q>, intent: &'q Intent) -> Bound<'q> {
    query
        .bind(intent.attempt.to_string())
        .bind(intent.delivery.0)
        .bind(intent.fence)
        .bind(intent.run.as_str())
        .bind(intent.provider.as_str())
        .bind(intent.request_id.to_string())
        .bind(intent.idempotency_key.to_string())
        .bind(intent.request_digest.map(|digest| digest.to_vec()))
        .bind(micros(intent.at))
        .bind(intent.at.as_second())
}

/// What a text depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    outcomes: usize,
    intents: usize,
    begins: bool,
}

impl Shape {
    fn text(self) -> String {
        let mut text = String::new();
        if self.begins {
            text += "BEGIN IMMEDIATE;";
        }
        if self.outcomes > 0 {
            add_outcomes(&mut text, self.outcomes);
        }
        if self.intents > 0 {
            add_intents(&mut text, self.intents, OUTCOME.split(',').count() * self.outcomes);
        }
        text
    }
}

/// The texts that were used lately; SQLite's connection keeps them prepared.
#[derive(Default)]
pub(crate) struct Texts(HashMap<Shape, Arc<str>>);

impl Texts {
    fn text(&mut self, shape: Shape) -> Arc<str> {
        if self.0.len() >= TEXTS && !self.0.contains_key(&shape) {
            self.0.clear();
        }
        Arc::clone(self.0.entry(shape).or_insert_with(|| shape.text().into()))
    }
}

const OUTCOME: &str =
    "delivery, fence, state, not_before, transient, bad_address, reply, at, provider, provider_id,
     attempt, attempt_state, blames";
const INTENT: &str =
    "attempt, delivery, fence, run, provider, request_id, idempotency_key, request_digest, at, second";

fn add_outcomes(text: &mut String, rows: usize) {
    let v = values(OUTCOME, rows, 0);
    let _ = write!(
        text,
        "{v} UPDATE delivery SET state = v.state, fence = delivery.fence + 1, not_before = v.not_before,
            transient_refusals = transient_refusals + v.transient,
            bad_address = MAX(delivery.bad_address, v.bad_address),
            reply = COALESCE(v.reply, delivery.reply), at = v.at,
            provider = COALESCE(v.provider, delivery.provider),
            provider_id = COALESCE(v.provider_id, delivery.provider_id)
         FROM v WHERE delivery.id = v.delivery AND delivery.state = 'intent' AND delivery.fence = v.fence;
         {v} UPDATE attempt SET state = v.attempt_state, blames = v.blames, reply = v.reply,
            provider_id = COALESCE(v.provider_id, attempt.provider_id), ended_at = v.at
         FROM v WHERE attempt.id = v.attempt AND attempt.state = 'intent';"
    );
}

fn add_intents(text: &mut String, rows: usize, before: usize) {
    let v = values(INTENT, rows, before);
    let _ = write!(
        text,
        "{v} UPDATE delivery SET state = 'intent', fence = delivery.fence + 1, attempts = attempts + 1,
            provider = v.provider, at = v.at
         FROM v WHERE delivery.id = v.delivery AND delivery.state = 'pending' AND delivery.fence = v.fence
            AND EXISTS (SELECT 1 FROM run WHERE run.id = v.run AND run.state <> 'cancelled')
            AND NOT EXISTS (SELECT 1 FROM breaker b
                            WHERE b.provider = v.provider AND b.resting_until > v.at)
            AND NOT EXISTS (SELECT 1 FROM suppression s
                            WHERE s.recipient_key = delivery.recipient_key AND s.quarantined = 0);
         {v} INSERT INTO attempt (id, delivery, number, provider, state, request_id, idempotency_key,
            request_digest, started_at)
         SELECT attempt, delivery,
            COALESCE((SELECT MAX(a.number) FROM attempt a WHERE a.delivery = v.delivery), 0) + 1,
            provider, 'intent', request_id, idempotency_key, request_digest, at FROM v;
         {v} INSERT INTO usage (provider, second, count)
         SELECT provider, second, COUNT(*) FROM v WHERE true GROUP BY provider, second
         ON CONFLICT (provider, second) DO UPDATE SET count = count + excluded.count;
         {v} INSERT INTO usage_last (provider, at) SELECT provider, MAX(at) FROM v WHERE true GROUP BY provider
         ON CONFLICT (provider) DO UPDATE SET at = MAX(at, excluded.at);"
    );
}

/// `WITH v (…) AS (VALUES ($1, …), …)`, the places counted from `before`: only numbers are put into the text.
fn values(columns: &str, rows: usize, before: usize) -> String {
    let width = columns.split(',').count();
    let mut text = format!("WITH v ({columns}) AS (VALUES ");
    for place in 0..rows * width {
        let between = match (place, place % width) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        };
        let _ = write!(text, "{between}${}", before + place + 1);
    }
    text + "))"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::attempts;
    use crate::sqlite::rows::ends_an_open_attempt;
    use depeche_core::budget::Limits;
    use depeche_core::journal::{AttemptState, DeliveryId, DeliveryState, RunId, SettledAttempt};
    use depeche_core::outcome::Wish;
    use depeche_core::provider::ProviderName;
    use jiff::Timestamp;
    use sqlx::Row as _;
    use sqlx::sqlite::SqliteConnectOptions;
    use uuid::Uuid;

    const COUNT: i64 = 60;

    async fn database() -> SqliteConnection {
        let options = "sqlite::memory:".parse::<SqliteConnectOptions>().unwrap();
        let mut c = crate::sqlite::connect(&options).await.unwrap();
        let filled = format!(
            "INSERT INTO run (id, kind, state, slug, release, digest, frozen, route, left_out, settings, created_at)
             VALUES ('r', 'real', 'running', 's', 'r.md', x'00', '', '[]', '[]', '', 0);
             INSERT INTO delivery (id, run, kind, digest, recipient_key, address, tier, position, fields,
                message_id, state)
             WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {COUNT})
             SELECT n, 'r', 'real', x'00', 'k' || n, 'j' || n, 1, n, '{{}}', '<' || n || '@a.fr>', 'pending' FROM n;
             INSERT INTO usage (provider, second, count) VALUES ('ovh', 1, 5), ('ovh', 1000001, 5)"
        );
        sqlx::raw_sql(AssertSqlSafe(filled)).execute(&mut c).await.unwrap();
        c
    }

    /// The plans, as SQLite's EXPLAIN QUERY PLAN words them.
    #[tokio::test]
    async fn who_accepted_lately_and_whose_a_message_id_is_are_found_by_an_index() {
        use crate::sqlite::{events, reading};
        let mut c = database().await;
        let by_key = reading::who_accepted(500);
        for (question, index) in [
            (by_key.as_str(), "SEARCH d USING INDEX sqlite_autoindex_delivery_1 (run=? AND recipient_key=?)"),
            (events::BY_REFERENCE, "SEARCH delivery USING INDEX delivery_by_reference (reference=?)"),
            (
                events::BY_KEY,
                "SEARCH d USING COVERING INDEX sqlite_autoindex_delivery_1 (run=? AND recipient_key=?)",
            ),
            (events::BY_MESSAGE_ID, "SEARCH delivery USING INDEX delivery_by_message_id (message_id=?)"),
        ] {
            let explain = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}")));
            let rows = explain.fetch_all(&mut c).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(plan.iter().any(|step| step == index), "{plan:#?}");
        }
    }

    fn at(number: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000_500 + 40 * number).unwrap()
    }

    fn intent(number: i64) -> Intent {
        Intent {
            run: RunId::new("r").unwrap(),
            delivery: DeliveryId(number),
            fence: 0,
            attempt: Uuid::from_u128(number.unsigned_abs().into()),
            request_id: Uuid::from_u128(7),
            idempotency_key: Uuid::from_u128(8),
            request_digest: (number % 2 == 0).then_some([9; 32]),
            provider_id: None,
            provider: ProviderName::new(if number % 3 == 0 { "brevo" } else { "ovh" }).unwrap(),
            limits: Limits::default(),
            pace: None,
            at: at(number),
        }
    }

    fn outcome(number: i64) -> Settlement {
        let (to, state) = match number % 3 {
            0 => (DeliveryState::Accepted, AttemptState::Accepted),
            1 => (DeliveryState::Unknown, AttemptState::Unknown),
            _ => (DeliveryState::Refused, AttemptState::Refused),
        };
        let intent = intent(number);
        Settlement {
            run: intent.run,
            delivery: intent.delivery,
            fence: 1,
            attempt: Some(SettledAttempt {
                id: intent.attempt,
                had_intent: true,
                provider: intent.provider,
                state,
                blames: (number % 3 == 2).then(|| "recipient".to_owned()),
                provider_id: (number % 2 == 0).then(|| format!("id{number}")),
                started_at: intent.at,
            }),
            from: DeliveryState::Intent,
            to,
            not_before: (number % 3 == 1).then(|| at(1_000)),
            transient: number % 3 == 1,
            avoid: None,
            bad_address: number % 3 == 2,
            wish: None,
            reply: (number % 4 != 0).then(|| format!("250 {number}")),
            at: at(number + 1),
        }
    }

    /// Whether a transaction is open: a second one cannot begin then.
    async fn is_in_transaction(c: &mut SqliteConnection) -> bool {
        let begun = sqlx::query("BEGIN").execute(&mut *c).await.is_ok();
        let _ = sqlx::query("ROLLBACK").execute(c).await;
        !begun
    }

    /// A commit of these together.
    async fn committed(
        door: &mut Door,
        outcomes: &[Settlement],
        intents: &[Intent],
        sweep: Option<i64>,
    ) -> Result<bool, sqlx::Error> {
        let batch = Batch { outcomes: outcomes.iter().collect(), intents: intents.iter().collect(), sweep };
        commit(door, &[], &batch).await
    }

    /// Everything in the tables that a send writes to.
    async fn dump(c: &mut SqliteConnection) -> Vec<String> {
        let mut lines = Vec::new();
        for table in ["delivery", "attempt", "usage", "usage_last"] {
            let columns = sqlx::query("SELECT name FROM pragma_table_info($1)").bind(table);
            let columns: Vec<String> =
                columns.fetch_all(&mut *c).await.unwrap().iter().map(|row| row.get(0)).collect();
            let all: Vec<String> = columns.iter().map(|name| format!("quote({name})")).collect();
            let text = format!("SELECT {} FROM {table} ORDER BY 1", all.join(" || ',' || "));
            let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *c).await.unwrap();
            lines.extend(rows.iter().map(|row| format!("{table}: {}", row.get::<String, _>(0))));
        }
        lines
    }

    /// So many rows of each kind in one text, and more than fit into one.
    #[tokio::test]
    async fn together_and_one_by_one_write_the_same() {
        for count in [1, 2, ROWS as i64, ROWS as i64 + 1, COUNT] {
            let (mut together, mut alone) = (Door::new(database().await), database().await);
            let intents: Vec<Intent> = (1..=count).map(intent).collect();
            let outcomes: Vec<Settlement> = (1..=count).map(outcome).collect();
            assert!(are_plain_intents(&intents) && outcomes.iter().all(ends_an_open_attempt));

            let now = at(count).as_second();
            assert!(committed(&mut together, &[], &intents, Some(now)).await.unwrap());
            sqlx::query("DELETE FROM usage WHERE second < $1")
                .bind(now - 172_800)
                .execute(&mut alone)
                .await
                .unwrap();
            for intent in &intents {
                assert!(attempts::intend(&mut alone, std::slice::from_ref(intent)).await.is_ok());
            }
            assert_eq!(dump(&mut together.connection).await, dump(&mut alone).await);

            assert!(committed(&mut together, &outcomes, &[], None).await.unwrap());
            attempts::settle(&mut alone, &outcomes).await.unwrap();
            assert_eq!(dump(&mut together.connection).await, dump(&mut alone).await);
        }
    }

    #[tokio::test]
    async fn the_last_outcomes_and_the_next_intents_are_one_commit() {
        for count in [1, 7, 25] {
            let (mut together, mut alone) = (Door::new(database().await), database().await);
            let first: Vec<Intent> = (1..=count).map(intent).collect();
            let next: Vec<Intent> = (count + 1..=2 * count).map(intent).collect();
            let outcomes: Vec<Settlement> = (1..=count).map(outcome).collect();

            assert!(committed(&mut together, &[], &first, Some(at(count).as_second())).await.unwrap());
            assert!(committed(&mut together, &outcomes, &next, None).await.unwrap());
            for intent in &first {
                assert!(attempts::intend(&mut alone, std::slice::from_ref(intent)).await.is_ok());
            }
            attempts::settle(&mut alone, &outcomes).await.unwrap();
            for intent in &next {
                assert!(attempts::intend(&mut alone, std::slice::from_ref(intent)).await.is_ok());
            }
            assert_eq!(dump(&mut together.connection).await, dump(&mut alone).await);
            assert!(!is_in_transaction(&mut together.connection).await, "COMMIT was reached");
        }
    }

    #[tokio::test]
    async fn whoever_would_be_denied_alone_is_not_taken_together() {
        let resting = at(COUNT + 1).as_microsecond();
        for change in [
            "UPDATE run SET state = 'cancelled'".to_owned(),
            "UPDATE delivery SET state = 'cancelled' WHERE id = 30".to_owned(),
            "UPDATE delivery SET fence = 1 WHERE id = 30".to_owned(),
            "INSERT INTO suppression VALUES ('k30', 'r', 's', 0, 0)".to_owned(),
            format!(
                "INSERT INTO breaker (provider, config_digest, resting_until) VALUES ('ovh', x'00', {resting})"
            ),
        ] {
            // In one text, and in several of which another one ends with the error.
            for range in [20..=40, 1..=COUNT] {
                let mut door = Door::new(database().await);
                sqlx::raw_sql(AssertSqlSafe(change.clone())).execute(&mut door.connection).await.unwrap();
                let before = dump(&mut door.connection).await;
                let intents: Vec<Intent> = range.map(intent).collect();
                assert!(!committed(&mut door, &[], &intents, None).await.unwrap(), "{change}");
                assert_eq!(dump(&mut door.connection).await, before, "{change}");
            }
        }
        let mut door = Door::new(database().await);
        let twice = [intent(1), intent(2), intent(1)];
        assert!(!committed(&mut door, &[], &twice, None).await.unwrap());
    }

    #[tokio::test]
    async fn an_outcome_out_of_date_is_not_written_together_and_takes_the_intents_with_it() {
        let mut door = Door::new(database().await);
        let intents: Vec<Intent> = (1..=3).map(intent).collect();
        assert!(committed(&mut door, &[], &intents, None).await.unwrap());
        let before = dump(&mut door.connection).await;
        let mut outcomes: Vec<Settlement> = (1..=3).map(outcome).collect();
        outcomes[1].fence = 2;
        assert!(!committed(&mut door, &outcomes, &[], None).await.unwrap());
        assert!(!committed(&mut door, &outcomes, &[intent(4)], None).await.unwrap());
        assert!(!committed(&mut door, &outcomes[..1], &[intent(2)], None).await.unwrap(), "it is open");
        assert_eq!(dump(&mut door.connection).await, before);
    }

    #[test]
    fn what_is_more_than_a_row_goes_alone() {
        let limited = Intent { limits: Limits { per_day: Some(1), ..Limits::default() }, ..intent(1) };
        assert!(!are_plain_intents(&[intent(2), limited]));
        let avoiding = Settlement { avoid: Some(intent(1).provider), ..outcome(1) };
        assert!(!ends_an_open_attempt(&avoiding));
        assert!(!ends_an_open_attempt(&Settlement { from: DeliveryState::Unknown, ..outcome(1) }));
        assert!(!ends_an_open_attempt(&Settlement { to: DeliveryState::Pending, ..outcome(1) }));
        assert!(!ends_an_open_attempt(&Settlement { wish: Some(Wish::OptedOut), ..outcome(2) }));
        assert!(!ends_an_open_attempt(&Settlement { attempt: None, ..outcome(1) }));
        assert!(!are_plain_intents(&[]));
    }
}
