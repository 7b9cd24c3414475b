//! What happens to a list when the wire does its worst: real engine, real journal, real SMTP, and
//! servers that fail on demand. What the servers saw is compared with what the journal says.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod ahead;
mod asking;
mod batches;
mod brevo;
mod common;
mod journal;
mod outages;
mod pace;
mod replies;
mod stops;
mod trust;
