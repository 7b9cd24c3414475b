//! Findings about the domain's own SPF record.

use crate::align::{Kind, Provider};
use crate::dns::{Dns, Status};
use crate::finding::{Finding, Severity};
use crate::name;
use crate::rules;
use crate::span::Span;
use crate::spf::{Audit, MAX_LOOKUPS, MAX_VOID_LOOKUPS, Mechanism, Qualifier, Record, Term, TermKind, audit};
use crate::suggest;
use crate::text::{Text, both};

/// From this number of look-ups on a warning is due.
const MANY_LOOKUPS: u32 = 8;
/// The most findings of one kind about one record: each holds the record.
const MAX_SAID: usize = 20;
/// RFC 7208, section 3.4: what still fits a plain UDP answer beside the question.
const LARGE_OCTETS: usize = 450;

pub(super) async fn findings(
    dns: &dyn Dns,
    domain: &str,
    providers: &[Provider],
) -> (Vec<Finding>, Option<u32>) {
    let audit = audit(dns, domain).await;
    let found = look(&audit, domain, providers);
    let lookups = audit.record().and_then(|_| audit.lookups());
    (found, lookups)
}

fn look(audit: &Audit, domain: &str, providers: &[Provider]) -> Vec<Finding> {
    match (audit.status, audit.records.as_slice()) {
        (Some(Status::NxDomain), _) => {
            let message = both!("{domain} does not exist", "{domain} n'existe pas");
            vec![Finding::error(rules::DNS_NO_DOMAIN, message).at(domain)]
        }
        (Some(status), _) if status.is_unknown() => unknown(domain, status),
        (_, []) => {
            let message = both!("{domain} has no SPF record", "{domain} n'a pas d'enregistrement SPF");
            let record = suggest::spf_record(domain, providers);
            let fix = Text::same(suggest::txt_line(domain, &record));
            // Providers with a return path of their own never ask for it.
            let asked =
                |provider: &Provider| provider.envelope(domain).is_some_and(|own| name::same(own, domain));
            let needed = providers.is_empty() || providers.iter().any(asked);
            let severity = if needed { Severity::Error } else { Severity::Warn };
            vec![Finding::new(rules::SPF_MISSING, severity, message).at(domain).fix(fix)]
        }
        (_, [record]) => one(audit, record, domain, providers),
        (_, several) => {
            let count = several.len();
            let message = both!(
                "{domain} has {count} SPF records: SPF fails for every sender",
                "{domain} a {count} enregistrements SPF : SPF échoue pour tous les expéditeurs"
            );
            let second = several.last().map(|record| record.text.clone()).unwrap_or_default();
            let finding = Finding::error(rules::SPF_SEVERAL, message).at(domain).in_record(second, None);
            let merged = suggest::Combined::of(several, |_| None);
            // What somebody has to complete is not to be pasted.
            let fix = Text::same(suggest::txt_line(domain, &merged.text()));
            vec![if merged.is_complete { finding.fix(fix) } else { finding }]
        }
    }
}

fn unknown(domain: &str, status: Status) -> Vec<Finding> {
    if !status.is_temporary() {
        return Vec::new();
    }
    let (words, mots) = (status.words(), status.mots());
    let message = both!(
        "the SPF record of {domain} could not be checked: the look-up {words}",
        "le SPF de {domain} n'a pas pu être vérifié : le DNS n'a pas répondu ({mots})"
    );
    vec![Finding::unchecked(message).at(domain)]
}

fn one(audit: &Audit, record: &Record, domain: &str, providers: &[Provider]) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(syntax(record, domain));
    found.extend(lookups(audit, record, domain));
    found.extend(terms(audit, record, domain));
    found.extend(all(record, domain));
    found.extend(useless(audit, record, domain, providers));
    if audit.size_octets > LARGE_OCTETS {
        let size = audit.size_octets;
        let message = both!(
            "the TXT records of {domain} have {size} octets together",
            "les enregistrements TXT de {domain} font {size} octets au total"
        );
        found.push(Finding::warn(rules::SPF_SIZE, message).at(domain));
    }
    found
}

