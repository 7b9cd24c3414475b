//! Servers that die, fall silent, come and go.

use std::time::{Duration, Instant};

use depeche::engine::{Event, Why};
use depeche::journal::{DeliveryState, RunState};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

use super::common::{Story, config, link, linked, login};
use depeche::providers::smtp::SmtpProvider;
use std::sync::Arc;

#[tokio::test]
async fn when_all_is_well_everybody_is_accepted_by_the_first() {
    let story = Story::of(100).await;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, told.ended.state), (Why::Done, RunState::Finished));
    assert_eq!((totals.accepted, first.accepted().len(), second.accepted().len()), (100, 100, 0));
    let accepted = told.events.iter().filter(|event| matches!(event, Event::Accepted { .. })).count();
    assert_eq!(accepted, 100);
    let waited = told.events.iter().any(|event| matches!(event, Event::Waiting { .. }));
    assert!(!waited, "there was nothing to wait for");
}

#[tokio::test]
async fn a_first_provider_dead_at_start_costs_nobody_anything() {
    let story = Story::of(60).await;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
    first.die();

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, second.accepted().len()), (Why::Done, 60, 60));
    assert!(
        told.events
            .iter()
            .any(|event| matches!(event, Event::SetAside { provider, .. } if provider.as_str() == "ovh"))
    );
}

#[tokio::test]
async fn a_first_provider_that_dies_at_forty_leaves_the_rest_to_the_second() {
    let story = Story::of(100).await;
    let dies = Rule::at(Phase::Mail).at_message(40).does(Fault::Die(None));
    let (first, second) = (FakeSmtp::new().rule(dies).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!(told.ended.why, Why::Done);
    assert_eq!(totals.pending, 0);
    assert!(totals.unknown <= 2, "at most one per connection: {totals:?}");
    assert_eq!(totals.accepted + totals.unknown, 100);
    assert!(second.accepted().len() >= 59);
}

#[tokio::test]
async fn silence_after_the_dot_costs_at_most_its_connections_and_no_time() {
    let mut story = Story::of(400).await;
    story.policy.suspect_after = Duration::from_millis(300);
    let silent = Rule::at(Phase::FinalDot).from_message(40).does(Fault::Silence);
    let (first, second) = (FakeSmtp::new().rule(silent).start().await, FakeSmtp::new().start().await);
    let began = Instant::now();

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, told.ended.state), (Why::Done, RunState::Finished));
    assert_eq!(totals.unknown, 2, "its two connections");
    assert_eq!((totals.accepted, totals.pending), (398, 0));
    let suspect = told.events.iter().position(|event| matches!(event, Event::Suspect { .. }));
    let elsewhere = told
        .events
        .iter()
        .position(|event| matches!(event, Event::Accepted { provider, .. } if provider.as_str() == "relay"));
    let gave_up = told.events.iter().position(|event| matches!(event, Event::Unknown { .. }));
    assert!(suspect < elsewhere && elsewhere < gave_up, "the second goes on while the first is waited for");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_provider_that_is_slow_and_not_silent_keeps_its_recipients() {
    let mut story = Story::of(6).await;
    story.policy.suspect_after = Duration::from_secs(2);
    let slow = Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(300)));
    let (first, second) = (FakeSmtp::new().rule(slow).start().await, FakeSmtp::new().start().await);

    story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.accepted, second.accepted().len()), (6, 0));
}

#[tokio::test]
async fn a_suspect_that_answers_late_is_trusted_again_and_nobody_gets_two() {
    let mut story = Story::of(40).await;
    story.policy.suspect_after = Duration::from_millis(200);
    let late = Rule::at(Phase::FinalDot).at_message(5).does(Fault::Late(Duration::from_millis(800)));
    let (first, second) = (FakeSmtp::new().rule(late).start().await, FakeSmtp::new().start().await);
    let crawl = Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(150)));
    second.add_rule(crawl);

    let told = story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.accepted, totals.unknown), (40, 0));
    assert!(!second.accepted().is_empty() && first.accepted().len() > 20, "it was trusted again");
    assert!(told.events.iter().any(|event| matches!(event, Event::Trusted { .. })));
}

