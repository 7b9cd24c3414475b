//! The one log of a mirror: numbered segments, each written once, by whoever has read all before it.
//!
//! To write number n+1 a machine must have seen 1 to n, because the place refuses a name that is taken
//! ([`MirrorTarget::create`]). That is the fence: a second machine that takes the work over writes a
//! segment that says so ([`Record::Owner`]); the first one's next segment finds its number taken, reads
//! it, and knows. There is no moment between asking and writing in which both may go on.
//!
//! Segments are never removed: a number that came free again would let an old owner through.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use depeche_core::clock::{Clock, Entropy};
use depeche_core::journal::mirror::{Created, MirrorTarget, TargetFailed};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::{Owner, Record};
use crate::seal::{Seal, SealError};

/// A mirror's log, read up to some number.
pub struct Log {
    target: Arc<dyn MirrorTarget>,
    seal: Seal,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The number of the last segment that was read or written; 0: none.
    seen: u64,
    /// Who sends, as far as the log was read.
    owner: Option<Owner>,
    /// Who writes through this log; claims a mirror that is empty.
    own: Option<Owner>,
}

/// Why the mirror could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The place failed.
    #[error(transparent)]
    Target(#[from] TargetFailed),
    /// A segment cannot be opened.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// A segment says something else than this version understands.
    #[error("segment {number} of the mirror cannot be read: {reason}")]
    Unreadable {
        /// Which.
        number: u64,
        /// Why.
        reason: String,
    },
    /// A segment that was there, or must have been, is not.
    #[error("segment {0} of the mirror is missing")]
    Missing(u64),
    /// The place writes over what is there: no fence would hold.
    #[error("{0} writes over names that are taken (it ignores If-None-Match), so it cannot hold a mirror")]
    Overwrites(String),
    /// Another journal sends.
    #[error("{} has sent from this journal's place since {}", .0.machine, .0.at)]
    OtherOwner(Owner),
}

/// What one segment holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    version: u32,
    /// Told apart from another machine's when the answer to a write was lost.
    id: Uuid,
    /// The journal that wrote it.
    journal: Uuid,
    at: Timestamp,
    /// What happened, in order.
    pub records: Vec<Record>,
}

const VERSION: u32 = 1;
/// So many segments are asked for at a time.
const AT_ONCE: u64 = 16;
const PROBE: &str = "probe";

impl Log {
    /// The log at `target`, of which nothing was read yet.
    #[must_use]
    pub fn new(
        target: Arc<dyn MirrorTarget>,
        seal: Seal,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { target, seal, clock, entropy, seen: 0, owner: None, own: None }
    }

    /// How the place is shown to people.
    #[must_use]
    pub fn place(&self) -> String {
        self.target.shown()
    }

