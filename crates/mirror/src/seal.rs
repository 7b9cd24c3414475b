//! Seals what leaves the machine: AES-256-GCM (NIST SP 800-38D) under a key from the user's secret.
//!
//! The name under which the bytes are kept is authenticated with them, so that the place can neither
//! read nor change them, nor give one segment for another. What it can do is lose or withhold some;
//! the numbers without gaps show that, but for the newest ones.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use depeche_core::clock::Entropy;
use depeche_core::secret::{ExposeSecret, Secret};

/// Seals and opens under one key.
pub struct Seal(LessSafeKey);

/// Why a key cannot be used, or something cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The secret is shorter than [`Seal::SHORTEST`].
    #[error("the mirror's key has {0} characters; it needs {least} or more, drawn at random", least = Seal::SHORTEST)]
    KeyTooShort(usize),
    /// Another key, or other bytes than were sealed.
    #[error("`{0}` cannot be opened with this key, or was changed")]
    NotOurs(String),
}

const VERSION: u8 = 1;
const INFO: &[&[u8]] = &[b"depeche mirror 1"];

impl Seal {
    /// So many characters must the secret have: 32 of base64 are 192 random bits.
    pub const SHORTEST: usize = 32;

    /// A seal under a key derived from `secret` by HKDF (RFC 5869): no stretching, so the secret must be
    /// drawn at random, not thought up.
    ///
    /// # Errors
    ///
    /// [`SealError::KeyTooShort`].
    pub fn new(secret: &Secret) -> Result<Self, SealError> {
        let text = secret.expose_secret().trim();
        if text.chars().count() < Self::SHORTEST {
            return Err(SealError::KeyTooShort(text.chars().count()));
        }
        let key = Salt::new(HKDF_SHA256, &[]).extract(text.as_bytes());
        let key = key.expand(INFO, &AES_256_GCM).expect("AES-256's key is shorter than HKDF's limit");
        Ok(Self(LessSafeKey::new(UnboundKey::from(key))))
    }

    /// Seals `plain` for the place `name`. The nonce is random: 2^32 segments under one key before the
    /// odds of a repeat pass 2^-32 (SP 800-38D, section 8.3).
    #[must_use]
    pub fn seal(&self, name: &str, plain: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .expect("a segment is far shorter than AES-GCM's limit");
        let mut whole = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        whole.push(VERSION);
        whole.extend_from_slice(&nonce);
        whole.append(&mut sealed);
        whole
    }

    /// What was sealed for the place `name`.
    ///
    /// # Errors
    ///
    /// [`SealError::NotOurs`].
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let not_ours = || SealError::NotOurs(name.to_owned());
        let (version, rest) = sealed.split_first().ok_or_else(not_ours)?;
        if *version != VERSION || rest.len() < NONCE_LEN {
            return Err(not_ours());
        }
        let (nonce, rest) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| not_ours())?;
        let mut bytes = rest.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes);
        let length = plain.map_err(|_| not_ours())?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use depeche_core::clock::SystemEntropy;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn seal(key: &str) -> Seal {
        Seal::new(&key.to_owned().into()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_key_only() {
        let sealed = seal(KEY).seal("log/1", b"zoe@exemple.fr", &SystemEntropy);

        assert_eq!(seal(KEY).open("log/1", &sealed).unwrap(), b"zoe@exemple.fr");
        assert!(seal(KEY).open("log/2", &sealed).is_err());
        assert!(seal(&KEY.replace('0', "1")).open("log/1", &sealed).is_err());
        assert!(!sealed.windows(3).any(|three| three == b"zoe"), "nothing of it is readable");
    }

    #[test]
    fn no_changed_or_cut_octet_goes_unseen() {
        let sealed = seal(KEY).seal("log/1", b"zoe", &SystemEntropy);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(seal(KEY).open("log/1", &changed).is_err(), "octet {place}");
            assert!(seal(KEY).open("log/1", &sealed[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn a_short_key_is_refused() {
        let refused = Seal::new(&"motdepasse".to_owned().into());
        assert_eq!(refused.unwrap_err(), SealError::KeyTooShort(10));
    }
}
