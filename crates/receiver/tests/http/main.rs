//! The receiver as a sender, a reader and an operator meet it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod arrange;
mod burst;
mod operations;
mod proof;
mod serving;
mod stop;
mod token;
mod webhooks;
