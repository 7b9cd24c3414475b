//! Who runs what: name servers, mailboxes, pages and key zones that fall together (RFC 2182, section 3.1).
//!
//! Operators are known by the names of hosts ([`crate::operator`]). What DNS did not say is no finding, but
//! for the domain's own name servers, of which it is said that they could not be checked.

use super::Options;
use crate::align::ProviderReport;
use crate::dns::{Dns, RecordType};
use crate::finding::Finding;
use crate::name;
use crate::outage::{Asked, Carrier, Facts, NeedKind, Place, PlaceKind, gather_with};
use crate::rules;
use crate::text::{Text, both};

/// The most hosts of pages that are looked up: what else a release links to, `plan --assume-down` shows.
const MAX_PAGES: usize = 3;

pub(super) async fn findings(
    dns: &dyn Dns,
    domain: &str,
    reports: &[ProviderReport],
    options: &Options,
) -> Vec<Finding> {
    let zone = name::registrable(domain).unwrap_or_else(|| domain.to_owned());
    let status = dns.lookup(&zone, RecordType::Ns).await.status;
    if status.is_temporary() {
        let (words, mots) = (status.words(), status.mots());
        let message = both!(
            "who serves {zone} could not be checked: the look-up of its name servers {words}",
            "impossible de vérifier qui sert {zone} : le DNS n'a pas répondu ({mots})"
        );
        return vec![Finding::unchecked(message).at(zone)];
    }
    let asked = Asked {
        domain: zone.clone(),
        reply_to: options.reply_to.clone(),
        links: options.web_hosts.iter().take(MAX_PAGES).cloned().collect(),
        carriers: reports.iter().map(|report| Carrier::of(report, None)).collect(),
        ..Asked::default()
    };
    let mut facts = gather_with(dns, &asked).await;
    if !name::same(&zone, domain) {
        let below = Asked { domain: domain.to_owned(), ..Asked::default() };
        let own = gather_with(dns, &below).await.places;
        facts.places.retain(|place| place.kind != PlaceKind::From);
        facts.places.extend(own.into_iter().filter(|place| place.kind == PlaceKind::From));
    }
    let found = [name_servers(&zone, &facts), mailboxes(&facts), key_zones(&facts)];
    found.into_iter().flatten().map(|finding| finding.at(zone.clone())).collect()
}

/// The one operator of everything of that kind in a place.
fn only(place: &Place, kind: NeedKind) -> Option<&str> {
    let need = place.needs.iter().find(|need| need.kind == kind)?;
    match need.operators.as_deref() {
        Some([one]) => Some(one),
        _ => None,
    }
}

/// All name servers at one operator, and what else falls with it.
fn name_servers(zone: &str, facts: &Facts) -> Option<Finding> {
    let dns = facts.places.iter().find(|place| place.kind == PlaceKind::Dns)?;
    let operator = only(dns, NeedKind::NameServers)?;
    let runs = |place: &&Place, kind| only(place, kind) == Some(operator);
    let same_mail =
        facts.places.iter().any(|place| place.kind == PlaceKind::From && runs(&place, NeedKind::Exchangers));
    let message = if same_mail {
        both!(
            "all name servers of {zone} and its mailboxes are {operator}'s: when {operator} is down, nobody's mail for {zone} can be verified and no answer arrives",
            "tous les serveurs de noms de {zone} et ses boîtes sont chez {operator} : si {operator} tombe, plus aucun message de {zone} n'est vérifiable et aucune réponse n'arrive"
        )
    } else {
        both!(
            "all name servers of {zone} are {operator}'s: when {operator} is down, no provider's mail for {zone} can be verified",
            "tous les serveurs de noms de {zone} sont chez {operator} : si {operator} tombe, plus aucun message de {zone} n'est vérifiable, quel que soit le fournisseur"
        )
    };
    let also = also(facts, operator);
    let message = if also.is_empty() {
        message
    } else {
        let of = |pick: fn(&Text) -> &str| also.iter().map(pick).collect::<Vec<_>>().join(", ");
        Text {
            en: format!("{}; also there: {}", message.en, of(|text| &text.en)),
            fr: format!("{} ; s'y trouvent aussi : {}", message.fr, of(|text| &text.fr)),
        }
    };
    Some(Finding::warn(rules::DNS_SPOF, message))
}

