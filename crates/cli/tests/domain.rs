//! `domain`: verdicts through the real binary, over a real DNS server on loopback.

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "domain/baseline.rs"]
mod baseline;
mod common;
#[path = "../../domain/tests/common/mod.rs"]
mod suites;

use std::process::Output;

use serde_json::Value;

fn depeche(words: &[&str]) -> Output {
    let output = common::depeche().args(words).args(["--lang", "en"]).output().unwrap();
    common::schemas::judge(words, &String::from_utf8_lossy(&output.stdout));
    output
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn spf(server: &str, case: &Value) -> Output {
    let text = |key: &str| case[key].as_str().unwrap();
    let (ip, from, helo) = (text("ip"), text("mailfrom"), text("helo"));
    depeche(&[
        "domain",
        "spf",
        "--ip",
        ip,
        "--mail-from",
        from,
        "--helo",
        helo,
        "--nameserver",
        server,
        "--json",
    ])
}

fn complaint(server: &str, case: &Value) -> Option<String> {
    let output = spf(server, case);
    let document = document(&output);
    let result = document["result"].as_str().unwrap_or_default();
    let expected: Vec<&str> = case["results"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let exit = if result == "temperror" { 7 } else { 0 };
    let is_right = expected.contains(&result)
        && output.status.code() == Some(exit)
        && document["exit"] == exit
        && (result == "fail" || document["explanation"].is_null());
    (!is_right).then(|| format!("{}: {result} instead of {expected:?}", case["id"]))
}

#[test]
fn every_case_of_the_openspf_suite_ends_the_same_through_the_command() {
    let Some(file) = suites::suite("spf/rfc7208.json") else { return };
    let scenarios: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let servers: Vec<_> = scenarios
        .iter()
        .map(|scenario| runtime.block_on(suites::openspf_server(&scenario["zone"]).start()))
        .collect();
    let cases: Vec<(String, &Value)> = scenarios
        .iter()
        .zip(&servers)
        .flat_map(|(scenario, server)| {
            let address = server.address().to_string();
            scenario["tests"].as_array().unwrap().iter().map(move |case| (address.clone(), case))
        })
        .collect();
    // Some cases wait for a server that never answers: many at a time.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let chunk = |cases: &[(String, &Value)]| -> Vec<String> {
            cases.iter().filter_map(|(server, case)| complaint(server, case)).collect()
        };
        let workers: Vec<_> = cases.chunks(13).map(|cases| scope.spawn(move || chunk(cases))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });

    eprintln!("openspf RFC 7208 through `domain spf`: {} of {}", cases.len() - wrong.len(), cases.len());
    assert_eq!(cases.len(), 203);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ZONE: &str = "@ 3600 IN TXT \"v=spf1 ip4:192.0.2.0/24 include:other.example.org -all\"\nother 3600 IN TXT \"v=spf1 ?all\"\n";

#[test]
fn a_zone_file_is_checked_before_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let zone = folder.path().join("example.org.zone");
    std::fs::write(&zone, ZONE).unwrap();
    let words = |ip| {
        [
            "domain",
            "spf",
            "--ip",
            ip,
            "--mail-from",
            "a@example.org",
            "--helo",
            "h.example.org",
            "--json",
            "--zone",
        ]
    };
    for (ip, result, lookups) in [("192.0.2.9", "pass", 0), ("198.51.100.1", "fail", 1)] {
        let output = depeche(&[&words(ip)[..], &[zone.to_str().unwrap()]].concat());

        let document = document(&output);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            (document["result"].as_str(), document["lookups"].as_u64()),
            (Some(result), Some(lookups))
        );
    }
}

