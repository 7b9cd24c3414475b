//! A page of a list that is frozen, as one statement over arrays.
//!
//! The driver leaves Nagle's algorithm on (sqlx 0.9, `net::socket::connect_tcp`, and no option turns it
//! off), so a statement of more than one TLS record (16 KiB, RFC 8446, 5.1) may wait 40 ms for a delayed
//! acknowledgement before its last octets go. Small pages would pay that for every 64 recipients; a page of
//! [`ROWS`] pays it once, and is some 600 kB of memory.

use depeche_core::journal::{JournalError, NewRun};
use depeche_core::opt_out::DeliveryReference;

use super::freeze::{self, Row};
use super::rows::micros;
use super::{Connection, write_failed};

/// So many recipients are inserted by one statement. Twice as many values (a pseudonym each) fit the
/// protocol's 65 535.
pub(crate) const ROWS: usize = 2_048;

const INSERT: &str = "
INSERT INTO delivery (run, kind, digest, recipient_key, address, tier, position, fields, message_id, state,
    not_before, reference)
SELECT $1, $2, $3, v.* FROM unnest($4::TEXT[], $5::TEXT[], $6::BIGINT[], $7::BIGINT[], $8::TEXT[], $9::TEXT[],
    $10::TEXT[], $11::BIGINT[], $12::BYTEA[]) AS v";

pub(crate) async fn insert(c: &mut Connection, run: &NewRun, rows: &[Row<'_>]) -> Result<(), JournalError> {
    let (mut addresses, mut fields) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for (delivery, key, _) in rows {
        let (address, more) = freeze::written(delivery, key)?;
        addresses.push(address);
        fields.push(more);
    }
    let position = |row: &Row<'_>| i64::try_from(row.0.position).unwrap_or(i64::MAX);
    let reference = |row: &Row<'_>| DeliveryReference::of(&row.0.message_id).0.to_vec();
    sqlx::query(INSERT)
        .bind(run.id.as_str())
        .bind(run.kind.as_str())
        .bind(run.digest.as_slice())
        .bind(rows.iter().map(|(_, key, _)| key.as_str()).collect::<Vec<_>>())
        .bind(addresses)
        .bind(rows.iter().map(|(delivery, ..)| i64::from(delivery.tier)).collect::<Vec<_>>())
        .bind(rows.iter().map(position).collect::<Vec<_>>())
        .bind(fields)
        .bind(rows.iter().map(|(delivery, ..)| delivery.message_id.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, state)| state.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(delivery, ..)| delivery.not_before.map(micros)).collect::<Vec<_>>())
        .bind(rows.iter().map(reference).collect::<Vec<_>>())
        .execute(c)
        .await
        .map_err(|error| write_failed(&error))?;
    Ok(())
}
