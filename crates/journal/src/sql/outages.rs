//! Outages that a person declared.

use depeche_core::journal::{AuditEntry, JournalError, Outage};
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use super::rows::{column, micros, provider, time};
use super::{Connection, Row, keeping, read_failed, write_failed};

/// The same provider with the same beginning is the same outage: what is said last holds.
pub(crate) async fn declare(c: &mut Connection, outage: &Outage) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO outage (provider, since, until, reason, declared_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (provider, since) DO UPDATE SET until = excluded.until, reason = excluded.reason,
         declared_at = excluded.declared_at",
    )
    .bind(outage.provider.as_str())
    .bind(micros(outage.since))
    .bind(outage.until.map(micros))
    .bind(&outage.reason)
    .bind(micros(outage.declared_at))
    .execute(&mut *c)
    .await
    .map_err(|error| write_failed(&error))?;
    let until = outage.until.map(|until| format!(" until {until}")).unwrap_or_default();
    let detail = format!("{} since {}{until}: {}", outage.provider, outage.since, outage.reason);
    let action = "provider outage".to_owned();
    keeping::audit(c, &AuditEntry { at: outage.declared_at, run: None, action, detail }).await
}

pub(crate) async fn withdraw(
    c: &mut Connection,
    name: &ProviderName,
    since: Timestamp,
    reason: &str,
    at: Timestamp,
) -> Result<bool, JournalError> {
    let done = sqlx::query("DELETE FROM outage WHERE provider = $1 AND since = $2")
        .bind(name.as_str())
        .bind(micros(since))
        .execute(&mut *c)
        .await
        .map_err(|error| write_failed(&error))?;
    let was_there = done.rows_affected() > 0;
    if was_there {
        let detail = format!("{name} since {since}: {reason}");
        let action = "provider outage --withdraw".to_owned();
        keeping::audit(c, &AuditEntry { at, run: None, action, detail }).await?;
    }
    Ok(was_there)
}

pub(crate) async fn all(c: &mut Connection) -> Result<Vec<Outage>, JournalError> {
    let found = sqlx::query("SELECT * FROM outage ORDER BY since DESC, provider").fetch_all(c).await;
    found.map_err(|error| read_failed(&error))?.iter().map(outage).collect()
}

fn outage(row: &Row) -> Result<Outage, JournalError> {
    Ok(Outage {
        provider: provider(column(row, "provider")?)?,
        since: time(column(row, "since")?)?,
        until: column::<Option<i64>>(row, "until")?.map(time).transpose()?,
        reason: column(row, "reason")?,
        declared_at: time(column(row, "declared_at")?)?,
    })
}
