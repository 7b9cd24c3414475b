//! When SPF proves that mail through a provider passes, when it proves the contrary, and when it proves
//! neither: each verdict is what RFC 7208 makes of each address that the provider publishes.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use depeche_domain::align::{Home, Kind, Leg, Method, Proof, Provider, align};
use depeche_domain::dns::zone::Zone;
use depeche_domain::dns::{Answer, Dns, RecordType, Status};

/// OVH's record with networks, cut down.
const NETWORKS: &str = "ip4:46.105.0.0/16 ip4:178.32.0.0/16 ip4:188.165.0.0/16 ip4:8.33.0.0/16 ?all";
/// OVH's record as it stood in 2026.
const BY_NAME: &str = "ptr:mail-out.ovh.net ptr:mail.ovh.net ip4:8.33.137.105/32 ip4:192.99.77.81/32 ?all";

fn zone(theirs: &str, ours: &str, more: &str) -> Zone {
    let text = format!(
        "@ 300 TXT \"v=spf1 {ours}\"\n_dmarc 300 TXT \"v=DMARC1; p=reject\"\n@ 300 A 203.0.113.1\n\
         @ 300 MX 1 mx\nmx 300 A 203.0.113.2\n\
         mx.ovh.com. 300 TXT \"v=spf1 {theirs}\"\n\
         105.137.33.8.in-addr.arpa. 300 PTR a.mail-out.ovh.net.\na.mail-out.ovh.net. 300 A 8.33.137.105\n\
         81.77.99.192.in-addr.arpa. 300 PTR b.mail-out.ovh.net.\nb.mail-out.ovh.net. 300 A 192.99.77.81\n{more}"
    );
    Zone::parse(&text, "exemple.fr").unwrap()
}

async fn leg(dns: &dyn Dns, provider: Provider) -> Leg {
    let home = Home::find(dns, "exemple.fr").await;
    let reports = align(dns, &home, &[provider], &[]).await;
    reports[0].leg(Method::Spf).unwrap().clone()
}

async fn verdict(theirs: &str, ours: &str, more: &str) -> Proof {
    let leg = leg(&zone(theirs, ours, more), Provider::of(Kind::Ovh)).await;
    assert!(!leg.reason.en.is_empty() && leg.reason.en != leg.reason.fr);
    leg.aligned
}

#[tokio::test]
async fn two_addresses_of_four_networks_are_no_proof_that_the_provider_passes() {
    assert_eq!(verdict(NETWORKS, "ip4:46.105.0.0 ip4:178.32.0.0 ~all", "").await, Proof::No);
    // Three networks of four, and all four but for one address.
    let three = "ip4:46.105.0.0/16 ip4:178.32.0.0/16 ip4:188.165.0.0/16 ~all";
    assert_eq!(verdict(NETWORKS, three, "").await, Proof::No);
    let hole = "-ip4:178.32.17.4 ip4:46.105.0.0/16 ip4:178.32.0.0/16 ip4:188.165.0.0/16 ip4:8.33.0.0/16 ~all";
    assert_eq!(verdict(NETWORKS, hole, "").await, Proof::No);
}

#[tokio::test]
async fn the_include_proves_it_wherever_it_is_reached() {
    let part = "part TXT \"v=spf1 a mx include:mx.ovh.com -all\"\n";
    for theirs in [NETWORKS, BY_NAME] {
        for ours in [
            "include:mx.ovh.com ~all",
            "a mx ip4:192.0.2.0/24 include:mx.ovh.com -all",
            "+include:MX.OVH.COM. ?all",
            "redirect=mx.ovh.com",
            "include:part.exemple.fr -all",
            "a redirect=part.exemple.fr",
            "+all",
        ] {
            assert_eq!(verdict(theirs, ours, part).await, Proof::Yes, "{theirs} | {ours}");
        }
    }
}

#[tokio::test]
async fn a_record_without_the_include_that_lists_every_network_proves_it_too() {
    let all = NETWORKS.replace("?all", "-all");
    assert_eq!(verdict(NETWORKS, &all, "").await, Proof::Yes);
    assert_eq!(
        verdict(
            NETWORKS,
            "ip4:46.105.0.0/17 ip4:46.105.128.0/17 ip4:178.0.0.0/8 include:more.exemple.fr ~all",
            "more TXT \"v=spf1 ip4:188.165.0.0/16 ip4:8.33.0.0/16 -all\"\n"
        )
        .await,
        Proof::Yes
    );
    // The same terms, those by name among them.
    assert_eq!(verdict(BY_NAME, &BY_NAME.replace("?all", "-all"), "").await, Proof::Yes);
}

/// Whom `ptr:` matches cannot be listed: with the addresses alone nothing is known of the others.
#[tokio::test]
async fn addresses_without_the_names_beside_them_prove_neither() {
    assert_eq!(verdict(BY_NAME, "ip4:8.33.137.105 ip4:192.99.77.81 -all", "").await, Proof::CannotTell);
    assert_eq!(verdict(BY_NAME, "ip4:8.33.137.105 -all", "").await, Proof::No);
}

