//! What a record costs and holds, whoever sends: every branch is walked, none is evaluated.

use std::collections::BTreeMap;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::macros::DomainSpec;
use super::record::{Directive, Mechanism, Modifier, Record, Term, TermKind};
use super::{MAX_LOOKUPS, is_spf, parse};
use crate::dns::{Dns, RecordType, Status};
use crate::name;
use crate::text::{Text, both};

/// A domain's SPF record and everything it leads to.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// How the look-up of the domain's TXT records ended.
    pub status: Option<Status>,
    /// Every SPF record at the domain; more than one is an error.
    pub records: Vec<Record>,
    /// The TTL of the TXT records, in seconds.
    pub ttl: Option<u32>,
    /// The octets of all TXT records at the name together.
    pub size_octets: usize,
    /// What the terms of the one record cost, in its order.
    pub terms: Vec<AuditTerm>,
}

/// A term that asks DNS, and what stands behind it.
#[derive(Clone, Debug)]
pub struct AuditTerm {
    /// The term.
    pub term: Term,
    /// The name it asks for, when it holds no macro.
    pub target: Option<String>,
    /// How many of the ten look-ups it takes, with everything below it. `None`: not known.
    pub lookups: Option<u32>,
    /// How its own look-up ended; `None` when it was not made (a macro).
    pub status: Option<Status>,
    /// The record behind an `include` or a `redirect`.
    pub record: Option<Record>,
    /// The terms of that record that ask DNS.
    pub below: Vec<AuditTerm>,
    /// What is wrong behind it: no record, several, or one that cannot be read.
    pub problem: Option<Text>,
}

impl Audit {
    /// The one record, when there is exactly one.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match self.records.as_slice() {
            [record] => Some(record),
            _ => None,
        }
    }

    /// The look-ups of the whole record; `None` when a branch could not be looked at.
    #[must_use]
    pub fn lookups(&self) -> Option<u32> {
        self.terms.iter().map(|term| term.lookups).sum()
    }

    /// The look-ups that are known, a lower bound.
    #[must_use]
    pub fn known_lookups(&self) -> u32 {
        fn known(term: &AuditTerm) -> u32 {
            1 + term.below.iter().map(known).sum::<u32>()
        }
        self.terms.iter().map(known).sum()
    }

    /// All terms that ask DNS, at any depth, with the depth: 0 for the domain's own.
    #[must_use]
    pub fn flat(&self) -> Vec<(usize, &AuditTerm)> {
        fn push<'a>(terms: &'a [AuditTerm], depth: usize, into: &mut Vec<(usize, &'a AuditTerm)>) {
            for term in terms {
                into.push((depth, term));
                push(&term.below, depth + 1, into);
            }
        }
        let mut all = Vec::new();
        push(&self.terms, 0, &mut all);
        all
    }

    /// How many terms find nothing, wherever they stand.
    #[must_use]
    pub fn voids(&self) -> Vec<&AuditTerm> {
        let all = self.flat().into_iter().map(|(_, term)| term);
        all.filter(|term| term.status.is_some_and(Status::is_void)).collect()
    }

    /// Whether a name that matters could not be asked for, for now or at all.
    #[must_use]
    pub fn unknowns(&self) -> Vec<&AuditTerm> {
        let all = self.flat().into_iter().map(|(_, term)| term);
        all.filter(|term| term.status.is_some_and(Status::is_unknown)).collect()
    }
}

/// The most terms of one audit that are followed: ten would do, and records that include each other
/// in every order would otherwise never end.
const MAX_FOLLOWED: usize = 128;
/// The most terms of one record that are followed.
const MAX_PER_RECORD: usize = 64;
/// The longest record behind an include that is read, in terms.
const MAX_TERMS: usize = 512;

