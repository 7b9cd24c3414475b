//! The TXT record at `_mta-sts` (RFC 8461, section 3.1).

use crate::span::Span;
use crate::text::{Text, both};

/// What makes senders ignore a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordIssue {
    /// What is wrong, in a sentence.
    pub message: Text,
    /// Where, in the record's text.
    pub span: Option<Span>,
}

/// Whether a TXT record at `_mta-sts` counts: those that do not begin with `v=STSv1;` are discarded.
#[must_use]
pub fn is_sts(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"v=STSv1") else { return false };
    rest.iter().find(|octet| !matches!(octet, b' ' | b'\t')).is_none_or(|octet| *octet == b';')
}

/// What is wrong with a record that counts; `None` when senders will read it.
#[must_use]
pub fn judge(text: &str) -> Option<RecordIssue> {
    let mut at = 0;
    let mut id = None;
    for piece in text.split(';') {
        let start = at + piece.len() - piece.trim_start().len();
        at += piece.len() + 1;
        let field = piece.trim();
        let span = Some(Span::new(start, start + field.len()));
        let Some((name, value)) = field.split_once('=') else {
            if field.is_empty() {
                continue;
            }
            let message = both!(
                "`{field}` is no name=value pair: senders ignore the MTA-STS record",
                "`{field}` n'est pas de la forme nom=valeur : l'enregistrement MTA-STS est ignoré"
            );
            return Some(RecordIssue { message, span });
        };
        // A second `id` changes nothing for the first.
        if name == "id" && id.is_none() {
            id = Some((value, span));
        }
    }
    // The id is what tells senders that the policy changed.
    let Some((value, span)) = id else {
        let message = both!(
            "the MTA-STS record has no id=: senders ignore it",
            "l'enregistrement MTA-STS n'a pas de id= : il est ignoré"
        );
        return Some(RecordIssue { message, span: None });
    };
    let good = (1..=32).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_alphanumeric());
    if good {
        return None;
    }
    let message = both!(
        "the id of the MTA-STS record is not 1 to 32 letters and digits: senders ignore it",
        "le id de l'enregistrement MTA-STS n'est pas fait de 1 à 32 lettres et chiffres : il est ignoré"
    );
    Some(RecordIssue { message, span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_the_rfc_is_right() {
        let text = "v=STSv1; id=20160831085700Z;";
        assert!(is_sts(text.as_bytes()));
        assert_eq!(judge(text), None);
    }

    #[test]
    fn only_what_begins_with_the_version_counts() {
        for (text, counts) in
            [("v=STSv1", true), ("v=STSv1 ; id=1", true), ("v=STSv12; id=1", false), ("V=STSv1; id=1", false)]
        {
            assert_eq!(is_sts(text.as_bytes()), counts, "{text}");
        }
    }

    #[test]
    fn a_record_without_a_usable_id_is_ignored_by_senders() {
        let long = format!("v=STSv1; id={}", "1".repeat(33));
        for (text, place) in [
            ("v=STSv1;", ""),
            ("v=STSv1; id=", "id="),
            ("v=STSv1; id=2016-08-31", "id=2016-08-31"),
            ("v=STSv1; id=1; junk", "junk"),
            (long.as_str(), &long[9..]),
        ] {
            let issue = judge(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(issue.span.map(|span| span.of(text)).unwrap_or_default(), place, "{text}");
        }
        assert_eq!(judge("v=STSv1; id=1; id=??; future=x"), None);
    }
}