    /// What tells this place and key from another: kept with what was read of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.place().as_bytes());
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(&digest.as_ref()[..12])
    }

    /// The number of the last segment that was read or written.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Who sends, as far as the log was read.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Says who writes through this log.
    pub fn write_as(&mut self, own: Owner) {
        self.own = Some(own);
    }

    /// Takes up at segment `seen`, read by an earlier process, when `owner` sent.
    pub fn resume_at(&mut self, seen: u64, owner: Owner) {
        self.seen = seen;
        self.owner = Some(owner);
    }

    /// Whether the last segment that was read is still there.
    ///
    /// # Errors
    ///
    /// [`LogError::Missing`] when it is not: another folder is mounted there, or somebody removed it.
    pub async fn is_still_there(&self) -> Result<(), LogError> {
        match self.seen {
            0 => Ok(()),
            seen => self.read(seen).await?.map(|_| ()).ok_or(LogError::Missing(seen)),
        }
    }

    /// Tries out that the place refuses a name that is taken.
    ///
    /// # Errors
    ///
    /// [`LogError::Overwrites`], or the place's failure.
    pub async fn prove_fence(&self) -> Result<(), LogError> {
        for _ in 0..2 {
            if self.target.create(PROBE, Bytes::from_static(b"depeche")).await? == Created::Exists {
                return Ok(());
            }
        }
        Err(LogError::Overwrites(self.place()))
    }

    /// Reads every segment that was not read yet.
    ///
    /// # Errors
    ///
    /// [`LogError`] when one of them cannot be had; nothing counts as read then.
    pub async fn catch_up(&mut self) -> Result<Vec<Record>, LogError> {
        let (mut next, mut records) = (self.seen + 1, Vec::new());
        loop {
            let numbers = next..next + AT_ONCE;
            let read = join_all(numbers.map(|number| self.read(number))).await;
            let mut ended = None;
            for (number, segment) in (next..).zip(read) {
                match (segment?, ended) {
                    (Some(_), Some(missing)) => return Err(LogError::Missing(missing)),
                    (Some(segment), None) => records.extend(segment.records),
                    (None, _) => ended = ended.or(Some(number)),
                }
            }
            if let Some(end) = ended {
                self.seen = end - 1;
                let newest = records.iter().rev().find_map(|record| match record {
                    Record::Owner(owner) => Some(owner.clone()),
                    _ => None,
                });
                self.owner = newest.or(self.owner.take());
                return Ok(records);
            }
            next += AT_ONCE;
        }
    }

    async fn read(&self, number: u64) -> Result<Option<Segment>, LogError> {
        let name = name_of(number);
        let Some(sealed) = self.target.read(&name).await? else { return Ok(None) };
        let plain = self.seal.open(&name, &sealed)?;
        let unreadable = |reason: String| LogError::Unreadable { number, reason };
        let segment: Segment =
            serde_json::from_slice(&plain).map_err(|error| unreadable(error.to_string()))?;
        if segment.version != VERSION {
            return Err(unreadable(format!(
                "it was written by a newer depeche (version {})",
                segment.version
            )));
        }
        Ok(Some(segment))
    }

    /// A segment, ready to be written as often as it takes.
    #[must_use]
    pub fn segment(&self, journal: Uuid, records: Vec<Record>) -> Segment {
        Segment { version: VERSION, id: self.entropy.uuid(), journal, at: self.clock.now(), records }
    }

    /// Writes a segment after the last one that is there. What other processes of the same journal wrote
    /// in the meantime is passed over. A segment whose answer was lost is recognised when it is written
    /// again.
    ///
    /// # Errors
    ///
    /// [`LogError::OtherOwner`] when another journal has taken over: nothing was written. Any other
    /// error leaves open whether it was.
    pub async fn append(&mut self, segment: &Segment) -> Result<(), LogError> {
        self.own_an_empty_one().await?;
        loop {
            if let Some(owner) = self.owner.as_ref().filter(|owner| owner.journal != segment.journal) {
                return Err(LogError::OtherOwner(owner.clone()));
            }
            match self.try_append(segment).await? {
                None => return Ok(()),
                Some(found) if found.id == segment.id => return Ok(()),
                Some(found) => self.pass_over(&found),
            }
        }
    }

    /// A mirror that could not be read when the session began, and is empty, is claimed. What is in one
    /// that is not empty is for the next session to compare.
    async fn own_an_empty_one(&mut self) -> Result<(), LogError> {
        let Some(own) = self.own.clone().filter(|_| self.owner.is_none()) else { return Ok(()) };
        self.catch_up().await?;
        if self.owner.is_none() {
            self.claim(&own).await?;
        }
        Ok(())
    }

    /// Makes the journal of `owner` the one that sends, if nothing was written since the log was read;
    /// else what was written.
    ///
    /// # Errors
    ///
    /// The place's failure: whether the claim stands is open then.
    pub async fn claim(&mut self, owner: &Owner) -> Result<Option<Vec<Record>>, LogError> {
        let segment = self.segment(owner.journal, vec![Record::Owner(owner.clone())]);
        match self.try_append(&segment).await? {
            Some(found) if found.id != segment.id => {
                self.pass_over(&found);
                Ok(Some(found.records))
            }
            _ => {
                self.owner = Some(owner.clone());
                Ok(None)
            }
        }
    }

    /// Writes at the next number; the segment that is there when the number is taken.
    async fn try_append(&mut self, segment: &Segment) -> Result<Option<Segment>, LogError> {
        let number = self.seen + 1;
        let name = name_of(number);
        let plain = serde_json::to_vec(segment)
            .map_err(|error| LogError::Unreadable { number, reason: error.to_string() })?;
        let sealed = Bytes::from(self.seal.seal(&name, &plain, &*self.entropy));
        if self.target.create(&name, sealed).await? == Created::New {
            self.seen = number;
            return Ok(None);
        }
        let found = self.read(number).await?.ok_or(LogError::Missing(number))?;
        self.seen = number;
        Ok(Some(found))
    }

    fn pass_over(&mut self, found: &Segment) {
        for record in &found.records {
            if let Record::Owner(owner) = record {
                self.owner = Some(owner.clone());
            }
        }
    }
}

/// `log/0000000001`: sorted as they were written.
fn name_of(number: u64) -> String {
    format!("log/{number:010}")
}
