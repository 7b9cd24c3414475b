//! The one door to DNS: a trait, the kinds of answer, and what is a failure to ask rather than an answer.
//!
//! "The name does not exist", "it exists without such a record", "the server failed", "it refused" and
//! "nobody answered" are five different things everywhere in this crate. What DNS says is data, so a
//! look-up returns an [`Answer`] and never an `Err`.
//!
//! Implementations: [`resolver::Resolver`] (the network), [`zone::Zone`] (a master file, before it is
//! published), [`layered::Layered`] (a proposed zone over the live one), [`recorded::Recorded`]
//! (answers kept in a file). [`session::Session`] bounds and caches any of them for one check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub mod layered;
pub mod recorded;
pub mod resolver;
pub mod session;
pub mod zone;

/// The most CNAME records followed from one name.
pub const MAX_ALIASES: usize = 8;

/// Asks DNS.
#[async_trait]
pub trait Dns: Send + Sync {
    /// Looks up the records of one type at one name, following at most [`MAX_ALIASES`] CNAME records.
    ///
    /// `name` is text without escapes; a final dot is allowed. A name that cannot exist in DNS (a
    /// label over 63 octets) gets [`Status::NxDomain`] without being asked.
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer;
}

#[async_trait]
impl<T: Dns + ?Sized> Dns for &T {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        (**self).lookup(name, kind).await
    }
}

#[async_trait]
impl<T: Dns + ?Sized> Dns for std::sync::Arc<T> {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        (**self).lookup(name, kind).await
    }
}

#[async_trait]
impl<T: Dns + ?Sized> Dns for Box<T> {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        (**self).lookup(name, kind).await
    }
}

/// The record types that mail authentication reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// An alias.
    Cname,
    /// A DNSSEC key: its presence says that a zone is signed.
    Dnskey,
    /// The parent's word that a zone is signed.
    Ds,
    /// A mail exchanger.
    Mx,
    /// A name server.
    Ns,
    /// The name of an address.
    Ptr,
    /// The start of authority of a zone.
    Soa,
    /// A TLS certificate association.
    Tlsa,
    /// Text, as the strings that were published, unjoined.
    Txt,
}

impl std::fmt::Display for RecordType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Dnskey => "DNSKEY",
            Self::Ds => "DS",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        })
    }
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The target of an alias.
    Cname(String),
    /// A mail exchanger; `exchange` is empty for the null MX (RFC 7505).
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// The host name.
        exchange: String,
    },
    /// A name server's name.
    Ns(String),
    /// The name of an address.
    Ptr(String),
    /// A zone's primary server and the TTL of negative answers, in seconds (RFC 2308, section 4).
    Soa {
        /// The primary name server.
        primary: String,
        /// Seconds for which "does not exist" is remembered.
        minimum: u32,
    },
    /// The character strings of a TXT record, as bytes, unjoined.
    Txt(Vec<Vec<u8>>),
    /// A record whose presence is all that matters here.
    Other,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it holds.
    pub data: Data,
    /// Seconds for which it may be remembered.
    pub ttl: u32,
}

/// One CNAME that was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Where it points.
    pub target: String,
    /// Seconds for which it may be remembered.
    pub ttl: u32,
}

/// How a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// There is at least one record of that type.
    Found,
    /// The name exists, without a record of that type.
    NoData,
    /// The name does not exist (RFC 8020).
    NxDomain,
    /// The server could not find out (response code 2).
    ServFail,
    /// The server refuses to answer us (response code 5).
    Refused,
    /// Nobody answered in time.
    Timeout,
    /// The network did not let us ask.
    Unreachable,
    /// What came back was no answer: unreadable, or another response code.
    Malformed,
    /// CNAME records that lead nowhere: a circle, or more than [`MAX_ALIASES`] of them.
    AliasLoop,
    /// Outside what may be asked: another zone than the given file, or more look-ups than one check
    /// may make.
    NotAsked,
}

