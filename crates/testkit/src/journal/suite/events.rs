//! What is told after the acceptance.

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::*;
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;

use super::super::fixtures::{intent_for, recipients, settled};
use super::{JournalHarness, all, at, due, opened, ovh, run_of, totals};
use crate::clock::CountingEntropy;

fn told(kind: EventKind, of: &Intent) -> ProviderEvent {
    ProviderEvent { attempt: Some(of.attempt), ..ProviderEvent::new(kind, "j0@journal.example") }
}

/// One attempt at the first due recipient that ended as `to`.
async fn ended(
    journal: &dyn Journal,
    run: &RunId,
    entropy: &CountingEntropy,
    to: DeliveryState,
    attempt: AttemptState,
) -> Intent {
    let intent = opened(journal, run, entropy).await;
    let mut settlement = settled(&intent, to, attempt, at(2));
    if let Some(attempt) = &mut settlement.attempt {
        attempt.provider_id =
            (to == DeliveryState::Accepted).then(|| format!("<{}@relay>", intent.delivery.0));
    }
    journal.settle(vec![settlement], Urgency::Now).await.expect("written");
    intent
}

pub(super) async fn an_event_told_again_changes_nothing(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 1).await;
    let intent =
        ended(journal.as_ref(), &run, &entropy, DeliveryState::Accepted, AttemptState::Accepted).await;
    let mut event = told(EventKind::Delivered, &intent);
    event.at = Some(at(30));
    event.reason = Some("250 ok".to_owned());

    let first =
        journal.record_events(&ovh(), vec![event.clone(), event.clone()], at(40)).await.expect("kept");
    let other = harness.reopened().await;
    let again = other.record_events(&ovh(), vec![event.clone()], at(50)).await.expect("kept");

    let new: Vec<bool> = first.events.iter().chain(&again.events).map(|event| event.new).collect();
    assert_eq!(new, [true, false, false]);
    let kept = other.events_of(&run).await.expect("read");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, intent.delivery);
    assert_eq!((&kept[0].1.source, &kept[0].1.event, kept[0].1.seen_at), (&ovh(), &event, at(40)));

    assert_eq!(other.mark(&ovh()).await.expect("read"), None);
    journal.save_mark(&ovh(), "17").await.expect("written");
    journal.save_mark(&ovh(), "18").await.expect("written");
    assert_eq!(other.mark(&ovh()).await.expect("read").as_deref(), Some("18"));
}

pub(super) async fn an_event_finds_its_message_by_attempt_id_or_message_id(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 1).await;
    let intent =
        ended(journal.as_ref(), &run, &entropy, DeliveryState::Accepted, AttemptState::Accepted).await;
    let key = recipients(0..1)[0].address.key();
    let bare = format!("{}@relay", intent.delivery.0);
    let new = |kind| ProviderEvent::new(kind, "j0@journal.example");
    let bounces = ProviderName::new("bounces").expect("a fixed name");
    let by_id = |id: &str| ProviderEvent { provider_id: Some(id.to_owned()), ..new(EventKind::Delivered) };
    let by_message =
        |id: &str| ProviderEvent { message_id: Some(id.to_owned()), ..new(EventKind::Delivered) };
    let ours = Some((run.clone(), key));
    let table = [
        (&ovh(), told(EventKind::Delivered, &intent), &ours),
        (&ovh(), by_id(&bare), &ours),
        (&ovh(), by_id(&format!("<{bare}>")), &ours),
        (&bounces, by_id(&bare), &None),
        (&bounces, by_message("<0@exemple.fr>"), &ours),
        (&bounces, by_message("0@exemple.fr"), &ours),
        (&bounces, by_message("<9@exemple.fr>"), &None),
        (&ovh(), new(EventKind::Delivered), &None),
    ];
    for (source, event, of) in table {
        let recorded = journal.record_events(source, vec![event.clone()], at(40)).await.expect("kept");
        assert_eq!(&recorded.events[0].of, of, "{source} {event:?}");
    }
}

