//! What depeche signs, `message verify` verifies; what somebody changed, it does not.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::Project;
use depeche_testkit::smtp::FakeSmtp;

/// A project that signs with a new key, and the zone in which the key is published.
fn signing_project() -> (Project, String) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let public = STANDARD.encode(pair.public_key().as_ref());
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pkcs8.as_ref())
    );
    let signs = "dkim = { domain = \"exemple.fr\", selector = \"s1\", key = { file = \"dkim.pem\" } }";
    let project = Project::with(vec![FakeSmtp::new()], 2, signs, "");
    project.write("dkim.pem", &pem);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(project.path().join("dkim.pem"), mode).unwrap();
    }
    let zone = format!(
        "$ORIGIN exemple.fr.\n@ 300 IN TXT \"v=spf1 ip4:192.0.2.7 -all\"\n\
         _dmarc 300 IN TXT \"v=DMARC1; p=reject\"\ns1._domainkey 300 IN TXT \"v=DKIM1; k=ed25519; p={public}\"\n"
    );
    project.write("exemple.fr.zone", &zone);
    (project, zone)
}

#[test]
fn what_is_signed_is_verified_and_what_was_changed_is_not() {
    let (project, _) = signing_project();
    let said = project.send(2, &[]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    let message = project.servers[0].messages()[0].bytes.clone();
    std::fs::write(project.path().join("received.eml"), &message).unwrap();
    let text = String::from_utf8(message).unwrap();
    project.write("changed.eml", &text.replacen("Subject: ", "Subject: =?utf-8?Q?Faux_?= ", 1));
    let words = ["--zone", "exemple.fr.zone", "--json", "--ip", "192.0.2.7", "--helo", "relay.example"];

    let good = project.run(&[&["message", "verify", "received.eml"], &words[..]].concat());
    let bad = project.run(&[&["message", "verify", "changed.eml"], &words[..]].concat());

    assert_eq!(good.exit, Some(0), "{good:?}");
    let document = good.document();
    assert_eq!(document["from"], "exemple.fr");
    assert_eq!(document["dkim"][0]["result"], "pass", "{document:#}");
    assert_eq!(
        (&document["dkim"][0]["domain"], &document["dkim"][0]["selector"]),
        (&"exemple.fr".into(), &"s1".into())
    );
    assert_eq!(document["dmarc"]["result"], "pass");
    assert!(document["dmarc"]["aligned_by"].as_array().unwrap().contains(&"dkim".into()));
    let line = document["authentication_results"].as_str().unwrap();
    assert!(line.contains("dkim=pass") && line.contains("dmarc=pass"), "{line}");
    assert_eq!(bad.document()["dkim"][0]["result"], "fail", "{bad:?}");
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_cure() {
    let (project, _) = signing_project();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(project.path().join("dkim.pem"), mode).unwrap();
        let said = project.send(2, &[]);
        assert_eq!(said.exit, Some(2), "{said:?}");
        assert!(said.stdout.contains("chmod 600"), "{said:?}");
    }
    project.write("dkim.pem", "not a key");
    assert_eq!(project.run(&["config", "check", "--json"]).exit, Some(2));
    assert!(project.servers[0].messages().is_empty());
}
