//! What a received message teaches depeche.toml: the selectors that a provider signs with.
//!
//! The file keeps its comments and its order; only `selectors` of that provider grows.

use std::io::Write as _;
use std::path::Path;

use depeche::domain::align::Kind as DomainKind;
use depeche::domain::dkim::fetch;
use serde::Serialize;
use toml_edit::{Array, DocumentMut, Item, Value};

use super::chain;
use super::door::Door;
use crate::config::{Config, nearest};
use crate::context::Context;
use crate::failure::Failure;
use crate::words::say;

/// What one provider's entry gained.
#[derive(Debug, Serialize)]
pub(crate) struct Learned {
    /// The provider's name.
    pub(crate) provider: String,
    /// The selectors that were not there before.
    pub(crate) selectors: Vec<String>,
    /// The file.
    pub(crate) file: String,
}

/// Writes `selectors` to the provider that is named, or to the one whose keys they are.
pub(crate) async fn learn(
    provider: &str,
    domain: &str,
    selectors: &[String],
    door: &Door,
    context: &Context<'_>,
) -> Result<Vec<Learned>, Failure> {
    let config = context.config()?;
    let mut gains: Vec<(String, Vec<String>)> = Vec::new();
    for selector in selectors {
        let name = match provider {
            "" => owner(selector, domain, &config, door, context).await?,
            named => known(named, &config, context)?,
        };
        match gains.iter_mut().find(|(other, _)| *other == name) {
            Some((_, own)) => own.push(selector.clone()),
            None => gains.push((name, vec![selector.clone()])),
        }
    }
    let file = config.file.display().to_string();
    let text = std::fs::read_to_string(&config.file).map_err(|error| Failure::file(&config.file, &error))?;
    let unreadable = |error| Failure::usage("config.syntax", format!("{file}: {error}"));
    let mut document: DocumentMut = text.parse().map_err(unreadable)?;
    let mut learned = Vec::new();
    for (name, selectors) in gains {
        let by_hand = || {
            let line = format!("selectors = {selectors:?}");
            Failure::usage("learn.place", say!(context.out, "learn-place", provider = &name)).with_hint(line)
        };
        let selectors = add(&mut document, &name, &selectors).ok_or_else(by_hand)?;
        learned.push(Learned { provider: name, selectors, file: file.clone() });
    }
    if learned.iter().any(|one| !one.selectors.is_empty()) {
        replace(&config.file, &document.to_string()).map_err(|error| Failure::file(&config.file, &error))?;
    }
    Ok(learned)
}

fn known(name: &str, config: &Config, context: &Context<'_>) -> Result<String, Failure> {
    let names: Vec<&str> = config.providers.iter().map(|one| one.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => say!(context.out, "config-did-you-mean", name = near),
        None => say!(context.out, "config-known-words", names = names.join(", ")),
    };
    Err(Failure::usage("route.unknown", say!(context.out, "route-unknown", name = name)).with_hint(hint))
}

/// The one provider that may sign with that selector: by the zone that its key leads into, else by
/// being the only server of its kind.
async fn owner(
    selector: &str,
    domain: &str,
    config: &Config,
    door: &Door,
    context: &Context<'_>,
) -> Result<String, Failure> {
    let key = fetch(door.dns(), selector, domain).await;
    let kind = DomainKind::of_key(&key).unwrap_or(DomainKind::Smtp);
    let all = config.providers.iter().filter_map(|one| chain::of(one, config, chain::Keys::AtHand));
    let fit: Vec<String> = all.filter(|one| one.kind == kind).map(|one| one.name).collect();
    match fit.as_slice() {
        [only] => Ok(only.clone()),
        _ => {
            let message = say!(context.out, "learn-whose", selector = selector);
            Err(Failure::usage("learn.whose", message).with_hint("--learn=NAME"))
        }
    }
}

/// Adds what is not there yet; returns that. `None` when the provider has no `[[provider]]` of its own.
fn add(document: &mut DocumentMut, provider: &str, selectors: &[String]) -> Option<Vec<String>> {
    let tables = document.get_mut("provider").and_then(Item::as_array_of_tables_mut)?;
    let is_it = |table: &&mut toml_edit::Table| table.get("name").and_then(Item::as_str) == Some(provider);
    let table = tables.iter_mut().find(is_it)?;
    let own = table.entry("selectors").or_insert_with(|| Item::Value(Value::Array(Array::new())));
    let list = own.as_array_mut()?;
    let mut added = Vec::new();
    for selector in selectors {
        let is_there = |value: &Value| value.as_str().is_some_and(|own| own.eq_ignore_ascii_case(selector));
        if !list.iter().any(is_there) {
            list.push(selector.as_str());
            added.push(selector.clone());
        }
    }
    Some(added)
}

/// The whole new file or the whole old one: beside it first, then in its place, with its mode.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    // A link is followed: what it points to is the configuration.
    let file = std::fs::canonicalize(file)?;
    let mut beside = file.clone().into_os_string();
    beside.push(".new");
    // The file may hold a secret: nobody else reads the new one, not even for a moment.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    crate::unix::owner_only(&mut options);
    let mut opened = options.open(&beside)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    std::fs::set_permissions(&beside, std::fs::metadata(&file)?.permissions())?;
    std::fs::rename(&beside, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# who sends\n[[provider]]\nname = \"ovh\"   # the first\nselectors = [\"old\"] # seen in October\n\n[[provider]]\nname = \"relay\"\n# the last word\n";

    #[test]
    fn selectors_are_added_once_and_comments_stay() {
        let mut document: DocumentMut = FILE.parse().unwrap();

        assert_eq!(add(&mut document, "ovh", &["old".to_owned(), "new".to_owned()]).unwrap(), ["new"]);
        assert_eq!(add(&mut document, "relay", &["s1".to_owned()]).unwrap(), ["s1"]);
        assert_eq!(add(&mut document, "brevo", &["s1".to_owned()]), None);

        let expected = "# who sends\n[[provider]]\nname = \"ovh\"   # the first\nselectors = [\"old\", \"new\"] # seen in October\n\n[[provider]]\nname = \"relay\"\nselectors = [\"s1\"]\n# the last word\n";
        assert_eq!(document.to_string(), expected);
    }
}
