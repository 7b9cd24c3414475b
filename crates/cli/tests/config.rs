//! depeche.toml: every problem at once, each with its place.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

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

/// 65535 is the last port there is (RFC 9293, section 3.1): another must never stand in for a greater one.
#[test]
fn a_port_that_does_not_exist_is_refused_and_no_usual_one_stands_in() {
    let folder = folder_with(&GOOD.replace("2525", "65536"));

    let output = depeche(folder.path(), &["config", "check"]);

    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("65536 is no port") && said.contains("depeche.toml:10:8"), "{said}");
    let last = folder_with(&GOOD.replace("2525", "65535"));
    assert_eq!(depeche(last.path(), &["config", "check"]).status.code(), Some(0));
}

#[test]
fn an_organisation_whose_name_breaks_a_line_is_refused() {
    let folder = folder_with(&format!("{GOOD}\n[organisation]\nname = \"Exemple\\nSAS\"\n"));

    let output = depeche(folder.path(), &["config", "check"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("LF (line break)"));
}

#[test]
fn a_file_that_names_no_provider_is_said_to_send_nothing() {
    let folder = folder_with(GOOD.split("[[provider]]").next().unwrap());

    let output = depeche(folder.path(), &["config", "check"]);

    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("names no provider: nothing can be sent"));
}

