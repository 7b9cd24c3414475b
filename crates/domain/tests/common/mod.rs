//! Where the public suites are, and how their zones become a server.

// Helpers of tests may unwrap as tests do, and say what is absent.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use depeche_testkit::dns::{FakeDns, Fault};
use serde_json::Value;

/// A file of the shared suites: below `DEPECHE_SHARED`, or below `shared` beside the checkout.
///
/// `None`, said on stderr, when it is absent: a test that needs it then has nothing to prove.
#[allow(dead_code, reason = "each test binary uses its own part of this module")]
pub(crate) fn suite(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = [root.join("../shared"), root.join("../../shared")];
    let named = std::env::var_os("DEPECHE_SHARED").map(PathBuf::from);
    let found = named.into_iter().chain(beside).map(|at| at.join("reference/suites").join(path));
    let found = found.into_iter().find(|file| file.exists());
    if found.is_none() {
        eprintln!("ABSENT: the suite {path}; set DEPECHE_SHARED to the folder that holds reference/suites");
    }
    found
}

/// A zone of the openspf suite as a server.
#[allow(dead_code, reason = "each test binary uses its own part of this module")]
pub(crate) fn openspf_server(zone: &Value) -> FakeDns {
    let mut dns = FakeDns::new();
    for (name, records) in zone.as_object().unwrap() {
        dns = dns.exists(name);
        for record in records.as_array().unwrap() {
            dns = openspf_record(dns, name, record);
        }
    }
    dns
}

fn openspf_record(dns: FakeDns, name: &str, record: &Value) -> FakeDns {
    let value = &record["value"];
    match record["type"].as_str().unwrap() {
        "ANY" => dns.fault(name, Fault::Silent),
        "A" => dns.a(name, value.as_str().unwrap().parse().unwrap()),
        "AAAA" => dns.aaaa(name, value.as_str().unwrap().parse().unwrap()),
        "MX" => {
            let preference = u16::try_from(value[0].as_u64().unwrap()).unwrap();
            dns.mx(name, preference, value[1].as_str().unwrap())
        }
        "PTR" => dns.ptr(name, value.as_str().unwrap()),
        "CNAME" => dns.cname(name, value.as_str().unwrap()),
        "TXT" => {
            // The suite writes octets as characters of the same number.
            let octets = |text: &Value| -> Vec<u8> {
                text.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
            };
            let mut strings: Vec<_> = value.as_array().unwrap().iter().map(octets).collect();
            if strings.is_empty() {
                strings.push(Vec::new());
            }
            dns.txt_bytes(name, &strings.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
        other => panic!("the suite holds a record of type {other}"),
    }
}
