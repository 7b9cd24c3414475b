//! What the columns of a list mean.
//!
//! A header is compared without case, accents, spaces and punctuation ("Adresse e-mail",
//! `ADRESSE_EMAIL` and "adresse email" are one), with the names that French and English lists give to
//! the columns CLI.md knows. Every other column is custom and keeps its own name. Some names are
//! weak: "Portable" is the phone only when no other column is.
//!
//! Two columns with one meaning are refused, not chosen between.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::error::HeaderProblem;
use super::nearest::nearest;
use crate::address::EmailAddress;
use crate::text::is_unsafe;

/// The columns that CLI.md knows, in canonical order.
pub const KNOWN_COLUMNS: [&str; 16] = [
    "email",
    "first_name",
    "last_name",
    "salutation",
    "outlet",
    "role",
    "beats",
    "lang",
    "region",
    "phone",
    "tags",
    "source",
    "status",
    "tier",
    "embargo",
    "notes",
];

/// The longest column name that is kept, in characters; a longer one is cut.
const MAX_NAME_CHARS: usize = 100;

/// What one column of a file is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMapping {
    /// The column's header as the file has it (line breaks shown as spaces, at most 100 characters).
    pub header: String,
    /// The name under which [`Fields`](super::Fields) keeps its cells.
    pub name: String,
    /// What the column is.
    pub kind: ColumnKind,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnKind {
    /// One of [`KNOWN_COLUMNS`].
    Known,
    /// A column of the list's own.
    Custom,
    /// A column of the list's own whose "yes" means that the contact has opted out ("Désinscrit").
    OptOut,
    /// A column without a header; named `column_7` by its place.
    Unnamed,
}

/// Reads a header row.
pub(super) fn map_columns(cells: &[&str]) -> Result<Vec<ColumnMapping>, Vec<HeaderProblem>> {
    let folded: Vec<String> = cells.iter().map(|cell| fold(cell)).collect();
    let strong: Vec<Option<&str>> = folded.iter().map(|name| strong_meaning(name)).collect();
    let mut columns = Vec::with_capacity(cells.len());
    for (index, cell) in cells.iter().enumerate() {
        let weak = weak_meaning(&folded[index]).filter(|name| !strong.contains(&Some(name)));
        // Of several weak names for one thing the first is it.
        let weak = weak.filter(|name| !columns.iter().any(|column: &ColumnMapping| column.name == *name));
        columns.push(mapping(cell, &folded[index], index, strong[index].or(weak)));
    }
    let problems = problems(&columns, cells);
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

/// Whether a column with this header holds the address.
pub(super) fn is_email_column(header: &str) -> bool {
    strong_meaning(&fold(header)) == Some("email")
}

/// The known column that a folded header means, strongly or weakly.
pub(super) fn meaning_of(folded: &str) -> Option<&'static str> {
    strong_meaning(folded).or_else(|| weak_meaning(folded))
}

/// Case, accents, spaces and punctuation taken away.
pub(super) fn fold(text: &str) -> String {
    text.chars()
        .take(4 * MAX_NAME_CHARS)
        .nfkd()
        .filter(|character| !is_combining_mark(*character) && character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn mapping(cell: &str, folded: &str, index: usize, meaning: Option<&str>) -> ColumnMapping {
    let header = shown(cell);
    let (name, kind) = match meaning {
        Some(name) => (name.to_owned(), ColumnKind::Known),
        None if header.is_empty() => (format!("column_{}", index + 1), ColumnKind::Unnamed),
        None if OPT_OUT_COLUMNS.contains(&folded) => (header.clone(), ColumnKind::OptOut),
        None => (header.clone(), ColumnKind::Custom),
    };
    ColumnMapping { header, name, kind }
}

/// The header fit to be shown and to serve as a name.
fn shown(cell: &str) -> String {
    let plain: String = cell.nfc().map(|c| if is_unsafe(c) { ' ' } else { c }).take(MAX_NAME_CHARS).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn problems(columns: &[ColumnMapping], cells: &[&str]) -> Vec<HeaderProblem> {
    let mut problems = Vec::new();
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (index, column) in columns.iter().enumerate() {
        if let Some(earlier) = first.insert(&column.name, index) {
            problems.push(HeaderProblem::ColumnTwice {
                name: column.name.clone(),
                first: columns[earlier].header.clone(),
                first_column: earlier + 1,
                second: column.header.clone(),
                second_column: index + 1,
            });
        }
    }
    if !first.contains_key("email") {
        let synonyms =
            || SYNONYMS.iter().filter(|(name, _)| *name == "email").flat_map(|(_, words)| words.iter());
        let near =
            columns.iter().find(|column| nearest(&fold(&column.header), synonyms().copied(), 2).is_some());
        problems.push(HeaderProblem::NoEmailColumn {
            found: columns.iter().map(|column| column.header.clone()).collect(),
            did_you_mean: near.map(|column| column.header.clone()),
            first_row_is_data: cells.iter().any(|cell| EmailAddress::parse(cell).is_ok()),
        });
    }
    problems
}

fn strong_meaning(folded: &str) -> Option<&'static str> {
    meaning(&SYNONYMS, folded)
}

fn weak_meaning(folded: &str) -> Option<&'static str> {
    meaning(&WEAK_SYNONYMS, folded)
}

fn meaning(table: &'static [(&'static str, &'static [&'static str])], folded: &str) -> Option<&'static str> {
    table.iter().find(|(_, words)| words.contains(&folded)).map(|(name, _)| *name)
}

