//! Reports: the real French ones, the ways in which a message is found, and hostile ones.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use depeche_core::event::EventKind;
use depeche_mailbox::{Class, Letter, MESSAGE_CAP_BYTES, Notice, Ours, Report};
use proptest::prelude::*;

const ATTEMPT: &str = "0192f0c4-5b6a-7c8d-9e0f-112233445566";

fn read(raw: &[u8], ours: &Ours) -> Letter {
    depeche_mailbox::read(&[raw], ours).unwrap().remove(0)
}

fn ours() -> Ours {
    Ours { senders: vec!["rebonds+{verp}@exemple.fr".parse().unwrap()], ..Ours::default() }
}

fn report(raw: &str) -> Report {
    match read(raw.as_bytes(), &ours()) {
        Letter::Report(report) => report,
        other => panic!("{other:?}"),
    }
}

/// The samples of sisimai/set-of-emails, where the shared folder is at hand.
fn samples() -> Option<PathBuf> {
    let shared = std::env::var_os("DEPECHE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("reference/specs/fixtures/sisimai-france");
    folder.is_dir().then_some(folder)
}

/// Read by a person, each with the words that say so.
const FRENCH: [(&str, &str, EventKind, Class); 6] = [
    // "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416"
    ("01", "pseudo-local-part-kijitora-nyaaan@orange.fr", EventKind::InvalidAddress, Class::BadAddress),
    // "550 5.2.0 Mail rejete. Mail rejected. OFR_506", at the end of the content, to a forwarded address
    ("03", "pseudo-local-part-kijitora@wanadoo.fr", EventKind::BouncedHard, Class::Policy),
    // "550 5.5.0 Le compte du destinataire est bloque. The recipient account is blocked. LPN007_426"
    ("05", "xxxx@laposte.net", EventKind::BouncedHard, Class::Hard),
    // "421 mwinf5c77 ME Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_999"
    ("07", "xxxx@wanadoo.fr", EventKind::BouncedSoft, Class::Policy),
    // "550 5.5.0 Service refuse. Veuillez essayer plus tard. service refused, please try later. LPN001_108"
    ("10", "xxxx@laposte.net", EventKind::BouncedSoft, Class::Policy),
    // "554 5.7.1 …: Client host rejected: #216 lpn LPN000_630"
    ("12", "xxxx@laposte.net", EventKind::BouncedHard, Class::Policy),
];

#[test]
fn every_french_sample_is_what_its_text_says() {
    let Some(folder) = samples() else {
        eprintln!("the samples are ABSENT (no DEPECHE_SHARED, no ../shared): they are not read");
        return;
    };
    let there = std::fs::read_dir(&folder).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "eml")
    });
    assert_eq!(there.count(), FRENCH.len(), "every sample has its line in the table");
    for (number, recipient, kind, class) in FRENCH {
        let raw = std::fs::read(folder.join(format!("rhost-franceptt-{number}.eml"))).unwrap();
        let Letter::Report(report) = read(&raw, &ours()) else {
            panic!("{number}: {:?}", read(&raw, &ours()))
        };
        let [notice] = report.notices.as_slice() else { panic!("{number}: {report:?}") };
        assert_eq!(
            (notice.recipient.as_str(), notice.kind, notice.class),
            (recipient, kind, class),
            "{number}"
        );
        assert!(
            notice.reason.as_deref().is_some_and(|reason| reason.contains(|c: char| c.is_ascii_digit())),
            "{number}"
        );
    }
}

fn standard(head: &str, fields: &str, returned: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@relais.example\r\nTo: presse@exemple.fr\r\n{head}\
         Date: Thu, 3 Dec 2026 09:20:00 +0100\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\n\r\nNon remis.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; relais.example\r\n{fields}--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}--b--\r\n"
    )
}

const FAILED: &str = "\r\nOriginal-Recipient: rfc822;zoe@matin.example\r\nFinal-Recipient: rfc822; zoe@matin.example\r\n\
    Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\r\n\r\n";

#[test]
fn a_message_is_found_by_envid_by_the_senders_address_and_by_its_message_id() {
    let by_envid =
        report(&standard("", &format!("Original-Envelope-Id: {ATTEMPT}\r\n{FAILED}"), "Subject: x\r\n\r\n"));
    assert_eq!(by_envid.clues.attempt.unwrap().to_string(), ATTEMPT);

    let digits = ATTEMPT.replace('-', "");
    for head in ["X-Original-To", "Delivered-To", "Envelope-To", "To"] {
        let head = format!("{head}: <rebonds+{digits}@exemple.fr>\r\n");
        let by_sender = report(&standard(&head, FAILED, "Subject: x\r\n\r\n"));
        assert_eq!(by_sender.clues.attempt.unwrap().to_string(), ATTEMPT, "{head}");
    }

    let by_id =
        report(&standard("", FAILED, "Message-ID: <abc.1@exemple.fr>\r\nTo: zoe@matin.example\r\n\r\n"));
    assert_eq!(by_id.clues.message_id.as_deref(), Some("<abc.1@exemple.fr>"));
    assert_eq!(by_id.clues.attempt, None);
    let notice = Notice {
        recipient: "zoe@matin.example".to_owned(),
        kind: EventKind::InvalidAddress,
        class: Class::BadAddress,
        reason: Some("550 5.1.1 User unknown".to_owned()),
    };
    assert_eq!(by_id.notices, [notice]);
    assert_eq!(by_id.at.unwrap().to_string(), "2026-12-03T08:20:00Z");
}

