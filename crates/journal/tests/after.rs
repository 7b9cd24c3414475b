//! What events mean for the suppression list, on the real journal.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

use depeche_core::after::{judge_bad_addresses, take_in};
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::*;
use depeche_core::provider::ProviderName;
use depeche_journal::SqliteJournal;
use depeche_testkit::clock::CountingEntropy;
use depeche_testkit::journal::{intent_for, new_run, recipients, settled};
use jiff::Timestamp;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn ovh() -> ProviderName {
    ProviderName::new("ovh").unwrap()
}

/// A run whose `count` recipients were all accepted; the attempts, in list order.
async fn accepted(journal: &SqliteJournal, count: usize) -> (RunId, Vec<Intent>) {
    let entropy = CountingEntropy::default();
    let run = new_run("r1", 7, count, at(0));
    let id = run.id.clone();
    journal.freeze(run, recipients(0..count)).await.unwrap();
    let mut intents = Vec::new();
    for delivery in journal.due(&id, at(1), count).await.unwrap() {
        let intent = intent_for(&id, &delivery, &ovh(), &entropy, at(1));
        journal.intend(vec![intent.clone()]).await.unwrap();
        let settlement = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(2));
        journal.settle(vec![settlement], Urgency::Now).await.unwrap();
        intents.push(intent);
    }
    (id, intents)
}

fn told(kind: EventKind, place: usize, of: &Intent, second: i64) -> ProviderEvent {
    ProviderEvent {
        attempt: Some(of.attempt),
        at: Some(at(second)),
        ..ProviderEvent::new(kind, &format!("J{place}@journal.example"))
    }
}

async fn suppressed(journal: &SqliteJournal) -> Vec<(String, String, bool)> {
    let list = journal.suppressions(None).await.unwrap();
    list.into_iter().map(|entry| (entry.key.as_str().to_owned(), entry.reason, entry.quarantined)).collect()
}

#[tokio::test]
async fn a_wave_of_two_hundred_bounces_that_trickle_in_suppresses_nobody() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    let (run, intents) = accepted(&journal, 200).await;

    for (place, intent) in intents.iter().enumerate() {
        let second = 60 + place as i64;
        let event = told(EventKind::InvalidAddress, place, intent, second);
        let taken_in = take_in(&journal, &ovh(), vec![event], at(second)).await.unwrap();
        assert!(taken_in.to_judge.contains(&run));
        // The first ones are judged before anything looks like a wave.
        if place < 10 || place % 20 == 19 {
            judge_bad_addresses(&journal, &run, at(second)).await.unwrap();
        }
    }

    let list = suppressed(&journal).await;
    assert_eq!(list.len(), 200);
    assert!(list.iter().all(|(_, _, quarantined)| *quarantined), "{list:?}");
}

#[tokio::test]
async fn one_bad_address_is_suppressed_and_a_full_mailbox_is_not() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    let (run, intents) = accepted(&journal, 3).await;
    let events = vec![
        told(EventKind::InvalidAddress, 0, &intents[0], 60),
        told(EventKind::BouncedHard, 1, &intents[1], 60),
        told(EventKind::BouncedSoft, 2, &intents[2], 60),
    ];

    let taken_in = take_in(&journal, &ovh(), events, at(60)).await.unwrap();
    for run in &taken_in.to_judge {
        judge_bad_addresses(&journal, run, at(60)).await.unwrap();
    }

    assert_eq!(taken_in.to_judge, [run].into());
    assert_eq!(
        suppressed(&journal).await,
        [("j0@journal.example".to_owned(), "bad address".to_owned(), false)]
    );
}

