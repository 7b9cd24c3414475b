//! A command line that cannot be read, told like every other failure: what, and what to type instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;
use crate::help;
use crate::out::Out;
use crate::words::say;

/// What `error` says, in the user's language.
pub(crate) fn failure(error: &clap::Error, out: &Out) -> Failure {
    let hint = match suggestion(error) {
        Some(near) => say!(out, "config-did-you-mean", name = near),
        None => known(error, out).unwrap_or_else(|| usage(error, out)),
    };
    Failure::usage("usage", message(error, out)).with_hint(hint)
}

fn message(error: &clap::Error, out: &Out) -> String {
    let argument = || text(error, ContextKind::InvalidArg);
    let value = || text(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            say!(out, "usage-no-command", name = text(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say!(out, "usage-command-missing")
        }
        ErrorKind::UnknownArgument if !argument().starts_with('-') => {
            say!(out, "usage-word-too-many", argument = argument())
        }
        ErrorKind::UnknownArgument => say!(out, "usage-unknown", argument = argument()),
        ErrorKind::MissingRequiredArgument => say!(out, "usage-missing", arguments = argument()),
        ErrorKind::ArgumentConflict => {
            let other = text(error, ContextKind::PriorArg);
            if other == argument() {
                return say!(out, "usage-twice", argument = argument());
            }
            say!(out, "usage-conflict", argument = argument(), other = other)
        }
        ErrorKind::InvalidValue if value().is_empty() => say!(out, "usage-no-value", argument = argument()),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            say!(out, "usage-value", argument = argument(), value = value())
        }
        ErrorKind::TooFewValues | ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues => {
            say!(out, "usage-number-of-values", argument = argument())
        }
        ErrorKind::InvalidUtf8 => say!(out, "usage-not-text"),
        // What later versions of the reader may find: its own first line.
        _ => {
            let whole = error.render().to_string();
            let first = whole.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

fn suggestion(error: &clap::Error) -> Option<String> {
    let kinds = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
        ContextKind::SuggestedCommand,
    ];
    kinds.into_iter().map(|kind| text(error, kind)).find(|near| !near.is_empty())
}

/// The words that a flag takes.
fn known(error: &clap::Error, out: &Out) -> Option<String> {
    let names = text(error, ContextKind::ValidValue);
    (!names.is_empty()).then(|| say!(out, "config-known-words", names = names))
}

/// How the command is written; without that, where to ask.
fn usage(error: &clap::Error, out: &Out) -> String {
    let usage = text(error, ContextKind::Usage);
    let words = usage.split_whitespace().skip_while(|word| *word != "depeche").skip(1);
    let mut command = help::command(out.words.lang);
    // The command alone: what was typed already would stand in the way.
    for word in words {
        let Some(below) = command.find_subcommand(word) else { break };
        command = below.clone();
    }
    if usage.is_empty() {
        return "depeche --help".to_owned();
    }
    let usage = command.render_usage().to_string();
    let usage = usage.split_once(": ").map_or(usage.as_str(), |(_, usage)| usage).trim().to_owned();
    say!(out, "usage-how", usage = usage)
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::StyledStrs(texts)) => {
            texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Lang;

    fn told(words: &[&str], lang: Lang) -> (String, Option<String>) {
        let error = help::command(lang).try_get_matches_from(words).unwrap_err();
        let failure = failure(&error, &Out::plain(lang, false));
        (failure.message, failure.hint)
    }

    #[test]
    fn a_slip_of_the_command_line_is_told_in_both_languages_with_what_to_type() {
        for (words, lang, message, hint) in [
            (
                &["depeche", "sned"][..],
                Lang::Fr,
                "la commande « sned » n'existe pas",
                "vouliez-vous dire « send » ?",
            ),
            (
                &["depeche", "runs", "--jsn"],
                Lang::Fr,
                "l'option « --jsn » n'existe pas",
                "vouliez-vous dire « --json » ?",
            ),
            (
                &["depeche", "send", "a.md", "b.md", "--to", "l.csv"],
                Lang::Fr,
                "« b.md » est de trop",
                "écrivez : depeche send [OPTIONS] --to <FICHIER>... <COMMUNIQUÉ>",
            ),
            (
                &["depeche", "cancel"],
                Lang::Fr,
                "il manque : <ENVOI>",
                "écrivez : depeche cancel [OPTIONS] <ENVOI>",
            ),
            (&["depeche", "cancel"], Lang::En, "missing: <RUN>", "write: depeche cancel [OPTIONS] <RUN>"),
            (
                &["depeche", "send", "r.md", "--to", "l.csv", "--on-unknown", "maybe"],
                Lang::En,
                "`maybe` is no value for --on-unknown <WHAT>",
                "known: hold, resend",
            ),
            (
                &["depeche", "resolve", "r", "--sent", "--resend", "--reason", "x"],
                Lang::En,
                "--sent and --resend exclude each other",
                "write: depeche resolve [OPTIONS] --reason <TEXT> <--sent|--resend|--look-up> <RUN> [ADDRESS]...",
            ),
        ] {
            assert_eq!(told(words, lang), (message.to_owned(), Some(hint.to_owned())), "{words:?}");
        }
    }
}
