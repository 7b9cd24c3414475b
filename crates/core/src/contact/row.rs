//! One row of cells becomes a contact, or the reasons why not.

use super::header::{ColumnKind, ColumnMapping, fold};
use super::nearest::nearest;
use super::problem::{Reason, RowProblem, excerpt};
use super::{Contact, Fields};
use crate::address::EmailAddress;
use crate::text::first_unsafe;

/// The most characters of a cell that a header or a greeting may use.
pub(super) const SHORT_CELL_CHARS: usize = 500;

/// The most characters of any other cell; Excel's own limit.
pub(super) const LONG_CELL_CHARS: usize = 32_767;

/// Known columns that may hold long text.
const LONG_COLUMNS: [&str; 4] = ["notes", "tags", "beats", "source"];

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowPlace {
    pub(super) row: u64,
    pub(super) line: u64,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// A contact to mail.
    Contact(Contact),
    /// A contact not to mail: opted out, or no longer there.
    OptedOut(Contact, RowProblem),
    /// A bad row: all that is wrong with it.
    Bad(Vec<RowProblem>),
}

/// Reads one row. `odd` receives what is worth a remark and no more.
pub(super) fn judge(
    place: RowPlace,
    cells: &[&str],
    columns: &[ColumnMapping],
    odd: &mut Vec<RowProblem>,
) -> Verdict {
    let problem = |column: Option<&ColumnMapping>, reason: Reason| RowProblem {
        row: place.row,
        line: Some(place.line),
        column: column.map(|column| column.name.clone()),
        reason,
    };
    let mut bad = Vec::new();
    let mut opted_out = None;
    let mut address = None;
    let mut contact = Draft::default();
    for (cell, column) in cells.iter().zip(columns) {
        let raw = *cell;
        let cell = trim(raw);
        if let Some(reason) = too_long(cell, column) {
            bad.push(problem(Some(column), reason));
            continue;
        }
        let mut odd_reason = looks_like_formula(cell, &column.name).then_some(Reason::LooksLikeFormula);
        match (column.kind, column.name.as_str()) {
            (ColumnKind::Known, "email") => match read_address(cell) {
                Ok(read) => address = Some(read),
                Err(reason) => bad.push(problem(Some(column), reason)),
            },
            (ColumnKind::Known, "tier") => match read_tier(cell) {
                Ok(tier) => contact.tier = tier,
                Err(reason) => bad.push(problem(Some(column), reason)),
            },
            (ColumnKind::Known, "embargo") => match read_yes(cell) {
                Some(yes) => contact.embargo_trusted = yes,
                None => odd_reason = Some(Reason::UnclearEmbargo { value: excerpt(cell) }),
            },
            (ColumnKind::Known, "status") if means_opted_out(cell) => {
                opted_out = Some(problem(Some(column), Reason::OptedOut { value: excerpt(cell) }));
            }
            (ColumnKind::Known, "status") => odd_reason = almost_opted_out(cell).or(odd_reason),
            (ColumnKind::OptOut, _) if !cell.is_empty() && read_yes(cell) != Some(false) => {
                let value = format!("{}: {}", column.name, excerpt(cell));
                opted_out = Some(problem(Some(column), Reason::OptedOut { value }));
            }
            _ => {}
        }
        if let Some(reason) = odd_reason {
            odd.push(problem(Some(column), reason));
        }
        if !cell.is_empty() {
            contact.fields.insert(column.name.clone(), cell.to_owned());
        }
    }
    let Some(address) = address.filter(|_| bad.is_empty()) else { return Verdict::Bad(bad) };
    let contact = contact.with(place.row, address);
    match opted_out {
        Some(problem) => Verdict::OptedOut(contact, problem),
        None => Verdict::Contact(contact),
    }
}

/// What is wrong with a cell that a header, a greeting or the text will use.
pub(super) fn used_cell_problem(cell: &str) -> Option<Reason> {
    let length = cell.chars().count();
    if length > SHORT_CELL_CHARS {
        return Some(Reason::TooLong { length, limit: SHORT_CELL_CHARS });
    }
    if let Some(found) = first_unsafe(cell) {
        return Some(Reason::ControlCharacter(found));
    }
    cell.contains(char::REPLACEMENT_CHARACTER).then_some(Reason::LostCharacters)
}

/// Spaces, plain or not breaking, around a cell are nobody's meaning; line breaks and tabs are kept,
/// for they are worth an error.
pub(super) fn trim(cell: &str) -> &str {
    cell.trim_matches([' ', '\u{A0}', '\u{202F}'])
}

