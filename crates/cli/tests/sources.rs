//! Several addresses of our own (`bind`), one of which a server blocks: Linux takes all of 127.0.0.0/8 as its
//! own, other systems do not.
#![cfg(target_os = "linux")]

mod common;

use common::Project;
use depeche_testkit::smtp::{FakeSmtp, Phase, Rule};

const BLOCK: &str = "554 5.7.1 Service unavailable; Client host [127.0.0.2] blocked using zen.spamhaus.org";

fn project(server: FakeSmtp, bind: &str) -> Project {
    let more = format!("bind = {bind}\nlimits = {{ connections = 1, per_connection = 2 }}");
    Project::with(vec![server], 12, &more, "")
}

/// The source addresses of the connections, in order: EHLO names them (RFC 5321, section 4.1.3).
fn sources(project: &Project) -> Vec<String> {
    let lines = project.servers[0].record().lines;
    lines.iter().filter_map(|(_, line)| line.strip_prefix("EHLO ").map(str::to_owned)).collect()
}

#[test]
fn source_addresses_are_used_in_turn() {
    let project = project(FakeSmtp::new(), "[\"127.0.0.2\", \"127.0.0.3\"]");

    let said = project.send(12, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 12);
    let (first, second) = ("[127.0.0.2]", "[127.0.0.3]");
    assert_eq!(sources(&project), [first, second, first, second, first, second]);
}

#[test]
fn a_blocked_source_address_is_named_and_benched_and_the_run_finishes_through_the_other() {
    let server = FakeSmtp::new().rule(Rule::at(Phase::Rcpt).at_message(1).replies(BLOCK));
    let project = project(server, "[\"127.0.0.2\", \"127.0.0.3\"]");

    let said = project.send(12, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 12);
    assert_eq!(project.servers[0].accepted().len(), 12);
    let used = sources(&project);
    assert_eq!(used[0], "[127.0.0.2]");
    assert!(used.len() > 1 && used[1..].iter().all(|source| source == "[127.0.0.3]"), "{used:?}");
    let told = "first: the server blocks our address 127.0.0.2, which rests for ";
    assert_eq!(said.stderr.matches(told).count(), 1, "{}", said.stderr);
    assert!(said.stderr.contains(BLOCK), "{}", said.stderr);
}

#[test]
fn with_its_only_source_address_blocked_a_provider_rests_and_the_next_takes_over() {
    let first = FakeSmtp::new().rule(Rule::at(Phase::Rcpt).replies(BLOCK));
    let project = Project::new(vec![first, FakeSmtp::new()], 6);
    project.configure("tls = \"none\"", "tls = \"none\"\nbind = [\"127.0.0.2\"]");

    let said = project.send(6, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 6);
    assert_eq!(project.servers[1].accepted().len(), 6);
    assert!(said.stderr.contains("the server blocks our address 127.0.0.2"), "{}", said.stderr);
}

#[test]
fn an_address_that_is_not_this_machines_is_told_with_its_provider() {
    let project = project(FakeSmtp::new(), "[\"192.0.2.10\"]");

    let said = project.run(&["provider", "test", "first"]);

    assert_ne!(said.exit, Some(0), "{said:?}");
    assert!(
        format!("{}{}", said.stdout, said.stderr).contains("Cannot assign requested address"),
        "{said:?}"
    );
}
