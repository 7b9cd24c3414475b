//! Findings about the providers of the chain: can each take over tomorrow?

use crate::align::{
    Home, Kind, Leg, Method, Proof, ProviderReport, Standing, is_good, key_targets, standing,
};
use crate::dkim::{KeyLookup, KeyVerdict, OwnKey};
use crate::dmarc::{Alignment, Policy};
use crate::finding::{Finding, Severity};
use crate::rules;
use crate::suggest;
use crate::text::{Text, both};

pub(super) fn findings(home: &Home, reports: &[ProviderReport]) -> Vec<Finding> {
    reports.iter().flat_map(|report| about(home, report)).collect()
}

fn about(home: &Home, report: &ProviderReport) -> Vec<Finding> {
    let mut found: Vec<_> = alignment(home, report).into_iter().collect();
    found.extend(keys(home, report));
    found.extend(rewriting(home, report));
    found.extend(policy(home, report));
    let name = &report.provider.name;
    found.into_iter().map(|finding| finding.about(name)).collect()
}

fn alignment(home: &Home, report: &ProviderReport) -> Option<Finding> {
    let label = report.provider.kind.label();
    let domain = &home.domain;
    let reasons = |legs: &[&Leg]| Text {
        en: legs.iter().map(|leg| leg.reason.en.as_str()).collect::<Vec<_>>().join("; "),
        fr: legs.iter().map(|leg| leg.reason.fr.as_str()).collect::<Vec<_>>().join(" ; "),
    };
    let all: Vec<_> = report.legs.iter().collect();
    let bad: Vec<_> = all.iter().copied().filter(|leg| leg.aligned != Proof::Yes).collect();
    let why = reasons(&bad);
    let finding = match report.aligned {
        Proof::No => {
            let (en, fr) = (why.en, why.fr);
            let message = Text {
                en: format!("mail through {label} cannot pass DMARC for {domain}: {en}"),
                fr: format!("un message envoyé par {label} ne peut pas passer DMARC pour {domain} : {fr}"),
            };
            Finding::error(rules::PROV_ALIGN, message)
        }
        Proof::CannotTell if report.is_temporary() => {
            let (en, fr) = (why.en, why.fr);
            let message = Text {
                en: format!(
                    "whether mail through {label} passes DMARC for {domain} could not be checked: {en}"
                ),
                fr: format!(
                    "impossible de vérifier si un message par {label} passe DMARC pour {domain} : {fr}"
                ),
            };
            Finding::unchecked(message)
        }
        Proof::CannotTell => {
            let (en, fr) = (why.en, why.fr);
            let message = Text {
                en: format!("that mail through {label} passes DMARC for {domain} is not proven: {en}"),
                fr: format!("rien ne prouve qu'un message par {label} passe DMARC pour {domain} : {fr}"),
            };
            Finding::warn(rules::PROV_ALIGN, message)
        }
        Proof::Yes => {
            let other = bad.first()?;
            // A return path of the provider's own is how it works; no more than a word.
            let by_design = other.method == Method::Spf && other.passes == Proof::Yes;
            let (en, fr) = (why.en, why.fr);
            let message = Text {
                en: format!("{label} passes DMARC for {domain} on one leg only: {en}"),
                fr: format!("{label} passe DMARC pour {domain} sur une seule jambe : {fr}"),
            };
            if other.temporary {
                Finding::unchecked(message)
            } else if by_design {
                Finding::info(rules::PROV_ALIGN, message)
            } else {
                Finding::warn(rules::PROV_ALIGN, message)
            }
        }
    };
    Some(placed(finding, home, report, &bad))
}

/// The record that decides, and what to paste.
fn placed(finding: Finding, home: &Home, report: &ProviderReport, bad: &[&Leg]) -> Finding {
    let finding = match bad.iter().find_map(|leg| leg.record.as_ref()) {
        Some((name, record, span)) => finding.at(name.clone()).in_record(record.clone(), *span),
        None => match report.keys.iter().find(|key| !is_good(&report.provider, key)) {
            Some(key) => finding.at(key.name()),
            None => finding.at(home.domain.clone()),
        },
    };
    match key_fix(home, report, None) {
        Some(fix) if bad.iter().any(|leg| leg.method == Method::Dkim) => finding.fix(fix),
        _ => finding,
    }
}

