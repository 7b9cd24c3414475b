//! Outcomes, orphans, cancels, and a person's decisions.

use std::time::{Duration, Instant};

use depeche_core::journal::*;
use depeche_core::outcome::{Denied, Wish};

use super::super::fixtures::{intent_for, new_run, recipients, settled};
use super::{JournalHarness, all, at, due, opened, ovh, run_of, totals};
use crate::clock::CountingEntropy;

pub(super) async fn every_transition_is_a_compare_and_set(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 1).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let yes = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(2));

    let old_fence = Settlement { fence: intent.fence, ..yes.clone() };
    let other_state = Settlement { from: DeliveryState::Pending, to: DeliveryState::Refused, ..yes.clone() };
    let mut other_attempt = yes.clone();
    if let Some(attempt) = &mut other_attempt.attempt {
        attempt.id = entropy_id(&entropy);
    }
    for wrong in [old_fence, other_state, other_attempt] {
        let refused = journal.settle(vec![wrong], Urgency::Now).await;
        assert!(matches!(refused, Err(JournalError::Stale { .. })), "{refused:?}");
        assert_eq!(all(journal.as_ref(), &run).await[0].state, DeliveryState::Intent);
    }
    journal.settle(vec![yes.clone()], Urgency::Now).await.expect("it is open");
    let twice = journal.settle(vec![yes], Urgency::Now).await;
    assert!(matches!(twice, Err(JournalError::Stale { .. })), "{twice:?}");
}

pub(super) async fn a_name_that_came_with_an_intent_outlives_an_unknown_outcome(
    harness: &dyn JournalHarness,
) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 2).await;
    for (place, record) in due(journal.as_ref(), &run).await.into_iter().enumerate() {
        let intent = intent_for(&run, &record, &ovh(), &entropy, at(1));
        let intent = Intent { provider_id: Some(format!("campaign{place}")), ..intent };
        journal.intend(vec![intent.clone()]).await.expect("nobody else has it");
        let named = journal.attempts(record.id).await.expect("read").remove(0).provider_id;
        assert_eq!(named, Some(format!("campaign{place}")), "before any outcome");
        // One after the other, and as a commit of its own.
        let unknown = settled(&intent, DeliveryState::Unknown, AttemptState::Unknown, at(2));
        journal.settle(vec![unknown], Urgency::Now).await.expect("it is open");
    }

    let other = harness.reopened().await;
    for (place, record) in all(other.as_ref(), &run).await.into_iter().enumerate() {
        let attempt = other.attempts(record.id).await.expect("read").remove(0);
        assert_eq!(attempt.provider_id, Some(format!("campaign{place}")));
        assert_eq!(attempt.state, AttemptState::Unknown);
    }
}

pub(super) async fn only_allowed_transitions_are_made(harness: &dyn JournalHarness) {
    for from in DeliveryState::ALL {
        for to in DeliveryState::ALL.into_iter().filter(|to| !from.may_become(*to)) {
            let journal = harness.fresh().await;
            let run = run_of(journal.as_ref(), 1).await;
            let before = due(journal.as_ref(), &run).await.remove(0);
            let forbidden = Settlement {
                attempt: None,
                fence: before.fence,
                delivery: before.id,
                from,
                to,
                ..settled(
                    &intent_for(&run, &before, &ovh(), &CountingEntropy::default(), at(1)),
                    to,
                    AttemptState::Refused,
                    at(2),
                )
            };
            let refused = journal.settle(vec![forbidden], Urgency::Now).await;
            assert!(matches!(refused, Err(JournalError::Forbidden { .. })), "{from} to {to}: {refused:?}");
            let after = all(journal.as_ref(), &run).await.remove(0);
            assert_eq!((after.state, after.fence), (DeliveryState::Pending, before.fence));
        }
    }
}

pub(super) async fn proved_not_accepted_frees_the_recipient(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 1).await;
    for number in 1..=3 {
        let intent = opened(journal.as_ref(), &run, &entropy).await;
        let no = settled(&intent, DeliveryState::Pending, AttemptState::NotAccepted, at(2));
        journal.settle(vec![no], Urgency::Now).await.expect("it is open");
        let attempts = journal.attempts(intent.delivery).await.expect("read");
        assert_eq!(attempts.iter().map(|a| a.number).collect::<Vec<_>>(), (1..=number).collect::<Vec<_>>());
    }
    // An attempt that never had an intent is recorded with its outcome.
    let delivery = due(journal.as_ref(), &run).await.remove(0);
    let never = intent_for(&run, &delivery, &ovh(), &entropy, at(3));
    let mut no = settled(&never, DeliveryState::Pending, AttemptState::NotAccepted, at(3));
    (no.from, no.fence) = (DeliveryState::Pending, delivery.fence);
    no.attempt = no.attempt.map(|attempt| SettledAttempt { had_intent: false, ..attempt });
    journal.settle(vec![no], Urgency::Now).await.expect("it is pending");
    let after = all(journal.as_ref(), &run).await.remove(0);
    assert_eq!((after.attempts, after.state), (4, DeliveryState::Pending));
    opened(journal.as_ref(), &run, &entropy).await;
}

