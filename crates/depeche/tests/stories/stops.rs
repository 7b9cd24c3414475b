//! Stopping: politely, at once, from elsewhere, and by being killed.

use std::sync::Arc;
use std::time::Duration;

use depeche::budget::Limits;
use depeche::engine::{Control, Event, Events, Stop, Why};
use depeche::journal::{DeliveryState, Journal, RunState};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

use super::common::{Story, limited, link};

/// Each answer to the final dot takes so long: time to stop in the middle.
fn slow(millis: u64) -> FakeSmtp {
    FakeSmtp::new().rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(millis))))
}

#[tokio::test]
async fn draining_finishes_who_is_in_flight_and_takes_nobody_new() {
    let story = Story::of(200).await;
    let first = slow(50).start().await;
    let (stop, control) = Stop::new();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.drain();
    });

    let told = story.tell_until(vec![link("ovh", &first, 2)], control).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, told.ended.state), (Why::Interrupted, RunState::Interrupted));
    assert_eq!((totals.unknown, totals.accepted + totals.pending), (0, 200));
    assert!(totals.accepted > 2 && totals.pending > 2, "{totals:?}");
    assert_eq!(first.accepted().len() as u64, totals.accepted);
    assert!(told.events.iter().any(|event| matches!(event, Event::Draining { .. })));

    let told = story.tell(vec![link("ovh", &first, 2)]).await;
    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 200));
}

#[tokio::test]
async fn leaving_makes_those_in_flight_unknown_and_nobody_else() {
    let story = Story::of(50).await;
    let silent = Rule::at(Phase::FinalDot).from_message(21).does(Fault::Silence);
    let first = FakeSmtp::new().rule(silent).start().await;
    let (stop, control) = Stop::new();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        stop.drain();
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.leave();
    });
    let began = std::time::Instant::now();

    let told = story.tell_until(vec![link("ovh", &first, 2)], control).await;

    assert!(began.elapsed() < Duration::from_millis(2_800), "it does not wait for the deadline");
    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, told.ended.state), (Why::Interrupted, RunState::Interrupted));
    assert_eq!((totals.accepted, totals.unknown, totals.pending), (20, 2, 28));
}

#[tokio::test]
async fn a_run_cancelled_elsewhere_stops_before_the_next_message() {
    let story = Story::of(200).await;
    let first = slow(50).start().await;
    let (other, run) = (story.reopened().await, story.run.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        other.cancel(&run, jiff::Timestamp::now()).await.unwrap();
    });

    let told = story.tell(vec![link("ovh", &first, 2)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, told.ended.state), (Why::Cancelled, RunState::Cancelled));
    assert_eq!((totals.pending, totals.unknown, totals.accepted + totals.cancelled), (0, 0, 200));
    assert!(totals.accepted > 0 && totals.cancelled > 0, "{totals:?}");
}

/// The cancel falls while recipients are being refused before their intent: a compare-and-set that
/// another process won is no failure of the journal.
#[tokio::test]
async fn a_cancel_among_refusals_is_a_cancel() {
    let story = Story::of(400).await;
    let refuse = Rule::at(Phase::Rcpt).replies("550 5.1.1 no such user");
    let late = Rule::at(Phase::Mail).does(Fault::Late(Duration::from_millis(20)));
    let first = FakeSmtp::new().rule(refuse).rule(late).start().await;
    let (other, run) = (story.reopened().await, story.run.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        other.cancel(&run, jiff::Timestamp::now()).await.unwrap();
    });

    let told = story.tell(vec![link("ovh", &first, 4)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.pending), (Why::Cancelled, 0));
    assert_eq!(totals.refused + totals.cancelled, 400);
    assert!(totals.cancelled > 0);
}

