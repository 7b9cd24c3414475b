//! What goes over the wire when all is well, and how connections are kept.

use std::time::Duration;

use depeche_core::outcome::{Blame, Denied, Outcome, Trouble};
use depeche_core::provider::{Parcel, Provider};
use depeche_providers::smtp::{SmtpConfig, SmtpProvider};
use depeche_testkit::conformance::{RecordingCommit, message_to, parcel_to, parcels_to};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

use crate::support::{attempt, config, is_accepted, login, provider, send, wired};

#[tokio::test]
async fn a_message_arrives_byte_for_byte_with_its_dots() {
    let server = FakeSmtp::new().start().await;

    let outcome = send(&provider(&server), &parcel_to("ana@journal.example")).await;

    let Outcome::Accepted(receipt) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(receipt.provider_id.as_deref(), Some("F000001"));
    let received = server.messages().remove(0);
    assert_eq!(received.bytes, message_to("ana@journal.example").mime.to_vec());
    assert_eq!(received.to, ["ana@journal.example"]);
    assert_eq!(received.from, "presse@exemple.fr");
}

#[tokio::test]
async fn pipelined_or_not_the_dialogue_is_the_same() {
    for server in [FakeSmtp::new(), FakeSmtp::new().without("PIPELINING")] {
        let server = server.start().await;
        let provider = provider(&server);
        for parcel in parcels_to(3) {
            assert!(is_accepted(&send(&provider, &parcel).await));
        }

        let verbs: Vec<String> = server.record().lines.iter().map(|(_, line)| line[..4].to_owned()).collect();
        let mut expected = vec!["EHLO"];
        expected.extend(["MAIL", "RCPT", "DATA"].repeat(3));
        assert_eq!(verbs, expected, "no NOOP, no RSET, one connection");
    }
}

#[tokio::test]
async fn the_parameters_are_those_that_the_server_offers() {
    let rich = FakeSmtp::new().start().await;
    let poor = FakeSmtp::new().without("SIZE").without("DSN").start().await;
    let parcel = parcel_to("ana+presse@journal.example");

    assert!(is_accepted(&send(&provider(&rich), &parcel).await));
    assert!(is_accepted(&send(&provider(&poor), &parcel).await));

    let size = parcel.message.mime.size_bytes();
    let rich = rich.messages().remove(0);
    assert_eq!(rich.mail_parameters, format!("SIZE={size} RET=HDRS ENVID={}", parcel.attempt));
    // RFC 3461, section 4: `+` is written +2B in xtext.
    assert_eq!(rich.rcpt_parameters, "NOTIFY=FAILURE,DELAY ORCPT=rfc822;ana+2Bpresse@journal.example");
    let poor = poor.messages().remove(0);
    assert_eq!((poor.mail_parameters.as_str(), poor.rcpt_parameters.as_str()), ("", ""));
}

