//! The one log of a mirror: numbered segments, each written once, by whoever has read all before it.
//!
//! To write number n+1 a machine must have seen 1 to n, because the place refuses a name that is taken
//! ([`MirrorTarget::create`]). That is the fence: a second machine that takes the work over writes a
//! segment that says so ([`Record::Owner`]); the first one's next segment finds its number taken, reads
//! it, and knows. There is no moment between asking and writing in which both may go on.
//!
//! Names are never removed: a number that came free again would let an old owner through. What stands under them may be
//! replaced, once a snapshot says the same ([`crate::compact`]).

mod reading;

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use depeche_core::clock::{Clock, Entropy};
use depeche_core::journal::mirror::{Created, MirrorTarget, TargetFailed};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::record::{Owner, Record};
use crate::seal::{Seal, SealError};
use crate::segment::Segment;
use reading::Reading;

pub use reading::Read;

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
    pub async fn catch_up(&mut self) -> Result<Read, LogError> {
        let mut reading = Reading::after(self.seen);
        loop {
            let numbers = reading.next..reading.next + AT_ONCE;
            let batch = join_all(numbers.map(|number| self.read(number))).await;
            reading.take(batch.into_iter().collect::<Result<_, _>>()?)?;
            let Some(done) = reading.done() else { continue };
            let (end, read) = done?;
            self.seen = end;
            self.hear(&read.records);
            return Ok(read);
        }
    }

    /// Everybody who ever sent, the latest last: a machine that comes back is known by it.
    pub(crate) async fn owners(&self) -> Result<Vec<Owner>, LogError> {
        let mut reading = Reading::after(0);
        loop {
            let numbers = reading.next..reading.next + AT_ONCE;
            let mut batch = join_all(numbers.map(|number| self.read(number))).await;
            // The rest is not needed, and may be long.
            for segment in batch.iter_mut().flatten().flatten() {
                segment.records.retain(Record::is_of_the_log_itself);
            }
            reading.take(batch.into_iter().collect::<Result<_, _>>()?)?;
            let Some(done) = reading.done() else { continue };
            let owner = |record| match record {
                Record::Owner(owner) => Some(owner),
                _ => None,
            };
            return Ok(done?.1.records.into_iter().filter_map(owner).collect());
        }
    }

    async fn read(&self, number: u64) -> Result<Option<Segment>, LogError> {
        let name = name_of(number);
        let Some(sealed) = self.target.read(&name).await? else { return Ok(None) };
        let plain = self.seal.open(&name, &sealed)?;
        Segment::from_bytes(&plain).map(Some).map_err(|reason| LogError::Unreadable { number, reason })
    }

    /// A segment, ready to be written as often as it takes.
    #[must_use]
    pub fn segment(&self, journal: Uuid, records: Vec<Record>) -> Segment {
        Segment::of(journal, records, &*self.entropy, self.clock.now())
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
        if self.owner.is_none() && !self.claim(&own).await? {
            self.catch_up().await?;
        }
        Ok(())
    }

    /// Makes the journal of `owner` the one that sends, if nothing was written since the log was read; false
    /// when something was: it is to be read first.
    ///
    /// # Errors
    ///
    /// The place's failure: whether the claim stands is open then.
    pub async fn claim(&mut self, owner: &Owner) -> Result<bool, LogError> {
        let segment = self.segment(owner.journal, vec![Record::Owner(owner.clone())]);
        let seen = self.seen;
        match self.try_append(&segment).await? {
            Some(found) if found.id != segment.id => {
                self.seen = seen;
                Ok(false)
            }
            _ => {
                self.owner = Some(owner.clone());
                Ok(true)
            }
        }
    }

    /// Writes at the next number; the segment that is there when the number is taken.
    async fn try_append(&mut self, segment: &Segment) -> Result<Option<Segment>, LogError> {
        let number = self.seen + 1;
        let sealed = self.sealed(number, segment)?;
        if self.target.create(&name_of(number), sealed).await? == Created::New {
            self.seen = number;
            return Ok(None);
        }
        let found = self.read(number).await?.ok_or(LogError::Missing(number))?;
        self.seen = number;
        Ok(Some(found))
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.entropy.uuid()
    }

    fn sealed(&self, number: u64, segment: &Segment) -> Result<Bytes, LogError> {
        let plain = segment.to_bytes().map_err(|reason| LogError::Unreadable { number, reason })?;
        Ok(Bytes::from(self.seal.seal(&name_of(number), &plain, &*self.entropy)))
    }

    /// Puts in place of segment `number`, which is there, that the log goes on at `at`.
    pub(crate) async fn empty(&self, number: u64, at: u64, journal: Uuid) -> Result<(), LogError> {
        let emptied = Segment::emptied(journal, at, &*self.entropy, self.clock.now());
        let sealed = self.sealed(number, &emptied)?;
        Ok(self.target.replace(&name_of(number), sealed).await?)
    }

    /// Where the log goes on of what stood in segment `number`; `None` when it stands there still.
    pub(crate) async fn goes_on_at(&self, number: u64) -> Result<Option<u64>, LogError> {
        Ok(self.read(number).await?.ok_or(LogError::Missing(number))?.goes_on_at)
    }

    fn pass_over(&mut self, found: &Segment) {
        match found.goes_on_at {
            // Everything up to there was read by whoever wrote the snapshot; the next number is taken.
            Some(at) => self.seen = self.seen.max(at - 1),
            None => self.hear(&found.records),
        }
    }

    fn hear(&mut self, records: &[Record]) {
        let newest = records.iter().rev().find_map(|record| match record {
            Record::Owner(owner) => Some(owner.clone()),
            _ => None,
        });
        self.owner = newest.or(self.owner.take());
    }
}

/// `log/0000000001`: sorted as they were written.
fn name_of(number: u64) -> String {
    format!("log/{number:010}")
}
