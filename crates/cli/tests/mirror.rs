//! An older copy of the journal, a mirror that is lost, and a second machine, with the real binary.

// Tests fail by panicking; so do their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{IDENTITY, Project, RELEASE, Said, address, depeche, said};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Adds a mirror in the folder `mirror` beside the project's own.
fn with_mirror(project: &Project, place: &Path, mode: &str) {
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let place = place.display();
    let mirror = format!("[journal.mirror]\ntarget = \"file:{place}\"\nmode = \"{mode}\"\nkey = \"{KEY}\"\n");
    project.write("depeche.toml", &(toml + &mirror));
    private(&project.path().join("depeche.toml"));
}

fn private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Another machine: `files` of the project, and nothing else of it.
fn second_machine(project: &Project, files: &[&str]) -> tempfile::TempDir {
    let second = tempfile::tempdir().unwrap();
    for name in files {
        std::fs::copy(project.path().join(name), second.path().join(name)).unwrap();
    }
    private(&second.path().join("depeche.toml"));
    second
}

fn run_at(folder: &Path, words: &[&str]) -> Said {
    said(depeche().args(words).args(["--lang", "en", "--json"]).current_dir(folder).output().unwrap())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(to.join(name));
        if name != "journal.db-shm" && from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[test]
fn an_older_copy_of_the_journal_does_not_send_and_is_put_right_by_reconcile() {
    let project = Project::new(vec![FakeSmtp::new()], 6);
    project.list("first.csv", 0..2);
    let journal = project.path().join(".depeche");
    let kept = project.path().join("backup");
    let first = project.run(&["send", "release.md", "--to", "first.csv", "--confirm", "2", "--json"]);
    assert_eq!(first.exit, Some(0), "{first:?}");
    copy(&journal, &kept);
    project.list("second.csv", 2..4);
    let second = project.run(&["send", "release.md", "--to", "second.csv", "--confirm", "2", "--json"]);
    assert_eq!(second.exit, Some(0), "{second:?}");
    copy(&kept, &journal);

    let refused = project.send(4, &[]);
    assert_eq!(refused.exit, Some(5), "{refused:?}");
    assert_eq!(refused.document()["error"]["code"], "journal.older");
    assert!(refused.document()["error"]["hint"].as_str().unwrap().contains("depeche reconcile"));
    // A worker as well: it once opened the journal without asking what stands beside it.
    let worker = project.run(&["work", "--once", "--json"]);
    assert_eq!((worker.exit, &worker.document()["error"]["code"]), (Some(5), &"journal.older".into()));
    assert_eq!(project.seen().len(), 4, "nothing more was sent");

    let reconciled = project.run(&["reconcile", "--json"]);
    assert_eq!(reconciled.exit, Some(0), "{reconciled:?}");
    let document = reconciled.document();
    assert_eq!(document["moved"].as_array().unwrap().len(), 2, "{document}");
    let last = project.send(2, &[]);

    assert_eq!(last.exit, Some(0), "{last:?}");
    assert_eq!(project.seen().len(), 6);
    assert!(project.seen().values().all(|copies| *copies == 1), "{:?}", project.seen());
}

#[test]
fn a_lost_epoch_is_refused_by_its_own_name_in_both_languages() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    project.list("first.csv", 0..1);
    project.run(&["send", "release.md", "--to", "first.csv", "--confirm", "1", "--json"]);
    std::fs::remove_dir_all(project.path().join(".depeche/journal.db.state")).unwrap();

    let refused = project.send(2, &[]);
    let french = said(
        depeche()
            .args(["send", "release.md", "--to", "contacts.csv", "--confirm", "2", "--lang", "fr"])
            .current_dir(project.path())
            .output()
            .unwrap(),
    );

    assert_eq!((refused.exit, french.exit), (Some(5), Some(5)), "{refused:?}");
    assert_eq!(refused.document()["error"]["code"], "journal.epoch-lost");
    assert!(french.stderr.contains("il n’y a plus rien à côté du journal"), "{french:?}");
    assert_eq!(project.run(&["reconcile", "--json"]).exit, Some(0));
    assert_eq!(project.send(2, &[]).exit, Some(0));
}

