//! DKIM from the outside: the example of RFC 8463, and messages that another implementation signs.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::dkim::{DkimResult, Source, verify};
use depeche_domain::dns::zone::Zone;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner};

/// RFC 8463, appendix A: the keys, and the message with both signatures.
const ZONE: &str = "brisbane._domainkey TXT \"v=DKIM1; k=ed25519; \" \"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
test._domainkey TXT \"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR\" \"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC\" \"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3\" \"Ip3G+2kryOTIKT+l/K4w3QIDAQAB\"
";
const MESSAGE: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

async fn verdicts(zone: &str, message: &str, now: u64) -> Vec<(DkimResult, String)> {
    let zone = Zone::parse(zone, "football.example.com").unwrap();
    let verdicts = verify(&zone, &Source::parse(message.as_bytes()), now).await;
    verdicts.into_iter().map(|verdict| (verdict.result, verdict.reason.en)).collect()
}

#[tokio::test]
async fn both_signatures_of_rfc_8463_pass() {
    for (result, reason) in verdicts(ZONE, MESSAGE, 1_528_637_909).await {
        assert_eq!(result, DkimResult::Pass, "{reason}");
    }
}

#[tokio::test]
async fn every_way_to_fail_has_its_own_reason() {
    let cases = [
        (ZONE.to_owned(), MESSAGE.replace("hungry", "thirsty"), DkimResult::Fail, "the body was changed"),
        (
            ZONE.to_owned(),
            MESSAGE.replace("Is dinner", "Was dinner"),
            DkimResult::Fail,
            "a signed header was",
        ),
        (
            ZONE.to_owned(),
            MESSAGE.replace("From: Joe", "From: <mallory@evil.example>\nFrom: Joe"),
            // `h=` names From twice, so that a second one breaks the signature.
            DkimResult::Fail,
            "a signed header was",
        ),
        (ZONE.replace("p=", "p=; n="), MESSAGE.to_owned(), DkimResult::Permerror, "`p=` is empty"),
        ("@ TXT \"none\"\n".to_owned(), MESSAGE.to_owned(), DkimResult::Permerror, "there is no key"),
        (
            ZONE.to_owned(),
            MESSAGE.replace("t=1528637909;", "t=1528637909; x=1528637910;"),
            DkimResult::Fail,
            "it has expired",
        ),
        (ZONE.to_owned(), MESSAGE.replace("rsa-sha256", "rsa-sha1"), DkimResult::Policy, "it uses sha1"),
    ];
    for (zone, message, result, reason) in cases {
        let seen = verdicts(&zone, &message, 1_600_000_000).await;
        let expected = |(seen, why): &(DkimResult, String)| *seen == result && why.starts_with(reason);
        assert!(seen.iter().any(expected), "{reason}: {seen:?}");
        assert!(!seen.iter().all(|(result, _)| *result == DkimResult::Pass));
    }
}

#[tokio::test]
async fn what_is_outside_the_zone_is_a_temporary_error_and_never_missing() {
    let zone = Zone::parse("@ TXT \"x\"\n", "elsewhere.example").unwrap();
    for verdict in verify(&zone, &Source::parse(MESSAGE.as_bytes()), 0).await {
        assert_eq!(verdict.result, DkimResult::Temperror);
    }
}

/// mail-auth signs, we verify, over bodies that its own verifier and others trip over.
#[tokio::test]
async fn what_mail_auth_signs_we_verify() {
    let pkcs8 = Ed25519Key::generate_pkcs8().unwrap();
    let public = Ed25519Key::from_pkcs8_der(&pkcs8).unwrap().public_key();
    let zone = format!("s1._domainkey TXT \"v=DKIM1; k=ed25519; p={}\"\n", base64(&public));
    let bodies = ["", "\r\n", "one line\r\n", "no end", "a  b\t c \r\n\r\n\r\n", "\r\n\r\nlate\r\n"];
    let ways = [Canonicalization::Relaxed, Canonicalization::Simple];
    for (body, way) in bodies.iter().flat_map(|body| ways.iter().map(move |way| (body, *way))) {
        let message = format!("From: a@football.example.com\r\nSubject:  two  words\r\n again\r\n\r\n{body}");
        let signature = DkimSigner::from_key(Ed25519Key::from_pkcs8_der(&pkcs8).unwrap())
            .domain("football.example.com")
            .selector("s1")
            .headers(["From", "Subject", "List-Unsubscribe"])
            .header_canonicalization(way)
            .body_canonicalization(way)
            .sign(message.as_bytes())
            .unwrap()
            .to_header();
        let seen = verdicts(&zone, &format!("{signature}{message}"), 0).await;
        assert_eq!(seen, [(DkimResult::Pass, String::new())], "{body:?} {way:?}");
    }
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}
