//! What is done when a journal may not send: `reconcile` for an older copy, `take-over` for a machine
//! that is gone.

use std::io;

use depeche_core::journal::{AttemptState, AuditEntry, DeliveryState, JournalError, RunKind, RunState};
use depeche_core::provider::ProviderName;
use uuid::Uuid;

use crate::fold::Known;
use crate::lineage::{Lineage, Place};
use crate::log::{Log, LogError};
use crate::record::{Attempt, Owner, Record, Stands};
use crate::restore::{Moved, RestoreError, Restored, restore};
use crate::session::Opening;

/// Why a journal was not brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// There is no mirror to go by.
    #[error("depeche.toml names no mirror")]
    NoMirror,
    /// There is nothing in the mirror.
    #[error("{0} holds nothing")]
    EmptyMirror(String),
    /// The mirror could not be read or claimed.
    #[error("the mirror cannot be used: {0}")]
    Mirror(#[from] LogError),
    /// Another machine sends: its work is not taken over by comparing.
    #[error("{} has sent from this mirror's journal since {}", .0.machine, .0.at)]
    TakenOver(Owner),
    /// The journal that is here never wrote to this mirror, and holds runs of its own.
    #[error("the journal that is here holds runs, and this mirror is not its own")]
    OtherJournal,
    /// The first machine writes as fast as this one reads.
    #[error("the other machine is still sending; stop it first")]
    StillSending,
    /// The journal could not be changed.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The folder beside it failed.
    #[error("{folder}: {error}")]
    Beside {
        /// Which.
        folder: String,
        /// Why.
        error: io::Error,
    },
}

impl From<JournalError> for RecoverError {
    fn from(error: JournalError) -> Self {
        Self::Restore(error.into())
    }
}

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// What was put back.
    pub restored: Restored,
    /// Sessions of which no record is left; whoever was pending then is uncertain.
    pub unrecorded: u64,
    /// Who sent before, when another machine's work was taken over.
    pub before: Option<Owner>,
}

/// So often is a claim tried again, each time after reading what came in between.
const CLAIMS: u32 = 50;
/// Deliveries that are read at a time.
const PAGE: usize = 1_000;

impl Opening {
    /// Brings an older copy of the journal up to date: from the records beside it, and from its mirror.
    /// Whoever may have been mailed becomes accepted by proof, or else unknown; nobody comes back to
    /// pending. Then the journal counts as the newest one.
    ///
    /// Where sessions are missing of which nothing is left (no mirror, and beside the journal no record),
    /// everybody pending becomes unknown.
    ///
    /// # Errors
    ///
    /// [`RecoverError`]; what was done until then stands, and doing it again goes on from there.
    pub async fn reconcile(&mut self) -> Result<Recovered, RecoverError> {
        let lock = self.beside.lock().await.map_err(|error| self.not_beside(error))?;
        let now = self.clock.now();
        let lineage = Lineage::read(&*self.journal).await?;
        let beside = self.beside.epoch().map_err(|error| self.not_beside(error))?;
        let mut records = Vec::new();
        let sessions = self.beside.sessions().map_err(|error| self.not_beside(error))?;
        for session in &sessions {
            records.extend(self.beside.records(*session).map_err(|error| self.not_beside(error))?);
        }
        let (from, newest) = match (&lineage, &beside) {
            (lineage, Some(beside)) => (lineage.as_ref().map_or(0, |lineage| lineage.epoch), beside.epoch),
            (Some(lineage), None) => (lineage.epoch, lineage.epoch),
            (None, None) => (0, 0),
        };
        let mut unrecorded = (from + 1..=newest).filter(|number| !sessions.contains(number)).count() as u64;
        let id = beside.map(|beside| beside.journal).or(lineage.as_ref().map(|lineage| lineage.journal));
        let id = id.unwrap_or_else(|| self.entropy.uuid());
        let place = self.read_own_mirror(id, lineage.as_ref(), &mut records).await?;
        if place.is_some() {
            unrecorded = 0;
        }
        let restored = restore(&*self.journal, Known::from_records(records), now).await?;
        self.forget_beside(&restored)?;
        let mut recovered = Recovered { restored, unrecorded, before: None };
        if unrecorded > 0 {
            recovered.restored.moved.extend(self.doubt_all().await?);
        }
        self.audit_all("reconcile", &recovered).await?;
        let raised = Lineage { journal: id, epoch: from.max(newest), mirror: place };
        raised.save(&*self.journal).await?;
        self.beside.begin(&raised.epoch()).map_err(|error| self.not_beside(error))?;
        drop(lock);
        Ok(recovered)
    }

    /// The records of the mirror, and the mirror as the journal is to remember it: with a session left
    /// open, so that the next one compares once more.
    async fn read_own_mirror(
        &mut self,
        id: Uuid,
        lineage: Option<&Lineage>,
        records: &mut Vec<Record>,
    ) -> Result<Option<Place>, RecoverError> {
        let Some(log) = &mut self.log else { return Ok(lineage.and_then(|lineage| lineage.mirror.clone())) };
        records.extend(log.catch_up().await?.records);
        match log.owner() {
            Some(owner) if owner.journal != id => Err(RecoverError::TakenOver(owner.clone())),
            // Nothing of this journal is in it yet.
            None => Ok(None),
            Some(_) => Ok(Some(Place::read(log, lineage))),
        }
    }

