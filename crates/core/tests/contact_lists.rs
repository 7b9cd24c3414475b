//! Lists as a whole: several files, duplicates, opt-outs, `--where`, conversion, the shipped example.

// `allow-unwrap-in-tests` of clippy.toml does not reach the functions that these tests share.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use depeche_core::contact::{
    ContactReader, ConvertOptions, Converted, Expression, ListError, Loaded, ReadOptions, SelectionError,
    SelectionErrorKind, Source, Verdict, convert, load,
};
use proptest::prelude::*;

fn loaded(files: &[(&str, &str)]) -> Loaded {
    let sources = files.iter().map(|(name, text)| Source::new(*name, text.as_bytes())).collect();
    load(sources, &ReadOptions::default()).unwrap()
}

fn addresses(list: &Loaded) -> Vec<String> {
    list.contacts.iter().map(|contact| contact.address.to_string()).collect()
}

#[test]
fn several_files_are_one_list_and_every_row_is_accounted_for() {
    let list = loaded(&[
        ("a.csv", "email,outlet\nzoe@example.org,Matin\nana.silva,Soir\nbob@example.org,Matin\n"),
        (
            "b.csv",
            "courriel;média\nZOE@Example.org;Soir\n\"zoe\"@example.org;Matin\nbob@example.org;Matin\nEve@example.org;\n",
        ),
    ]);

    assert_eq!(addresses(&list), ["zoe@example.org", "bob@example.org", "Eve@example.org"]);
    assert_eq!((list.places[2].file.as_str(), list.places[2].row, list.places[2].line), ("b.csv", 5, 5));
    let folded: Vec<_> = list
        .duplicates
        .iter()
        .map(|d| {
            (d.place.file.as_str(), d.place.row, d.first.file.as_str(), d.first.row, d.differing.join(","))
        })
        .collect();
    assert_eq!(
        folded,
        [("b.csv", 2, "a.csv", 2, "email,outlet".to_owned()), ("b.csv", 4, "a.csv", 4, String::new()),]
    );
    assert_eq!((list.left_out[0].place.file.as_str(), list.left_out[0].place.row), ("a.csv", 3));
    // `"zoe"@…` without doubled marks is no CSV cell: the mark closes in the middle of it.
    assert_eq!(list.left_out[1].reason().unwrap().code(), "contact.text-after-quote");
    assert!(list.has_defects());
    let rows: u64 = list.files.iter().map(|file| file.rows).sum();
    assert_eq!(rows as usize, list.contacts.len() + list.left_out.len() + list.duplicates.len());
}

/// Whoever asked to be left alone in one row must not be mailed because another row forgot it.
#[test]
fn an_opt_out_counts_wherever_it_stands() {
    let list = loaded(&[
        ("a.csv", "email,status\nzoe@example.org,active\nbob@example.org,\nzoe@example.org,\n"),
        ("b.csv", "email,status\nZoe@example.org,unsubscribed\n"),
    ]);

    assert_eq!(addresses(&list), ["bob@example.org"]);
    let told: Vec<_> = list
        .left_out
        .iter()
        .map(|row| (row.place.file.as_str(), row.place.row, row.reason().unwrap().to_string()))
        .collect();
    let elsewhere = "row 2 of b.csv says that this address has opted out".to_owned();
    assert_eq!(
        told,
        [
            ("a.csv", 2, elsewhere.clone()),
            ("a.csv", 4, elsewhere),
            ("b.csv", 2, "the list says `unsubscribed`".to_owned())
        ]
    );
    assert!(!list.has_defects() && list.duplicates.is_empty());
    assert!(list.keys().iter().any(|key| key.as_str() == "zoe@example.org"), "--exclude takes them too");
}

#[test]
fn every_file_that_cannot_be_read_is_named() {
    let sources = vec![
        Source::new("a.csv", &b"nom\nx\n"[..]),
        Source::new("good.csv", &b"email\nzoe@example.org\n"[..]),
        Source::new("b.xlsx", &b"PK\x03\x04xl/"[..]),
    ];

    let errors = load(sources, &ReadOptions::default()).unwrap_err();

    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a.csv: no column is called `email`; the header has `nom`",
            "b.xlsx: this is an Excel workbook (.xlsx), not a CSV file"
        ]
    );
}

