//! Intents: durable before the wire, one at a time, within the windows.

use std::sync::Arc;

use depeche_core::budget::{DomainPace, Limits};
use depeche_core::journal::*;
use depeche_core::outcome::Denied;
use depeche_core::provider::ProviderName;
use jiff::SignedDuration;

use super::super::fixtures::{intent_for, new_run, recipients};
use super::{JournalHarness, all, at, due, opened, ovh, run_of, totals};
use crate::clock::CountingEntropy;

pub(super) async fn due_recipients_come_by_tier_and_place_when_it_is_time(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let mut list = recipients(0..6);
    (list[4].tier, list[0].tier) = (1, 3);
    list.iter_mut().filter(|d| [1, 2, 3, 5].contains(&d.position)).for_each(|d| d.tier = 2);
    (list[2].not_before, list[3].not_before) = (Some(at(100)), Some(at(50)));
    journal.freeze(new_run("r1", 7, 6, at(0)), list).await.expect("an empty journal takes a list");
    let run = RunId::new("r1").expect("a fixed name");
    let places = |records: Vec<DeliveryRecord>| records.iter().map(|d| d.position).collect::<Vec<_>>();

    assert_eq!(places(journal.due(&run, at(1), 10).await.expect("read")), [4, 1, 5, 0]);
    assert_eq!(places(journal.due(&run, at(1), 2).await.expect("read")), [4, 1]);
    assert_eq!(journal.next_due(&run, at(1)).await.expect("read"), Some(at(50)));
    assert_eq!(journal.next_due(&run, at(50)).await.expect("read"), Some(at(100)));
    assert_eq!(places(journal.due(&run, at(100), 10).await.expect("read")), [4, 1, 2, 3, 5, 0]);
    assert_eq!(journal.next_due(&run, at(100)).await.expect("read"), None);
}

pub(super) async fn an_intent_excludes_every_other(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 2).await;
    let seen = due(journal.as_ref(), &run).await.remove(0);
    opened(journal.as_ref(), &run, &entropy).await;

    let other = harness.reopened().await;
    let stands = all(other.as_ref(), &run).await.remove(0);
    assert_eq!((stands.state, stands.fence, stands.attempts), (DeliveryState::Intent, seen.fence + 1, 1));
    for delivery in [&seen, &stands] {
        for journal in [&journal, &other] {
            let again = intent_for(&run, delivery, &ovh(), &entropy, at(2));
            assert_eq!(journal.intend(vec![again]).await, Err(Denied::AlreadyTaken));
        }
    }
    let attempts = other.attempts(seen.id).await.expect("read");
    assert_eq!((attempts.len(), attempts[0].number, attempts[0].state), (1, 1, AttemptState::Intent));
    assert_eq!(attempts[0].request_digest, Some([5; 32]));
    assert_eq!(due(journal.as_ref(), &run).await.len(), 1);

    // A fence that somebody moved since.
    let mut late = due(journal.as_ref(), &run).await.remove(0);
    late.fence += 1;
    let late = intent_for(&run, &late, &ovh(), &entropy, at(2));
    assert_eq!(journal.intend(vec![late]).await, Err(Denied::AlreadyTaken));
}

pub(super) async fn intents_are_taken_all_or_none(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 3).await;
    let waiting = due(journal.as_ref(), &run).await;
    let batch = |records: &[DeliveryRecord]| -> Vec<Intent> {
        records.iter().map(|d| intent_for(&run, d, &ovh(), &entropy, at(1))).collect()
    };
    journal.intend(batch(&waiting[2..])).await.expect("nothing stands against it");

    assert_eq!(journal.intend(batch(&waiting)).await, Err(Denied::AlreadyTaken));

    let states: Vec<DeliveryState> = all(journal.as_ref(), &run).await.iter().map(|d| d.state).collect();
    assert_eq!(states, [DeliveryState::Pending, DeliveryState::Pending, DeliveryState::Intent]);
    journal.intend(batch(&waiting[..2])).await.expect("nothing stands against them");
    let usage = journal.usage(&ovh(), at(0)).await.expect("read");
    assert_eq!(usage.buckets.values().sum::<u32>(), 3, "what was denied took no place");
}

