//! Messages as a receiver gets them: every result with its reason, and what is not known said so.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::dkim::DkimResult;
use depeche_domain::dmarc::DmarcResult;
use depeche_domain::dns::zone::Zone;
use depeche_domain::report::{message_text, verify_document};
use depeche_domain::spf::SpfResult;
use depeche_domain::text::Lang;
use depeche_domain::verify::{AlignedBy, MessageReport, Received, verify};
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;

const BODY: &str = "Return-Path: <rebonds@exemple.fr>\r\n\
    From: Presse <presse@exemple.fr>\r\n\
    To: ana@journal.example\r\n\
    Subject: Lancement\r\n\
    List-Unsubscribe: <mailto:stop@exemple.fr>, <https://exemple.fr/stop/1>\r\n\
    List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
    \r\n\
    Bonjour.\r\n";

/// A key, the zone that publishes it, and a message signed with it.
fn signed(domain: &str, headers: &[&str]) -> (String, String) {
    let pkcs8 = Ed25519Key::generate_pkcs8().unwrap();
    let key = || Ed25519Key::from_pkcs8_der(&pkcs8).unwrap();
    let signature = DkimSigner::from_key(key())
        .domain(domain)
        .selector("s1")
        .headers(headers.iter().copied())
        .sign(BODY.as_bytes())
        .unwrap()
        .to_header();
    let public = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(key().public_key())
    };
    let zone = format!(
        "s1._domainkey.{domain}. TXT \"v=DKIM1; k=ed25519; p={public}\"\n\
         exemple.fr. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n\
         _dmarc.exemple.fr. TXT \"v=DMARC1; p=reject; rua=mailto:d@exemple.fr\"\n"
    );
    (zone, format!("{signature}{BODY}"))
}

async fn look(zone: &str, message: &str, ip: Option<&str>) -> MessageReport {
    let zone = Zone::parse(zone, "fr").unwrap();
    let received = Received { ip: ip.map(|ip| ip.parse().unwrap()), ..Received::default() };
    verify(&zone, message.as_bytes(), &received, 1_700_000_000).await
}

const ALL: &[&str] = &["From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"];

/// RFC 5322, section 4.5: white space may stand before the colon of a field.
#[tokio::test]
async fn a_second_from_field_is_seen_however_it_is_written() {
    let (zone, message) = signed("exemple.fr", ALL);
    for first in ["From : evil@evil.example", "From \t: evil@evil.example", "from: evil@evil.example"] {
        let report = look(&zone, &format!("{first}\r\n{message}"), None).await;

        assert_eq!(report.from, None, "{first}");
        assert_eq!(report.dmarc.result, DmarcResult::Fail, "{first}");
        assert!(
            report.notes.iter().any(|note| note.en.contains("several From")),
            "{first}: {:?}",
            report.notes
        );
    }
    let alone = look(&zone, "From : presse@exemple.fr\r\nSubject: x\r\n\r\nb\r\n", Some("192.0.2.7")).await;
    assert_eq!(alone.from.as_deref(), Some("exemple.fr"));
}

/// RFC 6376, section 5.4.2: of several fields of one name the lowest are signed; RFC 8058, section 4.
#[tokio::test]
async fn a_field_that_was_put_above_the_signed_one_is_not_signed() {
    let (zone, message) = signed("exemple.fr", ALL);
    for added in
        ["List-Unsubscribe: <https://evil.example/u>", "List-Unsubscribe-Post : List-Unsubscribe=One-Click"]
    {
        let report = look(&zone, &format!("{added}\r\n{message}"), None).await;

        assert_eq!(report.dkim[0].result, DkimResult::Pass, "{added}");
        assert!(!report.dkim[0].covers_unsubscribe && !report.one_click.signed, "{added}");
        assert!(!report.one_click.works(), "{added}");
    }
}

#[tokio::test]
async fn a_message_signed_and_sent_as_it_should_be_passes_on_both_legs() {
    let (zone, message) = signed("exemple.fr", ALL);
    let report = look(&zone, &message, Some("192.0.2.7")).await;

    assert_eq!(report.from.as_deref(), Some("exemple.fr"));
    assert_eq!(report.dkim[0].result, DkimResult::Pass, "{:?}", report.dkim[0].reason);
    assert_eq!(report.spf.as_ref().unwrap().result, SpfResult::Pass);
    assert_eq!(report.dmarc.result, DmarcResult::Pass);
    assert_eq!(report.dmarc.aligned_by, [AlignedBy::Dkim, AlignedBy::Spf]);
    assert!(report.one_click.works());
    assert_eq!(report.exit(), 0);
    assert_eq!(report.selectors("exemple.fr"), ["s1"]);
    assert!(
        report
            .authentication_results
            .starts_with("Authentication-Results: localhost; dkim=pass header.d=exemple.fr header.s=s1")
    );
    assert!(report.authentication_results.ends_with("dmarc=pass (p=reject) header.from=exemple.fr"));
}

