//! The DKIM leg: does the key that this provider signs with stand under an aligned domain?

use futures_util::future::join_all;

use super::{Evidence, Home, Kind, Leg, Method, Proof, Provider};
use crate::dkim::{self, KeyLookup, KeyVerdict};
use crate::dns::{Dns, RecordType, Status};
use crate::name;
use crate::text::{Text, both};

pub(super) async fn look(
    dns: &dyn Dns,
    home: &Home,
    provider: &Provider,
    selectors: &[String],
) -> (Leg, Vec<KeyLookup>) {
    let domain = provider.dkim_domain.as_deref().unwrap_or(&home.domain);
    let aligned = home.aligns(dns, domain, Method::Dkim).await;
    if aligned == Proof::No {
        let reason = both!(
            "it signs as {domain}, which is not aligned with {}",
            "il signe au nom de {domain}, qui n'est pas aligné avec {}",
            home.domain
        );
        return (leg(domain, Proof::No, reason), Vec::new());
    }
    let (found, keys) = keyed(dns, domain, provider, selectors).await;
    match (found.aligned, aligned) {
        (Proof::Yes, Proof::CannotTell) => {
            (Leg { aligned: Proof::CannotTell, temporary: true, ..found }, keys)
        }
        _ => (found, keys),
    }
}

async fn keyed(
    dns: &dyn Dns,
    domain: &str,
    provider: &Provider,
    selectors: &[String],
) -> (Leg, Vec<KeyLookup>) {
    let facts = provider.kind.facts();
    if !provider.own_keys.is_empty() {
        return own_keys(dns, domain, provider).await;
    }
    if !provider.selectors.is_empty() {
        let own = provider.selectors.iter().map(String::as_str).collect();
        let keys = fetch_all(dns, domain, own).await;
        let leg = judge(provider, domain, &[keys.iter().collect()]);
        return (leg, keys);
    }
    let sets = facts.selector_sets;
    let mut asked: Vec<&str> = sets.iter().flat_map(|set| set.iter().copied()).collect();
    // The others sign with selectors of their own only.
    let selectors = if matches!(provider.kind, Kind::Ovh | Kind::Smtp) { selectors } else { &[] };
    asked.extend(selectors.iter().map(String::as_str));
    let keys = fetch_all(dns, domain, asked).await;
    let of = |selector: &str| keys.iter().find(|key| key.selector == selector);
    let named: Vec<_> = selectors.iter().filter_map(|selector| of(selector)).collect();
    let mut whole: Vec<Vec<&KeyLookup>> =
        sets.iter().map(|set| set.iter().filter_map(|selector| of(selector)).collect()).collect();
    match provider.kind {
        // The user's selectors are OVH's when they lead there.
        Kind::Ovh => {
            let zone = facts.key_zone.unwrap_or_default();
            let own: Vec<_> = named.into_iter().filter(|key| key.leads_to(zone) == Some(true)).collect();
            let found = |key: &&KeyLookup| key.verdict() != KeyVerdict::Missing;
            whole.retain(|set| set.iter().any(found));
            if !own.is_empty() {
                whole.push(own);
            }
        }
        Kind::Smtp => {
            let others: Vec<_> = Kind::ALL.iter().filter_map(|kind| kind.facts().key_zone).collect();
            let elsewhere = |key: &&KeyLookup| others.iter().any(|zone| key.leads_to(zone) == Some(true));
            let own: Vec<_> = named.into_iter().filter(|key| !elsewhere(key)).collect();
            if !own.is_empty() {
                whole.push(own);
            }
        }
        _ => {}
    }
    let leg = if whole.is_empty() {
        without_selector(dns, domain, provider).await
    } else if provider.kind == Kind::Brevo && only_mail_key(&whole) {
        brevo_mail_key(dns, domain, provider, &whole).await
    } else {
        judge(provider, domain, &whole)
    };
    // What nobody has to publish is not worth a word when it is absent.
    let kept = keys.iter().filter(|key| {
        key.verdict() != KeyVerdict::Missing
            || facts
                .selector_sets
                .first()
                .is_some_and(|set| provider.kind != Kind::Ovh && set.contains(&key.selector.as_str()))
    });
    let kept = kept.cloned().collect();
    (leg, kept)
}

/// Every own key signs every message, so one good key is enough.
async fn own_keys(dns: &dyn Dns, domain: &str, provider: &Provider) -> (Leg, Vec<KeyLookup>) {
    let here = provider.own_keys.iter().filter(|key| name::same(&key.domain, domain));
    let selectors = here.map(|key| key.selector.as_str()).collect();
    let keys = fetch_all(dns, domain, selectors).await;
    let each: Vec<Vec<&KeyLookup>> = keys.iter().map(|key| vec![key]).collect();
    let leg = judge(provider, domain, &each);
    (leg, keys)
}

async fn fetch_all(dns: &dyn Dns, domain: &str, selectors: Vec<&str>) -> Vec<KeyLookup> {
    let mut once: Vec<&str> = Vec::new();
    for selector in selectors {
        if !once.contains(&selector) {
            once.push(selector);
        }
    }
    join_all(once.into_iter().map(|selector| dkim::fetch(dns, selector, domain))).await
}

