//! A Mailchimp campaign as the last link of a chain: who is left gets it once, whatever is lost. With the
//! real binary against a stub that keeps members, a segment and campaigns.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{IDENTITY, Project, RELEASE};
use depeche_testkit::http::{HttpStub, Says, Seen};
use depeche_testkit::smtp::{FakeSmtp, Phase, Rule};
use serde_json::{Value, json};

/// What Mailchimp knows: one audience, one campaign at a time.
#[derive(Default)]
struct Account {
    opted_out: Option<String>,
    segment: BTreeSet<String>,
    campaigns: usize,
    sent: bool,
    sends: usize,
    /// The answer to the send is never given.
    falls_silent: bool,
    values: Vec<Value>,
}

impl Account {
    fn answer(&mut self, seen: &Seen) -> Says {
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let path = seen.target.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches("/3.0/").split('/').collect();
        match (seen.method.as_str(), parts.as_slice()) {
            ("GET", ["lists", _, "merge-fields"]) => ok(json!({"merge_fields": []})),
            ("POST", ["lists", _, "merge-fields"]) => ok(json!({"tag": body["tag"]})),
            ("POST", ["lists", _]) => {
                let members = body["members"].as_array().unwrap();
                self.values = members.iter().map(|member| member["merge_fields"].clone()).collect();
                let out = self.opted_out.clone();
                let is_out = |member: &&Value| out.as_deref() == member["email_address"].as_str();
                let errors = members.iter().filter(is_out).map(|member| {
                    json!({"email_address": member["email_address"], "error_code": "ERROR_CONTACT_EXISTS"})
                });
                let new = members.iter().filter(|member| !is_out(member));
                let new =
                    new.map(|one| json!({"email_address": one["email_address"], "status": "subscribed"}));
                ok(json!({"new_members": new.collect::<Vec<_>>(), "errors": errors.collect::<Vec<_>>()}))
            }
            ("PUT", ["lists", ..]) => {
                ok(json!({"email_address": body["email_address"], "status": "unsubscribed"}))
            }
            ("POST", ["lists", _, "segments"]) => {
                let addresses = body["static_segment"].as_array().unwrap().iter();
                self.segment = addresses.map(|address| address.as_str().unwrap().to_owned()).collect();
                ok(json!({"id": 7}))
            }
            ("POST", ["campaigns"]) => {
                self.campaigns += 1;
                ok(json!({"id": format!("c{}", self.campaigns)}))
            }
            ("PUT", ["campaigns", _, "content"]) => ok(json!({})),
            ("GET", ["campaigns", _, "send-checklist"]) => ok(json!({"is_ready": true, "items": []})),
            ("POST", ["campaigns", _, "actions", "send"]) => {
                self.sends += 1;
                self.sent = true;
                if self.falls_silent { Says::Nothing } else { Says::json(204, "") }
            }
            ("GET", ["campaigns", _]) => {
                let (status, count) = if self.sent { ("sent", self.segment.len()) } else { ("save", 0) };
                ok(json!({"status": status, "emails_sent": count}))
            }
            ("GET", ["reports", _, "sent-to"]) => {
                let rows: Vec<Value> =
                    self.segment.iter().map(|address| json!({"email_id": hash(address)})).collect();
                ok(json!({"sent_to": rows, "total_items": rows.len()}))
            }
            _ => Says::json(404, r#"{"title":"Not found","status":404,"detail":"no"}"#),
        }
    }
}

fn ok(body: Value) -> Says {
    Says::json(200, &body.to_string())
}

fn hash(address: &str) -> String {
    let address = depeche::address::EmailAddress::parse(address).unwrap();
    depeche::providers::mailchimp::member::subscriber_hash(&address)
}

/// An SMTP server, and behind it the campaign.
fn chain(first: FakeSmtp, contacts: usize, account: &Arc<Mutex<Account>>) -> (Project, HttpStub) {
    let project = Project::new(vec![first], contacts);
    let account = Arc::clone(account);
    let stub = project.runtime.block_on(HttpStub::start(move |seen| account.lock().unwrap().answer(seen)));
    let toml = format!(
        "{IDENTITY}[[provider]]\nname = \"first\"\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         limits = {{ connections = 1 }}\n\
         [[provider]]\nname = \"campagne\"\nkind = \"mailchimp-campaign\"\napi_key = {{ env = \"CAMPAIGN_KEY\" }}\n\
         base_url = \"{}/3.0\"\naudience = \"a1b2c3\"\n[fallback]\nrequire_authenticated = false\n",
        project.servers[0].port(),
        stub.base_url()
    );
    project.write("depeche.toml", &toml);
    (project, stub)
}

fn send(project: &Project, words: &[&str]) -> common::Said {
    common::said(project.command(words).env("CAMPAIGN_KEY", "geheim-us1").output().unwrap())
}

fn by_campaign(document: &Value) -> usize {
    let list = document["recipients"].as_array().unwrap().iter();
    list.filter(|one| one["provider"] == "campagne" && one["provider_id"] == "c1").count()
}

#[test]
fn who_is_left_when_the_first_dies_gets_the_campaign_once() {
    let account = Arc::new(Mutex::new(Account::default()));
    account.lock().unwrap().opted_out = Some("j29@journal.example".to_owned());
    let full = FakeSmtp::new().rule(Rule::at(Phase::Mail).from_message(11).replies("452 4.3.1 disk full"));
    let (project, _stub) = chain(full, 30, &account);

    let said = send(&project, &["send", "release.md", "--to", "contacts.csv", "--confirm", "30", "--json"]);

    let document = said.document();
    assert_eq!((said.total("accepted"), said.total("refused")), (29, 1), "{said:?}");
    let seen = project.seen();
    assert!(seen.values().all(|copies| *copies == 1));
    let account = account.lock().unwrap();
    assert_eq!(account.sends, account.campaigns, "each campaign is sent once");
    assert!(seen.keys().all(|address| !account.segment.contains(address)), "nobody gets it twice");
    assert!(by_campaign(&document) > 0);
    assert_eq!(account.values[0]["DEPECHE1"], "Zoé");
}

#[test]
fn a_process_killed_while_the_campaign_leaves_finds_it_again_and_sends_nothing_twice() {
    let account = Arc::new(Mutex::new(Account { falls_silent: true, ..Account::default() }));
    let (project, _stub) = chain(FakeSmtp::new(), 12, &account);
    let words =
        ["send", "release.md", "--to", "contacts.csv", "--confirm", "12", "--route", "campagne", "--json"];
    let mut child = project.command(&words);
    let mut child =
        child.env("CAMPAIGN_KEY", "geheim-us1").stdout(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while account.lock().unwrap().sends == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the campaign never left");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let run = send(&project, &["runs", "--json"]).document()["runs"][0]["id"].as_str().unwrap().to_owned();
    let before = send(&project, &["status", &run, "--json"]);
    assert_eq!(before.total("unknown"), 12, "{before:?}");

    let after = send(&project, &["resume", &run, "--json"]);

    assert_eq!((after.exit, after.total("accepted")), (Some(0), 12), "{after:?}");
    assert_eq!(by_campaign(&after.document()), 12);
    assert_eq!(account.lock().unwrap().sends, 1);
}

#[test]
fn a_template_that_tags_cannot_say_is_refused_at_plan_time_with_the_reason() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 3, &account);
    project.write("release.md", &format!("{RELEASE}\n{{% if contact.outlet %}}Média{{% endif %}}\n"));

