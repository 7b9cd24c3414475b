//! Several files as one list that may be longer than memory: each recipient once, everybody accounted
//! for, some twenty octets of memory a row.
//!
//! The rows stand in a scratch file ([`Scratch`]) as they were read, and are judged again when they are
//! wanted, which gives the same contact or the same reasons. In memory are, for each row, where it
//! stands in the list and a hash of its folded address. Two rows of one hash are compared by their
//! addresses: nobody is folded into somebody else.
//!
//! The first row of an address is the one that counts; later ones are [`Duplicate`]s. An opt-out
//! counts wherever it stands: an address that any row says has opted out is not mailed. Every row
//! that is not blank is in exactly one of [`ContactList::kept`], [`ContactList::left_out`] and
//! [`ContactList::duplicates`], until the caller takes contacts out.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

use hashbrown::HashTable;

use super::Contact;
use super::error::ListError;
use super::header::ColumnMapping;
use super::list::{Duplicate, FileError, FileReport, LeftOut, Place, Remark, Source, differing};
use super::problem::{Reason, RowProblem};
use super::reader::{ContactReader, ReadOptions, Row};
use super::row::Verdict;
use super::selection::Selection;
use super::stored::{Scratch, StoredRows};
use crate::address::{EmailAddress, RecipientKey};

/// The files of a list, read, with their rows in a scratch file.
pub struct ContactList {
    rows: StoredRows,
    marks: Vec<Mark>,
    /// Half a hash of each row's folded address; of a row without one, 0.
    hashes: Vec<u32>,
    /// The first contact of each address.
    first: HashTable<u32>,
    /// The first row that says of its address that it has opted out.
    opted_out: HashTable<u32>,
    hasher: RandomState,
    /// The bits of a hash that count: all, but for a test of rows that fall together.
    hash_bits: u32,
    files: Vec<FileReport>,
    /// The number of the first row of each file.
    starts: Vec<usize>,
    used_fields: Vec<String>,
}

/// What is kept in memory of a row.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// `u16::MAX`: none.
    tier: u16,
    standing: Standing,
    is_embargo_trusted: bool,
    has_remarks: bool,
}

/// Where a row stands in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Kept,
    Bad,
    OptedOut,
    OptedOutElsewhere,
    Duplicate,
    /// A cell that the release uses cannot be used.
    Unusable,
    /// The caller took it out.
    NotChosen,
}

impl ContactList {
    /// Reads all `sources` as one list, with their rows in `scratch`, which must be empty.
    ///
    /// # Errors
    ///
    /// Every file that cannot be read at all, with its name, or the scratch file. A bad row is no error.
    pub fn read(
        sources: Vec<Source<'_>>,
        options: &ReadOptions,
        scratch: impl Scratch + 'static,
    ) -> Result<Self, Vec<FileError>> {
        Self::empty(scratch, u32::MAX).filled(sources, options)
    }

    fn empty(scratch: impl Scratch + 'static, hash_bits: u32) -> Self {
        Self {
            rows: StoredRows::new(scratch),
            marks: Vec::new(),
            hashes: Vec::new(),
            first: HashTable::new(),
            opted_out: HashTable::new(),
            hasher: RandomState::new(),
            hash_bits,
            files: Vec::new(),
            starts: Vec::new(),
            used_fields: Vec::new(),
        }
    }

    fn filled(mut self, sources: Vec<Source<'_>>, options: &ReadOptions) -> Result<Self, Vec<FileError>> {
        let mut errors = Vec::new();
        for source in sources {
            if let Err(error) = self.add(&source.name, source.input, options) {
                errors.push(FileError { file: source.name, error });
            }
        }
        if errors.is_empty()
            && let Err(error) = self.leave_out_opted_out_elsewhere()
        {
            errors.push(FileError { file: String::new(), error: ListError::Scratch(error) });
        }
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }

    fn add(&mut self, file: &str, input: Box<dyn Read + '_>, options: &ReadOptions) -> Result<(), ListError> {
        let mut reader = ContactReader::open(input, options)?;
        let columns = reader.columns().to_vec();
        let file = file.to_owned();
        self.starts.push(self.marks.len());
        self.files.push(FileReport { file, detection: reader.detection(), columns, rows: 0 });
        while let Some(raw) = reader.next_raw()? {
            self.rows.push(&raw).map_err(ListError::Scratch)?;
            let row = raw.judge(reader.columns(), reader.detection().encoding.name());
            self.enter(&row).map_err(ListError::Scratch)?;
        }
        let rows = self.marks.len() - self.starts.last().copied().unwrap_or_default();
        if let Some(report) = self.files.last_mut() {
            report.detection = reader.detection();
            report.rows = rows as u64;
        }
        Ok(())
    }

