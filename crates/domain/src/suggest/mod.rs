//! The records to publish, so that every provider of the chain passes DMARC: as zone text, and as a
//! difference against what is published now.
//!
//! Nothing is guessed: a code or a selector that only the provider can show stands as a comment with
//! the place to find it. A policy is never tightened here: the next steps stand as comments.

mod combine;
mod spf;
mod zone_text;

use serde::Serialize;

pub(crate) use combine::Combined;
pub(crate) use spf::owner;
pub use spf::{MergedSpf, spf_record};
pub use zone_text::txt_line;

use crate::align::{Kind, Provider, key_targets};
use crate::dkim::{KeyVerdict, fetch};
use crate::dmarc::{self, IssueKind};
use crate::dns::session::{MAX_QUERIES, Session};
use crate::dns::{Dns, RecordType};
use crate::name;
use crate::text::{Text, both};

/// How long a suggested record lives, in seconds: short enough to move in a crisis.
pub const TTL: u32 = 3600;

/// One record to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuggestedRecord {
    /// Its name, without a final dot.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// A CNAME's target without a final dot, or the whole text of a TXT record.
    pub value: String,
    /// What for.
    pub why: Text,
    /// What to do with it.
    pub change: Change,
    /// What stands there now and has to go.
    pub replaces: Vec<String>,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is published as it should be.
    Keep,
    /// It is not there.
    Add,
    /// Something else is there.
    Replace,
    /// DNS did not say what is there.
    Unknown,
}

/// What to publish for one domain.
#[derive(Clone, Debug, Serialize)]
pub struct Suggestion {
    /// The domain.
    pub domain: String,
    /// The records.
    pub records: Vec<SuggestedRecord>,
    /// What cannot be written as a record: codes to ask for, steps to take later.
    pub notes: Vec<Text>,
    /// DNS did not answer somewhere, so that the difference may be incomplete.
    pub is_inconclusive: bool,
}

/// Works out what to publish, within the bounds of a check. `selectors` are those the user named, as in a check.
pub async fn suggest(
    dns: &dyn Dns,
    domain: &str,
    providers: &[Provider],
    selectors: &[String],
) -> Suggestion {
    let mut suggestion = Suggestion {
        domain: name::normal(domain),
        records: Vec::new(),
        notes: Vec::new(),
        is_inconclusive: false,
    };
    let session = Session::new(dns);
    suggestion.add_spf(&session, providers).await;
    for provider in providers {
        suggestion.add_keys(&session, provider, selectors).await;
    }
    suggestion.add_dmarc(&session).await;
    suggestion.is_inconclusive |= session.asked() >= MAX_QUERIES;
    suggestion
}

impl Suggestion {
    async fn add_spf(&mut self, dns: &dyn Dns, providers: &[Provider]) {
        let merged = spf::merge(dns, &self.domain, providers).await;
        self.is_inconclusive |= merged.is_inconclusive;
        let why = what_for(&merged);
        self.notes.extend(merged.notes);
        let change = match &merged.now {
            Some(now) => change(now, &merged.record),
            None => Change::Unknown,
        };
        let now = merged.now.unwrap_or_default();
        let replaces = now.into_iter().filter(|text| *text != merged.record).collect();
        self.records.push(SuggestedRecord {
            name: self.domain.clone(),
            kind: RecordType::Txt,
            value: merged.record,
            why,
            change,
            replaces,
        });
    }

    async fn add_keys(&mut self, dns: &dyn Dns, provider: &Provider, selectors: &[String]) {
        self.add_own_keys(dns, provider).await;
        let domain = provider.dkim_domain.clone().unwrap_or_else(|| self.domain.clone());
        let label = provider.kind.label();
        for (selector, target) in key_targets(provider.kind, &domain) {
            let key = fetch(dns, selector, &domain).await;
            let unknown = key.verdict() == KeyVerdict::Unknown && key.aliases.is_empty();
            self.is_inconclusive |= key.status.is_temporary();
            let now: Vec<_> = match key.target() {
                Some(target) => vec![name::normal(target)],
                None => key.records.iter().map(|record| record.text.clone()).collect(),
            };
            let change = if unknown { Change::Unknown } else { change(&now, &target) };
            self.records.push(SuggestedRecord {
                name: key.name(),
                kind: RecordType::Cname,
                replaces: now.into_iter().filter(|text| *text != target).collect(),
                value: target,
                why: both!("DKIM of {label}", "DKIM de {label}"),
                change,
            });
        }
        match provider.kind {
            Kind::Brevo => self.ask_for_brevo_code(dns).await,
            Kind::Ovh => self.keep_ovh_keys(dns, provider, &domain, selectors).await,
            _ => {}
        }
    }

