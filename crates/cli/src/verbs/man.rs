//! `man DIR`: a manual page for every command, from the one definition of the command line, in the user's
//! language.

use clap::Command;
use clap_mangen::Man as Page;
use serde_json::json;

use crate::args::{Lang, Man};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::help;
use crate::verbs::contacts;

/// What clap_mangen calls a part of a page, and what we call it in each language.
const HEADINGS: [(&str, &str, &str); 6] = [
    ("NAME", "NAME", "NOM"),
    ("SYNOPSIS", "SYNOPSIS", "SYNOPSIS"),
    ("DESCRIPTION", "DESCRIPTION", "DESCRIPTION"),
    ("OPTIONS", "OPTIONS", "OPTIONS"),
    ("EXTRA", "EXAMPLES", "EXEMPLES"),
    ("VERSION", "VERSION", "VERSION"),
];

/// Does what was asked.
pub(crate) fn run(asked: &Man, context: &Context<'_>) -> Done {
    let out = context.out;
    let failed = |error: std::io::Error| Failure::file(&asked.folder, &error);
    std::fs::create_dir_all(&asked.folder).map_err(failed)?;
    let mut written = Vec::new();
    for (name, page) in pages(out.words.lang).map_err(failed)? {
        let path = asked.folder.join(format!("{name}.1"));
        contacts::save(&path, page.as_bytes())?;
        written.push(path.display().to_string());
    }
    out.document(&json!({ "version": 1, "exit": 0, "written": written }));
    written.iter().for_each(|path| out.line(path));
    Ok(Exit::Done)
}

/// The pages by their names: `depeche`, `depeche-send`, `depeche-domain-check` …
fn pages(lang: Lang) -> std::io::Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    add(&help::command(lang), "depeche".to_owned(), lang, &mut pages)?;
    Ok(pages)
}

fn add(
    command: &Command,
    name: String,
    lang: Lang,
    pages: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    let mut page = Vec::new();
    Page::new(command.clone().display_name(name.clone())).title(name.clone()).render(&mut page)?;
    pages.push((name.clone(), in_words(&String::from_utf8_lossy(&page), lang)));
    for below in command.get_subcommands().filter(|one| one.get_name() != "help") {
        add(below, format!("{name}-{}", below.get_name()), lang, pages)?;
    }
    Ok(())
}

/// The page under our own headings.
fn in_words(page: &str, lang: Lang) -> String {
    let line = |line: &str| {
        let heading = line.strip_prefix(".SH ")?;
        let (_, english, french) = HEADINGS.iter().find(|(known, ..)| *known == heading)?;
        Some(format!(".SH {}", if lang == Lang::Fr { french } else { english }))
    };
    page.lines().map(|text| line(text).unwrap_or_else(|| text.to_owned()) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples_in_the_language_that_was_asked_for() {
        for (lang, heading, words) in [
            (Lang::En, ".SH EXAMPLES", "Send a release to a list"),
            (Lang::Fr, ".SH EXEMPLES", "Envoyer un communiqué à une liste"),
        ] {
            let pages = pages(lang).unwrap();
            let page = |name: &str| &pages.iter().find(|(known, _)| known == name).unwrap().1;

            assert!(page("depeche-send").contains(heading), "{}", page("depeche-send"));
            assert!(page("depeche-send").contains(words), "{}", page("depeche-send"));
            assert!(page("depeche-send").contains("\\-\\-confirm"), "{}", page("depeche-send"));
            assert!(page("depeche").contains("depeche\\-send"), "{}", page("depeche"));
            assert!(!page("depeche-domain-check").is_empty());
            assert!(pages.iter().all(|(name, _)| !name.ends_with("-help")));
        }
    }
}
