//! One room per command.

mod completions;
mod config;
mod contacts;
mod domain;
mod message;

use crate::args::Command;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn dispatch(command: Command, context: &Context<'_>) -> Done {
    match command {
        Command::Config(command) => config::run(&command, context),
        Command::Contacts(command) => contacts::run(&command, context),
        Command::Domain(command) => domain::run(&command, context).await,
        Command::Message(command) => message::run(&command, context).await,
        Command::Completions(asked) => completions::run(&asked, context),
        _ => Err(not_available(context)),
    }
}

/// A command that this build does not have.
pub(crate) fn not_available(context: &Context<'_>) -> Failure {
    Failure::new(Exit::Problems, "not-available", say!(context.out, "not-available"))
}
