//! Findings about the DMARC record that applies.

use crate::align::Home;
use crate::dmarc::{IssueKind, Origin, Policy, Record, destinations};
use crate::dns::Dns;
use crate::finding::Finding;
use crate::rules;
use crate::suggest;
use crate::text::{Text, both};

pub(super) async fn findings(dns: &dyn Dns, home: &Home) -> Vec<Finding> {
    let domain = &home.domain;
    let own_name = format!("_dmarc.{domain}");
    if home.discovery.is_temporary {
        let steps = home.discovery.walk.steps.iter();
        let temporary = steps.clone().find(|step| step.status.is_temporary());
        let Some(step) = temporary else { return Vec::new() };
        let (words, mots, at) = (step.status.words(), step.status.mots(), &step.domain);
        let message = both!(
            "the DMARC record of {domain} could not be checked: the look-up of _dmarc.{at} {words}",
            "le DMARC de {domain} n'a pas pu être vérifié : _dmarc.{at} n'a pas répondu ({mots})"
        );
        return vec![Finding::unchecked(message).at(own_name)];
    }
    if let Some(step) = home.discovery.walk.steps.first().filter(|step| step.found > 1) {
        let count = step.found;
        let message = both!(
            "{own_name} has {count} DMARC records: they count as none",
            "{own_name} a {count} enregistrements DMARC : ils comptent comme aucun"
        );
        return vec![Finding::error(rules::DMARC_SEVERAL, message).at(own_name)];
    }
    let (Some(record), Some(holder)) = (&home.discovery.record, &home.discovery.policy_domain) else {
        let message = both!("{domain} has no DMARC record", "{domain} n'a pas d'enregistrement DMARC");
        let fix =
            Text::same(suggest::txt_line(&own_name, &format!("v=DMARC1; p=none; rua=mailto:dmarc@{domain}")));
        return vec![Finding::error(rules::DMARC_MISSING, message).at(own_name).fix(fix)];
    };
    let at = format!("_dmarc.{holder}");
    let mut found: Vec<_> = issues(record).into_iter().map(|finding| finding.at(at.clone())).collect();
    found.extend(policy(home, record).into_iter().map(|finding| finding.at(at.clone())));
    found.extend(external(dns, holder, record).await.into_iter().map(|finding| finding.at(at.clone())));
    found
}

fn issues(record: &Record) -> Vec<Finding> {
    let about = |issue: &crate::dmarc::Issue| {
        let why = &issue.message;
        let tag = issue.span.of(&record.text);
        let message = Text { en: format!("DMARC: {}", why.en), fr: format!("DMARC : {}", why.fr) };
        let finding = match issue.kind {
            IssueKind::Policy => Finding::error(rules::DMARC_SYNTAX, message),
            IssueKind::Removed => {
                let without = without(record, issue.span);
                let message = both!(
                    "`{tag}` was removed by RFC 9989 and has no effect",
                    "« {tag} » a été retiré par la RFC 9989 et n'a plus d'effet"
                );
                Finding::warn(rules::DMARC_REMOVED, message).fix(Text::same(without))
            }
            _ => Finding::warn(rules::DMARC_SYNTAX, message),
        };
        finding.in_record(record.text.clone(), Some(issue.span))
    };
    record.issues.iter().map(about).collect()
}

/// The record without one tag.
fn without(record: &Record, span: crate::span::Span) -> String {
    let kept = record.tags.iter().filter(|tag| tag.span != span).map(|tag| tag.span.of(&record.text));
    kept.collect::<Vec<_>>().join("; ")
}

fn policy(home: &Home, record: &Record) -> Vec<Finding> {
    let mut found = Vec::new();
    let whole = |finding: Finding, tag: &str| {
        finding.in_record(record.text.clone(), record.tag(tag).map(|tag| tag.span))
    };
    let own = record.domain_policy();
    if home.discovery.published_policy() == Some(Policy::None) {
        let (tag, domain) = match (home.discovery.origin, record.sp) {
            (Some(Origin::Author) | None, _) | (_, None) => ("p", &home.domain),
            (_, Some(_)) => ("sp", &home.domain),
        };
        let message = both!(
            "the DMARC policy of {domain} is none: forged mail is let through",
            "la politique DMARC de {domain} est none : les faux passent"
        );
        let fix = both!(
            "when the reports show that every provider passes: p=quarantine, then p=reject",
            "quand les rapports montrent que tous les fournisseurs passent : p=quarantine, puis p=reject"
        );
        found.push(whole(Finding::warn(rules::DMARC_NONE, message), tag).fix(fix));
    }
    for (tag, weaker) in [("sp", record.sp), ("np", record.np)] {
        if let (Some(own), Some(weaker)) = (own, weaker)
            && weaker < own
        {
            let (weak, strong) = (weaker.word(), own.word());
            let message = both!(
                "{tag}={weak} is weaker than p={strong}: forgers take a subdomain",
                "{tag}={weak} est plus faible que p={strong} : un faussaire prendra un sous-domaine"
            );
            found.push(whole(Finding::warn(rules::DMARC_SUBDOMAIN, message), tag));
        }
    }
    if record.testing {
        let message = both!(
            "t=y: receivers apply one step less than p= says",
            "t=y : les destinataires appliquent un cran de moins que p="
        );
        found.push(whole(Finding::warn(rules::DMARC_TESTING, message), "t"));
    }
    if record.rua.is_empty() {
        let message = both!(
            "the DMARC record asks for no reports",
            "l'enregistrement DMARC ne demande pas de rapports"
        );
        let domain = home.discovery.policy_domain.as_deref().unwrap_or(&home.domain);
        let text = record.text.trim_end().trim_end_matches(';');
        let fix = Text::same(suggest::txt_line(
            &format!("_dmarc.{domain}"),
            &format!("{text}; rua=mailto:dmarc@{domain}"),
        ));
        found.push(whole(Finding::warn(rules::DMARC_NO_REPORTS, message), "rua").fix(fix));
    }
    found
}

async fn external(dns: &dyn Dns, holder: &str, record: &Record) -> Vec<Finding> {
    let mut found = Vec::new();
    for destination in destinations(dns, holder, record).await {
        let (address, leave) = (&destination.uri.text, &destination.record_name);
        let finding = match destination.authorised {
            Some(true) => continue,
            Some(false) => {
                let message = both!(
                    "reports to {address} do not arrive: {leave} holds no leave",
                    "les rapports vers {address} n'arrivent pas : {leave} ne contient pas d'accord"
                );
                let fix = Text::same(suggest::txt_line(leave, "v=DMARC1"));
                Finding::error(rules::DMARC_EXTERNAL, message).fix(fix)
            }
            None => {
                let status = dns.lookup(leave, crate::dns::RecordType::Txt).await.status;
                if !status.is_temporary() {
                    continue;
                }
                let (words, mots) = (status.words(), status.mots());
                let message = both!(
                    "whether {address} takes the reports could not be checked: the look-up of {leave} {words}",
                    "impossible de vérifier si {address} accepte les rapports : {leave} n'a pas répondu ({mots})"
                );
                Finding::unchecked(message)
            }
        };
        found.push(finding.in_record(record.text.clone(), Some(destination.uri.span)));
    }
    found
}
