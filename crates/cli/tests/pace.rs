//! `[pace]`: a receiving domain's windows, in `plan`, `send` and `status`, in both languages.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, depeche, said};
use depeche_testkit::smtp::FakeSmtp;
use serde_json::json;

fn project(pace: &str) -> Project {
    let more = format!("suspect_after = \"15s\"\n[pace]\n{pace}\n");
    Project::with(vec![FakeSmtp::new()], 12, "limits = { connections = 2 }", &more)
}

/// By hand: 12 at 5 a minute: the third minute begins after 120 s; nobody waits for it here.
#[test]
fn a_pace_is_forecast_kept_and_shown() {
    let project = project("\"Journal.Example\" = { per_minute = 5 }");

    let plan = project.run(&["plan", "release.md", "--to", "contacts.csv", "--json"]);
    let sent = project.send(12, &["--no-wait"]);
    let status = project.run(&["status", "--json"]);

    assert_eq!(
        plan.document()["pace"],
        json!([{ "domain": "journal.example", "count": 12, "seconds": 120 }])
    );
    assert_eq!(sent.exit, Some(4), "{sent:?}");
    assert_eq!((sent.total("accepted"), sent.total("pending")), (5, 7));
    assert_eq!(project.servers[0].accepted().len(), 5);
    let used = json!([{ "domain": "journal.example", "window": "minute", "used": 5, "limit": 5 }]);
    assert_eq!(status.document()["pace"], used);
    let french = |words: &[&str]| {
        let mut command = depeche();
        command.args(words).args(["--lang", "fr"]).current_dir(project.path());
        said(command.output().unwrap())
    };
    let shown = french(&["status"]);
    assert!(shown.stdout.contains("cadence de journal.example : 5 sur 5"), "{shown:?}");
    let fresh = self::project("\"journal.example\" = { per_hour = 5 }");
    let shown = fresh.run(&["plan", "release.md", "--to", "contacts.csv"]);
    assert!(shown.stdout.contains("journal.example gets 12, at its own pace: about 120 min"), "{shown:?}");
}

#[test]
fn a_pace_that_says_nothing_or_names_no_domain_is_a_problem_of_the_file() {
    for pace in [
        "\"journal.example\" = {}",
        "\"journal.example\" = { per_minute = 0 }",
        "\"journal.example\" = { per_minutes = 5 }",
        "\"not a domain\" = { per_minute = 5 }",
        "\"journal.example\" = 5",
    ] {
        let said = project(pace).run(&["plan", "release.md", "--to", "contacts.csv"]);
        assert_eq!(said.exit, Some(2), "{pace}: {said:?}");
    }
}
