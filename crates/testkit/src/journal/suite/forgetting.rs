//! People who are to be forgotten, the deliveries behind opt-out links, and declared outages.

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::journal::*;
use depeche_core::opt_out::DeliveryReference;

use super::super::fixtures::{new_run, recipients, settled};
use super::{JournalHarness, all, at, opened, ovh, run_of, totals};
use crate::clock::CountingEntropy;

pub(super) async fn a_link_names_one_delivery(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let run = run_of(journal.as_ref(), 3).await;
    let second = all(journal.as_ref(), &run).await.remove(1);

    let other = harness.reopened().await;
    let found = other.delivery_of(DeliveryReference::of(&second.message_id)).await.expect("read");

    let (of, delivery) = found.expect("it is there");
    assert_eq!((of, delivery.id), (run, second.id));
    assert!(other.delivery_of(DeliveryReference([9; 16])).await.expect("read").is_none());
}

pub(super) async fn a_forgotten_person_is_named_nowhere_and_mailed_never(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 2).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let accepted = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(2));
    journal.settle(vec![accepted], Urgency::Now).await.expect("written");
    let told = |recipient: &str| ProviderEvent {
        attempt: Some(intent.attempt),
        reason: Some("for <J0@journal.example>".to_owned()),
        ..ProviderEvent::new(EventKind::Delivered, recipient)
    };
    journal.record_events(&ovh(), vec![told("J0@journal.example")], at(3)).await.expect("kept");
    let key = recipients(0..1)[0].address.key();
    let audit = AuditEntry {
        at: at(3),
        run: None,
        action: "suppress add".to_owned(),
        detail: "J0@journal.example: asked".to_owned(),
    };
    journal.audit(audit).await.expect("written");

    let forgotten = journal.forget(&key, [1; 32], at(4)).await.expect("nobody works on the run");
    assert_eq!((forgotten.deliveries, forgotten.events), (1, 1));

    let other = harness.reopened().await;
    let first = all(other.as_ref(), &run).await.remove(0);
    assert_eq!((first.state, first.address.key()), (DeliveryState::Accepted, forgotten.pseudonym.clone()));
    assert_eq!((first.reply, first.fields.len()), (None, 0));
    totals(other.as_ref(), &run).await;
    let events = other.events_of(&run).await.expect("read");
    assert_eq!(events[0].1.event.recipient, forgotten.pseudonym.as_str());
    assert_eq!(events[0].1.event.reason, None);
    for entry in other.audit_of(None).await.expect("read") {
        assert!(!entry.detail.to_lowercase().contains(key.as_str()), "{entry:?}");
    }

    // Whoever asks about the address is told, and told under the name that they know.
    let asked = other.suppressions(Some(std::slice::from_ref(&key))).await.expect("read");
    assert_eq!((asked.len(), &asked[0].key, asked[0].quarantined), (1, &key, false));
    let taken = other.taken(&[7; 32], std::slice::from_ref(&key)).await.expect("read");
    assert_eq!((taken.len(), &taken[0].key), (1, &key), "the release reached them");
    let listed = other.suppressions(None).await.expect("read");
    assert_eq!(listed.iter().map(|entry| &entry.key).collect::<Vec<_>>(), [&forgotten.pseudonym]);
}

pub(super) async fn what_comes_later_does_not_name_the_forgotten_again(harness: &dyn JournalHarness) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 1).await;
    let intent = opened(journal.as_ref(), &run, &entropy).await;
    let accepted = settled(&intent, DeliveryState::Accepted, AttemptState::Accepted, at(2));
    journal.settle(vec![accepted], Urgency::Now).await.expect("written");
    let key = recipients(0..1)[0].address.key();
    let other = recipients(3..4)[0].address.key();
    assert_eq!(
        journal.known_as(&[key.clone(), other.clone()]).await.expect("read"),
        [key.clone(), other.clone()]
    );
    let pseudonym = journal.forget(&key, [1; 32], at(4)).await.expect("free").pseudonym;
    let named = journal.known_as(&[other.clone(), key.clone(), pseudonym.clone()]).await.expect("read");
    assert_eq!(named, [other, pseudonym.clone(), pseudonym.clone()]);
    let event = ProviderEvent {
        attempt: Some(intent.attempt),
        reason: Some("<j0@journal.example> is full".to_owned()),
        ..ProviderEvent::new(EventKind::Complained, "j0@journal.example")
    };
    let unmatched = ProviderEvent::new(EventKind::Unsubscribed, "J0@Journal.example");

    let twice = vec![event.clone(), event, unmatched];
    let recorded = journal.record_events(&ovh(), twice, at(5)).await.expect("kept");
    let entry = Suppression {
        key: key.clone(),
        reason: "complaint".to_owned(),
        source: "ovh".to_owned(),
        quarantined: false,
        at: at(5),
    };
    assert_eq!(journal.suppress(vec![entry]).await.expect("written"), 0, "they stand on it already");

    let new: Vec<bool> = recorded.events.iter().map(|event| event.new).collect();
    assert_eq!(new, [true, false, true]);
    let kept = journal.events_of(&run).await.expect("read");
    assert_eq!((kept.len(), kept[0].1.event.recipient.as_str()), (1, pseudonym.as_str()));
    assert_eq!(kept[0].1.event.reason, None);
    assert_eq!(journal.suppressions(None).await.expect("read").len(), 1);

    // A later list with them: frozen as suppressed, and by the pseudonym.
    let next = new_run("r2", 8, 1, at(9));
    let next_id = next.id.clone();
    let frozen = journal.freeze(next, recipients(0..2)).await.expect("another release");
    assert_eq!(frozen, Frozen { pending: 1, suppressed: 1 });
    let rows = all(journal.as_ref(), &next_id).await;
    assert_eq!(rows[0].address.key(), pseudonym);

    // The same person has the same pseudonym; a person's word takes them off.
    assert_eq!(journal.forget(&key, [2; 32], at(10)).await.expect("free").pseudonym, pseudonym);
    assert!(journal.unsuppress(&key, "she asked", at(11)).await.expect("written"));
    assert!(journal.suppressions(Some(&[key])).await.expect("read").is_empty());
}

