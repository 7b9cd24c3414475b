//! What a login shows: `users/ping2`, `users/info`, `senders/domains`, for the domain of From
//! `senders/check-domain`, which looks at DNS now, and `metadata/list`, without sending anything.

use depeche_core::outcome::{Outcome, Refusal, Trouble};
use depeche_core::provider::{Login, Quota, Standing};
use depeche_core::secret::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::payload::METADATA;
use super::provider::TransactionalProvider;
use super::reply;
use crate::http::Answer;

#[derive(Deserialize)]
struct Info {
    username: String,
    reputation: i64,
    hourly_quota: i64,
    #[serde(default)]
    backlog: i64,
}

#[derive(Deserialize)]
struct Domain {
    domain: String,
    #[serde(default)]
    spf: Option<Record>,
    #[serde(default)]
    dkim: Option<Record>,
    #[serde(default)]
    valid_signing: Option<bool>,
    #[serde(default)]
    verified_at: Option<String>,
}

impl Domain {
    fn signs(&self) -> bool {
        self.valid_signing == Some(true) && self.verified_at.is_some()
    }
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    valid: bool,
    #[serde(default)]
    error: Option<String>,
}

pub(super) async fn login(provider: &TransactionalProvider) -> Result<Login, Refusal> {
    let mut login = Login::default();
    let pong: Value = ask(provider, "/users/ping2").await?;
    if pong.get("PING").and_then(Value::as_str) != Some("PONG!") {
        return Err(Refusal::provider(Trouble::Fault, format!("users/ping2 answered {pong}")));
    }
    show_info(&ask(provider, "/users/info").await?, &mut login);
    let sender = provider.config().sender_domain.as_deref();
    match ask::<Vec<Domain>>(provider, "/senders/domains").await {
        Ok(mut domains) => {
            if let Some(sender) = sender {
                check(provider, sender, &mut domains, &mut login).await;
            }
            show_domains(&domains, sender, &mut login);
        }
        Err(refusal) => login.warnings.push(format!("the sender domains cannot be read: {}", refusal.reply)),
    }
    match ask::<Vec<Value>>(provider, "/metadata/list").await {
        Ok(fields) if fields.iter().any(|field| field["name"] == METADATA) => {}
        Ok(_) => login.warnings.push(format!(
            "`{METADATA}` is not a custom metadata field of the account: uncertain messages cannot be looked up"
        )),
        Err(refusal) => login.warnings.push(format!("the metadata fields cannot be read: {}", refusal.reply)),
    }
    Ok(login)
}

/// Whether Mailchimp Transactional signs for that domain.
pub(super) async fn standing(provider: &TransactionalProvider, sender: &str) -> Standing {
    let domains = match ask::<Vec<Domain>>(provider, "/senders/domains").await {
        Ok(domains) => domains,
        Err(refusal) => return Standing::Failed(refusal.reply),
    };
    match domains.iter().find(|domain| domain.domain.eq_ignore_ascii_case(sender)) {
        // What it does not say is no refusal.
        Some(Domain { valid_signing: None, .. }) => Standing::CannotTell,
        Some(domain) if domain.signs() => Standing::Authenticated,
        Some(domain) => Standing::NotAuthenticated(state(domain)),
        None => Standing::NotAuthenticated("not known there".to_owned()),
    }
}

/// What Mailchimp finds of the sender's domain now, in place of what it found some time ago. A domain that
/// it does not know is not asked about: asking would add it.
async fn check(provider: &TransactionalProvider, sender: &str, domains: &mut [Domain], login: &mut Login) {
    let Some(known) = domains.iter_mut().find(|domain| domain.domain.eq_ignore_ascii_case(sender)) else {
        return;
    };
    let body = json!({"key": provider.config().api_key.expose_secret(), "domain": sender});
    match ask_with::<Domain>(provider, "/senders/check-domain", &body).await {
        Ok(found) if found.domain.eq_ignore_ascii_case(sender) => *known = found,
        Ok(_) => {}
        Err(refusal) => login.warnings.push(format!("{sender} cannot be checked now: {}", refusal.reply)),
    }
}

async fn ask<T: serde::de::DeserializeOwned>(
    provider: &TransactionalProvider,
    path: &str,
) -> Result<T, Refusal> {
    ask_with(provider, path, &json!({"key": provider.config().api_key.expose_secret()})).await
}

/// What `path` answers to `body`, when it is what was expected.
///
/// # Errors
///
/// The refusal in the words of the API, or a fault.
pub(super) async fn ask_with<T: serde::de::DeserializeOwned>(
    provider: &TransactionalProvider,
    path: &str,
    body: &Value,
) -> Result<T, Refusal> {
    let body = body.to_string().into_bytes();
    let answer = provider.call(path, body, &|| ()).await.map_err(|failure| failure.refusal())?;
    let read = || serde_json::from_value(answer.document()?).ok();
    match read().filter(|_| answer.status == 200) {
        Some(found) => Ok(found),
        None => Err(refused(&answer)),
    }
}

/// A refusal in the words of the API, or a fault.
fn refused(answer: &Answer) -> Refusal {
    match reply::no(answer) {
        Some(Outcome::Refused(refusal)) => refusal,
        _ => Refusal::provider(Trouble::Fault, answer.line()),
    }
}

fn show_info(info: &Info, login: &mut Login) {
    let mut fact = |name: &str, value: String| login.facts.push((name.to_owned(), value));
    fact("account", info.username.clone());
    fact("hourly quota", info.hourly_quota.to_string());
    fact("backlog", info.backlog.to_string());
    fact("reputation", format!("{} of 100", info.reputation));
    login.quota = u64::try_from(info.hourly_quota).ok().map(Quota::PerHour);
    if info.backlog > 0 {
        login.warnings.push(format!(
            "{} messages wait at Mailchimp for the hourly quota; more would wait behind them",
            info.backlog
        ));
    }
    if info.reputation < GOOD_REPUTATION {
        login.warnings.push(format!("the reputation is {}; {GOOD_REPUTATION} is good", info.reputation));
    }
}

fn show_domains(domains: &[Domain], sender: Option<&str>, login: &mut Login) {
    for domain in domains {
        login.facts.push((format!("domain {}", domain.domain), state(domain)));
    }
    let Some(sender) = sender else { return };
    match domains.iter().find(|domain| domain.domain.eq_ignore_ascii_case(sender)) {
        Some(domain) if domain.signs() => {}
        Some(domain) => {
            login.warnings.push(format!("{sender}: {}: its mail will be rejected", state(domain)))
        }
        None => login.warnings.push(format!("{sender} is not known at Mailchimp: its mail will be rejected")),
    }
}

fn state(domain: &Domain) -> String {
    let record = |name: &str, record: &Option<Record>| match record {
        Some(Record { valid: true, .. }) => format!("{name} valid"),
        Some(Record { error: Some(error), .. }) => format!("{name} not valid ({error})"),
        _ => format!("{name} not valid"),
    };
    let verified = if domain.verified_at.is_some() { "verified" } else { "not verified" };
    format!("{verified}, {}, {}", record("SPF", &domain.spf), record("DKIM", &domain.dkim))
}

/// The provider's own description: "75+ is generally good".
const GOOD_REPUTATION: i64 = 75;
