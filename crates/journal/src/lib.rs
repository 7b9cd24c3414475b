//! The write-ahead journal of depeche on SQLite and on PostgreSQL.
//!
//! [`SqliteJournal`] is a file for one machine; [`PostgresJournal`] is shared by the workers of a fleet.
//! The rules are DELIVERY.md's ("Write-ahead journal", "Fleet"); the tables are in `migrations/`, those
//! of PostgreSQL in `migrations/postgres/`.
//!
//! # One text, two databases
//!
//! What is read and written is the same for both, so it stands once, in `sql/`, and is compiled once for
//! each database against that database's own types: no driver is chosen while it runs, and every value
//! is checked by the compiler for both. A database's own module says what differs: how a connection is
//! opened and lost (`Door`), who holds a run, and how many rows go together in one statement.

// The files of `sql/` are meant to be compiled once for each database.
#![allow(clippy::duplicate_mod)]

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use depeche_core::journal::JournalError;

#[cfg(feature = "postgres")]
pub use postgres::{PostgresConfig, PostgresJournal};
pub use sqlite::SqliteJournal;

/// What the database said, in one line.
pub(crate) fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        other => other.to_string(),
    }
}

/// A read that failed.
pub(crate) fn read_failed(error: &sqlx::Error) -> JournalError {
    JournalError::Corrupt(describe(error))
}

/// A write that failed.
pub(crate) fn write_failed(error: &sqlx::Error) -> JournalError {
    JournalError::WriteFailed { reason: describe(error) }
}
