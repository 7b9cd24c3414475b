//! `require_authenticated`: a provider whose mail DMARC would refuse is not used.
//!
//! The judgement is that of `domain check`: both legs, by DNS, by the provider's own word and by messages that
//! arrived, the last two as the journal keeps them ([`evidence`]; no provider is asked here). Only a proof
//! blocks: both legs proved wrong, under a policy of quarantine or reject. When DNS does not answer, the last
//! proof decides, dated, from the journal's audit, for 30 days; without one the provider is used and said to
//! be "not checked". A server on this machine cannot be judged by DNS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use depeche::clock::Clock;
use depeche::domain::align::{Home, Leg, Method, Proof, Provider, ProviderReport, align};
use depeche::domain::dmarc::Policy;
use depeche::domain::dns::Dns;
use depeche::domain::dns::session::Session;
use depeche::domain::text::Lang;
use depeche::engine::{Admission, Admitted};
use depeche::journal::{AuditEntry, Journal};
use depeche::provider::ProviderName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence;
use crate::config::{Config, Kind};
use crate::context::Context;
use crate::failure::Failure;
use crate::verbs::domain::{chain, door, language};
use crate::words::say;

/// So long one check may take: a person waits for it.
const PATIENCE: Duration = Duration::from_secs(8);
/// So many questions one check may ask.
const MOST_QUERIES: usize = 48;
/// A verdict is good for so long within a process.
const FRESH: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// A proof decides for so long when DNS does not answer.
const LASTS: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);
/// What a proof is called in the audit.
const ACTION: &str = "domain proof";

/// Checks the From domain for each provider.
pub(crate) struct DomainAdmission {
    domain: String,
    /// `None`: DNS says nothing about it.
    providers: Vec<(ProviderName, Option<Provider>)>,
    dns: Option<Box<dyn Dns>>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    lang: Lang,
    said: Said,
    seen: Mutex<HashMap<ProviderName, (Timestamp, Judged)>>,
}

/// A verdict with what it rests on.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// Whether the provider is used.
    pub(crate) verdict: Verdict,
    /// Both ways to pass; none when nothing was looked at.
    pub(crate) legs: Vec<LegShown>,
}

/// One way to pass, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LegShown {
    method: Method,
    aligned: Proof,
    evidence: &'static str,
    reason: String,
}

impl Judged {
    fn bare(verdict: Verdict) -> Self {
        Self { verdict, legs: Vec::new() }
    }

    /// What proves it: `DKIM (dns), SPF (message)`.
    pub(crate) fn proved_by(&self) -> String {
        let proved = self.legs.iter().filter(|leg| leg.aligned == Proof::Yes);
        let shown = proved.map(|leg| {
            let method = match leg.method {
                Method::Dkim => "DKIM",
                Method::Spf => "SPF",
            };
            format!("{method} ({})", leg.evidence)
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// What is known of a provider's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It passes DMARC.
    Passes,
    /// It fails DMARC, and no policy asks to refuse it: it is used, and said.
    Fails(String),
    /// It fails DMARC, and the policy asks to refuse it: it is not used.
    Blocked(String),
    /// It is not known, and why.
    NotChecked(String),
}

impl Verdict {
    /// The word of the JSON document.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Passes => "yes",
            Self::Fails(_) => "no",
            Self::Blocked(_) => "blocked",
            Self::NotChecked(_) => "not checked",
        }
    }

    /// Why; empty for a pass.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Passes => "",
            Self::Fails(reason) | Self::Blocked(reason) | Self::NotChecked(reason) => reason,
        }
    }
}

/// Sentences in the user's language, made beforehand: this type outlives the borrowed words.
struct Said {
    local: String,
    no_dns: String,
    no_answer: String,
}

/// A verdict as the audit keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    domain: String,
    provider: String,
    aligned: String,
    blocked: Option<String>,
}

impl DomainAdmission {
    /// For the providers of `config`; `None` when the user does not want the check.
    pub(crate) fn new(
        config: &Config,
        journal: &Arc<dyn Journal>,
        context: &Context<'_>,
    ) -> Result<Option<Arc<Self>>, Failure> {
        if !config.require_authenticated {
            return Ok(None);
        }
        let out = context.out;
        let of = |one: &crate::config::ProviderConfig| {
            let provider =
                if is_local(&one.kind) { None } else { chain::of(one, config, chain::Keys::AtHand) };
            (one.name.clone(), provider)
        };
        Ok(Some(Arc::new(Self {
            domain: config.identity.from.address.domain().to_owned(),
            providers: config.providers.iter().map(of).collect(),
            dns: door::live(config.nameserver.as_deref(), context)?,
            journal: Arc::clone(journal),
            clock: Arc::clone(&context.clock),
            lang: language(context),
            said: Said {
                local: say!(out, "admission-local"),
                no_dns: say!(out, "admission-no-dns"),
                no_answer: say!(out, "admission-no-answer"),
            },
            seen: Mutex::default(),
        })))
    }

    /// The verdict on a provider, asked of DNS at most once in five minutes.
    pub(crate) async fn judged(&self, provider: &ProviderName) -> Judged {
        let now = self.clock.now();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(provider).cloned();
        if let Some((_, judged)) = seen.filter(|(at, _)| now < *at + FRESH) {
            return judged;
        }
        let judged = self.look(provider).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(provider.clone(), (now, judged.clone()));
        judged
    }

