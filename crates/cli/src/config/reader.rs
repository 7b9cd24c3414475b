//! Reads TOML value by value, remembers where each stands, and collects every problem.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::secret::SecretSource;
use crate::failure::Failure;
use crate::words::{Words, say};

/// The file being read.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    pub(super) words: &'a Words,
    pub(super) problems: Vec<Failure>,
}

/// A table, from which keys are taken; what is left is unknown.
pub(super) struct Section<'a> {
    /// Its name: `from`, `provider "ovh"`.
    pub(super) path: String,
    /// Where it stands.
    pub(super) span: Range<usize>,
    table: DeTable<'a>,
    known: Vec<&'static str>,
}

/// A value and its place.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<'a> Reader<'a> {
    /// Reads the whole file as a table; a syntax error is a problem.
    pub(super) fn open(file: &'a str, text: &'a str, words: &'a Words) -> (Self, Section<'a>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self { file, text, words, problems: Vec::new() };
        for error in errors {
            let problem = Failure::usage("config.syntax", words.toml(error.message()));
            let span = error.span().unwrap_or(0..0);
            reader.problems.push(problem.at(file, text, span));
        }
        let span = root.span();
        let root = Section { path: String::new(), span, table: root.into_inner(), known: Vec::new() };
        (reader, root)
    }

    /// Says that something is wrong at `span`.
    pub(super) fn problem(
        &mut self,
        code: &str,
        message: impl std::fmt::Display,
        hint: Option<String>,
        span: Range<usize>,
    ) {
        let mut problem = Failure::usage(code, message).at(self.file, self.text, span);
        problem.hint = hint;
        self.problems.push(problem);
    }

    /// What is left of a section is unknown.
    pub(super) fn finish(&mut self, section: Section<'a>) {
        for key in section.table.keys() {
            let name: &str = key.get_ref();
            let near = nearest(name, section.known.iter().copied());
            let hint = match near {
                Some(near) => say!(self, "config-did-you-mean", name = near),
                None => say!(self, "config-known-keys", names = section.known.join(", ")),
            };
            let path = section.name_of(name);
            let message = say!(self, "config-unknown-key", key = path);
            self.problem("config.unknown-key", message, Some(hint), key.span());
        }
    }

    /// A table of its own.
    pub(super) fn section(&mut self, from: &mut Section<'a>, key: &'static str) -> Option<Section<'a>> {
        let value = from.take(key)?;
        let span = value.span();
        let path = from.name_of(key);
        match value.into_inner() {
            DeValue::Table(table) => Some(Section { path, span, table, known: Vec::new() }),
            other => self.wrong_kind(&path, say!(self, "config-kind-table"), &other, span),
        }
    }

    /// The tables of a section whose keys are names; whatever else stands there is a problem.
    pub(super) fn named_sections(&mut self, section: Section<'a>) -> Vec<(String, Section<'a>)> {
        let path = section.path.clone();
        let mut named = Vec::new();
        for (key, value) in section.table {
            let (name, span) = (key.get_ref().to_string(), value.span());
            let path = format!("{path}.{name}");
            match value.into_inner() {
                DeValue::Table(table) => {
                    named.push((name, Section { path, span, table, known: Vec::new() }));
                }
                other => {
                    let _: Option<()> = self.wrong_kind(&path, say!(self, "config-kind-table"), &other, span);
                }
            }
        }
        named
    }

    /// A table, or an array of them.
    pub(super) fn tables(&mut self, from: &mut Section<'a>, key: &'static str) -> Vec<Section<'a>> {
        let is_one = matches!(from.table.get(key).map(|value| value.get_ref()), Some(DeValue::Table(_)));
        if is_one { self.section(from, key).into_iter().collect() } else { self.sections(from, key) }
    }

    /// An array of tables.
    pub(super) fn sections(&mut self, from: &mut Section<'a>, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = from.take(key) else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(values) = value.into_inner() else {
            self.problem(
                "config.type",
                say!(self, "config-not-tables", key = key),
                Some(say!(self, "config-not-tables-hint", key = key)),
                span,
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for value in values {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => {
                    sections.push(Section { path: key.to_owned(), span, table, known: Vec::new() });
                }
                other => {
                    let _: Option<()> = self.wrong_kind(key, say!(self, "config-kind-table"), &other, span);
                }
            }
        }
        sections
    }

    /// Text.
    pub(super) fn text(&mut self, from: &mut Section<'a>, key: &'static str) -> Option<Found<String>> {
        let value = from.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(Found { value: text.into_owned(), span }),
            other => self.wrong_kind(&from.name_of(key), say!(self, "config-kind-text"), &other, span),
        }
    }

    /// Text that must be there.
    pub(super) fn needed(&mut self, from: &mut Section<'a>, key: &'static str) -> Option<Found<String>> {
        if !from.has(key) {
            let message = say!(self, "config-missing", key = from.name_of(key));
            self.problem("config.missing", message, None, from.span.clone());
        }
        self.text(from, key)
    }

    /// Text made into something by `make`, whose error is shown.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        found: Option<Found<String>>,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let found = found?;
        match make(&found.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem("config.value", error, None, found.span);
                None
            }
        }
    }

    /// A whole number from 1 on.
    pub(super) fn number(&mut self, from: &mut Section<'a>, key: &'static str) -> Option<u32> {
        let value = from.take(key)?;
        let span = value.span();
        let name = from.name_of(key);
        match value.get_ref() {
            DeValue::Integer(number) => {
                let read = u32::from_str_radix(&number.as_str().replace('_', ""), number.radix());
                let read = read.ok().filter(|number| *number > 0);
                if read.is_none() {
                    self.problem("config.value", say!(self, "config-number", key = name), None, span);
                }
                read
            }
            other => self.wrong_kind(&name, say!(self, "config-kind-number"), other, span),
        }
    }

    /// The number of a port, 1 to 65535.
    pub(super) fn port(&mut self, from: &mut Section<'a>) -> Option<u16> {
        let span = from.span_of("port");
        let stated = self.number(from, "port")?;
        let port = u16::try_from(stated).ok();
        if port.is_none() {
            self.problem("config.value", say!(self, "config-port", port = u64::from(stated)), None, span);
        }
        port
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, from: &mut Section<'a>, key: &'static str) -> Option<bool> {
        let value = from.take(key)?;
        let span = value.span();
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.wrong_kind(&from.name_of(key), say!(self, "config-kind-flag"), other, span),
        }
    }

    /// A list of texts; none when absent.
    pub(super) fn texts(&mut self, from: &mut Section<'a>, key: &'static str) -> Vec<Found<String>> {
        let Some(value) = from.take(key) else { return Vec::new() };
        let span = value.span();
        let name = from.name_of(key);
        let DeValue::Array(values) = value.into_inner() else {
            self.problem("config.type", say!(self, "config-not-texts", key = name), None, span);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for value in values {
            let span = value.span();
            match value.into_inner() {
                DeValue::String(text) => texts.push(Found { value: text.into_owned(), span }),
                other => {
                    let _: Option<()> = self.wrong_kind(&name, say!(self, "config-kind-text"), &other, span);
                }
            }
        }
        texts
    }

    /// A length of time: `"15s"`, `"2m"`, `"1h30m"`, `"250ms"`.
    pub(super) fn duration(&mut self, from: &mut Section<'a>, key: &'static str) -> Option<Duration> {
        let found = self.text(from, key)?;
        self.duration_of(&found)
    }

    /// A length of time.
    pub(super) fn duration_of(&mut self, found: &Found<String>) -> Option<Duration> {
        let read = duration(&found.value);
        if read.is_none() {
            let message = say!(self, "config-duration", text = &found.value);
            let hint = say!(self, "config-duration-hint");
            self.problem("config.value", message, Some(hint), found.span.clone());
        }
        read
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        from: &mut Section<'a>,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let found = self.text(from, key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == found.value) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(&found.value, known.iter().copied()) {
            Some(near) => say!(self, "config-did-you-mean", name = near),
            None => say!(self, "config-known-words", names = known.join(", ")),
        };
        let message = say!(self, "config-word", key = from.name_of(key), text = &found.value);
        self.problem("config.value", message, Some(hint), found.span);
        None
    }

    /// A secret: a reference, or plain text.
    pub(super) fn secret(
        &mut self,
        from: &mut Section<'a>,
        key: &'static str,
    ) -> Option<Found<SecretSource>> {
        let value = from.take(key)?;
        let span = value.span();
        let path = from.name_of(key);
        let value = match value.into_inner() {
            DeValue::String(text) => SecretSource::plain(text.into_owned()),
            DeValue::Table(table) => {
                let mut section = Section { path, span: span.clone(), table, known: Vec::new() };
                let source = self.reference(&mut section);
                self.finish(section);
                source?
            }
            other => return self.wrong_kind(&path, say!(self, "config-kind-secret"), &other, span),
        };
        Some(Found { value, span })
    }

    fn reference(&mut self, section: &mut Section<'a>) -> Option<SecretSource> {
        let env = self.text(section, "env").map(|found| SecretSource::Env(found.value));
        let file = self.text(section, "file").map(|found| SecretSource::File(found.value.into()));
        let command = self.text(section, "command").map(|found| SecretSource::Command(found.value));
        let mut stated: Vec<SecretSource> = [env, file, command].into_iter().flatten().collect();
        if stated.len() != 1 {
            let message = say!(self, "config-secret-one", key = &section.path);
            self.problem("config.secret", message, None, section.span.clone());
            return None;
        }
        stated.pop()
    }

    fn wrong_kind<T>(
        &mut self,
        key: &str,
        wanted: String,
        found: &DeValue<'_>,
        span: Range<usize>,
    ) -> Option<T> {
        let message = say!(self, "config-type", key = key, wanted = wanted, found = found.type_str());
        self.problem("config.type", message, None, span);
        None
    }
}

impl<'a> Section<'a> {
    /// Takes a value out.
    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a value stands; the section's own place when it is not there.
    fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// `250ms`, `15s`, `2m`, `1h30m`, `1d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut whole = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let milliseconds: u64 = match rest[..unit_end].trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        whole = whole.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = &rest[unit_end..];
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, seconds) in [
            ("15s", Some(15)),
            ("2m", Some(120)),
            ("1h30m", Some(5_400)),
            ("1d", Some(86_400)),
            ("2000ms", Some(2)),
            ("15", None),
            ("", None),
            ("s", None),
            ("1y", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
