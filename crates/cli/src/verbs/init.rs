//! `init`: a commented depeche.toml, a release and a list to begin with. Nothing is overwritten.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use depeche::domain::dkim::NewKey;
use depeche::domain::suggest;
use serde_json::json;

use crate::args::{Init, Lang};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::verbs::domain::key;
use crate::words::say;

const CONFIG: &str = include_str!("../templates/depeche.toml");
const CONTACTS: &str = include_str!("../templates/contacts.csv");

/// Does what was asked.
pub(crate) fn run(asked: &Init, context: &Context<'_>) -> Done {
    let out = context.out;
    let folder = asked.folder.clone().unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let files = [
        ("depeche.toml", CONFIG),
        ("release.md", release_template(out.words.lang)),
        ("contacts.csv", CONTACTS),
    ];
    let there: Vec<&str> =
        files.iter().map(|(name, _)| *name).filter(|name| folder.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::usage("init.exists", say!(out, "init-exists", files = there.join(", "))));
    }
    let mut written = Vec::new();
    let made = match &asked.dkim {
        Some(domain) => Some(key::make(domain, "s1", NewKey::Rsa2048, &folder.join("dkim.pem"), context)?),
        None => None,
    };
    for (name, content) in files {
        let path = folder.join(name);
        write_new(&path, content, context)?;
        written.push(path.display().to_string());
    }
    let record = made.as_ref().map(|made| {
        written.push(made.file.display().to_string());
        json!({ "name": made.name, "type": "TXT", "value": made.record })
    });
    out.document(&json!({ "version": 1, "exit": 0, "written": written, "record": record }));
    if let (Some(made), Some(domain)) = (&made, &asked.dkim) {
        out.line(made.file.display().to_string());
        out.line(suggest::txt_line(&made.name, &made.record));
        let line = "dkim = { domain = …, selector = \"s1\", key = { file = \"dkim.pem\" } }";
        let line = line.replace('…', &format!("\"{domain}\""));
        out.note(say!(out, "key-next", line = line, domain = domain));
    }
    out.note(say!(out, "init-next"));
    Ok(Exit::Done)
}

/// The release to begin with.
pub(crate) fn release_template(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("../templates/release.en.md"),
        Lang::Fr => include_str!("../templates/release.fr.md"),
    }
}

/// Writes a file that is not there yet.
pub(crate) fn write_new(path: &Path, content: &str, context: &Context<'_>) -> Result<(), Failure> {
    let write = || OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content.as_bytes());
    write().map_err(|error| Failure::file(path, &error))?;
    context.out.line(path.display().to_string());
    Ok(())
}