#[test]
fn without_its_mirror_a_run_pauses_and_a_mirror_that_follows_lets_it_go_on() {
    for (mode, exit, accepted) in [("sync", 4, 0), ("async", 0, 4)] {
        let project = Project::new(vec![FakeSmtp::new()], 4);
        let place = project.path().join("elsewhere");
        std::fs::create_dir(&place).unwrap();
        with_mirror(&project, &place, mode);
        project.list("first.csv", 10..11);
        let first = project.run(&["send", "release.md", "--to", "first.csv", "--confirm", "1", "--json"]);
        assert_eq!(first.exit, Some(0), "{first:?}");
        let status = project.run(&["status", "--json"]).document();
        assert_eq!(status["mirror"]["in_step"], true, "{status}");
        std::fs::rename(&place, project.path().join("away")).unwrap();

        let sent = project.send(4, &[]);

        assert_eq!(sent.exit, Some(exit), "{mode}: {sent:?}");
        assert!(sent.stderr.contains("mirror") || sent.stdout.contains("mirror.lost"), "{mode}: {sent:?}");
        assert_eq!(project.seen().len(), 1 + accepted);
        if mode == "async" {
            let status = project.run(&["status", "--json"]).document();
            assert_eq!(status["mirror"]["in_step"], false, "{status}");
            assert!(status["mirror"]["records_behind"].as_u64().unwrap() >= 8, "{status}");
        }
        std::fs::rename(project.path().join("away"), &place).unwrap();
        let again = project.send(4, &[]);
        assert_eq!(again.exit, Some(if mode == "sync" { 0 } else { 5 }), "{mode}: {again:?}");
        assert_eq!(project.seen().len(), 5);
    }
}

#[test]
fn a_mirror_that_goes_in_the_middle_of_a_run_leaves_nobody_uncertain() {
    let slow = FakeSmtp::new().rule(Rule::at(Phase::FinalDot).does(Fault::Late(Duration::from_millis(60))));
    let project = Project::new(vec![slow], 12);
    let place = project.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    with_mirror(&project, &place, "sync");
    let child = project.spawn(&["send", "release.md", "--to", "contacts.csv", "--confirm", "12", "--json"]);
    let start = Instant::now();
    while project.seen().len() < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "only {:?}", project.seen());
        std::thread::sleep(Duration::from_millis(2));
    }
    std::fs::rename(&place, project.path().join("away")).unwrap();

    let paused = said(child.wait_with_output().unwrap());

    assert_eq!(paused.exit, Some(4), "{paused:?}");
    assert_eq!(paused.document()["run"]["state"], "paused");
    assert_eq!(paused.total("unknown"), 0, "{paused:?}");
    assert!(paused.stderr.contains("the mirror cannot be reached"), "{paused:?}");
    assert!(paused.stderr.contains("depeche resume"), "{paused:?}");
    std::fs::rename(project.path().join("away"), &place).unwrap();
    let last = project.run(&["resume", "--json"]);
    assert_eq!((last.exit, last.total("accepted")), (Some(0), 12), "{last:?}");
    project.nobody_twice_nobody_forgotten(&last.document(), 12);
}

