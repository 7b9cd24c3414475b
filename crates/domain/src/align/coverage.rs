//! Whether an SPF record passes for all that a provider's own record passes for, term by term.
//!
//! Addresses that are put through an evaluation can prove that SPF fails, never that it passes for the
//! others. Here everything that the provider publishes is carried through the record as `check_host()`
//! (RFC 7208, section 4) carries one address: networks, which are split where a term names a part of them,
//! and terms that ask at the moment of sending only (`a`, `mx`, `ptr`, `exists`, macros), which the same
//! term matches. What any other such term does is "may match", never "matches".
//!
//! The ten look-ups and the two void ones are counted, but for what hangs on the client's own address.

use std::fmt;
use std::net::IpAddr;

use crate::dns::Status;
use crate::name;
use crate::spf::{
    Audit, AuditTerm, Directive, DomainSpec, MAX_LOOKUPS, MAX_VOID_LOOKUPS, Mechanism, Qualifier, Record,
    Term, TermKind,
};

/// Into so many pieces networks are split; a term that would make more "may match".
const MAX_PIECES: usize = 2048;

/// Addresses of one family in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    is_v6: bool,
    first: u128,
    last: u128,
}

impl Range {
    fn of(network: IpAddr, prefix: u8) -> Self {
        let (is_v6, bits, width) = match network {
            IpAddr::V4(v4) => (false, u128::from(v4.to_bits()), 32),
            IpAddr::V6(v6) => (true, v6.to_bits(), 128),
        };
        let free = width - u32::from(prefix).min(width);
        let host = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        Self { is_v6, first: bits & !host, last: bits | host }
    }

    /// Its first address, one in the middle, its last.
    pub(super) fn samples(self) -> [IpAddr; 3] {
        let middle = self.first + (self.last - self.first) / 2;
        [self.first, middle, self.last].map(|bits| {
            if self.is_v6 {
                IpAddr::V6(bits.into())
            } else {
                IpAddr::V4(u32::try_from(bits).unwrap_or(u32::MAX).into())
            }
        })
    }

    /// The part within another range, and what is left on both sides.
    fn split(self, by: Self) -> (Option<Self>, Vec<Self>) {
        let (first, last) = (self.first.max(by.first), self.last.min(by.last));
        if self.is_v6 != by.is_v6 || first > last {
            return (None, vec![self]);
        }
        let before = (self.first < first).then(|| Self { last: first - 1, ..self });
        let after = (last < self.last).then(|| Self { first: last + 1, ..self });
        (Some(Self { first, last, ..self }), before.into_iter().chain(after).collect())
    }
}

/// A part of what a provider publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Addresses.
    Addresses(Range),
    /// Whom a term matches is known at the moment of sending only.
    Term {
        /// What makes it the same term elsewhere.
        key: String,
        /// As published.
        shown: String,
    },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(range) if range.first == range.last => write!(f, "{}", range.samples()[0]),
            Self::Addresses(range) => {
                let [first, _, last] = range.samples();
                write!(f, "{first}-{last}")
            }
            Self::Term { shown, .. } => f.write_str(shown),
        }
    }
}

/// What an evaluation says of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes.
    Passes,
    /// It does not.
    Fails,
    /// It passes or it does not: that hangs on what the client's own address leads to.
    Maybe,
    /// A term could not be followed; it may even end the evaluation.
    Unknown,
    /// The evaluation ends in a permanent error.
    PermError,
    /// It ends in a temporary one.
    TempError,
}

/// All that passes by the record of `domain`, as far as it could be read.
pub(super) fn published(audit: &Audit, domain: &str) -> Vec<Part> {
    let Some(record) = audit.record() else { return Vec::new() };
    let place = Place { domain, record, below: &audit.terms };
    let (mut ranges, mut terms) = (Vec::new(), Vec::new());
    collect(place, &mut ranges, &mut terms);
    ranges.sort_unstable();
    let mut whole: Vec<Range> = Vec::new();
    for range in ranges {
        match whole.last_mut().filter(|last| last.is_v6 == range.is_v6 && last.last >= range.first) {
            Some(last) => last.last = last.last.max(range.last),
            None => whole.push(range),
        }
    }
    let parts = whole.into_iter().map(Part::Addresses).chain(terms).collect();
    // What a term before it takes away does not pass.
    let passes = |fate: &Fate| !matches!(fate, Fate::Fails | Fate::PermError);
    fates(audit, domain, parts).into_iter().filter(|(_, fate)| passes(fate)).map(|(part, _)| part).collect()
}

