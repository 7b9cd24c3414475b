//! What is wrong with an expression, and where.

use std::ops::Range;

use crate::text::{excerpt, is_unsafe};

/// An expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SelectionError {
    /// The bytes of the expression that are to blame; empty at its end.
    pub span: Range<usize>,
    /// What is wrong.
    pub kind: SelectionErrorKind,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionErrorKind {
    /// Something else has to stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What may stand here: "an operator", "`and` or `or`" …
        expected: &'static str,
        /// What stands here, shortened.
        found: String,
        /// The word that may be meant.
        did_you_mean: Option<&'static str>,
    },
    /// A quotation mark is not closed.
    #[error("this quotation mark is not closed")]
    UnclosedText,
    /// `<`, `<=`, `>` and `>=` compare numbers.
    #[error("`{found}` is not a number")]
    NotANumber {
        /// What stands there, shortened.
        found: String,
    },
    /// More than 50 parentheses inside each other.
    #[error("the parentheses are nested too deeply")]
    TooDeep,
    /// No file of the list has this column.
    #[error("the list has no column `{name}`")]
    UnknownColumn {
        /// The column as written.
        name: String,
        /// The nearest column that is there.
        did_you_mean: Option<String>,
        /// All columns that are there.
        columns: Vec<String>,
    },
}

impl SelectionError {
    /// A stable id: `where.expected` …
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            SelectionErrorKind::Expected { .. } => "where.expected",
            SelectionErrorKind::UnclosedText => "where.unclosed-text",
            SelectionErrorKind::NotANumber { .. } => "where.not-a-number",
            SelectionErrorKind::TooDeep => "where.too-deep",
            SelectionErrorKind::UnknownColumn { .. } => "where.unknown-column",
        }
    }

    /// The facts by name, for a translated sentence.
    #[must_use]
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
        match &self.kind {
            SelectionErrorKind::Expected { expected, found, did_you_mean } => vec![
                ("expected", (*expected).to_owned()),
                ("found", found.clone()),
                ("did_you_mean", word(*did_you_mean)),
            ],
            SelectionErrorKind::NotANumber { found } => vec![("found", found.clone())],
            SelectionErrorKind::UnclosedText | SelectionErrorKind::TooDeep => Vec::new(),
            SelectionErrorKind::UnknownColumn { name, did_you_mean, columns } => vec![
                ("name", name.clone()),
                ("did_you_mean", word(did_you_mean.as_deref())),
                ("columns", columns.join(", ")),
            ],
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.kind {
            SelectionErrorKind::Expected { did_you_mean: Some(word), .. } => {
                format!("did you mean `{word}`?")
            }
            SelectionErrorKind::Expected { expected: super::parser::JOINT, .. } => {
                "a value of several words goes in quotation marks: outlet = \"Le Progrès\"".to_owned()
            }
            SelectionErrorKind::Expected { .. } => {
                "for instance: lang = fr and tags has presse and not outlet = \"Le Progrès\"".to_owned()
            }
            SelectionErrorKind::UnclosedText => "close it at the end of the value".to_owned(),
            SelectionErrorKind::NotANumber { .. } => {
                "compare text with = != has contains in; <, <=, > and >= take numbers: tier <= 2".to_owned()
            }
            SelectionErrorKind::TooDeep => "use fewer parentheses".to_owned(),
            SelectionErrorKind::UnknownColumn { did_you_mean: Some(name), .. } => {
                format!("did you mean `{name}`?")
            }
            SelectionErrorKind::UnknownColumn { columns, .. } => {
                format!("the columns are {}", columns.join(", "))
            }
        }
    }

    /// Two lines: the expression, and carets under what is to blame. A long expression is cut.
    #[must_use]
    pub fn caret(&self, expression: &str) -> String {
        const BEFORE: usize = 60;
        let start = self.span.start.min(expression.len());
        let before = expression.get(..start).unwrap_or_default().chars().count();
        let width = expression.get(self.span.clone()).map_or(1, |text| text.chars().count()).clamp(1, BEFORE);
        let skipped = before.saturating_sub(BEFORE);
        let plain = |c: char| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c };
        let rest: String = expression.chars().skip(skipped).map(plain).collect();
        let lead = if skipped > 0 { "…" } else { "" };
        let shown = excerpt(&rest, 2 * BEFORE);
        format!("{lead}{shown}\n{}{}", " ".repeat(before - skipped + lead.chars().count()), "^".repeat(width))
    }
}
