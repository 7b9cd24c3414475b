//! DKIM (RFC 6376, 8301, 8463): key records with places, the selectors providers use, verification.
//!
//! Tag lists, canonicalisation and every reason are ours, so that a user is told *which* header changed
//! nothing, *which* key is too short and *where*; RSA, Ed25519 and the hashes are mail-auth's. Keys come
//! through our own DNS door.
//!
//! A selector cannot be listed by asking DNS. A selector that nobody named is "not checked": never
//! "failed" and never "passed".
//!
//! # Not covered
//!
//! Third-party signatures (RFC 6541) and failure reports (RFC 6651); `q=` other than `dns/txt`.

mod canonical;
mod der;
mod key;
mod lookup;
mod own;
mod selectors;
mod signature;
mod source;
mod tags;
mod verify;

pub use key::{KeyIssue, KeyIssueKind, KeyRecord, KeyType, PublicKey};
pub use lookup::{KeyLookup, KeyVerdict, fetch};
pub use own::{NewKey, OwnKey, OwnKeyError, make_key, record_of};
pub use selectors::{COMMON_SELECTORS, Probe, probe};
pub use signature::{Algorithm, Canonical, Signature, SignatureError};
pub use source::{Header, Source};
pub use verify::{DkimResult, SignatureVerdict, verify};

/// RSA keys below this are not to be believed (RFC 8301, section 3.2), in bits.
pub const MIN_RSA_BITS: usize = 1024;
/// RSA keys should have at least this many bits (RFC 8301, section 3.2).
pub const GOOD_RSA_BITS: usize = 2048;
/// The most signatures of one message that are verified; the rest is named and left alone.
pub const MAX_SIGNATURES: usize = 16;
