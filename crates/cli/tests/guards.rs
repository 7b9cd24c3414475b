//! What stands between a slip and five hundred journalists.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, RELEASE, address};
use depeche_testkit::smtp::{FakeSmtp, RunningSmtp};

fn sent(project: &Project) -> usize {
    project.servers.iter().map(|server| server.messages().len()).sum()
}

fn code(said: &common::Said) -> String {
    said.document()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_journal_that_cannot_be_opened_says_what_to_do_and_sends_nothing() {
    let project = Project::new(vec![FakeSmtp::new()], 1);
    let folder = project.path().join(".depeche");
    std::fs::write(&folder, "a file").unwrap();
    let taken = project.send(1, &[]);
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("journal.db"), "this is no journal, and long enough to be looked at").unwrap();
    let broken = project.send(1, &[]);

    for (said, cure) in [(taken, "move the file of that name away"), (broken, "depeche reconcile")] {
        assert_eq!(said.exit, Some(1), "{said:?}");
        let hint = said.document()["error"]["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains(cure), "{hint}");
    }
    assert_eq!(sent(&project), 0);
}

/// Such a release passed the plan once, and refused everybody for good.
#[test]
fn a_tag_that_cannot_be_filled_is_an_error_before_anything_is_sent() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    for (tag, line) in
        [("{{ 1/0 }}", 7), ("{{ contact.first_name.x.y }}", 7), ("{{ contact.outlet | round }}", 7)]
    {
        let release = RELEASE.replace("Bonjour {{ contact.first_name }},", &format!("Bonjour {tag},"));
        project.write("release.md", &release);

        for words in [
            &["plan", "release.md", "--to", "contacts.csv", "--json"][..],
            &["send", "release.md", "--to", "contacts.csv", "--confirm", "3", "--json"],
        ] {
            let said = project.run(words);
            assert_eq!(said.exit, Some(2), "{tag}: {said:?}");
            let error = &said.document()["error"];
            assert_eq!(error["code"], "release.unfilled", "{tag}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("3 contacts") && message.contains(&address(0)), "{message}");
            assert!(error["hint"].as_str().unwrap().contains(&format!("line {line}")), "{error}");
        }
    }
    assert!(project.servers[0].messages().is_empty());
    assert_eq!(project.run(&["runs", "--json"]).document()["runs"], serde_json::json!([]));
}

/// What does not depend on a contact is found without a list.
#[test]
fn a_tag_that_nobody_could_fill_is_found_by_lint() {
    let project = Project::new(vec![FakeSmtp::new()], 1);
    for tag in ["{% include 'x' %}", "{{ contact.first_name | replace('a') }}"] {
        let release = RELEASE.replace("{{ contact.first_name }}", tag);
        project.write("release.md", &release);

        let said = project.run(&["release", "lint", "release.md", "--json"]);

        assert_eq!(said.exit, Some(1), "{tag}: {said:?}");
        assert_eq!(said.document()["findings"][0]["id"], "template", "{said:?}");
    }
}

#[test]
fn without_a_terminal_nothing_is_sent_unless_the_number_is_right() {
    let project = Project::new(vec![FakeSmtp::new()], 4);
    let words = ["send", "release.md", "--to", "contacts.csv", "--json"];
    for (confirm, expected) in
        [(None, "confirm.missing"), (Some("5"), "confirm.count"), (Some("0"), "confirm.count")]
    {
        let mut words = words.to_vec();
        words.extend(confirm.map(|number| ["--confirm", number]).into_iter().flatten());

        let said = project.run(&words);

        assert_eq!((said.exit, code(&said).as_str()), (Some(5), expected), "{said:?}");
        assert_eq!(said.document()["exit"], 5);
        assert_eq!(said.document()["error"]["hint"], "--confirm 4");
    }
    assert_eq!(sent(&project), 0);
    assert_eq!(project.run(&["runs", "--json"]).document()["runs"], serde_json::json!([]));
}

#[test]
fn the_same_release_to_the_same_list_is_refused_and_names_the_run() {
    let project = Project::new(vec![FakeSmtp::new()], 4);
    let first = project.send(4, &[]);

    let second = project.send(4, &[]);

    assert_eq!((second.exit, code(&second).as_str()), (Some(5), "run.duplicate"), "{second:?}");
    let run = first.document()["run"]["id"].as_str().unwrap().to_owned();
    assert!(second.document()["error"]["message"].as_str().unwrap().contains(&run));
    assert_eq!(sent(&project), 4);
}

#[test]
fn a_second_overlapping_list_reaches_only_those_who_do_not_have_it() {
    let project = Project::new(vec![FakeSmtp::new()], 4);
    project.send(4, &[]);
    project.list("more.csv", 2..7);

    let plan = project.run(&["plan", "release.md", "--to", "more.csv", "--json"]);
    let said = project.run(&["send", "release.md", "--to", "more.csv", "--confirm", "3", "--json"]);

    assert_eq!(plan.document()["count"], 3);
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(said.document()["left_out"].as_array().unwrap().len(), 2);
    assert_eq!(said.document()["left_out"][0]["row"], 2);
    assert_eq!(project.seen().len(), 7);
    assert!(project.seen().values().all(|copies| *copies == 1));
}

#[test]
fn the_same_slug_with_other_content_needs_again() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    project.send(3, &[]);
    project.write("release.md", &RELEASE.replace("120 emplois", "130 emplois"));

    let refused = project.send(3, &[]);
    let meant = project.send(3, &["--again"]);

    assert_eq!(refused.exit, Some(5), "{refused:?}");
    assert_eq!(meant.exit, Some(0), "{meant:?}");
    assert_eq!(sent(&project), 6);
}

