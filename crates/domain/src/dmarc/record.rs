//! A DMARC policy record (RFC 9989, sections 4.7 and 4.8), read with places.

use serde::Serialize;

use crate::name;
use crate::span::Span;
use crate::text::{Text, both};

/// What a receiver is asked to do with mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Nothing: reports only.
    None,
    /// Treat it as suspicious.
    Quarantine,
    /// Do not accept it.
    Reject,
}

impl Policy {
    /// The word that stands in a record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// One step weaker, as `t=y` asks for (RFC 9989, section 4.7).
    #[must_use]
    pub fn weakened(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::None, Self::Quarantine, Self::Reject];
        all.into_iter().find(|policy| word.eq_ignore_ascii_case(policy.word()))
    }
}

/// How close a domain must be to the From domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Alignment {
    /// The same organizational domain is enough.
    #[default]
    Relaxed,
    /// It must be the same domain.
    Strict,
}

/// Whether the domain says it is a public suffix (`psd=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Psd {
    /// `y`: a public suffix; the walk stops, and the organizational domain is one label below.
    Yes,
    /// `n`: not one; this is the organizational domain, and the walk stops.
    No,
    /// `u`, or nothing.
    #[default]
    Unknown,
}

/// One tag, as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name, lower case.
    pub name: String,
    /// Its value, without white space around it.
    pub value: String,
    /// The place of the whole tag.
    pub span: Span,
}

/// A reporting address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// As published, without an obsolete `!size`.
    pub text: String,
    /// The domain reports go to, for a `mailto:`.
    pub domain: Option<String>,
    /// Its place.
    pub span: Span,
}

/// Something to say about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its place.
    pub span: Span,
    /// What kind.
    pub kind: IssueKind,
    /// In words, lower case, no full stop.
    pub message: Text,
}

/// Kinds of [`Issue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueKind {
    /// A tag or value that cannot be read.
    Syntax,
    /// A policy value that cannot be read: the record counts as `p=none`, or not at all.
    Policy,
    /// A tag that RFC 9989 removed (`pct`, `rf`, `ri`).
    Removed,
    /// A tag that nobody knows: ignored.
    Unknown,
}

/// A DMARC record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The record's text.
    pub text: String,
    /// All tags in order.
    pub tags: Vec<Tag>,
    /// `p=`, when it is there and can be read.
    pub p: Option<Policy>,
    /// `sp=`, for subdomains.
    pub sp: Option<Policy>,
    /// `np=`, for subdomains that do not exist.
    pub np: Option<Policy>,
    /// `psd=`.
    pub psd: Psd,
    /// `t=y`: apply one step less.
    pub testing: bool,
    /// `adkim=`.
    pub adkim: Alignment,
    /// `aspf=`.
    pub aspf: Alignment,
    /// `rua=`: where aggregate reports go.
    pub rua: Vec<Uri>,
    /// `ruf=`: where failure reports go.
    pub ruf: Vec<Uri>,
    /// What is wrong or outdated.
    pub issues: Vec<Issue>,
}

impl Record {
    /// The tag of that name.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&Tag> {
        self.tags.iter().find(|tag| tag.name == name)
    }

    /// Whether receivers apply it: a readable policy, or a place for reports (RFC 9989, section 4.10.1).
    #[must_use]
    pub fn is_applicable(&self) -> bool {
        (self.p.is_some() && !self.has_bad_policy()) || !self.rua.is_empty()
    }

    /// The policy for the domain itself. A record without a readable `p`, `sp` and `np` counts as
    /// `p=none` when it has a reporting address, and not at all otherwise (RFC 9989, section 4.10.1).
    #[must_use]
    pub fn domain_policy(&self) -> Option<Policy> {
        match (self.has_bad_policy(), self.p) {
            (false, Some(policy)) => Some(policy),
            _ if !self.rua.is_empty() => Some(Policy::None),
            _ => None,
        }
    }

    /// The policy for a subdomain that exists, or for one that does not.
    #[must_use]
    pub fn subdomain_policy(&self, exists: bool) -> Option<Policy> {
        let own = self.domain_policy()?;
        if self.has_bad_policy() {
            return Some(own);
        }
        let existing = self.sp.unwrap_or(own);
        Some(if exists { existing } else { self.np.unwrap_or(existing) })
    }

    fn has_bad_policy(&self) -> bool {
        self.issues.iter().any(|issue| issue.kind == IssueKind::Policy)
    }
}

