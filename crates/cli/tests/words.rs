//! What users see, in both languages. A change shows as a change of `snapshots/`.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, Said, address, depeche, said};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

const LANGUAGES: [&str; 2] = ["en", "fr"];

/// Ports, times, days and folders are the same every time.
fn steady(project: &Project, text: &str) -> String {
    let mut text = text.replace(&project.path().display().to_string(), "FOLDER");
    for server in &project.servers {
        text = text.replace(&server.port().to_string(), "PORT");
    }
    // Who of two that moved to the spare at one moment came there first is a matter of microseconds.
    for number in 1..10 {
        text = text.replace(&format!("F00000{number}"), "F00000N");
    }
    without_times(&project.steady_day(&text))
}

/// `09:12` becomes `HH:MM`.
fn without_times(text: &str) -> String {
    let bytes = text.as_bytes();
    let digits =
        |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let mut steady = String::new();
    let mut skip = 0;
    for (at, character) in text.char_indices() {
        if skip > 0 {
            skip -= 1;
        } else if digits(at, at + 2)
            && bytes.get(at + 2) == Some(&b':')
            && digits(at + 3, at + 5)
            && !digits(at + 5, at + 6)
        {
            steady.push_str("HH:MM");
            skip = 4;
        } else {
            steady.push(character);
        }
    }
    steady
}

fn shown(project: &Project, words: &[&str], lang: &str) -> String {
    let mut command = depeche();
    command.args(words).args(["--lang", lang]).current_dir(project.path());
    let Said { exit, stdout, stderr } = said(command.output().unwrap());
    let text =
        format!("$ depeche {}\n{stdout}--- stderr\n{stderr}--- exit {}\n", words.join(" "), exit.unwrap());
    steady(project, &text)
}

/// One page a file, so that a change of one command shows as a change of its page alone.
#[test]
fn help_tells_every_command() {
    let project = Project::new(vec![], 0);
    let pages = [
        "",
        "init",
        "config",
        "config check",
        "config show",
        "release",
        "release new",
        "release lint",
        "release render",
        "contacts",
        "contacts check",
        "contacts convert",
        "plan",
        "send",
        "resume",
        "pause",
        "work",
        "serve",
        "sync",
        "reconcile",
        "take-over",
        "mirror",
        "mirror compact",
        "cancel",
        "runs",
        "status",
        "resolve",
        "report",
        "suppress",
        "suppress add",
        "suppress list",
        "suppress remove",
        "suppress forget",
        "suppress pull",
        "suppress push",
        "provider",
        "provider list",
        "provider test",
        "provider status",
        "provider outage",
        "domain",
        "domain check",
        "domain spf",
        "domain suggest",
        "domain key",
        "message",
        "message verify",
        "message compare",
        "explain",
        "completions",
        "config schema",
        "man",
        "schema",
    ];
    for lang in LANGUAGES {
        for page in pages {
            let words: Vec<&str> = page.split_whitespace().chain(["--help"]).collect();
            let name = format!("help_{lang}_{}", page.replace(' ', "_"));
            insta::assert_snapshot!(name.trim_end_matches('_'), shown(&project, &words, lang));
        }
    }
}

#[test]
fn a_slip_of_the_command_line_says_what_to_type() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    let slips = [
        &["sned"][..],
        &["send"],
        &["send", "release.md", "--too", "contacts.csv"],
        &["send", "release.md", "--to"],
        &["send", "release.md", "--to", "contacts.csv", "--on-unknown", "resnd"],
        &["send", "release.md", "--to", "contacts.csv", "--limit", "ten"],
        &["resolve", "x", "--sent", "--resend", "--reason", "y"],
        &["status", "a", "b"],
        &["provider", "sttus"],
        &["plan", "release.md", "--to", "contacts.csv", "--where", "lnag = fr"],
        &["plan", "release.md", "--to", "contacts.csv", "--where", "outlet = Le Progrès"],
        &["plan", "release.md", "--to", "contacts.csv", "--route", "frist"],
        &["plan", "release.md", "--to", "contacts.csv", "--exclude", "nothing"],
        &["plan", "absent.md", "--to", "contacts.csv"],
        &["status", "nothing"],
        &["explain", "embrgo-no-zone"],
        &["status", "--color", "never", "--color", "always"],
    ];
    for lang in LANGUAGES {
        let text: Vec<String> = slips.iter().map(|words| shown(&project, words, lang)).collect();
        insta::assert_snapshot!(format!("slips_{lang}"), text.join("\n"));
    }
}