pub(super) async fn an_event_proves_only_what_was_unknown_or_held(harness: &dyn JournalHarness) {
    use {AttemptState as A, DeliveryState as D, EventKind as K};
    let table = [
        (D::Unknown, A::Unknown, K::Delivered, D::Accepted, false),
        (D::Unknown, A::Unknown, K::BouncedHard, D::Accepted, false),
        (D::Unknown, A::Unknown, K::Blocked, D::Refused, false),
        (D::Held, A::Held, K::Accepted, D::Accepted, false),
        (D::Held, A::Held, K::Blocked, D::Refused, false),
        (D::Held, A::Held, K::Failed, D::Pending, false),
        (D::Unknown, A::Unknown, K::Failed, D::Pending, false),
        (D::Accepted, A::Accepted, K::Blocked, D::Accepted, false),
        (D::Refused, A::Refused, K::Delivered, D::Refused, true),
        (D::Pending, A::NotAccepted, K::Delivered, D::Pending, true),
    ];
    for (from, attempt, kind, to, contradicts) in table {
        let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
        let run = run_of(journal.as_ref(), 1).await;
        let intent = ended(journal.as_ref(), &run, &entropy, from, attempt).await;

        let recorded = journal.record_events(&ovh(), vec![told(kind, &intent)], at(9)).await.expect("kept");

        let after = all(journal.as_ref(), &run).await.remove(0);
        assert_eq!(after.state, to, "{from} {kind}");
        assert_eq!(recorded.events[0].contradicts, contradicts, "{from} {kind}");
        let moved = from != to;
        assert_eq!(recorded.resolved.len(), usize::from(moved), "{from} {kind}");
        let audit = journal.audit_of(Some(&run)).await.expect("read");
        assert_eq!(audit.len(), usize::from(moved || contradicts), "{from} {kind}: {audit:?}");
        if moved {
            let attempts = journal.attempts(after.id).await.expect("read");
            let ended = if to == D::Pending { A::NotAccepted.as_str() } else { to.as_str() };
            assert_eq!(attempts[0].state.as_str(), ended, "{from} {kind}");
        }
        totals(journal.as_ref(), &run).await;
    }
}

pub(super) async fn an_event_of_a_superseded_attempt_proves_nothing_of_the_next(
    harness: &dyn JournalHarness,
) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 1).await;
    let first = ended(journal.as_ref(), &run, &entropy, DeliveryState::Unknown, AttemptState::Unknown).await;
    let hold = journal.hold(&run).await.expect("free");
    journal.resolve(hold.as_ref(), &[], Decision::Resend, "she asked", at(3)).await.expect("written");
    drop(hold);
    let second = ended(journal.as_ref(), &run, &entropy, DeliveryState::Unknown, AttemptState::Unknown).await;

    let by_message = ProviderEvent {
        message_id: Some("<0@exemple.fr>".to_owned()),
        ..ProviderEvent::new(EventKind::BouncedHard, "j0@journal.example")
    };
    let told_first = told(EventKind::Delivered, &first);
    let recorded = journal.record_events(&ovh(), vec![told_first, by_message], at(9)).await.expect("kept");
    assert!(recorded.resolved.is_empty(), "{recorded:?}");
    assert_eq!(all(journal.as_ref(), &run).await[0].state, DeliveryState::Unknown);

    let event = told(EventKind::Delivered, &second);
    let recorded = journal.record_events(&ovh(), vec![event], at(9)).await.expect("kept");
    assert_eq!(recorded.resolved.len(), 1);
    assert_eq!(all(journal.as_ref(), &run).await[0].state, DeliveryState::Accepted);
}

/// What a provider lists gives back the tag of a request, and no more that is ours.
pub(super) async fn an_event_finds_its_attempt_by_the_key_of_its_request_and_the_address(
    harness: &dyn JournalHarness,
) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 2).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let yes = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(2));
    journal.settle(vec![yes], Urgency::Now).await.expect("it is open");
    let event = |address: &str| ProviderEvent {
        key: Some(intent.idempotency_key),
        provider_id: Some("<a@relay>".to_owned()),
        ..ProviderEvent::new(EventKind::Delivered, address)
    };
    let other = event("j1@journal.example");
    let elsewhere = ProviderName::new("elsewhere").expect("a fixed name");

    let told =
        journal.record_events(&ovh(), vec![other, event("J0@journal.example")], at(9)).await.expect("kept");
    let foreign =
        journal.record_events(&elsewhere, vec![event("j0@journal.example")], at(9)).await.expect("kept");

    let key = recipients(0..1)[0].address.key();
    let of: Vec<_> = told.events.iter().map(|event| event.of.clone()).collect();
    assert_eq!(of, [None, Some((run.clone(), key))], "not the one of another address");
    assert_eq!(foreign.events[0].of, None, "nor of another provider");
    let named = all(journal.as_ref(), &run).await.remove(0);
    assert_eq!(named.provider_id.as_deref(), Some("<a@relay>"), "the id that the acceptance lacked");
    let kept = journal.events_of(&run).await.expect("read");
    assert_eq!(kept[0].1.event.attempt, Some(intent.attempt));
}

