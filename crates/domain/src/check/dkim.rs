//! Findings about keys themselves, whosever they are.

use futures_util::future::join_all;

use crate::align::{Kind, Method, Proof, ProviderReport};
use crate::dkim::{KeyIssueKind, KeyLookup, KeyVerdict, fetch};
use crate::dns::Dns;
use crate::finding::{Finding, Severity};
use crate::rules;
use crate::text::{Text, both};

pub(super) async fn findings(
    dns: &dyn Dns,
    domain: &str,
    reports: &[ProviderReport],
    selectors: &[String],
) -> Vec<Finding> {
    let mut found: Vec<_> = reports.iter().filter_map(unknown_selector).collect();
    let mut seen: Vec<String> = Vec::new();
    for key in reports.iter().flat_map(|report| &report.keys) {
        if !seen.contains(&key.name()) {
            seen.push(key.name());
            found.extend(about(key));
        }
    }
    let named = join_all(selectors.iter().map(|selector| fetch(dns, selector, domain))).await;
    for key in named {
        found.extend(named_key(&key));
        if !seen.contains(&key.name()) {
            seen.push(key.name());
            found.extend(about(&key));
        }
    }
    found
}

/// A selector that nobody named is not checked: said, never counted as good or bad.
fn unknown_selector(report: &ProviderReport) -> Option<Finding> {
    let leg = report.leg(Method::Dkim)?;
    let nameless = matches!(report.provider.kind, Kind::Ovh | Kind::Smtp) && report.keys.is_empty();
    if leg.aligned != Proof::CannotTell || leg.temporary || !nameless {
        return None;
    }
    let label = report.provider.kind.label();
    let message = both!(
        "the DKIM selector of {label} is not known: its key was not checked",
        "le sélecteur DKIM de {label} n'est pas connu : sa clé n'a pas été vérifiée"
    );
    let fix = both!(
        "name it with --selector, or run `depeche message verify` on a message it sent",
        "nommez-le avec --selector, ou lancez `depeche message verify` sur un message qu'il a envoyé"
    );
    Some(Finding::info(rules::DKIM_UNKNOWN, message).about(&report.provider.name).fix(fix))
}

/// A selector that the user named must hold a good key.
fn named_key(key: &KeyLookup) -> Option<Finding> {
    let name = key.name();
    match key.verdict() {
        KeyVerdict::Usable => None,
        KeyVerdict::Unknown if key.status.is_temporary() => {
            let (words, mots) = (key.status.words(), key.status.mots());
            let message = both!(
                "the key {name} could not be checked: the look-up {words}",
                "la clé {name} n'a pas pu être vérifiée : le DNS n'a pas répondu ({mots})"
            );
            Some(Finding::unchecked(message).at(name))
        }
        KeyVerdict::Unknown => None,
        KeyVerdict::Missing => {
            let message = both!("there is no key at {name}", "il n'y a pas de clé sous {name}");
            Some(Finding::error(rules::DKIM_KEY, message).at(name))
        }
        KeyVerdict::Dangling | KeyVerdict::Loop => {
            let target = key.target().unwrap_or_default();
            let message = both!(
                "{name} points to {target}, which holds no key",
                "{name} pointe vers {target}, qui n'a pas de clé"
            );
            let record = format!("CNAME {target}");
            Some(Finding::error(rules::DKIM_KEY, message).at(name).in_record(record, None))
        }
        KeyVerdict::Several => {
            let message = both!(
                "{name} holds several records: receivers may take either",
                "{name} contient plusieurs enregistrements : le destinataire prend n'importe lequel"
            );
            Some(Finding::error(rules::DKIM_KEY, message).at(name))
        }
        KeyVerdict::Revoked | KeyVerdict::Unusable => {
            let record = key.records.first()?;
            let issue = record.fatal()?;
            let Text { en, fr } = &issue.message;
            let message = Text {
                en: format!("the key {name} cannot be used: {en}"),
                fr: format!("la clé {name} est inutilisable : {fr}"),
            };
            let finding = Finding::error(rules::DKIM_KEY, message).at(name);
            Some(finding.in_record(record.text.clone(), Some(issue.span)))
        }
    }
}

/// What is to be said about a key that works.
fn about(key: &KeyLookup) -> Vec<Finding> {
    if key.verdict() != KeyVerdict::Usable {
        return Vec::new();
    }
    let Some(record) = key.records.first() else { return Vec::new() };
    let name = key.name();
    let place = |finding: Finding, span| finding.at(name.clone()).in_record(record.text.clone(), Some(span));
    let issues = record.issues.iter().map(|issue| {
        let Text { en, fr } = &issue.message;
        let message = Text { en: format!("{name}: {en}"), fr: format!("{name} : {fr}") };
        match issue.kind {
            // A key behind a CNAME is its operator's to lengthen.
            KeyIssueKind::Short => {
                let severity = if key.aliases.is_empty() { Severity::Warn } else { Severity::Info };
                place(Finding::new(rules::DKIM_SHORT, severity, message), issue.span)
            }
            KeyIssueKind::Removed => place(Finding::info(rules::DKIM_TESTING, message), issue.span),
            _ => place(Finding::warn(rules::DKIM_TESTING, message), issue.span),
        }
    });
    issues.collect()
}
