//! Reads the text of a record (RFC 7208, section 12): all terms, and all that is wrong with them.

use super::macros::{DomainSpec, Place};
use super::record::{Directive, DualCidr, Mechanism, Modifier, Qualifier, Record, Term, TermKind};
use crate::span::{Shown, Span};
use crate::text::{Text, both};

/// A part of a record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The octets that are wrong.
    pub span: Span,
    /// What is wrong, lower case, no full stop.
    pub message: Text,
    /// What was probably meant.
    pub meant: Option<String>,
}

/// Whether a TXT record is an SPF record: `v=spf1`, then a space or the end (RFC 7208, section 4.5).
#[must_use]
pub fn is_spf(text: &[u8]) -> bool {
    let version = text.get(..VERSION.len()).is_some_and(|start| start.eq_ignore_ascii_case(VERSION));
    version && matches!(text.get(VERSION.len()), None | Some(b' '))
}

/// Reads a record whose strings were joined. The version must be there: see [`is_spf`].
#[must_use]
pub fn parse(text: &[u8]) -> Record {
    let mut record =
        Record { text: String::from_utf8_lossy(text).into_owned(), terms: Vec::new(), errors: Vec::new() };
    if !is_spf(text) {
        record.errors.push(SyntaxError {
            span: Span::new(0, text.len().min(VERSION.len())),
            message: both!(
                "a record must begin with `v=spf1` and a space",
                "un enregistrement commence par « v=spf1 » et une espace"
            ),
            meant: None,
        });
        return shown(record, text);
    }
    for span in words(text, VERSION.len()) {
        let word = &text[span.start..span.end];
        match term(word) {
            Ok(kind) => {
                let text = String::from_utf8_lossy(word).into_owned();
                record.terms.push(Term { span, text, kind });
            }
            Err(error) => record.errors.push(error.moved_by(span.start)),
        }
    }
    refuse_doubles(&mut record);
    shown(record, text)
}

/// Places were counted in octets as published; what is no UTF-8 is shown as another character.
fn shown(mut record: Record, text: &[u8]) -> Record {
    if !text.is_ascii() {
        let shown = Shown::of(text);
        record.terms.iter_mut().for_each(|term| term.span = shown.place(term.span));
        record.errors.iter_mut().for_each(|error| error.span = shown.place(error.span));
    }
    record
}

impl SyntaxError {
    fn moved_by(mut self, start: usize) -> Self {
        self.span = Span::new(self.span.start + start, self.span.end + start);
        self
    }
}

/// The words between spaces; only SP parts terms (RFC 7208, section 4.6.1).
fn words(text: &[u8], from: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = None;
    for at in from..=text.len() {
        match (text.get(at), start) {
            (None | Some(b' '), Some(begun)) => {
                spans.push(Span::new(begun, at));
                start = None;
            }
            (None | Some(b' '), None) => {}
            (Some(_), None) => start = Some(at),
            (Some(_), Some(_)) => {}
        }
    }
    spans
}

/// `redirect` and `exp` may stand once each (RFC 7208, section 6).
fn refuse_doubles(record: &mut Record) {
    let mut seen = (false, false);
    for term in &record.terms {
        let (again, name) = match &term.kind {
            TermKind::Modifier(Modifier::Redirect(_)) => (std::mem::replace(&mut seen.0, true), "redirect"),
            TermKind::Modifier(Modifier::Explanation(_)) => (std::mem::replace(&mut seen.1, true), "exp"),
            _ => continue,
        };
        if again {
            let message = both!(
                "`{name}` stands twice; it may stand once",
                "« {name} » figure deux fois ; une seule est permise"
            );
            record.errors.push(SyntaxError { span: term.span, message, meant: None });
        }
    }
}

fn term(word: &[u8]) -> Result<TermKind, SyntaxError> {
    if let Some(at) = word.iter().position(|c| !(0x21..=0x7e).contains(c)) {
        let message = match word[at] {
            b'\t' | b'\r' | b'\n' => {
                both!(
                    "a control character ({:#04x}); terms are parted by spaces only",
                    "un caractère de contrôle ({:#04x}) ; seules des espaces séparent les termes",
                    word[at]
                )
            }
            octet => both!(
                "the octet {octet:#04x}; a record holds printable ASCII only",
                "l'octet {octet:#04x} ; un enregistrement n'a que de l'ASCII visible"
            ),
        };
        return Err(SyntaxError { span: Span::new(at, at + 1), message, meant: None });
    }
    let split = word.iter().position(|c| b":/=".contains(c));
    match split {
        Some(at) if word[at] == b'=' => modifier(word, at).map(TermKind::Modifier),
        _ => directive(word).map(TermKind::Directive),
    }
}

