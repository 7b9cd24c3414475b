//! The examples do what they say: each ends without an error, and asserts its own figures.

// An example shows what it does; as a test it is captured.
#![allow(clippy::print_stdout, unreachable_pub)]

#[path = "../examples/contacts.rs"]
mod contacts;
#[path = "../examples/embed.rs"]
mod embed;
#[path = "../examples/fallback.rs"]
mod fallback;
#[path = "../examples/own/main.rs"]
mod own;
#[path = "../examples/progress.rs"]
mod progress;

#[test]
fn contacts_come_from_any_stream() {
    contacts::main().expect("the example ends well");
}

#[test]
fn another_program_embeds_the_engine() {
    embed::main().expect("the example ends well");
}

#[test]
fn the_second_provider_takes_over_when_the_first_dies() {
    fallback::main().expect("the example ends well");
}

#[test]
fn a_provider_and_a_journal_of_ones_own_keep_the_published_promises() {
    own::main().expect("the example ends well");
}

#[test]
fn progress_is_a_stream_and_a_dropped_future_loses_nobody() {
    progress::main().expect("the example ends well");
}
