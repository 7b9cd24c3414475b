//! Reads a list row by row from any stream, in one pass and bounded memory.
//!
//! ```
//! use depeche_core::contact::{ContactReader, ReadOptions, Verdict};
//!
//! let csv = "Adresse e-mail;Prénom\nzoe@example.org;Zoé\nana.silva;Ana\n";
//! let reader = ContactReader::open(csv.as_bytes(), &ReadOptions::default())?;
//! let (mut contacts, mut bad) = (0, 0);
//! for row in reader {
//!     match row?.verdict {
//!         Verdict::Contact(_) => contacts += 1,
//!         _ => bad += 1,
//!     }
//! }
//! assert_eq!((contacts, bad), (1, 1));
//! # Ok::<(), depeche_core::contact::ListError>(())
//! ```

use std::io::Read;

use csv::ByteRecord;

use super::encoding::{EncodingEvidence, TextEncoding, TextStream};
use super::error::ListError;
use super::header::{ColumnMapping, map_columns};
use super::problem::{Reason, RowProblem};
use super::row::{RowPlace, Verdict, judge};
use super::separator::{Separator, sep_line, sniff};
use super::watch::{MAX_ROW_BYTES, Sight, Watch};

/// What the user states about a list instead of leaving it to detection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The encoding; MacRoman must be stated here.
    pub encoding: Option<TextEncoding>,
    /// The separator.
    pub separator: Option<Separator>,
}

/// What a list turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// The encoding; while only ASCII has been seen, UTF-8.
    pub encoding: TextEncoding,
    /// Why it is believed.
    pub evidence: EncodingEvidence,
    /// What separates the cells.
    pub separator: Separator,
    /// Whether the file began with a byte order mark.
    pub had_bom: bool,
    /// Whether the first line was Excel's `sep=…`.
    pub had_sep_line: bool,
}

/// One row that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row as a spreadsheet counts: the header is row 1.
    pub row: u64,
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// The cells as they stand in the file.
    pub cells: Vec<String>,
    /// What the row is.
    pub verdict: Verdict,
    /// What is odd about it without being wrong.
    pub remarks: Vec<RowProblem>,
}

/// Reads a list row by row.
///
/// An `Err` is the end: the list as a whole cannot be read.
pub struct ContactReader<R> {
    csv: csv::Reader<Watch<R>>,
    separator: Separator,
    had_sep_line: bool,
    columns: Vec<ColumnMapping>,
    record: ByteRecord,
    ended: bool,
}

impl ReadOptions {
    /// With this encoding instead of a detected one.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Option<TextEncoding>) -> Self {
        self.encoding = encoding;
        self
    }

    /// With this separator instead of a detected one.
    #[must_use]
    pub fn with_separator(mut self, separator: Option<Separator>) -> Self {
        self.separator = separator;
        self
    }
}

impl<R: Read> ContactReader<R> {
    /// Reads as far as the header.
    ///
    /// # Errors
    ///
    /// [`ListError`]: the stream breaks, it is no text, or its header has no `email` column or two
    /// columns of one meaning.
    pub fn open(input: R, options: &ReadOptions) -> Result<Self, ListError> {
        let mut text = TextStream::open(input, options.encoding)?;
        let mut head = String::new();
        let mut is_whole = false;
        while head.len() < SAMPLE_BYTES && !is_whole {
            is_whole = !text.next_piece(&mut head)?;
        }
        // A second mark is left by programs that join files.
        let marks = head.len() - head.trim_start_matches('\u{FEFF}').len();
        let sep_line = sep_line(&head[marks..])?;
        let skipped = marks + sep_line.map_or(0, |(_, length)| length);
        let (skipped, head) = head.split_at(skipped);
        let separator = options.separator.or(sep_line.map(|(separator, _)| separator));
        let separator = separator.unwrap_or_else(|| sniff(head, is_whole));

        let watch = Watch::new(text, head, skipped, separator);
        let csv = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator.byte())
            .from_reader(watch);
        let mut reader = Self {
            csv,
            separator,
            had_sep_line: sep_line.is_some(),
            columns: Vec::new(),
            record: ByteRecord::new(),
            ended: false,
        };
        reader.read_header()?;
        Ok(reader)
    }

    /// What the list turned out to be. The encoding is final when the last row has been read.
    #[must_use]
    pub fn detection(&self) -> Detection {
        let text = &self.csv.get_ref().text;
        Detection {
            encoding: text.encoding,
            evidence: text.evidence,
            separator: self.separator,
            had_bom: text.had_bom,
            had_sep_line: self.had_sep_line,
        }
    }

    /// The columns, in the file's order, and what each was taken for.
    #[must_use]
    pub fn columns(&self) -> &[ColumnMapping] {
        &self.columns
    }

    fn read_header(&mut self) -> Result<(), ListError> {
        loop {
            let Some(sights) = self.next_record()? else { return Err(ListError::Empty) };
            unclosed(&sights)?;
            let cells: Vec<_> = self.record.iter().map(String::from_utf8_lossy).collect();
            if cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
            self.columns = map_columns(&cells).map_err(ListError::Header)?;
            return Ok(());
        }
    }

    /// Reads one record and what was seen in it; `None` at the end.
    fn next_record(&mut self) -> Result<Option<Vec<Sight>>, ListError> {
        let more = self.csv.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(source) => ListError::Io(source),
            other => ListError::Io(std::io::Error::other(format!("{other:?}"))),
        })?;
        let position = self.csv.position().byte();
        let sights = self.csv.get_mut().seen_before(position);
        Ok(more.then_some(sights))
    }

    /// The next row that is not blank, as it stands in the file.
    pub(super) fn next_raw(&mut self) -> Result<Option<RawRow>, ListError> {
        loop {
            let Some(mut sights) = self.next_record()? else { return Ok(None) };
            unclosed(&sights)?;
            let cells: Vec<String> =
                self.record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
            let place = place(&sights);
            sights.retain(|sight| !matches!(sight, Sight::RowStart { .. }));
            if sights.is_empty() && cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            return Ok(Some(RawRow { row: place.row, line: place.line, sights, cells }));
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, ListError> {
        let raw = self.next_raw()?;
        Ok(raw.map(|raw| raw.judge(&self.columns, self.detection().encoding.name())))
    }
}

/// A row as it stands in its file, before its cells are judged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct RawRow {
    row: u64,
    line: u64,
    /// What was seen in it that makes it a bad one.
    sights: Vec<Sight>,
    cells: Vec<String>,
}

