//! Who comes next on a lane, chosen while the message before is on its way.
//!
//! A provider that can name the next message to its server early (SMTP with PIPELINING: MAIL, RCPT and
//! DATA behind the terminator of the message before, RFC 2920) asks [`crate::provider::Commit::next`] for
//! it. The recipient is reserved in memory and nowhere else: nothing durable is needed before its own
//! intent, which follows the 354 as always. The loop may take it back at any time; the provider then sees
//! another attempt on that lane, or none, and closes the connection without a further byte.

use std::sync::{Arc, Mutex, PoisonError};

use super::item::Item;
use crate::provider::Parcel;

/// A recipient that waits for a lane, and the attempt under which its provider was told of it.
pub(super) struct Ahead {
    pub(super) item: Item,
    /// Rendered, with the attempt's identifiers; absent while the provider has not asked.
    pub(super) parcel: Option<Parcel>,
}

/// The place beside an attempt in flight: filled and emptied by the loop, read by the attempt.
#[derive(Default)]
pub(super) struct Next(Mutex<Place>);

#[derive(Default)]
struct Place {
    ahead: Option<Ahead>,
    /// The provider asked already, or the place was emptied: it takes nobody any more.
    is_closed: bool,
}

impl Next {
    /// Whether somebody can still be put here in time.
    pub(super) fn is_free(&self) -> bool {
        let place = self.place();
        place.ahead.is_none() && !place.is_closed
    }

    /// Whether somebody waits here.
    pub(super) fn is_taken(&self) -> bool {
        self.place().ahead.is_some()
    }

    /// Reserves the place; gives the recipient back when it is not free.
    pub(super) fn reserve(&self, item: Item) -> Option<Item> {
        let mut place = self.place();
        if place.ahead.is_some() || place.is_closed {
            return Some(item);
        }
        place.ahead = Some(Ahead { item, parcel: None });
        None
    }

    /// Whoever waits here, for good: nobody else is taken.
    pub(super) fn close(&self) -> Option<Ahead> {
        let mut place = self.place();
        place.is_closed = true;
        place.ahead.take()
    }

    /// Whoever waits here, if the provider has not asked for them yet.
    pub(super) fn take_back(&self) -> Option<Item> {
        let mut place = self.place();
        place.ahead.take_if(|ahead| ahead.parcel.is_none()).map(|ahead| ahead.item)
    }

    /// The next parcel, for the provider; `make` gives it on the first call. `None` when nobody waits here,
    /// or cannot be rendered (which their own attempt will find).
    pub(super) fn announce(&self, make: impl FnOnce(&Item) -> Option<Parcel>) -> Option<Parcel> {
        let mut place = self.place();
        place.is_closed = true;
        let ahead = place.ahead.as_mut()?;
        if ahead.parcel.is_none() {
            ahead.parcel = make(&ahead.item);
            ahead.item.message = ahead.parcel.as_ref().map(|parcel| Arc::clone(&parcel.message));
        }
        ahead.parcel.clone()
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
