//! The real engine and the real journal in a deterministic simulation: one thread, simulated time,
//! providers with weather, a disk that is slow or full, processes that die at any write. Everything is
//! drawn from one seed, and the same seed gives the same trace.
//!
//! A step is an event: a message asked for, handed over, taken or answered, a write of the journal, something
//! told, a process that begins. What the engine merely looks at while it waits is not counted.
//!
//! `DEPECHE_SIM_STEPS` is how many steps to make, `DEPECHE_SIM_SEED` where to begin.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod disk;
mod outage;
mod provider;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depeche::clock::Clock;
use depeche::engine::{Ended, Engine, Event, Events, LinkConfig, Needs, Render, RenderRefused, Stop, Why};
use depeche::journal::*;
use depeche::message::Message;
use depeche::policy::{OnBudget, OnUnknown, Policy};
use depeche::sqlite::SqliteJournal;
use depeche_testkit::clock::CountingEntropy;
use depeche_testkit::conformance::message_to;
use depeche_testkit::journal::{FaultyJournal, new_run, recipients};

use crate::disk::{Disk, at_once};
use crate::provider::Simulated;
use crate::world::World;

struct Plain;

impl Render for Plain {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused> {
        Ok(message_to(&delivery.address.to_string()))
    }
}

/// How one process comes to its end.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Crash {
        write: u64,
        after: bool,
    },
    Full {
        intents: u64,
    },
    Drain {
        event: u64,
    },
    Leave {
        event: u64,
    },
    /// It is let work.
    None,
}

/// What became of one seed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Figures {
    steps: u64,
    digest: u64,
    processes: u64,
    recipients: u64,
    unknown: u64,
    simulated: Duration,
}

struct Story {
    world: Arc<World>,
    journal: Arc<SqliteJournal>,
    chain: Vec<LinkConfig>,
    policy: Policy,
    entropy: Arc<CountingEntropy>,
    run: RunId,
}

impl Story {
    fn drawn(seed: u64, journal: Arc<SqliteJournal>, on_unknown: OnUnknown) -> Self {
        let world = Arc::new(World::new(seed));
        let dice = &world.dice;
        let count = 1 + dice.below(60) as usize;
        let links = 1 + dice.below(3) as usize;
        let providers = (0..links).map(|number| Arc::new(Simulated::drawn(&world, number)));
        let chain = providers.map(|provider| LinkConfig {
            limits: provider.limits,
            provider: provider as _,
            config_digest: [1; 32],
        });
        let chain = chain.collect();
        let on_budget = if dice.chance(70) { OnBudget::Next } else { OnBudget::Wait };
        let run = new_run("r1", 7, count, world.now());
        at_once(journal.freeze(run, recipients(0..count))).unwrap();
        let run = RunId::new("r1").unwrap();
        for delivery in at_once(journal.deliveries(&run, None, 1_000)).unwrap() {
            world.name(delivery.id, delivery.address.to_string());
        }
        let policy = Policy { on_budget, on_unknown, ..Policy::default() };
        Self { world, journal, chain, policy, entropy: Arc::default(), run }
    }

    fn fate(&self) -> Fate {
        let dice = &self.world.dice;
        match dice.below(10) {
            0..5 => Fate::Crash { write: dice.below(40), after: dice.chance(50) },
            5 => Fate::Full { intents: dice.below(20) },
            6 => Fate::Drain { event: dice.below(30) },
            7 => Fate::Leave { event: dice.below(30) },
            _ => Fate::None,
        }
    }

    /// One process. `None`: it died.
    async fn process(&self, fate: Fate) -> Option<Ended> {
        let process = self.world.process.fetch_add(1, Ordering::SeqCst) + 1;
        self.world.step(&format!("process {process}: {fate:?}"));
        let (world, inner) = (Arc::clone(&self.world), Arc::clone(&self.journal));
        let disk =
            FaultyJournal::new(Arc::new(Disk { world, journal: inner, process, cached: Mutex::default() }));
        let disk = Arc::new(match fate {
            Fate::Crash { write, after } => disk.crash_at(write, after),
            Fate::Full { intents } => disk.intents(intents),
            _ => disk,
        });
        let (events, mut heard) = Events::channel();
        let engine = Engine {
            journal: Arc::clone(&disk) as _,
            clock: Arc::clone(&self.world) as _,
            entropy: Arc::clone(&self.entropy) as _,
            render: Arc::new(Plain),
            chain: self.chain.clone(),
            policy: self.policy.clone(),
            events,
        };
        let (stop, control) = Stop::new();
        let hold = at_once(self.journal.hold(&self.run)).unwrap();
        let listening = async {
            let mut count = 0;
            while let Some(event) = heard.recv().await {
                self.hear(&event);
                match fate {
                    Fate::Drain { event } if event == count => stop.drain(),
                    Fate::Leave { event } if event == count => stop.leave(),
                    _ => {}
                }
                count += 1;
            }
            std::future::pending::<()>().await
        };
        let month = Duration::from_secs(30 * 86_400);
        let ended = tokio::select! {
            biased;
            () = disk.crashed() => None,
            () = listening => None,
            ended = tokio::time::timeout(month, engine.run(hold.as_ref(), control)) => {
                Some(ended.expect("a run ends within a month").expect("the journal is read"))
            }
        };
        // What the process left running is dead from here on.
        self.world.process.fetch_add(1, Ordering::SeqCst);
        ended
    }

