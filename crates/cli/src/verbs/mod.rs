//! One room per command.

mod completions;
mod config;
pub(crate) mod contacts;
pub(crate) mod domain;
mod explain;
mod init;
mod man;
mod message;
mod mirror;
mod plan;
mod provider;
mod recover;
pub(crate) mod release;
mod report;
mod resolve;
mod resume;
pub(crate) mod runs;
mod schema;
mod send;
mod serve;
mod suppress;
mod sync;
mod work;

use crate::args::Command;
use crate::context::Context;
use crate::failure::Done;

/// Does what was asked.
pub(crate) async fn dispatch(command: Command, context: &Context<'_>) -> Done {
    match command {
        Command::Init(asked) => init::run(&asked, context).await,
        Command::Config(command) => config::run(&command, context),
        Command::Release(command) => release::run(&command, context),
        Command::Contacts(command) => contacts::run(&command, context),
        Command::Plan(asked) => plan::run(&asked, context).await,
        Command::Send(asked) => send::run(&asked, context).await,
        Command::Resume(asked) => resume::run(&asked, context).await,
        Command::Work(asked) => work::run(&asked, context).await,
        Command::Pause(asked) => runs::pause(&asked, context).await,
        Command::Cancel(asked) => runs::cancel(&asked, context).await,
        Command::Runs => runs::list(context).await,
        Command::Status(asked) => runs::status(&asked, context).await,
        Command::Resolve(asked) => resolve::run(&asked, context).await,
        Command::Sync(asked) => sync::run(&asked, context).await,
        Command::Reconcile(asked) => recover::reconcile(&asked, context).await,
        Command::TakeOver => recover::take_over(context).await,
        Command::Mirror(command) => mirror::run(&command, context).await,
        Command::Report(asked) => report::run(&asked, context).await,
        Command::Serve => serve::run(context).await,
        Command::Suppress(command) => suppress::run(&command, context).await,
        Command::Provider(command) => provider::run(&command, context).await,
        Command::Domain(command) => domain::run(&command, context).await,
        Command::Message(command) => message::run(&command, context).await,
        Command::Explain(asked) => explain::run(&asked, context),
        Command::Completions(asked) => completions::run(&asked, context),
        Command::Man(asked) => man::run(&asked, context),
        Command::Schema(asked) => schema::run(&asked, context),
    }
}