#[test]
fn a_plan_counts_as_send_does_and_sends_nothing() {
    let project = Project::new(vec![FakeSmtp::new()], 6);
    project.write("stop.csv", &format!("email\n{}\n", address(0).to_uppercase()));
    project.run(&["suppress", "add", &address(1), "--reason", "asked"]);
    let choice = ["--to", "contacts.csv", "--exclude", "stop.csv", "--limit", "3", "--json"];

    let plan = project.run(&[&["plan", "release.md"], &choice[..]].concat());
    assert_eq!(sent(&project), 0);
    let count = plan.document()["count"].to_string();
    let said = project.run(&[&["send", "release.md", "--confirm", &count], &choice[..]].concat());

    assert_eq!(count, "3");
    assert_eq!(plan.document()["suppressed"], 1);
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(said.total("accepted"), 3);
    assert_eq!(said.total("suppressed"), 1);
    assert_eq!(said.total("recipients"), 4);
    let expected: Vec<String> = (2..5).map(address).collect();
    assert_eq!(project.seen().into_keys().collect::<Vec<_>>(), expected);
}

#[test]
fn without_depeche_toml_and_without_an_outbox_it_is_exit_2() {
    let project = Project::new(vec![], 3);
    std::fs::remove_file(project.path().join("depeche.toml")).unwrap();

    let real = project.send(3, &[]);
    let outbox = project.send(3, &["--outbox", "out"]);

    assert_eq!((real.exit, code(&real).as_str()), (Some(2), "config.none"), "{real:?}");
    assert_eq!(outbox.exit, Some(0), "{outbox:?}");
    assert_eq!(outbox.total("written"), 3);
    assert_eq!(std::fs::read_dir(project.path().join("out")).unwrap().count(), 3);
}

#[test]
fn an_outbox_never_counts_as_sent_and_the_last_line_says_so() {
    let project = Project::new(vec![FakeSmtp::new()], 3);

    let text =
        project.run(&["send", "release.md", "--to", "contacts.csv", "--confirm", "3", "--outbox", "out"]);
    let again = project.send(3, &["--outbox", "out2"]);
    let real = project.send(3, &[]);

    assert_eq!(text.stdout.lines().last(), Some("NOTHING WAS SENT"), "{text:?}");
    assert_eq!(again.exit, Some(0), "{again:?}");
    assert_eq!(again.total("accepted"), 0);
    assert_eq!(real.exit, Some(0), "{real:?}");
    assert_eq!(sent(&project), 3);
}

#[test]
fn a_test_copy_is_marked_and_never_counts() {
    let project = Project::new(vec![FakeSmtp::new()], 3);

    let said =
        project.run(&["send", "release.md", "--to", "contacts.csv", "--test", "moi@exemple.fr", "--json"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let copies: Vec<_> = project.servers.iter().flat_map(RunningSmtp::messages).collect();
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].to, ["moi@exemple.fr"]);
    let text = String::from_utf8_lossy(&copies[0].bytes).into_owned();
    let parsed = mail_subject(&text);
    assert!(parsed.starts_with("[TEST]"), "{parsed}");
    assert_eq!(project.send(3, &[]).exit, Some(0));
}