fn syntax<'a>(record: &'a Record, domain: &'a str) -> impl Iterator<Item = Finding> + 'a {
    record.errors.iter().take(MAX_SAID).map(move |error| {
        let term = error.span.of(&record.text);
        let why = &error.message;
        let message = Text { en: format!("`{term}`: {}", why.en), fr: format!("« {term} » : {}", why.fr) };
        let finding = Finding::error(rules::SPF_SYNTAX, message)
            .at(domain)
            .in_record(record.text.clone(), Some(error.span));
        match &error.meant {
            Some(meant) => finding.fix(Text::same(corrected(record, error.span, meant, domain))),
            None => finding,
        }
    })
}

/// The whole record with another word in the place of the wrong one.
fn corrected(record: &Record, span: Span, meant: &str, domain: &str) -> String {
    let text = &record.text;
    let start = text.get(..span.start).and_then(|before| before.rfind(' ')).map_or(0, |at| at + 1);
    let end =
        text.get(span.start..).and_then(|after| after.find(' ')).map_or(text.len(), |at| at + span.start);
    let (before, after) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    suggest::txt_line(domain, &format!("{before}{meant}{after}"))
}

fn lookups(audit: &Audit, record: &Record, domain: &str) -> Option<Finding> {
    let known = audit.known_lookups();
    let costs: Vec<_> = audit
        .terms
        .iter()
        .take(MAX_SAID)
        .map(|term| format!("{} {}", term.term.text, term.lookups.map_or("?".to_owned(), |n| n.to_string())))
        .collect();
    let costs = costs.join(", ");
    let whole = record.text.clone();
    if known > MAX_LOOKUPS {
        let message = both!(
            "SPF of {domain} takes {known} look-ups, {MAX_LOOKUPS} are allowed ({costs})",
            "le SPF de {domain} demande {known} recherches, {MAX_LOOKUPS} sont permises ({costs})"
        );
        return Some(Finding::error(rules::SPF_LOOKUPS, message).at(domain).in_record(whole, None));
    }
    if known < MANY_LOOKUPS {
        return None;
    }
    let message = both!(
        "SPF of {domain} takes {known} of {MAX_LOOKUPS} look-ups ({costs})",
        "le SPF de {domain} demande {known} recherches sur {MAX_LOOKUPS} ({costs})"
    );
    Some(Finding::warn(rules::SPF_LOOKUPS, message).at(domain).in_record(whole, None))
}

/// What single terms find when they are followed, at any depth.
fn terms(audit: &Audit, record: &Record, domain: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let voids = audit.voids().len();
    for (depth, term) in audit.flat() {
        if found.len() >= MAX_SAID {
            break;
        }
        let shown = &term.term.text;
        let place = |finding: Finding| match depth {
            0 => finding.at(domain).in_record(record.text.clone(), Some(term.term.span)),
            _ => finding.at(domain),
        };
        let status = term.status.unwrap_or(Status::Found);
        if let Some(problem) = &term.problem {
            let Text { en, fr } = problem;
            let message = Text { en: format!("`{shown}`: {en}"), fr: format!("« {shown} » : {fr}") };
            found.push(place(Finding::error(rules::SPF_INCLUDE, message)));
        } else if status.is_temporary() {
            let (words, mots) = (status.words(), status.mots());
            let message = both!(
                "`{shown}` could not be followed: the look-up {words}",
                "« {shown} » n'a pas pu être suivi : le DNS n'a pas répondu ({mots})"
            );
            found.push(place(Finding::unchecked(message)));
        } else if status.is_void() {
            let message = both!(
                "`{shown}` asks for a name without such a record ({voids} of {MAX_VOID_LOOKUPS} allowed)",
                "« {shown} » interroge un nom sans enregistrement ({voids} sur {MAX_VOID_LOOKUPS} permis)"
            );
            let many = voids > usize::try_from(MAX_VOID_LOOKUPS).unwrap_or(usize::MAX);
            let finding = Finding::warn(rules::SPF_VOID, message);
            found.push(place(if many { Finding { severity: Severity::Error, ..finding } } else { finding }));
        }
    }
    let own_ptr = record.terms.iter().filter(
        |term| matches!(&term.kind, TermKind::Directive(d) if matches!(d.mechanism, Mechanism::Ptr(_))),
    );
    for term in own_ptr.take(MAX_SAID) {
        let message = both!("`{}` is not to be used", "« {} » n'est pas à utiliser", term.text);
        let finding = Finding::warn(rules::SPF_PTR, message).at(domain);
        found.push(finding.in_record(record.text.clone(), Some(term.span)));
    }
    found
}

