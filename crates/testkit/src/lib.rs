//! Scripted servers, a manual clock and the conformance suites of depeche.
//!
//! Published, so that whoever writes a provider or a journal of their own runs the same suite:
//! [`smtp::FakeSmtp`] is a mail server that fails in every way at every phase, and [`conformance`]
//! asks a provider for every promise that the engine builds on; [`journal`] asks a journal, and holds
//! one that fails on demand; [`provider`] is a provider in memory that knows what it really took.

pub mod clock;
pub mod conformance;
pub mod dns;
pub mod http;
pub mod journal;
pub mod provider;
pub mod smtp;
pub mod tls;