fn modifier(word: &[u8], equals: usize) -> Result<Modifier, SyntaxError> {
    let name = ascii(&word[..equals]);
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !valid {
        return Err(whole(
            word,
            both!("`{name}` is not the name of a modifier", "« {name} » n'est pas le nom d'un modificateur"),
        ));
    }
    let from = equals + 1;
    let value = &word[from..];
    let moved = |error: super::MacroError| SyntaxError {
        span: if value.is_empty() {
            Span::new(0, word.len())
        } else {
            Span::new(error.span.start + from, error.span.end + from)
        },
        message: error.message,
        meant: None,
    };
    match name.to_ascii_lowercase().as_str() {
        "redirect" => DomainSpec::parse(value).map(Modifier::Redirect).map_err(moved),
        "exp" => DomainSpec::parse(value).map(Modifier::Explanation).map_err(moved),
        _ => {
            DomainSpec::macro_string(value, Place::Domain).map_err(moved)?;
            Ok(Modifier::Unknown(name.to_owned()))
        }
    }
}

fn directive(word: &[u8]) -> Result<Directive, SyntaxError> {
    let (qualifier, skipped) = match word[0] {
        b'+' => (Qualifier::Pass, 1),
        b'-' => (Qualifier::Fail, 1),
        b'~' => (Qualifier::SoftFail, 1),
        b'?' => (Qualifier::Neutral, 1),
        _ => (Qualifier::Pass, 0),
    };
    let body = &word[skipped..];
    let split = body.iter().position(|c| b":/".contains(c)).unwrap_or(body.len());
    let name = ascii(&body[..split]).to_ascii_lowercase();
    let rest = Rest { word, from: skipped + split };
    let mechanism = match name.as_str() {
        "all" => rest.nothing().map(|()| Mechanism::All),
        "include" => rest.domain("include").map(Mechanism::Include),
        "exists" => rest.domain("exists").map(Mechanism::Exists),
        "a" => rest.domain_and_cidr().map(|(domain, cidr)| Mechanism::A(domain, cidr)),
        "mx" => rest.domain_and_cidr().map(|(domain, cidr)| Mechanism::Mx(domain, cidr)),
        "ptr" => rest.optional_domain().map(Mechanism::Ptr),
        "ip4" => rest.network(32).map(|(ip, prefix)| Mechanism::Ip4(ip, prefix)),
        "ip6" => rest.network(128).map(|(ip, prefix)| Mechanism::Ip6(ip, prefix)),
        _ => Err(unknown(word, skipped, &name)),
    }?;
    Ok(Directive { qualifier, mechanism })
}

/// What follows the name of a mechanism, from its `:` or `/` on.
struct Rest<'a> {
    word: &'a [u8],
    from: usize,
}

