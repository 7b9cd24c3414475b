//! One domain, everything: records, providers, what stands around; at most 64 look-ups and 25 s.
//!
//! What DNS did not answer becomes a finding of its own ([`crate::rules::DNS_UNCHECKED`]): it is neither
//! found wrong nor right, and [`DomainReport::exit`] says so with 7.

mod beyond;
mod bulk;
mod dkim;
mod dmarc;
mod hosts;
mod mta_sts;
mod operators;
mod providers;
mod spf;

use std::sync::Arc;

use jiff::Timestamp;

use crate::align::{Home, Proof, Provider, ProviderReport, align};
use crate::dmarc::Policy;
use crate::dns::Dns;
use crate::dns::session::{MAX_QUERIES, Session};
use crate::finding::{Finding, Severity};
use crate::mta_sts::PolicyFetcher;
use crate::name;

/// What a check may know beside the domain and its providers.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Selectors that the user named, whosever they are.
    pub selectors: Vec<String>,
    /// The domain of Reply-To, when it is another.
    pub reply_to: Option<String>,
    /// Whether a reader of this domain's mail opts out with one click (RFC 8058); `None` when that is not
    /// known, and then nothing is said about it.
    pub one_click: Option<bool>,
    /// Hosts that the domain's mail leads to: of its unsubscribe page, its links, its images.
    pub web_hosts: Vec<String>,
    /// Who fetches MTA-STS policies; without one they are not looked at, and the report says so.
    pub policies: Option<Arc<dyn PolicyFetcher>>,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct DomainReport {
    /// The domain: A-labels, lower case.
    pub domain: String,
    /// When it was checked.
    pub checked_at: Timestamp,
    /// The findings, worst first.
    pub findings: Vec<Finding>,
    /// The providers, in the order they were given.
    pub providers: Vec<ProviderReport>,
    /// The DMARC policy that applies; `None` when there is none or it is not known.
    pub policy: Option<Policy>,
    /// The look-ups that SPF takes, of ten; `None` when a branch could not be looked at.
    pub spf_lookups: Option<u32>,
    /// How many questions went to DNS.
    pub queries: usize,
    /// A temporary failure, or the bound of 64 look-ups, left something open.
    pub is_inconclusive: bool,
}

impl DomainReport {
    /// How many findings of that severity there are; what was not checked does not count.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let counted = |finding: &&Finding| finding.severity == severity && !finding.unchecked;
        self.findings.iter().filter(counted).count()
    }

    /// The exit code: 1 when something at or above the threshold was found, else 7 when DNS left
    /// something open, else 0.
    #[must_use]
    pub fn exit(&self, fail_on: Severity) -> u8 {
        let found = |finding: &Finding| finding.severity >= fail_on && !finding.unchecked;
        match (self.findings.iter().any(found), self.is_inconclusive) {
            (true, _) => 1,
            (false, true) => 7,
            (false, false) => 0,
        }
    }

    /// The exit code of several reports: 1 before 7 before 0.
    #[must_use]
    pub fn exit_of_all(reports: &[Self], fail_on: Severity) -> u8 {
        let codes: Vec<_> = reports.iter().map(|report| report.exit(fail_on)).collect();
        [1, 7].into_iter().find(|code| codes.contains(code)).unwrap_or(0)
    }

    /// Whether mail through that provider can pass DMARC; `None` for a name that was not asked about.
    #[must_use]
    pub fn aligned(&self, provider: &str) -> Option<Proof> {
        let found = self.providers.iter().find(|report| report.provider.name == provider);
        found.map(|report| report.aligned)
    }
}

/// Why a text is not a domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a domain name")]
pub struct NotADomain(pub String);

/// Checks one domain, as the From domain of mail that goes through `providers`.
///
/// # Errors
///
/// [`NotADomain`] when the text is no domain name. What DNS says is never an error.
pub async fn check(
    dns: &dyn Dns,
    domain: &str,
    providers: &[Provider],
    options: &Options,
    now: Timestamp,
) -> Result<DomainReport, NotADomain> {
    let domain = name::from_user(domain)
        .filter(|name| name.contains('.'))
        .ok_or_else(|| NotADomain(domain.to_owned()))?;
    let session = Session::new(dns);
    let home = Home::find(&session, &domain).await;
    // Side by side: what two of them ask is asked once.
    let chain = async {
        let (reports, keys) = chain(&session, &home, providers, options).await;
        let shared = operators::findings(&session, &domain, &reports, options).await;
        (reports, keys, shared)
    };
    let (chain, (spf_findings, spf_lookups), dmarc, hosts, beyond, mta_sts) = tokio::join!(
        chain,
        spf::findings(&session, &domain, providers),
        dmarc::findings(&session, &home),
        hosts::findings(&session, &domain, providers, options),
        beyond::findings(&session, &domain, &home),
        mta_sts::findings(&session, &domain, options.policies.as_deref()),
    );
    let (reports, keys, shared) = chain;
    let mut findings = providers::findings(&home, &reports);
    findings.extend(spf_findings);
    findings.extend(keys);
    findings.extend(dmarc);
    findings.extend(bulk::findings(&home, &reports, &hosts, options));
    findings.extend(hosts);
    findings.extend(shared);
    findings.extend(beyond);
    findings.extend(mta_sts);
    // A stable sort: within a severity the order of the parts above stays.
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.unchecked));
    let bound_reached = session.asked() >= MAX_QUERIES;
    Ok(DomainReport {
        is_inconclusive: bound_reached || findings.iter().any(|finding| finding.unchecked),
        policy: home.discovery.policy(),
        queries: session.asked(),
        checked_at: now,
        providers: reports,
        spf_lookups,
        findings,
        domain,
    })
}

/// The providers, and what their keys are worth.
async fn chain(
    dns: &dyn Dns,
    home: &Home,
    providers: &[Provider],
    options: &Options,
) -> (Vec<ProviderReport>, Vec<Finding>) {
    let reports = align(dns, home, providers, &options.selectors).await;
    let findings = dkim::findings(dns, &home.domain, &reports, &options.selectors).await;
    (reports, findings)
}
