//! An older copy of the journal is put in its place.

use std::sync::Arc;

use depeche_core::journal::Journal;
use depeche_mirror::NotOpened;

use crate::support::{Machine, Place, counts, freeze, send_one};

#[tokio::test]
async fn a_copy_from_before_the_last_session_is_recognised_and_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path(), "one", None);
    let copy = folder.path().join("copy");
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 5).await;
    send_one(&journal, false).await;
    journal.close().await;
    drop(journal);
    machine.copy_journal(&copy);
    let journal = machine.begin().await.unwrap();
    send_one(&journal, false).await;
    send_one(&journal, true).await;
    journal.close().await;
    drop(journal);
    machine.restore_journal(&copy);

    assert!(matches!(machine.begin().await, Err(NotOpened::Older { journal: 1, beside: 2 })));
    let recovered = machine.opening().await.reconcile().await.unwrap();

    assert_eq!(recovered.restored.moved.len(), 2);
    let journal = machine.begin().await.unwrap();
    assert_eq!(counts(&journal).await, (2, 1, 2));
    let audit = journal.audit_of(None).await.unwrap();
    assert_eq!(audit.iter().filter(|entry| entry.action == "reconcile").count(), 3);
}

#[tokio::test]
async fn a_copy_from_the_middle_of_a_killed_session_is_recognised_too() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path(), "one", None);
    let copy = folder.path().join("copy");
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 5).await;
    send_one(&journal, false).await;
    machine.copy_journal(&copy);
    send_one(&journal, true).await;
    // Killed: nothing is closed. No further session was begun.
    drop(journal);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    machine.restore_journal(&copy);

    assert!(matches!(machine.begin().await, Err(NotOpened::Lacks(1))));
    machine.opening().await.reconcile().await.unwrap();

    assert_eq!(counts(&machine.begin().await.unwrap()).await, (1, 1, 3));
}

#[tokio::test]
async fn the_mirror_recognises_an_older_copy_where_everything_on_the_disk_went_back_together() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let (copy, state) = (folder.path().join("copy"), machine.folder.join("journal.db.state"));
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 5).await;
    journal.close().await;
    drop(journal);
    machine.copy_journal(&copy);
    std::fs::copy(state.join("epoch.json"), copy.join("epoch.json")).unwrap();
    let journal = machine.begin().await.unwrap();
    send_one(&journal, false).await;
    journal.close().await;
    drop(journal);
    machine.restore_journal(&copy);
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::create_dir(&state).unwrap();
    std::fs::copy(copy.join("epoch.json"), state.join("epoch.json")).unwrap();

    assert!(matches!(machine.begin().await, Err(NotOpened::Lacks(1))));
    machine.opening().await.reconcile().await.unwrap();

    assert_eq!(counts(&machine.begin().await.unwrap()).await, (1, 0, 4));
}

#[tokio::test]
async fn a_journal_that_is_gone_is_put_back_from_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path(), "one", None);
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, false).await;
    journal.close().await;
    drop(journal);
    machine.restore_journal(&folder.path().join("nothing"));

    assert!(matches!(machine.begin().await, Err(NotOpened::Older { journal: 0, beside: 1 })));
    machine.opening().await.reconcile().await.unwrap();

    assert_eq!(counts(&machine.begin().await.unwrap()).await, (1, 0, 2));
}

#[tokio::test]
async fn a_lost_epoch_is_told_apart_from_an_older_copy() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path(), "one", None);
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, false).await;
    journal.close().await;
    drop(journal);
    std::fs::remove_dir_all(machine.folder.join("journal.db.state")).unwrap();

    assert!(matches!(machine.begin().await, Err(NotOpened::EpochLost(_))));
    let recovered = machine.opening().await.reconcile().await.unwrap();

    assert!(recovered.restored.moved.is_empty(), "nothing says that anything is missing");
    assert_eq!(counts(&machine.begin().await.unwrap()).await, (1, 0, 2));
}

#[tokio::test]
async fn a_mirror_that_agrees_makes_up_for_a_lost_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, false).await;
    journal.close().await;
    drop(journal);
    std::fs::remove_dir_all(machine.folder.join("journal.db.state")).unwrap();

    assert_eq!(counts(&machine.begin().await.unwrap()).await, (1, 0, 2));
}

#[tokio::test]
async fn where_sessions_left_no_record_everybody_pending_is_uncertain() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path(), "one", None);
    let copy = folder.path().join("copy");
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 5).await;
    send_one(&journal, false).await;
    journal.close().await;
    drop(journal);
    machine.copy_journal(&copy);
    for _ in 0..2 {
        let journal = machine.begin().await.unwrap();
        send_one(&journal, false).await;
        journal.close().await;
    }
    machine.restore_journal(&copy);
    std::fs::remove_file(machine.folder.join("journal.db.state/0000000002.log")).unwrap();

    let recovered = machine.opening().await.reconcile().await.unwrap();

    assert_eq!(recovered.unrecorded, 1);
    // One was accepted before the copy, one is proved by the third session; of the three others one was.
    assert_eq!(counts(&machine.begin().await.unwrap()).await, (2, 3, 0));
}

#[tokio::test]
async fn sessions_that_follow_each_other_or_overlap_are_nobodys_older_copy() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "one", Some(&place));
    let first = machine.begin().await.unwrap();
    freeze(&first, 6).await;
    let second = machine.begin().await.unwrap();
    send_one(&first, false).await;
    send_one(&second, false).await;
    first.close().await;
    send_one(&second, true).await;
    let third = machine.begin().await.unwrap();
    second.close().await;
    send_one(&third, false).await;
    drop(third);

    let journal = machine.begin().await.unwrap();

    assert_eq!(counts(&journal).await, (3, 1, 2));
}