#[tokio::test]
async fn opt_outs_and_complaints_count_at_once_even_of_messages_that_nobody_knows() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    let (_, intents) = accepted(&journal, 1).await;
    let events = || {
        vec![
            told(EventKind::Complained, 0, &intents[0], 60),
            ProviderEvent::new(EventKind::Unsubscribed, "Zoe@Other.example"),
            ProviderEvent::new(EventKind::Unsubscribed, "not an address"),
        ]
    };

    let first = take_in(&journal, &ovh(), events(), at(60)).await.unwrap();
    let again = take_in(&journal, &ovh(), events(), at(90)).await.unwrap();

    assert_eq!((first.new, first.unmatched, first.suppressed), (3, 2, 2));
    assert_eq!((again.new, again.repeated, again.suppressed), (0, 1, 0));
    assert_eq!(
        suppressed(&journal).await,
        [
            ("j0@journal.example".to_owned(), "complaint".to_owned(), false),
            ("zoe@other.example".to_owned(), "opted out".to_owned(), false),
        ]
    );
}

#[tokio::test]
async fn no_octet_of_a_forgotten_address_is_left_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).await.unwrap();
    let (run, intents) = accepted(&journal, 50).await;
    let events: Vec<ProviderEvent> = intents
        .iter()
        .enumerate()
        .map(|(place, intent)| ProviderEvent {
            reason: Some(format!("250 ok for <j{place}@journal.example>")),
            ..told(EventKind::Delivered, place, intent, 60)
        })
        .collect();
    take_in(&journal, &ovh(), events, at(60)).await.unwrap();
    let holds = |needle: &str| {
        ["journal.db", "journal.db-wal"].iter().any(|file| {
            let octets = std::fs::read(folder.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&octets).to_lowercase();
            // `j17@` is part of no other address of the list.
            text.contains(needle)
        })
    };
    assert!(holds("j17@journal.example"));

    let key = recipients(17..18)[0].address.key();
    let forgotten = journal.forget(&key, [3; 32], at(90)).await.unwrap();

    assert!(forgotten.swept);
    assert!(!holds("j17@journal.example"), "also not in free pages and in the log");
    assert!(holds("j18@journal.example"));
    assert_eq!(journal.totals(&run).await.unwrap().accepted, 50);
}

/// A replay changes nothing; what is told anew does.
#[tokio::test]
async fn who_was_taken_off_the_list_is_not_listed_again_by_a_replay() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    let (run, intents) = accepted(&journal, 3).await;
    let events = vec![
        told(EventKind::Unsubscribed, 0, &intents[0], 60),
        told(EventKind::InvalidAddress, 1, &intents[1], 60),
        // An opt-out link says nothing of when.
        ProviderEvent { at: None, ..told(EventKind::Unsubscribed, 2, &intents[2], 0) },
    ];
    let take = async |second: i64| {
        take_in(&journal, &ovh(), events.clone(), at(second)).await.unwrap();
        judge_bad_addresses(&journal, &run, at(second)).await.unwrap();
        suppressed(&journal).await.into_iter().map(|(address, _, _)| address).collect::<Vec<_>>()
    };
    assert_eq!(take(61).await.len(), 3);
    for key in recipients(0..3).iter().map(|recipient| recipient.address.key()) {
        journal.unsuppress(&key, "she asked", at(100)).await.unwrap();
    }

    assert_eq!(take(120).await, ["j2@journal.example"], "whoever presses the link again opts out again");
    let anew = vec![told(EventKind::Unsubscribed, 0, &intents[0], 130)];
    take_in(&journal, &ovh(), anew, at(131)).await.unwrap();
    assert_eq!(suppressed(&journal).await.len(), 2);
}

/// The events were kept, and then the process died before the list was.
#[tokio::test]
async fn a_wish_whose_listing_failed_is_listed_when_it_is_told_again() {
    let journal = SqliteJournal::in_memory().await.unwrap();
    let (_, intents) = accepted(&journal, 1).await;
    let event = told(EventKind::Unsubscribed, 0, &intents[0], 60);
    journal.record_events(&ovh(), vec![event.clone()], at(61)).await.unwrap();

    let taken_in = take_in(&journal, &ovh(), vec![event], at(62)).await.unwrap();

    assert_eq!((taken_in.new, taken_in.suppressed), (0, 1));
}
