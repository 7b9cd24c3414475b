//! Findings about hosts: mail exchangers, sending addresses, and how long records live.

use std::net::IpAddr;

use futures_util::future::{join, join_all};

use super::Options;
use crate::align::Provider;
use crate::dns::{Dns, RecordType, Status, reverse_name};
use crate::finding::Finding;
use crate::name;
use crate::rules;
use crate::text::both;

/// The most exchangers whose addresses are looked up.
const MAX_EXCHANGERS: usize = 5;
/// The most sending addresses whose names are looked up.
const MAX_SENDERS: usize = 4;
/// What must move in a crisis may live for a day at most, in seconds.
const LONG_TTL: u32 = 86_400;

pub(super) async fn findings(
    dns: &dyn Dns,
    domain: &str,
    providers: &[Provider],
    options: &Options,
) -> Vec<Finding> {
    let (mut found, senders) = join(mx(dns, domain), senders(dns, providers)).await;
    found.extend(senders);
    if let Some(other) = options.reply_to.as_deref().filter(|other| !name::same(other, domain)) {
        found.extend(mx(dns, other).await);
    }
    found.extend(ttl(dns, domain).await);
    found
}

/// What is wrong about the exchangers.
async fn mx(dns: &dyn Dns, domain: &str) -> Vec<Finding> {
    let answer = dns.lookup(domain, RecordType::Mx).await;
    let status = answer.status;
    if status.is_temporary() {
        let (words, mots) = (status.words(), status.mots());
        let message = both!(
            "the MX of {domain} could not be checked: the look-up {words}",
            "le MX de {domain} n'a pas pu être vérifié : le DNS n'a pas répondu ({mots})"
        );
        return vec![Finding::unchecked(message).at(domain)];
    }
    if status == Status::NoData {
        let (v4, v6) = join(dns.lookup(domain, RecordType::A), dns.lookup(domain, RecordType::Aaaa)).await;
        let bare = v4.status.is_void() && v6.status.is_void();
        let message = if bare {
            both!(
                "{domain} takes no mail: it has no MX and no address",
                "{domain} ne reçoit pas de courrier : ni MX ni adresse"
            )
        } else {
            both!(
                "{domain} has no MX record; some senders try its address",
                "{domain} n'a pas de MX ; certains expéditeurs essaient son adresse"
            )
        };
        let finding = if bare {
            Finding::error(rules::MX_MISSING, message)
        } else {
            Finding::warn(rules::MX_MISSING, message)
        };
        return vec![finding.at(domain)];
    }
    let exchangers: Vec<_> = answer.exchangers().into_iter().map(|(_, host)| host).collect();
    if exchangers.iter().any(String::is_empty) {
        let message = both!(
            "{domain} says that it takes no mail (null MX): nobody can answer",
            "{domain} dit ne pas recevoir de courrier (MX nul) : personne ne peut répondre"
        );
        return vec![Finding::error(rules::MX_MISSING, message).at(domain)];
    }
    let checks = exchangers.iter().take(MAX_EXCHANGERS).map(|host| exchanger(dns, domain, host));
    join_all(checks).await.into_iter().flatten().collect()
}

async fn exchanger(dns: &dyn Dns, domain: &str, host: &str) -> Option<Finding> {
    let v4 = dns.lookup(host, RecordType::A).await;
    if !v4.aliases.is_empty() {
        // RFC 2181, section 10.3.
        let message =
            both!("the MX of {domain}, {host}, is an alias", "le MX de {domain}, {host}, est un alias");
        return Some(
            Finding::warn(rules::MX_BROKEN, message).at(domain).in_record(format!("MX {host}"), None),
        );
    }
    if !v4.addresses().is_empty() {
        return None;
    }
    let v6 = dns.lookup(host, RecordType::Aaaa).await;
    if !v6.addresses().is_empty() {
        return None;
    }
    if let Some(failed) = [&v4, &v6].into_iter().find(|answer| answer.status.is_temporary()) {
        let (words, mots) = (failed.status.words(), failed.status.mots());
        let message = both!(
            "the address of the MX of {domain}, {host}, could not be checked: the look-up {words}",
            "l'adresse du MX de {domain}, {host}, n'a pas pu être vérifiée : le DNS n'a pas répondu ({mots})"
        );
        return Some(Finding::unchecked(message).at(host));
    }
    if v4.status.is_unknown() || v6.status.is_unknown() {
        return None;
    }
    let message =
        both!("the MX of {domain}, {host}, has no address", "le MX de {domain}, {host}, n'a pas d'adresse");
    Some(Finding::error(rules::MX_BROKEN, message).at(domain).in_record(format!("MX {host}"), None))
}

