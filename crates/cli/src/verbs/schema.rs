//! `schema DIR` and `config schema`: what scripts and editors may rely on, as JSON Schema (2020-12).
//!
//! The schemas are kept by hand in `schemas/`. Tests hold them: every document of `--json` that a test of
//! the command line reads is judged by its schema, every command has one, and every key of depeche.toml
//! stands in its schema and the reverse. A document may gain keys (CLI.md, "add to it freely"), so further
//! ones are allowed there; in depeche.toml an unknown key is a slip, so they are not.

use serde_json::{Map, Value, json};

use crate::args::Schema;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::verbs::contacts;

const DOCUMENTS: &str = include_str!("../../schemas/documents.json");
/// What several documents have in common.
const PARTS: &str = include_str!("../../schemas/parts.json");
const CONFIG: &str = include_str!("../../schemas/depeche-toml.json");
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The exit codes of CLI.md.
const EXITS: [u8; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 130];

/// Commands by the document that they print, where it does not have the command's own name.
const SHARED: [(&str, &[&str]); 4] = [
    ("run", &["send", "resume", "status", "pause", "cancel"]),
    ("recover", &["reconcile", "take-over"]),
    ("suppress-lists", &["suppress-pull", "suppress-push"]),
    ("written", &["man", "schema"]),
];

/// Does what was asked.
pub(crate) fn run(asked: &Schema, context: &Context<'_>) -> Done {
    let out = context.out;
    let failed = |error: std::io::Error| Failure::file(&asked.folder, &error);
    std::fs::create_dir_all(&asked.folder).map_err(failed)?;
    let mut written = Vec::new();
    let config = ("depeche.toml".to_owned(), read(CONFIG));
    for (name, schema) in documents().into_iter().chain([config]) {
        let path = asked.folder.join(format!("{name}.schema.json"));
        contacts::save(&path, format!("{schema:#}\n").as_bytes())?;
        written.push(path.display().to_string());
    }
    out.document(&json!({ "version": 1, "exit": 0, "written": written }));
    written.iter().for_each(|path| out.line(path));
    Ok(Exit::Done)
}

/// `config schema`: the schema itself is the data.
pub(crate) fn config(context: &Context<'_>) -> Done {
    let schema = read(CONFIG);
    if context.out.json {
        context.out.document(&json!({ "version": 1, "exit": 0, "schema": schema }));
    } else {
        context.out.raw(&format!("{schema:#}\n"));
    }
    Ok(Exit::Done)
}

/// Every document by its name, each a schema of its own.
fn documents() -> Vec<(String, Value)> {
    let Value::Object(documents) = read(DOCUMENTS) else { return Vec::new() };
    let parts = read(PARTS);
    let whole = |(name, own): (String, Value)| {
        let of = SHARED.iter().find(|(known, _)| *known == name);
        let commands = of.map_or_else(|| vec![name.clone()], |(_, of)| texts(of));
        let schema = enveloped(own, &parts, &commands);
        (name, schema)
    };
    documents.into_iter().map(whole).collect()
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// What every document has besides its own: version and exit.
fn enveloped(own: Value, parts: &Value, commands: &[String]) -> Value {
    let Value::Object(mut schema) = own else { return Value::Null };
    let commands: Vec<String> = commands.iter().map(|name| format!("depeche {name} --json")).collect();
    schema.insert("$schema".to_owned(), json!(DIALECT));
    schema.insert("title".to_owned(), json!(commands.join(", ")));
    schema.insert("$defs".to_owned(), parts.clone());
    let properties = schema.entry("properties").or_insert_with(|| json!(Map::new()));
    properties["version"] = json!({ "const": 1 });
    properties["exit"] = json!({ "enum": EXITS });
    if let Some(required) = schema.entry("required").or_insert_with(|| json!([])).as_array_mut() {
        required.extend([json!("version"), json!("exit")]);
    }
    Value::Object(schema)
}

/// A test holds both files readable.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Command, CommandFactory as _};

    use super::*;
    use crate::args::{Cli, Lang};
    use crate::verbs::init::config_template;

    fn leaves(command: &Command, path: &str, found: &mut BTreeSet<String>) {
        let below: Vec<&Command> = command.get_subcommands().filter(|one| one.get_name() != "help").collect();
        if below.is_empty() {
            found.insert(path.to_owned());
        }
        for one in below {
            let path = format!("{path}-{}", one.get_name());
            leaves(one, path.trim_start_matches('-'), found);
        }
    }

    #[test]
    fn every_command_has_the_schema_of_its_document_and_every_schema_its_command() {
        let mut commands = BTreeSet::new();
        leaves(&Cli::command(), "", &mut commands);
        let mut told: BTreeSet<String> = documents().into_iter().map(|(name, _)| name).collect();
        assert!(told.remove("error"));
        for (name, of) in SHARED {
            assert!(told.remove(name), "{name}");
            told.extend(texts(of));
        }

        assert_eq!(commands, told);
    }

    #[test]
    fn every_schema_is_a_schema() {
        for (name, schema) in documents().into_iter().chain([("depeche.toml".to_owned(), read(CONFIG))]) {
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            assert!(jsonschema::validator_for(&schema).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_written_depeche_toml_obeys_its_schema_and_a_slip_does_not() {
        let schema = jsonschema::validator_for(&read(CONFIG)).unwrap();
        for lang in [Lang::En, Lang::Fr] {
            let text = config_template(lang);
            let written: Value = toml::from_str(&text).unwrap();
            let errors: Vec<String> = schema.iter_errors(&written).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");

            let slip: Value = toml::from_str(&text.replacen("\naddress", "\nadress", 1)).unwrap();
            assert!(!schema.is_valid(&slip));
        }
    }
}