    fn enter(&mut self, row: &Row) -> io::Result<()> {
        let index = u32::try_from(self.marks.len()).map_err(io::Error::other)?;
        let (hash, standing) = match &row.verdict {
            Verdict::Bad(_) => (0, Standing::Bad),
            Verdict::Contact(contact) => {
                let (key, hash) = self.hashed(&contact.address);
                let is_new = self.find_in(&self.first, hash, &key)?.is_none();
                (hash, if is_new { Standing::Kept } else { Standing::Duplicate })
            }
            Verdict::OptedOut(contact, _) => (self.hashed(&contact.address).1, Standing::OptedOut),
        };
        let contact = contact_of(row);
        self.marks.push(Mark {
            tier: contact.and_then(|contact| u16::try_from(contact.tier).ok()).unwrap_or(u16::MAX),
            standing,
            is_embargo_trusted: contact.is_some_and(|contact| contact.embargo_trusted),
            has_remarks: !row.remarks.is_empty(),
        });
        self.hashes.push(hash);
        let hashes = &self.hashes;
        let spread_of = |index: &u32| spread(hashes[*index as usize]);
        match standing {
            Standing::Kept => {
                self.first.insert_unique(spread(hash), index, spread_of);
            }
            Standing::OptedOut => {
                let (key, _) = self.hashed(&self.address_of(index as usize)?);
                if self.find_in(&self.opted_out, hash, &key)?.is_none() {
                    self.opted_out.insert_unique(spread(hash), index, spread_of);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whoever asked to be left alone in one row is not mailed because another row forgot it.
    fn leave_out_opted_out_elsewhere(&mut self) -> io::Result<()> {
        if self.opted_out.is_empty() {
            return Ok(());
        }
        for index in 0..self.marks.len() {
            let mailed = matches!(self.marks[index].standing, Standing::Kept | Standing::Duplicate);
            if mailed && self.opted_out_row(index)?.is_some() {
                self.marks[index].standing = Standing::OptedOutElsewhere;
            }
        }
        Ok(())
    }

    // ---- Who is on the list.

    /// How many contacts are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().count()
    }

    /// Whether nobody is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept().next().is_none()
    }

    /// The numbers of the contacts that are kept, in list order.
    pub fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        self.standing(|standing| standing == Standing::Kept)
    }

    /// The contact with this number, and where it stands.
    ///
    /// # Errors
    ///
    /// When the scratch file cannot be read, or there is no such contact.
    pub fn contact(&self, index: usize) -> io::Result<(Contact, Place)> {
        let row = self.row(index)?;
        let place = self.place(index, &row);
        match row.verdict {
            Verdict::Contact(contact) | Verdict::OptedOut(contact, _) => Ok((contact, place)),
            Verdict::Bad(_) => Err(io::Error::other("the row holds no contact")),
        }
    }

    /// When the contact with this number is served: 1 first, [`u32::MAX`] when its row does not say.
    #[must_use]
    pub fn tier(&self, index: usize) -> u32 {
        let tier = self.marks.get(index).map_or(u16::MAX, |mark| mark.tier);
        if tier == u16::MAX { u32::MAX } else { u32::from(tier) }
    }

    /// Whether the contact with this number is trusted with releases before their embargo ends.
    #[must_use]
    pub fn is_embargo_trusted(&self, index: usize) -> bool {
        self.marks.get(index).is_some_and(|mark| mark.is_embargo_trusted)
    }

    /// The number of the kept contact with this key.
    ///
    /// # Errors
    ///
    /// When the scratch file cannot be read.
    pub fn find(&self, key: &RecipientKey) -> io::Result<Option<usize>> {
        let found = self.find_in(&self.first, self.hash(key), key)?;
        Ok(found.filter(|index| self.marks[*index].standing == Standing::Kept))
    }

    /// The keys of all good addresses of the list, those left out included: what `--exclude FILE` takes
    /// away. Rows without a good address exclude nobody.
    pub fn keys(&self) -> impl Iterator<Item = io::Result<RecipientKey>> + '_ {
        let good = |standing| !matches!(standing, Standing::Bad | Standing::Duplicate);
        self.standing(good).map(|index| Ok(self.address_of(index)?.key()))
    }

    // ---- Taking contacts out.

    /// Keeps the contacts that `selection` chooses. Returns how many are gone.
    ///
    /// # Errors
    ///
    /// When the scratch file cannot be read.
    pub fn select(&mut self, selection: &Selection) -> io::Result<usize> {
        self.sift(Standing::NotChosen, |contact| selection.matches(contact))
    }