/// Folded headers, French and English, by canonical name. Seen in exports of Excel, Mailchimp
/// ("Email Address"), Brevo ("EMAIL", "PRENOM", "NOM", "SMS") and in press offices' own lists.
const SYNONYMS: [(&str, &[&str]); 16] = [
    (
        "email",
        &[
            "email",
            "emails",
            "mail",
            "emailaddress",
            "mailaddress",
            "adresseemail",
            "adressemail",
            "adressedemail",
            "adressemel",
            "mel",
            "courriel",
            "adressecourriel",
            "adresseelectronique",
            "courrierelectronique",
            "emailpro",
            "emailprofessionnel",
            "mailpro",
            "courrielprofessionnel",
            "contactemail",
            "workemail",
            "adressedemessagerie",
            "adressedecourriel",
            "emailjournaliste",
        ],
    ),
    ("first_name", &["firstname", "prenom", "prenoms", "givenname", "forename", "prenomcontact", "fname"]),
    (
        "last_name",
        &["lastname", "nom", "nomdefamille", "surname", "familyname", "patronyme", "nomcontact", "lname"],
    ),
    ("salutation", &["salutation", "formuledappel", "formuledepolitesse", "formuledesalutation", "greeting"]),
    (
        "outlet",
        &[
            "outlet",
            "media",
            "medias",
            "nomdumedia",
            "journal",
            "publication",
            "organedepresse",
            "mediaoutlet",
            "newspaper",
            "magazine",
            "titredepresse",
            "redaction",
            "support",
        ],
    ),
    ("role", &["role", "fonction", "fonctions", "poste", "jobtitle", "position", "intituledeposte", "job"]),
    (
        "beats",
        &[
            "beats",
            "beat",
            "rubrique",
            "rubriques",
            "thematique",
            "thematiques",
            "theme",
            "themes",
            "specialite",
            "specialites",
            "sujets",
            "topics",
            "topic",
        ],
    ),
    ("lang", &["lang", "langue", "langues", "language", "languages", "locale"]),
    ("region", &["region", "regions", "zonegeographique"]),
    (
        "phone",
        &[
            "phone",
            "telephone",
            "tel",
            "phonenumber",
            "numerodetelephone",
            "ndetelephone",
            "notelephone",
            "telephonefixe",
            "telfixe",
            "lignedirecte",
        ],
    ),
    ("tags", &["tags", "tag", "etiquette", "etiquettes", "motscles", "motcle", "labels", "keywords"]),
    ("source", &["source", "origine", "provenance", "origin", "sourceducontact"]),
    ("status", &["status", "statut", "etat", "statutdabonnement", "subscriptionstatus"]),
    ("tier", &["tier", "priorite", "priority", "niveaudepriorite", "rang"]),
    (
        "embargo",
        &["embargo", "sousembargo", "embargook", "embargotrusted", "confianceembargo", "underembargo"],
    ),
    (
        "notes",
        &[
            "notes",
            "note",
            "remarque",
            "remarques",
            "commentaire",
            "commentaires",
            "comments",
            "comment",
            "observations",
        ],
    ),
];

/// Names that mean this only when no stronger name is in the header.
const WEAK_SYNONYMS: [(&str, &[&str]); 4] = [
    ("salutation", &["civilite", "honorific", "prefix", "title"]),
    ("outlet", &["organisation", "organization", "company", "societe", "entreprise", "structure"]),
    (
        "phone",
        &[
            "portable",
            "mobile",
            "telephoneportable",
            "telephonemobile",
            "telportable",
            "gsm",
            "sms",
            "cellphone",
        ],
    ),
    ("tags", &["groupes", "groupe", "groups", "listes", "categories", "categorie"]),
];

/// Columns whose "yes" is an opt-out.
const OPT_OUT_COLUMNS: [&str; 10] = [
    "desinscrit",
    "desinscription",
    "desabonne",
    "unsubscribed",
    "optout",
    "optedout",
    "nepluscontacter",
    "nepascontacter",
    "donotcontact",
    "blacklist",
];
