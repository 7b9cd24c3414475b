//! Freezing a list beside everything else that goes on.
//!
//! A list of a million takes a minute, so its transaction has a connection of its own and none of the locks
//! that others wait for: the writer's queue of this process goes on, and so do all others. What it needs
//! against whom:
//!
//! - **Another list of the same release, slug or name**: one after the other, by a lock for each of the three
//!   ([`Door::begin_freezing`]). So what it was told of who is taken, and of the slug, holds until it commits.
//! - **Intents, outcomes, proofs and decisions about other runs of the release**: a recipient may stop
//!   being held meanwhile (then the list is refused as it would have been a moment before), but nobody
//!   begins to be: no state outside the unique index over (release, recipient) becomes one inside it
//!   (`DeliveryState::may_become`, `Decision`), so no two transactions wait for each other there.
//! - **A person suppressed meanwhile** is as one suppressed a moment after: the intent asks once more.
//! - **A person forgotten meanwhile** would stay in the list by name, so `forget` is refused while any list
//!   is being frozen ([`super::nobody_freezes`]), and a list waits while somebody is forgotten.
//! - **Workers, cancel, pause**: they see nothing of the run before it is committed, and then all of it.
//!
//! It is given up when nothing of it has moved for as long as a database may be silent, not when it is long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use depeche_core::journal::{FreezeError, Frozen, JournalError, NewDeliveries, NewRun};
use sqlx::postgres::PgConnectOptions;

use super::door::Door;
use super::{SILENCE, freeze, write_failed};

/// Freezes the list: all of it, or nothing of the run.
pub(crate) async fn freeze(
    options: &PgConnectOptions,
    run: &NewRun,
    deliveries: NewDeliveries,
) -> Result<Frozen, FreezeError> {
    let mut door = Door::new(options.clone());
    let done = match write(&mut door, run, deliveries).await {
        Ok(frozen) => end(&mut door, run).await.map(|()| frozen),
        Err(error) => {
            door.undo(&[]).await;
            Err(error)
        }
    };
    door.close().await;
    done
}

/// Commits. A commit without an answer may stand: then the run is there.
async fn end(door: &mut Door, run: &NewRun) -> Result<(), FreezeError> {
    let silent = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    let committed = tokio::time::timeout(SILENCE, door.commit()).await.map_err(silent);
    let Err(error) = committed.and_then(|committed| committed) else { return Ok(()) };
    door.undo(&[]).await;
    match door.has(run).await {
        Some(true) => Ok(()),
        Some(false) => Err(failed(&error)),
        None => Err(FreezeError::from(JournalError::WriteFailed {
            reason: "it did not say whether the list is frozen; `depeche runs` tells".to_owned(),
        })),
    }
}

async fn write(door: &mut Door, run: &NewRun, deliveries: NewDeliveries) -> Result<Frozen, FreezeError> {
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let deliveries = NewDeliveries::new(deliveries.inspect(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    let work = async {
        let connection = door.begin_freezing(run, &steps).await.map_err(|error| failed(&error))?;
        freeze::freeze(connection, run, deliveries).await
    };
    let mut work = std::pin::pin!(work);
    let mut before = None;
    loop {
        if let Ok(done) = tokio::time::timeout(SILENCE, &mut work).await {
            return done;
        }
        let now = steps.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) {
            return Err(failed(&sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
        }
    }
}

fn failed(error: &sqlx::Error) -> FreezeError {
    FreezeError::from(write_failed(error))
}