impl Status {
    /// Whether a later try may well give an answer: never to be read as "missing".
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::ServFail | Self::Refused | Self::Timeout | Self::Unreachable | Self::Malformed)
    }

    /// Whether nothing is known: a temporary failure, or a name that was not asked for.
    #[must_use]
    pub fn is_unknown(self) -> bool {
        self.is_temporary() || self == Self::NotAsked
    }

    /// Whether it counts as a void look-up: no such name, or no such record (RFC 7208, section 4.6.4).
    #[must_use]
    pub fn is_void(self) -> bool {
        matches!(self, Self::NoData | Self::NxDomain)
    }

    /// In plain words, to follow "the look-up …".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Found => "found records",
            Self::NoData => "found the name without such a record",
            Self::NxDomain => "found no such name",
            Self::ServFail => "ended in a server failure",
            Self::Refused => "was refused",
            Self::Timeout => "got no answer in time",
            Self::Unreachable => "could not be made: the network is unreachable",
            Self::Malformed => "got an unreadable answer",
            Self::AliasLoop => "ran into a circle of CNAME records, or more than 8 of them",
            Self::NotAsked => "was not made: it lies outside what was looked at",
        }
    }

    /// In French, to stand in brackets: « le DNS n'a pas répondu (…) ».
    #[must_use]
    pub fn mots(self) -> &'static str {
        match self {
            Self::Found => "enregistrements trouvés",
            Self::NoData => "le nom existe, sans cet enregistrement",
            Self::NxDomain => "ce nom n'existe pas",
            Self::ServFail => "panne du serveur",
            Self::Refused => "refus du serveur",
            Self::Timeout => "pas de réponse à temps",
            Self::Unreachable => "réseau injoignable",
            Self::Malformed => "réponse illisible",
            Self::AliasLoop => "boucle de CNAME, ou plus de 8 à la suite",
            Self::NotAsked => "non demandé : hors de ce qui a été regardé",
        }
    }
}

/// What DNS said to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub status: Status,
    /// The records of the asked type, at the end of the aliases. Empty unless found.
    pub records: Vec<Record>,
    /// The CNAME records on the way, in order.
    pub aliases: Vec<Alias>,
    /// Whether the resolver says that DNSSEC proves it (the AD bit).
    pub authenticated: bool,
}

impl Answer {
    /// An answer without records.
    #[must_use]
    pub fn without_records(status: Status) -> Self {
        Self { status, records: Vec::new(), aliases: Vec::new(), authenticated: false }
    }

    /// An answer with these records, or [`Status::NoData`] when there are none.
    #[must_use]
    pub fn of(records: Vec<Record>) -> Self {
        let status = if records.is_empty() { Status::NoData } else { Status::Found };
        Self { status, records, aliases: Vec::new(), authenticated: false }
    }

    /// The addresses of an A or AAAA answer.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let address = |record: &Record| match record.data {
            Data::A(ip) => Some(IpAddr::V4(ip)),
            Data::Aaaa(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        self.records.iter().filter_map(address).collect()
    }

    /// The TXT records, each with its strings joined without a space (RFC 7208, section 3.3).
    #[must_use]
    pub fn joined_texts(&self) -> Vec<Vec<u8>> {
        let text = |record: &Record| match &record.data {
            Data::Txt(strings) => Some(strings.concat()),
            _ => None,
        };
        self.records.iter().filter_map(text).collect()
    }

    /// The names of an NS, PTR or CNAME answer.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let name = |record: &Record| match &record.data {
            Data::Ns(name) | Data::Ptr(name) | Data::Cname(name) => Some(name.clone()),
            _ => None,
        };
        self.records.iter().filter_map(name).collect()
    }

    /// The exchangers of an MX answer, best first: preference and host (empty for the null MX).
    #[must_use]
    pub fn exchangers(&self) -> Vec<(u16, String)> {
        let exchanger = |record: &Record| match &record.data {
            Data::Mx { preference, exchange } => Some((*preference, exchange.clone())),
            _ => None,
        };
        let mut all: Vec<_> = self.records.iter().filter_map(exchanger).collect();
        all.sort();
        all
    }

    /// The name at the end of the aliases, when there are any.
    #[must_use]
    pub fn final_alias(&self) -> Option<&str> {
        self.aliases.last().map(|alias| alias.target.as_str())
    }

    /// The largest TTL on the way to the records, in seconds: how long an old answer may live on.
    #[must_use]
    pub fn largest_ttl(&self) -> Option<u32> {
        let on_the_way = self.aliases.iter().map(|alias| alias.ttl);
        on_the_way.chain(self.records.iter().map(|record| record.ttl)).max()
    }
}

/// The name under which an address has its PTR record (RFC 1035, section 3.5; RFC 3596, section 2.5).
#[must_use]
pub fn reverse_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let mut name = String::with_capacity(72);
            for octet in v6.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", octet & 15, octet >> 4));
            }
            name + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3596, section 2.5.
    #[test]
    fn the_reverse_name_of_an_address_is_the_one_of_the_rfc() {
        assert_eq!(
            reverse_name("4321:0:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
        assert_eq!(reverse_name("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
    }

    #[test]
    fn a_failure_to_ask_is_never_a_void_lookup() {
        for status in [Status::ServFail, Status::Refused, Status::Timeout, Status::Unreachable] {
            assert!(status.is_temporary() && !status.is_void());
        }
        assert!(Status::NxDomain.is_void() && !Status::NxDomain.is_temporary());
    }
}