#[test]
fn a_second_machine_takes_over_and_the_first_one_sends_no_more() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    let place = project.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    with_mirror(&project, &place, "sync");
    assert_eq!(project.send(3, &[]).exit, Some(0));
    let second = second_machine(&project, &["depeche.toml", "release.md"]);
    let there = |words: &[&str]| run_at(second.path(), words);

    let taken = there(&["take-over"]);

    assert_eq!(taken.exit, Some(0), "{taken:?}");
    assert_eq!(taken.document()["runs"][0]["totals"]["accepted"], 3);
    // The same release is known there: nobody of the list is mailed again.
    std::fs::copy(project.path().join("contacts.csv"), second.path().join("contacts.csv")).unwrap();
    let again = there(&["send", "release.md", "--to", "contacts.csv", "--confirm", "3"]);
    assert_eq!(again.exit, Some(5), "{again:?}");
    assert_eq!(again.document()["error"]["code"], "run.duplicate");
    // The first machine lives after all.
    project.list("more.csv", 7..8);
    let first = project.run(&["send", "release.md", "--to", "more.csv", "--confirm", "1", "--json"]);
    assert_eq!(first.exit, Some(5), "{first:?}");
    assert_eq!(first.document()["error"]["code"], "mirror.taken-over");
    assert_eq!(project.seen().len(), 3);
}

#[test]
fn who_was_forgotten_is_not_mailed_by_the_machine_that_takes_over() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    assert_eq!(project.send(3, &[]).exit, Some(0));
    let forgotten = project.run(&["suppress", "forget", &address(1), "--json"]);
    assert_eq!(forgotten.exit, Some(0), "{forgotten:?}");
    let place = project.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    with_mirror(&project, &place, "sync");
    // The mirror is filled at the beginning of the next session.
    project.list("more.csv", 7..8);
    let more = project.run(&["send", "release.md", "--to", "more.csv", "--confirm", "1", "--json"]);
    assert_eq!(more.exit, Some(0), "{more:?}");
    assert_eq!(naming(&place, &address(2)).len(), 2, "the list, and the outcome");
    let forgotten = project.run(&["suppress", "forget", &address(2), "--json"]);
    assert_eq!((forgotten.exit, &forgotten.document()["mirror"]), (Some(0), &true.into()), "{forgotten:?}");
    for person in [1, 2] {
        assert_eq!(naming(&place, &address(person)), Vec::<String>::new());
    }
    let second = second_machine(&project, &["depeche.toml", "contacts.csv"]);
    std::fs::write(second.path().join("other.md"), RELEASE.replace("slug: usine", "slug: other")).unwrap();
    let there = |words: &[&str]| run_at(second.path(), words);
    assert_eq!(there(&["take-over"]).exit, Some(0));

    let sent = there(&["send", "other.md", "--to", "contacts.csv", "--confirm", "1"]);

    assert_eq!((sent.exit, sent.total("accepted"), sent.total("suppressed")), (Some(0), 1, 2), "{sent:?}");
}

