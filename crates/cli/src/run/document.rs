//! How a run is shown: the one document of `send`, `resume` and `status`, and its exit code.

use std::collections::{HashSet, VecDeque};

use depeche::journal::{
    BreakerRecord, DeliveryId, DeliveryRecord, DeliveryState, Journal, RunId, RunRecord, RunState, Totals,
    effective_state,
};
use depeche::outcome::Trouble;
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::long::LongDocument;
use crate::out::Out;

/// A run with all that is known of it.
pub(crate) struct Shown {
    pub(crate) run: RunRecord,
    /// Where it stands, given whether a process holds it.
    pub(crate) state: RunState,
    pub(crate) totals: Totals,
    pub(crate) providers: Vec<Link>,
    /// How far the mirror lags, where `status` is asked.
    pub(crate) mirror: Option<Value>,
    /// What is used of the receiving domains' pace, where `status` is asked and one is stated.
    pub(crate) pace: Option<Value>,
    /// How many are accepted, at risk, where an outage of their provider was declared.
    pub(crate) at_risk: Option<u64>,
    /// The open attempts whose process is gone: uncertain, though nobody has written so yet.
    orphans: HashSet<DeliveryId>,
}

/// A provider of the run's route.
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) accepted: u64,
    pub(crate) breaker: Option<BreakerRecord>,
}

impl Link {
    /// Whether it is set aside.
    pub(crate) fn is_open(&self) -> bool {
        self.breaker.as_ref().is_some_and(|record| record.open_since.is_some())
    }
}

/// Reads a run.
pub(crate) async fn read(journal: &dyn Journal, run: &RunId) -> Result<Shown, Failure> {
    let record =
        journal.run(run).await?.ok_or_else(|| depeche::journal::JournalError::NoSuchRun(run.clone()))?;
    let is_held = journal.holder(run).await?.is_some();
    let accepted = journal.accepted_by_provider(run).await?;
    let breakers = journal.breakers().await?;
    let mut names = record.route.clone();
    names.extend(accepted.iter().map(|(name, _)| name.clone()).filter(|name| !record.route.contains(name)));
    let link = |name: &depeche::provider::ProviderName| Link {
        name: name.to_string(),
        accepted: accepted.iter().find(|(other, _)| other == name).map_or(0, |(_, count)| *count),
        breaker: breakers.iter().find(|record| record.provider == *name).cloned(),
    };
    // In this order: of whom the totals count as uncertain, nobody is listed as anything else.
    let totals = journal.totals(run).await?;
    let orphans = journal.orphans(run).await?.into_iter().collect();
    Ok(Shown {
        state: effective_state(record.state, is_held),
        totals,
        providers: names.iter().map(link).collect(),
        mirror: None,
        pace: None,
        at_risk: None,
        run: record,
        orphans,
    })
}

/// So many recipients are in memory at once.
const PAGE: usize = 1_000;

/// The recipients of a run, page by page: a run may be longer than memory.
pub(crate) struct Pages<'j> {
    journal: &'j dyn Journal,
    run: &'j RunId,
    /// One group of states after the other; `None` stands for everybody.
    groups: VecDeque<Option<Vec<DeliveryState>>>,
    after: Option<(u32, u64)>,
}

impl<'j> Pages<'j> {
    /// Everybody, in the order in which they are served.
    pub(crate) fn all(journal: &'j dyn Journal, run: &'j RunId) -> Self {
        Self { journal, run, groups: [None].into(), after: None }
    }

    /// Those in the states of the first group, then of the second …, each group in the order in which
    /// they are served.
    pub(crate) fn in_groups(
        journal: &'j dyn Journal,
        run: &'j RunId,
        groups: impl IntoIterator<Item = Vec<DeliveryState>>,
    ) -> Self {
        Self { journal, run, groups: groups.into_iter().map(Some).collect(), after: None }
    }

    /// The next page, never an empty one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<DeliveryRecord>>, Failure> {
        while let Some(states) = self.groups.front() {
            let page = match states {
                None => self.journal.deliveries(self.run, self.after, PAGE).await?,
                Some(states) => self.journal.deliveries_in(self.run, states, self.after, PAGE).await?,
            };
            self.after = page.last().map(|last| (last.tier, last.position));
            if !page.is_empty() {
                return Ok(Some(page));
            }
            self.groups.pop_front();
        }
        Ok(None)
    }
}

