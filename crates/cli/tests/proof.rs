//! Keys of one's own, and what speaks about a provider beside DNS: a message, the provider itself.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use common::{IDENTITY, Project, depeche, said};
use depeche_testkit::http::{HttpStub, Says};
use depeche_testkit::smtp::FakeSmtp;

const ZONE: &str = "$ORIGIN exemple.fr.\n@ 300 IN TXT \"v=spf1 ip4:192.0.2.7 -all\"\n@ IN MX 1 mx\nmx IN A 192.0.2.9\n\
    _dmarc 300 IN TXT \"v=DMARC1; p=reject; rua=mailto:d@exemple.fr\"\n";

/// A folder with depeche.toml, whose providers are `providers`.
fn folder(providers: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("depeche.toml"), format!("{IDENTITY}{providers}")).unwrap();
    folder
}

fn run(folder: &tempfile::TempDir, words: &[&str]) -> common::Said {
    let said =
        said(depeche().args(words).args(["--lang", "en"]).current_dir(folder.path()).output().unwrap());
    common::schemas::judge(words, &said.stdout);
    said
}

fn write(folder: &tempfile::TempDir, file: &str, text: &str) {
    std::fs::write(folder.path().join(file), text).unwrap();
}

#[test]
fn a_key_is_made_suggested_published_and_proved() {
    for algorithm in ["rsa", "ed25519"] {
        let relay = "[[provider]]\nname = \"relay\"\nkind = \"smtp\"\nhost = \"relay.example\"\n\
            dkim = { domain = \"exemple.fr\", selector = \"s1\", key = { file = \"dkim-s1.pem\" } }\n";
        let folder = folder(relay);

        let made = run(&folder, &["domain", "key", "exemple.fr", "--algorithm", algorithm, "--json"]);
        assert_eq!(made.exit, Some(0), "{made:?}");
        let record = made.document()["record"]["value"].as_str().unwrap().to_owned();
        assert_eq!(made.document()["record"]["name"], "s1._domainkey.exemple.fr");
        write(&folder, "bare.zone", ZONE);
        let suggested = run(&folder, &["domain", "suggest", "exemple.fr", "--zone", "bare.zone"]);
        // What is suggested is what was made, and publishing it is enough.
        let quoted =
            record.as_bytes().chunks(255).map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
        let line = format!("s1._domainkey.exemple.fr. 3600 IN TXT {}", quoted.collect::<Vec<_>>().join(" "));
        assert!(suggested.stdout.contains(&line), "{line}\n{suggested:?}");
        write(&folder, "new.zone", &suggested.stdout);
        let checked = run(&folder, &["domain", "check", "exemple.fr", "--zone", "new.zone", "--json"]);
        let leg = &checked.document()["domains"][0]["providers"][0]["legs"][0];
        assert_eq!((&leg["aligned"], &leg["evidence"]), (&"yes".into(), &"dns".into()), "{leg:#}");

        // Another key under the same name: every signature would fail, and nothing else shows it.
        let other =
            run(&folder, &["domain", "key", "exemple.fr", "-o", "other.pem", "--algorithm", algorithm]);
        write(&folder, "other.zone", &format!("{ZONE}{}", other.stdout));
        let checked = run(&folder, &["domain", "check", "exemple.fr", "--zone", "other.zone", "--json"]);
        let document = checked.document();
        assert_eq!(document["domains"][0]["providers"][0]["legs"][0]["aligned"], "no", "{document:#}");
        let found = document["domains"][0]["findings"].as_array().unwrap();
        let is_about = |one: &&serde_json::Value| one["message"].as_str().unwrap().contains("another key");
        let finding = found.iter().find(is_about).unwrap_or_else(|| panic!("{document:#}"));
        assert_eq!(finding["fix"].as_str(), Some(line.as_str()));
    }
}

