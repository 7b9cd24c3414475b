//! A second place for the journal: sealed, fenced, and enough to go on from when the machine burns.
//!
//! - [`MirroredJournal`] decorates any journal: an intent is in the second place before the wire
//!   ([`Mode::Sync`]) or at most a second later ([`Mode::Async`]), and beside the journal in any case.
//! - [`Opening::begin`] refuses a journal that is an older copy, or whose work another machine has
//!   taken over; [`Opening::reconcile`] and [`Opening::take_over`] are the ways out.
//! - [`Log`] is what is kept: numbered segments, each written once ([`MirrorTarget`]), so that two
//!   machines cannot both go on. [`Folder`] and [`S3`] are places; another one is three methods.
//! - [`MirroredJournal::compact`] writes what the journal holds as a snapshot, and empties what stands before it:
//!   so that a long log is short again, and somebody who is to be forgotten is.
//!
//! What records say is worked out by pure functions ([`fold`], [`moves`]), and brought to a journal
//! through the journal's own calls, so that its rules hold for what is restored as well.
//!
//! # Not covered
//!
//! Whoever has the mirror can lose or withhold its newest segments, and nobody can tell. With
//! [`Mode::Async`] a machine that burns takes the intents of its last moments with it.
//!
//! [`MirrorTarget`]: depeche_core::journal::mirror::MirrorTarget

mod beside;
mod compact;
pub mod fold;
mod folder;
mod journal;
mod keeper;
mod lineage;
mod log;
pub mod moves;
pub mod record;
mod recover;
mod restore;
mod s3;
mod seal;
mod segment;
mod session;
mod telling;

pub use beside::{Beside, Epoch, Lag};
pub use compact::{CompactError, Compacted};
pub use folder::Folder;
pub use journal::{MirroredJournal, Terms};
pub use keeper::Mode;
pub use lineage::RESERVED;
pub use log::{Log, LogError, Read};
pub use recover::{RecoverError, Recovered};
pub use restore::{Moved, RestoreError, Restored};
pub use s3::{S3, S3Config, S3ConfigError};
pub use seal::{Seal, SealError};
pub use segment::Segment;
pub use session::{Begun, NotOpened, Opening};
