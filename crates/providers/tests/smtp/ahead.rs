//! The next message's MAIL, RCPT and DATA behind the terminator of the one before (RFC 2920), and
//! everything that can go wrong between the two.

use std::time::{Duration, Instant};

use depeche_core::outcome::{Denied, Outcome, Refusal, Trouble};
use depeche_core::provider::{Parcel, Provider};
use depeche_providers::smtp::{SmtpConfig, SmtpProvider};
use depeche_testkit::conformance::{RecordingCommit, parcels_to};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule, RunningSmtp};

use crate::support::{attempt, config, is_accepted, provider, send, wired};

/// An attempt that knows who comes next.
async fn send_before(provider: &SmtpProvider, parcel: &Parcel, next: &Parcel) -> Outcome {
    attempt(provider, parcel, &RecordingCommit::granting().announcing(next.clone())).await
}

/// Waits until the server has seen so many MAIL commands.
async fn until_begun(server: &RunningSmtp, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.record().begun < count {
        assert!(Instant::now() < deadline, "{} messages were begun, not {count}", server.record().begun);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until every connection but `count` is gone.
async fn until_open(server: &RunningSmtp, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.record().open > count {
        assert!(Instant::now() < deadline, "{} connections are open", server.record().open);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn recipients(server: &RunningSmtp) -> Vec<String> {
    server.messages().into_iter().map(|message| message.to[0].clone()).collect()
}

fn to(parcels: &[Parcel]) -> Vec<String> {
    parcels.iter().map(|parcel| parcel.message.to.address.to_string()).collect()
}

fn refusal(outcome: &Outcome) -> &Refusal {
    let Outcome::Refused(refusal) = outcome else { panic!("{outcome:?}") };
    refusal
}

#[tokio::test]
async fn the_next_envelope_is_at_the_server_before_its_attempt_begins_and_is_said_once() {
    let server = FakeSmtp::new().start().await;
    let provider = provider(&server);
    let parcels = parcels_to(3);

    assert!(is_accepted(&send_before(&provider, &parcels[0], &parcels[1]).await));
    until_begun(&server, 2).await;
    assert!(is_accepted(&send_before(&provider, &parcels[1], &parcels[2]).await));
    until_begun(&server, 3).await;
    assert!(is_accepted(&send(&provider, &parcels[2]).await));

    let verbs: Vec<String> = server.record().lines.iter().map(|(_, line)| line[..4].to_owned()).collect();
    let mut expected = vec!["EHLO"];
    expected.extend(["MAIL", "RCPT", "DATA"].repeat(3));
    assert_eq!(verbs, expected);
    assert_eq!((recipients(&server), server.record().connections), (to(&parcels), 1));
    let ids: Vec<String> = server.messages().into_iter().map(|message| message.mail_parameters).collect();
    for (parcel, parameters) in parcels.iter().zip(ids) {
        assert!(parameters.ends_with(&format!("ENVID={}", parcel.attempt)), "{parameters}");
    }
}

/// DELIVERY.md, "Write-ahead journal", 3: after 354 and before the first body byte, with pipelining too.
#[tokio::test]
async fn the_intent_of_the_next_message_is_its_own_and_precedes_its_first_octet() {
    let server = std::sync::Arc::new(FakeSmtp::new().start().await);
    let provider = provider(&server);
    let parcels = parcels_to(2);
    let first = RecordingCommit::granting().announcing(parcels[1].clone());

    assert!(is_accepted(&attempt(&provider, &parcels[0], &first).await));
    assert_eq!(first.intents(), 1);
    until_begun(&server, 2).await;
    let (seen, before) = (std::sync::Arc::clone(&server), server.record().body_bytes);
    let second = RecordingCommit::granting().at_intent(move || {
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(seen.record().body_bytes, before, "an octet went before its intent");
    });
    assert!(is_accepted(&attempt(&provider, &parcels[1], &second).await));
    assert_eq!(second.intents(), 1);
}

#[tokio::test]
async fn nothing_follows_the_last_message_of_a_connection() {
    let server = FakeSmtp::new().start().await;
    let provider = wired(SmtpConfig { per_connection: Some(2), ..config(&server) });
    let parcels = parcels_to(3);

    for pair in parcels.windows(2) {
        assert!(is_accepted(&send_before(&provider, &pair[0], &pair[1]).await));
    }
    assert_eq!(server.record().begun, 2, "the third is for another connection");
    assert!(is_accepted(&send(&provider, &parcels[2]).await));

    let connections: Vec<u64> = server.messages().iter().map(|message| message.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
    assert_eq!(server.record().commands["QUIT"], 1);
}

#[tokio::test]
async fn nobody_is_announced_without_pipelining_or_when_it_is_turned_off() {
    let plain = FakeSmtp::new().without("PIPELINING").start().await;
    let off = FakeSmtp::new().start().await;
    let providers = [provider(&plain), wired(SmtpConfig { pipeline_next: false, ..config(&off) })];
    let parcels = parcels_to(2);
    for (server, provider) in [&plain, &off].into_iter().zip(&providers) {
        assert!(is_accepted(&send_before(provider, &parcels[0], &parcels[1]).await));
        provider.close().await;
        until_open(server, 0).await;
        assert_eq!((server.record().begun, server.record().commands["QUIT"]), (1, 1));
    }
    assert!(!providers[1].announces());
}

/// The answer belongs to whom it is about, and the connection goes on.
#[tokio::test]
async fn a_refused_next_envelope_is_the_next_recipients_alone() {
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data] {
        let limit = Rule::at(phase).at_message(2).replies("450 4.7.1 rate limit");
        let server = FakeSmtp::new().rule(limit).start().await;
        let provider = provider(&server);
        let parcels = parcels_to(3);

        let first = send_before(&provider, &parcels[0], &parcels[1]).await;
        let commit = RecordingCommit::granting().announcing(parcels[2].clone());
        let second = attempt(&provider, &parcels[1], &commit).await;
        let third = send(&provider, &parcels[2]).await;

        assert!(is_accepted(&first) && is_accepted(&third), "{phase:?}: {first:?} {third:?}");
        assert!(refusal(&second).reply.contains("450 4.7.1 rate limit"), "{phase:?}: {second:?}");
        assert_eq!(commit.intents(), 0, "{phase:?}");
        let sent = [parcels[0].clone(), parcels[2].clone()];
        assert_eq!((recipients(&server), server.record().connections), (to(&sent), 1), "{phase:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_one_unknown_and_the_next_goes_by_a_new_connection() {
    for fault in [Fault::Reset, Fault::Close, Fault::Silence] {
        let lost = Rule::at(Phase::FinalDot).at_message(1).does(fault.clone());
        let server = FakeSmtp::new().rule(lost).start().await;
        let provider = provider(&server);
        let parcels = parcels_to(2);

        let first = send_before(&provider, &parcels[0], &parcels[1]).await;
        let second = send(&provider, &parcels[1]).await;

        assert!(matches!(first, Outcome::Unknown(_)), "{fault:?}: {first:?}");
        assert!(is_accepted(&second), "{fault:?}: {second:?}");
        assert_eq!(recipients(&server), to(&parcels), "{fault:?}: each once");
    }
}

/// The server leaves with the next commands unread: what it said before stands, and they go elsewhere.
#[tokio::test]
async fn a_connection_that_ends_between_the_two_costs_neither_of_them() {
    let leaves = [
        Rule::at(Phase::FinalDot).at_message(1).does(Fault::ReplyThenClose("250 2.0.0 taken".to_owned())),
        Rule::at(Phase::Mail).at_message(2).does(Fault::ReplyThenClose("421 4.3.2 closing".to_owned())),
        Rule::at(Phase::Mail).at_message(2).does(Fault::Close),
        Rule::at(Phase::Mail).at_message(2).does(Fault::Reset),
    ];
    for rule in leaves {
        let server = FakeSmtp::new().rule(rule.clone()).start().await;
        let provider = provider(&server);
        let parcels = parcels_to(2);

        let first = send_before(&provider, &parcels[0], &parcels[1]).await;
        let second = send(&provider, &parcels[1]).await;

        assert!(is_accepted(&first) && is_accepted(&second), "{rule:?}: {first:?} {second:?}");
        assert_eq!((recipients(&server), server.record().connections), (to(&parcels), 2), "{rule:?}");
    }
}

/// After 354 there is no taking back but to close: QUIT, RSET and another MAIL would be text.
#[tokio::test]
async fn a_change_of_mind_closes_the_connection_without_a_further_byte() {
    let server = FakeSmtp::new().start().await;
    let provider = provider(&server);
    let parcels = parcels_to(3);

    assert!(is_accepted(&send_before(&provider, &parcels[0], &parcels[1]).await));
    until_begun(&server, 2).await;
    let bytes = server.record().body_bytes;
    assert!(is_accepted(&send(&provider, &parcels[2]).await));

    let sent = [parcels[0].clone(), parcels[2].clone()];
    assert_eq!((recipients(&server), server.record().connections), (to(&sent), 2));
    let third = server.messages()[1].bytes.len() as u64;
    assert!(server.record().body_bytes - bytes <= third + 64, "nothing was added to the announced message");
    assert!(!server.record().commands.contains_key("QUIT"));
    until_open(&server, 1).await;
}

#[tokio::test]
async fn closing_with_a_next_envelope_standing_sends_nothing() {
    let server = FakeSmtp::new().start().await;
    let provider = provider(&server);
    let parcels = parcels_to(2);

    assert!(is_accepted(&send_before(&provider, &parcels[0], &parcels[1]).await));
    until_begun(&server, 2).await;
    let bytes = server.record().body_bytes;
    provider.close().await;

    until_open(&server, 0).await;
    assert_eq!((recipients(&server), server.record().body_bytes), (to(&parcels[..1]), bytes));
    assert!(!server.record().commands.contains_key("QUIT"));
}

#[tokio::test]
async fn a_denied_intent_of_the_next_message_closes_the_connection() {
    let server = FakeSmtp::new().start().await;
    let provider = provider(&server);
    let parcels = parcels_to(2);

    assert!(is_accepted(&send_before(&provider, &parcels[0], &parcels[1]).await));
    let denied = attempt(&provider, &parcels[1], &RecordingCommit::denying(Denied::Cancelled)).await;

    assert!(matches!(denied, Outcome::NotStarted(Denied::Cancelled)), "{denied:?}");
    until_open(&server, 0).await;
    assert_eq!(recipients(&server), to(&parcels[..1]));
}

/// One answer too many shifts all later ones: 250 comes to DATA, which is a fault, and nothing is sent.
#[tokio::test]
async fn answers_shifted_by_one_never_let_a_message_through() {
    let shifted =
        Rule::at(Phase::FinalDot).at_message(1).does(Fault::FollowedBy("250 2.0.0 and\r\n".to_owned()));
    let server = FakeSmtp::new().rule(shifted).start().await;
    let provider = provider(&server);
    let parcels = parcels_to(2);

    let first = send_before(&provider, &parcels[0], &parcels[1]).await;
    let commit = RecordingCommit::granting();
    let second = attempt(&provider, &parcels[1], &commit).await;

    assert!(is_accepted(&first), "{first:?}");
    assert_eq!(refusal(&second).trouble, Some(Trouble::Fault), "{second:?}");
    assert_eq!((commit.intents(), recipients(&server)), (0, to(&parcels[..1])));
    assert!(is_accepted(&send(&provider, &parcels[1]).await), "on a new connection");
}
