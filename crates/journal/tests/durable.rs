//! What the SQLite journal promises beyond the conformance suite: files, locks, and crashes.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

use depeche_core::address::EmailAddress;
use depeche_core::budget::Limits;
use depeche_core::journal::*;
use depeche_core::message::MessageId;
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use depeche_journal::SqliteJournal;
use jiff::Timestamp;
use uuid::Uuid;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn new_run(id: &str, confirmed: u64) -> NewRun {
    NewRun {
        id: RunId::new(id).unwrap(),
        kind: RunKind::Real,
        slug: "lancement".to_owned(),
        release: "release.md".to_owned(),
        digest: [7; 32],
        frozen: "{}".to_owned(),
        assets: vec![("photo.png".to_owned(), bytes::Bytes::from_static(b"png"))],
        route: vec![ProviderName::new("ovh").unwrap()],
        left_out: "[]".to_owned(),
        settings: "{}".to_owned(),
        created_at: at(0),
        again: false,
        confirmed,
    }
}

fn recipients(range: std::ops::Range<u64>) -> Vec<NewDelivery> {
    range
        .map(|n| NewDelivery {
            address: EmailAddress::parse(&format!("j{n}@journal.example")).unwrap(),
            tier: 1,
            position: n,
            fields: [("outlet".to_owned(), "Le Progrès".to_owned())].into(),
            message_id: MessageId::new(&format!("<{n}@exemple.fr>")).unwrap(),
            not_before: None,
        })
        .collect()
}

fn intent(run: &RunId, delivery: &DeliveryRecord) -> Intent {
    Intent {
        run: run.clone(),
        delivery: delivery.id,
        fence: delivery.fence,
        attempt: Uuid::now_v7(),
        request_id: Uuid::now_v7(),
        idempotency_key: Uuid::new_v4(),
        request_digest: None,
        provider_id: None,
        provider: ProviderName::new("ovh").unwrap(),
        limits: Limits::default(),
        pace: None,
        at: at(1),
    }
}

#[tokio::test]
async fn an_intent_survives_and_becomes_unknown_when_its_owner_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let run = RunId::new("r1").unwrap();
    {
        let journal = SqliteJournal::open(&path).await.unwrap();
        journal.freeze(new_run("r1", 3), recipients(0..3)).await.unwrap();
        let due = journal.due(&run, at(1), 10).await.unwrap();
        journal.intend(vec![intent(&run, &due[0])]).await.unwrap();
    }

    let journal = SqliteJournal::open(&path).await.unwrap();
    let before = journal.totals(&run).await.unwrap();
    let hold = journal.hold(&run).await.unwrap();
    assert_eq!(journal.adopt_orphans(hold.as_ref(), at(2)).await.unwrap(), 1);
    let after = journal.totals(&run).await.unwrap();

    assert_eq!((before.unknown, before.pending), (1, 2), "an orphan counts as unknown at once");
    assert_eq!((after.unknown, after.pending), (1, 2));
    assert!(after.add_up());
    assert_eq!(journal.assets(&run).await.unwrap()[0].1.as_ref(), b"png");
}

#[tokio::test]
async fn a_second_open_attempt_is_refused_by_the_database() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    let run = RunId::new("r1").unwrap();
    journal.freeze(new_run("r1", 1), recipients(0..1)).await.unwrap();
    let due = journal.due(&run, at(1), 10).await.unwrap();
    journal.intend(vec![intent(&run, &due[0])]).await.unwrap();

    let again = journal.intend(vec![intent(&run, &due[0])]).await;

    assert_eq!(again, Err(Denied::AlreadyTaken));
    assert_eq!(journal.attempts(due[0].id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_list_of_one_release_leaves_out_those_who_have_it() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    journal.freeze(new_run("r1", 3), recipients(0..3)).await.unwrap();

    let overlapping = journal.freeze(new_run("r2", 3), recipients(2..5)).await;
    let same = journal.freeze(new_run("r3", 3), recipients(0..3)).await;

    let Err(FreezeError::Taken(taken)) = overlapping else { panic!("{overlapping:?}") };
    assert_eq!(taken.len(), 1);
    assert!(matches!(same, Err(FreezeError::NobodyLeft { run }) if run.as_str() == "r1"));
    assert!(journal.run(&RunId::new("r2").unwrap()).await.unwrap().is_none(), "nothing of it remains");
    assert_eq!(journal.freeze(new_run("r2", 2), recipients(3..5)).await.unwrap().pending, 2);
}

#[tokio::test]
async fn a_run_is_held_once_and_its_holder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (first, second) =
        (SqliteJournal::open(&path).await.unwrap(), SqliteJournal::open(&path).await.unwrap());
    let run = RunId::new("r1").unwrap();
    let hold = first.hold(&run).await.unwrap();

    let refused = second.hold(&run).await;
    assert!(matches!(refused, Err(HoldError::Held { pid: Some(pid), .. }) if pid == std::process::id()));
    assert_eq!(second.holder(&run).await.unwrap(), Some(Some(std::process::id())));

    drop(hold);
    assert_eq!(second.holder(&run).await.unwrap(), None);
    assert!(second.hold(&run).await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sub/journal.db");
    let journal = SqliteJournal::open(&path).await.unwrap();
    journal.freeze(new_run("r1", 3), recipients(0..3)).await.unwrap();

    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
}

/// By hand: 5 an hour, from two processes in turn, gives exactly 5 intents.
#[tokio::test]
async fn two_openers_of_one_file_share_a_window() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journals = [SqliteJournal::open(&path).await.unwrap(), SqliteJournal::open(&path).await.unwrap()];
    let run = RunId::new("r1").unwrap();
    journals[0].freeze(new_run("r1", 20), recipients(0..20)).await.unwrap();
    let due = journals[0].due(&run, at(1), 50).await.unwrap();

    let mut taken = 0;
    for (n, delivery) in due.iter().enumerate() {
        let mut intent = intent(&run, delivery);
        intent.limits.per_hour = Some(5);
        match journals[n % 2].intend(vec![intent]).await {
            Ok(()) => taken += 1,
            Err(Denied::BudgetSpent { until }) => assert_eq!(until, at(1 + 1 + 3_600)),
            Err(other) => panic!("{other:?}"),
        }
    }

    assert_eq!(taken, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_openers_of_a_new_journal_all_get_the_same_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");

    let open = || {
        let path = path.clone();
        tokio::spawn(async move { SqliteJournal::open(&path).await })
    };
    let openers: Vec<_> = (0..8).map(|_| open()).collect();
    let mut journals = Vec::new();
    for opener in openers {
        journals.push(opener.await.unwrap().unwrap());
    }
    journals[0].freeze(new_run("20261203-a", 3), recipients(0..3)).await.unwrap();

    for journal in &journals {
        assert_eq!(journal.runs().await.unwrap().len(), 1);
    }
}
