//! One SPF record out of what is published and what the providers need, within ten look-ups.

use futures_util::future::join_all;

use super::combine::Combined;
use crate::align::{Kind, Provider};
use crate::dns::{Dns, Status};
use crate::name;
use crate::spf::{AuditTerm, Directive, MAX_LOOKUPS, Mechanism, Qualifier, Record, Term, TermKind, audit};
use crate::text::{Text, both};

/// The largest record worth publishing when includes are written out, in octets.
const ROOM_OCTETS: usize = 400;

/// A merged record.
#[derive(Clone, Debug)]
pub struct MergedSpf {
    /// The record's text.
    pub record: String,
    /// The look-ups it is known to take.
    pub lookups: u32,
    /// It may take more: a macro or a failure of DNS hides a part.
    pub is_lower_bound: bool,
    /// Every published term could be read; else one was left out, and a note says which.
    pub is_complete: bool,
    /// DNS failed somewhere: at the domain itself, or behind one of its terms.
    pub is_inconclusive: bool,
    /// The records that are published now; `None` when DNS did not say.
    pub now: Option<Vec<String>>,
    /// What was left out or written out, and why.
    pub notes: Vec<Text>,
}

/// The record for a domain that has none yet.
#[must_use]
pub fn spf_record(domain: &str, providers: &[Provider]) -> String {
    let needed = needed(domain, providers);
    let middle: String = needed.iter().map(|term| format!("{term} ")).collect();
    format!("v=spf1 {middle}~all")
}

