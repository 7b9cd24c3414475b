//! The mirror, the epoch, take-over and reconcile over the real SQLite journal.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod compaction;
mod conformance;
mod copies;
mod lost;
mod support;
mod take_over;
