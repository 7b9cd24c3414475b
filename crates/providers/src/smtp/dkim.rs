//! DKIM signatures of our own (RFC 6376, RFC 8463), for relays that do not sign.
//!
//! A message gets one signature per key, over everything that a reader sees and everything by which a
//! reader opts out (RFC 8058, section 4, asks that List-Unsubscribe and List-Unsubscribe-Post be
//! covered). Fields that a message does not have are signed as absent, so that nobody adds a second
//! From or Subject on the way (RFC 6376, sections 5.4.2 and 8.15). Both parts are relaxed, as relays
//! rewrap. RSA keys under 2048 bits are refused (RFC 8301, section 3.2, "SHOULD"; large receivers treat
//! less as no signature).
//!
//! Keys, canonical forms and signatures are mail-auth's. Its ready-made signer is not used, for two
//! reasons: it reads the system's clock, and of a message in several pieces (one with images or
//! attachments) it signs the last piece's end as the body. Here the pieces are read as the one message
//! that they are, and the moment of signing (`t=`) is the caller's.

use bytes::Bytes;
use depeche_core::message::Mime;
use depeche_core::secret::Secret;
use jiff::Timestamp;
use mail_auth::common::crypto::{
    DkimKey, Ed25519Key, HashContext as _, HashImpl as _, RsaKey, Sha256, SigningKey,
};
use mail_auth::common::headers::{HeaderStream, HeaderWriter as _, Writable, Writer};
use mail_auth::dkim::canonicalize::{BodyHasher, CanonicalHeaders};
use mail_auth::dkim::{Canonicalization, Signature};
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
        /// What is wrong with it.
        reason: String,
    },
}

/// Signs messages with every key that a provider's section names.
pub struct DkimSigner {
    keys: Vec<Key>,
}

struct Key {
    key: DkimKey,
    /// What every signature of this key says.
    template: Signature,
}

impl DkimSigner {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// [`DkimKeyError`] when one of them is not in PEM, or of a kind that cannot sign.
    pub fn new(configs: &[DkimConfig]) -> Result<Self, DkimKeyError> {
        let keys = configs.iter().map(Key::new).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The message with one signature in front per key, made at `now`; none when there is no key.
    ///
    /// # Errors
    ///
    /// Why not: a message without an end of its header, or a key that the library cannot use.
    pub fn sign(&self, mime: &Mime, now: Timestamp) -> Result<Option<Mime>, String> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let content = Content::of(mime)?;
        let mut segments = Vec::with_capacity(mime.segments.len() + self.keys.len());
        for key in &self.keys {
            segments.push(Bytes::from(key.sign(&content, now)?));
        }
        segments.extend(mime.segments.iter().cloned());
        Ok(Some(Mime { segments, is_8bit: mime.is_8bit }))
    }
}

impl Key {
    fn new(config: &DkimConfig) -> Result<Self, DkimKeyError> {
        let key = read_key(config)?;
        let template = Signature {
            v: 1,
            a: key.algorithm(),
            d: config.domain.clone(),
            s: config.selector.clone(),
            h: FIELDS.map(str::to_owned).to_vec(),
            ch: Canonicalization::Relaxed,
            cb: BODY,
            ..Signature::default()
        };
        Ok(Self { key, template })
    }

    /// The DKIM-Signature field, with its line end.
    fn sign(&self, content: &Content, now: Timestamp) -> Result<String, String> {
        let (_, headers, named, _) = self.template.canonicalize(content.fields());
        let mut signature = self.template.clone();
        signature.bh.clone_from(&content.body_hash);
        signature.h = named;
        signature.t = u64::try_from(now.as_second()).unwrap_or_default();
        let signed = Signed { headers, signature: &signature };
        signature.b = self.key.sign(signed).map_err(|error| error.to_string())?;
        Ok(signature.to_header())
    }
}

fn read_key(config: &DkimConfig) -> Result<DkimKey, DkimKeyError> {
    let der = PrivateKeyDer::from_pem_slice(config.key.expose_secret().as_bytes())
        .map_err(|_| DkimKeyError::NotPem(config.selector.clone()))?;
    // A PKCS #8 of Ed25519 may come with its public half (RFC 8410) or without (OpenSSL).
    if let PrivateKeyDer::Pkcs8(der) = &der
        && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der())
    {
        return Ok(key.into());
    }
    let unfit = |reason| DkimKeyError::Unfit { selector: config.selector.clone(), reason };
    let key = RsaKey::<Sha256>::from_key_der(der)
        .map_err(|_| unfit("it is of another kind, or damaged".to_owned()))?;
    // PKCS #1 RSAPublicKey: a modulus of 2048 bits alone is 257 octets.
    if key.public_key().len() < 257 {
        return Err(unfit("the modulus is too short".to_owned()));
    }
    Ok(key.into())
}