#[test]
fn a_bad_list_names_its_rows_and_cures() {
    let project = Project::new(vec![], 0);
    project.write(
        "contacts.csv",
        "email;Prénom;embargo;tier;status\nana;Ana;oui;1;\nzoe@example.org;Zoé;peut-être;x;\n\
         zoe@example.org;=1+1;;;\nmax@example.org;Max;;2;désinscrit\n\"Hugo\" <hugo@ex.org>;;;;\n\
         léa@exemple.fr;L\u{202e}éa;;;\nzoe@EXAMPLE.org;Zoé;;;\n",
    );
    for lang in LANGUAGES {
        insta::assert_snapshot!(
            format!("bad_list_{lang}"),
            shown(&project, &["contacts", "check", "contacts.csv"], lang)
        );
    }
}

#[test]
fn errors_of_a_configuration_have_a_place_a_caret_and_a_cure() {
    let project = Project::new(vec![FakeSmtp::new()], 2);
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let wrong = toml
        .replace("tls = \"none\"", "tls = \"nnoe\"\nusrname = \"x\"")
        .replace("reply_to", "repli_to")
        .replace("[fallback]", "[fallback]\nsuspect_after = \"15 seconds\"\non_unknown = \"holt\"");
    project.write("depeche.toml", &wrong);
    for lang in LANGUAGES {
        insta::assert_snapshot!(format!("config_errors_{lang}"), shown(&project, &["config", "check"], lang));
    }
}

#[test]
fn a_plan_says_who_gets_it_through_whom() {
    let project = Project::new(vec![FakeSmtp::new(), FakeSmtp::new()], 0);
    let list = format!(
        "email,first_name,outlet,tier\n{},Zoé,Le Progrès,2\nana.silva,Ana,X,1\n{},Max,,1\n{},Zoé,Le Progrès,\n",
        address(1),
        address(2),
        address(1)
    );
    project.write("contacts.csv", &list);
    for lang in LANGUAGES {
        let words = ["plan", "release.md", "--to", "contacts.csv"];
        insta::assert_snapshot!(format!("plan_{lang}"), shown(&project, &words, lang));
    }
}

#[test]
fn a_crisis_is_told_in_plain_words_with_the_next_command() {
    for lang in LANGUAGES {
        let first = FakeSmtp::new()
            .rule(Rule::at(Phase::FinalDot).at_message(3).does(Fault::Reset))
            .rule(Rule::at(Phase::Rcpt).for_recipient(&address(1)).replies("550 5.1.1 no such user"))
            .rule(Rule::at(Phase::Mail).from_message(6).does(Fault::Die(None)));
        let second = FakeSmtp::new().rule(Rule::at(Phase::Mail).from_message(4).does(Fault::Die(None)));
        // Five refusals set the first aside. Nobody waits behind those five: who of them, or of the next, is
        // first at the second provider would be a matter of microseconds.
        // Nor is anybody announced to the first while it falls, for the same reason.
        let one_by_one = "limits = { connections = 1 }\npipeline_next = false";
        let project = Project::with(vec![first, second], 10, one_by_one, "");

        let send = shown(&project, &["send", "release.md", "--to", "contacts.csv", "--confirm", "10"], lang);
        let status = shown(&project, &["status"], lang);
        let report = shown(&project, &["report"], lang);
        let sheet = shown(&project, &["report", "--call-sheet"], lang);
        let runs = shown(&project, &["runs"], lang);

        insta::assert_snapshot!(format!("crisis_{lang}"), [send, status, report, sheet, runs].join("\n"));
    }
}

#[test]
fn the_outbox_says_that_nothing_was_sent() {
    let project = Project::new(vec![], 2);
    std::fs::remove_file(project.path().join("depeche.toml")).unwrap();
    for lang in LANGUAGES {
        let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "2", "--outbox", "out"];
        insta::assert_snapshot!(format!("outbox_{lang}"), shown(&project, &words, lang));
    }
}

#[test]
fn a_missing_field_prints_the_default_and_the_selection() {
    let project = Project::new(vec![FakeSmtp::new()], 0);
    project.write("contacts.csv", &format!("email,first_name\n{},\n{},Max\n", address(1), address(2)));
    for lang in LANGUAGES {
        let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "2"];
        insta::assert_snapshot!(format!("missing_field_{lang}"), shown(&project, &words, lang));
    }
}

#[test]
fn the_lint_names_rule_line_and_cure() {
    let project = Project::new(vec![], 0);
    let release = "---\ntitle: \"ESSAI EN CAPITALES\"\nlang: fr\nembargo: \"2026-12-03 08:00\"\n---\nSous embargo jusqu’au 4 décembre.\n\n![](photo.png)\n\n<b>x</b>\n";
    project.write("release.md", release);
    project.write("odd.md", "---\ntitel: Essai\n---\nX\n");
    for lang in LANGUAGES {
        let both = ["release.md", "odd.md"].map(|file| shown(&project, &["release", "lint", file], lang));
        insta::assert_snapshot!(format!("lint_{lang}"), both.join("\n"));
    }
}
