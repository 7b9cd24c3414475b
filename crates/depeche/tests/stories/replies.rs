//! Servers that answer, and what their answers mean for the list.

use std::time::{Duration, Instant};

use depeche::budget::{Limits, Window};
use depeche::engine::{Event, Why};
use depeche::journal::{DeliveryState, Journal};
use depeche::policy::OnBudget;
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

use super::common::{Story, address, limited, link};

#[tokio::test]
async fn a_throttled_provider_rests_and_its_recipients_go_to_the_next() {
    for (phase, reply) in [
        (Phase::Mail, "421 4.7.0 too many messages, try again later"),
        (Phase::Rcpt, "451 4.7.1 rate limit exceeded, slow down"),
    ] {
        let story = Story::of(40).await;
        let full = Rule::at(phase).from_message(11).does(Fault::ReplyThenClose(reply.to_owned()));
        let (first, second) = (FakeSmtp::new().rule(full).start().await, FakeSmtp::new().start().await);

        let told = story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

        let totals = story.judge(&[&first, &second]).await;
        assert_eq!((told.ended.why, totals.accepted, first.accepted().len()), (Why::Done, 40, 10), "{reply}");
        let rests = |event: &Event| matches!(event, Event::Resting { .. });
        assert_eq!(told.events.iter().filter(|event| rests(event)).count(), 1, "{reply}: asked once");
        let aside = told.events.iter().any(|event| matches!(event, Event::SetAside { .. }));
        assert!(!aside, "{reply}: a rest is no failure");
    }
}

#[tokio::test]
async fn a_bad_address_is_refused_without_a_second_opinion_and_suppressed() {
    let story = Story::of(20).await;
    let nobody = Rule::at(Phase::Rcpt).for_recipient(&address(3)).replies("550 5.1.1 no such user");
    let (first, second) = (FakeSmtp::new().rule(nobody).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.refused), (Why::Done, 19, 1));
    assert_eq!(second.record().begun, 0, "a second provider only burns reputation");
    let suppressed = story.journal.suppressions(None).await.unwrap();
    assert_eq!(suppressed.len(), 1);
    assert_eq!((suppressed[0].key.as_str(), suppressed[0].quarantined), (address(3).as_str(), false));
}

#[tokio::test]
async fn a_wave_of_bad_addresses_suppresses_nobody() {
    let story = Story::of(20).await;
    let wave = Rule::at(Phase::Rcpt).to_message(8).replies("550 5.1.1 no such user");
    let first = FakeSmtp::new().rule(wave).start().await;

    story.tell(vec![link("ovh", &first, 1)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((totals.accepted, totals.refused), (12, 8));
    let entries = story.journal.suppressions(None).await.unwrap();
    assert_eq!((entries.len(), entries.iter().filter(|entry| entry.quarantined).count()), (8, 8));
}

#[tokio::test]
async fn an_address_reached_last_month_is_quarantined_not_suppressed() {
    let story = Story::of(3).await;
    let first = FakeSmtp::new().start().await;
    story.tell(vec![link("ovh", &first, 1)]).await;

    let next = story.beside("second", 9, 3).await;
    first.add_rule(Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies("550 5.1.1 no such user"));
    let told = next.tell(vec![link("ovh", &first, 1)]).await;

    assert_eq!((told.ended.totals.accepted, told.ended.totals.refused), (2, 1));
    let entries = story.journal.suppressions(None).await.unwrap();
    assert_eq!((entries.len(), entries[0].quarantined), (1, true));
}

#[tokio::test]
async fn a_refused_message_gets_one_other_provider_and_no_third() {
    let story = Story::of(10).await;
    let too_large = |who: usize| {
        Rule::at(Phase::FinalDot).for_recipient(&address(who)).replies("552 5.3.4 message too large")
    };
    let first = FakeSmtp::new().rule(too_large(2)).rule(too_large(5)).start().await;
    let second = FakeSmtp::new().rule(too_large(5)).start().await;
    let third = FakeSmtp::new().start().await;

    let chain = vec![link("ovh", &first, 1), link("relay", &second, 1), link("last", &third, 1)];
    let told = story.tell(chain).await;

    let totals = story.judge(&[&first, &second, &third]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.refused), (Why::Done, 9, 1));
    assert_eq!(story.state_of(5).await, DeliveryState::Refused);
    assert_eq!((second.accepted(), third.record().begun), (vec![address(2)], 0));
}

#[tokio::test]
async fn greylisting_is_waited_for_at_the_same_provider() {
    let story = Story::of(10).await;
    let grey = Rule::at(Phase::Rcpt).for_recipient(&address(4)).once().replies("450 4.2.0 greylisted");
    let (first, second) = (FakeSmtp::new().rule(grey).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, first.accepted().len()), (Why::Done, 10, 10));
    assert!(told.events.iter().any(|event| matches!(event, Event::WillRetry { .. })));
}

/// The first is full for the day when the greylisted one is due again: the second had refused it.
#[tokio::test]
async fn greylisted_at_a_fallback_means_back_to_that_fallback() {
    let story = Story::of(2).await;
    let first = FakeSmtp::new().rule(Rule::at(Phase::Banner).once().replies("421 4.7.0 too many"));
    let grey = Rule::at(Phase::Rcpt).for_recipient(&address(0)).once().replies("450 4.2.0 greylisted");
    let (first, second) = (first.start().await, FakeSmtp::new().rule(grey).start().await);

    story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.accepted, second.accepted().len()), (2, 2));
}

