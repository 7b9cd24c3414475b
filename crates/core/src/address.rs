//! E-mail addresses that are safe to hand to a provider.
//!
//! An address here has a dotted domain (kept as A-labels, lower case) and a local part that is a
//! dot-atom or a quoted string (RFC 5321, section 4.1.2), international or not (RFC 6531).
//! Address literals (`a@[192.0.2.1]`), comments, routes and bare host names are refused.
//!
//! Two spellings of one mailbox must not get two copies, so every address has a [`RecipientKey`]:
//! NFC, domain in A-labels, local part folded to lower case *for comparison only* (DELIVERY.md), and
//! without quotation marks that nothing in it needs (RFC 5321, section 4.1.2).
//!
//! Characters that nobody can see or type (zero-width spaces, direction marks, private use) are
//! refused in a local part, though RFC 6531 would carry them: such an address is a slip of the
//! clipboard, and would be a second spelling of the first.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

use crate::text::{HeaderText, excerpt, first_unsafe};

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
    /// A display name and an address: `Zoé Martin <zoe@example.org>`.
    #[error("`{0}` is a name with an address")]
    NameAndAddress(String),
    /// A character in the local part that cannot be seen: zero-width, direction mark, private use.
    #[error("the part before the @ holds an invisible character, U+{:04X}", u32::from(*.0))]
    Invisible(char),
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
        // Four times the limit: a domain may be longer as it is written than in A-labels.
        if text.len() > 4 * MAX_OCTETS {
            return Err(AddressError::TooLong(text.len()));
        }
        let shown = || excerpt(text, 80);
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err(AddressError::NoAt(shown()));
        };
        if let Some(error) = not_one_bare_address(text, local) {
            return Err(error);
        }
        let local: String = local.nfc().collect();
        if let Some(found) = local.chars().find(|c| is_invisible(*c)) {
            return Err(AddressError::Invisible(found));
        }
        if !is_local_part(&local) {
            return Err(AddressError::Local(shown()));
        }
        let domain = read_domain(domain, text)?;
        let length = local.len() + 1 + domain.len();
        if length > MAX_OCTETS {
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
        // Letter by letter: `str::to_lowercase` looks at the neighbours of a Greek sigma.
        let local: String = unquoted(&self.local).chars().flat_map(char::to_lowercase).nfc().collect();
        RecipientKey(format!("{local}@{}", self.domain))
    }

    /// The address with all but the first letter of the local part hidden, for logs.
    #[must_use]
    pub fn masked(&self) -> String {
        let first: String = self.local.chars().take(1).collect();
        format!("{first}…@{}", self.domain)
    }
}

impl AddressError {
    /// A stable id: `address.no-at` …
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "address.empty",
            Self::NoAt(_) => "address.no-at",
            Self::Unsafe(_) => "address.control-character",
            Self::Local(_) => "address.local",
            Self::Domain(_) => "address.domain",
            Self::NotDotted(_) => "address.not-dotted",
            Self::TooLong(_) => "address.too-long",
            Self::Several(_) => "address.several",
            Self::NameAndAddress(_) => "address.name-and-address",
            Self::Invisible(_) => "address.invisible",
        }
    }

    /// The one fact of the error: the text that is no address (shortened), the length, the character.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::NoAt(text)
            | Self::Local(text)
            | Self::Domain(text)
            | Self::NotDotted(text)
            | Self::Several(text)
            | Self::NameAndAddress(text) => text.clone(),
            Self::Unsafe(found) => found.to_string(),
            Self::TooLong(length) => length.to_string(),
            Self::Invisible(character) => format!("U+{:04X}", u32::from(*character)),
        }
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "write the address",
            Self::NoAt(_) | Self::NotDotted(_) => "an address looks like zoe@example.org",
            Self::Unsafe(_) | Self::Invisible(_) => "type the address again instead of pasting it",
            Self::Local(_) => "check the part before the @ for spaces, accents by mistake and doubled dots",
            Self::Domain(_) => "check the part after the @ for spaces, underscores and doubled dots",
            Self::TooLong(_) => "check that nothing but the address is there",
            Self::Several(_) => "write one address per row",
            Self::NameAndAddress(_) => "keep the address alone; the name has its own columns",
        }
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

/// The error when `text` holds more than one bare address.
fn not_one_bare_address(text: &str, local: &str) -> Option<AddressError> {
    let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    if quoted {
        return None;
    }
    if text.contains('<') && text.ends_with('>') && text.matches('@').count() == 1 {
        return Some(AddressError::NameAndAddress(excerpt(text, 80)));
    }
    let separated = text.contains([',', ';', ' ', '/', '|', '>']);
    (separated && text.matches('@').count() > 1).then(|| AddressError::Several(excerpt(text, 80)))
}

/// A local part without quotation marks that nothing in it needs, and without needless backslashes:
/// `"ana"` and `ana` are one mailbox (RFC 5321, section 4.1.2).
fn unquoted(local: &str) -> String {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut content = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        content.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    if is_dot_atom(&content) {
        return content;
    }
    let escaped = content.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Characters without a shape: what Unicode calls `Default_Ignorable` or Cf in ordinary planes, private
/// use, noncharacters, and the mark of a wrong conversion.
fn is_invisible(character: char) -> bool {
    matches!(u32::from(character),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x2060..=0x206F | 0x3164 | 0xE000..=0xF8FF | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F | 0xFEFF
        | 0xFFA0 | 0xFFF0..=0xFFFF | 0x1D173..=0x1D17A | 0xE0000..=0x10_FFFF)
}

fn is_local_part(local: &str) -> bool {
    if local.is_empty() || local.len() > 64 {
        return false;
    }
    if let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return is_quoted_content(inner) && local.len() > 2;
    }
    is_dot_atom(local)
}

