//! The beginning of a session: is this the newest journal, and may it send?
//!
//! A journal that is not the newest would send again what it does not know of. So it is asked before
//! every session, from what stands beside it and in its mirror, and every session leaves a trace in both
//! places ([`crate::beside`], [`crate::Log`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use depeche_core::address::RecipientKey;
use depeche_core::clock::{Clock, Entropy};
use depeche_core::journal::pseudonym::is_pseudonym;
use depeche_core::journal::{DeliveryRecord, DeliveryState, Journal, JournalError, RunId};
use uuid::Uuid;

use crate::beside::Beside;
use crate::fold::Known;
use crate::lineage::{Lineage, Place};
use crate::log::{Log, LogError};
use crate::record::{Outcome, Owner, Record, Stands};

/// What a session is begun with.
pub struct Opening {
    /// The journal itself.
    pub journal: Arc<dyn Journal>,
    /// The folder beside it.
    pub beside: Arc<Beside>,
    /// Its mirror, if it has one.
    pub log: Option<Log>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for the journal's id.
    pub entropy: Arc<dyn Entropy>,
    /// The machine's name, for people.
    pub machine: String,
}

/// Why a journal may not send.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotOpened {
    /// It is an older copy, as what stands beside it shows.
    #[error("this journal is an older copy: it stands at session {journal}, and session {beside} was begun")]
    Older {
        /// The journal's number.
        journal: u64,
        /// The number beside it.
        beside: u64,
    },
    /// It is an older copy: attempts that were made are not in it.
    #[error(
        "this journal is an older copy: {0} recipients were mailed, or may have been, that it does not know of"
    )]
    Lacks(u64),
    /// The number beside it is gone, and no mirror tells whether this is the newest copy.
    #[error(
        "nothing stands beside this journal any more ({0}): whether it is the newest copy cannot be told"
    )]
    EpochLost(String),
    /// What stands beside it belongs to another journal.
    #[error("what stands beside this journal ({0}) belongs to another one")]
    OtherJournal(String),
    /// The mirror belongs to another journal, or another machine has taken over.
    #[error("{} has sent from this mirror's journal since {}", .0.machine, .0.at)]
    TakenOver(Owner),
    /// The mirror cannot be used, and nothing may be sent without it.
    #[error("the mirror cannot be used: {0}")]
    Mirror(LogError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The folder beside it failed.
    #[error("{folder}: {error}")]
    Beside {
        /// Which.
        folder: String,
        /// Why.
        error: io::Error,
    },
}

/// A session that may send.
pub struct Begun {
    /// The journal's id.
    pub journal: Uuid,
    /// Its number.
    pub epoch: u64,
    /// What the mirror knows, when it may lack something that the journal has.
    pub(crate) lacking: Option<Known>,
    /// Somebody was forgotten who may stand in the mirror still.
    pub(crate) owes_forgetting: bool,
    /// The number beside the journal was gone; the mirror says that it is the newest copy all the same.
    pub epoch_was_lost: bool,
    /// The mirror could not be reached at the start.
    pub mirror_trouble: Option<LogError>,
}

impl Opening {
    /// Looks, and raises the number. Nothing is changed when it refuses.
    ///
    /// With `needs_mirror`, a mirror that cannot be reached refuses; else it is told
    /// ([`Begun::mirror_trouble`]).
    ///
    /// # Errors
    ///
    /// [`NotOpened`] says why nothing may be sent.
    pub async fn begin(&mut self, needs_mirror: bool) -> Result<Begun, NotOpened> {
        let lock = self.beside.lock().await.map_err(|error| self.failed(error))?;
        let lineage = Lineage::read(&*self.journal).await?;
        let was_lost = self.look_beside(lineage.as_ref()).await?;
        let lineage = match lineage {
            Some(lineage) => lineage,
            None => self.first().map_err(|error| self.failed(error))?,
        };
        let mut begun = Begun {
            journal: lineage.journal,
            epoch: 0,
            lacking: None,
            owes_forgetting: false,
            epoch_was_lost: was_lost,
            mirror_trouble: None,
        };
        let place = match self.look_in_mirror(&lineage, was_lost, &mut begun).await {
            Ok(place) => place,
            Err(NotOpened::Mirror(trouble)) if !needs_mirror && is_passing(&trouble) && !was_lost => {
                begun.mirror_trouble = Some(trouble);
                lineage.mirror.clone()
            }
            Err(refused) => return Err(refused),
        };
        if was_lost && self.log.is_none() {
            return Err(NotOpened::EpochLost(self.beside.folder().display().to_string()));
        }
        begun.epoch = self.raise(lineage, place).await?;
        drop(lock);
        Ok(begun)
    }

