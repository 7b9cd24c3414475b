//! A provider and a journal of one's own, each checked by the published conformance suite, then both at
//! work in a run. Nothing leaves this machine.
//!
//! `cargo run -p depeche --example own`

// An example shows what it does.
#![allow(clippy::print_stdout)]

mod journal;
mod provider;
mod service;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use depeche::budget::Limits;
use depeche::clock::{SystemClock, SystemEntropy};
use depeche::engine::{Control, Engine, Events, LinkConfig, Needs, Render, RenderRefused, Why};
use depeche::journal::{DeliveryRecord, Journal, RunId};
use depeche::message::Message;
use depeche::policy::Policy;
use depeche::provider::ProviderName;
use depeche::sqlite::SqliteJournal;
use depeche_testkit::conformance::{
    Arranged, Peer as _, PeerDoes, ProviderHarness, message_to, provider_conformance,
};
use depeche_testkit::journal::{JournalHarness, journal_conformance, new_run, recipients};

use journal::NotedJournal;
use provider::Courier;

/// Makes couriers for the suite, each with a service that does one thing.
struct Couriers;

#[async_trait]
impl ProviderHarness for Couriers {
    async fn arrange(&self, does: PeerDoes) -> Option<Arranged> {
        let (address, peer) = service::start(does).await.ok()?;
        let name = ProviderName::new("courier").ok()?;
        let provider = Box::new(Courier::new(name, address, Duration::from_millis(800)));
        Some(Arranged { provider, peer })
    }
}

/// Opens journals for the suite, a new folder for each fresh one.
struct Journals {
    folder: PathBuf,
    count: AtomicU32,
}

#[async_trait]
impl JournalHarness for Journals {
    async fn fresh(&self) -> Arc<dyn Journal> {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.reopened().await
    }

    async fn reopened(&self) -> Arc<dyn Journal> {
        let folder = self.folder.join(self.count.load(Ordering::SeqCst).to_string());
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let database = SqliteJournal::open(&folder.join("journal.db")).await;
        let database = Arc::new(database.expect("a new file is a journal"));
        Arc::new(NotedJournal::new(database, folder.join("on-the-wire")))
    }
}

/// Makes messages; a program with templates of its own renders them here.
struct Letters;

impl Render for Letters {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused> {
        Ok(message_to(&delivery.address.to_string()))
    }
}

/// The whole example.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let report = provider_conformance(&Couriers).await;
    report.assert_all_held();
    println!(
        "the provider: {} promises kept, {} cannot be asked of it",
        report.held.len(),
        report.left_out.len()
    );

    let folder = tempfile::tempdir()?;
    journal_conformance(&Journals { folder: folder.path().to_owned(), count: AtomicU32::new(0) }).await;
    println!("the journal: every promise kept");

    let (address, seen) = service::start(PeerDoes::Accepts).await?;
    let notes = folder.path().join("on-the-wire");
    let journal = Arc::new(NotedJournal::new(Arc::new(SqliteJournal::in_memory().await?), notes.clone()));
    let run = RunId::new("letters")?;
    journal.freeze(new_run("letters", 1, 12, jiff::Timestamp::now()), recipients(0..12)).await?;
    let provider = Arc::new(Courier::new(ProviderName::new("courier")?, address, Duration::from_secs(5)));
    let engine = Engine {
        journal: journal.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        render: Arc::new(Letters),
        chain: vec![LinkConfig { provider, limits: Limits::default(), config_digest: [0; 32] }],
        policy: Policy::default(),
        events: Events::none(),
    };
    let hold = journal.hold(&run).await?;
    let ended = engine.run(hold.as_ref(), Control::unstoppable()).await?;

    let noted = std::fs::read_to_string(&notes)?.lines().count();
    println!("{:?}: {:?}; {noted} noted elsewhere", ended.why, ended.totals);
    assert_eq!((ended.why, ended.totals.accepted), (Why::Done, 12));
    assert_eq!((seen.whole_messages().len(), noted), (12, 12));
    Ok(())
}
