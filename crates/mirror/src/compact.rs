//! Compaction: the mirror says what the journal holds, and no more what it held once.
//!
//! 1. [`Record::Snapshot`] is written at the next number `from`. As with every segment, only whoever has read
//!    all before it, and is the one that sends, gets that number.
//! 2. The journal is read after that, and written as parts, segments like any other. Other processes of the
//!    journal may write between them: what they write counts after the snapshot, wherever it stands.
//! 3. [`Record::SnapshotWhole`] is written. From this one write on, the log says the snapshot and what
//!    happened since `from`; before it, what it always said.
//! 4. Segment 1, and then all others before `from`, are emptied: replaced under their names by the word that
//!    the log goes on at `from`. The one before `from` comes last, and shows that the others are done.
//!
//! No name ever comes free, so the fence holds: whoever was given up finds the number after the last one that it
//! read taken, is led to the snapshot, and reads there who sends. A machine that dies in between leaves a log
//! that says the same as before step 1, or the same as after step 4.
//!
//! # Not covered
//!
//! A place that keeps versions of what was replaced, or copies of its disks: what was emptied can be read there
//! until the place lets go of it.

use std::time::Duration;

use async_trait::async_trait;
use depeche_core::journal::{Journal, JournalError, RunId};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::fold::Known;
use crate::log::{Log, LogError};
use crate::record::Record;
use crate::segment::Segment;
use crate::telling::{Listener, TellError, Telling};

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The number of the segment in which the snapshot begins: a reader begins there.
    pub from: u64,
    /// How many segments are parts of it.
    pub parts: u64,
    /// How many segments were emptied this time.
    pub emptied: u64,
}

/// Why the mirror was not compacted. It says what it said before, or what it is to say; doing it again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// There is no mirror.
    #[error("there is no mirror")]
    NoMirror,
    /// A process works on a run.
    #[error("run `{run}` is being worked on")]
    Held {
        /// Which.
        run: RunId,
        /// By which process, where that is known.
        pid: Option<u32>,
    },
    /// The mirror failed.
    #[error(transparent)]
    Mirror(#[from] LogError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<TellError> for CompactError {
    fn from(error: TellError) -> Self {
        match error {
            TellError::Journal(error) => Self::Journal(error),
            TellError::Log(error) => Self::Mirror(error),
        }
    }
}

/// So many segments are emptied at a time.
const AT_ONCE: usize = 16;
/// Between two tries of one write; doubled up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A snapshot that is being written.
struct Parts<'a> {
    log: &'a mut Log,
    journal: Uuid,
    patience: Duration,
    id: Uuid,
    count: u64,
}

/// Writes what `journal` holds as a snapshot, and empties what stands before it.
///
/// The caller sees to it that no process works on a run. A write that fails is tried again for `patience`.
pub(crate) async fn compact(
    log: &mut Log,
    journal: &dyn Journal,
    own: Uuid,
    patience: Duration,
) -> Result<Compacted, CompactError> {
    let id = log.new_id();
    let mut records = vec![Record::Snapshot { id }];
    // Whoever begins to read here must know who sends, and who sent before.
    records.extend(log.owners().await?.into_iter().map(Record::Owner));
    let begun = log.segment(own, records);
    append(log, &begun, patience).await?;
    let from = log.seen();
    let known = Known::default();
    let mut parts = Parts { log, journal: own, patience, id, count: 0 };
    Telling { journal, known: &known, skips_held: false, owes_forgetting: false }.to(&mut parts).await?;
    let count = parts.count;
    let whole = log.segment(own, vec![Record::SnapshotWhole { id, from, parts: count }]);
    append(log, &whole, patience).await?;
    let emptied = empty(log, from, own, patience).await?;
    Ok(Compacted { from, parts: count, emptied })
}

#[async_trait]
impl Listener for Parts<'_> {
    async fn take(&mut self, records: Vec<Record>) -> Result<(), LogError> {
        let part = self.log.segment(self.journal, records).in_part_of(self.id);
        self.count += 1;
        append(self.log, &part, self.patience).await
    }
}

/// Empties what stands before `from`, as far as an earlier compaction has not.
async fn empty(log: &Log, from: u64, own: Uuid, patience: Duration) -> Result<u64, LogError> {
    let first = match log.goes_on_at(1).await? {
        // The last one that it emptied tells whether it came to its end.
        Some(before) if log.goes_on_at(before - 1).await?.is_some() => before,
        _ => 2,
    };
    // Whoever reads from the beginning is led here, past all others.
    replace(log, 1, from, own, patience).await?;
    let numbers: Vec<u64> = (first.min(from - 1).max(2)..from - 1).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let done = join_all(numbers.iter().map(|number| replace(log, *number, from, own, patience))).await;
        done.into_iter().collect::<Result<(), LogError>>()?;
    }
    replace(log, from - 1, from, own, patience).await?;
    Ok(numbers.len() as u64 + if from > 2 { 2 } else { 1 })
}

async fn append(log: &mut Log, segment: &Segment, patience: Duration) -> Result<(), LogError> {
    let (until, mut pause) = (Instant::now() + patience, PAUSES.0);
    loop {
        let done = log.append(segment).await;
        if !waits(&done, until, &mut pause).await {
            return done;
        }
    }
}

async fn replace(log: &Log, number: u64, from: u64, own: Uuid, patience: Duration) -> Result<(), LogError> {
    let (until, mut pause) = (Instant::now() + patience, PAUSES.0);
    loop {
        let done = log.empty(number, from, own).await;
        if !waits(&done, until, &mut pause).await {
            return done;
        }
    }
}

/// Waits a little when the place failed and may be asked again.
async fn waits(done: &Result<(), LogError>, until: Instant, pause: &mut Duration) -> bool {
    let next = Instant::now() + *pause;
    if !matches!(done, Err(LogError::Target(_))) || next > until {
        return false;
    }
    *pause = (*pause * 2).min(PAUSES.1);
    sleep_until(next).await;
    true
}