fn all(record: &Record, domain: &str) -> Vec<Finding> {
    let place = |finding: Finding, span| finding.at(domain).in_record(record.text.clone(), span);
    let Some((term, qualifier)) = record.all() else {
        if record.redirect().is_some() || !record.errors.is_empty() {
            return Vec::new();
        }
        let message = both!(
            "the SPF record of {domain} ends without `all`: it says nothing about strangers",
            "le SPF de {domain} se termine sans « all » : il ne dit rien des inconnus"
        );
        let fix = Text::same(suggest::txt_line(domain, &format!("{} ~all", record.text.trim_end())));
        return vec![place(Finding::warn(rules::SPF_ALL, message), None).fix(fix)];
    };
    let mut found = Vec::new();
    let (start, end) = record.text.split_at_checked(term.span.start).unwrap_or((&record.text, ""));
    let rest = end.get(term.text.len()..).unwrap_or_default();
    let fix = Text::same(suggest::txt_line(domain, &format!("{start}~all{rest}")));
    match qualifier {
        Qualifier::Pass => {
            let message = both!(
                "`{}` lets the whole world send as {domain}",
                "« {} » permet au monde entier d'envoyer au nom de {domain}",
                term.text
            );
            found.push(place(Finding::error(rules::SPF_ALL, message), Some(term.span)).fix(fix));
        }
        Qualifier::Neutral => {
            let message = both!("`?all` says nothing about strangers", "« ?all » ne dit rien des inconnus");
            found.push(place(Finding::warn(rules::SPF_ALL, message), Some(term.span)).fix(fix));
        }
        Qualifier::Fail | Qualifier::SoftFail => {}
    }
    let directive = |kind: &TermKind| matches!(kind, TermKind::Directive(_));
    let after = record.terms.iter().find(|t| t.span.start > term.span.start && directive(&t.kind));
    if let Some(after) = after {
        let message = both!(
            "`{}` stands after `all` and is never read",
            "« {} » suit « all » et n'est jamais lu",
            after.text
        );
        found.push(place(Finding::warn(rules::SPF_ALL, message), Some(after.span)));
    }
    found
}

