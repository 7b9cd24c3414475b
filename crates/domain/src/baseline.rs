//! Drift: what is new or worse in a check since an earlier one, kept in a file, and what was mended.
//!
//! A finding is the same when rule, provider, DNS name and the marked term are the same; its words and
//! the rest of the record do not count. What was not checked is never drift and never mended: it is
//! open, then as now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::align::{Method, Proof, ProviderReport};
use crate::check::DomainReport;
use crate::finding::{Finding, Severity};
use crate::rules;
use crate::text::{Lang, Text, both};

/// The version of the file that is written and read.
const VERSION: u32 = 1;

/// What earlier checks found, by domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    version: u32,
    domains: BTreeMap<String, Kept>,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// Not the JSON of a baseline.
    #[error("not a baseline: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("a baseline of version {version}; this version reads {VERSION}")]
    Version {
        /// The version that the file names.
        version: u32,
    },
}

/// One domain as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    checked_at: Timestamp,
    findings: Vec<KeptFinding>,
    providers: Vec<KeptProvider>,
}

/// A finding as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFinding {
    /// The rule.
    pub id: String,
    /// How bad it was.
    pub severity: Severity,
    /// The provider it was about.
    pub provider: Option<String>,
    /// The DNS name.
    pub name: Option<String>,
    /// The record's text.
    pub record: Option<String>,
    /// The marked term of the record, where it was not the whole.
    pub term: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptProvider {
    name: String,
    aligned: Proof,
    legs: Vec<KeptLeg>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptLeg {
    method: Method,
    aligned: Proof,
    domain: String,
}

/// What changed in one domain.
#[derive(Clone, Debug)]
pub struct Drift {
    /// The report with nothing but what is new or worse, and what could not be checked. Its exit code
    /// is that of the drift.
    pub report: DomainReport,
    /// What was found then and is no longer so, where the check now was whole.
    pub mended: Vec<KeptFinding>,
    /// When the domain was checked then; `None` when the baseline does not know it, so that all is new.
    pub since: Option<Timestamp>,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { version: VERSION, domains: BTreeMap::new() }
    }
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    ///
    /// [`BaselineError`] when it is not the JSON of a baseline of this version.
    pub fn from_json(text: &str) -> Result<Self, BaselineError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(BaselineError::Version { version });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The file, in the order of the domains' names.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("plain strings and numbers always serialise") + "\n"
    }

    /// Keeps what a check found, in the place of what was kept about the domain. A check that left
    /// something open is not kept: what it did not see would count as new ever after.
    pub fn keep(&mut self, report: &DomainReport) -> bool {
        if report.is_inconclusive {
            return false;
        }
        let kept = Kept {
            checked_at: report.checked_at,
            findings: report.findings.iter().map(KeptFinding::of).collect(),
            providers: report.providers.iter().map(KeptProvider::of).collect(),
        };
        self.domains.insert(report.domain.clone(), kept);
        true
    }

    /// What is new, worse or mended in a report.
    #[must_use]
    pub fn compare(&self, report: DomainReport) -> Drift {
        let Some(then) = self.domains.get(&report.domain) else {
            return Drift { report, mended: Vec::new(), since: None };
        };
        // Worst first, as the findings of a report are.
        let mut old: Vec<&KeptFinding> = then.findings.iter().collect();
        let mut fresh = lost_legs(&then.providers, &report.providers);
        for finding in &report.findings {
            let now = KeptFinding::of(finding);
            let known = old.iter().position(|kept| kept.key() == now.key()).map(|at| old.remove(at));
            if finding.unchecked || known.is_none_or(|known| known.severity < finding.severity) {
                fresh.push(finding.clone());
            }
        }
        fresh.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.unchecked));
        let gone = if report.is_inconclusive { Vec::new() } else { old };
        Drift {
            mended: gone.into_iter().cloned().collect(),
            since: Some(then.checked_at),
            report: DomainReport { findings: fresh, ..report },
        }
    }
}

impl KeptFinding {
    fn of(finding: &Finding) -> Self {
        let whole = finding.record.as_deref().unwrap_or_default();
        let term = finding.span.map(|span| span.of(whole)).filter(|term| !term.is_empty() && *term != whole);
        Self {
            id: finding.id.to_owned(),
            severity: finding.severity,
            provider: finding.provider.clone(),
            name: finding.name.clone(),
            record: finding.record.clone(),
            term: term.map(str::to_owned),
        }
    }

    /// What makes two findings the same.
    fn key(&self) -> [Option<&str>; 4] {
        [Some(&self.id), self.provider.as_deref(), self.name.as_deref(), self.term.as_deref()]
    }

    /// Rule and what it was about, as one line.
    #[must_use]
    pub fn line(&self, lang: Lang) -> String {
        let about = [self.provider.as_deref(), self.name.as_deref(), self.term.as_deref()];
        let about = about.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let title = rules::rule(&self.id).map(|rule| rule.words(lang).title);
        match (title, lang) {
            (Some(title), Lang::En) => format!("{} ({about}): {title}", self.id),
            (Some(title), Lang::Fr) => format!("{} ({about}) : {title}", self.id),
            (None, _) => format!("{} ({about})", self.id),
        }
    }
}

impl KeptProvider {
    fn of(report: &ProviderReport) -> Self {
        let leg = |leg: &crate::align::Leg| KeptLeg {
            method: leg.method,
            aligned: leg.aligned,
            domain: leg.domain.clone(),
        };
        Self {
            name: report.provider.name.clone(),
            aligned: report.aligned,
            legs: report.legs.iter().map(leg).collect(),
        }
    }
}

/// Legs that stood and do not stand any more: an error when none is left, else a warning. A leg that a
/// temporary failure hides is not lost.
fn lost_legs(then: &[KeptProvider], now: &[ProviderReport]) -> Vec<Finding> {
    let mut found = Vec::new();
    for report in now {
        let name = &report.provider.name;
        let Some(old) = then.iter().find(|old| old.name == *name) else { continue };
        for leg in report.legs.iter().filter(|leg| leg.aligned != Proof::Yes && !leg.temporary) {
            if !old.legs.iter().any(|kept| kept.method == leg.method && kept.aligned == Proof::Yes) {
                continue;
            }
            let severity = if report.aligned == Proof::No { Severity::Error } else { Severity::Warn };
            found.push(Finding::new(rules::PROV_LEG_LOST, severity, lost(name, leg)).about(name));
        }
    }
    found
}

fn lost(name: &str, leg: &crate::align::Leg) -> Text {
    let method = match leg.method {
        Method::Dkim => "DKIM",
        Method::Spf => "SPF",
    };
    let Text { en, fr } = &leg.reason;
    let mut text = both!(
        "{name} passed by {method} and does no longer: ",
        "{name} passait par {method} et n'y passe plus : "
    );
    text.en.push_str(en);
    text.fr.push_str(fr);
    text
}
