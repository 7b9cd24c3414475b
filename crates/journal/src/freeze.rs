//! Freezing a list, in one transaction: all of it, or nothing of the run.

use std::collections::BTreeSet;

use depeche_core::address::RecipientKey;
use depeche_core::journal::{
    DeliveryState, FreezeError, Frozen, JournalError, NewDelivery, NewRun, RunKind, Taken,
};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::rows::{column, micros, run_id, to_json};
use crate::{read_failed, write_failed};

/// Which of `keys` another real run of the release holds.
pub(crate) async fn taken(
    c: &mut SqliteConnection,
    digest: &[u8; 32],
    keys: &[RecipientKey],
) -> Result<Vec<Taken>, JournalError> {
    let rows = sqlx::query(
        "SELECT recipient_key, run, state FROM delivery WHERE digest = $1 AND kind = 'real'
         AND state IN ('pending', 'intent', 'accepted', 'held', 'unknown') ORDER BY id",
    )
    .bind(digest.as_slice())
    .fetch_all(c)
    .await
    .map_err(|error| read_failed(&error))?;
    let wanted: BTreeSet<&str> = keys.iter().map(RecipientKey::as_str).collect();
    let mut taken = Vec::new();
    for row in &rows {
        let key: String = column(row, "recipient_key")?;
        if wanted.contains(key.as_str()) {
            let state: &str = column(row, "state")?;
            taken.push(Taken {
                key: RecipientKey::from_stored(key),
                run: run_id(column(row, "run")?)?,
                state: state.parse::<DeliveryState>().map_err(|e| JournalError::Corrupt(e.to_string()))?,
            });
        }
    }
    Ok(taken)
}

/// So many recipients are inserted by one statement; SQLite takes 32 766 values.
const ROWS: usize = 64;

type Row<'a> = (&'a NewDelivery, RecipientKey, DeliveryState);

pub(crate) async fn freeze(
    c: &mut SqliteConnection,
    run: &NewRun,
    deliveries: &[NewDelivery],
) -> Result<Frozen, FreezeError> {
    guard(c, run, deliveries).await?;
    insert_run(c, run).await?;
    let suppressed = suppressed_keys(c).await?;
    let mut frozen = Frozen { pending: 0, suppressed: 0 };
    for deliveries in deliveries.chunks(ROWS) {
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let key = delivery.address.key();
            let is_suppressed = suppressed.contains(key.as_str());
            let state = if is_suppressed { DeliveryState::Suppressed } else { DeliveryState::Pending };
            rows.push((delivery, key, state));
        }
        let pending = rows.iter().filter(|(_, _, state)| *state == DeliveryState::Pending).count() as u64;
        frozen.pending += pending;
        frozen.suppressed += rows.len() as u64 - pending;
        insert_deliveries(c, run, &rows).await?;
    }
    if frozen.pending != run.confirmed {
        return Err(FreezeError::CountChanged { confirmed: run.confirmed, now: frozen.pending });
    }
    Ok(frozen)
}

async fn guard(
    c: &mut SqliteConnection,
    run: &NewRun,
    deliveries: &[NewDelivery],
) -> Result<(), FreezeError> {
    let exists = sqlx::query("SELECT 1 FROM run WHERE id = $1").bind(run.id.as_str());
    if exists.fetch_optional(&mut *c).await.map_err(|error| read_failed(&error))?.is_some() {
        return Err(FreezeError::RunExists(run.id.clone()));
    }
    if run.kind != RunKind::Real {
        return Ok(());
    }
    let keys: Vec<RecipientKey> = deliveries.iter().map(|delivery| delivery.address.key()).collect();
    let taken = taken(c, &run.digest, &keys).await?;
    if let Some(first) = taken.first() {
        if taken.len() >= keys.len() {
            return Err(FreezeError::NobodyLeft { run: first.run.clone() });
        }
        return Err(FreezeError::Taken(taken));
    }
    let other = sqlx::query("SELECT id FROM run WHERE slug = $1 AND kind = 'real' AND digest <> $2 LIMIT 1")
        .bind(&run.slug)
        .bind(run.digest.as_slice())
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| read_failed(&error))?;
    match other {
        Some(row) if !run.again => {
            Err(FreezeError::SlugUsed { run: run_id(column(&row, "id")?)?, slug: run.slug.clone() })
        }
        _ => Ok(()),
    }
}

async fn insert_run(c: &mut SqliteConnection, run: &NewRun) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO run (id, kind, state, slug, release, digest, frozen, route, left_out, settings, created_at)
         VALUES ($1, $2, 'running', $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(run.id.as_str())
    .bind(run.kind.as_str())
    .bind(&run.slug)
    .bind(&run.release)
    .bind(run.digest.as_slice())
    .bind(&run.frozen)
    .bind(to_json(&run.route)?)
    .bind(&run.left_out)
    .bind(&run.settings)
    .bind(micros(run.created_at))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    for (position, (name, content)) in run.assets.iter().enumerate() {
        sqlx::query("INSERT INTO asset (run, position, name, content) VALUES ($1, $2, $3, $4)")
            .bind(run.id.as_str())
            .bind(i64::try_from(position).unwrap_or(i64::MAX))
            .bind(name)
            .bind(content.as_ref())
            .execute(&mut *c)
            .await
            .map_err(|error| write_failed(&error))?;
    }
    Ok(())
}

async fn insert_deliveries(
    c: &mut SqliteConnection,
    run: &NewRun,
    rows: &[Row<'_>],
) -> Result<(), JournalError> {
    // Without numbers: SQLite looks numbered places up by name, one after the other.
    let places = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()];
    let text = format!(
        "INSERT INTO delivery (run, kind, digest, recipient_key, address, tier, position, fields, message_id,
         state, not_before) VALUES {}",
        places.join(", ")
    );
    // Only places are put into the text.
    let mut query = sqlx::query(AssertSqlSafe(text));
    for (delivery, key, state) in rows {
        query = query
            .bind(run.id.as_str())
            .bind(run.kind.as_str())
            .bind(run.digest.as_slice())
            .bind(key.as_str())
            .bind(delivery.address.to_string())
            .bind(i64::from(delivery.tier))
            .bind(i64::try_from(delivery.position).unwrap_or(i64::MAX))
            .bind(to_json(&delivery.fields)?)
            .bind(delivery.message_id.as_str())
            .bind(state.as_str())
            .bind(delivery.not_before.map(micros));
    }
    query.execute(c).await.map_err(|error| write_failed(&error))?;
    Ok(())
}

async fn suppressed_keys(c: &mut SqliteConnection) -> Result<BTreeSet<String>, JournalError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT recipient_key FROM suppression WHERE quarantined = 0")
        .fetch_all(c)
        .await
        .map_err(|error| read_failed(&error))?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}