/// The provider's CNAME records as zone text: all, or that of one selector.
fn key_fix(home: &Home, report: &ProviderReport, selector: Option<&str>) -> Option<Text> {
    let own = own_records(report, selector);
    if !own.is_empty() {
        return Some(Text::same(own.join("\n")));
    }
    let leg = report.leg(Method::Dkim)?;
    let domain = if leg.domain.is_empty() { &home.domain } else { &leg.domain };
    let all = key_targets(report.provider.kind, domain);
    let wanted = all.iter().filter(|(own, _)| selector.is_none_or(|selector| selector == *own));
    let lines: Vec<_> =
        wanted.map(|(own, target)| format!("{own}._domainkey.{domain}. 3600 IN CNAME {target}.")).collect();
    if !lines.is_empty() {
        return Some(Text::same(lines.join("\n")));
    }
    (report.provider.kind == Kind::Ovh).then(|| {
        both!(
            "switch DKIM on in OVH's control panel, publish the two CNAME records it shows, and name the selectors with --selector",
            "activez DKIM dans l'espace client OVH, publiez les deux CNAME affichés, et nommez les sélecteurs avec --selector"
        )
    })
}

/// The records of own keys as zone text.
fn own_records(report: &ProviderReport, selector: Option<&str>) -> Vec<String> {
    let wanted = report.provider.own_keys.iter().filter(|key| selector.is_none_or(|own| own == key.selector));
    let line = |key: &OwnKey| {
        let record = key.record.as_ref()?;
        Some(suggest::txt_line(&format!("{}._domainkey.{}", key.selector, key.domain), record))
    };
    wanted.filter_map(line).collect()
}

fn keys(home: &Home, report: &ProviderReport) -> Vec<Finding> {
    let leg = report.leg(Method::Dkim);
    // Of own keys each is to be published, though one is enough to pass.
    let is_own = !report.provider.own_keys.is_empty();
    let passes = leg.is_some_and(|leg| leg.aligned == Proof::Yes) && !is_own;
    // With another key of the provider's in place, what is absent is its other way, not a defect; half of
    // that way is one.
    let asked = key_targets(report.provider.kind, &home.domain);
    let is_asked = |key: &&KeyLookup| asked.iter().any(|(selector, _)| *selector == key.selector);
    let is_missing = |key: &KeyLookup| key.verdict() == KeyVerdict::Missing;
    let other = passes
        || !is_own && report.keys.iter().any(|key| key.verdict() == KeyVerdict::Usable && !is_asked(&key));
    let is_begun = report.keys.iter().filter(is_asked).any(|key| !is_missing(key));
    let bad = report.keys.iter().filter(|key| !is_good(&report.provider, key));
    let bad = bad.filter(|key| !(other && !is_begun && is_missing(key)));
    // Where it passes by another key, an unfinished pair is worth a warning.
    let bad = bad.filter(|key| !passes || is_asked(key) && key.verdict() != KeyVerdict::Unknown);
    let found = bad.filter_map(|key| key_finding(home, report, key));
    found
        .map(|finding| match finding.severity {
            Severity::Error if passes => Finding { severity: Severity::Warn, ..finding },
            _ => finding,
        })
        .collect()
}

fn key_finding(home: &Home, report: &ProviderReport, key: &KeyLookup) -> Option<Finding> {
    let label = report.provider.kind.label();
    let name = key.name();
    let target = key.target().unwrap_or_default();
    if let Some(finding) = no_private_key(report, key) {
        return Some(finding);
    }
    let message = match key.verdict() {
        KeyVerdict::Unknown if key.status.is_temporary() => {
            let (words, mots) = (key.status.words(), key.status.mots());
            let message = both!(
                "{label}'s key {name} could not be checked: the look-up {words}",
                "la clé {name} de {label} n'a pas pu être vérifiée : le DNS n'a pas répondu ({mots})"
            );
            return Some(Finding::unchecked(message).at(name));
        }
        KeyVerdict::Unknown => return None,
        KeyVerdict::Missing => {
            both!("{label}'s key is missing: {name}", "la clé de {label} manque : {name}")
        }
        KeyVerdict::Dangling => both!(
            "{label}'s key leads nowhere: {name} points to {target}, which holds no key",
            "la clé de {label} ne mène nulle part : {name} pointe vers {target}, qui n'a pas de clé"
        ),
        KeyVerdict::Loop => both!(
            "{label}'s key runs in a circle of CNAME records: {name}",
            "la clé de {label} tourne en rond entre des CNAME : {name}"
        ),
        KeyVerdict::Several => both!(
            "{name} holds several records: receivers may take either",
            "{name} contient plusieurs enregistrements : le destinataire prend n'importe lequel"
        ),
        KeyVerdict::Revoked => both!(
            "{label}'s key is revoked: {name} has an empty p=",
            "la clé de {label} est révoquée : {name} a un p= vide"
        ),
        KeyVerdict::Unusable => {
            let issue = key.records.first().and_then(|record| record.fatal());
            let why = issue.map(|issue| issue.message.clone()).unwrap_or_default();
            Text {
                en: format!("{label}'s key {name} cannot be used: {}", why.en),
                fr: format!("la clé {name} de {label} est inutilisable : {}", why.fr),
            }
        }
        KeyVerdict::Usable => misplaced(report, key)?,
    };
    let finding = Finding::error(rules::PROV_DKIM_CNAME, message).at(name);
    let finding = match (key.records.first(), key.target()) {
        (_, Some(target)) => finding.in_record(format!("CNAME {target}"), None),
        (Some(record), None) => {
            let span = record.fatal().map(|issue| issue.span);
            finding.in_record(record.text.clone(), span)
        }
        (None, None) => finding,
    };
    Some(match key_fix(home, report, Some(&key.selector)) {
        Some(fix) => finding.fix(fix),
        None => finding,
    })
}