    /// Everybody pending becomes unknown: an attempt of which nothing is known but that it may have been
    /// made, through the first provider of the route.
    async fn doubt_all(&self) -> Result<Vec<Moved>, RecoverError> {
        let now = self.clock.now();
        let mut known = Known::default();
        for run in self.journal.runs().await? {
            if run.kind != RunKind::Real || run.state == RunState::Cancelled {
                continue;
            }
            let Some(provider) = run.route.first() else { continue };
            let mut after = None;
            loop {
                let page =
                    self.journal.deliveries_in(&run.id, &[DeliveryState::Pending], after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some((last.tier, last.position));
                for delivery in page {
                    let mut stands = Stands::of(&delivery, &self.journal.attempts(delivery.id).await?);
                    stands.attempts.push(self.perhaps(provider));
                    stands.state = DeliveryState::Intent;
                    let known = known.runs.entry(run.id.clone()).or_default();
                    known.recipients.insert(delivery.address.key(), stands);
                }
            }
        }
        Ok(restore(&*self.journal, known, now).await?.moved)
    }

    fn perhaps(&self, provider: &ProviderName) -> Attempt {
        let id = self.entropy.uuid();
        Attempt {
            id,
            provider: provider.clone(),
            state: AttemptState::Intent,
            request_id: id,
            idempotency_key: id,
            request_digest: None,
            blames: None,
            reply: None,
            provider_id: None,
            started_at: self.clock.now(),
            ended_at: None,
        }
    }

    /// Takes over the work of the machine that wrote the mirror: claims it, so that the other can write
    /// no further intent, and brings the journal that is here to what the mirror says. Open attempts
    /// become unknown.
    ///
    /// # Errors
    ///
    /// [`RecoverError`]; doing it again goes on from there.
    pub async fn take_over(&mut self) -> Result<Recovered, RecoverError> {
        let lock = self.beside.lock().await.map_err(|error| self.not_beside(error))?;
        let lineage = Lineage::read(&*self.journal).await?;
        let owner =
            Owner { journal: self.entropy.uuid(), machine: self.machine.clone(), at: self.clock.now() };
        let log = self.log.as_mut().ok_or(RecoverError::NoMirror)?;
        log.prove_fence().await?;
        let mut records = log.catch_up().await?.records;
        let Some(before) = log.owner().cloned() else { return Err(RecoverError::EmptyMirror(log.place())) };
        let is_ours = |lineage: &Lineage| {
            records.iter().any(|one| matches!(one, Record::Owner(owner) if owner.journal == lineage.journal))
        };
        let is_known = lineage.as_ref().is_some_and(is_ours);
        if !is_known && !self.journal.runs().await?.is_empty() {
            // A take-over that was killed left no lineage, and nothing that the mirror does not hold.
            let known = Known::from_records(records.clone());
            let own = self.journal.runs().await?;
            if lineage.is_some() || own.iter().any(|run| !known.runs.contains_key(&run.id)) {
                return Err(RecoverError::OtherJournal);
            }
        }
        claim(log, &owner, &mut records).await?;
        let restored = restore(&*self.journal, Known::from_records(records), owner.at).await?;
        let place = Place::read(log, lineage.as_ref());
        self.forget_beside(&restored)?;
        let recovered = Recovered { restored, unrecorded: 0, before: Some(before) };
        self.audit_all("take-over", &recovered).await?;
        let beside = self.beside.epoch().map_err(|error| self.not_beside(error))?;
        let epoch = lineage.map_or(0, |lineage| lineage.epoch).max(beside.map_or(0, |beside| beside.epoch));
        let ours = Lineage { journal: owner.journal, epoch: epoch + 1, mirror: Some(place) };
        ours.save(&*self.journal).await?;
        self.beside.begin(&ours.epoch()).map_err(|error| self.not_beside(error))?;
        drop(lock);
        Ok(recovered)
    }

    /// A line for each recipient that was moved, and one for the whole.
    async fn audit_all(&self, action: &str, recovered: &Recovered) -> Result<(), JournalError> {
        let at = self.clock.now();
        let restored = &recovered.restored;
        for moved in &restored.moved {
            let detail = format!("{}: {} to {}", moved.address, moved.from, moved.to);
            let run = Some(moved.run.clone());
            self.journal.audit(AuditEntry { at, run, action: action.to_owned(), detail }).await?;
        }
        let before = recovered.before.as_ref().map(|owner| format!(", from {}", owner.machine));
        let detail = format!(
            "{} runs put back, {} recipients moved{}",
            restored.runs.len(),
            restored.moved.len(),
            before.unwrap_or_default()
        );
        self.journal.audit(AuditEntry { at, run: None, action: action.to_owned(), detail }).await
    }

    /// The records beside the journal name whoever was forgotten now, and are not needed any more.
    fn forget_beside(&self, restored: &Restored) -> Result<(), RecoverError> {
        match restored.forgotten {
            0 => Ok(()),
            _ => self.beside.forget_all(0).map_err(|error| self.not_beside(error)),
        }
    }

    fn not_beside(&self, error: io::Error) -> RecoverError {
        RecoverError::Beside { folder: self.beside.folder().display().to_string(), error }
    }
}

/// Claims the mirror; what is written in between is read first, each time.
async fn claim(log: &mut Log, owner: &Owner, records: &mut Vec<Record>) -> Result<(), RecoverError> {
    for _ in 0..CLAIMS {
        if log.claim(owner).await? {
            return Ok(());
        }
        let read = log.catch_up().await?;
        if read.afresh {
            records.clear();
        }
        records.extend(read.records);
    }
    Err(RecoverError::StillSending)
}
