//! For people: the providers first, then each finding with its record, a caret and what to paste.

use std::fmt::Write as _;

use super::{harmless, leg_words, on_one_line, proof_words, provider_words, severity_words, summary};
use crate::align::Method;
use crate::check::DomainReport;
use crate::finding::{Finding, Severity};
use crate::name;
use crate::span::Span;
use crate::spf;
use crate::text::Lang;
use crate::verify::MessageReport;

/// The widest part of a record that is shown on one line, in characters.
const WINDOW: usize = 88;

/// One report as text, without colour.
#[must_use]
pub fn text(report: &DomainReport, lang: Lang) -> String {
    let mut out = String::new();
    let shown = name::for_display(&report.domain);
    let title = match lang {
        Lang::En => format!("{shown}: can each provider pass DMARC?"),
        Lang::Fr => format!("{shown} : chaque fournisseur passe-t-il DMARC ?"),
    };
    let policy = report.policy.map_or("-", |policy| policy.word());
    let _ = writeln!(out, "{title}   (p={policy})\n");
    if !report.providers.is_empty() {
        out.push_str(&table(report, lang));
        out.push('\n');
    }
    let mut pasted = Vec::new();
    let (known, notable): (Vec<_>, Vec<_>) = report.findings.iter().partition(|f| is_mere_info(f));
    for finding in notable {
        out.push_str(&one(finding, lang, &mut pasted));
        out.push('\n');
    }
    for finding in &known {
        let _ = writeln!(out, "info {}: {}", finding.id, on_one_line(finding.message.in_lang(lang)));
    }
    if !known.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", summary(report, lang));
    harmless(&out)
}

/// Several domains in one table: policy, errors, warnings, what was not checked.
#[must_use]
pub fn overview(reports: &[DomainReport], lang: Lang) -> String {
    let head = match lang {
        Lang::En => ["domain", "p", "errors", "warnings", "not checked"],
        Lang::Fr => ["domaine", "p", "erreurs", "avertissements", "non vérifié"],
    };
    let mut rows = vec![head.map(str::to_owned)];
    for report in reports {
        let open = report.findings.iter().filter(|finding| finding.unchecked).count();
        rows.push([
            name::for_display(&report.domain),
            report.policy.map_or("-", |policy| policy.word()).to_owned(),
            report.count(Severity::Error).to_string(),
            report.count(Severity::Warn).to_string(),
            open.to_string(),
        ]);
    }
    harmless(&columns(&rows))
}

fn table(report: &DomainReport, lang: Lang) -> String {
    let head = match lang {
        Lang::En => ["provider", "DMARC", "DKIM", "SPF"],
        Lang::Fr => ["fournisseur", "DMARC", "DKIM", "SPF"],
    };
    let mut rows: Vec<[String; 4]> = vec![head.map(str::to_owned)];
    for provider in &report.providers {
        let leg = |method| {
            let leg = provider.leg(method);
            leg.map_or_else(String::new, |leg| leg_words(leg, lang))
        };
        let whole = proof_words(provider.aligned, lang).to_owned();
        rows.push([provider_words(provider), whole, leg(Method::Dkim), leg(Method::Spf)]);
    }
    columns(&rows)
}

/// Rows with their columns under each other, by two spaces.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column)));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "  {}", line.trim_end());
    }
    out
}

fn is_mere_info(finding: &Finding) -> bool {
    finding.severity == Severity::Info && !finding.unchecked
}

/// One finding; a line to paste is shown where it is first needed.
fn one(finding: &Finding, lang: Lang, pasted: &mut Vec<String>) -> String {
    let mut out = String::new();
    let level = severity_words(finding.severity, finding.unchecked, lang);
    let _ = writeln!(out, "{level} {}: {}", finding.id, on_one_line(finding.message.in_lang(lang)));
    if let Some(record) = &finding.record {
        let at = finding.name.as_deref().unwrap_or_default();
        let _ = writeln!(out, "  {at}");
        out.push_str(&caret(record, finding.span));
    }
    let lines = finding.fix.iter().flat_map(|fix| fix.in_lang(lang).lines());
    let fresh: Vec<_> =
        lines.filter(|line| !pasted.iter().any(|old| old == line)).map(str::to_owned).collect();
    let (first, rest) = match lang {
        Lang::En => ("  fix: ", "       "),
        Lang::Fr => ("  remède : ", "           "),
    };
    for (index, line) in fresh.iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if index == 0 { first } else { rest });
    }
    pasted.extend(fresh);
    out
}

/// The record with a caret line under the place; a long record is cut around it.
fn caret(record: &str, span: Option<Span>) -> String {
    let clean: String = record.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let in_chars = |octets: usize| record.get(..octets).map_or(0, |before| before.chars().count());
    let total = clean.chars().count();
    let (start, end) = span.map_or((0, 0), |span| (in_chars(span.start), in_chars(span.end)));
    let from = if total <= WINDOW { 0 } else { start.saturating_sub(WINDOW / 3).min(total - WINDOW) };
    let to = (from + WINDOW).min(total);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < total { "…" } else { "" });
    let part: String = clean.chars().skip(from).take(to - from).collect();
    let mut out = format!("    {before}{part}{after}\n");
    if end > start {
        let indent = " ".repeat(4 + before.chars().count() + start - from);
        let width = end.min(to).saturating_sub(start).max(1);
        let _ = writeln!(out, "{indent}{}", "^".repeat(width));
    }
    out
}

