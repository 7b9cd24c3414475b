//! `name=value` fields between semicolons, with places: what the records of TLS-RPT and BIMI are made of.

use crate::span::Span;

/// The most fields that are read; no record in use has a third of them.
const MAX_FIELDS: usize = 32;

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Its name; empty when the text between the semicolons is no pair.
    pub(crate) name: &'a str,
    /// Its value, without white space around it.
    pub(crate) value: &'a str,
    /// The place of the whole field.
    pub(crate) span: Span,
    /// The place of its value.
    pub(crate) value_span: Span,
}

/// The fields of a record, in order; empty ones (a semicolon at the end) are left out.
pub(crate) fn fields(text: &str) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    for piece in text.split(';') {
        let start = at;
        at += piece.len() + 1;
        let span = trimmed(text, start, start + piece.len());
        if span.start == span.end || found.len() >= MAX_FIELDS {
            continue;
        }
        let whole = span.of(text);
        found.push(match whole.find('=') {
            Some(equals) => {
                let value_span = trimmed(text, span.start + equals + 1, span.end);
                Field { name: whole[..equals].trim(), value: value_span.of(text), span, value_span }
            }
            None => Field { name: "", value: whole, span, value_span: span },
        });
    }
    found
}

/// The place between two octets without the white space at its ends.
pub(crate) fn trimmed(text: &str, start: usize, end: usize) -> Span {
    let within = text.get(start..end).unwrap_or_default();
    let from = start + (within.len() - within.trim_start().len());
    Span::new(from, from + within.trim().len())
}

/// Whether a TXT record counts: it begins with that version, and a semicolon or nothing follows. Case counts.
pub(crate) fn has_version(text: &[u8], version: &str) -> bool {
    let Some(rest) = text.strip_prefix(version.as_bytes()) else { return false };
    rest.iter().find(|octet| !matches!(octet, b' ' | b'\t')).is_none_or(|octet| *octet == b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_place_and_empty_ones_are_none() {
        let text = "v=X1 ;  é = b=c ;;junk; l=";
        let seen: Vec<_> =
            fields(text).iter().map(|f| (f.name, f.value, f.span.of(text), f.value_span.of(text))).collect();

        let expected = [
            ("v", "X1", "v=X1", "X1"),
            ("é", "b=c", "é = b=c", "b=c"),
            ("", "junk", "junk", "junk"),
            ("l", "", "l=", ""),
        ];
        assert_eq!(seen, expected);
    }
}
