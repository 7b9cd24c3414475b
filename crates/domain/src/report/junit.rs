//! JUnit: one suite a domain, one case a provider and one a finding. What was not checked is skipped,
//! never passed.

use std::fmt::Write as _;

use super::proof_words;
use crate::align::Proof;
use crate::check::DomainReport;
use crate::finding::Severity;
use crate::text::Lang;

/// The document.
#[must_use]
pub fn junit(reports: &[DomainReport], fail_on: Severity, lang: Lang) -> String {
    let mut out =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"depeche domain check\">\n".to_owned();
    for report in reports {
        out.push_str(&suite(report, fail_on, lang));
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(report: &DomainReport, fail_on: Severity, lang: Lang) -> String {
    let (mut cases, mut tests, mut failures, mut skipped) = (String::new(), 0, 0, 0);
    let domain = escaped(&report.domain);
    for provider in &report.providers {
        tests += 1;
        let words = proof_words(provider.aligned, lang);
        let inner = match provider.aligned {
            Proof::Yes => String::new(),
            Proof::No => {
                failures += 1;
                format!("<failure message=\"DMARC: {}\"/>", escaped(words))
            }
            Proof::CannotTell => {
                skipped += 1;
                format!("<skipped message=\"DMARC: {}\"/>", escaped(words))
            }
        };
        let name = escaped(&provider.provider.name);
        let _ =
            writeln!(cases, "    <testcase classname=\"{domain}\" name=\"DMARC {name}\">{inner}</testcase>");
    }
    for finding in &report.findings {
        tests += 1;
        let message = escaped(finding.message.in_lang(lang));
        let inner = if finding.unchecked {
            skipped += 1;
            format!("<skipped message=\"{message}\"/>")
        } else if finding.severity >= fail_on {
            failures += 1;
            let fix = finding.fix.as_ref().map(|fix| escaped(fix.in_lang(lang))).unwrap_or_default();
            format!("<failure type=\"{}\" message=\"{message}\">{fix}</failure>", finding.severity.word())
        } else {
            format!("<system-out>{message}</system-out>")
        };
        let about = [finding.provider.as_deref(), finding.name.as_deref()];
        let about = about.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let name = escaped(format!("{} {about}", finding.id).trim());
        let _ = writeln!(cases, "    <testcase classname=\"{domain}\" name=\"{name}\">{inner}</testcase>");
    }
    format!(
        "  <testsuite name=\"{domain}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" errors=\"0\">\n{cases}  </testsuite>\n"
    )
}

/// Text for an attribute or an element; characters that XML 1.0 cannot hold are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
