//! The process dies; the run goes on.

mod common;

use std::time::{Duration, Instant};

use common::{Project, said};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

/// Waits until the servers have so many messages.
fn wait_for(project: &Project, messages: usize) {
    let start = Instant::now();
    while project.seen().len() < messages {
        assert!(start.elapsed() < Duration::from_secs(30), "only {:?}", project.seen());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn after_kill_9_resume_finishes_with_at_most_one_unknown_per_kill() {
    let slow = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(15))));
    let project = Project::new(vec![slow], 60);
    let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "60", "--json"];
    let mut child = project.spawn(&words);

    let mut kills = 0;
    for messages in [7, 19, 38] {
        wait_for(&project, messages);
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        let status = project.run(&["status", "--json"]);
        assert_eq!(status.document()["run"]["state"], "interrupted");
        assert!(status.exit == Some(130), "{status:?}");
        child = project.spawn(&["resume", "--json"]);
    }
    let last = said(child.wait_with_output().unwrap());

    project.nobody_twice_nobody_forgotten(&last.document(), 60);
    assert!(last.total("unknown") <= kills, "{last:?}");
    assert_eq!(last.total("accepted") + last.total("unknown"), 60);
    assert!(matches!(last.exit, Some(0 | 6)), "{last:?}");
}

#[cfg(unix)]
#[test]
fn the_first_signal_finishes_what_is_in_flight_and_names_the_next_command() {
    let slow = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(20))));
    for signal in ["INT", "TERM"] {
        let project = Project::new(vec![slow.clone()], 200);
        let child =
            project.spawn(&["send", "release.md", "--to", "contacts.csv", "--confirm", "200", "--json"]);
        wait_for(&project, 5);

        let pid = child.id().to_string();
        std::process::Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        let said = said(child.wait_with_output().unwrap());

        assert_eq!(said.exit, Some(130), "{said:?}");
        project.nobody_twice_nobody_forgotten(&said.document(), 200);
        assert_eq!(said.total("unknown"), 0);
        assert!(said.stderr.contains("depeche resume"), "{}", said.stderr);
    }
}

#[test]
fn two_sends_of_the_same_release_at_once_never_double() {
    let slow = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(5))));
    let project = Project::new(vec![slow], 40);
    let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "40", "--json"];

    let (one, two) = (project.spawn(&words), project.spawn(&words));
    let ended = [one, two].map(|child| said(child.wait_with_output().unwrap()));

    let mut exits = ended.iter().map(|said| said.exit).collect::<Vec<_>>();
    exits.sort();
    assert_eq!(exits, [Some(0), Some(5)], "{ended:?}");
    assert_eq!(project.seen().len(), 40);
    assert!(project.seen().values().all(|copies| *copies == 1));
}

#[test]
fn a_run_that_another_process_holds_is_not_touched() {
    let slow = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(20))));
    let project = Project::new(vec![slow], 100);
    let mut child = project.spawn(&["send", "release.md", "--to", "contacts.csv", "--confirm", "100"]);
    wait_for(&project, 2);

    let resumed = project.run(&["resume", "--json"]);
    child.kill().unwrap();
    child.wait().unwrap();

    assert_eq!(resumed.exit, Some(5), "{resumed:?}");
    let message = resumed.document()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&child.id().to_string()), "{message}");
}

#[test]
fn a_list_and_a_release_edited_between_send_and_resume_change_nothing() {
    let project = Project::new(vec![FakeSmtp::new()], 20);
    project.servers[0].add_rule(Rule::at(Phase::Mail).from_message(8).does(Fault::Die(None)));
    let sent = project.send(20, &[]);
    project.list("contacts.csv", 50..60);
    project.write("release.md", "---\ntitle: \"Autre chose\"\nlang: fr\n---\nAutre chose.\n");
    project.servers[0].heal();
    project.servers[0].revive();

    let resumed = project.run(&["resume", "--json"]);

    assert_eq!(sent.exit, Some(4), "{sent:?}");
    assert_eq!(resumed.exit, Some(0), "{resumed:?}");
    project.nobody_twice_nobody_forgotten(&resumed.document(), 20);
    assert!(resumed.stderr.contains("release.md has changed"), "{}", resumed.stderr);
    let all = project.servers[0].messages();
    assert!(all.iter().all(|message| !String::from_utf8_lossy(&message.bytes).contains("Autre chose")));
}

/// A file that may not grow fails the journal as a full disk does: `ulimit -f`, with its signal ignored.
fn with_small_files(project: &Project, blocks: usize, words: &[&str]) -> common::Said {
    let mut shell = std::process::Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_depeche")]).args(words).args(["--lang", "en"]);
    said(shell.current_dir(project.path()).output().expect("a shell"))
}

/// Seen 2026-11: the run stayed `running`, so that `send` ended as if somebody had interrupted it.
#[test]
fn a_journal_that_fails_in_the_middle_is_told_with_the_command_that_goes_on() {
    let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "60"];
    let failed_in_the_middle = (400..6000).step_by(40).find_map(|blocks| {
        let project = Project::new(vec![FakeSmtp::new()], 60);
        let said = with_small_files(&project, blocks, &words);
        let taken = project.seen().len();
        assert!(said.exit != Some(0) || taken == 60, "{said:?}");
        (taken > 0 && taken < 60).then_some((project, said))
    });
    let (project, said) = failed_in_the_middle.expect("no limit that the journal met in the middle");

    assert!(matches!(said.exit, Some(1 | 6)), "{said:?}");
    assert!(said.stderr.contains("the journal"), "{said:?}");
    assert!(said.stderr.contains("depeche resume"), "{said:?}");
    let resumed = project.run(&["resume", "--json"]);
    assert!(matches!(resumed.exit, Some(0 | 6)), "{resumed:?}");
    assert!(resumed.total("unknown") <= 1, "{resumed:?}");
    project.nobody_twice_nobody_forgotten(&resumed.document(), 60);
}