impl RawRow {
    /// What the row is, under the columns and the encoding of its file.
    pub(super) fn judge(self, columns: &[ColumnMapping], encoding: &'static str) -> Row {
        let place = RowPlace { row: self.row, line: self.line };
        let mut remarks = Vec::new();
        let faults = self.faults(columns.len(), encoding);
        let verdict = if faults.is_empty() {
            let cells: Vec<&str> = self.cells.iter().map(String::as_str).collect();
            judge(place, &cells, columns, &mut remarks)
        } else {
            Verdict::Bad(faults)
        };
        Row { row: self.row, line: self.line, cells: self.cells, verdict, remarks }
    }

    /// What is wrong with the row before its cells are looked at; then no cell can be trusted.
    fn faults(&self, expected: usize, encoding: &'static str) -> Vec<RowProblem> {
        let cells = &self.cells;
        let mut reasons: Vec<Reason> =
            self.sights.iter().filter_map(|sight| reason(*sight, encoding)).collect();
        // Spreadsheets leave empty cells at the end of a row; they push nothing aside.
        let found = expected.max(cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |i| i + 1));
        let found = if cells.len() < expected { cells.len() } else { found };
        if found != expected && reasons.is_empty() {
            let lines = 1 + cells.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
            reasons.push(Reason::CellCount { found, expected, lines });
        }
        let problem = |reason| RowProblem { row: self.row, line: Some(self.line), column: None, reason };
        reasons.into_iter().map(problem).collect()
    }
}

fn reason(sight: Sight, encoding: &'static str) -> Option<Reason> {
    match sight {
        Sight::Malformed => Some(Reason::NotInEncoding { encoding }),
        Sight::TextAfterQuote { opened_on_line, line } => {
            Some(Reason::TextAfterQuote { opened_on_line, closed_on_line: line })
        }
        Sight::RowCut => Some(Reason::RowTooLong { limit: MAX_ROW_BYTES }),
        Sight::RowStart { .. } | Sight::Unclosed { .. } => None,
    }
}

impl<R: Read> Iterator for ContactReader<R> {
    type Item = Result<Row, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.next_row().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

fn unclosed(sights: &[Sight]) -> Result<(), ListError> {
    let open = sights.iter().find_map(|sight| match sight {
        Sight::Unclosed { row, line } => Some((*row, *line)),
        _ => None,
    });
    open.map_or(Ok(()), |(row, line)| Err(ListError::UnclosedQuote { row, line }))
}

fn place(sights: &[Sight]) -> RowPlace {
    let start = sights.iter().find_map(|sight| match sight {
        Sight::RowStart { row, line } => Some(RowPlace { row: *row, line: *line }),
        _ => None,
    });
    start.unwrap_or(RowPlace { row: 0, line: 0 })
}

/// How much decoded text the separator is judged by.
const SAMPLE_BYTES: usize = 32 * 1024;
