//! Every rule is reached by a zone that breaks it, and by no zone that keeps it.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use depeche_domain::align::{Kind, Method, Proof, Provider};
use depeche_domain::check::{DomainReport, Options, check};
use depeche_domain::dns::layered::Layered;
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
        (TLS_RPT, format!("{}{SPF}{DMARC}{sign}", base("rua=mailto:t@", "rua=t@")), vec![]),
        (BIMI, format!("{}{SPF}{DMARC}{sign}", base("l=\"", "l=http://exemple.fr/l.svg\"")), vec![]),
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

fn of<'a>(report: &'a DomainReport, id: &str) -> Vec<&'a depeche_domain::finding::Finding> {
    report.findings.iter().filter(|finding| finding.id == id).collect()
}

/// Each receiver by its own table (PROVIDERS: Gmail and Yahoo, Microsoft, Orange): what one of them does not
/// ask for is not held against the domain there.
#[tokio::test]
async fn gmail_and_yahoo_want_one_click_and_a_name_that_leads_back() {
    let zone = format!("{}{SPF}{DMARC}{}", BASE.replace("A 192.0.2.7", "A 192.0.2.8"), signing());
    let zone = Zone::parse(&zone, "exemple.fr").unwrap();
    let options = Options { one_click: Some(false), ..Options::default() };
    let report = check(&zone, "exemple.fr", &[relay()], &options, Timestamp::UNIX_EPOCH).await.unwrap();

    let gmail = of(&report, rules::BULK_GMAIL_YAHOO);
    assert!(
        gmail[0].message.en.ends_with("for want of SMTP PTR, one-click unsubscribe (RFC 8058)"),
        "{gmail:?}"
    );
    assert!(gmail[0].message.en.contains("from 5000 messages a day"));
}

#[tokio::test]
async fn microsoft_wants_both_spf_and_dkim_and_no_more_of_hosts_or_links() {
    let zone = format!("{}{SPF}{DMARC}{}", BASE.replace("A 192.0.2.7", "A 192.0.2.8"), signing());
    let zone = Zone::parse(&zone, "exemple.fr").unwrap();
    let options = Options { one_click: Some(false), ..Options::default() };
    let report = check(&zone, "exemple.fr", &[relay()], &options, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(of(&report, rules::BULK_MICROSOFT).len(), 0, "{:?}", report.findings);

    // DMARC passes by DKIM alone, and SPF fails: enough for DMARC, not for Microsoft.
    let lone = SPF.replace("192.0.2.7", "192.0.2.9");
    let report = look(&format!("{BASE}{lone}{DMARC}{}", signing()), &[relay()]).await;
    assert_eq!(report.aligned("relay"), Some(Proof::Yes));
    let microsoft = of(&report, rules::BULK_MICROSOFT);
    assert!(microsoft[0].message.en.ends_with("for want of SMTP SPF"), "{microsoft:?}");
}

#[tokio::test]
async fn orange_wants_all_three_and_a_name_that_leads_back_from_a_thousand_on() {
    let zone = format!("{}{SPF}{}", BASE.replace("A 192.0.2.7", "A 192.0.2.8"), signing());
    let report = look(&zone, &[relay()]).await;

    let orange = of(&report, rules::BULK_ORANGE);
    assert!(orange[0].message.fr.ends_with("faute de SMTP DMARC, PTR"), "{orange:?}");
    assert!(orange[0].message.fr.contains("1000 messages par jour"));
}

/// What DNS did not answer is held against nobody: neither lacking nor passed.
#[tokio::test]
async fn a_receiver_is_told_nothing_about_a_leg_that_was_not_looked_at() {
    let nobody = Provider { ips: vec![], selectors: vec![], ..relay() };
    let report = look(&format!("{BASE}{SPF}{DMARC}{}", signing()), &[nobody]).await;
    assert_eq!(report.aligned("relay"), Some(Proof::CannotTell));

    for id in [rules::BULK_GMAIL_YAHOO, rules::BULK_MICROSOFT, rules::BULK_ORANGE] {
        assert_eq!(of(&report, id).len(), 0, "{id}");
    }
}

/// Reply-To is a second way to answer only when somebody else runs it; keys are a second way to prove only
/// when somebody else serves them.
#[tokio::test]
async fn what_falls_together_is_said_with_everything_that_is_there() {
    let own = "@ NS dns1.ovh.net.\n@ NS ns1.ovh.net.\n@ MX 1 mx1.mail.ovh.net.\n";
    let other = "@ NS ns1.gandi.net.\n@ MX 1 mx2.mail.ovh.net.\nstop CNAME cluster1.hosting.ovh.net.\n";
    let ovh = "mx1.mail A 192.0.2.1\nmx2.mail A 192.0.2.2\ncluster1.hosting A 192.0.2.3\n";
    let parse = |text: &str, origin: &str| Zone::parse(text, origin).unwrap();
    let elsewhere = Layered::new(parse(other, "exemple.org"), parse(ovh, "ovh.net"));
    let zone = Layered::new(parse(&format!("{own}{SPF}{DMARC}"), "exemple.fr"), elsewhere);
    let options = Options {
        reply_to: Some("exemple.org".to_owned()),
        web_hosts: vec!["stop.exemple.org".to_owned()],
        ..Options::default()
    };
    let report = check(&zone, "exemple.fr", &[], &options, Timestamp::UNIX_EPOCH).await.unwrap();

    let said: Vec<_> =
        of(&report, rules::DNS_SPOF).iter().map(|finding| finding.message.en.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].ends_with("also there: Reply-To's mailboxes (exemple.org), the page stop.exemple.org"),
        "{said:?}"
    );
    assert!(said[1].contains("both OVH's"), "{said:?}");
}

