//! `completions`: from the one definition of the command line.

use clap::CommandFactory as _;

use crate::args::{Cli, Completions};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// Does what was asked.
pub(crate) fn run(asked: &Completions, context: &Context<'_>) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut Cli::command(), "depeche", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if context.out.json {
        let shell = asked.shell.to_string();
        context
            .out
            .document(&serde_json::json!({ "version": 1, "exit": 0, "shell": shell, "script": script }));
    } else {
        context.out.raw(&script);
    }
    Ok(Exit::Done)
}
