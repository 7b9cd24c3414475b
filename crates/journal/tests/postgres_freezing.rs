//! A list is frozen beside everything else that goes on, before a real server (`tests/postgres.sh`).

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "postgres")]

use std::sync::{Arc, mpsc};
use std::time::Duration;

use depeche_core::journal::{
    AttemptState, DeliveryState, FreezeError, Frozen, HoldError, Intent, Journal, NewDeliveries, NewDelivery,
    NewRun, RunId, RunState, Suppression, Urgency,
};
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use depeche_journal::{PostgresConfig, PostgresJournal};
use depeche_testkit::clock::CountingEntropy;
use depeche_testkit::journal::{intent_for, new_run, recipients, settled};
use jiff::Timestamp;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than a page, so that some of the list is in the tables while it waits.
const LONG: usize = 4_000;

async fn connection(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// An empty database; its URL.
async fn database(name: &str) -> String {
    let url = std::env::var("DEPECHE_POSTGRES");
    let url = url.expect("no server: run `bash tests/postgres.sh cargo test …`, which starts one");
    let mut admin = connection(&url).await;
    for text in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    url.replace("/postgres", &format!("/{name}"))
}

async fn opened(url: &str) -> Arc<PostgresJournal> {
    Arc::new(PostgresJournal::open(&PostgresConfig::new(url)).await.unwrap())
}

fn at() -> Timestamp {
    "2027-01-15T08:00:00Z".parse().unwrap()
}

fn ovh() -> ProviderName {
    ProviderName::new("ovh").unwrap()
}

/// A list that stops before its last recipients until it is told to go on.
struct Half {
    freezing: JoinHandle<Result<Frozen, FreezeError>>,
    go_on: mpsc::Sender<()>,
}

impl Half {
    /// Returns when all but the last ten were asked for.
    async fn of(journal: &Arc<PostgresJournal>, run: NewRun, list: Vec<NewDelivery>) -> Self {
        let (is_there, there) = oneshot::channel();
        let (go_on, waits) = mpsc::channel();
        let (mut is_there, stop) = (Some(is_there), list.len() - 10);
        let list = list.into_iter().enumerate().map(move |(number, one)| {
            if number == stop {
                let _ = is_there.take().unwrap().send(());
                // It goes on as well when the test is over.
                let _ = tokio::task::block_in_place(|| waits.recv());
            }
            Ok(one)
        });
        let journal = Arc::clone(journal);
        let freezing = tokio::spawn(async move { journal.freeze_list(run, NewDeliveries::new(list)).await });
        there.await.unwrap();
        Self { freezing, go_on }
    }

    async fn end(self) -> Result<Frozen, FreezeError> {
        self.go_on.send(()).unwrap();
        self.freezing.await.unwrap()
    }
}

/// Sends one of the run's recipients: hold, claim, intent, outcome.
async fn send_one(journal: &PostgresJournal, run: &RunId, entropy: &CountingEntropy) {
    let _hold = journal.join(run).await.unwrap();
    let due = journal.due(run, at(), 1).await.unwrap();
    let intent = intent_for(run, &due[0], &ovh(), entropy, at());
    journal.intend(vec![intent.clone()]).await.unwrap();
    let yes = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at());
    journal.settle(vec![yes], Urgency::Now).await.unwrap();
}

