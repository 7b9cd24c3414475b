//! The PostgreSQL journal keeps every promise of the suite, before a real server (`tests/postgres.sh`).

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "postgres")]

use std::sync::Arc;

use async_trait::async_trait;
use depeche_core::journal::{Journal, JournalError};
use depeche_journal::{PostgresConfig, PostgresJournal};
use depeche_testkit::journal::{JournalHarness, journal_conformance};
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

    journal_conformance(&Emptied(url)).await;
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
}
