//! The records of a master file (RFC 1035, section 5): names, types, values, `$ORIGIN`, `$TTL`.
//!
//! `$INCLUDE` is refused: a check reads the file it was given. Every unreadable record is reported, with its
//! place and its cure.

use std::iter::Peekable;
use std::slice::Iter;

use super::ZoneRecord;
use super::fault::{self, Wanted, What, ZoneError, ZoneProblem};
use super::scan::{Entry, Word, entries};
use crate::dns::{Data, Record, RecordType};
use crate::name;
use crate::span::Span;

/// All records of a file, or all its problems.
pub(super) fn records(text: &str, origin: &str) -> Result<Vec<ZoneRecord>, ZoneError> {
    let mut reader = Reader { origin: name::normal(origin), ttl: 3600, owner: None, records: Vec::new() };
    let (entries, mut problems) = entries(text);
    for entry in entries {
        if let Err(fault) = reader.read(&entry) {
            problems.push(fault.placed(text, &entry));
        }
    }
    if problems.is_empty() {
        return Ok(reader.records);
    }
    problems.sort_by_key(|problem| problem.span);
    Err(ZoneError { problems })
}

/// What is wrong with an entry, and where.
#[derive(Debug)]
struct Fault {
    line: usize,
    span: Span,
    what: What,
}

impl Fault {
    fn at(word: &Word, what: What) -> Self {
        Self { line: word.line, span: word.span, what }
    }

    fn placed(self, text: &str, entry: &Entry) -> ZoneProblem {
        // What begins a later line without white space was to be a record of its own.
        let is_next = self.line > entry.line && text[..self.span.start].ends_with('\n');
        let what = if is_next { fault::still_open(entry.line) } else { self.what };
        ZoneProblem::of(text, self.line, self.span, what)
    }
}

struct Reader {
    origin: String,
    ttl: u32,
    owner: Option<String>,
    records: Vec<ZoneRecord>,
}

/// The words of an entry that are not read yet.
struct Words<'a> {
    left: Peekable<Iter<'a, Word>>,
    /// The line and the octet behind the last one read: where the next is missing.
    end: (usize, usize),
    /// What is being read, for the example of a cure: a record type or a directive.
    kind: String,
}

impl<'a> Words<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            left: entry.words.iter().peekable(),
            end: (entry.line, entry.words[0].span.start),
            kind: "TXT".to_owned(),
        }
    }

    fn take(&mut self) -> Option<&'a Word> {
        let word = self.left.next()?;
        self.end = (word.line, word.span.end);
        Some(word)
    }

    fn next(&mut self, wanted: Wanted) -> Result<&'a Word, Fault> {
        let ((line, end), kind) = (self.end, self.kind.clone());
        let missing = || Fault { line, span: Span::new(end, end), what: fault::missing(wanted, &kind) };
        self.take().ok_or_else(missing)
    }

    fn parsed<T>(&mut self, wanted: Wanted, read: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
        let word = self.next(wanted)?;
        let text = word.text();
        let wrong = || Fault::at(word, fault::is_not(&text, wanted, &self.kind));
        read(&text).ok_or_else(wrong)
    }
}

const A_NAME: Wanted = ("a name", "un nom");
const A_TTL: Wanted = ("a TTL", "un TTL");

impl Reader {
    fn read(&mut self, entry: &Entry) -> Result<(), Fault> {
        let mut words = Words::of(entry);
        let first = &entry.words[0];
        if first.bytes.starts_with(b"$") && !entry.begins_blank {
            words.take();
            return self.directive(first, words);
        }
        if !entry.begins_blank {
            words.take();
            self.owner = Some(self.absolute(first)?);
        }
        let nobody = || Fault::at(first, fault::no_owner());
        let owner = self.owner.clone().ok_or_else(nobody)?;
        self.read_record(owner, entry.line, words)
    }

    fn directive(&mut self, word: &Word, mut words: Words<'_>) -> Result<(), Fault> {
        let text = word.text();
        words.kind = text.to_ascii_uppercase();
        match words.kind.as_str() {
            "$ORIGIN" => self.origin = self.target(&mut words)?,
            "$TTL" => self.ttl = words.parsed(A_TTL, seconds)?,
            "$INCLUDE" | "$GENERATE" => {
                return Err(Fault::at(word, fault::not_followed(&words.kind)));
            }
            _ => return Err(Fault::at(word, fault::unknown_directive(&text))),
        }
        nothing_more(words)
    }

