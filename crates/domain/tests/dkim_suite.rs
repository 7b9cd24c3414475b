//! The DKIM keys and messages of dkimpy, mailauth and mail-auth: each verdict as its name and origin say.

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use depeche_domain::dkim::{DkimResult, KeyIssueKind, KeyRecord, Source, verify};
use depeche_domain::dns::recorded::Recorded;
use depeche_domain::dns::{Answer, Data, Record, RecordType, Status};

mod common;

/// 7 November 2022: when the messages of mail-auth's suite were fresh.
const THEN: u64 = 1_667_843_664;

/// The keys of RFC 8463, appendix A.2, which most of these messages use.
const BRISBANE: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn read(path: &str) -> Option<Vec<u8>> {
    common::suite(path).map(|file| std::fs::read(file).unwrap())
}

/// What is not among the keys does not exist.
fn dns(keys: &[(&str, &str)], message: &Source) -> Recorded {
    let mut dns = Recorded::default();
    for field in message.named("DKIM-Signature") {
        let value = field.value();
        let tag = |name: &str| {
            let mut tags = value.split(';').filter_map(|tag| tag.split_once('='));
            let found = tags.rfind(|(key, _)| key.trim() == name);
            found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let name = format!("{}._domainkey.{}", tag("s"), tag("d"));
        dns.insert(&name, RecordType::Txt, Answer::without_records(Status::NxDomain));
    }
    for (name, text) in keys {
        let record = Record { data: Data::Txt(vec![text.as_bytes().to_vec()]), ttl: 60 };
        dns.insert(name, RecordType::Txt, Answer::of(vec![record]));
    }
    dns
}

async fn results(message: &[u8], keys: &[(&str, &str)]) -> Vec<(DkimResult, String)> {
    let message = Source::parse(message);
    let verdicts = verify(&dns(keys, &message), &message, THEN).await;
    verdicts.into_iter().map(|verdict| (verdict.result, verdict.reason.en)).collect()
}

fn words(results: &[(DkimResult, String)]) -> Vec<DkimResult> {
    results.iter().map(|(result, _)| *result).collect()
}

#[tokio::test]
async fn the_messages_of_mail_auth_pass_and_fail_once_changed() {
    let mut counted = 0;
    for number in 1..=6 {
        let Some(file) = read(&format!("dkim/mail-auth/00{number}.txt")) else { return };
        let text = String::from_utf8(file).unwrap().replace("\r\n", "\n");
        let (keys, message) = text.split_once("\n\n").unwrap();
        let keys: Vec<_> = keys.lines().filter_map(|line| line.split_once(' ')).collect();
        let seen = results(message.as_bytes(), &keys).await;
        assert!(!seen.is_empty());
        for (result, reason) in &seen {
            assert_eq!(*result, DkimResult::Pass, "00{number}.txt: {reason}");
        }
        let changed = message.replacen("\nFrom:", "\nFrom: x", 1).replacen("\nfrom:", "\nfrom: x", 1);
        for (result, reason) in results(changed.as_bytes(), &keys).await {
            assert_eq!(result, DkimResult::Fail, "00{number}.txt with another From: {reason}");
        }
        let longer = format!("{message}one more line\n");
        for (result, reason) in results(longer.as_bytes(), &keys).await {
            assert_eq!(result, DkimResult::Fail, "00{number}.txt with a line more: {reason}");
        }
        counted += 3;
    }
    eprintln!("DKIM, mail-auth's messages: {counted} of 18 verdicts as their origin says");
}

#[tokio::test]
async fn the_signed_messages_of_dkimpy_get_the_verdict_of_their_names() {
    let (Some(signed), Some(rsa), Some(no_t), Some(bad_domain), Some(test_key)) = (
        read("dkim/dkimpy/rfc6376.signed.msg"),
        read("dkim/dkimpy/rfc6376.signed.rsa.msg"),
        read("dkim/dkimpy/rfc6376.signed.no_t.msg"),
        read("dkim/dkimpy/test.message.baddomain"),
        read("dkim/dkimpy/test.txt"),
    ) else {
        return;
    };
    let test_key = String::from_utf8(test_key).unwrap();
    let keys = [
        ("brisbane._domainkey.football.example.com", BRISBANE),
        ("test._domainkey.football.example.com", test_key.trim()),
    ];
    use DkimResult::{Fail, Neutral, Pass};
    assert_eq!(words(&results(&signed, &keys).await), [Pass, Pass]);
    assert_eq!(words(&results(&rsa, &keys).await), [Pass]);
    // A tag was taken out after signing.
    assert_eq!(words(&results(&no_t, &keys).await), [Fail]);
    assert_eq!(words(&results(&bad_domain, &keys).await), [Neutral]);
    // Exim's test message, with its own key.
    let (Some(exim), Some(key)) = (read("dkim/dkimpy/ed25519test2.msg"), read("dkim/dkimpy/eximtest.dns"))
    else {
        return;
    };
    let key = String::from_utf8(key).unwrap();
    assert_eq!(words(&results(&exim, &[("sed._domainkey.test.ex", key.trim())]).await), [Pass]);
    eprintln!("DKIM, dkimpy's messages: 6 of 6 verdicts as their names say");
}

#[test]
fn the_keys_of_dkimpy_get_the_verdict_of_their_names() {
    let cases = [
        ("test.txt", true, None),
        ("test2.txt", true, None),
        ("ed25519test.dns", true, None),
        ("eximtest.dns", true, None),
        ("badk.txt", false, Some(KeyIssueKind::Type)),
        ("badversion.txt", false, Some(KeyIssueKind::Version)),
        ("test_bad.txt", false, Some(KeyIssueKind::Unreadable)),
        ("test_tlsrpt.txt", false, Some(KeyIssueKind::NotForMail)),
    ];
    for (file, usable, kind) in cases {
        let Some(text) = read(&format!("dkim/dkimpy/{file}")) else { return };
        let record = KeyRecord::parse(text.trim_ascii());
        assert_eq!(record.is_usable(), usable, "{file}: {:?}", record.issues);
        if let Some(kind) = kind {
            assert!(record.issues.iter().any(|issue| issue.kind == kind), "{file}: {:?}", record.issues);
        }
    }
    for (file, bits) in [
        ("1024_testkey_wo_markers.pub.txt", 1024),
        ("1024_testkey_wo_markers.pub.rsa.txt", 1024),
        ("2048_testkey_wo_markers.pub.txt", 2048),
        ("2048_testkey_wo_markers.pub.rsa.txt", 2048),
        ("2048_testkey_PKCS8.key.pub.txt", 2048),
    ] {
        let Some(text) = read(&format!("dkim/dkimpy/{file}")) else { return };
        let text = String::from_utf8(text).unwrap();
        let text = if text.contains("p=") { text } else { format!("k=rsa; p={text}") };
        assert_eq!(KeyRecord::parse(text.trim().as_bytes()).bits(), Some(bits), "{file}");
    }
    eprintln!("DKIM, dkimpy's keys: 13 of 13 as their names say");
}

#[tokio::test]
async fn the_messages_of_mailauth_pass_or_lack_only_their_key() {
    let Some(signed) = read("dkim/mailauth/signed.eml") else { return };
    let Some(keys) = read("dkim/mailauth/dns.json") else { return };
    let zone: serde_json::Value = serde_json::from_slice(&keys).unwrap();
    let text = |name: &str| -> String {
        let strings = zone[name]["TXT"][0].as_array().unwrap().iter();
        strings.map(|string| string.as_str().unwrap()).collect()
    };
    let names = ["brisbane._domainkey.football.example.com", "test._domainkey.football.example.com"];
    let texts: Vec<_> = names.iter().map(|name| text(name)).collect();
    let keys: Vec<_> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
    assert_eq!(words(&results(&signed, &keys).await), [DkimResult::Pass, DkimResult::Pass]);

    // Their keys are not in the suite; that the look-up is reached proves the body hash.
    let mut reached = 0;
    for file in ["message2.eml", "message3.eml", "message4.eml"] {
        let Some(message) = read(&format!("dkim/mailauth/{file}")) else { return };
        for (result, reason) in results(&message, &[]).await {
            assert_eq!(result, DkimResult::Permerror, "{file}: {reason}");
            assert!(reason.starts_with("there is no key"), "{file}: {reason}");
            reached += 1;
        }
    }
    eprintln!(
        "DKIM, mailauth's messages: 2 of 2 pass; {reached} more agree on the body, their keys are absent"
    );
}
