//! Takes what comes back after a release went out.
pub mod token;