/// Whether the key is good, and is this provider's.
pub(crate) fn is_good(provider: &Provider, key: &KeyLookup) -> bool {
    let own = match provider.kind.facts().key_zone {
        Some(zone) => key.leads_to(zone) != Some(false),
        None => true,
    };
    key.verdict() == KeyVerdict::Usable && own && !is_foreign(provider, key)
}

/// Whether an own key is published with another public half: its signatures fail.
pub(crate) fn is_foreign(provider: &Provider, key: &KeyLookup) -> bool {
    let same = |own: &&dkim::OwnKey| own.selector == key.selector && name::same(&own.domain, &key.domain);
    provider.own_keys.iter().find(same).and_then(|own| own.is_published(key)) == Some(false)
}

/// Yes when one set is whole.
fn judge(provider: &Provider, domain: &str, sets: &[Vec<&KeyLookup>]) -> Leg {
    let label = provider.kind.label();
    let names =
        |keys: &[&KeyLookup]| keys.iter().map(|key| key.selector.as_str()).collect::<Vec<_>>().join(", ");
    for set in sets {
        if !set.is_empty() && set.iter().all(|key| is_good(provider, key)) {
            let shown = names(set);
            let reason = both!(
                "the keys of {label} under {domain} are good ({shown})",
                "les clés de {label} sous {domain} sont bonnes ({shown})"
            );
            return leg(domain, Proof::Yes, reason);
        }
    }
    let open = |key: &&&KeyLookup| key.verdict() == KeyVerdict::Unknown;
    for set in sets {
        let unknown: Vec<_> = set.iter().filter(open).copied().collect();
        let rest_is_good = set.iter().all(|key| open(&key) || is_good(provider, key));
        if !unknown.is_empty() && rest_is_good {
            let shown = names(&unknown);
            let temporary = unknown.iter().any(|key| key.status.is_temporary());
            let reason = both!(
                "DNS did not say what stands under {shown}._domainkey.{domain}",
                "le DNS n'a pas dit ce qui se trouve sous {shown}._domainkey.{domain}"
            );
            return Leg { temporary, ..leg(domain, Proof::CannotTell, reason) };
        }
    }
    let good: Vec<_> = sets.iter().flatten().filter(|key| is_good(provider, key)).copied().collect();
    if !good.is_empty() {
        let shown = names(&good);
        let reason = both!(
            "only {shown} of the keys of {label} is good: which one it signs with cannot be known",
            "seule la clé {shown} de {label} est bonne : on ne peut pas savoir avec laquelle il signe"
        );
        return leg(domain, Proof::CannotTell, reason);
    }
    let shown = sets.first().map(|set| names(set)).unwrap_or_default();
    let reason = both!(
        "{domain} publishes no usable key for {label} ({shown})",
        "{domain} ne publie aucune clé utilisable pour {label} ({shown})"
    );
    leg(domain, Proof::No, reason)
}

/// Nobody named a selector: only the absence of every key can be proven.
async fn without_selector(dns: &dyn Dns, domain: &str, provider: &Provider) -> Leg {
    let label = provider.kind.label();
    let probe = dkim::probe(dns, domain, &[]).await;
    if probe.proves_absence() {
        let reason = both!(
            "{domain} publishes no DKIM key at all (_domainkey.{domain} does not exist)",
            "{domain} ne publie aucune clé DKIM (_domainkey.{domain} n'existe pas)"
        );
        return leg(domain, Proof::No, reason);
    }
    let reason = both!(
        "the selector that {label} signs with is not known, so its key was not checked",
        "le sélecteur avec lequel {label} signe n'est pas connu : sa clé n'a pas été vérifiée"
    );
    Leg { temporary: probe.status.is_temporary(), ..leg(domain, Proof::CannotTell, reason) }
}

/// A key under `mail` may be anybody's: it is Brevo's when the domain holds Brevo's code.
fn only_mail_key(sets: &[Vec<&KeyLookup>]) -> bool {
    let usable = |key: &&KeyLookup| key.verdict() == KeyVerdict::Usable;
    let mut with_key = sets.iter().filter(|set| set.iter().any(usable));
    matches!((with_key.next().map(Vec::as_slice), with_key.next()), (Some([key]), None) if key.selector == "mail")
}

async fn brevo_mail_key(dns: &dyn Dns, domain: &str, provider: &Provider, sets: &[Vec<&KeyLookup>]) -> Leg {
    let answer = dns.lookup(domain, RecordType::Txt).await;
    let has_code = answer.joined_texts().iter().any(|text| text.starts_with(b"brevo-code:"));
    match (has_code, answer.status) {
        (true, _) => judge(provider, domain, sets),
        (false, status) => {
            let reason = both!(
                "there is a key under mail._domainkey.{domain}, but no brevo-code: whose it is cannot be known",
                "une clé se trouve sous mail._domainkey.{domain}, mais sans brevo-code : on ne sait pas à qui elle est"
            );
            let temporary = status != Status::Found && status.is_temporary();
            Leg { temporary, ..leg(domain, Proof::CannotTell, reason) }
        }
    }
}

fn leg(domain: &str, aligned: Proof, reason: Text) -> Leg {
    Leg {
        method: Method::Dkim,
        aligned,
        evidence: Evidence::Dns,
        passes: aligned,
        domain: domain.to_owned(),
        reason,
        temporary: false,
        record: None,
    }
}
