//! Keys of one's own, for relays that do not sign: made, and their public halves as records to publish.
//!
//! A private key is PEM: PKCS #8 (RFC 5208) is what is made here; PKCS #1 (RFC 8017, appendix A.1.2) is
//! read too. RSA keys under 2048 bits are refused (RFC 8301, section 3.2, "SHOULD": large receivers take
//! less for no signature). The arithmetic, and the randomness of a new key, are aws-lc's.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::{GOOD_RSA_BITS, KeyLookup, KeyRecord, KeyType, PublicKey};
use crate::text::Text;

/// The kinds of key that are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewKey {
    /// RSA of 2048 bits: every receiver takes it, and its record fits one answer.
    #[default]
    Rsa2048,
    /// Ed25519 (RFC 8463): short, and not taken everywhere yet; beside an RSA key.
    Ed25519,
}

/// Why a text is no key that can sign, or none could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnKeyError {
    /// No PEM block of a private key.
    #[error("it is no private key in PEM (PKCS #8 or PKCS #1)")]
    NotPem,
    /// A key that is neither RSA nor Ed25519, or is damaged.
    #[error("it is neither an RSA key nor an Ed25519 key")]
    OtherKind,
    /// An RSA key of fewer than 2048 bits.
    #[error("its RSA modulus has {bits} bits; 2048 are needed")]
    TooShort {
        /// Its length.
        bits: usize,
    },
    /// The library gave no key.
    #[error("no key could be made on this machine")]
    NotMade,
}

/// Makes a private key, as PKCS #8 in PEM. It is a secret: to be written where only its owner reads.
///
/// # Errors
///
/// [`OwnKeyError::NotMade`] when the library has no randomness to give.
pub fn make_key(kind: NewKey) -> Result<String, OwnKeyError> {
    let failed = |_| OwnKeyError::NotMade;
    let der = match kind {
        NewKey::Rsa2048 => {
            let pair = RsaPair::generate(KeySize::Rsa2048).map_err(failed)?;
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?.as_ref().to_vec()
        }
        // Version 1, without the public half: what OpenSSL and others read.
        NewKey::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
        }
    };
    Ok(pem(&der))
}

/// The key record (RFC 6376, section 3.6.1; RFC 8463, section 4) that belongs to a private key in PEM.
///
/// # Errors
///
/// [`OwnKeyError`] when the text is no key that depeche signs with.
pub fn record_of(private_pem: &str) -> Result<String, OwnKeyError> {
    let der = PrivateKeyDer::from_pem_slice(private_pem.as_bytes()).map_err(|_| OwnKeyError::NotPem)?;
    let rsa = match &der {
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                return Ok(format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(pair.public_key().as_ref())));
            }
            RsaPair::from_pkcs8(der)
        }
        PrivateKeyDer::Pkcs1(der) => RsaPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(OwnKeyError::OtherKind),
    };
    let rsa = rsa.map_err(|_| OwnKeyError::OtherKind)?;
    let bits = rsa.public_modulus_len() * 8;
    if bits < GOOD_RSA_BITS {
        return Err(OwnKeyError::TooShort { bits });
    }
    let public: PublicKeyX509Der<'_> = rsa.public_key().as_der().map_err(|_| OwnKeyError::OtherKind)?;
    Ok(format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public.as_ref())))
}

/// A key that depeche signs with, as far as DNS is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKey {
    /// `d=`
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// The record of its public half ([`record_of`]); `None` when the private key was not read.
    pub record: Option<String>,
    /// Why the private key cannot be had, when it was asked for: nothing is signed with it.
    pub fault: Option<Text>,
}

impl OwnKey {
    /// Whether what is published under its selector is its public half; `None` when either is not known.
    #[must_use]
    pub fn is_published(&self, found: &KeyLookup) -> Option<bool> {
        let own = KeyRecord::parse(self.record.as_ref()?.as_bytes());
        let [published] = found.records.as_slice() else { return None };
        let (PublicKey::Key { octets: own_octets, .. }, PublicKey::Key { octets, .. }) =
            (&own.key, &published.key)
        else {
            return None;
        };
        // A published RSA key may lack the frame that names its algorithm (RFC 6376, section 3.6.1).
        let same = own_octets == octets || (own.key_type == KeyType::Rsa && own_octets.ends_with(octets));
        Some(same && own.key_type == published.key_type)
    }
}

/// RFC 7468, section 10: lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8463, appendix A.2: the private key's seed, and the record that the appendix prints. The DER
    /// around the seed is that of RFC 8410, section 7.
    #[test]
    fn the_record_of_the_ed25519_key_of_rfc_8463_is_the_printed_one() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

        let record = record_of(pem).unwrap();

        assert_eq!(record, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    }

    #[test]
    fn a_key_that_was_made_has_a_good_record_and_is_another_each_time() {
        for (kind, bits) in [(NewKey::Rsa2048, 2048), (NewKey::Ed25519, 256)] {
            let (one, other) = (make_key(kind).unwrap(), make_key(kind).unwrap());
            let record = KeyRecord::parse(record_of(&one).unwrap().as_bytes());

            assert!(record.is_usable() && record.issues.is_empty(), "{record:?}");
            assert_eq!(record.bits(), Some(bits));
            assert_ne!(record_of(&one), record_of(&other));
        }
    }

    #[test]
    fn what_cannot_sign_says_why() {
        assert_eq!(record_of("hello"), Err(OwnKeyError::NotPem));
        let damaged = pem(b"\x30\x00");
        assert_eq!(record_of(&damaged), Err(OwnKeyError::OtherKind));
    }

    #[test]
    fn another_key_under_the_same_selector_is_told_apart() {
        let own = record_of(&make_key(NewKey::Ed25519).unwrap()).unwrap();
        let other = record_of(&make_key(NewKey::Ed25519).unwrap()).unwrap();
        let (domain, selector) = ("exemple.fr".to_owned(), "s1".to_owned());
        let key = OwnKey { domain, selector, record: Some(own.clone()), fault: None };
        let found = |record: &str| KeyLookup {
            selector: "s1".into(),
            domain: "exemple.fr".into(),
            status: crate::dns::Status::Found,
            aliases: Vec::new(),
            ttl: None,
            records: vec![KeyRecord::parse(record.as_bytes())],
        };

        assert_eq!(key.is_published(&found(&own)), Some(true));
        assert_eq!(key.is_published(&found(&other)), Some(false));
        assert_eq!(OwnKey { record: None, ..key }.is_published(&found(&own)), None);
    }
}
