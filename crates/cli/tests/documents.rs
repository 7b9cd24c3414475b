//! What scripts read: the one document of each command, and the one of each failure. A change shows as
//! a change of `snapshots/`.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, address};
use depeche_testkit::smtp::{FakeSmtp, Phase, Rule};
use serde_json::Value;

/// The document without what differs from run to run: times, ids, ports, folders.
fn steady(project: &Project, document: &Value) -> String {
    let text = format!("{document:#}").replace(&project.path().display().to_string(), "FOLDER");
    let mut text = project.steady_day(&text);
    for server in &project.servers {
        text = text.replace(&server.port().to_string(), "PORT");
    }
    let lines = text.lines().map(|line| {
        let quoted = line.split('"').nth(3).unwrap_or_default();
        let is_time = quoted.len() >= 20 && quoted.as_bytes()[4] == b'-' && quoted.ends_with('Z');
        let is_id = quoted.starts_with('<') && quoted.ends_with("@exemple.fr>");
        match (is_time, is_id) {
            (true, _) => line.replace(quoted, "TIME"),
            (_, true) => line.replace(quoted, "<ID@exemple.fr>"),
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shown(project: &Project, words: &[&str]) -> String {
    let said = project.run(&[words, &["--json"]].concat());
    assert_eq!(said.document()["exit"].as_i64(), said.exit.map(i64::from), "{said:?}");
    format!("$ depeche {}\n{}\n", words.join(" "), steady(project, &said.document()))
}

#[test]
fn a_run_has_the_same_document_in_send_and_status_and_the_lists_name_it() {
    let first = FakeSmtp::new()
        .rule(Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies("550 5.1.1 no such user"))
        .rule(Rule::at(Phase::Mail).from_message(3).replies("451 4.3.0 not now"));
    let project = Project::new(vec![first, FakeSmtp::new()], 0);
    let list = format!("email,first_name,tier\n{},Zoé,1\nana.silva,Ana,\n{},Max,2\n", address(1), address(2));
    project.write("contacts.csv", &list);
    let plan = shown(&project, &["plan", "release.md", "--to", "contacts.csv"]);
    let send = shown(&project, &["send", "release.md", "--to", "contacts.csv", "--confirm", "2"]);
    let status = shown(&project, &["status"]);

    let document = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(document(&send), document(&status));
    let rest = [&["runs"][..], &["resume"], &["provider", "status"], &["provider", "list"], &["report"]];
    let rest: Vec<String> = rest.iter().map(|words| shown(&project, words)).collect();
    insta::assert_snapshot!("documents_of_a_run", [plan, send, rest.join("\n")].join("\n"));
}

#[test]
fn files_are_told_with_every_fact_that_is_known() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    project.write("contacts.csv", "email;Prénom;embargo\nana;Ana;oui\nzoe@example.org;=1+1;peut-être\n");
    project.write("suppressed.csv", "email\n");
    let commands = [
        &["contacts", "check", "contacts.csv"][..],
        &["contacts", "convert", "contacts.csv"],
        &["release", "lint", "release.md"],
        &["config", "check"],
        &["config", "show"],
        &["suppress", "add", "zoe@example.org", "--reason", "asked by phone"],
        &["suppress", "list"],
        &["suppress", "remove", "zoe@example.org", "--reason", "a slip"],
        &["explain", "embargo-no-zone"],
    ];
    let shown: Vec<String> = commands.iter().map(|words| shown(&project, words)).collect();
    insta::assert_snapshot!("documents_of_files", shown.join("\n"));
}

#[test]
fn a_failure_is_one_document_too() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    project.write("broken.toml", "[from]\nadress = \"x\"\naddress = \"no at\"\n");
    project.write("late.md", "---\ntitle: X\nembargo: \"2026-12-03 08:00\"\n---\nX\n");
    let commands = [
        &["sned"][..],
        &["send", "release.md"],
        &["config", "check", "--config", "broken.toml"],
        &["plan", "late.md", "--to", "contacts.csv"],
        &["plan", "release.md", "--to", "absent.csv"],
        &["plan", "release.md", "--to", "contacts.csv", "--where", "lnag = fr"],
        &["send", "release.md", "--to", "contacts.csv"],
        &["send", "release.md", "--to", "contacts.csv", "--confirm", "3"],
        &["status", "nothing"],
        &["explain", "embrgo-no-zone"],
    ];
    let shown: Vec<String> = commands.iter().map(|words| shown(&project, words)).collect();
    insta::assert_snapshot!("documents_of_failures", shown.join("\n"));
}
