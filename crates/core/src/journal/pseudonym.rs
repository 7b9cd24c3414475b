//! Under which name somebody stands who was forgotten ([`super::Journal::forget`]).
//!
//! The first 16 octets of HMAC-SHA-256 (RFC 2104) over the recipient key, under a random key that the journal
//! made for itself, written as an address of `forgotten.invalid` (RFC 2606, section 2: no mail ever goes there).
//!
//! # Not covered
//!
//! Whoever has the key can try addresses out: this is a pseudonym in the sense of the GDPR (article 4, 5), not
//! anonymity.

use aws_lc_rs::hmac;

use crate::address::RecipientKey;
use crate::block_list::FORGOTTEN as DOMAIN;

/// Keeps these hashes apart from any other use of the key.
const LABEL: &[u8] = b"depeche forgotten\0";

/// Makes pseudonyms under one key.
#[derive(Debug)]
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// Under `key`: 32 octets drawn at random.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The pseudonym of a recipient; `None` of a pseudonym itself.
    #[must_use]
    pub fn of(&self, key: &str) -> Option<String> {
        if is_pseudonym(key) {
            return None;
        }
        let mut context = hmac::Context::with_key(&self.0);
        context.update(LABEL);
        context.update(key.as_bytes());
        let sum = context.sign();
        let digits: String = sum.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("forgotten-{digits}@{DOMAIN}"))
    }

    /// The same, as a recipient's name.
    #[must_use]
    pub fn name(&self, key: &RecipientKey) -> Option<RecipientKey> {
        self.of(key.as_str()).map(RecipientKey::from_stored)
    }
}

/// Whether somebody stands under this name who was forgotten.
#[must_use]
pub fn is_pseudonym(key: &str) -> bool {
    key.rsplit_once('@').is_some_and(|(_, domain)| domain == DOMAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Python: hmac.new(bytes([7]) * 32, b"depeche forgotten\0zoe@exemple.fr", "sha256").hexdigest()[:32].
    #[test]
    fn a_pseudonym_is_the_hash_that_another_implementation_makes() {
        let made = Pseudonyms::new(&[7; 32]).of("zoe@exemple.fr").unwrap();
        assert_eq!(made, "forgotten-f3909937b60c608f68f67970a9fca6c9@forgotten.invalid");
        assert!(is_pseudonym(&made) && !is_pseudonym("zoe@exemple.fr"));
        assert_eq!(Pseudonyms::new(&[7; 32]).of(&made), None);
    }
}