/// One SPF evaluation as text: the result, why, and the ledger as a tree.
#[must_use]
pub fn spf_text(verdict: &spf::Verdict, lang: Lang) -> String {
    let mut out = verdict.result.word().to_owned();
    if let Some(matched) = &verdict.matched {
        let _ = write!(out, "  ({matched})");
    }
    out.push('\n');
    if let Some(problem) = &verdict.problem {
        let _ = writeln!(out, "{}: {}", problem.domain, problem.message.in_lang(lang));
        if let Some(record) = &problem.record {
            out.push_str(&caret(record, problem.span));
        }
    }
    let (lookups, voids) = (verdict.lookups, verdict.void_lookups);
    let counts = match lang {
        Lang::En => format!("{lookups} of 10 look-ups, {voids} of 2 void"),
        Lang::Fr => format!("{lookups} recherches sur 10, {voids} vides sur 2"),
    };
    let _ = writeln!(out, "{counts}");
    for entry in &verdict.ledger {
        ledger(entry, 1, &mut out);
    }
    if let Some(explanation) = &verdict.explanation {
        let _ = writeln!(out, "\"{}\"", on_one_line(explanation));
    }
    harmless(&out)
}

fn ledger(entry: &spf::LedgerEntry, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let term = entry.term.as_deref().unwrap_or("v=spf1");
    let count = if entry.counted { format!("  [{}]", entry.lookups) } else { String::new() };
    let void = if entry.void { "  void" } else { "" };
    let _ = writeln!(out, "{indent}{}: {term}{count}{void}", entry.domain);
    for child in &entry.children {
        ledger(child, depth + 1, out);
    }
}

/// One verified message as text.
#[must_use]
pub fn message_text(report: &MessageReport, lang: Lang) -> String {
    let mut out = String::new();
    let from = report.from.as_deref().unwrap_or("-");
    let _ = writeln!(out, "From: {from}");
    for signature in &report.dkim {
        let reason = signature.reason.in_lang(lang);
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let (domain, selector) = (&signature.domain, &signature.selector);
        let _ = writeln!(out, "DKIM  {}  d={domain} s={selector}{reason}", signature.result.word());
    }
    if report.dkim.is_empty() {
        let _ = writeln!(out, "DKIM  none");
    }
    match &report.spf {
        Some(spf) => {
            let client = report.client.map(|ip| format!("  ({ip})")).unwrap_or_default();
            let _ = writeln!(out, "SPF   {}  {}{client}", spf.result.word(), spf.domain);
        }
        None if report.noted_spf.is_some() => {
            let noted = report.noted_spf.iter().map(|noted| (&noted.result, &noted.domain, &noted.by));
            for (result, domain, by) in noted {
                let _ = writeln!(out, "SPF   {result}  {domain}  ({by})");
            }
        }
        None => {
            let words = match lang {
                Lang::En => "not checked (give --ip and --helo)",
                Lang::Fr => "non vérifié (donnez --ip et --helo)",
            };
            let _ = writeln!(out, "SPF   {words}");
        }
    }
    let aligned = report.dmarc.aligned_by.iter().map(|by| by.word()).collect::<Vec<_>>().join(", ");
    let policy = report.dmarc.policy.map_or("-", |policy| policy.word());
    let _ = writeln!(out, "DMARC {}  p={policy}  {aligned}", report.dmarc.result.word());
    if let Some(arc) = &report.arc {
        let (sets, claims, by) = (arc.sets, &arc.claims, &arc.sealed_by);
        let words = match lang {
            Lang::En => "shown, not verified",
            Lang::Fr => "affiché, non vérifié",
        };
        let _ = writeln!(out, "ARC   cv={claims}  d={by}  i={sets}  ({words})");
    }
    for note in &report.notes {
        let _ = writeln!(out, "  {}", note.in_lang(lang));
    }
    let _ = writeln!(out, "\n{}", report.authentication_results);
    harmless(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let record = "v=spf1 incldue:x -all";
        assert_eq!(
            caret(record, Some(Span::new(7, 16))),
            "    v=spf1 incldue:x -all\n           ^^^^^^^^^\n"
        );
    }

    #[test]
    fn a_long_record_is_cut_around_its_place() {
        let record = format!("v=spf1 {}bad -all", "ip4:192.0.2.1 ".repeat(20));
        let at = record.find("bad").unwrap();
        let shown = caret(&record, Some(Span::new(at, at + 3)));
        let lines: Vec<_> = shown.lines().collect();
        let column = lines[1].find('^').unwrap();
        let under: String = lines[0].chars().skip(column).take(3).collect();
        assert_eq!(under, "bad");
    }
}