/// Decides to send the first recipient again, whose attempt stands as `from`.
async fn send_again(journal: &dyn Journal, run: &RunId, from: DeliveryState) {
    let key = recipients(0..1)[0].address.key();
    let decision = if from == DeliveryState::Accepted { Decision::ResendAccepted } else { Decision::Resend };
    let hold = journal.hold(run).await.expect("free");
    let moved = journal.resolve(hold.as_ref(), &[key], decision, "she asked", at(3)).await.expect("written");
    assert_eq!(moved.len(), 1);
    drop(hold);
    super::let_go(journal, run).await;
}

/// DELIVERY.md: none gets the same release twice, and at risk is only who is "without delivery evidence".
pub(super) async fn who_is_known_to_have_a_superseded_message_is_not_sent_another(
    harness: &dyn JournalHarness,
) {
    use {AttemptState as A, DeliveryState as D, EventKind as K};
    let table = [
        (D::Unknown, A::Unknown, K::Delivered, true),
        (D::Unknown, A::Unknown, K::Complained, true),
        // The provider has it and sends it, or has it still.
        (D::Unknown, A::Unknown, K::Accepted, true),
        (D::Unknown, A::Unknown, K::Deferred, true),
        (D::Held, A::Held, K::Delivered, true),
        (D::Accepted, A::Accepted, K::Delivered, true),
        // Its yes was known when its queue burned.
        (D::Accepted, A::Accepted, K::Accepted, false),
        (D::Accepted, A::Accepted, K::Deferred, false),
        // Who did not get it is sent it again.
        (D::Unknown, A::Unknown, K::BouncedHard, false),
        (D::Unknown, A::Unknown, K::Blocked, false),
        (D::Accepted, A::Accepted, K::BouncedSoft, false),
        (D::Accepted, A::Accepted, K::Failed, false),
    ];
    for (from, attempt, kind, has_it) in table {
        let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
        let run = run_of(journal.as_ref(), 1).await;
        let intent = ended(journal.as_ref(), &run, &entropy, from, attempt).await;
        send_again(journal.as_ref(), &run, from).await;
        let stale = due(journal.as_ref(), &run).await.remove(0);

        let event = told(kind, &intent);
        let recorded = journal.record_events(&ovh(), vec![event.clone()], at(9)).await.expect("kept");

        let after = all(journal.as_ref(), &run).await.remove(0);
        let state = if has_it { D::Accepted } else { D::Pending };
        assert_eq!(after.state, state, "{from} {kind}");
        assert_eq!(recorded.resolved.len(), usize::from(has_it), "{from} {kind}");
        // A worker that had it in hand does not send it either.
        let second = intent_for(&run, &stale, &ovh(), &entropy, at(10));
        let taken = journal.intend(vec![second]).await;
        assert_eq!(taken == Err(Denied::AlreadyTaken), has_it, "{from} {kind}: {taken:?}");
        let audit = journal.audit_of(Some(&run)).await.expect("read");
        assert_eq!(audit.len(), 1 + usize::from(has_it), "{from} {kind}: {audit:?}");
        if has_it {
            assert_eq!(audit[1].action, "proof");
            let attempts = journal.attempts(after.id).await.expect("read");
            assert_eq!((attempts.len(), attempts[0].state), (1, A::Accepted));
            let again = journal.record_events(&ovh(), vec![event], at(11)).await.expect("kept");
            assert!(again.resolved.is_empty() && !again.events[0].new, "{again:?}");
        }
        totals(journal.as_ref(), &run).await;
    }
}

pub(super) async fn what_came_in_the_middle_of_the_next_attempt_counts_when_it_failed(
    harness: &dyn JournalHarness,
) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 1).await;
    let first = ended(journal.as_ref(), &run, &entropy, DeliveryState::Unknown, AttemptState::Unknown).await;
    send_again(journal.as_ref(), &run, DeliveryState::Unknown).await;
    let second = opened(journal.as_ref(), &run, &entropy).await;
    let event = told(EventKind::Delivered, &first);
    let recorded = journal.record_events(&ovh(), vec![event], at(9)).await.expect("kept");
    assert!(recorded.resolved.is_empty(), "the next attempt is on the wire");
    assert_eq!(all(journal.as_ref(), &run).await[0].state, DeliveryState::Intent);

    let no = settled(&second, DeliveryState::Pending, AttemptState::NotAccepted, at(10));
    journal.settle(vec![no], Urgency::Now).await.expect("written");

    let after = all(journal.as_ref(), &run).await.remove(0);
    assert_eq!(after.state, DeliveryState::Accepted);
    assert!(due(journal.as_ref(), &run).await.is_empty());
    let states: Vec<_> =
        journal.attempts(after.id).await.expect("read").into_iter().map(|attempt| attempt.state).collect();
    assert_eq!(states, [AttemptState::Accepted, AttemptState::NotAccepted]);
    totals(journal.as_ref(), &run).await;
}

