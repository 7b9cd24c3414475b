//! What is said, in the user's language: one Fluent catalogue per language.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::args::Lang;
use crate::sentences;

const ENGLISH: &str = include_str!("../locales/en.ftl");
const FRENCH: &str = include_str!("../locales/fr.ftl");
/// What the library's problems mean in French, by their stable codes; with `!`, the cure.
const PROBLEMS: &str = include_str!("../locales/problems.fr.txt");

/// A catalogue.
pub(crate) struct Words {
    bundle: FluentBundle<FluentResource>,
    pub(crate) lang: Lang,
}

impl Words {
    /// The catalogue of a language.
    pub(crate) fn of(lang: Lang) -> Self {
        let (tag, source) = match lang {
            Lang::En => ("en", ENGLISH),
            Lang::Fr => ("fr", FRENCH),
        };
        // A test holds the catalogues free of errors; what could be read is used all the same.
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        let language: unic_langid::LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        Self { bundle, lang }
    }

    /// The language that `--lang` or the system asks for.
    pub(crate) fn choose(asked: Option<Lang>) -> Lang {
        let from_system = || {
            let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
                .into_iter()
                .filter_map(|name| std::env::var(name).ok())
                .find(|value| !value.is_empty());
            if set.is_some_and(|value| value.starts_with("fr")) { Lang::Fr } else { Lang::En }
        };
        asked.unwrap_or_else(from_system)
    }

    /// The sentence `key` with its facts. A key that does not exist is shown as it is.
    pub(crate) fn say(&self, key: &str, facts: &[(&str, Fact)]) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (name, fact) in facts {
            arguments.set(*name, FluentValue::from(fact.clone()));
        }
        let mut problems = Vec::new();
        self.bundle.format_pattern(pattern, Some(&arguments), &mut problems).into_owned()
    }
}

impl Words {
    /// A sentence of the library, in the user's language. A server's own words stay as they are.
    pub(crate) fn library(&self, english: &str) -> String {
        self.in_french(english).unwrap_or_else(|| english.to_owned())
    }

    /// A problem that the library found. One in foreign words (a YAML reader's) keeps them behind the
    /// French meaning of its code.
    pub(crate) fn problem(&self, code: &str, english: &str) -> String {
        let meaning = || self.french(code).map(|french| format!("{french} ({english})"));
        self.in_french(english).or_else(meaning).unwrap_or_else(|| english.to_owned())
    }

    /// What can be done about it.
    pub(crate) fn cure(&self, code: &str, english: &str) -> String {
        let known = || self.french(&format!("{code}!")).map(str::to_owned);
        self.in_french(english).or_else(known).unwrap_or_else(|| english.to_owned())
    }

    /// A syntax error of TOML.
    pub(crate) fn toml(&self, english: &str) -> String {
        let french = if self.lang == Lang::Fr { sentences::toml(english) } else { None };
        french.unwrap_or_else(|| english.to_owned())
    }

    /// A colon: French sets it apart.
    pub(crate) fn colon(&self) -> &'static str {
        match self.lang {
            Lang::En => ":",
            Lang::Fr => " :",
        }
    }

    /// The long text of a rule of the release.
    pub(crate) fn rule(&self, id: &str, english: &str) -> String {
        self.french(&format!("{id}?")).unwrap_or(english).to_owned()
    }

    fn in_french(&self, english: &str) -> Option<String> {
        if self.lang == Lang::Fr { sentences::french(english) } else { None }
    }

    fn french(&self, key: &str) -> Option<&'static str> {
        let is_french = self.lang == Lang::Fr;
        let mut lines = PROBLEMS.lines().filter(|_| is_french).filter_map(|line| line.split_once(" = "));
        lines.find(|(known, _)| *known == key).map(|(_, french)| french)
    }
}

/// A fact in a sentence: a number has a plural.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Text(String),
    Number(u64),
}

impl From<Fact> for FluentValue<'_> {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Text(text) => FluentValue::from(text),
            Fact::Number(number) => FluentValue::from(number),
        }
    }
}

