//! Passwords and keys, in a type that cannot be printed.
//!
//! [`Secret`] has no `Display` and a `Debug` that shows nothing; it is wiped when dropped.

/// A password or key; read it with `secrecy::ExposeSecret` where it goes on the wire, nowhere else.
pub type Secret = secrecy::SecretString;

pub use secrecy::ExposeSecret;
