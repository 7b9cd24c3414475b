//! What was told of each recipient after the acceptance, laid over a run page by page: a run may be longer
//! than memory.
//!
//! It decides who is shown first: whoever a person must ring. Whether an acceptance is at risk is decided
//! by `depeche::risk`.

use std::collections::{BTreeMap, VecDeque};

use depeche::event::{EventKind, StoredEvent};
use depeche::journal::{DeliveryId, DeliveryRecord, DeliveryState, Journal, Outage, RunRecord};
use depeche::risk;
use jiff::SignedDuration;

use crate::failure::Failure;
use crate::run::document::{Pages, Shown};

/// A run with the outages that concern it.
pub(crate) struct Overlay<'r> {
    shown: &'r Shown,
    journal: &'r dyn Journal,
    window: SignedDuration,
    /// Of the providers of this run, the latest first.
    pub(crate) outages: Vec<Outage>,
    pub(crate) counts: Counts,
}

/// What was told of the accepted ones.
#[derive(Default)]
pub(crate) struct Counts {
    /// By what stands of each.
    pub(crate) kinds: BTreeMap<EventKind, u64>,
    pub(crate) at_risk: u64,
    /// Accepted, and not arrived.
    pub(crate) lost: u64,
}

/// A recipient, with what stands of everything that was told.
pub(crate) struct Seen {
    pub(crate) delivery: DeliveryRecord,
    pub(crate) later: Option<StoredEvent>,
    /// What puts it at risk.
    pub(crate) outage: Option<Outage>,
}

/// Recipients that are shown together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// In one of these states.
    At(&'static [DeliveryState]),
    /// Accepted, at risk.
    AtRisk,
    /// Accepted, and bounced or not sent.
    Lost,
    /// Accepted or written, and neither.
    Rest,
}

const UNCERTAIN: Group = Group::At(&[DeliveryState::Unknown, DeliveryState::Held]);
const REFUSED: Group = Group::At(&[DeliveryState::Refused]);
const PENDING: Group = Group::At(&[DeliveryState::Pending]);
/// Whoever a person must see first.
pub(crate) const ORDER: [Group; 7] = [
    UNCERTAIN,
    Group::AtRisk,
    REFUSED,
    Group::Lost,
    PENDING,
    Group::At(&[DeliveryState::Suppressed, DeliveryState::Cancelled]),
    Group::Rest,
];
/// Whom to ring.
pub(crate) const CALLS: [Group; 5] = [UNCERTAIN, Group::AtRisk, REFUSED, Group::Lost, PENDING];

impl Seen {
    /// What was told of it.
    pub(crate) fn kind(&self) -> Option<EventKind> {
        self.later.as_ref().map(|later| later.event.kind)
    }

    fn is_lost(&self) -> bool {
        self.delivery.state == DeliveryState::Accepted && self.kind().is_some_and(EventKind::is_loss)
    }

    /// The word under which it is shown and counted.
    pub(crate) fn standing(&self, shown: &Shown) -> &'static str {
        match () {
            () if self.outage.is_some() => "at-risk",
            () if self.is_lost() => "bounced",
            () => shown.state_of(&self.delivery).as_str(),
        }
    }
}

/// The declared outages of the providers that a run used, or may use.
pub(crate) async fn outages_of(journal: &dyn Journal, shown: &Shown) -> Result<Vec<Outage>, Failure> {
    let mut outages = journal.outages().await?;
    outages.retain(|outage| shown.providers.iter().any(|link| link.name == outage.provider.as_str()));
    Ok(outages)
}

/// How many of a run are at risk; `None` where nothing was declared.
pub(crate) async fn at_risk(
    journal: &dyn Journal,
    shown: &Shown,
    window: SignedDuration,
) -> Result<Option<u64>, Failure> {
    if outages_of(journal, shown).await?.is_empty() {
        return Ok(None);
    }
    Ok(Some(Overlay::read(journal, shown, window).await?.counts.at_risk))
}