#[tokio::test]
async fn who_is_refused_for_now_too_often_is_refused() {
    let story = Story::of(3).await;
    let full = Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies("452 4.2.2 mailbox full");
    let first = FakeSmtp::new().rule(full).start().await;

    let told = story.tell(vec![link("ovh", &first, 1)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.refused), (Why::Done, 2, 1));
    let record = story.deliveries().await.into_iter().find(|d| d.address.to_string() == address(1)).unwrap();
    // By hand: the first attempt, and one for each of the three retry times.
    assert_eq!((record.attempts, record.reply.unwrap().contains("mailbox full")), (4, true));
    assert!(story.journal.suppressions(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_waiting_a_greylisted_list_ends_and_says_when_to_go_on() {
    let mut story = Story::of(3).await;
    story.policy.no_wait = true;
    story.policy.transient = vec![Duration::from_secs(300)];
    let grey = Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies("450 4.2.0 greylisted");
    let first = FakeSmtp::new().rule(grey).start().await;

    let told = story.tell(vec![link("ovh", &first, 1)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.pending), (Why::WouldWait, 2, 1));
    let wait = told.ended.resume_at.unwrap().duration_since(jiff::Timestamp::now()).as_secs();
    assert!((290..=300).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_full_day_overflows_to_the_next_provider_and_is_told_once() {
    let story = Story::of(30).await;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
    let ten_a_day = Limits { per_day: Some(10), ..Limits::default() };

    let told = story.tell(vec![limited("ovh", &first, 2, ten_a_day), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted), (Why::Done, 30));
    assert_eq!((first.accepted().len(), second.accepted().len()), (10, 20));
    let full: Vec<&Event> =
        told.events.iter().filter(|event| matches!(event, Event::BudgetFull { .. })).collect();
    assert!(matches!(full[..], [Event::BudgetFull { window: Window::Day, .. }]), "{full:?}");
}

#[tokio::test]
async fn whoever_wants_to_wait_for_a_full_day_waits() {
    let mut story = Story::of(15).await;
    story.policy.on_budget = OnBudget::Wait;
    story.policy.no_wait = true;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
    let ten_a_day = Limits { per_day: Some(10), ..Limits::default() };

    let told = story.tell(vec![limited("ovh", &first, 1, ten_a_day), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.pending), (Why::WouldWait, 10, 5));
    assert_eq!(second.accepted().len(), 0);
    let minutes = told.ended.resume_at.unwrap().duration_since(jiff::Timestamp::now()).as_mins();
    assert!((1_439..=1_440).contains(&minutes), "a day after the first of them");
}

/// By hand: the first goes at once, and each of the 5 others 200 ms after the one before.
#[tokio::test]
async fn messages_of_a_second_are_evenly_spaced_and_that_is_no_waiting() {
    let mut story = Story::of(6).await;
    story.policy.no_wait = true;
    let first = FakeSmtp::new().start().await;
    let five_a_second = Limits { per_second: Some(5), ..Limits::default() };
    let began = Instant::now();

    let told = story.tell(vec![limited("ovh", &first, 3, five_a_second)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.accepted), (Why::Done, 6));
    assert!(began.elapsed() >= Duration::from_millis(1_000), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_millis(5_000), "{:?}", began.elapsed());
    assert_eq!(first.record().begun, 6, "nobody was begun and given up");
}

#[tokio::test]
async fn a_full_window_is_full_for_the_next_process_too() {
    let story = Story::of(12).await;
    let first = FakeSmtp::new().start().await;
    let ten_an_hour = Limits { per_hour: Some(10), ..Limits::default() };
    let mut impatient = story;
    impatient.policy.no_wait = true;

    impatient.tell(vec![limited("ovh", &first, 1, ten_an_hour)]).await;
    impatient.journal = impatient.reopened().await;
    let told = impatient.tell(vec![limited("ovh", &first, 1, ten_an_hour)]).await;

    let totals = impatient.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.accepted, first.record().begun), (Why::WouldWait, 10, 10));
}

/// Two runs of different releases, two processes, one provider: together they keep its windows, and
/// a second window that the other one has just used is waited for, not a reason to go elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_windows_of_a_provider() {
    for limits in [
        Limits { per_hour: Some(20), ..Limits::default() },
        Limits { per_second: Some(20), ..Limits::default() },
    ] {
        let one = Story::of(30).await;
        let two = one.beside("second", 9, 30).await;
        let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
        let chain = || vec![limited("ovh", &first, 2, limits), link("relay", &second, 1)];
        let began = Instant::now();

        let (told, other) = tokio::join!(one.tell(chain()), two.tell(chain()));

        assert_eq!((told.ended.why, other.ended.why), (Why::Done, Why::Done));
        assert_eq!((told.ended.totals.accepted, other.ended.totals.accepted), (30, 30));
        match limits.per_second {
            None => assert_eq!((first.accepted().len(), second.accepted().len()), (20, 40)),
            // By hand: 60 messages, each 50 ms after the one before.
            Some(_) => {
                assert_eq!((first.accepted().len(), second.accepted().len()), (60, 0));
                assert!(began.elapsed() >= Duration::from_millis(59 * 50), "{:?}", began.elapsed());
            }
        }
    }
}
