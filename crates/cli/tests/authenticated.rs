//! `require_authenticated`: a provider whose mail DMARC would refuse is not used.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::Project;
use depeche_testkit::dns::{DnsServer, FakeDns, Fault};
use depeche_testkit::smtp::FakeSmtp;

const BREVO: &str = "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = { env = \"BREVO\" }\n";

/// exemple.fr refuses what is not aligned, and publishes nothing for Brevo.
fn strict() -> FakeDns {
    FakeDns::new()
        .txt("exemple.fr", &["v=spf1 include:mx.ovh.com -all"])
        .txt("_dmarc.exemple.fr", &["v=DMARC1; p=reject"])
        .exists("sender-sib.com")
}

/// Brevo first, then a server on this machine; DNS is what `dns` says.
fn project(dns: FakeDns, servers: Vec<FakeSmtp>) -> (Project, DnsServer) {
    let project = Project::new(servers, 4);
    let server = project.runtime.block_on(dns.start());
    write_config(&project, &server.address().to_string());
    (project, server)
}

fn write_config(project: &Project, nameserver: &str) {
    let toml = std::fs::read_to_string(project.path().join("depeche.toml")).unwrap();
    let toml = toml.split("[dns]").next().unwrap().replace("require_authenticated = false", "");
    let (head, rest) = match toml.split_once("[[provider]]") {
        Some((head, rest)) if !toml.contains("brevo") => {
            (head.to_owned() + BREVO, format!("[[provider]]{rest}"))
        }
        _ if toml.contains("brevo") => (toml, String::new()),
        _ => (toml.replace("[fallback]", &format!("{BREVO}[fallback]")), String::new()),
    };
    project.write("depeche.toml", &format!("{head}{rest}\n[dns]\nnameserver = \"{nameserver}\"\n"));
}

fn run(project: &Project, words: &[&str]) -> common::Said {
    common::said(project.command(words).env("BREVO", "xkeysib-1").output().unwrap())
}

const SEND: [&str; 7] = ["send", "release.md", "--to", "contacts.csv", "--confirm", "4", "--json"];

#[test]
fn a_run_that_no_provider_can_carry_is_refused_before_anybody_is_frozen() {
    let (project, _dns) = project(strict(), vec![]);

    let said = run(&project, &SEND);

    assert_eq!(said.exit, Some(5), "{said:?}");
    let error = &said.document()["error"];
    assert_eq!(error["code"], "domain.unauthenticated");
    assert!(error["message"].as_str().unwrap().contains("brevo: DMARC p=reject"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--unauthenticated"));
    assert_eq!(run(&project, &["runs", "--json"]).document()["runs"], serde_json::json!([]));
}

#[test]
fn a_provider_that_dmarc_would_refuse_is_left_out_and_the_next_carries_the_run() {
    let (project, _dns) = project(strict(), vec![FakeSmtp::new()]);

    let plan = run(&project, &["plan", "release.md", "--to", "contacts.csv", "--json"]);
    let said = run(&project, &SEND);

    let checks = &plan.document()["checks"]["authenticated"];
    assert_eq!(
        (&checks[0]["provider"], &checks[0]["verdict"]),
        (&"brevo".into(), &"blocked".into()),
        "{checks}"
    );
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert_eq!(project.servers[0].accepted().len(), 4);
    assert!(said.stderr.contains("brevo is not used: DMARC p=reject"), "{}", said.stderr);
}

#[test]
fn a_name_server_that_fails_never_blocks_but_the_last_proof_decides() {
    let broken = || {
        [
            "exemple.fr",
            "_dmarc.exemple.fr",
            "brevo1._domainkey.exemple.fr",
            "brevo2._domainkey.exemple.fr",
            "mail._domainkey.exemple.fr",
        ]
        .into_iter()
        .fold(FakeDns::new(), |dns, name| dns.fault(name, Fault::ServFail))
    };
    let plan = |project: &Project| {
        let said = run(project, &["plan", "release.md", "--to", "contacts.csv", "--json"]);
        said.document()["checks"]["authenticated"][0].clone()
    };

    let (fresh, _dns) = project(broken(), vec![FakeSmtp::new()]);
    assert_eq!(plan(&fresh)["verdict"], "not checked");

    let (known, _dns) = project(strict(), vec![FakeSmtp::new()]);
    assert_eq!(plan(&known)["verdict"], "blocked");
    let failing = known.runtime.block_on(broken().start());
    write_config(&known, &failing.address().to_string());
    let verdict = plan(&known);
    assert_eq!(verdict["verdict"], "blocked", "{verdict}");
    let today = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    assert!(verdict["reason"].as_str().unwrap().contains(&today), "{verdict}");
}

#[test]
fn a_policy_of_none_and_the_users_own_word_let_it_pass() {
    let lenient = FakeDns::new()
        .txt("exemple.fr", &["v=spf1 -all"])
        .txt("_dmarc.exemple.fr", &["v=DMARC1; p=none"])
        .exists("sender-sib.com");
    let (first, _dns) = project(lenient, vec![FakeSmtp::new()]);
    let said = run(&first, &["plan", "release.md", "--to", "contacts.csv", "--json"]);
    assert_eq!(said.document()["checks"]["authenticated"][0]["verdict"], "no", "{said:?}");

    let (second, _dns) = project(strict(), vec![FakeSmtp::new()]);
    let words = [&SEND[..], &["--unauthenticated", "--route", "first"]].concat();
    let said = run(&second, &words);
    assert_eq!(said.exit, Some(0), "{said:?}");
    assert!(!said.stderr.contains("DMARC"), "{}", said.stderr);
}
