//! The command line `depeche`: reads words, hands them to the library, says what happened.
//!
//! It holds no rule of delivery. CLI.md is its contract; [`out`] is the only place that prints.

mod args;
mod config;
mod context;
mod exit;
mod failure;
mod out;
mod run;
mod verbs;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Color, Global};
use context::Context;
use exit::Exit;
use failure::{Done, Failure};
use out::Out;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(unreadable(&error).code()),
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Problems, "runtime", error))?;
    let context = Context::new(cli.global, out);
    runtime.block_on(verbs::dispatch(cli.command, &context))
}

/// Help and version go to stdout; everything else is a usage error.
fn unreadable(error: &clap::Error) -> Exit {
    let wants_json = std::env::args_os().skip(1).any(|word| word == "--json");
    if error.use_stderr() && wants_json {
        let global = Global {
            json: true,
            color: Color::Never,
            quiet: false,
            verbose: 0,
            directory: None,
            config: None,
            no_input: true,
            lang: None,
        };
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Out::new(&global).failure(&Failure::usage("usage", message).with_hint("depeche --help"));
        return Exit::Usage;
    }
    // A closed stdout is no failure of ours.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
