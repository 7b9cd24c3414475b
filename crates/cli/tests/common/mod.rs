//! A project in a folder of its own, scripted mail servers, and the real binary.

// Helpers of tests may unwrap as tests do; each test file uses a part of this one.
#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod schemas;
pub(crate) mod serve;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use depeche_testkit::smtp::{FakeSmtp, RunningSmtp};
use serde_json::Value;
use tokio::runtime::Runtime;

/// A folder with depeche.toml, release.md and contacts.csv, and servers that live as long as it.
pub(crate) struct Project {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) servers: Vec<RunningSmtp>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) const RELEASE: &str = r#"---
title: "L’usine de Grenoble rouvre : 120 emplois"
lang: fr
slug: usine
city: Grenoble
---
Bonjour {{ contact.first_name }},

Rendez-vous [sur place](https://exemple.fr/usine).
"#;

pub(crate) const IDENTITY: &str = r#"[organisation]
name = "Exemple SAS"
[from]
name = "Service de presse Exemple"
address = "presse@exemple.fr"
[press_contact]
name = "Jeanne Martin"
address = "presse@exemple.fr"
phone = "+33 1 23 45 67 89"
[unsubscribe]
mailto = "presse+stop@exemple.fr"
"#;

impl Project {
    /// With these servers in order of fallback, one connection each.
    pub(crate) fn new(servers: Vec<FakeSmtp>, contacts: usize) -> Self {
        Self::with(servers, contacts, "limits = { connections = 1 }", "")
    }

    /// With `more` in every provider's section, and `fallback` in `[fallback]`.
    pub(crate) fn with(servers: Vec<FakeSmtp>, contacts: usize, more: &str, fallback: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let servers: Vec<RunningSmtp> =
            servers.into_iter().map(|script| runtime.block_on(script.start())).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut toml = IDENTITY.to_owned();
        for (place, server) in servers.iter().enumerate() {
            let (name, port) = (["first", "second", "third"][place], server.port());
            toml += &format!(
                "[[provider]]\nname = \"{name}\"\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n{more}\n"
            );
        }
        toml += &format!("[fallback]\nrequire_authenticated = false\n{fallback}\n");
        std::fs::write(folder.path().join("depeche.toml"), toml).unwrap();
        std::fs::write(folder.path().join("release.md"), RELEASE).unwrap();
        let project = Self { folder, runtime, servers };
        project.list("contacts.csv", 0..contacts);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a list of the journalists with these numbers.
    pub(crate) fn list(&self, file: &str, numbers: std::ops::Range<usize>) {
        let mut text = "email,first_name,outlet\n".to_owned();
        text.extend(numbers.map(|n| format!("{},Zoé,Le Progrès\n", address(n))));
        std::fs::write(self.path().join(file), text).unwrap();
    }

    /// Changes depeche.toml: `from` must stand in it.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let file = self.path().join("depeche.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    }

    /// A file that only its owner can read.
    pub(crate) fn write_secret(&self, file: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(file, text);
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path().join(file), private).unwrap();
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = depeche();
        command.args(words).args(["--lang", "en"]).current_dir(self.path());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        let said = said(self.command(words).output().unwrap());
        schemas::judge(words, &said.stdout);
        said
    }

    /// Started, with its output kept.
    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn send(&self, confirm: usize, more: &[&str]) -> Said {
        let confirm = confirm.to_string();
        let mut words = vec!["send", "release.md", "--to", "contacts.csv", "--confirm", &confirm, "--json"];
        words.extend(more);
        self.run(&words)
    }

    /// The day of a run's name, the same every time.
    pub(crate) fn steady_day(&self, text: &str) -> String {
        let day = jiff::ZonedDateTime::now().date();
        let days = [day, day.yesterday().unwrap(), day.tomorrow().unwrap()];
        days.iter().fold(text.to_owned(), |text, day| {
            let text = text.replace(&day.strftime("%Y%m%d").to_string(), "YYYYMMDD");
            text.replace(&day.to_string(), "YYYY-MM-DD")
        })
    }

    /// How many copies may have gone to each address, over all servers: complete messages that were
    /// not explicitly refused. The receiving side's truth.
    pub(crate) fn seen(&self) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        let all = self.servers.iter().flat_map(RunningSmtp::messages);
        for message in all.filter(|message| message.answer.is_none_or(|code| code < 400)) {
            assert_eq!(message.to.len(), 1, "one recipient a message");
            *seen.entry(message.to[0].to_lowercase()).or_default() += 1;
        }
        seen
    }

    /// The criterion of every story: nobody twice, nobody forgotten, and what is told is true.
    pub(crate) fn nobody_twice_nobody_forgotten(&self, document: &Value, recipients: usize) {
        let seen = self.seen();
        for (address, copies) in &seen {
            assert!(*copies <= 1, "{address} was handed over {copies} times");
        }
        let taken: Vec<String> = self
            .servers
            .iter()
            .flat_map(RunningSmtp::accepted)
            .map(|address| address.to_lowercase())
            .collect();
        let list = document["recipients"].as_array().unwrap();
        assert_eq!(list.len(), recipients);
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for one in list {
            let (address, state) = (one["address"].as_str().unwrap(), one["state"].as_str().unwrap());
            *states.entry(state).or_default() += 1;
            match state {
                "accepted" => assert!(taken.iter().any(|other| other == address), "{address} was not taken"),
                "unknown" => {}
                _ => assert!(
                    !taken.iter().any(|other| other == address),
                    "{address} was taken, and is {state}"
                ),
            }
        }
        let totals = document["totals"].as_object().unwrap();
        assert_eq!(totals["recipients"], recipients);
        for (state, count) in totals.iter().filter(|(state, _)| *state != "recipients") {
            assert_eq!(
                count.as_u64(),
                Some(states.get(state.as_str()).copied().unwrap_or(0)),
                "{state}: {totals:?}"
            );
        }
    }
}

impl Said {
    /// The one document.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one document: {error}\n{}\n{}", self.stdout, self.stderr))
    }

    pub(crate) fn total(&self, state: &str) -> u64 {
        self.document()["totals"][state].as_u64().unwrap_or_else(|| panic!("no total {state}: {self:?}"))
    }
}

pub(crate) fn address(number: usize) -> String {
    format!("j{number}@journal.example")
}

pub(crate) fn depeche() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_depeche"));
    command.env_remove("LANG").env_remove("LC_ALL").env_remove("LC_MESSAGES").stdin(Stdio::null());
    command
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
