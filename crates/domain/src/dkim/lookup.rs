//! A key where a selector says it is: the CNAME chain, how many records, and whether one is good.

use super::key::KeyRecord;
use crate::dns::{Alias, Dns, RecordType, Status};
use crate::name;

/// What stands under a selector.
#[derive(Clone, Debug)]
pub struct KeyLookup {
    /// The selector.
    pub selector: String,
    /// The signing domain.
    pub domain: String,
    /// How the look-up ended.
    pub status: Status,
    /// The CNAME records on the way.
    pub aliases: Vec<Alias>,
    /// The largest TTL on the way, in seconds.
    pub ttl: Option<u32>,
    /// Every TXT record, read as a key.
    pub records: Vec<KeyRecord>,
}

/// Whether a signature with that selector can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyVerdict {
    /// There is one record, and it is good.
    Usable,
    /// There is no such name, or no record at it.
    Missing,
    /// A CNAME leads to a name that holds no key.
    Dangling,
    /// The CNAME records go in a circle.
    Loop,
    /// Several records: what a receiver does is undefined (RFC 6376, section 3.6.2.2).
    Several,
    /// `p=` is empty.
    Revoked,
    /// A record that cannot be used.
    Unusable,
    /// DNS did not say.
    Unknown,
}

impl KeyLookup {
    /// The name under which the key is looked for.
    #[must_use]
    pub fn name(&self) -> String {
        key_name(&self.selector, &self.domain)
    }

    /// Whether a signature with that selector can pass.
    #[must_use]
    pub fn verdict(&self) -> KeyVerdict {
        match self.status {
            Status::Found => match self.records.as_slice() {
                [record] if record.is_usable() => KeyVerdict::Usable,
                [record] if record.key == super::PublicKey::Revoked => KeyVerdict::Revoked,
                [_] => KeyVerdict::Unusable,
                _ => KeyVerdict::Several,
            },
            Status::AliasLoop => KeyVerdict::Loop,
            status if status.is_unknown() => KeyVerdict::Unknown,
            _ if self.aliases.is_empty() => KeyVerdict::Missing,
            _ => KeyVerdict::Dangling,
        }
    }

    /// The first CNAME's target.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.aliases.first().map(|alias| alias.target.as_str())
    }

    /// Whether the chain passes through that very name.
    #[must_use]
    pub fn passes_through(&self, target: &str) -> bool {
        self.aliases.iter().any(|alias| name::same(&alias.target, target))
    }

    /// Whether the chain passes through that zone; `None` without any CNAME.
    #[must_use]
    pub fn leads_to(&self, zone: &str) -> Option<bool> {
        let within = self.aliases.iter().any(|alias| name::is_within(&alias.target, zone));
        (!self.aliases.is_empty()).then_some(within)
    }
}

/// `selector._domainkey.domain`
#[must_use]
pub(super) fn key_name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// Looks up one key.
pub async fn fetch(dns: &dyn Dns, selector: &str, domain: &str) -> KeyLookup {
    let answer = dns.lookup(&key_name(selector, domain), RecordType::Txt).await;
    let records = answer.joined_texts().iter().map(|text| KeyRecord::parse(text)).collect();
    KeyLookup {
        selector: selector.to_owned(),
        domain: name::normal(domain),
        status: answer.status,
        ttl: answer.largest_ttl(),
        records,
        aliases: answer.aliases,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    #[tokio::test]
    async fn missing_dangling_revoked_and_several_are_different_things() {
        let zone = "gone._domainkey CNAME nowhere.example.org.\n\
                    void._domainkey TXT \"v=DKIM1; p=\"\n\
                    two._domainkey TXT \"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n\
                    two._domainkey TXT \"v=DKIM1; p=\"\n\
                    far._domainkey CNAME k.elsewhere.example.\n\
                    good._domainkey TXT \"v=DKIM1; k=ed25519; \" \"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";
        let zone = Zone::parse(zone, "example.org").unwrap();
        let cases = [
            ("none", KeyVerdict::Missing),
            ("gone", KeyVerdict::Dangling),
            ("void", KeyVerdict::Revoked),
            ("two", KeyVerdict::Several),
            ("far", KeyVerdict::Unknown),
            ("good", KeyVerdict::Usable),
        ];
        for (selector, verdict) in cases {
            assert_eq!(fetch(&zone, selector, "example.org").await.verdict(), verdict, "{selector}");
        }
    }
}
