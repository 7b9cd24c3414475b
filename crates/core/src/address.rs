//! E-mail addresses that are safe to hand to a provider.
//!
//! An address here has a dotted domain (kept as A-labels, lower case) and a local part that is a
//! dot-atom or a quoted string (RFC 5321, section 4.1.2), international or not (RFC 6531).
//! Address literals (`a@[192.0.2.1]`), comments, routes and bare host names are refused.
//!
//! Two spellings of one mailbox must not get two copies, so every address has a [`RecipientKey`]:
//! NFC, domain in A-labels, local part folded to lower case *for comparison only* (DELIVERY.md).

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::text::{HeaderText, first_unsafe};

/// One mailbox address, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    local: String,
    domain: String,
}

/// The folded form under which an address counts as the same recipient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct RecipientKey(String);

/// A display name, possibly empty, and an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Mailbox {
    /// The name shown to the reader; `None` shows the address alone.
    pub name: Option<HeaderText>,
    /// Where it goes.
    pub address: EmailAddress,
}

/// Why a text is not an address that depeche mails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing but white space.
    #[error("the address is empty")]
    Empty,
    /// There is no `@`.
    #[error("`{0}` has no @")]
    NoAt(String),
    /// A control or direction-changing character.
    #[error("the address holds a control character: {0}")]
    Unsafe(crate::text::UnsafeText),
    /// The part before the `@` is not a dot-atom or quoted string of at most 64 octets.
    #[error("the part before the @ of `{0}` is not valid")]
    Local(String),
    /// The domain cannot be read as a host name.
    #[error("the domain of `{0}` is not valid")]
    Domain(String),
    /// The domain has no dot, or is an address literal.
    #[error("`{0}` has no dotted domain")]
    NotDotted(String),
    /// Longer than 254 octets (RFC 5321, section 4.5.3.1.3).
    #[error("the address is {0} octets long; 254 is the limit")]
    TooLong(usize),
    /// Several addresses in one cell.
    #[error("`{0}` holds more than one address")]
    Several(String),
}

impl EmailAddress {
    /// Reads one address; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong, with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if let Some(found) = first_unsafe(text) {
            return Err(AddressError::Unsafe(found));
        }
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err(AddressError::NoAt(text.to_owned()));
        };
        let several = text.contains([',', ';']) && text.matches('@').count() > 1;
        if several && !local.starts_with('"') {
            return Err(AddressError::Several(text.to_owned()));
        }
        let local: String = local.nfc().collect();
        if !is_local_part(&local) {
            return Err(AddressError::Local(text.to_owned()));
        }
        let domain = read_domain(domain, text)?;
        let length = local.len() + 1 + domain.len();
        if length > 254 {
            return Err(AddressError::TooLong(length));
        }
        Ok(Self { local, domain })
    }

    /// The part before the `@`, as it was written (NFC).
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain in A-labels, lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether the address needs SMTPUTF8 (RFC 6531): its local part is not ASCII.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// The form under which this mailbox is compared.
    #[must_use]
    pub fn key(&self) -> RecipientKey {
        let local: String = self.local.to_lowercase().nfc().collect();
        RecipientKey(format!("{local}@{}", self.domain))
    }

    /// The address with all but the first letter of the local part hidden, for logs.
    #[must_use]
    pub fn masked(&self) -> String {
        let first: String = self.local.chars().take(1).collect();
        format!("{first}…@{}", self.domain)
    }
}

impl RecipientKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes back a key that [`EmailAddress::key`] made, as a journal stored it.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

impl Mailbox {
    /// A mailbox without a display name.
    #[must_use]
    pub fn bare(address: EmailAddress) -> Self {
        Self { name: None, address }
    }
}

fn is_local_part(local: &str) -> bool {
    if local.is_empty() || local.len() > 64 {
        return false;
    }
    if let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return is_quoted_content(inner) && local.len() > 2;
    }
    // Dot-atom: RFC 5321, section 4.1.2, with UTF-8 by RFC 6531, section 3.3.
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_quoted_content(inner: &str) -> bool {
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if !characters.next().is_some_and(|next| (' '..='~').contains(&next)) => return false,
            '"' => return false,
            _ => {}
        }
    }
    true
}

fn is_atext(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(character)
        || (!character.is_ascii() && !character.is_whitespace())
}

fn read_domain(domain: &str, whole: &str) -> Result<String, AddressError> {
    if domain.starts_with('[') || !domain.contains('.') {
        return Err(AddressError::NotDotted(whole.to_owned()));
    }
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain(whole.to_owned()))?;
    let labels_fit = ascii.split('.').all(|label| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    });
    // A top-level domain of digits alone is an address written without its brackets.
    let numeric_end = ascii.rsplit('.').next().is_some_and(|label| label.chars().all(|c| c.is_ascii_digit()));
    if !labels_fit || numeric_end || ascii.len() > 253 {
        return Err(AddressError::Domain(whole.to_owned()));
    }
    Ok(ascii)
}

impl FromStr for EmailAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Display for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_mailbox_have_one_key() {
        let plain = EmailAddress::parse("Zoe.Martin@Exemple.FR").unwrap();
        let other = EmailAddress::parse(" zoe.martin@exemple.fr ").unwrap();

        assert_eq!(plain.key(), other.key());
        assert_eq!(plain.to_string(), "Zoe.Martin@exemple.fr");
    }

    #[test]
    fn an_international_domain_is_kept_as_a_labels() {
        // RFC 3492 gives `bcher-kva` for `bücher`-like names; `xn--t-xgab2d` is checked by IDNA elsewhere.
        let address = EmailAddress::parse("redaction@bücher.example").unwrap();

        assert_eq!(address.domain(), "xn--bcher-kva.example");
        assert!(!address.needs_smtputf8());
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use AddressError as E;
        type Expected = fn(&AddressError) -> bool;
        let table: [(&str, Expected); 12] = [
            ("", |e| matches!(e, E::Empty)),
            ("ana.silva", |e| matches!(e, E::NoAt(_))),
            ("ana@localhost", |e| matches!(e, E::NotDotted(_))),
            ("ana@[192.0.2.1]", |e| matches!(e, E::NotDotted(_))),
            ("ana@192.0.2.1", |e| matches!(e, E::Domain(_))),
            ("a b@journal.example", |e| matches!(e, E::Local(_))),
            (".ana@journal.example", |e| matches!(e, E::Local(_))),
            ("ana..b@journal.example", |e| matches!(e, E::Local(_))),
            ("ana@-journal.example", |e| matches!(e, E::Domain(_))),
            ("ana@journal.example\r\nBcc: x@y.example", |e| matches!(e, E::Unsafe(_))),
            ("ana@journal.example, bob@journal.example", |e| matches!(e, E::Several(_))),
            ("<ana@journal.example>", |e| matches!(e, E::Local(_) | E::Domain(_))),
        ];
        for (text, expected) in table {
            let error = EmailAddress::parse(text).unwrap_err();
            assert!(expected(&error), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn quoted_and_international_local_parts_are_kept() {
        assert_eq!(EmailAddress::parse("\"ana silva\"@journal.example").unwrap().local(), "\"ana silva\"");
        assert!(EmailAddress::parse("josé@journal.example").unwrap().needs_smtputf8());
    }
}
