//! The help of the command line: in the user's language, with examples.
//!
//! The English sentences stand where the arguments are defined ([`crate::args`]); the French ones in
//! `locales/help.fr.txt`, under the same sentence. A test holds them together.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::{Cli, Lang};

const FRENCH: &str = include_str!("../locales/help.fr.txt");

/// What people type, by command.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("init", &["depeche init presse"]),
    (
        "plan",
        &[
            "depeche plan release.md --to contacts.csv --html preview.html",
            "depeche plan release.md --to contacts.csv --assume-down ovh",
        ],
    ),
    (
        "send",
        &[
            "depeche send release.md --to contacts.csv",
            "depeche send release.md --to contacts.csv --where 'lang = fr and tags has presse' --confirm 212",
            "depeche send release.md --to contacts.csv --test jeanne.martin@exemple.fr",
            "depeche send release.md --to contacts.csv --outbox outbox --confirm 8",
        ],
    ),
    ("resume", &["depeche resume", "depeche resume 20261203-lancement --route brevo,ovh"]),
    ("pause", &["depeche pause 20261203-lancement"]),
    ("work", &["depeche work", "depeche work --once"]),
    ("serve", &["depeche serve"]),
    ("status", &["depeche status --json"]),
    (
        "resolve",
        &[
            "depeche resolve 20261203-lancement zoe@example.org --sent --reason \"she has it\"",
            "depeche resolve 20261203-lancement --at-risk --resend --reason \"ovh burned\" --confirm 141",
        ],
    ),
    (
        "sync",
        &[
            "depeche sync",
            "depeche sync 20261203-lancement --since 7d",
            "depeche sync --mailbox bounces.mbox",
        ],
    ),
    ("reconcile", &["depeche reconcile", "depeche reconcile 20261203-lancement"]),
    ("take-over", &["depeche take-over"]),
    ("mirror compact", &["depeche mirror compact"]),
    ("suppress pull", &["depeche suppress pull", "depeche suppress pull --apply"]),
    ("suppress push", &["depeche suppress push", "depeche suppress push --apply"]),
    (
        "message compare",
        &[
            "depeche message compare sent.eml received.eml",
            "depeche message compare --run 20261203-lancement received.eml",
        ],
    ),
    (
        "report",
        &[
            "depeche report 20261203-lancement --csv report.csv",
            "depeche report --call-sheet --html call-sheet.html",
        ],
    ),
    (
        "provider outage",
        &[
            "depeche provider outage",
            "depeche provider outage ovh --from 09:12 --reason \"the data centre burns\"",
            "depeche provider outage ovh --withdraw --reason \"it was our own line\"",
        ],
    ),
    ("suppress forget", &["depeche suppress forget zoe@example.org"]),
    ("suppress add", &["depeche suppress add zoe@example.org --reason \"asked by phone\""]),
    (
        "contacts convert",
        &["depeche contacts convert export.csv --output contacts.csv --rejects rejects.csv"],
    ),
    ("release render", &["depeche release render release.md --to contacts.csv --format html"]),
    (
        "domain check",
        &[
            "depeche domain check exemple.fr",
            "depeche domain check exemple.fr --provider ovh,brevo --format sarif",
            "depeche domain check exemple.fr --zone exemple.fr.zone --live",
            "depeche domain check exemple.fr --message ovh=received.eml --ask-providers",
            "depeche domain check exemple.fr --baseline dns.json --write-baseline dns.json",
        ],
    ),
    ("domain suggest", &["depeche domain suggest exemple.fr --provider ovh,brevo --diff"]),
    (
        "domain spf",
        &["depeche domain spf --ip 192.0.2.1 --mail-from presse@exemple.fr --helo mail.exemple.fr"],
    ),
    (
        "domain key",
        &["depeche domain key exemple.fr", "depeche domain key exemple.fr --selector e1 --algorithm ed25519"],
    ),
    (
        "message verify",
        &[
            "depeche message verify received.eml --ip 192.0.2.1 --helo mail.exemple.fr",
            "depeche message verify received.eml --trust mx.exemple.fr --learn=ovh",
        ],
    ),
];

/// The whole command line, told in `lang`.
pub(crate) fn command(lang: Lang) -> Command {
    let mut command = Cli::command();
    command.build();
    let translations = match lang {
        Lang::En => BTreeMap::new(),
        Lang::Fr => translations(),
    };
    told(command, "", lang, &translations)
}

