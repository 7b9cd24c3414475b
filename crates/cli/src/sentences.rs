//! The library's own sentences in French.
//!
//! The library says what is wrong in English, with the facts in place. `locales/sentences.fr.txt` holds
//! those sentences with named gaps for the facts, and their French; a test reads the library's sources
//! and finds each of them there. A server's own words are never touched: nothing matches them.

use std::sync::LazyLock;

/// Ours, then what other people's code says.
const CATALOGUES: [&str; 2] =
    [include_str!("../locales/sentences.fr.txt"), include_str!("../locales/foreign.fr.txt")];

/// What the reader of TOML says: a finding, and what was expected.
const TOML: &str = include_str!("../locales/toml.fr.txt");

/// The gaps in which a sentence may stand; what stands in any other is a name, and stays.
const SENTENCE_GAPS: [&str; 9] =
    ["reason", "reasons", "what", "error", "reply", "kind", "expected", "found", "message"];

/// The gaps in which names stand, in the library's quotation marks.
const LISTS: [&str; 4] = ["found", "columns", "fields", "known"];

/// `` `email`, `outlet` `` in French quotation marks.
fn quoted(names: &str) -> String {
    let parts = names.split('`').enumerate();
    if names.matches('`').count() % 2 == 1 {
        return names.to_owned();
    }
    let quote =
        |(at, part): (usize, &str)| if at % 2 == 1 { format!("« {part} »") } else { part.to_owned() };
    parts.map(quote).collect()
}

/// Sorted: the sentence with the most words of its own comes first.
static SENTENCES: LazyLock<Vec<Sentence>> = LazyLock::new(|| {
    let mut sentences: Vec<Sentence> = lines().filter_map(Sentence::read).collect();
    sentences.sort_by_key(|sentence| std::cmp::Reverse(sentence.own_length()));
    sentences
});

fn lines() -> impl Iterator<Item = &'static str> {
    CATALOGUES.iter().flat_map(|catalogue| catalogue.lines())
}

struct Sentence {
    english: Vec<Piece>,
    french: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(&'static str),
    Gap(&'static str),
}

/// `text` in French; `None` when it is no sentence of the library.
pub(crate) fn french(text: &str) -> Option<String> {
    let text = without_number(text);
    whole(text).or_else(|| several(text)).or_else(|| behind_a_name(text))
}

/// `Permission denied (os error 13)`: the number is for programs.
fn without_number(text: &str) -> &str {
    let number = |rest: &str| rest.strip_suffix(')').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    text.rsplit_once(" (os error ").filter(|(_, rest)| number(rest)).map_or(text, |(text, _)| text)
}

/// A syntax error of TOML in French: `unclosed array, expected `]``. `None` when it is not known.
pub(crate) fn toml(message: &str) -> Option<String> {
    let (finding, expected) = match message.split_once(", expected ") {
        Some((finding, expected)) => (finding, Some(expected)),
        None => (message, None),
    };
    let finding = toml_words(finding)?;
    let Some(expected) = expected else { return Some(finding.to_owned()) };
    Some(format!("{finding} ; attendu : {}", toml_expected(expected)?))
}

/// One thing after the other; a sign stands as it is.
fn toml_expected(list: &str) -> Option<String> {
    if let Some(told) = toml_words(list) {
        return Some(told.to_owned());
    }
    let told = list.split(", ").map(|one| match one.trim_matches('`') {
        sign if sign.len() + 2 == one.len() => Some(format!("« {sign} »")),
        _ => toml_words(one).map(str::to_owned),
    });
    Some(told.collect::<Option<Vec<_>>>()?.join(", "))
}

fn toml_words(english: &str) -> Option<&'static str> {
    let mut known = TOML.lines().filter_map(|line| line.split_once(" => "));
    known.find(|(known, _)| *known == english).map(|(_, french)| french)
}

fn whole(text: &str) -> Option<String> {
    SENTENCES.iter().find_map(|sentence| {
        let mut facts = Vec::new();
        let is_it = capture(&sentence.english, text, &mut facts) && !swallows_another(sentence, &facts);
        is_it.then(|| fill(&sentence.french, &facts))
    })
}

/// A name at the beginning of a sentence does not reach over what stands in front of a colon: of
/// `ovh: the CA file x cannot be read`, no `{path} cannot be read` is made.
fn swallows_another(sentence: &Sentence, facts: &[(&str, &str)]) -> bool {
    let begins = matches!(sentence.english.first(), Some(Piece::Gap(name)) if !SENTENCE_GAPS.contains(name));
    begins && facts.first().is_some_and(|(_, fact)| fact.contains(": "))
}

/// `this; that`.
fn several(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split("; ").collect();
    let translated: Vec<Option<String>> = parts.iter().map(|part| french_one(part)).collect();
    if parts.len() < 2 || translated.iter().all(Option::is_none) {
        return None;
    }
    let parts =
        parts.iter().zip(translated).map(|(part, french)| french.unwrap_or_else(|| (*part).to_owned()));
    Some(parts.collect::<Vec<_>>().join(" ; "))
}

fn french_one(text: &str) -> Option<String> {
    let text = without_number(text);
    whole(text).or_else(|| behind_a_name(text))
}

/// `contacts.csv: what is wrong`.
fn behind_a_name(text: &str) -> Option<String> {
    let (name, rest) = text.split_once(": ")?;
    Some(format!("{name} : {}", french(rest)?))
}

fn capture<'t>(pieces: &[Piece], text: &'t str, facts: &mut Vec<(&'static str, &'t str)>) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Text(own), rest @ ..] => {
            text.strip_prefix(own).is_some_and(|text| capture(rest, text, facts))
        }
        [Piece::Gap(name)] => {
            facts.push((name, text));
            true
        }
        [Piece::Gap(name), rest @ ..] => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            let known = facts.len();
            for end in ends {
                facts.push((name, &text[..end]));
                if capture(rest, &text[end..], facts) {
                    return true;
                }
                facts.truncate(known);
            }
            false
        }
    }
}

