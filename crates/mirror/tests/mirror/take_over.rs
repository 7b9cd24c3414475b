//! The machine is gone, or is thought to be.

use std::sync::Arc;

use depeche_core::clock::SystemEntropy;
use depeche_core::journal::*;
use depeche_core::outcome::Denied;
use depeche_mirror::{NotOpened, RecoverError};
use depeche_testkit::journal::intent_for;
use jiff::{SignedDuration, Timestamp};

use crate::support::{Machine, Place, counts, freeze, ovh, run_id, send_one};

#[tokio::test]
async fn wherever_the_machine_dies_the_second_knows_who_may_have_been_mailed() {
    for died_at in 0..=4 {
        for is_open in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let place = Arc::new(Place::default());
            let first = Machine::new(folder.path(), "first", Some(&place));
            let journal = first.begin().await.unwrap();
            freeze(&journal, 5).await;
            for _ in 0..died_at {
                send_one(&journal, false).await;
            }
            if is_open {
                send_one(&journal, true).await;
            }
            // The last answer may wait for company; a second later it is there.
            while journal.lag().unwrap().records > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            drop(journal);
            std::fs::remove_dir_all(&first.folder).unwrap();

            let second = Machine::new(folder.path(), "second", Some(&place));
            let recovered = second.opening().await.take_over().await.unwrap();
            let journal = second.begin().await.unwrap();

            let open = u64::from(is_open);
            assert_eq!(counts(&journal).await, (died_at, open, 5 - died_at - open));
            assert_eq!(recovered.restored.runs, [run_id()]);
            assert_eq!(recovered.before.unwrap().machine, "first");
            assert_eq!(journal.assets(&run_id()).await.unwrap()[0].0, "logo.png");
        }
    }
}

#[tokio::test]
async fn the_first_machine_cannot_send_once_the_second_has_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = first.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, false).await;
    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();

    let due = journal.due(&run_id(), Timestamp::now(), 1).await.unwrap();
    let intent = intent_for(&run_id(), &due[0], &ovh(), &SystemEntropy, Timestamp::now());
    let denied = journal.intend(vec![intent.clone()]).await.unwrap_err();

    assert!(matches!(denied, Denied::TakenOver { .. }), "{denied:?}");
    assert_eq!(counts(&journal).await, (1, 0, 2), "what was denied is pending, not uncertain");
    // The next one is denied without asking the mirror.
    let again = Intent { fence: intent.fence + 2, ..intent };
    assert!(matches!(journal.intend(vec![again]).await, Err(Denied::TakenOver { .. })));
    journal.close().await;
    assert!(matches!(first.begin().await, Err(NotOpened::TakenOver(owner)) if owner.machine == "second"));
}

#[tokio::test]
async fn the_first_machine_can_take_the_work_back_and_knows_what_the_second_did() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = first.begin().await.unwrap();
    freeze(&journal, 4).await;
    send_one(&journal, false).await;
    journal.close().await;
    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    let journal = second.begin().await.unwrap();
    send_one(&journal, false).await;
    send_one(&journal, true).await;
    journal.close().await;

    first.opening().await.take_over().await.unwrap();
    let journal = first.begin().await.unwrap();

    assert_eq!(counts(&journal).await, (2, 1, 1));
    assert!(matches!(second.begin().await, Err(NotOpened::TakenOver(owner)) if owner.machine == "first"));
}

#[tokio::test]
async fn a_take_over_that_was_killed_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = first.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, true).await;
    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    // Killed before its last step: the journal is filled and does not know whose it is.
    std::fs::remove_dir_all(second.folder.join("journal.db.state")).unwrap();
    let plain = second.plain().await;
    let lineage = depeche_core::provider::ProviderName::new(depeche_mirror::RESERVED).unwrap();
    plain.save_mark(&lineage, "null").await.unwrap();
    drop(plain);

    second.opening().await.take_over().await.unwrap();

    let journal = second.begin().await.unwrap();
    assert_eq!(counts(&journal).await, (0, 1, 2));
}

#[tokio::test]
async fn a_journal_of_its_own_is_not_mixed_with_another_ones_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    freeze(&first.begin().await.unwrap(), 3).await;
    let mut second = Machine::new(folder.path(), "second", None);
    let journal = second.begin().await.unwrap();
    let run = depeche_testkit::journal::new_run("other", 2, 1, Timestamp::now());
    journal.freeze(run, depeche_testkit::journal::recipients(0..1)).await.unwrap();
    journal.close().await;
    second.mirror = Some(place);

    assert!(matches!(second.begin().await, Err(NotOpened::TakenOver(_))));
    assert!(matches!(second.opening().await.take_over().await, Err(RecoverError::OtherJournal)));
}

#[tokio::test]
async fn a_mirror_that_is_empty_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let machine = Machine::new(folder.path(), "second", Some(&place));

    assert!(matches!(machine.opening().await.take_over().await, Err(RecoverError::EmptyMirror(_))));
}

#[tokio::test]
async fn a_cancelled_run_and_a_suppressed_address_stay_so_on_the_second_machine() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = first.begin().await.unwrap();
    freeze(&journal, 3).await;
    send_one(&journal, false).await;
    journal.cancel(&run_id(), Timestamp::now()).await.unwrap();
    let key = depeche_testkit::journal::recipients(7..8)[0].address.key();
    let entry = Suppression {
        key: key.clone(),
        reason: "opted out".to_owned(),
        source: "manual".to_owned(),
        quarantined: false,
        at: Timestamp::now(),
    };
    journal.suppress(vec![entry]).await.unwrap();
    journal.close().await;

    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    let journal = second.begin().await.unwrap();

    assert_eq!(journal.totals(&run_id()).await.unwrap().cancelled, 2);
    assert_eq!(journal.run(&run_id()).await.unwrap().unwrap().state, RunState::Cancelled);
    assert_eq!(journal.suppressions(Some(&[key])).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_person_declared_of_a_provider_is_known_on_the_second_machine_and_on_the_first_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = first.begin().await.unwrap();
    freeze(&journal, 2).await;
    let (noon, later) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1));
    let declared = |since, until, reason: &str| Outage {
        provider: ovh(),
        since,
        until,
        reason: reason.to_owned(),
        declared_at: later,
    };
    journal.declare_outage(declared(noon, None, "it burns")).await.unwrap();
    // What is said last of the same beginning holds; what was taken back does not come again.
    let ended = declared(noon, Some(later), "it burned");
    journal.declare_outage(ended.clone()).await.unwrap();
    journal.declare_outage(declared(later, None, "by mistake")).await.unwrap();
    assert!(journal.withdraw_outage(&ovh(), later, "it was the network", later).await.unwrap());
    journal.close().await;

    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    let journal = second.begin().await.unwrap();
    assert_eq!(journal.outages().await.unwrap(), [ended]);
    assert!(journal.withdraw_outage(&ovh(), noon, "it came back", later).await.unwrap());
    journal.close().await;

    first.opening().await.take_over().await.unwrap();
    assert_eq!(first.begin().await.unwrap().outages().await.unwrap(), []);
}

/// A journal that had outages before it had a mirror, or whose mirror could not be reached.
#[tokio::test]
async fn an_outage_that_the_mirror_missed_is_made_up_by_the_next_session() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let outage = Outage {
        provider: ovh(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
        reason: "it burns".to_owned(),
        declared_at: Timestamp::UNIX_EPOCH,
    };
    first.plain().await.declare_outage(outage.clone()).await.unwrap();
    first.begin().await.unwrap().close().await;

    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    assert_eq!(second.plain().await.outages().await.unwrap(), [outage]);
}
