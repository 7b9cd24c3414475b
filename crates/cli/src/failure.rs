//! A command that could not do its work: what, where, why, and what the user can do.

use std::fmt::Display;

use serde::Serialize;

use crate::exit::Exit;
use crate::words::Words;

/// Why a command stopped.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// A stable id.
    pub(crate) code: String,
    /// What is wrong, in the user's language where it is ours to say.
    pub(crate) message: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
    /// Where.
    pub(crate) location: Option<Box<Location>>,
    /// Further problems of the same file; the first is this one's own.
    pub(crate) others: Vec<Failure>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Location {
    /// As the user named it.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// The line and a caret, to be shown on a terminal.
    #[serde(skip)]
    pub(crate) excerpt: String,
}

/// What a command ends with.
pub(crate) type Done = Result<Exit, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, code: impl Into<String>, message: impl Display) -> Self {
        Self {
            exit,
            code: code.into(),
            message: message.to_string(),
            hint: None,
            location: None,
            others: Vec::new(),
        }
    }

    /// Usage or configuration.
    pub(crate) fn usage(code: impl Into<String>, message: impl Display) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    /// A guard refused.
    pub(crate) fn guard(code: impl Into<String>, message: impl Display) -> Self {
        Self::new(Exit::Guard, code, message)
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::Usage } else { Exit::Problems };
        let reason = error.to_string();
        let reason = reason.rsplit_once(" (os error").map_or(reason.as_str(), |(reason, _)| reason);
        Self::new(exit, "file", format!("{}: {reason}", path.display()))
    }

    pub(crate) fn with_hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// At these bytes of `text`, the content of `file`.
    pub(crate) fn at(mut self, file: &str, text: &str, span: std::ops::Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        let excerpt = caret(text, line, column, width(text, &span));
        self.location = Some(Box::new(Location { file: file.to_owned(), line, column, excerpt }));
        self
    }

    /// At a line and column (from 1) of `text`, the content of `file`.
    pub(crate) fn at_line(mut self, file: &str, text: &str, line: usize, column: usize) -> Self {
        let excerpt = caret(text, line, column, 1);
        self.location = Some(Box::new(Location { file: file.to_owned(), line, column, excerpt }));
        self
    }

    /// One failure out of all the problems of a file; the first speaks for all.
    pub(crate) fn all(problems: Vec<Self>) -> Option<Self> {
        let mut problems = problems.into_iter();
        let mut first = problems.next()?;
        first.others.extend(problems);
        Some(first)
    }

    /// The same in the user's language, where it is the library's problem.
    pub(crate) fn told(mut self, words: &Words) -> Self {
        self.message = words.problem(&self.code, &self.message);
        self.hint = self.hint.map(|hint| words.cure(&self.code, &hint));
        self.others = self.others.into_iter().map(|other| other.told(words)).collect();
        self
    }

    /// What `--json` shows.
    pub(crate) fn document(&self) -> serde_json::Value {
        let mut error = self.fields();
        if !self.others.is_empty() {
            let all = std::iter::once(self).chain(&self.others).map(Self::fields).collect();
            error["problems"] = serde_json::Value::Array(all);
        }
        serde_json::json!({ "version": 1, "exit": self.exit.code(), "error": error })
    }

    fn fields(&self) -> serde_json::Value {
        serde_json::json!({
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "location": self.location,
        })
    }
}

fn width(text: &str, span: &std::ops::Range<usize>) -> usize {
    let marked = text.get(span.clone()).unwrap_or_default();
    marked.lines().next().map_or(1, |line| line.chars().count()).max(1)
}

fn caret(text: &str, line: usize, column: usize, width: usize) -> String {
    let Some(shown) = text.lines().nth(line.saturating_sub(1)) else { return String::new() };
    let plain = |c: char| if depeche::text::is_unsafe(c) { ' ' } else { c };
    let shown: String = masked(shown).chars().map(plain).collect();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let blank = " ".repeat(column.saturating_sub(1));
    format!("{number} | {shown}\n{gutter} | {blank}{}", "^".repeat(width))
}

/// A line as it may be shown: what stands behind a key that may hold a secret is dotted out, place
/// by place.
fn masked(line: &str) -> String {
    let Some((key, value)) = line.split_once('=') else { return line.to_owned() };
    let name = key.trim().to_lowercase();
    // Only a key of TOML or YAML: a DNS record is published, and must be seen.
    let is_key = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if !is_key || !["pas", "key", "secret", "token", "mot"].iter().any(|part| name.contains(part)) {
        return line.to_owned();
    }
    let dots: String = value.chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect();
    format!("{key}={dots}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters_and_marked_under_its_words() {
        let text = "[from]\nadresse = \"é\"\n";
        let found = Failure::usage("x", "y").at("depeche.toml", text, 7..14);

        let excerpt = "2 | adresse = \"é\"\n  | ^^^^^^^".to_owned();
        let location = Location { file: "depeche.toml".to_owned(), line: 2, column: 1, excerpt };
        assert_eq!(found.location, Some(Box::new(location)));
    }
}