fn fill(pieces: &[Piece], facts: &[(&str, &str)]) -> String {
    let told = |piece: &Piece| match piece {
        Piece::Text(own) => (*own).to_owned(),
        Piece::Gap(name) => {
            let fact = facts.iter().find(|(known, _)| known == name).map_or("", |(_, fact)| fact);
            let told = SENTENCE_GAPS.contains(name).then(|| french(fact)).flatten();
            told.unwrap_or_else(|| if LISTS.contains(name) { quoted(fact) } else { fact.to_owned() })
        }
    };
    pieces.iter().map(told).collect()
}

impl Sentence {
    fn read(line: &'static str) -> Option<Self> {
        let (english, french) = line.split_once(" => ")?;
        Some(Self { english: pieces(english), french: pieces(french) })
    }

    fn own_length(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Text(own) => own.len(),
            Piece::Gap(_) => 0,
        };
        self.english.iter().map(length).sum()
    }
}

/// A gap is a name in braces; any other brace is text.
fn pieces(mut text: &'static str) -> Vec<Piece> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let name = text[open + 1..].split('}').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        from = open + 1;
        if is_name && text[from + name.len()..].starts_with('}') {
            if open > 0 {
                found.push(Piece::Text(&text[..open]));
            }
            found.push(Piece::Gap(name));
            text = &text[from + name.len() + 1..];
            from = 0;
        }
    }
    if !text.is_empty() {
        found.push(Piece::Text(text));
    }
    found
}

