//! Selectors that many publish, for a domain whose provider nobody named, and what `_domainkey` alone says.

use futures_util::future::join_all;

use super::lookup::{KeyLookup, KeyVerdict, fetch};
use crate::dns::{Dns, RecordType, Status};

/// Selectors worth a try when none is known: those that large senders give to every customer.
pub const COMMON_SELECTORS: &[&str] = &[
    "default",
    "dkim",
    "mail",
    "google",
    "selector1",
    "selector2",
    "s1",
    "s2",
    "k1",
    "k2",
    "k3",
    "brevo1",
    "brevo2",
    "mandrill",
    "mte1",
    "mte2",
    "ovhmo-selector-1",
    "ovhmo-selector-2",
];

/// What can be said about a domain's keys without knowing a selector.
#[derive(Clone, Debug)]
pub struct Probe {
    /// How the look-up of `_domainkey` ended.
    pub status: Status,
    /// The keys found under common selectors.
    pub found: Vec<KeyLookup>,
}

impl Probe {
    /// Whether the zone says that no key exists at all: what is below a name that does not exist does
    /// not exist either (RFC 8020, section 2).
    #[must_use]
    pub fn proves_absence(&self) -> bool {
        self.status == Status::NxDomain && self.found.is_empty()
    }
}

/// Asks for `_domainkey`, and for `selectors` when it may exist.
pub async fn probe(dns: &dyn Dns, domain: &str, selectors: &[&str]) -> Probe {
    let status = dns.lookup(&format!("_domainkey.{domain}"), RecordType::Txt).await.status;
    if status == Status::NxDomain {
        return Probe { status, found: Vec::new() };
    }
    let keys = join_all(selectors.iter().map(|selector| fetch(dns, selector, domain))).await;
    let absent = [KeyVerdict::Missing, KeyVerdict::Unknown];
    // A wildcard TXT record answers for every selector; what it says is no key.
    let is_key = |key: &KeyLookup| key.records.iter().any(super::KeyRecord::looks_like_a_key);
    let found = keys.into_iter().filter(|key| !absent.contains(&key.verdict())).filter(|key| {
        key.verdict() == KeyVerdict::Dangling || key.verdict() == KeyVerdict::Loop || is_key(key)
    });
    Probe { status, found: found.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    #[tokio::test]
    async fn a_domain_without_domainkey_has_no_key_and_a_wildcard_is_no_key() {
        let none = Zone::parse("@ TXT \"hello\"\n", "example.org").unwrap();
        assert!(probe(&none, "example.org", COMMON_SELECTORS).await.proves_absence());

        let wild = Zone::parse("* TXT \"v=spf1 -all\"\n", "example.org").unwrap();
        let probe = probe(&wild, "example.org", COMMON_SELECTORS).await;
        assert!(!probe.proves_absence() && probe.found.is_empty());
    }
}
