//! The replies of receivers and providers, row by row. Expected values are those of the project's
//! provider notes, section 5 (receivers) and 4.2 (OVH), not of the tables under test.

use std::collections::BTreeSet;

use super::super::reply::parse_reply;
use super::*;
use depeche_core::outcome::Blame;
use proptest::prelude::*;

/// What a row expects, in short.
#[derive(Debug, PartialEq)]
enum Is {
    Bad,
    Gone,
    Soft,
    Content,
    For(Trouble),
}

fn read(phase: Phase, text: &str) -> Classified {
    classify(phase, &parse_reply(&format!("{text}\r\n")).unwrap())
}

fn is(refusal: &Refusal) -> Is {
    match (refusal.blames, refusal.persistence, refusal.bad_address) {
        (Blame::Recipient, Persistence::Permanent, true) => Is::Bad,
        (Blame::Recipient, Persistence::Permanent, false) => Is::Gone,
        (Blame::Recipient, Persistence::Transient, false) => Is::Soft,
        (Blame::Message, _, false) => Is::Content,
        (Blame::Provider, _, false) => Is::For(refusal.trouble.expect("a provider's trouble is named")),
        other => panic!("impossible: {other:?}"),
    }
}

fn holds(table: &[(Phase, &str, Is)]) {
    for (phase, text, expected) in table {
        let found = read(*phase, text).refusal;
        assert_eq!(&is(&found), expected, "{phase:?} {text:?}: {found:?}");
    }
}

use Phase::{Auth, Banner, Body, Data, Dot, Ehlo, Mail, Rcpt, StartTls};
use Trouble::{Credentials, Fault, Quota, Sender, Throttled, Tls, Unreachable};

#[test]
fn every_receivers_reply_of_the_provider_notes_is_understood() {
    holds(&[
        (
            Banner,
            "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. OFR004_104",
            Is::For(Throttled),
        ),
        (Rcpt, "421 Trop de connexions OFR005_104", Is::For(Throttled)),
        (
            Banner,
            "421 mwinf5c16 ME Service refuse. Veuillez essayer plus tard. OFR_999 [999]",
            Is::For(Throttled),
        ),
        (Banner, "421 Service refuse. Veuillez essayer plus tard. OFR004_105", Is::For(Throttled)),
        (Rcpt, "550 5.1.1 Adresse d au moins un destinataire invalide. OFR_416 [416]", Is::Bad),
        (Rcpt, "552 5.1.1 Boite du destinataire pleine. OFR_417 [417]", Is::Soft),
        (Dot, "550 5.2.0 Mail rejete. Mail rejected. ofr_506 [506]", Is::Content),
        (Dot, "501 5.0.2 Mail rejected. DMARC check failed; OFR_515", Is::For(Sender)),
        (Dot, "501 5.0.2 Mail rejected. OFR004_519", Is::For(Sender)),
        (Rcpt, "550 5.5.0 Adresse destinataire invalide. LPN007_416", Is::Bad),
        (Dot, "550 5.7.1 Service refuse. Veuillez essayer plus tard. LPN007_510", Is::Content),
        (Dot, "550 5.5.0 Service refuse. Veuillez essayer plus tard. LPN007_510", Is::Content),
        (Rcpt, "450 4.7.1 LPN027_503", Is::For(Throttled)),
        (Rcpt, "421 4.2.1 Service refuse LPN006_107", Is::For(Throttled)),
        (Rcpt, "421 4.2.1 Service refuse LPN001_108", Is::For(Throttled)),
        (Rcpt, "450 4.1.8 LPN007_405", Is::For(Sender)),
        (Rcpt, "550 5.5.0 compte bloque LPN007_426", Is::Gone),
        (Mail, "421 4.7.0 smtp26.services.sfr.fr Error: too many errors", Is::For(Throttled)),
        (Rcpt, "450 4.7.1 SFR_IN_101", Is::For(Throttled)),
        (Rcpt, "450 4.7.1 SFR_IN_103", Is::For(Throttled)),
        (Dot, "550 spam detected", Is::Content),
        (Rcpt, "421 too many errors", Is::For(Throttled)),
        (Banner, "421 Server busy, too many connections from your IP", Is::For(Throttled)),
        (
            Dot,
            "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail\r\n421 4.7.28 - gsmtp",
            Is::For(Throttled),
        ),
        (
            Dot,
            "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n550 5.7.26 - gsmtp",
            Is::For(Sender),
        ),
        (Rcpt, "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", Is::Soft),
        (Rcpt, "452 4.2.2 The recipient's inbox is out of storage space.", Is::Soft),
        (
            Dot,
            "550 5.7.515 Access denied, sending domain does not meet the required authentication level.",
            Is::For(Sender),
        ),
        (Rcpt, "451 4.7.500 Server busy. Please try again later (S77719)", Is::For(Throttled)),
        (
            Mail,
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. part of their network is on our block list (S3150).",
            Is::For(Fault),
        ),
        (Mail, "550 5.7.1 part of their network is on our block list (S3140).", Is::For(Fault)),
    ]);
}

