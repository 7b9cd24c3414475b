//! Random schedules: providers that do anything, processes that die at any write, stops and cancels
//! at any event. After each of them, and at the end, one criterion: nobody gets two copies, nobody is
//! forgotten, and the journal never believes what is not so. A failing plan is printed and shrunk.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use depeche::breaker::BreakerPolicy;
use depeche::budget::Limits;
use depeche::clock::Clock;
use depeche::engine::{Control, Ended, Engine, Events, LinkConfig, Needs, Render, RenderRefused, Stop, Why};
use depeche::journal::*;
use depeche::message::Message;
use depeche::outcome::{Persistence, Refusal, Trouble};
use depeche::policy::Policy;
use depeche::sqlite::SqliteJournal;
use depeche_testkit::clock::CountingEntropy;
use depeche_testkit::conformance::message_to;
use depeche_testkit::journal::{FaultyJournal, new_run, recipients};
use depeche_testkit::provider::{Act, ScriptedProvider};
use jiff::Timestamp;
use proptest::prelude::*;

/// The tokio clock as the time of day: a paused runtime makes hours of it in no time.
struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let begun = Timestamp::from_second(1_800_000_000).unwrap();
        begun + jiff::SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

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
#[derive(Debug, Clone)]
enum Fate {
    Crash { write: u64, after: bool },
    Full { intents: u64 },
    Drain { event: usize },
    Leave { event: usize },
    Cancel { event: usize },
}

#[derive(Debug, Clone)]
struct Link {
    acts: Vec<Act>,
    batch: usize,
    lanes: usize,
    per_minute: Option<u32>,
}

#[derive(Debug, Clone)]
struct Plan {
    recipients: usize,
    links: Vec<Link>,
    fates: Vec<Fate>,
}