/// A usable key that is not the one that is signed with.
fn misplaced(report: &ProviderReport, key: &KeyLookup) -> Option<Text> {
    let label = report.provider.kind.label();
    let name = key.name();
    let target = key.target().unwrap_or_default();
    match standing(&report.provider, key) {
        Standing::Foreign => Some(both!(
            "{name} holds another key than the one that depeche signs with: its signatures fail",
            "{name} contient une autre clé que celle avec laquelle depeche signe : ses signatures échouent"
        )),
        Standing::Elsewhere => Some(both!(
            "{name} leads to {target}, which is not {label}'s",
            "{name} mène à {target}, qui n'est pas à {label}"
        )),
        Standing::OtherTarget => Some(both!(
            "{name} leads to {target}, the key of another domain or selector: {label} signs with another one",
            "{name} mène à {target}, la clé d'un autre domaine ou d'un autre sélecteur : {label} signe avec une autre"
        )),
        _ => None,
    }
}

/// A key of one's own whose private half cannot be had: nothing is signed with it.
fn no_private_key(report: &ProviderReport, key: &KeyLookup) -> Option<Finding> {
    if standing(&report.provider, key) != Standing::NoPrivateKey {
        return None;
    }
    let same = |own: &&OwnKey| own.selector == key.selector && own.domain.eq_ignore_ascii_case(&key.domain);
    let Text { en, fr } = report.provider.own_keys.iter().find(same)?.fault.as_ref()?;
    let name = key.name();
    let message = Text {
        en: format!("the private key of {name} cannot be had: {en}"),
        fr: format!("la clé privée de {name} n'est pas disponible : {fr}"),
    };
    Some(Finding::error(rules::PROV_DKIM_CNAME, message).at(name))
}

fn rewriting(home: &Home, report: &ProviderReport) -> Option<Finding> {
    if report.rewrites_from != Proof::Yes {
        return None;
    }
    let label = report.provider.kind.label();
    let domain = &home.domain;
    let message = match report.provider.kind {
        Kind::Brevo => both!(
            "Brevo will replace the From address @{domain} by one at brevosend.com: the domain is not authenticated",
            "Brevo remplacera l'adresse @{domain} par une adresse brevosend.com : le domaine n'est pas authentifié"
        ),
        _ => both!(
            "{label} will replace the From address @{domain}, or refuse: the domain is not authenticated",
            "{label} remplacera l'adresse @{domain}, ou refusera : le domaine n'est pas authentifié"
        ),
    };
    let name = report.keys.first().map_or_else(|| domain.clone(), KeyLookup::name);
    let finding = Finding::error(rules::PROV_FROM_REWRITE, message).at(name);
    Some(match key_fix(home, report, None) {
        Some(fix) => finding.fix(fix),
        None => finding,
    })
}

/// What the domain's own policy does to this provider's mail.
fn policy(home: &Home, report: &ProviderReport) -> Option<Finding> {
    let label = report.provider.kind.label();
    let record = home.discovery.record.as_ref();
    let name = format!("_dmarc.{}", home.discovery.policy_domain.as_deref().unwrap_or(&home.domain));
    let place = |finding: Finding, tag: &str| {
        let finding = finding.at(name.clone());
        match record {
            Some(record) => {
                let span = record.tag(tag).map(|tag| tag.span);
                finding.in_record(record.text.clone(), span)
            }
            None => finding,
        }
    };
    let applied = home.discovery.policy()?;
    if report.aligned == Proof::No && applied != Policy::None {
        let word = applied.word();
        let message = both!(
            "the DMARC policy (p={word}) makes receivers turn away what {label} sends",
            "la politique DMARC (p={word}) fait écarter par les destinataires ce que {label} envoie"
        );
        return Some(place(Finding::error(rules::DMARC_PROV_POLICY, message), "p"));
    }
    // A return path below the domain is aligned only when alignment is relaxed.
    let strict = record.is_some_and(|record| record.aspf == Alignment::Strict);
    let below = report.provider.envelope_domain.as_ref().filter(|own| **own != home.domain)?;
    if strict && report.aligned != Proof::Yes {
        let message = both!(
            "aspf=s can never hold for {label}, whose return path is {below}",
            "aspf=s ne peut jamais être respecté par {label}, dont l'adresse de retour est sous {below}"
        );
        return Some(place(Finding::error(rules::DMARC_PROV_POLICY, message), "aspf"));
    }
    None
}
