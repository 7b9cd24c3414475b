//! What a login shows: `GET /account`, `GET /senders/domains`, and for the domain of From the records as
//! Brevo sees them (`GET /senders/domains/{domain}`), without sending anything.
//!
//! All belong to a group of endpoints with 100 calls an hour, so they are for a person who asks, and
//! never for a probe (PROVIDERS.md, section 1.3).

use std::collections::BTreeMap;

use depeche_core::outcome::{Refusal, Trouble, one_line};
use depeche_core::provider::{Login, Quota, Standing};
use serde::Deserialize;

use super::provider::BrevoProvider;
use crate::http::Answer;
use crate::http::classify::{Means, means, proved, stated_wait};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    email: String,
    #[serde(default)]
    company_name: String,
    #[serde(default)]
    plan: Vec<Plan>,
}

#[derive(Deserialize)]
struct Plan {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    credits: Option<f64>,
}

#[derive(Deserialize)]
struct Domains {
    #[serde(default)]
    domains: Vec<Domain>,
    /// Absent when there is only one.
    #[serde(default)]
    total_pages: Option<u64>,
}

#[derive(Deserialize)]
struct Domain {
    domain_name: String,
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    verified: bool,
}

/// One domain with its records.
#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    dns_records: BTreeMap<String, Option<Record>>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    host_name: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    status: bool,
}

pub(super) async fn login(provider: &BrevoProvider) -> Result<Login, Refusal> {
    let mut login = Login::default();
    let account: Account = ask(provider, "/account").await?;
    show_account(&account, &mut login);
    let sender = provider.config().sender_domain.as_deref();
    match ask::<Domains>(provider, "/senders/domains").await {
        Ok(domains) => {
            show_domains(&domains, sender, &mut login);
            let is_senders = |domain: &&str| {
                domains.domains.iter().any(|one| one.domain_name.eq_ignore_ascii_case(domain))
            };
            if let Some(domain) = sender.filter(is_senders) {
                show_records(provider, domain, &mut login).await;
            }
        }
        Err(refusal) => login.warnings.push(format!("the sender domains cannot be read: {}", refusal.reply)),
    }
    Ok(login)
}

/// Whether Brevo has authenticated that domain.
pub(super) async fn standing(provider: &BrevoProvider, sender: &str) -> Standing {
    let domains = match ask::<Domains>(provider, "/senders/domains").await {
        Ok(domains) => domains,
        Err(refusal) => return Standing::Failed(refusal.reply),
    };
    let is_whole = domains.total_pages.is_none_or(|pages| pages <= 1);
    match domains.domains.iter().find(|domain| domain.domain_name.eq_ignore_ascii_case(sender)) {
        Some(domain) if domain.authenticated => Standing::Authenticated,
        Some(domain) if domain.verified => {
            Standing::NotAuthenticated("verified, not authenticated".to_owned())
        }
        Some(_) => Standing::NotAuthenticated("not verified".to_owned()),
        None if is_whole => Standing::NotAuthenticated("not known there".to_owned()),
        // It may stand on another page: nothing is known, and nothing is refused.
        None => Standing::CannotTell,
    }
}

async fn ask<T: serde::de::DeserializeOwned>(provider: &BrevoProvider, path: &str) -> Result<T, Refusal> {
    let answer = provider.fetch(path, Vec::new()).await?;
    let read = || serde_json::from_value(answer.document()?).ok();
    match means(answer.status) {
        Means::Yes => read().ok_or_else(|| fault(&answer)),
        Means::No(trouble) => Err(proved(trouble, &answer)),
        _ => Err(fault(&answer)),
    }
}

/// An answer that proves nothing.
pub(super) fn fault(answer: &Answer) -> Refusal {
    Refusal::provider(Trouble::Fault, answer.line()).with_retry_after(stated_wait(answer))
}

fn show_account(account: &Account, login: &mut Login) {
    let mut fact = |name: &str, value: String| login.facts.push((name.to_owned(), value));
    fact("account", format!("{} {}", account.company_name, account.email).trim().to_owned());
    for plan in account.plan.iter().filter(|plan| plan.kind != "sms") {
        let credits = plan.credits.map_or_else(|| "not stated".to_owned(), |credits| format!("{credits:.0}"));
        fact(&format!("credits left ({})", plan.kind), credits);
    }
    let left: Vec<f64> =
        account.plan.iter().filter(|plan| plan.kind != "sms").filter_map(|plan| plan.credits).collect();
    // Below zero, or no number: nothing is left.
    let whole = |credits: &f64| credits.max(0.0) as u64;
    login.quota = (!left.is_empty()).then(|| Quota::Left(left.iter().map(whole).sum()));
    if !left.is_empty() && left.iter().all(|credits| *credits < 1.0) {
        login.warnings.push("no credit is left: Brevo will refuse every message".to_owned());
    }
}

/// What Brevo wants published, and whether it has found it.
async fn show_records(provider: &BrevoProvider, domain: &str, login: &mut Login) {
    match ask::<Detail>(provider, &format!("/senders/domains/{domain}")).await {
        Ok(detail) => {
            for (name, record) in detail.dns_records {
                let Some(record) = record else { continue };
                let state = if record.status { "found" } else { "not found" };
                let value = format!("{state}: {} {} {}", record.host_name, record.kind, record.value);
                login.facts.push((format!("record {name}"), one_line(&value)));
            }
        }
        Err(refusal) => {
            login.warnings.push(format!("the records of {domain} cannot be read: {}", refusal.reply));
        }
    }
}

fn show_domains(domains: &Domains, sender: Option<&str>, login: &mut Login) {
    for domain in &domains.domains {
        let state = match (domain.verified, domain.authenticated) {
            (_, true) => "authenticated",
            (true, false) => "verified, not authenticated",
            (false, false) => "not verified",
        };
        login.facts.push((format!("domain {}", domain.domain_name), state.to_owned()));
    }
    let Some(sender) = sender else { return };
    match domains.domains.iter().find(|domain| domain.domain_name.eq_ignore_ascii_case(sender)) {
        Some(domain) if domain.authenticated => {}
        Some(_) => login.warnings.push(format!(
            "{sender} is not authenticated at Brevo: it signs with a domain of its own and may rewrite From"
        )),
        None => login.warnings.push(format!("{sender} is not known at Brevo: it may refuse or rewrite From")),
    }
}
