//! `report`: who got it, and whom to ring, readable when nothing else works.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, address};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

/// Twelve journalists, of whom one is refused, one uncertain, and the rest goes out through two servers.
fn after_a_crisis() -> Project {
    let first = FakeSmtp::new()
        .rule(Rule::at(Phase::FinalDot).at_message(3).does(Fault::Reset))
        .rule(Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies("550 5.1.1 <b>no</b> such user"))
        .rule(Rule::at(Phase::Mail).from_message(6).does(Fault::Die(None)));
    let project = Project::new(vec![first, FakeSmtp::new()], 0);
    let row = |number: usize| {
        format!(
            "{},Zoé,<script>alert(1)</script>,+33 1 00 00 00 {number:02},{}\n",
            address(number),
            3 - number % 3
        )
    };
    let rows: String = (0..12).map(row).collect();
    project.write("contacts.csv", &format!("email,first_name,outlet,phone,tier\n{rows}"));
    assert_eq!(project.send(12, &[]).exit, Some(6));
    project
}

#[test]
fn the_call_sheet_names_the_uncertain_before_the_refused_with_tier_and_phone() {
    let project = after_a_crisis();

    let said = project.run(&["report", "--call-sheet"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{said:?}");
    assert!(lines[0].starts_with("uncertain") && lines[0].contains("+33 1 00 00 00"), "{}", lines[0]);
    assert!(lines[1].starts_with("refused") && lines[1].contains(&address(1)), "{}", lines[1]);
}

#[test]
fn the_page_needs_nothing_else_and_escapes_what_it_shows() {
    let project = after_a_crisis();

    let said = project.run(&["report", "--html", "report.html", "--json"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let page = std::fs::read_to_string(project.path().join("report.html")).unwrap();
    for forbidden in ["<script", "http://", "https://", "<link", "<img", "url(", "<b>no</b>"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("&lt;script&gt;") || page.contains("&lt;script"), "the outlet is shown, escaped");
    assert_eq!(page.matches("<polyline").count(), 2, "a curve for each provider");
    assert_eq!(page.matches("<line ").count(), 1, "one moment of fallback");
    for number in 0..12 {
        assert!(page.contains(&address(number)));
    }
}

#[test]
fn the_table_holds_no_cell_that_a_spreadsheet_calculates() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    project.write("contacts.csv", &format!("email,first_name,outlet\n{},Zoé,\"=1+1\"\n", address(1)));
    assert_eq!(project.send(1, &[]).exit, Some(0));

    let said = project.run(&["report", "--csv", "report.csv"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let table = std::fs::read_to_string(project.path().join("report.csv")).unwrap();
    assert!(table.contains("'=1+1") && !table.contains(",=1+1"), "{table}");
}
