//! The next message's envelope behind the last terminator: what it saves, and that it costs nobody.

use std::sync::Arc;

use depeche::budget::Limits;
use depeche::engine::{LinkConfig, Why};
use depeche::journal::Journal;
use depeche::providers::smtp::{SmtpConfig, SmtpProvider};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule, RunningSmtp};

use super::common::{Story, address, config, link, linked};

fn one_by_one(name: &str, server: &RunningSmtp, lanes: usize) -> LinkConfig {
    let config = SmtpConfig { pipeline_next: false, ..config(name, server, lanes) };
    linked(Arc::new(SmtpProvider::new(config).unwrap()), Limits::default())
}

/// How often a connection's MAIL was heard straight behind the DATA before it, with the text between them
/// already taken: what a server sees of it is the order alone.
#[tokio::test]
async fn a_list_goes_out_over_its_connections_without_closing_one() {
    let story = Story::of(200).await;
    let server = FakeSmtp::new().start().await;

    let told = story.tell(vec![link("ovh", &server, 4)]).await;

    let totals = story.judge(&[&server]).await;
    assert_eq!((told.ended.why, totals.accepted), (Why::Done, 200));
    let record = server.record();
    assert_eq!((record.connections, record.begun), (4, 200), "nobody was announced in vain");
    assert_eq!(record.commands["QUIT"], 4);
}

/// Wherever the line breaks, as many are uncertain as without it: those whose message was handed over.
#[tokio::test]
async fn a_break_at_any_phase_costs_no_more_unknowns_than_one_message_at_a_time() {
    let phases = [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Body(0), Phase::Body(200), Phase::FinalDot];
    for phase in phases {
        for fault in [Fault::Close, Fault::Reset, Fault::Die(None)] {
            let mut unknown = Vec::new();
            for build in [link, one_by_one] {
                let story = Story::of(60).await;
                let rule = Rule::at(phase).at_message(20).does(fault.clone());
                let (first, second) =
                    (FakeSmtp::new().rule(rule).start().await, FakeSmtp::new().start().await);

                let told = story.tell(vec![build("ovh", &first, 1), link("relay", &second, 2)]).await;

                let totals = story.judge(&[&first, &second]).await;
                assert_eq!((told.ended.why, totals.pending), (Why::Done, 0), "{phase:?} {fault:?}");
                assert_eq!(totals.accepted + totals.unknown, 60, "{phase:?} {fault:?}");
                unknown.push(totals.unknown);
            }
            assert_eq!(unknown[0], unknown[1], "{phase:?} {fault:?}: with and without");
        }
    }
}

/// A server that says nothing of its limit and leaves after every third message, with the next envelope
/// unread: nobody is uncertain for it, and nobody is left out.
#[tokio::test]
async fn a_server_that_leaves_with_the_next_envelope_unread_makes_nobody_uncertain() {
    let story = Story::of(60).await;
    let leaves = Fault::ReplyThenClose("250 2.0.0 taken".to_owned());
    let server = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).every(3).does(leaves)).start().await;

    let told = story.tell(vec![link("ovh", &server, 2)]).await;

    let totals = story.judge(&[&server]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.unknown), (Why::Done, 60, 0));
}

/// A rate limit in answer to the next envelope is the next recipient's; those before stay accepted.
#[tokio::test]
async fn a_rate_limit_to_the_next_envelope_moves_its_recipient_alone() {
    let story = Story::of(30).await;
    let slow_down = Rule::at(Phase::Mail).from_message(11).replies("421 4.7.0 too many messages, slow down");
    let (first, second) = (FakeSmtp::new().rule(slow_down).start().await, FakeSmtp::new().start().await);

    story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.accepted, first.accepted().len(), second.accepted().len()), (30, 10, 20));
}

/// Whoever waits behind an answer that does not come goes to the next provider with the others.
#[tokio::test]
async fn whoever_waits_behind_a_silent_answer_is_not_held_back() {
    let mut story = Story::of(20).await;
    story.policy.suspect_after = std::time::Duration::from_millis(300);
    let silent = Rule::at(Phase::FinalDot).from_message(5).does(Fault::Silence);
    let (first, second) = (FakeSmtp::new().rule(silent).start().await, FakeSmtp::new().start().await);

    story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((totals.accepted, totals.unknown), (19, 1));
    let uncertain =
        story.deliveries().await.into_iter().find(|one| one.state.to_string() == "unknown").unwrap();
    assert_eq!(uncertain.address.to_string(), address(4));
    assert!(story.journal.attempts(uncertain.id).await.unwrap().len() == 1);
}
