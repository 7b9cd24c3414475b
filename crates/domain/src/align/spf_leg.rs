//! The SPF leg: is the envelope aligned, and are the provider's addresses authorised for it?
//!
//! Not by looking for an `include:` in the record: everything that the provider publishes is carried
//! through it ([`coverage`]), so that a term before the include, an eleventh look-up or a misspelt word
//! decides as it would at a receiver. Some addresses go through a whole evaluation beside: one that does not
//! pass proves that mail fails. That all of some passed proves nothing about the others.

use std::net::IpAddr;

use futures_util::future::{join, join_all};

use super::coverage::{self, Fate, Part, Range};
use super::{Evidence, Home, Leg, Method, Proof, Provider};
use crate::dns::{Dns, Status};
use crate::spf::{self, Audit, SpfResult, Verdict};
use crate::text::{Text, both};

/// The most addresses that are put through an evaluation when a record does not prove that all pass.
const MAX_TRIED: usize = 6;

pub(super) async fn look(dns: &dyn Dns, home: &Home, provider: &Provider) -> Leg {
    let label = provider.kind.label();
    let Some(envelope) = provider.envelope(&home.domain) else {
        let own = provider.kind.facts().return_path.unwrap_or_default();
        let reason = both!(
            "{label} sends with a return path of its own ({own}): SPF passes for {label}, not for {}",
            "{label} envoie avec sa propre adresse de retour ({own}) : SPF passe pour {label}, pas pour {}",
            home.domain
        );
        return Leg { passes: Proof::Yes, ..leg(own, Proof::No, reason) };
    };
    let aligned = home.aligns(dns, envelope, Method::Spf).await;
    if aligned == Proof::No {
        let reason = both!(
            "the envelope's domain {envelope} is not aligned with {}",
            "le domaine d'enveloppe {envelope} n'est pas aligné avec {}",
            home.domain
        );
        return Leg { passes: Proof::CannotTell, ..leg(envelope, Proof::No, reason) };
    }
    let found = match provider.spf_include() {
        _ if !provider.ips.is_empty() => stated(dns, envelope, provider).await,
        Some(include) => published(dns, envelope, provider, include).await,
        None => {
            let name = &provider.name;
            let reason = both!(
                "the addresses that {name} sends from are not known: name them (sends_from), or what SPF includes for it (spf_include)",
                "les adresses d'envoi de {name} ne sont pas connues : indiquez-les (sends_from), ou ce que SPF inclut pour lui (spf_include)"
            );
            leg(envelope, Proof::CannotTell, reason)
        }
    };
    match (found.aligned, aligned) {
        (Proof::Yes, Proof::CannotTell) => Leg { aligned: Proof::CannotTell, temporary: true, ..found },
        _ => found,
    }
}

async fn evaluate(dns: &dyn Dns, envelope: &str, ip: IpAddr) -> Verdict {
    let sender = format!("postmaster@{envelope}");
    spf::check_host(dns, &spf::Request::new(ip, &sender, envelope)).await
}

/// The addresses that the user stated; all must pass.
async fn stated(dns: &dyn Dns, envelope: &str, provider: &Provider) -> Leg {
    let label = provider.kind.label();
    let verdicts = join_all(provider.ips.iter().map(|ip| evaluate(dns, envelope, *ip))).await;
    let all = verdicts.iter().zip(&provider.ips);
    if let Some((verdict, ip)) = all.clone().find(|(verdict, _)| verdict.result != SpfResult::Pass) {
        return refused(envelope, label, verdict, *ip);
    }
    let shown = shown(&provider.ips);
    let reason = both!(
        "SPF of {envelope} passes for {label}'s address {shown}",
        "le SPF de {envelope} passe pour l'adresse {shown} de {label}"
    );
    Leg { passes: Proof::Yes, ..leg(envelope, Proof::Yes, reason) }
}

