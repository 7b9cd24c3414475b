//! Progress as a stream: how many, how fast, until when; and a run whose future is dropped in the middle.
//!
//! `cargo run -p depeche --example progress`

// An example shows what it does.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use depeche::budget::Limits;
use depeche::clock::{SystemClock, SystemEntropy};
use depeche::engine::{Control, Engine, Event, Events, LinkConfig, Needs, Render, RenderRefused, Why};
use depeche::journal::{DeliveryRecord, Journal, RunId};
use depeche::message::Message;
use depeche::policy::Policy;
use depeche::provider::ProviderName;
use depeche::providers::smtp::{SmtpConfig, SmtpProvider, Tls};
use depeche::sqlite::SqliteJournal;
use depeche_testkit::conformance::message_to;
use depeche_testkit::journal::{new_run, recipients};
use depeche_testkit::smtp::{FakeSmtp, RunningSmtp};
use futures_util::stream::{Stream, StreamExt as _, poll_fn};

const RECIPIENTS: usize = 60;
const CONNECTIONS: usize = 2;

struct Letters;

impl Render for Letters {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused> {
        Ok(message_to(&delivery.address.to_string()))
    }
}

/// The events as a [`Stream`]: to be mapped, merged, sent over a websocket.
fn stream(
    events: Events,
    mut receiver: tokio::sync::mpsc::UnboundedReceiver<Event>,
) -> (Events, impl Stream<Item = Event>) {
    (events, poll_fn(move |context| receiver.poll_recv(context)))
}

fn engine(
    journal: &Arc<SqliteJournal>,
    server: &RunningSmtp,
    events: Events,
) -> Result<Engine, Box<dyn Error>> {
    let config = SmtpConfig {
        port: server.port(),
        tls: Tls::None,
        connections: CONNECTIONS,
        ..SmtpConfig::new(ProviderName::new("relay")?, "127.0.0.1")
    };
    let provider = Arc::new(SmtpProvider::new(config)?);
    Ok(Engine {
        journal: journal.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        render: Arc::new(Letters),
        chain: vec![LinkConfig { provider, limits: Limits::default(), config_digest: [0; 32] }],
        policy: Policy::default(),
        events,
    })
}

/// The whole example.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let server = FakeSmtp::new().start().await;
    let journal = Arc::new(SqliteJournal::in_memory().await?);
    let run = RunId::new("letters")?;
    journal
        .freeze(new_run("letters", 1, RECIPIENTS, jiff::Timestamp::now()), recipients(0..RECIPIENTS))
        .await?;

    // The future is dropped after 20 of them: by a timeout, a `select!`, a task that is aborted. This is
    // what `kill -9` would leave, and it is safe.
    let (events, receiver) = Events::channel();
    let (events, progress) = stream(events, receiver);
    let first = engine(&journal, &server, events)?;
    {
        let hold = journal.hold(&run).await?;
        let accepted = progress.filter(|event| std::future::ready(matches!(event, Event::Accepted { .. })));
        let mut twentieth = std::pin::pin!(accepted.skip(19));
        tokio::select! {
            _ = first.run(hold.as_ref(), Control::unstoppable()) => return Err("it was to be dropped".into()),
            _ = twentieth.next() => println!("dropped in the middle"),
        }
    }
    drop(first);

    // Whoever was on the wire is unknown now, at most one a connection; the others are sent.
    let (events, receiver) = Events::channel();
    let (events, progress) = stream(events, receiver);
    let second = engine(&journal, &server, events)?;
    let hold = journal.hold(&run).await?;
    let telling = async {
        let (mut progress, began) = (std::pin::pin!(progress), Instant::now());
        let (mut pending, mut done): (u64, u64) = (0, 0);
        while let Some(event) = progress.next().await {
            match event {
                Event::Started { totals } => pending = totals.pending,
                Event::OrphansFound { count } => println!("{count} may or may not have it: ask, or resolve"),
                Event::Accepted { .. } => done += 1,
                Event::Ended { .. } => break,
                _ => {}
            }
            if done > 0 && done % 10 == 0 {
                let each = began.elapsed() / u32::try_from(done).unwrap_or(1);
                let left = each * u32::try_from(pending.saturating_sub(done)).unwrap_or(0);
                println!("{done} of {pending}, about {} ms left", left.as_millis());
            }
        }
    };
    let (ended, ()) = tokio::join!(second.run(hold.as_ref(), Control::unstoppable()), telling);
    let ended = ended?;
    println!("{:?}: {:?}", ended.why, ended.totals);

    let totals = ended.totals;
    assert!(matches!(ended.why, Why::Done), "{:?}", ended.why);
    assert!(totals.unknown <= CONNECTIONS as u64, "{totals:?}");
    assert_eq!(totals.accepted + totals.unknown, RECIPIENTS as u64, "{totals:?}");
    // The server's truth: nobody has it twice.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut seen = server.accepted();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "nobody twice");
    Ok(())
}
