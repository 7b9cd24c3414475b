//! What a journal has and a mirror lacks, told page by page: of a long list only a page stands in memory.
//!
//! Against nothing known it is all that the journal holds, as a new mirror or a snapshot needs it.
//!
//! # Not covered
//!
//! Opt-outs and complaints about messages that the journal does not know: what followed from them stands on the
//! suppression list. The audit, and what was used of budgets, are the machine's own.

use std::collections::BTreeSet;

use async_trait::async_trait;
use depeche_core::event::StoredEvent;
use depeche_core::journal::pseudonym::is_pseudonym;
use depeche_core::journal::{
    DeliveryId, DeliveryRecord, Journal, JournalError, Outage, RunId, RunKind, RunRecord,
};
use depeche_core::provider::ProviderName;
use jiff::Timestamp;
use uuid::Uuid;

use crate::fold::{Known, KnownRun};
use crate::log::LogError;
use crate::record::{FrozenRecipient, FrozenRun, Record, Stands, Suppressed};

/// Who is told.
#[async_trait]
pub(crate) trait Listener: Send {
    /// Takes what comes next.
    async fn take(&mut self, records: Vec<Record>) -> Result<(), LogError>;
}

/// Why not all was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The listener failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What is told of.
pub(crate) struct Telling<'a> {
    /// By whom.
    pub(crate) journal: &'a dyn Journal,
    /// What the listener knows already.
    pub(crate) known: &'a Known,
    /// Whether runs that another process works on are left to it.
    pub(crate) skips_held: bool,
    /// Whether the listener may name somebody still whom the journal has forgotten: until it is told everything anew,
    /// it must not be told that they are.
    pub(crate) owes_forgetting: bool,
}

/// Deliveries that are read at a time.
const PAGE: usize = 500;

impl Telling<'_> {
    /// Tells `listener` everything that is not known.
    pub(crate) async fn to(&self, listener: &mut dyn Listener) -> Result<(), TellError> {
        let told = self.known.events.iter();
        let told: BTreeSet<[u8; 32]> =
            told.flat_map(|(source, events, _)| events.iter().map(|event| event.identity(source))).collect();
        let mut runs = self.journal.runs().await?;
        runs.reverse();
        for run in runs.iter().filter(|run| run.kind == RunKind::Real) {
            if !self.skips_held || self.journal.holder(&run.id).await?.is_none() {
                self.run(run, &told, listener).await?;
            }
        }
        let others = self.others().await?;
        if !others.is_empty() {
            listener.take(others).await?;
        }
        Ok(())
    }

    async fn run(
        &self,
        run: &RunRecord,
        told: &BTreeSet<[u8; 32]>,
        listener: &mut dyn Listener,
    ) -> Result<(), TellError> {
        let empty = KnownRun::default();
        let theirs = self.known.runs.get(&run.id).unwrap_or(&empty);
        if !theirs.is_whole() {
            let mut pages = Pages::of(&run.id);
            while let Some(page) = pages.next(self.journal).await? {
                listener.take(page).await?;
            }
        }
        let mut after = None;
        loop {
            let page = self.journal.deliveries(&run.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.tier, last.position));
            let mut records = self.stand(&run.id, &page, theirs).await?;
            records.extend(self.events(&run.id, &page, told).await?);
            if !records.is_empty() {
                listener.take(records).await?;
            }
        }
        let at = run.ended_at.unwrap_or(run.created_at);
        let state = Record::State { run: run.id.clone(), state: run.state, note: run.note.clone(), at };
        Ok(listener.take(vec![state]).await?)
    }

    /// Where those of a page stand, as far as it is known otherwise.
    async fn stand(
        &self,
        run: &RunId,
        page: &[DeliveryRecord],
        theirs: &KnownRun,
    ) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        for delivery in page {
            let attempts = match delivery.attempts {
                0 => Vec::new(),
                _ => self.journal.attempts(delivery.id).await?,
            };
            let (key, stands) = (delivery.address.key(), Stands::of(delivery, &attempts));
            if differ(&stands, &theirs.stands(&key)) {
                records.push(Record::Stands { run: run.clone(), key, stands });
            }
        }
        Ok(records)
    }

    /// What was told of those of a page, after their acceptance.
    async fn events(
        &self,
        run: &RunId,
        page: &[DeliveryRecord],
        told: &BTreeSet<[u8; 32]>,
    ) -> Result<Vec<Record>, JournalError> {
        let tried = page.iter().filter(|delivery| delivery.attempts > 0);
        let ids: Vec<DeliveryId> = tried.map(|delivery| delivery.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.journal.events_on(run, &ids).await?.into_iter().map(|(_, stored)| stored);
        // What the mirror has under the address would stand in it twice.
        let may_say = |stored: &StoredEvent| !self.owes_forgetting || !is_pseudonym(&stored.event.recipient);
        let lacking =
            found.filter(|stored| may_say(stored) && !told.contains(&stored.event.identity(&stored.source)));
        let one = |StoredEvent { source, event, seen_at }: StoredEvent| Record::Events {
            source,
            events: vec![event],
            at: seen_at,
        };
        Ok(lacking.map(one).collect())
    }

    /// What belongs to no run.
    async fn others(&self) -> Result<Vec<Record>, JournalError> {
        let (journal, known) = (self.journal, self.known);
        let mut records = Vec::new();
        // First: under it the journal knows those who were forgotten.
        let key = journal.forgotten_key(None).await?.filter(|key| known.forgotten_key != Some(*key));
        records.extend(key.map(|key| Record::ForgottenKey { key }));
        let may_say = |entry: &Suppressed| !self.owes_forgetting || !is_pseudonym(entry.key.as_str());
        let entries = journal.suppressions(None).await?;
        let entries = entries.iter().map(Suppressed::from);
        let entries: Vec<Suppressed> =
            entries.filter(|entry| !known.suppressed.contains_key(&entry.key) && may_say(entry)).collect();
        if !entries.is_empty() {
            records.push(Record::Suppressed { entries });
        }
        let breakers = journal.breakers().await?;
        let is_new = |breaker: &depeche_core::journal::BreakerRecord| {
            known.breakers.get(&breaker.provider) != Some(breaker)
        };
        records.extend(breakers.into_iter().filter(is_new).map(Record::Breaker));
        records.extend(outages(&journal.outages().await?, known));
        Ok(records)
    }
}

/// What a person said of outages, as far as it is known otherwise.
fn outages(own: &[Outage], known: &Known) -> Vec<Record> {
    let name = |outage: &Outage| (outage.provider.clone(), outage.since);
    let is_known =
        |outage: &Outage| known.outages.get(&name(outage)).is_some_and(|said| said.as_ref() == Some(outage));
    let declared = own.iter().filter(|outage| !is_known(outage)).cloned().map(Record::Outage);
    let stands = |withdrawn: &(ProviderName, Timestamp)| own.iter().any(|outage| name(outage) == *withdrawn);
    let withdrawn = known.outages.iter().filter(|(name, said)| said.is_some() && !stands(name));
    let withdrawn = withdrawn
        .map(|((provider, since), _)| Record::OutageWithdrawn { provider: provider.clone(), since: *since });
    declared.chain(withdrawn).collect()
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
