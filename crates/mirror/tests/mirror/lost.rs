//! The mirror cannot be reached, loses an answer, or is no mirror.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use depeche_core::clock::SystemEntropy;
use depeche_core::journal::Journal;
use depeche_core::outcome::Denied;
use depeche_mirror::{LogError, Mode, NotOpened};
use depeche_testkit::journal::intent_for;
use jiff::Timestamp;

use crate::support::{Machine, Place, counts, freeze, ovh, run_id, send_one};

#[tokio::test]
async fn without_its_mirror_nothing_is_sent_and_nobody_becomes_uncertain() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, false).await;
    place.is_down.store(true, Ordering::SeqCst);

    let due = journal.due(&run_id(), Timestamp::now(), 1).await.unwrap();
    let intent = intent_for(&run_id(), &due[0], &ovh(), &SystemEntropy, Timestamp::now());
    let denied = journal.intend(vec![intent]).await.unwrap_err();

    assert_eq!(denied, Denied::MirrorLost { reason: "it is down".to_owned() });
    assert_eq!(counts(&journal).await, (1, 0, 2));
    assert_eq!(journal.lag().unwrap().trouble.as_deref(), Some("it is down"));
    journal.close().await;
    assert!(matches!(machine.begin().await, Err(NotOpened::Mirror(LogError::Target(_)))));

    // It comes back: the next session sends, and what was withdrawn is pending on a second machine.
    place.is_down.store(false, Ordering::SeqCst);
    let journal = machine.begin().await.unwrap();
    send_one(&journal, false).await;
    journal.close().await;
    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    assert_eq!(counts(&second.begin().await.unwrap()).await, (2, 0, 1));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 3).await;
    let before = place.segments();
    place.loses_an_answer.store(true, Ordering::SeqCst);

    send_one(&journal, true).await;

    assert_eq!(place.segments(), before + 1);
    assert_eq!(counts(&journal).await, (0, 1, 2));
}

#[tokio::test]
async fn a_mirror_that_follows_lets_the_run_go_on_and_tells_how_far_it_lags() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let mut machine = Machine::new(folder.path(), "one", Some(&place));
    machine.mode = Mode::Async;
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 4).await;
    send_one(&journal, false).await;
    while journal.lag().unwrap().records > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    place.is_down.store(true, Ordering::SeqCst);

    send_one(&journal, false).await;
    send_one(&journal, true).await;

    while journal.lag().unwrap().trouble.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lag = journal.lag().unwrap();
    assert_eq!(lag.records, 3, "two intents and one outcome");
    assert!(lag.since.is_some());
    place.is_down.store(false, Ordering::SeqCst);
    while journal.lag().unwrap().records > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    assert_eq!(counts(&second.begin().await.unwrap()).await, (2, 1, 1));
    // The first one hears of it with its next segment.
    send_one(&journal, true).await;
    while !journal.lag().unwrap().taken_over {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let due = journal.due(&run_id(), Timestamp::now(), 1).await.unwrap();
    assert!(due.is_empty(), "all were sent or are open here");
}

#[tokio::test]
async fn what_a_lost_mirror_missed_is_made_up_by_the_next_session() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let mut machine = Machine::new(folder.path(), "one", Some(&place));
    machine.mode = Mode::Async;
    place.is_down.store(true, Ordering::SeqCst);
    // The first session of a journal finds its mirror down; asynchronously that is no reason to wait.
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 4).await;
    send_one(&journal, false).await;
    send_one(&journal, true).await;
    journal.close().await;
    drop(journal);
    place.is_down.store(false, Ordering::SeqCst);

    let journal = machine.begin().await.unwrap();
    journal.close().await;

    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    assert_eq!(counts(&second.begin().await.unwrap()).await, (1, 1, 2));
}

#[tokio::test]
async fn a_mirror_that_was_emptied_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 2).await;
    journal.close().await;
    drop(journal);
    place.forget_all();

    assert!(matches!(machine.begin().await, Err(NotOpened::Mirror(LogError::Missing(_)))));
}

#[tokio::test]
async fn a_place_that_writes_over_what_is_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    place.overwrites.store(true, Ordering::SeqCst);
    let machine = Machine::new(folder.path(), "one", Some(&place));

    assert!(matches!(machine.begin().await, Err(NotOpened::Mirror(LogError::Overwrites(_)))));
}

#[tokio::test]
async fn no_address_leaves_the_machine_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 2).await;
    send_one(&journal, false).await;
    journal.close().await;

    assert!(place.segments() > 2);
    for clear in ["journal.example", "exemple.fr", "records", "ovh"] {
        assert!(!place.holds(clear), "`{clear}` can be read in the mirror");
    }
}
