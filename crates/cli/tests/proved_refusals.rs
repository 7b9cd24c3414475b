//! What a provider itself says that it did not send is no acceptance, and one bad address is nobody else's.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::{Project, Said, address};
use depeche_testkit::http::{HttpStub, Says, Seen};
use depeche_testkit::smtp::FakeSmtp;
use serde_json::{Value, json};

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap_or_default()
}

/// A project with one provider, an HTTP API that answers as `says` does.
fn project(
    contacts: usize,
    section: &str,
    says: impl Fn(&Seen) -> Says + Send + Sync + 'static,
) -> (Project, HttpStub) {
    let project = Project::new(vec![FakeSmtp::new()], contacts);
    let stub = project.runtime.block_on(HttpStub::start(says));
    let toml = format!(
        "{}[[provider]]\nname = \"api\"\n{section}\napi_key = {{ env = \"API\" }}\nbase_url = \"{}\"\n\
         [fallback]\nrequire_authenticated = false\n",
        common::IDENTITY,
        stub.base_url()
    );
    project.write("depeche.toml", &toml);
    (project, stub)
}

fn run(project: &Project, words: &[&str]) -> Said {
    common::said(project.command(words).env("API", "md-1").output().unwrap())
}

fn send(project: &Project, confirm: &str) -> Said {
    run(project, &["send", "release.md", "--to", "contacts.csv", "--confirm", confirm, "--json"])
}

/// Brevo's own wording names nobody; the batch is halved until it is that one alone.
#[test]
fn one_bad_address_in_a_batch_costs_nobody_else_the_release() {
    let bad = address(5);
    let refused = bad.clone();
    let (project, stub) = project(8, "kind = \"brevo\"\nbatch = true", move |seen| {
        let sent = body(seen);
        let versions = sent["messageVersions"].as_array().cloned().unwrap_or_else(|| vec![sent.clone()]);
        if versions.iter().any(|version| version["to"][0]["email"] == refused.as_str()) {
            return Says::json(400, r#"{"code":"invalid_parameter","message":"email is not valid in to"}"#);
        }
        let ids: Vec<String> = (0..versions.len()).map(|n| format!("<{n}@relay>")).collect();
        let answer =
            if ids.len() == 1 { json!({ "messageId": ids[0] }) } else { json!({ "messageIds": ids }) };
        Says::json(201, &answer.to_string())
    });

    let said = send(&project, "8");

    assert_eq!((said.total("accepted"), said.total("refused")), (7, 1), "{said:?}");
    let listed = run(&project, &["suppress", "list", "--json"]).document();
    let suppressed: Vec<&str> =
        listed["suppressed"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap()).collect();
    assert_eq!(suppressed, [bad.as_str()]);
    let keys: Vec<String> =
        stub.seen().iter().map(|seen| body(seen)["headers"]["idempotencyKey"].to_string()).collect();
    let different: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "a refused request and the next are two: two keys");
    // 8, 4, 4, then 2 or less until it is alone, where one request follows the other. How many go at once is
    // the machine's matter: all the halves of eight are fifteen.
    assert!(keys.len() <= 15, "{} requests", keys.len());
}

/// Answers `500` to the message, and lists it then as `event`, under its own tags.
fn lists_as(event: &'static str) -> impl Fn(&Seen) -> Says + Send + Sync + 'static {
    let sent: Arc<Mutex<Value>> = Arc::default();
    move |seen| match (seen.method.as_str(), seen.target.split('?').next().unwrap_or_default()) {
        ("POST", "/smtp/email") => {
            *sent.lock().unwrap() = body(seen);
            Says::json(500, "{}")
        }
        ("GET", "/smtp/statistics/events") => {
            let sent = sent.lock().unwrap();
            let item = |event: &str| {
                json!({ "date": jiff::Timestamp::now().to_string(), "email": sent["to"][0]["email"], "event": event,
                    "messageId": "<a@relay>", "tag": sent["tags"].to_string() })
            };
            Says::json(200, &json!({ "events": [item("requests"), item(event)] }).to_string())
        }
        _ => Says::json(200, "{}"),
    }
}

#[test]
fn what_brevo_says_that_it_blocked_is_refused_and_not_accepted() {
    let (project, _stub) = project(1, "kind = \"brevo\"", lists_as("blocked"));

    let said = send(&project, "1");

    assert_eq!((said.total("accepted"), said.total("refused")), (0, 1), "{said:?}");
}

#[test]
fn what_brevo_says_that_it_delivered_is_accepted() {
    let (project, _stub) = project(1, "kind = \"brevo\"", lists_as("delivered"));

    let said = send(&project, "1");

    assert_eq!((said.total("accepted"), said.total("unknown")), (1, 0), "{said:?}");
}

/// Drops the line at the message, and finds it then as rejected for `reason`.
fn rejects(reason: Option<&'static str>) -> impl Fn(&Seen) -> Says + Send + Sync + 'static {
    let attempt: Arc<Mutex<Value>> = Arc::default();
    move |seen| match seen.target.as_str() {
        "/messages/send" | "/messages/send-raw" => {
            let sent = body(seen);
            let raw = sent["raw_message"].as_str().unwrap_or_default();
            let header = raw.lines().find(|line| line.to_lowercase().starts_with("x-mc-metadata:"));
            let of_raw = || serde_json::from_str::<Value>(header?.split_once(':')?.1.trim()).ok();
            let metadata = of_raw().unwrap_or_else(|| sent["message"]["metadata"].clone());
            *attempt.lock().unwrap() = metadata;
            Says::Close
        }
        "/messages/search" => {
            let reject = reason.map(|reason| json!({ "reason": reason }));
            let item = json!({ "_id": "m1", "ts": jiff::Timestamp::now().as_second(), "email": address(0),
                "state": "rejected", "reject": reject, "metadata": *attempt.lock().unwrap() });
            Says::json(200, &json!([item]).to_string())
        }
        _ => Says::json(200, "[]"),
    }
}

/// PROVIDERS.md, section 3: suppression reasons are the recipient's, sender reasons the provider's. DELIVERY.md: who
/// was refused for the provider's sake is pending for the next one.
#[test]
fn a_rejection_that_sync_or_a_look_up_finds_blames_whom_its_reason_names() {
    let table = [
        (Some("unsigned"), "pending"),
        (Some("payment-required"), "pending"),
        (Some("unsub"), "refused"),
        (None, "refused"),
    ];
    for (reason, state) in table {
        for words in
            [&["sync", "--json"][..], &["resolve", "RUN", "--look-up", "--reason", "asked", "--json"]]
        {
            let (project, _stub) = project(1, "kind = \"mailchimp-transactional\"", rejects(reason));
            let sent = send(&project, "1");
            assert_eq!(sent.total("unknown"), 1, "{sent:?}");
            let run_id = sent.document()["run"]["id"].as_str().unwrap().to_owned();
            let words: Vec<&str> =
                words.iter().map(|word| if *word == "RUN" { run_id.as_str() } else { word }).collect();

            let said = run(&project, &words);

            let shown = run(&project, &["status", &run_id, "--json"]);
            assert_eq!(shown.total(state), 1, "{reason:?} {words:?}: {said:?} {shown:?}");
        }
    }
}
