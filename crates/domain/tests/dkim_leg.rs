//! When a key proves that mail through a provider is signed, when it proves the contrary, and when neither:
//! by the targets that the providers ask for, and by the private keys that depeche signs with.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::align::{Kind, Method, Proof, Provider};
use depeche_domain::check::{DomainReport, Options, check};
use depeche_domain::dkim::OwnKey;
use depeche_domain::dns::zone::Zone;
use depeche_domain::finding::Severity;
use depeche_domain::rules;
use depeche_domain::text::Text;
use jiff::Timestamp;

/// RFC 8463, appendix A.2, and another key of that kind.
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const OTHER: &str = "v=DKIM1; k=ed25519; p=AAqYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const BASE: &str = "@ TXT \"v=spf1 -all\"\n_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:d@exemple.fr\"\n\
                    @ MX 1 mx\nmx A 192.0.2.1\n";

/// Every key that the providers serve.
fn served() -> String {
    let names = [
        "b1.exemple-fr.dkim.brevo.com",
        "b2.exemple-fr.dkim.brevo.com",
        "b1.other-fr.dkim.brevo.com",
        "b2.other-fr.dkim.brevo.com",
        "dkim.mcsv.net",
        "dkim2.mcsv.net",
        "dkim3.mcsv.net",
        "dkim1.mandrillapp.com",
        "dkim2.mandrillapp.com",
        "ovhmo-selector-1._domainkey.4633691.io.dkim.mail.ovh.net",
        "ovhmo-selector-2._domainkey.4633692.io.dkim.mail.ovh.net",
        "key.elsewhere.example",
    ];
    names.map(|name| format!("{name}. TXT \"{KEY}\"\n")).concat()
}

async fn look(records: &str, providers: &[Provider]) -> DomainReport {
    let zone = Zone::parse(&format!("{BASE}{records}{}", served()), "exemple.fr").unwrap();
    check(&zone, "exemple.fr", providers, &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap()
}

fn cnames(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(own, target)| format!("{own}._domainkey CNAME {target}.\n")).collect()
}

fn dkim(report: &DomainReport) -> Proof {
    let leg = report.providers[0].leg(Method::Dkim).unwrap();
    assert!(!leg.reason.en.is_empty() && leg.reason.en != leg.reason.fr);
    leg.aligned
}

fn errors(report: &DomainReport) -> Vec<&str> {
    let own = report.findings.iter().filter(|one| one.id == rules::PROV_DKIM_CNAME);
    own.filter(|one| one.severity == Severity::Error).filter_map(|one| one.name.as_deref()).collect()
}

const OVH: [&str; 2] = [
    "ovhmo-selector-1._domainkey.4633691.io.dkim.mail.ovh.net",
    "ovhmo-selector-2._domainkey.4633692.io.dkim.mail.ovh.net",
];

/// Each provider with its two selectors and their targets.
fn asked() -> [(Kind, [(&'static str, &'static str); 2]); 4] {
    [
        (
            Kind::Brevo,
            [("brevo1", "b1.exemple-fr.dkim.brevo.com"), ("brevo2", "b2.exemple-fr.dkim.brevo.com")],
        ),
        (Kind::Mailchimp, [("k2", "dkim2.mcsv.net"), ("k3", "dkim3.mcsv.net")]),
        (
            Kind::MailchimpTransactional,
            [("mte1", "dkim1.mandrillapp.com"), ("mte2", "dkim2.mandrillapp.com")],
        ),
        (Kind::Ovh, [("ovhmo-selector-1", OVH[0]), ("ovhmo-selector-2", OVH[1])]),
    ]
}

#[tokio::test]
async fn the_targets_that_a_provider_asks_for_are_good_directly_and_through_an_alias_between() {
    for (kind, pairs) in asked() {
        let direct = look(&cnames(&pairs), &[Provider::of(kind)]).await;
        assert_eq!((dkim(&direct), errors(&direct)), (Proof::Yes, vec![]), "{kind:?}");

        let [(one, first), (two, second)] = pairs;
        let between = format!(
            "{one}._domainkey CNAME one.keys\none.keys CNAME {first}.\n\
             {two}._domainkey CNAME two.keys\ntwo.keys CNAME {}.\n",
            second.to_uppercase()
        );
        let between = look(&between, &[Provider::of(kind)]).await;
        assert_eq!((dkim(&between), errors(&between)), (Proof::Yes, vec![]), "{kind:?}");
    }
}

