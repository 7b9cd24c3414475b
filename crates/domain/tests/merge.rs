//! A suggested SPF record lets pass whom the published one lets pass, and nobody whom it fails by `-`: for any
//! record that people write, evaluated by `check_host` (RFC 7208) before and after.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use async_trait::async_trait;
use depeche_domain::align::{Kind, Provider};
use depeche_domain::dns::layered::Layered;
use depeche_domain::dns::zone::Zone;
use depeche_domain::dns::{Answer, Dns, RecordType, Status};
use depeche_domain::spf::{Request, SpfResult, check_host};
use depeche_domain::suggest::{Suggestion, suggest, txt_line};
use depeche_domain::text::Lang;
use proptest::prelude::*;

const DOMAIN: &str = "sender.example";

/// What the terms lead to. Behind `all` stands what must never come alive.
const WORLD: &str = "
sender.example. A 192.0.2.1
sender.example. MX 1 mx.sender.example.
mx.sender.example. A 192.0.2.2
host.sender.example. A 192.0.2.3
4.2.0.192.in-addr.arpa. PTR host4.sender.example.
host4.sender.example. A 192.0.2.4
5.2.0.192.list.example. A 127.0.0.2
part.example. TXT \"v=spf1 ip4:203.0.113.0/24 -all\"
late.example. TXT \"v=spf1 ip4:198.51.100.0/28 -all ip4:203.0.113.0/24 include:part.example\"
deep.example. TXT \"v=spf1 include:late.example include:mine.example ?all\"
mine.example. TXT \"v=spf1 ip4:198.51.100.64/28 ip6:2001:db8::/32 ~all\"
not.example. TXT \"v=spf1 -ip4:203.0.113.5 ip4:203.0.113.0/28 ~all\"
on.example. TXT \"v=spf1 redirect=part.example\"
macro.example. TXT \"v=spf1 ip4:198.51.100.128/28 include:%{d2}.x.net ~all\"
macro.example.x.net. TXT \"v=spf1 ip4:198.51.100.160/28 -all\"
sender.example.x.net. TXT \"v=spf1 ip4:198.51.100.176/28 -all\"
holds.example. TXT \"v=spf1 ip4:198.51.100.192/28 include:broken.example ~all\"
wrong.example. TXT \"v=spf1 ip4:198.51.100.208/28 inclde:x ~all\"
mx.ovh.com. TXT \"v=spf1 ip4:46.105.0.0/16 ip4:178.32.0.0/16 ?all\"
";

const MECHANISMS: &[&str] = &[
    "ip4:192.0.2.64/26",
    "ip4:203.0.113.5",
    "ip4:203.0.113.5",
    "ip4:46.105.1.1",
    "ip6:2001:db8:1::/48",
    "a",
    "mx",
    "ptr",
    "a:host.sender.example",
    "a:gone.example",
    "exists:%{ir}.list.example",
    "include:part.example",
    "include:part.example",
    "include:late.example",
    "include:deep.example",
    "include:not.example",
    "include:on.example",
    "include:macro.example",
    "include:%{d}.x.net",
    "include:holds.example",
    "include:broken.example",
    "include:wrong.example",
    "include:gone.example",
    "include:mine.example",
];

const MODIFIERS: &[&str] = &[
    "redirect=part.example",
    "redirect=%{d}.x.net",
    "redirect=deep.example",
    "redirect=not.example",
    "redirect=broken.example",
    "exp=why.%{d}",
    "ra=postmaster",
];

const CLIENTS: &[&str] = &[
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.4",
    "192.0.2.5",
    "192.0.2.70",
    "203.0.113.5",
    "203.0.113.6",
    "203.0.113.77",
    "198.51.100.1",
    "198.51.100.65",
    "198.51.100.130",
    "198.51.100.161",
    "198.51.100.177",
    "198.51.100.193",
    "198.51.100.209",
    "8.8.8.8",
    "2001:db8:1::1",
    "2001:db8:2::1",
    "46.105.1.1",
];