#[tokio::test]
async fn keys_of_every_provider_behind_one_dns_operator_are_one_weak_point() {
    let own = format!(
        "{BASE}{SPF}{DMARC}brevo1._domainkey CNAME b1.exemple-fr.dkim.brevo.com.\n\
         brevo2._domainkey CNAME b2.exemple-fr.dkim.brevo.com.\n\
         k2._domainkey CNAME dkim2.mcsv.net.\nk3._domainkey CNAME dkim3.mcsv.net.\n"
    );
    let brevo =
        format!("@ NS a.ns.cloudflare.com.\nb1.exemple-fr TXT \"{KEY}\"\nb2.exemple-fr TXT \"{KEY}\"\n");
    let providers = [Provider::of(Kind::Brevo), Provider::of(Kind::Mailchimp)];
    for (server, count) in [("b.ns.cloudflare.com", 1), ("ns1.dns.example", 0)] {
        let mailchimp = format!("@ NS {server}.\ndkim2 TXT \"{KEY}\"\ndkim3 TXT \"{KEY}\"\n");
        let parse = |text: &str, origin: &str| Zone::parse(text, origin).unwrap();
        let elsewhere = Layered::new(parse(&brevo, "dkim.brevo.com"), parse(&mailchimp, "mcsv.net"));
        let dns = Layered::new(parse(&own, "exemple.fr"), elsewhere);
        let report =
            check(&dns, "exemple.fr", &providers, &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap();

        let said = of(&report, rules::DNS_SPOF);
        assert_eq!(said.len(), count, "{said:?}");
        for one in said {
            assert!(one.message.en.contains("(brevo, mailchimp)") && one.message.en.contains("Cloudflare"));
        }
    }
}

/// A logo is shown only where the policy is enforced; a record that says there is none is right everywhere.
#[tokio::test]
async fn a_logo_without_an_enforced_policy_is_said() {
    let logo = BASE.replace("l=\"", "l=https://exemple.fr/l.svg; a=https://exemple.fr/c.pem\"");
    let none = DMARC.replace("p=reject", "p=none");
    assert_eq!(of(&look(&format!("{logo}{SPF}{DMARC}{}", signing()), &[]).await, rules::BIMI).len(), 0);
    let lax = look(&format!("{logo}{SPF}{none}{}", signing()), &[]).await;
    assert!(of(&lax, rules::BIMI)[0].message.en.contains("not quarantine or reject"), "{:?}", lax.findings);
    let declined = look(&format!("{BASE}{SPF}{none}{}", signing()), &[]).await;
    assert_eq!(of(&declined, rules::BIMI).len(), 0);
}

/// Nothing that was not assessed is passed over: every look-up that fails is said.
#[tokio::test]
async fn every_record_that_dns_withholds_is_said_to_be_unchecked() {
    for (name, kind) in [
        ("_smtp._tls.exemple.fr", RecordType::Txt),
        ("default._bimi.exemple.fr", RecordType::Txt),
        ("_mta-sts.exemple.fr", RecordType::Txt),
        ("exemple.fr", RecordType::Ds),
        ("exemple.fr", RecordType::Ns),
        ("exemple.fr", RecordType::Mx),
        ("exemple.fr", RecordType::Txt),
        ("_dmarc.exemple.fr", RecordType::Txt),
        ("mx.exemple.fr", RecordType::A),
        ("7.2.0.192.in-addr.arpa", RecordType::Ptr),
        ("out.exemple.fr", RecordType::A),
    ] {
        let zone = Zone::parse(&format!("{BASE}{SPF}{DMARC}{}", signing()), "exemple.fr").unwrap();
        let dns = Withholding { below: zone, name, kind };
        let options = Options { policies: Some(Arc::new(Enforced)), ..Options::default() };
        let report = check(&dns, "exemple.fr", &[relay()], &options, Timestamp::UNIX_EPOCH).await.unwrap();

        assert_eq!(report.exit(Severity::Info), 7, "{name} {kind:?}: {:?}", report.findings);
        assert!(
            report.findings.iter().all(|finding| finding.unchecked),
            "{name} {kind:?}: {:?}",
            report.findings
        );
    }
}

/// A zone with one answer that fails.
struct Withholding {
    below: Zone,
    name: &'static str,
    kind: RecordType,
}

#[async_trait::async_trait]
impl depeche_domain::dns::Dns for Withholding {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        if kind == self.kind && name.eq_ignore_ascii_case(self.name) {
            return Answer::without_records(Status::ServFail);
        }
        self.below.lookup(name, kind).await
    }
}
