//! `sync`: what providers and the mailbox tell, with the real binary.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{Project, Said, address};
use depeche_testkit::http::{HttpStub, Says, Seen};
use depeche_testkit::smtp::FakeSmtp;
use serde_json::{Value, json};

/// What Brevo's statistics list, and whether it answers at all.
#[derive(Clone, Default)]
struct Told {
    events: Arc<Mutex<Vec<Value>>>,
    is_down: Arc<AtomicBool>,
}

fn id_of(email: &str) -> String {
    format!("<{}@relay.example>", email.replace('@', "."))
}

impl Told {
    fn answer(&self, seen: &Seen) -> Says {
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        match (seen.method.as_str(), seen.target.split('?').next().unwrap_or_default()) {
            ("POST", "/v3/smtp/email") => {
                let email = body["to"][0]["email"].as_str().unwrap_or_default();
                Says::json(201, &json!({ "messageId": id_of(email) }).to_string())
            }
            ("GET", "/v3/smtp/statistics/events") if self.is_down.load(Ordering::SeqCst) => {
                Says::json(500, r#"{"code":"internal","message":"come back later"}"#)
            }
            ("GET", "/v3/smtp/statistics/events") => {
                Says::json(200, &json!({ "events": *self.events.lock().unwrap() }).to_string())
            }
            _ => Says::json(404, r#"{"code":"document_not_found","message":"no"}"#),
        }
    }

    fn tell(&self, number: usize, event: &str, reason: &str) {
        let email = address(number);
        let date = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let told = json!({ "email": email, "date": date, "event": event, "messageId": id_of(&email), "reason": reason });
        self.events.lock().unwrap().push(told);
    }
}

/// A project that has sent to `contacts` journalists through Brevo.
fn sent_by_brevo(contacts: usize) -> (Project, HttpStub, Told) {
    let project = Project::new(vec![FakeSmtp::new()], contacts);
    let told = Told::default();
    let heard = told.clone();
    let stub = project.runtime.block_on(HttpStub::start(move |seen| heard.answer(seen)));
    let toml = format!(
        "{}[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = {{ env = \"BREVO\" }}\nbase_url = \"{}/v3\"\n\
         [fallback]\nrequire_authenticated = false\n",
        common::IDENTITY,
        stub.base_url()
    );
    project.write("depeche.toml", &toml);
    let confirm = contacts.to_string();
    let said =
        brevo(&project, &["send", "release.md", "--to", "contacts.csv", "--confirm", &confirm, "--json"]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    (project, stub, told)
}

fn brevo(project: &Project, words: &[&str]) -> Said {
    common::said(project.command(words).env("BREVO", "xkeysib-1").output().unwrap())
}

fn suppressed(project: &Project) -> Vec<(String, bool)> {
    let listed = brevo(project, &["suppress", "list", "--json"]).document();
    let entry = |entry: &Value| {
        (entry["address"].as_str().unwrap().to_owned(), entry["quarantined"].as_bool().unwrap())
    };
    listed["suppressed"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn what_a_provider_tells_is_shown_once_and_suppresses_whom_it_should() {
    let (project, _stub, told) = sent_by_brevo(4);
    told.tell(0, "delivered", "");
    told.tell(1, "hardBounces", "550 5.1.1 <j1@journal.example>: Recipient address rejected: User unknown");
    told.tell(2, "unsubscribed", "");
    told.tell(3, "hardBounces", "552 5.2.2 mailbox full");

    let said = brevo(&project, &["sync", "--json"]);

    assert_eq!(said.exit, Some(3), "{said:?}");
    let document = said.document();
    let kinds: Vec<(&str, &str)> = document["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["address"].as_str().unwrap(), change["event"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("j0@journal.example", "delivered"),
            ("j1@journal.example", "invalid_address"),
            ("j2@journal.example", "unsubscribed"),
            ("j3@journal.example", "bounced_hard"),
        ]
    );
    assert_eq!(document["exit"], 3);
    assert!(said.stderr.contains("--call-sheet"), "{}", said.stderr);
    assert_eq!(
        suppressed(&project),
        [("j1@journal.example".to_owned(), false), ("j2@journal.example".to_owned(), false)]
    );

    let again = brevo(&project, &["sync", "--json"]);
    assert_eq!((again.exit, again.document()["changes"].clone()), (Some(0), json!([])), "{again:?}");
}

#[test]
fn a_provider_that_cannot_be_asked_is_named_and_asked_for_the_same_time_again() {
    let (project, stub, told) = sent_by_brevo(2);
    told.is_down.store(true, Ordering::SeqCst);

    let failed = brevo(&project, &["sync"]);

    assert_eq!(failed.exit, Some(7), "{failed:?}");
    assert!(failed.stderr.contains("brevo could not be asked"), "{}", failed.stderr);
    told.is_down.store(false, Ordering::SeqCst);
    told.tell(1, "delivered", "");
    let said = brevo(&project, &["sync", "--json"]);
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(said.document()["changes"][0]["event"], "delivered");
    let asked = stub.seen().iter().filter(|seen| seen.target.contains("/statistics/events")).count();
    assert!(asked >= 2);
}

/// DELIVERY.md: none gets the same release twice, and at risk is only who is "without delivery evidence".
#[test]
fn who_turns_out_to_have_it_is_not_sent_it_again_although_that_was_decided() {
    let (project, stub, told) = sent_by_brevo(2);
    let run = brevo(&project, &["status", "--json"]).document()["run"]["id"].as_str().unwrap().to_owned();
    let outage = brevo(&project, &["provider", "outage", "brevo", "--from", "1h", "--reason", "burns"]);
    assert_eq!(outage.exit, Some(0), "{outage:?}");
    let decided = ["resolve", &run, "--at-risk", "--resend", "--confirm", "2", "--reason", "burnt"];
    assert_eq!(brevo(&project, &decided).exit, Some(0));
    told.tell(0, "delivered", "");

    let said = brevo(&project, &["sync"]);

    assert!(said.stdout.contains("proved: j0@journal.example is accepted"), "{said:?}");
    let resumed = brevo(&project, &["resume", &run, "--json"]);
    assert_eq!(resumed.exit, Some(0), "{resumed:?}");
    let sent = stub.seen().into_iter().filter(|seen| seen.target.ends_with("/smtp/email"));
    let to: Vec<Value> = sent.map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    let mut to: Vec<&str> = to.iter().map(|body| body["to"][0]["email"].as_str().unwrap()).collect();
    to.sort_unstable();
    assert_eq!(to, ["j0@journal.example", "j1@journal.example", "j1@journal.example"]);
    let report = brevo(&project, &["report", &run, "--json"]).document();
    assert_eq!(report["totals"]["accepted"], 2, "{report}");
}

/// The list is one over all providers, and whoever opted out is never mailed again.
#[test]
fn who_opts_out_of_an_address_that_bounced_is_left_out_whatever_wave_comes_after() {
    let (project, _stub, told) = sent_by_brevo(8);
    told.tell(0, "hardBounces", "550 5.1.1 User unknown");
    brevo(&project, &["sync"]);
    told.tell(0, "unsubscribed", "");
    brevo(&project, &["sync"]);
    for number in 1..5 {
        told.tell(number, "hardBounces", "550 5.1.1 User unknown");
    }

    brevo(&project, &["sync"]);

    let listed = brevo(&project, &["suppress", "list", "--json"]).document();
    let entry = |entry: &Value| {
        (entry["reason"].as_str().unwrap().to_owned(), entry["quarantined"].as_bool().unwrap())
    };
    let listed: Vec<_> = listed["suppressed"].as_array().unwrap().iter().map(entry).collect();
    assert_eq!(listed[0], ("opted out".to_owned(), false));
    assert_eq!(listed[1..], vec![("bad address".to_owned(), true); 4]);
    // A person's word is stronger than a bad address as well, and says so.
    let added =
        brevo(&project, &["suppress", "add", "j1@journal.example", "--reason", "asked by phone", "--json"]);
    assert_eq!(added.document()["added"], 1);
}

/// DELIVERY.md: 0 living addresses suppressed in a wave of 200.
#[test]
fn a_wave_of_two_hundred_bad_addresses_suppresses_nobody() {
    let (project, _stub, told) = sent_by_brevo(200);
    for number in 0..200 {
        told.tell(number, "hardBounces", "550 5.1.1 User unknown");
    }

    let said = brevo(&project, &["sync", "--json"]);

    assert_eq!(said.exit, Some(3), "{}", said.stderr);
    let listed = suppressed(&project);
    assert_eq!(listed.len(), 200);
    assert!(listed.iter().all(|(_, quarantined)| *quarantined));
    assert_eq!(said.document()["suppressed"], 0);
    assert_eq!(said.document()["quarantined"], 200);
}

#[test]
fn a_relay_that_tells_nothing_is_named_and_a_mailbox_in_its_place_is_not_missed() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    assert_eq!(project.run(&["sync"]).stderr.trim().lines().next(), Some("nothing has been sent yet"));
    project.send(2, &[]);

    let said = project.run(&["sync"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    assert!(said.stderr.contains("first tells of nothing by itself"), "{}", said.stderr);
    let unknown = project.run(&["sync", "20200101-nothing", "--json"]);
    assert_eq!(unknown.exit, Some(2), "{unknown:?}");
    let bad = project.run(&["sync", "--since", "yesterday", "--json"]);
    assert_eq!(
        (bad.exit, bad.document()["error"]["code"].clone()),
        (Some(2), json!("sync.since")),
        "{bad:?}"
    );
}

fn letter(from: &str, answers: Option<&str>, more: &str, text: &str) -> String {
    let reference = answers.map(|id| format!("In-Reply-To: {id}\n")).unwrap_or_default();
    format!("From: {from}\nTo: presse@exemple.fr\nSubject: Re: L'usine\n{reference}{more}\n{text}\n")
}

/// Returns the message `id`, and says that `recipient` is no address.
fn report(id: &str, recipient: &str) -> String {
    format!(
        "Return-Path: <>\nFrom: MAILER-DAEMON@relais.example\nTo: presse@exemple.fr\nSubject: non remis\n\
         Date: Thu, 3 Dec 2026 09:20:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\n\nNon.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relais.example\n\n\
         Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 User unknown\n\n\
         --b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {id}\n\n--b--\n"
    )
}

#[test]
fn forged_letters_harm_nobody_but_their_forger() {
    let project = Project::new(vec![FakeSmtp::new()], 4);
    let sent = project.send(4, &[]).document();
    let id = |number: usize| sent["recipients"][number]["message_id"].as_str().unwrap().to_owned();
    let letters = [
        // j0 holds her own message and nobody else's: she cannot speak for j1, j2 or j3.
        report(&id(0), "j1@journal.example"),
        report("<guessed@exemple.fr>", "j1@journal.example"),
        letter("j2@journal.example", Some(&id(0)), "", "STOP"),
        letter("j3@journal.example", None, "", "STOP"),
        letter("stranger@autre.example", None, "", "STOP"),
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\nFrom: a@b.fr\n\n\
                 --b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: j2@journal.example\n\n\
                 --b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <guessed@exemple.fr>\nTo: j2@journal.example\n\n--b--\n"
            .to_owned(),
    ];
    std::fs::create_dir(project.path().join("box")).unwrap();
    for (number, letter) in letters.iter().enumerate() {
        project.write(&format!("box/{number}.eml"), letter);
    }

    let said = project.run(&["sync", "--mailbox", "box", "--json"]);

    let document = said.document();
    assert_eq!(said.exit, Some(3), "{said:?}");
    // The report names j1; it is about the message that j0 got.
    let changes: Vec<_> =
        document["changes"].as_array().unwrap().iter().map(|change| change["address"].clone()).collect();
    assert_eq!(changes, ["j0@journal.example"]);
    // j3 is looked at by a person and still mailed; j1 and j2 are as before.
    assert_eq!(
        suppressed(&project),
        [("j0@journal.example".to_owned(), false), ("j3@journal.example".to_owned(), true)]
    );
    let proved: Vec<_> =
        document["answers"].as_array().unwrap().iter().map(|answer| answer["proved"].clone()).collect();
    assert_eq!(proved, [json!(false), json!(false)], "{document:#}");
}

#[test]
fn answers_are_told_apart_and_shown_with_the_next_command() {
    let project = Project::new(vec![FakeSmtp::new()], 6);
    let sent = project.send(6, &[]).document();
    let id = |number: usize| sent["recipients"][number]["message_id"].as_str().unwrap().to_owned();
    let robot = "Auto-Submitted: auto-replied\nContent-Type: text/plain; charset=utf-8\n";
    let letters = [
        letter("J0@journal.example", Some(&id(0)), "", "STOP"),
        letter("j1@journal.example", Some(&id(1)), robot, "Je suis absente."),
        letter(
            "j2@journal.example",
            Some(&id(2)),
            robot,
            "J2 a quitté la rédaction, écrire à hugo@journal.example.",
        ),
        letter(
            "j3@journal.example",
            Some(&id(3)),
            "",
            "Bonjour, je suis absente demain mais appelez-moi jeudi.",
        ),
        letter("j4@journal.example", None, "", "STOP"),
        // What a mail program sends for List-Unsubscribe, from whatever address it is set to.
        format!(
            "From: j5@autre.example\nTo: presse+stop@exemple.fr\nSubject: STOP {}\n\n\n",
            id(5).trim_matches(['<', '>'])
        ),
    ];
    let mbox: String =
        letters.iter().map(|letter| format!("From x@y.fr Thu Dec  3 09:12:00 2026\n{letter}\n")).collect();
    project.write("answers.mbox", &mbox);

    let said = project.run(&["sync", "--mailbox", "answers.mbox"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    for line in [
        "j0@journal.example  opted out",
        "j5@journal.example  opted out",
        "j1@journal.example is away",
        "j2@journal.example has left: write to hugo@journal.example",
        "j3@journal.example answers:",
        "depeche suppress add j4@journal.example --reason",
    ] {
        assert!(said.stdout.contains(line), "{line}\n{}", said.stdout);
    }
    let french = common::said(
        common::depeche()
            .args(["--lang", "fr", "sync", "--mailbox", "answers.mbox"])
            .current_dir(project.path())
            .output()
            .unwrap(),
    );
    assert!(
        french.stdout.contains("j2@journal.example est parti : écrire à hugo@journal.example"),
        "{french:?}"
    );
    assert_eq!(
        suppressed(&project),
        [
            ("j0@journal.example".to_owned(), false),
            ("j4@journal.example".to_owned(), true),
            ("j5@journal.example".to_owned(), false),
        ]
    );
}