#[cfg(test)]
mod foreign;

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the library says what users read.
    const SOURCES: [&str; 85] = [
        "core/src/address.rs",
        "core/src/text.rs",
        "core/src/contact/problem.rs",
        "core/src/contact/error.rs",
        "core/src/contact/convert.rs",
        "core/src/contact/selection/error.rs",
        "core/src/contact/selection/parser.rs",
        "core/src/release/mod.rs",
        "core/src/release/assets.rs",
        "core/src/release/front_matter.rs",
        "core/src/release/lint.rs",
        "core/src/release/render.rs",
        "core/src/release/freeze.rs",
        "core/src/engine/mod.rs",
        "core/src/engine/attempt.rs",
        "core/src/engine/asking.rs",
        "core/src/engine/hand_out.rs",
        "core/src/engine/look_up.rs",
        "core/src/engine/link.rs",
        "core/src/journal/mod.rs",
        "core/src/provider.rs",
        "core/src/message/inspect.rs",
        "providers/src/smtp/failure.rs",
        "providers/src/smtp/line.rs",
        "providers/src/smtp/reply.rs",
        "providers/src/smtp/body.rs",
        "providers/src/smtp/config.rs",
        "providers/src/smtp/connect.rs",
        "providers/src/smtp/dkim.rs",
        "providers/src/smtp/provider.rs",
        "providers/src/smtp/session.rs",
        "providers/src/smtp/source.rs",
        "providers/src/http/config.rs",
        "providers/src/http/client.rs",
        "providers/src/brevo/payload.rs",
        "providers/src/brevo/account.rs",
        "providers/src/brevo/pace.rs",
        "providers/src/brevo/look_up.rs",
        "providers/src/mailchimp/transactional/payload.rs",
        "providers/src/mailchimp/transactional/account.rs",
        "providers/src/mailchimp/transactional/provider.rs",
        "providers/src/outbox/mod.rs",
        "core/src/opt_out.rs",
        "core/src/release/merge.rs",
        "mailbox/src/imap.rs",
        "core/src/journal/mirror.rs",
        "mirror/src/compact.rs",
        "mirror/src/journal/forgetting.rs",
        "mirror/src/keeper.rs",
        "mirror/src/log.rs",
        "mirror/src/log/reading.rs",
        "mirror/src/recover.rs",
        "mirror/src/restore.rs",
        "mirror/src/s3.rs",
        "mirror/src/seal.rs",
        "mirror/src/segment.rs",
        "mirror/src/session.rs",
        "providers/src/mailchimp/campaign/account.rs",
        "providers/src/mailchimp/campaign/audience.rs",
        "providers/src/mailchimp/campaign/payload.rs",
        "providers/src/mailchimp/campaign/provider.rs",
        "providers/src/mailchimp/campaign/reply.rs",
        "providers/src/mailchimp/campaign/report.rs",
        "providers/src/mailchimp/campaign/turn.rs",
        "providers/src/tls.rs",
        "providers/src/tls/words.rs",
        "providers/src/http/words.rs",
        "cli/src/config/secret.rs",
        "domain/src/dns/resolver.rs",
        "domain/src/dns/recorded.rs",
        "domain/src/dkim/own.rs",
        "journal/src/sqlite/mod.rs",
        "journal/src/sqlite/hold.rs",
        "journal/src/sql/writer.rs",
        "journal/src/postgres/connect.rs",
        "journal/src/postgres/words.rs",
        "journal/src/sql/keeping.rs",
        "providers/src/reason.rs",
        "core/src/message/build.rs",
        "core/src/journal/record.rs",
        "mirror/src/folder.rs",
        "mirror/src/beside.rs",
        "mirror/src/fold.rs",
        "mailbox/src/files.rs",
        "cli/src/run/store.rs",
    ];

    /// What stands in these files and is shown to nobody: invariants, logs, texts for journalists, words of
    /// another library that are told in ours.
    const NOT_SHOWN: [&str; 20] = [
        "alias references unknown anchor",
        "expected mapping start",
        "expected sequence start",
        "expected string scalar",
        "mapping values are not allowed in this context",
        "`, expected one of ",
        "a segment is far shorter than AES-GCM's limit",
        "a checked domain and hexadecimal digits make a Message-ID",
        "a ready link has an idle lane",
        "made by `new` unless tls is `none`",
        "set by `line` before it says that the reply is whole",
        "`left` counts what the segments hold",
        "strings and lists are always JSON",
        "strings, numbers and lists are always JSON",
        "strings and numbers are always JSON",
        "strings are always JSON",
        "the server blocks our address ",
        "plain strings and numbers always serialise",
        "a file has no connection to lose",
        "server does not support TLS",
    ];

    /// The texts in quotation marks of a file, without comments, tests and macros' field names.
    fn texts(file: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let code = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).fold(
            String::new(),
            |mut all, line| {
                all.push_str(line);
                all.push('\n');
                all
            },
        );
        let code = code
            .replace("'\"'", "' '")
            .replace("\\\"", "\u{1}")
            .replace("{{", "\u{2}")
            .replace("}}", "\u{3}");
        let inside = code.split('"').skip(1).step_by(2);
        let whole = |text: &str| {
            let parts = text.split("\\\n").map(|part| part.trim_start_matches(' '));
            parts.collect::<String>().replace('\u{1}', "\"")
        };
        inside.map(whole).collect()
    }

    /// The sentence with each gap filled by a fact that no sentence is.
    fn filled(text: &str) -> String {
        let mut out = String::new();
        let mut depth = 0;
        for character in text.chars() {
            match character {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    out.push('7');
                }
                _ if depth > 0 => {}
                other => out.push(other),
            }
        }
        out.replace('\u{2}', "{").replace('\u{3}', "}")
    }

    fn is_a_sentence(text: &str) -> bool {
        let begins = text.starts_with(|c: char| c.is_lowercase() || "`{".contains(c));
        let words =
            text.split(' ').filter(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase()));
        begins && words.count() >= 3
    }

    #[test]
    fn every_sentence_of_the_library_has_its_french() {
        let mut missing = Vec::new();
        for file in SOURCES {
            let found = texts(file);
            let sentences =
                found.iter().filter(|text| is_a_sentence(text) && !NOT_SHOWN.contains(&text.as_str()));
            let untold = sentences.map(|text| filled(text)).filter(|text| french(text).is_none());
            missing.extend(untold.map(|text| format!("{file}: {text}")));
        }
        assert!(missing.is_empty(), "not in locales/sentences.fr.txt: {missing:#?}");
    }

    /// What the errors of every library crate say (`thiserror`), but for what is only ever shown to those who
    /// write programs with them.
    #[test]
    fn every_error_of_every_library_crate_has_its_french() {
        let (mut missing, mut looked_at) = (Vec::new(), 0);
        for name in ["core", "journal", "mirror", "providers", "mailbox", "receiver", "domain"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
            for (file, code) in sources(&folder) {
                for said in
                    code.split("#[error(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'))
                {
                    looked_at += 1;
                    let said = said.replace("\\\"", "\u{1}");
                    let said = said.split('"').next().unwrap_or_default().replace('\u{1}', "\"");
                    let said = filled(&said.replace("{{", "\u{2}").replace("}}", "\u{3}"));
                    let is_told = said.contains(char::is_alphabetic) && said.contains(' ');
                    if is_told && !in_both_languages(&file) && french(&said).is_none() {
                        missing.push(format!("{file}: {said}"));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "not in locales/sentences.fr.txt: {missing:#?}");
        assert!(looked_at > 100, "only {looked_at} errors were found: has their form changed?");
    }

    /// Whose errors are a `Text`, in both languages at once: `crates/domain/tests/french.rs` looks at those.
    fn in_both_languages(file: &str) -> bool {
        ["mta_sts/mod.rs", "dkim/signature.rs", "zone/parse.rs"].iter().any(|end| file.ends_with(end))
    }

    /// The sources below a folder, without their tests.
    fn sources(folder: &std::path::Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(sources(&path));
            } else if path.extension().is_some_and(|end| end == "rs") {
                let code = std::fs::read_to_string(&path).unwrap();
                let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
                found.push((path.display().to_string(), code));
            }
        }
        found
    }

    #[test]
    fn facts_keep_their_places_and_a_fact_may_be_a_sentence() {
        for (english, told) in [
            ("row 2, column email: `ana` has no @", "ligne 2, colonne email : « ana » n'a pas de @"),
            (
                "l.csv: row 5: the quotation mark opened on line 5 closes in the middle of a cell on line 6",
                "l.csv : ligne 5 : le guillemet ouvert à la ligne 5 se referme au milieu d'une cellule à la ligne 6",
            ),
            (
                "ovh: the CA file ./ca.pem cannot be read: No such file or directory (os error 2)",
                "ovh : le fichier de certificats ./ca.pem ne peut pas être lu : fichier ou dossier introuvable",
            ),
            (
                "no column is called `email`; the header has `nom`, `média`",
                "aucune colonne ne s'appelle « email » ; l'en-tête a « nom », « média »",
            ),
            ("final dot: no answer within 600 s", "point final : pas de réponse en 600 s"),
            (
                "no connection to 127.0.0.1 (127.0.0.1:1): Connection refused (os error 111)",
                "pas de connexion à 127.0.0.1 (127.0.0.1:1) : connexion refusée",
            ),
            (
                "contact fields are written `{{ contact.outlet }}`",
                "les champs d'un contact s'écrivent {{ contact.outlet }}",
            ),
        ] {
            assert_eq!(french(english).as_deref(), Some(told));
        }
    }

    #[test]
    fn a_servers_own_words_stay_as_they_are() {
        for reply in
            ["550 5.1.1 <zoe@example.org>: no such user", "450 4.7.1 greylisted; try later", "", ": "]
        {
            assert_eq!(french(reply), None, "{reply}");
        }
        let told = french("RCPT TO: 550 5.1.1 no such user");
        assert_eq!(told.as_deref(), Some("RCPT TO : 550 5.1.1 no such user"));
    }

    #[test]
    fn every_gap_of_a_translation_stands_in_its_original_and_no_sentence_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for line in lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let sentence = Sentence::read(line).unwrap_or_else(|| panic!("no ` => ` in: {line}"));
            let gaps = sentence.french.iter().filter(|piece| matches!(piece, Piece::Gap(_)));
            assert!(gaps.into_iter().all(|gap| sentence.english.contains(gap)), "{line}");
            assert!(seen.insert(line.split(" => ").next()), "twice: {line}");
        }
    }
}
