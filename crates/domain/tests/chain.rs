//! A chain of providers over one domain: who can take over, what is wrong, what to publish.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::align::{Kind, Method, Proof, Provider};
use depeche_domain::check::{DomainReport, Options, check};
use depeche_domain::dns::layered::Layered;
use depeche_domain::dns::zone::Zone;
use depeche_domain::finding::Severity;
use depeche_domain::rules;
use depeche_domain::suggest::suggest;
use depeche_domain::text::Lang;
use jiff::Timestamp;

/// What the providers publish, cut down to what an evaluation meets.
const PROVIDERS: &str = "
mx.ovh.com. 300 IN TXT \"v=spf1 ptr:mail-out.ovh.net ptr:mail.ovh.net ip4:8.33.137.105/32 ip4:192.99.77.81/32 ?all\"
105.137.33.8.in-addr.arpa. 300 IN PTR a.example.net.
81.77.99.192.in-addr.arpa. 300 IN PTR b.example.net.
a.example.net. 300 IN A 8.33.137.105
b.example.net. 300 IN A 192.99.77.81
spf.brevo.com. 300 IN TXT \"v=spf1 ip4:1.179.112.0/20 -all\"
servers.mcsv.net. 300 IN TXT \"v=spf1 ip4:205.201.128.0/20 ?all\"
b1.exemple-fr.dkim.brevo.com. 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
b2.exemple-fr.dkim.brevo.com. 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
dkim2.mcsv.net. 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
dkim3.mcsv.net. 300 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
mx1.mail.ovh.net. 300 IN A 188.165.36.237
_dmarc.fr. 300 IN TXT \"nothing\"
";

/// Every record is valid: one SPF record with three look-ups, one DMARC record with a policy.
const VALID_TO_A_LINTER: &str = "
@ 3600 IN SOA dns1.example.net. hostmaster.exemple.fr. 1 3600 600 86400 300
@ 3600 IN NS dns1.example.net.
@ 3600 IN NS dns2.example.org.
@ 3600 IN MX 1 mx1.mail.ovh.net.
@ 3600 IN TXT \"v=spf1 include:mx.ovh.com include:spf.brevo.com include:servers.mcsv.net ~all\"
_dmarc 3600 IN TXT \"v=DMARC1; p=reject; rua=mailto:dmarc@exemple.fr\"
s1._domainkey 3600 IN TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"
";

fn zone(text: &str) -> Zone {
    Zone::parse(text, "exemple.fr").unwrap()
}

fn providers() -> Vec<Provider> {
    vec![Provider::of(Kind::Ovh), Provider::of(Kind::Brevo), Provider::of(Kind::Mailchimp)]
}

