//! `provider list|test|status|outage`.

use depeche::budget::Room;
use depeche::domain::align::Witness;
use depeche::engine::LinkConfig;
use depeche::journal::{BreakerRecord, Journal, JournalError};
use depeche::outcome::Trouble;
use depeche::provider::{ProviderName, Standing};
use serde_json::{Value, json};

use crate::args::{Provider, ProviderTest};
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::out::Out;
use crate::run::warmth::{self, Warning};
use crate::run::{evidence, quota, store};
use crate::verbs::config;
use crate::verbs::domain::{chain, witness};
use crate::words::say;

mod message;
pub(super) mod outage;

/// Does what was asked.
pub(crate) async fn run(command: &Provider, context: &Context<'_>) -> Done {
    match command {
        Provider::List => list(context),
        Provider::Test(asked) => test(asked, context).await,
        Provider::Status => status(context).await,
        Provider::Outage(asked) => outage::run(asked, context).await,
    }
}

fn list(context: &Context<'_>) -> Done {
    let config = context.config()?;
    let shown: Vec<_> = config.providers.iter().map(config::provider).collect();
    context.out.document(&json!({ "version": 1, "exit": 0, "providers": shown }));
    for provider in &config.providers {
        context.out.line(format!("{}  {}", provider.name, provider.kind.name()));
    }
    Ok(Exit::Done)
}

/// A login that worked ends what set the provider aside (DELIVERY.md, "Breaker"); a rest that it asked
/// for goes on.
async fn close_breaker(journal: &dyn Journal, link: &LinkConfig) -> Result<(), JournalError> {
    let records = journal.breakers().await?;
    let open = records
        .into_iter()
        .find(|record| record.provider == *link.provider.name() && record.open_since.is_some());
    match open {
        Some(record) => {
            let closed = BreakerRecord { open_since: None, reason: None, trouble: None, ..record };
            journal.save_breaker(closed).await
        }
        None => Ok(()),
    }
}

/// What a provider says of itself, in the user's language where the name is ours.
fn fact_name(out: &Out, name: &str) -> String {
    match name {
        "server" => say!(out, "fact-server"),
        "greeting" => say!(out, "fact-greeting"),
        "security" => say!(out, "fact-security"),
        "login" => say!(out, "fact-login"),
        "offers" => say!(out, "fact-offers"),
        "largest message" => say!(out, "fact-largest"),
        "account" => say!(out, "fact-account"),
        "hourly quota" => say!(out, "fact-quota"),
        "backlog" => say!(out, "fact-backlog"),
        "reputation" => say!(out, "fact-reputation"),
        "health" => say!(out, "fact-health"),
        "audience" => say!(out, "fact-audience"),
        "members" => say!(out, "fact-members"),
        other => fact_about(out, other),
    }
}

/// A fact that names what it is about.
fn fact_about(out: &Out, name: &str) -> String {
    let plan = name.strip_prefix("credits left (").and_then(|rest| rest.strip_suffix(')'));
    match (plan, name.split_once(' ')) {
        (Some(plan), _) => say!(out, "fact-credits", plan = plan),
        (None, Some(("domain", domain))) => say!(out, "fact-domain", domain = domain),
        (None, Some(("record", record))) => say!(out, "fact-record", record = record),
        _ => name.to_owned(),
    }
}

/// The selectors under which OVHcloud signs for the From domain, where depeche.toml says how to ask; `null` where it
/// does not, or nobody answered.
async fn selectors(link: &LinkConfig, config: &Config, context: &Context<'_>) -> Value {
    let (out, domain) = (context.out, config.identity.from.address.domain());
    let name = link.provider.name();
    let Some(one) = config.providers.iter().find(|one| one.name == *name) else { return Value::Null };
    match witness::selectors(one, config, domain, context).await {
        Some(selectors) => {
            let shown = selectors.join(", ");
            out.line(match selectors.is_empty() {
                true => format!("  {}", say!(out, "ovh-no-selectors", domain = domain)),
                false => format!("  {}", say!(out, "ovh-selectors", domain = domain, selectors = shown)),
            });
            json!(selectors)
        }
        None => Value::Null,
    }
}

