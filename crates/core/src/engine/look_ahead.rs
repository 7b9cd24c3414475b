//! Choosing who comes next on busy lanes, and taking them back. See [`super::ahead`].

use jiff::Timestamp;

use super::ahead::Ahead;
use super::item::Item;
use super::link::{Gate, Link, Readiness};
use super::work::Work;
use crate::breaker::Permit;

/// So many recipients are looked at for one that waits for the lane.
const LOOK: usize = 16;

impl Work<'_> {
    /// Gives every busy lane whose provider asks ahead its next recipient, where all lanes are busy.
    pub(super) fn look_ahead(&mut self, now: Timestamp) {
        for index in 0..self.links.len() {
            while let Some(lane) = self.links[index].lane_that_asks_ahead(now) {
                let waits = |item: &Item| self.waits_for_a_lane_of(item, index, now);
                let Some(place) = self.ready.iter().take(LOOK).position(waits) else { break };
                let item = self.ready.remove(place);
                let open = self.links[index].lanes[lane].open.as_ref();
                // The attempt may have asked in between: then the place is closed.
                let refused = match open {
                    Some(open) => open.next.reserve(item),
                    None => Some(item),
                };
                if let Some(item) = refused {
                    self.put_back(item);
                }
            }
        }
    }

    /// Those who wait for a busy lane though another one is idle go back, unless the server knows of them.
    /// True when somebody did.
    pub(super) fn take_back_waiting(&mut self) -> bool {
        let with_idle = self.links.iter().filter(|link| link.announces && link.idle_lane().is_some());
        let open = with_idle.flat_map(|link| &link.lanes).filter_map(|lane| lane.open.as_ref());
        let back: Vec<Item> = open.filter_map(|open| open.next.take_back()).collect();
        let is_any = !back.is_empty();
        back.into_iter().for_each(|item| self.put_back(item));
        is_any
    }

    /// Nobody waits for a lane of a silent provider.
    pub(super) fn take_back_from_suspects(&mut self) {
        let suspects = self.links.iter().filter(|link| link.silence.is_suspect());
        let open = suspects.flat_map(|link| &link.lanes).filter_map(|lane| lane.open.as_ref());
        let back: Vec<Ahead> = open.filter_map(|open| open.next.close()).collect();
        back.into_iter().for_each(|ahead| self.put_back(ahead.item));
    }

    /// The attempt of a lane came back: its next recipient follows at once, if it still may.
    pub(super) fn go_on(&mut self, index: usize, lane: usize, next: Option<Ahead>) {
        let Some(Ahead { item, parcel }) = next else { return };
        let now = self.now();
        if parcel.is_some() && self.takes_new() && self.would_take(&item, index, now) {
            self.start_on(index, lane, vec![item], false, parcel);
        } else {
            self.put_back(item);
        }
    }

    /// Whether the first link of this recipient that can be waited for is this one, for want of a lane.
    fn waits_for_a_lane_of(&self, item: &Item, index: usize, now: Timestamp) -> bool {
        if !item.is_due(now) || self.paces.of(item.record.address.domain()).is_some() {
            return false;
        }
        let mut links = self.links_for(item).filter(|(_, link)| !item.tried.contains(&link.name));
        let first = links.find_map(|(other, link)| match self.readiness(link, now) {
            Readiness::Ready { .. } => Some((other, false)),
            Readiness::Busy { until } => Some((other, until.is_none())),
            Readiness::Later { .. } | Readiness::SetAside { .. } => None,
        });
        first == Some((index, true))
    }
}

impl Link {
    /// The lane whose attempt began first, of those that can still be given somebody; `None` while the link
    /// has an idle lane, or is not wholly trusted.
    fn lane_that_asks_ahead(&self, now: Timestamp) -> Option<usize> {
        let is_trusted = !self.silence.is_suspect()
            && self.breaker.permit(now) == Permit::Yes
            && self.resting_until.is_none_or(|until| until <= now)
            && self.gate == Gate::Open;
        if !self.announces || !is_trusted || self.idle_lane().is_some() {
            return None;
        }
        let open = self.lanes.iter().enumerate().filter_map(|(lane, at)| at.open.as_ref().map(|o| (lane, o)));
        let free = open.filter(|(_, open)| !open.is_probe && open.items.len() == 1 && open.next.is_free());
        free.min_by_key(|(_, open)| open.started_at).map(|(lane, _)| lane)
    }
}
