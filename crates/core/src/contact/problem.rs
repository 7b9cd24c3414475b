//! What can be wrong with a row, as facts: each reason has a stable [`code`](Reason::code), its
//! [`arguments`](Reason::arguments) for a translator, an English sentence and a cure.

use crate::address::AddressError;
use crate::text::UnsafeText;

/// One thing that is wrong, or odd, in one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}{}: {reason}", .column.as_ref().map(|name| format!(", column {name}")).unwrap_or_default())]
pub struct RowProblem {
    /// The row as a spreadsheet counts: the header is row 1.
    pub row: u64,
    /// The line of the file on which the row begins, from 1; unknown once only the contact is left.
    pub line: Option<u64>,
    /// The column's name (canonical or custom), when one column is to blame.
    pub column: Option<String>,
    /// What is so.
    pub reason: Reason,
}

/// What is wrong, or odd, in a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The address cell is empty.
    #[error("there is no address")]
    NoAddress,
    /// The address is none that can be mailed.
    #[error("{0}")]
    BadAddress(AddressError),
    /// A character that a header must never carry.
    #[error("{0}")]
    ControlCharacter(UnsafeText),
    /// More characters than a cell of this kind may have.
    #[error("the cell has {length} characters; {limit} is the limit")]
    TooLong {
        /// Characters found.
        length: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// The row has another number of cells than the header.
    #[error("the row has {found} cells; the header has {expected}")]
    CellCount {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
        /// Lines of the file that the row spans; more than 1 may be a quotation mark never closed.
        lines: u64,
    },
    /// Bytes that are no text in the encoding of the file.
    #[error("the row holds bytes that are not {encoding}")]
    NotInEncoding {
        /// The encoding of the file.
        encoding: &'static str,
    },
    /// A closing quotation mark with text behind it; rows of others may be inside the cell.
    #[error(
        "the quotation mark opened on line {opened_on_line} closes in the middle of a cell on line {closed_on_line}"
    )]
    TextAfterQuote {
        /// Where it opened.
        opened_on_line: u64,
        /// Where it closed.
        closed_on_line: u64,
    },
    /// The row is longer than any row may be.
    #[error("the row is longer than {limit} bytes")]
    RowTooLong {
        /// Bytes allowed.
        limit: u64,
    },
    /// The `tier` cell is not a whole number from 0 to 9999.
    #[error("`{value}` is not a tier (1, 2, 3 …)")]
    NotATier {
        /// The cell, shortened.
        value: String,
    },
    /// The text was damaged before it came here: it holds U+FFFD.
    #[error("the cell holds `\u{FFFD}`, left by a wrong conversion")]
    LostCharacters,
    /// The contact has opted out, or the address is no longer in use.
    #[error("the list says `{value}`")]
    OptedOut {
        /// The cell, shortened.
        value: String,
    },
    /// Another row of the same address says that it has opted out.
    #[error("row {row} of {file} says that this address has opted out")]
    OptedOutElsewhere {
        /// The other row's file.
        file: String,
        /// The other row.
        row: u64,
    },
    /// Odd, not wrong: neither yes nor no; the contact is not trusted with embargoes.
    #[error("`{value}` is neither yes nor no")]
    UnclearEmbargo {
        /// The cell, shortened.
        value: String,
    },
    /// Odd, not wrong: the status is a letter or two from one that means opted out.
    #[error("`{value}` looks like `{like}`, but is not; the contact is kept")]
    UnclearStatus {
        /// The cell, shortened.
        value: String,
        /// What it looks like.
        like: &'static str,
    },
    /// Odd, not wrong: a spreadsheet would calculate this cell.
    #[error("the cell begins like a spreadsheet formula")]
    LooksLikeFormula,
}

