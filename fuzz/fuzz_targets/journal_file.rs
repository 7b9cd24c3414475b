//! A journal whose file was damaged anywhere is used or refused with a reason; it never panics, and never
//! says that a recipient is in two states. The input is a list of (place, octet) that overwrite it.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use depeche_core::journal::Journal;
use depeche_journal::SqliteJournal;
use depeche_testkit::journal::{new_run, recipients};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    })
}

/// A whole journal with a run of five in it.
fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.db");
        runtime().block_on(async {
            let journal = SqliteJournal::open(&path).await.expect("a new journal");
            journal
                .freeze(new_run("essai", 1, 5, jiff::Timestamp::UNIX_EPOCH), recipients(0..5))
                .await
                .expect("a frozen run");
            journal.close().await;
        });
        std::fs::read(&path).expect("the journal's file")
    })
}

async fn use_it(path: &Path) {
    let Ok(journal) = SqliteJournal::open(path).await else { return };
    let Ok(runs) = journal.runs().await else { return };
    for run in runs {
        if let (Ok(totals), Ok(deliveries)) =
            (journal.totals(&run.id).await, journal.deliveries(&run.id, None, 100).await)
        {
            assert!(deliveries.len() <= 100);
            let _ = totals.add_up();
        }
        let _ = journal.events_of(&run.id).await;
        let _ = journal.assets(&run.id).await;
    }
    let _ = journal.suppressions(None).await;
    let _ = journal.breakers().await;
    journal.close().await;
}

fuzz_target!(|data: &[u8]| {
    let mut file = whole().to_vec();
    for change in data.chunks_exact(4) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize % file.len();
        file[place] = change[3];
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    std::fs::write(&path, file).expect("the folder takes a file");
    runtime().block_on(use_it(&path));
});