/// What the record of `domain` says of each part; a network may come back in pieces.
pub(super) fn fates(audit: &Audit, domain: &str, parts: Vec<Part>) -> Vec<(Part, Fate)> {
    let all = |fate: Fate| parts.iter().map(|part| (part.clone(), fate)).collect();
    match (audit.status, audit.records.as_slice()) {
        (Some(status), _) if status.is_unknown() => all(unanswered(status)),
        (_, []) => all(Fate::Fails),
        (_, [record]) => {
            let place = Place { domain, record, below: &audit.terms };
            let pieces = parts.into_iter().map(|part| (0, part)).collect();
            let ended = Walk::default().record(place, pieces);
            ended.into_iter().map(|(_, part, fate)| (part, fate)).collect()
        }
        _ => all(Fate::PermError),
    }
}

fn unanswered(status: Status) -> Fate {
    if status.is_temporary() { Fate::TempError } else { Fate::Unknown }
}

/// A record, with what stands behind its terms.
#[derive(Clone, Copy)]
struct Place<'a> {
    domain: &'a str,
    record: &'a Record,
    below: &'a [AuditTerm],
}

impl<'a> Place<'a> {
    fn behind(self, term: &Term) -> Option<&'a AuditTerm> {
        self.below.iter().find(|found| found.term.span == term.span)
    }
}

/// The record behind an `include` or a `redirect`, when it was read and is whole.
fn target(found: &AuditTerm) -> Option<Place<'_>> {
    let record = found.record.as_ref().filter(|_| found.problem.is_none())?;
    Some(Place { domain: found.target.as_deref().unwrap_or_default(), record, below: &found.below })
}

/// Every term that passes, at any depth.
fn collect(place: Place<'_>, ranges: &mut Vec<Range>, terms: &mut Vec<Part>) {
    for term in &place.record.terms {
        let TermKind::Directive(Directive { qualifier, mechanism }) = &term.kind else { continue };
        let passes = *qualifier == Qualifier::Pass;
        match mechanism {
            Mechanism::All => {
                let everything = ["0.0.0.0", "::"].map(|net| net.parse().map(|net| Range::of(net, 0)));
                ranges.extend(everything.into_iter().flatten().filter(|_| passes));
                return;
            }
            _ if !passes => {}
            Mechanism::Ip4(net, prefix) => ranges.push(Range::of((*net).into(), *prefix)),
            Mechanism::Ip6(net, prefix) => ranges.push(Range::of((*net).into(), *prefix)),
            mechanism => {
                let behind = place.behind(term);
                match behind.and_then(target) {
                    Some(below) => collect(below, ranges, terms),
                    None if behind.and_then(|found| found.status).is_some_and(Status::is_void) => {}
                    None => {
                        let part = Part::Term { key: key(place.domain, mechanism), shown: term.text.clone() };
                        if !terms.contains(&part) {
                            terms.push(part);
                        }
                    }
                }
            }
        }
    }
    if let Some((term, _)) = place.record.redirect() {
        match place.behind(term).and_then(target) {
            Some(below) => collect(below, ranges, terms),
            None => terms.push(Part::Term { key: term.text.clone(), shown: term.text.clone() }),
        }
    }
}

/// The same for terms that match the same clients. A macro may hang on the record it stands in.
fn key(domain: &str, mechanism: &Mechanism) -> String {
    let of = |spec: Option<&DomainSpec>| match spec.map(DomainSpec::literal) {
        None => name::normal(domain),
        Some(Some(literal)) => name::normal(literal),
        Some(None) => format!("{spec:?} {}", name::normal(domain)),
    };
    match mechanism {
        Mechanism::All => "all".to_owned(),
        Mechanism::Include(spec) => format!("include:{}", of(Some(spec))),
        Mechanism::A(spec, cidr) => format!("a:{}/{}/{}", of(spec.as_ref()), cidr.v4, cidr.v6),
        Mechanism::Mx(spec, cidr) => format!("mx:{}/{}/{}", of(spec.as_ref()), cidr.v4, cidr.v6),
        Mechanism::Ptr(spec) => format!("ptr:{}", of(spec.as_ref())),
        Mechanism::Ip4(net, prefix) => format!("ip4:{net}/{prefix}"),
        Mechanism::Ip6(net, prefix) => format!("ip6:{net}/{prefix}"),
        Mechanism::Exists(spec) => format!("exists:{}", of(Some(spec))),
    }
}

