//! The master file format (RFC 1035, section 5.1): comments, parentheses, quotes, `$ORIGIN`, `$TTL`.
//!
//! `$INCLUDE` is refused: a check reads the file it was given. Every unreadable line is reported.

use std::iter::Peekable;
use std::slice::Iter;

use super::ZoneRecord;
use crate::dns::{Data, Record, RecordType};
use crate::name;
use crate::text::{Text, both};

/// Everything that is wrong with a zone file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the zone file cannot be read; the first is line {}: {}", count(.problems.len()),
    .problems[0].line, .problems[0].message.en)]
pub struct ZoneError {
    /// The problems, in the order of the lines. Never empty.
    pub problems: Vec<ZoneProblem>,
}

/// One unreadable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneProblem {
    /// The line it begins on, from 1.
    pub line: usize,
    /// What is wrong, lower case, no full stop.
    pub message: Text,
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 record".to_owned() } else { format!("{problems} records") }
}

/// A word of an entry: its bytes, with escapes resolved.
#[derive(Debug)]
struct Word {
    bytes: Vec<u8>,
}

impl Word {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// One entry: a logical line, with parentheses resolved.
#[derive(Debug)]
struct Entry {
    line: usize,
    begins_blank: bool,
    words: Vec<Word>,
}

/// All records of a file, or all its problems.
pub(super) fn records(text: &str, origin: &str) -> Result<Vec<ZoneRecord>, ZoneError> {
    let mut reader = Reader { origin: name::normal(origin), ttl: 3600, owner: None, records: Vec::new() };
    let mut problems = Vec::new();
    match entries(text) {
        Ok(entries) => {
            for entry in entries {
                if let Err(message) = reader.read(&entry) {
                    problems.push(ZoneProblem { line: entry.line, message });
                }
            }
        }
        Err(problem) => problems.push(problem),
    }
    if problems.is_empty() { Ok(reader.records) } else { Err(ZoneError { problems }) }
}

struct Reader {
    origin: String,
    ttl: u32,
    owner: Option<String>,
    records: Vec<ZoneRecord>,
}

type Words<'a> = Peekable<Iter<'a, Word>>;

impl Reader {
    fn read(&mut self, entry: &Entry) -> Result<(), Text> {
        let mut words = entry.words.iter().peekable();
        let first = entry.words[0].text();
        match first.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                words.next();
                self.origin = self.absolute(&next(&mut words, A_NAME)?)?;
                return Ok(());
            }
            "$TTL" => {
                words.next();
                let text = next(&mut words, ("a time", "une durée"))?;
                self.ttl = seconds(&text)
                    .ok_or_else(|| both!("`{text}` is not a TTL", "« {text} » n'est pas un TTL"))?;
                return Ok(());
            }
            "$INCLUDE" | "$GENERATE" => {
                return Err(both!("{first} is not followed", "{first} n'est pas suivi"));
            }
            _ => {}
        }
        if !entry.begins_blank {
            words.next();
            self.owner = Some(self.absolute(&first)?);
        }
        let owner = self
            .owner
            .clone()
            .ok_or_else(|| both!("a record without an owner", "un enregistrement sans nom"))?;
        self.read_record(owner, entry.line, words)
    }

    fn read_record(&mut self, name: String, line: usize, mut words: Words<'_>) -> Result<(), Text> {
        let mut ttl = self.ttl;
        let kind = loop {
            let word = next(&mut words, ("a record type", "un type d'enregistrement"))?;
            if word.eq_ignore_ascii_case("IN") {
                continue;
            }
            match seconds(&word) {
                Some(own) => ttl = own,
                None => break word.to_ascii_uppercase(),
            }
        };
        let (kind, data) = self.data(&kind, words)?;
        self.records.push(ZoneRecord { name, kind, record: Record { data, ttl }, line });
        Ok(())
    }

    fn data(&self, kind: &str, mut words: Words<'_>) -> Result<(Option<RecordType>, Data), Text> {
        let words = &mut words;
        let (kind, data) = match kind {
            "A" => (RecordType::A, Data::A(parsed(words, ("an IPv4 address", "une adresse IPv4"))?)),
            "AAAA" => (RecordType::Aaaa, Data::Aaaa(parsed(words, ("an IPv6 address", "une adresse IPv6"))?)),
            "CNAME" => (RecordType::Cname, Data::Cname(self.target(words)?)),
            "NS" => (RecordType::Ns, Data::Ns(self.target(words)?)),
            "PTR" => (RecordType::Ptr, Data::Ptr(self.target(words)?)),
            "MX" => {
                let preference = parsed(words, ("a preference", "une préférence"))?;
                (RecordType::Mx, Data::Mx { preference, exchange: self.target(words)? })
            }
            "SOA" => (RecordType::Soa, self.soa(words)?),
            "TXT" => {
                let strings: Vec<_> = words.by_ref().map(|word| word.bytes.clone()).collect();
                if strings.is_empty() {
                    return Err(both!("a TXT record without text", "un TXT sans texte"));
                }
                if let Some(long) = strings.iter().find(|string| string.len() > 255) {
                    return Err(both!(
                        "a string of {} octets; one holds at most 255: cut it in two",
                        "une chaîne de {} octets ; une seule en a 255 au plus : coupez-la en deux",
                        long.len()
                    ));
                }
                (RecordType::Txt, Data::Txt(strings))
            }
            "DNSKEY" => return Ok((Some(RecordType::Dnskey), Data::Other)),
            "DS" => return Ok((Some(RecordType::Ds), Data::Other)),
            "TLSA" => return Ok((Some(RecordType::Tlsa), Data::Other)),
            _ if is_type_name(kind) => return Ok((None, Data::Other)),
            _ => {
                return Err(both!(
                    "`{kind}` is not a record type",
                    "« {kind} » n'est pas un type d'enregistrement"
                ));
            }
        };
        match words.next() {
            None => Ok((Some(kind), data)),
            Some(word) => Err(both!(
                "`{}` is too much for a record of type {kind}",
                "« {} » est de trop dans un enregistrement {kind}",
                word.text()
            )),
        }
    }

    fn soa(&self, words: &mut Words<'_>) -> Result<Data, Text> {
        let primary = self.target(words)?;
        self.target(words)?;
        let mut last = 0;
        for what in [
            ("a serial number", "un numéro de série"),
            ("a refresh time", "un délai de rafraîchissement"),
            ("a retry time", "un délai de nouvel essai"),
            ("an expiry", "une expiration"),
            ("a minimum", "un minimum"),
        ] {
            let text = next(words, what)?;
            last = seconds(&text).ok_or_else(|| is_not(&text, what))?;
        }
        Ok(Data::Soa { primary, minimum: last })
    }

    fn target(&self, words: &mut Words<'_>) -> Result<String, Text> {
        let text = next(words, A_NAME)?;
        self.absolute(&text)
    }

    fn absolute(&self, text: &str) -> Result<String, Text> {
        let full = match text {
            "@" => self.origin.clone(),
            "." => return Ok(String::new()),
            _ if text.ends_with('.') => name::normal(text),
            _ if self.origin.is_empty() => name::normal(text),
            _ => format!("{}.{}", name::normal(text), self.origin),
        };
        if name::is_well_formed(&full) {
            return Ok(full);
        }
        Err(both!("`{text}` is not a domain name", "« {text} » n'est pas un nom de domaine"))
    }
}

