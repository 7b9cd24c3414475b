//! A server is who its certificate says, or nothing is sent.

use std::sync::Arc;

use depeche_core::outcome::{Outcome, Trouble};
use depeche_providers::brevo::BrevoProvider;
use depeche_testkit::conformance::parcel_to;
use depeche_testkit::http::{HttpStub, Says};
use depeche_testkit::tls::TestCa;
use rustls::ServerConfig;

use crate::arrange::{attempt, brevo_config};

async fn through(server: Arc<ServerConfig>, ca: Option<&TestCa>) -> (Outcome, usize) {
    let stub = HttpStub::start_tls(server, |_| Says::json(201, r#"{"messageId":"<a@b>"}"#)).await;
    let mut config = brevo_config(&stub.base_url());
    let file = tempfile::NamedTempFile::new().unwrap();
    if let Some(ca) = ca {
        std::fs::write(file.path(), ca.pem()).unwrap();
        config.http.ca_file = Some(file.path().to_owned());
    }
    let provider = BrevoProvider::new(config, Arc::new(depeche_core::clock::SystemClock)).unwrap();
    let outcome = attempt(&provider, &[parcel_to("ana@journal.example")]).await.remove(0);
    (outcome, stub.seen().len())
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_its_file_is_named() {
    let ca = TestCa::new();

    let (outcome, seen) = through(ca.server(&["localhost"]), Some(&ca)).await;

    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_the_hosts_is_a_matter_of_identity_and_nothing_is_sent() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let table = [
        ("no authority is named", ca.server(&["localhost"]), None),
        ("another authority", ca.server(&["localhost"]), Some(&other)),
        ("another name", ca.server(&["api.example"]), Some(&ca)),
        ("expired", ca.expired_server(&["localhost"]), Some(&ca)),
    ];
    for (name, server, trusted) in table {
        let (outcome, seen) = through(server, trusted).await;

        assert!(
            matches!(&outcome, Outcome::Refused(refusal) if refusal.trouble == Some(Trouble::TlsIdentity)),
            "{name}: {outcome:?}"
        );
        let Outcome::Refused(refusal) = &outcome else { unreachable!() };
        let told = "the certificate of localhost is not valid: ";
        assert!(refusal.reply.contains(told) && !refusal.reply.contains("http"), "{}", refusal.reply);
        assert_eq!(seen, 0, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_proof_that_nothing_was_sent() {
    let stub = HttpStub::saying(Says::Nothing).await;
    let url = stub.base_url().replace("http://", "https://");
    let config = brevo_config(&url);
    let provider = BrevoProvider::new(config, Arc::new(depeche_core::clock::SystemClock)).unwrap();

    let outcome = attempt(&provider, &[parcel_to("ana@journal.example")]).await.remove(0);

    assert!(
        matches!(&outcome, Outcome::Refused(refusal)
        if matches!(refusal.trouble, Some(Trouble::Tls | Trouble::Unreachable))),
        "{outcome:?}"
    );
    assert!(stub.seen().is_empty());
}