#[test]
fn ovhs_limits_are_a_throttle_although_one_is_5xx() {
    holds(&[
        (Mail, "421 4.7.0 player771.ha.ovh.net Error: too many errors", Is::For(Throttled)),
        (Dot, "550 sorry, too many emails (#5.7.1)", Is::For(Throttled)),
        (Rcpt, "550 5.7.1 sorry, too many emails", Is::For(Throttled)),
    ]);
}

/// DELIVERY.md's table, and RFC 5321, section 4.2.3, RFC 3463 and RFC 4954, section 6.
#[test]
fn the_phase_decides_whom_a_code_blames() {
    holds(&[
        // Before a recipient is named: the provider.
        (Banner, "421 4.3.2 system not accepting", Is::For(Fault)),
        (Banner, "421 try later", Is::For(Throttled)),
        (Banner, "554 no SMTP service here", Is::For(Fault)),
        (Banner, "550 5.1.1 nonsense", Is::For(Fault)),
        (Ehlo, "502 what", Is::For(Fault)),
        (StartTls, "454 4.7.0 TLS not available", Is::For(Tls)),
        (StartTls, "421 closing", Is::For(Throttled)),
        (StartTls, "502 5.5.1 no", Is::For(Tls)),
        (Auth, "535 5.7.8 authentication failed", Is::For(Credentials)),
        (Auth, "535 authentication failed", Is::For(Credentials)),
        (Auth, "535 5.7.1 rejected", Is::For(Credentials)),
        (Auth, "534 5.7.9 too weak", Is::For(Credentials)),
        (Auth, "530 5.7.0 must issue a STARTTLS", Is::For(Credentials)),
        (Auth, "538 5.7.11 encryption required", Is::For(Tls)),
        (Auth, "538 encryption required", Is::For(Tls)),
        (Auth, "525 5.7.13 account disabled", Is::For(Credentials)),
        (Auth, "454 temporary authentication failure", Is::For(Fault)),
        (Auth, "504 unrecognized mechanism", Is::For(Credentials)),
        (Auth, "421 4.7.0 too many errors", Is::For(Throttled)),
        // MAIL FROM: size blames the message, pace and account the provider.
        (Mail, "552 5.3.4 message too big", Is::Content),
        (Mail, "552 message size exceeds fixed maximum", Is::Content),
        (Mail, "452 4.3.1 insufficient system storage", Is::For(Fault)),
        (Mail, "450 later", Is::For(Throttled)),
        (Mail, "450 4.7.1 later", Is::For(Throttled)),
        (Mail, "451 4.3.0 local problem", Is::For(Fault)),
        (Mail, "530 5.7.0 authentication required", Is::For(Credentials)),
        (Mail, "535 no", Is::For(Credentials)),
        (Mail, "550 sender not allowed", Is::For(Sender)),
        (Mail, "550 5.1.0 sender rejected", Is::For(Sender)),
        (Mail, "553 5.7.1 not yours", Is::For(Sender)),
        (Mail, "554 5.7.1 no", Is::For(Sender)),
        (Mail, "550 5.4.5 Daily user sending limit exceeded", Is::For(Quota)),
        (Mail, "421 4.4.2 timeout", Is::For(Unreachable)),
        // RCPT TO.
        (Rcpt, "550 5.1.1 no such user", Is::Bad),
        (Rcpt, "550 5.1.2 no such domain", Is::Bad),
        (Rcpt, "550 5.1.6 moved", Is::Bad),
        (Rcpt, "556 5.1.10 null MX", Is::Bad),
        (Rcpt, "550 No such user here", Is::Bad),
        (Rcpt, "550 mailbox unavailable", Is::Gone),
        (Rcpt, "550 5.2.1 mailbox disabled", Is::Gone),
        (Rcpt, "551 user not local", Is::Gone),
        (Rcpt, "553 not allowed", Is::Gone),
        (Rcpt, "552 5.2.2 mailbox full", Is::Soft),
        (Rcpt, "552 quota exceeded", Is::Soft),
        (Rcpt, "550 5.1.1 mailbox full", Is::Soft),
        (Rcpt, "450 greylisted", Is::Soft),
        (Rcpt, "451 4.7.1 Greylisting in action, please come back later", Is::Soft),
        (Rcpt, "450 4.2.0 Recipient address rejected: Greylisted", Is::Soft),
        (Rcpt, "450 4.1.1 unverified", Is::Soft),
        (Rcpt, "451 4.4.1 no answer from host", Is::Soft),
        (Rcpt, "452 too many recipients", Is::For(Throttled)),
        (Rcpt, "452 4.5.3 too many recipients", Is::For(Throttled)),
        (Rcpt, "550 5.7.1 policy", Is::Content),
        (Rcpt, "554 5.7.1 <a@b.example>: Relay access denied", Is::For(Fault)),
        (Rcpt, "550 5.7.1 Relaying denied", Is::For(Fault)),
        (
            Rcpt,
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
            Is::For(Fault),
        ),
        (Rcpt, "553 5.7.1 <a@b.example>: Sender address rejected: not owned by user c", Is::For(Sender)),
        (Rcpt, "530 5.7.0 authentication required", Is::For(Credentials)),
        (Rcpt, "530 authentication required", Is::For(Credentials)),
        (Rcpt, "503 bad sequence", Is::For(Fault)),
        // DATA: nothing of the message was seen.
        (Data, "450 later", Is::For(Throttled)),
        (Data, "451 local error", Is::For(Fault)),
        (Data, "554 no", Is::For(Fault)),
        // After the dot: 5xx is the message unless the code says the recipient.
        (Dot, "554 5.7.1 content rejected", Is::Content),
        (Dot, "550 no", Is::Content),
        (Dot, "552 too big", Is::Content),
        (Dot, "552 5.3.4 too big", Is::Content),
        (Dot, "554 5.6.0 malformed", Is::Content),
        (Dot, "550 5.1.1 no such user", Is::Bad),
        (Dot, "452 4.2.2 full", Is::Soft),
        (Dot, "450 busy", Is::Soft),
        (Dot, "451 local error", Is::For(Fault)),
        (Dot, "452 4.3.1 storage", Is::For(Fault)),
        (Dot, "421 closing", Is::For(Throttled)),
        (Dot, "421 4.3.0 closing", Is::For(Fault)),
        (Dot, "500 what", Is::Content),
    ]);
}

