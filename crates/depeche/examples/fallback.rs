//! Two providers; the first dies in the middle. Prints what happens, and what each server saw.
//!
//! `cargo run -p depeche --example fallback`

// An example shows what it does.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use depeche::budget::Limits;
use depeche::clock::{Clock, SystemClock, SystemEntropy};
use depeche::contact::{ReadOptions, Source, load};
use depeche::engine::{Control, Engine, Event, Events, LinkConfig};
use depeche::journal::{Journal, NewDelivery, NewRun, RunId};
use depeche::policy::Policy;
use depeche::provider::ProviderName;
use depeche::providers::smtp::{SmtpConfig, SmtpProvider, Tls};
use depeche::release::{Assets, Identity, Release, Renderer, new_message_id};
use depeche::sqlite::SqliteJournal;
use depeche_testkit::smtp::Rule;
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, RunningSmtp};

const RELEASE: &str = "---\ntitle: Une annonce\nlang: fr\n---\nBonjour {{ contact.first_name }},\n\nVoici.\n";

/// The whole example.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let dies = Rule::at(Phase::Mail).at_message(8).does(Fault::Die(None));
    let first = FakeSmtp::new().rule(dies).start().await;
    let second = FakeSmtp::new().start().await;

    let mut list = "email,first_name\n".to_owned();
    (1..=20).for_each(|n| list.push_str(&format!("j{n}@journal.example,Camille\n")));
    let sources = vec![Source::new("contacts.csv", list.as_bytes())];
    let contacts = load(sources, &ReadOptions::default()).map_err(|mut errors| errors.remove(0))?.contacts;
    let (identity, now) = (Identity::example(), jiff::ZonedDateTime::now());
    let release = Release::parse(RELEASE).map_err(|mut problems| problems.remove(0))?;
    let frozen =
        release.freeze(&identity, &Assets::empty(), &now).map_err(|mut problems| problems.remove(0))?;

    let journal = Arc::new(SqliteJournal::in_memory().await?);
    let run = RunId::new("20261203-annonce")?;
    let id = || new_message_id(&SystemEntropy, identity.from.address.domain());
    let deliveries: Vec<_> =
        contacts.iter().zip(0..).map(|(contact, place)| NewDelivery::to(contact, place, id())).collect();
    let new_run = NewRun::real(run.clone(), &frozen, deliveries.len() as u64, SystemClock.now())?;
    journal.freeze(new_run, deliveries).await?;

    let (events, mut progress) = Events::channel();
    let printer = tokio::spawn(async move {
        while let Some(event) = progress.recv().await {
            print(&event);
        }
    });
    let engine = Engine {
        journal: journal.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        render: Arc::new(Renderer::new(&frozen, Vec::new(), now)?),
        chain: vec![link("first", &first)?, link("second", &second)?],
        policy: Policy { suspect_after: Duration::from_secs(2), ..Policy::default() },
        events,
    };
    let hold = journal.hold(&run).await?;
    let ended = engine.run(hold.as_ref(), Control::unstoppable()).await?;
    drop(engine);
    printer.await?;

    println!("\nended: {:?}, {:?}", ended.why, ended.totals);
    for (name, server) in [("first", &first), ("second", &second)] {
        println!(
            "{name} accepted {} messages on {} connections",
            server.accepted().len(),
            server.record().connections
        );
    }
    Ok(())
}

fn link(name: &str, server: &RunningSmtp) -> Result<LinkConfig, Box<dyn Error>> {
    let config = SmtpConfig {
        port: server.port(),
        tls: Tls::None,
        connections: 2,
        ..SmtpConfig::new(ProviderName::new(name)?, "127.0.0.1")
    };
    let provider = Arc::new(SmtpProvider::new(config)?);
    Ok(LinkConfig { provider, limits: Limits::default(), config_digest: [0; 32] })
}

fn print(event: &Event) {
    match event {
        Event::Accepted { provider, address } => println!("{:>8}  accepted   {address}", provider.as_str()),
        Event::MovedOn { provider, address, reply } => {
            println!("{:>8}  moves on   {address}: {reply}", provider.as_str());
        }
        Event::Unknown { provider, address, detail } => {
            println!("{:>8}  UNKNOWN    {address}: {detail}", provider.as_str());
        }
        Event::SetAside { provider, reason, .. } => println!("{:>8}  SET ASIDE  {reason}", provider.as_str()),
        Event::Waiting { until, pending } => println!("          waiting until {until} ({pending} pending)"),
        _ => {}
    }
}
