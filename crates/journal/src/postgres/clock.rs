//! The database's clock, as a worker sees it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use depeche_core::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgPool;

/// Tells the database's time: as it was last read, and what has passed since.
pub(crate) struct DatabaseClock(Mutex<(Timestamp, Instant)>);

impl DatabaseClock {
    /// Reads the database's clock.
    pub(crate) async fn read(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Mutex::new(ask(pool).await?)))
    }

    /// Reads it again: two clocks drift apart, and a machine that slept does not count its sleep.
    pub(crate) async fn set(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let read = ask(pool).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let (at, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SignedDuration::try_from(since.elapsed()).map_or(at, |passed| at + passed)
    }
}

/// The time at the middle of the round trip.
async fn ask(pool: &PgPool) -> Result<(Timestamp, Instant), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let before = Instant::now();
    let (micros,): (i64,) = sqlx::query_as("SELECT depeche_now()").fetch_one(&mut *connection).await?;
    let half = before.elapsed() / 2;
    let at = Timestamp::from_microsecond(micros).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok((at, before + half))
}
