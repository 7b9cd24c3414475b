//! The command line `depeche`: reads words, hands them to the library, says what happened.
//!
//! It holds no rule of delivery. CLI.md is its contract; [`out`] is the only place that prints.

mod args;
mod config;
mod context;
mod exit;
mod failure;
mod help;
mod long;
mod out;
mod run;
mod sentences;
mod unix;
mod usage;
mod verbs;
mod words;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::{Cli, Command, Lang};
use context::Context;
use exit::Exit;
use failure::{Done, Failure};
use out::Out;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    unix::no_core_dump();
    let lang = asked_language();
    let told = help::command(lang).try_get_matches();
    let cli = match told.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(unreadable(&error, lang).code()),
    };
    let out = Out::new(&cli.global);
    let done = run(cli, &out);
    let exit = done.unwrap_or_else(|failure| {
        out.failure(&failure);
        failure.exit
    });
    ExitCode::from(exit.code())
}

fn run(cli: Cli, out: &Out) -> Done {
    if let Some(folder) = &cli.global.directory {
        std::env::set_current_dir(folder).map_err(|error| Failure::file(folder, &error))?;
    }
    let runtime = runtime_for(&cli.command)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Problems, "runtime", error))?;
    let context = Context::new(cli.global, out);
    runtime.block_on(verbs::dispatch(cli.command, &context))
}

/// Whoever only looks something up waits for one answer after the other: threads to hand it over between would
/// cost more than the look.
fn runtime_for(command: &Command) -> Builder {
    match command {
        Command::Runs | Command::Status(_) | Command::Config(_) | Command::Explain(_) => {
            Builder::new_current_thread()
        }
        _ => Builder::new_multi_thread(),
    }
}

/// The language of the help: it must be known before the command line can be read.
fn asked_language() -> Lang {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let after = |pair: &[String]| (pair[0] == "--lang").then(|| pair[1].clone());
    let joined = words.iter().find_map(|word| word.strip_prefix("--lang=").map(str::to_owned));
    let asked = match joined.or_else(|| words.windows(2).find_map(after)).as_deref() {
        Some("fr") => Some(Lang::Fr),
        Some(_) => Some(Lang::En),
        None => None,
    };
    words::Words::choose(asked)
}

/// Help and version go to stdout; everything else is a usage error.
fn unreadable(error: &clap::Error, lang: Lang) -> Exit {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as NothingAsked;

    let wants_json = std::env::args_os().skip(1).any(|word| word == "--json");
    if !error.use_stderr() || (error.kind() == NothingAsked && !wants_json) {
        // A closed stdout is no failure of ours.
        let _ = error.print();
        return if error.use_stderr() { Exit::Usage } else { Exit::Done };
    }
    let out = Out::plain(lang, wants_json);
    out.failure(&usage::failure(error, &out));
    Exit::Usage
}
