//! `domain check` against what was known before: drift, and files that are no baseline.

use serde_json::Value;

use super::{CHAIN, depeche, document, with_zone};

/// The check of a zone against a baseline file: exit, document.
fn against(zone: &str, words: &[&str]) -> (Option<i32>, Value) {
    let check = ["domain", "check", "exemple.fr", "--provider", "ovh,brevo", "--json"];
    let output = with_zone(zone, &[&check[..], words].concat());
    (output.status.code(), document(&output))
}

#[test]
fn a_check_against_its_own_baseline_says_only_what_changed_and_fails_only_for_that() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dns.json");
    let file = file.to_str().unwrap();
    let ids = |document: &Value| -> Vec<String> {
        let findings = document["domains"][0]["findings"].as_array().unwrap();
        findings.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };

    // Brevo fails: an error, which the baseline takes for known.
    let (exit, first) = against(CHAIN, &[]);
    assert_eq!(exit, Some(1));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is written unasked");
    assert_eq!(against(CHAIN, &["--write-baseline", file]).0, Some(1));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written["domains"]["exemple.fr"]["providers"][0]["legs"][1]["aligned"], "yes");

    let (exit, same) = against(CHAIN, &["--baseline", file]);
    assert_eq!((exit, ids(&same)), (Some(0), Vec::new()));
    assert!(ids(&first).len() > 3 && same["domains"][0]["mended"].as_array().unwrap().is_empty());

    // OVH's address leaves its record: its only proven leg goes.
    let broken = CHAIN.replace("include:mx.ovh.com ", "").replace("p=reject", "p=quarantine");
    let (exit, worse) = against(&broken, &["--baseline", file]);
    assert_eq!((exit, &worse["exit"]), (Some(1), &Value::from(1)));
    assert!(ids(&worse).contains(&"PROV-LEG-LOST".to_owned()), "{:?}", ids(&worse));
    assert!(ids(&worse).iter().all(|id| id != "PROV-FROM-REWRITE"), "known before: {:?}", ids(&worse));

    // What was missing is published: mended, by name.
    let better = format!("{CHAIN}_smtp._tls 3600 IN TXT \"v=TLSRPTv1; rua=mailto:t@exemple.fr\"\n");
    let (exit, mended) = against(&better, &["--baseline", file, "--write-baseline", file]);
    assert_eq!((exit, ids(&mended)), (Some(0), Vec::new()));
    assert_eq!(mended["domains"][0]["mended"][0]["id"], "TLS-RPT");
    // And written: now its loss is drift.
    let (exit, lost) = against(CHAIN, &["--baseline", file, "--fail-on", "warn"]);
    assert_eq!((exit, ids(&lost)), (Some(0), vec!["TLS-RPT".to_owned()]));
}

#[test]
fn drift_in_every_format_leaves_out_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dns.json");
    let file = file.to_str().unwrap();
    against(CHAIN, &["--write-baseline", file]);
    let broken = CHAIN.replace("include:mx.ovh.com ", "");
    let mended = format!("{broken}_smtp._tls 3600 IN TXT \"v=TLSRPTv1; rua=mailto:t@exemple.fr\"\n");
    let words = ["domain", "check", "exemple.fr", "--provider", "ovh,brevo", "--baseline", file, "--format"];
    for format in ["text", "json", "sarif", "junit", "markdown"] {
        let output = with_zone(&mended, &[&words[..], &[format]].concat());

        assert_eq!(output.status.code(), Some(1), "{format}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("PROV-LEG-LOST"), "{format}: {text}");
        if format != "sarif" {
            assert!(!text.contains("PROV-FROM-REWRITE"), "{format}: {text}");
        }
        if format != "sarif" && format != "junit" {
            assert!(text.contains("mended") && text.contains("TLS-RPT"), "{format}: {text}");
        }
    }
}

#[test]
fn a_file_that_is_no_baseline_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dns.json");
    for (text, says) in [("{}", "not a baseline"), ("{\"version\":9}", "version 9")] {
        std::fs::write(&file, text).unwrap();
        let (exit, document) = against(CHAIN, &["--baseline", file.to_str().unwrap()]);

        assert_eq!(exit, Some(2));
        assert!(document["error"]["message"].as_str().unwrap().contains(says), "{document}");
    }
}

#[test]
fn a_check_that_dns_left_open_keeps_no_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dns.json");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();

    let words = ["domain", "check", "exemple.fr", "--provider", "brevo", "--nameserver", &server];
    let output = depeche(&[&words[..], &["--write-baseline", file.to_str().unwrap()]].concat());

    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("exemple.fr is not kept"));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written["domains"], serde_json::json!({}));
}