#[test]
fn a_bad_zone_file_is_refused_with_every_place_and_its_cure() {
    // A remark in Latin-1 is nobody's fault.
    let mut bad = b"@ 3600 IN TXT \"ok\" ; v\xe9rifi\xe9\n".to_vec();
    bad.extend(b"mail 3600 IN A 999.1.1.1\n@ TXT \"open\n@ MX mx.exemple.net.\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.zone"), bad).unwrap();
    let said = |lang: &str, more: &[&str]| {
        let words = ["domain", "check", "exemple.fr", "--zone", "bad.zone", "--lang", lang];
        let output = common::depeche().args(words).args(more).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        output
    };

    let english = String::from_utf8(said("en", &[]).stderr).unwrap();
    for part in [
        "`999.1.1.1` is not an IPv4 address",
        "bad.zone:2:16",
        "  2 | mail 3600 IN A 999.1.1.1\n    |                ^^^^^^^^^\n",
        "write it like this: www 3600 IN A 192.0.2.1",
        "a quote that is never closed",
        "  3 | @ TXT \"open\n    |       ^\n",
        "close it on the same line",
        "`mx.exemple.net.` is not a preference",
        "write it like this: @ 3600 IN MX 10 mx.exemple.net.",
    ] {
        assert!(english.contains(part), "{part}\n{english}");
    }
    let french = String::from_utf8(said("fr", &[]).stderr).unwrap();
    for part in
        ["n'est pas une adresse IPv4", "refermez-le sur la même ligne", "écrivez-le ainsi : @ 3600 IN MX"]
    {
        assert!(french.contains(part), "{part}\n{french}");
    }
    let document = document(&said("en", &["--json"]));
    let lines: Vec<_> = document["error"]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["location"]["line"])
        .collect();
    assert_eq!(lines, [2, 3, 4]);
}

/// Three providers, of which two would fail while every record is valid by itself.
const CHAIN: &str = r#"
@ 3600 IN SOA ns1.one.example. hostmaster 1 1 1 1 300
@ 3600 IN NS ns1.one.example.
@ 3600 IN NS ns2.two.example.
@ 3600 IN MX 1 mx1.mail.ovh.net.
@ 3600 IN TXT "v=spf1 include:mx.ovh.com include:spf.brevo.com ~all"
_dmarc 3600 IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@exemple.fr"
mx.ovh.com. 3600 IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
spf.brevo.com. 3600 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"
"#;

fn with_zone(text: &str, words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let zone = folder.path().join("exemple.fr.zone");
    std::fs::write(&zone, text).unwrap();
    depeche(&[words, &["--zone", zone.to_str().unwrap()]].concat())
}

