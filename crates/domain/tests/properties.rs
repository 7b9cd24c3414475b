//! Whatever a stranger publishes, a parser reads it without a panic, its places lie in the text and on borders of
//! characters, and what it prints it reads back the same.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::dkim::{KeyRecord, Signature};
use depeche_domain::dns::recorded::{Recorded, Recorder};
use depeche_domain::dns::zone::Zone;
use depeche_domain::dns::{Dns, RecordType};
use depeche_domain::span::Span;
use depeche_domain::verify::{Received, verify};
use depeche_domain::{bimi, dmarc, mta_sts, spf, tls_rpt};
use proptest::prelude::*;

/// A record as people write them, and worse: known pieces in any order, with any text between.
fn record(version: &'static str, pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => "[ -~é日\t]{0,12}",
        1 => any::<String>(),
    ];
    let between = prop::sample::select(vec![";", "; ", " ;", " ", ",", ""]);
    (prop::collection::vec((piece, between), 0..8), any::<bool>()).prop_map(move |(pieces, begins)| {
        let start = if begins { version } else { "" };
        let rest: String = pieces.into_iter().map(|(piece, between)| format!("{between}{piece}")).collect();
        format!("{start}{rest}")
    })
}

fn lies_in(span: Span, text: &str) -> bool {
    span.start <= span.end && text.get(span.start..span.end).is_some()
}

const SPF: &[&str] = &[
    "a",
    "mx:x.example/24//64",
    "ip4:192.0.2.0/24",
    "ip6:2001:db8::/32",
    "include:_spf.x.example",
    "ptr",
    "exists:%{i}._spf.%{d2r}",
    "exp=why.%{d}",
    "redirect=x.example",
    "?all",
    "-all",
    "incldue:x",
    "ip4:300.1.1.1",
    "unknown=%{s}",
    "%{",
    "a/33",
];
const DMARC: &[&str] = &[
    "p=none",
    "p=reject",
    "sp=quarantine",
    "np=x",
    "rua=mailto:a@b.example!10m,https://x",
    "adkim=s",
    "aspf=r",
    "pct=50",
    "t=y",
    "psd=n",
    "fo=1:d",
    "v=DMARC1",
    "p = none",
];
const KEY: &[&str] = &[
    "k=rsa",
    "k=ed25519",
    "p=",
    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "t=y:s",
    "h=sha1:sha256",
    "s=email",
    "g=*",
    "n=note",
];
const SIGNATURE: &[&str] = &[
    "v=1",
    "a=rsa-sha256",
    "a=ed25519-sha256",
    "d=exemple.fr",
    "s=s1",
    "c=relaxed/simple",
    "h=From:To",
    "b=AA==",
    "bh=AA==",
    "i=@exemple.fr",
    "l=10",
    "t=1",
    "x=2",
    "q=dns/txt",
];
const TLS_RPT: &[&str] = &[
    "rua=mailto:a@b.example",
    "rua=https://x.example/r , mailto:c@d.example",
    "rua=",
    "x.y=1",
    "rua=ftp://x",
];
const BIMI: &[&str] =
    &["l=https://x.example/l.svg", "l=", "a=https://x.example/c.pem", "a=", "avp=brand", "l=http://x"];
const STS: &[&str] = &["id=20160831085700Z", "id=", "id=a-b", "x=y"];
const POLICY: &[&str] = &[
    "version: STSv1\n",
    "mode: enforce\r\n",
    "mx: *.x.example\n",
    "max_age: 604800\n",
    "max_age: x\n",
    "é: 1\n",
];