#[test]
fn only_a_block_of_our_address_benches_it() {
    let blocked = |text| read(Rcpt, text).blocks_source.is_some();
    assert!(blocked("550 5.7.1 on our block list (S3150)"));
    assert!(blocked("421 Service refuse OFR_999"));
    assert!(blocked("554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org"));
    assert!(!blocked("550 5.1.1 no such user"));
    assert!(!blocked("421 Trop de connexions OFR004_104"));
}

#[test]
fn a_stated_wait_is_kept_and_a_vague_one_is_not() {
    let table = [
        ("450 4.7.1 Greylisted, try again in 300 seconds", Some(300)),
        ("421 retry after 5 minutes", Some(300)),
        ("451 please retry in 2 hours", Some(7200)),
        ("451 try again in 90s", Some(90)),
        ("451 try again later", None),
        ("451 retry in 99999999999999999999 seconds", None),
        ("451 retry in 40 hours", None),
        ("550 5 minutes of fame", None),
    ];
    for (text, expected) in table {
        let wait = read(Rcpt, text).refusal.retry_after;
        assert_eq!(wait, expected.map(Duration::from_secs), "{text:?}");
    }
}

#[test]
fn every_known_row_has_a_source_and_stands_behind_codes() {
    let mut seen = BTreeSet::new();
    for row in KNOWN {
        assert!(row.source.len() > 5, "{:?}", row.markers);
        assert!(!row.codes.is_empty() && row.codes.iter().all(|code| (400..600).contains(code)));
        for marker in row.markers {
            assert_eq!(*marker, marker.to_lowercase(), "markers are in lower case");
            seen.insert(*marker);
        }
    }
    assert!(seen.len() > 30);
}

const PHASES: [Phase; 9] = [Banner, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Body, Dot];

proptest! {
    /// DELIVERY.md: a bad address is always the recipient's and final; before RCPT nobody but the
    /// provider is blamed, save for the size at MAIL FROM.
    #[test]
    fn no_reply_blames_whom_it_cannot(
        phase in prop::sample::select(&PHASES[..]),
        code in 400u16..560,
        enhanced in prop::option::of((0u16..9, 0u16..30)),
        text in "[ -~]{0,60}",
    ) {
        prop_assume!((code / 10) % 10 <= 5);
        let head = enhanced.map(|(s, d)| format!("{}.{s}.{d} ", code / 100)).unwrap_or_default();
        let refusal = read(phase, &format!("{code} {head}{text}")).refusal;

        prop_assert_eq!(refusal.trouble.is_some(), refusal.blames == Blame::Provider);
        if refusal.bad_address {
            prop_assert_eq!((refusal.blames, refusal.persistence), (Blame::Recipient, Persistence::Permanent));
            prop_assert_eq!(code / 100, 5);
        }
        if !matches!(phase, Rcpt | Dot) {
            prop_assert!(refusal.blames != Blame::Recipient);
            prop_assert!(refusal.blames == Blame::Provider || phase == Mail);
        }
    }
}