pub(super) async fn an_intent_is_denied_for_a_reason_and_costs_nothing(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 3).await;
    let waiting = due(journal.as_ref(), &run).await;
    let intent = |place: usize| intent_for(&run, &waiting[place], &ovh(), &entropy, at(10));

    let entry = Suppression {
        key: waiting[0].address.key(),
        reason: "opted out".to_owned(),
        source: "manual".to_owned(),
        quarantined: false,
        at: at(5),
    };
    journal.suppress(vec![entry]).await.expect("the list is written");
    assert_eq!(journal.intend(vec![intent(0)]).await, Err(Denied::Suppressed));

    let rests = BreakerRecord {
        provider: ovh(),
        config_digest: [1; 32],
        open_since: None,
        reason: None,
        trouble: None,
        resting_until: Some(at(60)),
    };
    journal.save_breaker(rests).await.expect("it is written");
    assert_eq!(journal.intend(vec![intent(1)]).await, Err(Denied::BudgetSpent { until: at(60) }));
    let later = Intent { at: at(61), ..intent(1) };
    journal.intend(vec![later]).await.expect("its rest is over");

    journal.cancel(&run, at(62)).await.expect("it is written");
    let late = Intent { at: at(63), ..intent(2) };
    assert_eq!(journal.intend(vec![late]).await, Err(Denied::Cancelled));
    let usage = journal.usage(&ovh(), at(0)).await.expect("read");
    assert_eq!(usage.buckets.values().sum::<u32>(), 1);
    assert_eq!(journal.attempts(waiting[0].id).await.expect("read").len(), 0);
}

/// By hand: 4 an hour. Two processes take 4 at second 1; the next comes free at 1 + 1 + 3600.
pub(super) async fn windows_are_shared_and_kept(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 8).await;
    let other = harness.reopened().await;
    let limits = Limits { per_hour: Some(4), ..Limits::default() };
    let mut taken = 0;
    for (place, delivery) in due(journal.as_ref(), &run).await.iter().enumerate() {
        let intent = Intent { limits, ..intent_for(&run, delivery, &ovh(), &entropy, at(1)) };
        let by = if place % 2 == 0 { &journal } else { &other };
        match by.intend(vec![intent]).await {
            Ok(()) => taken += 1,
            Err(denied) => assert_eq!(denied, Denied::BudgetSpent { until: at(3_602) }),
        }
    }
    assert_eq!(taken, 4);

    let third = harness.reopened().await;
    let usage = third.usage(&ovh(), at(0)).await.expect("read");
    assert_eq!((usage.buckets.values().sum::<u32>(), usage.last), (4, Some(at(1))));
    let next = due(third.as_ref(), &run).await.remove(0);
    let intent = Intent { limits, ..intent_for(&run, &next, &ovh(), &entropy, at(3_602)) };
    third.intend(vec![intent]).await.expect("an hour has passed");
    // A batch needs a place for each of its messages.
    let rest = due(third.as_ref(), &run).await;
    let two_an_hour = Limits { per_hour: Some(2), ..limits };
    let intent = |d| Intent { limits: two_an_hour, ..intent_for(&run, d, &ovh(), &entropy, at(7_300)) };
    let batch: Vec<Intent> = rest.iter().map(intent).collect();
    assert_eq!(batch.len(), 3);
    assert!(matches!(third.intend(batch).await, Err(Denied::BudgetSpent { .. })));
}