pub(super) async fn accepted_held_and_unknown_exclude_a_second_send(harness: &dyn JournalHarness) {
    let ends = [
        (DeliveryState::Accepted, AttemptState::Accepted),
        (DeliveryState::Held, AttemptState::Held),
        (DeliveryState::Unknown, AttemptState::Unknown),
        (DeliveryState::Refused, AttemptState::Refused),
        (DeliveryState::Written, AttemptState::Written),
    ];
    for (state, attempt) in ends {
        let journal = harness.fresh().await;
        let entropy = CountingEntropy::default();
        let run = run_of(journal.as_ref(), 1).await;
        let intent = opened(journal.as_ref(), &run, &entropy).await;
        journal
            .settle(vec![settled(&intent, state, attempt, at(2))], Urgency::Now)
            .await
            .expect("it is open");

        let stands = all(journal.as_ref(), &run).await.remove(0);
        let second = intent_for(&run, &stands, &ovh(), &entropy, at(3));
        assert_eq!(journal.intend(vec![second]).await, Err(Denied::AlreadyTaken), "{state}");
        assert!(due(journal.as_ref(), &run).await.is_empty(), "{state}");
    }
}

pub(super) async fn what_a_refusal_teaches_is_kept(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 2).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let later = Settlement {
        not_before: Some(at(300)),
        transient: true,
        avoid: Some(ovh()),
        ..settled(&intent, DeliveryState::Pending, AttemptState::NotAccepted, at(2))
    };
    journal.settle(vec![later], Urgency::Now).await.expect("it is open");
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let bad = Settlement {
        bad_address: true,
        ..settled(&intent, DeliveryState::Refused, AttemptState::Refused, at(4))
    };
    journal.settle(vec![bad], Urgency::Now).await.expect("it is open");

    let other = harness.reopened().await;
    let kept = all(other.as_ref(), &run).await;
    assert_eq!((kept[0].transient_refusals, kept[0].avoid.clone()), (1, vec![ovh()]));
    assert_eq!(kept[0].not_before, Some(at(300)));
    assert_eq!(kept[0].reply.as_deref(), Some("250 ok"));
    let bad = other.bad_addresses(&run).await.expect("read");
    assert_eq!(bad, [(kept[1].address.key(), at(4))]);
}

pub(super) async fn an_outcome_that_may_wait_is_durable_when_told(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 1).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let began = Instant::now();

    let yes = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(2));
    journal.settle(vec![yes], Urgency::Soon).await.expect("it is open");

    assert!(began.elapsed() < Duration::from_secs(2), "100 ms, and what a loaded machine adds");
    let other = harness.reopened().await;
    assert_eq!(totals(other.as_ref(), &run).await.accepted, 1);
    assert_eq!(other.accepted_by_provider(&run).await.expect("read"), [(ovh(), 1)]);
    let since = |second| {
        let (other, keys) = (&other, [key(0), key(1)]);
        async move { other.accepted_since(&keys, at(second)).await.expect("read") }
    };
    assert_eq!((since(2).await, since(3).await), (vec![key(0)], vec![]));
}

pub(super) async fn no_intent_is_durable_without_the_outcome_before_it(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 3).await;
    let first = opened(journal.as_ref(), &run, &entropy).await;
    let waiting = due(journal.as_ref(), &run).await;
    let next = intent_for(&run, &waiting[0], &ovh(), &entropy, at(3));
    let yes = settled(&first, DeliveryState::Accepted, AttemptState::Accepted, at(2));
    let stale = Settlement { fence: yes.fence + 7, ..yes.clone() };

    let refused = journal.settle_and_intend(vec![stale], vec![next.clone()]).await;
    assert!(matches!(refused.settled, Err(JournalError::Stale { .. })), "{refused:?}");
    assert!(matches!(refused.intended, Err(Denied::JournalFailed { .. })), "{refused:?}");
    let states = |records: Vec<DeliveryRecord>| records.into_iter().map(|one| one.state).collect::<Vec<_>>();
    use DeliveryState as D;
    let other = harness.reopened().await;
    assert_eq!(states(all(other.as_ref(), &run).await), [D::Intent, D::Pending, D::Pending]);

    let both = journal.settle_and_intend(vec![yes], vec![next]).await;
    assert!(both.settled.is_ok() && both.intended.is_ok(), "{both:?}");
    assert_eq!(states(all(other.as_ref(), &run).await), [D::Accepted, D::Intent, D::Pending]);
}