impl Shown {
    /// How a command that shows this run ends.
    pub(crate) fn exit(&self) -> Exit {
        let totals = &self.totals;
        let mut found = Vec::new();
        if self.state == RunState::Interrupted && totals.pending > 0 {
            found.push(Exit::Interrupted);
        }
        if totals.unknown + totals.held > 0 {
            found.push(Exit::Unknown);
        }
        if totals.refused > 0 {
            found.push(Exit::Refused);
        }
        if totals.pending > 0 {
            found.push(if self.nobody_could_log_in() { Exit::Credentials } else { Exit::Pending });
        }
        Exit::foremost(found)
    }

    /// Every provider of the route refused our credentials, and nobody got the release.
    fn nobody_could_log_in(&self) -> bool {
        let refused = |link: &Link| {
            let trouble = link.breaker.as_ref().filter(|_| link.is_open()).and_then(|record| record.trouble);
            trouble == Some(Trouble::Credentials)
        };
        self.totals.accepted == 0 && !self.providers.is_empty() && self.providers.iter().all(refused)
    }

    /// The state of one recipient, as the totals count it.
    pub(crate) fn state_of(&self, delivery: &DeliveryRecord) -> DeliveryState {
        match delivery.state {
            DeliveryState::Intent if self.orphans.contains(&delivery.id) => DeliveryState::Unknown,
            DeliveryState::Intent => DeliveryState::Pending,
            state => state,
        }
    }

    /// In which states those are stored that are shown in one of `states`. Of the open attempts it may be more:
    /// [`Shown::state_of`] has the last word.
    pub(crate) fn stored_as(&self, states: &[DeliveryState]) -> Vec<DeliveryState> {
        let is_open = states.contains(&DeliveryState::Pending)
            || states.contains(&DeliveryState::Unknown) && !self.orphans.is_empty();
        states.iter().copied().chain(is_open.then_some(DeliveryState::Intent)).collect()
    }

    /// How many are those about whom a person decides.
    pub(crate) fn doubtful_count(&self) -> u64 {
        self.totals.unknown + self.totals.held
    }

    /// The first of those about whom a person decides.
    pub(crate) async fn doubtful(
        &self,
        journal: &dyn Journal,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, Failure> {
        let shown = [DeliveryState::Unknown, DeliveryState::Held];
        let mut pages = Pages::in_groups(journal, &self.run.id, [self.stored_as(&shown)]);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(page) = pages.next().await?
        {
            found.extend(page.into_iter().filter(|one| shown.contains(&self.state_of(one))));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The one document, with everybody in the order in which they are served.
    pub(crate) async fn write(&self, exit: Exit, journal: &dyn Journal, out: &Out) -> Result<(), Failure> {
        let mut pages = Pages::all(journal, &self.run.id);
        let mut document = LongDocument::new(out, self.summary(exit));
        document.list("recipients");
        while document.is_wanted()
            && let Some(page) = pages.next().await?
        {
            for delivery in &page {
                document.entry(&self.recipient(delivery));
            }
        }
        document.end();
        Ok(())
    }

    /// The document without its recipients.
    pub(crate) fn summary(&self, exit: Exit) -> Value {
        let mut providers = Map::new();
        for link in &self.providers {
            let breaker = if link.is_open() { "open" } else { "closed" };
            providers.insert(link.name.clone(), json!({ "accepted": link.accepted, "breaker": breaker }));
        }
        let left_out: Value = serde_json::from_str(&self.run.left_out).unwrap_or_else(|_| json!([]));
        let mut summary = json!({
            "version": 1,
            "exit": exit.code(),
            "run": self.head(),
            "totals": self.totals,
            "left_out": left_out,
            "providers": providers,
        });
        if let Some(mirror) = &self.mirror {
            summary["mirror"] = mirror.clone();
        }
        if let Some(pace) = &self.pace {
            summary["pace"] = pace.clone();
        }
        if let Some(at_risk) = self.at_risk {
            summary["at_risk"] = at_risk.into();
        }
        summary
    }

    /// The run without its recipients.
    pub(crate) fn head(&self) -> Value {
        json!({
            "id": self.run.id.as_str(),
            "release": self.run.release,
            "kind": self.run.kind.as_str(),
            "state": self.state.as_str(),
            "started_at": self.run.created_at,
            "ended_at": self.run.ended_at,
            "note": self.run.note,
        })
    }

    /// One recipient.
    pub(crate) fn recipient(&self, delivery: &DeliveryRecord) -> Value {
        json!({
            "address": delivery.address.to_string(),
            "state": self.state_of(delivery).as_str(),
            "provider": delivery.provider.as_ref().map(|name| name.as_str()),
            "attempts": delivery.attempts,
            "message_id": delivery.message_id.as_str(),
            "provider_id": delivery.provider_id,
            "reply": delivery.reply,
            "at": delivery.at,
        })
    }
}