    /// The public halves of keys that depeche signs with.
    async fn add_own_keys(&mut self, dns: &dyn Dns, provider: &Provider) {
        for own in &provider.own_keys {
            let key = fetch(dns, &own.selector, &own.domain).await;
            let name = key.name();
            if self.records.iter().any(|record| record.name == name) {
                continue;
            }
            let Some(value) = own.record.clone() else {
                self.notes.push(both!(
                    "{name}: the private key could not be read, so its record is not known; `depeche domain key` makes a new one",
                    "{name} : la clé privée n'a pas pu être lue, son enregistrement n'est donc pas connu ; `depeche domain key` en fait une nouvelle"
                ));
                continue;
            };
            self.is_inconclusive |= key.status.is_temporary();
            let now: Vec<_> = match key.target() {
                Some(target) => vec![name::normal(target)],
                None => key.records.iter().map(|record| record.text.clone()).collect(),
            };
            let change = match own.is_published(&key) {
                _ if key.verdict() == KeyVerdict::Unknown => Change::Unknown,
                // The same key in other words stays as it is.
                Some(true) if key.aliases.is_empty() => Change::Keep,
                _ => change(&now, &value),
            };
            let value = if change == Change::Keep { now.first().cloned().unwrap_or(value) } else { value };
            let signer = &provider.name;
            self.records.push(SuggestedRecord {
                name,
                kind: RecordType::Txt,
                replaces: now.into_iter().filter(|text| *text != value).collect(),
                value,
                why: both!("DKIM of depeche, for {signer}", "DKIM de depeche, pour {signer}"),
                change,
            });
        }
    }

    async fn ask_for_brevo_code(&mut self, dns: &dyn Dns) {
        let domain = &self.domain;
        let texts = dns.lookup(domain, RecordType::Txt).await.joined_texts();
        if texts.iter().any(|text| text.starts_with(b"brevo-code:")) {
            return;
        }
        self.notes.push(both!(
            "{domain}. {TTL} IN TXT \"brevo-code:…\"   copy the code from Brevo: Senders, domains and dedicated IPs, {domain}, Authenticate",
            "{domain}. {TTL} IN TXT \"brevo-code:…\"   copiez le code dans Brevo : Expéditeurs, domaines et IP dédiées, {domain}, Authentifier"
        ));
    }

    /// OVH's selectors hold an account number: those that are there are kept, others cannot be foreseen.
    async fn keep_ovh_keys(
        &mut self,
        dns: &dyn Dns,
        provider: &Provider,
        domain: &str,
        selectors: &[String],
    ) {
        let facts = provider.kind.facts();
        let guessed = facts.selector_sets.iter().flat_map(|set| set.iter().map(|s| (*s).to_owned()));
        let mut found = false;
        for selector in provider.selectors.iter().chain(selectors).cloned().chain(guessed) {
            let key = fetch(dns, &selector, domain).await;
            let zone = facts.key_zone.unwrap_or_default();
            let Some(target) = key.target().filter(|target| name::is_within(target, zone)) else { continue };
            if self.records.iter().any(|record| record.name == key.name()) {
                continue;
            }
            found = true;
            self.records.push(SuggestedRecord {
                name: key.name(),
                kind: RecordType::Cname,
                value: name::normal(target),
                why: both!("DKIM of OVH", "DKIM d'OVH"),
                change: Change::Keep,
                replaces: Vec::new(),
            });
        }
        if !found {
            self.notes.push(both!(
                "OVH: switch DKIM on in the control panel (E-mails, {domain}, DKIM); it shows two CNAME records (ovhmo…-selector1, ovhmo…-selector2) to publish",
                "OVH : activez DKIM dans l'espace client (E-mails, {domain}, DKIM) ; il affiche deux CNAME (ovhmo…-selector1, ovhmo…-selector2) à publier"
            ));
        }
    }

    async fn add_dmarc(&mut self, dns: &dyn Dns) {
        let found = dmarc::discover(dns, &self.domain).await;
        let name = format!("_dmarc.{}", self.domain);
        let answer = dns.lookup(&name, RecordType::Txt).await;
        self.is_inconclusive |= answer.status.is_temporary() || found.is_temporary;
        let texts = answer.joined_texts();
        let now: Vec<_> =
            texts.iter().filter(|text| dmarc::is_dmarc(text)).map(|t| dmarc::parse(t)).collect();
        if now.is_empty() && found.origin == Some(dmarc::Origin::Organizational) {
            return self.notes.push(inherited(&found));
        }
        let value = match now.as_slice() {
            [one] => mended(one, &self.domain),
            // None of several applies, so that no policy is weaker than theirs; their readers stay.
            all => fresh(all, &self.domain),
        };
        let shown: Vec<_> = now.into_iter().map(|record| record.text).collect();
        let change = if answer.status.is_unknown() { Change::Unknown } else { change(&shown, &value) };
        self.notes.extend(next_steps(&name, &value));
        self.records.push(SuggestedRecord {
            name,
            kind: RecordType::Txt,
            replaces: shown.into_iter().filter(|text| *text != value).collect(),
            value,
            why: both!("DMARC: policy and reports", "DMARC : politique et rapports"),
            change,
        });
    }
}