    fn hear(&self, event: &Event) {
        self.world.step(&format!("event {event:?}"));
        if let Event::Accepted { address, .. } = event
            && self.world.copies(address) == 0
        {
            self.world.blame(format!("{address} is told accepted without it"));
        }
    }

    /// The criterion, with the journal as the next process would find it.
    fn judge(&self) -> Result<Totals, String> {
        let totals = at_once(self.journal.totals(&self.run)).unwrap();
        if !totals.add_up() {
            self.world.blame(format!("the states do not add up: {totals:?}"));
        }
        for delivery in at_once(self.journal.deliveries(&self.run, None, 1_000)).unwrap() {
            self.world.judge(&delivery.address.to_string(), delivery.state);
            let attempts = at_once(self.journal.attempts(delivery.id)).unwrap();
            if attempts.iter().filter(|attempt| attempt.state.excludes_others()).count() > 1 {
                self.world
                    .blame(format!("{}: two attempts exclude each other: {attempts:?}", delivery.address));
            }
        }
        let wrong = self.world.wrong();
        if wrong.is_empty() { Ok(totals) } else { Err(wrong.join("; ")) }
    }

    async fn tell(&self) -> Result<Figures, String> {
        // As many processes as it takes; a person resumes after an hour when no provider is left.
        for number in 0..400_u64 {
            let fate = if number < 8 { self.fate() } else { Fate::None };
            let ended = self.process(fate).await;
            let totals = self.judge()?;
            let Some(ended) = ended else { continue };
            if ended.totals != totals {
                return Err(format!("told {:?}, and it is {totals:?}", ended.totals));
            }
            match ended.why {
                Why::Done if totals.pending == 0 => return Ok(self.figures(number + 1, totals)),
                Why::NoProvider(_) => tokio::time::sleep(Duration::from_secs(3_600)).await,
                Why::Interrupted | Why::JournalFailed(_) if !matches!(fate, Fate::None) => {}
                why => return Err(format!("{why:?} with {totals:?}")),
            }
        }
        Err(format!("some are pending still: {:?}", self.judge()?))
    }

    fn figures(&self, processes: u64, totals: Totals) -> Figures {
        Figures {
            steps: self.world.steps(),
            digest: self.world.digest(),
            processes,
            recipients: totals.recipients,
            unknown: totals.unknown,
            simulated: self.world.simulated(),
        }
    }
}

/// SQLite's own runtime: it is not part of simulated time.
fn real_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn simulate(seed: u64, real: &tokio::runtime::Runtime, on_unknown: OnUnknown) -> Result<Figures, String> {
    let journal = Arc::new(real.block_on(SqliteJournal::in_memory()).unwrap());
    let simulated =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    simulated.block_on(async { Story::drawn(seed, journal, on_unknown).tell().await })
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn in_a_simulation_nobody_gets_two_nobody_is_forgotten_and_no_window_overflows() {
    let real = real_time();
    let (target, first) = (number("DEPECHE_SIM_STEPS", 6_000), number("DEPECHE_SIM_SEED", 1));
    let (mut all, mut seed) = (Figures::default(), first);
    while all.steps < target {
        let told = simulate(seed, &real, OnUnknown::Hold);
        let one = told.unwrap_or_else(|wrong| {
            panic!("seed {seed}: {wrong}\nreplay: DEPECHE_SIM_SEED={seed} DEPECHE_SIM_STEPS=1 cargo test -p depeche --test simulation")
        });
        all.steps += one.steps;
        all.processes += one.processes;
        all.recipients += one.recipients;
        all.unknown += one.unknown;
        all.simulated += one.simulated;
        seed += 1;
    }
    println!(
        "simulation: seeds {first} to {}, {} steps, {} processes, {} recipients, {} simulated hours, 0 doubled, 0 forgotten, {} uncertain",
        seed - 1,
        all.steps,
        all.processes,
        all.recipients,
        all.simulated.as_secs() / 3_600,
        all.unknown
    );
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let real = real_time();
    let traces = |from: u64| -> BTreeMap<u64, Figures> {
        (from..from + 6).map(|seed| (seed, simulate(seed, &real, OnUnknown::Hold).unwrap())).collect()
    };
    let once = traces(500);

    assert_eq!(once, traces(500));

    let digests: std::collections::BTreeSet<u64> = once.values().map(|figures| figures.digest).collect();
    assert_eq!(digests.len(), once.len());
}

/// The simulation sees a double when there is one: who chooses at least once gets some.
#[test]
fn at_least_once_is_seen_to_double() {
    let real = real_time();

    let wrong = (1..100).find_map(|seed| simulate(seed, &real, OnUnknown::Resend).err());

    assert!(wrong.is_some_and(|wrong| wrong.contains("gets 2 copies")));
}
