//! Freezing a list.

use depeche_core::journal::*;

use super::super::fixtures::{intent_for, new_run, recipients, settled};
use super::{JournalHarness, all, at, due, ovh, run_of};
use crate::clock::CountingEntropy;

pub(super) async fn a_list_is_frozen_whole_or_not_at_all(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let refused = journal.freeze(new_run("r1", 7, 9, at(0)), recipients(0..10)).await;
    assert!(matches!(refused, Err(FreezeError::CountChanged { confirmed: 9, now: 10 })), "{refused:?}");
    assert!(journal.runs().await.expect("the journal is read").is_empty(), "nothing of it remains");

    let run = run_of(journal.as_ref(), 10).await;
    let again = journal.freeze(new_run("r1", 8, 3, at(0)), recipients(20..23)).await;
    assert!(matches!(again, Err(FreezeError::RunExists(ref id)) if *id == run), "{again:?}");
    assert_eq!(all(journal.as_ref(), &run).await.len(), 10);

    let other = harness.reopened().await;
    let kept = all(other.as_ref(), &run).await;
    let expected = recipients(0..10);
    for (kept, expected) in kept.iter().zip(&expected) {
        assert_eq!(kept.address.to_string(), expected.address.to_string());
        assert_eq!((&kept.message_id, kept.position), (&expected.message_id, expected.position));
        assert_eq!((kept.state, kept.attempts), (DeliveryState::Pending, 0));
    }
}

pub(super) async fn suppressed_recipients_are_frozen_as_such(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entry = |place: usize, quarantined| Suppression {
        key: recipients(place..place + 1)[0].address.key(),
        reason: "opted out".to_owned(),
        source: "manual".to_owned(),
        quarantined,
        at: at(0),
    };
    journal.suppress(vec![entry(1, false), entry(2, true)]).await.expect("the list is written");

    let frozen = journal.freeze(new_run("r1", 7, 3, at(0)), recipients(0..4)).await.expect("3 are mailed");

    assert_eq!(frozen, Frozen { pending: 3, suppressed: 1 }, "a quarantined address is mailed still");
    let run = RunId::new("r1").expect("a fixed name");
    assert_eq!(all(journal.as_ref(), &run).await[1].state, DeliveryState::Suppressed);
}

pub(super) async fn one_release_reaches_one_recipient_through_one_run(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 6).await;
    let waiting = due(journal.as_ref(), &run).await;
    let ends = [
        (DeliveryState::Accepted, AttemptState::Accepted),
        (DeliveryState::Refused, AttemptState::Refused),
        (DeliveryState::Held, AttemptState::Held),
        (DeliveryState::Unknown, AttemptState::Unknown),
    ];
    for (delivery, (state, attempt)) in waiting.iter().zip(ends) {
        let intent = intent_for(&run, delivery, &ovh(), &entropy, at(1));
        journal.intend(vec![intent.clone()]).await.expect("nothing stands against it");
        journal
            .settle(vec![settled(&intent, state, attempt, at(2))], Urgency::Now)
            .await
            .expect("it is open");
    }
    let open = intent_for(&run, &waiting[4], &ovh(), &entropy, at(1));
    journal.intend(vec![open]).await.expect("nothing stands against it");

    let second = journal.freeze(new_run("r2", 7, 7, at(3)), recipients(0..7)).await;

    let Err(FreezeError::Taken(taken)) = second else { panic!("{second:?}") };
    let mut held: Vec<DeliveryState> = taken.iter().map(|taken| taken.state).collect();
    held.sort();
    let expected = ["pending", "intent", "accepted", "held", "unknown"];
    let mut expected: Vec<DeliveryState> = expected.iter().map(|s| s.parse().expect("a state")).collect();
    expected.sort();
    assert_eq!(held, expected, "all but the refused one and the new one");
    assert!(taken.iter().all(|taken| taken.run == run));
    let keys: Vec<_> = recipients(0..7).iter().map(|delivery| delivery.address.key()).collect();
    assert_eq!(journal.taken(&[7; 32], &keys).await.expect("the journal is read").len(), 5);
    assert!(journal.taken(&[8; 32], &keys).await.expect("the journal is read").is_empty());

    let nobody = journal.freeze(new_run("r2", 7, 1, at(3)), recipients(0..1)).await;
    assert!(matches!(nobody, Err(FreezeError::NobodyLeft { run: ref r }) if *r == run), "{nobody:?}");
    let free: Vec<_> = recipients(0..7).into_iter().filter(|d| [1, 6].contains(&d.position)).collect();
    let frozen = journal.freeze(new_run("r2", 7, 2, at(3)), free).await.expect("nobody holds them");
    assert_eq!(frozen.pending, 2);
}

