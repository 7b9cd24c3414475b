//! What `init` asks on a terminal, and the depeche.toml that the answers make. A secret is never asked
//! for, only where it is.

use std::fmt::Display;
use std::path::Path;

use depeche::address::EmailAddress;
use depeche::outcome::Trouble;
use depeche::provider::ProviderName;
use depeche::text::HeaderText;
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};

use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words::say;

/// So often one question is asked.
const TRIES: usize = 3;

/// A service that `init` knows.
struct Service {
    /// Its suggested name in depeche.toml.
    name: &'static str,
    /// As people call it.
    title: &'static str,
    kind: &'static str,
    preset: Option<&'static str>,
    /// Whether its host must be given.
    needs_host: bool,
    /// The suggested variable of its secret.
    variable: &'static str,
}

const SERVICES: [Service; 6] = [
    service(("ovh", "OVH MX Plan"), "smtp", Some("ovh-mxplan"), false, "OVH_PASSWORD"),
    service(("ovh", "OVH Email Pro"), "smtp", Some("ovh-emailpro"), true, "OVH_PASSWORD"),
    service(("brevo", "Brevo (API)"), "brevo", None, false, "BREVO_API_KEY"),
    service(("brevo-smtp", "Brevo (SMTP)"), "smtp", Some("brevo-smtp"), false, "BREVO_SMTP_KEY"),
    service(
        ("mailchimp", "Mailchimp Transactional"),
        "mailchimp-transactional",
        None,
        false,
        "MAILCHIMP_API_KEY",
    ),
    service(("smtp", "SMTP"), "smtp", None, true, "SMTP_PASSWORD"),
];

const fn service(
    (name, title): (&'static str, &'static str),
    kind: &'static str,
    preset: Option<&'static str>,
    needs_host: bool,
    variable: &'static str,
) -> Service {
    Service { name, title, kind, preset, needs_host, variable }
}

/// Asks, and fills `template`.
pub(super) fn config(template: &str, context: &Context<'_>) -> Result<String, Failure> {
    let out = context.out;
    let mut config: DocumentMut = template.parse().map_err(|error| Failure::usage("init.template", error))?;
    out.note(say!(out, "init-asks"));
    let questions = Questions { context };
    let header = |text: &str| HeaderText::new(text).map(|text| text.to_string());
    let address = |text: &str| EmailAddress::parse(text).map(|address| address.to_string());
    let organisation = questions.ask(&say!(out, "init-ask-organisation"), None, header)?;
    let sender = questions.ask(&say!(out, "init-ask-sender"), Some(&organisation), header)?;
    let from = questions.ask(&say!(out, "init-ask-address"), None, address)?;
    let contact = questions.ask(&say!(out, "init-ask-contact"), Some(&sender), header)?;
    let phone = questions.may(&say!(out, "init-ask-phone"), header)?;
    let stop = from.replacen('@', "+stop@", 1);
    let stop = questions.ask(&say!(out, "init-ask-stop"), Some(&stop), address)?;

    config["organisation"]["name"] = value(organisation);
    config["from"]["name"] = value(sender);
    config["from"]["address"] = value(&from);
    config["press_contact"]["name"] = value(contact);
    config["press_contact"]["address"] = value(&from);
    if let Some(phone) = phone {
        config["press_contact"]["phone"] = value(phone);
    }
    config["unsubscribe"]["mailto"] = value(stop);
    let mut providers = ArrayOfTables::new();
    while let Some(provider) = questions.provider(&from, &providers)? {
        providers.push(provider);
    }
    if !providers.is_empty() {
        config["provider"] = Item::ArrayOfTables(providers);
    }
    Ok(config.to_string())
}

struct Questions<'q> {
    context: &'q Context<'q>,
}