#[test]
fn a_contact_whose_used_cell_cannot_be_used_is_left_out_with_its_line() {
    let mut list = loaded(&[(
        "a.csv",
        "email,notes,outlet\nzoe@example.org,\"one\ntwo\",Matin\nbob@example.org,,\"Ma\ntin\"\neve@example.org,,Soir\n",
    )]);

    assert_eq!(list.leave_out_unusable(&["outlet", "first_name"]), 1);

    assert_eq!(addresses(&list), ["zoe@example.org", "eve@example.org"]);
    assert_eq!(list.places[1].line, 6);
    let row = &list.left_out[0];
    assert_eq!((row.place.row, row.place.line, row.problems[0].line), (3, 4, Some(4)));
    assert_eq!(row.reason().unwrap().code(), "contact.control-character");
}

#[test]
fn excluded_recipients_are_taken_out_by_key_not_by_spelling() {
    let mut list = loaded(&[("a.csv", "email\nZoe@example.org\nbob@example.org\n")]);
    let other = loaded(&[("b.csv", "email\nzoe@EXAMPLE.org\n")]);

    assert_eq!(list.exclude(&other.keys()), 1);
    assert_eq!(addresses(&list), ["bob@example.org"]);
}

const PEOPLE: &str = "email,Prénom,Média,lang,tags,tier,Ma colonne\n\
    zoe@example.org,Zoé,Le Progrès,fr,presse; quotidien,1,oui\n\
    bob@example.org,Bob,The Example,EN,press|daily,2,\n\
    ana@example.org,Ana,L’Écho,FR,sport,10,non\n\
    eve@example.org,Eve,,fr,\"presse, radio\",,x y\n";

fn chosen(expression: &str) -> String {
    let mut list = loaded(&[("a.csv", PEOPLE)]);
    let selection = Expression::parse(expression)
        .and_then(|e| e.bind(list.columns()).map_err(|mut errors| errors.remove(0)));
    list.select(
        &selection.unwrap_or_else(|error| panic!("{expression}: {error}\n{}", error.caret(expression))),
    );
    let names: Vec<String> =
        list.contacts.iter().map(|contact| contact.fields["first_name"].clone()).collect();
    names.join(" ")
}

/// Expected values by reading the four rows above.
#[test]
fn an_expression_chooses_the_contacts_it_describes() {
    let table = [
        ("lang = fr", "Zoé Ana Eve"),
        ("lang = fr and tags has presse and not outlet = \"Le Progrès\"", "Eve"),
        ("LANG == \"Fr\" AND tags HAS Presse", "Zoé Eve"),
        ("lang != fr", "Bob"),
        ("not lang = fr or tier < 2", "Zoé Bob"),
        ("lang = en or lang = fr and tier = 1", "Zoé Bob"),
        ("(lang = en or lang = fr) and tier = 1", "Zoé"),
        ("tags has press", "Bob"),
        ("tags contains press", "Zoé Bob Eve"),
        ("tags not has presse", "Bob Ana"),
        ("lang in (en, de)", "Bob"),
        ("lang not in (en, de)", "Zoé Ana Eve"),
        ("outlet in ('Le Progrès', \"the EXAMPLE\")", "Zoé Bob"),
        ("tier <= 2", "Zoé Bob"),
        ("tier > 2", "Ana"),
        ("tier >= 2 and tier < 10", "Bob"),
        ("not tier <= 2", "Ana Eve"),
        ("outlet is empty", "Eve"),
        ("outlet is set", "Zoé Bob Ana"),
        ("outlet is not set", "Eve"),
        ("outlet is not empty and tier is set", "Zoé Bob Ana"),
        ("outlet != \"Le Progrès\"", "Bob Ana Eve"),
        ("outlet = \"le progres\"", ""),
        ("outlet = \"le progre\u{300}s\"", "Zoé"),
        ("outlet = L'Écho", "Ana"),
        ("média = « L'Écho »", "Ana"),
        ("Journal = L'Écho", "Ana"),
        ("prenom = zoé", "Zoé"),
        ("\"Ma colonne\" = \"x y\"", "Eve"),
        ("not not lang = en", "Bob"),
        ("email contains @example.org and email != bob@example.org", "Zoé Ana Eve"),
    ];
    for (expression, expected) in table {
        assert_eq!(chosen(expression), expected, "{expression}");
    }
}

fn error(expression: &str) -> SelectionError {
    let list = loaded(&[("a.csv", PEOPLE)]);
    match Expression::parse(expression) {
        Err(error) => error,
        Ok(parsed) => parsed.bind(list.columns()).unwrap_err().remove(0),
    }
}

