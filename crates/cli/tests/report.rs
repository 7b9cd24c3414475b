//! `report`: who got it, and whom to ring, readable when nothing else works.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, address};
use depeche::event::{EventKind, ProviderEvent};
use depeche::journal::{Journal as _, RunId};
use depeche::provider::ProviderName;
use depeche::sqlite::SqliteJournal;
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};
use serde_json::Value;

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

/// What `first` tells of the first journalists, in order.
fn told(project: &Project, kinds: &[EventKind]) {
    let path = project.path().join(".depeche/journal.db");
    project.runtime.block_on(async {
        let journal = SqliteJournal::open(&path).await.unwrap();
        let run: RunId = journal.runs().await.unwrap().remove(0).id;
        let page = journal.deliveries(&run, None, 100).await.unwrap();
        let event = |(kind, number): (&EventKind, usize)| {
            let one = page.iter().find(|one| one.address.to_string() == address(number)).unwrap();
            ProviderEvent {
                message_id: Some(one.message_id.as_str().to_owned()),
                at: Some(jiff::Timestamp::now()),
                reason: Some("550 5.1.1 user unknown".to_owned()),
                ..ProviderEvent::new(*kind, &address(number))
            }
        };
        let events = kinds.iter().zip(0..).map(event).collect();
        let source = ProviderName::new("first").unwrap();
        journal.record_events(&source, events, jiff::Timestamp::now()).await.unwrap();
        journal.close().await;
    });
}

fn run_of(project: &Project) -> String {
    let runs: Value = serde_json::from_str(&project.run(&["runs", "--json"]).stdout).unwrap();
    runs["runs"][0]["id"].as_str().unwrap().to_owned()
}

fn states(report: &Value) -> Vec<(String, bool)> {
    let one = |one: &Value| {
        (one["event"]["kind"].as_str().unwrap_or("-").to_owned(), one["at_risk"].as_bool().unwrap())
    };
    report["recipients"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn what_burned_with_its_provider_is_shown_first_and_sent_again_once_by_a_person() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 6);
    assert_eq!(project.send(6, &[]).exit, Some(0));
    told(&project, &[EventKind::Delivered, EventKind::BouncedHard, EventKind::Deferred]);
    let run = run_of(&project);

    let declared =
        project.run(&["provider", "outage", "first", "--from", "1h", "--reason", "it burns", "--json"]);
    assert_eq!(declared.exit, Some(0), "{declared:?}");
    let declared: Value = serde_json::from_str(&declared.stdout).unwrap();
    assert_eq!(declared["runs"][0]["at_risk"], 4, "not the delivered one, and not the bounced one");

    let report: Value = serde_json::from_str(&project.run(&["report", "--json"]).stdout).unwrap();
    let expected = [
        ("deferred", true),
        ("-", true),
        ("-", true),
        ("-", true),
        ("bounced_hard", false),
        ("delivered", false),
    ];
    assert_eq!(states(&report), expected.map(|(kind, at_risk)| (kind.to_owned(), at_risk)));
    assert_eq!(report["outages"][0]["reason"], "it burns");
    let sheet = project.run(&["report", "--call-sheet"]);
    assert_eq!(sheet.stdout.lines().count(), 5, "{sheet:?}");
    assert!(sheet.stdout.starts_with("accepted, at risk") && sheet.stdout.contains("it burns"), "{sheet:?}");
    assert!(sheet.stdout.contains("bounced") && sheet.stdout.contains("user unknown"), "{sheet:?}");
    assert!(project.run(&["status"]).stderr.contains("--at-risk --resend"));

    let again = ["resolve", &run, "--at-risk", "--resend", "--reason", "the queue is lost"];
    for confirm in [&[][..], &["--confirm", "6"]] {
        let refused = project.run(&[&again[..], confirm].concat());
        assert_eq!(refused.exit, Some(5), "{refused:?}");
    }
    let moved = project.run(&[&again[..], &["--confirm", "4"]].concat());
    assert_eq!((moved.exit, moved.stdout.lines().count()), (Some(0), 4), "{moved:?}");
    assert!(moved.stderr.contains("--route second"), "{moved:?}");

    let resumed = project.run(&["resume", &run, "--route", "second"]);
    assert_eq!(resumed.exit, Some(0), "{resumed:?}");
    assert_eq!(project.servers[1].accepted().len(), 4);
    // The second one burns as well: nobody gets a third copy by this.
    project.run(&["provider", "outage", "second", "--from", "1h"]);
    let third = project.run(&[&again[..], &["--confirm", "4"]].concat());
    assert_eq!((third.exit, third.stdout.as_str()), (Some(0), ""), "{third:?}");
    assert!(third.stderr.contains("sent it again before"), "{third:?}");
    assert_eq!(project.run(&["status", "--json"]).total("pending"), 0);
}