    fn read_record(&mut self, name: String, line: usize, mut words: Words<'_>) -> Result<(), Fault> {
        let mut ttl = self.ttl;
        let kind = loop {
            let word = words.next(("a record type", "un type d'enregistrement"))?;
            let text = word.text();
            if text.eq_ignore_ascii_case("IN") {
                continue;
            }
            match seconds(&text) {
                Some(own) => ttl = own,
                None => break word,
            }
        };
        words.kind = kind.text().to_ascii_uppercase();
        let (kind, data) = self.data(kind, words)?;
        self.records.push(ZoneRecord { name, kind, record: Record { data, ttl }, line });
        Ok(())
    }

    fn data(&self, kind: &Word, mut words: Words<'_>) -> Result<(Option<RecordType>, Data), Fault> {
        let name = words.kind.clone();
        let (kind, data) = match name.as_str() {
            "A" => {
                let wanted = ("an IPv4 address", "une adresse IPv4");
                (RecordType::A, Data::A(words.parsed(wanted, |text| text.parse().ok())?))
            }
            "AAAA" => {
                let wanted = ("an IPv6 address", "une adresse IPv6");
                (RecordType::Aaaa, Data::Aaaa(words.parsed(wanted, |text| text.parse().ok())?))
            }
            "CNAME" => (RecordType::Cname, Data::Cname(self.target(&mut words)?)),
            "NS" => (RecordType::Ns, Data::Ns(self.target(&mut words)?)),
            "PTR" => (RecordType::Ptr, Data::Ptr(self.target(&mut words)?)),
            "MX" => {
                let wanted = ("a preference", "une préférence");
                let preference = words.parsed(wanted, |text| text.parse().ok())?;
                (RecordType::Mx, Data::Mx { preference, exchange: self.target(&mut words)? })
            }
            "SOA" => (RecordType::Soa, self.soa(&mut words)?),
            "TXT" => (RecordType::Txt, strings(&mut words)?),
            "DNSKEY" => return Ok((Some(RecordType::Dnskey), Data::Other)),
            "DS" => return Ok((Some(RecordType::Ds), Data::Other)),
            "TLSA" => return Ok((Some(RecordType::Tlsa), Data::Other)),
            _ if is_type_name(&name) => return Ok((None, Data::Other)),
            _ => return Err(Fault::at(kind, fault::unknown_type(&kind.text()))),
        };
        nothing_more(words)?;
        Ok((Some(kind), data))
    }

    fn soa(&self, words: &mut Words<'_>) -> Result<Data, Fault> {
        let primary = self.target(words)?;
        self.target(words)?;
        let mut minimum = 0;
        for wanted in [
            ("a serial number", "un numéro de série"),
            ("a refresh time", "un délai de rafraîchissement"),
            ("a retry time", "un délai de nouvel essai"),
            ("an expiry", "une expiration"),
            ("a minimum", "un minimum"),
        ] {
            minimum = words.parsed(wanted, seconds)?;
        }
        Ok(Data::Soa { primary, minimum })
    }

    fn target(&self, words: &mut Words<'_>) -> Result<String, Fault> {
        self.absolute(words.next(A_NAME)?)
    }

    fn absolute(&self, word: &Word) -> Result<String, Fault> {
        let text = word.text();
        let full = match text.as_str() {
            "@" if self.origin.is_empty() => {
                return Err(Fault::at(word, fault::no_origin(&text)));
            }
            "@" => self.origin.clone(),
            "." => return Ok(String::new()),
            _ if text.ends_with('.') || self.origin.is_empty() => name::normal(&text),
            _ => format!("{}.{}", name::normal(&text), self.origin),
        };
        if name::is_well_formed(&full) {
            return Ok(full);
        }
        Err(Fault::at(word, fault::no_name(&text)))
    }
}

fn strings(words: &mut Words<'_>) -> Result<Data, Fault> {
    let mut word = words.next(("a text", "un texte"))?;
    let mut strings = Vec::new();
    loop {
        if word.bytes.len() > 255 {
            return Err(Fault::at(word, fault::long_string(word.bytes.len())));
        }
        if word.is_cut && is_tag(&word.bytes) {
            return Err(Fault::at(word, fault::cut_text(&word.text())));
        }
        strings.push(word.bytes.clone());
        match words.take() {
            Some(next) => word = next,
            None => return Ok(Data::Txt(strings)),
        }
    }
}

/// Whether a text is the first tag of a record of tags (`v=DMARC1`, `k=rsa`, `p=…`), which no record is alone.
fn is_tag(text: &[u8]) -> bool {
    matches!(text, [b'v' | b'k' | b'p', b'=', ..]) && !text.starts_with(b"v=spf1")
}