impl Reason {
    /// A stable id: `contact.no-address` …
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAddress | Self::BadAddress(AddressError::Empty) => "contact.no-address",
            Self::BadAddress(AddressError::Several(_)) => "contact.several-addresses",
            Self::BadAddress(AddressError::NameAndAddress(_)) => "contact.name-and-address",
            Self::BadAddress(AddressError::Unsafe(_)) | Self::ControlCharacter(_) => {
                "contact.control-character"
            }
            Self::BadAddress(_) => "contact.bad-address",
            Self::TooLong { .. } => "contact.too-long",
            Self::CellCount { .. } => "contact.cell-count",
            Self::NotInEncoding { .. } => "contact.not-in-encoding",
            Self::TextAfterQuote { .. } => "contact.text-after-quote",
            Self::RowTooLong { .. } => "contact.row-too-long",
            Self::NotATier { .. } => "contact.not-a-tier",
            Self::LostCharacters => "contact.lost-characters",
            Self::OptedOut { .. } => "contact.opted-out",
            Self::OptedOutElsewhere { .. } => "contact.opted-out-elsewhere",
            Self::UnclearEmbargo { .. } => "contact.unclear-embargo",
            Self::UnclearStatus { .. } => "contact.unclear-status",
            Self::LooksLikeFormula => "contact.looks-like-formula",
        }
    }

    /// The facts by name, for a translated sentence.
    #[must_use]
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NoAddress | Self::LostCharacters | Self::LooksLikeFormula => Vec::new(),
            Self::BadAddress(error) => vec![("code", error.code().to_owned()), ("text", error.text())],
            Self::ControlCharacter(found) => vec![
                ("character", format!("U+{:04X}", u32::from(found.character))),
                ("position", found.position.to_string()),
            ],
            Self::TooLong { length, limit } => {
                vec![("length", length.to_string()), ("limit", limit.to_string())]
            }
            Self::CellCount { found, expected, lines } => vec![
                ("found", found.to_string()),
                ("expected", expected.to_string()),
                ("lines", lines.to_string()),
            ],
            Self::NotInEncoding { encoding } => vec![("encoding", (*encoding).to_owned())],
            Self::TextAfterQuote { opened_on_line, closed_on_line } => vec![
                ("opened_on_line", opened_on_line.to_string()),
                ("closed_on_line", closed_on_line.to_string()),
            ],
            Self::RowTooLong { limit } => vec![("limit", limit.to_string())],
            Self::NotATier { value } | Self::OptedOut { value } | Self::UnclearEmbargo { value } => {
                vec![("value", value.clone())]
            }
            Self::OptedOutElsewhere { file, row } => vec![("file", file.clone()), ("row", row.to_string())],
            Self::UnclearStatus { value, like } => {
                vec![("value", value.clone()), ("like", (*like).to_owned())]
            }
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn cure(&self) -> String {
        match self {
            Self::NoAddress => "write the address into the cell, or delete the row".to_owned(),
            Self::BadAddress(error) => error.hint().to_owned(),
            Self::ControlCharacter(_) => {
                "retype the cell as one line, without line breaks, tabs or invisible characters".to_owned()
            }
            Self::TooLong { .. } => "shorten the cell; a long remark belongs into `notes`".to_owned(),
            Self::CellCount { lines: 2.., .. } => {
                "look for a quotation mark that is opened and not closed at the beginning of a cell".to_owned()
            }
            Self::CellCount { .. } => {
                "put a cell that holds the separator in quotation marks, and give every row as many separators as the header"
                    .to_owned()
            }
            Self::NotInEncoding { .. } => {
                "save the list again as CSV UTF-8, or state the encoding (for instance macroman)".to_owned()
            }
            Self::TextAfterQuote { .. } => {
                "double the quotation marks inside a quoted cell (\"\"), or close the cell where it ends; rows in between are not read"
                    .to_owned()
            }
            Self::RowTooLong { .. } => "look for a missing line break or quotation mark in this row".to_owned(),
            Self::NotATier { .. } => "write 1, 2, 3 … or leave the cell empty".to_owned(),
            Self::LostCharacters => "retype the accents, or export the list again as CSV UTF-8".to_owned(),
            Self::OptedOut { .. } | Self::OptedOutElsewhere { .. } => {
                "nothing to do; change the list only when the person asked to be on it again".to_owned()
            }
            Self::UnclearEmbargo { .. } => "write yes or no (oui or non)".to_owned(),
            Self::UnclearStatus { like, .. } => format!("write `{like}` if the contact is to be left out"),
            Self::LooksLikeFormula => "check that the cell holds what it should".to_owned(),
        }
    }

    /// Whether the row is bad, as against left out on purpose or merely odd.
    #[must_use]
    pub fn is_defect(&self) -> bool {
        !self.is_opt_out() && !self.is_only_odd()
    }

    /// Whether the contact is left out because it is not to be mailed.
    #[must_use]
    pub fn is_opt_out(&self) -> bool {
        matches!(self, Self::OptedOut { .. } | Self::OptedOutElsewhere { .. })
    }

    fn is_only_odd(&self) -> bool {
        matches!(self, Self::UnclearEmbargo { .. } | Self::UnclearStatus { .. } | Self::LooksLikeFormula)
    }
}

/// At most 60 characters of a cell, fit to be shown on one line.
pub(super) fn excerpt(cell: &str) -> String {
    crate::text::excerpt(cell, 60)
}
