//! DKIM signatures of our own (RFC 6376, RFC 8463), for relays that do not sign.
//!
//! A message gets one signature per key, over everything that a reader sees and everything by which a
//! reader opts out (RFC 8058, section 4, asks that List-Unsubscribe and List-Unsubscribe-Post be
//! covered). Fields that a message does not have are signed as absent, so that nobody adds a second
//! From or Subject on the way (RFC 6376, sections 5.4.2 and 8.15). Both parts are relaxed, as relays
//! rewrap. RSA keys under 2048 bits are refused (RFC 8301, section 3.2, "SHOULD"; large receivers treat
//! less as no signature). Keys and signatures are mail-auth's; so is the moment of signing (`t=`), which
//! that library reads from the system's clock.

use bytes::Bytes;
use depeche_core::message::Mime;
use depeche_core::secret::Secret;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{DkimSigner, Done};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;

/// What is signed, whether the message has it or not.
const FIELDS: [&str; 14] = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Language",
    "In-Reply-To",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// A key, and where its public half is published.
#[derive(Debug, Clone)]
pub struct DkimConfig {
    /// `d=`: the domain that answers for the message; the From domain or one above it, to align.
    pub domain: String,
    /// `s=`: the public key is at `<selector>._domainkey.<domain>`.
    pub selector: String,
    /// The private key as PEM: PKCS #8 (RSA or Ed25519) or PKCS #1 (RSA). Never printed.
    pub key: Secret,
}

/// Why a key cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DkimKeyError {
    /// No PEM block of a private key.
    #[error("the DKIM key `{0}` is no private key in PEM (PKCS #8 or PKCS #1)")]
    NotPem(String),
    /// A key that is neither RSA of 2048 bits or more nor Ed25519.
    #[error("the DKIM key `{selector}` is neither RSA of 2048 bits or more nor Ed25519: {reason}")]
    Unfit {
        /// Whose.
        selector: String,
        /// What the library said.
        reason: String,
    },
}

/// Signs messages. Prints as its selectors only.
pub(super) struct Signer {
    keys: Vec<Key>,
}

enum Key {
    Rsa(Box<DkimSigner<RsaKey<Sha256>, Done>>),
    Ed25519(Box<DkimSigner<Ed25519Key, Done>>),
}

impl Signer {
    /// Reads the keys.
    pub(super) fn new(configs: &[DkimConfig]) -> Result<Self, DkimKeyError> {
        let keys = configs.iter().map(Key::new).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The message with one signature in front per key; none when there is no key.
    pub(super) fn sign(&self, mime: &Mime) -> Result<Option<Mime>, String> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let mut segments = Vec::with_capacity(mime.segments.len() + self.keys.len());
        for key in &self.keys {
            segments.push(Bytes::from(key.sign(mime)?));
        }
        segments.extend(mime.segments.iter().cloned());
        Ok(Some(Mime { segments, is_8bit: mime.is_8bit }))
    }
}

impl Key {
    fn new(config: &DkimConfig) -> Result<Self, DkimKeyError> {
        let der = PrivateKeyDer::from_pem_slice(config.key.expose_secret().as_bytes())
            .map_err(|_| DkimKeyError::NotPem(config.selector.clone()))?;
        // A PKCS #8 of Ed25519 may come with its public half (RFC 8410) or without (OpenSSL).
        if let PrivateKeyDer::Pkcs8(der) = &der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der())
        {
            let signer = DkimSigner::from_key(key).domain(&config.domain).selector(&config.selector);
            return Ok(Self::Ed25519(Box::new(signer.headers(FIELDS))));
        }
        let unfit = |error: mail_auth::Error| DkimKeyError::Unfit {
            selector: config.selector.clone(),
            reason: error.to_string(),
        };
        Self::rsa(RsaKey::from_key_der(der).map_err(unfit)?, config)
    }

    fn rsa(key: RsaKey<Sha256>, config: &DkimConfig) -> Result<Self, DkimKeyError> {
        // PKCS #1 RSAPublicKey: a modulus of 2048 bits alone is 257 octets.
        if key.public_key().len() < 257 {
            let reason = "the modulus is too short".to_owned();
            return Err(DkimKeyError::Unfit { selector: config.selector.clone(), reason });
        }
        let signer = DkimSigner::from_key(key).domain(&config.domain).selector(&config.selector);
        Ok(Self::Rsa(Box::new(signer.headers(FIELDS))))
    }

    /// The DKIM-Signature field, with its line end.
    fn sign(&self, mime: &Mime) -> Result<String, String> {
        let pieces = mime.segments.iter().map(|segment| &segment[..]);
        let signature = match self {
            Self::Rsa(signer) => signer.sign_chained(pieces),
            Self::Ed25519(signer) => signer.sign_chained(pieces),
        };
        signature.map(|signature| signature.to_header()).map_err(|error| error.to_string())
    }
}
