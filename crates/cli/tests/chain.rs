//! A chain of three: an SMTP server, Brevo's API and Mailchimp Transactional's, each failing in turn.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{Project, address};
use depeche_testkit::http::{HttpStub, Says, Seen};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};
use serde_json::{Value, json};

const CONTACTS: usize = 200;

/// Stands in for an API: takes `most` messages and then says what the provider says when an account
/// has nothing left.
struct Account {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Account {
    fn takes(&self) -> bool {
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken < self.most).then_some(taken + 1)
            })
            .is_ok()
    }
}

fn recipient(seen: &Seen) -> Option<String> {
    let body: Value = serde_json::from_slice(&seen.body).ok()?;
    let to = body["to"][0]["email"].as_str().or_else(|| body["message"]["to"][0]["email"].as_str());
    to.or_else(|| body["to"][0].as_str()).map(str::to_lowercase)
}

async fn brevo(most: usize) -> HttpStub {
    let account = Account { taken: Arc::default(), most };
    HttpStub::start(move |seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/v3/smtp/email") if account.takes() => {
            Says::json(201, r#"{"messageId":"<1@relay.example>"}"#)
        }
        ("POST", "/v3/smtp/email") => {
            Says::json(402, r#"{"code":"not_enough_credits","message":"You do not have enough credits"}"#)
        }
        _ => Says::json(404, r#"{"code":"document_not_found","message":"no"}"#),
    })
    .await
}

async fn mandrill(most: usize) -> HttpStub {
    let account = Account { taken: Arc::default(), most };
    HttpStub::start(move |seen| {
        if !seen.target.contains("/messages/send") {
            return Says::json(500, r#"{"status":"error","code":-1,"name":"Unknown_Method","message":"no"}"#);
        }
        if !account.takes() {
            let refusal = r#"{"status":"error","code":-99,"name":"PaymentRequired","message":"pay"}"#;
            return Says::json(500, refusal);
        }
        let email = recipient(seen).unwrap_or_default();
        Says::json(200, &json!([{ "email": email, "status": "sent", "_id": "abc123" }]).to_string())
    })
    .await
}

/// What each server took, by address.
fn copies(project: &Project, apis: &[(&HttpStub, usize)]) -> BTreeMap<String, usize> {
    let mut seen = project.seen();
    for (stub, most) in apis {
        // In order of arrival the first `most` were taken, and none after.
        let sends = stub.seen();
        let sends = sends.iter().filter(|one| one.method == "POST" && !one.body.is_empty());
        for to in sends.filter_map(recipient).take(*most) {
            *seen.entry(to).or_default() += 1;
        }
    }
    seen
}

fn with_chain(smtp: usize, brevo_most: usize, mandrill_most: usize) -> (Project, HttpStub, HttpStub) {
    let rule = Rule::at(Phase::Mail).from_message(smtp as u64 + 1).does(Fault::Die(None));
    let project = Project::new(vec![FakeSmtp::new().rule(rule)], CONTACTS);
    let brevo = project.runtime.block_on(brevo(brevo_most));
    let mandrill = project.runtime.block_on(mandrill(mandrill_most));
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let apis = format!(
        "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = {{ env = \"BREVO\" }}\nbase_url = \"{}/v3\"\nlimits = {{ connections = 1 }}\n\
         [[provider]]\nname = \"mandrill\"\nkind = \"mailchimp-transactional\"\napi_key = {{ env = \"MANDRILL\" }}\nbase_url = \"{}/api/1.0\"\nlimits = {{ connections = 1 }}\n[fallback]",
        brevo.base_url(),
        mandrill.base_url()
    );
    project.write("depeche.toml", &toml.replace("[fallback]", &apis));
    (project, brevo, mandrill)
}

#[test]
fn a_chain_of_three_forgets_and_doubles_nobody_wherever_each_fails() {
    for percent in [0, 10, 50, 90, 100] {
        let part = CONTACTS * percent / 100;
        for (smtp, brevo_most) in [(part, usize::MAX), (part, 7), (0, part)] {
            let (project, brevo, mandrill) = with_chain(smtp, brevo_most, usize::MAX);
            let case = format!("smtp dies after {smtp}, brevo after {brevo_most}");
            let confirm = CONTACTS.to_string();
            let mut command = project.command(&[
                "send",
                "release.md",
                "--to",
                "contacts.csv",
                "--confirm",
                &confirm,
                "--json",
            ]);

            let said =
                common::said(command.env("BREVO", "xkeysib-1").env("MANDRILL", "md-1").output().unwrap());

            assert_eq!(said.exit, Some(0), "{case}: {}", said.stderr);
            assert_eq!(said.total("accepted"), CONTACTS as u64, "{case}");
            let copies = copies(&project, &[(&brevo, brevo_most), (&mandrill, usize::MAX)]);
            assert_eq!(copies.len(), CONTACTS, "{case}");
            assert!(copies.values().all(|copies| *copies == 1), "{case}: {copies:?}");
            assert!((0..CONTACTS).all(|number| copies.contains_key(&address(number))), "{case}");
        }
    }
}

/// The third one is the last: where it fails too, the rest is pending until one of the three is well again.
#[test]
fn when_the_third_fails_as_well_the_rest_is_pending_and_a_resume_gives_each_exactly_one_copy() {
    let keys = |command: &mut std::process::Command| {
        common::said(command.env("BREVO", "xkeysib-1").env("MANDRILL", "md-1").output().unwrap())
    };
    let send = ["send", "release.md", "--to", "contacts.csv", "--confirm", "200", "--json"];
    for percent in [0, 10, 50, 90, 100] {
        let part = CONTACTS * percent / 100;
        // Alone behind two that are dead, and behind two that took some of it.
        for (smtp, brevo_most) in [(0, 0), (7, 5)] {
            let (project, brevo, mandrill) = with_chain(smtp, brevo_most, part);
            let case = format!("smtp dies after {smtp}, brevo after {brevo_most}, mandrill after {part}");
            let taken = CONTACTS.min(smtp + brevo_most + part);

            let said = keys(&mut project.command(&send));
            project.servers[0].heal();
            project.servers[0].revive();
            let resumed = keys(&mut project.command(&["resume", "--json"]));

            let is_over = taken == CONTACTS;
            assert_eq!(said.exit, Some(if is_over { 0 } else { 4 }), "{case}: {}", said.stderr);
            let totals = (said.total("accepted"), said.total("pending"));
            assert_eq!(totals, (taken as u64, (CONTACTS - taken) as u64), "{case}");
            assert_eq!(resumed.exit, Some(0), "{case}: {}", resumed.stderr);
            let document = resumed.document();
            assert_eq!(document["totals"]["accepted"], CONTACTS, "{case}");
            let copies = copies(&project, &[(&brevo, brevo_most), (&mandrill, part)]);
            assert_eq!(copies.len(), CONTACTS, "{case}");
            assert!(copies.values().all(|copies| *copies == 1), "{case}: {copies:?}");
            assert!((0..CONTACTS).all(|number| copies.contains_key(&address(number))), "{case}");
        }
    }
}

#[test]
fn asking_what_became_of_the_uncertain_names_the_provider_and_why_in_the_users_language() {
    let is_well = Arc::new(AtomicBool::new(false));
    let rule = Rule::at(Phase::FinalDot).at_message(1).does(Fault::Close);
    let project = Project::new(vec![FakeSmtp::new().rule(rule)], 1);
    let switch = Arc::clone(&is_well);
    let brevo = project.runtime.block_on(HttpStub::start(move |seen| {
        match (seen.target.as_str(), switch.load(Ordering::SeqCst)) {
            ("/v3/smtp/email", true) => Says::json(201, r#"{"messageId":"<1@relay.example>"}"#),
            _ => Says::json(500, r#"{"code":"internal","message":"maintenance"}"#),
        }
    }));
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let api = format!(
        "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = {{ env = \"BREVO\" }}\nbase_url = \"{}/v3\"\n[fallback]",
        brevo.base_url()
    );
    project.write("depeche.toml", &toml.replace("[fallback]", &api));
    let speaking = |lang: &str, words: &[&str]| {
        let mut command = common::depeche();
        command.args(words).args(["--lang", lang]).current_dir(project.path()).env("BREVO", "k");
        common::said(command.output().unwrap())
    };
    let run = |words: &[&str]| speaking("en", words);
    let send = |list: &str, route: &str| {
        let sent = run(&[
            "send",
            "release.md",
            "--to",
            list,
            "--confirm",
            "1",
            "--route",
            route,
            "--no-wait",
            "--json",
        ]);
        assert_eq!(sent.exit, Some(6), "{sent:?}");
        sent.document()["run"]["id"].as_str().unwrap().to_owned()
    };
    let ask =
        |id: &str, more: &[&str]| run(&[&["resolve", id, "--look-up", "--reason", "essai"], more].concat());
    let in_french = |id: &str| speaking("fr", &["resolve", id, "--look-up", "--reason", "essai"]);
    let by_smtp = send("contacts.csv", "first");
    project.list("other.csv", 7..8);
    let by_brevo = send("other.csv", "brevo");

    let smtp = ask(&by_smtp, &[]);
    let failed = in_french(&by_brevo);
    let document = ask(&by_brevo, &["--json"]).document();
    is_well.store(true, Ordering::SeqCst);
    let proved = ask(&by_brevo, &[]);

    assert!(smtp.stderr.contains("j0@journal.example: first cannot say what became of it\n"), "{smtp:?}");
    let french = "j7@journal.example : brevo n’a pas pu être interrogé : ";
    assert!(failed.stderr.contains(french) && failed.stderr.contains("maintenance"), "{failed:?}");
    assert_eq!(document["looked_up"][0]["provider"], "brevo", "{document}");
    assert!(document["looked_up"][0]["reason"].as_str().unwrap().contains("maintenance"), "{document}");
    assert!(proved.stderr.contains("j7@journal.example: brevo has it and accepted it\n"), "{proved:?}");
    assert_eq!(proved.stdout, "j7@journal.example\n");
}
