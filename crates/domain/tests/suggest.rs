//! What `suggest` prints, published as a person would, passes the check, whatever was published before.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::align::{Kind, Proof, Provider};
use depeche_domain::check::{Options, check};
use depeche_domain::dmarc::{Policy, discover};
use depeche_domain::dns::RecordType;
use depeche_domain::dns::zone::Zone;
use depeche_domain::finding::Severity;
use depeche_domain::spf::{MAX_LOOKUPS, audit};
use depeche_domain::suggest::{Suggestion, suggest};
use depeche_domain::text::Lang;
use jiff::Timestamp;

/// What others publish: the providers, and eleven services that somebody once let send.
const OTHERS: &str = "
mx.ovh.com. 300 IN TXT \"v=spf1 ptr:mail-out.ovh.net ptr:mail.ovh.net ip4:8.33.137.105/32 ip4:192.99.77.81/32 ?all\"
105.137.33.8.in-addr.arpa. 300 IN PTR a.example.net.
81.77.99.192.in-addr.arpa. 300 IN PTR b.example.net.
a.example.net. 300 IN A 8.33.137.105
b.example.net. 300 IN A 192.99.77.81
spf.brevo.com. 300 IN TXT \"v=spf1 ip4:1.179.112.0/20 -all\"
spf.mandrillapp.com. 300 IN TXT \"v=spf1 ip4:198.2.128.0/24 ?all\"
servers.mcsv.net. 300 IN TXT \"v=spf1 ip4:205.201.128.0/20 ?all\"
mx1.mail.ovh.net. 300 IN A 188.165.36.237
whole.example.net. 300 IN TXT \"v=spf1 ip4:203.0.113.0/24 -all\"
";

const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// What every domain here has, whatever it says about mail.
fn common(domain: &str) -> String {
    format!(
        "@ 3600 IN SOA dns1.example.net. hostmaster.{domain}. 1 3600 600 86400 300\n\
         @ 3600 IN NS dns1.example.net.\n@ 3600 IN NS dns2.example.org.\n@ 3600 IN MX 1 mx1.mail.ovh.net.\n"
    )
}

fn services(count: usize) -> String {
    (0..count).map(|n| format!("s{n}.ex.net. 300 IN TXT \"v=spf1 ip4:203.0.113.{n} -all\"\n")).collect()
}

/// The zone after somebody deleted what is to be replaced and pasted what was suggested; behind each CNAME
/// the provider publishes its key.
fn published(before: &Zone, suggestion: &Suggestion, domain: &str) -> Zone {
    let is_replaced = |owner: &str, kind: RecordType, text: &str| {
        suggestion.records.iter().any(|record| {
            let is_there = record.name == owner && (record.kind == kind || record.kind == RecordType::Cname);
            is_there && (record.replaces.iter().any(|old| old == text) || record.value == text)
        })
    };
    let kept = before.records().iter().filter(|record| {
        let text = match &record.record.data {
            depeche_domain::dns::Data::Txt(strings) => String::from_utf8(strings.concat()).unwrap(),
            depeche_domain::dns::Data::Cname(target) => target.clone(),
            _ => return true,
        };
        !is_replaced(&record.name, record.kind.unwrap(), &text)
    });
    let mut text = suggestion.zone_text(Lang::En);
    for record in suggestion.records.iter().filter(|record| record.kind == RecordType::Cname) {
        text.push_str(&format!("{}. 300 IN TXT \"{KEY}\"\n", record.value));
    }
    let pasted = Zone::parse(&text, domain).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Zone::of(kept.chain(pasted.records()).cloned().collect(), domain)
}

fn kinds(kinds: &[Kind]) -> Vec<Provider> {
    kinds.iter().copied().map(Provider::of).collect()
}

/// Suggests, publishes, checks: what was suggested, or what does not hold.
async fn tried(domain: &str, zone: &str, chain: &[Kind]) -> Result<Suggestion, String> {
    let text = format!("{}{OTHERS}{zone}", common(domain)).replace("DOMAIN", domain);
    let before = Zone::parse(&text, domain).unwrap();
    let providers = kinds(chain);
    let policy = discover(&before, domain).await.published_policy();
    let suggestion = suggest(&before, domain, &providers, &[]).await;
    let after = published(&before, &suggestion, domain);
    let report = check(&after, domain, &providers, &Options::default(), Timestamp::UNIX_EPOCH).await.unwrap();

    let mut wrong: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| format!("{}: {}", finding.id, finding.message.en))
        .collect();
    for provider in &providers {
        let aligned = report.aligned(&provider.name);
        if aligned != Some(Proof::Yes) {
            wrong.push(format!("{} is aligned: {aligned:?}", provider.name));
        }
    }
    let spf = audit(&after, domain).await;
    if spf.records.len() != 1 || spf.known_lookups() > MAX_LOOKUPS {
        wrong.push(format!("{} SPF records, {} look-ups", spf.records.len(), spf.known_lookups()));
    }
    let later = discover(&after, domain).await.published_policy();
    if later.is_none() || later < policy {
        wrong.push(format!("the policy {policy:?} became {later:?}"));
    }
    let again = suggest(&after, domain, &providers, &[]).await;
    if !again.is_published() {
        wrong.push(format!("more is suggested: {}", again.diff(Lang::En)));
    }
    match wrong.is_empty() {
        true => Ok(suggestion),
        false => Err(format!("{domain} {chain:?}\n{zone}{}\n=> {wrong:#?}", suggestion.zone_text(Lang::En))),
    }
}