pub(super) async fn a_denied_intent_takes_no_outcome_with_it(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 2).await;
    let first = opened(journal.as_ref(), &run, &entropy).await;
    let waiting = due(journal.as_ref(), &run).await;
    let moved = Intent { fence: 9, ..intent_for(&run, &waiting[0], &ovh(), &entropy, at(3)) };
    let yes = settled(&first, DeliveryState::Accepted, AttemptState::Accepted, at(2));

    let denied = journal.settle_and_intend(vec![yes], vec![moved]).await;

    assert!(denied.settled.is_ok(), "{denied:?}");
    assert_eq!(denied.intended, Err(Denied::AlreadyTaken));
    let other = harness.reopened().await;
    let kept = totals(other.as_ref(), &run).await;
    assert_eq!((kept.accepted, kept.pending), (1, 1));
}

/// An opt-out or a complaint that a provider answers with counts for every provider, and cannot be lost between
/// two commits.
pub(super) async fn a_wish_is_on_the_list_with_the_outcome_that_tells_of_it(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 3).await;
    for wish in [Some(Wish::OptedOut), Some(Wish::Complained), None] {
        let intent = opened(journal.as_ref(), &run, &entropy).await;
        let no = settled(&intent, DeliveryState::Refused, AttemptState::Refused, at(2));
        let stale = Settlement { fence: 9, wish, ..no.clone() };
        let lost = journal.settle(vec![stale], Urgency::Now).await;
        assert!(matches!(lost, Err(JournalError::Stale { .. })), "{lost:?}");
        journal.settle(vec![Settlement { wish, ..no }], Urgency::Now).await.expect("it is open");
    }

    let listed = harness.reopened().await.suppressions(None).await.expect("read");
    let listed: Vec<_> = listed
        .iter()
        .map(|entry| (entry.key.as_str(), entry.reason.as_str(), entry.source.as_str(), entry.quarantined))
        .collect();
    assert_eq!(
        listed,
        [
            ("j0@journal.example", "opted out", "ovh", false),
            ("j1@journal.example", "complaint", "ovh", false)
        ]
    );
}

pub(super) async fn an_orphan_becomes_unknown_and_never_pending(harness: &dyn JournalHarness) {
    let entropy = CountingEntropy::default();
    let journal = harness.fresh().await;
    let run = run_of(journal.as_ref(), 3).await;
    journal.freeze(new_run("r2", 8, 1, at(0)), recipients(0..1)).await.expect("another release");
    let other_run = RunId::new("r2").expect("a fixed name");
    opened(journal.as_ref(), &other_run, &entropy).await;
    let hold = journal.hold(&run).await.expect("nobody holds it");
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    assert_eq!((totals(journal.as_ref(), &run).await.pending), 3, "a live intent counts as pending");
    assert_eq!(journal.orphans(&run).await.expect("read"), [], "its process lives");
    drop(hold);

    let later = harness.reopened().await;
    super::let_go(later.as_ref(), &run).await;
    let seen = totals(later.as_ref(), &run).await;
    assert_eq!((seen.unknown, seen.pending), (1, 2), "an orphan counts as unknown at once");
    assert_eq!(later.orphans(&run).await.expect("read"), [intent.delivery], "and is named");
    let hold = later.hold(&run).await.expect("nobody holds it");
    assert_eq!(later.adopt_orphans(hold.as_ref(), at(9)).await.expect("written"), 1);
    assert_eq!(later.adopt_orphans(hold.as_ref(), at(9)).await.expect("written"), 0);
    assert_eq!(later.orphans(&run).await.expect("read"), [], "it is written down now");

    let stands = all(later.as_ref(), &run).await.remove(0);
    assert_eq!((stands.id, stands.state), (intent.delivery, DeliveryState::Unknown));
    assert_eq!(later.attempts(stands.id).await.expect("read")[0].state, AttemptState::Unknown);
    assert_eq!(all(later.as_ref(), &other_run).await[0].state, DeliveryState::Intent, "not ours to judge");
    let late = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(10));
    assert!(later.settle(vec![late], Urgency::Now).await.is_err(), "its old owner comes too late");
}

