//! Contacts: who is on the list, and what is known of each.
//!
//! A list is a CSV file that somebody else wrote: [`ContactReader`] finds out its encoding, separator
//! and columns, shows what it found ([`Detection`], [`ColumnMapping`]) and reads row by row from any
//! stream. A bad row is left out with its row number, line, reason and cure; nothing is mended in
//! silence. CLI.md, section contacts.csv, and DELIVERY.md, "Security that belongs to delivery", are
//! the rules.
//!
//! Spreadsheets themselves (xlsx, ods) are refused, with the way to save them as CSV.

mod contact_list;
mod convert;
mod csv_safe;
mod encoding;
mod error;
mod header;
mod list;
pub(crate) mod nearest;
mod problem;
mod reader;
mod row;
mod selection;
mod separator;
mod stored;
mod watch;

use std::collections::BTreeMap;

pub use contact_list::ContactList;
pub use convert::{ConvertError, ConvertOptions, Converted, convert};
pub use csv_safe::csv_safe;
pub use encoding::{EncodingEvidence, TextEncoding};
pub use error::{HeaderProblem, ListError};
pub use header::{ColumnKind, ColumnMapping, KNOWN_COLUMNS};
pub use list::{Duplicate, FileError, FileReport, LeftOut, Loaded, Place, Remark, Source, load};
pub use problem::{Reason, RowProblem};
pub use reader::{ContactReader, Detection, ReadOptions, Row};
pub use row::Verdict;
pub use selection::{Expression, Selection, SelectionError, SelectionErrorKind};
pub use separator::Separator;
pub use stored::Scratch;

use crate::address::EmailAddress;

/// The columns that releases and headers use as a rule. Without a release at hand a cell of these that none could
/// use ([`Contact::check_used`]) is a bad row; with one, only a cell that it does use is.
pub const GREETED_COLUMNS: [&str; 8] =
    ["first_name", "last_name", "salutation", "outlet", "role", "lang", "region", "phone"];

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

impl Contact {
    /// What is wrong with the cells that the release or a header uses: control characters, over 500
    /// characters, or `U+FFFD`. A line break in `notes` is nobody's concern until it is used.
    #[must_use]
    pub fn check_used(&self, used_fields: &[&str]) -> Vec<RowProblem> {
        let problem = |name: &&str| {
            let reason = row::used_cell_problem(self.fields.get(*name)?)?;
            Some(RowProblem { row: self.row, line: None, column: Some((*name).to_owned()), reason })
        };
        used_fields.iter().filter_map(problem).collect()
    }
}
