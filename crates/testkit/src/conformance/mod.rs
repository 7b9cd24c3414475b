//! What every provider and its tests need: messages, a recording commit, and one suite for all.

mod commit;
mod fixtures;

pub use commit::RecordingCommit;
pub use fixtures::{message_to, message_with_body, parcel_to, parcels_to};
