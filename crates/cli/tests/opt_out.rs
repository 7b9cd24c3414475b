//! The whole way of an opt-out: from the link in a message that was sent, through `depeche serve`, to the
//! next run that leaves the journalist out.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::serve::Served;
use common::{Project, address};
use depeche_testkit::smtp::FakeSmtp;

const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER_KEY: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

/// Three journalists, and a project that signs its opt-out links and serves them.
fn signing() -> Project {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    project.write_secret("opt-out.key", KEY);
    project.configure(
        "mailto = \"presse+stop@exemple.fr\"\n",
        "mailto = \"presse+stop@exemple.fr\"\nsecret = { file = \"opt-out.key\" }\n[serve]\n\
         listen = \"127.0.0.1:0\"\npublic_url = \"https://presse.exemple.fr/depeche/\"\n",
    );
    project
}

/// The message to a journalist, folded header lines joined and soft line breaks taken out.
fn message(project: &Project, to: &str) -> String {
    let messages = project.servers[0].messages();
    let message = messages.iter().rev().find(|message| message.to == [to]).unwrap();
    let text = String::from_utf8(message.bytes.clone()).unwrap();
    text.replace("\r\n ", " ").replace("\r\n\t", " ").replace("=\r\n", "")
}

/// The path of the opt-out link in the message to a journalist, as `serve` answers it behind its proxy.
fn link(project: &Project, to: &str) -> String {
    let message = message(project, to);
    let header = message.lines().find(|line| line.starts_with("List-Unsubscribe:")).unwrap();
    let url = header.split(['<', '>']).find(|part| part.starts_with("https://")).unwrap();
    url.strip_prefix("https://presse.exemple.fr/depeche").unwrap().to_owned()
}

fn suppressed(project: &Project) -> Vec<(String, String)> {
    let document = project.run(&["suppress", "list", "--json"]).document();
    let list = document["suppressed"].as_array().unwrap().iter();
    list.map(|one| (one["address"].as_str().unwrap().to_owned(), one["source"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_link_out_of_a_sent_message_opts_its_journalist_out_of_the_next_run() {
    let project = signing();
    assert_eq!(project.send(3, &[]).exit, Some(0));
    let path = link(&project, &address(1));
    let token = path.strip_prefix("/stop/").unwrap();
    // 37 octets in base64 without padding.
    assert_eq!(token.len(), 50, "{token}");
    assert!(message(&project, &address(1)).contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
    assert_eq!(
        message(&project, &address(1)).matches(token).count(),
        3,
        "the same link in the header, in the page and in the text"
    );

    let served = Served::start(&project);
    let page = served.get(&path);
    assert_eq!((page.status, page.body.matches("<button").count()), (200, 1), "{page:?}");
    assert!(!page.body.contains(&address(1)), "the page does not say whose link it is");
    assert_eq!(served.line().ask("HEAD", &path, &[], "").status, 200);
    assert_eq!(served.post(&path, &[], "").status, 400, "a post that does not say what it wants");
    assert!(suppressed(&project).is_empty(), "so far nothing was decided");
    for _ in 0..100 {
        assert_eq!(served.one_click(&path).status, 200);
    }

    assert_eq!(suppressed(&project), [(address(1), "one-click".to_owned())]);
    project.write("release.md", &common::RELEASE.replace("slug: usine", "slug: suite"));
    let next = project.send(2, &[]);
    assert_eq!((next.exit, next.total("suppressed"), next.total("accepted")), (Some(0), 1, 2), "{next:?}");
    let kept = project.run(&["report", "--json"]).document();
    assert_eq!(kept["totals"]["suppressed"], 1);
    assert_eq!(served.stop().exit, Some(0));
}

#[test]
fn a_forged_expired_or_foreign_link_changes_nothing() {
    let project = signing();
    assert_eq!(project.send(3, &[]).exit, Some(0));
    let path = link(&project, &address(0));
    let served = Served::start(&project);

    let mut other = path.clone();
    let last = if other.pop() == Some('A') { 'B' } else { 'A' };
    other.push(last);
    for forged in [other, "/stop/".to_owned() + &"A".repeat(50), "/stop/j0@journal.example".to_owned()] {
        assert_eq!(served.one_click(&forged).status, 404, "{forged}");
    }
    drop(served);
    project.write_secret("opt-out.key", OTHER_KEY);
    let served = Served::start(&project);
    assert_eq!(served.one_click(&path).status, 404, "signed by a key that is no longer ours");
    drop(served);
    assert!(suppressed(&project).is_empty());

    // While one key is exchanged for another, the links of before hold.
    project.write_secret("old.key", KEY);
    project.configure("secret = {", "old_secret = { file = \"old.key\" }\nsecret = {");
    let served = Served::start(&project);
    assert_eq!(served.one_click(&path).status, 200);
    assert_eq!(suppressed(&project).len(), 1);
}

#[test]
fn a_link_ends_with_its_last_day() {
    let project = signing();
    // The run's own day is its last: 1 s is over at midnight, UTC, at the latest.
    project.configure("secret = {", "valid_for = \"1s\"\nsecret = {");
    assert_eq!(project.send(3, &[]).exit, Some(0));
    let path = link(&project, &address(0));
    let run = project.run(&["runs", "--json"]).document();
    let id = run["runs"][0]["id"].as_str().unwrap().to_owned();

    let kept = project.runtime.block_on(async {
        use sqlx::Connection as _;
        let file = project.path().join(".depeche/journal.db");
        let url = format!("sqlite:{}", file.display());
        let mut journal = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let row: (String,) = sqlx::query_as("SELECT frozen FROM run WHERE id = $1")
            .bind(id)
            .fetch_one(&mut journal)
            .await
            .unwrap();
        row.0
    });

    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let until: jiff::civil::Date = kept["links_until"].as_str().unwrap().parse().unwrap();
    let sent = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    assert!(until == sent || until.tomorrow().unwrap() == sent, "{until} {sent}");
    let served = Served::start(&project);
    let expected = if until == sent { 200 } else { 410 };
    assert_eq!(served.get(&path).status, expected);
}

#[test]
fn a_run_whose_links_are_signed_does_not_go_on_without_the_key() {
    let project = Project::with(vec![FakeSmtp::new()], 3, "limits = { connections = 1, per_day = 1 }", "");
    project.write_secret("opt-out.key", KEY);
    let secret = "secret = { file = \"opt-out.key\" }\nurl = \"https://presse.exemple.fr/stop/{token}\"\n";
    project.configure(
        "mailto = \"presse+stop@exemple.fr\"\n",
        &format!("mailto = \"presse+stop@exemple.fr\"\n{secret}"),
    );
    assert_eq!(project.send(3, &["--no-wait"]).exit, Some(4));
    project.configure(secret, "");

    let said = project.run(&["resume", "--no-wait", "--json"]);

    assert_eq!(said.exit, Some(2), "{said:?}");
    assert_eq!(said.document()["error"]["code"], "unsubscribe.gone");
    assert_eq!(project.seen().len(), 1);
}

#[test]
fn links_that_nobody_would_answer_are_refused_before_anything_is_sent() {
    let project = signing();
    project.configure("secret = {", "url = \"https://presse.exemple.fr/autre/{token}\"\nsecret = {");
    let said = project.run(&["config", "check", "--json"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    assert_eq!(said.document()["error"]["code"], "config.unsubscribe");

    let project = signing();
    project.write_secret("opt-out.key", "too short");
    let said = project.send(3, &[]);
    assert_eq!((said.exit, project.seen().len()), (Some(2), 0), "{said:?}");
    assert_eq!(said.document()["error"]["code"], "unsubscribe.secret");
}
