//! A zone that is not published yet: answers come from a master file, and from nothing else.
//!
//! The file speaks for everything below its origin (and below every SOA owner in it), and for any other
//! name it holds records of. What lies elsewhere, or below a delegation, is [`Status::NotAsked`]: the
//! file cannot say that it does not exist. CNAME records are followed within the file, wildcards apply
//! (RFC 4592), and names between two others exist without records (RFC 8020).
//!
//! A fragment ([`Zone::into_fragment`]), lines to paste into a zone, speaks for the record sets that it
//! holds and for nothing beside them: every other type at the same name is [`Status::NotAsked`], too.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{Alias, Answer, Data, Dns, MAX_ALIASES, Record, RecordType, Status};
use crate::name;

mod fault;
mod parse;
mod scan;

pub use fault::{ZoneError, ZoneProblem};

/// A master file (RFC 1035, section 5), read.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: Vec<ZoneRecord>,
    by_name: BTreeMap<String, Vec<usize>>,
    existing: BTreeSet<String>,
    apexes: Vec<String>,
    is_fragment: bool,
}

/// One record of a zone file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneRecord {
    /// The owner: lower case, without a final dot.
    pub name: String,
    /// Its type; `None` for a type that plays no part here.
    pub kind: Option<RecordType>,
    /// What it holds, and its TTL.
    pub record: Record,
    /// The line it begins on, from 1.
    pub line: usize,
}

impl Zone {
    /// Reads a master file. Relative names are below `origin` until the file says otherwise.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] with every place that cannot be read, and what to write there.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ZoneError> {
        let records = parse::records(text, origin)?;
        Ok(Self::of(records, origin))
    }

    /// A zone of records already at hand.
    #[must_use]
    pub fn of(records: Vec<ZoneRecord>, origin: &str) -> Self {
        let mut zone = Self { apexes: vec![name::normal(origin)], ..Self::default() };
        for record in &records {
            if record.kind == Some(RecordType::Soa) && !zone.apexes.contains(&record.name) {
                zone.apexes.push(record.name.clone());
            }
        }
        for (index, record) in records.iter().enumerate() {
            zone.by_name.entry(record.name.clone()).or_default().push(index);
            zone.add_existing(&record.name);
        }
        zone.records = records;
        zone
    }

    /// Whether a SOA in the file begins the zone that `domain` lies in: what is not there does not exist.
    #[must_use]
    pub fn is_whole_for(&self, domain: &str) -> bool {
        let domain = name::normal(domain);
        let mut starts = self.records.iter().filter(|record| record.kind == Some(RecordType::Soa));
        starts.any(|start| name::is_within(&domain, &start.name))
    }

    /// Whether the file holds something that only a zone has at `domain`: a SOA, name servers, mail exchangers
    /// or addresses. Lines to paste hold TXT and CNAME records.
    #[must_use]
    pub fn looks_whole_for(&self, domain: &str) -> bool {
        use RecordType::{A, Aaaa, Mx, Ns};
        let has = |kind| self.line_of(domain, kind).is_some();
        self.is_whole_for(domain) || [Ns, Mx, A, Aaaa].into_iter().any(has)
    }

    /// The same records, as lines to paste: outside of the zones whose SOA the file holds it speaks for its
    /// own record sets alone.
    #[must_use]
    pub fn into_fragment(mut self) -> Self {
        let is_start = |apex: &String| self.line_of(apex, RecordType::Soa).is_some();
        let apexes = self.apexes.iter().filter(|apex| is_start(apex)).cloned().collect();
        self.apexes = apexes;
        self.is_fragment = true;
        self
    }

    /// Whether the set of that type at that name is all that the file says about the name.
    pub(super) fn is_set_alone(&self, owner: &str) -> bool {
        self.is_fragment && !self.is_below_an_apex(&name::normal(owner))
    }

    /// Whether the file answers for that name and type itself.
    pub(super) fn answers(&self, owner: &str, kind: RecordType) -> bool {
        !matches!(self.step(&name::normal(owner), kind), Step::End(Status::NotAsked, _))
    }

    fn is_below_an_apex(&self, owner: &str) -> bool {
        self.apexes.iter().any(|apex| name::is_within(owner, apex))
    }

    /// The records, in the order of the file.
    #[must_use]
    pub fn records(&self) -> &[ZoneRecord] {
        &self.records
    }

    /// The line on which the first record of that name and type begins.
    #[must_use]
    pub fn line_of(&self, name: &str, kind: RecordType) -> Option<usize> {
        self.at(&name::normal(name)).find(|record| record.kind == Some(kind)).map(|record| record.line)
    }

    /// A name exists, and so do the names between it and its apex.
    fn add_existing(&mut self, owner: &str) {
        let apex = self.apexes.iter().filter(|apex| name::is_within(owner, apex)).max_by_key(|a| a.len());
        let apex = apex.cloned();
        let mut at = Some(owner);
        while let Some(here) = at {
            self.existing.insert(here.to_owned());
            at = apex.as_deref().filter(|apex| *apex != here).and_then(|_| name::parent(here));
        }
    }

    fn at(&self, owner: &str) -> impl Iterator<Item = &ZoneRecord> {
        self.by_name.get(owner).into_iter().flatten().map(|index| &self.records[*index])
    }

    /// Whether the file can say anything about a name.
    fn speaks_of(&self, owner: &str) -> bool {
        if self.existing.contains(owner) && !self.is_delegated(owner) {
            return true;
        }
        self.is_below_an_apex(owner) && !self.is_delegated(owner)
    }

    /// Whether a name lies at or below an NS record that is not an apex'.
    fn is_delegated(&self, owner: &str) -> bool {
        let mut at = Some(owner);
        while let Some(here) = at {
            if self.apexes.iter().any(|apex| apex == here) {
                return false;
            }
            if self.at(here).any(|record| record.kind == Some(RecordType::Ns)) {
                return true;
            }
            at = name::parent(here);
        }
        false
    }

    /// The owner that answers for a name: itself, or the wildcard that covers it (RFC 4592, section 2.2).
    fn source_of(&self, owner: &str) -> Option<String> {
        if self.existing.contains(owner) {
            return Some(owner.to_owned());
        }
        let mut above = name::parent(owner);
        while let Some(encloser) = above {
            if self.existing.contains(encloser) {
                let wildcard = format!("*.{encloser}");
                return self.by_name.contains_key(&wildcard).then_some(wildcard);
            }
            above = name::parent(encloser);
        }
        None
    }

    fn answer(&self, start: &str, kind: RecordType) -> Answer {
        let mut owner = name::normal(start);
        let mut aliases: Vec<Alias> = Vec::new();
        loop {
            let (status, records) = match self.step(&owner, kind) {
                Step::End(status, records) => (status, records),
                Step::Alias(alias) => {
                    let target = name::normal(&alias.target);
                    let circle = target == owner
                        || target == name::normal(start)
                        || aliases.iter().any(|seen| name::same(&seen.target, &target));
                    aliases.push(alias);
                    if !circle && aliases.len() <= MAX_ALIASES {
                        owner = target;
                        continue;
                    }
                    (Status::AliasLoop, Vec::new())
                }
            };
            return Answer { status, records, aliases, authenticated: false };
        }
    }

    /// One set of a fragment, or its alias.
    fn set(&self, owner: &str, kind: RecordType) -> Step {
        let records: Vec<_> = self.of_kind(owner, kind).cloned().collect();
        match self.of_kind(owner, RecordType::Cname).next() {
            _ if !records.is_empty() => Step::End(Status::Found, records),
            Some(Record { data: Data::Cname(target), ttl }) => {
                Step::Alias(Alias { target: target.clone(), ttl: *ttl })
            }
            _ => Step::End(Status::NotAsked, Vec::new()),
        }
    }

    fn of_kind(&self, owner: &str, kind: RecordType) -> impl Iterator<Item = &Record> {
        self.at(owner).filter(move |record| record.kind == Some(kind)).map(|record| &record.record)
    }

    fn step(&self, owner: &str, kind: RecordType) -> Step {
        if self.is_set_alone(owner) {
            return self.set(owner, kind);
        }
        if !self.speaks_of(owner) {
            return Step::End(Status::NotAsked, Vec::new());
        }
        let Some(source) = self.source_of(owner) else {
            return Step::End(Status::NxDomain, Vec::new());
        };
        match self.set(&source, kind) {
            Step::End(Status::NotAsked, _) => Step::End(Status::NoData, Vec::new()),
            known => known,
        }
    }
}

