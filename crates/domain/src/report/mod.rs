//! A report as a person, a script or a code host reads it: text, JSON, SARIF, JUnit, Markdown.
//!
//! Nothing here prints: every format is a `String` or a JSON value.

mod drift;
mod json;
mod junit;
mod markdown;
mod outage;
mod sarif;
mod text;

use crate::align::{Leg, Proof, ProviderReport};
use crate::check::DomainReport;
use crate::finding::Severity;
use crate::text::Lang;

pub use drift::{drift_document, drift_markdown, drift_text};
pub use json::{check_document, spf_document, suggest_document, verify_document};
pub use junit::junit;
pub use markdown::markdown;
pub use outage::{outage_document, outage_text};
pub use sarif::{Location, sarif};
pub use text::{message_text, overview, spf_text, text};

/// A verdict in words for people.
fn proof_words(proof: Proof, lang: Lang) -> &'static str {
    match (proof, lang) {
        (Proof::Yes, Lang::En) => "yes",
        (Proof::No, Lang::En) => "no",
        (Proof::CannotTell, Lang::En) => "cannot tell",
        (Proof::Yes, Lang::Fr) => "oui",
        (Proof::No, Lang::Fr) => "non",
        (Proof::CannotTell, Lang::Fr) => "indéterminé",
    }
}

/// A leg in words: whether it passes, and on what that rests.
fn leg_words(leg: &Leg, lang: Lang) -> String {
    match leg.aligned {
        Proof::CannotTell => proof_words(leg.aligned, lang).to_owned(),
        _ => format!("{} ({})", proof_words(leg.aligned, lang), leg.evidence.word()),
    }
}

fn severity_words(severity: Severity, unchecked: bool, lang: Lang) -> &'static str {
    match (severity, unchecked, lang) {
        (_, true, Lang::En) => "not checked",
        (_, true, Lang::Fr) => "non vérifié",
        (Severity::Error, _, Lang::En) => "error",
        (Severity::Warn, _, Lang::En) => "warning",
        (Severity::Info, _, _) => "info",
        (Severity::Error, _, Lang::Fr) => "erreur",
        (Severity::Warn, _, Lang::Fr) => "avertissement",
    }
}

/// `Brevo`, or `relay (SMTP)` when it has a name of its own.
fn provider_words(report: &ProviderReport) -> String {
    let (name, label) = (&report.provider.name, report.provider.kind.label());
    if *name == report.provider.kind.word() { label.to_owned() } else { format!("{name} ({label})") }
}

/// The counts of a report as one sentence.
fn summary(report: &DomainReport, lang: Lang) -> String {
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warn));
    let open = report.findings.iter().filter(|finding| finding.unchecked).count();
    let s = |n: usize| if n == 1 { "" } else { "s" };
    match lang {
        Lang::En => format!(
            "{errors} error{}, {warnings} warning{}, {open} not checked, {} questions to DNS",
            s(errors),
            s(warnings),
            report.queries
        ),
        Lang::Fr => format!(
            "{errors} erreur{}, {warnings} avertissement{}, {open} non vérifié{}, {} questions au DNS",
            s(errors),
            s(warnings),
            s(open),
            report.queries
        ),
    }
}

/// What came from DNS or a message, without characters that a terminal obeys.
fn harmless(text: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}

/// The same without line ends: a record that holds one must not write lines of its own.
fn on_one_line(text: &str) -> String {
    harmless(text).replace('\n', "\u{fffd}")
}