async fn report(zone: &Zone) -> DomainReport {
    check(zone, "exemple.fr", &providers(), &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap()
}

fn shown(report: &DomainReport) -> String {
    let line = |f: &depeche_domain::finding::Finding| {
        format!("{} {:?} {:?}: {}", f.severity.word(), f.id, f.provider, f.message.en)
    };
    report.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn two_of_three_providers_would_fail_while_a_plain_linter_says_valid() {
    let report = report(&zone(&format!("{VALID_TO_A_LINTER}{PROVIDERS}"))).await;

    assert_eq!(report.aligned("ovh"), Some(Proof::Yes), "{}", shown(&report));
    assert_eq!(report.aligned("brevo"), Some(Proof::No), "{}", shown(&report));
    assert_eq!(report.aligned("mailchimp"), Some(Proof::No), "{}", shown(&report));
    for provider in ["brevo", "mailchimp"] {
        let errors: Vec<_> = report
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error && f.provider.as_deref() == Some(provider))
            .collect();
        assert!(errors.len() >= 3, "{provider}: {}", shown(&report));
        assert!(errors.iter().all(|f| f.name.is_some() && f.fix.is_some() || f.record.is_some()));
        for id in
            [rules::PROV_ALIGN, rules::PROV_DKIM_CNAME, rules::PROV_FROM_REWRITE, rules::DMARC_PROV_POLICY]
        {
            assert!(errors.iter().any(|f| f.id == id), "{provider} {id}: {}", shown(&report));
        }
    }
    // Nothing is wrong with SPF and DMARC themselves: that is all a linter looks at.
    let own = |f: &&depeche_domain::finding::Finding| {
        f.severity == Severity::Error && (f.id.starts_with("SPF-") || f.id == rules::DMARC_SYNTAX)
    };
    assert_eq!(report.findings.iter().filter(own).count(), 0, "{}", shown(&report));
    assert_eq!(report.exit(Severity::Error), 1);
    assert!(!report.is_inconclusive, "{}", shown(&report));
    assert!(report.queries <= 64);
}

#[tokio::test]
async fn what_is_suggested_passes_the_check() {
    let live = zone(&format!("{VALID_TO_A_LINTER}{PROVIDERS}"));
    let suggestion = suggest(&live, "exemple.fr", &providers(), &[]).await;
    // As a person does: the records that stay, and the suggested ones in place of the others.
    let text = format!(
        "@ 3600 IN NS dns1.example.net.\n@ 3600 IN NS dns2.example.org.\n@ 3600 IN MX 1 mx1.mail.ovh.net.\n{}",
        suggestion.zone_text(Lang::Fr)
    );
    let proposed = Layered::new(zone(&text), live);

    let report = check(&proposed, "exemple.fr", &providers(), &Options::default(), Timestamp::UNIX_EPOCH)
        .await
        .unwrap();

    for provider in ["ovh", "brevo", "mailchimp"] {
        assert_eq!(report.aligned(provider), Some(Proof::Yes), "{text}\n{}", shown(&report));
    }
    assert_eq!(report.count(Severity::Error), 0, "{text}\n{}", shown(&report));
    assert_eq!(report.exit(Severity::Error), 0);
    assert!(
        suggestion
            .diff(Lang::En)
            .contains("- exemple.fr. 3600 IN TXT \"v=spf1 include:mx.ovh.com include:spf.brevo.com")
    );
    assert!(!suggestion.is_published());
    let again = suggest(&proposed, "exemple.fr", &providers(), &[]).await;
    assert!(again.is_published(), "{}", again.diff(Lang::En));
}

/// canada-ca/tracker 2519 and DomainDetective 859: an unknown selector is neither passed nor failed.
#[tokio::test]
async fn an_unknown_selector_is_not_checked_and_never_failed_nor_passed() {
    let report = report(&zone(&format!("{VALID_TO_A_LINTER}{PROVIDERS}"))).await;
    let ovh = &report.providers[0];

    assert_eq!(ovh.leg(Method::Dkim).unwrap().aligned, Proof::CannotTell);
    assert_eq!(ovh.leg(Method::Spf).unwrap().aligned, Proof::Yes);
    assert!(report.findings.iter().any(|f| f.id == rules::DKIM_UNKNOWN && f.severity == Severity::Info));
}

#[tokio::test]
async fn a_domain_without_any_key_proves_that_ovh_does_not_sign() {
    let text = VALID_TO_A_LINTER.replace("s1._domainkey", "www");
    let report = report(&zone(&format!("{text}{PROVIDERS}"))).await;

    assert_eq!(report.providers[0].leg(Method::Dkim).unwrap().aligned, Proof::No);
    assert_eq!(report.aligned("ovh"), Some(Proof::Yes));
}

/// An include that stands behind a misspelt word helps nobody, though it is there.
#[tokio::test]
async fn the_include_alone_proves_nothing_when_the_record_is_broken() {
    let text = VALID_TO_A_LINTER.replace("include:mx.ovh.com", "include:mx.ovh.com inclde:x.example");
    let report = report(&zone(&format!("{text}{PROVIDERS}"))).await;

    let spf = report.providers[0].leg(Method::Spf).unwrap();
    assert_eq!(spf.aligned, Proof::No, "{}", spf.reason.en);
    assert!(report.findings.iter().any(|f| f.id == rules::SPF_SYNTAX && f.span.is_some()));
}

#[tokio::test]
async fn a_key_in_the_wrong_zone_dangling_or_revoked_is_an_error_with_its_record() {
    let cases = [
        ("brevo1._domainkey CNAME gone.dkim.brevo.com.", "CNAME gone.dkim.brevo.com"),
        ("brevo1._domainkey CNAME dkim2.mcsv.net.", "CNAME dkim2.mcsv.net"),
        ("brevo1._domainkey TXT \"v=DKIM1; p=\"", "v=DKIM1; p="),
    ];
    for (record, named) in cases {
        let gone = "other.dkim.brevo.com. TXT \"x\"\ngone.dkim.brevo.com. A 192.0.2.1\n";
        let text = format!("{VALID_TO_A_LINTER}{record}\n{PROVIDERS}{gone}");
        let report = report(&zone(&text)).await;
        let found = report.findings.iter().find(|f| {
            f.id == rules::PROV_DKIM_CNAME && f.name.as_deref() == Some("brevo1._domainkey.exemple.fr")
        });
        let found = found.unwrap_or_else(|| panic!("{record}: {}", shown(&report)));
        assert_eq!((found.severity, found.record.as_deref()), (Severity::Error, Some(named)));
    }
}