/// What a word should be, in English and in French.
type What = (&'static str, &'static str);

const A_NAME: What = ("a name", "un nom");

fn next(words: &mut Words<'_>, what: What) -> Result<String, Text> {
    let (what, quoi) = what;
    words.next().map(Word::text).ok_or_else(|| both!("{what} is missing", "il manque {quoi}"))
}

fn parsed<T: std::str::FromStr>(words: &mut Words<'_>, what: What) -> Result<T, Text> {
    let text = next(words, what)?;
    text.parse().map_err(|_| is_not(&text, what))
}

fn is_not(text: &str, (what, quoi): What) -> Text {
    both!("`{text}` is not {what}", "« {text} » n'est pas {quoi}")
}

fn is_type_name(word: &str) -> bool {
    const OTHERS: [&str; 19] = [
        "CAA",
        "SRV",
        "SPF",
        "SSHFP",
        "HTTPS",
        "SVCB",
        "NAPTR",
        "LOC",
        "HINFO",
        "RP",
        "DNAME",
        "NSEC",
        "NSEC3",
        "NSEC3PARAM",
        "RRSIG",
        "CDS",
        "CDNSKEY",
        "SMIMEA",
        "OPENPGPKEY",
    ];
    OTHERS.contains(&word) || word.strip_prefix("TYPE").is_some_and(|n| n.parse::<u16>().is_ok())
}

