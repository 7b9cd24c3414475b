//! `init`: a commented depeche.toml, a release and a list to begin with. Nothing is overwritten.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::args::{Init, Lang};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
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
    for (name, content) in files {
        let path = folder.join(name);
        write_new(&path, content, context)?;
        written.push(path.display().to_string());
    }
    out.document(&json!({ "version": 1, "exit": 0, "written": written }));
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
