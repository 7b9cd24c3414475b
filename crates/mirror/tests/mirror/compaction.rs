//! The mirror is compacted; the machine dies at any step of it, or another one reads, sends or takes over meanwhile.

use std::sync::Arc;
use std::time::Duration;

use depeche_core::address::RecipientKey;
use depeche_core::clock::SystemEntropy;
use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::*;
use depeche_core::outcome::Denied;
use depeche_mirror::{CompactError, MirroredJournal, Mode, NotOpened};
use depeche_testkit::journal::{intent_for, recipients};
use jiff::Timestamp;
use uuid::Uuid;

use crate::support::{Death, Machine, Place, counts, freeze, log_at, ovh, run_id, send_one};

/// More writes than any compaction of these tests makes.
const ENOUGH: i64 = 200;

/// Two are accepted, one is open, one is pending; one is told delivered, an address is suppressed, an outage declared.
async fn in_the_middle(machine: &Machine) -> MirroredJournal {
    let journal = machine.begin().await.unwrap();
    freeze(&journal, 4).await;
    send_one(&journal, false).await;
    send_one(&journal, false).await;
    send_one(&journal, true).await;
    let sent = journal.deliveries(&run_id(), None, 1).await.unwrap();
    let attempt = journal.attempts(sent[0].id).await.unwrap()[0].id;
    let told = ProviderEvent {
        attempt: Some(attempt),
        reason: Some(format!("to {}", sent[0].address)),
        ..ProviderEvent::new(EventKind::Delivered, &sent[0].address.to_string())
    };
    journal.record_events(&ovh(), vec![told], Timestamp::now()).await.unwrap();
    journal.suppress(vec![suppressed("a bad address")]).await.unwrap();
    let now = Timestamp::now();
    let reason = "it burns".to_owned();
    let outage =
        Outage { provider: ovh(), since: Timestamp::UNIX_EPOCH, until: None, reason, declared_at: now };
    journal.declare_outage(outage).await.unwrap();
    in_step(&journal).await;
    journal
}

fn suppressed(reason: &str) -> Suppression {
    let (reason, source) = (reason.to_owned(), "manual".to_owned());
    Suppression { key: key(7), reason, source, quarantined: false, at: Timestamp::now() }
}

fn key(number: usize) -> RecipientKey {
    recipients(number..number + 1)[0].address.key()
}

async fn names(journal: &dyn Journal, person: &RecipientKey) -> bool {
    let all = journal.deliveries(&run_id(), None, 100).await.unwrap();
    all.iter().any(|delivery| delivery.address.key() == *person)
}

