//! The intents and outcomes of one commit, each kind as one statement over all of its rows.
//!
//! A statement is a way to the server and back. An intent is one compare-and-set that also takes its
//! places in the provider's windows: it moves nothing unless everything fits. Whatever is otherwise is
//! undone by the caller and then done one by one by [`super::attempts`], which says who is denied and why.
//! The conditions are the same; the windows are those of [`depeche_core::budget`].

use std::collections::{BTreeMap, BTreeSet};

use depeche_core::budget::Spacing;
use depeche_core::journal::{Intent, Settlement};
use jiff::SignedDuration;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::door::{Door, passes};
use super::rows::micros;
use super::writer::Rows;

/// Whether the intents need nothing but rows: here only a receiving domain's pace needs more.
pub(crate) fn are_plain_intents(intents: &[Intent]) -> bool {
    !intents.is_empty() && intents.iter().all(|intent| intent.pace.is_none())
}

/// What goes into one commit.
pub(crate) struct Batch<'b> {
    pub(crate) outcomes: Vec<&'b Settlement>,
    pub(crate) intents: Vec<&'b Intent>,
    /// The second of now, where usage that no window needs any more is due to be forgotten.
    pub(crate) sweep: Option<i64>,
}

/// Writes a batch. False, with nothing changed, when one of its rows cannot be written.
pub(crate) async fn commit(door: &mut Door, rows: &[Rows], batch: &Batch<'_>) -> Result<bool, sqlx::Error> {
    let connection = door.begin(Some(rows)).await?;
    match write(connection, batch).await {
        Ok(true) => {
            door.commit().await?;
            Ok(true)
        }
        // Nothing is the matter with any of the rows.
        Err(error) if passes(&error) => Err(error),
        Ok(false) | Err(_) => {
            // A server that failed has rolled back by itself, perhaps.
            door.undo(&[]).await;
            Ok(false)
        }
    }
}

async fn write(c: &mut PgConnection, batch: &Batch<'_>) -> Result<bool, sqlx::Error> {
    // An intent for a delivery follows the outcome of the one before it, never the other way.
    if !settle(c, &batch.outcomes).await? || !intend(c, &batch.intents).await? {
        return Ok(false);
    }
    if let Some(second) = batch.sweep {
        forget_usage(c, second).await?;
    }
    Ok(true)
}

/// Takes all intents. False when one of them is not to be had: then the caller rolls back.
async fn intend(c: &mut PgConnection, intents: &[&Intent]) -> Result<bool, sqlx::Error> {
    if intents.is_empty() {
        return Ok(true);
    }
    let column = |of: fn(&Intent) -> String| intents.iter().map(|intent| of(intent)).collect::<Vec<_>>();
    let number = |of: fn(&Intent) -> i64| intents.iter().map(|intent| of(intent)).collect::<Vec<_>>();
    let digests: Vec<Option<Vec<u8>>> =
        intents.iter().map(|intent| intent.request_digest.map(|digest| digest.to_vec())).collect();
    let names: Vec<Option<String>> = intents.iter().map(|intent| intent.provider_id.clone()).collect();
    let asked = Asked::of(intents);
    let row = sqlx::query(INTEND)
        .bind(column(|intent| intent.attempt.to_string()))
        .bind(number(|intent| intent.delivery.0))
        .bind(number(|intent| intent.fence))
        .bind(column(|intent| intent.run.to_string()))
        .bind(column(|intent| intent.provider.to_string()))
        .bind(column(|intent| intent.request_id.to_string()))
        .bind(column(|intent| intent.idempotency_key.to_string()))
        .bind(digests)
        .bind(number(|intent| micros(intent.at)))
        .bind(asked.providers)
        .bind(asked.places)
        .bind(asked.requests)
        .bind(asked.at)
        .bind(asked.gaps)
        .bind(asked.minutes)
        .bind(asked.hours)
        .bind(asked.days)
        .bind(names)
        .bind(asked.lateness)
        .fetch_one(c)
        .await?;
    Ok(row.try_get::<i64, _>(0)? == i64::try_from(intents.len()).unwrap_or(-1))
}