impl<'a> Rest<'a> {
    fn text(&self) -> &'a [u8] {
        &self.word[self.from..]
    }

    fn nothing(&self) -> Result<(), SyntaxError> {
        match self.text() {
            [] => Ok(()),
            _ => Err(whole(
                self.word,
                both!("nothing may follow this mechanism", "rien ne peut suivre ce mécanisme"),
            )),
        }
    }

    fn domain(&self, name: &str) -> Result<DomainSpec, SyntaxError> {
        match self.text() {
            [b':', value @ ..] => self.spec(value, self.from + 1),
            _ => Err(whole(
                self.word,
                both!(
                    "`{name}` needs a domain name: `{name}:example.org`",
                    "« {name} » demande un nom de domaine : {name}:example.org"
                ),
            )),
        }
    }

    fn optional_domain(&self) -> Result<Option<DomainSpec>, SyntaxError> {
        match self.text() {
            [] => Ok(None),
            [b':', value @ ..] => self.spec(value, self.from + 1).map(Some),
            _ => Err(whole(
                self.word,
                both!(
                    "a prefix length may not follow this mechanism",
                    "une longueur de préfixe ne peut pas suivre ce mécanisme"
                ),
            )),
        }
    }

    fn domain_and_cidr(&self) -> Result<(Option<DomainSpec>, DualCidr), SyntaxError> {
        let (before, cidr) = dual_cidr(self.text()).map_err(|message| whole(self.word, message))?;
        let domain = match before {
            [] => None,
            [b':', value @ ..] => Some(self.spec(value, self.from + 1)?),
            _ => {
                let message =
                    both!("these prefix lengths cannot be read", "ces longueurs de préfixe sont illisibles");
                return Err(whole(self.word, message));
            }
        };
        Ok((domain, cidr))
    }

    fn network<T: std::str::FromStr>(&self, most: u8) -> Result<(T, u8), SyntaxError> {
        let (family, example) =
            if most == 32 { ("IPv4", "ip4:192.0.2.0/24") } else { ("IPv6", "ip6:2001:db8::/32") };
        let [b':', value @ ..] = self.text() else {
            let message = both!(
                "an {family} address is missing: `{example}`",
                "il manque une adresse {family} : {example}"
            );
            return Err(whole(self.word, message));
        };
        let text = ascii(value);
        let (address, prefix) = match text.split_once('/') {
            Some((address, length)) => {
                let length = prefix_length(length, most).ok_or_else(|| {
                    let message = both!(
                        "the prefix length `{length}` is not in 0 to {most}",
                        "la longueur de préfixe « {length} » n'est pas entre 0 et {most}"
                    );
                    whole(self.word, message)
                })?;
                (address, length)
            }
            None => (text, most),
        };
        match address.parse() {
            Ok(address) => Ok((address, prefix)),
            Err(_) => {
                let message = both!(
                    "`{address}` is not an {family} address",
                    "« {address} » n'est pas une adresse {family}"
                );
                Err(whole(self.word, message))
            }
        }
    }

    fn spec(&self, value: &[u8], from: usize) -> Result<DomainSpec, SyntaxError> {
        DomainSpec::parse(value).map_err(|error| {
            let span = Span::new(error.span.start + from, error.span.end + from);
            let span = if value.is_empty() { Span::new(0, self.word.len()) } else { span };
            SyntaxError { span, message: error.message, meant: None }
        })
    }
}

/// Takes `/n`, `//n` or `/n//n` off the end. A `/` inside a domain-spec stays where it is.
fn dual_cidr(text: &[u8]) -> Result<(&[u8], DualCidr), Text> {
    let mut cidr = DualCidr { v4: 32, v6: 128 };
    let mut before = text;
    if let Some((front, digits)) = split_number(before)
        && let Some(front) = front.strip_suffix(b"/")
    {
        cidr.v6 = prefix_length(digits, 128).ok_or_else(|| bad_length("IPv6", digits, 128))?;
        before = front;
    }
    if let Some((front, digits)) = split_number(before) {
        cidr.v4 = prefix_length(digits, 32).ok_or_else(|| bad_length("IPv4", digits, 32))?;
        before = front;
    }
    Ok((before, cidr))
}

fn bad_length(family: &str, digits: &str, most: u8) -> Text {
    both!(
        "the {family} prefix length `{digits}` is not in 0 to {most}",
        "la longueur de préfixe {family} « {digits} » n'est pas entre 0 et {most}"
    )
}

/// `…/123` as what stands before the slash, and the digits.
fn split_number(text: &[u8]) -> Option<(&[u8], &str)> {
    let slash = text.iter().rposition(|c| *c == b'/')?;
    let digits = &text[slash + 1..];
    let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    number.then(|| (&text[..slash], ascii(digits)))
}

/// `0`, or digits without a leading zero (RFC 7208, section 12).
fn prefix_length(digits: &str, most: u8) -> Option<u8> {
    let plain = digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|c| c.is_ascii_digit()));
    digits.parse().ok().filter(|length| plain && *length <= most)
}

