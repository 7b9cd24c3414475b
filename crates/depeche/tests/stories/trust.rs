//! Losing trust and winning it back: breakers, probes, restarts, and the choice of at least once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use depeche::budget::Limits;
use depeche::engine::{Event, LinkConfig, Why};
use depeche::journal::{AttemptState, BreakerRecord, Journal, config_digest};
use depeche::outcome::Trouble;
use depeche::policy::OnUnknown;
use depeche::provider::ProviderName;
use depeche::providers::smtp::{SmtpConfig, SmtpProvider};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};
use jiff::{SignedDuration, Timestamp};

use super::common::{Story, Told, address, config, link, linked, login};

#[tokio::test]
async fn after_an_accepted_probe_the_first_provider_serves_again() {
    let mut story = Story::of(120).await;
    story.policy.breaker.retry_after = Duration::from_millis(400);
    let dies = Rule::at(Phase::Mail).at_message(10).does(Fault::Die(Some(Duration::from_millis(600))));
    let (first, second) = (FakeSmtp::new().rule(dies).start().await, FakeSmtp::new().start().await);
    second.add_rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(25))));

    let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted + totals.unknown), (Why::Done, 120));
    let back = told.events.iter().position(|event| matches!(event, Event::Back { .. })).unwrap();
    let later = told.events[back..].iter();
    let by_first =
        later.filter(|event| matches!(event, Event::Accepted { provider, .. } if provider.as_str() == "ovh"));
    assert!(by_first.count() > 10, "the order of fallback holds again");
}

#[tokio::test]
async fn a_restart_makes_one_probe_for_each_open_breaker() {
    let story = Story::of(40).await;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
    first.die();
    second.die();
    let chain = || vec![link("ovh", &first, 3), link("relay", &second, 3)];
    story.tell(chain()).await;
    // Alive, and refusing: every connection is counted.
    for server in [&first, &second] {
        server.revive();
        server.add_rule(Rule::at(Phase::Banner).does(Fault::ReplyThenClose("554 5.3.2 closed".to_owned())));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;

    let told = story.tell(chain()).await;

    assert!(matches!(told.ended.why, Why::NoProvider(_)), "{:?}", told.ended.why);
    assert_eq!((first.record().connections, second.record().connections), (1, 1));
    assert_eq!(story.judge(&[&first, &second]).await.pending, 40);
}

#[tokio::test]
async fn a_changed_section_is_trusted_afresh() {
    let story = Story::of(10).await;
    let first = FakeSmtp::new().start().await;
    first.die();
    story.tell(vec![link("ovh", &first, 1)]).await;
    assert!(story.journal.breakers().await.unwrap()[0].open_since.is_some());
    first.revive();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let changed = LinkConfig { config_digest: [2; 32], ..link("ovh", &first, 1) };
    let told = story.tell(vec![changed]).await;

    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 10));
    let back = told.events.iter().any(|event| matches!(event, Event::Back { .. }));
    assert!(!back, "there was nothing to come back from");
}

/// The same account in the section of another machine, which has a secret of its own.
fn elsewhere(link: LinkConfig) -> LinkConfig {
    LinkConfig { config_digest: config_digest(&[1; 32], &[2; 32]), ..link }
}

fn comes_back(told: &Told) -> bool {
    told.events.iter().any(|event| matches!(event, Event::Back { .. }))
}

#[tokio::test]
async fn a_provider_set_aside_on_one_machine_is_probed_by_another_with_its_own_secret() {
    let story = Story::of(10).await;
    let first = FakeSmtp::new().start().await;
    first.die();
    story.tell(vec![link("ovh", &first, 1)]).await;
    first.revive();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let told = story.tell(vec![elsewhere(link("ovh", &first, 1))]).await;

    assert!(comes_back(&told), "it was set aside here as well, until the probe");
    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 10));
}

