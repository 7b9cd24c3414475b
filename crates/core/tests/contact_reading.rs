//! Lists as people really send them: what is found out, what is read, what is left out and why.

// `allow-unwrap-in-tests` of clippy.toml does not reach the functions that these tests share.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read};

use depeche_core::contact::{
    ColumnKind, Contact, ContactReader, EncodingEvidence, HeaderProblem, ListError, ReadOptions, Reason, Row,
    RowProblem, Separator, TextEncoding, Verdict,
};
use proptest::prelude::*;

fn open(bytes: &[u8]) -> ContactReader<&[u8]> {
    ContactReader::open(bytes, &ReadOptions::default()).unwrap()
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    open(bytes).collect::<Result<_, _>>().unwrap()
}

fn only_contact(bytes: &[u8]) -> Contact {
    match rows(bytes).pop().unwrap().verdict {
        Verdict::Contact(contact) => contact,
        other => panic!("{other:?}"),
    }
}

fn problems(bytes: &[u8]) -> Vec<RowProblem> {
    let bad = |row: Row| match row.verdict {
        Verdict::Bad(problems) => problems,
        Verdict::OptedOut(_, problem) => vec![problem],
        _ => Vec::new(),
    };
    rows(bytes).into_iter().flat_map(bad).collect()
}

