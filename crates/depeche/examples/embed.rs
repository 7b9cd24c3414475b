//! depeche inside another program: a provider of one's own, messages of one's own, a second Ctrl-C,
//! and progress as a stream. Nothing is sent.
//!
//! `cargo run -p depeche --example embed`

// An example shows what it does.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche::budget::Limits;
use depeche::clock::{SystemClock, SystemEntropy};
use depeche::engine::{Engine, Event, Events, LinkConfig, Needs, Render, RenderRefused, Stop};
use depeche::journal::{DeliveryRecord, Journal, RunId};
use depeche::message::Message;
use depeche::outcome::{Outcome, Persistence, Receipt, Refusal};
use depeche::policy::Policy;
use depeche::provider::{Capability, Commit, Login, Parcel, Provider, ProviderName};
use depeche::sqlite::SqliteJournal;
use depeche_testkit::conformance::message_to;
use depeche_testkit::journal::{new_run, recipients};

/// A provider that would call another program's API here.
struct Carrier(ProviderName);

#[async_trait]
impl Provider for Carrier {
    fn name(&self) -> &ProviderName {
        &self.0
    }

    fn kind(&self) -> &'static str {
        "carrier"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: Some(10_000_000),
            inline_images: true,
            attachments: true,
            international_local_part: false,
            batch: 1,
            idempotent_for: None,
            lanes: 2,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        // Everything that can fail without a byte of the message comes first. Then the intent: it is
        // durable when this returns, and nothing may leave when it is denied.
        if let Err(denied) = commit.intent(None).await {
            return parcels.iter().map(|_| Outcome::NotStarted(denied.clone())).collect();
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        commit.heard();
        let answer = |parcel: &Parcel| match parcel.message.to.address.local() {
            "j3" => Outcome::Refused(Refusal::recipient(Persistence::Permanent, false, "not here any more")),
            _ => Outcome::Accepted(Receipt::new(None, "taken")),
        };
        parcels.iter().map(answer).collect()
    }

    async fn login(&self) -> Result<Login, Refusal> {
        Ok(Login::default())
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
    let journal = Arc::new(SqliteJournal::in_memory().await?);
    let run = RunId::new("letters")?;
    journal.freeze(new_run("letters", 1, 60, jiff::Timestamp::now()), recipients(0..60)).await?;

    let (events, mut progress) = Events::channel();
    let provider = Arc::new(Carrier(ProviderName::new("carrier")?));
    let engine = Engine {
        journal: journal.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        render: Arc::new(Letters),
        chain: vec![LinkConfig { provider, limits: Limits::default(), config_digest: [0; 32] }],
        policy: Policy::default(),
        events,
    };
    let (stop, control) = Stop::new();
    let hold = journal.hold(&run).await?;
    let reading = async {
        let mut accepted = 0;
        while let Some(event) = progress.recv().await {
            match event {
                Event::Accepted { .. } => accepted += 1,
                Event::Refused { address, reply, .. } => println!("{address} was refused: {reply}"),
                Event::Ended { .. } => break,
                _ => {}
            }
            // What Ctrl-C would do: take no new recipients, finish those in flight.
            if accepted == 20 {
                stop.drain();
            }
        }
    };
    let (ended, ()) = tokio::join!(engine.run(hold.as_ref(), control), reading);
    let ended = ended?;
    println!("{:?}: {:?}", ended.why, ended.totals);

    // Later, or after a crash: the same journal goes on where it stopped.
    let rest = engine.run(hold.as_ref(), Stop::new().1).await?;
    println!("{:?}: {:?}", rest.why, rest.totals);
    assert!(rest.totals.add_up() && rest.totals.pending == 0);
    Ok(())
}