/// A message as signatures see it: its header in one piece, and what its body comes to.
struct Content {
    header: Vec<u8>,
    body_hash: Vec<u8>,
}

impl Content {
    /// Reads the pieces once, whatever the number of keys. The body is not copied.
    fn of(mime: &Mime) -> Result<Self, String> {
        let mut header = Vec::new();
        let mut body = BodyHasher::new(Sha256::hasher(), BODY, 0);
        let mut in_body = false;
        for segment in &mime.segments {
            if in_body {
                body.write(segment);
                continue;
            }
            // The empty line may lie across two pieces.
            let from = header.len().saturating_sub(END.len() - 1);
            header.extend_from_slice(segment);
            let end = header[from..].windows(END.len()).position(|four| four == END);
            if let Some(end) = end {
                let end = from + end + END.len();
                body.write(&header[end..]);
                header.truncate(end);
                in_body = true;
            }
        }
        if !in_body {
            return Err("the message has no empty line after its header".to_owned());
        }
        let (hash, _) = body.finish();
        Ok(Self { header, body_hash: hash.complete().as_ref().to_vec() })
    }

    fn fields(&self) -> Fields<'_> {
        Fields { rest: &self.header }
    }
}

/// Header fields from top to bottom, with their folds.
struct Fields<'x> {
    rest: &'x [u8],
}

impl<'x> HeaderStream<'x> for Fields<'x> {
    fn next_header(&mut self) -> Option<(&'x [u8], &'x [u8])> {
        let mut end = 0;
        loop {
            let line = self.rest[end..].iter().position(|octet| *octet == b'\n')? + 1;
            end += line;
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (field, rest) = self.rest.split_at(end);
        // The empty line ends the header.
        let colon = field.iter().position(|octet| *octet == b':')?;
        self.rest = rest;
        Some((&field[..colon], &field[colon + 1..]))
    }

    fn body(&mut self) -> &'x [u8] {
        // Hashed already, piece by piece.
        b""
    }
}

/// What is signed: the fields, then the signature itself without `b=` (RFC 6376, section 3.7).
struct Signed<'a> {
    headers: CanonicalHeaders<'a>,
    signature: &'a Signature,
}

impl Writable for Signed<'_> {
    fn write(self, writer: &mut impl Writer) {
        self.headers.write(writer);
        self.signature.write(writer, false);
    }
}

const BODY: Canonicalization = Canonicalization::Relaxed;
const END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str =
        "From: a@example.org\r\nSubject: one\r\n two\r\nTo: b@example.org\r\n\r\nBody  here\r\n\r\nEnd\r\n";

    /// RFC 8032, section 7.1, test 1, in the PKCS #8 form of RFC 8410: its signatures do not vary.
    fn signer() -> DkimSigner {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
        let (domain, selector) = ("example.org".to_owned(), "s1".to_owned());
        DkimSigner::new(&[DkimConfig { domain, selector, key: Secret::from(pem.to_owned()) }]).unwrap()
    }

    fn signed(pieces: &[&str], now: i64) -> String {
        let segments = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        let mime = Mime { segments, is_8bit: false };
        let signed = signer().sign(&mime, Timestamp::from_second(now).unwrap()).unwrap().unwrap();
        String::from_utf8(signed.segments[0].to_vec()).unwrap()
    }

    /// Until 2026-11-27 only the last piece's end was signed as the body, so that every release with an
    /// image failed DKIM at its receivers; found by reading how mail-auth walks over pieces, and seen with
    /// dkimpy (body hash mismatch).
    #[test]
    fn a_message_in_pieces_is_signed_as_the_one_message_that_it_is() {
        let whole = signed(&[MESSAGE], 1);

        for at in 1..MESSAGE.len() {
            let (first, second) = MESSAGE.split_at(at);
            assert_eq!(signed(&[first, second], 1), whole, "cut at {at}");
        }
        assert_ne!(signed(&[&MESSAGE.replace("End", "end")], 1), whole);
    }

    #[test]
    fn the_moment_of_signing_is_the_callers() {
        assert!(signed(&[MESSAGE], 1_767_225_600).contains("t=1767225600"));
    }

    #[test]
    fn a_message_without_a_body_separator_is_not_signed() {
        let mime = Mime { segments: vec![Bytes::from_static(b"From: a@example.org\r\n")], is_8bit: false };
        assert!(signer().sign(&mime, Timestamp::UNIX_EPOCH).is_err());
    }
}