/// The report's own Message-ID, its subject and its text are anybody's: they find nothing.
#[test]
fn what_anybody_could_write_is_no_clue() {
    let head = "Message-ID: <abc.1@exemple.fr>\r\nIn-Reply-To: <abc.1@exemple.fr>\r\nSubject: <abc.1@exemple.fr>\r\n";
    let report = report(&standard(head, FAILED, "Subject: x\r\n\r\n"));
    assert_eq!(report.clues, depeche_mailbox::Clues::default());
}

/// RFC 3464, section 2.3.3: the five actions.
#[test]
fn a_delay_and_a_success_are_no_bounce() {
    for (action, kind) in [
        ("delayed", EventKind::Deferred),
        ("delivered", EventKind::Delivered),
        ("relayed", EventKind::Accepted),
        ("expanded", EventKind::Accepted),
        ("failed", EventKind::InvalidAddress),
    ] {
        let fields = FAILED.replace("failed", action);
        assert_eq!(report(&standard("", &fields, "Subject: x\r\n\r\n")).notices[0].kind, kind, "{action}");
    }
}

/// RFC 5965, appendix B.
#[test]
fn a_complaint_is_told_with_the_message_that_it_returns() {
    let raw = "From: <abusedesk@matin.example>\r\nDate: Thu, 8 Mar 2005 17:40:36 EDT\r\nSubject: FW: L'usine\r\n\
        To: <presse@exemple.fr>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=\"part1\"\r\n\r\n\
        --part1\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n\
        --part1\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n\
        --part1\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <abc.1@exemple.fr>\r\nTo: zoe@matin.example\r\n\r\nx\r\n--part1--\r\n";
    let Letter::Complaint { clues, .. } = read(raw.as_bytes(), &ours()) else { panic!("a complaint") };
    assert_eq!(clues.message_id.as_deref(), Some("<abc.1@exemple.fr>"));
}

/// Found by this test: a message inside a message is dropped by recursion, and an ordinary stack overflowed.
#[test]
fn a_message_nested_a_thousand_deep_costs_neither_stack_nor_time() {
    let start = Instant::now();
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(30_000);
    let multi: String = (0..1_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    let digest: String = (0..1_000)
        .map(|n| format!("Content-Type: multipart/digest; boundary=b{n}\r\n\r\n--b{n}\r\n\r\n"))
        .collect();
    for body in [&nested, &multi, &digest] {
        for head in [
            "",
            "From: MAILER-DAEMON@x.fr\r\n",
            "Content-Type: multipart/report; report-type=delivery-status\r\n",
        ] {
            let letter = read(format!("Subject: x\r\n{head}{body}").as_bytes(), &ours());
            assert!(matches!(letter, Letter::Unclear { .. } | Letter::Unreadable), "{letter:?}");
        }
    }
    // Hidden in a transfer encoding, where no header is seen from outside, as deep as fits into the cap.
    let base64 = base64("Content-Type:message/rfc822\n\n".repeat(6_500).as_bytes());
    let quoted = "=43ontent-Type:message/rfc822\n\n".repeat(8_400);
    for (encoding, hidden) in [("base64", base64), ("quoted-printable", quoted)] {
        for kind in
            ["message/rfc822", "message/global", "multipart/report; report-type=delivery-status; boundary=x"]
        {
            let inner = format!(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{hidden}"
            );
            let outer = format!("From: zoe@matin.example\r\nContent-Type: {kind}\r\n");
            let raw = if kind.starts_with("message") {
                format!("{outer}Content-Transfer-Encoding: {encoding}\r\n\r\n{hidden}")
            } else {
                format!("{outer}\r\n--x\r\n{inner}")
            };
            assert!(raw.len() <= MESSAGE_CAP_BYTES + 16_384, "{}", raw.len());
            let _ = read(raw.as_bytes(), &ours());
        }
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks_exact(3) {
        let word = (u32::from(three[0]) << 16) | (u32::from(three[1]) << 8) | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(LETTERS[(word >> shift) as usize & 63]));
        }
        if text.len() % 77 == 76 {
            text.push('\n');
        }
    }
    text
}

