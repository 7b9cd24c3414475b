//! The rows of a list on a scratch file: four bytes of memory a row, whatever stands in it.
//!
//! Rows are laid down once, in order, as they stand in their file, and fetched again by number; going
//! along them reads the scratch file in pieces. It is nobody's file but ours: nothing in it is believed
//! to survive the process.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use super::reader::RawRow;

/// Where rows are kept while a list is worked on: a temporary file, or memory (`Cursor<Vec<u8>>`).
pub trait Scratch: Read + Write + Seek + Send {}

impl<T: Read + Write + Seek + Send> Scratch for T {}

/// The beginning of every so manieth row is known; those between are added up.
const BLOCK: usize = 64;
/// Octets that are written, and read along the rows, at once.
const PIECE: usize = 64 * 1024;
/// Octets that are read at once for a row far from the last one.
const LEAP: usize = 4 * 1024;

pub(super) struct StoredRows {
    lengths: Vec<u32>,
    blocks: Vec<u64>,
    end: u64,
    disk: Mutex<Disk>,
}

struct Disk {
    scratch: Box<dyn Scratch>,
    /// Rows that are not in the scratch file yet; it ends at `written`.
    pending: Vec<u8>,
    written: u64,
    /// A piece of the scratch file, and where it begins.
    window: Vec<u8>,
    window_at: u64,
}

impl StoredRows {
    pub(super) fn new(scratch: impl Scratch + 'static) -> Self {
        let scratch = Box::new(scratch);
        let (pending, window) = (Vec::new(), Vec::new());
        let disk = Disk { scratch, pending, written: 0, window, window_at: 0 };
        Self { lengths: Vec::new(), blocks: Vec::new(), end: 0, disk: Mutex::new(disk) }
    }

    /// Lays a row down behind the others.
    pub(super) fn push(&mut self, row: &RawRow) -> io::Result<()> {
        let disk = self.disk.get_mut().unwrap_or_else(PoisonError::into_inner);
        let before = disk.pending.len();
        serde_json::to_writer(&mut disk.pending, row)?;
        let length = disk.pending.len() - before;
        if disk.pending.len() >= PIECE {
            disk.flush()?;
        }
        if self.lengths.len().is_multiple_of(BLOCK) {
            self.blocks.push(self.end);
        }
        self.lengths.push(u32::try_from(length).map_err(io::Error::other)?);
        self.end += length as u64;
        Ok(())
    }

    /// The row with this number, from 0.
    pub(super) fn fetch(&self, index: usize) -> io::Result<RawRow> {
        let unknown = || io::Error::other("no such row");
        let (block, length) =
            self.blocks.get(index / BLOCK).zip(self.lengths.get(index)).ok_or_else(unknown)?;
        let before = &self.lengths[index - index % BLOCK..index];
        let at = block + before.iter().map(|length| u64::from(*length)).sum::<u64>();
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(serde_json::from_slice(disk.read(at, *length as usize)?)?)
    }
}

impl Disk {
    fn flush(&mut self) -> io::Result<()> {
        self.scratch.seek(SeekFrom::Start(self.written))?;
        self.scratch.write_all(&self.pending)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn read(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let part = |from: u64| -> Option<std::ops::Range<usize>> {
            let start = usize::try_from(at.checked_sub(from)?).ok()?;
            Some(start..start.checked_add(length)?)
        };
        if let Some(range) = part(self.written) {
            return self.pending.get(range).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let is_here = part(self.window_at).is_some_and(|range| range.end <= self.window.len());
        if !is_here {
            self.load(at, length)?;
        }
        let range = part(self.window_at).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        self.window.get(range).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    fn load(&mut self, at: u64, length: usize) -> io::Result<()> {
        let window_end = self.window_at + self.window.len() as u64;
        let goes_on = at >= self.window_at && at < window_end + PIECE as u64;
        let wanted = length.max(if goes_on { PIECE } else { LEAP }) as u64;
        self.window.clear();
        self.window_at = at;
        self.scratch.seek(SeekFrom::Start(at))?;
        let wanted = wanted.min(self.written - at);
        (&mut self.scratch).take(wanted).read_to_end(&mut self.window)?;
        Ok(())
    }
}
