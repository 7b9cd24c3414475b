//! Markdown: for a comment on a change request, or a page of a wiki.

use std::fmt::Write as _;

use super::{harmless, leg_words, proof_words, provider_words, severity_words, summary};
use crate::align::Method;
use crate::check::DomainReport;
use crate::name;
use crate::text::Lang;

/// The reports one after the other.
#[must_use]
pub fn markdown(reports: &[DomainReport], lang: Lang) -> String {
    reports.iter().map(|report| one(report, lang)).collect::<Vec<_>>().join("\n")
}

fn one(report: &DomainReport, lang: Lang) -> String {
    let mut out =
        format!("## {}\n\n{}.\n\n", escaped(&name::for_display(&report.domain)), summary(report, lang));
    if !report.providers.is_empty() {
        let head = match lang {
            Lang::En => "| provider | DMARC | DKIM | SPF |",
            Lang::Fr => "| fournisseur | DMARC | DKIM | SPF |",
        };
        let _ = writeln!(out, "{head}\n|---|---|---|---|");
        for provider in &report.providers {
            let leg = |method| provider.leg(method).map_or_else(String::new, |leg| leg_words(leg, lang));
            let whole = proof_words(provider.aligned, lang);
            let name = escaped(&provider_words(provider));
            let (dkim, spf) = (leg(Method::Dkim), leg(Method::Spf));
            let _ = writeln!(out, "| {name} | **{whole}** | {dkim} | {spf} |");
        }
        out.push('\n');
    }
    for finding in &report.findings {
        let level = severity_words(finding.severity, finding.unchecked, lang);
        let message = escaped(finding.message.in_lang(lang));
        let _ = writeln!(out, "- **{level}** `{}` {message}", finding.id);
        if let Some(fix) = &finding.fix {
            // Four backticks: a record may hold three.
            let fix = harmless(fix.in_lang(lang)).replace('\n', "\n  ").replace("````", "");
            let _ = writeln!(out, "\n  ````\n  {fix}\n  ````\n");
        }
    }
    out
}

/// Text in which nothing is markup: DNS records come from strangers.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
