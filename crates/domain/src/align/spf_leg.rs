//! The SPF leg: is the envelope aligned, and are the provider's addresses authorised for it?
//!
//! Not by looking for an `include:` in the record: addresses that the provider publishes are put through
//! a whole evaluation, so that a term before it, an eleventh look-up or a misspelt word decides as it
//! would at a receiver.

use std::net::IpAddr;

use futures_util::future::join_all;

use super::{Evidence, Home, Leg, Method, Proof, Provider};
use crate::dns::{Dns, Status};
use crate::spf::{self, Directive, Mechanism, Qualifier, SpfResult, TermKind};
use crate::text::{Text, both};

/// How many of a provider's addresses are put through an evaluation.
const SAMPLES: usize = 2;

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
    let addresses = match addresses(dns, provider).await {
        Ok(addresses) => addresses,
        Err((reason, temporary)) => return Leg { temporary, ..leg(envelope, Proof::CannotTell, reason) },
    };
    let found = authorised(dns, envelope, label, &addresses).await;
    match (found.aligned, aligned) {
        (Proof::Yes, Proof::CannotTell) => Leg { aligned: Proof::CannotTell, temporary: true, ..found },
        _ => found,
    }
}

/// Evaluates some addresses; all must pass.
async fn authorised(dns: &dyn Dns, envelope: &str, label: &str, addresses: &[IpAddr]) -> Leg {
    let sender = format!("postmaster@{envelope}");
    let requests: Vec<_> = addresses.iter().map(|ip| spf::Request::new(*ip, &sender, envelope)).collect();
    let verdicts = join_all(requests.iter().map(|request| spf::check_host(dns, request))).await;
    let all = verdicts.iter().zip(addresses);
    let bad = all.clone().find(|(verdict, _)| verdict.result != SpfResult::Pass);
    let Some((verdict, ip)) = bad else {
        let shown = addresses.first().map(ToString::to_string).unwrap_or_default();
        let reason = both!(
            "SPF of {envelope} passes for {label}'s address {shown}",
            "le SPF de {envelope} passe pour l'adresse {shown} de {label}"
        );
        return Leg { passes: Proof::Yes, ..leg(envelope, Proof::Yes, reason) };
    };
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

/// Addresses that the provider sends from: the user's word, or the first in the record it publishes.
async fn addresses(dns: &dyn Dns, provider: &Provider) -> Result<Vec<IpAddr>, (Text, bool)> {
    if !provider.ips.is_empty() {
        return Ok(provider.ips.clone());
    }
    let name = &provider.name;
    let Some(include) = provider.spf_include() else {
        let reason = both!(
            "the addresses that {name} sends from are not known: name them, or what SPF includes for it",
            "les adresses d'envoi de {name} ne sont pas connues : indiquez-les, ou ce que SPF inclut pour lui"
        );
        return Err((reason, false));
    };
    let audit = spf::audit(dns, include).await;
    let mut found = Vec::new();
    let behind = audit.flat().into_iter().filter_map(|(_, term)| term.record.clone());
    for record in audit.record().cloned().into_iter().chain(behind) {
        found.extend(record.terms.iter().filter_map(|term| literal(&term.kind)));
    }
    found.truncate(SAMPLES);
    if !found.is_empty() {
        return Ok(found);
    }
    let status = audit.status.unwrap_or(Status::NotAsked);
    let words = status.words();
    let reason = both!(
        "the addresses of {name} could not be read: the look-up of {include} {words}",
        "les adresses de {name} n'ont pas pu être lues dans {include}"
    );
    Err((reason, status.is_temporary() || audit.unknowns().iter().any(|term| temporary(term.status))))
}

fn temporary(status: Option<Status>) -> bool {
    status.is_some_and(Status::is_temporary)
}

/// An address within a network that passes.
fn literal(kind: &TermKind) -> Option<IpAddr> {
    match kind {
        TermKind::Directive(Directive { qualifier: Qualifier::Pass, mechanism }) => match mechanism {
            Mechanism::Ip4(address, _) => Some(IpAddr::V4(*address)),
            Mechanism::Ip6(address, _) => Some(IpAddr::V6(*address)),
            _ => None,
        },
        _ => None,
    }
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
