//! The DKIM leg: does the key that this provider signs with stand under an aligned domain?
//!
//! A provider's key is good where its own CNAME leads it to the very name that the provider asks for; one of
//! depeche's own where what is published is its public half. A key whose owner cannot be told from DNS (bare
//! under a provider's selector, or under `mail`, which is anybody's word) proves nothing either way.

use futures_util::future::join_all;

use super::{Evidence, Home, Kind, Leg, Method, Proof, Provider, provider};
use crate::dkim::{self, KeyLookup, KeyVerdict};
use crate::dns::{Dns, RecordType};
use crate::name;
use crate::text::{Text, both};

pub(super) async fn look(
    dns: &dyn Dns,
    home: &Home,
    provider: &Provider,
    selectors: &[String],
) -> (Leg, Vec<KeyLookup>) {
    if provider.own_keys.is_empty() {
        let domain = provider.dkim_domain.as_deref().unwrap_or(&home.domain);
        return aligned(dns, home, domain, keyed(dns, domain, provider, selectors)).await;
    }
    // Each key signs every message, whatever its domain: the best decides.
    let mut domains: Vec<&str> = Vec::new();
    for key in &provider.own_keys {
        if !domains.iter().any(|known| name::same(known, &key.domain)) {
            domains.push(&key.domain);
        }
    }
    let each = domains
        .into_iter()
        .map(|domain| async move { aligned(dns, home, domain, own_keys(dns, domain, provider)).await });
    let mut all = join_all(each).await;
    let keys: Vec<KeyLookup> = all.iter_mut().flat_map(|(_, keys)| std::mem::take(keys)).collect();
    let rank = |leg: &Leg| match leg.aligned {
        Proof::Yes => 0,
        Proof::CannotTell => 1,
        Proof::No => 2,
    };
    // Of equals the first aligned domain's: that is the one to mend.
    let is_elsewhere = |leg: &Leg| !keys.iter().any(|key| name::same(&key.domain, &leg.domain));
    let best = all.into_iter().map(|(leg, _)| leg).min_by_key(|leg| (rank(leg), is_elsewhere(leg)));
    let none = || leg(&home.domain, Proof::CannotTell, Text::default());
    (best.unwrap_or_else(none), keys)
}

/// What was found under a domain, if that is aligned.
async fn aligned(
    dns: &dyn Dns,
    home: &Home,
    domain: &str,
    found: impl Future<Output = (Leg, Vec<KeyLookup>)>,
) -> (Leg, Vec<KeyLookup>) {
    let aligned = home.aligns(dns, domain, Method::Dkim).await;
    if aligned == Proof::No {
        let reason = both!(
            "it signs as {domain}, which is not aligned with {}",
            "il signe au nom de {domain}, qui n'est pas aligné avec {}",
            home.domain
        );
        return (leg(domain, Proof::No, reason), Vec::new());
    }
    let (found, keys) = found.await;
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
            let may_sign = |key: &&KeyLookup| provider.may_sign_with(&key.selector);
            let own: Vec<_> =
                named.into_iter().filter(may_sign).filter(|key| key.leads_to(zone) == Some(true)).collect();
            let found = |key: &&KeyLookup| key.verdict() != KeyVerdict::Missing && may_sign(key);
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
    } else if provider.kind == Kind::Brevo {
        brevo(dns, domain, provider, &whole).await
    } else {
        judge(provider, domain, &whole)
    };
    // What nobody has to publish is not worth a word when it is absent.
    let kept = keys.iter().filter(|key| provider.may_sign_with(&key.selector)).filter(|key| {
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

/// What a key that was looked up is worth to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is good, and it is the one that is signed with.
    Good,
    /// DNS did not say.
    Unknown,
    /// The private key was not read: whether what is published is its public half is not known.
    NotRead,
    /// A record of the domain's own in the place of the provider's CNAME: whose key it is is not known.
    Bare,
    /// An own key is published with another public half.
    Foreign,
    /// The private key cannot be had.
    NoPrivateKey,
    /// It leads out of the provider's zone.
    Elsewhere,
    /// It leads to another customer's key, or to another selector's.
    OtherTarget,
    /// No key, or one that cannot be used.
    Broken,
}

impl Standing {
    /// Neither good nor known to be bad.
    fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::NotRead | Self::Bare)
    }
}

/// What a key that was looked up is worth to a provider.
pub(crate) fn standing(provider: &Provider, key: &KeyLookup) -> Standing {
    let same = |own: &&dkim::OwnKey| own.selector == key.selector && name::same(&own.domain, &key.domain);
    let own = provider.own_keys.iter().find(same);
    if own.is_some_and(|own| own.fault.is_some()) {
        return Standing::NoPrivateKey;
    }
    match (key.verdict(), own) {
        (KeyVerdict::Unknown, _) => Standing::Unknown,
        (KeyVerdict::Usable, Some(own)) => match own.is_published(key) {
            Some(true) => Standing::Good,
            Some(false) => Standing::Foreign,
            None => Standing::NotRead,
        },
        (KeyVerdict::Usable, None) => of_provider(provider.kind, key),
        _ => Standing::Broken,
    }
}

/// Whose a usable key is, by where it stands.
fn of_provider(kind: Kind, key: &KeyLookup) -> Standing {
    let Some(zone) = kind.facts().key_zone else { return Standing::Good };
    match (key.leads_to(zone), provider::reaches_its_target(kind, key)) {
        (Some(false), _) => Standing::Elsewhere,
        (Some(true), Some(false)) => Standing::OtherTarget,
        (None, Some(_)) => Standing::Bare,
        (Some(true), _) | (None, None) => Standing::Good,
    }
}