#[tokio::test]
async fn the_signature_of_another_domain_passes_dkim_and_fails_dmarc() {
    let (zone, message) = signed("sender.fr", ALL);
    let report = look(&zone, &message, None).await;

    assert_eq!(report.dkim[0].result, DkimResult::Pass, "{:?}", report.dkim[0].reason);
    assert!(!report.dkim[0].aligned);
    assert_eq!(report.dmarc.result, DmarcResult::Fail);
    assert_eq!(report.exit(), 1);
}

#[tokio::test]
async fn spf_without_an_address_is_not_checked_and_never_passed() {
    let (zone, message) = signed("exemple.fr", ALL);
    let report = look(&zone, &message, None).await;

    assert!(report.spf.is_none());
    assert!(report.notes.iter().any(|note| note.en.starts_with("SPF was not checked")));
    assert!(!report.authentication_results.contains("spf="));
    assert!(verify_document(&report, Lang::En)["spf"].is_null());
}

/// RFC 8058, section 4.
#[tokio::test]
async fn unsubscribe_headers_that_no_signature_covers_are_no_one_click() {
    let (zone, message) = signed("exemple.fr", &["From", "Subject"]);
    let report = look(&zone, &message, None).await;

    assert!(report.one_click.offered && report.one_click.https && report.one_click.post);
    assert!(!report.one_click.signed && !report.one_click.works());
    assert!(report.notes.iter().any(|note| note.fr.contains("aucune signature valide ne couvre")));
}

#[tokio::test]
async fn a_key_that_dns_did_not_give_leaves_the_verdict_open() {
    let (zone, message) = signed("elsewhere.example", ALL);
    // The zone speaks of .fr only; without the key's line the name is outside it.
    let zone: String =
        zone.lines().filter(|line| !line.starts_with("s1.")).map(|line| format!("{line}\n")).collect();
    let report = look(&zone, &message, None).await;

    assert_eq!(report.dkim[0].result, DkimResult::Temperror);
    assert_eq!(report.dmarc.result, DmarcResult::Temperror);
    assert_eq!(report.exit(), 7);
}

#[tokio::test]
async fn two_from_fields_are_refused_and_no_claim_is_believed() {
    let (zone, message) = signed("exemple.fr", ALL);
    let forged = format!(
        "From: <mallory@evil.fr>\r\nAuthentication-Results: localhost; dmarc=pass\r\n\
         ARC-Seal: i=1; a=rsa-sha256; cv=none; d=evil.fr; s=x; b=AAAA\r\n{message}"
    );
    let report = look(&zone, &forged, None).await;

    assert_eq!(report.from, None);
    assert_eq!(report.dmarc.result, DmarcResult::Fail);
    let arc = report.arc.unwrap();
    assert_eq!(
        (arc.sets, arc.claims.as_str(), arc.sealed_by.as_str(), arc.verified),
        (1, "none", "evil.fr", false)
    );
}

#[tokio::test]
async fn the_document_holds_what_the_command_line_promises() {
    let (zone, message) = signed("exemple.fr", ALL);
    let document = verify_document(&look(&zone, &message, Some("198.51.100.1")).await, Lang::En);

    assert_eq!(document["version"], 1);
    assert_eq!(document["exit"], 0);
    assert_eq!(document["from"], "exemple.fr");
    assert_eq!(document["dkim"][0]["domain"], "exemple.fr");
    assert_eq!(document["dkim"][0]["selector"], "s1");
    assert_eq!(document["dkim"][0]["result"], "pass");
    assert_eq!(document["dkim"][0]["reason"], "");
    assert_eq!(document["spf"]["result"], "fail");
    assert_eq!(document["dmarc"]["result"], "pass");
    assert_eq!(document["dmarc"]["policy"], "reject");
    assert_eq!(document["dmarc"]["aligned_by"], serde_json::json!(["dkim"]));
    assert!(document["authentication_results"].is_string());
}

/// What a stranger writes must neither move the cursor nor end the line.
#[tokio::test]
async fn nothing_in_a_message_reaches_the_terminal_as_a_command() {
    let message = "From: <a@exemple.fr>\r\nReturn-Path: <x\u{1b}[2J\"; dmarc=pass@\u{1b}]0;t>\r\n\
        DKIM-Signature: v=1; a=rsa-\u{1b}[31msha256\"; dkim=pass; d=x\r\n\r\n";
    let report = look("exemple.fr. TXT \"none\"\n", message, Some("192.0.2.1")).await;

    assert!(!message_text(&report, Lang::En).contains('\u{1b}'));
    assert!(!report.authentication_results.chars().any(char::is_control));
    assert_eq!(
        report.authentication_results.matches("dmarc=pass").count(),
        0,
        "{}",
        report.authentication_results
    );
}
