//! The verdict on one message (RFC 9989, section 4.10.2 and 5): is an authenticated domain aligned?

use futures_util::future::join_all;
use serde::Serialize;

use super::record::{Alignment, Policy};
use super::walk::{Discovery, discover, walk};
use crate::dns::Dns;
use crate::name;

/// What passed, before anyone asked whether it is aligned.
#[derive(Clone, Debug, Default)]
pub struct Authenticated {
    /// The `d=` of every DKIM signature that passed.
    pub dkim: Vec<String>,
    /// The domain for which SPF passed.
    pub spf: Option<String>,
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DmarcResult {
    /// Nobody published a policy.
    None,
    /// A domain that passed is aligned.
    Pass,
    /// None is.
    Fail,
    /// DNS did not answer.
    Temperror,
}

impl DmarcResult {
    /// The word that stands in Authentication-Results.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Temperror => "temperror",
        }
    }
}

/// One aligned domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aligned {
    /// The domain that passed.
    pub domain: String,
    /// Its organizational domain.
    pub organizational: String,
}

/// What the evaluation found.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The verdict.
    pub result: DmarcResult,
    /// The policy to apply to a failing message; `None` when there is no record.
    pub policy: Option<Policy>,
    /// The organizational domain of the author's domain.
    pub organizational_domain: String,
    /// Whose record applies, and the walk that found it.
    pub discovery: Discovery,
    /// The aligned DKIM domain.
    pub dkim: Option<Aligned>,
    /// The aligned SPF domain.
    pub spf: Option<Aligned>,
}

/// Evaluates a message from `author` whose authentication results are known.
pub async fn evaluate(dns: &dyn Dns, author: &str, passed: &Authenticated) -> Evaluation {
    let discovery = discover(dns, author).await;
    let organizational_domain = discovery.walk.organizational_domain();
    let (adkim, aspf) =
        discovery.record.as_ref().map_or_else(Default::default, |record| (record.adkim, record.aspf));
    let home = Home {
        author: name::normal(author),
        organizational: organizational_domain.clone(),
        uncertain: discovery.walk.is_uncertain(),
    };
    let dkim = join_all(passed.dkim.iter().map(|domain| home.compare(dns, domain, adkim))).await;
    let spf = join_all(passed.spf.iter().map(|domain| home.compare(dns, domain, aspf))).await;
    let uncertain = dkim.iter().chain(&spf).any(|compared| matches!(compared, Compared::Unknown));
    let policy = discovery.policy();
    let dkim = dkim.into_iter().find_map(Compared::aligned);
    let spf = spf.into_iter().find_map(Compared::aligned);
    let result = match policy {
        _ if discovery.is_temporary => DmarcResult::Temperror,
        None => DmarcResult::None,
        Some(_) if dkim.is_some() || spf.is_some() => DmarcResult::Pass,
        Some(_) if uncertain => DmarcResult::Temperror,
        Some(_) => DmarcResult::Fail,
    };
    Evaluation { result, policy, organizational_domain, discovery, dkim, spf }
}

struct Home {
    author: String,
    organizational: String,
    uncertain: bool,
}

enum Compared {
    Aligned(Aligned),
    Apart,
    Unknown,
}

impl Compared {
    fn aligned(self) -> Option<Aligned> {
        match self {
            Self::Aligned(aligned) => Some(aligned),
            Self::Apart | Self::Unknown => None,
        }
    }
}

impl Home {
    async fn compare(&self, dns: &dyn Dns, domain: &str, alignment: Alignment) -> Compared {
        let domain = name::normal(domain);
        if domain == self.author {
            let organizational = self.organizational.clone();
            return Compared::Aligned(Aligned { domain, organizational });
        }
        if alignment == Alignment::Strict {
            return Compared::Apart;
        }
        let walk = walk(dns, &domain).await;
        let organizational = walk.organizational_domain();
        if organizational == self.organizational {
            return Compared::Aligned(Aligned { domain, organizational });
        }
        if self.uncertain || walk.is_uncertain() { Compared::Unknown } else { Compared::Apart }
    }
}