/// Whether the key is good, and is this provider's.
pub(crate) fn is_good(provider: &Provider, key: &KeyLookup) -> bool {
    standing(provider, key) == Standing::Good
}

fn names(keys: &[&KeyLookup]) -> String {
    keys.iter().map(|key| key.selector.as_str()).collect::<Vec<_>>().join(", ")
}

/// Yes when one set is whole.
fn judge(provider: &Provider, domain: &str, sets: &[Vec<&KeyLookup>]) -> Leg {
    let label = provider.kind.label();
    let is = |key: &KeyLookup| standing(provider, key);
    for set in sets {
        if !set.is_empty() && set.iter().all(|key| is(key) == Standing::Good) {
            let shown = names(set);
            let reason = both!(
                "the keys of {label} under {domain} are good ({shown})",
                "les clés de {label} sous {domain} sont bonnes ({shown})"
            );
            return leg(domain, Proof::Yes, reason);
        }
    }
    let may_be = |key: &KeyLookup| is(key) == Standing::Good || is(key).is_open();
    let whole = sets.iter().find(|set| !set.is_empty() && set.iter().all(|key| may_be(key)));
    let of_whole = whole.into_iter().flatten().copied().filter(|key| is(key).is_open());
    let open: Vec<&KeyLookup> = of_whole.collect();
    if !open.is_empty() {
        return undecided(provider, domain, &open);
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
    let half: Vec<_> = sets.iter().flatten().copied().filter(|key| is(key).is_open()).collect();
    if !half.is_empty() {
        return undecided(provider, domain, &half);
    }
    let shown = sets.first().map(|set| names(set)).unwrap_or_default();
    let here = provider.own_keys.iter().filter(|own| name::same(&own.domain, domain));
    let mut faults = here.filter_map(|own| Some((&own.selector, own.fault.as_ref()?)));
    let reason = match faults.next() {
        Some((selector, Text { en, fr })) => Text {
            en: format!("the private key of {selector}._domainkey.{domain} cannot be had: {en}"),
            fr: format!("la clé privée de {selector}._domainkey.{domain} n'est pas disponible : {fr}"),
        },
        None => both!(
            "{domain} publishes no usable key for {label} ({shown})",
            "{domain} ne publie aucune clé utilisable pour {label} ({shown})"
        ),
    };
    leg(domain, Proof::No, reason)
}

/// Why keys that are not known to be bad are not known to be good.
fn undecided(provider: &Provider, domain: &str, open: &[&KeyLookup]) -> Leg {
    let label = provider.kind.label();
    let of = |wanted: Standing| -> Vec<&KeyLookup> {
        open.iter().copied().filter(|key| standing(provider, key) == wanted).collect()
    };
    let (unknown, unread, bare) = (of(Standing::Unknown), of(Standing::NotRead), of(Standing::Bare));
    let temporary = unknown.iter().any(|key| key.status.is_temporary());
    let reason = if !unknown.is_empty() {
        let shown = names(&unknown);
        both!(
            "DNS did not say what stands under {shown}._domainkey.{domain}",
            "le DNS n'a pas dit ce qui se trouve sous {shown}._domainkey.{domain}"
        )
    } else if !unread.is_empty() {
        let shown = names(&unread);
        both!(
            "the private key was not read: whether {shown}._domainkey.{domain} holds its public half is not known",
            "la clé privée n'a pas été lue : on ne sait pas si {shown}._domainkey.{domain} contient sa moitié publique"
        )
    } else {
        let shown = names(&bare);
        both!(
            "{shown}._domainkey.{domain} holds a key of its own in the place of {label}'s CNAME: whether {label} signs with it is not known",
            "{shown}._domainkey.{domain} contient une clé à la place du CNAME de {label} : on ne sait pas si {label} signe avec elle"
        )
    };
    Leg { temporary, ..leg(domain, Proof::CannotTell, reason) }
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

/// A key under `mail` may be anybody's: it is Brevo's when it leads there, or when the domain holds Brevo's
/// code.
async fn brevo(dns: &dyn Dns, domain: &str, provider: &Provider, sets: &[Vec<&KeyLookup>]) -> Leg {
    let zone = provider.kind.facts().key_zone.unwrap_or_default();
    let is_anybodys = |set: &&Vec<&KeyLookup>| {
        matches!(set.as_slice(), [key] if key.selector == "mail"
            && key.verdict() == KeyVerdict::Usable && key.leads_to(zone) != Some(true))
    };
    if !sets.iter().any(|set| is_anybodys(&set)) {
        return judge(provider, domain, sets);
    }
    let own: Vec<_> = sets.iter().filter(|set| !is_anybodys(set)).cloned().collect();
    let without = judge(provider, domain, &own);
    if without.aligned == Proof::Yes {
        return without;
    }
    let answer = dns.lookup(domain, RecordType::Txt).await;
    let has_code = answer.joined_texts().iter().any(|text| text.starts_with(b"brevo-code:"));
    match (has_code, answer.status, without.aligned) {
        (true, ..) => judge(provider, domain, sets),
        (false, status, Proof::No) => {
            let reason = both!(
                "there is a key under mail._domainkey.{domain}, but no brevo-code: whose it is cannot be known",
                "une clé se trouve sous mail._domainkey.{domain}, mais sans brevo-code : on ne sait pas à qui elle est"
            );
            Leg { temporary: status.is_temporary(), ..leg(domain, Proof::CannotTell, reason) }
        }
        (false, status, _) => Leg { temporary: without.temporary || status.is_temporary(), ..without },
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