/// While an attempt is open there is nothing to prove; a person who then decides to send again is spared a double.
pub(super) async fn what_came_while_an_attempt_was_open_counts_when_it_is_superseded(
    harness: &dyn JournalHarness,
) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 1).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let event = told(EventKind::Delivered, &intent);
    journal.record_events(&ovh(), vec![event], at(2)).await.expect("kept");
    let lost = settled(&intent, DeliveryState::Unknown, AttemptState::Unknown, at(2));
    journal.settle(vec![lost], Urgency::Now).await.expect("written");

    send_again(journal.as_ref(), &run, DeliveryState::Unknown).await;

    assert_eq!(all(journal.as_ref(), &run).await[0].state, DeliveryState::Accepted);
}

pub(super) async fn a_bounce_makes_a_bad_address_of_an_accepted_one(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 2).await;
    let first =
        ended(journal.as_ref(), &run, &entropy, DeliveryState::Accepted, AttemptState::Accepted).await;
    ended(journal.as_ref(), &run, &entropy, DeliveryState::Accepted, AttemptState::Accepted).await;
    let keys: Vec<_> = recipients(0..2).iter().map(|recipient| recipient.address.key()).collect();
    assert!(journal.bad_addresses(&run).await.expect("read").is_empty());
    assert_eq!(journal.accepted_since(&keys, at(0)).await.expect("read").len(), 2);

    let mut event = told(EventKind::InvalidAddress, &first);
    event.at = Some(at(300));
    journal.record_events(&ovh(), vec![event], at(400)).await.expect("kept");

    assert_eq!(journal.bad_addresses(&run).await.expect("read"), [(keys[0].clone(), at(300))]);
    assert_eq!(journal.accepted_since(&keys, at(0)).await.expect("read"), [keys[1].clone()]);
}

pub(super) async fn an_accepted_recipient_is_sent_again_only_by_name(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 2).await;
    for _ in 0..2 {
        ended(journal.as_ref(), &run, &entropy, DeliveryState::Accepted, AttemptState::Accepted).await;
    }
    let key = recipients(1..2)[0].address.key();
    let hold = journal.hold(&run).await.expect("free");
    let decide = async |decision, keys: &[_]| {
        journal.resolve(hold.as_ref(), keys, decision, "it burned", at(3)).await.expect("written").len()
    };

    assert_eq!(decide(Decision::ResendAccepted, &[]).await, 0, "never all of them");
    assert_eq!(decide(Decision::Resend, std::slice::from_ref(&key)).await, 0, "never by the way");
    assert_eq!(decide(Decision::ResendAccepted, std::slice::from_ref(&key)).await, 1);

    let pending = due(journal.as_ref(), &run).await;
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].address.key(), key);
    let intent = intent_for(&run, &pending[0], &ovh(), &entropy, at(4));
    journal.intend(vec![intent]).await.expect("the old attempt is superseded");
    assert_eq!(journal.audit_of(Some(&run)).await.expect("read").len(), 1);
}

pub(super) async fn who_is_known_to_have_it_is_not_sent_it_again(harness: &dyn JournalHarness) {
    for (kind, moved) in [
        (EventKind::Delivered, 0),
        (EventKind::BouncedHard, 0),
        (EventKind::Complained, 0),
        (EventKind::Accepted, 1),
        (EventKind::Deferred, 1),
    ] {
        let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
        let run = run_of(journal.as_ref(), 1).await;
        let intent =
            ended(journal.as_ref(), &run, &entropy, DeliveryState::Accepted, AttemptState::Accepted).await;
        journal.record_events(&ovh(), vec![told(kind, &intent)], at(3)).await.expect("kept");
        let delivery = all(journal.as_ref(), &run).await.remove(0);
        let on = journal.events_on(&run, &[delivery.id]).await.expect("read");
        assert_eq!(on, journal.events_of(&run).await.expect("read"), "asked about one, or about the run");
        assert!(journal.events_on(&run, &[]).await.expect("read").is_empty());
        let (keys, hold) = ([delivery.address.key()], journal.hold(&run).await.expect("free"));

        let again = Decision::ResendAccepted;
        let found = journal.resolve(hold.as_ref(), &keys, again, "it burned", at(4)).await.expect("written");

        assert_eq!(found.len(), moved, "{kind}");
    }
}