pub(super) async fn a_person_or_a_proof_moves_an_unknown_on_with_an_audit_row(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 4).await;
    let mut intents = Vec::new();
    for _ in 0..3 {
        let intent = opened(journal.as_ref(), &run, &entropy).await;
        let doubt = settled(&intent, DeliveryState::Unknown, AttemptState::Unknown, at(2));
        journal.settle(vec![doubt], Urgency::Now).await.expect("it is open");
        intents.push(intent);
    }
    let last = opened(journal.as_ref(), &run, &entropy).await;
    let held = settled(&last, DeliveryState::Held, AttemptState::Held, at(2));
    journal.settle(vec![held], Urgency::Now).await.expect("it is open");
    journal.set_run_state(&run, RunState::Finished, None, at(3)).await.expect("written");
    let hold = journal.hold(&run).await.expect("nobody holds it");
    let keys: Vec<_> = all(journal.as_ref(), &run).await.iter().map(|d| d.address.key()).collect();

    let proof = Settlement {
        fence: intents[2].fence + 2,
        from: DeliveryState::Unknown,
        ..settled(&intents[2], DeliveryState::Accepted, AttemptState::Accepted, at(4))
    };
    journal.settle(vec![proof], Urgency::Now).await.expect("a proof moves it");
    let by = |decision, keys: &'static [usize]| {
        let keys: Vec<_> = keys.iter().map(|place: &usize| key(*place)).collect();
        let (journal, hold) = (&journal, &hold);
        async move { journal.resolve(hold.as_ref(), &keys, decision, "rang her", at(5)).await }
    };
    assert_eq!(by(Decision::Sent, &[0]).await.expect("written").len(), 1);
    assert_eq!(by(Decision::Sent, &[0]).await.expect("written").len(), 0, "it is decided");
    assert_eq!(by(Decision::Resend, &[]).await.expect("written").len(), 2, "all that are left");

    let stands: Vec<DeliveryState> = all(journal.as_ref(), &run).await.iter().map(|d| d.state).collect();
    use DeliveryState as D;
    assert_eq!(stands, [D::Accepted, D::Pending, D::Accepted, D::Pending]);
    let superseded = journal.attempts(intents[1].delivery).await.expect("read");
    assert_eq!(superseded[0].state, AttemptState::Superseded);
    let state = journal.run(&run).await.expect("read").expect("it is there").state;
    assert_eq!(state, RunState::Waiting, "there is something to do again");
    let audit = journal.audit_of(Some(&run)).await.expect("read");
    assert_eq!(audit.len(), 4, "{audit:?}");
    for key in &keys {
        assert!(audit.iter().any(|entry| entry.detail.contains(key.as_str())), "{key}");
    }
    opened(journal.as_ref(), &run, &entropy).await;
}

pub(super) async fn a_cancel_takes_the_pending_and_leaves_the_open(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 4).await;
    let hold = journal.hold(&run).await.expect("nobody holds it");
    let intent = opened(journal.as_ref(), &run, &entropy).await;

    let other = harness.reopened().await;
    assert_eq!(other.cancel(&run, at(5)).await.expect("written"), 3);
    assert_eq!(other.cancel(&run, at(6)).await.expect("written"), 0);
    journal.set_run_state(&run, RunState::Running, None, at(6)).await.expect("written");
    let state = journal.run(&run).await.expect("read").expect("it is there").state;
    assert_eq!(state, RunState::Cancelled, "an engine that has not heard of it changes nothing");

    let back = settled(&intent, DeliveryState::Pending, AttemptState::NotAccepted, at(7));
    journal.settle(vec![back], Urgency::Now).await.expect("it is open");
    assert_eq!(journal.cancel(&run, at(8)).await.expect("written"), 1, "what came back is cancelled too");
    let all = totals(journal.as_ref(), &run).await;
    assert_eq!((all.cancelled, all.pending), (4, 0));
    drop(hold);
    let unknown = RunId::new("nobody").expect("a fixed name");
    assert!(matches!(journal.cancel(&unknown, at(9)).await, Err(JournalError::NoSuchRun(_))));
}

fn key(place: usize) -> depeche_core::address::RecipientKey {
    recipients(place..place + 1)[0].address.key()
}

fn entropy_id(entropy: &CountingEntropy) -> uuid::Uuid {
    use depeche_core::clock::Entropy as _;
    entropy.uuid()
}
