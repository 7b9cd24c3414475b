//! What [`MirroredJournal`] does before the wire: intents into the mirror, or back out of the journal; and who the
//! recipients of a run are, as records name them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use depeche_core::address::RecipientKey;
use depeche_core::journal::{
    AttemptState, DeliveryId, DeliveryState, Intent, Journal as _, JournalError, RunId, RunKind,
    SettledAttempt, Settlement, Urgency,
};
use depeche_core::outcome::Denied;

use super::{MirroredJournal, Names};
use crate::keeper::{Keeper, Mode};
use crate::log::LogError;
use crate::record::{Attempt, Record};
use crate::session;

/// Deliveries that are read at a time.
const PAGE: usize = 1_000;

impl MirroredJournal {
    pub(super) async fn names(&self, run: &RunId) -> Result<Arc<Names>, JournalError> {
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let is_kept = self.inner.run(run).await?.is_some_and(|run| run.kind == RunKind::Real);
        let names = if is_kept { Some(self.read_names(run).await?) } else { None };
        let names = Arc::new(names);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), Arc::clone(&names));
        Ok(names)
    }

    /// Page by page: of a long list only the names stay in memory, not what its contacts carry.
    async fn read_names(&self, run: &RunId) -> Result<BTreeMap<DeliveryId, RecipientKey>, JournalError> {
        let (mut names, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.inner.deliveries(run, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(names) };
            after = Some((last.tier, last.position));
            names.extend(page.into_iter().map(|delivery| (delivery.id, delivery.address.key())));
        }
    }

    /// The names of a run whose own word is not waited for: none when they cannot be read.
    pub(super) async fn names_or_none(&self, run: &RunId) -> Arc<Names> {
        self.names(run).await.unwrap_or_default()
    }

    pub(super) async fn is_kept(&self, run: &RunId) -> bool {
        self.names_or_none(run).await.is_some()
    }

    pub(super) fn taken_over(&self) -> Result<(), Denied> {
        let lag = self.keeper.as_ref().map(Keeper::lag).filter(|lag| lag.taken_over);
        lag.map_or(Ok(()), |lag| Err(Denied::TakenOver { by: lag.trouble.unwrap_or_default() }))
    }

    /// The intents as the mirror keeps them; before the wire when it must be so.
    async fn mirror(&self, intents: &[Intent]) -> Result<(), LogError> {
        let Some(run) = intents.first().map(|intent| &intent.run) else { return Ok(()) };
        let names = self.names_or_none(run).await;
        let Some(names) = names.as_ref() else { return Ok(()) };
        let record = |intent: &Intent| {
            let key = names.get(&intent.delivery)?.clone();
            Some(Record::Intent { run: intent.run.clone(), key, attempt: Attempt::open(intent) })
        };
        let records: Vec<Record> = intents.iter().filter_map(record).collect();
        self.note(&records);
        match (&self.keeper, self.mode) {
            (None, _) => Ok(()),
            (Some(keeper), Mode::Async) => {
                keeper.keep(records);
                Ok(())
            }
            (Some(keeper), Mode::Sync) => keeper.keep_before_going_on(records).await,
        }
    }

    /// Takes intents back: nothing was handed over.
    async fn withdraw(&self, intents: &[Intent], why: &str) -> Result<(), JournalError> {
        let back = |intent: &Intent| Settlement {
            run: intent.run.clone(),
            delivery: intent.delivery,
            fence: intent.fence + 1,
            attempt: Some(SettledAttempt {
                id: intent.attempt,
                had_intent: true,
                provider: intent.provider.clone(),
                state: AttemptState::NotAccepted,
                blames: None,
                provider_id: None,
                started_at: intent.at,
            }),
            from: DeliveryState::Intent,
            to: DeliveryState::Pending,
            not_before: None,
            transient: false,
            avoid: None,
            bad_address: false,
            reply: Some(why.to_owned()),
            at: intent.at,
        };
        self.settle(intents.iter().map(back).collect(), Urgency::Now).await
    }

    /// The mirror has the intents, or the journal has them no more.
    pub(super) async fn mirror_or_withdraw(&self, intents: &[Intent]) -> Result<(), Denied> {
        let Err(error) = self.mirror(intents).await else { return Ok(()) };
        let denied = match &error {
            LogError::OtherOwner(_) => Denied::TakenOver { by: error.to_string() },
            _ => Denied::MirrorLost { reason: error.to_string() },
        };
        match self.withdraw(intents, "nothing was handed over: the mirror has not the intent").await {
            Ok(()) => Err(denied),
            Err(error) => Err(Denied::JournalFailed { reason: error.to_string() }),
        }
    }

    /// A list that was just frozen, page by page.
    pub(super) async fn keep_list(&self, run: &RunId) -> Result<(), JournalError> {
        let mut pages = session::Pages::of(run);
        let mut waits = self.mode == Mode::Sync;
        while let Some(records) = pages.next(&*self.inner).await? {
            match self.keeper.as_ref().filter(|_| waits) {
                Some(keeper) => {
                    self.note(&records);
                    // What fails here fails again at the first intent, and is told there.
                    waits = keeper.keep_before_going_on(records).await.is_ok();
                }
                None => self.keep(records),
            }
        }
        Ok(())
    }

    pub(super) fn outcomes(settlements: &[Settlement], names: &Names) -> Vec<Record> {
        let Some(names) = names else { return Vec::new() };
        settlements.iter().filter_map(|settlement| session::outcome(settlement, names)).collect()
    }
}