impl Questions<'_> {
    /// An answer that `read` takes; Enter takes `usual`.
    fn ask<E: Display>(
        &self,
        question: &str,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<String, E>,
    ) -> Result<String, Failure> {
        let out = self.context.out;
        let colon = out.words.colon();
        let prompt =
            usual.map_or(format!("{question}{colon}"), |usual| format!("{question} [{usual}]{colon}"));
        for _ in 0..TRIES {
            let answer = out.ask(&prompt);
            let answer = if answer.is_empty() { usual.unwrap_or_default() } else { &answer };
            match read(answer) {
                Ok(_) if answer.is_empty() => {}
                Ok(good) => return Ok(good),
                Err(error) => out.warn(format!("  {}", out.words.library(&error.to_string()))),
            }
        }
        Err(Failure::usage("init.answer", say!(out, "init-no-answer", question = question)))
    }

    /// An answer, or nothing.
    fn may<E: Display>(
        &self,
        question: &str,
        read: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Option<String>, Failure> {
        let out = self.context.out;
        for _ in 0..TRIES {
            let answer = out.ask(&format!("{question}{}", out.words.colon()));
            match read(&answer) {
                _ if answer.is_empty() => return Ok(None),
                Ok(good) => return Ok(Some(good)),
                Err(error) => out.warn(format!("  {}", out.words.library(&error.to_string()))),
            }
        }
        Err(Failure::usage("init.answer", say!(out, "init-no-answer", question = question)))
    }

    /// One more provider; `None` when there is none.
    fn provider(&self, from: &str, known: &ArrayOfTables) -> Result<Option<Table>, Failure> {
        let out = self.context.out;
        for (number, service) in SERVICES.iter().enumerate() {
            out.note(format!("  {}. {}", number + 1, service.title));
        }
        let known_number = |text: &str| {
            let number = text.parse::<usize>().ok().filter(|number| (1..=SERVICES.len()).contains(number));
            number.map(|number| number.to_string()).ok_or_else(|| format!("1 … {}", SERVICES.len()))
        };
        let number = self.may(&say!(out, "init-ask-provider"), known_number)?;
        let number: Option<usize> = number.and_then(|number| number.parse().ok());
        let Some(service) = number.and_then(|number| SERVICES.get(number - 1)) else { return Ok(None) };
        let taken = |name: &str| known.iter().any(|table| table["name"].as_str() == Some(name));
        let free = (1..).map(|number| match number {
            1 => service.name.to_owned(),
            _ => format!("{}{number}", service.name),
        });
        let usual = free.into_iter().find(|name| !taken(name)).unwrap_or_default();
        let read_name = |text: &str| match ProviderName::new(text) {
            Ok(_) if taken(text) => Err(say!(out, "config-provider-twice", name = text)),
            Ok(name) => Ok(name.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut table = Table::new();
        table["name"] = value(self.ask(&say!(out, "init-ask-name"), Some(&usual), read_name)?);
        table["kind"] = value(service.kind);
        self.account(service, from, &mut table)?;
        Ok(Some(table))
    }

    /// Where it is and how to log in.
    fn account(&self, service: &Service, from: &str, table: &mut Table) -> Result<(), Failure> {
        let out = self.context.out;
        if let Some(preset) = service.preset {
            table["preset"] = value(preset);
        }
        if service.needs_host {
            let host = |text: &str| HeaderText::new(text).map(|host| host.to_string());
            table["host"] = value(self.ask(&say!(out, "init-ask-host"), None, host)?);
        }
        let key = if service.kind == "smtp" { "password" } else { "api_key" };
        if service.kind == "smtp" {
            let name = |text: &str| HeaderText::new(text).map(|name| name.to_string());
            table["username"] = value(self.ask(&say!(out, "init-ask-username"), Some(from), name)?);
        }
        let place =
            |text: &str| place(text).map(|_| text.to_owned()).ok_or_else(|| say!(out, "init-secret-where"));
        let usual = format!("env {}", service.variable);
        let answer = self.ask(&say!(out, "init-ask-secret"), Some(&usual), place)?;
        if let Some((word, rest)) = self::place(&answer) {
            let mut reference = InlineTable::new();
            reference.insert(word, rest.into());
            table[key] = value(reference);
        }
        Ok(())
    }
}

/// Logs in to every provider of the new file, and sends nothing. A secret that is not there yet is no
/// failure: the file says where it will be.
pub(super) async fn test_logins(file: &Path, context: &Context<'_>) -> Result<Exit, Failure> {
    let out = context.out;
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
    let config = Config::read(file, &text, &out.words)?;
    let (mut good, mut bad, mut refused) = (0, 0, 0);
    for provider in &config.providers {
        let name = provider.name.to_string();
        let link = match config.link(provider, &context.clock) {
            Ok(link) => link,
            Err(failure) => {
                let reason = out.words.library(&failure.message);
                out.warn(say!(out, "init-login-later", name = &name, reason = reason));
                continue;
            }
        };
        match link.provider.login().await {
            Ok(_) => {
                good += 1;
                out.warn(say!(out, "login-good", name = &name));
            }
            Err(refusal) => {
                bad += 1;
                refused += usize::from(refusal.trouble == Some(Trouble::Credentials));
                out.warn(say!(out, "login-bad", name = &name, reply = out.words.library(&refusal.reply)));
            }
        }
        link.provider.close().await;
    }
    Ok(match (good, bad, refused) {
        (_, 0, _) => Exit::Done,
        (0, _, 1..) => Exit::Credentials,
        _ => Exit::Problems,
    })
}

/// `env NAME`, `file PATH` or `command WORDS`.
fn place(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    (["env", "file", "command"].contains(&word) && !rest.is_empty()).then_some((word, rest))
}