/// The terms that the providers' own sending needs.
fn needed(domain: &str, providers: &[Provider]) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    let own = providers
        .iter()
        .filter(|provider| provider.envelope(domain).is_some_and(|envelope| name::same(envelope, domain)));
    for provider in own {
        let ips = provider.ips.iter().map(|ip| match ip {
            std::net::IpAddr::V4(v4) => format!("ip4:{v4}"),
            std::net::IpAddr::V6(v6) => format!("ip6:{v6}"),
        });
        let include = provider.spf_include().map(|include| format!("include:{include}"));
        // Addresses that the user knows cost no look-up.
        let wanted: Vec<_> =
            if provider.ips.is_empty() { include.into_iter().collect() } else { ips.collect() };
        for term in wanted {
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
    terms
}

pub(super) async fn merge(dns: &dyn Dns, domain: &str, providers: &[Provider]) -> MergedSpf {
    let audit = audit(dns, domain).await;
    let known = audit.status.is_some_and(|status| !status.is_unknown());
    let now = known.then(|| audit.records.iter().map(|record| record.text.clone()).collect());
    let followed = |term: &Term| audit.terms.iter().find(|found| found.term.span == term.span);
    let mut combined = Combined::of(&audit.records, |term| {
        // Places are those of the one record that was followed.
        let found = audit.record().and_then(|_| followed(term));
        useless(term, found, domain, providers)
    });
    for term in needed(domain, providers) {
        combined.let_pass(&term);
    }
    let mut costs = join_all(combined.terms.iter().map(|term| cost(dns, domain, term))).await;
    write_out(&mut combined, &mut costs);
    let lookups = total(&costs);
    if lookups > MAX_LOOKUPS {
        combined.notes.push(both!(
            "SPF still takes {lookups} look-ups of 10: an include has to go",
            "SPF demande encore {lookups} recherches sur 10 : il faut retirer un include"
        ));
    }
    let is_temporary = |term: &&AuditTerm| term.status.is_some_and(Status::is_temporary);
    MergedSpf {
        record: combined.text(),
        lookups,
        is_lower_bound: costs.iter().any(|cost| cost.is_lower_bound),
        is_complete: combined.is_complete,
        is_inconclusive: !known
            || costs.iter().any(|cost| cost.is_temporary)
            || audit.unknowns().iter().any(is_temporary),
        now,
        notes: combined.notes,
    }
}

fn total(costs: &[Cost]) -> u32 {
    costs.iter().map(|cost| cost.lookups).sum()
}

/// Writes includes out as addresses while the record takes too many look-ups, and while there is room.
fn write_out(combined: &mut Combined, costs: &mut [Cost]) {
    while total(costs) > MAX_LOOKUPS {
        let Some(index) = cheapest_to_write_out(costs) else { break };
        let written = costs[index].addresses.join(" ");
        let mut terms = combined.terms.clone();
        let term = std::mem::replace(&mut terms[index], written);
        if combined.with_terms(&terms).len() > ROOM_OCTETS {
            break;
        }
        combined.terms = terms;
        combined.notes.push(both!(
            "{term} was written out as addresses to stay within 10 look-ups: check it again when the provider moves",
            "{term} a été remplacé par ses adresses pour rester sous 10 recherches : à revérifier si le fournisseur déménage"
        ));
        costs[index] = Cost::default();
    }
}

/// Why a published term need not stay: it matches nobody, or only for a provider that never asks for it.
fn useless(term: &Term, followed: Option<&AuditTerm>, domain: &str, providers: &[Provider]) -> Option<Text> {
    if let Some(problem) = followed.and_then(|found| found.problem.clone()) {
        return Some(problem);
    }
    if followed.and_then(|found| found.status).is_some_and(Status::is_void) {
        return Some(both!("it leads nowhere", "il ne mène nulle part"));
    }
    let TermKind::Directive(Directive { mechanism: Mechanism::Include(target), .. }) = &term.kind else {
        return None;
    };
    let kind = owner(target.literal()?)?;
    let used = providers.iter().any(|provider| {
        provider.kind == kind && provider.envelope(domain).is_some_and(|own| name::same(own, domain))
    });
    let label = kind.label();
    (!used).then(|| {
        both!(
            "{label} sends with a return path of its own",
            "{label} envoie avec sa propre adresse de retour"
        )
    })
}

/// Whose include it is, for those with a return path of their own.
pub(crate) fn owner(target: &str) -> Option<Kind> {
    let also = [("spf.sendinblue.com", Kind::Brevo)];
    let known = Kind::ALL.into_iter().filter(|kind| kind.facts().return_path.is_some());
    let known = known.filter_map(|kind| kind.facts().spf_include.map(|include| (include, kind)));
    also.into_iter().chain(known).find(|(include, _)| name::same(target, include)).map(|(_, kind)| kind)
}

#[derive(Clone, Debug, Default)]
struct Cost {
    lookups: u32,
    /// The networks behind an include, when it holds nothing else and all of it is known.
    addresses: Vec<String>,
    /// A macro or a failure hides what else it takes.
    is_lower_bound: bool,
    /// DNS failed somewhere behind it.
    is_temporary: bool,
}

async fn cost(dns: &dyn Dns, domain: &str, term: &str) -> Cost {
    let record = crate::spf::parse(format!("v=spf1 {term}").as_bytes());
    let Some(TermKind::Directive(directive)) = record.terms.first().map(|term| &term.kind) else {
        return Cost::default();
    };
    let Mechanism::Include(target) = &directive.mechanism else {
        return Cost { lookups: u32::from(directive.mechanism.asks_dns()), ..Cost::default() };
    };
    let Some(target) = target.literal().map(name::normal) else {
        return Cost { lookups: 1, is_lower_bound: true, ..Cost::default() };
    };
    if name::same(&target, domain) {
        return Cost { lookups: 1, ..Cost::default() };
    }
    let audit = audit(dns, &target).await;
    let statuses = || audit.flat().into_iter().filter_map(|(_, term)| term.status).chain(audit.status);
    let addresses = match (directive.qualifier, audit.record()) {
        (Qualifier::Pass, Some(record)) => networks(record, &audit.terms),
        _ => None,
    };
    Cost {
        lookups: 1 + audit.known_lookups(),
        addresses: addresses.unwrap_or_default(),
        is_lower_bound: statuses().any(Status::is_unknown)
            || audit.flat().iter().any(|(_, term)| is_hidden(term)),
        is_temporary: statuses().any(Status::is_temporary),
    }
}

/// Whether a macro hides the record that a term leads to.
fn is_hidden(term: &AuditTerm) -> bool {
    match &term.term.kind {
        TermKind::Directive(Directive { mechanism: Mechanism::Include(_), .. }) => term.target.is_none(),
        TermKind::Directive(_) => false,
        TermKind::Modifier(_) => term.target.is_none(),
    }
}

/// The networks for which a record passes, when it passes for nothing else: each of its terms up to `all` is
/// a network or an include whose record was read. `below` are those that were followed.
fn networks(record: &Record, below: &[AuditTerm]) -> Option<Vec<String>> {
    if !record.errors.is_empty() || record.redirect().is_some() {
        return None;
    }
    let mut all = Vec::new();
    for term in &record.terms {
        let TermKind::Directive(Directive { qualifier, mechanism }) = &term.kind else { continue };
        match (qualifier, mechanism) {
            (Qualifier::Pass, Mechanism::Ip4(..) | Mechanism::Ip6(..)) => all.push(term.text.clone()),
            (Qualifier::Pass, Mechanism::Include(_)) => {
                let found = below.iter().find(|found| found.term.span == term.span)?;
                all.extend(networks(found.record.as_ref()?, &found.below)?);
            }
            (Qualifier::Pass, Mechanism::All) => return None,
            (_, Mechanism::All) => break,
            _ => return None,
        }
    }
    Some(all)
}

/// The include with the fewest addresses for the look-ups it saves.
fn cheapest_to_write_out(costs: &[Cost]) -> Option<usize> {
    let all = costs.iter().enumerate().filter(|(_, cost)| !cost.addresses.is_empty());
    let best = all.min_by_key(|(_, cost)| cost.addresses.iter().map(String::len).sum::<usize>());
    best.map(|(index, _)| index)
}