fn opted_out(place: usize) -> Suppression {
    let key = recipients(place..place + 1)[0].address.key();
    Suppression { key, reason: "opted out".into(), source: "manual".into(), quarantined: false, at: at() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_a_list_is_frozen_everybody_else_goes_on_and_sees_nothing_of_it() {
    let url = database("freezing_beside").await;
    let (same, other) = (opened(&url).await, opened(&url).await);
    let entropy = CountingEntropy::default();
    let short = new_run("short", 8, 20, at()).id;
    other.freeze(new_run("short", 8, 20, at()), recipients(0..20)).await.unwrap();

    let long = Half::of(&same, new_run("long", 7, LONG, at()), recipients(0..LONG)).await;
    let meanwhile = async {
        for journal in [&same, &other, &same] {
            send_one(journal, &short, &entropy).await;
        }
        other.suppress(vec![opted_out(5), opted_out(LONG - 1)]).await.unwrap();
        other.freeze(new_run("another", 9, 5, at()), recipients(0..5)).await.unwrap();
        other.cancel(&RunId::new("another").unwrap(), at()).await.unwrap();
        other.pause(&short, at()).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(15), meanwhile).await.expect("nobody waits for the list");
    let seen: Vec<String> =
        other.runs().await.unwrap().into_iter().map(|run| run.id.as_str().to_owned()).collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    let name = RunId::new("long").unwrap();
    assert!(other.run(&name).await.unwrap().is_none());
    assert!(other.due(&name, at(), 10).await.unwrap().is_empty());
    assert_eq!(other.run(&short).await.unwrap().unwrap().state, RunState::Paused);

    assert_eq!(long.end().await.unwrap(), Frozen { pending: LONG as u64, suppressed: 0 });
    assert_eq!(other.totals(&name).await.unwrap().pending, LONG as u64);
    // Whoever was suppressed meanwhile is asked about once more before anything is sent.
    let _hold = other.join(&name).await.unwrap();
    let due = other.due(&name, at(), LONG).await.unwrap();
    let fifth = due.iter().find(|one| one.position == 5).unwrap();
    let intent = intent_for(&name, fifth, &ovh(), &entropy, at());
    assert_eq!(other.intend(vec![intent]).await, Err(Denied::Suppressed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_of_one_release_one_slug_or_one_name_are_frozen_one_after_the_other() {
    let url = database("freezing_twins").await;
    let (first, second) = (opened(&url).await, opened(&url).await);
    let backwards = || recipients(100..LONG + 100).into_iter().rev().collect::<Vec<_>>();
    let same_slug = NewRun { slug: "slug-7".to_owned(), ..new_run("r3", 8, 3, at()) };
    let named_so = NewRun { slug: "other".to_owned(), ..new_run("r1", 9, 3, at()) };

    let one = Half::of(&first, new_run("r1", 7, LONG, at()), recipients(0..LONG)).await;
    let others: Vec<_> = [
        (new_run("r2", 7, LONG, at()), backwards()),
        (same_slug, recipients(0..3)),
        (named_so, recipients(0..3)),
    ]
    .into_iter()
    .map(|(run, list)| {
        let journal = Arc::clone(&second);
        tokio::spawn(async move { journal.freeze(run, list).await })
    })
    .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(others.iter().all(|other| !other.is_finished()), "they wait for the first");
    one.end().await.unwrap();

    let mut told = Vec::new();
    for other in others {
        told.push(other.await.unwrap());
    }
    let Err(FreezeError::Taken(taken)) = &told[0] else { panic!("{:?}", told[0]) };
    assert_eq!(taken.len(), LONG - 100, "all that both have, whatever the order");
    assert!(
        matches!(&told[1], Err(FreezeError::SlugUsed { run, .. }) if run.as_str() == "r1"),
        "{:?}",
        told[1]
    );
    assert!(matches!(&told[2], Err(FreezeError::RunExists(run)) if run.as_str() == "r1"), "{:?}", told[2]);
    assert_eq!(first.runs().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_of_a_release_that_is_being_sent_finds_whom_the_other_run_holds() {
    let url = database("freezing_held").await;
    let (first, second) = (opened(&url).await, opened(&url).await);
    let entropy = CountingEntropy::default();
    let sent = new_run("r1", 7, 3, at()).id;
    first.freeze(new_run("r1", 7, 3, at()), recipients(0..3)).await.unwrap();
    let list: Vec<_> = recipients(10..LONG).into_iter().chain(recipients(0..3)).collect();
    let count = list.len();

    let long = Half::of(&second, new_run("r2", 7, count, at()), list).await;
    send_one(&first, &sent, &entropy).await;
    let _hold = first.join(&sent).await.unwrap();
    let due = first.due(&sent, at(), 2).await.unwrap();
    let no = intent_for(&sent, &due[0], &ovh(), &entropy, at());
    first.intend(vec![no.clone()]).await.unwrap();
    let no = settled(&no, DeliveryState::Refused, AttemptState::Refused, at());
    first.settle(vec![no], Urgency::Now).await.unwrap();

    let told = long.end().await;
    let Err(FreezeError::Taken(taken)) = told else { panic!("{told:?}") };
    let taken: Vec<_> = taken.iter().map(|one| (one.key.as_str().to_owned(), one.state)).collect();
    let expected = [
        ("j0@journal.example".to_owned(), DeliveryState::Accepted),
        ("j2@journal.example".to_owned(), DeliveryState::Pending),
    ];
    assert_eq!(taken, expected, "not the one who was refused");
    assert!(second.run(&RunId::new("r2").unwrap()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_forgotten_while_a_list_that_may_name_them_is_frozen() {
    let url = database("freezing_forget").await;
    let (first, second) = (opened(&url).await, opened(&url).await);
    let person = recipients(3..4)[0].address.key();

    let long = Half::of(&first, new_run("r1", 7, LONG, at()), recipients(0..LONG)).await;
    let refused = second.forget(&person, [9; 32], at()).await;
    let Err(HoldError::Journal(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("a list is just being frozen"), "{error}");
    long.end().await.unwrap();

    assert_eq!(second.forget(&person, [9; 32], at()).await.unwrap().deliveries, 1);
    let mut admin = connection(&url).await;
    let named = "SELECT COUNT(*) FROM delivery WHERE recipient_key = $1 OR address = $1";
    let (named,): (i64,) = sqlx::query_as(named).bind(person.as_str()).fetch_one(&mut admin).await.unwrap();
    assert_eq!(named, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_whose_process_goes_away_in_the_middle_leaves_nothing_and_stops_nobody() {
    let url = database("freezing_gone").await;
    let (first, second) = (opened(&url).await, opened(&url).await);

    let long = Half::of(&first, new_run("r1", 7, LONG, at()), recipients(0..LONG)).await;
    let mut admin = connection(&url).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'freezing_gone'
         AND pid <> pg_backend_pid()";
    sqlx::query(cut).execute(&mut admin).await.unwrap();
    let again = second.freeze(new_run("r1", 7, LONG, at()), recipients(0..LONG)).await;

    assert_eq!(again.unwrap().pending, LONG as u64);
    let told = long.end().await;
    assert!(matches!(told, Err(FreezeError::Journal(_))), "{told:?}");
    assert_eq!(second.totals(&RunId::new("r1").unwrap()).await.unwrap().pending, LONG as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outcomes_are_written_once_others_are_out_of_the_way_and_intents_are_not() {
    let url = database("freezing_locked").await;
    let (journal, other) = (opened(&url).await, opened(&url).await);
    let entropy = CountingEntropy::default();
    let run = new_run("r1", 7, 2, at()).id;
    journal.freeze(new_run("r1", 7, 2, at()), recipients(0..2)).await.unwrap();
    let _hold = journal.join(&run).await.unwrap();
    let due = journal.due(&run, at(), 2).await.unwrap();
    let intents: Vec<Intent> = due.iter().map(|one| intent_for(&run, one, &ovh(), &entropy, at())).collect();
    journal.intend(vec![intents[0].clone()]).await.unwrap();

    // Somebody has the journal alone ("depe", 0) for longer than the 20 s that a lock is waited for.
    let mut alone = connection(&url).await;
    sqlx::query("SELECT pg_advisory_lock(1684369509, 0)").execute(&mut alone).await.unwrap();
    let yes = settled(&intents[0], DeliveryState::Accepted, AttemptState::Accepted, at());
    let (outcome, intent, ()) = tokio::join!(
        journal.settle(vec![yes], Urgency::Now),
        other.intend(vec![intents[1].clone()]),
        async {
            tokio::time::sleep(Duration::from_secs(27)).await;
            alone.close().await.unwrap();
        }
    );

    outcome.unwrap();
    assert!(intent.is_err(), "an intent that was not had in time is not taken any more");
    let totals = journal.totals(&run).await.unwrap();
    assert_eq!((totals.accepted, totals.pending), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_long_list_is_cancelled_whole_and_in_several_steps_so_that_others_come_between() {
    const MANY: usize = 45_000;
    let url = database("cancelling").await;
    let (journal, other) = (opened(&url).await, opened(&url).await);
    let entropy = CountingEntropy::default();
    let long = RunId::new("long").unwrap();
    journal.freeze(new_run("long", 7, MANY, at()), recipients(0..MANY)).await.unwrap();
    let _hold = other.join(&long).await.unwrap();
    let first = other.due(&long, at(), 1).await.unwrap().remove(0);

    let cancelled = {
        let (journal, long) = (Arc::clone(&journal), long.clone());
        tokio::spawn(async move { journal.cancel(&long, at()).await })
    };
    let mut between = 0;
    while !cancelled.is_finished() {
        let totals = other.totals(&long).await.unwrap();
        between += usize::from(totals.cancelled > 0 && totals.pending > 0);
    }

    assert!(between > 0, "some were cancelled before all were");
    assert_eq!(cancelled.await.unwrap().unwrap(), MANY as u64);
    let totals = other.totals(&long).await.unwrap();
    assert_eq!((totals.cancelled, totals.pending), (MANY as u64, 0));
    let audit = other.audit_of(Some(&long)).await.unwrap();
    let told: Vec<_> = audit.iter().map(|entry| entry.detail.as_str()).collect();
    assert_eq!(told, ["45000 recipients cancelled"]);
    let late = intent_for(&long, &first, &ovh(), &entropy, at());
    assert_eq!(other.intend(vec![late]).await, Err(Denied::Cancelled));
    assert_eq!(journal.cancel(&long, at()).await.unwrap(), 0);
}