    async fn look(&self, name: &ProviderName) -> Judged {
        let not_checked = |why: &str| Judged::bare(Verdict::NotChecked(why.to_owned()));
        let known = self.providers.iter().find(|(other, _)| other == name);
        let Some((_, Some(provider))) = known else { return not_checked(&self.said.local) };
        let Some(dns) = &self.dns else { return not_checked(&self.said.no_dns) };
        let mut provider = provider.clone();
        let earliest = self.clock.now() - LASTS;
        provider.witnesses.extend(evidence::heard(&*self.journal, &self.domain, name, earliest).await);
        let session = Session::bounded(dns, MOST_QUERIES, PATIENCE);
        let home = Home::find(&session, &self.domain).await;
        let reports = align(&session, &home, std::slice::from_ref(&provider), &[]).await;
        let Some(report) = reports.first() else { return not_checked(&self.said.no_dns) };
        let verdict = match report.aligned {
            Proof::CannotTell if report.is_temporary() => self.last_proof(name).await,
            Proof::CannotTell => Verdict::NotChecked(self.reasons(report)),
            proof => {
                let verdict = self.judge(proof, home.discovery.policy(), report);
                self.keep(name, proof, &verdict).await;
                verdict
            }
        };
        Judged { verdict, legs: report.legs.iter().map(|leg| self.shown(leg)).collect() }
    }

    fn shown(&self, leg: &Leg) -> LegShown {
        let reason = leg.reason.in_lang(self.lang).to_owned();
        LegShown { method: leg.method, aligned: leg.aligned, evidence: leg.evidence.word(), reason }
    }

    fn judge(&self, proof: Proof, policy: Option<Policy>, report: &ProviderReport) -> Verdict {
        let refuses = policy.filter(|policy| *policy != Policy::None);
        match refuses {
            Some(policy) if proof == Proof::No => {
                Verdict::Blocked(format!("DMARC p={}: {}", policy.word(), self.reasons(report)))
            }
            None if proof == Proof::No => Verdict::Fails(self.reasons(report)),
            _ => Verdict::Passes,
        }
    }

    fn reasons(&self, report: &ProviderReport) -> String {
        let reasons: Vec<&str> = report.legs.iter().map(|leg| leg.reason.in_lang(self.lang)).collect();
        reasons.join(match self.lang {
            Lang::En => "; ",
            Lang::Fr => " ; ",
        })
    }

    /// DNS does not answer: what was proved last, with its date.
    async fn last_proof(&self, name: &ProviderName) -> Verdict {
        let not_checked = || Verdict::NotChecked(self.said.no_answer.clone());
        let Ok(entries) = self.journal.audit_of(None).await else { return not_checked() };
        let earliest = self.clock.now() - LASTS;
        let proofs = entries.iter().rev().filter(|entry| entry.action == ACTION && entry.at >= earliest);
        let last = proofs
            .filter_map(|entry| Some((entry.at, serde_json::from_str::<Kept>(&entry.detail).ok()?)))
            .find(|(_, kept)| kept.domain == self.domain && kept.provider == name.as_str());
        match last {
            Some((at, Kept { blocked: Some(reason), .. })) => {
                Verdict::Blocked(format!("{reason} ({})", day(at)))
            }
            Some((at, kept)) => {
                Verdict::NotChecked(format!("{} ({}: {})", self.said.no_answer, day(at), kept.aligned))
            }
            None => not_checked(),
        }
    }

    /// Keeps a proof for the day on which DNS does not answer. A journal that cannot take it says so at
    /// the first intent; here it is no reason to stop.
    async fn keep(&self, name: &ProviderName, aligned: Proof, verdict: &Verdict) {
        let blocked = match verdict {
            Verdict::Blocked(reason) => Some(reason.clone()),
            _ => None,
        };
        let aligned = aligned.word().to_owned();
        let kept = Kept { domain: self.domain.clone(), provider: name.to_string(), aligned, blocked };
        if let Ok(detail) = serde_json::to_string(&kept) {
            let entry = AuditEntry { at: self.clock.now(), run: None, action: ACTION.to_owned(), detail };
            let _ = self.journal.audit(entry).await;
        }
    }
}

#[async_trait]
impl Admission for DomainAdmission {
    async fn admit(&self, provider: &ProviderName) -> Admitted {
        match self.judged(provider).await.verdict {
            Verdict::Passes | Verdict::Fails(_) => Admitted::Allowed,
            Verdict::Blocked(reason) => Admitted::Blocked(reason),
            Verdict::NotChecked(reason) => Admitted::NotChecked(reason),
        }
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A relay or a stub on this machine.
fn is_local(kind: &Kind) -> bool {
    let host = match kind {
        Kind::Smtp(smtp) => smtp.host.clone(),
        Kind::Brevo(account) | Kind::Transactional(account) => host_of(account.base_url.as_deref()),
        Kind::Campaign(campaign) => host_of(campaign.base_url.as_deref()),
        Kind::Outbox(_) => return true,
    };
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    host == "localhost" || is_loopback
}

/// The host of a base URL; empty when there is none.
fn host_of(base_url: Option<&str>) -> String {
    let rest = base_url.and_then(|url| url.split_once("://")).map_or("", |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default().to_owned()
}