impl<'r> Overlay<'r> {
    /// Reads and counts.
    pub(crate) async fn read(
        journal: &'r dyn Journal,
        shown: &'r Shown,
        window: SignedDuration,
    ) -> Result<Self, Failure> {
        let outages = outages_of(journal, shown).await?;
        let mut overlay = Self { shown, journal, window, outages, counts: Counts::default() };
        let mut counts = Counts::default();
        let mut pages = overlay.stored(&[DeliveryState::Accepted]);
        while let Some(page) = pages.next().await? {
            for one in overlay.seen(page).await? {
                counts.at_risk += u64::from(one.outage.is_some());
                counts.lost += u64::from(one.is_lost());
                if let Some(kind) = one.kind() {
                    *counts.kinds.entry(kind).or_default() += 1;
                }
            }
        }
        drop(pages);
        overlay.counts = counts;
        Ok(overlay)
    }

    pub(crate) fn run(&self) -> &'r RunRecord {
        &self.shown.run
    }

    fn stored(&self, states: &[DeliveryState]) -> Pages<'r> {
        Pages::in_groups(self.journal, &self.shown.run.id, [self.shown.stored_as(states)])
    }

    /// Those of `groups`, group after group, each in the order in which they are served.
    pub(crate) fn pages(&self, groups: &[Group]) -> SeenPages<'_> {
        let is_there = |group: &Group| match group {
            Group::AtRisk => self.counts.at_risk > 0,
            Group::Lost => self.counts.lost > 0,
            Group::At(_) | Group::Rest => true,
        };
        let groups = groups.iter().copied().filter(is_there).collect();
        SeenPages { overlay: self, groups, pages: None }
    }

    async fn seen(&self, page: Vec<DeliveryRecord>) -> Result<Vec<Seen>, Failure> {
        let ids: Vec<DeliveryId> = page.iter().map(|one| one.id).collect();
        let mut told: BTreeMap<DeliveryId, Vec<StoredEvent>> = BTreeMap::new();
        for (delivery, event) in self.journal.events_on(&self.shown.run.id, &ids).await? {
            told.entry(delivery).or_default().push(event);
        }
        let seen = |delivery: DeliveryRecord| {
            let events = told.get(&delivery.id).map_or(&[][..], Vec::as_slice);
            let later = risk::standing(&delivery, events).cloned();
            let kind = later.as_ref().map(|later| later.event.kind);
            let outage = risk::outage_of(&delivery, kind, &self.outages, self.window).cloned();
            Seen { delivery, later, outage }
        };
        Ok(page.into_iter().map(seen).collect())
    }
}

/// Recipients with what was told of them, page by page.
pub(crate) struct SeenPages<'o> {
    overlay: &'o Overlay<'o>,
    groups: VecDeque<Group>,
    pages: Option<Pages<'o>>,
}

impl SeenPages<'_> {
    /// The next page, never an empty one.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Seen>>, Failure> {
        while let Some(group) = self.groups.front().copied() {
            let states = match group {
                Group::At(states) => states,
                Group::AtRisk | Group::Lost => &[DeliveryState::Accepted][..],
                Group::Rest => &[DeliveryState::Accepted, DeliveryState::Written][..],
            };
            let overlay = self.overlay;
            let pages = self.pages.get_or_insert_with(|| overlay.stored(states));
            let Some(page) = pages.next().await? else {
                self.pages = None;
                self.groups.pop_front();
                continue;
            };
            let mut seen = self.overlay.seen(page).await?;
            seen.retain(|one| match group {
                Group::At(states) => states.contains(&overlay.shown.state_of(&one.delivery)),
                Group::AtRisk => one.outage.is_some(),
                Group::Lost => one.is_lost(),
                Group::Rest => one.outage.is_none() && !one.is_lost(),
            });
            if !seen.is_empty() {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }
}
