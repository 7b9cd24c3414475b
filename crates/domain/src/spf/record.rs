//! A parsed SPF record: terms with their places (RFC 7208, section 4.6.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::DomainSpec;
use super::parse::SyntaxError;
use crate::span::Span;

/// A record, with whatever is wrong in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record's text; octets that are not UTF-8 are shown as U+FFFD.
    pub text: String,
    /// The terms that could be read, in order.
    pub terms: Vec<Term>,
    /// What could not be read. Any of these makes every evaluation a permerror.
    pub errors: Vec<SyntaxError>,
}

impl Record {
    /// The target of `redirect=`, when there is one and no `all` that hides it (RFC 7208, section 6.1).
    #[must_use]
    pub fn redirect(&self) -> Option<(&Term, &DomainSpec)> {
        if self.all().is_some() {
            return None;
        }
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Modifier(Modifier::Redirect(target)) => Some((term, target)),
            _ => None,
        })
    }

    /// The target of `exp=`.
    #[must_use]
    pub fn explanation(&self) -> Option<&DomainSpec> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Modifier(Modifier::Explanation(target)) => Some(target),
            _ => None,
        })
    }

    /// The first `all` with its qualifier.
    #[must_use]
    pub fn all(&self) -> Option<(&Term, Qualifier)> {
        self.terms.iter().find_map(|term| match &term.kind {
            TermKind::Directive(Directive { qualifier, mechanism: Mechanism::All }) => {
                Some((term, *qualifier))
            }
            _ => None,
        })
    }

    /// The terms that name a domain as `include:`, with that domain when it holds no macro.
    pub fn includes(&self) -> impl Iterator<Item = (&Term, &str)> {
        self.terms.iter().filter_map(|term| match &term.kind {
            TermKind::Directive(Directive { mechanism: Mechanism::Include(target), .. }) => {
                target.literal().map(|name| (term, name))
            }
            _ => None,
        })
    }
}

/// One term and its place in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its place.
    pub span: Span,
    /// Its text, as published.
    pub text: String,
    /// What it is.
    pub kind: TermKind,
}

/// A directive or a modifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// A mechanism with its qualifier.
    Directive(Directive),
    /// A modifier.
    Modifier(Modifier),
}

/// A mechanism with its qualifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The result when the mechanism matches.
    pub qualifier: Qualifier,
    /// What must match.
    pub mechanism: Mechanism,
}

/// What a match gives (RFC 7208, section 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `+`, or none.
    Pass,
    /// `-`
    Fail,
    /// `~`
    SoftFail,
    /// `?`
    Neutral,
}

/// A mechanism (RFC 7208, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Always matches.
    All,
    /// Matches when that domain's record passes.
    Include(DomainSpec),
    /// Matches the addresses of a name.
    A(Option<DomainSpec>, DualCidr),
    /// Matches the addresses of a domain's mail exchangers.
    Mx(Option<DomainSpec>, DualCidr),
    /// Matches by the name of the address. Not to be used (RFC 7208, section 5.5).
    Ptr(Option<DomainSpec>),
    /// Matches an IPv4 network.
    Ip4(Ipv4Addr, u8),
    /// Matches an IPv6 network.
    Ip6(Ipv6Addr, u8),
    /// Matches when a name has an A record.
    Exists(DomainSpec),
}

impl Mechanism {
    /// Whether it counts against the ten look-ups (RFC 7208, section 4.6.4).
    #[must_use]
    pub fn asks_dns(&self) -> bool {
        !matches!(self, Self::All | Self::Ip4(..) | Self::Ip6(..))
    }
}

/// Prefix lengths for both address families; 32 and 128 when not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DualCidr {
    /// For IPv4, 0 to 32.
    pub v4: u8,
    /// For IPv6, 0 to 128.
    pub v6: u8,
}

/// A modifier (RFC 7208, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modifier {
    /// Goes on with another domain's record.
    Redirect(DomainSpec),
    /// Where the explanation of a fail is.
    Explanation(DomainSpec),
    /// Unknown: ignored.
    Unknown(String),
}
