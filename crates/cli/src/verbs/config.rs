//! `config check`, `config show`, `config schema`.

use serde_json::{Map, Value, json};

mod origins;

use crate::args::Config as Command;
use crate::config::{Config, Kind, ProviderConfig};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;
use origins::{Origin, Origins};

/// Does what was asked.
pub(crate) fn run(command: &Command, context: &Context<'_>) -> Done {
    match command {
        Command::Check => check(context),
        Command::Show => show(context),
        Command::Schema => super::schema::config(context),
    }
}

fn check(context: &Context<'_>) -> Done {
    let out = context.out;
    let config = context.config()?;
    let names: Vec<String> = config.providers.iter().map(|provider| provider.name.to_string()).collect();
    // Each provider is built as `send` would build it: a secret that cannot be read shows here.
    let mut failures: Vec<Failure> =
        config.providers.iter().filter_map(|provider| config.link(provider, &context.clock).err()).collect();
    let mirror = config.mirror.as_ref();
    let log = mirror.map(|mirror| mirror.log(&config.base(), &context.clock, &context.entropy));
    failures.extend(log.and_then(Result::err));
    failures.extend(super::serve::check(&config).err());
    if let Some(failure) = Failure::all(failures) {
        return Err(failure);
    }
    let file = config.file.display().to_string();
    out.document(&json!({ "version": 1, "exit": 0, "file": file, "providers": names }));
    out.line(match names.is_empty() {
        true => say!(out, "config-good-alone", file = &file),
        false => say!(out, "config-good", file = &file, providers = names.join(", ")),
    });
    Ok(Exit::Done)
}

fn show(context: &Context<'_>) -> Done {
    let config = context.config()?;
    let out = context.out;
    let shown = effective(&config);
    let text = std::fs::read_to_string(&config.file).map_err(|error| Failure::file(&config.file, &error))?;
    let origins = Origins::new(&text, &config);
    let lines: Vec<(String, String)> =
        lines("", &shown).into_iter().filter(|(key, _)| key != "file").collect();
    let file = config.file.display().to_string();
    let word = |key: &str| match origins.of(key) {
        Origin::Line(line) => format!("{file}:{line}"),
        Origin::Preset(name) => format!("preset {name}"),
        Origin::Default => "default".to_owned(),
    };
    let paths: Vec<String> = lines.iter().map(|(key, _)| key.clone()).collect();
    let also = origins.also(&paths);
    let mut words: Map<String, Value> = paths.iter().map(|key| (key.clone(), json!(word(key)))).collect();
    words.extend(also.iter().map(|(key, _, line)| (key.clone(), json!(format!("{file}:{line}")))));
    let stated: Map<String, Value> = also.iter().map(|(key, text, _)| (key.clone(), json!(text))).collect();
    out.document(&json!({ "version": 1, "exit": 0, "config": shown, "stated": stated, "origins": words }));
    for (key, value) in &lines {
        let origin = match origins.of(key) {
            Origin::Line(_) => word(key),
            Origin::Preset(name) => say!(out, "origin-preset", name = name),
            Origin::Default => say!(out, "origin-default"),
        };
        out.line(format!("{key} = {value}  # {origin}"));
    }
    for (key, value, line) in also {
        out.line(format!("{key} = {value}  # {file}:{line}"));
    }
    Ok(Exit::Done)
}

fn effective(config: &Config) -> Value {
    let policy = &config.policy;
    let seconds = |wait: std::time::Duration| format!("{}s", wait.as_secs());
    json!({
        "file": config.file.display().to_string(),
        "identity": serde_json::to_value(&config.identity).unwrap_or_default(),
        "journal": config.journal_shown(),
        "state_dir": config.state_dir().map(|folder| folder.display().to_string()),
        "mirror": config.mirror.as_ref().map(|mirror| {
            json!({ "target": mirror.shown(), "mode": mirror.mode_word(), "key": mirror.key_shown() })
        }),
        "providers": config.providers.iter().map(provider).collect::<Vec<_>>(),
        "bounces": config.bounces.as_ref().map(|bounces| json!({
            "host": bounces.host,
            "port": bounces.port,
            "tls": if bounces.tls { "implicit" } else { "none" },
            "username": bounces.username,
            "secret": bounces.password.shown(),
            "folder": bounces.folder,
            "timeout": seconds(bounces.limit),
        })),
        "fallback": {
            "open_after": {
                "failures": policy.breaker.failures,
                "within": seconds(policy.breaker.within),
            },
            "retry_after": seconds(policy.breaker.retry_after),
            "suspect_after": seconds(policy.suspect_after),
            "on_unknown": serde_json::to_value(policy.on_unknown).unwrap_or_default(),
            "on_budget": serde_json::to_value(policy.on_budget).unwrap_or_default(),
            "require_authenticated": config.require_authenticated,
            "at_risk": seconds(config.at_risk.unsigned_abs()),
        },
        "serve": config.serve.as_ref().map(|serve| json!({
            "listen": serve.listen.to_string(),
            "operations": serve.operations.map(|address| address.to_string()),
            "public_url": serve.public_url,
            "webhooks": serve.webhooks.iter().map(|hook| serve.hook_url(hook)).collect::<Vec<_>>(),
        })),
        "signed_links": config.opt_out.is_some(),
        "retry": { "transient": policy.transient.iter().map(|wait| seconds(*wait)).collect::<Vec<_>>() },
    })
}

/// One provider, with its secret masked.
pub(super) fn provider(provider: &ProviderConfig) -> Value {
    let mut shown = json!({
        "name": provider.name.as_str(),
        "kind": provider.kind.name(),
        "limits": provider.limits,
        "connections": provider.connections,
        "share": provider.share.map(|share| share.to_string()),
        "secret": provider.kind.secret().map(|secret| secret.shown()),
    });
    match &provider.kind {
        Kind::Smtp(smtp) => {
            shown["preset"] = json!(smtp.preset);
            shown["host"] = json!(smtp.host);
            shown["port"] = json!(smtp.port);
            shown["tls"] = json!(format!("{:?}", smtp.tls).to_lowercase());
            shown["dkim"] = smtp
                .dkim
                .iter()
                .map(|dkim| json!({ "domain": dkim.domain, "selector": dkim.selector, "key": dkim.key.shown() }))
                .collect();
            shown["ovh"] = provider
                .ovh
                .as_ref()
                .map(|ovh| {
                    json!({
                        "organization": ovh.organization,
                        "service": ovh.service,
                        "application_key": ovh.application_key,
                        "application_secret": ovh.application_secret.shown(),
                        "consumer_key": ovh.consumer_key.shown(),
                        "base_url": ovh.base_url,
                    })
                })
                .into();
            shown["username"] = json!(smtp.credentials.as_ref().map(|(name, _)| name));
        }
        Kind::Brevo(account) | Kind::Transactional(account) => shown["base_url"] = json!(account.base_url),
        Kind::Campaign(campaign) => {
            shown["base_url"] = json!(campaign.base_url);
            shown["audience"] = json!(campaign.audience);
        }
        Kind::Outbox(folder) => shown["folder"] = json!(folder.display().to_string()),
    }
    shown
}

fn lines(path: &str, value: &Value) -> Vec<(String, String)> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().flat_map(|(key, value)| lines(&below(key), value)).collect(),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().enumerate().flat_map(|(at, value)| lines(&below(&at.to_string()), value)).collect()
        }
        Value::Null => Vec::new(),
        other => vec![(path.to_owned(), other.to_string())],
    }
}