#[tokio::test]
async fn a_flapping_provider_neither_doubles_nor_forgets() {
    let story = Story::of(120).await;
    let mut flaps = FakeSmtp::new();
    for message in [10, 30, 50] {
        let dies = Fault::Die(Some(Duration::from_millis(200)));
        flaps = flaps.rule(Rule::at(Phase::Rcpt).at_message(message).does(dies));
    }
    let (first, second) = (flaps.start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.pending), (Why::Done, 0));
    assert!(totals.unknown <= 6, "{totals:?}");
    assert_eq!(totals.accepted + totals.unknown, 120);
}

#[tokio::test]
async fn refused_credentials_set_a_provider_aside_at_once() {
    let story = Story::of(30).await;
    let first = FakeSmtp::new().login("presse", "right").start().await;
    let second = FakeSmtp::new().start().await;
    let mut wrong = config("ovh", &first, 2);
    wrong.credentials = login("presse", "wrong");
    let ovh = linked(Arc::new(SmtpProvider::new(wrong).unwrap()), Default::default());

    let told = story.tell(vec![ovh, link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, second.accepted().len()), (Why::Done, 30, 30));
    assert!(first.record().connections <= 2, "one try per connection that was open already");
    let alarm = told.events.iter().find_map(|event| match event {
        Event::SetAside { trouble, .. } => *trouble,
        _ => None,
    });
    assert_eq!(alarm, Some(depeche::outcome::Trouble::Credentials));
}

#[tokio::test]
async fn with_every_provider_set_aside_the_run_ends_and_says_when_to_resume() {
    let story = Story::of(30).await;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
    first.die();
    second.die();

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    let Why::NoProvider(reasons) = &told.ended.why else { panic!("{:?}", told.ended.why) };
    let names: Vec<&str> = reasons.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, totals.pending), (vec!["ovh", "relay"], 30));
    assert_eq!(told.ended.state, RunState::Waiting);
    assert!(told.ended.resume_at.is_some_and(|at| at > jiff::Timestamp::now()));

    // And when they are back, a new run makes one probe at once and finishes.
    first.revive();
    second.revive();
    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;
    assert_eq!(told.ended.why, Why::Done);
    assert_eq!(story.judge(&[&first, &second]).await.accepted, 30);
    assert!(told.events.iter().any(|event| matches!(event, Event::Back { .. })));
}

#[tokio::test]
async fn a_line_lost_after_the_dot_is_unknown_and_never_sent_again() {
    let story = Story::of(20).await;
    let lost = Rule::at(Phase::FinalDot).for_recipient(&super::common::address(7)).does(Fault::Reset);
    let (first, second) = (FakeSmtp::new().rule(lost).start().await, FakeSmtp::new().start().await);
    let chain = || vec![link("ovh", &first, 1), link("relay", &second, 1)];

    let told = story.tell(chain()).await;
    assert_eq!((told.ended.why, told.ended.totals.unknown), (Why::Done, 1));
    assert_eq!(story.state_of(7).await, DeliveryState::Unknown);

    // Resuming does not touch it.
    first.heal();
    story.tell(chain()).await;
    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.accepted, totals.unknown), (19, 1));
}

/// By hand: three unknowns set a provider aside; the fourth connection never opens.
#[tokio::test]
async fn three_lines_lost_after_the_dot_set_the_provider_aside() {
    let story = Story::of(50).await;
    let lost = Rule::at(Phase::FinalDot).does(Fault::Close);
    let (first, second) = (FakeSmtp::new().rule(lost).start().await, FakeSmtp::new().start().await);

    story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.unknown, totals.accepted), (3, 47));
}