#[test]
fn json_errors_are_one_document_on_stdout() {
    let folder = folder_with(&format!("{GOOD}\nusrname = \"x\"\n"));

    let output = depeche(folder.path(), &["config", "check", "--json"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
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
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
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

/// All of it, each value on a line of its own.
const EVERYTHING: &str = r#"[organisation]
name = "Exemple SAS"
[from]
name = "Service de presse"
address = "presse@exemple.fr"
reply_to = "reponse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
[unsubscribe]
mailto = "stop@exemple.fr"
secret = { env = "LINKS" }
valid_for = "90d"
[journal]
url = "sqlite:.depeche/journal.db"
state_dir = "beside"
[journal.mirror]
target = "s3://presse/depeche"
mode = "async"
key = "tr0ub4dor-of-the-mirror-32-octets"
endpoint = "https://s3.gra.io.cloud.ovh.net"
region = "gra"
access_key = { env = "ACCESS" }
secret_key = { env = "SECRET" }
[[provider]]
name = "ovh"
kind = "smtp"
preset = "ovh-mxplan"
username = "presse@exemple.fr"
password = "tr0ub4dor"
helo = "presse.exemple.fr"
bind = ["127.0.0.1"]
selectors = ["ovhmo1"]
[provider.limits]
per_hour = 100
per_connection = 20
[provider.timeouts]
data_end = "5m"
[provider.dkim]
domain = "exemple.fr"
selector = "s1"
key = { file = "dkim.pem" }
[[provider]]
name = "brevo"
kind = "brevo"
api_key = { env = "BREVO" }
batch = true
share = "5%"
[bounces.imap]
host = "imap.exemple.fr"
username = "bounces"
password = { command = "pass bounces" }
[fallback]
suspect_after = "10s"
[pace."orange.fr"]
per_minute = 30
[dns]
nameserver = "127.0.0.1:5353"
[serve]
listen = "127.0.0.1:8080"
public_url = "https://presse.exemple.fr"
[[serve.webhook]]
name = "brevo"
networks = ["10.0.0.0/8"]
"#;

#[test]
fn config_show_names_the_line_of_everything_that_the_file_states_and_masks_its_secrets() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder_with(EVERYTHING);
    let file = folder.path().join("depeche.toml");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let output = depeche(folder.path(), &["config", "show"]);

    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for (at, line) in EVERYTHING.lines().enumerate().filter(|(_, line)| !line.starts_with('[')) {
        let origin = format!("# depeche.toml:{}", at + 1);
        assert!(said.lines().any(|shown| shown.ends_with(&origin)), "{line} is not shown:\n{said}");
    }
    assert!(!said.contains("tr0ub4dor"), "{said}");
    for line in
        ["mirror.mode = \"async\"  # depeche.toml:19", "pace.orange.fr.per_minute = 30  # depeche.toml:56"]
    {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    assert!(said.contains("providers.0.host = ") && said.contains("# preset ovh-mxplan"), "{said}");
    let json = depeche(folder.path(), &["config", "show", "--json"]);
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["stated"]["provider.0.helo"], "\"presse.exemple.fr\"");
    assert_eq!(document["origins"]["provider.0.helo"], "depeche.toml:31");
}

/// The keys that the reader knows at a place: what it says about one that nobody knows.
fn known_keys(toml: &str) -> BTreeSet<String> {
    let folder = folder_with(toml);
    let output = depeche(folder.path(), &["config", "check", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &said["error"];
    let problems = error["problems"].as_array().cloned().unwrap_or_else(|| vec![error.clone()]);
    let unknown = |problem: &&Value| problem["message"].as_str().unwrap().contains("zzzzzzzzzzzz");
    let problem = problems.iter().find(unknown).unwrap_or_else(|| panic!("{toml}\n{said:#}"));
    let known = problem["hint"].as_str().unwrap().split_once(": ").unwrap().1;
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_reader_stands_in_the_schema_and_the_reverse() {
    let output = depeche(Path::new("."), &["config", "schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let provider = |rest: &str| format!("[[provider]]\nname = \"p\"\n{rest}");
    let account = |kind: &str| provider(&format!("kind = \"{kind}\"\napi_key = {{ env = \"K\" }}\nUNKNOWN"));
    let smtp = |rest: &str| provider(&format!("kind = \"smtp\"\nhost = \"h\"\n{rest}"));
    let serve = "[serve]\nlisten = \"127.0.0.1:1\"\npublic_url = \"https://a.example\"\n";
    let hook = |kind: &str| format!("{serve}[[serve.webhook]]\nname = \"w\"\nkind = \"{kind}\"\nUNKNOWN");
    let places: Vec<(&str, Vec<String>)> = vec![
        ("", vec!["UNKNOWN".into()]),
        ("/properties/organisation", vec!["[organisation]\nUNKNOWN".into()]),
        ("/properties/from", vec!["[from]\nUNKNOWN".into()]),
        ("/properties/press_contact", vec!["[press_contact]\nUNKNOWN".into()]),
        ("/properties/unsubscribe", vec!["[unsubscribe]\nUNKNOWN".into()]),
        ("/properties/journal", vec!["[journal]\nUNKNOWN".into()]),
        ("/$defs/mirror", vec!["[journal.mirror]\ntarget = \"s3://b/p\"\nUNKNOWN".into()]),
        ("/$defs/smtp", vec![smtp("UNKNOWN")]),
        ("/$defs/limits", vec![smtp("[provider.limits]\nUNKNOWN")]),
        ("/$defs/timeouts", vec![smtp("[provider.timeouts]\nUNKNOWN")]),
        ("/$defs/dkim", vec![smtp("[provider.dkim]\nUNKNOWN")]),
        ("/$defs/secret/oneOf", vec![smtp("username = \"u\"\n[provider.password]\nUNKNOWN")]),
        ("/$defs/brevo", vec![account("brevo")]),
        ("/$defs/mailchimp-transactional", vec![account("mailchimp-transactional")]),
        ("/$defs/mailchimp-campaign", vec![account("mailchimp-campaign")]),
        ("/$defs/outbox", vec![provider("kind = \"outbox\"\nUNKNOWN")]),
        ("/properties/bounces", vec!["[bounces]\nUNKNOWN\n[bounces.imap]\nhost = \"h\"".into()]),
        ("/properties/bounces/properties/imap", vec!["[bounces.imap]\nhost = \"h\"\nUNKNOWN".into()]),
        ("/properties/fallback", vec!["[fallback]\nUNKNOWN".into()]),
        ("/properties/fallback/properties/open_after", vec!["[fallback.open_after]\nUNKNOWN".into()]),
        ("/properties/retry", vec!["[retry]\nUNKNOWN".into()]),
        ("/properties/dns", vec!["[dns]\nUNKNOWN".into()]),
        ("/properties/serve", vec![format!("{serve}UNKNOWN")]),
        ("/$defs/webhook", ["brevo", "mailchimp-transactional", "mailchimp-audience"].map(hook).to_vec()),
    ];
    for (pointer, texts) in places {
        let known: BTreeSet<String> =
            texts.iter().flat_map(|text| known_keys(&text.replace("UNKNOWN", "zzzzzzzzzzzz = 1"))).collect();
        let place = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        // A secret is one of several shapes, each with a key.
        let shapes = place.as_array().cloned().unwrap_or_else(|| vec![place.clone()]);
        let keys = |shape: &Value| shape["properties"].as_object().cloned().unwrap_or_default();
        let told: BTreeSet<String> = shapes.iter().flat_map(keys).map(|(key, _)| key).collect();

        assert_eq!(known, told, "{pointer}");
    }
}
