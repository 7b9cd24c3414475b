//! What is kept beside the deliveries.

use depeche_core::engine::JOURNAL_FAILED;
use depeche_core::journal::*;
use depeche_core::outcome::Trouble;

use super::super::fixtures::{intent_for, new_run, recipients, settled};
use super::{JournalHarness, all, at, due, ovh, run_of};
use crate::clock::CountingEntropy;

pub(super) async fn a_run_is_held_once(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let run = run_of(journal.as_ref(), 1).await;
    assert_eq!(journal.holder(&run).await.expect("read"), None);
    let hold = journal.hold(&run).await.expect("nobody holds it");
    assert_eq!(hold.run(), &run);

    let other = harness.reopened().await;
    let second = other.hold(&run).await;
    assert!(matches!(second, Err(HoldError::Held { .. })), "{second:?}");
    assert!(journal.hold(&run).await.is_err(), "not by the same journal either");
    assert!(other.holder(&run).await.expect("read").is_some());

    drop(hold);
    super::let_go(other.as_ref(), &run).await;
    other.hold(&run).await.expect("it was let go");
}

pub(super) async fn acceptances_are_counted_by_day(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 4).await;
    let day = 86_400;
    let moments = [at(2), at(3), at(day), at(2 * day)];
    for (record, moment) in due(journal.as_ref(), &run).await.into_iter().zip(moments) {
        let intent = intent_for(&run, &record, &ovh(), &entropy, at(1));
        journal.intend(vec![intent.clone()]).await.expect("nobody else has it");
        let (state, attempt) = match moment == at(2 * day) {
            true => (DeliveryState::Refused, AttemptState::Refused),
            false => (DeliveryState::Accepted, AttemptState::Accepted),
        };
        journal.settle(vec![settled(&intent, state, attempt, moment)], Urgency::Now).await.expect("open");
    }

    let first = at(2).as_second() / day;
    let counted = |day: i64, messages| AcceptedDay { provider: ovh(), day, messages };
    let other = harness.reopened().await;
    let all = other.accepted_by_day(at(0)).await.expect("read");
    assert_eq!(all, [counted(first, 2), counted(first + 1, 1)]);
    let since = other.accepted_by_day(at(day)).await.expect("read");
    assert_eq!(since, [counted(first + 1, 1)]);
}

pub(super) async fn the_suppression_list_keeps_its_first_reason(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let key = |place: usize| recipients(place..place + 1)[0].address.key();
    let entry = |place, reason: &str, quarantined| Suppression {
        key: key(place),
        reason: reason.to_owned(),
        source: "run r1".to_owned(),
        quarantined,
        at: at(1),
    };
    let first = vec![entry(0, "opted out", false), entry(1, "bad address", true)];
    assert_eq!(journal.suppress(first).await.expect("written"), 2);
    let second = vec![entry(0, "bad address", true), entry(1, "complaint", false)];
    journal.suppress(second).await.expect("written");

    let other = harness.reopened().await;
    let kept = other.suppressions(None).await.expect("read");
    let kept: Vec<_> = kept.iter().map(|e| (e.reason.as_str(), e.quarantined)).collect();
    assert_eq!(kept, [("opted out", false), ("complaint", false)], "the stronger word counts");
    journal.suppress(vec![entry(2, "bad address", true)]).await.expect("written");
    let among = journal.suppressions(Some(&[key(0), key(2), key(3)])).await.expect("read");
    assert_eq!(among.len(), 1, "a quarantined address is mailed still");

    assert!(journal.unsuppress(&key(0), "she asked", at(2)).await.expect("written"));
    assert!(!journal.unsuppress(&key(0), "again", at(3)).await.expect("written"));
    let audit = journal.audit_of(None).await.expect("read");
    assert_eq!(audit.len(), 1);
    assert!(audit[0].detail.contains("she asked"));
}