/// (row, line, column, code) of every problem.
fn told(bytes: &[u8]) -> Vec<(u64, u64, String, &'static str)> {
    problems(bytes)
        .into_iter()
        .map(|p| (p.row, p.line.unwrap(), p.column.unwrap_or_default(), p.reason.code()))
        .collect()
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

/// Byte by byte from ROMAN.TXT at unicode.org: é is 8E, è 8F, ç 8D, ê 90, ’ D5; as Windows-1252 they would be
/// Ž, two characters that do not exist, and Õ.
#[test]
fn a_list_that_excel_wrote_on_a_mac_is_read_as_such_and_a_french_or_czech_windows_list_is_not() {
    let mac = b"email;Pr\x8Enom\r\nana@a.example;Zo\x8E\r\nbob@a.example;H\x8El\x8Fne d\xD5Arc\r\n";
    let windows = b"email;Pr\xE9nom\r\nana@a.example;Zo\xE9\r\nbob@a.example;\x8Eeljko\r\n";
    let read = |bytes: &[u8]| -> Vec<String> {
        let rows = rows(bytes).into_iter().filter_map(|row| match row.verdict {
            Verdict::Contact(contact) => contact.fields.get("first_name").cloned(),
            _ => None,
        });
        rows.collect()
    };

    assert_eq!(read(mac), ["Zoé", "Hélène d’Arc"]);
    assert_eq!(read(windows), ["Zoé", "Željko"]);
}

#[test]
fn the_same_list_is_read_in_every_encoding_and_separator_of_the_contract() {
    let text = "Adresse e-mail;Prénom;Média\nzoe@example.org;Zoé;L'Écho d'été\n";
    let cp1252 = encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let (le, be) = (utf16(text, false), utf16(text, true));
    let with = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    let table: [(&str, Vec<u8>, &str, bool, EncodingEvidence); 7] = [
        ("utf-8", text.into(), "UTF-8", false, EncodingEvidence::Valid),
        ("utf-8 bom", with(b"\xEF\xBB\xBF", text.as_bytes()), "UTF-8", true, EncodingEvidence::ByteOrderMark),
        ("utf-16le bom", with(b"\xFF\xFE", &le), "UTF-16LE", true, EncodingEvidence::ByteOrderMark),
        ("utf-16be bom", with(b"\xFE\xFF", &be), "UTF-16BE", true, EncodingEvidence::ByteOrderMark),
        ("utf-16le", le.clone(), "UTF-16LE", false, EncodingEvidence::ZeroBytes),
        ("utf-16be", be.clone(), "UTF-16BE", false, EncodingEvidence::ZeroBytes),
        ("windows-1252", cp1252, "windows-1252", false, EncodingEvidence::Guessed),
    ];
    for (name, bytes, encoding, had_bom, evidence) in table {
        let mut reader = open(&bytes);
        let row = reader.next().unwrap().unwrap();
        let Verdict::Contact(contact) = row.verdict else { panic!("{name}: {row:?}") };
        let found = reader.detection();

        assert_eq!(contact.fields["first_name"], "Zoé", "{name}");
        assert_eq!(contact.fields["outlet"], "L'Écho d'été", "{name}");
        assert_eq!(
            (found.encoding.name(), found.had_bom, found.evidence),
            (encoding, had_bom, evidence),
            "{name}"
        );
        assert_eq!(found.separator, Separator::Semicolon, "{name}");
    }
}

#[test]
fn mac_roman_is_read_when_it_is_asked_for() {
    let bytes = encoding_rs::MACINTOSH.encode("email,prénom\nzoe@example.org,Zoé\n").0.into_owned();
    let options = ReadOptions::default().with_encoding(TextEncoding::named("macroman"));

    let row = ContactReader::open(&bytes[..], &options).unwrap().next().unwrap().unwrap();

    assert!(matches!(row.verdict, Verdict::Contact(c) if c.fields["first_name"] == "Zoé"));
    let marked = [&b"\xEF\xBB\xBF"[..], "email,prénom\n".as_bytes()].concat();
    let reader = ContactReader::open(&marked[..], &options).unwrap();
    assert_eq!(reader.detection().encoding.name(), "UTF-8", "a byte order mark wins");
    assert_eq!(TextEncoding::named("no such"), None);
}

/// The first accent may come after a hundred thousand rows; the choice waits for it.
#[test]
fn the_encoding_is_decided_by_the_first_byte_that_is_not_ascii_however_late() {
    let mut bytes = b"email,first_name\n".to_vec();
    for number in 0..9000 {
        bytes.extend(format!("p{number}@example.org,Ana\n").bytes());
    }
    assert!(bytes.len() > 2 * 64 * 1024);
    bytes.extend(b"zoe@example.org,Zo\xE9\n");

    let contact = only_contact(&bytes);

    assert_eq!(contact.fields["first_name"], "Zoé");
    assert_eq!(contact.row, 9002);
}

#[test]
fn a_utf8_list_with_a_few_foreign_bytes_stays_utf8_and_names_their_rows() {
    let mut bytes = "email,first_name\na@example.org,Zoé\nb@example.org,Chloé\n".as_bytes().to_vec();
    bytes.extend(b"c@example.org,Ren\xE9\nd@example.org,Ana\n");

    assert_eq!(told(&bytes), [(4, 4, String::new(), "contact.not-in-encoding")]);
    assert_eq!(only_contact(&bytes).address.to_string(), "d@example.org");
}

#[test]
fn excels_first_line_names_the_separator_and_is_no_row() {
    let mut reader = open(b"sep=;\r\nemail;nom\r\nana@example.org;\"Silva, Ana\"\r\n;x\r\n");

    let rows: Vec<Row> = reader.by_ref().map(Result::unwrap).collect();

    assert!(reader.detection().had_sep_line);
    assert!(matches!(&rows[0].verdict, Verdict::Contact(c) if c.fields["last_name"] == "Silva, Ana"));
    // Excel hides the line, so rows count from the header; lines count all.
    assert_eq!((rows[1].row, rows[1].line), (3, 4));
    let refused = ContactReader::open(&b"sep=%\nemail%x\n"[..], &ReadOptions::default()).err().unwrap();
    assert_eq!(refused.code(), "list.unknown-separator");
}

#[test]
fn the_separator_is_the_one_that_explains_header_and_rows() {
    let table: [(&str, Separator); 7] = [
        ("email,outlet\na@example.org,\"x;y;z\"\n", Separator::Comma),
        ("email;outlet\na@example.org;\"x,y\"\nb@example.org;z, w, v\n", Separator::Semicolon),
        ("Nom, prénom;email\nSilva, Ana;a@example.org\n", Separator::Semicolon),
        ("email\toutlet\na@example.org\tx, y; z\n", Separator::Tab),
        ("email\na@example.org\n", Separator::Comma),
        ("tags;email;notes\na,b,c;x@example.org;d,e\na,b,c;y@example.org;d,e\n", Separator::Semicolon),
        ("email,notes\na@example.org,\"one\n\ntwo; three; four\nfive;\"\n", Separator::Comma),
    ];
    for (text, separator) in table {
        assert_eq!(open(text.as_bytes()).detection().separator, separator, "{text}");
    }
}

#[test]
fn french_and_english_headers_are_known_in_any_spelling() {
    let table = [
        (
            "email",
            "Adresse e-mail,E-mail,Courriel,EMAIL,Email Address,Adresse électronique,Mél,adresse_email",
        ),
        ("first_name", "Prénom,PRENOM,First Name,first-name,Pre\u{301}nom"),
        ("last_name", "Nom,Nom de famille,Last Name,Surname"),
        ("salutation", "Civilité,Salutation,Formule d'appel"),
        ("outlet", "Média,MEDIA,Journal,Outlet,Publication,Organe de presse,Société"),
        ("role", "Fonction,Rôle,Job title,Poste"),
        ("beats", "Rubrique,Rubriques,Thématiques,Beats"),
        ("lang", "Langue,Language,lang"),
        ("region", "Région,Region"),
        ("phone", "Téléphone,Tél.,Phone number,N° de téléphone,Portable"),
        ("tags", "Étiquettes,Tags,Mots-clés"),
        ("source", "Source,Origine"),
        ("status", "Statut,Status,État"),
        ("tier", "Priorité,Tier"),
        ("embargo", "Embargo,Sous embargo"),
        ("notes", "Remarques,Notes,Commentaires"),
    ];
    for (name, headers) in table {
        for header in headers.split(',') {
            let text = if name == "email" { format!("{header}\n") } else { format!("email,{header}\n") };
            let reader = open(text.as_bytes());
            let column = reader.columns().last().unwrap();

            assert_eq!((column.name.as_str(), column.kind), (name, ColumnKind::Known), "{header}");
            assert_eq!(column.header, header.replace("e\u{301}", "é"));
        }
    }
}

#[test]
fn other_columns_are_custom_and_weak_names_yield_to_strong_ones() {
    let reader = open("E-mail,Téléphone,Portable,Société,Ma colonne,,Civilité,Formule d'appel\n".as_bytes());

    let names: Vec<(&str, ColumnKind)> = reader.columns().iter().map(|c| (c.name.as_str(), c.kind)).collect();

    use ColumnKind::{Custom, Known, Unnamed};
    assert_eq!(
        names,
        [
            ("email", Known),
            ("phone", Known),
            ("Portable", Custom),
            ("outlet", Known),
            ("Ma colonne", Custom),
            ("column_6", Unnamed),
            ("Civilité", Custom),
            ("salutation", Known)
        ]
    );
}

#[test]
fn a_header_that_cannot_be_used_says_all_that_is_wrong() {
    let error = |text: &str| match ContactReader::open(text.as_bytes(), &ReadOptions::default()) {
        Err(ListError::Header(problems)) => problems,
        other => panic!("{:?}", other.err()),
    };

    let twice = error("Nom,last_name,Média,Journal\n");
    assert_eq!(twice.len(), 3);
    assert_eq!(twice[0].to_string(), "columns 1 (`Nom`) and 2 (`last_name`) both mean `last_name`");
    assert!(
        matches!(&twice[2], HeaderProblem::NoEmailColumn { found, did_you_mean: None, .. } if found.len() == 4)
    );
    let slip = error("Emial,Nom\n");
    assert_eq!(slip[0].hint(), "did you mean the column `Emial`? rename it `email`");
    assert_eq!(slip[0].to_string(), "no column is called `email`; the header has `Emial`, `Nom`");
    let headless = error("zoe@example.org,Zoé\nana@example.org,Ana\n");
    assert!(matches!(headless[0], HeaderProblem::NoEmailColumn { first_row_is_data: true, .. }));
}

#[test]
fn a_file_that_is_no_list_is_named_with_the_way_out() {
    let table: [(&[u8], &str); 8] = [
        (b"PK\x03\x04\x14\0[Content_Types].xml", "an Excel workbook (.xlsx)"),
        (
            b"PK\x03\x04..mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "an OpenDocument spreadsheet (.ods)",
        ),
        (b"PK\x03\x04other", "a zip archive"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel workbook (.xls)"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x1F\x8B\x08", "a gzip archive"),
        (b"\n<!DOCTYPE HTML><html>", "a web page"),
        (b"BEGIN:VCARD\r\n", "a vCard file (.vcf)"),
    ];
    for (bytes, expected) in table {
        let error = ContactReader::open(bytes, &ReadOptions::default()).err().unwrap();
        assert!(matches!(&error, ListError::NotText { kind } if *kind == expected), "{error}");
        assert!(error.hint().unwrap().contains("CSV UTF-8"));
    }
    for empty in [&b""[..], b"\n\n", b"\xEF\xBB\xBF", b"\xEF\xBB\xBF\r\n ; ;\n"] {
        let error = ContactReader::open(empty, &ReadOptions::default()).err().unwrap();
        assert!(matches!(error, ListError::Empty), "{error}");
    }
}

#[test]
fn bad_rows_are_named_all_at_once_and_reading_goes_on() {
    let long = "x".repeat(501);
    let text = format!(
        "email,first_name,tier\n\
         ,Ana,1\n\
         ana.silva,Ana,1\n\
         a@example.org;b@example.org,Ana,1\n\
         \"c@example.org\n\",Ana,1\n\
         d@example.org,{long},first\n\
         e@example.org,Ana\n\
         f@example.org,Ana,1,surplus\n\
         Ana <g@example.org>,Ana,1\n\
         good@example.org,Ana,2,,\n"
    );

    let expected = [
        (2, 2, "email", "contact.no-address"),
        (3, 3, "email", "contact.bad-address"),
        (4, 4, "email", "contact.several-addresses"),
        (5, 5, "email", "contact.control-character"),
        (6, 7, "first_name", "contact.too-long"),
        (6, 7, "tier", "contact.not-a-tier"),
        (7, 8, "", "contact.cell-count"),
        (8, 9, "", "contact.cell-count"),
        (9, 10, "email", "contact.name-and-address"),
    ];
    assert_eq!(told(text.as_bytes()), expected.map(|(r, l, c, code)| (r, l, c.to_owned(), code)));
    let contact = only_contact(text.as_bytes());
    assert_eq!((contact.address.to_string().as_str(), contact.tier), ("good@example.org", 2));
    assert!(problems(text.as_bytes()).iter().all(|p| !p.reason.cure().is_empty() && p.reason.is_defect()));
}

#[test]
fn blank_rows_are_nobody_but_count_as_a_spreadsheet_counts_them() {
    let text = "\r\nemail;nom\r\n\r\n;\r\n  ; \r\nzoe@example.org;Zoé\r\n;Ana\r\n";

    assert_eq!(only_contact(text.replace(";Ana\r\n", "").as_bytes()).row, 6);
    assert_eq!(told(text.as_bytes()), [(7, 7, "email".into(), "contact.no-address")]);
}

#[test]
fn line_breaks_in_notes_are_fine_until_the_release_uses_them() {
    let contact = only_contact(b"email,notes,first_name\nzoe@example.org,\"one\r\ntwo\",\"Zo\xC3\xA9\n\"\n");

    assert_eq!(contact.fields["notes"], "one\r\ntwo");
    assert!(contact.check_used(&["email", "outlet"]).is_empty());
    let used = contact.check_used(&["notes", "first_name"]);
    assert_eq!(used.len(), 2);
    assert_eq!(used[0].reason.code(), "contact.control-character");
    assert_eq!((used[1].row, used[1].column.as_deref()), (2, Some("first_name")));
}

#[test]
fn a_quotation_mark_that_swallows_the_file_is_shown_where_it_opened() {
    let text = "email,notes\na@example.org,x\nb@example.org,\"never closed\nc@example.org,y\n";

    let mut reader = open(text.as_bytes());

    assert!(matches!(reader.next(), Some(Ok(Row { verdict: Verdict::Contact(_), .. }))));
    assert!(matches!(reader.next(), Some(Err(ListError::UnclosedQuote { row: 3, line: 3 }))));
    assert!(reader.next().is_none());
}

/// The cell count is right and the parser content, but b is inside the cell of a: forgotten in silence,
/// if text after a closing mark were let through.
#[test]
fn a_quotation_mark_that_swallows_the_next_person_is_a_bad_row() {
    let text = "email,notes\na@example.org,\"open\nb@example.org,\"other note\"\nc@example.org,\n";

    let expected = [(2, 2, String::new(), "contact.text-after-quote")];
    assert_eq!(told(text.as_bytes()), expected);
    assert!(matches!(
        problems(text.as_bytes())[0].reason,
        Reason::TextAfterQuote { opened_on_line: 2, closed_on_line: 3 }
    ));
    assert_eq!(only_contact(text.as_bytes()).row, 3);
}

#[test]
fn who_has_opted_out_is_left_out_with_the_lists_own_word() {
    let table = [
        ("désinscrit", true),
        ("Désinscrite le 12/03/2026", true),
        ("Unsubscribed", true),
        ("opted out", true),
        ("INACTIF", true),
        ("inactif depuis 2024", true),
        ("décédé", true),
        ("NPAI", true),
        ("stop", true),
        ("partie prenante", false),
        ("actif", false),
        ("subscribed", false),
        ("client", false),
        ("", false),
    ];
    for (status, out) in table {
        let text = format!("email,statut\nzoe@example.org,{status}\n");
        let verdict = rows(text.as_bytes()).pop().unwrap().verdict;
        assert_eq!(matches!(verdict, Verdict::OptedOut(..)), out, "{status}");
    }
    let flagged = told("email,Désinscrit\na@example.org,oui\nb@example.org,non\nc@example.org,\n".as_bytes());
    assert_eq!(flagged, [(2, 2, "Désinscrit".into(), "contact.opted-out")]);
    let slip = rows("email,statut\nzoe@example.org,désincrit\n".as_bytes()).pop().unwrap();
    assert_eq!(slip.remarks[0].reason.code(), "contact.unclear-status");
}

#[test]
fn embargo_trust_and_tier_are_read_from_their_columns() {
    for (cell, trusted) in
        [("yes", true), ("Oui", true), ("1", true), ("x", true), ("TRUE", true), ("non", false)]
    {
        let contact = only_contact(format!("email,embargo\nzoe@example.org,{cell}\n").as_bytes());
        assert_eq!(contact.embargo_trusted, trusted, "{cell}");
    }
    let unclear = rows("email,embargo\nzoe@example.org,peut-être\n".as_bytes()).pop().unwrap();
    assert!(matches!(&unclear.verdict, Verdict::Contact(c) if !c.embargo_trusted));
    assert_eq!(unclear.remarks[0].reason.code(), "contact.unclear-embargo");
    assert_eq!(only_contact(b"email,tier\nzoe@example.org,\n").tier, u32::MAX);
}

/// Issue 2: "CR, LF, NUL, U+2028, bidi controls, 10 kB names, formulas, in every column".
#[test]
fn a_hostile_cell_in_any_column_is_named_and_harms_no_other_row() {
    let header =
        "email,first_name,last_name,salutation,outlet,role,lang,region,phone,status,tier,embargo,notes,mine";
    let columns: Vec<&str> = header.split(',').collect();
    let hostile = [
        "a\rb",
        "a\nb",
        "a\r\nBcc: x@evil.example",
        "a\0b",
        "a\u{2028}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "=HYPERLINK(\"http://evil.example\")",
        "@SUM(1)",
        "+cmd|' /C calc'!A0",
    ];
    let long = "n".repeat(10_000);
    for (index, column) in columns.iter().enumerate() {
        for bad in hostile.iter().copied().chain([long.as_str()]) {
            let mut cells = vec!["ana@example.org"];
            cells.resize(columns.len(), "");
            cells[index] = bad;
            let quoted: Vec<String> =
                cells.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect();
            let text = format!(
                "{header}\n{}\ngood@example.org{}\n",
                quoted.join(","),
                ",".repeat(columns.len() - 1)
            );

            let rows = rows(text.as_bytes());

            assert_eq!(rows.len(), 2, "{column}: {bad:?}");
            assert!(matches!(&rows[1].verdict, Verdict::Contact(c) if c.row == 3), "{column}: {bad:?}");
            let named = match &rows[0].verdict {
                Verdict::Bad(problems) => problems.clone(),
                Verdict::Contact(contact) => {
                    [contact.check_used(&[column]), rows[0].remarks.clone()].concat()
                }
                other => panic!("{other:?}"),
            };
            assert!(!named.is_empty(), "{column}: {bad:?}");
            assert!(named.iter().all(|p| p.row == 2 && p.column.as_deref() == Some(column)), "{named:?}");
            for problem in named {
                let shown = format!("{problem} {:?} {}", problem.reason.arguments(), problem.reason.cure());
                assert!(
                    depeche_core::text::first_unsafe(&shown).is_none() && shown.len() < 1000,
                    "{shown:?}"
                );
            }
        }
    }
}

/// A list that is never in memory as a whole: rows are made while they are read.
struct Endless {
    rows: u64,
    next: u64,
    pending: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.pending.is_empty() && self.next < self.rows {
            let number = self.next;
            self.next += 1;
            self.pending = match number {
                0 => b"email;nom;m\xE9dia\n".to_vec(),
                _ => [format!("p{number}@example.org;Nom {number};").as_bytes(), b"L'\xC9cho\n"].concat(),
            };
        }
        let count = out.len().min(self.pending.len());
        out[..count].copy_from_slice(&self.pending[..count]);
        self.pending.drain(..count);
        Ok(count)
    }
}

#[test]
fn a_hundred_thousand_rows_stream() {
    let source = Endless { rows: 100_001, next: 0, pending: Vec::new() };
    let mut reader = ContactReader::open(source, &ReadOptions::default()).unwrap();

    let mut last = None;
    let mut count = 0;
    for row in reader.by_ref() {
        match row.unwrap().verdict {
            Verdict::Contact(contact) => last = Some(contact),
            other => panic!("{other:?}"),
        }
        count += 1;
    }

    let last = last.unwrap();
    assert_eq!((count, last.row), (100_000, 100_001));
    assert_eq!(last.fields["outlet"], "L'Écho");
}

#[test]
fn a_row_without_end_is_cut_and_the_next_one_read() {
    let mut text = b"email,notes\na@example.org,".to_vec();
    text.extend("é".repeat(1024 * 1024).bytes());
    text.extend(b"\nb@example.org,\"");
    text.extend("x\n".repeat(1024 * 1024).bytes());
    text.extend(b"\"\nc@example.org,fine\n");

    let expected =
        [(2, 2, String::new(), "contact.row-too-long"), (3, 3, String::new(), "contact.row-too-long")];
    assert_eq!(told(&text), expected);
    assert_eq!(only_contact(&text).fields["notes"], "fine");
    assert!(rows(&text).iter().all(|row| row.cells.concat().len() < 1024 * 1024 + 64));
}

proptest! {
    #[test]
    fn the_reader_never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(reader) = ContactReader::open(&bytes[..], &ReadOptions::default()) {
            reader.for_each(drop);
        }
    }

    #[test]
    fn after_a_good_header_any_bytes_give_rows_or_one_error(
        bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'@'), any::<u8>()], 0..800)
    ) {
        let text = [&b"email,x\n"[..], &bytes].concat();
        let mut line = 1;
        for row in ContactReader::open(&text[..], &ReadOptions::default()).into_iter().flatten() {
            let Ok(row) = row else { break };
            prop_assert!(row.row > 1 && row.line > line, "{row:?}");
            line = row.line;
        }
    }

    /// What is watched on the way is not changed: the cells are those that the csv crate makes.
    #[test]
    fn the_cells_are_those_of_a_plain_csv_reader(text in "[\",;a\n\ré ]{0,200}") {
        let text = format!("email,x\n{text}");
        let options = ReadOptions::default().with_separator(Some(Separator::Comma));
        let found: Result<Vec<Row>, ListError> = ContactReader::open(text.as_bytes(), &options).unwrap().collect();
        let plain = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let expected: Vec<Vec<String>> = plain
            .into_records()
            .skip(1)
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .filter(|cells: &Vec<String>| cells.iter().any(|cell| !cell.trim().is_empty()))
            .collect();
        if let Ok(rows) = found {
            let cells: Vec<Vec<String>> = rows
                .into_iter()
                .map(|row| row.cells)
                .filter(|cells| cells.iter().any(|cell| !cell.trim().is_empty()))
                .collect();
            prop_assert_eq!(cells, expected);
        }
    }

    /// The line that is told is the line on which the row's first cell stands.
    #[test]
    fn rows_and_lines_are_counted_right(
        cells in prop::collection::vec((any::<bool>(), "[a-z\n\"]{0,6}", 0_usize..3), 1..30),
        ending in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let mut text = format!("email,notes{ending}");
        let (mut line, mut row, mut expected) = (2_u64, 2_u64, Vec::new());
        for (number, (quoted, cell, blanks)) in cells.iter().enumerate() {
            let quoted = *quoted || cell.contains(['\n', '"']);
            let cell = if quoted { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() };
            text += &format!("p{number}@example.org,{cell}{ending}");
            expected.push((row, line));
            line += 1 + cell.matches('\n').count() as u64;
            row += 1;
            for _ in 0..*blanks {
                text += ending;
                line += 1;
                row += 1;
            }
        }
        let found: Vec<(u64, u64)> = rows(text.as_bytes()).iter().map(|r| (r.row, r.line)).collect();
        prop_assert_eq!(found, expected);
    }
}
