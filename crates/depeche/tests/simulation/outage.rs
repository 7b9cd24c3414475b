//! The outage that a press office feels: the first provider fails at recipient 40 of 400.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use depeche::budget::Limits;
use depeche::engine::{Engine, Event, Events, LinkConfig, Stop, Why};
use depeche::journal::*;
use depeche::policy::Policy;
use depeche::sqlite::SqliteJournal;
use depeche_testkit::journal::{new_run, recipients};
use jiff::Timestamp;

use crate::disk::{Disk, at_once};
use crate::provider::{Simulated, Weather};
use crate::world::World;
use crate::{Plain, real_time};

const RECIPIENTS: usize = 400;
const FAILS_AT: usize = 40;
/// Messages a minute at most, of either provider; as many a second, evenly spaced, are two.
const A_MINUTE: u32 = 120;
const MINUTE: Limits = Limits { per_second: None, per_minute: Some(A_MINUTE), per_hour: None, per_day: None };
const SECOND: Limits =
    Limits { per_second: Some(A_MINUTE / 60), per_minute: None, per_hour: None, per_day: None };
/// The goal: to notice it, and what may be lost besides.
const DETECTION: Duration = Duration::from_secs(20);
const SLACK: Duration = Duration::from_secs(5);

/// Every second contact is of tier 1, the others of tier 2.
fn two_tiers() -> Vec<NewDelivery> {
    let mut list = recipients(0..RECIPIENTS);
    list.iter_mut().for_each(|one| one.tier = 1 + u32::try_from(one.position % 2).unwrap());
    list
}

/// When each was accepted, and of which tier, in order.
async fn accepted_under(
    limits: Limits,
    weather: Option<Weather>,
    journal: Arc<SqliteJournal>,
) -> Vec<(Duration, u64)> {
    let world = Arc::new(World::new(7));
    let list = two_tiers();
    let tiers: std::collections::BTreeMap<String, u64> =
        list.iter().map(|one| (one.address.to_string(), u64::from(one.tier))).collect();
    at_once(journal.freeze(new_run("r1", 7, RECIPIENTS, Timestamp::UNIX_EPOCH), list)).unwrap();
    let run = RunId::new("r1").unwrap();
    for delivery in at_once(journal.deliveries(&run, None, 1_000)).unwrap() {
        world.name(delivery.id, delivery.address.to_string());
    }
    let first = Simulated::fair(&world, "ovh", limits, weather.map(|weather| (FAILS_AT, weather)));
    let spare = Simulated::fair(&world, "spare", limits, None);
    let chain = [first, spare].map(|provider| LinkConfig {
        limits,
        provider: Arc::new(provider),
        config_digest: [1; 32],
    });
    let hold = at_once(journal.hold(&run)).unwrap();
    let disk = Disk { world: Arc::clone(&world), journal, process: 0, cached: Mutex::default() };
    let (events, mut heard) = Events::channel();
    let engine = Engine {
        journal: Arc::new(disk),
        clock: Arc::clone(&world) as _,
        entropy: Arc::<depeche_testkit::clock::CountingEntropy>::default(),
        render: Arc::new(Plain),
        chain: chain.into(),
        policy: Policy::default(),
        events,
    };
    let (_stop, control) = Stop::new();
    let mut accepted = Vec::new();
    let listening = async {
        while let Some(event) = heard.recv().await {
            if let Event::Accepted { address, .. } = event {
                accepted.push((world.simulated(), tiers[&address]));
            }
        }
    };
    let running = async move {
        let ended = engine.run(hold.as_ref(), control).await.unwrap();
        drop(engine);
        ended
    };
    let (ended, ()) = tokio::join!(running, listening);
    assert_eq!((ended.why, ended.totals.accepted), (Why::Done, RECIPIENTS as u64), "{weather:?}");
    assert_eq!(world.wrong(), Vec::<String>::new());
    accepted
}

fn simulated_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The dialogue of each message takes another time (up to 200 ms before its intent, up to 400 ms after it), and so
/// does the disk; the provider has two connections.
#[test]
fn a_limit_of_so_many_a_second_is_kept_in_every_window_and_used_to_97_of_100() {
    let real = real_time();
    let journal = Arc::new(real.block_on(SqliteJournal::in_memory()).unwrap());
    let accepted = simulated_time().block_on(accepted_under(SECOND, None, Arc::clone(&journal)));

    let run = RunId::new("r1").unwrap();
    let mut intents = Vec::new();
    for delivery in real.block_on(journal.deliveries(&run, None, 1_000)).unwrap() {
        let attempts = real.block_on(journal.attempts(delivery.id)).unwrap();
        intents.extend(attempts.iter().map(|attempt| attempt.started_at));
    }
    intents.sort();
    let (limit, gaps) = (SECOND.per_second.unwrap(), f64::from(u32::try_from(RECIPIENTS - 1).unwrap()));
    assert_eq!(intents.len(), RECIPIENTS, "nobody was begun and given up");
    for window in intents.windows(limit as usize + 1) {
        let apart = window[limit as usize].duration_since(window[0]);
        assert!(apart >= jiff::SignedDuration::from_secs(1), "{} intents in {apart}", limit + 1);
    }
    let spent = accepted.last().unwrap().0 - accepted[0].0;
    let rate = gaps / spent.as_secs_f64();
    println!("{rate:.3} a second of {limit}");
    assert!(rate >= 0.97 * f64::from(limit), "{rate:.3} a second of {limit}");
}

#[test]
fn an_outage_at_40_of_400_costs_its_detection_and_the_rest_at_the_pace_of_the_spare() {
    let real = real_time();
    let weathers = [Weather::Outage, Weather::Silent, Weather::Throttled];
    for (limits, weather) in
        [MINUTE, SECOND].iter().flat_map(|limits| weathers.map(|weather| (limits, weather)))
    {
        let journal = Arc::new(real.block_on(SqliteJournal::in_memory()).unwrap());
        let accepted = simulated_time().block_on(accepted_under(*limits, Some(weather), journal));

        let before = accepted[FAILS_AT - 1].0;
        let rest = u32::try_from(RECIPIENTS - FAILS_AT).unwrap();
        let last = accepted.last().unwrap().0;
        let goal = before + DETECTION + Duration::from_secs(60) * rest / A_MINUTE + SLACK;
        println!(
            "{weather:?}, {limits:?}: the last of {rest} accepted {last:?} after the beginning; goal {goal:?}"
        );
        assert!(last <= goal, "{weather:?}: {last:?}, and the goal is {goal:?}");
        // Both providers have two connections: so many of tier 2 may be under way with the last of tier 1.
        let first_of_2 = accepted.iter().position(|(_, tier)| *tier == 2).unwrap();
        let late = accepted[first_of_2..].iter().filter(|(_, tier)| *tier == 1).count();
        assert!(late <= 4, "{weather:?}: {late} of tier 1 after the first of tier 2");
    }
}