/// Segments of the mirror that say `text`, for whoever has the key.
fn naming(place: &Path, text: &str) -> Vec<String> {
    let seal = ::depeche::mirror::Seal::new(&KEY.to_owned().into()).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place.join("log")).unwrap() {
        let entry = entry.unwrap();
        let name = format!("log/{}", entry.file_name().to_string_lossy());
        let plain = seal.open(&name, &std::fs::read(entry.path()).unwrap()).unwrap();
        if String::from_utf8(plain).unwrap().contains(text) {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn a_mirror_is_compacted_and_says_the_same_to_the_machine_that_takes_over() {
    let project = Project::new(vec![FakeSmtp::new()], 4);
    assert_eq!(project.run(&["mirror", "compact"]).exit, Some(2), "there is none");
    let place = project.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    with_mirror(&project, &place, "sync");
    assert_eq!(project.send(4, &[]).exit, Some(0));

    let compacted = project.run(&["mirror", "compact", "--json"]);

    assert_eq!(compacted.exit, Some(0), "{compacted:?}");
    let from = compacted.document()["from"].as_u64().unwrap();
    assert_eq!(compacted.document()["emptied"].as_u64().unwrap(), from - 1);
    assert!(naming(&place, &address(0)).iter().all(|name| *name > format!("log/{from:010}")));
    // Nothing is owed, and a longer log is compacted again.
    project.list("more.csv", 7..8);
    let more = project.run(&["send", "release.md", "--to", "more.csv", "--confirm", "1"]);
    assert_eq!((more.exit, more.stderr.contains("mirror compact")), (Some(0), false), "{more:?}");
    let again = project.run(&["mirror", "compact"]);
    assert!(again.stdout.contains("the mirror begins at segment"), "{again:?}");
    assert!(again.stderr.contains("keeps versions"), "{again:?}");
    std::fs::remove_dir_all(project.path().join(".depeche")).unwrap();
    let second = second_machine(&project, &["depeche.toml", "release.md", "contacts.csv"]);
    let taken = run_at(second.path(), &["take-over"]);
    assert_eq!(taken.exit, Some(0), "{taken:?}");
    let runs = taken.document()["runs"].clone();
    let accepted = runs.as_array().unwrap().iter().map(|run| run["totals"]["accepted"].as_u64().unwrap());
    assert_eq!(accepted.sum::<u64>(), 5, "{runs}");
    let again = run_at(second.path(), &["send", "release.md", "--to", "contacts.csv", "--confirm", "4"]);
    assert_eq!((again.exit, &again.document()["error"]["code"]), (Some(5), &"run.duplicate".into()));
}

#[test]
fn a_person_whom_the_mirror_could_not_forget_is_told_of_until_it_has() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    let place = project.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    with_mirror(&project, &place, "sync");
    assert_eq!(project.send(2, &[]).exit, Some(0));
    // The first segment cannot be read: the journal has forgotten by then.
    let (first, kept) = (place.join("log/0000000001"), project.path().join("kept"));
    std::fs::rename(&first, &kept).unwrap();
    std::fs::create_dir(&first).unwrap();

    let half = project.run(&["suppress", "forget", &address(0), "--json"]);

    assert_eq!((half.exit, &half.document()["error"]["code"]), (Some(4), &"mirror.owes-forgetting".into()));
    let error = half.document()["error"].clone();
    assert!(error["hint"].as_str().unwrap().contains("depeche mirror compact"), "{error}");
    assert!(error["message"].as_str().unwrap().contains("the mirror cannot be used: file:"), "{error}");
    assert!(!project.run(&["report"]).stdout.contains(&address(0)));
    std::fs::remove_dir(&first).unwrap();
    std::fs::rename(&kept, &first).unwrap();
    assert!(!naming(&place, &address(0)).is_empty());
    let told = project.run(&["suppress", "add", "other@journal.example"]);
    assert!(told.exit == Some(0) && told.stderr.contains("depeche mirror compact"), "{told:?}");
    assert_eq!(project.run(&["mirror", "compact"]).exit, Some(0));
    assert_eq!(naming(&place, &address(0)), Vec::<String>::new());
    let told = project.run(&["suppress", "add", "another@journal.example"]);
    assert!(!told.stderr.contains("mirror"), "{told:?}");
    // Without the mirror nothing is begun.
    let away = project.path().join("away");
    std::fs::rename(&place, &away).unwrap();
    let refused = project.run(&["suppress", "forget", &address(1), "--json"]);
    assert_eq!((refused.exit, &refused.document()["error"]["code"]), (Some(4), &"mirror.lost".into()));
    let report = project.run(&["report"]);
    assert!(report.stdout.contains(&address(1)), "nothing was done: {report:?}");
}

#[test]
fn who_is_at_risk_is_at_risk_on_the_machine_that_takes_over() {
    let project = Project::new(vec![FakeSmtp::new()], 3);
    let place = project.path().join("elsewhere");
    std::fs::create_dir(&place).unwrap();
    with_mirror(&project, &place, "sync");
    assert_eq!(project.send(3, &[]).exit, Some(0));
    let declared =
        project.run(&["provider", "outage", "first", "--from", "1h", "--reason", "it burns", "--json"]);
    assert_eq!((declared.exit, &declared.document()["runs"][0]["at_risk"]), (Some(0), &3.into()));
    // The machine burns.
    std::fs::remove_dir_all(project.path().join(".depeche")).unwrap();
    let second = second_machine(&project, &["depeche.toml", "release.md"]);
    let there = |words: &[&str]| run_at(second.path(), words);
    assert_eq!(there(&["take-over"]).exit, Some(0));

    let report = there(&["report"]).document();

    assert_eq!(report["outages"][0]["reason"], "it burns", "{report}");
    let at_risk = report["recipients"].as_array().unwrap().iter().filter(|one| one["at_risk"] == true);
    assert_eq!(at_risk.count(), 3, "{report}");
}

#[test]
fn a_mirror_that_is_not_understood_is_said_with_its_place() {
    let project = Project::new(vec![FakeSmtp::new()], 1);
    let toml = format!("{IDENTITY}[journal.mirror]\ntarget = \"ftp://x\"\nmode = \"often\"\n");
    project.write("depeche.toml", &toml);
    project.write("release.md", RELEASE);

    let said = project.run(&["config", "check"]);

    assert_eq!(said.exit, Some(2), "{said:?}");
    for part in ["ftp://x", "often", "mirror.key", "s3://"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
}

/// A command's words in one language, without what differs from run to run.
fn told(project: &Project, at: &Path, words: &[&str], lang: &str) -> String {
    let command = depeche().args(words).args(["--lang", lang]).current_dir(at).output().unwrap();
    let said = said(command);
    let exit = said.exit.unwrap();
    let text =
        format!("$ depeche {}\n{}--- stderr\n{}--- exit {exit}\n", words.join(" "), said.stdout, said.stderr);
    let text = text.replace(&project.path().display().to_string(), "FOLDER");
    let text = project.steady_day(&text.replace(&at.display().to_string(), "THERE"));
    let (mut parts, mut told) = (text.split("YYYY-MM-DD "), String::new());
    told.push_str(parts.next().unwrap_or_default());
    for part in parts {
        told.push_str(&format!("TIME{}", &part["00:00 UTC".len()..]));
    }
    let machine = std::process::Command::new("uname").arg("-n").output().unwrap().stdout;
    let machine = String::from_utf8(machine).unwrap();
    [("from ", ","), ("de ", ","), (": ", " ")].iter().fold(told, |told, (before, after)| {
        let named = format!("{before}{}{after}", machine.trim());
        told.replace(&named, &format!("{before}MACHINE{after}"))
    })
}

#[test]
fn reconcile_and_take_over_say_what_moved_and_the_next_command_in_both_languages() {
    for lang in ["en", "fr"] {
        let project = Project::new(vec![FakeSmtp::new()], 3);
        let place = project.path().join("elsewhere");
        std::fs::create_dir(&place).unwrap();
        let (journal, kept) = (project.path().join(".depeche"), project.path().join("backup"));
        project.list("first.csv", 0..1);
        project.run(&["send", "release.md", "--to", "first.csv", "--confirm", "1", "--json"]);
        copy(&journal, &kept);
        project.list("second.csv", 1..2);
        project.run(&["send", "release.md", "--to", "second.csv", "--confirm", "1", "--json"]);
        copy(&kept, &journal);
        project.list("third.csv", 2..3);
        let more = ["send", "release.md", "--to", "third.csv", "--confirm", "1"];
        let refused = told(&project, project.path(), &more, lang);
        let reconciled = told(&project, project.path(), &["reconcile"], lang);
        let nothing = told(&project, project.path(), &["reconcile"], lang);
        with_mirror(&project, &place, "sync");
        assert_eq!(project.run(&[&more[..], &["--json"]].concat()).exit, Some(0));
        let second = second_machine(&project, &["depeche.toml"]);
        let taken = told(&project, second.path(), &["take-over"], lang);
        project.list("fourth.csv", 3..4);
        let fourth = ["send", "release.md", "--to", "fourth.csv", "--confirm", "1"];
        let late = told(&project, project.path(), &fourth, lang);

        let all = [refused, reconciled, nothing, taken, late].join("\n");
        insta::assert_snapshot!(format!("recovered_{lang}"), all);
    }
}
