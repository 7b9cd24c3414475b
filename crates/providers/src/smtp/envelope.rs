//! The envelope's sender: where bounces go, and how one tells of which attempt it is.
//!
//! With `{verp}` in the local part every attempt has a sender of its own (variable envelope return path):
//! `rebonds+{verp}@exemple.fr` becomes `rebonds+0192f0…@exemple.fr`, the attempt's UUID in 32 hexadecimal
//! digits. A bounce comes to the envelope's sender whatever its form (RFC 5321, section 6.1), so this finds
//! the attempt where a server offers no DSN and the bounce quotes nothing. The UUID has 74 random bits
//! (RFC 9562, section 5.7) and is told to nobody but the recipient's own servers: whoever names it had the
//! message or a report of it. Digits only, because servers are known to fold the case of local parts.

use std::str::FromStr;

use depeche_core::address::{AddressError, EmailAddress};
use uuid::Uuid;

/// What stands for the attempt.
const PLACE: &str = "{verp}";

/// `rebonds@exemple.fr`, or one sender per attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeFrom {
    /// With the attempt of noughts in its place.
    sample: EmailAddress,
    /// What stands before and after the attempt in the local part.
    around: Option<(String, String)>,
}

/// Why a text is no envelope sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeFromError {
    /// It is no address, also with the attempt in its place: a local part has 64 octets at the most.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The place stands in the domain, or twice.
    #[error("{PLACE} stands once, and before the @")]
    Place,
}

impl EnvelopeFrom {
    /// The sender of one attempt.
    #[must_use]
    pub fn of(&self, attempt: Uuid) -> EmailAddress {
        let Some((before, after)) = &self.around else { return self.sample.clone() };
        let text = format!("{before}{}{after}@{}", attempt.simple(), self.sample.domain());
        EmailAddress::parse(&text).expect("32 other hexadecimal digits make no difference to an address")
    }

    /// The domain, for SPF and its alignment.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.sample.domain()
    }

    /// The attempt that a bounce to `address` is about; `None` for every other address.
    #[must_use]
    pub fn attempt(&self, address: &EmailAddress) -> Option<Uuid> {
        let (before, after) = self.around.as_ref()?;
        if !address.domain().eq_ignore_ascii_case(self.domain()) {
            return None;
        }
        let local = address.local();
        let digits = local.get(before.len()..local.len().checked_sub(after.len())?)?;
        let fits = local[..before.len()].eq_ignore_ascii_case(before)
            && local[before.len() + digits.len()..].eq_ignore_ascii_case(after);
        let is_hexadecimal = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        (fits && is_hexadecimal).then(|| digits.parse().ok()).flatten()
    }
}

impl FromStr for EnvelopeFrom {
    type Err = EnvelopeFromError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sample = EmailAddress::parse(&text.replace(PLACE, &Uuid::nil().simple().to_string()))?;
        let Some((before, rest)) = text.trim().split_once(PLACE) else {
            return Ok(Self { sample, around: None });
        };
        let (after, domain) = rest.rsplit_once('@').ok_or(EnvelopeFromError::Place)?;
        if after.contains(PLACE) || domain.contains(PLACE) || before.contains('@') {
            return Err(EnvelopeFromError::Place);
        }
        Ok(Self { sample, around: Some((before.to_owned(), after.to_owned())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Uuid {
        "0192f0c4-5b6a-7c8d-9e0f-112233445566".parse().unwrap()
    }

    #[test]
    fn each_attempt_has_a_sender_of_its_own_and_is_found_by_it() {
        let sender: EnvelopeFrom = "rebonds+{verp}@exemple.fr".parse().unwrap();

        let address = sender.of(attempt());

        assert_eq!(address.to_string(), "rebonds+0192f0c45b6a7c8d9e0f112233445566@exemple.fr");
        assert_eq!(sender.attempt(&address), Some(attempt()));
        // Servers fold the case of what they should not touch.
        let folded = "Rebonds+0192F0C45B6A7C8D9E0F112233445566@EXEMPLE.FR".parse().unwrap();
        assert_eq!(sender.attempt(&folded), Some(attempt()));
    }

    #[test]
    fn no_other_address_names_an_attempt() {
        let sender: EnvelopeFrom = "b-{verp}-x@exemple.fr".parse().unwrap();
        let digits = attempt().simple().to_string();
        for other in [
            format!("b-{digits}-x@autre.fr"),
            format!("b-{digits}-y@exemple.fr"),
            format!("c-{digits}-x@exemple.fr"),
            format!("b-{}-x@exemple.fr", &digits[1..]),
            format!("b-{digits}0-x@exemple.fr"),
            format!("b-{}é-x@exemple.fr", &digits[2..]),
            "b--x@exemple.fr".to_owned(),
            "x@exemple.fr".to_owned(),
        ] {
            let other = EmailAddress::parse(&other).unwrap();
            assert_eq!(sender.attempt(&other), None, "{other}");
        }
        let plain: EnvelopeFrom = "rebonds@exemple.fr".parse().unwrap();
        assert_eq!(plain.of(attempt()).to_string(), "rebonds@exemple.fr");
        assert_eq!(plain.attempt(&plain.of(attempt())), None);
    }

    /// RFC 5321, section 4.5.3.1.1: a local part has 64 octets at the most, and the attempt takes 32.
    #[test]
    fn a_place_in_the_domain_or_twice_or_too_long_is_refused() {
        for bad in ["a@{verp}.fr", "{verp}{verp}@exemple.fr", "{verp}", "x@{verp}"] {
            assert!(bad.parse::<EnvelopeFrom>().is_err(), "{bad}");
        }
        let long = format!("{}{{verp}}@exemple.fr", "a".repeat(33));
        assert!(matches!(long.parse::<EnvelopeFrom>(), Err(EnvelopeFromError::Address(_))));
        let fits = format!("{}{{verp}}@exemple.fr", "a".repeat(32));
        assert!(fits.parse::<EnvelopeFrom>().is_ok());
    }
}