pub(super) async fn outbox_and_test_runs_never_count(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    for kind in [RunKind::Outbox, RunKind::Test] {
        for n in 0..2 {
            let run = NewRun { kind, ..new_run(&format!("{kind}{n}"), 7, 4, at(0)) };
            journal.freeze(run, recipients(0..4)).await.expect("they hold nobody");
        }
    }
    run_of(journal.as_ref(), 4).await;
    let run = NewRun { kind: RunKind::Outbox, ..new_run("after", 7, 4, at(0)) };
    journal.freeze(run, recipients(0..4)).await.expect("nobody holds anyone against them");
}

pub(super) async fn a_slug_names_one_content_unless_it_is_meant(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    run_of(journal.as_ref(), 2).await;
    let other = || NewRun { slug: "slug-7".to_owned(), ..new_run("r2", 8, 2, at(0)) };

    let refused = journal.freeze(other(), recipients(0..2)).await;

    assert!(matches!(refused, Err(FreezeError::SlugUsed { .. })), "{refused:?}");
    journal.freeze(NewRun { again: true, ..other() }, recipients(0..2)).await.expect("it is meant");
}

pub(super) async fn two_freezes_at_once_give_one_run(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let other = harness.reopened().await;

    let freezes = tokio::join!(
        journal.freeze(new_run("r1", 7, 50, at(0)), recipients(0..50)),
        other.freeze(new_run("r2", 7, 50, at(0)), recipients(0..50)),
    );

    let (first, second) = &freezes;
    assert!(first.is_ok() ^ second.is_ok(), "{freezes:?}");
    assert_eq!(journal.runs().await.expect("the journal is read").len(), 1);
}

pub(super) async fn a_long_list_is_taken_page_by_page_and_whole_or_not_at_all(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let broken = std::io::Error::other("the disk is gone");
    let half = recipients(0..700).into_iter().map(Ok).chain([Err(broken)]);
    let refused = journal.freeze_list(new_run("r1", 7, 700, at(0)), NewDeliveries::new(half)).await;
    assert!(matches!(refused, Err(FreezeError::ListBroken { .. })), "{refused:?}");
    assert!(journal.runs().await.expect("the journal is read").is_empty(), "nothing of it remains");

    let whole = NewDeliveries::from(recipients(0..700));
    let frozen = journal.freeze_list(new_run("r1", 7, 700, at(0)), whole).await.expect("nobody holds them");
    assert_eq!(frozen, Frozen { pending: 700, suppressed: 0 });

    // Those whom an earlier run holds are told, however far down the list they stand.
    let overlapping = journal.freeze(new_run("r2", 7, 700, at(1)), recipients(650..1_350)).await;
    let Err(FreezeError::Taken(taken)) = overlapping else { panic!("{overlapping:?}") };
    let mut keys: Vec<_> = taken.iter().map(|taken| taken.key.clone()).collect();
    let mut expected: Vec<_> = recipients(650..700).iter().map(|one| one.address.key()).collect();
    keys.sort();
    expected.sort();
    assert_eq!(keys, expected);
}