#[tokio::test]
async fn a_login_refused_on_one_machine_says_nothing_of_another_with_its_own_secret() {
    let story = Story::of(10).await;
    let first = FakeSmtp::new().login("presse", "right").start().await;
    let with = |password| {
        let config = SmtpConfig { credentials: login("presse", password), ..config("ovh", &first, 1) };
        linked(Arc::new(SmtpProvider::new(config).unwrap()), Limits::default())
    };
    story.tell(vec![with("wrong")]).await;
    assert_eq!(story.journal.breakers().await.unwrap()[0].trouble, Some(Trouble::Credentials));

    let told = story.tell(vec![elsewhere(with("right"))]).await;

    assert!(!comes_back(&told), "there was nothing to come back from");
    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 10));
}

/// What a machine with the digest of [`link`] keeps of the provider in the journal.
fn kept() -> BreakerRecord {
    BreakerRecord {
        provider: ProviderName::new("ovh").unwrap(),
        config_digest: [1; 32],
        open_since: None,
        reason: None,
        trouble: None,
        resting_until: None,
    }
}

#[tokio::test]
async fn a_rest_told_to_one_machine_is_kept_by_another_with_its_own_secret() {
    let story = Story::of(10).await;
    let first = FakeSmtp::new().start().await;
    let until = Timestamp::now() + SignedDuration::from_secs(2);
    story.journal.save_breaker(BreakerRecord { resting_until: Some(until), ..kept() }).await.unwrap();

    let told = story.tell(vec![elsewhere(link("ovh", &first, 1))]).await;

    assert_eq!((told.ended.why, story.judge(&[&first]).await.accepted), (Why::Done, 10));
    assert!(Timestamp::now() >= until, "nothing was sent before");
    assert_eq!(first.record().connections, 1, "and nobody asked before");
}

#[tokio::test]
async fn what_another_machine_sets_aside_meanwhile_is_set_aside_here_unless_it_was_its_own_login() {
    for (trouble, is_heard) in [(Trouble::Unreachable, true), (Trouble::Credentials, false)] {
        let story = Story::of(60).await;
        let late = Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(50)));
        let first = FakeSmtp::new().rule(late).start().await;
        // Later than anything that is accepted here.
        let since = Timestamp::now() + SignedDuration::from_secs(20);
        let reason = Some("said elsewhere".to_owned());
        let open = BreakerRecord { open_since: Some(since), reason, trouble: Some(trouble), ..kept() };
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            story.journal.save_breaker(open).await.unwrap();
        };

        let (told, ()) = tokio::join!(story.tell(vec![elsewhere(link("ovh", &first, 1))]), meanwhile);

        let is_set_aside = told.events.iter().any(|event| matches!(event, Event::SetAside { .. }));
        assert_eq!(is_set_aside, is_heard, "{trouble:?}");
        let accepted = story.judge(&[&first]).await.accepted;
        assert_eq!((told.ended.why == Why::Done, accepted == 60), (!is_heard, !is_heard), "{accepted}");
    }
}