#[tokio::test]
async fn an_include_that_is_not_reached_or_does_not_pass_proves_the_contrary() {
    let eleven = format!("{}include:mx.ovh.com ~all", "a ".repeat(10));
    let voids = "a:x.exemple.fr a:y.exemple.fr a:z.exemple.fr include:mx.ovh.com ~all";
    for ours in [
        "-all include:mx.ovh.com",
        "~all include:mx.ovh.com",
        "?include:mx.ovh.com -all",
        "-include:mx.ovh.com ~all",
        "-ip4:0.0.0.0/0 include:mx.ovh.com ~all",
        "include:mx.ovh.com incldue:x.example ~all",
        "include:none.exemple.fr include:mx.ovh.com ~all",
        "-all redirect=mx.ovh.com",
        &eleven,
        voids,
        "-all",
        "a mx ~all",
    ] {
        for theirs in [NETWORKS, BY_NAME] {
            assert_eq!(verdict(theirs, ours, "").await, Proof::No, "{theirs} | {ours}");
        }
    }
}

/// Nine look-ups are spent before the include; what the provider includes in turn is the twelfth.
#[tokio::test]
async fn the_look_ups_of_the_provider_s_own_includes_count() {
    let theirs = "ip4:46.105.0.0/16 include:deep.ovh.com -all";
    let deep = "deep.ovh.com. TXT \"v=spf1 ip4:178.32.0.0/16 -all\"\n";
    for (before, proof) in [(8, Proof::Yes), (9, Proof::No)] {
        let ours = format!("{}include:mx.ovh.com ~all", "a ".repeat(before));
        assert_eq!(verdict(theirs, &ours, deep).await, proof, "{before}");
    }
}

/// A service that answers by macro may know every address or none: nobody can list what it says.
#[tokio::test]
async fn what_a_macro_allows_is_neither_proven_nor_an_error_while_tries_pass() {
    let macros = "exists:%{i}.spf.exemple.fr -all";
    let answers = "*.spf A 127.0.0.2\n";
    assert_eq!(verdict(NETWORKS, macros, answers).await, Proof::CannotTell);
    assert_eq!(verdict(NETWORKS, macros, "").await, Proof::No);
    // Of a term by macro before the include only the good can come.
    assert_eq!(verdict(NETWORKS, "exists:%{i}.spf.exemple.fr include:mx.ovh.com -all", "").await, Proof::Yes);
}

/// A provider that publishes names only, without any address.
#[tokio::test]
async fn a_record_of_terms_alone_is_proven_by_its_include_and_refused_without() {
    let theirs = "exists:%{i}.out.ovh.com ?all";
    assert_eq!(verdict(theirs, "include:mx.ovh.com -all", "").await, Proof::Yes);
    assert_eq!(verdict(theirs, "-all", "").await, Proof::No);
    assert_eq!(verdict(theirs, "ip4:192.0.2.0/24 -all", "").await, Proof::CannotTell);
}

/// What a term before takes away from the provider is not asked of the domain.
#[tokio::test]
async fn a_network_that_the_provider_itself_excludes_need_not_pass() {
    let theirs = "-ip4:46.105.1.0/24 ip4:46.105.0.0/16 -all";
    assert_eq!(verdict(theirs, "ip4:46.105.0.0/24 ip4:46.105.2.0/23 ip4:46.105.4.0/22 ip4:46.105.8.0/21 ip4:46.105.16.0/20 ip4:46.105.32.0/19 ip4:46.105.64.0/18 ip4:46.105.128.0/17 -all", "").await, Proof::Yes);
    assert_eq!(verdict("ip4:46.105.0.0/16 -all", "ip4:46.105.0.0/17 -all", "").await, Proof::No);
    assert_eq!(
        verdict("ip6:2001:41d0::/32 ip4:46.105.0.0/16 -all", "ip4:46.105.0.0/16 -all", "").await,
        Proof::No
    );
    assert_eq!(verdict("ip6:2001:41d0::/32 -all", "ip6:2001:41d0::/31 -all", "").await, Proof::Yes);
}

/// A look-up that fails leaves it open, and says so.
#[tokio::test]
async fn a_part_that_dns_withholds_is_not_proven_and_temporary() {
    for name in ["mx.ovh.com", "exemple.fr", "part.exemple.fr"] {
        let below =
            zone(NETWORKS, "include:part.exemple.fr include:mx.ovh.com ~all", "part TXT \"v=spf1 -all\"\n");
        let leg = leg(&Withholding { below, name }, Provider::of(Kind::Ovh)).await;
        assert_eq!((leg.aligned, leg.temporary), (Proof::CannotTell, true), "{name}: {}", leg.reason.en);
    }
}

/// A zone with one TXT record that fails.
struct Withholding {
    below: Zone,
    name: &'static str,
}

#[async_trait::async_trait]
impl Dns for Withholding {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        if kind == RecordType::Txt && name.eq_ignore_ascii_case(self.name) {
            return Answer::without_records(Status::ServFail);
        }
        self.below.lookup(name, kind).await
    }
}