    /// Takes the contact with this key out (`--exclude`). False when nobody has it.
    ///
    /// # Errors
    ///
    /// When the scratch file cannot be read.
    pub fn exclude(&mut self, key: &RecipientKey) -> io::Result<bool> {
        let found = self.find(key)?;
        if let Some(index) = found {
            self.marks[index].standing = Standing::NotChosen;
        }
        Ok(found.is_some())
    }

    /// Leaves out the contacts with a cell that the release uses and cannot: see
    /// [`Contact::check_used`]. `each` sees the others. Returns how many are left out.
    ///
    /// # Errors
    ///
    /// When the scratch file cannot be read.
    pub fn leave_out_unusable(
        &mut self,
        used_fields: &[&str],
        mut each: impl FnMut(&Contact),
    ) -> io::Result<usize> {
        self.used_fields = used_fields.iter().map(|field| (*field).to_owned()).collect();
        self.sift(Standing::Unusable, |contact| {
            let is_usable = contact.check_used(used_fields).is_empty();
            if is_usable {
                each(contact);
            }
            is_usable
        })
    }

    fn sift(&mut self, away: Standing, mut wanted: impl FnMut(&Contact) -> bool) -> io::Result<usize> {
        let mut gone = 0;
        for index in 0..self.marks.len() {
            if self.marks[index].standing == Standing::Kept && !wanted(&self.contact(index)?.0) {
                self.marks[index].standing = away;
                gone += 1;
            }
        }
        Ok(gone)
    }

    // ---- Who is not, and why.

    /// How many rows are left out.
    #[must_use]
    pub fn left_out_count(&self) -> usize {
        self.standing(is_left_out).count()
    }

    /// The rows that are left out, and why: in list order, those whom the release cannot use last.
    pub fn left_out(&self) -> impl Iterator<Item = io::Result<LeftOut>> + '_ {
        let first = self.standing(|standing| is_left_out(standing) && standing != Standing::Unusable);
        let last = self.standing(|standing| standing == Standing::Unusable);
        first.chain(last).map(|index| self.why_left_out(index))
    }

    /// Rows of addresses that an earlier row has.
    pub fn duplicates(&self) -> impl Iterator<Item = io::Result<Duplicate>> + '_ {
        self.standing(|standing| standing == Standing::Duplicate).map(|index| self.duplicate(index))
    }

    /// How many rows have the address of an earlier one.
    #[must_use]
    pub fn duplicate_count(&self) -> usize {
        self.standing(|standing| standing == Standing::Duplicate).count()
    }

    /// What is odd without being wrong, in list order.
    pub fn remarks(&self) -> impl Iterator<Item = io::Result<Remark>> + '_ {
        let odd = self.marks.iter().enumerate().filter(|(_, mark)| mark.has_remarks);
        odd.flat_map(|(index, _)| {
            let (problems, error) = match self.row(index) {
                Ok(row) => (row.remarks, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let file = self.file(index).file.clone();
            let remark = move |problem| Ok(Remark { file: file.clone(), problem });
            problems.into_iter().map(remark).chain(error)
        })
    }

    /// Whether some row is bad, as against opted out or folded (`contacts check` exits 1).
    #[must_use]
    pub fn has_defects(&self) -> bool {
        self.standing(|standing| matches!(standing, Standing::Bad | Standing::Unusable)).next().is_some()
    }

    /// What each file turned out to be.
    #[must_use]
    pub fn files(&self) -> &[FileReport] {
        &self.files
    }

    /// Every column of every file.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnMapping> {
        self.files.iter().flat_map(|file| file.columns.iter())
    }

    fn why_left_out(&self, index: usize) -> io::Result<LeftOut> {
        let row = self.row(index)?;
        let place = self.place(index, &row);
        let (contact, own) = match row.verdict {
            Verdict::Bad(problems) => return Ok(LeftOut { place, address: None, problems }),
            Verdict::Contact(contact) => (contact, None),
            Verdict::OptedOut(contact, problem) => (contact, Some(problem)),
        };
        let mut problems: Vec<RowProblem> = own.into_iter().collect();
        if let Some(other) = self.opted_out_row(index)?.filter(|_| problems.is_empty()) {
            let (file, row) = (self.file(other).file.clone(), self.row(other)?.row);
            let reason = Reason::OptedOutElsewhere { file, row };
            problems.push(RowProblem { row: place.row, line: Some(place.line), column: None, reason });
        }
        if problems.is_empty() {
            let used: Vec<&str> = self.used_fields.iter().map(String::as_str).collect();
            problems = contact.check_used(&used);
            problems.iter_mut().for_each(|problem| problem.line = Some(place.line));
        }
        Ok(LeftOut { place, address: Some(contact.address), problems })
    }

    fn duplicate(&self, index: usize) -> io::Result<Duplicate> {
        let (contact, place) = self.contact(index)?;
        let (key, hash) = self.hashed(&contact.address);
        let first = self.find_in(&self.first, hash, &key)?;
        let first = first.ok_or_else(|| io::Error::other("the row has no row before it"))?;
        let (first, first_place) = self.contact(first)?;
        let differing = differing(&first.fields, &contact.fields);
        Ok(Duplicate { place, address: contact.address, first: first_place, differing })
    }

    // ---- Rows and hashes.

    fn standing(&self, wanted: impl Fn(Standing) -> bool) -> impl Iterator<Item = usize> {
        self.marks.iter().enumerate().filter(move |(_, mark)| wanted(mark.standing)).map(|(index, _)| index)
    }

    fn file(&self, index: usize) -> &FileReport {
        &self.files[self.starts.partition_point(|start| *start <= index) - 1]
    }

    fn row(&self, index: usize) -> io::Result<Row> {
        let file = self.file(index);
        Ok(self.rows.fetch(index)?.judge(&file.columns, file.detection.encoding.name()))
    }

    fn place(&self, index: usize, row: &Row) -> Place {
        Place { file: self.file(index).file.clone(), row: row.row, line: row.line }
    }

    fn address_of(&self, index: usize) -> io::Result<EmailAddress> {
        let row = self.row(index)?;
        let address = contact_of(&row).map(|contact| contact.address.clone());
        address.ok_or_else(|| io::Error::other("the row holds no contact"))
    }

    /// The row that says that this one's address has opted out.
    fn opted_out_row(&self, index: usize) -> io::Result<Option<usize>> {
        let hash = self.hashes[index];
        if self.opted_out.find(spread(hash), |other| self.hashes[*other as usize] == hash).is_none() {
            return Ok(None);
        }
        self.find_in(&self.opted_out, hash, &self.address_of(index)?.key())
    }

    fn hashed(&self, address: &EmailAddress) -> (RecipientKey, u32) {
        let key = address.key();
        let hash = self.hash(&key);
        (key, hash)
    }

    /// The lower half of a keyed hash: nobody can choose addresses that fall together.
    fn hash(&self, key: &RecipientKey) -> u32 {
        self.hasher.hash_one(key) as u32 & self.hash_bits
    }

    fn find_in(&self, table: &HashTable<u32>, hash: u32, key: &RecipientKey) -> io::Result<Option<usize>> {
        let mut failed = None;
        let is_same = |index: &u32| {
            let index = *index as usize;
            self.hashes[index] == hash
                && match self.address_of(index) {
                    Ok(address) => address.key() == *key,
                    Err(error) => {
                        failed = Some(error);
                        false
                    }
                }
        };
        let found = table.find(spread(hash), is_same).map(|index| *index as usize);
        failed.map_or(Ok(found), Err)
    }
}