#[test]
fn an_outage_is_declared_listed_and_taken_back() {
    let project = Project::new(vec![FakeSmtp::new()], 1);
    assert_eq!(project.send(1, &[]).exit, Some(0));
    let nobody = project.run(&["provider", "outage", "fisrt", "--from", "1h"]);
    assert_eq!(nobody.exit, Some(2), "{nobody:?}");
    for wrong in
        [&["--from", "soon"][..], &["--from", "1h", "--until", "2h"], &["--from", "2999-01-01 10:00"], &[]]
    {
        let refused = project.run(&[&["provider", "outage", "first"], wrong].concat());
        assert_eq!(refused.exit, Some(2), "{refused:?}");
    }

    assert_eq!(project.run(&["provider", "outage", "first", "--from", "2h", "--until", "1h"]).exit, Some(0));
    let listed: Value = serde_json::from_str(&project.run(&["provider", "outage", "--json"]).stdout).unwrap();
    assert_eq!(listed["outages"].as_array().unwrap().len(), 1);
    let sheet = project.run(&["report", "--call-sheet"]);
    assert_eq!(sheet.stdout, "", "it was over when the message was accepted");
    assert!(project.run(&["provider", "status"]).stdout.contains("was out of service"));

    assert_eq!(project.run(&["provider", "outage", "first", "--withdraw"]).exit, Some(0));
    assert_eq!(project.run(&["provider", "outage", "first", "--withdraw"]).exit, Some(1));
}

#[test]
fn the_call_sheet_is_a_page_and_a_table_of_its_own() {
    let project = after_a_crisis();

    let said = project.run(&["report", "--call-sheet", "--html", "calls.html", "--csv", "calls.csv"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let page = std::fs::read_to_string(project.path().join("calls.html")).unwrap();
    assert!(page.contains(&address(1)) && page.contains("+33 1 00 00 00 01") && !page.contains("<svg"));
    assert!(page.contains("no such user") || page.contains("no&lt;&#x2f;b&gt; such user"), "{page}");
    let table = std::fs::read_to_string(project.path().join("calls.csv")).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.starts_with("state,tier,phone,name,outlet,address,why\n"), "{table}");
}

/// Until 2026-11-28 a file named `-` was written.
#[test]
fn a_dash_is_stdout_for_the_page_of_plan_too() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    let plan = ["plan", "release.md", "--to", "contacts.csv", "--html", "-"];

    let page = project.run(&plan);
    let json = project.run(&[&plan[..], &["--json"]].concat());

    assert_eq!((page.exit, page.stdout.starts_with("<!")), (Some(0), true), "{page:?}");
    assert_eq!((json.exit, json.document()["error"]["code"].as_str()), (Some(2), Some("plan.stdout")));
    assert!(!project.path().join("-").exists());
}

/// Until 2026-11-28 a file named `-` was written.
#[test]
fn a_dash_is_stdout_and_stdout_carries_one_thing() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    assert_eq!(project.send(2, &[]).exit, Some(0));

    let table = project.run(&["report", "--csv", "-"]);
    let calls = project.run(&["report", "--csv", "-", "--call-sheet"]);
    let page = project.run(&["report", "--html", "-", "--csv", "report.csv"]);
    let both = project.run(&["report", "--html", "-", "--csv", "-"]);
    let json = project.run(&["report", "--csv", "-", "--json"]);

    let rows: Vec<&str> = table.stdout.lines().collect();
    assert_eq!((table.exit, rows.len()), (Some(0), 3), "{table:?}");
    assert!(rows[0].starts_with("state,address,") && rows[1].starts_with("accepted,"), "{rows:?}");
    assert_eq!(calls.stdout, "state,tier,phone,name,outlet,address,why\n");
    assert!(
        page.stdout.starts_with("<!doctype html>") && page.stdout.trim_end().ends_with("</html>"),
        "{page:?}"
    );
    assert_eq!(std::fs::read_to_string(project.path().join("report.csv")).unwrap(), table.stdout);
    assert_eq!((both.exit, json.exit), (Some(2), Some(2)), "{both:?} {json:?}");
    assert_eq!(json.document()["error"]["code"], "report.stdout");
    assert!(!project.path().join("-").exists());
}
