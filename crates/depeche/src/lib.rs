//! Sends a press release to every journalist on a list exactly once, through several providers.
//!
//! This crate joins the others: the delivery protocol and its values (re-exported from
//! `depeche-core`), the [`providers`], the SQLite journal ([`sqlite`]) and the checks of sending
//! domains ([`domain`]). It opens nothing by itself; the command line `depeche` is one user of it.

pub use depeche_core::*;
pub use depeche_domain as domain;
pub use depeche_journal as sqlite;
pub use depeche_providers as providers;
