//! Sends a press release to every journalist on a list exactly once, through several providers.
//!
//! **No journalist is forgotten, and none gets the same release twice.** Where the wire makes that
//! impossible to know (the line is lost after the final dot, RFC 1047), the recipient is *unknown*,
//! by name, and a person decides. Nothing is ever guessed.
//!
//! This crate joins the others: the delivery protocol and its values (re-exported from
//! `depeche-core`), the [`providers`], the SQLite journal ([`sqlite`]), the checks of sending domains
//! ([`domain`]) and the [`receiver`] of webhooks and opt-outs. It opens nothing by itself, prints nothing, and holds no global state; the
//! command line `depeche` is one user of it.
//!
//! # From a list to a run
//!
//! 1. [`contact::load`] reads contacts from any stream; bad rows are left out, by number.
//! 2. [`release::Release`] is Markdown with front matter, [frozen](release::Release::freeze) once.
//! 3. [`journal::Journal::freeze`] makes run and list durable, in one transaction, or not at all.
//! 4. [`engine::Engine`] works on the run, provider by provider, until nobody is pending.
//!
//! This example sends into an outbox: one file per journalist, and nothing on any wire.
//!
//! ```
//! use std::sync::Arc;
//! use depeche::budget::Limits;
//! use depeche::clock::{Clock, SystemClock, SystemEntropy};
//! use depeche::contact::{ReadOptions, Source, load};
//! use depeche::engine::{Control, Engine, Event, Events, LinkConfig, Why};
//! use depeche::journal::{Journal, NewDelivery, NewRun, RunId, RunKind};
//! use depeche::policy::Policy;
//! use depeche::provider::ProviderName;
//! use depeche::providers::outbox::OutboxProvider;
//! use depeche::release::{Assets, Identity, Release, Renderer, new_message_id};
//! use depeche::sqlite::SqliteJournal;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let list = "email,first_name\nzoe@matin.example,Zoé\nhugo@agence.example,Hugo\n";
//! let contacts = load(vec![Source::new("contacts.csv", list.as_bytes())], &ReadOptions::default())
//!     .map_err(|errors| errors.into_iter().next().expect("one or more"))?
//!     .contacts;
//!
//! let text = "---\ntitle: Une annonce\nlang: fr\n---\nBonjour {{ contact.first_name }},\n\nVoici.\n";
//! let release = Release::parse(text).map_err(|mut problems| problems.remove(0))?;
//! let (identity, now) = (Identity::example(), jiff::ZonedDateTime::now());
//! let frozen = release
//!     .freeze(&identity, &Assets::empty(), &now)
//!     .map_err(|mut problems| problems.remove(0))?;
//!
//! // Run and list are durable before anything is sent; a guard that refuses leaves no run.
//! let journal = Arc::new(SqliteJournal::open(&folder.join("journal.db")).await?);
//! let domain = identity.from.address.domain();
//! let deliveries: Vec<_> = contacts
//!     .iter()
//!     .zip(0..)
//!     .map(|(contact, place)| NewDelivery::to(contact, place, new_message_id(&SystemEntropy, domain)))
//!     .collect();
//! let run = RunId::new("20261203-annonce")?;
//! let new_run = NewRun::real(run.clone(), &frozen, deliveries.len() as u64, SystemClock.now())?;
//! journal.freeze(NewRun { kind: RunKind::Outbox, ..new_run }, deliveries).await?;
//!
//! // Providers in order of fallback: `providers::smtp::SmtpProvider`, `brevo::BrevoProvider` …
//! let outbox = OutboxProvider::new(ProviderName::new("outbox")?, folder.join("outbox"));
//! let (events, mut progress) = Events::channel();
//! let engine = Engine {
//!     journal: journal.clone(),
//!     clock: Arc::new(SystemClock),
//!     entropy: Arc::new(SystemEntropy),
//!     render: Arc::new(Renderer::new(&frozen, Vec::new(), now)?),
//!     chain: vec![LinkConfig {
//!         provider: Arc::new(outbox),
//!         limits: Limits::default(),
//!         config_digest: [0; 32],
//!     }],
//!     policy: Policy::default(),
//!     events,
//! };
//! let hold = journal.hold(&run).await?;
//! let ended = engine.run(hold.as_ref(), Control::unstoppable()).await?;
//!
//! assert_eq!((ended.why, ended.totals.written, ended.totals.pending), (Why::Done, 2, 0));
//! assert_eq!(std::fs::read_dir(folder.join("outbox"))?.count(), 2);
//! assert!(matches!(progress.recv().await, Some(Event::Started { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! # Programs that run
//!
//! In `crates/depeche/examples`, each with its figures asserted and run by the tests:
//! `send` (a list into a folder), `fallback` (two providers, the first dies), `contacts` (contacts from
//! any stream, and rows that never were CSV), `progress` (events as a `Stream`, a dropped future),
//! `embed` (another program's messages, a polite stop), `own` (a provider and a journal of one's own,
//! both through the published conformance suites).
//!
//! # Stopping, and dropping the future
//!
//! [`engine::Stop::drain`] takes no new recipients and finishes those in flight;
//! [`engine::Stop::leave`] gives those up. Dropping the future of [`engine::Engine::run`] (a timeout, a
//! `select!`, an aborted task) means what killing the process means, and is safe:
//!
//! - nothing more is handed over from the moment of the drop; connections close without a terminator,
//!   so a message in the middle of its body is not accepted;
//! - a recipient whose intent is durable and whose outcome is not becomes *unknown* at the next run, at
//!   most one per connection (per request, for a batch); the others are sent by that run;
//! - the future borrows the [`journal::Hold`], an OS lock that ends with its process: nobody else can
//!   work on the run before the future is gone;
//! - dropping the future of [`journal::Journal::freeze`] leaves the run frozen whole or not at all.
//!
//! # Progress
//!
//! [`engine::Events::channel`] gives a stream of [`engine::Event`]s: who was accepted by whom, who is
//! refused or unknown, which provider is set aside since when, until when the run waits. Without a
//! reader nothing is lost: the journal holds everything.
//!
//! # A provider of your own
//!
//! Implement [`provider::Provider`]: one attempt, no retry, no sleep. Call
//! [`provider::Commit::intent`] at the one moment before the first byte of a message may leave, and
//! return one [`outcome::Outcome`] per message, never an error. `depeche-testkit` holds the
//! conformance suite that the built-in providers pass (`conformance::provider_conformance`).
//!
//! # A journal of your own
//!
//! Implement [`journal::Journal`] and run `journal::journal_conformance` of `depeche-testkit`: every
//! promise that the engine builds on is asked for there, from the compare-and-set of each transition
//! to the windows that all processes share.
//!
//! # Which providers may be used
//!
//! [`engine::Engine::run_admitted`] asks an [`engine::Admission`] for every provider before a run and
//! again before the first message of a fallback: the place for the check that its mail can pass DMARC.

pub use depeche_core::*;
pub use depeche_domain as domain;
pub use depeche_journal as sqlite;
pub use depeche_mailbox as mailbox;
pub use depeche_mirror as mirror;
pub use depeche_providers as providers;
pub use depeche_receiver as receiver;
