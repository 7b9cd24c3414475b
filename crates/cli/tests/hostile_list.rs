//! A list that somebody poisoned, through the real binary: no crash, no header that was not meant, one
//! recipient a message, every bad row named, and no cell that a spreadsheet would calculate.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::Project;
use depeche_testkit::smtp::FakeSmtp;
use mail_parser::MessageParser;

/// Every known column but `embargo` and `tier`, whose cells are no text, and one of the user's own.
const COLUMNS: [&str; 15] = [
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
    "notes",
    "surname_of_cat",
];
/// The columns that the release uses, and those that stand in a header.
const USED: [&str; 6] = ["email", "first_name", "last_name", "outlet", "phone", "surname_of_cat"];

/// What DELIVERY.md refuses in a header, at its worst.
const CONTROLS: [&str; 12] = [
    "A\r\nBcc: evil@example.org",
    "A\nX-Injected: yes",
    "A\rX-Injected: yes",
    "A\0B",
    "A\u{1b}[31mB",
    "A\u{7f}B",
    "A\u{85}X-Injected: yes",
    "A\u{2028}X-Injected: yes",
    "A\u{2029}X-Injected: yes",
    "A\u{202e}gpj.exe",
    "A\u{2066}B\u{2069}",
    "A\r\n.\r\nMAIL FROM:<evil@example.org>",
];
/// What a spreadsheet would calculate (OWASP, "CSV Injection").
const FORMULAS: [&str; 4] = ["=HYPERLINK(\"http://evil.example\")", "+1+1", "-2+3", "@SUM(1)"];
/// What a template or a browser would run.
const CODE: [&str; 3] =
    ["{{ contact.email }}{% include 'x' %}", "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>"];

const RELEASE: &str = "---\ntitle: \"Essai {{ contact.outlet | default('X') }}\"\nlang: fr\ncity: Lyon\nslug: essai\n---\n\
    Bonjour {{ contact.first_name | default('X') }} {{ contact.last_name | default('X') }} \
    {{ contact.phone | default('X') }} {{ contact.surname_of_cat | default('X') }}\n";

struct Row {
    address: String,
    column: &'static str,
    payload: String,
}

/// One row for every payload in every column.
fn rows() -> Vec<Row> {
    let long = "é".repeat(10_000);
    let payloads: Vec<String> =
        CONTROLS.iter().chain(&FORMULAS).chain(&CODE).map(ToString::to_string).chain([long]).collect();
    let each =
        COLUMNS.iter().flat_map(|column| payloads.iter().map(move |payload| (*column, payload.clone())));
    let row = |(number, (column, payload)): (usize, (&'static str, String))| {
        let address = format!("h{number}@journal.example");
        Row { address, column, payload }
    };
    each.enumerate().map(row).collect()
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

fn list(rows: &[Row]) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for row in rows {
        let cell = |column: &&str| match (*column == row.column, *column) {
            (true, "email") => quoted(&format!("{}{}", row.address, row.payload)),
            (true, _) => quoted(&row.payload),
            (false, "email") => row.address.clone(),
            (false, _) => String::new(),
        };
        text += &(COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

/// Whether the row cannot be mailed: a poisoned address, or a poisoned cell that the release uses.
fn must_be_left_out(row: &Row) -> bool {
    let is_control = CONTROLS.contains(&row.payload.as_str());
    let is_long = row.payload.len() > 10_000;
    row.column == "email" || (USED.contains(&row.column) && (is_control || is_long))
}

#[test]
fn a_poisoned_cell_in_any_column_reaches_no_header_and_no_second_recipient() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let rows = rows();
    project.write("contacts.csv", &list(&rows));
    project.write("release.md", RELEASE);
    let plan = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]).document();
    let left_out = plan["left_out"].as_array().unwrap();

    let named: BTreeSet<u64> = left_out.iter().map(|row| row["row"].as_u64().unwrap()).collect();
    for (place, row) in rows.iter().enumerate() {
        // The header is row 1.
        let is_named = named.contains(&(place as u64 + 2));
        let must = must_be_left_out(row);
        assert!(is_named || !must, "{}: {:.40?} is not left out", row.column, row.payload);
        // Nothing else is lost: a line break in `notes` is nobody's concern.
        let may = must || row.payload.len() > 10_000 || row.column == "status" || row.column == "lang";
        assert!(!is_named || may, "{}: {:.40?} is left out", row.column, row.payload);
    }
    for row in left_out {
        assert!(row["reason"].as_str().is_some_and(|text| text.contains("row ")), "{row}");
        assert!(row["cure"].as_str().is_some_and(|text| !text.is_empty()), "{row}");
    }

    let count = plan["count"].as_u64().unwrap();
    assert!(count > 100, "{count}");
    let said = project.send(usize::try_from(count).unwrap(), &[]);
    assert_eq!((said.exit, said.total("accepted")), (Some(0), count), "{}", said.stderr);
    let messages = project.servers[0].messages();
    assert_eq!(messages.len() as u64, count);
    let clean = header_names(&messages[0].bytes);
    for message in &messages {
        assert_eq!(message.to.len(), 1);
        assert_eq!(header_names(&message.bytes), clean, "{}", String::from_utf8_lossy(&message.bytes));
        let parsed = MessageParser::default().parse(&message.bytes).unwrap();
        let to = parsed.to().unwrap().as_list().unwrap();
        assert_eq!((to.len(), to[0].address()), (1, Some(message.to[0].as_str())));
        let html = parsed.body_html(0).unwrap();
        assert!(!html.contains("<script") && !html.contains("onerror=alert(1)>"), "{html}");
        assert!(!html.contains("h0@journal.example"), "a payload was taken for a template");
    }
}

/// The names of the header fields, in order.
fn header_names(message: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(message).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap();
    let fields = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    fields.map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn converted_lists_and_reports_hold_no_formula_and_no_broken_row() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let rows = rows();
    project.write("contacts.csv", &list(&rows));
    project.write("release.md", RELEASE);
    let convert = [
        "contacts",
        "convert",
        "contacts.csv",
        "--formula-safe",
        "--output",
        "good.csv",
        "--rejects",
        "bad.csv",
    ];
    let said = project.run(&convert);
    assert_eq!(said.exit, Some(1), "{}", said.stderr);
    let count =
        project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]).document()["count"].clone();
    let sent = project.send(usize::try_from(count.as_u64().unwrap()).unwrap(), &[]);
    assert_eq!(sent.exit, Some(0), "{}", sent.stderr);
    let report = project.run(&["report", "--csv", "report.csv", "--html", "report.html"]);
    assert_eq!(report.exit, Some(0), "{}", report.stderr);

    for file in ["good.csv", "bad.csv", "report.csv"] {
        let mut table = csv::Reader::from_path(project.path().join(file)).unwrap();
        let width = table.headers().unwrap().len();
        let mut cells = 0;
        for record in table.records() {
            let record = record.unwrap();
            assert_eq!(record.len(), width, "{file}");
            for cell in &record {
                // OWASP: a cell that begins with one of these is calculated.
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{file}: {cell:.40?}");
                cells += 1;
            }
        }
        assert!(cells > 50, "{file}");
    }
    let page = std::fs::read_to_string(project.path().join("report.html")).unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "the page runs a payload");
    // What was good is good again.
    let again = project.run(&["contacts", "check", "good.csv", "--json"]).document();
    assert_eq!(
        again["left_out"].as_array().unwrap().iter().filter(|row| row["code"] != "contact.opted-out").count(),
        0
    );
}