/// A killed process: the engine is dropped in mid-flight, the journal opened again.
#[tokio::test]
async fn after_a_kill_the_open_ones_are_unknown_and_the_rest_is_sent_once() {
    for after_millis in [5, 60, 150, 333, 700] {
        let mut story = Story::of(120).await;
        let first = slow(20).start().await;
        let lanes = 3;
        {
            let engine = story.engine(vec![link("ovh", &first, lanes)], Events::none());
            let hold = story.journal.hold(&story.run).await.unwrap();
            let running = engine.run(hold.as_ref(), Control::unstoppable());
            let killed = tokio::time::timeout(Duration::from_millis(after_millis), running).await;
            assert!(killed.is_err(), "it was killed in the middle");
        }
        story.journal = story.reopened().await;
        let found = story.judge(&[&first]).await;
        assert!(found.unknown <= lanes as u64, "at most one per connection: {found:?}");

        let told = story.tell(vec![link("ovh", &first, lanes)]).await;

        let totals = story.judge(&[&first]).await;
        assert_eq!((told.ended.why, totals.pending), (Why::Done, 0));
        assert!(totals.unknown <= lanes as u64, "{totals:?}");
        assert_eq!(totals.accepted + totals.unknown, 120);
        let unknown = story.deliveries().await.into_iter().filter(|d| d.state == DeliveryState::Unknown);
        assert_eq!(unknown.count() as u64, totals.unknown);
    }
}

#[tokio::test]
async fn a_run_has_one_worker_at_a_time() {
    let story = Story::of(5).await;
    let other = story.reopened().await;
    let hold = story.journal.hold(&story.run).await.unwrap();

    let second = other.hold(&story.run).await;

    assert!(second.is_err());
    drop(hold);
    assert!(other.hold(&story.run).await.is_ok());
    drop(Arc::clone(&story.journal));
}

/// At one message a second the second one waits after 354 for its turn when the run is left: nothing of it is sent.
#[tokio::test]
async fn leaving_while_a_message_waits_for_its_turn_sends_nothing_more() {
    let story = Story::of(10).await;
    let first = FakeSmtp::new().start().await;
    let one_a_second = Limits { per_second: Some(1), ..Limits::default() };
    let (stop, control) = Stop::new();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.leave();
    });

    let told = story.tell_until(vec![limited("ovh", &first, 2, one_a_second)], control).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!(told.ended.why, Why::Interrupted);
    assert_eq!((totals.accepted, totals.unknown, totals.pending), (1, 0, 9));
    assert_eq!(first.accepted().len(), 1);
}

/// Until 2026-11-28 whoever was about to begin wrote that the run goes on.
#[tokio::test]
async fn a_pause_that_came_before_the_first_message_stands_until_a_person_ends_it() {
    let story = Story::of(5).await;
    let first = FakeSmtp::new().start().await;
    story.journal.pause(&story.run, jiff::Timestamp::now()).await.unwrap();

    let told = story.tell(vec![link("ovh", &first, 2)]).await;

    assert_eq!((told.ended.why, told.ended.state), (Why::Paused, RunState::Paused));
    assert_eq!((story.judge(&[&first]).await.pending, first.accepted().len()), (5, 0));

    story.journal.set_run_state(&story.run, RunState::Running, None, jiff::Timestamp::now()).await.unwrap();
    let told = story.tell(vec![link("ovh", &first, 2)]).await;
    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 5));
}

/// Until 2026-11-28 the hour counted for the first attempt alone, whatever became of it.
#[tokio::test]
async fn a_run_whose_first_message_would_be_too_late_is_not_begun() {
    let late = || Fault::Late(Duration::from_millis(1_500));
    let throttled = || Fault::ReplyThenClose("421 4.7.0 try later".to_owned());
    for (phase, fault) in [(Phase::Banner, late()), (Phase::Data, late()), (Phase::Mail, throttled())] {
        let mut story = Story::of(5).await;
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(700);
        story.policy.not_after = Some(until);
        let first = FakeSmtp::new().rule(Rule::at(phase).does(fault)).start().await;

        let told = story.tell(vec![link("ovh", &first, 2)]).await;

        assert_eq!(
            (&told.ended.why, told.ended.state),
            (&Why::TooLate(until), RunState::Paused),
            "{phase:?}"
        );
        assert_eq!((story.judge(&[&first]).await.pending, first.accepted().len()), (5, 0), "{phase:?}");
    }
}

#[tokio::test]
async fn a_run_that_began_in_time_is_finished_however_late_it_is() {
    let mut story = Story::of(60).await;
    story.policy.not_after = Some(jiff::Timestamp::now() + jiff::SignedDuration::from_millis(900));
    let first = slow(50).start().await;

    let told = story.tell(vec![link("ovh", &first, 1)]).await;

    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 60));
    assert!(jiff::Timestamp::now() > story.policy.not_after.unwrap(), "it took 3 s at the least");
}
