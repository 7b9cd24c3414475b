//! What a login shows: `/ping`, the audience, and `/verified-domains`, without sending anything.

use depeche_core::outcome::Refusal;
use depeche_core::provider::{Login, Standing};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::provider::CampaignProvider;
use super::reply::{self, Blames};
use crate::http::Request;

#[derive(Deserialize)]
struct Ping {
    health_status: String,
}

#[derive(Deserialize)]
struct Audience {
    #[serde(default)]
    name: String,
    #[serde(default)]
    stats: Stats,
}

#[derive(Deserialize, Default)]
struct Stats {
    #[serde(default)]
    member_count: u64,
}

#[derive(Deserialize)]
struct Domains {
    domains: Vec<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    domain: String,
    #[serde(default)]
    verified: bool,
    authenticated: Option<bool>,
}

pub(super) async fn login(provider: &CampaignProvider) -> Result<Login, Refusal> {
    let mut login = Login::default();
    let ping: Ping = ask(provider, "/ping").await?;
    login.facts.push(("health".to_owned(), ping.health_status));
    let audience: Audience = ask(provider, &format!("/lists/{}", provider.config().audience)).await?;
    login.facts.push(("audience".to_owned(), audience.name));
    login.facts.push(("members".to_owned(), audience.stats.member_count.to_string()));
    match ask::<Domains>(provider, "/verified-domains").await {
        Ok(domains) => show_domains(&domains, provider.config().sender_domain.as_deref(), &mut login),
        Err(refusal) => login.warnings.push(format!("the sender domains cannot be read: {}", refusal.reply)),
    }
    Ok(login)
}

/// Whether campaigns from that domain are signed for it.
pub(super) async fn standing(provider: &CampaignProvider, sender: &str) -> Standing {
    let domains = match ask::<Domains>(provider, "/verified-domains").await {
        Ok(Domains { domains }) => domains,
        Err(refusal) => return Standing::Failed(refusal.reply),
    };
    match domains.iter().find(|domain| domain.domain.eq_ignore_ascii_case(sender)) {
        // What it does not say is no refusal.
        Some(Domain { authenticated: None, .. }) => Standing::CannotTell,
        Some(domain) if domain.verified && domain.authenticated == Some(true) => Standing::Authenticated,
        Some(domain) => Standing::NotAuthenticated(state(domain).to_owned()),
        None => Standing::NotAuthenticated("not known there".to_owned()),
    }
}

fn state(domain: &Domain) -> &'static str {
    match (domain.verified, domain.authenticated.unwrap_or_default()) {
        (true, true) => "verified, authenticated",
        (true, false) => "verified, not authenticated",
        (false, _) => "not verified",
    }
}

async fn ask<T: DeserializeOwned>(provider: &CampaignProvider, path: &str) -> Result<T, Refusal> {
    reply::read(provider.call(Request::fetch(path, Vec::new()), &|| ()).await, Blames::Account)
}

fn show_domains(domains: &Domains, sender: Option<&str>, login: &mut Login) {
    for domain in &domains.domains {
        login.facts.push((format!("domain {}", domain.domain), state(domain).to_owned()));
    }
    let Some(sender) = sender else { return };
    match domains.domains.iter().find(|domain| domain.domain.eq_ignore_ascii_case(sender)) {
        Some(domain) if domain.verified && domain.authenticated == Some(true) => {}
        Some(domain) if domain.verified => login.warnings.push(format!(
            "{sender} is not authenticated at Mailchimp: it signs with a domain of its own and may rewrite From"
        )),
        _ => login.warnings.push(format!("{sender} is not verified at Mailchimp: no campaign can be sent from it")),
    }
}