fn shown(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// An address that does not pass.
fn refused(envelope: &str, label: &str, verdict: &Verdict, ip: IpAddr) -> Leg {
    let temporary = verdict.result == SpfResult::Temperror;
    let word = verdict.result.word();
    let mut reason = both!(
        "SPF of {envelope} gives {word} for {label}'s address {ip}",
        "le SPF de {envelope} donne {word} pour l'adresse {ip} de {label}"
    );
    if let Some(problem) = &verdict.problem {
        reason.en += &format!(": {}", problem.message.en);
        reason.fr += &format!(" : {}", problem.message.fr);
    }
    let record = verdict.problem.as_ref().and_then(|problem| {
        problem.record.as_ref().map(|record| (problem.domain.clone(), record.clone(), problem.span))
    });
    let proof = if temporary { Proof::CannotTell } else { Proof::No };
    Leg { passes: proof, temporary, record, ..leg(envelope, proof, reason) }
}

/// All that the provider publishes under `include`.
async fn published(dns: &dyn Dns, envelope: &str, provider: &Provider, include: &str) -> Leg {
    let label = provider.kind.label();
    let (theirs, ours) = join(spf::audit(dns, include), spf::audit(dns, envelope)).await;
    let parts = coverage::published(&theirs, include);
    if parts.is_empty() {
        return unreadable(envelope, provider, include, &theirs);
    }
    let fates = coverage::fates(&ours, envelope, parts);
    let is_proven = fates.iter().all(|(_, fate)| *fate == Fate::Passes);
    let mut tried = Vec::new();
    for ip in samples(&fates, is_proven) {
        let verdict = evaluate(dns, envelope, ip).await;
        if verdict.result != SpfResult::Pass {
            return refused(envelope, label, &verdict, ip);
        }
        tried.push(ip);
    }
    if is_proven {
        let reason = both!(
            "SPF of {envelope} passes for every address that {label} publishes ({include})",
            "le SPF de {envelope} passe pour toutes les adresses que {label} publie ({include})"
        );
        return Leg { passes: Proof::Yes, ..leg(envelope, Proof::Yes, reason) };
    }
    let whole = Undecided { envelope, label, include, fates: &fates, tried: &tried };
    whole.leg()
}

/// What is tried: of what is proven its ends, where the limits are reached last; else what may fail.
fn samples(fates: &[(Part, Fate)], is_proven: bool) -> Vec<IpAddr> {
    let ranges = |wanted: fn(Fate) -> bool| {
        fates.iter().filter_map(move |(part, fate)| match part {
            Part::Addresses(range) if wanted(*fate) => Some(*range),
            _ => None,
        })
    };
    let mut found: Vec<IpAddr> = Vec::new();
    if is_proven {
        let all: Vec<Range> = ranges(|_| true).collect();
        found.extend(all.first().map(|range| range.samples()[0]));
        found.extend(all.last().map(|range| range.samples()[2]));
    } else {
        let bad = |fate| matches!(fate, Fate::Fails | Fate::PermError);
        let open = |fate| matches!(fate, Fate::Maybe | Fate::Unknown | Fate::TempError);
        found.extend(ranges(bad).chain(ranges(open)).flat_map(Range::samples));
    }
    found.dedup();
    found.truncate(MAX_TRIED);
    found
}

/// Neither an address that fails was found, nor a proof that there is none.
struct Undecided<'a> {
    envelope: &'a str,
    label: &'a str,
    include: &'a str,
    fates: &'a [(Part, Fate)],
    tried: &'a [IpAddr],
}

impl Undecided<'_> {
    fn leg(&self) -> Leg {
        let Self { envelope, label, include, .. } = self;
        let is_bad = |fate: Fate| matches!(fate, Fate::Fails | Fate::PermError);
        // Only terms that ask at the moment of sending, and the record says no to each.
        if self.tried.is_empty() && self.fates.iter().all(|(_, fate)| is_bad(*fate)) {
            let reason = both!(
                "SPF of {envelope} does not allow what {label} sends from ({include})",
                "le SPF de {envelope} n'autorise pas ce depuis quoi {label} envoie ({include})"
            );
            return Leg { passes: Proof::No, ..leg(envelope, Proof::No, reason) };
        }
        let temporary = self.fates.iter().any(|(_, fate)| *fate == Fate::TempError);
        let open = self.fates.iter().filter(|(_, fate)| *fate != Fate::Passes);
        let open = open.map(|(part, _)| part.to_string()).take(3).collect::<Vec<_>>().join(", ");
        let reason = both!(
            "that SPF of {envelope} passes for all that {label} sends from is not proven ({open}): include:{include} would prove it",
            "rien ne prouve que le SPF de {envelope} passe pour tout ce depuis quoi {label} envoie ({open}) : include:{include} le prouverait"
        );
        Leg { temporary, ..leg(envelope, Proof::CannotTell, reason) }
    }
}

fn unreadable(envelope: &str, provider: &Provider, include: &str, audit: &Audit) -> Leg {
    let name = &provider.name;
    let status = audit.status.unwrap_or(Status::NotAsked);
    let is_open = |status: Option<Status>| status.is_some_and(Status::is_temporary);
    let temporary = status.is_temporary() || audit.unknowns().iter().any(|term| is_open(term.status));
    let reason = match status {
        Status::Found => both!(
            "{include} publishes no address that {name} sends from",
            "{include} ne publie aucune adresse d'envoi de {name}"
        ),
        _ => {
            let words = status.words();
            both!(
                "the addresses of {name} could not be read: the look-up of {include} {words}",
                "les adresses de {name} n'ont pas pu être lues dans {include}"
            )
        }
    };
    Leg { temporary, ..leg(envelope, Proof::CannotTell, reason) }
}

fn leg(domain: &str, aligned: Proof, reason: Text) -> Leg {
    Leg {
        method: Method::Spf,
        aligned,
        evidence: Evidence::Dns,
        passes: aligned,
        domain: domain.to_owned(),
        reason,
        temporary: false,
        record: None,
    }
}
