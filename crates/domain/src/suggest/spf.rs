//! One SPF record out of what is published and what the providers need, within ten look-ups.

use futures_util::future::join_all;

use crate::align::{Kind, Provider};
use crate::dns::Dns;
use crate::name;
use crate::spf::{Audit, AuditTerm, Directive, MAX_LOOKUPS, Mechanism, Qualifier, Record, TermKind, audit};
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
    let mut notes = Vec::new();
    let mut terms = kept(&audit, domain, providers, &mut notes);
    for term in needed(domain, providers) {
        if !terms.iter().any(|own| own.eq_ignore_ascii_case(&term)) {
            terms.push(term);
        }
    }
    let all = ending(&audit.records);
    let mut costs = join_all(terms.iter().map(|term| cost(dns, domain, term))).await;
    let total = |costs: &[Cost]| costs.iter().map(|cost| cost.lookups).sum::<u32>();
    while total(&costs) > MAX_LOOKUPS {
        let Some(index) = cheapest_to_write_out(&costs) else { break };
        let term = terms[index].clone();
        let written = costs[index].addresses.join(" ");
        let size: usize = terms.iter().map(|term| term.len() + 1).sum::<usize>() + written.len();
        if size > ROOM_OCTETS {
            break;
        }
        notes.push(both!(
            "{term} was written out as addresses to stay within 10 look-ups: check it again when the provider moves",
            "{term} a été remplacé par ses adresses pour rester sous 10 recherches : à revérifier si le fournisseur déménage"
        ));
        terms[index] = written;
        costs[index] = Cost::default();
    }
    let lookups = total(&costs);
    if lookups > MAX_LOOKUPS {
        notes.push(both!(
            "SPF still takes {lookups} look-ups of 10: an include has to go",
            "SPF demande encore {lookups} recherches sur 10 : il faut retirer un include"
        ));
    }
    let middle: String = terms.iter().map(|term| format!("{term} ")).collect();
    MergedSpf { record: format!("v=spf1 {middle}{all}"), lookups, now, notes }
}

/// The published terms that do something, in order.
fn kept(audit: &Audit, domain: &str, providers: &[Provider], notes: &mut Vec<Text>) -> Vec<String> {
    let mut terms: Vec<String> = Vec::new();
    for record in &audit.records {
        // Beside `all` a redirect would never be read; as an include it says the same.
        if let Some(target) = record.redirect().and_then(|(_, target)| target.literal()) {
            terms.push(format!("include:{target}"));
        }
        for term in &record.terms {
            let TermKind::Directive(Directive { mechanism, .. }) = &term.kind else { continue };
            if *mechanism == Mechanism::All || terms.contains(&term.text) {
                continue;
            }
            let followed = audit.terms.iter().find(|found| found.term.span == term.span);
            match useless(mechanism, followed, domain, providers) {
                Some(why) => {
                    let text = &term.text;
                    let (en, fr) = (why.en, why.fr);
                    notes.push(both!("{text} is left out: {en}", "{text} est retiré : {fr}"));
                }
                None => terms.push(term.text.clone()),
            }
        }
        for error in &record.errors {
            if let Some(meant) = &error.meant
                && !terms.contains(meant)
            {
                let wrong = error.span.of(&record.text);
                notes.push(both!("{wrong} is written as {meant}", "{wrong} est écrit {meant}"));
                terms.push(meant.clone());
            }
        }
    }
    terms
}

fn useless(
    mechanism: &Mechanism,
    followed: Option<&AuditTerm>,
    domain: &str,
    providers: &[Provider],
) -> Option<Text> {
    if let Mechanism::Ptr(_) = mechanism {
        return Some(both!("ptr is not to be used", "ptr n'est pas à utiliser"));
    }
    let followed = followed?;
    if followed.status.is_some_and(crate::dns::Status::is_void) || followed.problem.is_some() {
        return Some(both!("it leads nowhere", "il ne mène nulle part"));
    }
    let Mechanism::Include(target) = mechanism else { return None };
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

/// `-all` when somebody published it, else `~all`, or the redirect that stands there alone.
fn ending(records: &[Record]) -> &'static str {
    let strict = records.iter().any(|record| record.all().is_some_and(|(_, q)| q == Qualifier::Fail));
    if strict { "-all" } else { "~all" }
}

#[derive(Clone, Debug, Default)]
struct Cost {
    lookups: u32,
    /// The networks behind an include, when it holds nothing else.
    addresses: Vec<String>,
}

async fn cost(dns: &dyn Dns, domain: &str, term: &str) -> Cost {
    let record = crate::spf::parse(format!("v=spf1 {term}").as_bytes());
    let Some(TermKind::Directive(directive)) = record.terms.first().map(|term| &term.kind) else {
        return Cost::default();
    };
    let target = match &directive.mechanism {
        Mechanism::Include(target) => target.literal().map(name::normal),
        other => return Cost { lookups: u32::from(other.asks_dns()), ..Cost::default() },
    };
    let Some(target) = target.filter(|target| !name::same(target, domain)) else {
        return Cost { lookups: 1, ..Cost::default() };
    };
    let audit = audit(dns, &target).await;
    let mut addresses = Vec::new();
    let mut plain = directive.qualifier == Qualifier::Pass && audit.record().is_some();
    let behind = audit.flat().into_iter().filter_map(|(_, term)| term.record.as_ref());
    for record in audit.record().into_iter().chain(behind) {
        for term in &record.terms {
            match &term.kind {
                TermKind::Directive(Directive { qualifier: Qualifier::Pass, mechanism }) => match mechanism {
                    Mechanism::Ip4(..) | Mechanism::Ip6(..) => addresses.push(term.text.clone()),
                    Mechanism::Include(_) => {}
                    _ => plain = false,
                },
                TermKind::Directive(Directive { mechanism: Mechanism::All, .. }) => {}
                _ => plain = false,
            }
        }
    }
    if !plain {
        addresses.clear();
    }
    Cost { lookups: 1 + audit.known_lookups(), addresses }
}

/// The include with the fewest addresses for the look-ups it saves.
fn cheapest_to_write_out(costs: &[Cost]) -> Option<usize> {
    let all = costs.iter().enumerate().filter(|(_, cost)| !cost.addresses.is_empty());
    let best = all.min_by_key(|(_, cost)| cost.addresses.iter().map(String::len).sum::<usize>());
    best.map(|(index, _)| index)
}