enum Step {
    End(Status, Vec<Record>),
    Alias(Alias),
}

#[async_trait]
impl Dns for Zone {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        if !name::is_well_formed(name) {
            return Answer::without_records(Status::NxDomain);
        }
        self.answer(name, kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
$TTL 1h
@       IN SOA ns1 hostmaster 1 7200 3600 1209600 300
        IN NS  ns1
        IN TXT ( "v=spf1 include:mx.ovh.com"   ; two strings
                 " -all" )
_dmarc  300 IN TXT "v=DMARC1; p=none"
a.b     A   192.0.2.1
*.w     TXT wild
k2._domainkey CNAME dkim2.mcsv.net.
loop    CNAME loop
child   NS  ns.elsewhere.example.
"#;

    async fn ask(name: &str, kind: RecordType) -> Answer {
        Zone::parse(FILE, "exemple.fr").unwrap().lookup(name, kind).await
    }

    #[tokio::test]
    async fn strings_of_a_text_record_stay_apart_and_join_without_a_space() {
        let answer = ask("exemple.fr", RecordType::Txt).await;

        let joined = answer.joined_texts();
        assert_eq!(joined, [b"v=spf1 include:mx.ovh.com -all".to_vec()]);
        assert_eq!(answer.records[0].ttl, 3600);
    }

    #[tokio::test]
    async fn missing_names_empty_names_and_foreign_names_are_three_things() {
        assert_eq!(ask("no.exemple.fr", RecordType::A).await.status, Status::NxDomain);
        assert_eq!(ask("b.exemple.fr", RecordType::A).await.status, Status::NoData);
        assert_eq!(ask("example.org", RecordType::A).await.status, Status::NotAsked);
        assert_eq!(ask("x.child.exemple.fr", RecordType::A).await.status, Status::NotAsked);
    }

    #[tokio::test]
    async fn wildcards_cover_and_circles_end() {
        assert_eq!(ask("x.w.exemple.fr", RecordType::Txt).await.status, Status::Found);
        assert_eq!(ask("loop.exemple.fr", RecordType::Txt).await.status, Status::AliasLoop);
        let alias = ask("k2._domainkey.exemple.fr", RecordType::Txt).await;
        assert_eq!((alias.status, alias.final_alias()), (Status::NotAsked, Some("dkim2.mcsv.net")));
    }
}
