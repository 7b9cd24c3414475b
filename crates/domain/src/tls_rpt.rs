//! The TXT record at `_smtp._tls` (RFC 8460, section 3): where senders report failed encryption.
//!
//! A record that its grammar does not allow is read by nobody: senders then report nothing. Whether a
//! destination takes the reports is not asked.

use std::fmt;

use crate::fields::{fields, has_version, trimmed};
use crate::span::Span;
use crate::text::{Text, both};

/// The most destinations that are read.
const MAX_DESTINATIONS: usize = 16;

/// A record, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Where reports go: `mailto:` and `https:` addresses, in order.
    pub rua: Vec<String>,
    /// What is wrong, with its place; empty for a record that senders will read.
    pub issues: Vec<Issue>,
}

/// Something wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// In a sentence.
    pub message: Text,
    /// Where, in the record's text.
    pub span: Option<Span>,
}

/// Whether a TXT record counts: those that do not begin with `v=TLSRPTv1;` are discarded. Without any
/// semicolon the record is still meant for TLS-RPT, and is judged.
#[must_use]
pub fn is_tls_rpt(text: &[u8]) -> bool {
    has_version(text, "v=TLSRPTv1")
}

/// Reads a record that counts.
#[must_use]
pub fn parse(text: &str) -> Record {
    let mut record = Record::default();
    let mut has_rua = false;
    for field in fields(text).into_iter().skip(1) {
        match field.name {
            "rua" if has_rua => {
                record.issue(both!("`rua` stands twice", "« rua » figure deux fois"), Some(field.span))
            }
            "rua" => {
                has_rua = true;
                destinations(&mut record, text, field.value_span);
            }
            name if !is_extension(name, field.value) => {
                let shown = field.span.of(text);
                record.issue(
                    both!("`{shown}` is no field of TLS-RPT", "« {shown} » n'est pas un champ de TLS-RPT"),
                    Some(field.span),
                );
            }
            _ => {}
        }
    }
    if !has_rua {
        record.issue(both!("there is no rua=", "il n'y a pas de rua="), None);
    }
    record
}

impl Record {
    fn issue(&mut self, message: Text, span: Option<Span>) {
        self.issues.push(Issue { message, span });
    }
}

/// As it is published: the form of RFC 8460, section 3.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=TLSRPTv1; rua={}", self.rua.join(","))
    }
}

fn destinations(record: &mut Record, text: &str, place: Span) {
    let mut at = place.start;
    for piece in place.of(text).split(',').take(MAX_DESTINATIONS) {
        let span = trimmed(text, at, at + piece.len());
        at += piece.len() + 1;
        let uri = span.of(text);
        match destination(uri) {
            Ok(()) => record.rua.push(uri.to_owned()),
            Err(message) => record.issue(message, Some(if uri.is_empty() { place } else { span })),
        }
    }
}

/// Why an address takes no reports.
fn destination(uri: &str) -> Result<(), Text> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    if uri.is_empty() {
        return Err(both!("an address of rua= is empty", "une adresse de rua= est vide"));
    }
    // RFC 8460, section 3: comma, exclamation mark and semicolon are to be encoded (RFC 3986).
    if uri.chars().any(|c| c == '!' || !c.is_ascii_graphic()) {
        return Err(both!(
            "`{uri}` holds a character that is to be percent-encoded",
            "« {uri} » contient un caractère à encoder en %"
        ));
    }
    let is_whole = match scheme.to_ascii_lowercase().as_str() {
        "mailto" => {
            let address = rest.split('?').next().unwrap_or_default();
            address
                .rsplit_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && crate::name::from_user(domain).is_some())
        }
        "https" => {
            rest.strip_prefix("//").is_some_and(|rest| !rest.split('/').next().unwrap_or("").is_empty())
        }
        _ => {
            return Err(both!(
                "`{uri}` is neither mailto: nor https:",
                "« {uri} » n'est ni mailto: ni https:"
            ));
        }
    };
    if is_whole { Ok(()) } else { Err(both!("`{uri}` names no place", "« {uri} » ne désigne aucun lieu")) }
}

/// `tlsrpt-extension`: a name of 1 to 32 letters, digits, `_`, `-` and `.`, and a value without spaces.
fn is_extension(name: &str, value: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let named = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    starts
        && named
        && name.len() <= 32
        && !value.is_empty()
        && value.chars().all(|c| c.is_ascii_graphic() && c != '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8460, section 3: both examples.
    #[test]
    fn the_records_of_the_rfc_are_right() {
        let mail = parse("v=TLSRPTv1;rua=mailto:reports@example.com");
        assert_eq!((mail.rua, mail.issues), (vec!["mailto:reports@example.com".to_owned()], vec![]));
        let post = parse("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt");
        assert_eq!(
            (post.rua, post.issues),
            (vec!["https://reporting.example.com/v1/tlsrpt".to_owned()], vec![])
        );
    }

    #[test]
    fn only_what_begins_with_the_version_counts() {
        for (text, counts) in [
            ("v=TLSRPTv1; rua=mailto:a@b.example", true),
            ("v=TLSRPTv1", true),
            ("v=TLSRPTv12; rua=x", false),
            ("V=TLSRPTv1; rua=x", false),
            (" v=TLSRPTv1;", false),
        ] {
            assert_eq!(is_tls_rpt(text.as_bytes()), counts, "{text}");
        }
    }

    #[test]
    fn every_fault_has_its_place() {
        for (text, place) in [
            ("v=TLSRPTv1;", ""),
            ("v=TLSRPTv1; rua=", "rua="),
            ("v=TLSRPTv1; rua=reports@example.com", "reports@example.com"),
            ("v=TLSRPTv1; rua=http://x.example/", "http://x.example/"),
            ("v=TLSRPTv1; rua=mailto:a@b.example, mailto:nobody", "mailto:nobody"),
            ("v=TLSRPTv1; rua=mailto:a@b.example!10m", "mailto:a@b.example!10m"),
            ("v=TLSRPTv1; rua=https:///path", "https:///path"),
            ("v=TLSRPTv1; rua=mailto:a@b.example; junk", "junk"),
            ("v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example", "rua=mailto:c@d.example"),
        ] {
            let record = parse(text);
            assert_eq!(record.issues.len(), 1, "{text}: {:?}", record.issues);
            let seen = record.issues[0].span.map(|span| span.of(text)).unwrap_or_default();
            // An empty value has the place of nothing, behind the equals sign.
            assert_eq!(seen, if place == "rua=" { "" } else { place }, "{text}");
        }
        assert_eq!(parse("v=TLSRPTv1; rua=mailto:a@b.example; future.x=1").issues, []);
    }
}