fn act() -> impl Strategy<Value = Act> {
    let trouble = prop_oneof![
        Just(Trouble::Unreachable),
        Just(Trouble::Fault),
        Just(Trouble::Throttled),
        Just(Trouble::Credentials),
        Just(Trouble::Quota),
    ];
    let by_provider = trouble.prop_map(|trouble| {
        Refusal::provider(trouble, "no").with_retry_after(Some(Duration::from_millis(50)))
    });
    let refusal = prop_oneof![
        4 => by_provider,
        1 => Just(Refusal::recipient(Persistence::Permanent, true, "550 5.1.1")),
        1 => Just(Refusal::recipient(Persistence::Transient, false, "450 4.2.0")),
        1 => Just(Refusal::message("552 5.3.4")),
    ];
    prop_oneof![
        6 => Just(Act::Accept),
        3 => refusal.clone().prop_map(Act::Refuse),
        2 => refusal.prop_map(Act::RefuseLate),
        2 => any::<bool>().prop_map(|taken| Act::Doubt { taken }),
        1 => Just(Act::Hold),
        1 => Just(Act::Panic),
        1 => Just(Act::PanicLate),
        1 => Just(Act::Slow(Duration::from_secs(40))),
        1 => Just(Act::SlowAnswer(Duration::from_secs(40))),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => (0_u64..60, any::<bool>()).prop_map(|(write, after)| Fate::Crash { write, after }),
        1 => (0_u64..20).prop_map(|intents| Fate::Full { intents }),
        1 => (0_usize..30).prop_map(|event| Fate::Drain { event }),
        1 => (0_usize..30).prop_map(|event| Fate::Leave { event }),
        1 => (0_usize..60).prop_map(|event| Fate::Cancel { event }),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let acts = prop::collection::vec(act(), 0..25);
    let link = (acts, 1_usize..4, 1_usize..4, prop::option::of(5_u32..30));
    let link = link.prop_map(|(acts, batch, lanes, per_minute)| Link { acts, batch, lanes, per_minute });
    let links = prop::collection::vec(link, 1..4);
    (1_usize..30, links, prop::collection::vec(fate(), 0..5)).prop_map(|(recipients, links, fates)| Plan {
        recipients,
        links,
        fates,
    })
}

struct World {
    journal: Arc<SqliteJournal>,
    clock: Arc<TokioClock>,
    entropy: Arc<CountingEntropy>,
    providers: Vec<Arc<ScriptedProvider>>,
    chain: Vec<LinkConfig>,
    run: RunId,
}

impl World {
    async fn of(plan: &Plan) -> Self {
        // In memory, through one connection without timers: time may be paused afterwards.
        let journal = Arc::new(SqliteJournal::in_memory().await.unwrap());
        tokio::time::pause();
        // Without a ticker an idle moment (the database at work) would jump to the next far timer.
        tokio::spawn(async {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let clock = Arc::new(TokioClock(tokio::time::Instant::now()));
        let run = new_run("r1", 7, plan.recipients, clock.now());
        journal.freeze(run, recipients(0..plan.recipients)).await.unwrap();
        let provider = |(number, link): (usize, &Link)| {
            let provider = ScriptedProvider::new(&format!("p{number}"), link.acts.clone());
            Arc::new(provider.batch(link.batch).lanes(link.lanes))
        };
        let providers: Vec<_> = plan.links.iter().enumerate().map(provider).collect();
        let chain = providers.iter().zip(&plan.links).map(|(provider, link)| LinkConfig {
            provider: Arc::clone(provider) as _,
            limits: Limits { per_minute: link.per_minute, ..Limits::default() },
            config_digest: [1; 32],
        });
        let chain = chain.collect();
        let run = RunId::new("r1").unwrap();
        Self { journal, clock, entropy: Arc::default(), providers, chain, run }
    }

    /// One process. `None`: it died.
    async fn process(&self, fate: Option<&Fate>) -> Option<Ended> {
        let inner = Arc::clone(&self.journal) as Arc<dyn Journal>;
        let journal = FaultyJournal::new(inner);
        let journal = Arc::new(match fate {
            Some(Fate::Crash { write, after }) => journal.crash_at(*write, *after),
            Some(Fate::Full { intents }) => journal.intents(*intents),
            _ => journal,
        });
        let (events, mut heard) = Events::channel();
        let policy = Policy {
            transient: vec![Duration::from_millis(20); 2],
            breaker: BreakerPolicy { retry_after: Duration::from_millis(100), ..BreakerPolicy::default() },
            ..Policy::default()
        };
        let engine = Engine {
            journal: Arc::clone(&journal) as _,
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
            render: Arc::new(Plain),
            chain: self.chain.clone(),
            policy,
            events,
        };
        let (stop, control) =
            if fate.is_some() { Stop::new() } else { (Stop::new().0, Control::unstoppable()) };
        let hold = self.journal.hold(&self.run).await.unwrap();
        let meddling = async {
            let mut count = 0;
            while heard.recv().await.is_some() {
                match fate {
                    Some(Fate::Drain { event }) if *event == count => stop.drain(),
                    Some(Fate::Leave { event }) if *event == count => stop.leave(),
                    Some(Fate::Cancel { event }) if *event == count => {
                        self.journal.cancel(&self.run, self.clock.now()).await.unwrap();
                    }
                    _ => {}
                }
                count += 1;
            }
            std::future::pending::<()>().await
        };
        let day = Duration::from_secs(86_400);
        tokio::select! {
            ended = tokio::time::timeout(day, engine.run(hold.as_ref(), control)) => {
                Some(ended.expect("a run ends within a day").expect("the journal is read"))
            }
            () = journal.crashed() => None,
            () = meddling => None,
        }
    }

    /// The criterion.
    async fn judge(&self) -> Totals {
        let totals = self.journal.totals(&self.run).await.unwrap();
        assert!(totals.add_up(), "{totals:?}");
        let mut copies: BTreeMap<String, u32> = BTreeMap::new();
        for who in self.providers.iter().flat_map(|provider| provider.taken()) {
            *copies.entry(who).or_default() += 1;
        }
        for delivery in self.journal.deliveries(&self.run, None, 1_000).await.unwrap() {
            use DeliveryState as D;
            let (who, state) = (delivery.address.to_string(), delivery.state);
            let copies = copies.get(&who).copied().unwrap_or_default();
            assert!(copies <= 1, "{who} gets {copies} copies ({state})");
            let may_have_it = matches!(state, D::Accepted | D::Held | D::Unknown | D::Intent);
            assert!(copies == 0 || may_have_it, "{who} gets it and is {state}");
            assert!(copies == 1 || !matches!(state, D::Accepted | D::Held), "{who} is {state} without it");
            let attempts = self.journal.attempts(delivery.id).await.unwrap();
            let excluding = attempts.iter().filter(|attempt| attempt.state.excludes_others()).count();
            assert!(excluding <= 1, "{who}: {attempts:?}");
            assert_eq!(attempts.len(), delivery.attempts as usize, "{who}");
        }
        totals
    }
}

async fn tell(plan: &Plan) {
    let world = World::of(plan).await;
    let mut cancelled = false;
    for fate in &plan.fates {
        let ended = world.process(Some(fate)).await;
        let totals = world.judge().await;
        cancelled |= matches!(&ended, Some(ended) if ended.why == Why::Cancelled);
        if let Some(ended) = ended {
            assert_eq!(ended.totals, totals);
            assert!(ended.why != Why::Done || totals.pending == 0, "{totals:?}");
        }
    }
    // Whoever is left is served by as many processes as it takes, and they come to an end.
    for _ in 0..40 {
        let ended = world.process(None).await.expect("nobody kills it");
        let totals = world.judge().await;
        assert_eq!(ended.totals, totals);
        match ended.why {
            Why::NoProvider(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            Why::Done => return assert_eq!(totals.pending, 0, "{totals:?}"),
            Why::Cancelled => return assert_eq!(totals.pending, 0, "{totals:?}"),
            why => panic!("{why:?} with {totals:?}, cancelled: {cancelled}"),
        }
    }
    panic!("some are pending still: {:?}", world.judge().await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_gets_two_and_nobody_is_forgotten(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(tell(&plan));
    }
}