/// Whether a TXT record begins as a DMARC record does: `v`, `=`, `DMARC1` in exactly that case.
#[must_use]
pub fn is_dmarc(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let first = text.split(';').next().unwrap_or_default();
    let Some((name, value)) = first.split_once('=') else { return false };
    name.trim_end_matches(WSP) == "v" && value.trim_matches(WSP) == "DMARC1"
}

/// Reads a record that [`is_dmarc`].
#[must_use]
pub fn parse(text: &[u8]) -> Record {
    let mut record = Record { text: String::from_utf8_lossy(text).into_owned(), ..Record::default() };
    let text = record.text.clone();
    let mut at = 0;
    for (index, part) in text.split(';').enumerate() {
        let begin = at + (part.len() - part.trim_start_matches(WSP).len());
        let span = Span::new(begin, begin + part.trim_matches(WSP).len());
        at += part.len() + 1;
        if span.start == span.end {
            continue;
        }
        if record.tags.len() + record.issues.len() >= MAX_TAGS {
            let message = both!("there are more than {MAX_TAGS} tags", "il y a plus de {MAX_TAGS} balises");
            record.complain(span, IssueKind::Syntax, message);
            break;
        }
        match part.split_once('=') {
            Some((name, value)) => {
                let tag = Tag {
                    name: name.trim_matches(WSP).to_ascii_lowercase(),
                    value: value.trim_matches(WSP).to_owned(),
                    span,
                };
                if index > 0 {
                    record.apply(&tag);
                }
                record.tags.push(tag);
            }
            None => {
                let shown = part.trim_matches(WSP);
                let message = both!("`{shown}` is not a tag", "« {shown} » n'est pas une balise");
                record.complain(span, IssueKind::Syntax, message);
            }
        }
    }
    record
}

impl Record {
    fn complain(&mut self, span: Span, kind: IssueKind, message: Text) {
        self.issues.push(Issue { span, kind, message });
    }

    fn apply(&mut self, tag: &Tag) {
        if self.tag(&tag.name).is_some() {
            let message = both!("`{}` stands twice", "« {} » figure deux fois", tag.name);
            self.complain(tag.span, IssueKind::Syntax, message);
            return;
        }
        match tag.name.as_str() {
            "p" => self.p = self.policy(tag),
            "sp" => self.sp = self.policy(tag),
            "np" => self.np = self.policy(tag),
            "t" => match tag.value.to_ascii_lowercase().as_str() {
                "y" => self.testing = true,
                "n" => {}
                _ => self.complain(tag.span, IssueKind::Syntax, bad_value(tag, "y or n", "y ou n")),
            },
            "psd" => match tag.value.to_ascii_lowercase().as_str() {
                "y" => self.psd = Psd::Yes,
                "n" => self.psd = Psd::No,
                "u" => {}
                _ => self.complain(tag.span, IssueKind::Syntax, bad_value(tag, "y, n or u", "y, n ou u")),
            },
            "adkim" => self.adkim = self.alignment(tag),
            "aspf" => self.aspf = self.alignment(tag),
            "rua" => self.rua = self.uris(tag),
            "ruf" => self.ruf = self.uris(tag),
            "fo" => {
                let valid = tag.value.split(':').all(|option| {
                    ["0", "1", "d", "s"].contains(&option.trim_matches(WSP).to_ascii_lowercase().as_str())
                });
                if !valid {
                    self.complain(
                        tag.span,
                        IssueKind::Syntax,
                        bad_value(tag, "0, 1, d or s", "0, 1, d ou s"),
                    );
                }
            }
            "pct" | "rf" | "ri" => {
                let message = both!(
                    "`{}` was removed by RFC 9989 and has no effect",
                    "« {} » a été retiré par la RFC 9989 et n'a plus d'effet",
                    tag.name
                );
                self.complain(tag.span, IssueKind::Removed, message);
            }
            _ => {
                let message =
                    both!("`{}` is not a known tag", "« {} » n'est pas une balise connue", tag.name);
                self.complain(tag.span, IssueKind::Unknown, message);
            }
        }
    }

