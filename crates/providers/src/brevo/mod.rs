//! Brevo's API v3 (`POST /smtp/email`).
//!
//! One journalist per request, or up to 1000 in a batch (`messageVersions`, one `to` each). What it
//! garbles is designed around in `payload`; what its answers prove is read in `reply`; an
//! uncertain message is settled in `look_up`, by repeating the identical request within 10 minutes or by
//! Brevo's own events later. `docs/providers/brevo.md` has the quirks, each with source and date.
//!
//! # Not covered
//!
//! Images inside the message (Brevo has none), and scheduled sending: depeche keeps the time itself.

mod account;
mod after;
mod batches;
mod config;
mod look_up;
mod pace;
mod payload;
mod provider;
mod reply;
pub mod webhook;

pub use config::BrevoConfig;
pub use payload::{NotFit, release_tag};
pub use provider::BrevoProvider;