#[test]
fn a_private_key_is_its_owners_alone_and_never_overwritten() {
    let folder = folder("");

    assert_eq!(run(&folder, &["domain", "key", "exemple.fr"]).exit, Some(0));
    let again = run(&folder, &["domain", "key", "exemple.fr", "--json"]);

    assert_eq!(again.exit, Some(2), "{again:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("dkim-s1.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn init_makes_a_key_when_asked() {
    let folder = tempfile::tempdir().unwrap();

    let made = run(&folder, &["init", "presse", "--dkim", "exemple.fr", "--json"]);

    assert_eq!(made.exit, Some(0), "{made:?}");
    let record = made.document()["record"].clone();
    assert_eq!(record["name"], "s1._domainkey.exemple.fr");
    assert!(record["value"].as_str().unwrap().starts_with("v=DKIM1; k=rsa; p="));
    let pem = std::fs::read_to_string(folder.path().join("presse/dkim.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    let words = ["-C", "presse", "config", "check"];
    let mut check = depeche();
    let checked = check.args(words).env("OVH_PASSWORD", "x").current_dir(folder.path()).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// A message that went through OVH, signed for exemple.fr, and the zone with its key: made by sending.
fn received() -> (tempfile::TempDir, Project) {
    let signs = "dkim = { domain = \"exemple.fr\", selector = \"s1\", key = { file = \"dkim-s1.pem\" } }";
    let project = Project::with(vec![FakeSmtp::new()], 1, signs, "");
    let made = project.run(&["domain", "key", "exemple.fr"]);
    let sent = project.send(1, &[]);
    assert_eq!(sent.exit, Some(0), "{sent:?}");
    let ovh = "# our chain\n[[provider]]\nname = \"ovh\"  # first\nkind = \"smtp\"\npreset = \"ovh-mxplan\"\n\
        # ask Jeanne for the password\nusername = \"presse@exemple.fr\"\npassword = { env = \"P\" }\n";
    let folder = folder(ovh);
    let message = project.servers[0].messages().remove(0).bytes;
    std::fs::write(folder.path().join("received.eml"), message).unwrap();
    write(&folder, "exemple.zone", &format!("{ZONE}{}", made.stdout));
    (folder, project)
}

#[test]
fn a_message_proves_the_leg_that_dns_alone_cannot() {
    let (folder, _project) = received();
    let check = ["domain", "check", "exemple.fr", "--zone", "exemple.zone", "--json"];

    let alone = run(&folder, &check);
    let with = run(&folder, &[&check[..], &["--message", "ovh=received.eml"]].concat());

    let leg = |said: &common::Said| said.document()["domains"][0]["providers"][0]["legs"][0].clone();
    assert_eq!(leg(&alone)["aligned"], "cannot-tell", "{alone:?}");
    assert_eq!(
        (&leg(&with)["aligned"], &leg(&with)["evidence"]),
        (&"yes".into(), &"message".into()),
        "{with:?}"
    );
    // A message that was changed proves nothing, and that is said.
    let text = std::fs::read_to_string(folder.path().join("received.eml")).unwrap();
    write(&folder, "changed.eml", &text.replacen("Grenoble", "Lyon", 1));
    let changed = run(&folder, &[&check[..], &["--message", "ovh=changed.eml"]].concat());
    assert_eq!(leg(&changed)["aligned"], "cannot-tell");
    assert!(changed.stderr.contains("changed.eml proves nothing"), "{changed:?}");
}

#[test]
fn a_received_message_teaches_its_selectors_and_comments_stay() {
    let (folder, _project) = received();
    let verify = ["message", "verify", "received.eml", "--zone", "exemple.zone", "--json"];

    let unclear = run(&folder, &[&verify[..], &["--learn"]].concat());
    let learned = run(&folder, &[&verify[..], &["--learn=ovh"]].concat());
    let again = run(&folder, &[&verify[..], &["--learn=ovh"]].concat());

    // Its key has no CNAME into OVH's zone, so nobody can tell whose it is.
    assert_eq!(unclear.exit, Some(2), "{unclear:?}");
    assert_eq!(learned.exit, Some(0), "{learned:?}");
    assert_eq!(learned.document()["learned"][0]["selectors"][0], "s1");
    assert_eq!(again.document()["learned"][0]["selectors"].as_array().map(Vec::len), Some(0));
    let toml = std::fs::read_to_string(folder.path().join("depeche.toml")).unwrap();
    for kept in ["# our chain", "# first", "# ask Jeanne for the password", "selectors = [\"s1\"]"] {
        assert!(toml.contains(kept), "{kept}\n{toml}");
    }
    let checked = run(&folder, &["domain", "check", "exemple.fr", "--zone", "exemple.zone", "--json"]);
    assert_eq!(checked.document()["domains"][0]["providers"][0]["legs"][0]["aligned"], "yes");
}

/// The key alone is known: whether the domain has a policy was not looked at, so nothing passes for it.
#[test]
fn a_message_against_a_few_lines_leaves_open_what_they_do_not_say() {
    let (folder, _project) = received();
    let zone = std::fs::read_to_string(folder.path().join("exemple.zone")).unwrap();
    let key: String =
        zone.lines().filter(|line| line.contains("_domainkey")).map(|l| format!("{l}\n")).collect();
    write(&folder, "key.zone", &key);

    let said = run(&folder, &["message", "verify", "received.eml", "--zone", "key.zone", "--json"]);

    assert_eq!(said.document()["dkim"][0]["result"], "pass", "{said:?}");
    assert_eq!(said.document()["dmarc"]["result"], "temperror", "{said:?}");
    assert_eq!(said.exit, Some(7), "{said:?}");
}

#[test]
fn a_strangers_message_teaches_nothing() {
    let (folder, _project) = received();
    let toml = || std::fs::read_to_string(folder.path().join("depeche.toml")).unwrap();
    write(&folder, "depeche.toml", &toml().replace("presse@exemple.fr", "presse@moi.example"));
    let before = toml();
    let verify = ["message", "verify", "received.eml", "--zone", "exemple.zone", "--json", "--learn=ovh"];

    let refused = run(&folder, &verify);

    assert_eq!(refused.exit, Some(2), "{refused:?}");
    assert_eq!(refused.document()["error"]["code"], "learn.stranger", "{refused:?}");
    assert_eq!(toml(), before);
}

#[test]
fn spf_comes_from_the_users_own_mail_server_only_when_it_is_trusted() {
    let (folder, _project) = received();
    let text = std::fs::read_to_string(folder.path().join("received.eml")).unwrap();
    let hop = "Return-Path: <presse@exemple.fr>\r\nReceived: from mo.example (mo.example [192.0.2.7]) by mx.journal.example (Postfix) with ESMTPS id 1; Fri, 27 Nov 2026 10:00:00 +0100\r\n";
    write(&folder, "received.eml", &format!("{hop}{text}"));
    let verify = ["message", "verify", "received.eml", "--zone", "exemple.zone", "--json"];

    let alone = run(&folder, &verify);
    let trusted = run(&folder, &[&verify[..], &["--trust", "journal.example"]].concat());

    assert!(alone.document()["spf"].is_null(), "{alone:?}");
    let document = trusted.document();
    assert_eq!((&document["spf"]["result"], &document["client"]), (&"pass".into(), &"192.0.2.7".into()));
    assert_eq!(document["dmarc"]["aligned_by"].as_array().map(Vec::len), Some(2), "{document:#}");
}

#[test]
fn a_provider_that_does_not_know_the_domain_outweighs_good_records() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let answer = |authenticated: bool| {
        let body = format!(
            "{{\"domains\":[{{\"domain_name\":\"exemple.fr\",\"authenticated\":{authenticated},\"verified\":true}}],\"count\":1}}"
        );
        runtime.block_on(HttpStub::start(move |_| Says::json(200, &body)))
    };
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    for (authenticated, aligned, evidence, rewrites) in
        [(true, "yes", "dns", "no"), (false, "no", "api", "yes")]
    {
        let stub = answer(authenticated);
        let url = stub.base_url();
        let folder = folder(&format!(
            "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\nbase_url = \"{url}\"\napi_key = {{ env = \"KEY\" }}\n"
        ));
        write(
            &folder,
            "exemple.zone",
            &format!(
                "{ZONE}brevo1._domainkey CNAME b1.exemple-fr.dkim.brevo.com.\n\
                 brevo2._domainkey CNAME b2.exemple-fr.dkim.brevo.com.\n\
                 b1.exemple-fr.dkim.brevo.com. TXT \"{key}\"\nb2.exemple-fr.dkim.brevo.com. TXT \"{key}\"\n"
            ),
        );
        let words = [
            "domain",
            "check",
            "exemple.fr",
            "--zone",
            "exemple.zone",
            "--ask-providers",
            "--json",
            "--lang",
            "en",
        ];

        let checked =
            said(depeche().args(words).env("KEY", "k").current_dir(folder.path()).output().unwrap());

        let provider = checked.document()["domains"][0]["providers"][0].clone();
        let leg = &provider["legs"][0];
        assert_eq!((&leg["aligned"], &leg["evidence"]), (&aligned.into(), &evidence.into()), "{checked:?}");
        assert_eq!(provider["rewrites_from"], rewrites);
    }
}

/// The account's number in a selector cannot be guessed; OVHcloud knows it.
#[test]
fn the_selectors_of_exchange_are_asked_of_ovhcloud() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stub = runtime.block_on(HttpStub::start(|seen| match seen.target.as_str() {
        "/1.0/auth/time" => Says::json(200, "1700000000"),
        _ => Says::json(200, "[\"ovhex123456-selector1\"]"),
    }));
    let server = runtime.block_on(FakeSmtp::new().start());
    let folder = folder(&format!(
        "[[provider]]\nname = \"exchange\"\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         ovh = {{ organization = \"o1\", service = \"s1\", application_key = \"a1\", application_secret = {{ env = \"KEY\" }}, \
         consumer_key = {{ env = \"KEY\" }}, base_url = \"{}/1.0\" }}\n",
        server.port(),
        stub.base_url()
    ));
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    write(&folder, "exemple.zone", &format!("{ZONE}ovhex123456-selector1._domainkey TXT \"{key}\"\n"));
    let run = |words: &[&str], lang: &str| {
        let mut command = depeche();
        command.args(words).args(["--lang", lang]).env("KEY", "k").current_dir(folder.path());
        let said = said(command.output().unwrap());
        common::schemas::judge(words, &said.stdout);
        said
    };

    let check = ["domain", "check", "exemple.fr", "--zone", "exemple.zone", "--json"];
    let leg = |words: &[&str]| {
        run(words, "en").document()["domains"][0]["providers"][0]["legs"][0]["aligned"].clone()
    };
    assert_ne!(leg(&check), "yes", "nobody knows the selector");
    let asking = [&check[..], &["--ask-providers"]].concat();
    assert_eq!(leg(&asking), "yes");

    let told = run(&["provider", "test"], "fr");
    assert!(told.stdout.contains("OVHcloud signe pour exemple.fr sous : ovhex123456-selector1"), "{told:?}");
    let document = run(&["provider", "test", "--json"], "en").document();
    assert_eq!(document["providers"][0]["selectors"][0], "ovhex123456-selector1", "{document:#}");
    // Its secrets are no condition of sending.
    let mut plan = depeche();
    let plan = plan.args(["config", "check"]).env_remove("KEY").current_dir(folder.path()).output().unwrap();
    assert!(plan.status.success(), "{plan:?}");
}

/// The news that a press officer needs before the outage, in both languages and as JSON.
#[test]
fn a_plan_says_what_the_loss_of_an_operator_breaks_and_its_cure() {
    use depeche_testkit::dns::FakeDns;
    let project = Project::new(vec![], 2);
    let dns = FakeDns::new()
        .ns("exemple.fr", "dns19.ovh.net")
        .ns("exemple.fr", "ns19.ovh.net")
        .mx("exemple.fr", 1, "mx1.mail.ovh.net")
        .txt("exemple.fr", &["v=spf1 ip4:192.0.2.7 -all"])
        .txt("_dmarc.exemple.fr", &["v=DMARC1; p=reject"]);
    let server = project.runtime.block_on(dns.start());
    let providers = "[[provider]]\nname = \"ovh\"\nkind = \"smtp\"\npreset = \"ovh-mxplan\"\nusername = \"a\"\npassword = { env = \"P\" }\n\
        [[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = { env = \"K\" }\n";
    let toml = format!("{IDENTITY}{providers}[dns]\nnameserver = \"{}\"\n", server.address());
    project.write("depeche.toml", &toml);
    let plan = |more: &[&str]| {
        let words = [&["plan", "release.md", "--to", "contacts.csv", "--assume-down", "ovh"], more].concat();
        let mut command = depeche();
        said(command.args(words).env("P", "x").env("K", "x").current_dir(project.path()).output().unwrap())
    };

    let document = plan(&["--json"]).document();
    let human = plan(&["--lang", "fr"]);

    let survey = &document["assume_down"][0];
    assert_eq!((&survey["name"], &survey["operators"][0]), (&"ovh".into(), &"OVH".into()), "{document:#}");
    let parts = survey["parts"].as_array().unwrap();
    let state = |part: &str, name: &str| {
        let found = parts.iter().find(|one| one["part"] == part && one["name"] == name);
        found.map(|one| one["state"].as_str().unwrap().to_owned())
    };
    for (part, name) in [
        ("provider", "ovh"),
        ("provider", "brevo"),
        ("dns", "exemple.fr"),
        ("from", "exemple.fr"),
        ("link", "exemple.fr"),
    ] {
        assert_eq!(state(part, name).as_deref(), Some("breaks"), "{part} {name}: {survey:#}");
    }
    assert!(
        parts.iter().any(|one| one["cure"].as_str().is_some_and(|cure| cure.contains("second DNS operator")))
    );
    assert_eq!(human.exit, Some(0), "{human:?}");
    assert!(
        human.stdout.contains("sans ovh (OVH)") && human.stdout.contains("second opérateur DNS"),
        "{human:?}"
    );
}

/// depeche.toml as it is on the day of sending, with a name server on loopback, and what a plan says then of
/// the first provider.
fn on_the_day(
    folder: &tempfile::TempDir,
    project: &Project,
    providers: &str,
    dns: &str,
) -> serde_json::Value {
    write(folder, "depeche.toml", &format!("{IDENTITY}{providers}[dns]\nnameserver = \"{dns}\"\n"));
    for file in ["release.md", "contacts.csv"] {
        std::fs::copy(project.path().join(file), folder.path().join(file)).unwrap();
    }
    let words = ["plan", "release.md", "--to", "contacts.csv", "--json", "--lang", "en"];
    let plan = said(
        depeche().args(words).env("KEY", "k").env("P", "p").current_dir(folder.path()).output().unwrap(),
    );
    assert_eq!(plan.exit, Some(0), "{plan:?}");
    plan.document()["checks"]["authenticated"][0].clone()
}

#[test]
fn on_the_day_of_sending_a_message_that_was_kept_proves_the_leg_that_dns_cannot() {
    use depeche_testkit::dns::FakeDns;
    let (folder, project) = received();
    let zone = std::fs::read_to_string(folder.path().join("exemple.zone")).unwrap();
    let line = zone.lines().find(|line| line.starts_with("s1._domainkey")).unwrap();
    let key: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
    let dns = FakeDns::new()
        .txt("exemple.fr", &["v=spf1 -all"])
        .txt("_dmarc.exemple.fr", &["v=DMARC1; p=reject"])
        .exists("_domainkey.exemple.fr")
        .txt("s1._domainkey.exemple.fr", &key)
        .txt("mx.ovh.com", &["v=spf1 ip4:192.0.2.0/24 ?all"]);
    let server = project.runtime.block_on(dns.start());
    let address = server.address().to_string();
    let ovh = "[[provider]]\nname = \"ovh\"\nkind = \"smtp\"\npreset = \"ovh-mxplan\"\nusername = \"a\"\npassword = { env = \"P\" }\n";

    let before = on_the_day(&folder, &project, ovh, &address);
    // Against a proposed zone nothing is kept: receivers see another one.
    run(
        &folder,
        &["domain", "check", "exemple.fr", "--zone", "exemple.zone", "--message", "ovh=received.eml"],
    );
    let proposed = on_the_day(&folder, &project, ovh, &address);
    run(
        &folder,
        &["domain", "check", "exemple.fr", "--nameserver", &address, "--message", "ovh=received.eml"],
    );
    let after = on_the_day(&folder, &project, ovh, &address);

    assert_eq!(before["verdict"], "not checked", "{before:#}");
    assert_eq!(proposed["verdict"], "not checked", "{proposed:#}");
    assert_eq!(after["verdict"], "yes", "{after:#}");
    let leg = &after["legs"][0];
    assert_eq!((&leg["method"], &leg["evidence"]), (&"dkim".into(), &"message".into()), "{after:#}");
    let today = jiff::Timestamp::now().strftime("(seen on %Y-%m").to_string();
    assert!(leg["reason"].as_str().unwrap().contains(&today), "{leg:#}");
}

#[test]
fn on_the_day_of_sending_a_provider_that_said_no_is_blocked_until_it_says_yes() {
    use depeche_testkit::dns::FakeDns;
    let project = Project::new(vec![], 1);
    let folder = folder("");
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let dns = FakeDns::new()
        .txt("exemple.fr", &["v=spf1 -all"])
        .txt("_dmarc.exemple.fr", &["v=DMARC1; p=reject"])
        .cname("brevo1._domainkey.exemple.fr", "b1.exemple-fr.dkim.brevo.com")
        .cname("brevo2._domainkey.exemple.fr", "b2.exemple-fr.dkim.brevo.com")
        .txt("b1.exemple-fr.dkim.brevo.com", &[key])
        .txt("b2.exemple-fr.dkim.brevo.com", &[key]);
    let server = project.runtime.block_on(dns.start());
    let address = server.address().to_string();
    let brevo = "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = { env = \"KEY\" }\n";
    let asked = |authenticated: bool| {
        let body = format!(
            "{{\"email\":\"p@exemple.fr\",\"companyName\":\"Exemple\",\"firstName\":\"J\",\"lastName\":\"M\",\"address\":{{}},\
            \"plan\":[{{\"type\":\"free\",\"creditsType\":\"sendLimit\",\"credits\":300}}],\
            \"domains\":[{{\"domain_name\":\"exemple.fr\",\"authenticated\":{authenticated},\"verified\":true}}],\"count\":1}}"
        );
        let stub = project.runtime.block_on(HttpStub::start(move |_| Says::json(200, &body)));
        let stubbed = format!("{brevo}base_url = \"{}\"\n", stub.base_url());
        write(&folder, "depeche.toml", &format!("{IDENTITY}{stubbed}"));
        let words = ["provider", "test", "brevo", "--json", "--lang", "en"];
        let tested = said(depeche().args(words).env("KEY", "k").current_dir(folder.path()).output().unwrap());
        assert_eq!(tested.exit, Some(0), "{tested:?}");
        assert_eq!(tested.document()["providers"][0]["authenticated"], authenticated);
    };

    let by_dns = on_the_day(&folder, &project, brevo, &address);
    asked(false);
    let refused = on_the_day(&folder, &project, brevo, &address);
    let words = ["send", "release.md", "--to", "contacts.csv", "--confirm", "1", "--json", "--lang", "en"];
    let send = said(depeche().args(words).env("KEY", "k").current_dir(folder.path()).output().unwrap());
    asked(true);
    let again = on_the_day(&folder, &project, brevo, &address);

    assert_eq!((&by_dns["verdict"], &by_dns["legs"][0]["evidence"]), (&"yes".into(), &"dns".into()));
    assert_eq!((&refused["verdict"], &refused["legs"][0]["evidence"]), (&"blocked".into(), &"api".into()));
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("heard on") && reason.contains("depeche provider test brevo"), "{reason}");
    assert_eq!((send.exit, &send.document()["error"]["code"]), (Some(5), &"domain.unauthenticated".into()));
    assert_eq!(again["verdict"], "yes", "{again:#}");
}

/// A key in the place of Brevo's alias may be Brevo's or not: that blocks nothing, and is no "yes". Another
/// customer's key is a proof.
#[test]
fn on_the_day_of_sending_what_is_not_known_blocks_nobody_and_a_wrong_target_does() {
    use depeche_testkit::dns::FakeDns;
    let project = Project::new(vec![], 1);
    let folder = folder("");
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let brevo = "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\napi_key = { env = \"KEY\" }\n";
    let strict = || {
        FakeDns::new()
            .txt("exemple.fr", &["v=spf1 -all"])
            .txt("_dmarc.exemple.fr", &["v=DMARC1; p=reject"])
            .txt("b1.other-fr.dkim.brevo.com", &[key])
    };
    let own = ["brevo1._domainkey.exemple.fr", "brevo2._domainkey.exemple.fr"];
    let bare = own.into_iter().fold(strict(), |dns, name| dns.txt(name, &[key]));
    let wrong = own.into_iter().fold(strict(), |dns, name| dns.cname(name, "b1.other-fr.dkim.brevo.com"));
    for (dns, verdict) in [(bare, "not checked"), (wrong, "blocked")] {
        let server = project.runtime.block_on(dns.start());
        let seen = on_the_day(&folder, &project, brevo, &server.address().to_string());
        assert_eq!(seen["verdict"], verdict, "{seen:#}");
    }
}
