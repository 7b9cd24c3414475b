//! Macros (RFC 7208, section 7): parsing them with their places, and expanding them.

use std::net::IpAddr;

use crate::name::MAX_NAME;
use crate::span::Span;
use crate::text::{Text, both};

/// A domain name that may hold macros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSpec {
    pieces: Vec<Piece>,
}

/// A piece of a macro string.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro { letter: char, keep: Option<usize>, reverse: bool, delimiters: String, escape: bool },
}

/// Why a macro string cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacroError {
    /// The place, within the macro string.
    pub span: Span,
    /// What is wrong, lower case, no full stop.
    pub message: Text,
}

/// Where a macro string stands: explanations know three letters more and may hold spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Domain,
    Explanation,
}

/// What macros stand for in one evaluation.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    pub(super) ip: IpAddr,
    pub(super) sender: &'a str,
    pub(super) domain: &'a str,
    pub(super) helo: &'a str,
    pub(super) receiver: &'a str,
    pub(super) unix_seconds: u64,
    /// The validated name of the client, for `%{p}`; asked for only where a macro wants it.
    pub(super) client_name: &'a str,
}

impl DomainSpec {
    /// Reads a domain-spec (RFC 7208, section 7.1): it ends in a macro or in a dot and a top label.
    ///
    /// # Errors
    ///
    /// [`MacroError`] at the first place that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, MacroError> {
        let whole = Span::new(0, text.len());
        let error = |message: Text| Err(MacroError { span: whole, message });
        if text.is_empty() {
            return error(both!("the domain name is missing", "il manque le nom de domaine"));
        }
        let spec = Self::macro_string(text, Place::Domain)?;
        match spec.literal() {
            Some(name) if !ends_in_top_label(name) => {
                return error(both!(
                    "`{name}` is not a domain name",
                    "« {name} » n'est pas un nom de domaine"
                ));
            }
            // A name without macros that DNS cannot hold is the publisher's error, whoever asks.
            Some(name) if !crate::name::is_well_formed(name) => {
                return error(both!(
                    "`{name}` has an empty or over-long label",
                    "« {name} » a une partie vide ou trop longue"
                ));
            }
            _ => {}
        }
        match spec.pieces.last() {
            Some(Piece::Literal(tail)) if !ends_in_top_label(tail) => error(both!(
                "it must end in a macro, or in a dot and a top-level name",
                "il doit finir par une macro, ou par un point et un nom de premier niveau"
            )),
            _ => Ok(spec),
        }
    }

    /// Reads any macro string.
    pub(super) fn macro_string(text: &[u8], place: Place) -> Result<Self, MacroError> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let (piece, length) = match text[at] {
                b'%' => escape_or_macro(&text[at..], place)
                    .map_err(|(length, message)| MacroError { span: Span::new(at, at + length), message })?,
                b' ' if place == Place::Explanation => (Piece::Literal(" ".to_owned()), 1),
                c @ 0x21..=0x7e => (Piece::Literal(char::from(c).to_string()), 1),
                c => {
                    let message = both!(
                        "the octet {c:#04x} is not allowed here",
                        "l'octet {c:#04x} n'est pas permis ici"
                    );
                    return Err(MacroError { span: Span::new(at, at + 1), message });
                }
            };
            at += length;
            match (pieces.last_mut(), piece) {
                // An escape such as %% ends the literal it stands in: it may end a domain-spec.
                (Some(Piece::Literal(before)), Piece::Literal(more)) if length == 1 => {
                    before.push_str(&more);
                }
                (_, piece) => pieces.push(piece),
            }
        }
        Ok(Self { pieces })
    }

    /// The name itself, when it holds no macro.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Literal(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether expanding it needs the validated name of the client.
    pub(super) fn wants_client_name(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Macro { letter: 'p', .. }))
    }

    /// The name with its macros replaced: no final dot, cut from the left to 253 octets (section 7.3).
    pub(super) fn expand_to_name(&self, values: &Values<'_>) -> String {
        let expanded = self.expand(values);
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > MAX_NAME {
            match name.split_once('.') {
                Some((_, rest)) => name = rest,
                None => break,
            }
        }
        name.to_owned()
    }

    /// The text with its macros replaced.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        self.pieces.iter().map(|piece| piece.expand(values)).collect()
    }
}

impl Piece {
    fn expand(&self, values: &Values<'_>) -> String {
        let (letter, keep, reverse, delimiters, escape) = match self {
            Self::Literal(text) => return text.clone(),
            Self::Macro { letter, keep, reverse, delimiters, escape } => {
                (*letter, *keep, *reverse, delimiters, *escape)
            }
        };
        let value = value_of(letter, values);
        let is_delimiter = |c: char| if delimiters.is_empty() { c == '.' } else { delimiters.contains(c) };
        let mut parts: Vec<&str> = value.split(is_delimiter).collect();
        if reverse {
            parts.reverse();
        }
        let dropped = parts.len().saturating_sub(keep.unwrap_or(parts.len()));
        let text = parts[dropped..].join(".");
        if escape { url_escaped(&text) } else { text }
    }
}

