//! A suggestion as text: a zone fragment to paste, and the difference against now.

use super::{Change, SuggestedRecord, Suggestion, TTL};
use crate::dns::RecordType;
use crate::text::{Lang, Text, both};

/// The most octets of one character string (RFC 1035, section 3.3).
const STRING_OCTETS: usize = 255;

impl Suggestion {
    /// A zone fragment: every name is absolute, what cannot be published as it stands is a comment.
    #[must_use]
    pub fn zone_text(&self, lang: Lang) -> String {
        let mut text = String::new();
        for record in &self.records {
            let why = record.why.in_lang(lang);
            match is_a_guess(record) {
                true => {
                    text.push_str(&format!("; {why}\n; {} {}\n", not_known().in_lang(lang), line(record)))
                }
                false => text.push_str(&format!("; {why}\n{}\n", line(record))),
            }
        }
        for note in &self.notes {
            text.push_str(&format!("; {}\n", note.in_lang(lang).replace('\n', "\n; ")));
        }
        text
    }

    /// What changes against now: `+` to add, `-` to delete, a space for what stays.
    #[must_use]
    pub fn diff(&self, lang: Lang) -> String {
        let mut text = String::new();
        for record in &self.records {
            for old in &record.replaces {
                let old = SuggestedRecord { value: old.clone(), ..record.clone() };
                text.push_str(&format!("- {}\n", line(&old)));
            }
            let sign = match record.change {
                Change::Keep => ' ',
                Change::Unknown => '?',
                Change::Add | Change::Replace => '+',
            };
            text.push_str(&format!("{sign} {}\n", line(record)));
        }
        for note in &self.notes {
            text.push_str(&format!("! {}\n", note.in_lang(lang)));
        }
        text
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.records.iter().all(|record| record.change == Change::Keep)
    }
}

/// Whether pasting the record could undo one that DNS did not show: a policy, or the senders of others. A
/// provider's key is the same whatever stands there.
fn is_a_guess(record: &SuggestedRecord) -> bool {
    let is_key = record.name.contains("._domainkey.");
    record.change == Change::Unknown && record.kind == RecordType::Txt && !is_key
}

fn not_known() -> Text {
    both!(
        "DNS did not say what is published, so this is not to be pasted over it:",
        "le DNS n'a pas dit ce qui est publié : ne collez pas ceci par-dessus :"
    )
}

fn line(record: &SuggestedRecord) -> String {
    let (name, kind) = (&record.name, record.kind);
    // What stands in the place of a CNAME now may be a TXT record.
    let is_text = kind == RecordType::Txt || record.value.contains('=');
    let kind = if is_text { RecordType::Txt } else { kind };
    let value = if is_text { quoted(&record.value) } else { format!("{}.", record.value) };
    format!("{name}. {TTL} IN {kind} {value}")
}

/// One TXT record as a line of a zone file, with a TTL of [`TTL`] seconds.
#[must_use]
pub fn txt_line(name: &str, text: &str) -> String {
    format!("{name}. {TTL} IN TXT {}", quoted(text))
}

/// Character strings of at most 255 octets; quotes, backslashes and what does not print are escaped
/// (RFC 1035, section 5.1).
fn quoted(text: &str) -> String {
    let mut strings = vec![String::new()];
    let mut room = STRING_OCTETS;
    for c in text.chars() {
        if c.len_utf8() > room {
            strings.push(String::new());
            room = STRING_OCTETS;
        }
        room -= c.len_utf8();
        if let Some(last) = strings.last_mut() {
            match c {
                '"' | '\\' => last.extend(['\\', c]),
                c if c.is_ascii_control() => last.push_str(&format!("\\{:03}", u32::from(c))),
                c => last.push(c),
            }
        }
    }
    let strings: Vec<_> = strings.iter().map(|string| format!("\"{string}\"")).collect();
    strings.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_becomes_strings_of_255_octets() {
        let text = "a".repeat(300);
        assert_eq!(quoted(&text), format!("\"{}\" \"{}\"", "a".repeat(255), "a".repeat(45)));
        assert_eq!(quoted("say \"hi\""), r#""say \"hi\"""#);
    }
}