#[derive(Default)]
struct Draft {
    tier: Option<u32>,
    embargo_trusted: bool,
    fields: Fields,
}

impl Draft {
    fn with(self, row: u64, address: EmailAddress) -> Contact {
        Contact {
            row,
            address,
            tier: self.tier.unwrap_or(u32::MAX),
            embargo_trusted: self.embargo_trusted,
            fields: self.fields,
        }
    }
}

fn too_long(cell: &str, column: &ColumnMapping) -> Option<Reason> {
    let is_short = column.kind == ColumnKind::Known && !LONG_COLUMNS.contains(&column.name.as_str());
    let limit = if is_short { SHORT_CELL_CHARS } else { LONG_CELL_CHARS };
    // A character has at least one byte.
    let length = if cell.len() > limit { cell.chars().count() } else { 0 };
    (length > limit).then_some(Reason::TooLong { length, limit })
}

fn read_address(cell: &str) -> Result<EmailAddress, Reason> {
    if cell.is_empty() {
        return Err(Reason::NoAddress);
    }
    // `parse` forgives white space around an address; in a list a line break there is worth a look.
    if let Some(found) = first_unsafe(cell) {
        return Err(Reason::ControlCharacter(found));
    }
    EmailAddress::parse(cell).map_err(Reason::BadAddress)
}

fn read_tier(cell: &str) -> Result<Option<u32>, Reason> {
    if cell.is_empty() {
        return Ok(None);
    }
    let digits = cell.bytes().all(|byte| byte.is_ascii_digit()) && cell.len() <= 4;
    match cell.parse() {
        Ok(tier) if digits => Ok(Some(tier)),
        _ => Err(Reason::NotATier { value: excerpt(cell) }),
    }
}

fn read_yes(cell: &str) -> Option<bool> {
    match fold(cell).as_str() {
        "yes" | "y" | "oui" | "o" | "true" | "vrai" | "1" | "x" | "ok" => Some(true),
        "no" | "n" | "non" | "false" | "faux" | "0" => Some(false),
        "" if matches!(cell, "✓" | "✔" | "☑") => Some(true),
        "" if cell.chars().all(|c| matches!(c, '-' | '–' | '—' | '☐')) => Some(false),
        _ => None,
    }
}

fn means_opted_out(cell: &str) -> bool {
    let folded = fold(cell);
    // "désinscrit le 12/03/2026" and "décédé en 2024" are; "stopover" and "partie" are not.
    OPTED_OUT.iter().any(|word| folded == *word || (word.len() >= 6 && folded.starts_with(word)))
}

fn almost_opted_out(cell: &str) -> Option<Reason> {
    let folded = fold(cell);
    if folded.len() < 6 || ACTIVE.contains(&folded.as_str()) {
        return None;
    }
    nearest(&folded, OPTED_OUT, 2).map(|like| Reason::UnclearStatus { value: excerpt(cell), like })
}

/// Whether a spreadsheet would calculate the cell. A phone number begins with + as well, and a dash
/// alone stands for nothing.
fn looks_like_formula(cell: &str, column: &str) -> bool {
    match cell.chars().next() {
        Some('=' | '@') => column != "email",
        Some('+' | '-') if column == "phone" => cell.contains(['!', '|', '=']),
        Some('+' | '-') => column != "email" && cell.contains(['(', '!', '|', '=']),
        _ => false,
    }
}

/// Folded values of `status` that mean: do not mail.
const OPTED_OUT: [&str; 38] = [
    "desinscrit",
    "desinscrite",
    "desinscription",
    "desabonne",
    "desabonnee",
    "unsubscribed",
    "unsubscribe",
    "optedout",
    "optout",
    "inactif",
    "inactive",
    "cleaned",
    "bounced",
    "hardbounce",
    "npai",
    "blocked",
    "blacklisted",
    "blackliste",
    "bloque",
    "stop",
    "refus",
    "refuse",
    "nepluscontacter",
    "nepascontacter",
    "donotcontact",
    "donotmail",
    "donotemail",
    "supprime",
    "deleted",
    "archived",
    "archive",
    "parti",
    "decede",
    "deceased",
    "retraite",
    "opposition",
    "invalid",
    "invalide",
];

/// Folded values of `status` that mean: mail.
const ACTIVE: [&str; 9] =
    ["actif", "active", "activee", "inscrit", "inscrite", "subscribed", "abonne", "abonnee", "valide"];