/// A wave may lift a bad address again; a wish, a complaint and a person's word it may not.
pub(super) async fn a_wish_takes_the_place_of_a_bad_address_and_no_wave_lifts_it(
    harness: &dyn JournalHarness,
) {
    let journal = harness.fresh().await;
    let keys: Vec<_> = recipients(0..4).iter().map(|recipient| recipient.address.key()).collect();
    let entry = |place: usize, reason: &str, source: &str, quarantined| Suppression {
        key: keys[place].clone(),
        reason: reason.to_owned(),
        source: source.to_owned(),
        quarantined,
        at: at(1),
    };
    let run = "run r1";
    let bad = |place, quarantined| entry(place, "bad address", run, quarantined);
    journal.suppress((0..4).map(|place| bad(place, false)).collect()).await.expect("written");

    let stronger = [
        entry(0, "opted out", "brevo", false),
        entry(1, "complaint", "brevo", false),
        // A person may use the very same words.
        entry(2, "bad address", "manual", false),
    ];
    assert_eq!(journal.suppress(stronger.to_vec()).await.expect("written"), 3);
    // What nobody proved lifts nothing.
    let doubtful = entry(3, "opted out by mail, without proof", "bounces", true);
    assert_eq!(journal.suppress(vec![doubtful]).await.expect("written"), 0);
    assert_eq!(journal.suppressions(Some(&keys)).await.expect("read").len(), 4);

    journal.suppress((0..4).map(|place| bad(place, true)).collect()).await.expect("written");

    let other = harness.reopened().await;
    let stands = other.suppressions(Some(&keys[..3])).await.expect("read");
    let stands: Vec<_> = stands.iter().map(|entry| (entry.reason.as_str(), entry.source.as_str())).collect();
    assert_eq!(stands, [("opted out", "brevo"), ("complaint", "brevo"), ("bad address", "manual")]);
    assert!(other.suppressions(Some(&keys[3..])).await.expect("read").is_empty(), "one of a wave");

    // Weaker words do not take the place of stronger ones, and the first wish stays.
    let weaker = [bad(0, false), entry(1, "opted out", "brevo", false)];
    assert_eq!(journal.suppress(weaker.to_vec()).await.expect("written"), 0);
    // An opt-out lifts the quarantine of a wave, for its own address alone.
    assert_eq!(journal.suppress(vec![entry(3, "opted out", "brevo", false)]).await.expect("written"), 1);
    assert_eq!(journal.suppressions(Some(&keys)).await.expect("read").len(), 4);
}

pub(super) async fn breakers_and_rests_outlive_their_process(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let open = BreakerRecord {
        provider: ovh(),
        config_digest: [1; 32],
        open_since: Some(at(3)),
        reason: Some("535 no".to_owned()),
        trouble: Some(Trouble::Credentials),
        resting_until: Some(at(90)),
    };
    journal.save_breaker(open.clone()).await.expect("written");
    let other = harness.reopened().await;
    assert_eq!(other.breakers().await.expect("read"), std::slice::from_ref(&open));

    // A process that was not told of the rest does not end it, whatever its section says.
    let closed = BreakerRecord { open_since: None, reason: None, trouble: None, resting_until: None, ..open };
    other.save_breaker(closed.clone()).await.expect("written");
    let kept = journal.breakers().await.expect("read").remove(0);
    assert_eq!((kept.open_since, kept.resting_until), (None, Some(at(90))));
    let sooner = BreakerRecord { config_digest: [2; 32], resting_until: Some(at(60)), ..closed.clone() };
    for record in [BreakerRecord { config_digest: [2; 32], ..closed.clone() }, sooner] {
        other.save_breaker(record).await.expect("written");
        let kept = journal.breakers().await.expect("read").remove(0);
        assert_eq!((kept.config_digest, kept.resting_until), ([2; 32], Some(at(90))));
    }
    other.save_breaker(BreakerRecord { resting_until: Some(at(120)), ..closed }).await.expect("written");
    assert_eq!(journal.breakers().await.expect("read")[0].resting_until, Some(at(120)));
}

pub(super) async fn states_runs_and_pages_are_read_as_written(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let run = NewRun {
        assets: vec![("photo.png".to_owned(), bytes::Bytes::from_static(b"\x00png"))],
        route: vec![ovh()],
        left_out: r#"[{"row":58,"reason":"no address"}]"#.to_owned(),
        settings: r#"{"on_unknown":"hold"}"#.to_owned(),
        ..new_run("r1", 7, 25, at(0))
    };
    journal.freeze(run.clone(), recipients(0..25)).await.expect("an empty journal takes a list");
    journal.freeze(new_run("r2", 8, 1, at(9)), recipients(0..1)).await.expect("another release");

    let other = harness.reopened().await;
    let names: Vec<String> = other.runs().await.expect("read").iter().map(|run| run.id.to_string()).collect();
    assert_eq!(names, ["r2", "r1"], "the newest first");
    let kept = other.run(&run.id).await.expect("read").expect("it is there");
    assert_eq!((kept.digest, &kept.slug, &kept.route), (run.digest, &run.slug, &run.route));
    assert_eq!((&kept.left_out, &kept.settings, &kept.frozen), (&run.left_out, &run.settings, &run.frozen));
    assert_eq!((kept.kind, kept.created_at, kept.ended_at), (RunKind::Real, at(0), None));
    assert_eq!(other.assets(&run.id).await.expect("read"), run.assets);

    let waits = Some("the day is full".to_owned());
    journal.set_run_state(&run.id, RunState::Waiting, waits.clone(), at(5)).await.expect("written");
    let kept = other.run(&run.id).await.expect("read").expect("it is there");
    assert_eq!((kept.state, kept.note, kept.ended_at), (RunState::Waiting, waits, Some(at(5))));

    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = other.deliveries(&run.id, after, 10).await.expect("read");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 10);
        after = Some((last.tier, last.position));
        seen.extend(page.iter().map(|delivery| delivery.position));
    }
    assert_eq!(seen, (0..25).collect::<Vec<_>>());
    assert_eq!(all(other.as_ref(), &run.id).await.len(), 25);
    let nobody = RunId::new("nobody").expect("a fixed name");
    assert!(other.run(&nobody).await.expect("read").is_none());
    let refused = journal.set_run_state(&nobody, RunState::Finished, None, at(6)).await;
    assert!(matches!(refused, Err(JournalError::NoSuchRun(_))), "{refused:?}");
    journal.close().await;
}