fn word() -> impl Strategy<Value = String> {
    let directive =
        (prop::sample::select(vec!["", "", "", "+", "-", "~", "?"]), prop::sample::select(MECHANISMS));
    prop_oneof![
        12 => directive.prop_map(|(sign, mechanism)| format!("{sign}{mechanism}")),
        1 => prop::sample::select(MODIFIERS).prop_map(str::to_owned),
        // Not `+all`, which nobody is to keep.
        1 => prop::sample::select(vec!["-all", "~all", "?all"]).prop_map(str::to_owned),
    ]
}

/// A record as people write them: often with `all` at its end, now and then before it.
fn record() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["-all", "~all", "", "redirect=part.example", "redirect=%{d}.x.net"]);
    (prop::collection::vec(word(), 0..12), end).prop_map(|(words, end)| {
        let words = words.into_iter().chain([end.to_owned()]).filter(|word| !word.is_empty());
        words.fold("v=spf1".to_owned(), |text, word| format!("{text} {word}"))
    })
}

/// A zone in which one name cannot be looked up.
struct World(Zone);

#[async_trait]
impl Dns for World {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        match name {
            "broken.example" => Answer::without_records(Status::ServFail),
            _ => self.0.lookup(name, kind).await,
        }
    }
}

fn world(records: &[&str]) -> World {
    let own: String = records.iter().map(|text| format!("{}\n", txt_line(DOMAIN, text))).collect();
    World(Zone::parse(&format!("{WORLD}{own}"), "").unwrap())
}

async fn result(dns: &dyn Dns, client: &str) -> SpfResult {
    let ip: IpAddr = client.parse().unwrap();
    check_host(dns, &Request::new(ip, "a@sender.example", "h.sender.example")).await.result
}

