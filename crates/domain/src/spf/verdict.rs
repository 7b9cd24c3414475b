//! Who asks, and what an evaluation says (RFC 7208, sections 2.4 and 2.6).

use std::net::IpAddr;

use serde::Serialize;

use super::ledger::LedgerEntry;
use crate::span::Span;
use crate::text::Text;

/// Who sends, from where.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) ip: IpAddr,
    pub(super) sender: String,
    pub(super) domain: String,
    pub(super) helo: String,
    pub(super) receiver: String,
    pub(super) unix_seconds: u64,
}

impl Request {
    /// A client at `ip`, its MAIL FROM address (empty for a bounce) and its HELO name.
    ///
    /// Without MAIL FROM the HELO identity is checked; without a local part `postmaster` stands in
    /// (RFC 7208, sections 2.4 and 4.3). An IPv4-mapped IPv6 address is the IPv4 address (section 5).
    #[must_use]
    pub fn new(ip: IpAddr, mail_from: &str, helo: &str) -> Self {
        let from = if mail_from.is_empty() { helo } else { mail_from };
        let (local, domain) = from.rsplit_once('@').unwrap_or(("", from));
        let local = if local.is_empty() { "postmaster" } else { local };
        let domain = a_labels(domain);
        Self {
            ip: ip.to_canonical(),
            sender: format!("{local}@{domain}"),
            domain,
            helo: helo.to_owned(),
            receiver: "unknown".to_owned(),
            unix_seconds: 0,
        }
    }

    /// Who asks, for `%{r}` in an explanation; `unknown` by default.
    #[must_use]
    pub fn received_by(mut self, host: &str) -> Self {
        self.receiver = host.to_owned();
        self
    }

    /// When, in seconds since 1970, for `%{t}` in an explanation; 0 by default.
    #[must_use]
    pub fn at(mut self, unix_seconds: u64) -> Self {
        self.unix_seconds = unix_seconds;
        self
    }

    /// The domain whose record decides.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The client's address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }
}

/// The result of an evaluation (RFC 7208, section 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// No record, or no domain to check.
    None,
    /// The record says nothing about this client.
    Neutral,
    /// The client is authorised.
    Pass,
    /// The client is not authorised.
    Fail,
    /// The client is probably not authorised.
    Softfail,
    /// DNS failed for the moment; a later try may succeed.
    Temperror,
    /// The record cannot be evaluated; a person must mend it.
    Permerror,
}

impl SpfResult {
    /// The word that stands in Authentication-Results (RFC 8601, section 2.7.2).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Softfail => "softfail",
            Self::Temperror => "temperror",
            Self::Permerror => "permerror",
        }
    }
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The result.
    pub result: SpfResult,
    /// The domain's own explanation of a fail; never one that we made up.
    pub explanation: Option<String>,
    /// How many of the ten look-ups were spent.
    pub lookups: u32,
    /// How many of them found nothing.
    pub void_lookups: u32,
    /// The domain whose record decided.
    pub domain: String,
    /// The term that matched, with the domain whose record holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Why there is no better result, for a temporary or permanent error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Every look-up, as a tree.
    pub ledger: Vec<LedgerEntry>,
}

/// Why an evaluation ended in an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// In a plain sentence, lower case, no full stop.
    pub message: Text,
    /// The domain whose record is concerned.
    pub domain: String,
    /// That record, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

/// Section 4.3: an internationalised domain is checked by its A-labels.
fn a_labels(domain: &str) -> String {
    let bare = domain.strip_suffix('.').unwrap_or(domain);
    if bare.is_ascii() {
        return bare.to_owned();
    }
    idna::domain_to_ascii(bare).unwrap_or_else(|_| bare.to_owned())
}