/// Dot-atom: RFC 5321, section 4.1.2, with UTF-8 by RFC 6531, section 3.3.
fn is_dot_atom(local: &str) -> bool {
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
        return Err(AddressError::NotDotted(excerpt(whole, 80)));
    }
    let bad = || AddressError::Domain(excerpt(whole, 80));
    // Hyphens in the third and fourth place are refused for new names only; old ones receive mail.
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| bad())?;
    let labels_fit = ascii.split('.').all(|label| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    });
    // A top-level domain of digits alone is an address written without its brackets.
    let numeric_end = ascii.rsplit('.').next().is_some_and(|label| label.chars().all(|c| c.is_ascii_digit()));
    if !labels_fit || numeric_end || ascii.len() > 253 {
        return Err(bad());
    }
    Ok(ascii.into_owned())
}

/// RFC 5321, section 4.5.3.1.3, less the angle brackets.
const MAX_OCTETS: usize = 254;

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
        let table: [(&str, Expected); 26] = [
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
            ("<ana@journal.example>", |e| matches!(e, E::NameAndAddress(_))),
            ("Ana Silva <ana@journal.example>", |e| matches!(e, E::NameAndAddress(_))),
            ("ana@journal.example bob@journal.example", |e| matches!(e, E::Several(_))),
            ("ana@journal.example/bob@journal.example", |e| matches!(e, E::Several(_))),
            ("ana@bob@journal.example", |e| matches!(e, E::Local(_))),
            ("ana@journal.example.", |e| matches!(e, E::Domain(_))),
            ("ana@journal..example", |e| matches!(e, E::Domain(_))),
            ("ana@jour_nal.example", |e| matches!(e, E::Domain(_))),
            ("ana@journal.example(redaction)", |e| matches!(e, E::Domain(_))),
            ("@journal.example", |e| matches!(e, E::Local(_))),
            ("\"\"@journal.example", |e| matches!(e, E::Local(_))),
            ("\"ana@journal.example", |e| matches!(e, E::Local(_))),
            ("ana\u{200b}@journal.example", |e| matches!(e, E::Invisible('\u{200b}'))),
            ("ana\u{a0}silva@journal.example", |e| matches!(e, E::Local(_))),
            ("mailto:ana@journal.example", |e| matches!(e, E::Local(_))),
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

    #[test]
    fn reserved_names_can_be_mailed() {
        for text in ["zoe@example.com", "zoe@example.org", "zoe@redaction.example", "zoe@journal.test"] {
            assert!(EmailAddress::parse(text).is_ok(), "{text}");
        }
    }

    /// RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3: 64 octets before the @, 254 in all.
    #[test]
    fn the_limits_of_length_are_those_of_the_rfc() {
        let local = "a".repeat(64);
        let domain = format!("{0}.{0}.{1}.example", "b".repeat(63), "b".repeat(53));
        assert_eq!(local.len() + 1 + domain.len(), 254);
        let code = |text: String| EmailAddress::parse(&text).map_err(|error| error.code());

        assert!(code(format!("{local}@{domain}")).is_ok());
        assert_eq!(code(format!("{local}@b{domain}")), Err("address.domain"));
        assert_eq!(code(format!("a{local}@x.example")), Err("address.local"));
        assert_eq!(code(format!("{local}@{}", domain.replacen("b.e", "bb.e", 1))), Err("address.too-long"));
        assert_eq!(code("x".repeat(10_000)), Err("address.too-long"));
    }

    /// RFC 5321, section 4.1.2: quoting that is not needed does not make another mailbox.
    #[test]
    fn needless_quotation_marks_do_not_make_a_second_recipient() {
        let key = |text: &str| EmailAddress::parse(text).unwrap().key();

        assert_eq!(key("\"ana.silva\"@journal.example"), key("Ana.Silva@journal.example"));
        assert_eq!(key("\"a\\na\"@journal.example"), key("ana@journal.example"));
        assert_ne!(key("\"ana silva\"@journal.example"), key("anasilva@journal.example"));
        assert_eq!(key("\"ana@home\"@journal.example").as_str(), "\"ana@home\"@journal.example");
    }

    #[test]
    fn composed_and_decomposed_accents_are_one_recipient() {
        let composed = EmailAddress::parse("jos\u{e9}@b\u{fc}cher.example").unwrap();
        let decomposed = EmailAddress::parse("JOSE\u{301}@BU\u{308}CHER.example").unwrap();

        assert_eq!(composed.key(), decomposed.key());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_what_it_takes_survives(
            text in "\\PC{0,300}|[a-z@.\"\\\\ <>,;]{0,60}|[a-zé\"\\\\]{1,12}@[a-zü-]{1,9}\\.[a-z]{2,5}"
        ) {
            if let Ok(address) = EmailAddress::parse(&text) {
                let again = EmailAddress::parse(&address.to_string()).unwrap();
                proptest::prop_assert_eq!(&again, &address);
                proptest::prop_assert_eq!(again.key(), address.key());
                proptest::prop_assert!(first_unsafe(&address.to_string()).is_none());
                proptest::prop_assert!(address.to_string().len() <= 254);
                proptest::prop_assert!(address.domain().is_ascii() && address.domain().contains('.'));
            }
        }

        #[test]
        fn the_case_of_an_address_never_makes_a_second_recipient(
            text in "[a-zA-Z0-9+]{1,20}@[a-z]{1,10}\\.example"
        ) {
            let key = |text: &str| EmailAddress::parse(text).map(|address| address.key());
            proptest::prop_assert_eq!(key(&text), key(&text.to_uppercase()));
            proptest::prop_assert_eq!(key(&text), key(&text.to_lowercase()));
        }
    }
}
