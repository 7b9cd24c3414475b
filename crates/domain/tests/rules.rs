//! Every rule is reached by a zone that breaks it, and by no zone that keeps it.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use depeche_domain::align::{Kind, Method, Proof, Provider};
use depeche_domain::check::{DomainReport, Options, check};
use depeche_domain::dns::recorded::Recorded;
use depeche_domain::dns::zone::Zone;
use depeche_domain::dns::{Answer, RecordType, Status};
use depeche_domain::finding::Severity;
use depeche_domain::mta_sts::{Document, FetchError, PolicyFetcher};
use depeche_domain::rules;
use jiff::Timestamp;

const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// A domain on which nothing but the tested lines is wrong.
const BASE: &str = "
@ 3600 IN NS ns1.one.example.
@ 3600 IN NS ns2.two.example.
@ 3600 IN DS 1 8 2 00
@ 3600 IN MX 1 mx
mx 3600 IN A 192.0.2.1
_smtp._tls 3600 IN TXT \"v=TLSRPTv1; rua=mailto:t@exemple.fr\"
_mta-sts 3600 IN TXT \"v=STSv1; id=1\"
mta-sts 3600 IN A 192.0.2.2
default._bimi 3600 IN TXT \"v=BIMI1; l=\"
7.2.0.192.in-addr.arpa. 3600 IN PTR out.exemple.fr.
out 3600 IN A 192.0.2.7
";
const SPF: &str = "@ 3600 IN TXT \"v=spf1 ip4:192.0.2.7 -all\"\n";
const DMARC: &str = "_dmarc 3600 IN TXT \"v=DMARC1; p=reject; rua=mailto:d@exemple.fr\"\n";

fn relay() -> Provider {
    let ips = vec!["192.0.2.7".parse().unwrap()];
    Provider { ips, selectors: vec!["s1".to_owned()], ..Provider::of(Kind::Smtp).named("relay") }
}

fn signing() -> String {
    format!("s1._domainkey 3600 IN TXT \"{KEY}\"\n")
}

/// Serves an MTA-STS policy for every exchanger below the domain.
#[derive(Debug)]
struct Enforced;

#[async_trait::async_trait]
impl PolicyFetcher for Enforced {
    async fn fetch(&self, _: &str, _: &[IpAddr]) -> Result<Document, FetchError> {
        let body = b"version: STSv1\nmode: enforce\nmx: *.exemple.fr\nmax_age: 1209600\n".to_vec();
        Ok(Document { content_type: "text/plain".to_owned(), body })
    }
}

async fn look(zone: &str, providers: &[Provider]) -> DomainReport {
    let zone = Zone::parse(zone, "exemple.fr").unwrap();
    // Without a provider the user names the selector.
    let selectors = if providers.is_empty() { vec!["s1".to_owned()] } else { Vec::new() };
    let options = Options { selectors, policies: Some(Arc::new(Enforced)), ..Options::default() };
    check(&zone, "exemple.fr", providers, &options, Timestamp::UNIX_EPOCH).await.unwrap()
}

fn ids(report: &DomainReport) -> BTreeSet<&'static str> {
    report.findings.iter().map(|finding| finding.id).collect()
}

#[tokio::test]
async fn a_domain_in_order_has_no_finding_at_all() {
    let report = look(&format!("{BASE}{SPF}{DMARC}{}", signing()), &[relay()]).await;

    assert_eq!(ids(&report), BTreeSet::new(), "{:?}", report.findings);
    assert_eq!(report.exit(Severity::Info), 0);
}

