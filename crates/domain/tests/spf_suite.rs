//! The openspf suite for RFC 7208, over a real DNS server on loopback.

// Helpers of tests may unwrap as tests do, and print their counts.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

use std::time::Duration;

use depeche_domain::dns::resolver::Resolver;
use depeche_domain::spf::{Request, check_host};
use futures_util::future::join_all;
use serde_json::Value;

mod common;

const CASES: usize = 203;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_openspf_suite_ends_as_the_suite_says() {
    let Some(file) = common::suite("spf/rfc7208.json") else { return };
    let scenarios: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for scenario in &scenarios {
        let server = common::openspf_server(&scenario["zone"]).start().await;
        let patience = Duration::from_millis(400);
        let resolver = Resolver::at(server.address()).with_patience(patience, patience);
        let tests = scenario["tests"].as_array().unwrap();
        count += tests.len();
        let complaints = join_all(tests.iter().map(|test| complaint(&resolver, test))).await;
        wrong.extend(complaints.into_iter().flatten());
    }
    eprintln!("openspf RFC 7208: {} of {count} cases as the suite says", count - wrong.len());
    assert_eq!(count, CASES);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn complaint(resolver: &Resolver, test: &Value) -> Option<String> {
    let text = |key: &str| test[key].as_str().unwrap();
    let request = Request::new(text("ip").parse().unwrap(), text("mailfrom"), text("helo"));
    let verdict = check_host(resolver, &request).await;
    let expected: Vec<_> = test["results"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    if !expected.contains(&verdict.result.word()) {
        return Some(format!(
            "{}: {} instead of {expected:?}: {verdict:?}",
            text("id"),
            verdict.result.word()
        ));
    }
    let explained = match test["explanation"].as_str() {
        None => true,
        Some("DEFAULT") => verdict.explanation.is_none(),
        Some(wanted) => verdict.explanation.as_deref() == Some(wanted),
    };
    (!explained).then(|| format!("{}: the explanation {:?}", text("id"), verdict.explanation))
}