/// Until 2026-11-28 the reason of a pause was replaced by that of whoever stopped after it, and whoever was
/// about to begin ended it.
pub(super) async fn a_persons_pause_stands_until_a_person_ends_it(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let run = run_of(journal.as_ref(), 1).await;
    let stands = async || {
        let kept = journal.run(&run).await.expect("read").expect("it is there");
        (kept.state, kept.note, kept.ended_at)
    };
    let paused = (RunState::Paused, Some(PAUSED.to_owned()), Some(at(2)));
    assert!(journal.go_on(&run, at(1)).await.expect("written"));
    journal.pause(&run, at(2)).await.expect("written");

    assert!(!journal.go_on(&run, at(3)).await.expect("written"));
    assert_eq!(stands().await, paused);
    for state in [RunState::Waiting, RunState::Interrupted, RunState::Paused] {
        let why = Some(format!("{JOURNAL_FAILED}: it was away"));
        journal.set_run_state(&run, state, why, at(4)).await.expect("written");
        assert_eq!(stands().await, paused, "{state:?}");
    }

    journal.set_run_state(&run, RunState::Running, None, at(5)).await.expect("written");
    assert_eq!(stands().await, (RunState::Running, None, None));
    let failed = Some(format!("{JOURNAL_FAILED}: it was away"));
    journal.set_run_state(&run, RunState::Paused, failed, at(6)).await.expect("written");
    assert!(journal.go_on(&run, at(7)).await.expect("written"), "that is nobody's decision");
    assert_eq!(stands().await, (RunState::Running, None, None));

    journal.cancel(&run, at(8)).await.expect("written");
    assert!(!journal.go_on(&run, at(9)).await.expect("written"));
    let nobody = RunId::new("nobody").expect("a fixed name");
    let refused = journal.go_on(&nobody, at(9)).await;
    assert!(matches!(refused, Err(JournalError::NoSuchRun(_))), "{refused:?}");
    let refused = journal.set_settings(&nobody, "{}".to_owned()).await;
    assert!(matches!(refused, Err(JournalError::NoSuchRun(_))), "{refused:?}");
    journal.set_settings(&run, r#"{"not_after":null}"#.to_owned()).await.expect("written");
    let kept = journal.run(&run).await.expect("read").expect("it is there");
    assert_eq!(kept.settings, r#"{"not_after":null}"#);
    journal.close().await;
}

pub(super) async fn recipients_in_a_state_are_read_page_by_page(harness: &dyn JournalHarness) {
    let journal = harness.fresh().await;
    let entropy = CountingEntropy::default();
    let run = run_of(journal.as_ref(), 9).await;
    let waiting = due(journal.as_ref(), &run).await;
    for (place, to, attempt) in [
        (1, DeliveryState::Refused, AttemptState::Refused),
        (4, DeliveryState::Unknown, AttemptState::Unknown),
        (6, DeliveryState::Refused, AttemptState::Refused),
        (8, DeliveryState::Accepted, AttemptState::Accepted),
    ] {
        let intent = intent_for(&run, &waiting[place], &ovh(), &entropy, at(1));
        journal.intend(vec![intent.clone()]).await.expect("nothing stands against it");
        journal.settle(vec![settled(&intent, to, attempt, at(2))], Urgency::Now).await.expect("it is open");
    }
    let places = |states: &'static [DeliveryState], limit| {
        let (journal, run) = (&journal, &run);
        async move {
            let (mut after, mut seen) = (None, Vec::new());
            loop {
                let page = journal.deliveries_in(run, states, after, limit).await.expect("read");
                let Some(last) = page.last() else { return seen };
                assert!(page.len() <= limit);
                after = Some((last.tier, last.position));
                seen.extend(page.iter().map(|one| one.position));
            }
        }
    };

    use DeliveryState as D;
    assert_eq!(places(&[D::Refused, D::Unknown], 2).await, [1, 4, 6]);
    assert_eq!(places(&[D::Pending, D::Accepted], 2).await, [0, 2, 3, 5, 7, 8]);
    assert_eq!(places(&[D::Held], 2).await, [0; 0]);
    assert_eq!(places(&D::ALL, 4).await, (0..9).collect::<Vec<_>>());
}