#[test]
fn a_test_copy_that_the_budget_does_not_allow_ends_at_once_and_leaves_nothing_behind() {
    let limits = "limits = { connections = 1, per_hour = 1 }";
    let project = Project::with(vec![FakeSmtp::new()], 3, limits, "");
    let words = ["send", "release.md", "--to", "contacts.csv", "--test", "moi@exemple.fr", "--json"];
    assert_eq!(project.run(&words).exit, Some(0));

    let said = project.run(&words);

    assert_eq!(said.exit, Some(4), "{said:?}");
    assert_eq!((said.total("pending"), said.total("cancelled")), (0, 1), "{said:?}");
    assert!(said.stderr.contains("the test copy was not sent, and nothing of it is left over"), "{said:?}");
    assert!(said.stderr.contains("try again from "), "{said:?}");
    assert!(!said.stderr.contains("depeche resume"), "{said:?}");
    assert_eq!(sent(&project), 1);
    let runs = project.run(&["runs", "--json"]).document();
    assert!(runs["runs"].as_array().unwrap().iter().all(|run| run["totals"]["pending"] == 0), "{runs:#}");
}

/// Seen 2026-11: the plan counted a suppressed recipient and listed it like all the others.
#[test]
fn a_plan_marks_whom_the_suppression_list_holds() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    project.run(&["suppress", "add", &address(1)]);

    let said = project.run(&["plan", "release.md", "--to", "contacts.csv"]);

    assert!(said.stdout.contains(&format!("  {} (suppressed: not mailed)\n", address(1))), "{said:?}");
    assert!(said.stdout.contains(&format!("  {}\n", address(2))), "{said:?}");
    assert!(said.stdout.lines().all(|line| line == line.trim_end()), "{said:?}");
}

/// Seen 2026-11: a filter that does not exist was found when the first message was made, so that every
/// contact was refused for good.
#[test]
fn a_template_or_a_date_that_cannot_work_is_found_before_anybody_is_asked() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    for (from, to, code) in [
        ("contact.first_name", "contact.first_name | titre", "template"),
        ("contact.first_name", "contact.first_name is gone", "template"),
        ("city: Grenoble", "city: Grenoble\ndate: 03/12/2026", "release.date"),
    ] {
        project.write("release.md", &RELEASE.replace(from, to));

        let said = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]);

        assert_eq!((said.exit, self::code(&said).as_str()), (Some(2), code), "{said:?}");
    }
}

#[test]
fn the_built_in_example_speaks_the_language_of_the_release() {
    let project = Project::new(vec![], 1);
    std::fs::remove_file(project.path().join("depeche.toml")).unwrap();
    for (lang, about) in [("fr", "fondée en 1987"), ("en", "Founded in 1987")] {
        project.write("release.md", &RELEASE.replace("lang: fr", &format!("lang: {lang}")));

        let said = project.run(&["release", "render", "release.md"]);

        assert!(said.stdout.contains(about), "{said:?}");
    }
}

/// The subject as it stands, encoded words undone where they are Q-encoded ASCII.
fn mail_subject(text: &str) -> String {
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("subject:")).unwrap();
    let value = line["subject:".len()..].trim();
    match value.split("?Q?").nth(1).or_else(|| value.split("?q?").nth(1)) {
        Some(q) => q.replace("=5B", "[").replace("=5D", "]").replace('_', " "),
        None => value.to_owned(),
    }
}

#[test]
fn bad_rows_are_left_out_with_their_number_and_do_not_change_the_exit() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let list = format!("email,first_name\n{},Zoé\nana.silva,Ana\n,Bob\n{},Max\n", address(1), address(2));
    project.write("contacts.csv", &list);

    let said = project.send(2, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    let rows: Vec<_> = said.document()["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["row"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, [3, 4]);
    assert_eq!(said.total("recipients"), 2);
}

#[test]
fn a_missing_field_counts_the_contacts_and_prints_what_to_write() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let list = format!("email,first_name\n{},\n{},Max\n", address(1), address(2));
    project.write("contacts.csv", &list);

    let said = project.send(2, &[]);

    assert_eq!((said.exit, code(&said).as_str()), (Some(2), "release.missing-field"), "{said:?}");
    let error = &said.document()["error"];
    assert!(error["message"].as_str().unwrap().contains(&address(1)), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("default") && hint.contains("--where"), "{hint}");
    assert_eq!(sent(&project), 0);
    // What it says can be pasted as it stands.
    let selection = hint.split("--where '").nth(1).unwrap().split('\'').next().unwrap();
    let chosen = project.send(1, &["--where", selection]);
    assert_eq!(chosen.exit, Some(0), "{chosen:?}");
}

