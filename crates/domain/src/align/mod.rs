//! Can mail that this provider sends pass DMARC for this domain? Both legs, each with its proof.
//!
//! A leg is "yes" only when DNS proves it: a key that the provider signs with, under the From domain;
//! or the provider's addresses authorised for an envelope that is aligned. What was not looked at, or
//! cannot be known from DNS, is "cannot tell", never "yes" and never "no".
//!
//! Facts about providers (return paths, selectors, where their CNAME records lead) are in
//! [`Kind`]'s table; they were read from the providers' pages and from public zones in 2026.

mod coverage;
mod dkim_leg;
mod provider;
mod spf_leg;
mod witness;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

pub(crate) use dkim_leg::{Standing, is_good, standing};
pub use provider::{Kind, Provider, key_targets, selector_prefix};
pub use witness::Witness;

use crate::dkim::KeyLookup;
use crate::dmarc::{Alignment, Discovery, discover, walk};
use crate::dns::Dns;
use crate::name;
use crate::span::Span;
use crate::text::{Text, both};

/// Whether something is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// DNS proves it.
    Yes,
    /// DNS proves the contrary.
    No,
    /// It cannot be known from what was looked at.
    CannotTell,
}

impl Proof {
    /// The word of the JSON document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::CannotTell => "cannot-tell",
        }
    }

    /// Yes when one is, no when all are.
    fn any(of: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::No;
        for one in of {
            match one {
                Self::Yes => return Self::Yes,
                Self::CannotTell => whole = Self::CannotTell,
                Self::No => {}
            }
        }
        whole
    }
}

/// A way to pass DMARC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A signature.
    Dkim,
    /// The sending address.
    Spf,
}

/// What a proof rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Records.
    Dns,
    /// The provider's own word.
    Api,
    /// A message that arrived.
    Message,
}

impl Evidence {
    /// The word of the JSON document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Api => "api",
            Self::Message => "message",
        }
    }
}

/// One leg of one provider.
#[derive(Clone, Debug, Serialize)]
pub struct Leg {
    /// Which.
    pub method: Method,
    /// Whether it passes and is aligned.
    pub aligned: Proof,
    /// What that rests on.
    pub evidence: Evidence,
    /// Whether it passes at all, for whatever domain.
    pub passes: Proof,
    /// The domain it would pass for.
    pub domain: String,
    /// Why, in a sentence.
    pub reason: Text,
    /// A temporary failure of DNS stands in the way of an answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub temporary: bool,
    /// The record that decides, with the place in it.
    #[serde(skip)]
    pub record: Option<(String, String, Option<Span>)>,
}

/// Everything about one provider.
#[derive(Clone, Debug)]
pub struct ProviderReport {
    /// The provider as it was asked about.
    pub provider: Provider,
    /// Whether mail through it can pass DMARC.
    pub aligned: Proof,
    /// DKIM first, then SPF.
    pub legs: Vec<Leg>,
    /// The keys that were looked at.
    pub keys: Vec<KeyLookup>,
    /// Whether it replaces the From address, because it does not know the domain.
    pub rewrites_from: Proof,
}

impl ProviderReport {
    /// The leg of that method.
    #[must_use]
    pub fn leg(&self, method: Method) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.method == method)
    }

    /// Whether a temporary failure of DNS leaves it open.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.aligned == Proof::CannotTell && self.legs.iter().any(|leg| leg.temporary)
    }
}

/// The From domain and whose DMARC policy applies to it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The From domain.
    pub domain: String,
    /// Its policy, with the walk that found it.
    pub discovery: Discovery,
    /// Its organizational domain.
    pub organizational: String,
}

impl Home {
    /// Looks for the policy of a From domain.
    pub async fn find(dns: &dyn Dns, domain: &str) -> Self {
        let discovery = discover(dns, domain).await;
        let organizational = discovery.walk.organizational_domain();
        Self { domain: name::normal(domain), discovery, organizational }
    }

    /// Whether another domain is aligned with it by that method.
    async fn aligns(&self, dns: &dyn Dns, domain: &str, method: Method) -> Proof {
        if name::same(domain, &self.domain) {
            return Proof::Yes;
        }
        let record = self.discovery.record.as_ref();
        let mode = record.map_or(Alignment::Relaxed, |record| match method {
            Method::Dkim => record.adkim,
            Method::Spf => record.aspf,
        });
        if mode == Alignment::Strict {
            return Proof::No;
        }
        // An unknown policy might ask for strict alignment.
        if self.discovery.is_temporary {
            return Proof::CannotTell;
        }
        let other = walk(dns, domain).await;
        if other.organizational_domain() == self.organizational {
            return Proof::Yes;
        }
        let open = other.is_uncertain() || self.discovery.walk.is_uncertain();
        if open { Proof::CannotTell } else { Proof::No }
    }
}

/// Looks at every provider, side by side.
///
/// `selectors` are those that the user named without saying whose they are.
pub async fn align(
    dns: &dyn Dns,
    home: &Home,
    providers: &[Provider],
    selectors: &[String],
) -> Vec<ProviderReport> {
    // A selector that one of them signs with: of several plain servers nobody can say which.
    let is_plain = |provider: &Provider| {
        provider.kind == Kind::Smtp && provider.selectors.is_empty() && provider.own_keys.is_empty()
    };
    let many = providers.iter().filter(|provider| is_plain(provider)).count() > 1;
    let each =
        providers.iter().map(|provider| one(dns, home, provider, selectors, many && is_plain(provider)));
    join_all(each).await
}

/// `is_shared`: the selectors may be another provider's.
async fn one(
    dns: &dyn Dns,
    home: &Home,
    provider: &Provider,
    selectors: &[String],
    is_shared: bool,
) -> ProviderReport {
    let (dkim, spf) = futures_util::future::join(
        dkim_leg::look(dns, home, provider, selectors),
        spf_leg::look(dns, home, provider),
    )
    .await;
    let (dkim, keys) = dkim;
    let dkim = if is_shared && dkim.aligned == Proof::Yes { not_told_whose(dkim, provider) } else { dkim };
    let dkim = witness::hear(dns, home, provider, dkim).await;
    let spf = witness::hear(dns, home, provider, spf).await;
    let rewrites_from = match dkim.aligned {
        _ if !provider.kind.rewrites_from() => Proof::No,
        Proof::Yes => Proof::No,
        Proof::No => Proof::Yes,
        Proof::CannotTell => Proof::CannotTell,
    };
    let legs = vec![dkim, spf];
    ProviderReport {
        provider: provider.clone(),
        aligned: Proof::any(legs.iter().map(|leg| leg.aligned)),
        legs,
        keys,
        rewrites_from,
    }
}

/// A good key under a selector that may be another server's.
fn not_told_whose(leg: Leg, provider: &Provider) -> Leg {
    let name = &provider.name;
    let reason = both!(
        "there is a good key, but which of the servers signs with it is not known: name it in the section of {name} (selectors)",
        "il y a une bonne clé, mais on ne sait pas lequel des serveurs signe avec elle : nommez-la dans la section de {name} (selectors)"
    );
    Leg { aligned: Proof::CannotTell, passes: Proof::CannotTell, reason, ..leg }
}
