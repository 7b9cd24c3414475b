//! What every provider with an HTTP API shares: one client, one reading of its answers, and the ways
//! to write names that such APIs garble.
//!
//! Refuses redirects, retries, clear text beyond this machine, and answers over 1 MiB. The rules are
//! those of DELIVERY.md ("HTTP, proved not accepted … Unknown", and "Security that belongs to delivery").

pub mod classify;
pub mod client;
mod config;
pub mod names;
mod words;

pub use client::{Answer, Failure, HttpClient, Request};
pub use config::{HttpConfig, HttpConfigError, HttpTimeouts};