proptest! {
    #[test]
    fn an_spf_record_has_its_places_and_reads_back_the_same(text in record("v=spf1 ", SPF)) {
        let read = spf::parse(text.as_bytes());
        prop_assert!(read.terms.iter().all(|term| lies_in(term.span, &read.text) && term.span.of(&read.text) == term.text));
        prop_assert!(read.errors.iter().all(|error| lies_in(error.span, &read.text)));
        if spf::is_spf(text.as_bytes()) && read.errors.is_empty() {
            let terms: Vec<&str> = read.terms.iter().map(|term| term.text.as_str()).collect();
            let again = spf::parse(format!("v=spf1 {}", terms.join(" ")).as_bytes());
            prop_assert!(again.errors.is_empty(), "{again:?}");
            let kinds = |record: &spf::Record| record.terms.iter().map(|term| format!("{:?}", term.kind)).collect::<Vec<_>>();
            prop_assert_eq!(kinds(&again).len(), kinds(&read).len());
        }
    }

    #[test]
    fn a_dmarc_record_has_its_places_and_reads_back_the_same(text in record("v=DMARC1", DMARC)) {
        let read = dmarc::parse(text.as_bytes());
        let uris = read.rua.iter().chain(&read.ruf).map(|uri| uri.span);
        let spans = read.tags.iter().map(|tag| tag.span).chain(read.issues.iter().map(|issue| issue.span)).chain(uris);
        for span in spans {
            prop_assert!(lies_in(span, &read.text), "{span:?} {:?}", read.text);
        }
        // What is no DMARC record, or names a tag twice, is not printed by anybody.
        let names: std::collections::BTreeSet<&str> = read.tags.iter().map(|tag| tag.name.as_str()).collect();
        prop_assume!(dmarc::is_dmarc(text.as_bytes()) && names.len() == read.tags.len());
        let tags = |record: &dmarc::Record| {
            record.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect::<Vec<_>>()
        };
        let printed: Vec<String> = tags(&read).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let again = dmarc::parse(printed.join("; ").as_bytes());
        prop_assert_eq!(tags(&again), tags(&read));
        prop_assert_eq!((again.p, again.sp, again.np, again.testing), (read.p, read.sp, read.np, read.testing));
    }

    #[test]
    fn a_dkim_key_has_its_places_and_is_usable_only_without_a_fatal_fault(text in record("v=DKIM1", KEY)) {
        let read = KeyRecord::parse(text.as_bytes());
        for issue in &read.issues {
            prop_assert!(lies_in(issue.span, &read.text), "{issue:?} {:?}", read.text);
        }
        prop_assert_eq!(read.is_usable(), read.fatal().is_none());
        prop_assert_eq!(KeyRecord::parse(read.text.as_bytes()).is_usable(), read.is_usable());
    }

    #[test]
    fn a_dkim_signature_is_read_or_refused(text in record("v=1", SIGNATURE)) {
        if let Ok(read) = Signature::parse(&text) {
            prop_assert!(read.covers("From"), "RFC 6376, section 3.5: From is signed, or it is no signature");
        }
    }

    #[test]
    fn a_tls_rpt_record_has_its_places_and_reads_back_the_same(text in record("v=TLSRPTv1", TLS_RPT)) {
        let read = tls_rpt::parse(&text);
        for span in read.issues.iter().filter_map(|issue| issue.span) {
            prop_assert!(lies_in(span, &text), "{span:?}");
        }
        if !read.rua.is_empty() {
            let again = tls_rpt::parse(&read.to_string());
            prop_assert_eq!(&again.rua, &read.rua);
            prop_assert!(again.issues.is_empty(), "{again:?}");
        }
    }

    #[test]
    fn a_bimi_record_has_its_places_and_reads_back_the_same(text in record("v=BIMI1", BIMI)) {
        let read = bimi::parse(&text);
        for span in read.issues.iter().filter_map(|issue| issue.span) {
            prop_assert!(lies_in(span, &text), "{span:?}");
        }
        if !read.issues.iter().any(|issue| issue.fatal) {
            let again = bimi::parse(&read.to_string());
            prop_assert_eq!((again.logo, again.evidence), (read.logo, read.evidence));
        }
    }

    #[test]
    fn an_mta_sts_record_and_policy_have_their_places(text in record("v=STSv1", STS), lines in prop::collection::vec(prop::sample::select(POLICY), 0..6)) {
        if let Some(span) = mta_sts::judge(&text).and_then(|issue| issue.span) {
            prop_assert!(lies_in(span, &text), "{span:?}");
        }
        let policy = mta_sts::parse(lines.concat().as_bytes());
        for issue in &policy.issues {
            prop_assert!(issue.span.is_none_or(|span| lies_in(span, &issue.line)), "{issue:?}");
        }
    }

    #[test]
    fn a_zone_file_is_read_or_refused_by_a_line_that_is_there(text in "(@|www|\\*|é)?( (3600|IN|TXT|MX|A|CNAME|\"[a-z;=]*\"?|\\(|\\)|192.0.2.1|1 mx|;x|\n)){0,12}") {
        let lines = text.lines().count().max(1);
        match Zone::parse(&text, "exemple.fr") {
            Ok(zone) => prop_assert!(zone.records().iter().all(|record| (1..=lines).contains(&record.line))),
            Err(error) => prop_assert!(error.problems.iter().all(|problem| (1..=lines + 1).contains(&problem.line))),
        }
    }

    #[test]
    fn a_recording_that_was_written_is_read_back_the_same(text in "[ -~é]{0,40}", name in "[a-z]{1,8}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let quoted = text.replace(['\\', '"'], "");
        let zone = Zone::parse(&format!("{name} 60 TXT \"{quoted}\"\n"), "exemple.fr").unwrap();
        let asked = format!("{name}.exemple.fr");
        let recorder = Recorder::new(zone);
        let said = runtime.block_on(recorder.lookup(&asked, RecordType::Txt));
        let read = Recorded::from_json(&recorder.to_json()).unwrap();
        let again = runtime.block_on(read.lookup(&asked, RecordType::Txt));
        prop_assert_eq!(again.joined_texts(), said.joined_texts());
        let _ = Recorded::from_json(&text);
    }

    #[test]
    fn whatever_a_server_noted_no_message_passes_without_a_key(noted in any::<String>(), from in "[ -~]{0,20}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let noted = noted.replace(['\r', '\n'], " ");
        let message = format!(
            "Authentication-Results: mx.exemple.fr; {noted}\r\nReceived: {noted}\r\nFrom: {from}\r\nDKIM-Signature: {noted}\r\n\r\nx\r\n"
        );
        let received = Received { trusted: vec!["exemple.fr".to_owned()], ..Received::default() };
        let verdict = runtime.block_on(verify(&Recorded::default(), message.as_bytes(), &received, 0));
        prop_assert!(verdict.dkim.iter().all(|line| line.result.word() != "pass"), "{:?}", verdict.dkim);
    }
}
