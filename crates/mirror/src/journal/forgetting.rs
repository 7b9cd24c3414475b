//! Somebody is to be forgotten: in the journal, beside it, and in its mirror; and whoever was forgotten is not
//! brought back by what is told of them later.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use depeche_core::address::{EmailAddress, RecipientKey};
use depeche_core::event::ProviderEvent;
use depeche_core::journal::{Forgotten, HoldError, JournalError, RecordedEvent, Suppression, pseudonym};
use jiff::Timestamp;

use super::MirroredJournal;
use crate::compact::{CompactError, Compacted, compact};
use crate::lineage::Lineage;
use crate::record::{Record, Suppressed};

impl MirroredJournal {
    /// Whether somebody was forgotten who may stand in the mirror still: [`MirroredJournal::compact`] was not done,
    /// or not to its end.
    #[must_use]
    pub fn owes_forgetting(&self) -> bool {
        self.owes_forgetting.load(Ordering::SeqCst)
    }

    /// Writes what the journal holds to the mirror as a snapshot, and empties what stands before it. What is not
    /// in the journal any more is not in the mirror either, then; and whoever reads the mirror begins at the
    /// snapshot.
    ///
    /// It reads and writes as much as the journal holds, and one small write for each segment so far. A machine
    /// that dies in between leaves a mirror that a take-over can go on from, at any step.
    ///
    /// # Errors
    ///
    /// [`CompactError`], also while a process works on a run, and when the mirror could not be compared at the
    /// session's beginning. Doing it again goes on.
    pub async fn compact(&self) -> Result<Compacted, CompactError> {
        let (Some(keeper), Some(log)) = (&self.keeper, &self.log) else { return Err(CompactError::NoMirror) };
        // It may know of somebody who was mailed and of whom this journal does not know.
        if let Some(trouble) = &self.mirror_trouble {
            return Err(trouble.clone().into());
        }
        self.nobody_is_at_work().await?;
        keeper.catch_up().await?;
        let mut log = log.lock().await;
        let compacted = compact(&mut log, &*self.inner, self.id, self.patience).await?;
        drop(log);
        if self.owes_forgetting() {
            self.owe_forgetting(false).await?;
        }
        Ok(compacted)
    }

    /// A process that works on a run writes of it to journal and mirror; and it may name whoever is forgotten.
    async fn nobody_is_at_work(&self) -> Result<(), CompactError> {
        for run in self.inner.open_runs().await? {
            if let Some(pid) = self.inner.holder(&run.id).await? {
                return Err(CompactError::Held { run: run.id, pid });
            }
        }
        Ok(())
    }

    pub(super) async fn forget_everywhere(
        &self,
        key: &RecipientKey,
        fresh: [u8; 32],
        at: Timestamp,
    ) -> Result<Forgotten, HoldError> {
        if let Some(keeper) = &self.keeper {
            if let Some(trouble) = &self.mirror_trouble {
                return Err(unusable(trouble).into());
            }
            self.nobody_is_at_work().await.map_err(as_hold_error)?;
            // Whoever takes over in the middle of it makes the same pseudonyms.
            let key = self.inner.forgotten_key(Some(fresh)).await?.unwrap_or(fresh);
            let told = keeper.keep_before_going_on(vec![Record::ForgottenKey { key }]).await;
            told.map_err(unusable)?;
            // First, so that a machine that dies right after the journal's commit still knows.
            self.owe_forgetting(true).await?;
        }
        let forgotten = self.inner.forget(key, fresh, at).await?;
        let lock = self.beside.lock().await.map_err(write_failed)?;
        self.beside.forget_all(self.epoch).map_err(write_failed)?;
        drop(lock);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if self.keeper.is_some() {
            self.compact().await.map_err(as_hold_error)?;
        }
        Ok(forgotten)
    }

    /// Keeps, in the journal itself, whether the mirror may name somebody who was forgotten.
    async fn owe_forgetting(&self, owes: bool) -> Result<(), JournalError> {
        let lock = self.beside.lock().await.map_err(write_failed)?;
        if let Some(mut lineage) = Lineage::read(&*self.inner).await?
            && let Some(place) = &mut lineage.mirror
        {
            place.owes_forgetting = owes;
            lineage.save(&*self.inner).await?;
        }
        drop(lock);
        self.owes_forgetting.store(owes, Ordering::SeqCst);
        Ok(())
    }

    /// Events as the journal keeps them: of whoever was forgotten without the address, and without words that may
    /// hold it.
    pub(super) async fn without_the_forgotten(
        &self,
        told: Vec<(ProviderEvent, &RecordedEvent)>,
    ) -> Result<Vec<ProviderEvent>, JournalError> {
        let mut events = Vec::with_capacity(told.len());
        for (mut event, told) in told {
            let of = told.of.as_ref().map(|(_, key)| key.clone()).filter(is_pseudonym);
            let named = EmailAddress::parse(&event.recipient).ok().map(|address| address.key());
            let pseudonym = match (of, named) {
                (Some(pseudonym), _) => Some(pseudonym),
                (None, Some(key)) => self.inner.known_as(&[key]).await?.into_iter().find(is_pseudonym),
                (None, None) => None,
            };
            if let Some(pseudonym) = pseudonym {
                (event.recipient, event.reason) = (pseudonym.as_str().to_owned(), None);
            }
            events.push(event);
        }
        Ok(events)
    }

    /// What was just suppressed, as it stands on the list now (the entry that was there may be the stronger one), but
    /// for whoever stands on the list as forgotten.
    pub(super) async fn entries_to_keep(
        &self,
        entries: &[Suppression],
    ) -> Result<Vec<Suppressed>, JournalError> {
        let keys: Vec<RecipientKey> = entries.iter().map(|entry| entry.key.clone()).collect();
        let named = self.inner.known_as(&keys).await?;
        let listed = self.inner.suppressions(Some(&keys)).await?;
        let kept = entries.iter().zip(&named).filter(|(entry, name)| entry.key == **name);
        let as_listed =
            kept.map(|(entry, _)| listed.iter().find(|one| one.key == entry.key).unwrap_or(entry));
        Ok(as_listed.map(Suppressed::from).collect())
    }
}

fn is_pseudonym(key: &RecipientKey) -> bool {
    pseudonym::is_pseudonym(key.as_str())
}

fn write_failed(error: std::io::Error) -> JournalError {
    JournalError::WriteFailed { reason: error.to_string() }
}

fn unusable(error: impl std::fmt::Display) -> JournalError {
    JournalError::WriteFailed { reason: format!("the mirror cannot be used: {error}") }
}

fn as_hold_error(error: CompactError) -> HoldError {
    match error {
        CompactError::Held { run, pid } => HoldError::Held { run, pid },
        CompactError::Journal(error) => error.into(),
        error @ (CompactError::Mirror(_) | CompactError::NoMirror) => unusable(error).into(),
    }
}
