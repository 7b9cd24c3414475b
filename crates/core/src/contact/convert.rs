//! Writes any list that can be read as the canonical one: UTF-8, comma, the known columns in the
//! order of CLI.md, then the list's own.
//!
//! Contacts that have opted out stay in it, with the word that says so: a converted list must not
//! bring them back. Bad rows (those of [`GREETED_COLUMNS`] among them) and duplicates go to the rejects, each with its row, line, reason, cure
//! and its cells as they were.

use std::collections::HashMap;
use std::io::{Read, Write};

use super::csv_safe::csv_safe;
use super::error::ListError;
use super::header::{ColumnMapping, KNOWN_COLUMNS};
use super::problem::RowProblem;
use super::reader::{ContactReader, Row};
use super::row::Verdict;
use super::{Contact, GREETED_COLUMNS};
use crate::address::RecipientKey;

/// How [`convert`] writes.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Put an apostrophe in front of cells that a spreadsheet would calculate ([`csv_safe`]). It changes
    /// the cell (`+33 1 …`), so it is for files that people open, not for files that are read again.
    pub formula_safe: bool,
    /// What the rejects say, in another language: of a reason or a cure in English. `None`: as it is.
    pub tell: Option<fn(&str) -> String>,
}

/// What [`convert`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Converted {
    /// Rows written.
    pub written: u64,
    /// Of these, contacts that have opted out.
    pub opted_out: u64,
    /// Rows that are bad.
    pub rejected: u64,
    /// Rows whose address an earlier row has.
    pub duplicates: u64,
}

/// Why a conversion stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The list cannot be read (any further).
    #[error("{0}")]
    List(#[from] ListError),
    /// An output cannot be written.
    #[error("the converted list cannot be written")]
    Write(#[from] csv::Error),
}

impl ConvertOptions {
    /// With or without apostrophes in front of formulas.
    #[must_use]
    pub fn with_formula_safe(mut self, formula_safe: bool) -> Self {
        self.formula_safe = formula_safe;
        self
    }

    /// With reasons and cures of the rejects as `tell` has them.
    #[must_use]
    pub fn told_by(mut self, tell: fn(&str) -> String) -> Self {
        self.tell = Some(tell);
        self
    }

    fn told(&self, problems: &[RowProblem]) -> [String; 3] {
        let join = |parts: Vec<String>| parts.join("; ");
        [
            join(problems.iter().filter_map(|problem| problem.column.clone()).collect()),
            join(problems.iter().map(|problem| self.say(&problem.reason.to_string())).collect()),
            join(problems.iter().map(|problem| self.say(&problem.reason.cure())).collect()),
        ]
    }

    fn say(&self, english: &str) -> String {
        self.tell.map_or_else(|| english.to_owned(), |tell| tell(english))
    }
}

/// Reads `reader` to its end, writes the canonical list to `out` and the rest to `rejects`.
///
/// Memory grows with the number of recipients, not with what is known of them.
///
/// # Errors
///
/// [`ConvertError`]; what was written before stands.
pub fn convert<R: Read>(
    mut reader: ContactReader<R>,
    out: impl Write,
    rejects: Option<&mut dyn Write>,
    options: &ConvertOptions,
) -> Result<Converted, ConvertError> {
    let columns = canonical_order(reader.columns());
    let mut out = Out { csv: csv::Writer::from_writer(out), safe: options.formula_safe };
    let mut nowhere = std::io::sink();
    let rejects = rejects.unwrap_or(&mut nowhere);
    let mut rejects = Out {
        csv: csv::WriterBuilder::new().flexible(true).from_writer(rejects),
        safe: options.formula_safe,
    };
    out.row(columns.iter().map(String::as_str))?;
    let headers = reader.columns().iter().map(|column| column.header.as_str());
    rejects.row(["row", "line", "column", "reason", "cure"].into_iter().chain(headers))?;

    let mut done = Converted::default();
    let mut seen: HashMap<RecipientKey, Seen> = HashMap::new();
    for row in reader.by_ref() {
        let row = row?;
        let contact = match &row.verdict {
            Verdict::Bad(problems) => {
                done.rejected += 1;
                rejects.rejected(&row, &options.told(problems))?;
                continue;
            }
            Verdict::Contact(contact) if !contact.check_used(&GREETED_COLUMNS).is_empty() => {
                done.rejected += 1;
                rejects.rejected(&row, &options.told(&contact.check_used(&GREETED_COLUMNS)))?;
                continue;
            }
            Verdict::Contact(contact) | Verdict::OptedOut(contact, _) => contact,
        };
        let opted_out = matches!(row.verdict, Verdict::OptedOut(..));
        let first = seen.entry(contact.address.key()).or_insert(Seen { row: row.row, opted_out });
        // An opt-out in a later row counts as well, so that row has to stay.
        let is_news = first.row == row.row || (opted_out && !first.opted_out);
        if !is_news {
            done.duplicates += 1;
            let reason = format!("row {} has the same address", first.row);
            let cure = options.say("nothing to do, or move what is missing to that row");
            rejects.rejected(&row, &["email".to_owned(), options.say(&reason), cure])?;
            continue;
        }
        first.opted_out |= opted_out;
        done.written += 1;
        done.opted_out += u64::from(opted_out);
        out.row(columns.iter().map(|name| cell(contact, name)))?;
    }
    out.csv.flush().map_err(csv::Error::from)?;
    rejects.csv.flush().map_err(csv::Error::from)?;
    Ok(done)
}

/// The known columns that the list has, in canonical order, then its own in their order.
fn canonical_order(columns: &[ColumnMapping]) -> Vec<String> {
    let has = |name: &&str| columns.iter().any(|column| column.name == *name);
    let known = KNOWN_COLUMNS.into_iter().filter(has).map(str::to_owned);
    let own = columns.iter().filter(|column| !KNOWN_COLUMNS.contains(&column.name.as_str()));
    known.chain(own.map(|column| column.name.clone())).collect()
}

fn cell<'a>(contact: &'a Contact, name: &str) -> &'a str {
    contact.fields.get(name).map_or("", String::as_str)
}

struct Seen {
    row: u64,
    opted_out: bool,
}

struct Out<W: Write> {
    csv: csv::Writer<W>,
    safe: bool,
}

impl<W: Write> Out<W> {
    fn row<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> Result<(), csv::Error> {
        for cell in cells {
            if self.safe {
                self.csv.write_field(csv_safe(cell).as_bytes())?;
            } else {
                self.csv.write_field(cell)?;
            }
        }
        self.csv.write_record(None::<&[u8]>)
    }

    fn rejected(&mut self, row: &Row, told: &[String; 3]) -> Result<(), csv::Error> {
        let (number, line) = (row.row.to_string(), row.line.to_string());
        let facts = [number.as_str(), line.as_str()].into_iter().chain(told.iter().map(String::as_str));
        self.row(facts.chain(row.cells.iter().map(String::as_str)))
    }
}
