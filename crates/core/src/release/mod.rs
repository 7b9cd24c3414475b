//! Releases: what is said, and how it looks.

pub mod identity;
