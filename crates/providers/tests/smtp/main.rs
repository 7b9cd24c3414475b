//! SMTP against a server that fails in every way at every phase.

mod delivery;
mod outcomes;
mod support;
mod tls;