/// Looks at a domain's record and everything behind it, side by side, to a depth of ten.
///
/// At most 128 terms are followed; the rest is [`Status::NotAsked`].
pub async fn audit(dns: &dyn Dns, domain: &str) -> Audit {
    let answer = dns.lookup(domain, RecordType::Txt).await;
    let texts = answer.joined_texts();
    let records: Vec<_> = texts.iter().filter(|text| is_spf(text)).map(|text| parse(text)).collect();
    let mut audit = Audit {
        status: Some(answer.status),
        ttl: answer.largest_ttl(),
        size_octets: texts.iter().map(Vec::len).sum(),
        records,
        terms: Vec::new(),
    };
    if let Some(record) = audit.record() {
        let path = vec![name::normal(domain)];
        let walk = Walk { dns, left: AtomicUsize::new(MAX_FOLLOWED) };
        audit.terms = terms(&walk, domain, record, &path).await;
    }
    audit
}

/// What an audit asks, and how many more terms it follows.
struct Walk<'a> {
    dns: &'a dyn Dns,
    left: AtomicUsize,
}

impl Walk<'_> {
    /// Takes one of the terms that are left.
    fn take(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}

fn terms<'a>(
    walk: &'a Walk<'a>,
    domain: &'a str,
    record: &'a Record,
    path: &'a [String],
) -> std::pin::Pin<Box<dyn Future<Output = Vec<AuditTerm>> + Send + 'a>> {
    Box::pin(async move {
        let redirect = record.redirect().map(|(term, _)| term.span);
        let asking = record.terms.iter().filter(|term| match &term.kind {
            TermKind::Directive(directive) => directive.mechanism.asks_dns(),
            TermKind::Modifier(Modifier::Redirect(_)) => Some(term.span) == redirect,
            TermKind::Modifier(_) => false,
        });
        let above = path.to_vec();
        let asking = asking.take(MAX_PER_RECORD);
        join_all(asking.map(|term| one(walk, domain, term, above.clone()))).await
    })
}

async fn one(walk: &Walk<'_>, domain: &str, term: &Term, path: Vec<String>) -> AuditTerm {
    let blank = AuditTerm {
        term: term.clone(),
        target: None,
        lookups: Some(1),
        status: None,
        record: None,
        below: Vec::new(),
        problem: None,
    };
    if !walk.take() {
        return AuditTerm { status: Some(Status::NotAsked), ..blank };
    }
    let dns = walk.dns;
    match &term.kind {
        TermKind::Directive(Directive { mechanism, .. }) => match mechanism {
            Mechanism::Include(target) => follow(walk, blank, target, path).await,
            Mechanism::A(target, _) => probe(dns, blank, target.as_ref(), domain, ADDRESSES).await,
            Mechanism::Mx(target, _) => probe(dns, blank, target.as_ref(), domain, &[RecordType::Mx]).await,
            Mechanism::Exists(target) => probe(dns, blank, Some(target), domain, &[RecordType::A]).await,
            // The client's own address would be asked for: nothing to look at beforehand.
            _ => blank,
        },
        TermKind::Modifier(Modifier::Redirect(target)) => follow(walk, blank, target, path).await,
        TermKind::Modifier(_) => blank,
    }
}

/// Asks what a mechanism asks; for addresses of both families it is void when neither is there.
async fn probe(
    dns: &dyn Dns,
    mut found: AuditTerm,
    target: Option<&DomainSpec>,
    domain: &str,
    kinds: &[RecordType],
) -> AuditTerm {
    let literal = match target {
        Some(spec) => spec.literal().map(name::normal),
        None => Some(name::normal(domain)),
    };
    let Some(target) = literal else { return found };
    let answers = join_all(kinds.iter().map(|kind| dns.lookup(&target, *kind))).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    let decisive = |wanted: fn(Status) -> bool| statuses.iter().copied().find(|status| wanted(*status));
    found.status = decisive(|s| s == Status::Found)
        .or_else(|| decisive(Status::is_unknown))
        .or_else(|| statuses.first().copied());
    found.target = Some(target);
    found
}

