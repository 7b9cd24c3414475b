//! A check against a DNS server that fails, hangs, lies and floods; and the documents made of a check.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use depeche_domain::align::{Kind, Proof, Provider};
use depeche_domain::check::{DomainReport, NotADomain, Options, check};
use depeche_domain::dns::recorded::Recorded;
use depeche_domain::dns::resolver::Resolver;
use depeche_domain::dns::zone::Zone;
use depeche_domain::dns::{Answer, Data, Dns, Record, RecordType};
use depeche_domain::finding::Severity;
use depeche_domain::report::{Location, check_document, junit, markdown, overview, sarif, text};
use depeche_domain::rules;
use depeche_domain::text::Lang;
use depeche_testkit::dns::{FakeDns, Fault};
use jiff::Timestamp;

fn chain() -> Vec<Provider> {
    vec![Provider::of(Kind::Ovh), Provider::of(Kind::Brevo)]
}

async fn run(dns: &dyn Dns, options: &Options) -> DomainReport {
    check(dns, "exemple.fr", &chain(), options, Timestamp::UNIX_EPOCH).await.unwrap()
}

async fn over(server: FakeDns) -> DomainReport {
    let server = server.start().await;
    let patience = Duration::from_millis(150);
    let resolver = Resolver::at(server.address()).with_patience(patience, patience);
    run(&resolver, &Options::default()).await
}

fn ids(report: &DomainReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.id).collect()
}

/// Everything in order, but for what a test takes away.
fn healthy() -> FakeDns {
    FakeDns::new()
        .txt("exemple.fr", &["v=spf1 include:mx.ovh.com ~all"])
        .txt("mx.ovh.com", &["v=spf1 ip4:192.0.2.0/24 ?all"])
        .txt("_dmarc.exemple.fr", &["v=DMARC1; p=reject; rua=mailto:d@exemple.fr"])
        .cname("brevo1._domainkey.exemple.fr", "b1.exemple-fr.dkim.brevo.com")
        .cname("brevo2._domainkey.exemple.fr", "b2.exemple-fr.dkim.brevo.com")
        .txt("b1.exemple-fr.dkim.brevo.com", &[KEY])
        .txt("b2.exemple-fr.dkim.brevo.com", &[KEY])
        .mx("exemple.fr", 1, "mx1.mail.ovh.net")
        .a("mx1.mail.ovh.net", "192.0.2.1".parse().unwrap())
}

const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

#[tokio::test]
async fn a_chain_in_order_exits_0() {
    let report = over(healthy()).await;

    let table = overview(std::slice::from_ref(&report), Lang::En);
    // The one warning: OVH's selector is not known, so it stands on SPF alone.
    assert_eq!(table.lines().nth(1), Some("  exemple.fr  reject  0       1         0"));
    assert_eq!(report.exit(Severity::Error), 0, "{}", text(&report, Lang::En));
    assert_eq!((report.aligned("ovh"), report.aligned("brevo")), (Some(Proof::Yes), Some(Proof::Yes)));
    assert!(!report.is_inconclusive);
}

/// A temporary failure is "could not check", exit 7; never "missing", and never a pass.
#[tokio::test]
async fn a_failure_of_dns_is_not_checked_and_never_missing() {
    let faults = [Fault::ServFail, Fault::Refused, Fault::Silent, Fault::Garbage];
    for fault in faults {
        let without_dmarc = FakeDns::new()
            .txt("exemple.fr", &["v=spf1 include:mx.ovh.com ~all"])
            .txt("mx.ovh.com", &["v=spf1 ip4:192.0.2.0/24 ?all"])
            .mx("exemple.fr", 1, "mx1.mail.ovh.net")
            .a("mx1.mail.ovh.net", "192.0.2.1".parse().unwrap())
            .fault("_dmarc.exemple.fr", fault)
            .fault("brevo1._domainkey.exemple.fr", fault)
            .fault("brevo2._domainkey.exemple.fr", fault);
        let report = over(without_dmarc).await;

        assert_eq!(report.aligned("brevo"), Some(Proof::CannotTell), "{fault:?}");
        assert!(ids(&report).contains(&rules::DNS_UNCHECKED), "{fault:?}: {:?}", ids(&report));
        for id in
            [rules::DMARC_MISSING, rules::PROV_DKIM_CNAME, rules::PROV_FROM_REWRITE, rules::DMARC_PROV_POLICY]
        {
            assert!(!ids(&report).contains(&id), "{fault:?} {id}: {}", text(&report, Lang::En));
        }
        assert_eq!(report.exit(Severity::Error), 7, "{fault:?}: {}", text(&report, Lang::En));
    }
}

#[tokio::test]
async fn a_domain_that_does_not_exist_is_said_to_not_exist() {
    let report = over(FakeDns::new().txt("fr", &["x"])).await;

    assert!(ids(&report).contains(&rules::DNS_NO_DOMAIN));
    assert_eq!(report.exit(Severity::Error), 1);
}

