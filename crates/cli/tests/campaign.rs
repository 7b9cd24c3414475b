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
    /// Nobody is taken now.
    is_full: bool,
    /// Campaigns that others made.
    others: Vec<Value>,
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
            ("POST", ["lists", _]) if self.is_full => Says::json(429, "{}"),
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
                assert_eq!(body["static_segment"], json!([]));
                ok(json!({"id": 7}))
            }
            ("POST", ["lists", _, "segments", "7"]) => {
                let addresses = body["members_to_add"].as_array().unwrap().iter();
                self.segment = addresses.map(|address| address.as_str().unwrap().to_owned()).collect();
                ok(json!({"total_added": self.segment.len()}))
            }
            ("DELETE", ["lists", _, "segments", "7"] | ["campaigns", _]) => Says::json(204, ""),
            ("GET", ["campaigns"]) => ok(json!({"campaigns": self.others.clone()})),
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

/// Workers claim some recipients each: a campaign would go out in pieces.
#[test]
fn a_run_that_ends_in_a_campaign_is_not_handed_over_to_workers_and_the_way_out_is_told() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 3, &account);
    let send_words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "3", "--enqueue"];
    for (lang, reason, hint) in [
        ("en", "workers cannot send this run: campagne is a campaign", "`depeche send` sends it; or leave"),
        ("fr", "les postes d'envoi ne peuvent pas prendre cet envoi : campagne", "`depeche send` l'envoie"),
    ] {
        let mut command = common::depeche();
        command.args(send_words).args(["--lang", lang]).current_dir(project.path());
        let said = common::said(command.env("CAMPAIGN_KEY", "0-us1").output().unwrap());

        assert_eq!(said.exit, Some(2), "{said:?}");
        assert!(said.stderr.contains(reason) && said.stderr.contains(hint), "{said:?}");
        assert!(said.stderr.contains("--route first"), "{said:?}");
    }
    let alone = send(&project, &[&send_words[..], &["--route", "campagne", "--json"]].concat());
    let none = send(&project, &["runs", "--json"]);
    let without = send(&project, &[&send_words[..], &["--route", "first", "--json"]].concat());

    assert_eq!(alone.document()["error"]["code"], "campaign.workers");
    assert!(!alone.document()["error"]["hint"].as_str().unwrap().contains("--route"), "{alone:?}");
    assert_eq!(none.document()["runs"], json!([]), "nothing was frozen");
    assert_eq!((without.exit, without.total("pending")), (Some(0), 3), "{without:?}");
}

/// A template that no campaign can say goes without one: workers may have it.
#[test]
fn a_release_that_no_campaign_carries_is_handed_over() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 3, &account);
    project.write("release.md", &format!("{RELEASE}\n{{% if contact.outlet %}}Média{{% endif %}}\n"));
    let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "3", "--enqueue", "--json"];

    let said = send(&project, &words);
    let worked = send(&project, &["work", "--once", "--json"]);

    assert_eq!((said.exit, said.total("pending")), (Some(0), 3), "{said:?}");
    assert_eq!(worked.exit, Some(0), "{worked:?}");
    assert_eq!(project.seen().len(), 3);
}

#[test]
fn a_worker_leaves_a_run_with_a_campaign_to_one_process_wherever_it_comes_from() {
    let account = Arc::new(Mutex::new(Account { is_full: true, ..Account::default() }));
    let dead = FakeSmtp::new().rule(Rule::at(Phase::Mail).replies("452 4.3.1 disk full"));
    let (project, _stub) = chain(dead, 4, &account);
    let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "4", "--no-wait", "--json"];
    let waiting = send(&project, &words);
    assert_eq!((waiting.exit, waiting.total("pending")), (Some(4), 4), "{waiting:?}");
    let run = waiting.document()["run"]["id"].as_str().unwrap().to_owned();
    account.lock().unwrap().is_full = false;

    let worked = send(&project, &["work", "--once", "--json"]);
    let handed = send(&project, &["resume", &run, "--enqueue", "--json"]);

    assert_eq!(worked.exit, Some(4), "{worked:?}");
    assert!(worked.stderr.contains(&format!("Go on with: depeche resume {run}")), "{worked:?}");
    assert_eq!(worked.document()["runs"][0]["totals"]["pending"], 4);
    assert_eq!(account.lock().unwrap().sends, 0);
    assert_eq!(handed.exit, Some(2), "{handed:?}");
    let hint = handed.document()["error"]["hint"].as_str().unwrap().to_owned();
    assert_eq!(hint, format!("without --enqueue, `depeche resume {run}` sends it"));
}

#[test]
fn another_release_on_its_way_to_the_audience_is_waited_for_and_no_member_is_changed_until_then() {
    let account = Arc::new(Mutex::new(Account::default()));
    let now = jiff::Timestamp::now().to_string();
    account.lock().unwrap().others = vec![json!({"id": "z9", "status": "sending", "create_time": now,
        "settings": {"title": "depeche 0011223344556677 0192"}})];
    let (project, _stub) = chain(FakeSmtp::new(), 4, &account);
    let words = ["--confirm", "4", "--route", "campagne", "--no-wait", "--json"];
    let waits = send(&project, &[&["send", "release.md", "--to", "contacts.csv"][..], &words].concat());

    assert_eq!((waits.exit, waits.total("pending")), (Some(4), 4), "{waits:?}");
    assert!(
        waits.stderr.contains("another release is on its way to this audience: campaign z9"),
        "{waits:?}"
    );
    assert!(account.lock().unwrap().values.is_empty(), "no member was changed");
    assert_eq!(account.lock().unwrap().sends, 0);
}

#[test]
fn plan_says_how_many_campaigns_and_that_workers_and_other_releases_stand_aside() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 5_001, &account);

    for (lang, count, alone) in [
        (
            "en",
            "2 campaigns, one after the other: one takes 5000 at the most",
            "workers do not take this run",
        ),
        ("fr", "2 campagnes l'une après l'autre", "les postes d'envoi ne prennent pas cet envoi"),
    ] {
        let mut plan = common::depeche();
        plan.args(["plan", "release.md", "--to", "contacts.csv", "--lang", lang]).current_dir(project.path());
        let said = common::said(plan.env("CAMPAIGN_KEY", "0-us1").output().unwrap());

        assert_eq!(said.exit, Some(0), "{said:?}");
        let changes: Vec<&str> = said.stdout.lines().filter(|line| line.contains("campagne")).collect();
        assert!(changes.iter().any(|line| line.contains(count)), "{changes:?}");
        assert!(changes.iter().any(|line| line.contains(alone)), "{changes:?}");
    }
}

/// Until 2026-11-28 `plan` said "others do" of a provider that stood alone in the route.
#[test]
fn who_carries_what_a_campaign_cannot_is_named_where_somebody_does() {
    let account = Arc::new(Mutex::new(Account::default()));
    let (project, _stub) = chain(FakeSmtp::new(), 3, &account);
    project.write("release.md", &format!("{RELEASE}\n{{% if contact.outlet %}}Média{{% endif %}}\n"));

    let both = send(&project, &["plan", "release.md", "--to", "contacts.csv"]);
    let only = send(&project, &["plan", "release.md", "--to", "contacts.csv", "--route", "campagne"]);

    assert!(both.stdout.contains("campagne is passed over: first carries it\n"), "{both:?}");
    assert_eq!(only.exit, Some(2), "{only:?}");
    assert!(only.stderr.contains("no provider of the route can carry this release"), "{only:?}");
    assert!(!only.stderr.contains("other"), "{only:?}");
}
