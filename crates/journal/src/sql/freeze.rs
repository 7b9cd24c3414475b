//! Freezing a list, in one transaction: all of it, or nothing of the run.
//!
//! The list comes one recipient after the other and is written page by page: no step holds all of it.

use std::collections::{BTreeMap, BTreeSet};

use depeche_core::address::RecipientKey;
use depeche_core::journal::{
    DeliveryState, FreezeError, Frozen, JournalError, NewDeliveries, NewDelivery, NewRun, RunId, RunKind,
    Taken,
};
use sqlx::AssertSqlSafe;

use super::forgotten::{Pseudonyms, is_pseudonym};
use super::pages::{self, ROWS};
use super::rows::{column, micros, run_id, to_json};
use super::{Connection, keeping, numbered, read_failed, write_failed};

/// So many addresses are asked for at once; SQLite takes 32 766 values.
const KEYS: usize = 500;

/// Which of `keys` another real run of the release holds.
pub(crate) async fn taken(
    c: &mut Connection,
    digest: &[u8; 32],
    keys: &[RecipientKey],
) -> Result<Vec<Taken>, JournalError> {
    let mut taken = Vec::new();
    if !holds_anybody(c, digest).await? {
        return Ok(taken);
    }
    let pseudonyms = Pseudonyms::load(c).await?;
    for keys in keys.chunks(KEYS) {
        taken_of(c, digest, (keys, &pseudonyms), None, &mut taken).await?;
    }
    Ok(taken)
}

/// Whether a real run of the release holds anybody: the first run of a release need not ask for each.
async fn holds_anybody(c: &mut Connection, digest: &[u8; 32]) -> Result<bool, JournalError> {
    let held = sqlx::query(
        "SELECT 1 FROM delivery WHERE digest = $1 AND kind = 'real'
         AND state IN ('pending', 'intent', 'accepted', 'held', 'unknown') LIMIT 1",
    )
    .bind(digest.as_slice())
    .fetch_optional(c)
    .await;
    Ok(held.map_err(|error| read_failed(&error))?.is_some())
}

/// Adds those of `keys` that a run other than `but` holds.
async fn taken_of(
    c: &mut Connection,
    digest: &[u8; 32],
    (keys, pseudonyms): (&[RecipientKey], &Pseudonyms),
    but: Option<&RunId>,
    taken: &mut Vec<Taken>,
) -> Result<(), JournalError> {
    // Whoever was forgotten since is held under the pseudonym.
    let mut wanted: BTreeMap<String, &RecipientKey> = BTreeMap::new();
    for key in keys {
        wanted.insert(key.as_str().to_owned(), key);
        wanted.extend(pseudonyms.of(key.as_str()).map(|pseudonym| (pseudonym, key)));
    }
    let places = vec!["?"; wanted.len()].join(", ");
    let text = format!(
        "SELECT recipient_key, run, state FROM delivery WHERE digest = ? AND run <> ? AND kind = 'real'
         AND state IN ('pending', 'intent', 'accepted', 'held', 'unknown') AND recipient_key IN ({places})
         ORDER BY id"
    );
    // Only places are put into the text.
    let mut query = sqlx::query(AssertSqlSafe(numbered(text))).bind(digest.as_slice());
    query = query.bind(but.map_or("", RunId::as_str));
    for key in wanted.keys() {
        query = query.bind(key);
    }
    for row in &query.fetch_all(c).await.map_err(|error| read_failed(&error))? {
        let state: &str = column(row, "state")?;
        let Some(key) = wanted.get(column::<&str>(row, "recipient_key")?) else { continue };
        taken.push(Taken {
            key: (*key).clone(),
            run: run_id(column(row, "run")?)?,
            state: state.parse::<DeliveryState>().map_err(|e| JournalError::Corrupt(e.to_string()))?,
        });
    }
    Ok(())
}

/// A recipient, the key under which it is frozen, and its state.
pub(crate) type Row<'a> = (&'a NewDelivery, RecipientKey, DeliveryState);