async fn in_step(journal: &MirroredJournal) {
    while journal.lag().unwrap().records > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Another machine takes over from `place`, and all that [`in_the_middle`] did is known there.
async fn burns(folder: &std::path::Path, name: &str, place: &Arc<Place>) -> Machine {
    let next = Machine { patience: Duration::ZERO, ..Machine::new(folder, name, Some(place)) };
    let recovered = next.opening().await.take_over().await.unwrap();
    assert_eq!(recovered.restored.runs, [run_id()], "{name}");
    assert!(recovered.restored.lost.is_empty(), "{name}");
    let journal = next.plain().await;
    assert_eq!(counts(&*journal).await, (2, 1, 1), "{name}: nobody twice, nobody forgotten");
    assert_eq!(journal.suppressions(Some(&[key(7)])).await.unwrap().len(), 1, "{name}");
    assert_eq!(journal.outages().await.unwrap()[0].reason, "it burns", "{name}");
    let events = journal.events_of(&run_id()).await.unwrap();
    assert_eq!(events.len(), 1, "{name}");
    assert_eq!(events[0].1.event.kind, EventKind::Delivered, "{name}");
    assert_eq!(journal.assets(&run_id()).await.unwrap()[0].0, "logo.png", "{name}");
    drop(journal);
    next.begin().await.unwrap().close().await;
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_compaction_dies_the_second_machine_knows_who_may_have_been_mailed() {
    for death in [Death::Before, Death::After] {
        let mut died = 0;
        for at in 0..ENOUGH {
            let folder = tempfile::tempdir().unwrap();
            let place = Arc::new(Place::default());
            let first =
                Machine { patience: Duration::ZERO, ..Machine::new(folder.path(), "first", Some(&place)) };
            let journal = in_the_middle(&first).await;
            place.dies(at, death);

            let done = journal.compact().await;

            drop(journal);
            std::fs::remove_dir_all(&first.folder).unwrap();
            place.lives();
            let second = burns(folder.path(), &format!("second of {at} {death:?}"), &place).await;
            // What was begun is ended there, and says the same to a third one.
            second.begin().await.unwrap().compact().await.unwrap();
            burns(folder.path(), &format!("third of {at} {death:?}"), &place).await;
            if done.is_ok() {
                break;
            }
            died += 1;
        }
        // The marks and the parts, and then one for each segment before them.
        assert!((12..ENOUGH).contains(&died), "{death:?}: {died} deaths");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_forgetting_dies_it_can_be_ended_and_nobody_is_mailed_twice() {
    let (person, fresh) = (key(0), [9; 32]);
    for death in [Death::Before, Death::After] {
        for at in 0..ENOUGH {
            let folder = tempfile::tempdir().unwrap();
            let place = Arc::new(Place::default());
            let first =
                Machine { patience: Duration::ZERO, ..Machine::new(folder.path(), "first", Some(&place)) };
            let journal = in_the_middle(&first).await;
            assert!(place.says(person.as_str()));
            place.dies(at, death);

            let done = journal.forget(&person, fresh, Timestamp::now()).await;

            let owes = journal.owes_forgetting();
            // The key of the hashes goes before: without it nobody is forgotten anywhere.
            assert_eq!(owes, done.is_err() && at > 0, "{at} {death:?}");
            assert_eq!(owes || done.is_ok(), !names(&journal, &person).await, "{at} {death:?}");
            drop(journal);
            place.lives();
            // The machine burns at this moment ...
            burns(folder.path(), &format!("second of {at} {death:?}"), &place.copy()).await;
            // ... or it does not: it is no older copy, knows what is left to do, and does it.
            let journal = first.begin().await.unwrap();
            assert_eq!(journal.owes_forgetting(), owes, "{at} {death:?}");
            in_step(&journal).await;
            burns(folder.path(), &format!("next of {at} {death:?}"), &place.copy()).await;
            if owes {
                journal.compact().await.unwrap();
            }
            assert!(!journal.owes_forgetting(), "{at} {death:?}");
            if names(&journal, &person).await {
                journal.forget(&person, fresh, Timestamp::now()).await.unwrap();
            }
            in_step(&journal).await;
            assert!(!place.says(person.as_str()), "{at} {death:?}: the address stands in the mirror");
            assert!(place.says("forgotten.invalid"), "{at} {death:?}");
            journal.close().await;
            burns(folder.path(), &format!("third of {at} {death:?}"), &place).await;
            if done.is_ok() {
                break;
            }
            assert!(at + 1 < ENOUGH);
        }
    }
}

/// Seen while this was written: what was told later of somebody forgotten went to the mirror with the address.
#[tokio::test]
async fn what_is_told_later_of_somebody_forgotten_does_not_bring_the_address_back() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = in_the_middle(&first).await;
    let person = key(0);
    let sent = journal.deliveries(&run_id(), None, 1).await.unwrap();
    assert_eq!(sent[0].address.key(), person);
    journal.forget(&person, [9; 32], Timestamp::now()).await.unwrap();

    let attempt = journal.attempts(sent[0].id).await.unwrap()[0].id;
    let told = ProviderEvent {
        attempt: Some(attempt),
        reason: Some(format!("550 <{person}> unknown")),
        ..ProviderEvent::new(EventKind::BouncedHard, person.as_str())
    };
    let wish = ProviderEvent::new(EventKind::Unsubscribed, person.as_str());
    journal.record_events(&ovh(), vec![told, wish], Timestamp::now()).await.unwrap();
    let entry = |key: RecipientKey| Suppression { key, ..suppressed("asked") };
    journal.suppress(vec![entry(person.clone()), entry(key(8))]).await.unwrap();
    in_step(&journal).await;

    assert!(place.says("bounced_hard") && place.says(key(8).as_str()));
    assert!(!place.says(person.as_str()));
    let beside = first.folder.join("journal.db.state");
    for entry in std::fs::read_dir(beside).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(person.as_str()), "{text}");
    }
}

#[tokio::test]
async fn a_machine_that_was_given_up_finds_no_free_number_wherever_it_stopped_reading() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    // Two processes of the first machine: this one wrote nothing after its beginning.
    let stale = first.begin().await.unwrap();
    let journal = first.begin().await.unwrap();
    freeze(&journal, 5).await;
    send_one(&journal, false).await;
    in_step(&journal).await;
    let second = Machine::new(folder.path(), "second", Some(&place));
    second.opening().await.take_over().await.unwrap();
    let there = second.begin().await.unwrap();
    send_one(&there, false).await;
    let names = place.segments();
    there.compact().await.unwrap();
    there.compact().await.unwrap();
    assert!(place.segments() > names, "no name came free");

    for given_up in [&stale, &journal] {
        let due = given_up.due(&run_id(), Timestamp::now(), 1).await.unwrap();
        let intent = intent_for(&run_id(), &due[0], &ovh(), &SystemEntropy, Timestamp::now());
        let denied = given_up.intend(vec![intent]).await.unwrap_err();
        assert!(matches!(denied, Denied::TakenOver { .. }), "{denied:?}");
        let refused = given_up.compact().await.unwrap_err();
        assert!(matches!(refused, CompactError::Mirror(_)), "{refused:?}");
    }

    assert_eq!(counts(&there).await, (2, 0, 3));
    stale.close().await;
    journal.close().await;
    assert!(matches!(first.begin().await, Err(NotOpened::TakenOver(owner)) if owner.machine == "second"));
    // It is still known as one that sent once, and may take the work back.
    there.close().await;
    first.opening().await.take_over().await.unwrap();
    assert_eq!(counts(&first.begin().await.unwrap()).await, (2, 0, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_does_at_any_step_of_a_compaction_is_known_on_the_next_machine() {
    for at in 0..ENOUGH {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::default());
        let first = Machine::new(folder.path(), "first", Some(&place));
        let other = first.begin().await.unwrap();
        let journal = Arc::new(in_the_middle(&first).await);
        let (reached, go_on) = place.pauses(at);

        let compacts = tokio::spawn({
            let (journal, place) = (Arc::clone(&journal), Arc::clone(&place));
            async move {
                let done = journal.compact().await;
                // Where there was no such write, nobody waits for it any more.
                place.lives();
                done
            }
        });
        let is_reached = reached.await.is_ok();
        if is_reached {
            send_one(&other, true).await;
            other.unsuppress(&key(7), "by mistake", Timestamp::now()).await.unwrap();
            in_step(&other).await;
            go_on.send(()).unwrap();
        }
        compacts.await.unwrap().unwrap();
        if !is_reached {
            assert!(at > 12, "{at}");
            return;
        }

        drop((journal, other));
        let second = Machine::new(folder.path(), "second", Some(&place));
        second.opening().await.take_over().await.unwrap();
        let there = second.begin().await.unwrap();
        assert_eq!(counts(&there).await, (2, 2, 0), "write {at}");
        assert!(there.suppressions(Some(&[key(7)])).await.unwrap().is_empty(), "write {at}");
    }
    panic!("more writes than expected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_takes_over_at_any_step_of_a_compaction_knows_everything_and_the_first_writes_no_more()
{
    for at in 0..ENOUGH {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::default());
        let first =
            Machine { patience: Duration::ZERO, ..Machine::new(folder.path(), "first", Some(&place)) };
        let journal = Arc::new(in_the_middle(&first).await);
        let (reached, go_on) = place.pauses(at);
        let compacts = tokio::spawn({
            let (journal, place) = (Arc::clone(&journal), Arc::clone(&place));
            async move {
                let done = journal.compact().await;
                // Where there was no such write, nobody waits for it any more.
                place.lives();
                done
            }
        });
        let is_reached = reached.await.is_ok();

        let second = burns(folder.path(), "second", &place).await;
        let there = second.begin().await.unwrap();
        send_one(&there, false).await;
        if is_reached {
            go_on.send(()).unwrap();
        }
        let done = compacts.await.unwrap();

        assert!(matches!(done, Ok(_) | Err(CompactError::Mirror(_))), "{done:?}");
        there.close().await;
        let third = Machine::new(folder.path(), "third", Some(&place));
        third.opening().await.take_over().await.unwrap();
        assert_eq!(counts(&*third.plain().await).await, (3, 1, 0), "write {at}");
        if !is_reached {
            return;
        }
    }
    panic!("more writes than expected");
}

#[tokio::test]
async fn who_had_read_everything_before_a_compaction_is_told_to_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = in_the_middle(&first).await;
    let (person, owner) = (key(0), |log: &depeche_mirror::Log| log.owner().unwrap().clone());
    let mut reader = log_at(&place);
    let before = reader.catch_up().await.unwrap();
    assert!(!before.afresh && format!("{before:?}").contains(person.as_str()));

    journal.forget(&person, [9; 32], Timestamp::now()).await.unwrap();
    let other = depeche_mirror::record::Owner { journal: Uuid::from_u128(7), ..owner(&reader) };
    assert!(!reader.claim(&other).await.unwrap(), "what was written since is to be read first");
    let now = reader.catch_up().await.unwrap();

    assert!(now.afresh && !format!("{now:?}").contains(person.as_str()));
    assert!(reader.claim(&other).await.unwrap());
}

#[tokio::test]
async fn a_compaction_begins_where_the_last_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine::new(folder.path(), "first", Some(&place));
    let journal = in_the_middle(&first).await;

    let once = journal.compact().await.unwrap();
    let again = journal.compact().await.unwrap();

    assert_eq!(once.emptied, once.from - 1, "{once:?}");
    // The first, so that readers go straight on, and all from the last snapshot on.
    assert_eq!(again.emptied, again.from - once.from + 1, "{again:?}");
    // The snapshot of before, whole.
    assert_eq!((again.from, again.parts), (once.from + once.parts + 2, once.parts));
    journal.close().await;
    // The next session has nothing to compare and nothing to add.
    let names = place.segments();
    first.begin().await.unwrap().close().await;
    assert_eq!(place.segments(), names);
}

#[tokio::test]
async fn nothing_is_compacted_or_forgotten_while_somebody_sends_or_the_mirror_was_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let place = Arc::new(Place::default());
    let first = Machine { mode: Mode::Async, ..Machine::new(folder.path(), "first", Some(&place)) };
    let journal = in_the_middle(&first).await;
    let hold = journal.hold(&run_id()).await.unwrap();
    assert!(matches!(journal.compact().await, Err(CompactError::Held { .. })));
    let forgotten = journal.forget(&key(0), [9; 32], Timestamp::now()).await;
    assert!(matches!(forgotten, Err(HoldError::Held { .. })), "{forgotten:?}");
    drop(hold);
    journal.close().await;
    drop(journal);
    place.dies(0, Death::Before);
    let blind = first.begin().await.unwrap();
    assert!(blind.mirror_trouble().is_some());
    place.lives();

    assert!(matches!(blind.compact().await, Err(CompactError::Mirror(_))));
    assert!(blind.forget(&key(0), [9; 32], Timestamp::now()).await.is_err());

    assert!(!blind.owes_forgetting());
    assert_eq!(
        blind.deliveries(&run_id(), None, 1).await.unwrap()[0].address.key(),
        key(0),
        "nothing was done"
    );
    blind.close().await;
    let alone = Machine::new(folder.path(), "alone", None);
    assert!(matches!(alone.begin().await.unwrap().compact().await, Err(CompactError::NoMirror)));
}

