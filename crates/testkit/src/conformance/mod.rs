//! What every provider and its tests need: messages, a recording commit, and one suite for all.
//!
//! Whoever writes a provider of their own implements [`ProviderHarness`] (a provider wired to a peer
//! that accepts, refuses, or falls silent) and runs [`provider_conformance`].

mod commit;
mod fixtures;
mod suite;

pub use commit::RecordingCommit;
pub use fixtures::{message_to, message_with_body, parcel_of, parcel_to, parcels_to};
pub use suite::{Arranged, Peer, PeerDoes, ProviderHarness, Report, provider_conformance};
