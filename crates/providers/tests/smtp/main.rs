//! SMTP against a server that fails in every way at every phase.

mod ahead;
mod conformance;
mod delivery;
mod outcomes;
mod support;
mod tls;
