//! `contacts`: what a list is taken for, and its bad rows.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn contacts_check_names_each_bad_row_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.csv"), "E-mail;Prénom\nzoe@example.org;Zoé\nana.silva;Ana\n")
        .unwrap();

    let output = Command::new(env!("CARGO_BIN_EXE_depeche"))
        .args(["contacts", "check", "list.csv", "--json"])
        .current_dir(folder.path())
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["contacts"], 1);
    assert_eq!(document["left_out"][0]["row"], 3);
    assert_eq!(document["files"][0]["separator"], "semicolon");
}