#[test]
fn a_zone_that_a_linter_calls_valid_gives_an_error_for_each_provider_that_would_fail() {
    let words =
        ["domain", "check", "exemple.fr", "--provider", "ovh,brevo,mailchimp-transactional", "--json"];

    let output = with_zone(CHAIN, &words);

    assert_eq!(output.status.code(), Some(1));
    let document = document(&output);
    assert_eq!((&document["version"], &document["exit"]), (&Value::from(1), &Value::from(1)));
    let domain = &document["domains"][0];
    assert_eq!(domain["domain"], "exemple.fr");
    let verdict = |name: &str| {
        let providers = domain["providers"].as_array().unwrap();
        providers.iter().find(|one| one["name"] == name).unwrap()["aligned"].clone()
    };
    assert_eq!([verdict("ovh"), verdict("brevo"), verdict("mailchimp-transactional")], ["yes", "no", "no"]);
    let errors: Vec<&Value> = domain["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "error" && finding["provider"].is_string())
        .collect();
    assert!(errors.len() >= 3, "{errors:#?}");
    for name in ["brevo", "mailchimp-transactional"] {
        let of = errors
            .iter()
            .find(|finding| finding["id"] == "PROV-ALIGN" && finding["provider"] == name)
            .unwrap();
        for key in ["message", "fix", "reference"] {
            assert!(of[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {of}");
        }
    }
    for error in &errors {
        let record = error["record"].as_str().unwrap_or_else(|| panic!("names no record: {error}"));
        assert!(record.ends_with("exemple.fr"), "{error}");
    }
    assert!(errors.iter().all(|finding| finding["provider"] != "ovh"));
}

#[test]
fn what_suggest_prints_passes_the_check() {
    let providers = "brevo,mailchimp-transactional";
    let suggested = with_zone(CHAIN, &["domain", "suggest", "exemple.fr", "--provider", providers]);
    assert_eq!(suggested.status.code(), Some(0), "{suggested:?}");
    let suggested = String::from_utf8(suggested.stdout).unwrap();
    assert!(suggested.lines().filter(|line| !line.starts_with(';')).all(|line| line.contains(" IN ")));
    // The records that are published elsewhere: the providers' own keys behind the CNAMEs.
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let targets = suggested.lines().filter_map(|line| line.split(" IN CNAME ").nth(1));
    let keys: String = targets.map(|target| format!("{target} 3600 IN TXT \"{key}\"\n")).collect();
    let rest: String = CHAIN
        .lines()
        .filter(|line| !line.starts_with('@') || !line.contains("TXT"))
        .filter(|line| !line.starts_with("_dmarc"))
        .map(|line| format!("{line}\n"))
        .collect();

    let output = with_zone(
        &format!("{rest}{suggested}\n{keys}"),
        &["domain", "check", "exemple.fr", "--provider", providers, "--json"],
    );

    assert_eq!(output.status.code(), Some(0), "{:#}", document(&output));
    for provider in document(&output)["domains"][0]["providers"].as_array().unwrap() {
        assert_eq!(provider["aligned"], "yes", "{provider:#}");
    }
}

/// What stands on a live server in the tests of lines to paste: two servers, an exchanger, the provider's own.
fn live_zone(domain: &str, own: &str) -> String {
    let dashed = domain.replace('.', "-");
    let key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let keys: String = [format!("b1.{dashed}.dkim.brevo.com."), format!("b2.{dashed}.dkim.brevo.com.")]
        .into_iter()
        .chain(["dkim1.mandrillapp.com.", "dkim2.mandrillapp.com."].map(str::to_owned))
        .chain(["dkim2.mcsv.net.", "dkim3.mcsv.net."].map(str::to_owned))
        .map(|name| format!("{name} IN TXT \"{key}\"\n"))
        .collect();
    format!(
        "$TTL 300\n@ IN NS dns1.example.net.\n@ IN NS dns2.example.org.\n@ IN MX 1 mx1.example.net.\n\
         mx1.example.net. IN A 192.0.2.25\n@ IN TXT \"brevo-code:1234\"\n\
         mx.ovh.com. IN TXT \"v=spf1 ip4:46.105.0.0/16 ip4:178.32.0.0/16 ?all\"\n\
         whole.example.net. IN TXT \"v=spf1 ip4:203.0.113.0/24 -all\"\n{keys}{own}"
    )
}

fn server_of(text: &str, domain: &str) -> depeche_testkit::dns::FakeDns {
    use depeche::domain::dns::{Data, zone::Zone};
    let zone = Zone::parse(text, domain).unwrap();
    zone.records().iter().fold(depeche_testkit::dns::FakeDns::new(), |server, record| {
        let name = record.name.as_str();
        match &record.record.data {
            Data::A(v4) => server.a(name, *v4),
            Data::Cname(target) => server.cname(name, target),
            Data::Mx { preference, exchange } => server.mx(name, *preference, exchange),
            Data::Ns(host) => server.ns(name, host),
            Data::Txt(strings) => {
                server.txt_bytes(name, &strings.iter().map(Vec::as_slice).collect::<Vec<_>>())
            }
            other => panic!("no such record here: {other:?}"),
        }
    })
}

/// What stands wrong when somebody suggests for a live domain and checks the suggestion over live DNS.
fn suggested_and_checked(domain: &str, own: &str, providers: &str, folder: &std::path::Path) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(server_of(&live_zone(domain, own), domain).start());
    let server = server.address().to_string();
    let name = format!("{}-{}.zone", providers.replace(',', "-"), server.replace(':', "-"));
    let file = folder.join(name);
    let words = ["--provider", providers, "--nameserver", &server];

    let suggested = depeche(&[&["domain", "suggest", domain][..], &words].concat());
    std::fs::write(&file, &suggested.stdout).unwrap();
    let zone = ["--zone", file.to_str().unwrap(), "--json"];
    let checked = depeche(&[&["domain", "check", domain][..], &words, &zone].concat());

    let document = document(&checked);
    let what = format!("{providers}: {own}{}", String::from_utf8_lossy(&suggested.stdout));
    let mut wrong = Vec::new();
    if (suggested.status.code(), checked.status.code()) != (Some(0), Some(0)) {
        wrong.push(format!("{what}\n{:?} {:?}", suggested.status, checked.status));
        let findings = document["domains"][0]["findings"].as_array().unwrap().iter();
        wrong.extend(
            findings.filter(|one| one["severity"] == "error").map(|one| format!("{:#}", one["message"])),
        );
    }
    for provider in document["domains"][0]["providers"].as_array().unwrap() {
        if provider["aligned"] != "yes" {
            wrong.push(format!("{what}\n{provider:#}"));
        }
    }
    wrong
}

#[test]
fn what_suggest_prints_for_a_live_domain_passes_the_check_over_live_dns() {
    let services = |count: usize| -> String {
        let includes: String = (0..count).map(|n| format!("include:s{n}.ex.net ")).collect();
        let records: String =
            (0..count).map(|n| format!("s{n}.ex.net. IN TXT \"v=spf1 ip4:203.0.113.{n} -all\"\n")).collect();
        format!("@ IN TXT \"v=spf1 {includes}-all\"\n{records}")
    };
    let zones = [
        String::new(),
        "@ IN TXT \"v=spf1 include:mx.ovh.com ~all\"\n_dmarc IN TXT \"v=DMARC1; p=none\"\n".to_owned(),
        services(8),
        services(11),
        "@ IN TXT \"v=spf1 redirect=whole.example.net\"\n".to_owned(),
        "@ IN TXT \"v=spf1 ip4:192.0.2.7 -all\"\n@ IN TXT \"v=spf1 include:whole.example.net ~all\"\n"
            .to_owned(),
        "@ IN TXT \"v=spf1 inclde:whole.example.net ip:192.0.2.7 +all\"\n".to_owned(),
        "_dmarc IN TXT \"v=DMARC1; p=reject; pct=50; rf=afrf; rua=mailto:d@sender.example\"\n".to_owned(),
        "_dmarc IN TXT \"v=DMARC1; p=reject; adkim=s; aspf=s; rua=mailto:dmarc@sender.example\"\n".to_owned(),
        "brevo1._domainkey IN CNAME elsewhere.example.net.\nk2._domainkey IN TXT \"v=DKIM1; p=\"\n"
            .to_owned(),
    ];
    let chains = ["ovh", "ovh,brevo", "ovh,brevo,mailchimp", "brevo,mailchimp-transactional"];
    let folder = tempfile::tempdir().unwrap();
    let cases: Vec<(&String, &str)> =
        zones.iter().flat_map(|zone| chains.iter().map(move |chain| (zone, *chain))).collect();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let tried = |part: &[(&String, &str)]| -> Vec<String> {
            let one = |(zone, chain): &(&String, &str)| {
                suggested_and_checked("sender.example", zone, chain, folder.path())
            };
            part.iter().flat_map(one).collect()
        };
        let workers: Vec<_> = cases.chunks(10).map(|part| scope.spawn(move || tried(part))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });

    assert_eq!(cases.len(), 40);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// RFC 5890, section 2.3.2.1: the zone holds the A-label, whatever was typed.
#[test]
fn a_zone_file_of_a_domain_with_accents_is_read_below_its_a_label() {
    let words = |domain| {
        ["domain", "spf", "--ip", "192.0.2.9", "--helo", "h.example", "--mail-from", domain, "--json"]
    };
    for typed in ["a@m\u{e9}dias.example", "a@xn--mdias-bsa.example"] {
        let output = with_zone("@ IN MX 1 mx\n@ IN TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n", &words(typed));

        assert_eq!(document(&output)["result"], "pass", "{typed}: {output:?}");
    }
    let check = ["domain", "check", "m\u{e9}dias.example", "--provider", "ovh", "--json"];
    let output = with_zone("@ IN MX 1 mx\n@ IN TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n", &check);
    let said = document(&output);
    let ids: Vec<_> =
        said["domains"][0]["findings"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(
        !ids.iter().any(|id| *id == "SPF-MISSING") && ids.iter().any(|id| *id == "DMARC-MISSING"),
        "{ids:?}"
    );
}

/// RFC 1035, section 3.2.1: a line to paste is one record of one name and one type.
#[test]
fn a_line_to_paste_leaves_the_rest_of_the_live_domain_as_it_is() {
    let own = "@ IN TXT \"v=spf1 include:mx.ovh.com ~all\"\n_dmarc IN TXT \"v=DMARC1; p=reject; rua=mailto:d@sender.example\"\n";
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(server_of(&live_zone("sender.example", own), "sender.example").start());
    let server = server.address().to_string();
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line.zone");
    std::fs::write(&line, "_dmarc IN TXT \"v=DMARC1; p=quarantine; rua=mailto:d@sender.example\"\n").unwrap();
    let check = ["domain", "check", "sender.example", "--provider", "ovh", "--json"];
    let zone = ["--zone", line.to_str().unwrap()];
    let live = ["--nameserver", &server];

    let before = depeche(&[&check[..], &live].concat());
    let after = depeche(&[&check[..], &live, &zone].concat());
    let alone = depeche(&[&check[..], &zone].concat());

    let ids = |output: &Output| -> Vec<String> {
        let findings = document(output)["domains"][0]["findings"].as_array().unwrap().clone();
        findings.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((before.status.code(), after.status.code()), (Some(0), Some(0)), "{:#}", document(&after));
    assert_eq!(document(&after)["domains"][0]["policy"], "quarantine");
    assert_eq!(ids(&before), ids(&after));
    // Nothing lies below: what the line does not speak of is not known, and nothing of it is missing.
    assert_eq!(alone.status.code(), Some(0), "{:#}", document(&alone));
    assert_eq!(document(&alone)["domains"][0]["providers"][0]["aligned"], "cannot-tell");
    let missing: Vec<_> = ids(&alone).into_iter().filter(|id| id.ends_with("MISSING")).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(said.contains("--live"), "{said}");
}

#[test]
fn every_format_of_a_check_is_well_formed() {
    let check = ["domain", "check", "exemple.fr", "--provider", "ovh,brevo", "--format"];
    for format in ["text", "json", "sarif", "junit", "markdown"] {
        let output = with_zone(CHAIN, &[&check[..], &[format]].concat());

        assert_eq!(output.status.code(), Some(1), "{format}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("PROV-ALIGN"), "{format}: {text}");
        match format {
            "json" => assert!(serde_json::from_str::<Value>(&text).is_ok()),
            "sarif" => {
                let document: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(document["version"], "2.1.0");
                for result in document["runs"][0]["results"].as_array().unwrap() {
                    let place = &result["locations"][0]["physicalLocation"];
                    assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with(".zone"));
                    assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
                }
            }
            "junit" => assert!(text.starts_with("<?xml") && text.contains("<testsuite")),
            _ => {}
        }
    }
}

/// SARIF 2.1.0, sections 3.4.2 and 3.27.17: a code host shows each alert at its line, and knows it again.
#[test]
fn a_sarif_result_stands_at_its_record_in_a_file_of_the_tree_and_is_an_alert_of_its_own() {
    let tree = tempfile::tempdir().unwrap();
    let folder = tree.path().join("nos zones");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir(tree.path().join(".git")).unwrap();
    let file = folder.join("l.fr.zone");
    let zone = "$TTL 300\n@ IN SOA ns1 h 1 1 1 1 1\n@ IN NS ns1\n@ IN MX 1 mx\nmx IN A 192.0.2.1\n\
                @ IN TXT \"v=spf1 ip4:192.0.2.300 ip4:1.2.3 -all\"\n\
                _dmarc IN TXT \"v=DMARC1; p=reject; rua=mailto:d@l.fr\"\n";
    std::fs::write(&file, zone).unwrap();
    let check = ["domain", "check", "l.fr", "--format", "sarif", "--zone"];
    for (here, named) in [(tree.path(), file.to_str().unwrap()), (folder.as_path(), "l.fr.zone")] {
        let output = common::depeche().current_dir(here).args(check).arg(named).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let results = document["runs"][0]["results"].as_array().unwrap();
        let syntax: Vec<_> = results.iter().filter(|result| result["ruleId"] == "SPF-SYNTAX").collect();
        assert_eq!(syntax.len(), 2, "{results:#?}");
        for result in syntax {
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["region"]["startLine"], 6);
        }
        let print = |result: &Value| result["partialFingerprints"]["depeche/v1"].as_str().unwrap().to_owned();
        let prints: std::collections::BTreeSet<String> = results.iter().map(print).collect();
        assert_eq!(prints.len(), results.len(), "{prints:#?}");
        for result in results {
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            assert_eq!(uri, "nos%20zones/l.fr.zone");
        }
    }
}

#[test]
fn a_name_server_that_does_not_answer_is_could_not_check_and_never_missing() {
    // A socket that nobody reads: silence.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();

    let output =
        depeche(&["domain", "check", "exemple.fr", "--provider", "brevo", "--nameserver", &server, "--json"]);

    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let document = document(&output);
    assert_eq!(document["domains"][0]["providers"][0]["aligned"], "cannot-tell");
    let findings = document["domains"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["severity"] != "error"), "{findings:#?}");
}

#[test]
fn a_recording_answers_as_the_zone_did() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answers.json");
    let file = file.to_str().unwrap();
    let check = ["domain", "check", "exemple.fr", "--provider", "ovh,brevo", "--json"];
    let first = with_zone(CHAIN, &[&check[..], &["--record", file]].concat());

    let second = depeche(&[&check[..], &["--replay", file]].concat());

    let (mut one, mut two) = (document(&first), document(&second));
    for document in [&mut one, &mut two] {
        document["domains"][0]["checked_at"] = Value::Null;
    }
    assert_eq!(one, two);
}

#[test]
fn a_provider_nobody_knows_is_a_slip_with_a_guess() {
    let output = with_zone(CHAIN, &["domain", "check", "exemple.fr", "--provider", "brevoo", "--json"]);

    assert_eq!(output.status.code(), Some(2));
    assert!(document(&output)["error"]["hint"].as_str().unwrap().contains("brevo"));
}
