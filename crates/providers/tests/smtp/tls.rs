//! TLS: implicit by default, STARTTLS demanded, certificates checked.

use depeche_core::outcome::{Outcome, Persistence, Trouble};
use depeche_providers::smtp::{SmtpConfig, SmtpConfigError, SmtpProvider, Tls};
use depeche_testkit::conformance::parcel_to;
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, RunningSmtp, TlsMode};
use depeche_testkit::tls::TestCa;

use crate::support::{ca_file, config, is_accepted, login, send, wired};

#[tokio::test]
async fn implicit_tls_and_starttls_deliver_with_the_login_inside() {
    let ca = TestCa::new();
    let file = ca_file(&ca);
    for tls in [Tls::Implicit, Tls::StartTls] {
        let identity = ca.server(&["127.0.0.1"]);
        let mode =
            if tls == Tls::Implicit { TlsMode::Implicit(identity) } else { TlsMode::StartTls(identity) };
        let server = FakeSmtp::new().tls(mode).login("presse", "secret").start().await;
        let provider = wired(SmtpConfig {
            tls,
            ca_file: Some(file.path().to_owned()),
            credentials: login("presse", "secret"),
            ..config(&server)
        });

        for number in 1..=3 {
            let outcome = send(&provider, &parcel_to(&format!("ana{number}@journal.example"))).await;
            assert!(is_accepted(&outcome), "{tls:?}: {outcome:?}");
        }

        assert_eq!(server.record().connections, 1);
        let greetings = server.record().commands["EHLO"];
        assert_eq!(greetings, if tls == Tls::StartTls { 2 } else { 1 }, "RFC 3207: EHLO again");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_the_hosts_stops_everything_at_once() {
    let ca = TestCa::new();
    let stranger = TestCa::new();
    let file = ca_file(&ca);
    let identities = [
        ("another host", ca.server(&["mail.example"])),
        ("expired", ca.expired_server(&["127.0.0.1"])),
        ("an unknown CA", stranger.server(&["127.0.0.1"])),
    ];
    for (what, identity) in identities {
        let server = FakeSmtp::new().tls(TlsMode::Implicit(identity)).start().await;

        let outcome = send_tls(&server, Tls::Implicit, file.path()).await;

        let Outcome::Refused(refusal) = &outcome else { panic!("{what}: {outcome:?}") };
        assert_eq!(refusal.trouble, Some(Trouble::TlsIdentity), "{what}: {refusal:?}");
        assert_eq!(refusal.persistence, Persistence::Permanent);
        assert!(server.record().lines.is_empty(), "{what}: nothing was said");
    }
}

#[tokio::test]
async fn a_server_that_shows_its_authoritys_certificate_is_told_what_to_do() {
    let ca = TestCa::new();
    let file = ca_file(&ca);
    let server = FakeSmtp::new().tls(TlsMode::Implicit(ca.itself_as_server())).start().await;

    let outcome = send_tls(&server, Tls::Implicit, file.path()).await;

    let Outcome::Refused(refusal) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.trouble, Some(Trouble::TlsIdentity));
    let cure = "it is an authority's own certificate; let that authority issue one for the server's name";
    assert!(refusal.reply.ends_with(cure), "{}", refusal.reply);
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_login_nor_message() {
    let server = FakeSmtp::new().login("presse", "secret").start().await;
    let file = ca_file(&TestCa::new());
    let provider = wired(SmtpConfig {
        tls: Tls::StartTls,
        ca_file: Some(file.path().to_owned()),
        credentials: login("presse", "secret"),
        ..config(&server)
    });

    let outcome = send(&provider, &parcel_to("ana@journal.example")).await;

    assert!(matches!(&outcome, Outcome::Refused(r) if r.trouble == Some(Trouble::Tls)), "{outcome:?}");
    let verbs: Vec<String> = server.record().commands.into_keys().collect();
    assert_eq!(verbs, ["EHLO"]);
}

/// CVE-2011-0411: what stands behind the 220 would be read as if it had come under TLS.
#[tokio::test]
async fn bytes_behind_the_starttls_reply_end_the_connection() {
    let ca = TestCa::new();
    let file = ca_file(&ca);
    let injected = Fault::FollowedBy("250-evil\r\n250 AUTH PLAIN\r\n".to_owned());
    let server = FakeSmtp::new()
        .tls(TlsMode::StartTls(ca.server(&["127.0.0.1"])))
        .failing(Phase::StartTls, injected)
        .start()
        .await;

    let outcome = send_tls(&server, Tls::StartTls, file.path()).await;

    let Outcome::Refused(refusal) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.trouble, Some(Trouble::Fault), "{refusal:?}");
    assert!(refusal.reply.contains("out of turn"), "{refusal:?}");
    assert_eq!(server.record().commands["EHLO"], 1);
}

/// Most connections end without TLS's close_notify; after the dot that is a lost line all the same.
#[tokio::test]
async fn a_line_lost_after_the_dot_under_tls_is_unknown() {
    let ca = TestCa::new();
    let file = ca_file(&ca);
    for fault in [Fault::Close, Fault::Reset, Fault::Silence] {
        let server = FakeSmtp::new()
            .tls(TlsMode::Implicit(ca.server(&["127.0.0.1"])))
            .failing(Phase::FinalDot, fault.clone())
            .start()
            .await;

        let outcome = send_tls(&server, Tls::Implicit, file.path()).await;

        assert!(matches!(outcome, Outcome::Unknown(_)), "{fault:?}: {outcome:?}");
        assert_eq!(server.messages().len(), 1);
    }
}

#[tokio::test]
async fn a_ca_file_without_a_certificate_is_named() {
    let server = FakeSmtp::new().start().await;
    let empty = tempfile::NamedTempFile::new().unwrap();
    let with = |ca_file| SmtpConfig { tls: Tls::Implicit, ca_file: Some(ca_file), ..config(&server) };

    let empty = SmtpProvider::new(with(empty.path().to_owned())).err().unwrap();
    let absent = SmtpProvider::new(with("/nonexistent/ca.pem".into())).err().unwrap();

    assert!(matches!(empty, SmtpConfigError::CaFileEmpty(_)), "{empty}");
    assert!(absent.to_string().contains("/nonexistent/ca.pem"), "{absent}");
    assert!(!absent.hint().is_empty());
}

async fn send_tls(server: &RunningSmtp, tls: Tls, ca_file: &std::path::Path) -> Outcome {
    let provider = wired(SmtpConfig { tls, ca_file: Some(ca_file.to_owned()), ..config(server) });
    send(&provider, &parcel_to("ana@journal.example")).await
}
