//! depeche.toml: every problem at once, each with its place.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn depeche(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_depeche"))
        .args(words)
        .args(["--lang", "en"])
        .current_dir(folder)
        .output()
        .unwrap()
}

const GOOD: &str = r#"
[from]
name = "Press"
address = "press@example.org"

[[provider]]
name = "near"
kind = "smtp"
host = "localhost"
port = 2525
tls = "none"
"#;

fn folder_with(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("depeche.toml"), toml).unwrap();
    folder
}

#[test]
fn a_good_file_is_good() {
    let folder = folder_with(GOOD);

    let output = depeche(folder.path(), &["config", "check"]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn all_unknown_keys_are_shown_with_carets_and_what_may_be_meant() {
    let folder = folder_with(&format!("{GOOD}\nusrname = \"x\"\nfolder = \"y\"\n[fallbck]\n"));

    let output = depeche(folder.path(), &["config", "check"]);

    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in ["depeche.toml:13:1", "13 | usrname = \"x\"\n", "   | ^^^^^^^\n", "did you mean `username`?"]
    {
        assert!(said.contains(part), "{part}\n{said}");
    }
    for part in ["`provider near.folder`", "did you mean `fallback`?"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn json_errors_are_one_document_on_stdout() {
    let folder = folder_with(&format!("{GOOD}\nusrname = \"x\"\n"));

    let output = depeche(folder.path(), &["config", "check", "--json"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["exit"], 2);
    assert_eq!(document["error"]["code"], "config.unknown-key");
    assert_eq!(
        document["error"]["location"],
        serde_json::json!({ "file": "depeche.toml", "line": 13, "column": 1 })
    );
}

#[test]
fn a_usage_error_is_a_document_too() {
    let folder = tempfile::tempdir().unwrap();

    let output = depeche(folder.path(), &["--json", "sned"]);

    assert_eq!(output.status.code(), Some(2));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["error"]["code"], "usage");
}

#[cfg(unix)]
#[test]
fn a_plain_password_in_a_file_that_others_can_read_is_refused_with_the_cure() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder_with(&format!("{GOOD}\nusername = \"x\"\npassword = \"tr0ub4dor\"\n"));
    let file = folder.path().join("depeche.toml");
    for (mode, exit) in [(0o644, 2), (0o640, 2), (0o600, 0)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();

        let output = depeche(folder.path(), &["config", "check"]);

        assert_eq!(output.status.code(), Some(exit), "{mode:o}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("chmod 600 depeche.toml"), exit == 2, "{said}");
        assert!(!said.contains("tr0ub4dor"), "{said}");
    }
}

#[test]
fn config_show_never_shows_a_secret() {
    let folder = folder_with(&format!("{GOOD}\nusername = \"x\"\npassword = {{ env = \"NO_SUCH\" }}\n"));

    let output = depeche(folder.path(), &["config", "show"]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("env NO_SUCH"));
}
