//! The sole right to work on a run: an OS file lock, which dies with its process. Never a lease.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use depeche_core::journal::{Hold, HoldError, JournalError, RunId};

/// Where holds are kept: lock files beside the journal, or a set for a journal in memory.
#[derive(Debug, Clone)]
pub(crate) enum Holds {
    Files(PathBuf),
    Memory(Arc<Mutex<BTreeSet<RunId>>>),
}

/// A held run.
#[derive(Debug)]
struct Held {
    run: RunId,
    /// Locked; the lock ends when the file is closed.
    _file: Option<File>,
    memory: Option<Arc<Mutex<BTreeSet<RunId>>>>,
}

impl Hold for Held {
    fn run(&self) -> &RunId {
        &self.run
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
        }
    }
}

/// Waits for the sole right to open the journal; it ends when the file is closed.
pub(crate) async fn opening(journal: &Path) -> std::io::Result<File> {
    let mut name = journal.as_os_str().to_owned();
    name.push(".opening");
    let path = PathBuf::from(name);
    super::unix::private_file(&path)?;
    let file = File::options().append(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        // Whoever has to wait does so on a thread.
        Err(TryLockError::WouldBlock) => {
            let wait = move || file.lock().map(|()| file);
            tokio::task::spawn_blocking(wait).await.map_err(std::io::Error::other)?
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Holds {
    pub(crate) async fn take(&self, run: &RunId) -> Result<Box<dyn Hold>, HoldError> {
        match self {
            Self::Files(journal) => {
                let path = lock_path(journal, run);
                // Someone who only looks holds the lock for an instant: ask a few times.
                for _ in 0..10 {
                    if let Some(file) = try_lock(&path)? {
                        return Ok(Box::new(Held { run: run.clone(), _file: Some(file), memory: None }));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(HoldError::Held { run: run.clone(), pid: read_pid(&path) })
            }
            Self::Memory(runs) => {
                if !runs.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone()) {
                    return Err(HoldError::Held { run: run.clone(), pid: Some(std::process::id()) });
                }
                let memory = Some(Arc::clone(runs));
                Ok(Box::new(Held { run: run.clone(), _file: None, memory }))
            }
        }
    }

    pub(crate) fn holder(&self, run: &RunId) -> Result<Option<Option<u32>>, JournalError> {
        match self {
            Self::Files(journal) => {
                let path = lock_path(journal, run);
                if !path.exists() {
                    return Ok(None);
                }
                let file = File::open(&path).map_err(|error| unusable(&path, &error))?;
                match file.try_lock_shared() {
                    Ok(()) => Ok(None),
                    Err(TryLockError::WouldBlock) => Ok(Some(read_pid(&path))),
                    Err(TryLockError::Error(error)) => Err(unusable(&path, &error)),
                }
            }
            Self::Memory(runs) => {
                let held = runs.lock().unwrap_or_else(PoisonError::into_inner).contains(run);
                Ok(held.then(|| Some(std::process::id())))
            }
        }
    }
}

fn try_lock(path: &Path) -> Result<Option<File>, JournalError> {
    super::unix::private_file(path).map_err(|error| unusable(path, &error))?;
    let mut file =
        File::options().read(true).write(true).open(path).map_err(|error| unusable(path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
    }
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    // The lock holds without its pid; a full disk must not stop someone from finishing a run.
    drop(written);
    Ok(Some(file))
}

fn read_pid(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn lock_path(journal: &Path, run: &RunId) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".run-{run}.lock"));
    journal.with_file_name(name)
}

fn unusable(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Unusable { place: path.display().to_string(), reason: error.to_string() }
}