#[test]
fn a_wrong_expression_is_shown_with_a_caret_and_a_cure() {
    let table = [
        (
            "lang = fr andd tags has x",
            "expected `and`, `or` or the end, found `andd`",
            "          ^^^^",
            "did you mean `and`?",
        ),
        (
            "lang fr",
            "expected an operator (= != < <= > >= has contains in is), found `fr`",
            "     ^^",
            "for instance:",
        ),
        (
            "outlet = Le Progrès",
            "expected `and`, `or` or the end, found `Progrès`",
            "            ^^^^^^^",
            "quotation marks",
        ),
        ("média = \"x", "this quotation mark is not closed", "        ^", "close it"),
        ("lang =", "expected a value, found the end", "      ^", "for instance"),
        ("", "expected a column, found the end", "^", "for instance"),
        ("(lang = fr", "expected `)`, `and` or `or`, found the end", "          ^", ""),
        ("tier < high", "`high` is not a number", "       ^^^^", "numbers"),
        ("lang in fr", "expected `(`: in (fr, en), found `fr`", "        ^^", ""),
        ("lang is here", "expected `empty` or `set`, found `here`", "        ^^^^", ""),
        ("langg = fr", "the list has no column `langg`", "^^^^^", "did you mean `lang`?"),
        (
            "tier = 1 and zodiac = x",
            "the list has no column `zodiac`",
            "             ^^^^^^",
            "email, first_name, outlet, lang, tags, tier, Ma colonne",
        ),
        ("region = x", "the list has no column `region`", "^^^^^^", "the columns are"),
    ];
    for (expression, message, carets, hint) in table {
        let error = error(expression);
        assert_eq!(error.to_string(), message, "{expression}");
        assert_eq!(error.caret(expression), format!("{expression}\n{carets}"));
        assert!(error.hint().contains(hint), "{expression}: {}", error.hint());
    }
}