pub(crate) async fn freeze(
    c: &mut Connection,
    run: &NewRun,
    mut deliveries: NewDeliveries,
) -> Result<Frozen, FreezeError> {
    let exists = sqlx::query("SELECT 1 FROM run WHERE id = $1").bind(run.id.as_str());
    if exists.fetch_optional(&mut *c).await.map_err(|error| read_failed(&error))?.is_some() {
        return Err(FreezeError::RunExists(run.id.clone()));
    }
    let may_be_taken = run.kind == RunKind::Real && holds_anybody(c, &run.digest).await?;
    let may_be_suppressed = keeping::suppresses_anybody(c).await?;
    let pseudonyms = Pseudonyms::load(c).await?;
    insert_run(c, run).await?;
    let (mut frozen, mut taken) = (Frozen { pending: 0, suppressed: 0 }, Vec::new());
    let mut recipients = 0;
    loop {
        let page = next_page(&mut deliveries)?;
        if page.is_empty() {
            break;
        }
        recipients += page.len();
        let keys: Vec<RecipientKey> = page.iter().map(|delivery| delivery.address.key()).collect();
        if may_be_taken {
            taken_of(c, &run.digest, (&keys, &pseudonyms), Some(&run.id), &mut taken).await?;
        }
        // Nothing will be frozen; who else is taken must still be told.
        if taken.is_empty() {
            let keys = pseudonyms.replaced(c, keys).await?;
            let suppressed = if may_be_suppressed { suppressed_of(c, &keys).await? } else { BTreeSet::new() };
            insert_page(c, run, &page, keys, &suppressed, &mut frozen).await?;
        }
    }
    guard(c, run, taken, recipients).await?;
    if frozen.pending != run.confirmed {
        return Err(FreezeError::CountChanged { confirmed: run.confirmed, now: frozen.pending });
    }
    Ok(frozen)
}

fn next_page(deliveries: &mut NewDeliveries) -> Result<Vec<NewDelivery>, FreezeError> {
    let page: std::io::Result<Vec<NewDelivery>> = deliveries.take(ROWS).collect();
    page.map_err(|error| FreezeError::ListBroken { reason: error.to_string() })
}

async fn insert_page(
    c: &mut Connection,
    run: &NewRun,
    page: &[NewDelivery],
    keys: Vec<RecipientKey>,
    suppressed: &BTreeSet<String>,
    frozen: &mut Frozen,
) -> Result<(), JournalError> {
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(page.len());
    for (delivery, key) in page.iter().zip(keys) {
        let is_suppressed = suppressed.contains(key.as_str());
        let state = if is_suppressed { DeliveryState::Suppressed } else { DeliveryState::Pending };
        rows.push((delivery, key, state));
    }
    let pending = rows.iter().filter(|(_, _, state)| *state == DeliveryState::Pending).count() as u64;
    frozen.pending += pending;
    frozen.suppressed += rows.len() as u64 - pending;
    pages::insert(c, run, &rows).await
}

/// What forbids a real run: recipients that others hold, or a slug that stands for another content.
async fn guard(
    c: &mut Connection,
    run: &NewRun,
    taken: Vec<Taken>,
    recipients: usize,
) -> Result<(), FreezeError> {
    if run.kind != RunKind::Real {
        return Ok(());
    }
    if let Some(first) = taken.first() {
        if taken.len() >= recipients {
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

async fn insert_run(c: &mut Connection, run: &NewRun) -> Result<(), JournalError> {
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

/// What is written of a recipient: address and fields. Of a forgotten person only the pseudonym is kept.
pub(crate) fn written(delivery: &NewDelivery, key: &RecipientKey) -> Result<(String, String), JournalError> {
    Ok(match is_pseudonym(key.as_str()) {
        true => (key.as_str().to_owned(), "{}".to_owned()),
        false => (delivery.address.to_string(), to_json(&delivery.fields)?),
    })
}

async fn suppressed_of(c: &mut Connection, keys: &[RecipientKey]) -> Result<BTreeSet<String>, JournalError> {
    let places = vec!["?"; keys.len()].join(", ");
    let text = format!(
        "SELECT recipient_key FROM suppression WHERE quarantined = 0 AND recipient_key IN ({places})"
    );
    // Only places are put into the text.
    let mut query = sqlx::query_as::<_, (String,)>(AssertSqlSafe(numbered(text)));
    for key in keys {
        query = query.bind(key.as_str());
    }
    let rows = query.fetch_all(c).await.map_err(|error| read_failed(&error))?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}