/// A time in seconds, or with the units that BIND knows: `1h30m`.
fn seconds(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match number {
        Some(rest) => total.checked_add(rest),
        None => (!text.is_empty()).then_some(total),
    }
}

/// Cuts a file into entries; an error only for a quote or a parenthesis that never closes.
fn entries(text: &str) -> Result<Vec<Entry>, ZoneProblem> {
    let mut scanner = Scanner { chars: text.chars().peekable(), line: 1 };
    let mut all = Vec::new();
    while scanner.chars.peek().is_some() {
        let entry = scanner.entry()?;
        if !entry.words.is_empty() {
            all.push(entry);
        }
    }
    Ok(all)
}

struct Scanner<'a> {
    chars: Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl Scanner<'_> {
    fn entry(&mut self) -> Result<Entry, ZoneProblem> {
        let begins_blank = matches!(self.chars.peek(), Some(' ' | '\t'));
        let mut entry = Entry { line: self.line, begins_blank, words: Vec::new() };
        let mut depth = 0_usize;
        while let Some(&c) = self.chars.peek() {
            match c {
                '\n' => {
                    self.chars.next();
                    self.line += 1;
                    if depth == 0 {
                        return Ok(entry);
                    }
                }
                ';' => while self.chars.next_if(|c| *c != '\n').is_some() {},
                '(' | ')' => {
                    self.chars.next();
                    depth = if c == '(' { depth + 1 } else { depth.saturating_sub(1) };
                }
                '"' => {
                    self.chars.next();
                    let word = self.quoted(entry.line)?;
                    entry.words.push(word);
                }
                c if c.is_whitespace() => {
                    self.chars.next();
                }
                _ => entry.words.push(self.bare()),
            }
        }
        if depth > 0 {
            return Err(ZoneProblem {
                line: entry.line,
                message: both!("a ( that is never closed", "une parenthèse « ( » n'est pas refermée"),
            });
        }
        Ok(entry)
    }

    fn bare(&mut self) -> Word {
        let mut bytes = Vec::new();
        while let Some(c) = self.chars.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '(' | ')' | '"'))
        {
            self.push(c, &mut bytes);
        }
        Word { bytes }
    }

    fn quoted(&mut self, line: usize) -> Result<Word, ZoneProblem> {
        let mut bytes = Vec::new();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return Ok(Word { bytes }),
                '\n' => break,
                _ => self.push(c, &mut bytes),
            }
        }
        Err(ZoneProblem {
            line,
            message: both!("a quote that is never closed", "un guillemet n'est pas refermé"),
        })
    }

    /// Adds one character, resolving `\DDD` and `\X` (RFC 1035, section 5.1).
    fn push(&mut self, c: char, bytes: &mut Vec<u8>) {
        let mut buffer = [0; 4];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            return;
        }
        let mut ahead = self.chars.clone();
        let code: String = ahead.by_ref().take(3).collect();
        match code.parse::<u8>() {
            Ok(octet) if code.len() == 3 => {
                bytes.push(octet);
                self.chars = ahead;
            }
            _ => {
                if let Some(escaped) = self.chars.next() {
                    bytes.extend_from_slice(escaped.encode_utf8(&mut buffer).as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_may_carry_units() {
        assert_eq!(seconds("1h30m"), Some(5400));
        assert_eq!(seconds("86400"), Some(86_400));
        assert_eq!(seconds("IN"), None);
        assert_eq!(seconds("99999999999"), None);
    }

    #[test]
    fn every_unreadable_line_is_reported() {
        let error =
            records("a A 192.0.2.300\nb TXT\nc A 192.0.2.1\n$INCLUDE x\n", "example.org").unwrap_err();

        let lines: Vec<_> = error.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 4]);
    }

    #[test]
    fn escapes_give_octets() {
        let all = records(r#"a TXT "x\226\"\\y" z\;w"#, "example.org").unwrap();

        let Data::Txt(strings) = &all[0].record.data else { panic!("{all:?}") };
        assert_eq!(strings, &[b"x\xe2\"\\y".to_vec(), b"z;w".to_vec()]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[ -~\n\t\u{e9}]{0,200}") {
            let _ = records(&text, "example.org");
        }
    }
}