fn unknown(word: &[u8], skipped: usize, name: &str) -> SyntaxError {
    if word.len() == skipped {
        return whole(
            word,
            both!("no mechanism follows the qualifier", "aucun mécanisme ne suit le qualificateur"),
        );
    }
    let span = Span::new(skipped, word.len());
    let message = both!("`{name}` is not a mechanism", "« {name} » n'est pas un mécanisme");
    let rest = ascii(&word[(skipped + name.len()).min(word.len())..]);
    // `-al` is not `all`, which would let everybody pass.
    let sign = ascii(&word[..skipped]);
    let meant = match name {
        "redirect" | "exp" => Some(format!("{name}={}", rest.trim_start_matches(':'))),
        "ipv4" | "ip" => Some(format!("{sign}ip4{rest}")),
        "ipv6" => Some(format!("{sign}ip6{rest}")),
        _ if looks_like_address(ascii(&word[skipped..])) => {
            Some(format!("{sign}ip4:{}", ascii(&word[skipped..])))
        }
        _ => nearest(name).map(|near| format!("{sign}{near}{rest}")),
    };
    SyntaxError { span, message, meant }
}

fn looks_like_address(text: &str) -> bool {
    text.split('/').next().is_some_and(|address| address.parse::<std::net::Ipv4Addr>().is_ok())
}

/// The mechanism that is at most two slips of the finger away.
fn nearest(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 6] = ["include", "exists", "all", "ip4", "ip6", "ptr"];
    NAMES.into_iter().find(|known| {
        let slips = slips(name, known);
        slips == 1 || (slips == 2 && known.len() > 4)
    })
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one word to the other.
pub(crate) fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

fn whole(word: &[u8], message: Text) -> SyntaxError {
    SyntaxError { span: Span::new(0, word.len()), message, meant: None }
}

fn ascii(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap_or_default()
}

const VERSION: &[u8] = b"v=spf1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_wrong_term_is_named_with_its_place() {
        let text = "v=spf1 incldue:mx.ovh.com ip4:192.0.2.0/33 a:ok.example.org 192.0.2.7 -all";
        let record = parse(text.as_bytes());

        let wrong: Vec<_> = record.errors.iter().map(|error| error.span.of(text)).collect();
        assert_eq!(wrong, ["incldue:mx.ovh.com", "ip4:192.0.2.0/33", "192.0.2.7"]);
        assert_eq!(record.errors[0].meant.as_deref(), Some("include:mx.ovh.com"));
        assert_eq!(record.errors[2].meant.as_deref(), Some("ip4:192.0.2.7"));
        assert_eq!(record.terms.len(), 2);
    }

    #[test]
    fn a_slash_in_a_domain_is_not_a_prefix_length() {
        let record = parse(b"v=spf1 a:foo:bar/baz.example.com a:x.example/24//64");

        assert!(record.errors.is_empty(), "{:?}", record.errors);
        let TermKind::Directive(Directive { mechanism: Mechanism::A(_, cidr), .. }) = &record.terms[1].kind
        else {
            panic!("{record:?}")
        };
        assert_eq!(*cidr, DualCidr { v4: 24, v6: 64 });
    }

    #[test]
    fn a_qualifier_alone_is_named_with_its_place() {
        let record = parse(b"v=spf1 + a -all");

        let wrong: Vec<_> = record.errors.iter().map(|error| error.span.of(&record.text)).collect();
        assert_eq!(wrong, ["+"]);
        assert_eq!(record.terms.len(), 2);
    }

    #[test]
    fn the_version_is_followed_by_a_space_or_nothing() {
        for (text, expected) in
            [("v=spf1", true), ("V=SpF1 -all", true), ("v=spf10", false), ("v=spf1\t", false)]
        {
            assert_eq!(is_spf(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn spans_lie_in_the_record_whatever_it_holds(tail in proptest::collection::vec(any::<u8>(), 0..120)) {
            let text = [b"v=spf1 ".as_slice(), &tail].concat();
            let record = parse(&text);
            let spans = record.terms.iter().map(|t| t.span).chain(record.errors.iter().map(|e| e.span));
            for span in spans {
                prop_assert!(!span.of(&record.text).is_empty(), "{span:?} {:?}", record.text);
            }
        }

        #[test]
        fn words_that_look_like_terms_never_panic(tail in "[a-z0-9:/=%{}.+~?-]{0,80}") {
            let _ = parse(format!("v=spf1 {tail}").as_bytes());
        }
    }
}
