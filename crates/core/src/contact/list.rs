//! What a list is made of, and a list in memory: every row that is not blank ends in exactly one of
//! `contacts`, `left_out` and `duplicates`, as [`ContactList`] decides.

use std::collections::HashSet;
use std::io::{self, Read};

use super::contact_list::ContactList;
use super::error::ListError;
use super::header::ColumnMapping;
use super::problem::{Reason, RowProblem};
use super::reader::{Detection, ReadOptions};
use super::selection::Selection;
use super::{Contact, Fields};
use crate::address::{EmailAddress, RecipientKey};

/// A list to read: what to call it in messages, and its bytes.
pub struct Source<'a> {
    /// The file's name as the user gave it.
    pub name: String,
    /// Its bytes.
    pub input: Box<dyn Read + 'a>,
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name as the user gave it.
    pub file: String,
    /// The row as a spreadsheet counts: the header is row 1.
    pub row: u64,
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
}

/// The files of a list, read.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Who can be mailed, in list order.
    pub contacts: Vec<Contact>,
    /// Where each of `contacts` stands, in the same order.
    pub places: Vec<Place>,
    /// Rows that are left out, and why, in list order.
    pub left_out: Vec<LeftOut>,
    /// Rows of addresses that an earlier row has.
    pub duplicates: Vec<Duplicate>,
    /// What is odd without being wrong.
    pub remarks: Vec<Remark>,
    /// What each file turned out to be.
    pub files: Vec<FileReport>,
}

/// A row that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub place: Place,
    /// The address, when it has a good one.
    pub address: Option<EmailAddress>,
    /// All that is wrong with it; never empty.
    pub problems: Vec<RowProblem>,
}

/// A row whose address an earlier row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Where it stands.
    pub place: Place,
    /// The address as this row spells it.
    pub address: EmailAddress,
    /// The row that counts.
    pub first: Place,
    /// The columns in which the two rows differ; empty when they say the same.
    pub differing: Vec<String>,
}

/// Something odd about a row that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file's name as the user gave it.
    pub file: String,
    /// What is odd.
    pub problem: RowProblem,
}

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file's name as the user gave it.
    pub file: String,
    /// Encoding and separator.
    pub detection: Detection,
    /// Its columns and what each was taken for.
    pub columns: Vec<ColumnMapping>,
    /// Rows below the header that are not blank.
    pub rows: u64,
}

/// A file that cannot be read as a list.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {error}")]
pub struct FileError {
    /// The file's name as the user gave it.
    pub file: String,
    /// Why.
    pub error: ListError,
}

impl<'a> Source<'a> {
    /// A list with this name and these bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, input: impl Read + 'a) -> Self {
        Self { name: name.into(), input: Box::new(input) }
    }
}

/// Reads all `sources` as one list, into memory: for lists that fit there. [`ContactList`] is for all.
///
/// # Errors
///
/// Every file that cannot be read at all, with its name. A bad row is no error.
pub fn load(sources: Vec<Source<'_>>, options: &ReadOptions) -> Result<Loaded, Vec<FileError>> {
    let list = ContactList::read(sources, options, io::Cursor::new(Vec::new()))?;
    loaded(&list).map_err(|error| vec![FileError { file: String::new(), error: ListError::Scratch(error) }])
}

fn loaded(list: &ContactList) -> io::Result<Loaded> {
    let kept: io::Result<Vec<_>> = list.kept().map(|index| list.contact(index)).collect();
    let (contacts, places) = kept?.into_iter().unzip();
    Ok(Loaded {
        contacts,
        places,
        left_out: list.left_out().collect::<io::Result<_>>()?,
        duplicates: list.duplicates().collect::<io::Result<_>>()?,
        remarks: list.remarks().collect::<io::Result<_>>()?,
        files: list.files().to_vec(),
    })
}

impl Loaded {
    /// Leaves out the contacts with a cell that the release uses and cannot: see
    /// [`Contact::check_used`]. Returns how many.
    pub fn leave_out_unusable(&mut self, used_fields: &[&str]) -> usize {
        let before = self.contacts.len();
        let mut left_out = std::mem::take(&mut self.left_out);
        self.keep(|contact, place| {
            let mut problems = contact.check_used(used_fields);
            if problems.is_empty() {
                return true;
            }
            problems.iter_mut().for_each(|problem| problem.line = Some(place.line));
            let address = Some(contact.address.clone());
            left_out.push(LeftOut { place: place.clone(), address, problems });
            false
        });
        self.left_out = left_out;
        before - self.contacts.len()
    }

    /// Keeps the contacts that `selection` chooses. Returns how many are gone.
    pub fn select(&mut self, selection: &Selection) -> usize {
        let before = self.contacts.len();
        self.keep(|contact, _| selection.matches(contact));
        before - self.contacts.len()
    }

    /// Takes out the contacts with these keys (`--exclude`). Returns how many are gone.
    pub fn exclude(&mut self, keys: &HashSet<RecipientKey>) -> usize {
        let before = self.contacts.len();
        self.keep(|contact, _| !keys.contains(&contact.address.key()));
        before - self.contacts.len()
    }

    /// The keys of all good addresses of the list, those left out included: what `--exclude FILE` takes
    /// away. Rows without a good address are in `left_out` without one; they exclude nobody.
    #[must_use]
    pub fn keys(&self) -> HashSet<RecipientKey> {
        let kept = self.contacts.iter().map(|contact| contact.address.key());
        let left_out = self.left_out.iter().filter_map(|row| row.address.as_ref()).map(EmailAddress::key);
        kept.chain(left_out).collect()
    }

    /// Every column of every file.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnMapping> {
        self.files.iter().flat_map(|file| file.columns.iter())
    }

    /// Whether some row is bad, as against opted out or folded (`contacts check` exits 1).
    #[must_use]
    pub fn has_defects(&self) -> bool {
        self.left_out.iter().any(LeftOut::is_defect)
    }

    fn keep(&mut self, mut wanted: impl FnMut(&Contact, &Place) -> bool) {
        let contacts = std::mem::take(&mut self.contacts);
        let places = std::mem::take(&mut self.places);
        for (contact, place) in contacts.into_iter().zip(places) {
            if wanted(&contact, &place) {
                self.contacts.push(contact);
                self.places.push(place);
            }
        }
    }
}

impl LeftOut {
    /// Whether the row is bad, as against left out because the contact is not to be mailed.
    #[must_use]
    pub fn is_defect(&self) -> bool {
        self.problems.iter().any(|problem| problem.reason.is_defect())
    }

    /// The first reason; never absent in what [`load`] makes.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.problems.first().map(|problem| &problem.reason)
    }
}

pub(super) fn differing(first: &Fields, second: &Fields) -> Vec<String> {
    let mut names: Vec<&String> = first.keys().chain(second.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| first.get(*name) != second.get(*name)).cloned().collect()
}