#[test]
fn before_the_embargo_only_trusted_contacts_get_it() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let rows: Vec<String> = [(1, "yes"), (2, ""), (3, "oui"), (4, "no")]
        .map(|(number, trusted)| format!("{},Zoé,{trusted}\n", address(number)))
        .to_vec();
    project.write("contacts.csv", &format!("email,first_name,embargo\n{}", rows.concat()));
    let embargoed = RELEASE.replace("city:", "embargo: \"2099-01-01 08:00 Europe/Paris\"\ncity:");
    project.write("release.md", &embargoed);

    let said = project.send(4, &["--no-wait"]);
    assert_eq!(said.exit, Some(4), "{said:?}");
    assert_eq!(project.seen().into_keys().collect::<Vec<_>>(), [address(1), address(3)]);
    assert_eq!(said.document()["run"]["state"], "waiting");

    let other = Project::new(vec![FakeSmtp::new()], 4);
    other.write("release.md", &embargoed);
    let said = other.send(4, &["--under-embargo"]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(sent(&other), 4);
}

#[test]
fn tier_1_is_served_first() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let tiers = ["2", "", "1", "3", "1"];
    let row = |(number, tier): (usize, &&str)| format!("{},Zoé,{tier}\n", address(number));
    let rows: String = tiers.iter().enumerate().map(row).collect();
    project.write("contacts.csv", &format!("email,first_name,tier\n{rows}"));

    project.send(5, &[]);

    let order: Vec<String> =
        project.servers[0].messages().iter().map(|message| message.to[0].clone()).collect();
    assert_eq!(order, [2, 4, 0, 3, 1].map(address));
}

#[test]
fn a_cancelled_run_sends_nothing_more() {
    let project = Project::new(vec![FakeSmtp::new()], 5);
    project.servers[0].die();
    let run = project.send(5, &[]).document()["run"]["id"].as_str().unwrap().to_owned();
    project.servers[0].revive();

    let cancelled = project.run(&["cancel", &run, "--json"]);
    let resumed = project.run(&["resume", &run, "--json"]);

    assert_eq!(cancelled.exit, Some(0), "{cancelled:?}");
    assert_eq!(resumed.total("cancelled"), 5);
    assert_eq!(resumed.document()["run"]["state"], "cancelled");
    assert_eq!(sent(&project), 0);
}

#[test]
fn hostile_cells_never_become_headers_or_recipients() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    let hostile = [
        "\"Zoé\r\nBcc: evil@evil.example\"",
        "\"a\u{2028}b\"",
        "\"\u{202e}abc\"",
        "\"a\u{0}b\"",
        "\"=cmd|' /C calc'!A0\"",
    ];
    let row = |(number, name): (usize, &&str)| format!("{},{name}\r\n", address(number));
    let mut list: String = "email,first_name\r\n".to_owned();
    list.extend(hostile.iter().enumerate().map(row));
    list += &format!("{},{}\r\n{},Zoé\r\n", address(8), "n".repeat(10_240), address(9));
    project.write("contacts.csv", &list);
    let plan = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]);
    let count = plan.document()["count"].as_u64().unwrap();

    let said = project.send(usize::try_from(count).unwrap(), &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(said.document()["left_out"].as_array().unwrap().len() as u64 + count, 7);
    for message in project.servers[0].messages() {
        let text = String::from_utf8_lossy(&message.bytes).to_lowercase();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("\r\nbcc:"), "{head}");
        assert_eq!(message.to.len(), 1);
    }
    assert!(project.seen().contains_key(&address(9)));
    assert!(!project.seen().contains_key(&address(0)));
}

#[test]
fn a_plan_foresees_who_takes_how_many() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 30);
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let limited =
        toml.replacen("limits = { connections = 1 }", "limits = { per_hour = 10, per_second = 1 }", 1);
    project.write("depeche.toml", &limited);

    let plan = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]).document();

    assert_eq!(plan["forecast"][0], serde_json::json!({ "provider": "first", "count": 10, "seconds": 9 }));
    assert_eq!(
        plan["forecast"][1],
        serde_json::json!({ "provider": "second", "count": 20, "seconds": null })
    );
    assert_eq!(plan["forecast_waits"], 0);
}

#[test]
fn an_outbox_that_cannot_be_written_ends_at_once_and_says_why() {
    let project = Project::new(vec![], 3);
    project.write("file", "not a folder");

    let below_a_file = project.send(3, &["--outbox", "file/out"]);

    assert_eq!(below_a_file.exit, Some(1), "{below_a_file:?}");
    let message = below_a_file.document()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("file/out"), "{message}");
}

#[test]
fn a_run_that_is_over_is_not_said_to_be_paused() {
    let project = Project::new(vec![FakeSmtp::new()], 1);
    let sent = project.send(1, &[]);
    let run = sent.document()["run"]["id"].as_str().unwrap().to_owned();

    let said = project.run(&["pause", &run]);

    assert_eq!((said.exit, said.stdout.trim()), (Some(0), format!("{run} has nothing left to do").as_str()));
    let runs = project.run(&["runs", "--json"]).document();
    assert_eq!(runs["runs"][0]["state"], "finished", "{runs}");
}
