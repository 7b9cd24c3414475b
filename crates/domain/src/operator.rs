//! Who runs a host, by its name: the registrable domain, with the known names of one house as one.
//!
//! A house that spreads its name servers over several top-level domains (Amazon, Azure, IONOS) is still one
//! house: its outage takes them all. The names were read from the houses' own pages and from public zones
//! in 2026. Nothing is said about who owns the building.

use crate::name;

/// Houses with the zones that are theirs.
const HOUSES: &[(&str, &[&str])] = &[
    ("OVH", &["ovh.net", "ovh.com", "ovh.ca", "ovhcloud.com", "anycast.me", "kimsufi.com"]),
    ("Brevo", &["brevo.com", "sendinblue.com", "sender-sib.com", "brevosend.com"]),
    ("Mailchimp", &["mailchimp.com", "mcsv.net", "rsgsv.net", "mandrillapp.com", "mailchimpapp.net"]),
    ("Google", &["google.com", "googlemail.com", "googledomains.com", "1e100.net", "googleusercontent.com"]),
    ("Microsoft", &["outlook.com", "office365.com", "microsoft.com", "azure.com", "windows.net"]),
    ("Amazon", &["amazonaws.com", "amazon.com", "cloudfront.net"]),
    ("Cloudflare", &["cloudflare.com", "cloudflare.net"]),
    ("Gandi", &["gandi.net"]),
    ("IONOS", &["ionos.com", "ionos.fr", "1and1.com", "kundenserver.de"]),
    ("Infomaniak", &["infomaniak.com", "infomaniak.ch"]),
];

/// Houses whose name servers have a domain each: the beginning of the registrable domain.
const FAMILIES: &[(&str, &str)] = &[("Amazon", "awsdns-"), ("Microsoft", "azure-dns."), ("IONOS", "ui-dns.")];

/// The operator of a host.
#[must_use]
pub fn operator(host: &str) -> String {
    let own = name::registrable(host).unwrap_or_else(|| name::normal(host));
    let house = HOUSES.iter().find(|(_, zones)| zones.iter().any(|zone| name::is_within(host, zone)));
    let family = || FAMILIES.iter().find(|(_, start)| own.starts_with(start)).map(|(label, _)| *label);
    match house.map(|(label, _)| *label).or_else(family) {
        Some(label) => label.to_owned(),
        None => own,
    }
}

/// Whether a person who types `word` means that operator: its label, its domain, or the domain's first
/// label (`gandi` for `gandi.net`). Case does not count.
#[must_use]
pub fn is_meant(operator: &str, word: &str) -> bool {
    let first = operator.split('.').next().unwrap_or_default();
    operator.eq_ignore_ascii_case(word) || first.eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_house_under_several_names_is_one() {
        for (host, expected) in [
            ("dns19.ovh.net", "OVH"),
            ("ns19.ovh.net.", "OVH"),
            ("ns-1536.awsdns-00.co.uk", "Amazon"),
            ("ns-512.awsdns-00.net", "Amazon"),
            ("ns1-01.azure-dns.com", "Microsoft"),
            ("ns2-01.azure-dns.net", "Microsoft"),
            ("ns1035.ui-dns.biz", "IONOS"),
            ("mx.exemple.co.uk", "exemple.co.uk"),
            ("notovh.net", "notovh.net"),
        ] {
            assert_eq!(operator(host), expected, "{host}");
        }
    }

    #[test]
    fn a_person_may_name_an_operator_in_several_ways() {
        assert!(
            is_meant("OVH", "ovh") && is_meant("gandi.net", "gandi") && is_meant("gandi.net", "Gandi.net")
        );
        assert!(!is_meant("gandi.net", "net") && !is_meant("OVH", "o"));
    }
}