/// Includes of includes of includes: the bound holds, and what was not asked is not called right.
#[tokio::test]
async fn a_fan_of_includes_stops_at_64_questions() {
    let mut server = healthy();
    let fan = |name: &str| -> String {
        let terms: String = (0..9).map(|n| format!("include:{n}.{name} ")).collect();
        format!("v=spf1 {terms}-all")
    };
    server = server.txt("fan.example", &[&fan("fan.example")]);
    for n in 0..9 {
        let name = format!("{n}.fan.example");
        server = server.txt(&name, &[&fan(&name)]);
    }
    let server = server.start().await;
    let resolver = Resolver::at(server.address());
    let started = Instant::now();
    let report =
        check(&resolver, "fan.example", &chain(), &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap();

    assert!(report.queries <= 64, "{}", report.queries);
    assert!(report.is_inconclusive);
    assert!(ids(&report).contains(&rules::SPF_LOOKUPS));
    assert!(started.elapsed() < Duration::from_secs(25));
}

/// Ten records that include each other in every order: without a bound, millions of paths.
#[tokio::test]
async fn records_that_include_each_other_end_soon() {
    let mut text = "@ TXT \"v=spf1 include:0.exemple.fr -all\"\n".to_owned();
    let all: String = (0..10).map(|n| format!("include:{n}.exemple.fr ")).collect();
    for n in 0..10 {
        text.push_str(&format!("{n} TXT \"v=spf1 {all}-all\"\n"));
    }
    let zone = Zone::parse(&text, "exemple.fr").unwrap();
    let started = Instant::now();
    let report = run(&zone, &Options::default()).await;

    assert!(ids(&report).contains(&rules::SPF_LOOKUPS));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// 64 KiB of terms, right or wrong, of tags, or of keys: a short report, soon.
#[tokio::test]
async fn records_of_64_kib_make_a_short_report_soon() {
    let fill = |start: &str, piece: &str| -> Vec<u8> {
        format!("{start}{}", piece.repeat(65_000 / piece.len())).into_bytes()
    };
    let texts = [
        fill("v=spf1", " a"),
        fill("v=spf1", " x:"),
        fill("v=spf1", " ptr"),
        fill("v=spf1", " include:servers.mcsv.net"),
        fill("v=spf1", " include:exemple.fr"),
        fill("v=DMARC1", ";x=1"),
        fill("v=DMARC1;rua=", "mailto:a@b.example,"),
        fill("v=DKIM1", ";p=x"),
    ];
    for text in texts {
        let strings: Vec<_> = text.chunks(255).collect();
        let mut dns = Recorded::default();
        let record = Record { data: Data::Txt(strings.iter().map(|s| s.to_vec()).collect()), ttl: 60 };
        for name in ["exemple.fr", "_dmarc.exemple.fr", "brevo1._domainkey.exemple.fr"] {
            dns.insert(name, RecordType::Txt, Answer::of(vec![record.clone()]));
        }
        let started = Instant::now();
        let report = run(&dns, &Options::default()).await;
        let start = String::from_utf8_lossy(&text[..20]).into_owned();

        assert!(report.findings.len() < 120, "{start}: {}", report.findings.len());
        assert!(report.queries <= 64, "{start}: {}", report.queries);
        assert!(started.elapsed() < Duration::from_secs(5), "{start}: {:?}", started.elapsed());
    }
}

/// One silent server holds a check for 25 s at most, whatever its patience.
#[tokio::test(start_paused = true)]
async fn a_silent_server_holds_a_check_for_25_seconds_at_most() {
    struct Silent;
    #[async_trait::async_trait]
    impl Dns for Silent {
        async fn lookup(&self, _: &str, _: RecordType) -> Answer {
            std::future::pending().await
        }
    }
    let started = tokio::time::Instant::now();
    let report = run(&Silent, &Options::default()).await;

    assert!(started.elapsed() <= Duration::from_secs(26), "{:?}", started.elapsed());
    assert_eq!(report.exit(Severity::Error), 7);
    assert!(report.findings.iter().all(|finding| finding.unchecked || finding.severity < Severity::Error));
}

#[tokio::test]
async fn what_is_no_domain_name_is_refused() {
    let zone = Zone::default();
    for bad in ["", "localhost", "a b.fr", "presse@exemple.fr"] {
        let refused = check(&zone, bad, &[], &Options::default(), Timestamp::UNIX_EPOCH).await;
        assert_eq!(refused.unwrap_err(), NotADomain(bad.to_owned()));
    }
}

#[tokio::test]
async fn the_json_document_holds_what_the_command_line_promises() {
    let server = healthy().txt("exemple.fr", &["v=spf1 mx ~all"]);
    let report = over(server).await;
    let document = check_document(&[report], Severity::Error, Lang::Fr);

    assert_eq!((&document["version"], &document["exit"]), (&1.into(), &1.into()));
    let domain = &document["domains"][0];
    assert_eq!(domain["domain"], "exemple.fr");
    let several = domain["findings"].as_array().unwrap().iter().find(|f| f["id"] == "SPF-SEVERAL").unwrap();
    assert_eq!(several["severity"], "error");
    assert!(several["record"].is_string() && several["provider"].is_null());
    assert_eq!(several["fix"], "exemple.fr. 3600 IN TXT \"v=spf1 include:mx.ovh.com mx ~all\"");
    assert!(several["reference"].as_str().unwrap().starts_with("RFC 7208"));
    let ovh = &domain["providers"][0];
    assert_eq!((&ovh["name"], &ovh["aligned"]), (&"ovh".into(), &"cannot-tell".into()));
    assert_eq!(ovh["legs"][1]["method"], "spf");
    assert_eq!(ovh["legs"][1]["aligned"], "no");
    assert_eq!(ovh["legs"][1]["evidence"], "dns");
}

#[tokio::test]
async fn a_place_in_a_record_is_two_numbers() {
    let zone = Zone::parse("@ TXT \"v=spf1 incldue:x.example ~all\"\n", "exemple.fr").unwrap();
    let report = run(&zone, &Options::default()).await;
    let document = check_document(&[report], Severity::Error, Lang::En);
    let findings = document["domains"][0]["findings"].as_array().unwrap().clone();
    let syntax = findings.iter().find(|f| f["id"] == "SPF-SYNTAX").unwrap();

    assert_eq!(syntax["span"][0], 7);
    assert_eq!(syntax["fix"], "exemple.fr. 3600 IN TXT \"v=spf1 include:x.example ~all\"");
}

/// SARIF 2.1.0, section 3: what a code host needs of each result.
#[tokio::test]
async fn every_sarif_result_has_its_rule_its_level_and_its_place() {
    let report = over(healthy().txt("exemple.fr", &["v=spf1 +all"])).await;
    let locate = |_: &DomainReport, _: &depeche_domain::finding::Finding| Location {
        uri: "depeche.toml".to_owned(),
        line: 7,
    };
    let document = sarif(&[report], Lang::En, "0.1.0", locate);

    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let known: Vec<_> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|r| &r["id"]).collect();
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        assert!(known.contains(&&result["ruleId"]), "{result}");
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "depeche.toml");
        assert_eq!(place["region"]["startLine"], 7);
    }
}

