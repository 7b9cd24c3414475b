//! The PostgreSQL journal keeps every promise of the suite, before a real server (`tests/postgres.sh`).

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "postgres")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::journal::{AttemptState, DeliveryState, HoldError, Journal, JournalError, Urgency};
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use depeche_journal::{PostgresConfig, PostgresJournal};
use depeche_testkit::clock::CountingEntropy;
use depeche_testkit::journal::{
    JournalHarness, forgetting_conformance, intent_for, journal_conformance, new_run, recipients, settled,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

/// The server that the script started.
struct Server {
    url: String,
}

impl Server {
    fn started() -> Self {
        let url = std::env::var("DEPECHE_POSTGRES");
        let url = url.expect("no server: run `bash tests/postgres.sh cargo test …`, which starts one");
        Self { url }
    }

    async fn admin(&self) -> PgConnection {
        self.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }

    /// Makes an empty database; its URL.
    async fn database(&self, name: &str) -> String {
        let mut admin = self.admin().await;
        for text in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        self.url.replace("/postgres", &format!("/{name}"))
    }
}

/// One database, emptied for each fresh journal: making one costs more than all that is asked of it.
struct Emptied(String);

#[async_trait]
impl JournalHarness for Emptied {
    async fn fresh(&self) -> Arc<dyn Journal> {
        let journal = self.reopened().await;
        let mut connection = self.0.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
        let empty = "DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ')
             || ' RESTART IDENTITY CASCADE' FROM pg_tables
             WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'); END $$";
        sqlx::raw_sql(empty).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        journal
    }

    async fn reopened(&self) -> Arc<dyn Journal> {
        Arc::new(PostgresJournal::open(&PostgresConfig::new(&self.0)).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_every_promise_of_a_journal() {
    let url = Server::started().database("suite").await;

    let server = Emptied(url);
    journal_conformance(&server).await;
    forgetting_conformance(&server).await;
}

async fn refused(config: &PostgresConfig) -> String {
    match PostgresJournal::open(config).await {
        Err(JournalError::Unusable { place, reason }) => format!("{place}: {reason}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_confirms_is_refused() {
    let server = Server::started();
    let url = server.database("careless").await;
    let mut admin = server.admin().await;
    sqlx::query("ALTER DATABASE careless SET synchronous_commit = off").execute(&mut admin).await.unwrap();

    let said = refused(&PostgresConfig::new(url)).await;

    assert!(said.contains("synchronous_commit is off"), "{said}");
}

#[tokio::test]
async fn no_server_at_all_is_told_with_its_place_and_without_a_password() {
    let mut config = PostgresConfig::new("postgres://depeche@127.0.0.1:1/depeche");
    config.password = Some("geheim".to_owned().into());

    let said = refused(&config).await;

    assert!(said.contains("127.0.0.1:1/depeche") && !said.contains("geheim"), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
}

#[tokio::test]
async fn workers_share_a_run_and_one_that_was_away_finds_nothing_of_its_own() {
    let url = Server::started().database("shared").await;
    // Nobody's lease is prolonged in this test.
    let config = PostgresConfig { lease: Duration::from_secs(3_600), ..PostgresConfig::new(&url) };
    let (first, second) =
        (PostgresJournal::open(&config).await.unwrap(), PostgresJournal::open(&config).await.unwrap());
    let (entropy, at) = (CountingEntropy::default(), "2027-01-15T08:00:00Z".parse().unwrap());
    let ovh = ProviderName::new("ovh").unwrap();
    let new = new_run("r1", 7, 200, at);
    let run = new.id.clone();
    first.freeze(new, recipients(0..200)).await.unwrap();

    let _one = first.join(&run).await.unwrap();
    let _two = second.join(&run).await.unwrap();
    assert!(matches!(second.hold(&run).await, Err(HoldError::Held { .. })), "nobody has it alone meanwhile");
    let mine = first.due(&run, at, 1_000).await.unwrap();
    let theirs = second.due(&run, at, 1_000).await.unwrap();
    assert!(!mine.is_empty() && !theirs.is_empty());
    assert!(mine.iter().all(|one| theirs.iter().all(|other| one.id != other.id)), "each has its own");
    let watching = PostgresJournal::open(&config).await.unwrap();
    let free = watching.due(&run, at, 1_000).await.unwrap();
    assert_eq!(free.len() + mine.len() + theirs.len(), 200, "who looks on sees what nobody has claimed");
    let intent = |delivery| intent_for(&run, delivery, &ovh, &entropy, at);
    first.intend(vec![intent(&mine[0])]).await.unwrap();

    // The first worker is not heard of for longer than its lease.
    let mut admin = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let away = "UPDATE run_hold SET lease_until = 0 WHERE id = (SELECT MIN(id) FROM run_hold)";
    sqlx::query(away).execute(&mut admin).await.unwrap();
    assert_eq!(first.intend(vec![intent(&mine[1])]).await, Err(Denied::AlreadyTaken), "nobody took it yet");
    let totals = second.totals(&run).await.unwrap();
    assert_eq!(
        (totals.unknown, totals.pending),
        (1, 199),
        "while another worker lives, and before it is written"
    );
    assert_eq!(second.orphans(&run).await.unwrap(), [mine[0].id], "whom the totals count is named");
    let free_now = watching.due(&run, at, 1_000).await.unwrap();
    assert_eq!(free_now.len(), free.len() + mine.len() - 1, "and what is claimed by nobody that lives");
    let third = PostgresJournal::open(&config).await.unwrap();
    let _three = third.join(&run).await.unwrap();

    let totals = third.totals(&run).await.unwrap();
    assert_eq!((totals.unknown, totals.pending), (1, 199), "what was on its way is uncertain");
    assert_eq!(third.orphans(&run).await.unwrap(), [], "it is written down now");
    let taken_over = third.due(&run, at, 1_000).await.unwrap();
    let next = taken_over.iter().find(|delivery| delivery.id == mine[1].id).unwrap();
    assert_eq!(next.fence, mine[1].fence + 1);
    third.intend(vec![intent(next)]).await.unwrap();
    assert_eq!(first.intend(vec![intent(&mine[1])]).await, Err(Denied::AlreadyTaken));
}

#[tokio::test]
async fn what_is_written_while_the_connection_is_cut_is_written_once() {
    let url = Server::started().database("cut").await;
    let journal = PostgresJournal::open(&PostgresConfig::new(&url)).await.unwrap();
    let (entropy, at) = (CountingEntropy::default(), "2027-01-15T08:00:00Z".parse().unwrap());
    let ovh = ProviderName::new("ovh").unwrap();
    let new = new_run("r1", 7, 1, at);
    let run = new.id.clone();
    journal.freeze(new, recipients(0..1)).await.unwrap();
    let due = journal.due(&run, at, 1).await.unwrap();
    let intent = intent_for(&run, &due[0], &ovh, &entropy, at);
    journal.intend(vec![intent.clone()]).await.unwrap();

    let mut admin = Server::started().admin().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'";
    sqlx::query(cut).execute(&mut admin).await.unwrap();
    let yes = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at);
    journal.settle(vec![yes], Urgency::Now).await.unwrap();

    assert_eq!(journal.totals(&run).await.unwrap().accepted, 1);
}
