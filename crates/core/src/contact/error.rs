//! Why a list as a whole cannot be read.

use super::watch::MAX_ROW_BYTES;

/// The file cannot be read as a list; no row of it is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The stream broke.
    #[error("the list cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The scratch file that holds its rows cannot be written or read.
    #[error("the temporary copy of the list cannot be used: {0}")]
    Scratch(#[source] std::io::Error),
    /// There is nothing in it.
    #[error("the list is empty")]
    Empty,
    /// It is no separated text.
    #[error("this is {kind}, not a CSV file")]
    NotText {
        /// What it is, with its article: "an Excel workbook (.xlsx)".
        kind: &'static str,
    },
    /// Excel's first line names a separator that is not understood.
    #[error("the first line says that `{stated}` separates the cells")]
    UnknownSeparator {
        /// The separator as stated.
        stated: String,
    },
    /// The header cannot be used; all its problems.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Header(Vec<HeaderProblem>),
    /// A quotation mark swallows the rest of the file.
    #[error("row {row}: the quotation mark opened on line {line} is never closed")]
    UnclosedQuote {
        /// The row in which it opens.
        row: u64,
        /// The line on which it opens.
        line: u64,
    },
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// No column holds the address.
    #[error("no column is called `email`; the header has {}", quoted(.found))]
    NoEmailColumn {
        /// The headers that are there.
        found: Vec<String>,
        /// The header that may be meant.
        did_you_mean: Option<String>,
        /// The first row holds an address: the header is missing.
        first_row_is_data: bool,
    },
    /// Two columns mean the same.
    #[error("columns {first_column} (`{first}`) and {second_column} (`{second}`) both mean `{name}`")]
    ColumnTwice {
        /// What both mean.
        name: String,
        /// The first one's header.
        first: String,
        /// Its place, from 1.
        first_column: usize,
        /// The second one's header.
        second: String,
        /// Its place, from 1.
        second_column: usize,
    },
}

impl ListError {
    /// A stable id: `list.empty` …
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "list.io",
            Self::Scratch(_) => "list.scratch",
            Self::Empty => "list.empty",
            Self::NotText { .. } => "list.not-text",
            Self::UnknownSeparator { .. } => "list.unknown-separator",
            Self::Header(_) => "list.header",
            Self::UnclosedQuote { .. } => "list.unclosed-quote",
        }
    }

    /// The facts by name, for a translated sentence; a header's problems have their own.
    #[must_use]
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Io(source) | Self::Scratch(source) => vec![("source", source.to_string())],
            Self::Empty | Self::Header(_) => Vec::new(),
            Self::NotText { kind } => vec![("kind", (*kind).to_owned())],
            Self::UnknownSeparator { stated } => vec![("stated", stated.clone())],
            Self::UnclosedQuote { row, line } => vec![("row", row.to_string()), ("line", line.to_string())],
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io(_) => None,
            Self::Scratch(_) => Some(
                "it needs as much room as the list, in the folder for temporary files (TMPDIR)".to_owned(),
            ),
            Self::Empty => Some("the first row names the columns: `email,first_name,outlet`".to_owned()),
            Self::NotText { .. } => {
                Some("open it in a spreadsheet and save it as \"CSV UTF-8 (comma delimited)\"".to_owned())
            }
            Self::UnknownSeparator { .. } => Some("use comma, semicolon or tab".to_owned()),
            Self::Header(problems) => problems.first().map(HeaderProblem::hint),
            Self::UnclosedQuote { .. } => Some(format!(
                "close it, or double it (\"\") if it is part of the text; a row has at most {} KiB",
                MAX_ROW_BYTES / 1024
            )),
        }
    }
}

impl HeaderProblem {
    /// A stable id: `list.no-email-column` …
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoEmailColumn { .. } => "list.no-email-column",
            Self::ColumnTwice { .. } => "list.column-twice",
        }
    }

    /// The facts by name, for a translated sentence.
    #[must_use]
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NoEmailColumn { found, did_you_mean, first_row_is_data } => vec![
                ("found", quoted(found)),
                ("did_you_mean", did_you_mean.clone().unwrap_or_default()),
                ("first_row_is_data", first_row_is_data.to_string()),
            ],
            Self::ColumnTwice { name, first, first_column, second, second_column } => vec![
                ("name", name.clone()),
                ("first", first.clone()),
                ("first_column", first_column.to_string()),
                ("second", second.clone()),
                ("second_column", second_column.to_string()),
            ],
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoEmailColumn { first_row_is_data: true, .. } => {
                "the first row is an address; put a row with the columns' names above it, `email` among them"
                    .to_owned()
            }
            Self::NoEmailColumn { did_you_mean: Some(header), .. } => {
                format!("did you mean the column `{header}`? rename it `email`")
            }
            Self::NoEmailColumn { .. } => "name the column that holds the addresses `email`".to_owned(),
            Self::ColumnTwice { second, name, .. } => {
                format!("rename or delete one; as `{second} (2)` it is a column of your own, not `{name}`")
            }
        }
    }
}

fn quoted(headers: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut names: Vec<String> = headers.iter().take(SHOWN).map(|header| format!("`{header}`")).collect();
    if headers.len() > SHOWN {
        names.push(format!("and {} more", headers.len() - SHOWN));
    }
    names.join(", ")
}