    fn policy(&mut self, tag: &Tag) -> Option<Policy> {
        let policy = Policy::parse(&tag.value);
        if policy.is_none() {
            self.complain(
                tag.span,
                IssueKind::Policy,
                bad_value(tag, "none, quarantine or reject", "none, quarantine ou reject"),
            );
        }
        policy
    }

    fn alignment(&mut self, tag: &Tag) -> Alignment {
        match tag.value.to_ascii_lowercase().as_str() {
            "s" => Alignment::Strict,
            "r" => Alignment::Relaxed,
            _ => {
                self.complain(tag.span, IssueKind::Syntax, bad_value(tag, "r or s", "r ou s"));
                Alignment::Relaxed
            }
        }
    }

    fn uris(&mut self, tag: &Tag) -> Vec<Uri> {
        let mut uris = Vec::new();
        for part in tag.value.split(',').map(|part| part.trim_matches(WSP)) {
            match uri(part, tag.span) {
                Some(uri) => uris.push(uri),
                None => {
                    let message = both!(
                        "`{part}` is not a reporting address; write `mailto:reports@example.org`",
                        "« {part} » n'est pas une adresse de rapport ; écrivez mailto:rapports@example.org"
                    );
                    self.complain(tag.span, IssueKind::Syntax, message);
                }
            }
        }
        uris
    }
}

/// A `mailto:` or another URI; a `!size` at its end is obsolete and ignored (RFC 9989, appendix C).
fn uri(text: &str, span: Span) -> Option<Uri> {
    let text = match text.rsplit_once('!') {
        Some((before, size)) if size.starts_with(|c: char| c.is_ascii_digit()) => before,
        _ => text,
    };
    let (scheme, rest) = text.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty();
    if !valid || text.contains(char::is_whitespace) {
        return None;
    }
    if !scheme.eq_ignore_ascii_case("mailto") {
        return Some(Uri { text: text.to_owned(), domain: None, span });
    }
    let address = rest.split('?').next().unwrap_or(rest);
    let (local, domain) = address.rsplit_once('@')?;
    let domain = name::from_user(domain)?;
    (!local.is_empty()).then(|| Uri { text: text.to_owned(), domain: Some(domain), span })
}

fn bad_value(tag: &Tag, wanted: &str, attendu: &str) -> Text {
    let Tag { name, value, .. } = tag;
    both!(
        "`{name}={value}`: the value must be {wanted}",
        "« {name}={value} » : la valeur doit être {attendu}"
    )
}

/// The most tags that are read; no record in use has a third of them.
const MAX_TAGS: usize = 64;
const WSP: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9989, section 4.10.1: without a readable policy, a reporting address makes it `none`.
    #[test]
    fn a_record_without_a_readable_policy_is_none_or_nothing() {
        let cases = [
            ("v=DMARC1; p=reject", Some(Policy::Reject)),
            ("v=DMARC1; rua=mailto:a@example.org", Some(Policy::None)),
            ("v=DMARC1; p=rejct; rua=mailto:a@example.org", Some(Policy::None)),
            ("v=DMARC1; p=reject; sp=nothing; rua=mailto:a@example.org", Some(Policy::None)),
            ("v=DMARC1; p=rejct", None),
            ("v=DMARC1; p=reject; sp=nothing", None),
            ("v=DMARC1; adkim=s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()).domain_policy(), expected, "{text}");
        }
    }

    #[test]
    fn the_place_of_every_issue_is_its_tag() {
        let text = "v=DMARC1; p=none ; pct=50; adkim=x;rua=mail:a@b , mailto:@x";
        let record = parse(text.as_bytes());

        let places: Vec<_> = record.issues.iter().map(|issue| issue.span.of(text)).collect();
        assert_eq!(places, ["pct=50", "adkim=x", "rua=mail:a@b , mailto:@x"]);
    }

    proptest! {
        #[test]
        fn no_record_makes_the_parser_panic(tail in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = [b"v=DMARC1;".as_slice(), &tail].concat();
            let record = parse(&text);
            for issue in &record.issues {
                prop_assert!(issue.span.end <= record.text.len());
            }
        }
    }
}
