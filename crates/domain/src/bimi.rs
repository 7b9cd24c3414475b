//! The TXT record at `default._bimi`: the logo beside a domain's mail
//! (draft-brand-indicators-for-message-identification, sections 4.2 and 4.3).
//!
//! Only the record is judged: neither the drawing nor its certificate is fetched, and nothing is said
//! about either.

use std::fmt;

use crate::fields::{fields, has_version};
use crate::span::Span;
use crate::text::{Text, both};

/// A record, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Where the logo is (`l=`); `None` when the tag is absent, empty when the domain declines to have one.
    pub logo: Option<String>,
    /// Where the certificate is (`a=`); `None` when the tag is absent or empty.
    pub evidence: Option<String>,
    /// What is wrong or worth knowing, with its place.
    pub issues: Vec<Issue>,
}

/// Something about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// In a sentence.
    pub message: Text,
    /// Where, in the record's text.
    pub span: Option<Span>,
    /// No logo is shown because of it; otherwise some readers show it.
    pub fatal: bool,
}

impl Record {
    /// Whether the domain says that it wants no logo (`l=` and `a=` empty).
    #[must_use]
    pub fn declines(&self) -> bool {
        self.logo.as_deref() == Some("") && self.evidence.is_none()
    }
}

/// Whether a TXT record counts: `v=BIMI1` comes first.
#[must_use]
pub fn is_bimi(text: &[u8]) -> bool {
    has_version(text, "v=BIMI1")
}

/// Reads a record that counts.
#[must_use]
pub fn parse(text: &str) -> Record {
    let mut record = Record::default();
    let mut seen: Vec<&str> = Vec::new();
    for field in fields(text).into_iter().skip(1) {
        let mut issue = |message, fatal, span| record.issues.push(Issue { message, span: Some(span), fatal });
        if field.name.is_empty() {
            let shown = field.value;
            issue(both!("`{shown}` is no tag", "« {shown} » n'est pas une balise"), true, field.span);
            continue;
        }
        if seen.contains(&field.name) {
            let name = field.name;
            issue(both!("`{name}` stands twice", "« {name} » figure deux fois"), true, field.span);
            continue;
        }
        seen.push(field.name);
        match field.name {
            "l" => {
                if let Some((message, fatal)) = logo(field.value) {
                    issue(message, fatal, field.value_span);
                }
                record.logo = Some(field.value.to_owned());
            }
            "a" if !field.value.is_empty() => {
                if !is_https(field.value) {
                    issue(
                        both!("a= is no https: address", "a= n'est pas une adresse https:"),
                        true,
                        field.value_span,
                    );
                }
                record.evidence = Some(field.value.to_owned());
            }
            // Tags that nobody knows are ignored.
            _ => {}
        }
    }
    if record.logo.is_none() {
        let message = both!("there is no l=, so no logo", "il n'y a pas de l=, donc pas de logo");
        record.issues.push(Issue { message, span: None, fatal: true });
    }
    if record.logo.as_deref().is_some_and(|logo| !logo.is_empty()) && record.evidence.is_none() {
        let message = both!(
            "there is no certificate (a=): Gmail and Apple Mail show no logo without one",
            "il n'y a pas de certificat (a=) : Gmail et Apple Mail ne montrent aucun logo sans lui"
        );
        record.issues.push(Issue { message, span: None, fatal: false });
    }
    record
}

/// As it is published.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=BIMI1;")?;
        if let Some(logo) = &self.logo {
            write!(f, " l={logo};")?;
        }
        if let Some(evidence) = &self.evidence {
            write!(f, " a={evidence};")?;
        }
        Ok(())
    }
}

/// What is wrong with a logo's address, and whether that keeps the logo away.
fn logo(address: &str) -> Option<(Text, bool)> {
    if address.is_empty() {
        return None;
    }
    if !is_https(address) {
        return Some((both!("l= is no https: address", "l= n'est pas une adresse https:"), true));
    }
    let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    if path.ends_with(".svg") || path.ends_with(".svgz") {
        return None;
    }
    let pixels = [".png", ".jpg", ".jpeg", ".gif", ".webp"].iter().any(|end| path.ends_with(end));
    Some(if pixels {
        (both!("the logo is no SVG by its name", "le logo n'est pas un SVG, d'après son nom"), true)
    } else {
        (
            both!(
                "whether the logo is an SVG cannot be told by its name, and was not checked",
                "rien dans son nom ne dit si le logo est un SVG, et cela n'a pas été vérifié"
            ),
            false,
        )
    })
}

fn is_https(address: &str) -> bool {
    let rest =
        address.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).and(address.get(8..));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    // RFC 3986, section 2: what is no printable ASCII is to be encoded.
    !host.is_empty() && address.chars().all(|c| c.is_ascii_graphic() && c != ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(&str, bool)> {
        let of = |issue: &Issue| (issue.span.map(|span| span.of(text)).unwrap_or_default(), issue.fatal);
        parse(text).issues.iter().map(of).collect()
    }

    /// The draft's example, section 4.3, and its record of a domain that declines.
    #[test]
    fn the_records_of_the_draft_are_right() {
        let text =
            "v=BIMI1; l=https://bimi.example.com/cert/logo.svg; a=https://bimi.example.com/cert/cert.pem;";
        assert_eq!(places(text), []);
        let declined = parse("v=BIMI1; l=; a=;");
        assert!(declined.declines() && declined.issues.is_empty());
    }

    #[test]
    fn every_fault_has_its_place() {
        let a = "a=https://x.example/c.pem";
        for (text, place) in [
            (format!("v=BIMI1; {a}"), ""),
            (format!("v=BIMI1; l=http://x.example/l.svg; {a}"), "http://x.example/l.svg"),
            (format!("v=BIMI1; l=https://x.example/l.png; {a}"), "https://x.example/l.png"),
            ("v=BIMI1; l=https://x.example/l.svg; a=cert.pem".to_owned(), "cert.pem"),
            (format!("v=BIMI1; l=https://x.example/l.svg; {a}; {a}"), a),
            (format!("v=BIMI1; l=https://x.example/l.svg; {a}; junk"), "junk"),
        ] {
            assert_eq!(places(&text), [(place, true)], "{text}");
        }
        assert_eq!(places("v=BIMI1; l=https://x.example/l.svg"), [("", false)]);
        assert_eq!(
            places(&format!("v=BIMI1; l=https://x.example/logo; {a}; avp=brand")),
            [("https://x.example/logo", false)]
        );
    }
}