fn value_of(letter: char, values: &Values<'_>) -> String {
    let (local, domain) = values.sender.rsplit_once('@').unwrap_or(("postmaster", values.sender));
    match letter {
        's' => values.sender.to_owned(),
        'l' => local.to_owned(),
        'o' => domain.to_owned(),
        'd' => values.domain.to_owned(),
        'i' => dotted(values.ip),
        'p' => values.client_name.to_owned(),
        'v' => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        'h' => values.helo.to_owned(),
        'c' => values.ip.to_string(),
        'r' => values.receiver.to_owned(),
        // `t`: the parser lets no other letter through.
        _ => values.unix_seconds.to_string(),
    }
}

/// `%{i}`: the address with dots, for IPv6 one hexadecimal digit at a time (RFC 7208, section 7.3).
///
/// Upper case, as the openspf suite writes it; DNS does not mind.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let digits = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            digits.map(|digit| format!("{digit:X}")).collect::<Vec<_>>().join(".")
        }
    }
}

/// Everything but the unreserved characters as `%XX` (RFC 7208, section 7.3; RFC 3986, section 2.3).
fn url_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            escaped.push(char::from(octet));
        } else {
            escaped.push_str(&format!("%{octet:02X}"));
        }
    }
    escaped
}

/// What a `%` begins: the piece and its length, or the length of what is wrong.
fn escape_or_macro(text: &[u8], place: Place) -> Result<(Piece, usize), (usize, Text)> {
    let literal = |text: &str| Ok((Piece::Literal(text.to_owned()), 2));
    match text.get(1) {
        Some(b'%') => literal("%"),
        Some(b'_') => literal(" "),
        Some(b'-') => literal("%20"),
        Some(b'{') => braced(text, place),
        _ => {
            let length = text.len().min(2);
            let message = both!(
                "a `%` must be followed by `{{`, `%`, `_` or `-`",
                "un « % » est suivi de « {{ », « % », « _ » ou « - »"
            );
            Err((length, message))
        }
    }
}

fn braced(text: &[u8], place: Place) -> Result<(Piece, usize), (usize, Text)> {
    let Some(end) = text.iter().position(|c| *c == b'}') else {
        return Err((text.len(), both!("a macro that is never closed", "une macro n'est pas refermée")));
    };
    let body = String::from_utf8_lossy(&text[2..end]).into_owned();
    let fail = |message: Text| Err((end + 1, message));
    let mut rest = body.chars().peekable();
    let letter = rest.next().unwrap_or('}');
    let lower = letter.to_ascii_lowercase();
    let is_known = "slodiphv".contains(lower) || (place == Place::Explanation && "crt".contains(lower));
    if !is_known {
        return fail(match lower {
            'c' | 'r' | 't' => both!(
                "the macro letter `{letter}` is allowed in explanations only",
                "la lettre de macro « {letter} » n'est permise que dans une explication"
            ),
            _ => both!("`{letter}` is not a macro letter", "« {letter} » n'est pas une lettre de macro"),
        });
    }
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    let keep = match digits.as_str() {
        "" => None,
        // More labels than fit in a name are all of them.
        _ => Some(digits.parse::<usize>().unwrap_or(usize::MAX)),
    };
    if keep == Some(0) {
        return fail(both!("a macro cannot keep 0 parts", "une macro ne peut pas garder 0 partie"));
    }
    let reverse = rest.next_if(|c| c.eq_ignore_ascii_case(&'r')).is_some();
    let delimiters: String = rest.collect();
    if let Some(odd) = delimiters.chars().find(|c| !".-+,/_=".contains(*c)) {
        return fail(both!("`{odd}` is not a macro delimiter", "« {odd} » n'est pas un séparateur de macro"));
    }
    let escape = letter.is_ascii_uppercase();
    Ok((Piece::Macro { letter: lower, keep, reverse, delimiters, escape }, end + 1))
}

/// `.` and a top label, with an optional final dot: letters, digits and inner hyphens, not all digits.
fn ends_in_top_label(text: &str) -> bool {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let Some((_, top)) = bare.rsplit_once('.') else {
        return false;
    };
    !top.is_empty()
        && top.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !top.starts_with('-')
        && !top.ends_with('-')
        && !top.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 7208, section 7.4; IPv6 digits compared without regard to case, as DNS does.
    #[test]
    fn the_examples_of_the_rfc_expand_as_it_says() {
        let values = |ip: &str| Values {
            ip: ip.parse().unwrap(),
            sender: "strong-bad@email.example.com",
            domain: "email.example.com",
            helo: "mx.example.org",
            receiver: "unknown",
            unix_seconds: 0,
            client_name: "mx.example.org",
        };
        let cases = [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ];
        for (text, expected) in cases {
            let spec = DomainSpec::parse(text.as_bytes()).unwrap();
            assert_eq!(spec.expand_to_name(&values("192.0.2.3")), expected, "{text}");
        }
        let v6 = DomainSpec::parse(b"%{ir}.%{v}._spf.%{d2}").unwrap().expand(&values("2001:db8::cb01"));
        assert_eq!(
            v6.to_ascii_lowercase(),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn what_is_wrong_in_a_macro_has_its_place() {
        let error = DomainSpec::parse(b"foo.%{x}.example.org").unwrap_err();
        assert_eq!((error.span, error.message.en.as_str()), (Span::new(4, 8), "`x` is not a macro letter"));
        assert!(DomainSpec::parse(b"%{d0}.example.org").is_err());
        assert!(DomainSpec::parse(b"a.%{r}.example.org").unwrap_err().message.en.contains("explanations"));
    }
}
