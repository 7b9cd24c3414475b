//! Where each effective value comes from: a line of the file, a preset, or nobody said anything.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{Config, Kind};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// This line of depeche.toml, from 1.
    Line(usize),
    /// The preset of that name.
    Preset(&'static str),
    /// Nobody said anything else.
    Default,
}

/// The file, to be asked where a value stands.
pub(super) struct Origins<'t> {
    text: &'t str,
    root: DeTable<'t>,
    presets: Vec<Option<&'static str>>,
}

/// What a preset may give.
const OF_PRESETS: [&str; 6] = ["host", "port", "tls", "connections", "limits.per_hour", "limits.per_day"];

impl<'t> Origins<'t> {
    /// Of a file that was read without a problem.
    pub(super) fn new(text: &'t str, config: &Config) -> Self {
        let preset = |kind: &Kind| match kind {
            Kind::Smtp(smtp) => smtp.preset,
            _ => None,
        };
        let presets = config.providers.iter().map(|provider| preset(&provider.kind)).collect();
        Self { text, root: DeTable::parse_recoverable(text).0.into_inner(), presets }
    }

    /// Of the value that `config show` calls `path`.
    pub(super) fn of(&self, path: &str) -> Origin {
        let place = places(path).into_iter().find_map(|place| self.found(&place));
        let line = place.map(|value| self.line_of(value));
        line.map(Origin::Line).or_else(|| self.preset(path).map(Origin::Preset)).unwrap_or(Origin::Default)
    }

    fn preset(&self, path: &str) -> Option<&'static str> {
        let (number, key) = path.strip_prefix("providers.")?.split_once('.')?;
        let preset = self.presets.get(number.parse::<usize>().ok()?).copied().flatten();
        preset.filter(|_| OF_PRESETS.contains(&key))
    }

    /// What the file states besides `shown`: the path of each value, the value, its line. Of a secret that stands
    /// there itself only that there is one.
    pub(super) fn also(&self, shown: &[String]) -> Vec<(String, String, usize)> {
        let covered: Vec<String> = shown
            .iter()
            .filter(|path| DERIVED.iter().all(|derived| !path.starts_with(derived)))
            .flat_map(|path| places(path))
            .collect();
        let mut leaves = Vec::new();
        for (key, value) in &self.root {
            gather(key.get_ref(), key.get_ref(), value, &mut leaves);
        }
        let below = |path: &str, place: &str| {
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        leaves.retain(|(path, ..)| !covered.iter().any(|place| below(path, place)));
        leaves.into_iter().map(|(path, text, value)| (path, text, self.line_of(value))).collect()
    }

    fn found(&self, place: &str) -> Option<&Spanned<DeValue<'t>>> {
        let mut steps = place.split('.');
        let mut found = self.root.get(steps.next()?)?;
        for step in steps {
            found = match found.get_ref() {
                DeValue::Table(table) => table.get(step)?,
                DeValue::Array(values) => values.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(found)
    }

    fn line_of(&self, value: &Spanned<DeValue<'_>>) -> usize {
        self.text.get(..value.span().start).map_or(0, |before| before.matches('\n').count()) + 1
    }
}

/// The keys of depeche.toml that take a secret: written there as text it is not shown.
const SECRETS: [&str; 9] =
    ["password", "api_key", "key", "old_key", "secret", "old_secret", "bearer", "access_key", "secret_key"];

/// Values of `config show` that are made from several of the file, which are shown besides.
const DERIVED: [&str; 2] = ["signed_links", "serve.webhooks"];

/// Every value at or below `value`, as `config show` writes it.
fn gather<'v, 't>(
    path: &str,
    key: &str,
    value: &'v Spanned<DeValue<'t>>,
    into: &mut Vec<(String, String, &'v Spanned<DeValue<'t>>)>,
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                gather(&format!("{path}.{}", key.get_ref()), key.get_ref(), value, into);
            }
        }
        DeValue::Array(values) if values.iter().any(|value| value.get_ref().is_table()) => {
            for (at, value) in values.iter().enumerate() {
                gather(&format!("{path}.{at}"), key, value, into);
            }
        }
        DeValue::String(_) if SECRETS.contains(&key) => {
            into.push((path.to_owned(), "\"********\"".to_owned(), value))
        }
        other => into.push((path.to_owned(), written(other), value)),
    }
}

fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => serde_json::Value::from(text.as_ref()).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is_so) => is_so.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(values) => {
            let all: Vec<String> = values.iter().map(|value| written(value.get_ref())).collect();
            format!("[{}]", all.join(","))
        }
        DeValue::Table(_) => String::new(),
    }
}

/// Where in the file a value may stand.
fn places(path: &str) -> Vec<String> {
    let own = |place: &str| vec![place.to_owned()];
    match path {
        "journal" => return own("journal.url"),
        "state_dir" => return own("journal.state_dir"),
        "signed_links" => return own("unsubscribe.secret"),
        "serve.webhooks" => return own("serve.webhook"),
        "bounces.secret" => return own("bounces.imap.password"),
        "identity.reply_to" => return own("from.reply_to"),
        _ => {}
    }
    for (shown, stated) in [("identity.", ""), ("mirror.", "journal.mirror."), ("bounces.", "bounces.imap.")]
    {
        if let Some(rest) = path.strip_prefix(shown) {
            return vec![format!("{stated}{rest}")];
        }
    }
    let Some(rest) = path.strip_prefix("providers.") else { return own(path) };
    match rest.split_once('.') {
        Some((number, "secret")) => {
            vec![format!("provider.{number}.password"), format!("provider.{number}.api_key")]
        }
        Some((number, "connections")) => vec![format!("provider.{number}.limits.connections")],
        // One signature is a table, several are a list of them.
        Some((number, rest)) if rest.starts_with("dkim.0.") => {
            let key = rest.trim_start_matches("dkim.0.");
            vec![format!("provider.{number}.dkim.0.{key}"), format!("provider.{number}.dkim.{key}")]
        }
        _ => vec![format!("provider.{rest}")],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::args::Lang;
    use crate::words::Words;

    #[test]
    fn a_value_comes_from_its_line_its_preset_or_nowhere() {
        let text = "[from]\naddress = \"presse@exemple.fr\"\n\n[[provider]]\nname = \"ovh\"\nkind = \"smtp\"\n\
            preset = \"ovh-mxplan\"\nusername = \"presse@exemple.fr\"\npassword = { env = \"X\" }\n\
            limits = { per_day = 50 }\n[fallback]\nretry_after = \"3m\"\n";
        let config = Config::read(Path::new("depeche.toml"), text, &Words::of(Lang::En)).unwrap();
        let origins = Origins::new(text, &config);
        for (path, origin) in [
            ("identity.from.address", Origin::Line(2)),
            ("providers.0.name", Origin::Line(5)),
            ("providers.0.host", Origin::Preset("ovh-mxplan")),
            ("providers.0.limits.per_hour", Origin::Preset("ovh-mxplan")),
            ("providers.0.limits.per_day", Origin::Line(10)),
            ("providers.0.secret", Origin::Line(9)),
            ("fallback.retry_after", Origin::Line(12)),
            ("fallback.suspect_after", Origin::Default),
            ("journal", Origin::Default),
        ] {
            assert_eq!(origins.of(path), origin, "{path}");
        }
    }
}
