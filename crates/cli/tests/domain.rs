//! `domain`: verdicts through the real binary, over a real DNS server on loopback.

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../domain/tests/common/mod.rs"]
mod suites;

use std::process::Output;

use serde_json::Value;

fn depeche(words: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_depeche"));
    command.args(words).args(["--lang", "en"]).output().unwrap()
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
fn a_bad_zone_file_is_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let zone = folder.path().join("bad.zone");
    std::fs::write(&zone, "@ 3600 IN TXT \"ok\"\nmail 3600 IN A 999.1.1.1\n").unwrap();

    let output = depeche(&[
        "domain",
        "spf",
        "--ip",
        "192.0.2.1",
        "--mail-from",
        "a@example.org",
        "--helo",
        "h",
        "--json",
        "--zone",
        zone.to_str().unwrap(),
    ]);

    assert_eq!(output.status.code(), Some(2));
    assert_eq!(document(&output)["error"]["location"]["line"], 2);
}
