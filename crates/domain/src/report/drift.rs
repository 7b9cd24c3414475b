//! What is new, worse or mended since a baseline: the report's own forms, with what was mended added.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::harmless;
use crate::baseline::Drift;
use crate::check::DomainReport;
use crate::finding::Severity;
use crate::text::Lang;

/// `domain check --baseline … --json`: the document of a check whose findings are the drift; each
/// domain has `since` and `mended` besides.
#[must_use]
pub fn drift_document(drifts: &[Drift], fail_on: Severity, lang: Lang) -> Value {
    let reports: Vec<DomainReport> = drifts.iter().map(|drift| drift.report.clone()).collect();
    let mut document = super::check_document(&reports, fail_on, lang);
    if let Some(domains) = document["domains"].as_array_mut() {
        for (domain, drift) in domains.iter_mut().zip(drifts) {
            domain["since"] = json!(drift.since.map(|at| at.to_string()));
            domain["mended"] = json!(drift.mended);
        }
    }
    document
}

/// One domain's drift as text: the report, then what was mended.
#[must_use]
pub fn drift_text(drift: &Drift, lang: Lang) -> String {
    let day = drift.since.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let head = match (&day, lang) {
        (Some(day), Lang::En) => format!("what is new or worse since {day}\n"),
        (Some(day), Lang::Fr) => format!("ce qui est nouveau ou pire depuis le {day}\n"),
        (None, Lang::En) => "the baseline does not know this domain: everything is new\n".to_owned(),
        (None, Lang::Fr) => "la référence ne connaît pas ce domaine : tout est nouveau\n".to_owned(),
    };
    let mut out = super::text(&drift.report, lang) + &head;
    let word = match lang {
        Lang::En => "mended",
        Lang::Fr => "réparé",
    };
    for finding in &drift.mended {
        let _ = writeln!(out, "{word} {}", finding.line(lang).replace('\n', "\u{fffd}"));
    }
    harmless(&out)
}

/// The drift of several domains as Markdown.
#[must_use]
pub fn drift_markdown(drifts: &[Drift], lang: Lang) -> String {
    let one = |drift: &Drift| {
        let mut out = super::markdown(std::slice::from_ref(&drift.report), lang);
        let word = match lang {
            Lang::En => "mended",
            Lang::Fr => "réparé",
        };
        for finding in &drift.mended {
            let _ = writeln!(out, "- **{word}** {}", super::markdown::escaped(&finding.line(lang)));
        }
        out
    };
    drifts.iter().map(one).collect::<Vec<_>>().join("\n")
}