    /// The lineage of a journal that has none. It stands beside the journal before the journal holds it:
    /// a first session that is cut off in between must not look like an epoch that was lost.
    fn first(&self) -> io::Result<Lineage> {
        let journal = match self.beside.epoch()? {
            Some(cut_off) => cut_off.journal,
            None => self.entropy.uuid(),
        };
        let first = Lineage { journal, epoch: 0, mirror: None };
        self.beside.save_epoch(&first.epoch())?;
        Ok(first)
    }

    /// What stands beside the journal against what the journal says of itself. True when nothing does,
    /// and something should.
    async fn look_beside(&self, lineage: Option<&Lineage>) -> Result<bool, NotOpened> {
        let beside = self.beside.epoch().map_err(|error| self.failed(error))?;
        let folder = || self.beside.folder().display().to_string();
        let (lineage, beside) = match (lineage, beside) {
            (None, None) => return Ok(false),
            (Some(_), None) => return Ok(true),
            // The first session was cut off before it began.
            (None, Some(beside)) if beside.epoch == 0 => return Ok(false),
            (None, Some(beside)) => return Err(NotOpened::Older { journal: 0, beside: beside.epoch }),
            (Some(lineage), Some(beside)) => (lineage, beside),
        };
        if lineage.journal != beside.journal {
            return Err(NotOpened::OtherJournal(folder()));
        }
        if beside.epoch > lineage.epoch {
            return Err(NotOpened::Older { journal: lineage.epoch, beside: beside.epoch });
        }
        match self.lacks_newest().await? {
            0 => Ok(false),
            missing => Err(NotOpened::Lacks(missing)),
        }
    }

    /// How many of the newest intents that stand beside the journal are not in it. The last of each of
    /// the latest sessions is enough: an older copy lacks a tail.
    async fn lacks_newest(&self) -> Result<u64, NotOpened> {
        const SESSIONS: usize = 8;
        const INTENTS: usize = 16;
        let sessions = self.beside.sessions().map_err(|error| self.failed(error))?;
        let mut tail = Known::default();
        for session in sessions.into_iter().rev().take(SESSIONS) {
            let intents = self.beside.newest_intents(session, INTENTS);
            intents.map_err(|error| self.failed(error))?.into_iter().for_each(|record| tail.take(record));
        }
        let tail = as_named_here(&*self.journal, tail).await?;
        Ok(missing(&*self.journal, &tail).await?)
    }

    async fn look_in_mirror(
        &mut self,
        lineage: &Lineage,
        was_lost: bool,
        begun: &mut Begun,
    ) -> Result<Option<Place>, NotOpened> {
        let Some(log) = &mut self.log else { return Ok(lineage.mirror.clone()) };
        let own = Owner { journal: lineage.journal, machine: self.machine.clone(), at: self.clock.now() };
        log.write_as(own.clone());
        log.prove_fence().await.map_err(NotOpened::Mirror)?;
        let fingerprint = log.fingerprint();
        let place = lineage.mirror.clone().filter(|place| place.fingerprint == fingerprint);
        let is_settled = place.as_ref().is_some_and(|place| place.open.is_empty()) && !was_lost;
        if let Some(place) = place.as_ref().filter(|_| is_settled) {
            log.resume_at(place.seen, own.clone());
            log.is_still_there().await.map_err(NotOpened::Mirror)?;
        }
        let records = log.catch_up().await.map_err(NotOpened::Mirror)?.records;
        if let Some(place) = place.as_ref().filter(|place| place.seen > log.seen()) {
            return Err(NotOpened::Mirror(LogError::Missing(place.seen)));
        }
        let owner = match log.owner() {
            Some(owner) => owner.clone(),
            None => claim_empty(log, &own).await?,
        };
        if owner.journal != lineage.journal {
            return Err(NotOpened::TakenOver(owner));
        }
        let is_newer = is_settled && !records.is_empty();
        let known = as_named_here(&*self.journal, Known::from_records(records)).await?;
        let missing = missing(&*self.journal, &known).await?;
        if missing > 0 || is_newer {
            return Err(NotOpened::Lacks(missing));
        }
        begun.lacking = (!is_settled).then_some(known);
        begun.owes_forgetting = place.as_ref().is_some_and(|place| place.owes_forgetting);
        let open = place.map(|place| place.open).unwrap_or_default();
        Ok(Some(Place { fingerprint, seen: log.seen(), open, owes_forgetting: begun.owes_forgetting }))
    }

    /// The journal first: a number that only the journal has is no older copy's.
    async fn raise(&self, lineage: Lineage, place: Option<Place>) -> Result<u64, NotOpened> {
        let mut raised = Lineage { mirror: place, ..lineage };
        raised.epoch += 1;
        if let Some(place) = raised.mirror.as_mut().filter(|_| self.log.is_some()) {
            place.open.push(raised.epoch);
        }
        raised.save(&*self.journal).await?;
        self.beside.begin(&raised.epoch()).map_err(|error| self.failed(error))?;
        Ok(raised.epoch)
    }

