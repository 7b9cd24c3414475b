//! What a server must be before a journal is kept on it: reached over TLS that was checked, and with its
//! fsync on. Before a real server (`tests/postgres.sh`), in a file of its own, for it changes the whole server.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "postgres")]

use std::path::PathBuf;

use depeche_core::journal::{Journal, JournalError};
use depeche_journal::{PostgresConfig, PostgresJournal};
use depeche_testkit::journal::{new_run, recipients};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::RwLock;

/// One test turns fsync off for the whole server, and no other may be open then.
static SERVER: RwLock<()> = RwLock::const_new(());

fn told(name: &str) -> String {
    let value = std::env::var(name);
    value.expect("no server: run `bash tests/postgres.sh cargo test …`, which starts one")
}

async fn admin() -> PgConnection {
    told("DEPECHE_POSTGRES").parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// An empty database; its URL.
async fn database(name: &str) -> String {
    let mut admin = admin().await;
    for text in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    told("DEPECHE_POSTGRES").replace("/postgres", &format!("/{name}"))
}

fn with(url: String, ca_file: Option<&str>) -> PostgresConfig {
    PostgresConfig { ca_file: ca_file.map(|name| PathBuf::from(told(name))), ..PostgresConfig::new(url) }
}

async fn refused(config: &PostgresConfig) -> String {
    match PostgresJournal::open(config).await {
        Err(JournalError::Unusable { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// How many connections a journal has to the database, and how many of them speak TLS, as the server says.
async fn connections_to(name: &str) -> (i64, i64) {
    let question = "SELECT COUNT(*), COUNT(*) FILTER (WHERE s.ssl) FROM pg_stat_activity a
         JOIN pg_stat_ssl s ON s.pid = a.pid WHERE a.datname = $1 AND a.application_name = 'depeche'";
    let mut admin = admin().await;
    let found = sqlx::query_as(question).bind(name).fetch_one(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    found
}

#[tokio::test]
async fn a_certificate_of_a_private_authority_is_checked_whole_and_every_connection_speaks_tls() {
    let _others = SERVER.read().await;
    let url = database("tls_checked").await;

    let journal =
        PostgresJournal::open(&with(url + "?sslmode=verify-full", Some("DEPECHE_PGCA"))).await.unwrap();

    let (all, over_tls) = connections_to("tls_checked").await;
    assert!(all > 0 && over_tls == all, "{over_tls} of {all} connections speak TLS");
    drop(journal);
}

#[tokio::test]
async fn a_certificate_that_nobody_trusted_issued_is_refused_with_what_to_do() {
    let _others = SERVER.read().await;
    let url = database("tls_untrusted").await + "?sslmode=verify-full";
    let expected = "the server's certificate is not valid: nobody whom this machine trusts has issued it; \
                    name its authority's file with ca_file";

    assert_eq!(refused(&with(url.clone(), Some("DEPECHE_PGOTHERCA"))).await, expected);
    assert_eq!(refused(&with(url, None)).await, expected);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let _others = SERVER.read().await;
    // The certificate is for 127.0.0.1.
    let url = database("tls_name").await.replace("127.0.0.1", "localhost") + "?sslmode=verify-full";

    let said = refused(&with(url, Some("DEPECHE_PGCA"))).await;

    assert!(said.starts_with("the server's certificate is not valid: it is for another name"), "{said}");
}

#[tokio::test]
async fn a_file_of_an_authority_that_is_not_there_is_named() {
    let _others = SERVER.read().await;
    let url = database("tls_no_file").await + "?sslmode=verify-full";
    let config = PostgresConfig { ca_file: Some("/nowhere/ca.pem".into()), ..PostgresConfig::new(url) };

    let said = refused(&config).await;

    assert!(said.starts_with("the CA file /nowhere/ca.pem cannot be read"), "{said}");
}

/// docs/scale.md: on the same machine less may be asked for; `require` encrypts and checks nobody.
#[tokio::test]
async fn on_the_same_machine_tls_may_be_left_out_or_left_unchecked() {
    let _others = SERVER.read().await;
    for (mode, over_tls) in [("disable", false), ("require", true)] {
        let name = format!("tls_{mode}");
        let url = database(&name).await + "?sslmode=" + mode;

        let journal = PostgresJournal::open(&with(url, None)).await.unwrap();

        let (all, secured) = connections_to(&name).await;
        assert!(all > 0, "{mode}");
        assert_eq!(secured, if over_tls { all } else { 0 }, "{mode}");
        drop(journal);
    }
}

#[tokio::test]
async fn tls_that_a_server_does_not_speak_is_told_with_what_to_set() {
    let _alone = SERVER.write().await;
    let url = database("no_tls").await + "?sslmode=verify-full";
    set("ssl", "off").await;
    let said = PostgresJournal::open(&with(url, Some("DEPECHE_PGCA"))).await.err();
    set("ssl", "on").await;

    let Some(JournalError::Unusable { reason, .. }) = said else { panic!("{said:?}") };
    assert_eq!(reason, "the server speaks no TLS; set `ssl = on` in its postgresql.conf");
}

#[tokio::test]
async fn a_server_that_does_not_sync_what_it_confirms_is_refused() {
    let _alone = SERVER.write().await;
    let url = database("no_fsync").await;
    set("fsync", "off").await;
    let said = PostgresJournal::open(&PostgresConfig::new(url.clone())).await.err();
    set("fsync", "on").await;

    let Some(JournalError::Unusable { reason, .. }) = said else { panic!("{said:?}") };
    assert_eq!(reason, "fsync is off: what it confirms may be lost, and a journalist mailed twice");
    PostgresJournal::open(&PostgresConfig::new(url)).await.unwrap();
}

/// Changes a setting of the whole server, and returns when new connections have it.
async fn set(name: &str, value: &str) {
    let mut admin = admin().await;
    for text in [format!("ALTER SYSTEM SET {name} = {value}"), "SELECT pg_reload_conf()".to_owned()] {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    for _ in 0..300 {
        let mut fresh = self::admin().await;
        let question = AssertSqlSafe(format!("SHOW {name}"));
        let (now,): (String,) = sqlx::query_as(question).fetch_one(&mut fresh).await.unwrap();
        fresh.close().await.unwrap();
        if now == value {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{name} did not become {value}");
}

#[tokio::test]
async fn a_role_that_may_create_nothing_works_on_tables_that_are_there_and_is_told_where_they_are_not() {
    let _shared = SERVER.read().await;
    let url = database("rights").await;
    let mut owner = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    for text in [
        "DO $$ BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        // So it is by itself from PostgreSQL 15 on.
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO clerk",
        "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO clerk",
    ] {
        sqlx::raw_sql(text).execute(&mut owner).await.unwrap();
    }
    let clerk = PostgresConfig::new(url.replace("//depeche@", "//clerk@"));

    let said = refused(&clerk).await;
    assert!(said.contains("may not make or change the tables") && said.contains("depeche runs"), "{said}");

    PostgresJournal::open(&PostgresConfig::new(&url)).await.unwrap().close().await;
    let journal = PostgresJournal::open(&clerk).await.unwrap();
    let run = new_run("r1", 7, 2, "2027-01-15T08:00:00Z".parse().unwrap());
    assert_eq!(journal.freeze(run.clone(), recipients(0..2)).await.unwrap().pending, 2);
    let _hold = journal.join(&run.id).await.unwrap();
    assert_eq!(journal.due(&run.id, run.created_at, 5).await.unwrap().len(), 2);
    assert_eq!(journal.cancel(&run.id, run.created_at).await.unwrap(), 2);
}