async fn holds(domain: &str, zone: &str, chain: &[Kind]) -> Suggestion {
    tried(domain, zone, chain).await.unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn value<'a>(suggestion: &'a Suggestion, name: &str) -> &'a str {
    &suggestion.records.iter().find(|record| record.name == name).unwrap().value
}

#[tokio::test]
async fn whatever_was_published_what_is_suggested_passes() {
    use Kind::{Brevo, Mailchimp, MailchimpTransactional, Ovh};
    let includes = |n: usize| (0..n).map(|n| format!("include:s{n}.ex.net ")).collect::<String>();
    let zones = [
        String::new(),
        "@ 300 IN TXT \"v=spf1 include:mx.ovh.com ~all\"\n_dmarc IN TXT \"v=DMARC1; p=none\"\n".to_owned(),
        // Eight of ten, and OVH's own takes three.
        format!("@ 300 IN TXT \"v=spf1 {}-all\"\n{}", includes(8), services(8)),
        format!("@ 300 IN TXT \"v=spf1 {}-all\"\n{}", includes(10), services(10)),
        // Already over ten: it fails today.
        format!("@ 300 IN TXT \"v=spf1 {}-all\"\n{}", includes(11), services(11)),
        "@ 300 IN TXT \"v=spf1 redirect=whole.example.net\"\n".to_owned(),
        "@ 300 IN TXT \"v=spf1 ip4:192.0.2.7 -all\"\n@ 300 IN TXT \"v=spf1 include:whole.example.net ~all\"\n"
            .to_owned(),
        "@ 300 IN TXT \"v=spf1 inclde:whole.example.net ip:192.0.2.7 +all\"\n".to_owned(),
        "@ 300 IN TXT \"v=spf1 a mx ptr exists:nothing.DOMAIN include:gone.DOMAIN ~all\"\n\
         @ 300 IN A 192.0.2.80\n"
            .to_owned(),
        "_dmarc IN TXT \"v=DMARC1; p=reject; pct=50; rf=afrf; rua=mailto:d@example.org\"\n".to_owned(),
        "_dmarc IN TXT \"v=DMARC1; p=reject; adkim=s; aspf=s; rua=mailto:dmarc@sender.example\"\n".to_owned(),
        "brevo1._domainkey IN CNAME elsewhere.example.net.\nk2._domainkey IN TXT \"v=DKIM1; p=\"\n".to_owned(),
    ];
    let chains: [&[Kind]; 4] =
        [&[Ovh], &[Ovh, Brevo], &[Ovh, Brevo, Mailchimp], &[Ovh, Brevo, MailchimpTransactional]];
    let mut wrong = Vec::new();
    for zone in &zones {
        for chain in chains {
            for domain in ["sender.example", "xn--mdias-bsa.example"] {
                wrong.extend(tried(domain, zone, chain).await.err());
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn a_redirect_is_kept_as_an_include_and_every_record_of_several_is_kept() {
    let redirect =
        holds("sender.example", "@ IN TXT \"v=spf1 redirect=whole.example.net\"\n", &[Kind::Ovh]).await;
    assert_eq!(
        value(&redirect, "sender.example"),
        "v=spf1 include:whole.example.net include:mx.ovh.com ~all"
    );

    let two = "@ IN TXT \"v=spf1 ip4:192.0.2.7 -all\"\n@ IN TXT \"v=spf1 include:whole.example.net ~all\"\n";
    let several = holds("sender.example", two, &[Kind::Ovh]).await;
    assert_eq!(
        value(&several, "sender.example"),
        "v=spf1 ip4:192.0.2.7 include:whole.example.net include:mx.ovh.com -all"
    );
}

#[tokio::test]
async fn readers_of_several_dmarc_records_stay_readers() {
    let two = "_dmarc IN TXT \"v=DMARC1; p=reject; rua=mailto:a@sender.example\"\n\
        _dmarc IN TXT \"v=DMARC1; p=none; rua=mailto:b@sender.example,mailto:a@sender.example\"\n";
    let suggestion = holds("sender.example", two, &[Kind::Ovh]).await;

    assert_eq!(
        value(&suggestion, "_dmarc.sender.example"),
        "v=DMARC1; p=none; rua=mailto:a@sender.example,mailto:b@sender.example"
    );
}

/// A record of its own with `p=none` would open the subdomain that its parent protects.
#[tokio::test]
async fn a_subdomain_keeps_its_parents_policy() {
    let parent = "_dmarc.sender.example. IN TXT \"v=DMARC1; p=quarantine; sp=reject; rua=mailto:d@sender.example\"\n\
        sender.example. IN MX 1 mx1.mail.ovh.net.\n";
    let suggestion = holds("presse.sender.example", parent, &[Kind::Ovh, Kind::Brevo]).await;

    assert!(suggestion.records.iter().all(|record| !record.name.starts_with("_dmarc")), "{suggestion:#?}");
    assert!(suggestion.notes.iter().any(|note| note.en.contains("the record of sender.example applies")));
    assert!(suggestion.notes.iter().any(|note| note.en.contains(&format!("p={}", Policy::Reject.word()))));
}