#[tokio::test]
async fn at_least_once_sends_an_unknown_again_because_the_user_chose_so() {
    let mut story = Story::of(8).await;
    story.policy.on_unknown = OnUnknown::Resend;
    let lost = Rule::at(Phase::FinalDot).for_recipient(&address(2)).does(Fault::Close);
    let (first, second) = (FakeSmtp::new().rule(lost).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    assert_eq!((told.ended.why, told.ended.totals.accepted), (Why::Done, 8));
    assert_eq!(second.accepted(), [address(2)]);
    let delivery = story.deliveries().await.remove(2);
    let attempts = story.journal.attempts(delivery.id).await.unwrap();
    let states: Vec<AttemptState> = attempts.iter().map(|attempt| attempt.state).collect();
    assert_eq!(states, [AttemptState::Superseded, AttemptState::Accepted]);
}

/// A server that takes the connection and never says a word: nothing is in doubt, and the next
/// provider goes on long before the deadline.
#[tokio::test]
async fn silence_before_the_message_costs_time_and_nothing_else() {
    for phase in [Phase::Banner, Phase::Ehlo, Phase::Mail, Phase::Data] {
        let mut story = Story::of(30).await;
        story.policy.suspect_after = Duration::from_millis(200);
        let silent = Rule::at(phase).does(Fault::Silence);
        let (first, second) = (FakeSmtp::new().rule(silent).start().await, FakeSmtp::new().start().await);

        let told = story.tell(vec![link("ovh", &first, 2), link("relay", &second, 2)]).await;

        let totals = story.judge(&[&first, &second]).await;
        assert_eq!((told.ended.why, totals.accepted, totals.unknown), (Why::Done, 30, 0), "{phase:?}");
        let suspect = told.events.iter().any(|event| matches!(event, Event::Suspect { .. }));
        assert!(suspect, "{phase:?}");
    }
}

/// The deadline of a command is a minute; whoever waits for a silent provider with nothing durable goes to
/// the next one when it becomes suspect.
#[tokio::test]
async fn whoever_has_no_intent_leaves_a_silent_provider_at_once_when_another_is_ready() {
    for phase in [Phase::Banner, Phase::Mail, Phase::Rcpt, Phase::Data] {
        let mut story = Story::of(40).await;
        story.policy.suspect_after = Duration::from_millis(400);
        let silent = Rule::at(phase).from_message(10).does(Fault::Silence);
        let (first, second) = (FakeSmtp::new().rule(silent).start().await, FakeSmtp::new().start().await);
        let mut patient = config("ovh", &first, 2);
        patient.timeouts.command = Duration::from_secs(60);
        patient.per_connection = Some(1);
        let patient = linked(Arc::new(SmtpProvider::new(patient).unwrap()), Limits::default());
        let began = Instant::now();

        let told = story.tell(vec![patient, link("relay", &second, 2)]).await;

        let totals = story.judge(&[&first, &second]).await;
        assert_eq!((told.ended.why, totals.accepted, totals.unknown), (Why::Done, 40, 0), "{phase:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{phase:?}: {:?}", began.elapsed());
        let moved = told.events.iter().filter(|event| {
            matches!(event, Event::MovedOn { reply, .. } if reply.contains("another provider is ready"))
        });
        assert_eq!(moved.count(), 2, "{phase:?}: those of its two connections");
    }
}

/// With nobody else to go to, a slow provider is waited for until its own deadline.
#[tokio::test]
async fn whoever_has_nowhere_else_to_go_waits_for_a_silent_provider() {
    let mut story = Story::of(4).await;
    story.policy.suspect_after = Duration::from_millis(200);
    let slow = Rule::at(Phase::Mail).at_message(2).does(Fault::Late(Duration::from_millis(1_200)));
    let only = FakeSmtp::new().rule(slow).start().await;

    let told = story.tell(vec![link("ovh", &only, 1)]).await;

    let totals = story.judge(&[&only]).await;
    assert_eq!((told.ended.why, totals.accepted, only.accepted().len()), (Why::Done, 4, 4));
    assert!(told.events.iter().any(|event| matches!(event, Event::Trusted { .. })));
}

/// An intent that is durable keeps its deadline, whoever else is ready: its message may have been taken.
#[tokio::test]
async fn whoever_has_an_intent_stays_with_a_silent_provider() {
    let mut story = Story::of(10).await;
    story.policy.suspect_after = Duration::from_millis(200);
    let silent = Rule::at(Phase::Body(10)).from_message(4).does(Fault::Silence);
    let (first, second) = (FakeSmtp::new().rule(silent).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.unknown), (Why::Done, 9, 1));
}

/// Every fifth answer is lost, and the others between them are no reason to go on: three unknowns, and
/// those that were in flight on the other connections.
#[tokio::test]
async fn a_provider_that_loses_answers_now_and_then_is_set_aside_all_the_same() {
    let story = Story::of(150).await;
    let lossy = Rule::at(Phase::FinalDot).every(5).does(Fault::Close);
    let (first, second) = (FakeSmtp::new().rule(lossy).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 3), link("relay", &second, 3)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted + totals.unknown), (Why::Done, 150));
    assert!((3..=5).contains(&totals.unknown), "{totals:?}");
}