    fn failed(&self, error: io::Error) -> NotOpened {
        NotOpened::Beside { folder: self.beside.folder().display().to_string(), error }
    }
}

/// A failure of the place itself, which may pass; a wrong key or a broken log does not.
fn is_passing(trouble: &LogError) -> bool {
    matches!(trouble, LogError::Target(_))
}

/// The first journal that comes to an empty mirror is its owner.
async fn claim_empty(log: &mut Log, owner: &Owner) -> Result<Owner, NotOpened> {
    if !log.claim(owner).await.map_err(NotOpened::Mirror)? {
        log.catch_up().await.map_err(NotOpened::Mirror)?;
    }
    Ok(log.owner().cloned().unwrap_or_else(|| owner.clone()))
}

/// What is known, with everybody whom `journal` has forgotten under the name that they have there: a mirror that is
/// not compacted yet names them still.
pub(crate) async fn as_named_here(journal: &dyn Journal, mut known: Known) -> Result<Known, JournalError> {
    if journal.forgotten_key(None).await?.is_none() {
        return Ok(known);
    }
    for run in known.runs.values_mut() {
        let named = run.named();
        let here = journal.known_as(&named).await?;
        named.iter().zip(&here).filter(|(named, here)| named != here).for_each(|(named, here)| {
            run.rename(named, here);
        });
    }
    Ok(known)
}

/// How many recipients stand, in `known`, with an attempt that `journal` does not have.
pub(crate) async fn missing(journal: &dyn Journal, known: &Known) -> Result<u64, JournalError> {
    let mut count = 0;
    for (id, run) in known.runs.iter().filter(|(_, run)| !run.recipients.is_empty()) {
        let tried: Vec<(&RecipientKey, &Stands)> =
            run.recipients.iter().filter(|(_, stands)| !stands.attempts.is_empty()).collect();
        if journal.run(id).await?.is_none() {
            count += tried.len() as u64;
            continue;
        }
        let own = deliveries_of(journal, id, &run.recipients.keys().cloned().collect()).await?;
        for (key, stands) in tried {
            let attempts = match own.get(key) {
                Some(delivery) => journal.attempts(delivery.id).await?,
                None => Vec::new(),
            };
            // Frozen here as forgotten: never mailed from here, whatever was done elsewhere before.
            let is_out = |delivery: &DeliveryRecord| delivery.state == DeliveryState::Suppressed;
            if is_pseudonym(key.as_str()) && own.get(key).is_some_and(is_out) {
                continue;
            }
            let has = |id: Uuid| attempts.iter().any(|own| own.id == id);
            count += u64::from(!stands.attempts.iter().all(|attempt| has(attempt.id)));
        }
    }
    Ok(count)
}

/// The deliveries of those recipients, page by page: of a long list only these stay in memory.
pub(crate) async fn deliveries_of(
    journal: &dyn Journal,
    run: &RunId,
    wanted: &BTreeSet<RecipientKey>,
) -> Result<BTreeMap<RecipientKey, DeliveryRecord>, JournalError> {
    let (mut found, mut after) = (BTreeMap::new(), None);
    while found.len() < wanted.len() {
        let page = journal.deliveries(run, after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.tier, last.position));
        let keyed = page.into_iter().map(|delivery| (delivery.address.key(), delivery));
        found.extend(keyed.filter(|(key, _)| wanted.contains(key)));
    }
    Ok(found)
}

/// What a settlement says of its recipient's wish, as a record. Whoever is forgotten stands on the list already.
pub(crate) fn wish(
    settlement: &depeche_core::journal::Settlement,
    keys: &BTreeMap<depeche_core::journal::DeliveryId, RecipientKey>,
) -> Option<Record> {
    let (wish, attempt) = (settlement.wish?, settlement.attempt.as_ref()?);
    let key = keys.get(&settlement.delivery).filter(|key| !is_pseudonym(key.as_str()))?.clone();
    let entry = depeche_core::journal::Suppression {
        key,
        reason: wish.reason().to_owned(),
        source: attempt.provider.to_string(),
        quarantined: false,
        at: settlement.at,
    };
    Some(Record::Suppressed { entries: vec![(&entry).into()] })
}

/// What a settlement says, as a record.
pub(crate) fn outcome(
    settlement: &depeche_core::journal::Settlement,
    keys: &BTreeMap<depeche_core::journal::DeliveryId, RecipientKey>,
) -> Option<Record> {
    let key = keys.get(&settlement.delivery)?.clone();
    Some(Record::Outcome(Box::new(Outcome::of(settlement, key))))
}
