//! A journal with a second place is a journal.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use depeche_core::journal::Journal;
use depeche_mirror::Mode;
use depeche_testkit::journal::{JournalHarness, journal_conformance};

use crate::support::{Machine, Place};

struct Machines {
    folder: PathBuf,
    mode: Mode,
    now: Mutex<(u32, Arc<Place>)>,
}

#[async_trait]
impl JournalHarness for Machines {
    async fn fresh(&self) -> Arc<dyn Journal> {
        {
            let mut now = self.now.lock().unwrap();
            *now = (now.0 + 1, Arc::default());
        }
        self.reopened().await
    }

    async fn reopened(&self) -> Arc<dyn Journal> {
        let (count, place) = self.now.lock().unwrap().clone();
        let mut machine = Machine::new(&self.folder, &count.to_string(), Some(&place));
        machine.mode = self.mode;
        Arc::new(machine.begin().await.unwrap())
    }
}

async fn conforms(mode: Mode) {
    let folder = tempfile::tempdir().unwrap();
    let now = Mutex::new((0, Arc::default()));

    journal_conformance(&Machines { folder: folder.path().to_owned(), mode, now }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_with_a_mirror_before_the_wire_keeps_every_promise_of_a_journal() {
    conforms(Mode::Sync).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_with_a_mirror_that_follows_keeps_every_promise_of_a_journal() {
    conforms(Mode::Async).await;
}