/// What else is at an operator: Reply-To's mailboxes, pages, zones of keys.
fn also(facts: &Facts, operator: &str) -> Vec<Text> {
    let place = |place: &Place| {
        let name = &place.name;
        let is_there = [NeedKind::Exchangers, NeedKind::Web, NeedKind::NameServers]
            .into_iter()
            .any(|kind| only(place, kind) == Some(operator));
        match place.kind {
            _ if !is_there => None,
            PlaceKind::ReplyTo => {
                Some(both!("Reply-To's mailboxes ({name})", "les boîtes du Reply-To ({name})"))
            }
            PlaceKind::Link | PlaceKind::Image | PlaceKind::Unsubscribe => {
                Some(both!("the page {name}", "la page {name}"))
            }
            PlaceKind::Dns | PlaceKind::From => None,
        }
    };
    let keys =
        facts.carriers.iter().flat_map(|carrier| carrier.key_zones.iter().map(move |zone| (carrier, zone)));
    let keys = keys.filter(|(_, zone)| zone.operators.as_deref() == Some(&[operator.to_owned()]));
    let keys = keys.map(|(carrier, zone)| {
        let (name, zone) = (&carrier.name, &zone.zone);
        both!("the keys of {name} ({zone})", "les clés de {name} ({zone})")
    });
    facts.places.iter().filter_map(place).chain(keys).collect()
}

/// From and Reply-To are meant to be two ways to answer: with one operator they are one.
fn mailboxes(facts: &Facts) -> Option<Finding> {
    let of = |kind| facts.places.iter().find(|place| place.kind == kind);
    let (from, reply_to) = (of(PlaceKind::From)?, of(PlaceKind::ReplyTo)?);
    let operator = only(reply_to, NeedKind::Exchangers)?;
    if only(from, NeedKind::Exchangers) != Some(operator) {
        return None;
    }
    let (a, b) = (&from.name, &reply_to.name);
    let message = both!(
        "the mailboxes of {a} and of Reply-To's {b} are both {operator}'s: when {operator} is down, no answer arrives",
        "les boîtes de {a} et celles du Reply-To ({b}) sont toutes chez {operator} : si {operator} tombe, aucune réponse n'arrive"
    );
    let fix = both!(
        "set reply_to in depeche.toml to an address whose mailbox is at another operator",
        "mettez dans depeche.toml un reply_to dont la boîte est chez un autre opérateur"
    );
    Some(Finding::warn(rules::DNS_SPOF, message).fix(fix))
}

/// A fallback helps only when its keys are served by somebody else.
fn key_zones(facts: &Facts) -> Option<Finding> {
    let rests: Vec<_> = facts.carriers.iter().filter(|carrier| !carrier.key_zones.is_empty()).collect();
    let zones = || rests.iter().flat_map(|carrier| &carrier.key_zones);
    let operator = match zones().next()?.operators.as_deref()? {
        [one] => one.clone(),
        _ => return None,
    };
    let all_there = zones().all(|zone| zone.operators.as_deref() == Some(std::slice::from_ref(&operator)));
    if rests.len() < 2 || rests.len() < facts.carriers.len() || !all_there {
        return None;
    }
    let names = rests.iter().map(|carrier| carrier.name.as_str()).collect::<Vec<_>>().join(", ");
    let message = both!(
        "the keys of every provider ({names}) are in zones that {operator} alone serves: when its DNS is down, no signature can be verified",
        "les clés de tous les fournisseurs ({names}) sont dans des zones que seul {operator} sert : si son DNS tombe, plus aucune signature n'est vérifiable"
    );
    Some(Finding::warn(rules::DNS_SPOF, message))
}
