//! What stands when a provider or an operator is down: decided over facts, told in both languages.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::align::Proof;
use depeche_domain::dns::layered::Layered;
use depeche_domain::dns::zone::Zone;
use depeche_domain::outage::{Asked, Carrier, Facts, KeyZone, State, Survey, gather, survey};
use depeche_domain::report::outage_text;
use depeche_domain::text::Lang;

/// A domain whose name servers and mailboxes are OVH's, with answers that go to Gandi.
const ZONE: &str = "
exemple.fr. NS dns19.ovh.net.
exemple.fr. NS ns19.ovh.net.
exemple.fr. MX 1 mx1.mail.ovh.net.
exemple.fr. A 192.0.2.1
1.2.0.192.in-addr.arpa. PTR cluster031.hosting.ovh.net.
";
/// Where answers and images are: half of its DNS is Gandi's, half Amazon's.
const OTHER: &str = "
presse.exemple.org. MX 10 spool.mail.gandi.net.
exemple.org. NS ns-1-a.gandi.net.
exemple.org. NS ns-1536.awsdns-00.co.uk.
images.exemple.org. CNAME d1.cloudfront.net.
d1.cloudfront.net. A 192.0.2.2
";

fn carrier(name: &str, operator: &str, aligned: Proof) -> Carrier {
    let (name, operator) = (name.to_owned(), Some(operator.to_owned()));
    Carrier { name, operator, aligned, key_zones: Vec::new(), without_keys: Proof::No }
}

async fn facts() -> Facts {
    let asked = Asked {
        domain: "exemple.fr".to_owned(),
        reply_to: Some("presse.exemple.org".to_owned()),
        links: vec!["exemple.fr".to_owned()],
        images: vec!["images.exemple.org".to_owned()],
        unsubscribe_mail: Some("exemple.fr".to_owned()),
        unsubscribe_host: Some("elsewhere.example".to_owned()),
        carriers: vec![
            carrier("ovh", "OVH", Proof::Yes),
            carrier("brevo", "Brevo", Proof::Yes),
            carrier("mandrill", "Mailchimp", Proof::No),
        ],
    };
    let zone = |text, origin| Zone::parse(text, origin).unwrap();
    gather(&Layered::new(zone(ZONE, "exemple.fr"), zone(OTHER, "exemple.org")), &asked).await
}

fn states(survey: &Survey) -> Vec<(&'static str, &str, State)> {
    survey.parts.iter().map(|part| (part.part, part.name.as_str(), part.state)).collect()
}

#[tokio::test]
async fn the_loss_of_the_dns_operator_takes_every_provider_with_it() {
    use State::{Breaks, NotKnown, Survives};
    let survey = survey(&facts().await, "ovh");

    assert_eq!(survey.operators, ["OVH"]);
    assert_eq!(
        states(&survey),
        [
            ("provider", "ovh", Breaks),
            ("provider", "brevo", Breaks),
            ("provider", "mandrill", Breaks),
            ("dns", "exemple.fr", Breaks),
            ("from", "exemple.fr", Breaks),
            ("reply-to", "presse.exemple.org", Survives),
            ("unsubscribe", "exemple.fr", Breaks),
            ("link", "exemple.fr", Breaks),
            ("image", "images.exemple.org", Survives),
            ("unsubscribe", "elsewhere.example", NotKnown),
        ]
    );
    let lacking: Vec<_> =
        survey.parts.iter().filter(|part| part.state == Breaks && part.cure.is_none()).collect();
    // The provider that is down and the one that is only unverifiable are cured by their neighbours' cures.
    assert_eq!(lacking.len(), 3, "{lacking:#?}");
}

#[tokio::test]
async fn the_loss_of_a_provider_leaves_those_that_pass_dmarc() {
    let facts = facts().await;

    let survey = survey(&facts, "brevo");

    let of = |name: &str| survey.parts.iter().find(|part| part.name == name).unwrap();
    assert_eq!(of("ovh").state, State::Survives);
    // Up, but of no use: its mail would fail DMARC.
    assert_eq!(of("mandrill").state, State::Breaks);
    assert!(of("mandrill").cure.as_ref().unwrap().en.contains("domain suggest exemple.fr"));
    assert_eq!(of("exemple.fr").state, State::Survives);
}

