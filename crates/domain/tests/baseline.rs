//! Drift against a baseline: what is new, what is worse, what was mended, and what nobody knows.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::align::{Kind, Provider};
use depeche_domain::baseline::{Baseline, BaselineError};
use depeche_domain::check::{DomainReport, Options, check};
use depeche_domain::dns::recorded::Recorded;
use depeche_domain::dns::zone::Zone;
use depeche_domain::dns::{Answer, Dns, RecordType, Status};
use depeche_domain::finding::Severity;
use depeche_domain::report::drift_text;
use depeche_domain::text::Lang;
use jiff::Timestamp;

const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// The relay passes by both legs; one include is void; there is no TLS-RPT.
fn zone() -> String {
    format!(
        "@ 3600 IN MX 1 mx\nmx A 192.0.2.1\n@ TXT \"v=spf1 ip4:192.0.2.7 a:old.exemple.fr -all\"\n\
         _dmarc TXT \"v=DMARC1; p=reject; rua=mailto:d@exemple.fr\"\ns1._domainkey TXT \"{KEY}\"\n\
         7.2.0.192.in-addr.arpa. PTR out.exemple.fr.\nout A 192.0.2.7\n"
    )
}

async fn over(dns: &dyn Dns) -> DomainReport {
    let relay = Provider {
        ips: vec!["192.0.2.7".parse().unwrap()],
        selectors: vec!["s1".to_owned()],
        ..Provider::of(Kind::Smtp).named("relay")
    };
    check(dns, "exemple.fr", &[relay], &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap()
}

async fn report(text: &str) -> DomainReport {
    over(&Zone::parse(text, "exemple.fr").unwrap()).await
}

/// Written, and read again, as between two runs.
async fn baseline() -> Baseline {
    let mut baseline = Baseline::default();
    assert!(baseline.keep(&report(&zone()).await));
    Baseline::from_json(&baseline.to_json()).unwrap()
}

fn ids(report: &DomainReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.id).collect()
}

#[tokio::test]
async fn a_domain_that_did_not_change_has_no_drift_however_bad_it_is() {
    let now = report(&zone()).await;
    assert!(ids(&now).contains(&"SPF-VOID") && ids(&now).contains(&"TLS-RPT"));

    let drift = baseline().await.compare(now);

    assert_eq!(ids(&drift.report), Vec::<&str>::new());
    assert!(drift.mended.is_empty());
    assert_eq!(drift.since, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(drift.report.exit(Severity::Info), 0);
}

#[tokio::test]
async fn a_lost_leg_is_a_warning_and_the_last_one_an_error() {
    let without_key = zone().replace("s1._domainkey", "s9._domainkey");
    let one = baseline().await.compare(report(&without_key).await);
    let lost = one.report.findings.iter().find(|finding| finding.id == "PROV-LEG-LOST").unwrap();
    assert_eq!((lost.severity, lost.provider.as_deref()), (Severity::Warn, Some("relay")));
    assert!(lost.message.en.contains("DKIM") && lost.message.fr.contains("DKIM"));

    let without_any = without_key.replace("ip4:192.0.2.7", "ip4:192.0.2.99");
    let both = baseline().await.compare(report(&without_any).await);
    let lost: Vec<_> = both.report.findings.iter().filter(|finding| finding.id == "PROV-LEG-LOST").collect();
    assert_eq!(lost.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Error; 2]);
    assert_eq!(both.report.exit(Severity::Error), 1);
}

#[tokio::test]
async fn another_void_term_is_new_and_the_one_that_went_is_mended() {
    let drift = baseline().await.compare(report(&zone().replace("a:old.", "a:new.")).await);

    assert_eq!(ids(&drift.report), ["SPF-VOID"]);
    assert!(drift.report.findings[0].message.en.contains("new.exemple.fr"));
    assert_eq!(drift.mended.len(), 1);
    assert_eq!(drift.mended[0].term.as_deref(), Some("a:old.exemple.fr"));
    let text = drift_text(&drift, Lang::En);
    assert!(text.contains("mended SPF-VOID (exemple.fr, a:old.exemple.fr)"), "{text}");
    assert!(drift_text(&drift, Lang::Fr).contains("réparé SPF-VOID"));
}

#[tokio::test]
async fn the_same_finding_in_a_record_that_changed_elsewhere_is_no_drift() {
    let changed = zone().replace("ip4:192.0.2.7 ", "ip4:192.0.2.7 ip4:192.0.2.8 ");

    assert_eq!(ids(&baseline().await.compare(report(&changed).await).report), Vec::<&str>::new());
}

#[tokio::test]
async fn what_got_worse_is_drift() {
    // The warning about p=none has no place in the baseline; a rule whose severity rises has.
    let none = zone().replace("p=reject", "p=none");
    let mut kept = Baseline::default();
    kept.keep(&report(&none).await);
    let json = kept.to_json().replace("\"severity\": \"warn\"", "\"severity\": \"info\"");

    let drift = Baseline::from_json(&json).unwrap().compare(report(&none).await);

    assert!(ids(&drift.report).contains(&"DMARC-NONE"), "{:?}", ids(&drift.report));
    assert!(drift.report.findings.iter().all(|finding| finding.severity > Severity::Info));
}

#[tokio::test]
async fn what_dns_did_not_say_is_neither_drift_nor_mended_nor_kept() {
    let mut silent = Recorded::default();
    silent.insert("_smtp._tls.exemple.fr", RecordType::Txt, Answer::without_records(Status::Timeout));
    silent.insert("s1._domainkey.exemple.fr", RecordType::Txt, Answer::without_records(Status::Timeout));
    let text = zone();
    let rest: String =
        text.lines().filter(|line| !line.starts_with("s1.")).map(|l| format!("{l}\n")).collect();
    let now = over(&Silent { zone: Zone::parse(&rest, "exemple.fr").unwrap(), silent }).await;
    assert!(now.is_inconclusive);

    assert!(!Baseline::default().keep(&now));
    let drift = baseline().await.compare(now);

    assert!(drift.mended.is_empty(), "{:?}", drift.mended);
    assert!(!ids(&drift.report).contains(&"PROV-LEG-LOST"), "{:?}", ids(&drift.report));
    assert_eq!(drift.report.exit(Severity::Error), 7);
}

/// A zone of which some names get no answer.
struct Silent {
    zone: Zone,
    silent: Recorded,
}

#[async_trait::async_trait]
impl Dns for Silent {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let first = self.silent.lookup(name, kind).await;
        if first.status == Status::NotAsked { self.zone.lookup(name, kind).await } else { first }
    }
}

#[tokio::test]
async fn a_domain_that_the_baseline_does_not_know_is_new_as_a_whole() {
    let now = report(&zone()).await;
    let all = ids(&now);

    let drift = Baseline::default().compare(now.clone());

    assert_eq!((ids(&drift.report), drift.since), (all, None));
}

#[test]
fn another_file_is_no_baseline() {
    assert!(matches!(Baseline::from_json("[]"), Err(BaselineError::Json(_))));
    assert!(matches!(Baseline::from_json("{\"version\":2}"), Err(BaselineError::Version { version: 2 })));
}