async fn suggested(records: &[&str]) -> (Suggestion, Layered<World>) {
    let providers = [Provider::of(Kind::Ovh)];
    let suggestion = suggest(&world(records), DOMAIN, &providers, &[]).await;
    let text = suggestion.zone_text(Lang::En);
    let pasted = Zone::parse(&text, DOMAIN).unwrap().into_fragment();
    (suggestion, Layered::new(pasted, world(records)))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn is_of_ovh(client: &str) -> bool {
    client.starts_with("46.105.")
}

/// Who fares otherwise after the suggestion than before.
async fn changed(before: &str, published: &[&str]) -> Vec<String> {
    let (suggestion, after) = suggested(published).await;
    let before_dns = world(&[before]);
    let mut wrong = Vec::new();
    for client in CLIENTS {
        let was = result(&before_dns, client).await;
        let is = result(&after, client).await;
        let lost = was == SpfResult::Pass && is != SpfResult::Pass;
        let gained = was == SpfResult::Fail && is == SpfResult::Pass && !is_of_ovh(client);
        if lost || (gained && published.len() == 1) {
            let now = &suggestion.records[0].value;
            wrong.push(format!("{client}: {was:?} by {before}\n  {is:?} by {now}\n  {:?}", suggestion.notes));
        }
    }
    wrong
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn who_passed_passes_and_who_was_failed_does_not_pass(record in record()) {
        let wrong = run(changed(&record, &[&record]));
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Several records fail everybody (RFC 7208, section 4.5): what the first one says by itself holds.
    #[test]
    fn whom_the_first_of_several_records_lets_pass_passes(first in record(), second in record()) {
        prop_assume!(first != second);
        let wrong = run(changed(&first, &[&first, &second]));
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn nothing_is_conclusive_where_something_could_not_be_looked_up(
        before in prop::collection::vec(prop::sample::select(MECHANISMS), 0..8),
        open in prop::sample::select(vec!["include:broken.example", "include:holds.example"]),
        after in record(),
    ) {
        let record = format!("v=spf1 {} {open}{}", before.join(" "), after.trim_start_matches("v=spf1"));
        let record = record.replace("  ", " ");
        let (suggestion, _) = run(suggested(&[&record]));

        prop_assert!(suggestion.is_inconclusive, "{record}\n{}", suggestion.zone_text(Lang::En));
        let spf = &suggestion.records[0];
        prop_assert!(spf.why.en.contains("at least"), "{}", spf.why.en);
        prop_assert!(!spf.value.contains("ip4:198.51.100.192/28"), "{record}\n{}", spf.value);
    }
}

/// The records of a reviewer: each changed who passes, and said nothing of it.
#[test]
fn terms_behind_all_stay_dead_and_a_redirect_stays_last() {
    for (record, expected) in [
        (
            "v=spf1 -ip4:203.0.113.5 redirect=part.example",
            "v=spf1 -ip4:203.0.113.5 include:part.example include:mx.ovh.com ~all",
        ),
        ("v=spf1 -all include:part.example exp=why.%{d}", "v=spf1 include:mx.ovh.com -all exp=why.%{d}"),
        (
            "v=spf1 ip4:192.0.2.4 redirect=%{d}.x.net",
            "v=spf1 ip4:192.0.2.4 include:%{d}.x.net include:mx.ovh.com ~all",
        ),
    ] {
        assert!(run(changed(record, &[record])).is_empty());
        assert_eq!(run(suggested(&[record])).0.records[0].value, expected);
    }
}

/// A provider of the chain that is there with `?` is not there twice, nor shadowed.
#[test]
fn a_provider_that_is_published_with_another_qualifier_passes() {
    for sign in ["?", "~", "-", "+", ""] {
        let record = format!("v=spf1 a {sign}include:mx.ovh.com -all");
        let (suggestion, after) = run(suggested(&[&record]));

        assert_eq!(suggestion.records[0].value.matches("include:mx.ovh.com").count(), 1, "{record}");
        assert_eq!(run(result(&after, "46.105.1.1")), SpfResult::Pass, "{record}");
    }
}

/// What DNS did not show could be `p=reject` and the senders of others: nothing to paste over it.
#[test]
fn what_dns_did_not_show_is_not_to_be_pasted_over() {
    struct Silent;
    #[async_trait]
    impl Dns for Silent {
        async fn lookup(&self, _: &str, _: RecordType) -> Answer {
            Answer::without_records(Status::Timeout)
        }
    }
    let suggestion =
        run(suggest(&Silent, DOMAIN, &[Provider::of(Kind::Ovh), Provider::of(Kind::Brevo)], &[]));

    assert!(suggestion.is_inconclusive);
    let text = suggestion.zone_text(Lang::En);
    let pasted: Vec<_> = text.lines().filter(|line| !line.starts_with(';')).collect();
    assert!(pasted.iter().all(|line| line.contains("._domainkey.")), "{text}");
    assert!(text.contains("DNS did not say what is published"), "{text}");
    assert!(!suggestion.diff(Lang::En).contains("\n+") && !suggestion.diff(Lang::En).starts_with('+'));
}

#[test]
fn every_word_that_is_left_out_is_named_and_the_record_is_to_be_completed() {
    let record = "v=spf1 ip4:192.0.2.4 ip4:198.51.100.0/33 a:mail_host ip4:198.51.100.7:25 ~all";

    let (suggestion, _) = run(suggested(&[record]));

    assert!(suggestion.records[0].why.en.contains("to be completed"), "{}", suggestion.records[0].why.en);
    assert!(suggestion.records[0].why.fr.contains("à compléter"));
    for word in ["ip4:198.51.100.0/33", "a:mail_host", "ip4:198.51.100.7:25"] {
        let named = |note: &depeche_domain::text::Text| note.en.contains(word) && note.fr.contains(word);
        assert!(suggestion.notes.iter().any(named), "{word}: {:#?}", suggestion.notes);
    }
}

/// RFC 7208, section 4.6.4: what a macro or a failure hides cannot be counted, nor written out.
#[test]
fn an_include_that_is_not_wholly_known_is_not_written_out() {
    for hidden in ["macro.example", "holds.example"] {
        let own: String = (0..9).map(|n| format!("a:h{n}.sender.example ")).collect();
        let hosts: String = (0..9).map(|n| format!("h{n}.sender.example. A 192.0.2.{}\n", 10 + n)).collect();
        let record = format!("v=spf1 {own}include:{hidden} ~all");
        let text = format!("{WORLD}{hosts}{DOMAIN}. TXT \"{record}\"\n");
        let dns = World(Zone::parse(&text, "").unwrap());

        let suggestion = run(suggest(&dns, DOMAIN, &[Provider::of(Kind::Ovh)], &[]));

        let spf = &suggestion.records[0];
        assert!(spf.value.contains(&format!("include:{hidden}")), "{}", spf.value);
        assert!(spf.why.en.contains("at least"), "{}", spf.why.en);
    }
}
