//! A page of a list that is frozen, as one statement.

use depeche_core::journal::{JournalError, NewRun};
use depeche_core::opt_out::DeliveryReference;
use sqlx::AssertSqlSafe;

use super::freeze::{self, Row};
use super::rows::micros;
use super::{Connection, numbered, write_failed};

/// So many recipients are inserted by one statement.
pub(crate) const ROWS: usize = 64;

pub(crate) async fn insert(c: &mut Connection, run: &NewRun, rows: &[Row<'_>]) -> Result<(), JournalError> {
    // Without numbers: SQLite looks numbered places up by name, one after the other.
    let places = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()];
    let text = format!(
        "INSERT INTO delivery (run, kind, digest, recipient_key, address, tier, position, fields, message_id,
         state, not_before, reference) VALUES {}",
        places.join(", ")
    );
    // Only places are put into the text.
    let mut query = sqlx::query(AssertSqlSafe(numbered(text)));
    for (delivery, key, state) in rows {
        let (address, fields) = freeze::written(delivery, key)?;
        query = query
            .bind(run.id.as_str())
            .bind(run.kind.as_str())
            .bind(run.digest.as_slice())
            .bind(key.as_str())
            .bind(address)
            .bind(i64::from(delivery.tier))
            .bind(i64::try_from(delivery.position).unwrap_or(i64::MAX))
            .bind(fields)
            .bind(delivery.message_id.as_str())
            .bind(state.as_str())
            .bind(delivery.not_before.map(micros))
            .bind(DeliveryReference::of(&delivery.message_id).0.to_vec());
    }
    query.execute(c).await.map_err(|error| write_failed(&error))?;
    Ok(())
}