/// Asks the provider whether it signs for the From domain, and keeps its word for the day of sending;
/// `null` for one that has no such word.
async fn standing(
    link: &LinkConfig,
    config: &Config,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<Value, Failure> {
    let (out, domain) = (context.out, config.identity.from.address.domain());
    let name = link.provider.name();
    let Some(one) = config.providers.iter().find(|one| one.name == *name) else { return Ok(Value::Null) };
    let label = chain::of(one, config, chain::Keys::AtHand).map_or("", |provider| provider.kind.label());
    let (is_good, said) = match link.provider.standing(domain).await {
        Standing::Authenticated => (true, String::new()),
        Standing::NotAuthenticated(said) => (false, said),
        Standing::CannotTell => return Ok(Value::Null),
        Standing::Failed(reason) => {
            let reason = out.words.library(&reason);
            out.warn(say!(out, "standing-failed", provider = name.as_str(), reason = reason));
            return Ok(Value::Null);
        }
    };
    let witness = Witness::of_provider(label, domain, is_good, &said);
    evidence::keep(journal, context.clock.now(), domain, name.as_str(), &[witness]).await?;
    let line = match is_good {
        true => say!(out, "standing-good", provider = name.as_str(), domain = domain),
        false => {
            let reason = out.words.library(&said);
            say!(out, "standing-bad", provider = name.as_str(), domain = domain, reason = reason)
        }
    };
    out.line(format!("  {line}"));
    Ok(json!(is_good))
}

/// Logs in everywhere and sends nothing. 8 when credentials were refused and nobody could log in.
async fn test(asked: &ProviderTest, context: &Context<'_>) -> Done {
    let out = context.out;
    let config = context.config()?;
    let route = config.route(&asked.names, &out.words)?;
    let (mut shown, mut good, mut refused) = (Vec::new(), 0, 0);
    let chain = config.chain(&route, &context.clock)?;
    let journal = store::open(&config, context).await?;
    let mut exits = Vec::new();
    for link in &chain {
        let name = link.provider.name().to_string();
        let mut sent = json!(null);
        match link.provider.login().await {
            Ok(login) => {
                good += 1;
                close_breaker(&*journal, link).await?;
                out.line(say!(out, "login-good", name = &name));
                for (fact, value) in &login.facts {
                    let value = out.words.library(value);
                    out.line(format!("  {}{} {value}", fact_name(out, fact), out.words.colon()));
                }
                for warning in &login.warnings {
                    out.warn(format!("  {}", out.words.library(warning)));
                }
                quota::keep(&*journal, link.provider.name(), login.quota, context.clock.now()).await?;
                let selectors = selectors(link, &config, context).await;
                let authenticated = standing(link, &config, &*journal, context).await?;
                if let Some(address) = &asked.message {
                    let (document, exit) =
                        message::send(link, address, asked, &config, &journal, context).await?;
                    (sent, _) = (document, exits.push(exit));
                }
                shown.push(json!({ "name": name, "ok": true, "facts": login.facts,
                    "warnings": login.warnings, "authenticated": authenticated, "selectors": selectors,
                    "message": sent }));
            }
            Err(refusal) => {
                refused += usize::from(refusal.trouble == Some(Trouble::Credentials));
                let reply = out.words.library(&refusal.reply);
                out.line(say!(out, "login-bad", name = &name, reply = reply));
                shown.push(
                    json!({ "name": name, "ok": false, "trouble": refusal.trouble, "reply": refusal.reply }),
                );
            }
        }
        link.provider.close().await;
    }
    let exit = match (good, refused) {
        (good, _) if good == chain.len() => Exit::Done,
        (0, 1..) => Exit::Credentials,
        _ => Exit::Problems,
    };
    let exit = Exit::foremost(exits.into_iter().chain([exit]));
    out.document(&json!({ "version": 1, "exit": exit.code(), "providers": shown }));
    journal.close().await;
    Ok(exit)
}

/// The providers in order of fallback.
fn route(config: &Config) -> Vec<ProviderName> {
    config.providers.iter().map(|provider| provider.name.clone()).collect()
}

async fn status(context: &Context<'_>) -> Done {
    let out = context.out;
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let breakers = journal.breakers().await?;
    let now = context.clock.now();
    let days = warmth::days(&*journal, context).await?;
    let warnings = warmth::warnings(&config, &route(&config), warmth::busiest(&days), &days, context);
    let mut shown = Vec::new();
    for provider in &config.providers {
        let usage = journal.usage(&provider.name, now - provider.limits.horizon()).await?;
        let record = breakers.iter().find(|record| record.provider == provider.name);
        let since = record.and_then(|record| record.open_since);
        let (room, until) = match provider.limits.room(&usage, 0, now) {
            Room::Free(u32::MAX) => (None, None),
            Room::Free(places) => (Some(places), None),
            Room::Full { until, .. } => (Some(0), Some(until)),
        };
        let state = if since.is_some() { say!(out, "link-open") } else { say!(out, "link-closed") };
        let room_text = room.map_or_else(|| "∞".to_owned(), |room| room.to_string());
        out.line(say!(
            out,
            "provider-line",
            name = provider.name.to_string(),
            state = state,
            room = room_text
        ));
        shown.push(json!({ "name": provider.name.as_str(), "kind": provider.kind.name(),
            "breaker": if since.is_some() { "open" } else { "closed" }, "set_aside_since": since,
            "reason": record.and_then(|record| record.reason.clone()),
            "resting_until": record.and_then(|record| record.resting_until),
            "room": room, "room_at": until, "limits": provider.limits,
            "share": provider.share.map(|share| share.to_string()) }));
    }
    let outages = journal.outages().await?;
    for outage in &outages {
        out.line(outage::line(outage, context));
    }
    for warning in &warnings {
        out.warn(&warning.message);
    }
    let warnings: Vec<_> = warnings.iter().map(Warning::document).collect();
    out.document(&json!({ "version": 1, "exit": 0, "providers": shown, "warnings": warnings,
        "outages": outages.iter().map(outage::document).collect::<Vec<_>>() }));
    Ok(Exit::Done)
}
