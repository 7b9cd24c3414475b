//! SARIF 2.1.0: findings where a code host shows them, at a line of the zone file or of depeche.toml.

use serde_json::{Value, json};

use crate::check::DomainReport;
use crate::finding::{Finding, Severity};
use crate::rules;
use crate::text::Lang;

/// A place in a file of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A path relative to the repository, with `/`.
    pub uri: String,
    /// The line, from 1.
    pub line: usize,
}

/// The document. `locate` gives the place of a finding: code hosts take no result without one.
pub fn sarif<F>(reports: &[DomainReport], lang: Lang, version: &str, locate: F) -> Value
where
    F: Fn(&DomainReport, &Finding) -> Location,
{
    let results: Vec<_> = reports
        .iter()
        .flat_map(|report| report.findings.iter().map(move |finding| (report, finding)))
        .map(|(report, finding)| result(report, finding, lang, &locate(report, finding)))
        .collect();
    let rules: Vec<_> = rules::all().map(|rule| describe(rule, lang)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "depeche", "version": version, "rules": rules } },
            "results": results,
        }],
    })
}

fn describe(rule: &rules::Rule, lang: Lang) -> Value {
    let words = rule.words(lang);
    json!({
        "id": rule.id,
        "shortDescription": { "text": words.title },
        "fullDescription": { "text": words.meaning },
        "help": { "text": format!("{}\n{}", words.cure, rule.reference) },
    })
}

fn result(report: &DomainReport, finding: &Finding, lang: Lang, location: &Location) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    };
    let mut message = format!("{}: {}", report.domain, finding.message.in_lang(lang));
    if let Some(fix) = &finding.fix {
        message.push('\n');
        message.push_str(fix.in_lang(lang));
    }
    // The same finding on the next run is the same alert.
    let about = [Some(report.domain.as_str()), finding.provider.as_deref(), finding.name.as_deref()];
    let print = about.into_iter().flatten().collect::<Vec<_>>().join("/");
    json!({
        "ruleId": finding.id,
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": location.uri },
            "region": { "startLine": location.line.max(1) },
        }}],
        "partialFingerprints": { "depeche/v1": format!("{}/{print}", finding.id) },
    })
}
