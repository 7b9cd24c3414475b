//! A secret is in no output, no journal and no report, whatever goes wrong and however much is said.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use depeche_testkit::http::{HttpStub, Says};
use depeche_testkit::smtp::FakeSmtp;

const PASSWORD: &str = "c4nary-p4ssword";
const KEY: &str = "xkeysib-c4nary-k3y";

/// Every byte that depeche left in the folder, but for depeche.toml and the secrets' own files.
fn left_behind(folder: &std::path::Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            left_behind(&path, found);
        } else if !path.ends_with("depeche.toml") && !path.ends_with("brevo.key") {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn canaries_are_found_nowhere() {
    let login = "username = \"presse\"\npassword = { env = \"PASSWORD\" }";
    let project = Project::with(vec![FakeSmtp::new().login("presse", "another")], 6, login, "");
    // Answers with the key that it was sent, as a badly written gateway does.
    let echo = project.runtime.block_on(HttpStub::start(|seen| {
        let headers = format!("{:?} {}", seen.headers, String::from_utf8_lossy(&seen.body));
        Says::html(500, &format!("<pre>{headers}</pre>"))
    }));
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let brevo = format!(
        "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = {{ file = \"brevo.key\" }}\nbase_url = \"{}/v3\"\n[fallback]",
        echo.base_url()
    );
    project.write("depeche.toml", &toml.replace("[fallback]", &brevo));
    project.write("brevo.key", KEY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(project.path().join("brevo.key"), mode).unwrap();
    }
    let commands: [&[&str]; 9] = [
        &["config", "check", "-vv"],
        &["config", "show", "--json", "-vv"],
        &["plan", "release.md", "--to", "contacts.csv", "-vv"],
        &["send", "release.md", "--to", "contacts.csv", "--confirm", "6", "-vv"],
        &["status", "--json", "-vv"],
        &["provider", "test", "-vv"],
        &["provider", "status", "--json"],
        &["report", "--html", "report.html", "--csv", "report.csv"],
        &["resume", "--no-wait", "-vv", "--json"],
    ];
    let mut said = String::new();
    for words in commands {
        let output =
            project.command(words).env("PASSWORD", PASSWORD).env("RUST_LOG", "trace").output().unwrap();
        said += &format!("$ {words:?}\n{:?}\n", common::said(output));
    }

    let mut files = Vec::new();
    left_behind(project.path(), &mut files);
    assert!(files.iter().any(|(name, _)| name.ends_with("journal.db")), "the journal was looked at");
    assert!(said.contains("brevo") && said.contains("first"), "both providers were tried:\n{said}");
    // AUTH PLAIN and LOGIN carry the password in base64.
    for canary in [PASSWORD, KEY, "YzRuYXJ5LXA0c3N3b3Jk", "AHByZXNzZQBjNG5hcnktcDRzc3dvcmQ="] {
        assert!(!said.contains(canary), "{canary} was said:\n{said}");
        for (name, content) in &files {
            let holds = content.windows(canary.len()).any(|part| part == canary.as_bytes());
            assert!(!holds, "{canary} is in {name}");
        }
    }
}
