//! The JSON documents of CLI.md: `domain check`, `domain spf`, `domain suggest`, `message verify`, each of
//! version 1.

use serde_json::{Value, json};

use crate::align::ProviderReport;
use crate::check::DomainReport;
use crate::finding::{Finding, Severity};
use crate::spf::{self, SpfResult};
use crate::suggest::{SuggestedRecord, Suggestion};
use crate::text::Lang;
use crate::verify::MessageReport;

/// `domain check --json`.
#[must_use]
pub fn check_document(reports: &[DomainReport], fail_on: Severity, lang: Lang) -> Value {
    let domains: Vec<_> = reports.iter().map(|report| domain(report, fail_on, lang)).collect();
    json!({ "version": 1, "exit": DomainReport::exit_of_all(reports, fail_on), "domains": domains })
}

fn domain(report: &DomainReport, fail_on: Severity, lang: Lang) -> Value {
    json!({
        "domain": report.domain,
        "exit": report.exit(fail_on),
        "checked_at": report.checked_at.to_string(),
        "policy": report.policy,
        "spf_lookups": report.spf_lookups,
        "queries": report.queries,
        "inconclusive": report.is_inconclusive,
        "findings": report.findings.iter().map(|each| finding(each, lang)).collect::<Vec<_>>(),
        "providers": report.providers.iter().map(|each| provider(each, lang)).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding, lang: Lang) -> Value {
    // A record that is missing has no text; its name says which it is.
    let record = finding.record.as_ref().or(finding.name.as_ref());
    json!({
        "id": finding.id,
        "severity": finding.severity,
        "provider": finding.provider,
        "name": finding.name,
        "record": record,
        "span": finding.span,
        "message": finding.message.in_lang(lang),
        "fix": finding.fix.as_ref().map(|fix| fix.in_lang(lang)),
        "reference": finding.reference(),
        "unchecked": finding.unchecked,
    })
}

fn provider(report: &ProviderReport, lang: Lang) -> Value {
    let legs: Vec<_> = report
        .legs
        .iter()
        .map(|leg| {
            json!({
                "method": leg.method,
                "aligned": leg.aligned,
                "evidence": leg.evidence,
                "domain": leg.domain,
                "reason": leg.reason.in_lang(lang),
            })
        })
        .collect();
    json!({
        "name": report.provider.name,
        "kind": report.provider.kind.word(),
        "aligned": report.aligned,
        "rewrites_from": report.rewrites_from,
        "legs": legs,
    })
}

/// `domain spf --json`: exit 7 for a temporary error, else 0.
#[must_use]
pub fn spf_document(verdict: &spf::Verdict, lang: Lang) -> Value {
    let exit = if verdict.result == SpfResult::Temperror { 7 } else { 0 };
    let mut document = self::verdict(verdict, lang);
    document["version"] = json!(1);
    document["exit"] = json!(exit);
    document
}

/// A verdict's own object: result, explanation, lookups, void_lookups, ledger, and why it is an error.
fn verdict(verdict: &spf::Verdict, lang: Lang) -> Value {
    let mut own = serde_json::to_value(verdict).unwrap_or_default();
    if let Some(problem) = &verdict.problem {
        own["problem"]["message"] = json!(problem.message.in_lang(lang));
    }
    own
}

/// `domain suggest --json`; exit 7 when DNS did not say what is published now.
#[must_use]
pub fn suggest_document(suggestion: &Suggestion, lang: Lang) -> Value {
    let record = |record: &SuggestedRecord| {
        json!({
            "name": record.name,
            "type": record.kind,
            "value": record.value,
            "why": record.why.in_lang(lang),
            "change": record.change,
            "replaces": record.replaces,
        })
    };
    json!({
        "version": 1,
        "exit": if suggestion.is_inconclusive { 7 } else { 0 },
        "domain": suggestion.domain,
        "records": suggestion.records.iter().map(record).collect::<Vec<_>>(),
        "notes": suggestion.notes.iter().map(|note| note.in_lang(lang)).collect::<Vec<_>>(),
        "zone": suggestion.zone_text(lang),
        "diff": suggestion.diff(lang),
        "inconclusive": suggestion.is_inconclusive,
    })
}

/// `message verify --json`.
#[must_use]
pub fn verify_document(report: &MessageReport, lang: Lang) -> Value {
    let dkim: Vec<_> = report
        .dkim
        .iter()
        .map(|signature| {
            json!({
                "domain": signature.domain,
                "selector": signature.selector,
                "result": signature.result,
                "reason": signature.reason.in_lang(lang),
                "algorithm": signature.algorithm,
                "bits": signature.bits,
                "aligned": signature.aligned,
                "covers_unsubscribe": signature.covers_unsubscribe,
            })
        })
        .collect();
    json!({
        "version": 1,
        "exit": report.exit(),
        "from": report.from,
        "dkim": dkim,
        "spf": report.spf.as_ref().map(|spf| verdict(spf, lang)),
        "client": report.client,
        "noted_spf": report.noted_spf,
        "dmarc": report.dmarc,
        "arc": report.arc,
        "one_click": report.one_click,
        "notes": report.notes.iter().map(|note| note.in_lang(lang)).collect::<Vec<_>>(),
        "authentication_results": report.authentication_results,
    })
}
