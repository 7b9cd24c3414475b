//! SARIF 2.1.0: findings where a code host shows them, at a line of the zone file or of depeche.toml.

use std::collections::BTreeSet;
use std::iter;

use serde_json::{Value, json};

use crate::check::DomainReport;
use crate::finding::{Finding, Severity};
use crate::rules;
use crate::text::Lang;

/// A place in a file of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// A relative reference from the root of the repository, with `/` and percent signs (RFC 3986, section
    /// 4.2), or a whole URI.
    pub uri: String,
    /// The line, from 1.
    pub line: usize,
}

/// The document. `locate` gives the place of a finding: code hosts take no result without one.
pub fn sarif<F>(reports: &[DomainReport], lang: Lang, version: &str, locate: F) -> Value
where
    F: Fn(&DomainReport, &Finding) -> Location,
{
    let mut prints = Prints::default();
    let results: Vec<_> = reports
        .iter()
        .flat_map(|report| report.findings.iter().map(move |finding| (report, finding)))
        .map(|(report, finding)| {
            let print = prints.of(report, finding);
            result(report, finding, lang, &locate(report, finding), &print)
        })
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

/// What makes a finding the same alert on the next run: its rule, its domain, its provider, its name and the
/// term it marks. No two results of a document have the same.
#[derive(Default)]
struct Prints {
    given: BTreeSet<String>,
}

impl Prints {
    fn of(&mut self, report: &DomainReport, finding: &Finding) -> String {
        let record = finding.record.as_deref();
        let term = finding.span.zip(record).map(|(span, record)| span.of(record));
        let about = [
            Some(finding.id),
            Some(report.domain.as_str()),
            finding.provider.as_deref(),
            finding.name.as_deref(),
            term,
        ];
        let print = about.into_iter().flatten().collect::<Vec<_>>().join("/");
        // Two of a kind without a term, two exchangers say, differ in their record.
        let longer = record.filter(|_| term.is_none()).map(|record| format!("{print}/{record}"));
        let numbered = (2_usize..).map(|number| format!("{print}#{number}"));
        let mut all = iter::once(print.clone()).chain(longer).chain(numbered);
        let free = all.find(|print| !self.given.contains(print)).unwrap_or(print);
        self.given.insert(free.clone());
        free
    }
}

fn result(report: &DomainReport, finding: &Finding, lang: Lang, location: &Location, print: &str) -> Value {
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
    json!({
        "ruleId": finding.id,
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": location.uri },
            "region": { "startLine": location.line.max(1) },
        }}],
        "partialFingerprints": { "depeche/v1": print },
    })
}