/// The user's own sending addresses: each needs a name that leads back to it.
async fn senders(dns: &dyn Dns, providers: &[Provider]) -> Vec<Finding> {
    let all = providers.iter().flat_map(|provider| provider.ips.iter().map(move |ip| (provider, *ip)));
    let checks = all.take(MAX_SENDERS).map(|(provider, ip)| async move {
        forward_confirmed(dns, ip).await.map(|finding| finding.about(&provider.name))
    });
    join_all(checks).await.into_iter().flatten().collect()
}

async fn forward_confirmed(dns: &dyn Dns, ip: IpAddr) -> Option<Finding> {
    let reverse = reverse_name(ip);
    let answer = dns.lookup(&reverse, RecordType::Ptr).await;
    if answer.status.is_temporary() {
        let (words, mots) = (answer.status.words(), answer.status.mots());
        let message = both!(
            "the name of {ip} could not be checked: the look-up {words}",
            "le nom de {ip} n'a pas pu être vérifié : le DNS n'a pas répondu ({mots})"
        );
        return Some(Finding::unchecked(message).at(reverse));
    }
    if answer.status == Status::NotAsked {
        return None;
    }
    let names = answer.names();
    let kind = if ip.is_ipv4() { RecordType::A } else { RecordType::Aaaa };
    for host in names.iter().take(2) {
        let back = dns.lookup(host, kind).await;
        if back.addresses().contains(&ip) || back.status == Status::NotAsked {
            return None;
        }
        if back.status.is_temporary() {
            let (words, mots) = (back.status.words(), back.status.mots());
            let message = both!(
                "whether {host} leads back to {ip} could not be checked: the look-up {words}",
                "impossible de vérifier si {host} ramène à {ip} : le DNS n'a pas répondu ({mots})"
            );
            return Some(Finding::unchecked(message).at(host.clone()));
        }
    }
    let message = match names.first() {
        Some(host) => both!(
            "{ip} is named {host}, which does not lead back to {ip}",
            "{ip} s'appelle {host}, qui ne ramène pas à {ip}"
        ),
        None => both!("{ip} has no name (no PTR record)", "{ip} n'a pas de nom (pas de PTR)"),
    };
    Some(Finding::error(rules::HOST_PTR, message).at(reverse))
}

/// Records that must move in a crisis. The answers are remembered from before.
async fn ttl(dns: &dyn Dns, domain: &str) -> Vec<Finding> {
    let asked = [
        (domain.to_owned(), RecordType::Txt, "SPF"),
        (domain.to_owned(), RecordType::Mx, "MX"),
        (format!("_dmarc.{domain}"), RecordType::Txt, "DMARC"),
    ];
    let mut found = Vec::new();
    for (name, kind, label) in asked {
        let answer = dns.lookup(&name, kind).await;
        let Some(ttl) = answer.largest_ttl().filter(|ttl| *ttl > LONG_TTL) else { continue };
        let hours = ttl / 3600;
        let message = both!(
            "the {label} record {name} is remembered for {hours} hours: a change in a crisis comes too late",
            "l'enregistrement {label} {name} est gardé {hours} heures : un changement en pleine crise arrive trop tard"
        );
        let fix = both!("lower its TTL to 3600", "abaissez son TTL à 3600");
        found.push(Finding::warn(rules::DNS_TTL, message).at(name).fix(fix));
    }
    found
}