#[test]
fn all_unknown_columns_are_told_at_once() {
    let list = loaded(&[("a.csv", PEOPLE)]);
    let errors = Expression::parse("langue = fr and zodiac = x or moon is set")
        .unwrap()
        .bind(list.columns())
        .unwrap_err();

    let names: Vec<_> = errors
        .into_iter()
        .map(|error| match error.kind {
            SelectionErrorKind::UnknownColumn { name, .. } => name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["zodiac", "moon"]);
}

#[test]
fn parentheses_without_end_are_refused_not_followed() {
    let deep = format!("{}lang = fr{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(error(&deep).code(), "where.too-deep");
    let fine = format!("{}lang = en{}", "(".repeat(50), ")".repeat(50));
    assert_eq!(chosen(&fine), "Bob");
    assert_eq!(chosen(&format!("{}lang = en", "not ".repeat(10_000))), "Bob");
}

fn converted(text: &[u8], options: ConvertOptions) -> (Converted, String, String) {
    let (mut out, mut rejects) = (Vec::new(), Vec::new());
    let reader = ContactReader::open(text, &ReadOptions::default()).unwrap();
    let done = convert(reader, &mut out, Some(&mut rejects), &options).unwrap();
    (done, String::from_utf8(out).unwrap(), String::from_utf8(rejects).unwrap())
}

#[test]
fn a_converted_list_is_canonical_and_the_rest_is_rejected_with_its_reason() {
    let text = encoding_rs::WINDOWS_1252
        .encode(
            "Ma colonne;Média;Prénom;Adresse e-mail;Statut\n\
             x;L'Écho, soir;Zoé;zoe@example.org;\n\
             y;Matin;Ana;ana.silva;\n\
             z;Matin;Zoé;Zoe@example.org;\n\
             w;;Bob;bob@example.org;\n\
             v;;Bob;bob@example.org;désinscrit\n",
        )
        .0
        .into_owned();

    let (done, out, rejects) = converted(&text, ConvertOptions::default());

    assert_eq!(done, Converted { written: 3, opted_out: 1, rejected: 1, duplicates: 1 });
    assert_eq!(
        out,
        "email,first_name,outlet,status,Ma colonne\n\
         zoe@example.org,Zoé,\"L'Écho, soir\",,x\n\
         bob@example.org,Bob,,,w\n\
         bob@example.org,Bob,,désinscrit,v\n"
    );
    let rejects: Vec<&str> = rejects.lines().collect();
    assert_eq!(rejects[0], "row,line,column,reason,cure,Ma colonne,Média,Prénom,Adresse e-mail,Statut");
    assert!(rejects[1].starts_with("3,3,email,`ana.silva` has no @,"), "{}", rejects[1]);
    assert!(rejects[1].ends_with(",y,Matin,Ana,ana.silva,"), "{}", rejects[1]);
    assert!(rejects[2].starts_with("4,4,email,row 2 has the same address,"), "{}", rejects[2]);
    // The opt-out survived: reading the converted list mails nobody it should not.
    assert_eq!(addresses(&loaded(&[("out.csv", &out)])), ["zoe@example.org"]);
}

#[test]
fn a_formula_safe_conversion_holds_no_formula() {
    let text = b"email,notes,phone\nzoe@example.org,=1+1,+33 1\nbad,@SUM(1),-1\n";

    let (_, out, rejects) = converted(text, ConvertOptions::default().with_formula_safe(true));

    assert_eq!(out, "email,phone,notes\nzoe@example.org,'+33 1,'=1+1\n");
    assert!(rejects.ends_with(",bad,'@SUM(1),'-1\n"), "{rejects}");
    assert!(converted(text, ConvertOptions::default()).1.contains(",+33 1,=1+1\n"));
}

#[test]
fn a_conversion_that_cannot_be_read_to_its_end_says_so() {
    let reader =
        ContactReader::open(&b"email,x\na@example.org,\"open\n"[..], &ReadOptions::default()).unwrap();

    let error = convert(reader, Vec::new(), None, &ConvertOptions::default()).unwrap_err();

    assert_eq!(error.to_string(), ListError::UnclosedQuote { row: 2, line: 2 }.to_string());
}

/// Issue 2: the README's first command sends to this list; CLI.md: 5 to 10 recipients.
#[test]
fn the_shipped_example_list_has_eight_complete_recipients() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contacts.example.csv");
    let text = std::fs::read_to_string(path).unwrap();

    let mut list = loaded(&[("contacts.example.csv", &text)]);

    assert_eq!(list.contacts.len(), 8);
    assert!(list.left_out.is_empty() && list.duplicates.is_empty() && list.remarks.is_empty(), "{list:?}");
    assert_eq!(
        list.leave_out_unusable(&["email", "first_name", "last_name", "salutation", "outlet", "lang"]),
        0
    );
    for contact in &list.contacts {
        for used in ["first_name", "last_name", "salutation", "outlet", "role", "lang"] {
            assert!(contact.fields.contains_key(used), "{}: {used}", contact.address);
        }
        let domain = contact.address.domain();
        assert!(domain.ends_with(".example") || domain == "example.org", "{domain}");
    }
    let tiers: BTreeSet<u32> = list.contacts.iter().map(|contact| contact.tier).collect();
    assert_eq!(tiers, BTreeSet::from([1, 2, 3]));
    assert!(list.contacts.iter().any(|contact| contact.embargo_trusted));
    assert!(list.contacts.iter().any(|contact| !contact.embargo_trusted));
}

/// A cell that a list may hold and that reading leaves as it is (outer spaces are dropped).
fn cell() -> impl Strategy<Value = String> {
    "[^ \u{a0}\u{202f}\u{fffd}\u{feff}\0]{0,12}".prop_map(|text| format!("{text}x"))
}

proptest! {
    #[test]
    fn no_text_makes_the_expression_parser_panic(text in "\\PC{0,120}|[a-z<>=!(),\"' «»]{0,60}|(not |and |or |\\(|\\)|lang |= |x |in |is |empty ){0,30}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
            prop_assert!(error.caret(&text).contains('^') && !error.hint().is_empty());
        }
    }

    /// What is converted and read again is the same list.
    #[test]
    fn conversion_and_reading_give_back_every_contact(
        cells in prop::collection::vec((cell(), cell(), cell()), 1..20),
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
        writer.write_record(["Notes", "E-mail", "Ma colonne", "Étiquettes"]).unwrap();
        for (number, (notes, own, tags)) in cells.iter().enumerate() {
            writer.write_record([notes, &format!("p{number}@example.org"), own, tags]).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let options = ReadOptions::default().with_encoding(depeche_core::contact::TextEncoding::named("utf-8"));
        let contacts = |bytes: &[u8]| -> Vec<_> {
            let rows = ContactReader::open(bytes, &options).unwrap().map(Result::unwrap);
            rows.map(|row| match row.verdict {
                Verdict::Contact(mut contact) => { contact.row = 0; contact }
                other => panic!("{other:?}"),
            }).collect()
        };
        let mut out = Vec::new();
        let reader = ContactReader::open(&text[..], &options).unwrap();

        let done = convert(reader, &mut out, None, &ConvertOptions::default()).unwrap();

        prop_assert_eq!(done.written as usize, cells.len());
        let again = contacts(&out);
        prop_assert_eq!(&again, &contacts(&text));
        for (contact, (notes, own, tags)) in again.iter().zip(&cells) {
            prop_assert_eq!(&contact.fields["notes"], notes);
            prop_assert_eq!(&contact.fields["Ma colonne"], own);
            prop_assert_eq!(&contact.fields["tags"], tags);
        }
    }
}
