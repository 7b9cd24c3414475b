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
use depeche_core::journal::{DeliveryRecord, Journal, JournalError, Outage, RunId, RunKind};
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use uuid::Uuid;

use crate::beside::Beside;
use crate::fold::{Known, KnownRun};
use crate::lineage::{Lineage, Place};
use crate::log::{Log, LogError};
use crate::record::{FrozenRecipient, FrozenRun, Outcome, Owner, Record, Stands, Suppressed};

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
    /// What the journal has and the mirror lacks.
    pub owed: Vec<Record>,
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
            owed: Vec::new(),
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
        let records = log.catch_up().await.map_err(NotOpened::Mirror)?;
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
        let known = Known::from_records(records);
        let missing = missing(&*self.journal, &known).await?;
        if missing > 0 || is_newer {
            return Err(NotOpened::Lacks(missing));
        }
        if !is_settled {
            begun.owed = owed(&*self.journal, &known).await?;
        }
        let (seen, open) = (log.seen(), place.map(|place| place.open).unwrap_or_default());
        Ok(Some(Place { fingerprint, seen, open }))
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
    match log.claim(owner).await.map_err(NotOpened::Mirror)? {
        None => Ok(owner.clone()),
        Some(_) => Ok(log.owner().cloned().unwrap_or_else(|| owner.clone())),
    }
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
        let own = deliveries_of(journal, id, &run.recipients).await?;
        for (key, stands) in tried {
            let attempts = match own.get(key) {
                Some(delivery) => journal.attempts(delivery.id).await?,
                None => Vec::new(),
            };
            let has = |id: Uuid| attempts.iter().any(|own| own.id == id);
            count += u64::from(!stands.attempts.iter().all(|attempt| has(attempt.id)));
        }
    }
    Ok(count)
}

/// The deliveries of those recipients, page by page: of a long list only these stay in memory.
async fn deliveries_of(
    journal: &dyn Journal,
    run: &RunId,
    wanted: &BTreeMap<RecipientKey, Stands>,
) -> Result<BTreeMap<RecipientKey, DeliveryRecord>, JournalError> {
    let (mut found, mut after) = (BTreeMap::new(), None);
    while found.len() < wanted.len() {
        let page = journal.deliveries(run, after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.tier, last.position));
        let keyed = page.into_iter().map(|delivery| (delivery.address.key(), delivery));
        found.extend(keyed.filter(|(key, _)| wanted.contains_key(key)));
    }
    Ok(found)
}

/// What the journal has and `known` lacks. Runs that another process works on are left to it.
async fn owed(journal: &dyn Journal, known: &Known) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    let mut runs = journal.runs().await?;
    runs.reverse();
    for run in runs.iter().filter(|run| run.kind == RunKind::Real) {
        if journal.holder(&run.id).await?.is_some() {
            continue;
        }
        let empty = KnownRun::default();
        let theirs = known.runs.get(&run.id).unwrap_or(&empty);
        if !theirs.is_whole() {
            let mut pages = Pages::of(&run.id);
            while let Some(page) = pages.next(journal).await? {
                records.extend(page);
            }
        }
        let mut after = None;
        loop {
            let page = journal.deliveries(&run.id, after, 1_000).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.tier, last.position));
            for delivery in page {
                let attempts = match delivery.attempts {
                    0 => Vec::new(),
                    _ => journal.attempts(delivery.id).await?,
                };
                let (key, stands) = (delivery.address.key(), Stands::of(&delivery, &attempts));
                if differ(&stands, &theirs.stands(&key)) {
                    records.push(Record::Stands { run: run.id.clone(), key, stands });
                }
            }
        }
        let at = run.ended_at.unwrap_or(run.created_at);
        records.push(Record::State { run: run.id.clone(), state: run.state, note: run.note.clone(), at });
    }
    let entries: Vec<Suppressed> = journal.suppressions(None).await?.iter().map(Suppressed::from).collect();
    let entries: Vec<Suppressed> =
        entries.into_iter().filter(|entry| !known.suppressed.contains_key(&entry.key)).collect();
    if !entries.is_empty() {
        records.push(Record::Suppressed { entries });
    }
    let key = journal.forgotten_key(None).await?.filter(|key| known.forgotten_key != Some(*key));
    records.extend(key.map(|key| Record::ForgottenKey { key }));
    records.extend(outages(&journal.outages().await?, known));
    Ok(records)
}

/// What a person said of outages, as far as `known` has it otherwise.
fn outages(own: &[Outage], known: &Known) -> Vec<Record> {
    let name = |outage: &Outage| (outage.provider.clone(), outage.since);
    let declared =
        own.iter().filter(|outage| known.outages.get(&name(outage)) != Some(&Some((*outage).clone())));
    let stands = |withdrawn: &(ProviderName, Timestamp)| own.iter().any(|outage| name(outage) == *withdrawn);
    let withdrawn = known.outages.iter().filter(|(name, said)| said.is_some() && !stands(name));
    let withdrawn = withdrawn
        .map(|((provider, since), _)| Record::OutageWithdrawn { provider: provider.clone(), since: *since });
    declared.cloned().map(Record::Outage).chain(withdrawn).collect()
}

/// Whether two words about a recipient say something else of who may have been mailed.
fn differ(own: &Stands, theirs: &Stands) -> bool {
    let ids = |stands: &Stands| -> BTreeSet<(Uuid, &'static str)> {
        stands.attempts.iter().map(|attempt| (attempt.id, attempt.state.as_str())).collect()
    };
    own.state != theirs.state || ids(own) != ids(theirs)
}

/// A run's list and assets as records, page by page: the list may be long.
pub(crate) struct Pages {
    run: RunId,
    is_begun: bool,
    after: Option<(u32, u64)>,
}

impl Pages {
    pub(crate) fn of(run: &RunId) -> Self {
        Self { run: run.clone(), is_begun: false, after: None }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self, journal: &dyn Journal) -> Result<Option<Vec<Record>>, JournalError> {
        const PAGE: usize = 500;
        if !self.is_begun {
            self.is_begun = true;
            return self.head(journal).await.map(Some);
        }
        let page = journal.deliveries(&self.run, self.after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some((last.tier, last.position));
        let recipients = page.iter().map(FrozenRecipient::of).collect();
        Ok(Some(vec![Record::Recipients { run: self.run.clone(), recipients }]))
    }

    async fn head(&self, journal: &dyn Journal) -> Result<Vec<Record>, JournalError> {
        use base64::Engine as _;
        let missing = || JournalError::NoSuchRun(self.run.clone());
        let record = journal.run(&self.run).await?.ok_or_else(missing)?;
        let recipients = journal.totals(&self.run).await?.recipients;
        let assets = journal.assets(&self.run).await?;
        let mut records = vec![Record::Run(Box::new(FrozenRun::of(&record, assets.len(), recipients)))];
        records.extend(assets.into_iter().map(|(name, content)| Record::Asset {
            run: self.run.clone(),
            name,
            content: base64::engine::general_purpose::STANDARD.encode(content),
        }));
        Ok(records)
    }
}

/// What a settlement says, as a record.
pub(crate) fn outcome(
    settlement: &depeche_core::journal::Settlement,
    keys: &BTreeMap<depeche_core::journal::DeliveryId, RecipientKey>,
) -> Option<Record> {
    let key = keys.get(&settlement.delivery)?.clone();
    Some(Record::Outcome(Box::new(Outcome::of(settlement, key))))
}