pub(super) async fn who_is_still_open_is_forgotten_only_when_nobody_works_on_it(
    harness: &dyn JournalHarness,
) {
    let (journal, entropy) = (harness.fresh().await, CountingEntropy::default());
    let run = run_of(journal.as_ref(), 2).await;
    let key = |place: usize| recipients(place..place + 1)[0].address.key();
    let hold = journal.hold(&run).await.expect("free");
    let refused = journal.forget(&key(0), [1; 32], at(1)).await;
    assert!(matches!(refused, Err(HoldError::Held { .. })), "{refused:?}");
    opened(journal.as_ref(), &run, &entropy).await;
    drop(hold);

    journal.forget(&key(0), [1; 32], at(2)).await.expect("nobody works on it");
    journal.forget(&key(1), [1; 32], at(2)).await.expect("nobody works on it");

    let rows = all(journal.as_ref(), &run).await;
    let states: Vec<DeliveryState> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [DeliveryState::Intent, DeliveryState::Suppressed], "the pending one is not sent");
    let hold = journal.hold(&run).await.expect("free");
    assert_eq!(journal.adopt_orphans(hold.as_ref(), at(3)).await.expect("written"), 1);
    totals(journal.as_ref(), &run).await;
}

pub(super) async fn a_declared_outage_is_kept_and_may_be_ended(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let outage = Outage {
        provider: ovh(),
        since: at(100),
        until: None,
        reason: "the data centre burns".to_owned(),
        declared_at: at(200),
    };
    journal.declare_outage(outage.clone()).await.expect("written");
    let ended = Outage { until: Some(at(300)), declared_at: at(400), ..outage.clone() };
    journal.declare_outage(ended.clone()).await.expect("written");
    let later = Outage { since: at(500), ..outage };
    journal.declare_outage(later.clone()).await.expect("written");

    let other = harness.reopened().await;
    assert_eq!(other.outages().await.expect("read"), [later, ended.clone()], "the latest first");
    assert_eq!(other.audit_of(None).await.expect("read").len(), 3);

    assert!(other.withdraw_outage(&ovh(), at(500), "it was the network", at(600)).await.expect("written"));
    assert!(!other.withdraw_outage(&ovh(), at(500), "again", at(601)).await.expect("written"));
    assert_eq!(other.outages().await.expect("read"), [ended]);
    let audit = other.audit_of(None).await.expect("read");
    assert_eq!(audit.len(), 4);
    assert!(audit[3].detail.contains("it was the network"), "{audit:?}");
}

pub(super) async fn the_forgotten_are_known_to_a_journal_that_takes_their_key(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    assert_eq!(journal.forgotten_key(None).await.expect("read"), None, "nobody was forgotten");
    let key = recipients(0..1)[0].address.key();
    let pseudonym = journal.forget(&key, [7; 32], at(1)).await.expect("free").pseudonym;
    assert_eq!(journal.forgotten_key(None).await.expect("read"), Some([7; 32]));
    assert_eq!(
        journal.forgotten_key(Some([8; 32])).await.expect("kept"),
        Some([7; 32]),
        "the first one stays"
    );

    let listed = journal.suppressions(None).await.expect("read");

    let second = harness.fresh().await;
    assert_eq!(second.forgotten_key(Some([7; 32])).await.expect("written"), Some([7; 32]));
    second.suppress(listed).await.expect("written");

    let asked = second.suppressions(Some(std::slice::from_ref(&key))).await.expect("read");
    assert_eq!(asked.len(), 1, "known by their hash: {asked:?}");
    assert_eq!(second.forget(&key, [9; 32], at(2)).await.expect("free").pseudonym, pseudonym);
}
