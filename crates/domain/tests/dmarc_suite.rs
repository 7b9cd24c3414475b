//! The RFC 9989 cases of mailauth's suite, over a real DNS server on loopback.

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

use depeche_domain::dmarc::{Authenticated, Evaluation, evaluate};
use depeche_domain::dns::resolver::Resolver;
use depeche_domain::{dmarc, name};
use depeche_testkit::dns::FakeDns;
use serde_json::{Value, json};

mod common;

const CASES: usize = 29;

#[tokio::test]
async fn every_rfc_9989_case_of_mailauth_ends_as_it_says() {
    let Some(file) = common::suite("dmarc/mailauth-rfc9989.json") else { return };
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let complaints = complaints(case).await;
        if !complaints.is_empty() {
            wrong.push(format!("{}:\n  {}", case["name"], complaints.join("\n  ")));
        }
    }
    eprintln!("DMARC RFC 9989: {} of {} cases as the suite says", cases.len() - wrong.len(), cases.len());
    assert_eq!(cases.len(), CASES);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn complaints(case: &Value) -> Vec<String> {
    let server = server(&case["zone"]).start().await;
    let resolver = Resolver::at(server.address());
    let author = name::of_address(case["input"]["headerFrom"].as_str().unwrap());
    let domains = |key: &str| -> Vec<String> {
        let list = case["input"][key].as_array().unwrap().iter();
        list.map(|entry| entry["domain"].as_str().unwrap().to_owned()).collect()
    };
    let passed = Authenticated { dkim: domains("dkimDomains"), spf: domains("spfDomains").pop() };
    let evaluation = evaluate(&resolver, author, &passed).await;
    let asked: Vec<_> =
        server.asked().iter().filter_map(|line| line.strip_suffix(" TXT").map(String::from)).collect();
    let mut seen = as_suite_object(&evaluation);

    let mut complaints = Vec::new();
    let mut first = true;
    for expectation in case["expect"].as_array().unwrap() {
        let path = expectation["path"].as_str().unwrap();
        // One case evaluates a second message, whose verdict it compares next: without any domain aligned.
        if case["name"].as_str().unwrap().contains("pct change") {
            let domains =
                if first { vec!["example.com".to_owned()] } else { vec!["other.example".to_owned()] };
            let passed = Authenticated { dkim: domains, spf: None };
            seen = as_suite_object(&evaluate(&resolver, author, &passed).await);
        }
        first = false;
        let actual = if path.starts_with("calls.") { json!(asked) } else { at(&seen, path) };
        if !holds(&actual, expectation) {
            complaints.push(format!("{path}: {actual} against {expectation}"));
        }
    }
    complaints
}

/// The names under which the suite looks at a verdict.
fn as_suite_object(evaluation: &Evaluation) -> Value {
    let record = evaluation.discovery.record.as_ref();
    let aligned = |aligned: &Option<dmarc::Aligned>| match aligned {
        Some(aligned) => json!(aligned.organizational),
        None => Value::Null,
    };
    let strict = |alignment| alignment == dmarc::Alignment::Strict;
    let mut result = json!({
        "status": { "result": evaluation.result.word() },
        "domain": evaluation.organizational_domain,
        "alignment": {
            "spf": { "result": aligned(&evaluation.spf), "strict": record.is_some_and(|r| strict(r.aspf)) },
            "dkim": { "result": aligned(&evaluation.dkim), "strict": record.is_some_and(|r| strict(r.adkim)) },
        },
    });
    if let Some(policy) = evaluation.policy {
        result["policy"] = json!(policy.word());
    }
    if let Some(record) = record {
        result["rr"] = json!(record.text);
    }
    json!({ "result": result })
}

fn at(value: &Value, path: &str) -> Value {
    path.split('.').fold(value.clone(), |value, key| value[key].clone())
}

fn holds(actual: &Value, expectation: &Value) -> bool {
    let chain: Vec<_> = expectation["chain"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let argument = &expectation["args"][0];
    match chain.join(" ").as_str() {
        "to equal" | "to deep equal" => actual == argument,
        "to be true" => actual == &json!(true),
        "to not be ok" => actual.is_null(),
        "to not have property" => actual.get(argument.as_str().unwrap()).is_none(),
        "to contain" => actual.as_str().unwrap().contains(argument.as_str().unwrap()),
        other => panic!("the suite says `{other}`"),
    }
}

fn server(zone: &Value) -> FakeDns {
    let mut dns = FakeDns::new();
    for (name, records) in zone.as_object().unwrap() {
        for record in records["TXT"].as_array().into_iter().flatten() {
            let strings: Vec<_> = record.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            dns = dns.txt(name, &strings);
        }
        for address in records["A"].as_array().into_iter().flatten() {
            dns = dns.a(name, address.as_str().unwrap().parse().unwrap());
        }
        for exchanger in records["MX"].as_array().into_iter().flatten() {
            dns = dns.mx(name, 1, exchanger["exchange"].as_str().unwrap());
        }
    }
    dns
}