fn nothing_more(mut words: Words<'_>) -> Result<(), Fault> {
    match words.take() {
        None => Ok(()),
        Some(word) => Err(Fault::at(word, fault::too_much(&word.text(), &words.kind))),
    }
}

fn is_type_name(word: &str) -> bool {
    const OTHERS: [&str; 28] = [
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
        "AFSDB",
        "CERT",
        "CSYNC",
        "DHCID",
        "HIP",
        "KEY",
        "KX",
        "URI",
        "ZONEMD",
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

    /// The line, the column and the marked text of every problem.
    fn places(text: &str) -> Vec<(usize, usize, &str)> {
        let problems = records(text, "example.org").unwrap_err().problems;
        assert!(problems.iter().all(|problem| !problem.cure.en.is_empty() && !problem.cure.fr.is_empty()));
        problems.iter().map(|problem| (problem.line, problem.column, problem.span.of(text))).collect()
    }

    #[test]
    fn every_unreadable_place_is_reported() {
        let text = "a A 192.0.2.300\nb TXT\nc A 192.0.2.1\n$INCLUDE x\n\u{e9} MX dix mx\n$TTL 3600 x\n";
        assert_eq!(
            places(text),
            [(1, 5, "192.0.2.300"), (2, 6, ""), (4, 1, "$INCLUDE"), (5, 6, "dix"), (6, 11, "x")]
        );
    }

    #[test]
    fn what_never_closes_does_not_hide_what_stands_below() {
        assert_eq!(places("a TXT \"x\nb A no\n"), [(1, 7, "\""), (2, 5, "no")]);
        assert_eq!(places("a TXT ( \"x\n  \"y\" )\nb A no\n"), [(1, 9, "\""), (3, 5, "no")]);
        assert_eq!(places("a TXT ( \"x )\nb A no\n"), [(1, 9, "\""), (2, 5, "no")]);
        assert_eq!(
            places("a SOA ns. h. (\n 1 2 3\n 4 5\nb A no\nc A 192.0.2.1\n"),
            [(1, 14, "("), (4, 5, "no")]
        );
        assert_eq!(
            places("a SOA ns. h. (\n 1 2 3 4 5\nb A 192.0.2.1\nc TXT )\nd A no\n"),
            [(3, 1, "b"), (5, 5, "no")]
        );
        assert_eq!(places("a A 192.0.2.1 )\nb A no\n"), [(1, 15, ")"), (2, 5, "no")]);
    }

    /// BIND publishes `v=DMARC1` here, and says nothing.
    #[test]
    fn a_text_that_a_semicolon_cuts_is_refused_and_a_remark_is_none() {
        assert_eq!(places("_dmarc TXT v=DMARC1; p=none\n"), [(1, 12, "v=DMARC1")]);
        assert_eq!(places("s._domainkey TXT ( k=rsa;p=MIIB\n )\nb A no\n")[0], (1, 20, "k=rsa"));
        let fine = "a TXT v=DMARC1 ; a remark\nb TXT \"v=DMARC1; p=none\";remark\nc TXT v=DMARC1\\;p=none\nd TXT x;y\n";
        assert_eq!(records(fine, "example.org").unwrap().len(), 4);
    }

    #[test]
    fn a_value_within_parentheses_is_found_on_its_own_line() {
        assert_eq!(places("a SOA ns. h. (\n  1 ; serial\n  zwei 3 4 5 )\n"), [(3, 3, "zwei")]);
    }

    #[test]
    fn parentheses_without_end_cost_no_more_than_a_few_walks() {
        let text = "a TXT (\n".repeat(50_000);
        assert!(records(&text, "example.org").is_err());
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

        #[test]
        fn every_problem_lies_where_it_says(
            text in proptest::collection::vec(
                prop_oneof![
                    Just("a"), Just("@"), Just(" "), Just("\n"), Just("TXT"), Just("A"), Just("MX"), Just("\""),
                    Just("("), Just(")"), Just(";"), Just("$TTL"), Just("\\"), Just("\u{e9}"), Just("192.0.2.1"),
                ],
                0..60,
            ).prop_map(|words| words.concat())
        ) {
            let Err(error) = records(&text, "example.org") else { return Ok(()) };
            for problem in &error.problems {
                let line = text.split('\n').nth(problem.line - 1).unwrap();
                let before: usize = text.split('\n').take(problem.line - 1).map(|line| line.len() + 1).sum();
                let at = line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(problem.column - 1);
                prop_assert_eq!(at.map(|at| before + at), Some(problem.span.start));
            }
        }
    }
}
