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

/// Runs `contacts WORDS` in `folder`.
fn contacts(folder: &tempfile::TempDir, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_depeche"));
    let output = command.arg("contacts").args(words).current_dir(folder.path()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_name_that_no_release_could_use_is_a_bad_row_for_check_and_for_convert() {
    let folder = tempfile::tempdir().unwrap();
    let list = "email,first_name,notes\nana@a.example,A\0na,\nbob@a.example,Bob,\"one\ntwo\"\n";
    std::fs::write(folder.path().join("list.csv"), list).unwrap();

    let (exit, stdout, _) = contacts(&folder, &["check", "list.csv", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((exit, &document["contacts"]), (Some(1), &1.into()));
    assert_eq!(document["left_out"][0]["row"], 2);
    assert_eq!(document["left_out"][0]["code"], "contact.control-character");

    let (exit, stdout, _) =
        contacts(&folder, &["convert", "list.csv", "--rejects", "bad.csv", "--lang", "fr"]);
    assert_eq!(
        (exit, stdout.as_str()),
        (Some(1), "email,first_name,notes\nbob@a.example,Bob,\"one\ntwo\"\n")
    );
    let rejects = std::fs::read_to_string(folder.path().join("bad.csv")).unwrap();
    assert!(
        rejects.contains("2,2,first_name,le caractère NUL à la position 2 n'est pas permis ici"),
        "{rejects}"
    );
}

#[test]
fn what_is_no_list_is_told_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, _, stderr) = contacts(&folder, &["check", ".", "--lang", "fr"]);

    assert_eq!(exit, Some(2));
    assert_eq!(stderr, "erreur : . : la liste ne peut pas être lue : c'est un dossier\n");
}

/// Until 2026-11-28 files named `-` were written.
#[test]
fn a_dash_is_stdout_for_the_list_or_for_the_rows_that_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.csv"), "email\nzoe@example.org\nana.silva\n").unwrap();

    let (exit, list, _) = contacts(&folder, &["convert", "list.csv", "--output", "-"]);
    assert_eq!((exit, list.as_str()), (Some(1), "email\nzoe@example.org\n"));
    let (exit, rejects, _) =
        contacts(&folder, &["convert", "list.csv", "--output", "good.csv", "--rejects", "-"]);
    assert_eq!((exit, rejects.lines().count()), (Some(1), 2), "{rejects}");
    assert!(rejects.contains("ana.silva"), "{rejects}");
    assert_eq!(std::fs::read_to_string(folder.path().join("good.csv")).unwrap(), list);
    for words in [
        &["convert", "list.csv", "--rejects", "-"][..],
        &["convert", "list.csv", "--rejects", "-", "--output", "-"],
    ] {
        let (exit, stdout, stderr) = contacts(&folder, words);
        assert_eq!((exit, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains("--output"), "{stderr}");
    }
    assert!(!folder.path().join("-").exists());
}
