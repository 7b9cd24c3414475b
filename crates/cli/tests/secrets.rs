//! A secret is in no output, no journal and no report, whatever goes wrong and however much is said.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine as _;
use common::{IDENTITY, Project};
use depeche_testkit::http::{HttpStub, Says};
use depeche_testkit::smtp::{FakeSmtp, Phase};

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

/// Where depeche.toml takes a secret, and what stands there in this test.
const SLOTS: [(&str, &str); 19] = [
    ("UNSUBSCRIBE", "c4nary-unsubscribe-secret-of-thirty-two"),
    ("UNSUBSCRIBE_OLD", "c4nary-unsubscribe-older-of-thirty-two"),
    ("POSTGRES", "c4nary-postgres"),
    ("IMAP", "c4nary-imap"),
    ("SMTP", PASSWORD),
    ("DKIM", ""),
    ("OVH_APPLICATION", "c4nary-ovh-application"),
    ("OVH_CONSUMER", "c4nary-ovh-consumer"),
    ("BREVO", KEY),
    ("MANDRILL", "md-c4nary-mandrill"),
    ("CAMPAIGN", "c4nary0campaign-us1"),
    ("HOOK_BEARER", "c4nary-hook-bearer"),
    ("HOOK_PASSWORD", "c4nary-hook-password"),
    ("HOOK_KEY", "c4nary-hook-key"),
    ("HOOK_OLD_KEY", "c4nary-hook-old-key"),
    ("HOOK_SECRET", "c4nary-hook-secret-of-more-than-16"),
    ("MIRROR_KEY", "YzRuYXJ5LW1pcnJvci1rZXktb2YtMzItb2N0ZXRzISE="),
    ("S3_ACCESS", "c4nary-s3-access"),
    ("S3_SECRET", "c4nary-s3-secret"),
];

/// The whole of depeche.toml with a reference at every slot; `journal` is its section `[journal]`.
fn with_every_secret(smtp: u16, api: &str, journal: &str) -> String {
    format!(
        r#"{journal}
{IDENTITY}url = "https://presse.exemple.fr/stop/{{token}}"
secret = {{ env = "UNSUBSCRIBE" }}
old_secret = {{ env = "UNSUBSCRIBE_OLD" }}
[[provider]]
name = "first"
kind = "smtp"
host = "127.0.0.1"
port = {smtp}
tls = "none"
username = "presse"
password = {{ env = "SMTP" }}
dkim = {{ domain = "exemple.fr", selector = "s1", key = {{ env = "DKIM" }} }}
ovh = {{ organization = "o1", service = "s1", application_key = "a1", application_secret = {{ env = "OVH_APPLICATION" }}, consumer_key = {{ env = "OVH_CONSUMER" }}, base_url = "{api}/1.0" }}
[[provider]]
name = "brevo"
kind = "brevo"
api_key = {{ env = "BREVO" }}
base_url = "{api}/v3"
[[provider]]
name = "mandrill"
kind = "mailchimp-transactional"
api_key = {{ env = "MANDRILL" }}
base_url = "{api}/api/1.0"
[[provider]]
name = "campagne"
kind = "mailchimp-campaign"
audience = "a1b2c3"
api_key = {{ env = "CAMPAIGN" }}
base_url = "{api}/3.0"
[fallback]
require_authenticated = false
[bounces.imap]
host = "127.0.0.1"
port = 1
tls = "none"
username = "bounces"
password = {{ env = "IMAP" }}
[serve]
listen = "127.0.0.1:0"
public_url = "https://presse.exemple.fr"
[[serve.webhook]]
name = "one"
kind = "brevo"
bearer = {{ env = "HOOK_BEARER" }}
[[serve.webhook]]
name = "two"
kind = "brevo"
user = "u"
password = {{ env = "HOOK_PASSWORD" }}
[[serve.webhook]]
name = "three"
kind = "mailchimp-transactional"
key = {{ env = "HOOK_KEY" }}
old_key = {{ env = "HOOK_OLD_KEY" }}
[[serve.webhook]]
name = "four"
kind = "mailchimp-audience"
secret = {{ env = "HOOK_SECRET" }}
"#
    )
}

/// How often the schema of depeche.toml has a place for a secret.
fn slots_of_the_schema() -> usize {
    include_str!("../schemas/depeche-toml.json").matches("\"$ref\": \"#/$defs/secret\"").count()
}