#[test]
fn a_hundred_megabytes_are_read_up_to_the_cap() {
    let mut raw = standard("", &format!("Original-Envelope-Id: {ATTEMPT}\r\n{FAILED}"), "Subject: x\r\n\r\n")
        .into_bytes();
    raw.truncate(raw.len() - "--b--\r\n".len());
    raw.resize(100 * 1024 * 1024, b'x');
    let start = Instant::now();
    let Letter::Report(report) = read(&raw, &ours()) else { panic!("a report") };
    assert_eq!(report.clues.attempt.unwrap().to_string(), ATTEMPT);
    assert!(start.elapsed() < Duration::from_secs(30));
    const { assert!(MESSAGE_CAP_BYTES < 1024 * 1024) };
}

#[test]
fn a_report_without_its_boundary_or_its_fields_changes_nothing() {
    let whole = standard("", FAILED, "Subject: x\r\n\r\n");
    for broken in [
        whole.replace("message/delivery-status", "text/plain"),
        whole.replace("Final-Recipient", "Last-Recipient"),
        whole.replace("Action: failed", "Action: vanished"),
        "Content-Type: multipart/report; report-type=delivery-status\r\n\r\n".to_owned(),
    ] {
        let letter = read(broken.as_bytes(), &ours());
        assert!(matches!(letter, Letter::Unclear { .. }), "{letter:?}");
    }
    assert_eq!(read(b"", &ours()), Letter::Unreadable);
}

/// Found in sample 07: a gateway had rewritten the boundary of the header and not those of the parts.
/// Found by fuzzing: the MIME parser loses its place between two messages in one report (a debug assertion of its
/// own; without it, it goes on).
#[test]
fn a_report_that_confuses_the_parser_leaves_the_others_read() {
    let confused = "From: fbl@orange.example\nSubject: FW: Essai\n\
        Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\n\n--b\nConten/1\n\n--b\n\
        Content-Type: message/rfc822\n\nMessage-ID: <019FFFFFFFF x/1\n:--b\n\
        Content-Type: message/rfc822\n\nMessage-ID: <0192f0c4@exemple.fr>\n\n--b--\n";
    let answer =
        "From: zoe@journal.example\r\nTo: presse@exemple.fr\r\nSubject: Re: Essai\r\n\r\nOui, je viens.\r\n";

    let letters = depeche_mailbox::read(&[confused, answer, confused], &ours()).unwrap();

    for confused in [&letters[0], &letters[2]] {
        assert!(matches!(confused, Letter::Unclear { .. } | Letter::Complaint { .. }), "{confused:?}");
    }
    let Letter::Answer(answer) = &letters[1] else { panic!("{:?}", letters[1]) };
    assert_eq!(answer.subject, "Re: Essai");
}

#[test]
fn a_report_whose_boundary_does_not_fit_is_read_by_its_content_types() {
    let returned = "Message-ID: <abc.1@exemple.fr>\r\nTo: zoe@matin.example\r\n\r\n";
    let whole = standard("", FAILED, returned);
    for torn in [whole.replace("boundary=\"b\"", "boundary=\"c\""), whole.replace("; boundary=\"b\"", "")] {
        assert_eq!(report(&torn), report(&whole), "{torn}");
    }
}

#[test]
fn a_report_that_names_thousands_of_recipients_is_cut() {
    let many = FAILED.repeat(2_000);
    let report = report(&standard("", &many, "Subject: x\r\n\r\n"));
    assert!(report.notices.len() <= 20);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes, &ours());
    }

    #[test]
    fn no_report_makes_it_panic_and_none_finds_an_attempt_that_it_does_not_name(
        head in "([A-Za-z-]{1,12}: [ -~é<>@,]{0,30}\r\n){0,4}",
        fields in "([A-Za-z-]{1,20}: [ -~é+;<>@]{0,40}(\r\n )?\r\n){0,8}",
        returned in "([A-Za-z-]{1,12}: [ -~é<>@]{0,30}\r\n){0,4}",
        id in "[0-9a-f+-]{0,40}",
    ) {
        let fields = format!("Original-Envelope-Id: {id}\r\n\r\nFinal-Recipient: rfc822; a@b.fr\r\nAction: failed\r\n{fields}\r\n");
        if let Letter::Report(report) = read(standard(&head, &fields, &returned).as_bytes(), &ours()) {
            prop_assert!(report.clues.attempt.is_none_or(|attempt| attempt.to_string() != ATTEMPT));
        }
    }

    #[test]
    fn nothing_shown_holds_a_control_character(text in "[\\x00-\\x7fé\u{202e}\u{2028}]{0,60}") {
        let fields = format!("\r\nFinal-Recipient: rfc822; a@b.fr\r\nAction: failed\r\nDiagnostic-Code: smtp; {text}\r\n\r\n");
        if let Letter::Report(report) = read(standard("", &fields, "Subject: x\r\n\r\n").as_bytes(), &ours()) {
            for notice in report.notices {
                let shown = format!("{}{}", notice.recipient, notice.reason.unwrap_or_default());
                prop_assert!(!shown.chars().any(depeche_core::text::is_unsafe), "{shown:?}");
            }
        }
    }
}
