//! The SQLite journal keeps every promise of the suite.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use depeche_core::journal::Journal;
use depeche_journal::SqliteJournal;
use depeche_testkit::journal::{JournalHarness, forgetting_conformance, journal_conformance};
use tempfile::TempDir;

/// A new file for each fresh journal.
struct Files {
    folder: TempDir,
    count: Mutex<u32>,
}

impl Files {
    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("{}/journal.db", self.count.lock().unwrap()))
    }
}

#[async_trait]
impl JournalHarness for Files {
    async fn fresh(&self) -> Arc<dyn Journal> {
        *self.count.lock().unwrap() += 1;
        self.reopened().await
    }

    async fn reopened(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open(&self.path()).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_of_a_journal() {
    let files = Files { folder: tempfile::tempdir().unwrap(), count: Mutex::new(0) };

    journal_conformance(&files).await;
    forgetting_conformance(&files).await;
}