/// Whether a term matches a part.
#[derive(Clone, Copy)]
enum Match {
    Yes,
    No,
    Maybe,
    /// Nothing is known of the term, not even whether it ends the evaluation.
    Unknown,
    /// The evaluation ends.
    Ends(Fate),
}

/// What may have happened to a part before.
#[derive(Clone, Copy, Default)]
struct Marks {
    may_pass: bool,
    may_fail: bool,
    may_break: bool,
}

impl Marks {
    /// Goes by a term that did not decide.
    fn go_by(&mut self, matched: Match, passes: bool) {
        self.may_pass |= matches!(matched, Match::Maybe) && passes;
        self.may_fail |= matches!(matched, Match::Maybe) && !passes;
        self.may_break |= matches!(matched, Match::Unknown);
    }

    fn end(self, fate: Fate) -> Fate {
        match fate {
            _ if self.may_break => Fate::Unknown,
            Fate::Passes if self.may_fail => Fate::Maybe,
            Fate::Fails if self.may_pass => Fate::Maybe,
            Fate::PermError | Fate::TempError if self.may_pass || self.may_fail => Fate::Unknown,
            fate => fate,
        }
    }
}

/// A part on its way through one record.
struct Traveller {
    origin: usize,
    part: Part,
    marks: Marks,
}

impl Traveller {
    fn end(self, fate: Fate) -> (usize, Part, Fate) {
        (self.origin, self.part, self.marks.end(fate))
    }
}

/// Parts with the place that each has among those it came from.
type Pieces = Vec<(usize, Part)>;

/// One evaluation, with what it has spent.
#[derive(Default)]
struct Walk {
    lookups: u32,
    voids: u32,
}

impl Walk {
    /// The terms from left to right (section 4.6.2), then `redirect` (6.1), then neutral (4.7).
    fn record(&mut self, place: Place<'_>, pieces: Pieces) -> Vec<(usize, Part, Fate)> {
        let fresh = |(origin, part)| Traveller { origin, part, marks: Marks::default() };
        let mut left: Vec<_> = pieces.into_iter().map(fresh).collect();
        if !place.record.errors.is_empty() {
            return left.into_iter().map(|one| one.end(Fate::PermError)).collect();
        }
        let mut ended = Vec::new();
        for term in &place.record.terms {
            let TermKind::Directive(directive) = &term.kind else { continue };
            if left.is_empty() {
                return ended;
            }
            let passes = directive.qualifier == Qualifier::Pass;
            let asked = left.iter().enumerate().map(|(at, one)| (at, one.part.clone())).collect();
            let mut next = Vec::new();
            for (at, part, matched) in self.matches(place, term, &directive.mechanism, asked) {
                let Some(&Traveller { origin, mut marks, .. }) = left.get(at) else { continue };
                let end = match matched {
                    Match::Yes if passes => Some(Fate::Passes),
                    Match::Yes => Some(Fate::Fails),
                    Match::Ends(fate) => Some(fate),
                    Match::No | Match::Maybe | Match::Unknown => None,
                };
                match end {
                    Some(fate) => ended.push((origin, part, marks.end(fate))),
                    None => {
                        marks.go_by(matched, passes);
                        next.push(Traveller { origin, part, marks });
                    }
                }
            }
            left = next;
        }
        ended.extend(self.redirect(place, left));
        ended
    }

    fn redirect(&mut self, place: Place<'_>, left: Vec<Traveller>) -> Vec<(usize, Part, Fate)> {
        let Some((term, _)) = place.record.redirect() else {
            return left.into_iter().map(|one| one.end(Fate::Fails)).collect();
        };
        let pieces = left.iter().enumerate().map(|(at, one)| (at, one.part.clone())).collect();
        let mut ended = Vec::new();
        for (at, part, fate) in self.follow(place.behind(term), pieces) {
            if let Some(&Traveller { origin, marks, .. }) = left.get(at) {
                ended.push((origin, part, marks.end(fate)));
            }
        }
        ended
    }