#[tokio::test]
async fn every_rule_is_broken_by_its_zone() {
    use rules::*;
    let sign = signing();
    let text = |record: &str| format!("@ 3600 IN TXT \"{record}\"\n");
    let policy = |record: &str| format!("_dmarc 3600 IN TXT \"{record}\"\n");
    let key = |record: &str| format!("s1._domainkey 3600 IN TXT \"{record}\"\n");
    let base = |from: &str, to: &str| BASE.replace(from, to);
    let brevo = Provider::of(Kind::Brevo);
    // Each row: the rule, the zone, the providers.
    let rows: Vec<(&str, String, Vec<Provider>)> = vec![
        (PROV_ALIGN, format!("{BASE}{SPF}{DMARC}"), vec![brevo.clone()]),
        (PROV_FROM_REWRITE, format!("{BASE}{SPF}{DMARC}"), vec![brevo.clone()]),
        (PROV_DKIM_CNAME, format!("{BASE}{SPF}{DMARC}"), vec![brevo.clone()]),
        (DMARC_PROV_POLICY, format!("{BASE}{SPF}{DMARC}"), vec![brevo.clone()]),
        (BULK_GMAIL_YAHOO, format!("{BASE}{SPF}{DMARC}"), vec![brevo.clone()]),
        (BULK_MICROSOFT, format!("{BASE}{SPF}{DMARC}"), vec![brevo.clone()]),
        (BULK_ORANGE, format!("{BASE}{SPF}{DMARC}"), vec![brevo]),
        (SPF_MISSING, format!("{BASE}{DMARC}{sign}"), vec![relay()]),
        (SPF_SEVERAL, format!("{BASE}{SPF}{SPF}{DMARC}{sign}").replacen("-all", "~all", 1), vec![relay()]),
        (SPF_SYNTAX, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 ipv4:192.0.2.7 -all")), vec![relay()]),
        (SPF_LOOKUPS, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 mx mx mx mx mx mx mx mx -all")), vec![]),
        (SPF_VOID, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 a:no.exemple.fr -all")), vec![]),
        (SPF_INCLUDE, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 include:mx.exemple.fr -all")), vec![]),
        (SPF_ALL, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 +all")), vec![]),
        (SPF_PTR, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 ptr -all")), vec![]),
        (SPF_USELESS, format!("{BASE}{DMARC}{sign}{}", text("v=spf1 include:servers.mcsv.net -all")), vec![]),
        (
            SPF_SIZE,
            format!("{BASE}{SPF}{DMARC}{sign}{}{}", text(&"x".repeat(250)), text(&"y".repeat(250))),
            vec![],
        ),
        (DKIM_KEY, format!("{BASE}{SPF}{DMARC}{}", key("v=DKIM1; p=")), vec![]),
        (DKIM_TESTING, format!("{BASE}{SPF}{DMARC}{}", key(&format!("{KEY}; t=y"))), vec![relay()]),
        (DKIM_UNKNOWN, format!("{BASE}{SPF}{DMARC}{sign}"), vec![Provider { selectors: vec![], ..relay() }]),
        (DMARC_MISSING, format!("{BASE}{SPF}{sign}"), vec![]),
        (DMARC_SEVERAL, format!("{BASE}{SPF}{DMARC}{}{sign}", policy("v=DMARC1; p=none")), vec![]),
        (
            DMARC_SYNTAX,
            format!("{BASE}{SPF}{sign}{}", policy("v=DMARC1; p=reject; adkim=x; rua=mailto:d@exemple.fr")),
            vec![],
        ),
        (
            DMARC_REMOVED,
            format!("{BASE}{SPF}{sign}{}", policy("v=DMARC1; p=reject; pct=50; rua=mailto:d@exemple.fr")),
            vec![],
        ),
        (
            DMARC_NONE,
            format!("{BASE}{SPF}{sign}{}", policy("v=DMARC1; p=none; rua=mailto:d@exemple.fr")),
            vec![],
        ),
        (
            DMARC_TESTING,
            format!("{BASE}{SPF}{sign}{}", policy("v=DMARC1; p=reject; t=y; rua=mailto:d@exemple.fr")),
            vec![],
        ),
        (
            DMARC_SUBDOMAIN,
            format!("{BASE}{SPF}{sign}{}", policy("v=DMARC1; p=reject; sp=none; rua=mailto:d@exemple.fr")),
            vec![],
        ),
        (DMARC_NO_REPORTS, format!("{BASE}{SPF}{sign}{}", policy("v=DMARC1; p=reject")), vec![]),
        (
            DMARC_EXTERNAL,
            format!(
                "{BASE}{SPF}{sign}{}other.example. IN TXT \"x\"\nexemple.fr._report._dmarc.other.example. IN A 192.0.2.1\n",
                policy("v=DMARC1; p=reject; rua=mailto:d@other.example")
            ),
            vec![],
        ),
        (DNS_SPOF, format!("{}{SPF}{DMARC}{sign}", base("ns2.two", "ns2.one")), vec![]),
        (DNS_TTL, format!("{BASE}{DMARC}{sign}{}", SPF.replace("3600", "172800")), vec![]),
        (DNSSEC, format!("{}{SPF}{DMARC}{sign}", base("@ 3600 IN DS 1 8 2 00\n", "")), vec![]),
        (MX_MISSING, format!("{}{SPF}{DMARC}{sign}", base("@ 3600 IN MX 1 mx\n", "")), vec![]),
        (MX_BROKEN, format!("{}{SPF}{DMARC}{sign}", base("MX 1 mx", "MX 1 none")), vec![]),
        (
            HOST_PTR,
            format!("{}{SPF}{DMARC}{sign}", base("out 3600 IN A 192.0.2.7", "out 3600 IN A 192.0.2.8")),
            vec![relay()],
        ),
        (TLS_RPT, format!("{}{SPF}{DMARC}{sign}", base("_smtp._tls", "other")), vec![]),
        (MTA_STS, format!("{}{SPF}{DMARC}{sign}", base("\nmta-sts", "\nother")), vec![]),
        (BIMI, format!("{}{SPF}{DMARC}{sign}", base("default._bimi", "other")), vec![]),
    ];
    let mut reached: BTreeSet<&str> = rows.iter().map(|(id, ..)| *id).collect();
    for (id, zone, providers) in &rows {
        let report = look(zone, providers).await;
        assert!(ids(&report).contains(id), "{id}: {:?}\n{zone}", ids(&report));
    }
    // Those that a zone file cannot show have tests of their own, here and in the other files.
    reached.extend([DNS_UNCHECKED, DNS_NO_DOMAIN, DKIM_SHORT]);
    reached.extend([PROV_LEG_LOST, MTA_STS_POLICY, MTA_STS_MX, MTA_STS_MODE]);
    let all: BTreeSet<&str> = all().map(|rule| rule.id).collect();
    assert_eq!(reached, all);
}

/// RFC 8463's RSA key has 1024 bits.
#[tokio::test]
async fn a_key_of_1024_bits_is_a_warning_and_the_leg_still_stands() {
    let key = "v=DKIM1; k=rsa; \" \"p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    let zone = format!("{BASE}{SPF}{DMARC}s1._domainkey 3600 IN TXT \"{key}\"\n");
    let report = look(&zone, &[relay()]).await;

    let short = report.findings.iter().find(|finding| finding.id == rules::DKIM_SHORT).unwrap();
    assert_eq!(short.severity, Severity::Warn);
    assert_eq!(report.providers[0].leg(Method::Dkim).unwrap().aligned, Proof::Yes);
}

/// Mandrill with a return path below the domain: relaxed alignment holds, strict cannot.
#[tokio::test]
async fn a_return_path_of_ones_own_is_aligned_only_when_alignment_is_relaxed() {
    let extra = "bounce 3600 IN CNAME mandrillapp.com.\n\
        mandrillapp.com. 3600 IN TXT \"v=spf1 include:spf.mandrillapp.com ?all\"\n\
        spf.mandrillapp.com. 3600 IN TXT \"v=spf1 ip4:198.2.128.0/24 ?all\"\n";
    let provider = Provider {
        envelope_domain: Some("bounce.exemple.fr".to_owned()),
        ..Provider::of(Kind::MailchimpTransactional)
    };
    let relaxed = look(&format!("{BASE}{SPF}{DMARC}{extra}"), std::slice::from_ref(&provider)).await;
    let leg = relaxed.providers[0].leg(Method::Spf).unwrap();
    assert_eq!(leg.aligned, Proof::Yes, "{}", leg.reason.en);

    let strict = DMARC.replace("p=reject", "p=reject; aspf=s");
    let strict = look(&format!("{BASE}{SPF}{strict}{extra}"), &[provider]).await;
    assert_eq!(strict.aligned("mailchimp-transactional"), Some(Proof::No));
    assert!(ids(&strict).contains(rules::DMARC_PROV_POLICY));
}

/// A key under `mail` may be anybody's: Brevo's code beside it makes it Brevo's.
#[tokio::test]
async fn a_key_under_mail_is_brevos_only_with_its_code() {
    let zone = format!("{BASE}{SPF}{DMARC}mail._domainkey 3600 IN TXT \"{KEY}\"\n");
    let without = look(&zone, &[Provider::of(Kind::Brevo)]).await;
    assert_eq!(without.aligned("brevo"), Some(Proof::CannotTell));

    let with =
        look(&format!("{zone}@ 3600 IN TXT \"brevo-code:1234\"\n"), &[Provider::of(Kind::Brevo)]).await;
    assert_eq!(with.aligned("brevo"), Some(Proof::Yes));
    assert!(!ids(&with).contains(rules::PROV_DKIM_CNAME));
}

/// Half of a pair: which of the two the provider signs with cannot be known.
#[tokio::test]
async fn half_a_pair_of_keys_proves_nothing() {
    let zone = format!(
        "{BASE}{SPF}{DMARC}brevo1._domainkey 3600 IN CNAME b1.exemple-fr.dkim.brevo.com.\n\
         b1.exemple-fr.dkim.brevo.com. 3600 IN TXT \"{KEY}\"\n"
    );
    let report = look(&zone, &[Provider::of(Kind::Brevo)]).await;

    assert_eq!(report.aligned("brevo"), Some(Proof::CannotTell));
    let missing = report.findings.iter().find(|finding| finding.id == rules::PROV_DKIM_CNAME).unwrap();
    assert_eq!(missing.name.as_deref(), Some("brevo2._domainkey.exemple.fr"));
}

/// Recorded answers: a question that was not recorded is not an answer.
#[tokio::test]
async fn an_answer_that_was_not_recorded_is_never_missing() {
    let mut dns = Recorded::default();
    dns.insert("exemple.fr", RecordType::Txt, Answer::without_records(Status::Timeout));
    let report =
        check(&dns, "exemple.fr", &[relay()], &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap();

    assert!(ids(&report).contains(rules::DNS_UNCHECKED));
    assert_eq!(report.count(Severity::Error), 0, "{:?}", report.findings);
    assert_eq!(report.exit(Severity::Info), 7);
}
