//! The recipients of a run about to be frozen, one after the other: a list may be longer than what
//! memory should hold, so a journal takes them page by page, in one transaction all the same.

use std::fmt;
use std::io;

use super::NewDelivery;

/// Recipients about to be frozen, in the order in which they are served.
pub struct NewDeliveries(Box<dyn Iterator<Item = io::Result<NewDelivery>> + Send>);

impl NewDeliveries {
    /// Takes them from `rest` as they are needed. An `Err` means that the list cannot be read any
    /// further: nothing is frozen.
    pub fn new(rest: impl Iterator<Item = io::Result<NewDelivery>> + Send + 'static) -> Self {
        Self(Box::new(rest))
    }
}

impl Iterator for NewDeliveries {
    type Item = io::Result<NewDelivery>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl From<Vec<NewDelivery>> for NewDeliveries {
    fn from(list: Vec<NewDelivery>) -> Self {
        Self::new(list.into_iter().map(Ok))
    }
}

impl fmt::Debug for NewDeliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewDeliveries")
    }
}
