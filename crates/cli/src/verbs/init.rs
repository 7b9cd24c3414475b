//! `init`: a commented depeche.toml, a release and a list to begin with. Nothing is overwritten. On a
//! terminal it asks who sends and through whom, and tests the logins.

mod ask;

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
/// The words of the configuration in French, `English => Français` a line.
const FRENCH: &str = include_str!("../../locales/template.fr.txt");

/// Does what was asked.
pub(crate) async fn run(asked: &Init, context: &Context<'_>) -> Done {
    let out = context.out;
    let folder = asked.folder.clone().unwrap_or_else(|| PathBuf::from("."));
    let there: Vec<&str> = FILES.into_iter().filter(|name| folder.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::usage("init.exists", say!(out, "init-exists", files = there.join(", "))));
    }
    // Nothing is written before everything is answered.
    let template = config_template(out.words.lang);
    let config = if out.interactive { ask::config(&template, context)? } else { template };
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let contents = [config.as_str(), release_template(out.words.lang), contacts_template(out.words.lang)];
    let mut written = Vec::new();
    let made = match &asked.dkim {
        Some(domain) => Some(key::make(domain, "s1", NewKey::Rsa2048, &folder.join("dkim.pem"), context)?),
        None => None,
    };
    for (name, content) in FILES.into_iter().zip(contents) {
        let path = folder.join(name);
        write_new(&path, content, context)?;
        written.push(path.display().to_string());
    }
    let record = made.as_ref().map(|made| {
        written.push(made.file.display().to_string());
        json!({ "name": made.name, "type": "TXT", "value": made.record })
    });
    let exit =
        if out.interactive { ask::test_logins(&folder.join(FILES[0]), context).await? } else { Exit::Done };
    out.document(&json!({ "version": 1, "exit": exit.code(), "written": written, "record": record }));
    if let (Some(made), Some(domain)) = (&made, &asked.dkim) {
        out.line(made.file.display().to_string());
        out.line(suggest::txt_line(&made.name, &made.record));
        let line = "dkim = { domain = …, selector = \"s1\", key = { file = \"dkim.pem\" } }";
        let line = line.replace('…', &format!("\"{domain}\""));
        out.note(say!(out, "key-next", line = line, domain = domain));
    }
    out.note(say!(out, "init-next"));
    Ok(exit)
}

/// What is written.
const FILES: [&str; 3] = ["depeche.toml", "release.md", "contacts.csv"];

/// The configuration to begin with.
pub(super) fn config_template(lang: Lang) -> String {
    let sentences = FRENCH.lines().filter_map(|line| line.split_once(" => "));
    match lang {
        Lang::En => CONFIG.to_owned(),
        Lang::Fr => {
            sentences.fold(CONFIG.to_owned(), |text, (english, french)| text.replace(english, french))
        }
    }
}

/// The list to begin with.
fn contacts_template(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("../templates/contacts.csv"),
        Lang::Fr => include_str!("../templates/contacts.fr.csv"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remark_of_the_configuration_has_its_french() {
        let french = config_template(Lang::Fr);
        let keys: Vec<&str> =
            FRENCH.lines().filter_map(|line| line.split_once(" => ")).map(|(key, _)| key).collect();
        // The last remark of a line; what is an example of a setting is no remark.
        let remark = |line: &'static str| line.rsplit_once("# ").map(|(_, remark)| remark.trim());
        let is_setting =
            |remark: &&str| remark.parse::<toml_edit::DocumentMut>().is_ok() || remark.starts_with("chmod ");
        let left: Vec<_> = CONFIG
            .lines()
            .filter_map(remark)
            .filter(|text| !is_setting(text) && !keys.contains(text))
            .collect();
        assert!(left.is_empty(), "not in locales/template.fr.txt: {left:#?}");
        let unused: Vec<_> = keys.iter().filter(|key| !CONFIG.contains(**key)).collect();
        assert!(unused.is_empty(), "not in the template any more: {unused:#?}");
        assert!(french.parse::<toml_edit::DocumentMut>().is_ok());
    }
}