#[test]
fn no_secret_that_depeche_toml_can_name_is_said_or_kept_with_any_kind_of_journal() {
    assert_eq!(SLOTS.len(), slots_of_the_schema(), "each secret of depeche.toml has a canary here");
    let project = Project::with(vec![FakeSmtp::new().login("presse", "another")], 4, "", "");
    let echo = project.runtime.block_on(HttpStub::start(|seen| {
        let headers = format!("{:?} {}", seen.headers, String::from_utf8_lossy(&seen.body));
        Says::html(500, &format!("<pre>{headers}</pre>"))
    }));
    std::fs::create_dir(project.path().join("mirror")).unwrap();
    let key = project.run(&["domain", "key", "exemple.fr", "-o", "dkim.pem", "--algorithm", "rsa"]);
    assert_eq!(key.exit, Some(0), "{key:?}");
    let pem = std::fs::read_to_string(project.path().join("dkim.pem")).unwrap();
    std::fs::remove_file(project.path().join("dkim.pem")).unwrap();
    let s3 = "[journal.mirror]\ntarget = \"s3://bucket/place\"\nkey = { env = \"MIRROR_KEY\" }\n\
              access_key = { env = \"S3_ACCESS\" }\nsecret_key = { env = \"S3_SECRET\" }\nregion = \"fr-par\"\n";
    let journals = [
        "[journal.mirror]\ntarget = \"file:mirror\"\nkey = { env = \"MIRROR_KEY\" }\n".to_owned(),
        format!("{s3}endpoint = \"{}\"\n", echo.base_url()),
        "[journal]\nurl = \"postgres://depeche@127.0.0.1:1/depeche\"\npassword = { env = \"POSTGRES\" }\n"
            .to_owned(),
    ];
    let commands: [&[&str]; 12] = [
        &["config", "check", "-vv"],
        &["config", "show", "-vv"],
        &["config", "show", "--json", "-vv"],
        &["plan", "release.md", "--to", "contacts.csv", "--json", "-vv"],
        &["send", "release.md", "--to", "contacts.csv", "--confirm", "4", "--no-wait", "-vv"],
        &["status", "-vv"],
        &["provider", "test", "-vv"],
        &["provider", "status", "-vv"],
        &["sync", "-vv"],
        &["suppress", "pull", "-vv"],
        &["report", "--html", "report.html", "--csv", "report.csv", "-vv"],
        &["reconcile", "-vv"],
    ];
    let mut said = String::new();
    let mut exits = Vec::new();
    for journal in journals {
        project
            .write("depeche.toml", &with_every_secret(project.servers[0].port(), &echo.base_url(), &journal));
        for words in commands {
            let mut command = project.command(words);
            for (slot, canary) in SLOTS {
                command.env(slot, if slot == "DKIM" { &pem } else { canary });
            }
            let output = command.env("RUST_LOG", "trace").output().unwrap();
            exits.push((words[0], output.status.code()));
            said += &format!("$ {words:?}\n{:?}\n", common::said(output));
        }
    }

    let mut files = Vec::new();
    left_behind(project.path(), &mut files);
    assert!(files.iter().any(|(name, _)| name.ends_with("journal.db")), "the journal was looked at");
    assert!(exits.iter().all(|(_, exit)| *exit != Some(2)), "depeche.toml was read each time: {exits:?}");
    // As HTTP basic authentication writes them (RFC 7617): the user of the Marketing API is ours.
    let basic = base64::engine::general_purpose::STANDARD.encode("depeche:c4nary0campaign-us1");
    let found =
        SLOTS.map(|(slot, canary)| (slot, if slot == "DKIM" { pem.lines().nth(3).unwrap() } else { canary }));
    for (slot, canary) in found.into_iter().chain([("CAMPAIGN, in base64", basic.as_str())]) {
        assert!(!said.contains(canary), "{slot} was said");
        for (name, content) in &files {
            let holds = content.windows(canary.len()).any(|part| part == canary.as_bytes());
            assert!(!holds, "{slot} is in {name}");
        }
    }
}

/// The shell allows cores of any size, as a machine that collects them does.
#[cfg(unix)]
fn allowing_cores(program: &std::ffi::OsStr) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\""]).arg(program);
    shell
}

#[cfg(unix)]
fn aborted(mut child: std::process::Child) -> std::process::ExitStatus {
    let killed =
        std::process::Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    child.wait().unwrap()
}

/// The password is in memory while a server keeps the run waiting; a core would hold it.
#[cfg(unix)]
#[test]
fn a_process_that_is_aborted_with_a_password_in_memory_leaves_no_core() {
    use std::os::unix::process::ExitStatusExt as _;
    use std::time::{Duration, Instant};

    let login = "username = \"presse\"\npassword = { env = \"PASSWORD\" }";
    let server = FakeSmtp::new().login("presse", PASSWORD).silent_after(Phase::Data);
    let project = Project::with(vec![server], 1, login, "");
    let program = project.command(&[]).get_program().to_owned();
    let mut shell = allowing_cores(&program);
    shell.args(["send", "release.md", "--to", "contacts.csv", "--confirm", "1"]);
    let child = shell
        .current_dir(project.path())
        .env("PASSWORD", PASSWORD)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (start, limits) = (Instant::now(), format!("/proc/{}/limits", child.id()));
    while project.servers[0].record().begun == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to the server");
        std::thread::sleep(Duration::from_millis(20));
    }
    if let Ok(limits) = std::fs::read_to_string(limits) {
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let soft: u64 = core.split_whitespace().nth(4).unwrap().parse().unwrap();
        assert!(soft <= 1, "{core}");
    }

    let status = aborted(child);

    assert!(!status.core_dumped(), "a core was written");
    // Where the machine writes cores at all, another program leaves one.
    let mut other = allowing_cores(std::ffi::OsStr::new("sleep"));
    let other = other.arg("60").current_dir(project.path()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    println!("another program of this machine leaves a core: {}", aborted(other).core_dumped());
}