#[tokio::test]
async fn another_selectors_target_is_an_error_and_the_leg_fails() {
    for (kind, [(one, first), (two, second)]) in asked() {
        let swapped = look(&cnames(&[(one, second), (two, first)]), &[Provider::of(kind)]).await;
        assert_eq!(dkim(&swapped), Proof::No, "{kind:?}");
        assert_eq!(errors(&swapped).len(), 2, "{kind:?}: {:?}", swapped.findings);

        // One of the two: which it signs with is not known.
        let half = look(&cnames(&[(one, first), (two, first)]), &[Provider::of(kind)]).await;
        assert_eq!((dkim(&half), errors(&half).len()), (Proof::CannotTell, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn another_customers_key_is_an_error_and_the_leg_fails() {
    let other = [("brevo1", "b1.other-fr.dkim.brevo.com"), ("brevo2", "b2.other-fr.dkim.brevo.com")];
    let report = look(&cnames(&other), &[Provider::of(Kind::Brevo)]).await;

    assert_eq!(dkim(&report), Proof::No);
    assert_eq!(errors(&report), ["brevo1._domainkey.exemple.fr", "brevo2._domainkey.exemple.fr"]);
    assert_eq!(report.exit(Severity::Error), 1);
    let found = report.findings.iter().find(|one| one.id == rules::PROV_DKIM_CNAME).unwrap();
    let fix = found.fix.as_ref().unwrap();
    assert_eq!(fix.en, "brevo1._domainkey.exemple.fr. 3600 IN CNAME b1.exemple-fr.dkim.brevo.com.");
    assert_eq!(found.record.as_deref(), Some("CNAME b1.other-fr.dkim.brevo.com"));
}

#[tokio::test]
async fn a_key_of_the_domain_s_own_in_the_place_of_the_alias_proves_neither() {
    for (kind, [(one, first), (two, _)]) in asked() {
        let bare = |selector: &str| format!("{selector}._domainkey TXT \"{KEY}\"\n");
        for records in
            [format!("{}{}", bare(one), bare(two)), format!("{}{}", cnames(&[(one, first)]), bare(two))]
        {
            let report = look(&records, &[Provider::of(kind)]).await;
            assert_eq!((dkim(&report), errors(&report)), (Proof::CannotTell, vec![]), "{kind:?} {records}");
        }
    }
}

/// The one key of older Mailchimp accounts.
#[tokio::test]
async fn k1_is_good_where_it_leads_to_its_own_target() {
    for (target, proof) in
        [("dkim.mcsv.net", Proof::Yes), ("dkim2.mcsv.net", Proof::No), ("key.elsewhere.example", Proof::No)]
    {
        let report = look(&cnames(&[("k1", target)]), &[Provider::of(Kind::Mailchimp)]).await;
        assert_eq!(dkim(&report), proof, "{target}");
    }
}

/// OVH also hosts servers of one's own, with selectors of one's own.
#[tokio::test]
async fn a_selector_of_another_shape_that_the_user_names_needs_no_alias() {
    let named = Provider { selectors: vec!["s1".to_owned()], ..Provider::of(Kind::Ovh) };
    assert_eq!(
        dkim(&look(&format!("s1._domainkey TXT \"{KEY}\"\n"), std::slice::from_ref(&named)).await),
        Proof::Yes
    );
    assert_eq!(dkim(&look(&cnames(&[("s1", OVH[0])]), &[named]).await), Proof::No);
}

const MAIL: &str =
    "mail._domainkey TXT \"v=DKIM1; k=ed25519; p=AAqYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";

#[tokio::test]
async fn a_key_under_mail_is_not_brevos_because_half_of_brevos_pair_stands() {
    let half = cnames(&[("brevo1", "b1.exemple-fr.dkim.brevo.com")]);
    let brevo = [Provider::of(Kind::Brevo)];
    let report = look(&format!("{half}{MAIL}"), &brevo).await;
    assert_eq!(dkim(&report), Proof::CannotTell);
    assert_eq!(errors(&report), ["brevo2._domainkey.exemple.fr"], "{:?}", report.findings);

    // With its code the key is Brevo's; that the pair is not finished is a warning.
    let coded = look(&format!("{half}{MAIL}@ TXT \"brevo-code:1\"\n"), &brevo).await;
    assert_eq!((dkim(&coded), errors(&coded)), (Proof::Yes, vec![]));
    let warned = coded.findings.iter().find(|one| one.id == rules::PROV_DKIM_CNAME).unwrap();
    assert_eq!(
        (warned.severity, warned.name.as_deref()),
        (Severity::Warn, Some("brevo2._domainkey.exemple.fr"))
    );
}

#[tokio::test]
async fn a_key_under_mail_beside_a_wrong_pair_is_not_brevos_without_its_code() {
    let wrong = cnames(&[("brevo1", "key.elsewhere.example"), ("brevo2", "b2.other-fr.dkim.brevo.com")]);
    let report = look(&format!("{wrong}{MAIL}"), &[Provider::of(Kind::Brevo)]).await;
    assert_eq!((dkim(&report), errors(&report).len()), (Proof::CannotTell, 2), "{:?}", report.findings);

    let whole =
        cnames(&[("brevo1", "b1.exemple-fr.dkim.brevo.com"), ("brevo2", "b2.exemple-fr.dkim.brevo.com")]);
    assert_eq!(dkim(&look(&format!("{whole}{MAIL}"), &[Provider::of(Kind::Brevo)]).await), Proof::Yes);
    // An alias into Brevo's zone is Brevo's, with or without a code.
    let alias = cnames(&[("mail", "b1.exemple-fr.dkim.brevo.com")]);
    assert_eq!(dkim(&look(&alias, &[Provider::of(Kind::Brevo)]).await), Proof::Yes);
}

fn own(domain: &str, record: Option<&str>) -> OwnKey {
    let record = record.map(str::to_owned);
    OwnKey { domain: domain.to_owned(), selector: "s1".to_owned(), record, fault: None }
}

fn signing(own_keys: Vec<OwnKey>) -> [Provider; 1] {
    [Provider { own_keys, ..Provider::of(Kind::Smtp).named("relay") }]
}

#[tokio::test]
async fn a_private_key_that_was_not_read_proves_neither() {
    let published = format!("s1._domainkey TXT \"{KEY}\"\n");
    let unread = look(&published, &signing(vec![own("exemple.fr", None)])).await;
    assert_eq!((dkim(&unread), errors(&unread)), (Proof::CannotTell, vec![]));
    let reason = &unread.providers[0].leg(Method::Dkim).unwrap().reason;
    assert!(reason.en.contains("was not read") && reason.fr.contains("n'a pas été lue"), "{reason:?}");

    let same = look(&published, &signing(vec![own("exemple.fr", Some(KEY))])).await;
    assert_eq!((dkim(&same), errors(&same)), (Proof::Yes, vec![]));
    let other = look(&published, &signing(vec![own("exemple.fr", Some(OTHER))])).await;
    assert_eq!((dkim(&other), errors(&other)), (Proof::No, vec!["s1._domainkey.exemple.fr"]));
    // Nothing is published: that needs no private key to be wrong.
    let none = look("", &signing(vec![own("exemple.fr", None)])).await;
    assert_eq!((dkim(&none), errors(&none)), (Proof::No, vec!["s1._domainkey.exemple.fr"]));
}

#[tokio::test]
async fn a_private_key_that_cannot_be_had_is_an_error() {
    let fault = Some(Text { en: "gone.pem cannot be read".into(), fr: "gone.pem est illisible".into() });
    let key = OwnKey { fault, ..own("exemple.fr", None) };
    let report = look(&format!("s1._domainkey TXT \"{KEY}\"\n"), &signing(vec![key])).await;

    assert_eq!((dkim(&report), errors(&report)), (Proof::No, vec!["s1._domainkey.exemple.fr"]));
    let found = report.findings.iter().find(|one| one.id == rules::PROV_DKIM_CNAME).unwrap();
    assert!(found.message.en.contains("gone.pem cannot be read"), "{found:?}");
    assert!(found.message.fr.ends_with("gone.pem est illisible"), "{found:?}");
}

/// Every key signs every message, so the domain that is named first decides nothing.
#[tokio::test]
async fn of_keys_of_several_domains_the_best_decides_in_either_order() {
    // What the walks to both organizational domains ask.
    let walked = "_dmarc.fr. TXT \"x\"\n_dmarc.net. TXT \"x\"\n_dmarc.other.net. TXT \"v=DMARC1; p=none\"\n";
    let published = format!("s1._domainkey TXT \"{KEY}\"\ns1._domainkey.other.net. TXT \"{KEY}\"\n{walked}");
    let (here, there) = (own("exemple.fr", Some(KEY)), own("other.net", Some(KEY)));
    for keys in [vec![there.clone(), here.clone()], vec![here, there.clone()]] {
        let report = look(&published, &signing(keys)).await;
        assert_eq!((dkim(&report), errors(&report)), (Proof::Yes, vec![]));
        assert_eq!(report.providers[0].leg(Method::Dkim).unwrap().domain, "exemple.fr");
    }
    assert_eq!(dkim(&look(&published, &signing(vec![there.clone()])).await), Proof::No);
    // The one that is aligned is the one to mend.
    let bad = look(&published, &signing(vec![there, own("exemple.fr", Some(OTHER))])).await;
    assert_eq!(dkim(&bad), Proof::No);
    assert_eq!(bad.providers[0].leg(Method::Dkim).unwrap().domain, "exemple.fr");
}

/// "A selector that one of them signs with": of two plain servers nobody can say which.
#[tokio::test]
async fn a_selector_that_nobody_gave_to_a_server_proves_only_one_server() {
    let zone = Zone::parse(&format!("{BASE}s1._domainkey TXT \"{KEY}\"\n"), "exemple.fr").unwrap();
    let options = Options { selectors: vec!["s1".to_owned()], ..Options::default() };
    let (one, two) = (Provider::of(Kind::Smtp).named("one"), Provider::of(Kind::Smtp).named("two"));
    let own = Provider { selectors: vec!["s1".to_owned()], ..one.clone() };
    let cases = [
        (vec![one.clone()], vec![Proof::Yes]),
        (vec![one, two.clone()], vec![Proof::CannotTell, Proof::CannotTell]),
        // With its own the first is proven, and the other is the only one that nobody spoke for.
        (vec![own, two], vec![Proof::Yes, Proof::Yes]),
    ];
    for (providers, proofs) in cases {
        let report = check(&zone, "exemple.fr", &providers, &options, Timestamp::UNIX_EPOCH).await.unwrap();
        let seen: Vec<_> =
            report.providers.iter().map(|one| one.leg(Method::Dkim).unwrap().aligned).collect();
        assert_eq!(seen, proofs);
    }
}
