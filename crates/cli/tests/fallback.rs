//! Outages, as a press office meets them: the real binary, real sockets, scripted servers.

mod common;

use std::time::{Duration, Instant};

use common::Project;
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

#[test]
fn everybody_gets_it_once_when_nothing_fails() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 30);

    let said = project.send(30, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 30);
    assert_eq!(project.servers[0].accepted().len(), 30);
    assert_eq!(said.document()["providers"]["first"]["accepted"], 30);
    assert_eq!(said.document()["run"]["state"], "finished");
}

#[test]
fn a_provider_dead_at_the_start_costs_nobody_the_release() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 30);
    project.servers[0].die();

    let said = project.send(30, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 30);
    assert_eq!(project.servers[1].accepted().len(), 30);
    assert_eq!(said.document()["providers"]["first"]["breaker"], "open");
    assert!(said.stderr.contains("first set aside since"), "{}", said.stderr);
}

#[test]
fn the_second_takes_over_when_the_first_dies_at_40_of_100() {
    let first = FakeSmtp::new().rule(Rule::at(Phase::Mail).from_message(40).does(Fault::Die(None)));
    let project = Project::new(vec![first, FakeSmtp::new()], 100);

    let said = project.send(100, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 100);
    assert_eq!(project.servers[0].accepted().len(), 39);
    assert_eq!(project.servers[1].accepted().len(), 61);
}

#[test]
fn silence_after_the_dot_leaves_one_unknown_per_connection_and_the_rest_goes_elsewhere() {
    let first = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).from_message(40).does(Fault::Silence));
    let more = "limits = { connections = 2 }\ntimeouts = { data_end = \"6s\" }";
    let project = Project::with(vec![first, FakeSmtp::new()], 200, more, "suspect_after = \"1s\"");
    let start = Instant::now();

    let said = project.send(200, &[]);

    assert_eq!(said.exit, Some(6), "{said:?}");
    project.nobody_twice_nobody_forgotten(&said.document(), 200);
    let unknown = said.total("unknown");
    assert!((1..=2).contains(&unknown), "{unknown}");
    assert_eq!(said.total("accepted"), 200 - unknown);
    assert!(said.stderr.contains("first has gone silent"), "{}", said.stderr);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_line_lost_after_the_dot_is_unknown_and_never_sent_again_by_itself() {
    let first = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).at_message(5).does(Fault::Reset));
    let project = Project::new(vec![first, FakeSmtp::new()], 20);

    let said = project.send(20, &[]);
    let again = project.run(&["resume", "--json"]);

    assert_eq!(said.exit, Some(6), "{said:?}");
    assert_eq!(said.total("unknown"), 1);
    assert_eq!(again.exit, Some(6), "{again:?}");
    project.nobody_twice_nobody_forgotten(&again.document(), 20);
}

#[test]
fn a_persons_decision_ends_the_doubt() {
    let first = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).at_message(5).does(Fault::Reset));
    for (decision, exit, pending) in [("--sent", 0, 0), ("--resend", 4, 1)] {
        let project = Project::new(vec![first.clone()], 10);
        let run = project.send(10, &[]).document()["run"]["id"].as_str().unwrap().to_owned();

        let resolved = project.run(&["resolve", &run, decision, "--reason", "rang them", "--json"]);
        let status = project.run(&["status", &run, "--json"]);

        assert_eq!(resolved.exit, Some(0), "{resolved:?}");
        assert_eq!(status.exit, Some(exit), "{status:?}");
        assert_eq!(status.total("pending"), pending);
        if pending > 0 {
            let resumed = project.run(&["resume", "--json"]);
            assert_eq!(resumed.exit, Some(0), "{resumed:?}");
            assert_eq!(resumed.total("accepted"), 10);
        }
    }
}

#[test]
fn credentials_refused_by_everybody_is_exit_8() {
    let project = Project::with(
        vec![FakeSmtp::new().login("presse", "right")],
        5,
        "username = \"presse\"\npassword = { env = \"PASSWORD\" }",
        "",
    );

    let mut send =
        project.command(&["send", "release.md", "--to", "contacts.csv", "--confirm", "5", "--json"]);
    let said = common::said(send.env("PASSWORD", "wr0ng-s3cret").output().unwrap());

    assert_eq!(said.exit, Some(8), "{said:?}");
    assert_eq!(said.total("pending"), 5);
    assert!(!format!("{said:?}").contains("wr0ng-s3cret"));
}

#[test]
fn a_bad_address_stops_there_and_no_other_provider_is_asked() {
    let first = FakeSmtp::new()
        .rule(Rule::at(Phase::Rcpt).for_recipient(&common::address(3)).replies("550 5.1.1 no such user"));
    let project = Project::new(vec![first, FakeSmtp::new()], 10);

    let said = project.send(10, &[]);

    assert_eq!(said.exit, Some(3), "{said:?}");
    assert_eq!(said.total("refused"), 1);
    project.nobody_twice_nobody_forgotten(&said.document(), 10);
    assert!(project.servers[1].messages().is_empty());
    let list = project.run(&["suppress", "list", "--json"]);
    assert!(list.stdout.contains(&common::address(3)), "{list:?}");
}

#[test]
fn with_every_provider_down_the_run_waits_for_a_resume() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 10);
    project.servers.iter().for_each(|server| server.die());

    let said = project.send(10, &[]);
    project.servers[1].revive();
    let resumed = project.run(&["resume", "--json"]);

    assert_eq!(said.exit, Some(4), "{said:?}");
    assert_eq!(said.total("pending"), 10);
    assert!(said.stderr.contains("depeche resume"), "{}", said.stderr);
    assert_eq!(resumed.exit, Some(0), "{resumed:?}");
    project.nobody_twice_nobody_forgotten(&resumed.document(), 10);
}

#[test]
fn a_full_day_goes_on_with_the_next_provider() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 12);
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let limited =
        toml.replacen("limits = { connections = 1 }", "limits = { connections = 1, per_day = 5 }", 1);
    project.write("depeche.toml", &limited);

    let said = project.send(12, &[]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(project.servers[0].accepted().len(), 5);
    assert_eq!(project.servers[1].accepted().len(), 7);
    project.nobody_twice_nobody_forgotten(&said.document(), 12);
    assert!(said.stderr.contains("first has used up its window"), "{}", said.stderr);
}

#[test]
fn a_passed_provider_test_ends_what_set_the_provider_aside() {
    let project = Project::new(vec![FakeSmtp::new()], 10);
    project.servers[0].die();
    project.send(10, &[]);
    let breaker = |project: &Project| {
        project.run(&["provider", "status", "--json"]).document()["providers"][0]["breaker"].clone()
    };
    assert_eq!(breaker(&project), "open");
    project.servers[0].revive();

    let tested = project.run(&["provider", "test", "--json"]);

    assert_eq!(tested.exit, Some(0), "{tested:?}");
    assert_eq!(breaker(&project), "closed");
}

#[test]
fn the_pace_of_a_provider_is_kept_and_used() {
    let more = "limits = { per_second = 20, connections = 1 }";
    let project = Project::with(vec![FakeSmtp::new()], 41, more, "");
    let start = Instant::now();

    let said = project.send(41, &["--no-wait"]);

    assert_eq!(said.exit, Some(0), "{said:?}");
    // Forty gaps of 50 ms; a wait of a second for each would be forty seconds.
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