fn to_micros(span: SignedDuration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// What the intents ask of each provider.
#[derive(Default)]
struct Asked {
    providers: Vec<String>,
    places: Vec<i64>,
    requests: Vec<i64>,
    at: Vec<i64>,
    /// The schedule of `per_second` (`budget::Spacing`), in microseconds.
    gaps: Vec<Option<i64>>,
    lateness: Vec<Option<i64>>,
    minutes: Vec<Option<i64>>,
    hours: Vec<Option<i64>>,
    days: Vec<Option<i64>>,
}

impl Asked {
    fn of(intents: &[&Intent]) -> Self {
        let mut by_provider: BTreeMap<&str, Vec<&Intent>> = BTreeMap::new();
        for intent in intents {
            by_provider.entry(intent.provider.as_str()).or_default().push(intent);
        }
        let mut asked = Self::default();
        for (provider, intents) in by_provider {
            let requests: BTreeSet<Uuid> = intents.iter().map(|intent| intent.request_id).collect();
            let least = |of: fn(&Intent) -> Option<u32>| {
                intents.iter().filter_map(|intent| of(intent)).min().map(i64::from)
            };
            asked.providers.push(provider.to_owned());
            asked.places.push(i64::try_from(intents.len()).unwrap_or(i64::MAX));
            asked.requests.push(i64::try_from(requests.len()).unwrap_or(i64::MAX));
            asked.at.push(intents.iter().map(|intent| micros(intent.at)).max().unwrap_or_default());
            let slowest = intents.iter().filter_map(|intent| intent.limits.per_second).min().map(Spacing::of);
            asked.gaps.push(slowest.map(|spacing| to_micros(spacing.gap)));
            asked.lateness.push(slowest.map(|spacing| to_micros(spacing.lateness)));
            asked.minutes.push(least(|intent| intent.limits.per_minute));
            asked.hours.push(least(|intent| intent.limits.per_hour));
            asked.days.push(least(|intent| intent.limits.per_day));
        }
        asked
    }
}

/// Writes all outcomes. False when one of them is out of date: then the caller rolls back.
async fn settle(c: &mut PgConnection, settlements: &[&Settlement]) -> Result<bool, sqlx::Error> {
    if settlements.is_empty() {
        return Ok(true);
    }
    let number = |of: fn(&Settlement) -> i64| settlements.iter().map(|s| of(s)).collect::<Vec<_>>();
    let text = |of: fn(&Settlement) -> Option<String>| settlements.iter().map(|s| of(s)).collect::<Vec<_>>();
    let waits: Vec<Option<i64>> = settlements.iter().map(|s| s.not_before.map(micros)).collect();
    let row = sqlx::query(SETTLE)
        .bind(number(|s| s.delivery.0))
        .bind(number(|s| s.fence))
        .bind(text(|s| Some(s.to.as_str().to_owned())))
        .bind(waits)
        .bind(number(|s| i64::from(s.transient)))
        .bind(number(|s| i64::from(s.bad_address)))
        .bind(text(|s| s.reply.clone()))
        .bind(number(|s| micros(s.at)))
        .bind(text(|s| s.attempt.as_ref().map(|attempt| attempt.provider.to_string())))
        .bind(text(|s| s.attempt.as_ref().and_then(|attempt| attempt.provider_id.clone())))
        .bind(text(|s| s.attempt.as_ref().map(|attempt| attempt.id.to_string())))
        .bind(text(|s| s.attempt.as_ref().map(|attempt| attempt.state.as_str().to_owned())))
        .bind(text(|s| s.attempt.as_ref().and_then(|attempt| attempt.blames.clone())))
        .fetch_one(c)
        .await?;
    let all = i64::try_from(settlements.len()).unwrap_or(-1);
    Ok(row.try_get::<i64, _>(0)? == all && row.try_get::<i64, _>(1)? == all)
}

/// Forgets what no window looks at any more; see [`super::keeping::use_window`].
async fn forget_usage(c: &mut PgConnection, second: i64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM usage WHERE second < $1").bind(second - 172_800).execute(c).await?;
    Ok(())
}

/// One compare-and-set that takes the places as well. A second counts until the window has passed its end;
/// a place that another process took up to 2 s later than ours is kept apart (`budget::Spacing`).
const INTEND: &str = "
WITH v AS (SELECT * FROM unnest($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::TEXT[], $6::TEXT[],
        $7::TEXT[], $8::BYTEA[], $9::BIGINT[], $18::TEXT[])
        AS v (attempt, delivery, fence, run, provider, request_id, idempotency_key, request_digest, at,
            provider_id)),
    asked AS (SELECT * FROM unnest($10::TEXT[], $11::BIGINT[], $12::BIGINT[], $13::BIGINT[], $14::BIGINT[],
        $15::BIGINT[], $16::BIGINT[], $17::BIGINT[], $19::BIGINT[])
        AS n (provider, places, requests, at, gap, per_minute, per_hour, per_day, lateness)),
    used AS (SELECT n.provider,
        SUM(u.count) FILTER (WHERE u.second >= n.at / 1000000 - 60) AS minute,
        SUM(u.count) FILTER (WHERE u.second >= n.at / 1000000 - 3600) AS hour,
        SUM(u.count) AS day
        FROM asked n JOIN usage u ON u.provider = n.provider AND u.second >= n.at / 1000000 - 86400
        WHERE n.per_minute IS NOT NULL OR n.per_hour IS NOT NULL OR n.per_day IS NOT NULL GROUP BY 1),
    room AS (SELECT n.provider FROM asked n LEFT JOIN used u ON u.provider = n.provider
        LEFT JOIN usage_last l ON l.provider = n.provider
        WHERE (n.per_minute IS NULL OR COALESCE(u.minute, 0) + n.places <= n.per_minute)
        AND (n.per_hour IS NULL OR COALESCE(u.hour, 0) + n.places <= n.per_hour)
        AND (n.per_day IS NULL OR COALESCE(u.day, 0) + n.places <= n.per_day)
        AND (n.gap IS NULL OR (n.requests = 1
            AND (l.at IS NULL OR l.at + n.gap <= n.at OR l.at > n.at + 2000000)))
        AND NOT EXISTS (SELECT 1 FROM breaker b WHERE b.provider = n.provider AND b.resting_until > n.at)),
    moved AS (UPDATE delivery d SET state = 'intent', fence = d.fence + 1, attempts = d.attempts + 1,
        provider = v.provider, at = v.at
        FROM v JOIN room ON room.provider = v.provider
        WHERE d.id = v.delivery AND d.state = 'pending' AND d.fence = v.fence
        AND (d.owner IS NULL OR EXISTS (SELECT 1 FROM run_hold h
            WHERE h.id = d.owner AND h.lease_until >= depeche_now()))
        AND EXISTS (SELECT 1 FROM run WHERE run.id = v.run AND run.state <> 'cancelled')
        AND NOT EXISTS (SELECT 1 FROM suppression s
            WHERE s.recipient_key = d.recipient_key AND s.quarantined = 0)
        RETURNING d.id),
    opened AS (INSERT INTO attempt (id, delivery, number, provider, state, request_id, idempotency_key,
        request_digest, started_at, provider_id)
        SELECT v.attempt, v.delivery,
            COALESCE((SELECT MAX(a.number) FROM attempt a WHERE a.delivery = v.delivery), 0) + 1,
            v.provider, 'intent', v.request_id, v.idempotency_key, v.request_digest, v.at, v.provider_id
        FROM v JOIN moved ON moved.id = v.delivery),
    counted AS (INSERT INTO usage (provider, second, count)
        SELECT provider, at / 1000000, COUNT(*) FROM v GROUP BY 1, 2
        ON CONFLICT (provider, second) DO UPDATE SET count = usage.count + excluded.count),
    due AS (SELECT n.provider, CASE
            WHEN n.gap IS NULL THEN GREATEST(l.at, n.at)
            WHEN l.at IS NULL OR l.at > n.at + 2000000 THEN n.at
            ELSE GREATEST(l.at + n.gap, n.at - n.lateness) END AS at
        FROM asked n LEFT JOIN usage_last l ON l.provider = n.provider),
    latest AS (INSERT INTO usage_last (provider, at) SELECT provider, at FROM due
        ON CONFLICT (provider) DO UPDATE SET at = excluded.at)
SELECT COUNT(*) FROM moved";

const SETTLE: &str = "
WITH v AS (SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::BIGINT[], $5::BIGINT[],
        $6::BIGINT[], $7::TEXT[], $8::BIGINT[], $9::TEXT[], $10::TEXT[], $11::TEXT[], $12::TEXT[], $13::TEXT[])
        AS v (delivery, fence, state, not_before, transient, bad_address, reply, at, provider, provider_id,
            attempt, attempt_state, blames)),
    moved AS (UPDATE delivery d SET state = v.state, fence = d.fence + 1, not_before = v.not_before,
        transient_refusals = d.transient_refusals + v.transient,
        bad_address = GREATEST(d.bad_address, v.bad_address), reply = COALESCE(v.reply, d.reply), at = v.at,
        provider = COALESCE(v.provider, d.provider), provider_id = COALESCE(v.provider_id, d.provider_id)
        FROM v WHERE d.id = v.delivery AND d.state = 'intent' AND d.fence = v.fence RETURNING d.id),
    ended AS (UPDATE attempt a SET state = v.attempt_state, blames = v.blames, reply = v.reply,
        provider_id = COALESCE(v.provider_id, a.provider_id), ended_at = v.at
        FROM v WHERE a.id = v.attempt AND a.state = 'intent' RETURNING a.id)
SELECT (SELECT COUNT(*) FROM moved), (SELECT COUNT(*) FROM ended)";
