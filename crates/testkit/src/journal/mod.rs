//! Journals that fail on demand, and one suite of promises for every journal.
//!
//! Whoever writes a journal of their own implements [`JournalHarness`] and runs
//! [`journal_conformance`]; [`FaultyJournal`] stands between an engine and a journal whose disk
//! fills up.

mod faulty;
mod fixtures;
mod suite;

pub use faulty::FaultyJournal;
pub use fixtures::{intent_for, new_run, recipients, settled};
pub use suite::{JournalHarness, forgetting_conformance, journal_conformance};
