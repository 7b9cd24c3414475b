//! Warm spares: a share of an ordinary run goes through a provider further down the chain, and `plan`
//! and `provider status` say which fallback nobody would know. With the real binary.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IDENTITY, Project, address};
use depeche_testkit::smtp::FakeSmtp;
use serde_json::Value;

/// Two servers; the second has a share of the runs.
fn with_share(contacts: usize, share: &str) -> Project {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], contacts);
    let mut toml = IDENTITY.to_owned();
    for (place, server) in project.servers.iter().enumerate() {
        let (name, share) =
            [("first", String::new()), ("second", format!("share = \"{share}\"\n"))][place].clone();
        toml += &format!(
            "[[provider]]\nname = \"{name}\"\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
             limits = {{ connections = 1 }}\n{share}",
            server.port()
        );
    }
    project.write("depeche.toml", &format!("{toml}[fallback]\nrequire_authenticated = false\n"));
    project
}

/// A list of which the first half is of tier 1.
fn tiers(project: &Project, contacts: usize) {
    let mut text = "email,first_name,tier\n".to_owned();
    text.extend(
        (0..contacts).map(|n| format!("{},Zoé,{}\n", address(n), 1 + usize::from(n >= contacts / 2))),
    );
    project.write("contacts.csv", &text);
}

fn by_provider(document: &Value, name: &str) -> Vec<String> {
    let list = document["recipients"].as_array().unwrap().iter();
    list.filter(|one| one["provider"] == name)
        .map(|one| one["address"].as_str().unwrap().to_owned())
        .collect()
}

fn code_of(warnings: &Value) -> Vec<(&str, &str)> {
    let list = warnings.as_array().unwrap().iter();
    list.map(|one| (one["provider"].as_str().unwrap(), one["code"].as_str().unwrap())).collect()
}

#[test]
fn a_spare_takes_its_share_and_plan_says_so_beforehand() {
    let project = with_share(40, "25%");

    let plan = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]).document();
    let sent = project.send(40, &[]);

    let count = usize::try_from(plan["spares"][0]["count"].as_u64().unwrap()).unwrap();
    assert!((8..=12).contains(&count), "a quarter of forty: {count}");
    assert_eq!(plan["forecast"][1]["count"].as_u64(), Some(count as u64));
    assert_eq!(code_of(&plan["warnings"]), [("second", "cold")], "nobody knows it yet");
    let document = sent.document();
    assert_eq!(sent.total("accepted"), 40);
    assert_eq!(by_provider(&document, "second").len(), count);
    project.nobody_twice_nobody_forgotten(&document, 40);
    let status = project.run(&["provider", "status", "--json"]).document();
    // It accepted something today; all forty would be four times as much.
    assert_eq!(code_of(&status["warnings"]), [("second", "leap")], "{status}");
}

#[test]
fn a_spare_that_nobody_knows_gets_nobody_of_tier_one() {
    let project = with_share(40, "25%");
    tiers(&project, 40);

    let first = project.send(40, &[]).document();
    project.write("release.md", &common::RELEASE.replace("slug: usine", "slug: suite"));
    let second = project.send(40, &[]).document();

    let is_tier_one = |address: &String| (0..20).any(|n| common::address(n) == *address);
    let untrusted = by_provider(&first, "second");
    assert!(!untrusted.is_empty() && !untrusted.iter().any(is_tier_one), "{untrusted:?}");
    // It accepted something, so it is trusted now.
    assert!(by_provider(&second, "second").iter().any(is_tier_one), "{second}");
}

#[test]
fn a_spare_that_is_down_takes_nothing_from_anybody() {
    let project = with_share(20, "50%");
    project.servers[1].die();

    let sent = project.send(20, &[]);

    assert_eq!((sent.exit, sent.total("accepted")), (Some(0), 20), "{sent:?}");
    assert_eq!(by_provider(&sent.document(), "first").len(), 20);
}

#[test]
fn a_fallback_that_would_leap_is_told() {
    let project = with_share(40, "5%");
    assert_eq!(project.send(40, &[]).total("accepted"), 40);
    project.write("release.md", &common::RELEASE.replace("slug: usine", "slug: suite"));

    let plan = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]).document();
    let status = project.run(&["provider", "status"]);

    // About two of forty went through it: forty would be twenty times its largest day.
    assert_eq!(code_of(&plan["warnings"]), [("second", "leap")], "{plan}");
    assert!(status.stderr.contains("more than twice its largest day"), "{status:?}");
}

#[test]
fn a_share_of_more_than_half_is_refused_with_its_place() {
    let project = with_share(1, "60%");

    let said = project.run(&["config", "check", "--json"]);

    assert_eq!(said.exit, Some(2));
    assert!(said.document()["error"]["location"]["line"].as_u64().is_some(), "{said:?}");
    assert!(said.document()["error"]["message"].as_str().unwrap().contains("60%"), "{said:?}");
}