/// What the SPF record is, and what is open about it.
fn what_for(merged: &MergedSpf) -> Text {
    let lookups = merged.lookups;
    let (least, moins) = if merged.is_lower_bound { ("at least ", "au moins ") } else { ("", "") };
    let (open, ouvert) = if merged.is_complete {
        ("", "")
    } else {
        ("to be completed (see below): ", "à compléter (voir plus bas) : ")
    };
    both!(
        "SPF: {open}one record, {least}{lookups} of 10 look-ups, ends in ~all or -all",
        "SPF : {ouvert}un seul enregistrement, {moins}{lookups} recherches sur 10, terminé par ~all ou -all"
    )
}

/// A domain below one that has a record needs none of its own: one would take the policy's place.
fn inherited(found: &dmarc::Discovery) -> Text {
    let domain = found.policy_domain.as_deref().unwrap_or_default();
    let policy = found.policy().unwrap_or(dmarc::Policy::None).word();
    both!(
        "DMARC: the record of {domain} applies here too (p={policy}); one of its own would replace it",
        "DMARC : l'enregistrement de {domain} s'applique ici aussi (p={policy}) ; un enregistrement propre le remplacerait"
    )
}

/// The first record of a domain, read by everybody who was to read one of `others`.
fn fresh(others: &[dmarc::Record], domain: &str) -> String {
    let mut readers: Vec<_> = Vec::new();
    for reader in others.iter().flat_map(|record| &record.rua).map(|uri| uri.text.as_str()) {
        if !readers.contains(&reader) {
            readers.push(reader);
        }
    }
    match readers.is_empty() {
        true => format!("v=DMARC1; p=none; rua=mailto:dmarc@{domain}"),
        false => format!("v=DMARC1; p=none; rua={}", readers.join(",")),
    }
}

fn change(now: &[String], value: &str) -> Change {
    match now {
        [] => Change::Add,
        [one] if one == value => Change::Keep,
        _ => Change::Replace,
    }
}

/// The record without removed tags, with a policy and a reporting address.
fn mended(record: &dmarc::Record, domain: &str) -> String {
    let bad = [IssueKind::Removed, IssueKind::Policy];
    let is_bad = |tag: &dmarc::Tag| {
        record.issues.iter().any(|issue| bad.contains(&issue.kind) && issue.span == tag.span)
    };
    let good = record.tags.iter().filter(|tag| !is_bad(tag));
    let mut tags: Vec<_> = good.map(|tag| tag.span.of(&record.text).to_owned()).collect();
    if record.tags.iter().any(is_bad) || record.p.is_none() || record.rua.is_empty() {
        if record.p.is_none() {
            tags.insert(tags.len().min(1), "p=none".to_owned());
        }
        if record.rua.is_empty() {
            tags.retain(|tag| !tag.starts_with("rua"));
            tags.push(format!("rua=mailto:dmarc@{domain}"));
        }
        return tags.join("; ");
    }
    record.text.clone()
}

/// The steps from the present policy to reject, each with the text to publish then.
fn next_steps(name: &str, value: &str) -> Vec<Text> {
    let record = dmarc::parse(value.as_bytes());
    let policy = record.domain_policy().unwrap_or(dmarc::Policy::None);
    let later = [dmarc::Policy::Quarantine, dmarc::Policy::Reject].into_iter().filter(|next| *next > policy);
    let text = |next: dmarc::Policy| {
        let tags = record.tags.iter().map(|tag| match tag.name.as_str() {
            "p" => format!("p={}", next.word()),
            _ => tag.span.of(value).to_owned(),
        });
        tags.collect::<Vec<_>>().join("; ")
    };
    let step = |next: dmarc::Policy| {
        let text = text(next);
        both!(
            "later, when four weeks of reports show that every provider passes: {name}. {TTL} IN TXT \"{text}\"",
            "plus tard, quand quatre semaines de rapports montrent que tous les fournisseurs passent : {name}. {TTL} IN TXT \"{text}\""
        )
    };
    later.map(step).collect()
}