macro_rules! fact_from {
    ($($kind:ty => $make:expr),* $(,)?) => {
        $(impl From<$kind> for Fact { fn from(value: $kind) -> Self { $make(value) } })*
    };
}
fact_from! {
    String => Fact::Text,
    &String => |value: &String| Fact::Text(value.clone()),
    &str => |value: &str| Fact::Text(value.to_owned()),
    u64 => Fact::Number,
    usize => |value: usize| Fact::Number(value as u64),
}

/// `say!(out, "key", name = value)`: a sentence in the user's language.
macro_rules! say {
    ($out:expr, $key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $out.words.say($key, &[$((stringify!($name), $crate::words::Fact::from($value))),*])
    };
}
pub(crate) use say;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(source: &str) -> BTreeSet<String> {
        let begins = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let key = |line: &str| line.split_once(" =").map(|(key, _)| key.to_owned());
        source.lines().filter(begins).filter_map(key).collect()
    }

    fn sources(folder: &std::path::Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if !path.ends_with("words.rs") {
                found.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn both_catalogues_are_well_formed_and_have_the_same_keys() {
        for source in [ENGLISH, FRENCH] {
            assert!(FluentResource::try_new(source.to_owned()).is_ok());
            // The last of two would silently win.
            let begins =
                |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(" =");
            assert_eq!(source.lines().filter(begins).count(), keys(source).len(), "a key stands twice");
        }
        // In French nothing is "one" as well (CLDR): a figure that is written out would be wrong for it.
        let written_out = FRENCH.lines().find(|line| line.trim_start().starts_with("[one] 1 "));
        assert_eq!(written_out, None);
        assert_eq!(keys(ENGLISH), keys(FRENCH));
    }

    #[test]
    fn every_key_used_exists_and_every_key_is_used() {
        let mut code = String::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
        let said = code.split("say!(").skip(1).filter_map(|rest| rest.split('"').nth(1));
        let used: BTreeSet<String> = said.map(str::to_owned).collect();

        assert_eq!(used, keys(ENGLISH));
    }

    #[test]
    fn every_problem_of_a_list_a_selection_and_a_rule_has_its_french() {
        let mut code = String::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/contact"), &mut code);
        let quoted = code.split('"').filter(|text| {
            let is_ours = ["contact.", "list.", "where."].iter().any(|start| text.starts_with(start));
            is_ours && text.chars().all(|c| c.is_ascii_lowercase() || ".-".contains(c))
        });
        let words = Words::of(Lang::Fr);
        let missing: BTreeSet<&str> = quoted.filter(|code| words.french(code).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let rules = PROBLEMS.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
        let is_rule = |key: &&str| !key.contains('.') && !key.ends_with(['!', '?']) && key.contains('-');
        let rules = rules.filter(is_rule);
        let unknown: Vec<_> = rules.filter(|key| depeche::release::explain(key).is_none()).collect();
        // The files of a release are refused before its rules are asked.
        assert_eq!(unknown, ["asset-missing", "asset-outside", "asset-type"]);
    }

    #[test]
    fn every_rule_of_a_release_has_its_long_text_in_french() {
        let words = Words::of(Lang::Fr);
        let meant = PROBLEMS.lines().filter_map(|line| line.split_once("? = ")).map(|(id, _)| id);
        for id in meant {
            assert!(depeche::release::explain(id).is_some(), "there is no rule {id}");
        }
        for id in depeche::release::rules() {
            assert_ne!(words.rule(id, "English"), "English", "{id}");
        }
    }

    #[test]
    fn a_problem_is_told_in_french_and_foreign_words_stand_behind_its_meaning() {
        let (french, english) = (Words::of(Lang::Fr), Words::of(Lang::En));
        let said = "there is no address";
        assert_eq!(french.problem("contact.no-address", said), "il n'y a pas d'adresse");
        assert_eq!(english.problem("contact.no-address", said), said);
        assert_eq!(french.problem("slug", "scalar X"), "le slug ne convient pas (scalar X)");
        assert_eq!(french.problem("confirm.count", "x"), "x");
    }

    #[test]
    fn a_number_takes_its_plural() {
        let words = Words::of(Lang::En);
        assert_eq!(words.say("run-recipients", &[("count", Fact::Number(1))]), "1 recipient");
        assert_eq!(words.say("run-recipients", &[("count", Fact::Number(2))]), "2 recipients");
    }
}
