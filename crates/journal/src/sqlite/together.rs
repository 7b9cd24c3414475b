//! The intents and outcomes of one commit, each kind as a few statements over all of its rows.
//!
//! A connection to the database lives on a thread of its own, and every statement is a way there and
//! back: with one statement per step and message these ways cost more than the writing. Here the usual
//! case goes in two of them: nobody is denied, no window is in the way, and nothing was moved by
//! another process. Whatever is otherwise changes nothing, by the caller's roll-back, and is then done
//! one by one by [`super::attempts`], which says who is denied and why. The conditions are the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use depeche_core::journal::{Intent, Settlement};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::rows::micros;

/// So many rows share a statement at the most: the texts are kept prepared, one for each number of rows.
const ROWS: usize = 24;

/// Whether the intents need nothing but rows.
pub(crate) fn are_plain_intents(intents: &[Intent]) -> bool {
    !intents.is_empty()
        && intents.iter().all(|intent| {
            intent.limits.is_unlimited() && intent.pace.is_none() && intent.provider_id.is_none()
        })
}

/// Takes all intents. False when one of them is not to be had: then the caller rolls back.
pub(crate) async fn intend(c: &mut SqliteConnection, intents: &[&Intent]) -> Result<bool, sqlx::Error> {
    for intents in intents.chunks(ROWS) {
        let mut query = sqlx::query(AssertSqlSafe(intent_text(intents.len())));
        for intent in intents {
            query = query
                .bind(intent.attempt.to_string())
                .bind(intent.delivery.0)
                .bind(intent.fence)
                .bind(intent.run.as_str())
                .bind(intent.provider.as_str())
                .bind(intent.request_id.to_string())
                .bind(intent.idempotency_key.to_string())
                .bind(intent.request_digest.map(|digest| digest.to_vec()))
                .bind(micros(intent.at))
                .bind(intent.at.as_second());
        }
        let seconds: BTreeSet<_> = intents.iter().map(|i| (i.provider.as_str(), i.at.as_second())).collect();
        let providers: BTreeSet<_> = intents.iter().map(|intent| intent.provider.as_str()).collect();
        // Each statement changes this many rows at the most, so the sum is reached by all of them or not.
        let whole = 2 * intents.len() + seconds.len() + providers.len();
        if query.execute(&mut *c).await?.rows_affected() != whole as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes all outcomes. False when one of them is out of date: then the caller rolls back.
pub(crate) async fn settle(
    c: &mut SqliteConnection,
    settlements: &[&Settlement],
) -> Result<bool, sqlx::Error> {
    for settlements in settlements.chunks(ROWS) {
        let mut query = sqlx::query(AssertSqlSafe(outcome_text(settlements.len())));
        for s in settlements {
            let attempt = s.attempt.as_ref();
            query = query
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
                .bind(attempt.and_then(|attempt| attempt.blames.as_deref()));
        }
        if query.execute(&mut *c).await?.rows_affected() != 2 * settlements.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Forgets what no window looks at any more; see [`super::keeping::use_window`].
pub(crate) async fn forget_usage(c: &mut SqliteConnection, second: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM usage WHERE second < $1").bind(second - 172_800).execute(c).await?;
    Ok(())
}

fn intent_text(rows: usize) -> String {
    let v = values(
        "attempt, delivery, fence, run, provider, request_id, idempotency_key, request_digest, at, second",
        rows,
    );
    format!(
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
         ON CONFLICT (provider) DO UPDATE SET at = MAX(at, excluded.at)"
    )
}

fn outcome_text(rows: usize) -> String {
    let v = values(
        "delivery, fence, state, not_before, transient, bad_address, reply, at, provider, provider_id,
         attempt, attempt_state, blames",
        rows,
    );
    format!(
        "{v} UPDATE delivery SET state = v.state, fence = delivery.fence + 1, not_before = v.not_before,
            transient_refusals = transient_refusals + v.transient,
            bad_address = MAX(delivery.bad_address, v.bad_address),
            reply = COALESCE(v.reply, delivery.reply), at = v.at,
            provider = COALESCE(v.provider, delivery.provider),
            provider_id = COALESCE(v.provider_id, delivery.provider_id)
         FROM v WHERE delivery.id = v.delivery AND delivery.state = 'intent' AND delivery.fence = v.fence;
         {v} UPDATE attempt SET state = v.attempt_state, blames = v.blames, reply = v.reply,
            provider_id = COALESCE(v.provider_id, attempt.provider_id), ended_at = v.at
         FROM v WHERE attempt.id = v.attempt AND attempt.state = 'intent'"
    )
}

/// `WITH v (…) AS (VALUES ($1, …), …)`: only numbers are put into the text.
fn values(columns: &str, rows: usize) -> String {
    let width = columns.split(',').count();
    let mut text = format!("WITH v ({columns}) AS (VALUES ");
    for place in 0..rows * width {
        let before = match (place, place % width) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        };
        let _ = write!(text, "{before}${}", place + 1);
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
            1 => (DeliveryState::Pending, AttemptState::NotAccepted),
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
            reply: (number % 4 != 0).then(|| format!("250 {number}")),
            at: at(number + 1),
        }
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

    #[tokio::test]
    async fn together_and_one_by_one_write_the_same() {
        let (mut together, mut alone) = (database().await, database().await);
        let intents: Vec<Intent> = (1..=COUNT).map(intent).collect();
        let outcomes: Vec<Settlement> = (1..=COUNT).map(outcome).collect();
        assert!(are_plain_intents(&intents) && outcomes.iter().all(ends_an_open_attempt));

        assert!(intend(&mut together, &intents.iter().collect::<Vec<_>>()).await.unwrap());
        forget_usage(&mut together, at(COUNT).as_second()).await.unwrap();
        for intent in &intents {
            assert!(attempts::intend(&mut alone, std::slice::from_ref(intent)).await.is_ok());
        }
        assert_eq!(dump(&mut together).await, dump(&mut alone).await);

        assert!(settle(&mut together, &outcomes.iter().collect::<Vec<_>>()).await.unwrap());
        attempts::settle(&mut alone, &outcomes).await.unwrap();
        assert_eq!(dump(&mut together).await, dump(&mut alone).await);
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
            let mut c = database().await;
            sqlx::raw_sql(AssertSqlSafe(change.clone())).execute(&mut c).await.unwrap();
            let intents: Vec<Intent> = (1..=COUNT).map(intent).collect();
            assert!(!intend(&mut c, &intents.iter().collect::<Vec<_>>()).await.unwrap(), "{change}");
        }
        let mut c = database().await;
        let twice = [&intent(1), &intent(2), &intent(1)];
        assert!(!matches!(intend(&mut c, &twice).await, Ok(true)));
    }

    #[tokio::test]
    async fn an_outcome_out_of_date_is_not_written_together() {
        let mut c = database().await;
        let intents: Vec<Intent> = (1..=3).map(intent).collect();
        assert!(intend(&mut c, &intents.iter().collect::<Vec<_>>()).await.unwrap());
        let mut outcomes: Vec<Settlement> = (1..=3).map(outcome).collect();
        outcomes[1].fence = 2;
        assert!(!settle(&mut c, &outcomes.iter().collect::<Vec<_>>()).await.unwrap());
    }

    #[test]
    fn what_is_more_than_a_row_goes_alone() {
        let limited = Intent { limits: Limits { per_day: Some(1), ..Limits::default() }, ..intent(1) };
        assert!(!are_plain_intents(&[intent(2), limited]));
        let avoiding = Settlement { avoid: Some(intent(1).provider), ..outcome(1) };
        assert!(!ends_an_open_attempt(&avoiding));
        assert!(!ends_an_open_attempt(&Settlement { from: DeliveryState::Unknown, ..outcome(1) }));
        assert!(!ends_an_open_attempt(&Settlement { attempt: None, ..outcome(1) }));
        assert!(!are_plain_intents(&[]));
    }
}
