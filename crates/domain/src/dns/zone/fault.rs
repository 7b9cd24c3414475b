//! What can be wrong with a master file: each fault with its words and its cure, in both languages.

use crate::span::Span;
use crate::text::{Text, both};

/// Everything that is wrong with a zone file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the zone file cannot be read; the first is line {}: {}", count(.problems.len()),
    .problems[0].line, .problems[0].message.en)]
pub struct ZoneError {
    /// The problems, in the order of the file. Never empty.
    pub problems: Vec<ZoneProblem>,
}

/// One place of a zone file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneProblem {
    /// Its line, from 1.
    pub line: usize,
    /// Its column, in characters, from 1.
    pub column: usize,
    /// The octets of the file that are wrong; empty where something is missing.
    pub span: Span,
    /// What is wrong, lower case, no full stop.
    pub message: Text,
    /// What to write instead.
    pub cure: Text,
}

impl ZoneProblem {
    pub(super) fn of(text: &str, line: usize, span: Span, what: What) -> Self {
        let line_start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
        let column = text[line_start..span.start].chars().count() + 1;
        Self { line, column, span, message: what.message, cure: what.cure }
    }
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 place".to_owned() } else { format!("{problems} places") }
}

/// A fault without its place.
#[derive(Debug)]
pub(super) struct What {
    message: Text,
    cure: Text,
}

/// What a word should be, in English and in French.
pub(super) type Wanted = (&'static str, &'static str);

fn like(example: &str) -> Text {
    both!("write it like this: {example}", "écrivez-le ainsi : {example}")
}

/// A whole record of a type, as it may stand in a file.
fn example(kind: &str) -> &'static str {
    match kind {
        "$ORIGIN" => "$ORIGIN exemple.fr.",
        "$TTL" => "$TTL 3600",
        "A" => "www 3600 IN A 192.0.2.1",
        "AAAA" => "www 3600 IN AAAA 2001:db8::1",
        "CNAME" => "www 3600 IN CNAME host.exemple.net.",
        "NS" => "@ 3600 IN NS ns1.exemple.net.",
        "PTR" => "1 3600 IN PTR mail.exemple.fr.",
        "MX" => "@ 3600 IN MX 10 mx.exemple.net.",
        "SOA" => "@ 3600 IN SOA ns1.exemple.net. hostmaster.exemple.fr. 2026112801 86400 3600 3600000 300",
        _ => "@ 3600 IN TXT \"v=spf1 include:mx.ovh.com -all\"",
    }
}

pub(super) fn unclosed_quote() -> What {
    What {
        message: both!("a quote that is never closed", "un guillemet n'est pas refermé"),
        cure: both!(
            "close it on the same line; a long text is several strings: \"first half\" \"second half\"",
            "refermez-le sur la même ligne ; un long texte se coupe en chaînes : \"première moitié\" \"seconde moitié\""
        ),
    }
}

pub(super) fn unclosed_parenthesis() -> What {
    What {
        message: both!("a ( that is never closed", "une parenthèse « ( » n'est pas refermée"),
        cure: both!(
            "put ) behind the record's last value",
            "mettez « ) » après la dernière valeur de l'enregistrement"
        ),
    }
}

pub(super) fn still_open(line: usize) -> What {
    What {
        message: both!(
            "the ( of the record on line {line} is still open here",
            "la parenthèse « ( » de l'enregistrement de la ligne {line} est encore ouverte ici"
        ),
        cure: unclosed_parenthesis().cure,
    }
}

pub(super) fn stray_parenthesis() -> What {
    What {
        message: both!("a ) without its (", "une parenthèse « ) » que rien n'ouvre"),
        cure: both!(
            "take it out, or open it on the record's first line; within a text, quote the text",
            "ôtez-la, ou ouvrez-la sur la première ligne de l'enregistrement ; dans un texte, mettez le texte entre guillemets"
        ),
    }
}

