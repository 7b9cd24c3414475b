//! The outbox: files that are whole, named for their recipient, and never called sent.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use depeche_core::outcome::{Blame, Outcome, Trouble};
use depeche_core::provider::{Provider, ProviderName};
use depeche_providers::outbox::OutboxProvider;
use depeche_testkit::conformance::{
    Arranged, Peer, PeerDoes, ProviderHarness, RecordingCommit, message_to, parcel_to, provider_conformance,
};
use tempfile::TempDir;

fn outbox(folder: impl Into<PathBuf>) -> OutboxProvider {
    OutboxProvider::new(ProviderName::new("outbox").expect("a fixed name"), folder)
}

async fn write(outbox: &OutboxProvider, address: &str) -> Outcome {
    outbox.attempt(0, &[parcel_to(address)], &RecordingCommit::granting()).await.remove(0)
}

struct Folder(TempDir);

impl Folder {
    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.0.path().join("outbox")) else { return Vec::new() };
        entries.flatten().map(|entry| entry.path()).collect()
    }
}

impl Peer for Folder {
    fn message_bytes(&self) -> u64 {
        self.files().iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum()
    }

    fn whole_messages(&self) -> Vec<String> {
        let names = self.files().into_iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        names.filter_map(|name| name.strip_suffix(".eml").map(str::to_owned)).collect()
    }
}

struct Outbox;

#[async_trait]
impl ProviderHarness for Outbox {
    async fn arrange(&self, peer: PeerDoes) -> Option<Arranged> {
        let folder = TempDir::new().ok()?;
        let path = match peer {
            PeerDoes::Accepts => folder.path().join("outbox"),
            // Where the folder should be there is a file.
            PeerDoes::IsAbsent => {
                std::fs::write(folder.path().join("outbox"), "").ok()?;
                folder.path().join("outbox").join("deeper")
            }
            _ => return None,
        };
        Some(Arranged { provider: Box::new(outbox(path)), peer: Arc::new(Folder(folder)) })
    }
}

#[tokio::test]
async fn the_outbox_keeps_every_promise_of_a_provider() {
    let report = provider_conformance(&Outbox).await;

    report.assert_all_held();
    assert_eq!(report.held.len(), 2 + 4 + 2);
}

#[tokio::test]
async fn each_recipient_has_one_file_with_the_very_bytes() {
    let folder = TempDir::new().unwrap();
    let outbox = outbox(folder.path());

    let first = write(&outbox, "Ana.Silva@journal.example").await;
    write(&outbox, "bob@journal.example").await;
    write(&outbox, "ana.silva@journal.example").await;

    assert!(
        matches!(&first, Outcome::Written(r) if r.provider_id.as_deref() == Some("ana.silva@journal.example.eml"))
    );
    let file = std::fs::read(folder.path().join("bob@journal.example.eml")).unwrap();
    assert_eq!(file, message_to("bob@journal.example").mime.to_vec());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[cfg(unix)]
#[tokio::test]
async fn files_can_be_read_by_all_and_written_by_us() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();

    write(&outbox(folder.path()), "ana@journal.example").await;

    let mode = std::fs::metadata(folder.path().join("ana@journal.example.eml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[tokio::test]
async fn what_cannot_be_written_is_the_providers_fault_and_leaves_no_part() {
    let folder = TempDir::new().unwrap();
    // The target name is taken by a folder: the rename fails after everything was written.
    std::fs::create_dir_all(folder.path().join("ana@journal.example.eml/in the way")).unwrap();

    let outcome = write(&outbox(folder.path()), "ana@journal.example").await;

    let Outcome::Refused(refusal) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((refusal.blames, refusal.trouble), (Blame::Provider, Some(Trouble::Fault)));
    assert!(refusal.reply.contains("cannot be written"), "{refusal:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
}