/// Includes of providers that never send with this domain in the envelope.
fn useless(audit: &Audit, record: &Record, domain: &str, providers: &[Provider]) -> Vec<Finding> {
    let in_vain = |target: &str| {
        let kind = suggest::owner(target)?;
        let used = providers.iter().any(|provider| {
            provider.kind == kind && provider.envelope(domain).is_some_and(|own| name::same(own, domain))
        });
        (!used).then_some(kind)
    };
    let all: Vec<_> =
        record.includes().filter_map(|(term, target)| in_vain(target).map(|kind| (term, kind))).collect();
    // One record to paste, without any of them: pasted one after the other they would undo each other.
    let is_useless = |word: &&str| !all.iter().any(|(term, _)| term.text == *word);
    let without: Vec<_> = record.text.split(' ').filter(is_useless).collect();
    let fix = Text::same(suggest::txt_line(domain, &without.join(" ")));
    let finding = |(term, kind): &(&Term, Kind)| {
        let label = kind.label();
        let saved = audit.terms.iter().find(|found| found.term.span == term.span);
        let saved = saved.and_then(|found| found.lookups).map_or("?".to_owned(), |count| count.to_string());
        let message = both!(
            "`{}` cannot help DMARC: {label} sends with a return path of its own (look-ups saved without it: {saved})",
            "« {} » ne peut rien pour DMARC : {label} envoie avec sa propre adresse de retour (recherches économisées sans lui : {saved})",
            term.text
        );
        let finding = Finding::warn(rules::SPF_USELESS, message).at(domain).fix(fix.clone());
        finding.in_record(record.text.clone(), Some(term.span))
    };
    all.iter().take(MAX_SAID).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    async fn ids(record: &str) -> Vec<(&'static str, Severity)> {
        let zone = format!(
            "@ 300 TXT \"{record}\"\n@ MX 1 mx\nmx A 192.0.2.1\nok TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
        );
        let zone = Zone::parse(&zone, "exemple.fr").unwrap();
        let providers = [Provider::of(Kind::Brevo), Provider::of(Kind::Smtp)];
        let (found, _) = findings(&zone, "exemple.fr", &providers).await;
        found.into_iter().map(|finding| (finding.id, finding.severity)).collect()
    }

    #[tokio::test]
    async fn every_defect_of_a_record_has_its_rule() {
        use Severity::{Error, Warn};
        let cases: &[(&str, &str, Severity)] = &[
            ("v=spf1 +all", rules::SPF_ALL, Error),
            ("v=spf1 all", rules::SPF_ALL, Error),
            ("v=spf1 mx ?all", rules::SPF_ALL, Warn),
            ("v=spf1 mx", rules::SPF_ALL, Warn),
            ("v=spf1 -all mx", rules::SPF_ALL, Warn),
            ("v=spf1 incldue:ok.exemple.fr -all", rules::SPF_SYNTAX, Error),
            ("v=spf1 ptr -all", rules::SPF_PTR, Warn),
            ("v=spf1 a:none.exemple.fr -all", rules::SPF_VOID, Warn),
            ("v=spf1 a:x.exemple.fr a:y.exemple.fr a:z.exemple.fr -all", rules::SPF_VOID, Error),
            ("v=spf1 include:mx.exemple.fr -all", rules::SPF_INCLUDE, Error),
            ("v=spf1 include:spf.sendinblue.com -all", rules::SPF_USELESS, Warn),
            ("v=spf1 mx mx mx mx mx mx mx mx -all", rules::SPF_LOOKUPS, Warn),
            ("v=spf1 mx mx mx mx mx mx mx mx mx mx mx -all", rules::SPF_LOOKUPS, Error),
        ];
        for (record, id, severity) in cases {
            let seen = ids(record).await;
            assert!(seen.contains(&(*id, *severity)), "{record}: {seen:?}");
        }
        assert_eq!(ids("v=spf1 mx include:ok.exemple.fr ip4:192.0.2.1 ~all").await, []);
        assert_eq!(ids("hello").await, [(rules::SPF_MISSING, Error)]);
    }

    /// checkdmarc 173 and 199: a user pasted an include behind a space that was none.
    #[tokio::test]
    async fn the_place_of_a_misspelt_term_is_the_term() {
        let record = "v=spf1 mx incldue:ok.exemple.fr -all";
        let zone =
            Zone::parse(&format!("@ TXT \"{record}\"\n@ MX 1 mx\nmx A 192.0.2.1\n"), "exemple.fr").unwrap();
        let (found, _) = findings(&zone, "exemple.fr", &[]).await;
        let syntax = found.iter().find(|finding| finding.id == rules::SPF_SYNTAX).unwrap();

        assert!("incldue:ok.exemple.fr".contains(syntax.span.unwrap().of(record)));
        assert!(syntax.fix.is_some());
    }
}