/// Variable envelope return path: a bounce names the attempt by the address that it comes to.
#[tokio::test]
async fn each_attempt_has_an_envelope_sender_of_its_own_where_the_provider_asks_for_it() {
    for server in [FakeSmtp::new(), FakeSmtp::new().without("PIPELINING")] {
        let server = server.start().await;
        let envelope_from = Some("rebonds+{verp}@exemple.fr".parse().unwrap());
        let provider = SmtpProvider::new(SmtpConfig { envelope_from, ..config(&server) }).unwrap();
        let parcels = parcels_to(2);

        for parcel in &parcels {
            assert!(is_accepted(&send(&provider, parcel).await));
        }

        let senders: Vec<String> = server.messages().into_iter().map(|message| message.from).collect();
        let expected = |parcel: &Parcel| format!("rebonds+{}@exemple.fr", parcel.attempt.simple());
        assert_eq!(senders, parcels.iter().map(expected).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_international_local_part_goes_with_smtputf8_or_not_at_all() {
    let able = FakeSmtp::new().start().await;
    let unable = FakeSmtp::new().without("SMTPUTF8").start().await;
    let parcel = parcel_to("jos\u{e9}@journal.example");

    assert!(is_accepted(&send(&provider(&able), &parcel).await));
    let refused = send(&provider(&unable), &parcel).await;

    assert!(able.messages()[0].mail_parameters.contains("BODY=8BITMIME SMTPUTF8"));
    assert_eq!(able.messages()[0].to, ["jos\u{e9}@journal.example"]);
    assert!(matches!(&refused, Outcome::Refused(r) if r.blames == Blame::Message), "{refused:?}");
    assert_eq!(unable.record().begun, 0);
}

#[tokio::test]
async fn a_message_over_the_stated_size_is_not_even_begun() {
    let server = FakeSmtp::new().without("SIZE").offering("SIZE 100").start().await;

    let outcome = send(&provider(&server), &parcel_to("ana@journal.example")).await;

    assert!(matches!(&outcome, Outcome::Refused(r) if r.blames == Blame::Message), "{outcome:?}");
    assert_eq!(server.record().begun, 0);
}

#[tokio::test]
async fn both_logins_work_and_a_wrong_password_is_credentials() {
    for mechanisms in ["PLAIN LOGIN", "PLAIN", "LOGIN"] {
        let server = FakeSmtp::new().login_by(mechanisms, "presse", "tr3s secret").start().await;
        let right = SmtpConfig { credentials: login("presse", "tr3s secret"), ..config(&server) };
        let wrong = SmtpConfig { credentials: login("presse", "other"), ..config(&server) };
        let parcel = parcel_to("ana@journal.example");

        assert!(is_accepted(&send(&SmtpProvider::new(right).unwrap(), &parcel).await), "{mechanisms}");
        let refused = send(&SmtpProvider::new(wrong).unwrap(), &parcel).await;
        assert!(
            matches!(&refused, Outcome::Refused(r) if r.trouble == Some(Trouble::Credentials)),
            "{mechanisms}: {refused:?}"
        );
    }
}

/// "No secret in any output, log or journal": a reply is all three.
#[tokio::test]
async fn a_server_that_repeats_the_login_does_not_put_it_into_the_outcome() {
    // base64 of NUL presse NUL tr3s-secret, and of tr3s-secret.
    for echo in ["AHByZXNzZQB0cjNzLXNlY3JldA==", "dHIzcy1zZWNyZXQ=", "tr3s-secret"] {
        let reply = format!("500 5.5.2 unrecognized: AUTH PLAIN {echo}");
        let server =
            FakeSmtp::new().login("presse", "x").rule(Rule::at(Phase::Auth).replies(&reply)).start().await;
        let provider = wired(SmtpConfig { credentials: login("presse", "tr3s-secret"), ..config(&server) });

        let outcome = format!("{:?}", send(&provider, &parcel_to("ana@journal.example")).await);

        assert!(outcome.contains("unrecognized") && !outcome.contains(echo), "{outcome}");
    }
}

#[tokio::test]
async fn a_server_without_a_login_that_we_know_is_credentials() {
    let server = FakeSmtp::new().login_by("CRAM-MD5", "presse", "x").start().await;
    let config = SmtpConfig { credentials: login("presse", "x"), ..config(&server) };

    let refused = send(&SmtpProvider::new(config).unwrap(), &parcel_to("ana@journal.example")).await;

    assert!(
        matches!(&refused, Outcome::Refused(r) if r.trouble == Some(Trouble::Credentials)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn after_so_many_messages_the_connection_is_left_with_quit() {
    let server = FakeSmtp::new().start().await;
    let provider = SmtpProvider::new(SmtpConfig { per_connection: Some(2), ..config(&server) }).unwrap();

    for parcel in parcels_to(5) {
        assert!(is_accepted(&send(&provider, &parcel).await));
    }
    provider.close().await;

    let record = server.record();
    let by: Vec<u64> = record.messages.iter().map(|message| message.connection).collect();
    assert_eq!(by, [1, 1, 2, 2, 3]);
    assert_eq!(record.commands["QUIT"], 3);
    assert_eq!(record.most_open, 1);
}

#[tokio::test]
async fn a_connection_that_idled_too_long_is_left_and_not_used() {
    let server = FakeSmtp::new().start().await;
    let idle = Duration::from_millis(50);
    let provider = SmtpProvider::new(SmtpConfig { idle, ..config(&server) }).unwrap();
    let parcels = parcels_to(2);

    assert!(is_accepted(&send(&provider, &parcels[0]).await));
    tokio::time::sleep(idle * 2).await;
    assert!(is_accepted(&send(&provider, &parcels[1]).await));

    assert_eq!(server.record().connections, 2);
    assert_eq!(server.record().commands["QUIT"], 1);
}

/// A kept connection that died is not the recipient's misfortune, nor the provider's failure.
#[tokio::test]
async fn a_kept_connection_found_dead_is_opened_again_within_the_attempt() {
    for fault in [Fault::Close, Fault::Reset, Fault::ReplyThenClose("421 4.4.2 idle for too long".to_owned())]
    {
        let rule = Rule::at(Phase::Mail).at_message(2).does(fault.clone()).once();
        let server = FakeSmtp::new().rule(rule).start().await;
        let provider = provider(&server);
        let parcels = parcels_to(2);
        assert!(is_accepted(&send(&provider, &parcels[0]).await));
        let commit = RecordingCommit::granting();

        let outcome = attempt(&provider, &parcels[1], &commit).await;

        assert!(is_accepted(&outcome), "{fault:?}: {outcome:?}");
        assert_eq!(commit.intents(), 1);
        assert_eq!(server.record().connections, 2);
        assert_eq!(server.accepted().len(), 2);
    }
}

#[tokio::test]
async fn a_kept_connection_that_is_told_off_is_not_opened_again() {
    let fault = Fault::ReplyThenClose("421 4.7.0 too many errors".to_owned());
    let server = FakeSmtp::new().rule(Rule::at(Phase::Mail).at_message(2).does(fault)).start().await;
    let provider = provider(&server);
    let parcels = parcels_to(2);
    assert!(is_accepted(&send(&provider, &parcels[0]).await));

    let outcome = send(&provider, &parcels[1]).await;

    assert!(matches!(&outcome, Outcome::Refused(r) if r.trouble == Some(Trouble::Throttled)), "{outcome:?}");
    assert_eq!(server.record().connections, 1);
}

#[tokio::test]
async fn a_kept_connection_that_died_for_good_is_the_providers_failure() {
    let server = FakeSmtp::new().start().await;
    let provider = provider(&server);
    let parcels = parcels_to(2);
    assert!(is_accepted(&send(&provider, &parcels[0]).await));
    server.die();

    let outcome = send(&provider, &parcels[1]).await;

    assert!(
        matches!(&outcome, Outcome::Refused(r) if r.trouble == Some(Trouble::Unreachable)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_connection_fit_for_the_next() {
    for server in [FakeSmtp::new(), FakeSmtp::new().without("PIPELINING")] {
        let rule =
            Rule::at(Phase::Rcpt).for_recipient("bad@journal.example").replies("550 5.1.1 no such user");
        let server = server.rule(rule).start().await;
        let provider = provider(&server);

        let bad = send(&provider, &parcel_to("bad@journal.example")).await;
        let good = send(&provider, &parcel_to("good@journal.example")).await;

        assert!(matches!(&bad, Outcome::Refused(r) if r.bad_address), "{bad:?}");
        assert!(is_accepted(&good), "{good:?}");
        assert_eq!(server.record().connections, 1);
        assert_eq!(server.record().commands["RSET"], 1);
    }
}

/// RFC 2920: the pipelined DATA is answered 354 although the recipient was refused.
#[tokio::test]
async fn a_refused_recipient_with_354_behind_it_closes_without_an_intent() {
    let server = FakeSmtp::new()
        .rule(Rule::at(Phase::Rcpt).replies("550 5.1.1 no such user"))
        .rule(Rule::at(Phase::Data).replies("354 go ahead all the same"))
        .start()
        .await;
    let provider = provider(&server);
    let commit = RecordingCommit::granting();

    let outcome = attempt(&provider, &parcel_to("bad@journal.example"), &commit).await;
    provider.close().await;

    assert!(matches!(&outcome, Outcome::Refused(r) if r.bad_address), "{outcome:?}");
    assert_eq!(commit.intents(), 0);
    assert_eq!((server.messages().len(), server.record().body_bytes), (0, 0));
}

#[tokio::test]
async fn the_intent_comes_after_354_and_before_the_first_body_byte() {
    let server = std::sync::Arc::new(FakeSmtp::new().start().await);
    let watched = std::sync::Arc::clone(&server);
    let commit = RecordingCommit::granting().at_intent(move || {
        let record = watched.record();
        assert_eq!(record.commands["DATA"], 1, "354 was read");
        assert_eq!(record.body_bytes, 0);
    });

    let outcome = attempt(&provider(&server), &parcel_to("ana@journal.example"), &commit).await;

    assert!(is_accepted(&outcome));
    assert_eq!((commit.intents(), commit.digests()), (1, vec![None]));
    // Greeting, EHLO, MAIL, RCPT, DATA, dot.
    assert_eq!(commit.heard_count(), 6);
}

#[tokio::test]
async fn a_denied_intent_closes_the_line_and_nothing_was_handed_over() {
    let server = FakeSmtp::new().start().await;
    let provider = provider(&server);
    for denied in
        [Denied::Cancelled, Denied::Interrupted, Denied::JournalFailed { reason: "disk full".to_owned() }]
    {
        let commit = RecordingCommit::denying(denied.clone());

        let outcome = attempt(&provider, &parcel_to("ana@journal.example"), &commit).await;

        assert_eq!(outcome, Outcome::NotStarted(denied));
        assert_eq!((server.messages().len(), server.record().body_bytes), (0, 0));
    }
    // Each of them left its connection.
    assert_eq!(server.record().connections, 3);
}

#[tokio::test]
async fn a_dropped_attempt_closes_its_connection_and_the_lane_goes_on() {
    let server =
        FakeSmtp::new().rule(Rule::at(Phase::FinalDot).at_message(1).does(Fault::Silence)).start().await;
    let provider = provider(&server);
    let parcels = parcels_to(2);
    let commit = RecordingCommit::granting();
    {
        let first = provider.attempt(0, &parcels[..1], &commit);
        tokio::select! {
            outcomes = first => panic!("{outcomes:?}"),
            () = wait_for(|| !server.messages().is_empty()) => {}
        }
    }

    assert!(is_accepted(&send(&provider, &parcels[1]).await));

    assert_eq!(server.record().connections, 2);
    wait_for(|| server.record().open == 1).await;
}

#[tokio::test]
async fn lanes_have_connections_of_their_own() {
    let server = FakeSmtp::new().start().await;
    let provider = SmtpProvider::new(SmtpConfig { connections: 4, ..config(&server) }).unwrap();
    let parcels = parcels_to(8);
    let commit = RecordingCommit::granting();

    for pair in parcels.chunks(4) {
        let outcomes = futures_util::future::join_all(
            pair.iter()
                .enumerate()
                .map(|(lane, parcel)| provider.attempt(lane, std::slice::from_ref(parcel), &commit)),
        );
        assert!(outcomes.await.iter().flatten().all(is_accepted));
    }

    assert_eq!(server.record().connections, 4);
    assert_eq!(server.accepted().len(), 8);
}

#[tokio::test]
async fn a_blocked_source_address_is_benched_and_the_other_goes_on() {
    let block = "550 5.7.1 part of their network is on our block list (S3150)";
    let rule = Rule::at(Phase::Rcpt).at_message(1).replies(block);
    let server = FakeSmtp::new().rule(rule).start().await;
    let bind = vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
    let provider =
        SmtpProvider::new(SmtpConfig { bind, per_connection: Some(1), ..config(&server) }).unwrap();
    let parcels = parcels_to(4);

    let first = send(&provider, &parcels[0]).await;
    let rest = [
        send(&provider, &parcels[1]).await,
        send(&provider, &parcels[2]).await,
        send(&provider, &parcels[3]).await,
    ];

    assert!(matches!(&first, Outcome::Refused(r) if r.trouble == Some(Trouble::Fault)), "{first:?}");
    assert!(rest.iter().all(is_accepted), "{rest:?}");
    let hosts: Vec<String> = server
        .record()
        .lines
        .iter()
        .filter_map(|(_, line)| line.strip_prefix("EHLO ").map(str::to_owned))
        .collect();
    // The kept connection of the blocked address carries no more: the next ones come from the other.
    assert_eq!(hosts, ["[127.0.0.1]", "[127.0.0.2]", "[127.0.0.2]", "[127.0.0.2]"]);
}

#[tokio::test]
async fn a_message_with_a_bare_line_break_never_reaches_the_wire() {
    let server = FakeSmtp::new().start().await;
    let mut parcel = parcel_to("ana@journal.example");
    let mut message = (*parcel.message).clone();
    message.mime.segments.push(bytes::Bytes::from_static(b"smuggled\n.\nMAIL FROM:<x@y.example>\r\n"));
    parcel.message = std::sync::Arc::new(message);

    let outcome = send(&provider(&server), &parcel).await;

    assert!(matches!(&outcome, Outcome::Refused(r) if r.blames == Blame::Message), "{outcome:?}");
    assert_eq!(server.record().connections, 0);
}

#[tokio::test]
async fn a_login_shows_what_the_server_offers_and_sends_nothing() {
    let server = FakeSmtp::new().without("DSN").login("presse", "x").start().await;
    let config = SmtpConfig {
        credentials: login("presse", "x"),
        envelope_from: Some("rebonds@exemple.fr".parse().unwrap()),
        ..config(&server)
    };

    let login = SmtpProvider::new(config).unwrap().login().await.unwrap();

    let fact = |name: &str| login.facts.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(fact("login"), Some("presse"));
    assert_eq!(fact("largest message"), Some("35651584 octets"));
    assert!(fact("offers").unwrap().contains("PIPELINING"));
    assert!(login.warnings.iter().any(|warning| warning.starts_with("no DSN")));
    assert!(!server.record().commands.contains_key("RCPT"));
    assert_eq!(server.record().commands["QUIT"], 1);
}

async fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to pass within 5 s");
}