pub(super) fn missing((what, quoi): Wanted, kind: &str) -> What {
    What { message: both!("{what} is missing", "il manque {quoi}"), cure: like(example(kind)) }
}

pub(super) fn is_not(text: &str, (what, quoi): Wanted, kind: &str) -> What {
    What {
        message: both!("`{text}` is not {what}", "« {text} » n'est pas {quoi}"),
        cure: like(example(kind)),
    }
}

pub(super) fn no_name(text: &str) -> What {
    What {
        message: both!("`{text}` is not a domain name", "« {text} » n'est pas un nom de domaine"),
        cure: both!(
            "a name is at most 253 octets, each part between its dots 1 to 63",
            "un nom a 253 octets au plus, et chaque partie entre deux points de 1 à 63"
        ),
    }
}

pub(super) fn no_origin(text: &str) -> What {
    What {
        message: both!(
            "`{text}` is below a domain that the file does not name",
            "« {text} » se rapporte à un domaine que le fichier ne nomme pas"
        ),
        cure: both!(
            "begin the file with the domain that its names lie below: $ORIGIN exemple.fr.",
            "commencez le fichier par le domaine dont dépendent ses noms : $ORIGIN exemple.fr."
        ),
    }
}

pub(super) fn no_owner() -> What {
    What {
        message: both!("a record without an owner", "un enregistrement sans nom"),
        cure: both!(
            "begin its line with a name; @ is the domain itself",
            "commencez sa ligne par un nom ; @ est le domaine lui-même"
        ),
    }
}

pub(super) fn not_followed(directive: &str) -> What {
    What {
        message: both!("{directive} is not followed", "{directive} n'est pas suivi"),
        cure: both!(
            "write the records that it stands for into this file",
            "écrivez dans ce fichier les enregistrements qu'il représente"
        ),
    }
}

pub(super) fn unknown_directive(word: &str) -> What {
    What {
        message: both!("`{word}` is no directive", "« {word} » n'est pas une directive"),
        cure: both!("master files know $ORIGIN and $TTL", "un fichier de zone connaît $ORIGIN et $TTL"),
    }
}

pub(super) fn unknown_type(word: &str) -> What {
    What {
        message: both!("`{word}` is not a record type", "« {word} » n'est pas un type d'enregistrement"),
        cure: both!(
            "a line is a name, a TTL, IN, a type and its value: {}",
            "une ligne est un nom, un TTL, IN, un type et sa valeur : {}",
            example("TXT")
        ),
    }
}

pub(super) fn cut_text(text: &str) -> What {
    What {
        message: both!(
            "the text ends at the ; behind `{text}`: the rest is a remark, and would not be published",
            "le texte s'arrête au « ; » après « {text} » : la suite est une remarque, et ne serait pas publiée"
        ),
        cure: both!(
            "put the whole text in quotes: \"v=DMARC1; p=none; rua=mailto:dmarc@exemple.fr\"",
            "mettez tout le texte entre guillemets : \"v=DMARC1; p=none; rua=mailto:dmarc@exemple.fr\""
        ),
    }
}

pub(super) fn long_string(octets: usize) -> What {
    What {
        message: both!(
            "a string of {octets} octets; one holds at most 255",
            "une chaîne de {octets} octets ; une seule en a 255 au plus"
        ),
        cure: both!(
            "cut it in two strings, which are joined without a space: \"first half\" \"second half\"",
            "coupez-la en deux chaînes, qui seront jointes sans espace : \"première moitié\" \"seconde moitié\""
        ),
    }
}

pub(super) fn too_much(text: &str, kind: &str) -> What {
    What {
        message: both!(
            "`{text}` is too much for a record of type {kind}",
            "« {text} » est de trop dans un enregistrement {kind}"
        ),
        cure: both!(
            "one record holds one value: {}; a remark begins with ;",
            "un enregistrement a une seule valeur : {} ; une remarque commence par « ; »",
            example(kind)
        ),
    }
}
