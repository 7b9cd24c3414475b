//! A machine is a folder; a mirror is a map that can fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
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
use tokio::sync::oneshot;

pub(crate) const KEY: &str = "a key of the tests that is long enough";

/// What happens to the machine that writes, at which of its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// The write is not done.
    Before,
    /// The write is done; its answer comes to nobody.
    After,
}

/// The number of a write, who is told that it comes, and who lets it go on.
type Pause = (i64, oneshot::Sender<()>, oneshot::Receiver<()>);

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
    /// Nothing gets through once so many writes were done: the machine is dead.
    dies: Mutex<Option<(i64, Death)>>,
    /// Writes so far.
    writes: AtomicI64,
    /// Before this write, whoever waits for the first is told, and the second is waited for.
    pauses: Mutex<Option<Pause>>,
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

    /// The machine that writes dies at the write number `at` from now on, 0 being the next.
    pub(crate) fn dies(&self, at: i64, death: Death) {
        self.writes.store(0, Ordering::SeqCst);
        *self.dies.lock().unwrap() = Some((at, death));
    }

    /// Before write number `at` from now on: tells the first, waits for the second.
    pub(crate) fn pauses(&self, at: i64) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        self.writes.store(0, Ordering::SeqCst);
        let ((reached, is_reached), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
        *self.pauses.lock().unwrap() = Some((at, reached, goes_on));
        (is_reached, go_on)
    }

    /// Another machine comes.
    pub(crate) fn lives(&self) {
        self.is_down.store(false, Ordering::SeqCst);
        *self.dies.lock().unwrap() = None;
        *self.pauses.lock().unwrap() = None;
    }

    /// The same place as it is now, by itself.
    pub(crate) fn copy(&self) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::new(self.kept.lock().unwrap().clone()), ..Self::default() })
    }

    /// Whether anything that stands in it says `text`, for whoever has the key.
    pub(crate) fn says(&self, text: &str) -> bool {
        let seal = Seal::new(&KEY.to_owned().into()).unwrap();
        let kept = self.kept.lock().unwrap();
        let mut log = kept.iter().filter(|(name, _)| name.starts_with("log/"));
        log.any(|(name, sealed)| String::from_utf8(seal.open(name, sealed).unwrap()).unwrap().contains(text))
    }

    async fn write(&self, work: impl FnOnce() -> Created + Send) -> Result<Created, TargetFailed> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let pause = self.pauses.lock().unwrap().take_if(|(at, _, _)| *at == number);
        if let Some((_, reached, goes_on)) = pause {
            reached.send(()).unwrap();
            goes_on.await.unwrap();
        }
        self.answers()?;
        let dies = self.dies.lock().unwrap().filter(|(at, _)| *at == number).map(|(_, death)| death);
        let done = if dies == Some(Death::Before) { Created::New } else { work() };
        if dies.is_some() {
            self.is_down.store(true, Ordering::SeqCst);
            return Err(TargetFailed::new("the machine is dead"));
        }
        Ok(done)
    }
}

#[async_trait]
impl MirrorTarget for Place {
    async fn create(&self, name: &str, bytes: Bytes) -> Result<Created, TargetFailed> {
        let done = self.write(|| {
            let mut kept = self.kept.lock().unwrap();
            if kept.contains_key(name) && !self.overwrites.load(Ordering::SeqCst) {
                return Created::Exists;
            }
            kept.insert(name.to_owned(), bytes);
            Created::New
        });
        let done = done.await?;
        let is_new = done == Created::New && name != "probe";
        if is_new && self.loses_an_answer.swap(false, Ordering::SeqCst) {
            return Err(TargetFailed::new("the line was lost"));
        }
        Ok(done)
    }

    async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), TargetFailed> {
        let done = self.write(|| {
            let before = self.kept.lock().unwrap().insert(name.to_owned(), bytes);
            assert!(before.is_some(), "`{name}` was replaced, and was not there");
            Created::Exists
        });
        done.await.map(|_| ())
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
    /// How long a failing mirror is waited for.
    pub(crate) patience: Duration,
}

impl Machine {
    pub(crate) fn new(folder: &Path, name: &str, mirror: Option<&Arc<Place>>) -> Self {
        let patience = Duration::from_millis(300);
        Self { folder: folder.join(name), mirror: mirror.cloned(), mode: Mode::Sync, patience }
    }

    pub(crate) fn journal_path(&self) -> PathBuf {
        self.folder.join("journal.db")
    }

    pub(crate) async fn plain(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open(&self.journal_path()).await.unwrap())
    }

    pub(crate) async fn opening(&self) -> Opening {
        Opening {
            journal: self.plain().await,
            beside: Arc::new(Beside::new(self.folder.join("journal.db.state"))),
            log: self.mirror.as_ref().map(log_at),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            machine: self.folder.file_name().unwrap().to_string_lossy().into_owned(),
        }
    }

    pub(crate) async fn begin(&self) -> Result<MirroredJournal, NotOpened> {
        let terms = Terms { mode: self.mode, patience: self.patience, farewell: Duration::from_secs(2) };
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

/// The log at a place, of which nothing was read yet.
pub(crate) fn log_at(place: &Arc<Place>) -> Log {
    let seal = Seal::new(&KEY.to_owned().into()).unwrap();
    let place: Arc<dyn MirrorTarget> = place.clone();
    Log::new(place, seal, Arc::new(SystemClock), Arc::new(SystemEntropy))
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