/// The first machine forgets and dies in the middle of it; the second one takes over and forgets the same person; then
/// the first one takes the work back, or one that never heard of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_forgotten_on_the_second_machine_is_forgotten_on_the_first_that_takes_the_work_back() {
    for died in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Place::default());
        let first =
            Machine { patience: Duration::ZERO, ..Machine::new(folder.path(), "first", Some(&place)) };
        let journal = in_the_middle(&first).await;
        if died {
            place.dies(4, Death::Before);
            assert!(journal.forget(&key(0), [1; 32], Timestamp::now()).await.is_err());
            place.lives();
        }
        drop(journal);
        let second = burns(folder.path(), "second", &place).await;
        let there = second.begin().await.unwrap();
        there.forget(&key(0), [2; 32], Timestamp::now()).await.unwrap();
        // A run that the first machine does not know, with the person in it, who is forgotten as well.
        let run = depeche_testkit::journal::new_run("r2", 2, 2, Timestamp::now());
        there.freeze(run, recipients(0..3)).await.unwrap();
        send_one(&there, false).await;
        there.forget(&key(1), [3; 32], Timestamp::now()).await.unwrap();
        there.close().await;

        let taken = first.opening().await.take_over().await.unwrap();

        assert_eq!(taken.restored.forgotten, if died { 1 } else { 2 });
        let journal = first.begin().await.unwrap();
        assert_eq!(counts(&journal).await, (3, 1, 0), "{died}");
        for person in [key(0), key(1)] {
            assert!(!names(&journal, &person).await, "{died}");
            assert!(!place.says(person.as_str()), "{died}");
            let files = std::fs::read_dir(first.folder.join("journal.db.state")).unwrap();
            for file in files {
                let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
                assert!(!text.contains(person.as_str()), "{died}");
            }
        }
        // The same release again: neither of them is mailed.
        let taken = journal.taken(&[1; 32], &[key(0), key(1)]).await.unwrap();
        assert_eq!(taken.len(), 2, "{died}");
        assert_eq!(journal.suppressions(Some(&[key(0), key(1)])).await.unwrap().len(), 2, "{died}");
    }
}
