//! What is kept beside the journal, so that an older copy of it is recognised.
//!
//! - `epoch.json`: the journal's id and a number that every session raises, in the journal first and
//!   here second, both synced. A journal whose number is lower than this one's is an older copy.
//! - `0000000007.log`: the records of the session that raised the number to 7, a line each, written
//!   after the journal's own commit and before the wire, and not synced: it costs a system call for each
//!   message and no wait. A copy from the middle of a session lacks the last intent that stands here.
//!   When the power goes, lines of the last moments may be lost with it; then the number alone tells.
//! - `mirror.json`: how far the mirror lags, for `status`.
//!
//! The lines also say what the older copy lacks, so that `reconcile` can put it back.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::folder::sync_folder;
use crate::record::Record;

/// The folder beside a journal.
#[derive(Debug)]
pub struct Beside {
    folder: PathBuf,
    /// The log of this session, once it has begun.
    log: Mutex<Option<File>>,
}

/// Which journal, and its newest number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The journal's id.
    pub journal: Uuid,
    /// Raised by every session.
    pub epoch: u64,
}

/// How far the mirror lags behind the journal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lag {
    /// Records that the mirror has not.
    pub records: u64,
    /// Since when the oldest of them waits.
    pub since: Option<Timestamp>,
    /// Why, when it is more than being under way.
    pub trouble: Option<String>,
    /// Another machine has taken over.
    pub taken_over: bool,
}

/// So many sessions are kept.
const SESSIONS: usize = 50;

impl Beside {
    /// The folder at `folder`; nothing is made before something is written.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, log: Mutex::new(None) }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits for the sole right to read and raise the number; it ends when the file is dropped.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or the lock cannot be had.
    pub async fn lock(&self) -> io::Result<File> {
        let folder = self.folder.clone();
        let lock = move || {
            make_folder(&folder)?;
            let file = private(OpenOptions::new().create(true).append(true)).open(folder.join("lock"))?;
            file.lock()?;
            Ok(file)
        };
        tokio::task::spawn_blocking(lock).await.map_err(io::Error::other)?
    }

    /// The number that stands here; `None` when none does.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read.
    pub fn epoch(&self) -> io::Result<Option<Epoch>> {
        match std::fs::read(self.folder.join("epoch.json")) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the number, durably.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn save_epoch(&self, epoch: &Epoch) -> io::Result<()> {
        make_folder(&self.folder)?;
        self.replace("epoch.json", &serde_json::to_vec(epoch).map_err(io::Error::other)?, true)
    }

    /// Keeps the number, durably, and opens the log of its session.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn begin(&self, epoch: &Epoch) -> io::Result<()> {
        self.save_epoch(epoch)?;
        let path = self.folder.join(format!("{:010}.log", epoch.epoch));
        let file = private(OpenOptions::new().create(true).append(true)).open(path)?;
        *self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(file);
        self.forget_old()
    }

    /// Adds records to the session's log; before a session begins, nowhere.
    ///
    /// # Errors
    ///
    /// When the disk does not take them.
    pub fn note(&self, records: &[Record]) -> io::Result<()> {
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record).map_err(io::Error::other)?;
            lines.push(b'\n');
        }
        match &mut *self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            // One call, so that lines of two processes do not mix (O_APPEND).
            Some(file) => file.write_all(&lines),
            None => Ok(()),
        }
    }

    /// The numbers of the sessions that are kept, ascending.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn sessions(&self) -> io::Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The records of a session. A line that the power took is passed over.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn records(&self, session: u64) -> io::Result<Vec<Record>> {
        let file = File::open(self.folder.join(format!("{session:010}.log")))?;
        let mut records = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            records.extend(serde_json::from_slice::<Record>(&line?).ok());
        }
        Ok(records)
    }

    /// Keeps how far the mirror lags.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn save_lag(&self, lag: &Lag) -> io::Result<()> {
        self.replace("mirror.json", &serde_json::to_vec(lag).map_err(io::Error::other)?, false)
    }

    /// How far the mirror lags, as the last process said.
    #[must_use]
    pub fn lag(&self) -> Option<Lag> {
        serde_json::from_slice(&std::fs::read(self.folder.join("mirror.json")).ok()?).ok()
    }

    fn replace(&self, name: &str, content: &[u8], durable: bool) -> io::Result<()> {
        let (path, draft) =
            (self.folder.join(name), self.folder.join(format!("{name}.{}", std::process::id())));
        let mut file = private(OpenOptions::new().create(true).truncate(true).write(true)).open(&draft)?;
        file.write_all(content)?;
        if durable {
            file.sync_all()?;
        }
        std::fs::rename(&draft, &path)?;
        if durable { sync_folder(&self.folder) } else { Ok(()) }
    }

    /// Removes the records of every session; of `own`, which goes on, what it noted so far.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub(crate) fn forget_all(&self, own: u64) -> io::Result<()> {
        for session in self.sessions()?.into_iter().filter(|session| *session != own) {
            std::fs::remove_file(self.folder.join(format!("{session:010}.log")))?;
        }
        if let Some(file) = &*self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            file.set_len(0)?;
        }
        sync_folder(&self.folder)
    }

    fn forget_old(&self) -> io::Result<()> {
        let sessions = self.sessions()?;
        for old in sessions.iter().take(sessions.len().saturating_sub(SESSIONS)) {
            std::fs::remove_file(self.folder.join(format!("{old:010}.log")))?;
        }
        Ok(())
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    private_folder(folder)?;
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

#[cfg(unix)]
fn private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn private_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