    /// The record behind an `include` or a `redirect`; none, or a broken one, is a permanent error.
    fn follow(&mut self, found: Option<&AuditTerm>, pieces: Pieces) -> Vec<(usize, Part, Fate)> {
        let all = |fate: Fate| pieces.iter().map(|(at, part)| (*at, part.clone(), fate)).collect();
        if !self.count() {
            return all(Fate::PermError);
        }
        let Some(found) = found else { return all(Fate::Unknown) };
        match (found.status, target(found)) {
            (_, Some(below)) => self.record(below, pieces),
            (Some(status), None) if status.is_unknown() => all(unanswered(status)),
            _ if found.problem.is_some() => all(Fate::PermError),
            _ => all(Fate::Unknown),
        }
    }

    /// Counts a term that asks DNS; whether it may.
    fn count(&mut self) -> bool {
        self.lookups += 1;
        self.lookups <= MAX_LOOKUPS
    }

    fn matches(
        &mut self,
        place: Place<'_>,
        term: &Term,
        mechanism: &Mechanism,
        pieces: Pieces,
    ) -> Vec<(usize, Part, Match)> {
        let network = match mechanism {
            Mechanism::Ip4(net, prefix) => Some(Range::of((*net).into(), *prefix)),
            Mechanism::Ip6(net, prefix) => Some(Range::of((*net).into(), *prefix)),
            _ => None,
        };
        if let Some(network) = network {
            return within(network, pieces);
        }
        let all = |how: Match| move |(at, part): (usize, Part)| (at, part, how);
        if *mechanism == Mechanism::All {
            return pieces.into_iter().map(all(Match::Yes)).collect();
        }
        let (own, found) = (key(place.domain, mechanism), place.behind(term));
        let is_own = |part: &Part| matches!(part, Part::Term { key, .. } if *key == own);
        let otherwise = match mechanism {
            Mechanism::Include(_) if found.is_some_and(|found| found.target.is_some()) => {
                return included(self.follow(found, pieces));
            }
            _ if !self.count() => Match::Ends(Fate::PermError),
            Mechanism::Include(_) => Match::Unknown,
            mechanism => self.asked(mechanism, found),
        };
        let how = |part: &Part| match otherwise {
            Match::Ends(_) => otherwise,
            _ if is_own(part) => Match::Yes,
            _ => otherwise,
        };
        pieces.into_iter().map(|(at, part)| (at, part.clone(), how(&part))).collect()
    }

    /// What `a`, `mx`, `ptr` and `exists` say of a client of whom nothing else is known.
    fn asked(&mut self, mechanism: &Mechanism, found: Option<&AuditTerm>) -> Match {
        match (mechanism, found.and_then(|found| found.status)) {
            (_, Some(status)) if status.is_unknown() => Match::Ends(unanswered(status)),
            (_, Some(status)) if status.is_void() => {
                self.voids += 1;
                if self.voids > MAX_VOID_LOOKUPS { Match::Ends(Fate::PermError) } else { Match::No }
            }
            // Section 5.7: an address under a name without macros is there for everybody.
            (Mechanism::Exists(_), Some(Status::Found)) => Match::Yes,
            _ => Match::Maybe,
        }
    }
}

/// Section 5.2: only a pass matches, and errors go through.
fn included(ended: Vec<(usize, Part, Fate)>) -> Vec<(usize, Part, Match)> {
    let how = |fate| match fate {
        Fate::Passes => Match::Yes,
        Fate::Fails => Match::No,
        Fate::Maybe => Match::Maybe,
        Fate::Unknown => Match::Unknown,
        Fate::PermError | Fate::TempError => Match::Ends(fate),
    };
    ended.into_iter().map(|(at, part, fate)| (at, part, how(fate))).collect()
}

/// The parts of networks that lie in another; whom a term stands for may lie anywhere.
fn within(network: Range, pieces: Pieces) -> Vec<(usize, Part, Match)> {
    let mut found = Vec::new();
    let many = pieces.len() > MAX_PIECES;
    for (at, part) in pieces {
        let Part::Addresses(range) = part else {
            found.push((at, part, Match::Maybe));
            continue;
        };
        let (inside, outside) = range.split(network);
        if many && inside.is_some() && !outside.is_empty() {
            found.push((at, part, Match::Maybe));
            continue;
        }
        found.extend(inside.map(|range| (at, Part::Addresses(range), Match::Yes)));
        found.extend(outside.into_iter().map(|range| (at, Part::Addresses(range), Match::No)));
    }
    found
}
