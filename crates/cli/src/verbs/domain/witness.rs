//! What is heard about providers beside DNS: their own view, and messages that arrived. The journal keeps
//! it for the day of sending ([`evidence`]); what was checked against a proposed zone, it does not.

use std::path::Path;

use depeche::domain::align::{Evidence, Method, Provider, Witness};
use depeche::domain::dkim::DkimResult;
use depeche::domain::verify::{Received, verify};
use depeche::provider::Standing;

use super::door::Door;
use crate::args::DomainCheck;
use crate::config::{Config, ProviderConfig};
use crate::context::Context;
use crate::failure::Failure;
use crate::run::evidence;
use crate::words::say;

/// Adds what `--message` and `--ask-providers` say to the providers.
pub(super) async fn hear(
    asked: &DomainCheck,
    providers: &mut [Provider],
    door: &Door,
    context: &Context<'_>,
) -> Result<(), Failure> {
    for pair in &asked.message {
        let (name, file) = pair.split_once('=').ok_or_else(|| {
            Failure::usage("domain.message", say!(context.out, "message-pair", text = pair))
                .with_hint("--message ovh=received.eml")
        })?;
        let Some(provider) = providers.iter_mut().find(|provider| provider.name == name) else {
            return Err(Failure::usage("route.unknown", say!(context.out, "route-unknown", name = name)));
        };
        let heard = message(Path::new(file), door, context).await?;
        if door.is_real(&asked.dns) {
            remember(&heard, &asked.domains, &provider.name, context).await?;
        }
        provider.witnesses.extend(heard);
    }
    if asked.ask_providers {
        for provider in providers.iter_mut() {
            let heard = standing(provider, &asked.domains, context).await?;
            remember(&heard, &asked.domains, &provider.name, context).await?;
            provider.witnesses.extend(heard);
            ask_for_selectors(provider, &asked.domains, context).await?;
        }
    }
    Ok(())
}

/// Adds the selectors that OVHcloud's API knows, for the domains that are checked.
async fn ask_for_selectors(
    provider: &mut Provider,
    domains: &[String],
    context: &Context<'_>,
) -> Result<(), Failure> {
    let Some(config) = context.config_if_any()? else { return Ok(()) };
    let Some(one) = config.providers.iter().find(|one| one.name.as_str() == provider.name) else {
        return Ok(());
    };
    for domain in domains.iter().filter_map(|domain| depeche::domain::name::from_user(domain)) {
        let told = selectors(one, &config, &domain, context).await.unwrap_or_default();
        let new = told.into_iter().filter(|selector| !provider.selectors.contains(selector));
        provider.selectors.extend(new.collect::<Vec<_>>());
    }
    Ok(())
}

/// The selectors of a domain by OVHcloud's API; `None` where it is not to be asked, or did not answer, which is said.
pub(crate) async fn selectors(
    one: &ProviderConfig,
    config: &Config,
    domain: &str,
    context: &Context<'_>,
) -> Option<Vec<String>> {
    let out = context.out;
    let failed = |reason: &str| {
        let reason = out.words.library(reason);
        out.warn(say!(out, "standing-failed", provider = one.name.as_str(), reason = reason));
    };
    let api = config.ovh_api(one).map_err(|failure| failed(&failure.message)).ok()??;
    api.dkim_selectors(domain).await.map_err(|refusal| failed(&refusal.reply)).ok()
}

/// Keeps what was heard about the From domain of depeche.toml, when that was among the domains. A journal
/// that cannot take it is said, and is no reason not to check.
async fn remember(
    heard: &[Witness],
    domains: &[String],
    provider: &str,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let Some(config) = context.config_if_any()? else { return Ok(()) };
    let from = config.identity.from.address.domain();
    let is_from = |text: &String| {
        depeche::domain::name::from_user(text)
            .is_some_and(|domain| depeche::domain::name::same(&domain, from))
    };
    let is_configured = config.providers.iter().any(|one| one.name.as_str() == provider);
    if !is_configured || !domains.iter().any(is_from) {
        return Ok(());
    }
    let about = |witness: &&Witness| {
        witness.evidence == Evidence::Message || depeche::domain::name::same(&witness.domain, from)
    };
    let heard: Vec<Witness> = heard.iter().filter(about).cloned().collect();
    if let Err(failure) = evidence::keep_in(&config, from, provider, &heard, context).await {
        let reason = failure.message.clone();
        context.out.warn(say!(context.out, "evidence-not-kept", provider = provider, reason = reason));
    }
    Ok(())
}

/// The signatures of a message that pass with the keys that are published now.
async fn message(file: &Path, door: &Door, context: &Context<'_>) -> Result<Vec<Witness>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::file(file, &error))?;
    let now = u64::try_from(context.clock.now().as_second()).unwrap_or_default();
    let verified = verify(door.dns(), &bytes, &Received::default(), now).await;
    let shown = file.display().to_string();
    let passed = verified.dkim.iter().filter(|line| line.result == DkimResult::Pass);
    let heard: Vec<_> = passed.map(|line| Witness::of_message(Method::Dkim, &line.domain, &shown)).collect();
    if heard.is_empty() {
        context.out.warn(say!(context.out, "message-proves-nothing", file = &shown));
    }
    Ok(heard)
}

/// What the provider says of each domain. One that cannot be asked is said, and changes nothing.
async fn standing(
    provider: &Provider,
    domains: &[String],
    context: &Context<'_>,
) -> Result<Vec<Witness>, Failure> {
    let Some(config) = context.config_if_any()? else { return Ok(Vec::new()) };
    let Some(one) = config.providers.iter().find(|one| one.name.as_str() == provider.name) else {
        return Ok(Vec::new());
    };
    let link = config.link(one, &context.clock)?;
    let (label, name) = (provider.kind.label(), &provider.name);
    let mut heard = Vec::new();
    for domain in domains.iter().filter_map(|domain| depeche::domain::name::from_user(domain)) {
        match link.provider.standing(&domain).await {
            Standing::Authenticated => heard.push(Witness::of_provider(label, &domain, true, "")),
            Standing::NotAuthenticated(said) => {
                heard.push(Witness::of_provider(label, &domain, false, &said));
            }
            Standing::CannotTell => break,
            Standing::Failed(reason) => {
                context.out.warn(say!(context.out, "standing-failed", provider = name, reason = reason));
                break;
            }
        }
    }
    link.provider.close().await;
    Ok(heard)
}
