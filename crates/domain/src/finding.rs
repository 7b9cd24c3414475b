//! A finding: which rule, how bad, about whom, where exactly, in one plain sentence, and what to paste.

use serde::{Deserialize, Serialize};

use crate::span::Span;
use crate::text::Text;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will hurt one day, or hurts some.
    Warn,
    /// Mail is refused, or anybody may forge it.
    Error,
}

impl Severity {
    /// The word of the JSON document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something found about a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable id of its rule: see [`crate::rules`].
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The provider it is about, by the name it was asked about.
    pub provider: Option<String>,
    /// The DNS name of the record.
    pub name: Option<String>,
    /// The record's text.
    pub record: Option<String>,
    /// The place in it.
    pub span: Option<Span>,
    /// What is so, in a sentence.
    pub message: Text,
    /// What to paste, or to do.
    pub fix: Option<Text>,
    /// DNS did not answer: nothing is known. Never counted as found, never as passed.
    pub unchecked: bool,
}

impl Finding {
    /// A finding of that rule.
    #[must_use]
    pub fn new(id: &'static str, severity: Severity, message: Text) -> Self {
        Self {
            id,
            severity,
            provider: None,
            name: None,
            record: None,
            span: None,
            message,
            fix: None,
            unchecked: false,
        }
    }

    /// Something that keeps mail from arriving, or lets anybody forge it.
    #[must_use]
    pub fn error(id: &'static str, message: Text) -> Self {
        Self::new(id, Severity::Error, message)
    }

    /// Something that will hurt one day, or hurts some.
    #[must_use]
    pub fn warn(id: &'static str, message: Text) -> Self {
        Self::new(id, Severity::Warn, message)
    }

    /// Something worth knowing.
    #[must_use]
    pub fn info(id: &'static str, message: Text) -> Self {
        Self::new(id, Severity::Info, message)
    }

    /// A question that DNS did not answer.
    #[must_use]
    pub fn unchecked(message: Text) -> Self {
        Self { unchecked: true, ..Self::new(crate::rules::DNS_UNCHECKED, Severity::Warn, message) }
    }

    /// About that provider.
    #[must_use]
    pub fn about(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_owned());
        self
    }

    /// At that DNS name.
    #[must_use]
    pub fn at(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// In that record.
    #[must_use]
    pub fn in_record(mut self, record: impl Into<String>, span: Option<Span>) -> Self {
        self.record = Some(record.into());
        self.span = span;
        self
    }

    /// With that cure.
    #[must_use]
    pub fn fix(mut self, fix: Text) -> Self {
        self.fix = Some(fix);
        self
    }

    /// The standard, or the receiver's page, that the rule comes from.
    #[must_use]
    pub fn reference(&self) -> &'static str {
        crate::rules::rule(self.id).map_or("", |rule| rule.reference)
    }
}