fn contact_of(row: &Row) -> Option<&Contact> {
    match &row.verdict {
        Verdict::Contact(contact) | Verdict::OptedOut(contact, _) => Some(contact),
        Verdict::Bad(_) => None,
    }
}

fn is_left_out(standing: Standing) -> bool {
    use Standing::{Bad, OptedOut, OptedOutElsewhere, Unusable};
    matches!(standing, Bad | OptedOut | OptedOutElsewhere | Unusable)
}

/// All 64 bits of a half hash: the table looks at the lowest and at the highest ones.
fn spread(half: u32) -> u64 {
    // 2^64 divided by the golden ratio: Knuth, The Art of Computer Programming 3, section 6.4.
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 addresses of one and the same hash, each in three spellings; the tenth has opted out.
    #[test]
    fn rows_of_one_hash_are_told_apart_by_their_addresses() {
        let mut text = "email,status\n".to_owned();
        for spelling in ["j", "J", "j"] {
            text.extend((0..200).map(|n| format!("{spelling}{n}@example.org,\n")));
        }
        text.push_str("J10@EXAMPLE.org,unsubscribed\n");

        let sources = vec![Source::new("a.csv", text.as_bytes())];
        let list = ContactList::empty(io::Cursor::new(Vec::new()), 0);
        let list = list.filled(sources, &ReadOptions::default()).unwrap();

        assert_eq!((list.len(), list.duplicate_count(), list.left_out_count()), (199, 398, 4));
        for index in list.kept() {
            let (contact, place) = list.contact(index).unwrap();
            assert_eq!(contact.fields["email"], format!("j{index}@example.org"));
            assert_eq!(list.find(&contact.address.key()).unwrap(), Some(index));
            assert_eq!(place.row, index as u64 + 2);
        }
        let duplicate = list.duplicates().last().unwrap().unwrap();
        assert_eq!((duplicate.place.row, duplicate.first.row), (601, 201));
    }
}
