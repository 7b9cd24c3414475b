//! What [`MirroredJournal`] does before the wire: intents into the mirror, or back out of the journal; and who the
//! recipients of a run are, as records name them.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use async_trait::async_trait;
use depeche_core::journal::{
    AttemptState, DeliveryId, DeliveryRecord, DeliveryState, Intent, Journal as _, JournalError, RunId,
    RunKind, SettledAttempt, Settlement, Urgency,
};
use depeche_core::outcome::Denied;

use super::names::Known;
use super::{MirroredJournal, Names};
use crate::keeper::{Keeper, Mode};
use crate::log::LogError;
use crate::record::{Attempt, Record};
use crate::session;
use crate::telling::{Listener, Pages};

/// What the mirror lacks, on its way to it.
pub(super) struct Queue<'a> {
    pub(super) keeper: &'a Keeper,
    /// For each page, until one fails: what fails here fails again at the first intent, and is told there.
    pub(super) waits: bool,
}

#[async_trait]
impl Listener for Queue<'_> {
    async fn take(&mut self, records: Vec<Record>) -> Result<(), LogError> {
        match self.waits {
            true => self.waits = self.keeper.keep_before_going_on(records).await.is_ok(),
            false => self.keeper.keep(records),
        }
        Ok(())
    }
}

/// Deliveries that are read at a time.
const PAGE: usize = 1_000;

impl MirroredJournal {
    /// Looks at what is known of a run, which is read first when nothing is.
    async fn with_known<T>(
        &self,
        run: &RunId,
        look: impl FnOnce(&mut Known) -> T + Send,
    ) -> Result<T, JournalError> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get_mut(run) {
            return Ok(look(known));
        }
        // A run that is not there may yet be frozen: nothing is concluded from its absence.
        let Some(record) = self.inner.run(run).await? else { return Ok(look(&mut Known::default())) };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(look(all.entry(run.clone()).or_insert_with(|| Known::new(record.kind == RunKind::Real))))
    }

    /// The names of those deliveries; empty for a run that is not kept.
    async fn names(&self, run: &RunId, wanted: Vec<DeliveryId>) -> Result<Names, JournalError> {
        if let Some(names) = self.with_known(run, |known| known.of(&wanted)).await? {
            return Ok(names);
        }
        let all = self.read_names(run).await?;
        self.with_known(run, |known| {
            known.all(all);
            known.of(&wanted).unwrap_or_default()
        })
        .await
    }

    /// Page by page: of a long list only the names stay in memory, not what its contacts carry.
    async fn read_names(&self, run: &RunId) -> Result<Names, JournalError> {
        let (mut names, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.inner.deliveries(run, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(names) };
            after = Some((last.tier, last.position));
            names.extend(page.into_iter().map(|delivery| (delivery.id, delivery.address.key())));
        }
    }

    /// These are about to be handed out.
    pub(super) async fn listed(&self, run: &RunId, page: &[DeliveryRecord]) -> Result<(), JournalError> {
        self.with_known(run, |known| known.listed(page)).await
    }

    /// The names of those whom settlements are about: none when they cannot be read.
    pub(super) async fn names_of(&self, settlements: &[Settlement]) -> Names {
        let Some(first) = settlements.first() else { return Names::new() };
        let wanted = settlements.iter().map(|settlement| settlement.delivery).collect();
        self.names(&first.run, wanted).await.unwrap_or_default()
    }

    pub(super) async fn is_kept(&self, run: &RunId) -> bool {
        self.with_known(run, |known| known.is_kept).await.unwrap_or_default()
    }

    pub(super) fn taken_over(&self) -> Result<(), Denied> {
        let lag = self.keeper.as_ref().map(Keeper::lag).filter(|lag| lag.taken_over);
        lag.map_or(Ok(()), |lag| Err(Denied::TakenOver { by: lag.trouble.unwrap_or_default() }))
    }

    /// The intents as the mirror keeps them; before the wire when it must be so.
    async fn mirror(&self, intents: &[Intent]) -> Result<(), LogError> {
        let Some(run) = intents.first().map(|intent| &intent.run) else { return Ok(()) };
        let wanted = intents.iter().map(|intent| intent.delivery).collect();
        let names = self.names(run, wanted).await.unwrap_or_default();
        if names.is_empty() {
            return Ok(());
        }
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
            wish: None,
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
        let mut pages = Pages::of(run);
        let mut queue = self.keeper.as_ref().map(|keeper| Queue { keeper, waits: self.mode == Mode::Sync });
        while let Some(records) = pages.next(&*self.inner).await? {
            self.note(&records);
            if let Some(queue) = &mut queue {
                // It only queues, or waits: nothing of it fails.
                let _ = queue.take(records).await;
            }
        }
        Ok(())
    }

    pub(super) fn outcomes(settlements: &[Settlement], names: &Names) -> Vec<Record> {
        let records = |settlement| {
            [session::outcome(settlement, names), session::wish(settlement, names)].into_iter().flatten()
        };
        settlements.iter().flat_map(records).collect()
    }
}