async fn follow(
    walk: &Walk<'_>,
    mut found: AuditTerm,
    target: &DomainSpec,
    mut path: Vec<String>,
) -> AuditTerm {
    let Some(target) = target.literal().map(name::normal) else { return found };
    found.target = Some(target.clone());
    if path.contains(&target) {
        found.problem = Some(both!("{target} leads back to itself", "{target} revient à lui-même"));
        return found;
    }
    if path.len() > MAX_LOOKUPS as usize {
        found.problem = Some(both!(
            "it lies more than ten includes deep",
            "il est à plus de dix « include » de profondeur"
        ));
        return found;
    }
    let answer = walk.dns.lookup(&target, RecordType::Txt).await;
    found.status = Some(answer.status);
    if answer.status.is_unknown() {
        found.lookups = None;
        return found;
    }
    let records: Vec<_> =
        answer.joined_texts().iter().filter(|text| is_spf(text)).map(|text| parse(text)).collect();
    match records.as_slice() {
        [] => {
            found.problem =
                Some(both!("{target} has no SPF record", "{target} n'a pas d'enregistrement SPF"));
        }
        [record] if record.terms.len() + record.errors.len() > MAX_TERMS => {
            found.problem = Some(both!(
                "the record of {target} has more than {MAX_TERMS} terms",
                "l'enregistrement de {target} a plus de {MAX_TERMS} termes"
            ));
        }
        [record] => {
            if let Some(error) = record.errors.first() {
                let term = error.span.of(&record.text);
                let Text { en, fr } = &error.message;
                found.problem = Some(Text {
                    en: format!("the record of {target} cannot be read: {en} (`{term}`)"),
                    fr: format!("l'enregistrement de {target} est illisible : {fr} (« {term} »)"),
                });
            }
            path.push(target.clone());
            found.below = terms(walk, &target, record, &path).await;
            let below: Option<u32> = found.below.iter().map(|term| term.lookups).sum();
            found.lookups = below.map(|below| below + 1);
            found.record = Some(record.clone());
        }
        several => {
            let count = several.len();
            found.problem =
                Some(both!("{target} has {count} SPF records", "{target} a {count} enregistrements SPF"));
        }
    }
    found
}

/// The domains that stand twice among all includes, with how often.
#[must_use]
pub fn included_twice(audit: &Audit) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, term) in audit.flat() {
        if let (Some(target), true) = (&term.target, term.record.is_some()) {
            *counts.entry(target.clone()).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count > 1).collect()
}

const ADDRESSES: &[RecordType] = &[RecordType::A, RecordType::Aaaa];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::zone::Zone;

    #[tokio::test]
    async fn the_cost_of_every_branch_is_known_before_anyone_sends() {
        let zone = "@ TXT \"v=spf1 include:p.example.org mx a:no.example.org ip4:192.0.2.1 ~all\"\n\
                    @ MX 1 mx\nmx A 192.0.2.2\np TXT \"v=spf1 include:q.example.org ptr ?all\"\n\
                    q TXT \"v=spf1 ip4:192.0.2.3 -all\"\n";
        let zone = Zone::parse(zone, "example.org").unwrap();

        let audit = audit(&zone, "example.org").await;

        assert_eq!(audit.lookups(), Some(5));
        let voids: Vec<_> = audit.voids().iter().map(|term| term.term.text.clone()).collect();
        assert_eq!(voids, ["a:no.example.org"]);
    }

    #[tokio::test]
    async fn a_circle_of_includes_ends_and_is_named() {
        let zone = "@ TXT \"v=spf1 include:p.example.org -all\"\np TXT \"v=spf1 include:example.org -all\"\n";
        let zone = Zone::parse(zone, "example.org").unwrap();

        let audit = audit(&zone, "example.org").await;

        assert!(audit.terms[0].below[0].problem.as_ref().unwrap().en.contains("itself"));
    }
}
