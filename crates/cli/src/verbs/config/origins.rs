//! Where each effective value comes from: a line of the file, a preset, or nobody said anything.

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
        let line = places(path).iter().find_map(|place| self.line(place));
        line.map(Origin::Line).or_else(|| self.preset(path).map(Origin::Preset)).unwrap_or(Origin::Default)
    }

    fn preset(&self, path: &str) -> Option<&'static str> {
        let (number, key) = path.strip_prefix("providers.")?.split_once('.')?;
        let preset = self.presets.get(number.parse::<usize>().ok()?).copied().flatten();
        preset.filter(|_| OF_PRESETS.contains(&key))
    }

    fn line(&self, place: &str) -> Option<usize> {
        let mut steps = place.split('.');
        let mut found = self.root.get(steps.next()?)?;
        for step in steps {
            found = match found.get_ref() {
                DeValue::Table(table) => table.get(step)?,
                DeValue::Array(values) => values.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(self.text.get(..found.span().start)?.matches('\n').count() + 1)
    }
}

/// Where in the file a value may stand.
fn places(path: &str) -> Vec<String> {
    if path == "journal" {
        return vec!["journal.url".to_owned()];
    }
    if path == "identity.reply_to" {
        return vec!["from.reply_to".to_owned()];
    }
    if let Some(rest) = path.strip_prefix("identity.") {
        return vec![rest.to_owned()];
    }
    let Some(rest) = path.strip_prefix("providers.") else { return vec![path.to_owned()] };
    match rest.split_once('.') {
        Some((number, "secret")) => {
            vec![format!("provider.{number}.password"), format!("provider.{number}.api_key")]
        }
        Some((number, "connections")) => vec![format!("provider.{number}.limits.connections")],
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
