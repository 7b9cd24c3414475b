//! One suppression list over all providers: what is taken over from theirs, and put on
//! theirs.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, address};
use depeche_testkit::http::{HttpStub, Says};
use depeche_testkit::smtp::{FakeSmtp, Phase, Rule};
use serde_json::Value;

/// What Brevo blocks, in the form of PROVIDERS.md, section 1.4.
fn blocked(list: &[(&str, &str, &str)]) -> String {
    let contact = |(email, code, message): &(&str, &str, &str)| {
        serde_json::json!({ "email": email, "senderEmail": "", "blockedAt": "2026-11-01T00:00:00Z",
            "reason": { "code": code, "message": message } })
    };
    serde_json::json!({ "count": list.len(), "contacts": list.iter().map(contact).collect::<Vec<_>>() })
        .to_string()
}

/// Two journalists reached through SMTP, and two APIs with block lists of their own.
fn project() -> (Project, HttpStub, HttpStub) {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    let vague: Vec<String> = (0..5).map(|number| format!("v{number}@vague.example")).collect();
    let mut list = vec![
        ("Zoe@Matin.example", "unsubscribedViaEmail", ""),
        ("hugo@agence.example", "contactFlaggedAsSpam", ""),
        ("max@agence.example", "adminBlocked", ""),
        ("gone@ailleurs.example", "hardBounce", "550 5.1.1 User unknown"),
        ("full@ailleurs.example", "hardBounce", "552 5.2.2 Mailbox full"),
        ("j0@journal.example", "hardBounce", "550 5.1.1 User unknown"),
    ];
    list.extend(vague.iter().map(|address| (address.as_str(), "hardBounce", "550 5.1.1 User unknown")));
    let body = blocked(&list);
    let brevo = project.runtime.block_on(HttpStub::start(move |seen| match seen.method.as_str() {
        "GET" => Says::json(200, &body),
        _ => Says::json(201, r#"{"id":1}"#),
    }));
    let mandrill = project.runtime.block_on(HttpStub::start(|seen| {
        if seen.target.ends_with("/rejects/list") {
            let entry = r#"{"email":"hugo@agence.example","reason":"spam","detail":"","expired":false}"#;
            return Says::json(200, &format!("[{entry}]"));
        }
        Says::json(200, r#"{"email":"x","added":true}"#)
    }));
    project.write_secret("key", "xkeysib-1");
    let section = |name: &str, kind: &str, url: String| {
        format!(
            "[[provider]]\nname = \"{name}\"\nkind = \"{kind}\"\nbase_url = \"{url}\"\napi_key = {{ file = \"key\" }}\n"
        )
    };
    let sections = section("brevo", "brevo", brevo.base_url())
        + &section("mandrill", "mailchimp-transactional", mandrill.base_url());
    project.configure("[fallback]\n", &format!("{sections}[fallback]\n"));
    (project, brevo, mandrill)
}

fn listed(project: &Project) -> Vec<(String, String, bool)> {
    let document = project.run(&["suppress", "list", "--json"]).document();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry =
        |one: &Value| (text(&one["address"]), text(&one["reason"]), one["quarantined"].as_bool().unwrap());
    document["suppressed"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn a_pull_takes_over_wishes_and_true_bad_addresses_and_asks_about_the_rest() {
    let (project, _brevo, _mandrill) = project();
    assert_eq!(project.send(2, &["--route", "first"]).exit, Some(0));

    let shown = project.run(&["suppress", "pull", "brevo", "--json"]);
    assert_eq!(shown.exit, Some(0), "{shown:?}");
    let provider = &shown.document()["providers"][0];
    assert_eq!((&provider["listed"], provider["to_add"].as_array().unwrap().len()), (&11.into(), 9));
    assert!(listed(&project).is_empty(), "shown, and not done");

    let done = project.run(&["suppress", "pull", "brevo", "--apply"]);
    assert_eq!(done.exit, Some(0), "{done:?}");
    let list = listed(&project);
    let now: Vec<(&str, &str)> =
        list.iter().filter(|(.., held)| !held).map(|(who, why, _)| (who.as_str(), why.as_str())).collect();
    assert_eq!(
        now,
        [
            ("gone@ailleurs.example", "bad address"),
            ("hugo@agence.example", "complaint"),
            ("zoe@matin.example", "opted out"),
        ]
    );
    // j0 had the release a minute ago; five of one domain may be an outage of it.
    let held: Vec<&str> = list.iter().filter(|(.., held)| *held).map(|(who, ..)| who.as_str()).collect();
    let vague = (0..5).map(|number| format!("v{number}@vague.example"));
    assert_eq!(held, std::iter::once(address(0)).chain(vague).collect::<Vec<_>>());
    let again = project.run(&["suppress", "pull", "brevo", "--json"]).document();
    assert_eq!(again["providers"][0]["known"], 3);
}

#[test]
fn a_push_puts_on_each_list_what_it_lacks() {
    let (project, brevo, mandrill) = project();
    for who in ["zoe@matin.example", "hugo@agence.example"] {
        assert_eq!(project.run(&["suppress", "add", who]).exit, Some(0));
    }

    let shown = project.run(&["suppress", "push", "--json"]);
    assert_eq!(shown.exit, Some(0), "{shown:?}");
    let posts =
        |stub: &HttpStub, to: &str| stub.seen().iter().filter(|seen| seen.target.ends_with(to)).count();
    assert_eq!((posts(&brevo, "/contacts"), posts(&mandrill, "/rejects/add")), (0, 0), "shown, and not done");

    let done = project.run(&["suppress", "push", "--apply", "--json"]);
    assert_eq!(done.exit, Some(0), "{done:?}");
    let document = done.document();
    let by_name: Vec<(&str, Option<u64>)> = document["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["added"].as_u64()))
        .collect();
    assert_eq!(by_name, [("first", None), ("brevo", Some(0)), ("mandrill", Some(1))]);
    assert_eq!((posts(&brevo, "/contacts"), posts(&mandrill, "/rejects/add")), (0, 1));
    let added = mandrill.seen().into_iter().find(|seen| seen.target.ends_with("/rejects/add")).unwrap();
    let body: Value = serde_json::from_slice(&added.body).unwrap();
    assert_eq!(body["email"], "zoe@matin.example");
}

#[test]
fn a_provider_that_does_not_answer_is_exit_7_and_changes_nothing() {
    let (project, brevo, _mandrill) = project();
    drop(brevo);

    let said = project.run(&["suppress", "pull", "brevo", "--apply", "--json"]);

    assert_eq!(said.exit, Some(7), "{said:?}");
    assert!(said.document()["providers"][0]["error"].is_string());
    assert!(listed(&project).is_empty());
}

/// The files under a folder in which the text stands, in whatever case.
fn holding(folder: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&entry.path(), text));
            continue;
        }
        let content = std::fs::read(entry.path()).unwrap().to_ascii_lowercase();
        if content.windows(text.len()).any(|part| part == text.to_ascii_lowercase().as_bytes()) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn a_forgotten_person_stands_in_no_file_of_depeche_and_is_never_mailed() {
    let quoting = format!("550 5.1.1 <{}> no such user here", address(1));
    let first = FakeSmtp::new().rule(Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies(&quoting));
    let project = Project::new(vec![first], 3);
    assert_eq!(project.send(3, &[]).exit, Some(3));
    project.run(&[
        "suppress",
        "add",
        "other@journal.example",
        "--reason",
        &format!("asked by {}", address(1)),
    ]);
    let state = project.path().join(".depeche");
    assert!(holding(&state, &address(1)).len() >= 2, "in the journal and beside it");

    let said = project.run(&["suppress", "forget", &address(1).to_uppercase()]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(holding(&state, &address(1)), Vec::<String>::new());
    assert!(!said.stdout.contains(&address(1)), "{said:?}");
    assert!(said.stderr.contains("contacts.csv") && said.stderr.contains("out of reach"), "{said:?}");
    // Others are as they were.
    assert!(!holding(&state, &address(0)).is_empty());
    let report = project.run(&["report"]);
    assert!(report.stdout.contains("forgotten-") && !report.stdout.contains(&address(1)), "{report:?}");

    // The next release leaves them out, although the list names them.
    project.write("release.md", &common::RELEASE.replace("slug: usine", "slug: suite"));
    let next = project.send(2, &[]);
    assert_eq!(next.exit, Some(0), "{next:?}");
    assert_eq!(project.seen().get(&address(1)), None, "{next:?}");
    assert_eq!(holding(&state, &address(1)), Vec::<String>::new(), "and does not name them again");
}