#[tokio::test]
async fn junit_counts_what_it_holds_and_skips_what_was_not_checked() {
    let report = over(healthy().fault("_mta-sts.exemple.fr", Fault::ServFail)).await;
    let document = junit(&[report], Severity::Error, Lang::En);

    assert!(document.contains("failures=\"0\""), "{document}");
    assert_eq!(document.matches("<testcase").count(), document.matches("</testcase>").count());
    let report = over(FakeDns::new().fault("exemple.fr", Fault::ServFail)).await;
    let document = junit(&[report], Severity::Error, Lang::En);
    assert!(document.contains("<skipped"), "{document}");
}

/// A record is written by strangers: no escape sequence, no line and no markup of theirs gets through.
#[tokio::test]
async fn a_hostile_record_writes_nothing_of_its_own_into_a_report() {
    let hostile: &[u8] = b"v=spf1 \x1b[2Jx\nerror-FAKE:<script>|`**\x07& ~all";
    let server = FakeDns::new().txt_bytes("exemple.fr", &[hostile]).mx("exemple.fr", 1, "mx.exemple.fr");
    let report = over(server).await;

    let shown = text(&report, Lang::En);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(!shown.lines().any(|line| line.starts_with("error-FAKE")), "{shown}");
    let page = markdown(std::slice::from_ref(&report), Lang::Fr);
    assert!(!page.lines().any(|line| line.trim_start().starts_with("error-FAKE")), "{page}");
    let xml = junit(&[report], Severity::Error, Lang::En);
    assert!(!xml.contains("<script>") && !xml.chars().any(|c| c.is_control() && c != '\n'));
}

#[tokio::test]
async fn a_selector_of_the_user_proves_the_key_of_ovh() {
    let server = healthy()
        .cname(
            "ovhmo12-selector1._domainkey.exemple.fr",
            "ovhmo12-selector1._domainkey.1.ab.dkim.mail.ovh.net",
        )
        .txt("ovhmo12-selector1._domainkey.1.ab.dkim.mail.ovh.net", &[KEY])
        .start()
        .await;
    let resolver = Resolver::at(server.address());
    let options =
        Options { selectors: vec!["ovhmo12-selector1".to_owned(), "gone".to_owned()], ..Options::default() };
    let report = run(&resolver, &options).await;
    let ovh = &report.providers[0];

    assert!(ovh.legs.iter().all(|leg| leg.aligned == Proof::Yes), "{:?}", ovh.legs);
    let gone = report.findings.iter().find(|finding| finding.id == rules::DKIM_KEY).unwrap();
    assert_eq!(gone.name.as_deref(), Some("gone._domainkey.exemple.fr"));
}
