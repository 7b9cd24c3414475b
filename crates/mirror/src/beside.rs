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

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write};
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

    /// The newest intents of a session, at most so many, the newest first. Line by line: a session's log also holds
    /// its list, which is not read.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn newest_intents(&self, session: u64, most: usize) -> io::Result<Vec<Record>> {
        let mut file = BufReader::new(File::open(self.folder.join(format!("{session:010}.log")))?);
        let (mut newest, mut line) = (VecDeque::with_capacity(most), Vec::new());
        while read_intent(&mut file, &mut line)? {
            if let Ok(record @ Record::Intent { .. }) = serde_json::from_slice::<Record>(&line) {
                newest.truncate(most.saturating_sub(1));
                newest.push_front(record);
            }
        }
        Ok(newest.into())
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

/// How the line of an intent begins (`Record` writes what it is first).
const INTENT: &[u8] = br#"{"what":"intent","#;

/// The next line into `line`, of one that is no intent its beginning alone; false at the end.
fn read_intent(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let begun = file.by_ref().take(INTENT.len() as u64).read_until(b'\n', line)?;
    if begun == 0 {
        return Ok(false);
    }
    if line == INTENT {
        file.read_until(b'\n', line)?;
    } else if line.last() != Some(&b'\n') {
        skip_line(file)?;
    }
    Ok(true)
}

fn skip_line(file: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = file.fill_buf()?;
        let (used, is_over) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        file.consume(used);
        if is_over {
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use depeche_core::journal::{AttemptState, RunId, RunState};

    use super::*;
    use crate::record::Attempt;

    fn intent(number: u32) -> Record {
        let attempt = Attempt {
            id: Uuid::from_u128(u128::from(number)),
            provider: depeche_core::provider::ProviderName::new("ovh").unwrap(),
            state: AttemptState::Intent,
            request_id: Uuid::nil(),
            idempotency_key: Uuid::nil(),
            request_digest: None,
            blames: None,
            reply: None,
            provider_id: None,
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
        };
        let key = format!("j{number}@journal.example").parse::<depeche_core::address::EmailAddress>();
        Record::Intent { run: RunId::new("r1").unwrap(), key: key.unwrap().key(), attempt }
    }

    /// Neither short (`{}`), nor the beginning of an intent's line.
    fn other(length: usize) -> Record {
        let run = RunId::new("r1").unwrap();
        Record::State {
            run,
            state: RunState::Running,
            note: Some("é".repeat(length)),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_newest_intents_are_found_between_long_lines_and_lines_that_the_power_took() {
        let folder = tempfile::tempdir().unwrap();
        let beside = Beside::new(folder.path().join("state"));
        beside.begin(&Epoch { journal: Uuid::nil(), epoch: 7 }).unwrap();
        for number in 0..40 {
            beside.note(&[other(number as usize * 3_000), intent(number), other(1)]).unwrap();
        }
        let path = folder.path().join("state/0000000007.log");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"\n{}\n{\"what\":\"intent\",\"run\":\"r").unwrap();

        let newest = beside.newest_intents(7, 16).unwrap();

        let all = beside.records(7).unwrap();
        let intents: Vec<Record> =
            all.into_iter().rev().filter(|record| matches!(record, Record::Intent { .. })).collect();
        assert_eq!(intents.len(), 40);
        let written = |records: &[Record]| serde_json::to_string(records).unwrap();
        assert_eq!(written(&newest), written(&intents[..16]));
        assert_eq!(written(&newest[..1]), written(&[intent(39)]));
    }
}
