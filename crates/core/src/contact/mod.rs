//! Contacts: who is on the list, and what is known of each.

use std::collections::BTreeMap;

use crate::address::EmailAddress;

/// What is known of a contact, by canonical column name (`first_name`, `outlet` …) or, for custom
/// columns, by the column's own name. Empty cells are absent.
pub type Fields = BTreeMap<String, String>;

/// One journalist on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The row in the file, counted from 1, the header included.
    pub row: u64,
    /// Where the release goes.
    pub address: EmailAddress,
    /// Served in this order, 1 first; contacts without a tier come last ([`u32::MAX`]).
    pub tier: u32,
    /// Whether the contact is trusted with releases before their embargo ends.
    pub embargo_trusted: bool,
    /// Every known and custom column, `email` included.
    pub fields: Fields,
}
