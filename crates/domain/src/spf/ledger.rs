//! The ledger: what each term asked, what came back, and what it cost of the ten look-ups.

use serde::Serialize;

use crate::dns::{RecordType, Status};
use crate::span::Span;

/// One line of the ledger, with the lines below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// The domain whose record this is about.
    pub domain: String,
    /// The term; absent for the look-up of the record itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// Where the term stands in its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Whether it counts against the ten look-ups.
    pub counted: bool,
    /// How many of the ten are spent after it.
    pub lookups: u32,
    /// Whether it found nothing, which counts against the two void look-ups.
    pub void: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// The questions it asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Query>,
    /// What its target's record asked in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<LedgerEntry>,
}

/// One question to DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Query {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// How it ended.
    pub status: Status,
}

/// What came of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// A record was read.
    Record,
    /// The evaluation ended before it was known.
    Unfinished,
    /// The term matched.
    Match,
    /// The term did not match.
    NoMatch,
    /// The evaluation ended here, in a temporary error.
    TempError,
    /// The evaluation ended here, in a permanent error.
    PermError,
}

/// The ledger as it grows: flat, so that nothing is lost when an evaluation is cut short.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lines: Vec<(usize, LedgerEntry)>,
    depth: usize,
}

impl Ledger {
    /// Adds a line below the current one and makes it current.
    pub(super) fn open(&mut self, entry: LedgerEntry) -> usize {
        self.lines.push((self.depth, entry));
        self.depth += 1;
        self.lines.len() - 1
    }

    /// Goes back above a line.
    pub(super) fn close(&mut self, index: usize, outcome: Outcome) {
        self.depth = self.lines[index].0;
        self.lines[index].1.outcome = outcome;
    }

    pub(super) fn at(&mut self, index: usize) -> &mut LedgerEntry {
        &mut self.lines[index].1
    }

    /// The lines as a tree.
    pub(super) fn into_tree(self) -> Vec<LedgerEntry> {
        let mut open: Vec<LedgerEntry> = Vec::new();
        let mut roots = Vec::new();
        for (depth, entry) in self.lines {
            while open.len() > depth {
                hang(&mut open, &mut roots);
            }
            open.push(entry);
        }
        while !open.is_empty() {
            hang(&mut open, &mut roots);
        }
        roots
    }
}

/// Hangs the innermost open entry under the one above it.
fn hang(open: &mut Vec<LedgerEntry>, roots: &mut Vec<LedgerEntry>) {
    if let Some(entry) = open.pop() {
        match open.last_mut() {
            Some(above) => above.children.push(entry),
            None => roots.push(entry),
        }
    }
}