/// By hand: 2 a minute to one domain, through two providers and two processes; the next at 1 + 1 + 60.
pub(super) async fn a_receiving_domains_windows_are_shared_and_kept(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 6).await;
    let other = harness.reopened().await;
    let brevo = ProviderName::new("brevo").expect("a name");
    let limits = Limits { per_minute: Some(2), ..Limits::default() };
    let pace = |domain: &str| Some(DomainPace { domain: domain.to_owned(), limits });
    let waiting = due(journal.as_ref(), &run).await;
    let intent = |place: usize, provider: &ProviderName, domain: &str, second: i64| Intent {
        pace: pace(domain),
        ..intent_for(&run, &waiting[place], provider, &entropy, at(second))
    };
    journal.intend(vec![intent(0, &ovh(), "orange.fr", 1)]).await.expect("the first");
    other.intend(vec![intent(1, &brevo, "orange.fr", 1)]).await.expect("the second");
    let full = Denied::PaceSpent { domain: "orange.fr".to_owned(), until: at(62) };
    assert_eq!(journal.intend(vec![intent(2, &ovh(), "orange.fr", 2)]).await, Err(full.clone()));
    assert_eq!(other.intend(vec![intent(2, &brevo, "orange.fr", 61)]).await, Err(full));
    journal.intend(vec![intent(2, &ovh(), "free.fr", 2)]).await.expect("another domain has its own");
    let plain = Intent { pace: None, ..intent(3, &ovh(), "orange.fr", 2) };
    journal.intend(vec![plain]).await.expect("whoever has no pace is not held");

    // What was denied costs nothing, at the provider either, and a batch needs a place for each.
    let third = harness.reopened().await;
    let used = |usage: Usage| usage.buckets.values().sum::<u32>();
    assert_eq!(used(third.pace_usage("orange.fr", at(0)).await.expect("read")), 2);
    assert_eq!(used(third.usage(&ovh(), at(0)).await.expect("read")), 3);
    assert_eq!(used(third.usage(&brevo, at(0)).await.expect("read")), 1);
    let three = vec![intent(4, &ovh(), "orange.fr", 62), intent(5, &ovh(), "orange.fr", 62)];
    let mut batch = three.clone();
    batch.push(Intent { delivery: waiting[3].id, ..three[0].clone() });
    assert!(matches!(third.intend(batch).await, Err(Denied::PaceSpent { .. })));
    third.intend(three).await.expect("a minute has passed");
}

/// By hand, at 2 a second: a turn every 510.002 ms (two turns are 1 s and 20 ms, and 2 microseconds of rounding).
/// Whoever comes up to 20 ms after its turn moves nobody; whoever comes later moves the others by what is more.
pub(super) async fn a_second_is_a_schedule_that_lateness_does_not_move(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 5).await;
    let other = harness.reopened().await;
    let waiting = due(journal.as_ref(), &run).await;
    let limits = Limits { per_second: Some(2), ..Limits::default() };
    let after = |micros: i64| at(1) + SignedDuration::from_micros(micros);
    let intent = |place: usize, micros: i64| {
        vec![Intent { limits, ..intent_for(&run, &waiting[place], &ovh(), &entropy, after(micros)) }]
    };
    let too_early = |turn: i64| Err(Denied::BudgetSpent { until: after(turn) });

    journal.intend(intent(0, 0)).await.expect("the first");
    assert_eq!(other.intend(intent(1, 510_001)).await, too_early(510_002));
    other.intend(intent(1, 510_002 + 15_000)).await.expect("15 ms after its turn");
    assert_eq!(journal.intend(intent(2, 1_020_003)).await, too_early(1_020_004));
    journal.intend(intent(2, 1_020_004)).await.expect("on its turn");
    // 200 ms after its turn at 1 530 006: it counts as one that was due 20 ms before it came.
    other.intend(intent(3, 1_730_006)).await.expect("after its turn");
    assert_eq!(journal.intend(intent(4, 2_220_007)).await, too_early(2_220_008));
    harness.reopened().await.intend(intent(4, 2_220_008)).await.expect("after a new beginning too");
}

pub(super) async fn racing_processes_open_one_attempt_each(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let run = run_of(journal.as_ref(), 20).await;
    let waiting = Arc::new(due(journal.as_ref(), &run).await);
    let mut racers = Vec::new();
    for racer in 0..3_u64 {
        let (journal, run, waiting) = (harness.reopened().await, run.clone(), Arc::clone(&waiting));
        racers.push(async move {
            let entropy = CountingEntropy::starting_after(racer << 32);
            let mut won = 0;
            for delivery in waiting.iter() {
                let intent = intent_for(&run, delivery, &ovh(), &entropy, at(1));
                match journal.intend(vec![intent]).await {
                    Ok(()) => won += 1,
                    Err(denied) => assert_eq!(denied, Denied::AlreadyTaken),
                }
            }
            won
        });
    }
    let (one, two, three) = (racers.remove(0), racers.remove(0), racers.remove(0));
    let (one, two, three) = tokio::join!(one, two, three);
    let won = one + two + three;

    assert_eq!(won, 20, "each recipient has one attempt");
    for delivery in waiting.iter() {
        assert_eq!(journal.attempts(delivery.id).await.expect("read").len(), 1);
    }
    assert_eq!(totals(journal.as_ref(), &run).await.recipients, 20);
}
