//! The signed token of an opt-out link: it names one delivery, says no address, and ends some day.
//!
//! 37 octets in base64url without padding (RFC 4648, section 5), so 50 characters: the version, the
//! delivery's reference, the last day on which the link holds (UTC, days since 1970, big-endian), and the
//! first 16 octets of HMAC-SHA-256 (RFC 2104; truncated as its section 5 allows) over a label and what
//! stands before. There is one spelling of each token: padding, other alphabets and stray bits are refused.
//!
//! Who has no key (an address of the user's own behind `[unsubscribe].url`) gets the bare reference in
//! hexadecimal digits: it names the same delivery, and proves nothing.
//!
//! Nothing here reads a clock: the caller says what time it is.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::message::MessageId;
use crate::secret::{ExposeSecret as _, Secret};

/// A key must be at least as long as half the hash's block is strong (RFC 2104, section 3).
pub const LEAST_KEY_BYTES: usize = 32;

/// What names a delivery in a link: the first 16 octets of the SHA-256 of its Message-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryReference(pub [u8; 16]);

impl DeliveryReference {
    /// The reference of the delivery whose message has this id, angle brackets included.
    #[must_use]
    pub fn of(message_id: &MessageId) -> Self {
        let hash = digest::digest(&digest::SHA256, message_id.as_str().as_bytes());
        let mut reference = [0; 16];
        reference.copy_from_slice(&hash.as_ref()[..16]);
        Self(reference)
    }
}

impl std::fmt::Display for DeliveryReference {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What goes into the links of a run's messages in place of `{token}`.
#[derive(Debug, Clone)]
pub struct SignedLinks {
    /// The first signs.
    pub keys: TokenKeys,
    /// The last day on which a link holds, UTC; the same for every message of a run, so that one that is
    /// made again is the same message.
    pub last_day: Date,
}

impl SignedLinks {
    /// The token of the delivery whose message has this id.
    #[must_use]
    pub fn token(&self, message_id: &MessageId) -> OptOutToken {
        OptOutToken::sign(&self.keys, DeliveryReference::of(message_id), self.last_day)
    }
}

/// The keys that sign and verify. The first signs; every one verifies, so that a link outlives the key's
/// turn.
#[derive(Clone)]
pub struct TokenKeys {
    keys: Vec<hmac::Key>,
}

/// Why keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// None was given.
    #[error("there is no key to sign opt-out links with")]
    None,
    /// One is too short to be a key.
    #[error("key {number} for opt-out links has {bytes} bytes, and needs {LEAST_KEY_BYTES}")]
    Short {
        /// Which, from 1.
        number: usize,
        /// How long it is.
        bytes: usize,
    },
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours: not its form, or not signed by any of the keys.
    #[error("the link is not one of ours")]
    Forged,
    /// Ours, and its last day is over.
    #[error("the link ended on {0}")]
    Expired(Date),
}

/// An opt-out token as it stands in the link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OptOutToken(String);

impl OptOutToken {
    /// Signs a token that holds until the end of `last_day`, UTC. The same arguments give the same token,
    /// so that a message that is made again is the same message.
    ///
    /// A day before 1970 is taken as 1970-01-01: such a token is expired either way.
    #[must_use]
    pub fn sign(keys: &TokenKeys, reference: DeliveryReference, last_day: Date) -> Self {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(&reference.0);
        bytes[17..SIGNED].copy_from_slice(&day_number(last_day).to_be_bytes());
        let seal = seal(&keys.keys[0], &bytes[..SIGNED]);
        bytes[SIGNED..].copy_from_slice(&seal);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The delivery that `token` names.
    ///
    /// The time that the comparison takes does not depend on where a wrong seal differs.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; expiry is only told of a token that is ours.
    pub fn verify(keys: &TokenKeys, token: &str, now: Timestamp) -> Result<DeliveryReference, TokenError> {
        let decoded = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Forged)?;
        let bytes: [u8; LENGTH] = decoded.try_into().map_err(|_| TokenError::Forged)?;
        let (signed, claimed) = bytes.split_at(SIGNED);
        let is_ours = keys
            .keys
            .iter()
            .fold(false, |found, key| found | verify_slices_are_equal(&seal(key, signed), claimed).is_ok());
        if !is_ours || signed[0] != VERSION {
            return Err(TokenError::Forged);
        }
        let mut reference = [0; 16];
        reference.copy_from_slice(&signed[1..17]);
        let last_day = u32::from_be_bytes([signed[17], signed[18], signed[19], signed[20]]);
        let today = day_number(Offset::UTC.to_datetime(now).date());
        if today > last_day {
            return Err(TokenError::Expired(date_of(last_day)));
        }
        Ok(DeliveryReference(reference))
    }

    /// The token as it stands in a link: letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TokenKeys {
    /// Takes the keys, the signing one first.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when there is none, or one is shorter than [`LEAST_KEY_BYTES`].
    pub fn new(secrets: &[Secret]) -> Result<Self, KeyError> {
        if secrets.is_empty() {
            return Err(KeyError::None);
        }
        let key = |(index, secret): (usize, &Secret)| {
            let bytes = secret.expose_secret().as_bytes();
            if bytes.len() < LEAST_KEY_BYTES {
                return Err(KeyError::Short { number: index + 1, bytes: bytes.len() });
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes))
        };
        let keys = secrets.iter().enumerate().map(key).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKeys({})", self.keys.len())
    }
}

impl std::fmt::Display for OptOutToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn seal(key: &hmac::Key, signed: &[u8]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    context.update(LABEL);
    context.update(signed);
    let mut seal = [0; 16];
    seal.copy_from_slice(&context.sign().as_ref()[..16]);
    seal
}

fn day_number(date: Date) -> u32 {
    let days = (date - EPOCH).get_days();
    u32::try_from(days).unwrap_or(0)
}

fn date_of(day: u32) -> Date {
    let days = i64::from(day);
    jiff::Span::new().try_days(days).and_then(|span| EPOCH.checked_add(span)).unwrap_or(Date::MAX)
}

const VERSION: u8 = 1;
const SIGNED: usize = 1 + 16 + 4;
const LENGTH: usize = SIGNED + 16;
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Keeps these seals apart from any other use of the same key.
const LABEL: &[u8] = b"depeche opt-out\0";
