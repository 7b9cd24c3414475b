//! The arrows between the crates, as ARCHITECTURE.md draws them.

use std::collections::BTreeMap;
use std::process::Command;

/// What each crate may depend on, of ours, in its ordinary dependencies.
const ARROWS: [(&str, &[&str]); 10] = [
    ("depeche-core", &[]),
    ("depeche-domain", &[]),
    ("depeche-journal", &["depeche-core"]),
    ("depeche-mirror", &["depeche-core"]),
    ("depeche-providers", &["depeche-core"]),
    ("depeche-mailbox", &["depeche-core", "depeche-providers"]),
    ("depeche-receiver", &["depeche-core", "depeche-providers"]),
    ("depeche-testkit", &["depeche-core"]),
    (
        "depeche",
        &[
            "depeche-core",
            "depeche-domain",
            "depeche-journal",
            "depeche-mailbox",
            "depeche-mirror",
            "depeche-providers",
            "depeche-receiver",
        ],
    ),
    ("depeche-cli", &["depeche"]),
];

#[test]
fn the_crates_depend_on_each_other_as_the_architecture_says() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();

    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), ARROWS.len(), "a new crate needs its arrows here and in ARCHITECTURE.md");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let is_ours = on.starts_with("depeche");
            if is_ours && dependency["kind"].is_null() {
                assert!(allowed[name].contains(&on), "{name} must not depend on {on}");
            }
        }
    }
}
