//! The DNS tree walk (RFC 9989, section 4.10): who owns a name, and whose policy applies to it.

use serde::Serialize;

use super::MAX_QUERIES;
use super::record::{Policy, Psd, Record, is_dmarc, parse};
use crate::dns::{Dns, RecordType, Status};
use crate::name;

/// A tree walk: at most eight queries, from a name towards the root.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The name it began at.
    pub start: String,
    /// The queries in their order.
    pub steps: Vec<Step>,
}

/// One query of a walk.
#[derive(Clone, Debug)]
pub struct Step {
    /// The domain whose `_dmarc` was asked for.
    pub domain: String,
    /// How the look-up ended.
    pub status: Status,
    /// How many DMARC records there are; more than one count as none.
    pub found: usize,
    /// The one record.
    pub record: Option<Record>,
    /// Its TTL, in seconds.
    pub ttl: Option<u32>,
}

impl Walk {
    /// The organizational domain of the start (RFC 9989, section 4.10.2).
    #[must_use]
    pub fn organizational_domain(&self) -> String {
        let with_records = || self.steps.iter().filter(|step| step.record.is_some());
        for step in with_records() {
            let record = step.record.as_ref().expect("filtered above");
            match record.psd {
                Psd::No => return step.domain.clone(),
                // One label below the public suffix, on the way to the start.
                Psd::Yes if step.domain != self.start => return self.one_below(&step.domain),
                Psd::Yes | Psd::Unknown => {}
            }
        }
        // The record with the fewest labels; the start itself when there is none.
        with_records().next_back().map_or_else(|| self.start.clone(), |step| step.domain.clone())
    }

    /// Whether an answer is missing that could change what the walk says.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        self.steps.iter().any(|step| {
            // A zone file knows nothing of its top-level domain; that is no doubt worth a word.
            let beyond = step.status == Status::NotAsked && !step.domain.contains('.');
            step.status.is_unknown() && !beyond
        })
    }

    /// The step at a domain.
    #[must_use]
    pub fn at(&self, domain: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.domain == domain)
    }

    fn one_below(&self, suffix: &str) -> String {
        let mut below = self.start.as_str();
        while let Some(parent) = name::parent(below) {
            if parent == suffix {
                break;
            }
            below = parent;
        }
        below.to_owned()
    }
}

/// Walks from a domain towards the root.
pub async fn walk(dns: &dyn Dns, domain: &str) -> Walk {
    let start = name::normal(domain);
    let mut walk = Walk { start: start.clone(), steps: Vec::new() };
    let mut at = start.as_str();
    while walk.steps.len() < MAX_QUERIES {
        let step = ask(dns, at).await;
        let stop = step.record.as_ref().is_some_and(|record| record.psd != Psd::Unknown);
        walk.steps.push(step);
        if stop {
            break;
        }
        match next(at) {
            Some(above) => at = above,
            None => break,
        }
    }
    walk
}

/// One label less; from a name of eight or more labels, down to seven (RFC 9989, section 4.10).
fn next(name: &str) -> Option<&str> {
    let labels = name.split('.').count();
    let dropped = if labels >= MAX_QUERIES { labels - (MAX_QUERIES - 1) } else { 1 };
    let mut rest = name;
    for _ in 0..dropped {
        rest = name::parent(rest)?;
    }
    Some(rest)
}

async fn ask(dns: &dyn Dns, domain: &str) -> Step {
    let answer = dns.lookup(&format!("_dmarc.{domain}"), RecordType::Txt).await;
    let texts: Vec<_> = answer.joined_texts().into_iter().filter(|text| is_dmarc(text)).collect();
    let record = match texts.as_slice() {
        [text] => Some(parse(text)),
        _ => None,
    };
    Step {
        domain: domain.to_owned(),
        status: answer.status,
        found: texts.len(),
        record,
        ttl: answer.largest_ttl(),
    }
}

/// Whose policy applies to an author's domain (RFC 9989, section 4.10.1).
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The walk that found it.
    pub walk: Walk,
    /// The domain whose record applies.
    pub policy_domain: Option<String>,
    /// Whose it is.
    pub origin: Option<Origin>,
    /// That record.
    pub record: Option<Record>,
    /// Whether the author's domain exists; asked only where `np` could matter.
    pub exists: bool,
    /// DNS did not answer: nothing can be said.
    pub is_temporary: bool,
}

/// Whose record applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The author's domain's own.
    Author,
    /// The organizational domain's.
    Organizational,
    /// The public suffix's.
    PublicSuffix,
}

impl Discovery {
    /// The policy that is published for this domain, before `t=y` weakens it.
    #[must_use]
    pub fn published_policy(&self) -> Option<Policy> {
        let record = self.record.as_ref()?;
        match self.origin? {
            Origin::Author => record.domain_policy(),
            Origin::Organizational | Origin::PublicSuffix => record.subdomain_policy(self.exists),
        }
    }

    /// The policy that a receiver applies to mail that fails.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        let testing = self.record.as_ref().is_some_and(|record| record.testing);
        self.published_policy().map(|policy| if testing { policy.weakened() } else { policy })
    }
}

/// Finds the policy for an author's domain.
pub async fn discover(dns: &dyn Dns, author: &str) -> Discovery {
    let walk = walk(dns, author).await;
    let mut found = Discovery {
        policy_domain: None,
        origin: None,
        record: None,
        exists: true,
        is_temporary: false,
        walk,
    };
    let own = found.walk.steps.first();
    if own.is_some_and(|step| step.status.is_unknown()) {
        found.is_temporary = true;
        return found;
    }
    // Several records at the author's domain are discarded, and nobody else's takes their place.
    if own.is_some_and(|step| step.found > 1) {
        return found;
    }
    if let Some((origin, domain)) = holder(&found.walk) {
        found.record = found.walk.at(&domain).and_then(|step| step.record.clone());
        found.origin = Some(origin);
        found.policy_domain = Some(domain);
    }
    if found.origin != Some(Origin::Author) {
        found.is_temporary = found.walk.is_uncertain();
        if found.record.as_ref().is_some_and(|record| record.np.is_some()) {
            let status = dns.lookup(author, RecordType::A).await.status;
            found.exists = status != Status::NxDomain;
            found.is_temporary |= status.is_temporary();
        }
    }
    found
}

/// The author's own record first, then the organizational domain's, then the public suffix's.
fn holder(walk: &Walk) -> Option<(Origin, String)> {
    let has_record = |domain: &str| walk.at(domain).is_some_and(|step| step.record.is_some());
    if has_record(&walk.start) {
        return Some((Origin::Author, walk.start.clone()));
    }
    let organizational = walk.organizational_domain();
    if has_record(&organizational) {
        return Some((Origin::Organizational, organizational));
    }
    let suffix = walk.steps.iter().find(|step| step.record.as_ref().is_some_and(|r| r.psd == Psd::Yes));
    suffix.map(|step| (Origin::PublicSuffix, step.domain.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9989, section 4.10: eight labels or more go down to seven at once.
    #[test]
    fn a_long_name_is_cut_to_seven_labels_at_the_second_query() {
        assert_eq!(next("a.b.c.d.e.f.g.h.i.j"), Some("d.e.f.g.h.i.j"));
        assert_eq!(next("a.b.c.d.e.f.g.h"), Some("b.c.d.e.f.g.h"));
        assert_eq!(next("b.c"), Some("c"));
        assert_eq!(next("c"), None);
    }
}
