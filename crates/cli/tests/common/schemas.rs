//! Every document that a test reads is judged by the schema that `depeche schema` writes for it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// By command, `domain-check`; a failure's is `error`.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    assert!(super::depeche().arg("schema").arg(folder.path()).output().unwrap().status.success());
    let mut schemas = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        // "depeche send --json, depeche resume --json"
        for command in schema["title"].as_str().unwrap().split(", ") {
            let name = command.trim_start_matches("depeche ").trim_end_matches(" --json").to_owned();
            schemas.insert(name, jsonschema::validator_for(&schema).unwrap());
        }
    }
    schemas
});

/// Fails when `stdout`, the document of the command `words`, does not obey its schema.
pub(crate) fn judge(words: &[&str], stdout: &str) {
    // What is no document at all is the test's own business.
    let Ok(document) = serde_json::from_str::<Value>(stdout) else { return };
    if !words.contains(&"--json") || words.contains(&"--format") {
        return;
    }
    let schema = if document["error"].is_object() {
        &SCHEMAS["error"]
    } else {
        let two = words.iter().take(2).copied().collect::<Vec<_>>().join("-");
        SCHEMAS.get(&two).or_else(|| SCHEMAS.get(words[0])).unwrap_or_else(|| panic!("no schema: {words:?}"))
    };
    let errors: Vec<String> =
        schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{words:?}: {errors:#?}\n{document:#}");
}