    let both = send(&project, &["plan", "release.md", "--to", "contacts.csv", "--json"]);
    let only = ["--route", "campagne", "--confirm", "3", "--json"];
    let only = send(&project, &[&["send", "release.md", "--to", "contacts.csv"][..], &only].concat());
    let sent = send(&project, &["send", "release.md", "--to", "contacts.csv", "--confirm", "3", "--json"]);

    let changes = both.document()["changes"].clone();
    assert_eq!(
        (&changes[0]["code"], &changes[0]["carries"]),
        (&json!("campaign"), &json!(false)),
        "{both:?}"
    );
    assert!(changes[0]["message"].as_str().unwrap().contains("{% if contact.outlet %}"));
    assert_eq!(only.exit, Some(2), "{only:?}");
    assert!(only.stdout.contains("{% if contact.outlet %}"), "{only:?}");
    assert_eq!(sent.total("accepted"), 3, "the chain goes on without the campaign");
    assert_eq!(account.lock().unwrap().campaigns, 0);
}

#[test]
fn why_a_campaign_cannot_carry_a_file_is_told_in_the_users_language() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 3, &account);
    project.write("note.pdf", "%PDF-1.4");
    project.write("release.md", &RELEASE.replacen("---\n", "---\nattachments: [note.pdf]\n", 1));

    for (lang, reason) in [
        ("en", "a campaign carries no attachment (note.pdf); link to it"),
        ("fr", "une campagne ne porte pas de pièce jointe (note.pdf) ; faites un lien"),
    ] {
        let mut plan = common::depeche();
        plan.args(["plan", "release.md", "--to", "contacts.csv", "--lang", lang]);
        plan.current_dir(project.path()).env("CAMPAIGN_KEY", "0-us1");
        let said = common::said(plan.output().unwrap());

        assert_eq!(said.exit, Some(0), "{said:?}");
        assert!(said.stdout.contains(reason), "{said:?}");
    }
}

#[test]
fn nobody_stands_behind_a_campaign() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 1, &account);
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let behind = "[[provider]]\nname = \"late\"\nkind = \"outbox\"\nfolder = \"o\"\n[fallback]";
    project.write("depeche.toml", &toml.replace("[fallback]", behind));

    let said = send(&project, &["config", "check", "--json"]);

    assert_eq!(
        (said.exit, said.document()["error"]["code"].as_str().unwrap().to_owned()),
        (Some(2), "config.campaign".to_owned())
    );
}