#[tokio::test]
async fn half_of_the_name_servers_are_enough() {
    let facts = facts().await;

    for operator in ["gandi", "Amazon"] {
        let survey = survey(&facts, operator);
        let reply_to = survey.parts.iter().find(|part| part.part == "reply-to").unwrap();
        // Gandi also holds the mailbox; Amazon only one of two name servers.
        let expected = if operator == "gandi" { State::Breaks } else { State::Survives };
        assert_eq!(reply_to.state, expected, "{operator}: {reply_to:?}");
    }
}

#[tokio::test]
async fn what_nobody_rests_on_is_said_and_nothing_breaks_but_what_is_broken_already() {
    let survey = survey(&facts().await, "sendgrid");

    assert!(!survey.is_known);
    let broken: Vec<_> = survey.parts.iter().filter(|part| part.state == State::Breaks).collect();
    assert!(matches!(broken.as_slice(), [one] if one.name == "mandrill"), "{broken:#?}");
}

/// What DNS did not say is never "survives".
#[tokio::test]
async fn without_dns_nothing_is_known() {
    let asked = Asked {
        domain: "exemple.fr".to_owned(),
        links: vec!["exemple.fr".to_owned()],
        carriers: vec![carrier("ovh", "OVH", Proof::Yes), carrier("brevo", "Brevo", Proof::CannotTell)],
        ..Asked::default()
    };
    let nothing = depeche_domain::dns::recorded::Recorded::default();

    let survey = survey(&gather(&nothing, &asked).await, "ovh");

    assert_eq!(survey.parts[0].state, State::Breaks);
    assert!(survey.parts[1..].iter().all(|part| part.state == State::NotKnown), "{survey:#?}");
}

#[tokio::test]
async fn a_survey_reads_the_same_in_both_languages() {
    let facts = facts().await;
    let text = |lang| {
        let both = [survey(&facts, "ovh"), survey(&facts, "brevo")];
        both.iter().map(|one| outage_text(one, lang)).collect::<String>()
    };

    insta::assert_snapshot!("outage_en", text(Lang::En));
    insta::assert_snapshot!("outage_fr", text(Lang::Fr));
}

/// Brevo's mail rests on keys in a zone of Brevo's, which one house serves; OVH's passes SPF as well.
#[tokio::test]
async fn the_loss_of_who_serves_a_providers_key_zone_breaks_that_provider_alone() {
    let key = |zone: &str| vec![KeyZone { zone: zone.to_owned(), operators: None }];
    let brevo = Carrier { key_zones: key("dkim.brevo.com"), ..carrier("brevo", "Brevo", Proof::Yes) };
    let on_spf = Carrier {
        key_zones: key("dkim.brevo.com"),
        without_keys: Proof::Yes,
        ..carrier("on-spf", "Elsewhere", Proof::Yes)
    };
    let nobody = Carrier { key_zones: key("keys.example"), ..carrier("nobody", "Nobody", Proof::Yes) };
    let zone = "@ NS ns1.one.example.\n@ NS ns2.two.example.\n@ MX 1 mx.one.example.\n";
    let asked =
        Asked { domain: "exemple.fr".to_owned(), carriers: vec![brevo, on_spf, nobody], ..Asked::default() };
    let keys = "@ NS a.ns.cloudflare.com.\n@ NS b.ns.cloudflare.com.\n";
    let parse = |text, origin| Zone::parse(text, origin).unwrap();
    let dns = Layered::new(parse(zone, "exemple.fr"), parse(keys, "dkim.brevo.com"));
    let facts = gather(&dns, &asked).await;

    let lost = survey(&facts, "cloudflare");

    assert_eq!(
        states(&lost)[..4],
        [
            ("provider", "brevo", State::Breaks),
            ("provider", "on-spf", State::Survives),
            ("provider", "nobody", State::NotKnown),
            ("dns", "exemple.fr", State::Survives),
        ]
    );
    assert!(lost.parts[0].why.en.contains("dkim.brevo.com") && lost.parts[0].cure.is_some(), "{lost:?}");
}
