//! Sends a release to a list, into a folder of .eml files.
//!
//! `cargo run -p depeche --example send -- templates/fr/communique.md contacts.example.csv outbox`

// An example shows what it does.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use depeche::budget::Limits;
use depeche::clock::{Clock, SystemClock, SystemEntropy};
use depeche::contact::{ReadOptions, Source, load};
use depeche::engine::{Control, Engine, Events, LinkConfig};
use depeche::journal::{Journal, NewDelivery, NewRun, RunId, RunKind};
use depeche::policy::Policy;
use depeche::provider::ProviderName;
use depeche::providers::outbox::OutboxProvider;
use depeche::release::{Assets, Identity, Release, Renderer, new_message_id};
use depeche::sqlite::SqliteJournal;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [release, contacts, outbox] = arguments.as_slice() else {
        return Err("usage: send RELEASE CONTACTS OUTBOX".into());
    };

    let sources = vec![Source::new(contacts, File::open(contacts)?)];
    let list = load(sources, &ReadOptions::default()).map_err(|mut errors| errors.remove(0))?;
    for left_out in &list.left_out {
        println!("left out: {left_out:?}");
    }
    let (identity, now) = (Identity::example(), jiff::ZonedDateTime::now());
    let source = std::fs::read_to_string(release)?;
    let folder = Path::new(release).parent().unwrap_or(Path::new("."));
    let release = Release::parse(&source).map_err(|mut problems| problems.remove(0))?;
    let assets = Assets::load(&release, folder).map_err(|mut problems| problems.remove(0))?;
    let frozen = release.freeze(&identity, &assets, &now).map_err(|mut problems| problems.remove(0))?;

    // In memory: an outbox is written again from the start. A real run needs a file.
    let journal = Arc::new(SqliteJournal::in_memory().await?);
    let run = RunId::new("outbox")?;
    let id = || new_message_id(&SystemEntropy, identity.from.address.domain());
    let contacts = list.contacts.iter().zip(0..);
    let deliveries: Vec<_> = contacts.map(|(contact, place)| NewDelivery::to(contact, place, id())).collect();
    let new_run = NewRun::real(run.clone(), &frozen, deliveries.len() as u64, SystemClock.now())?;
    journal.freeze(NewRun { kind: RunKind::Outbox, ..new_run }, deliveries).await?;

    let provider = Arc::new(OutboxProvider::new(ProviderName::new("outbox")?, outbox));
    let engine = Engine {
        journal: journal.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        render: Arc::new(Renderer::new(&frozen, assets.files(), now)?),
        chain: vec![LinkConfig { provider, limits: Limits::default(), config_digest: [0; 32] }],
        policy: Policy::default(),
        events: Events::none(),
    };
    let hold = journal.hold(&run).await?;
    let ended = engine.run(hold.as_ref(), Control::unstoppable()).await?;

    for delivery in journal.deliveries(&run, None, 1_000).await? {
        println!(
            "{:<10} {} {}",
            delivery.state.as_str(),
            delivery.address,
            delivery.reply.unwrap_or_default()
        );
    }
    println!("{} written to {outbox}: NOTHING WAS SENT", ended.totals.written);
    Ok(())
}