fn told(command: Command, path: &str, lang: Lang, words: &BTreeMap<&str, &str>) -> Command {
    let say = |text: String| words.get(text.as_str()).map_or(text, |french| (*french).to_owned());
    let about = command.get_about().map(|about| say(about.to_string()));
    let (usage, commands, example_word) = match lang {
        Lang::En => ("Usage:", "Commands", "Examples:"),
        Lang::Fr => ("Utilisation :", "Commandes", "Exemples :"),
    };
    let examples = EXAMPLES.iter().find(|(of, _)| *of == path).map(|(_, examples)| {
        let lines: Vec<String> = examples.iter().map(|example| format!("  {example}")).collect();
        format!("{example_word}\n{}", lines.join("\n"))
    });
    let mut command = command
        .help_template(format!("{{about-with-newline}}\n{usage} {{usage}}\n\n{{all-args}}{{after-help}}"))
        .subcommand_help_heading(commands)
        .mut_args(|arg| in_words(arg, lang, &say));
    if lang == Lang::Fr {
        command = command.subcommand_value_name("COMMANDE");
    }
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(examples) = examples {
        command = command.after_help(examples);
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path} {name}") };
    command.mut_subcommands(|subcommand| {
        let path = below(subcommand.get_name());
        told(subcommand, &path, lang, words)
    })
}

/// An argument told in `lang`: the reader itself writes `[default: …]` in English only.
fn in_words(arg: Arg, lang: Lang, say: &impl Fn(String) -> String) -> Arg {
    let Some(help) = arg.get_help().map(ToString::to_string) else { return arg };
    let mut help = say(help);
    if lang == Lang::En {
        return arg.help(help);
    }
    let names: Vec<&str> =
        arg.get_value_names().unwrap_or_default().iter().filter_map(|name| french_name(name)).collect();
    let takes_words = !arg.get_possible_values().is_empty() && arg.get_action().takes_values();
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !default.is_empty() && !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        help.push_str(&format!(" [par défaut : {}]", default.join(", ")));
    }
    if takes_words {
        let words: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        help.push_str(&format!(" [valeurs : {}]", words.join(", ")));
    }
    let arg = arg.help(help).hide_default_value(true).hide_possible_values(true);
    if names.is_empty() { arg } else { arg.value_names(names) }
}

/// What stands for a value; `None` for one that is the same in both languages.
fn french_name(name: &str) -> Option<&'static str> {
    let known = [
        ("FILE", "FICHIER"),
        ("FILE|RUN", "FICHIER|ENVOI"),
        ("DIR", "DOSSIER"),
        ("ADDRESS", "ADRESSE"),
        ("RELEASE", "COMMUNIQUÉ"),
        ("RUN", "ENVOI"),
        ("DOMAIN", "DOMAINE"),
        ("NAME", "NOM"),
        ("RULE", "RÈGLE"),
        ("SHELL", "INTERPRÉTEUR"),
        ("WHEN", "QUAND"),
        ("WHAT", "QUOI"),
        ("TEXT", "TEXTE"),
        ("ENCODING", "ENCODAGE"),
        ("SELECTOR", "SÉLECTEUR"),
        ("SEVERITY", "GRAVITÉ"),
        ("TIME", "HEURE"),
        ("PATH", "CHEMIN"),
        ("PROVIDER", "FOURNISSEUR"),
        ("ALGORITHM", "ALGORITHME"),
        ("HOST", "MACHINE"),
    ];
    known.iter().find(|(english, _)| *english == name).map(|(_, french)| *french)
}

/// `English = Français`, a line each.
fn translations() -> BTreeMap<&'static str, &'static str> {
    FRENCH.lines().filter_map(|line| line.split_once(" = ")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sentences(command: &Command, path: &str, found: &mut BTreeSet<String>, silent: &mut Vec<String>) {
        let mut take = |what: String, text: Option<String>| match text.filter(|text| !text.is_empty()) {
            Some(text) => drop(found.insert(text)),
            None => silent.push(what),
        };
        take(path.to_owned(), command.get_about().map(ToString::to_string));
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            take(format!("{path} {}", arg.get_id()), arg.get_help().map(ToString::to_string));
        }
        for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
            sentences(subcommand, &format!("{path} {}", subcommand.get_name()), found, silent);
        }
    }

    #[test]
    fn every_command_and_argument_is_told_in_both_languages() {
        let (mut found, mut silent) = (BTreeSet::new(), Vec::new());
        let mut command = Cli::command();
        command.build();
        sentences(&command, "depeche", &mut found, &mut silent);

        assert!(silent.is_empty(), "without a word of help: {silent:#?}");
        let translated: BTreeSet<String> = translations().keys().map(ToString::to_string).collect();
        let missing: Vec<_> = found.difference(&translated).collect();
        assert!(missing.is_empty(), "not in locales/help.fr.txt: {missing:#?}");
    }

    #[test]
    fn examples_belong_to_commands_that_exist_and_can_be_read() {
        for (path, examples) in EXAMPLES {
            for example in *examples {
                assert!(example.starts_with(&format!("depeche {path}")), "{example}");
                let words = example.replace('\'', "\"");
                let words: Vec<String> = words
                    .split('"')
                    .enumerate()
                    .flat_map(|(at, part)| match at % 2 {
                        0 => part.split_whitespace().map(str::to_owned).collect(),
                        _ => vec![part.to_owned()],
                    })
                    .collect();
                assert!(Cli::command().try_get_matches_from(words).is_ok(), "{example}");
            }
        }
    }
}
