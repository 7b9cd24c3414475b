//! The HTTP providers against a server that misbehaves, the one suite for all providers, and the
//! providers' own schemas.

// A test crate: its wiring panics and prints as its tests do, but clippy only sees that inside `#[test]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod after;
mod arrange;
mod bodies;
mod campaign;
mod campaign_wire;
mod conformance;
mod login;
mod look_up;
mod marketing;
mod mock;
mod ovh;
mod schema;
mod tls;
mod webhooks;
mod wire;
