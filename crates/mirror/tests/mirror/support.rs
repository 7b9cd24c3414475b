//! A machine is a folder; a mirror is a map that can fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::clock::{SystemClock, SystemEntropy};
use depeche_core::journal::mirror::{Created, MirrorTarget, TargetFailed};
use depeche_core::journal::*;
use depeche_core::provider::ProviderName;
use depeche_journal::SqliteJournal;
use depeche_mirror::{Beside, Log, MirroredJournal, Mode, NotOpened, Opening, Seal, Terms};
use depeche_testkit::journal::{intent_for, new_run, recipients, settled};
use jiff::Timestamp;

pub(crate) const KEY: &str = "a key of the tests that is long enough";

/// A place in memory.
#[derive(Default)]
pub(crate) struct Place {
    kept: Mutex<BTreeMap<String, Bytes>>,
    /// Nothing gets through.
    pub(crate) is_down: AtomicBool,
    /// The next name is kept and the answer is lost.
    pub(crate) loses_an_answer: AtomicBool,
    /// A taken name is written over.
    pub(crate) overwrites: AtomicBool,
}

impl Place {
    pub(crate) fn segments(&self) -> usize {
        self.kept.lock().unwrap().keys().filter(|name| name.starts_with("log/")).count()
    }

    pub(crate) fn forget_all(&self) {
        self.kept.lock().unwrap().clear();
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.kept.lock().unwrap().values().any(|bytes| bytes.windows(text.len()).any(|part| part == text))
    }

    fn answers(&self) -> Result<(), TargetFailed> {
        if self.is_down.load(Ordering::SeqCst) { Err(TargetFailed::new("it is down")) } else { Ok(()) }
    }
}

#[async_trait]
impl MirrorTarget for Place {
    async fn create(&self, name: &str, bytes: Bytes) -> Result<Created, TargetFailed> {
        self.answers()?;
        let mut kept = self.kept.lock().unwrap();
        if kept.contains_key(name) && !self.overwrites.load(Ordering::SeqCst) {
            return Ok(Created::Exists);
        }
        kept.insert(name.to_owned(), bytes);
        if name != "probe" && self.loses_an_answer.swap(false, Ordering::SeqCst) {
            return Err(TargetFailed::new("the line was lost"));
        }
        Ok(Created::New)
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, TargetFailed> {
        self.answers()?;
        Ok(self.kept.lock().unwrap().get(name).cloned())
    }

    fn shown(&self) -> String {
        "memory".to_owned()
    }
}

/// One machine: a folder with a journal, and what stands beside it.
pub(crate) struct Machine {
    pub(crate) folder: PathBuf,
    pub(crate) mirror: Option<Arc<Place>>,
    pub(crate) mode: Mode,
}

impl Machine {
    pub(crate) fn new(folder: &Path, name: &str, mirror: Option<&Arc<Place>>) -> Self {
        Self { folder: folder.join(name), mirror: mirror.cloned(), mode: Mode::Sync }
    }

    pub(crate) fn journal_path(&self) -> PathBuf {
        self.folder.join("journal.db")
    }

    pub(crate) async fn plain(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open(&self.journal_path()).await.unwrap())
    }

    pub(crate) async fn opening(&self) -> Opening {
        let place = |place: &Arc<Place>| {
            let seal = Seal::new(&KEY.to_owned().into()).unwrap();
            let place: Arc<dyn MirrorTarget> = place.clone();
            Log::new(place, seal, Arc::new(SystemClock), Arc::new(SystemEntropy))
        };
        Opening {
            journal: self.plain().await,
            beside: Arc::new(Beside::new(self.folder.join("journal.db.state"))),
            log: self.mirror.as_ref().map(place),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            machine: self.folder.file_name().unwrap().to_string_lossy().into_owned(),
        }
    }

    pub(crate) async fn begin(&self) -> Result<MirroredJournal, NotOpened> {
        let terms =
            Terms { mode: self.mode, patience: Duration::from_millis(300), farewell: Duration::from_secs(2) };
        MirroredJournal::begin(self.opening().await, terms).await
    }

    /// The journal's files as they are now, somewhere else; no write is under way.
    pub(crate) fn copy_journal(&self, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for name in ["journal.db", "journal.db-wal"] {
            let _ = std::fs::remove_file(to.join(name));
            if self.folder.join(name).exists() {
                std::fs::copy(self.folder.join(name), to.join(name)).unwrap();
            }
        }
    }

    /// Puts such a copy back.
    pub(crate) fn restore_journal(&self, from: &Path) {
        for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
            let _ = std::fs::remove_file(self.folder.join(name));
            if from.join(name).exists() {
                std::fs::copy(from.join(name), self.folder.join(name)).unwrap();
            }
        }
    }
}

pub(crate) fn run_id() -> RunId {
    RunId::new("r1").unwrap()
}

pub(crate) fn ovh() -> ProviderName {
    ProviderName::new("ovh").unwrap()
}

pub(crate) async fn freeze(journal: &dyn Journal, count: usize) {
    let run = NewRun {
        assets: vec![("logo.png".to_owned(), Bytes::from_static(b"png"))],
        route: vec![ovh()],
        ..new_run("r1", 1, count, Timestamp::now())
    };
    journal.freeze(run, recipients(0..count)).await.unwrap();
}

/// Hands the first pending recipient over, and hears a yes unless `is_left_open`.
pub(crate) async fn send_one(journal: &dyn Journal, is_left_open: bool) {
    let due = journal.due(&run_id(), Timestamp::now(), 1).await.unwrap();
    let intent = intent_for(&run_id(), &due[0], &ovh(), &SystemEntropy, Timestamp::now());
    journal.intend(vec![intent.clone()]).await.unwrap();
    if !is_left_open {
        let yes = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, Timestamp::now());
        journal.settle(vec![yes], Urgency::Soon).await.unwrap();
    }
}

/// (accepted, unknown, pending), with an open attempt as unknown.
pub(crate) async fn counts(journal: &dyn Journal) -> (u64, u64, u64) {
    let totals = journal.totals(&run_id()).await.unwrap();
    (totals.accepted, totals.unknown, totals.pending)
}
