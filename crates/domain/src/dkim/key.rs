//! A key record (RFC 6376, section 3.6.1; RFC 8301; RFC 8463), read with places and judged.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};

use super::tags::{self, Tag, without_space};
use super::{GOOD_RSA_BITS, MIN_RSA_BITS, der};
use crate::span::Span;
use crate::text::{Text, both};

/// A key record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The record's text.
    pub text: String,
    /// `k=`.
    pub key_type: KeyType,
    /// `p=`.
    pub key: PublicKey,
    /// `h=`, when given: the hashes it may be used with.
    pub hashes: Option<Vec<String>>,
    /// `t=y`: the domain is trying DKIM out.
    pub testing: bool,
    /// `t=s`: `i=` must be exactly `d=`.
    pub strict: bool,
    /// What is wrong, or worth a word.
    pub issues: Vec<KeyIssue>,
}

/// `k=`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// RSA, also when `k=` is absent.
    #[default]
    Rsa,
    /// Ed25519 (RFC 8463).
    Ed25519,
    /// One that nobody knows: the record is to be ignored.
    Other(String),
}

/// `p=`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// A key that can be read.
    Key {
        /// Its octets as published.
        octets: Vec<u8>,
        /// Its length in bits.
        bits: usize,
    },
    /// `p=` is empty: signatures with it are void.
    Revoked,
    /// There is no `p=`.
    Missing,
    /// It cannot be read.
    Unreadable,
}

/// Something to say about a key record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyIssue {
    /// Its place.
    pub span: Span,
    /// What kind.
    pub kind: KeyIssueKind,
    /// In words, lower case, no full stop.
    pub message: Text,
}

/// Kinds of [`KeyIssue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyIssueKind {
    /// No tag list, or a tag twice.
    Syntax,
    /// `v=` is not `DKIM1`, or not first: the record is to be discarded.
    Version,
    /// `k=` names a type nobody knows.
    Type,
    /// `p=` is empty.
    Revoked,
    /// `p=` is absent.
    NoKey,
    /// `p=` is not a key of its type.
    Unreadable,
    /// Under 1024 bits: nobody may believe it (RFC 8301, section 3.2).
    TooShort,
    /// Under 2048 bits: still believed, not for long.
    Short,
    /// `t=y`.
    Testing,
    /// `h=` leaves no hash that verifiers take: only SHA-1 (RFC 8301, section 3.1).
    NoGoodHash,
    /// `h=` still allows SHA-1 beside others.
    Sha1Allowed,
    /// `s=` leaves out mail.
    NotForMail,
    /// `g=`, which RFC 6376 removed.
    Removed,
}

impl KeyIssueKind {
    /// Whether a signature with this key cannot pass.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        !matches!(self, Self::Short | Self::Testing | Self::Sha1Allowed | Self::Removed)
    }
}

impl KeyRecord {
    /// Reads a record. Every text gives one; [`KeyRecord::is_usable`] says whether it is good.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text).into_owned();
        let (tags, problems) = tags::parse(&text);
        let mut record = Self {
            key_type: KeyType::Rsa,
            key: PublicKey::Missing,
            hashes: None,
            testing: false,
            strict: false,
            issues: Vec::new(),
            text,
        };
        for problem in problems {
            record.complain(problem.span, KeyIssueKind::Syntax, problem.message);
        }
        // The type decides how `p=` is read, whichever stands first.
        for tag in tags.iter().filter(|tag| tag.name == "k") {
            record.read_type(tag);
        }
        for (index, tag) in tags.iter().enumerate() {
            record.apply(index, tag);
        }
        if record.key == PublicKey::Missing {
            let whole = Span::new(0, record.text.len());
            let message = both!("it holds no `p=`, so no key", "il n'a pas de « p= », donc pas de clé");
            record.complain(whole, KeyIssueKind::NoKey, message);
        }
        record
    }

    /// Whether a signature with this key can pass.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self.key, PublicKey::Key { .. }) && !self.issues.iter().any(|issue| issue.kind.is_fatal())
    }

    /// The issue that makes it unusable.
    #[must_use]
    pub fn fatal(&self) -> Option<&KeyIssue> {
        self.issues.iter().find(|issue| issue.kind.is_fatal())
    }

    /// The key's length in bits, when it can be read.
    #[must_use]
    pub fn bits(&self) -> Option<usize> {
        match self.key {
            PublicKey::Key { bits, .. } => Some(bits),
            _ => None,
        }
    }

    /// Whether the text looks like a key at all: it has a `p=` or says `v=DKIM1`.
    #[must_use]
    pub fn looks_like_a_key(&self) -> bool {
        self.key != PublicKey::Missing || self.text.trim_start().starts_with("v=DKIM1")
    }

    fn complain(&mut self, span: Span, kind: KeyIssueKind, message: Text) {
        self.issues.push(KeyIssue { span, kind, message });
    }

    fn read_type(&mut self, tag: &Tag) {
        self.key_type = match tag.value.as_str() {
            "rsa" => KeyType::Rsa,
            "ed25519" => KeyType::Ed25519,
            other => {
                let message = both!(
                    "`k={other}` is not a key type; it is `rsa` or `ed25519`",
                    "« k={other} » n'est pas un type de clé ; c'est rsa ou ed25519"
                );
                self.complain(tag.span, KeyIssueKind::Type, message);
                KeyType::Other(other.to_owned())
            }
        };
    }

    fn apply(&mut self, index: usize, tag: &Tag) {
        match tag.name.as_str() {
            "v" if index > 0 => {
                let message = both!("`v=` must stand first", "« v= » doit venir en premier");
                self.complain(tag.span, KeyIssueKind::Version, message);
            }
            "v" if tag.value != "DKIM1" => {
                let message = both!("`v={}` must be `v=DKIM1`", "« v={} » doit être v=DKIM1", tag.value);
                self.complain(tag.span, KeyIssueKind::Version, message);
            }
            "p" => self.read_key(tag),
            "h" => self.read_hashes(tag),
            "s" if !list(&tag.value).iter().any(|service| service == "*" || service == "email") => {
                let message = both!(
                    "`s={}` does not let it sign mail",
                    "« s={} » ne lui permet pas de signer du courrier",
                    tag.value
                );
                self.complain(tag.span, KeyIssueKind::NotForMail, message);
            }
            "t" => {
                let flags = list(&tag.value);
                self.strict |= flags.iter().any(|flag| flag == "s");
                if flags.iter().any(|flag| flag == "y") {
                    self.testing = true;
                    let message = both!(
                        "`t=y` says that the domain is only trying DKIM out",
                        "« t=y » dit que le domaine ne fait qu'essayer DKIM"
                    );
                    self.complain(tag.span, KeyIssueKind::Testing, message);
                }
            }
            "g" => {
                let message = both!(
                    "`g=` was removed by RFC 6376; leave it out",
                    "« g= » a été retiré par la RFC 6376 ; omettez-le"
                );
                self.complain(tag.span, KeyIssueKind::Removed, message);
            }
            _ => {}
        }
    }

    fn read_hashes(&mut self, tag: &Tag) {
        let hashes = list(&tag.value);
        if !hashes.iter().any(|hash| hash == "sha256") {
            let message = both!(
                "`h={}` allows no hash that receivers take: add sha256",
                "« h={} » ne permet aucun hachage que les destinataires acceptent : ajoutez sha256",
                tag.value
            );
            self.complain(tag.span, KeyIssueKind::NoGoodHash, message);
        } else if hashes.iter().any(|hash| hash == "sha1") {
            let message = both!(
                "`h=` still allows sha1, which receivers must not take",
                "« h= » permet encore sha1, que les destinataires ne doivent pas accepter"
            );
            self.complain(tag.span, KeyIssueKind::Sha1Allowed, message);
        }
        self.hashes = Some(hashes);
    }

    fn read_key(&mut self, tag: &Tag) {
        let text = without_space(&tag.value);
        if text.is_empty() {
            self.key = PublicKey::Revoked;
            let message = both!("`p=` is empty: the key is revoked", "« p= » est vide : la clé est révoquée");
            self.complain(tag.span, KeyIssueKind::Revoked, message);
            return;
        }
        let measured = match LENIENT.decode(&text) {
            Err(_) => Err(both!("it is not base64", "ce n'est pas du base64")),
            Ok(octets) => self.measure(&octets).map(|bits| (octets, bits)),
        };
        match measured {
            Ok((octets, bits)) => {
                self.key = PublicKey::Key { octets, bits };
                self.judge_length(tag.span, bits);
            }
            Err(why) => {
                self.key = PublicKey::Unreadable;
                let Text { en, fr } = why;
                let message = Text {
                    en: format!("the key in `p=` cannot be read: {en}"),
                    fr: format!("la clé de « p= » est illisible : {fr}"),
                };
                self.complain(tag.span, KeyIssueKind::Unreadable, message);
            }
        }
    }

    fn measure(&self, octets: &[u8]) -> Result<usize, Text> {
        match self.key_type {
            KeyType::Rsa => der::rsa_bits(octets),
            KeyType::Ed25519 if octets.len() == ED25519_OCTETS => Ok(ED25519_OCTETS * 8),
            KeyType::Ed25519 => Err(both!("an Ed25519 key has 32 octets", "une clé Ed25519 fait 32 octets")),
            KeyType::Other(_) => Ok(octets.len() * 8),
        }
    }

    fn judge_length(&mut self, span: Span, bits: usize) {
        if self.key_type != KeyType::Rsa || bits >= GOOD_RSA_BITS {
            return;
        }
        let (kind, message) = if bits < MIN_RSA_BITS {
            let message = both!(
                "the RSA key has {bits} bits; receivers must not believe one under 1024",
                "la clé RSA fait {bits} bits ; les destinataires ne doivent pas en croire une sous 1024"
            );
            (KeyIssueKind::TooShort, message)
        } else {
            let message = both!(
                "the RSA key has {bits} bits; 2048 is what receivers want",
                "la clé RSA fait {bits} bits ; les destinataires en veulent 2048"
            );
            (KeyIssueKind::Short, message)
        };
        self.complain(span, kind, message);
    }
}

/// A list between colons, lower case.
fn list(value: &str) -> Vec<String> {
    value.split(':').map(|part| without_space(part).to_ascii_lowercase()).collect()
}

const ED25519_OCTETS: usize = 32;

/// Padding may be left out, as some publishers do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text of an Ed25519 or RSA key as it stands under `p=`.
#[must_use]
pub(super) fn encode(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8463, appendix A.2: the two keys of the examples.
    const RSA: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    const ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn kinds(text: &str) -> Vec<KeyIssueKind> {
        KeyRecord::parse(text.as_bytes()).issues.iter().map(|issue| issue.kind).collect()
    }

    #[test]
    fn the_keys_of_rfc_8463_are_read() {
        let rsa = KeyRecord::parse(RSA.as_bytes());
        assert_eq!((rsa.bits(), rsa.is_usable()), (Some(1024), true));
        let ed25519 = KeyRecord::parse(ED25519.as_bytes());
        assert_eq!((ed25519.bits(), ed25519.is_usable()), (Some(256), true));
    }

    #[test]
    fn every_defect_has_its_kind() {
        let key = &RSA[RSA.find("p=").unwrap()..];
        let cases = [
            ("v=DKIM1; p=".to_owned(), KeyIssueKind::Revoked),
            ("v=DKIM1; k=rsa".to_owned(), KeyIssueKind::NoKey),
            ("v=DKIM1; p=%%%".to_owned(), KeyIssueKind::Unreadable),
            ("v=DKIM1; k=ed25519; p=AAAA".to_owned(), KeyIssueKind::Unreadable),
            (format!("v=DKIM2; {key}"), KeyIssueKind::Version),
            (format!("k=rsa; v=DKIM1; {key}"), KeyIssueKind::Version),
            (format!("v=DKIM1; k=dsa; {key}"), KeyIssueKind::Type),
            (format!("v=DKIM1; t=y; {key}"), KeyIssueKind::Testing),
            (format!("v=DKIM1; h=sha1; {key}"), KeyIssueKind::NoGoodHash),
            (format!("v=DKIM1; h=sha1:sha256; {key}"), KeyIssueKind::Sha1Allowed),
            (format!("v=DKIM1; s=tlsrpt; {key}"), KeyIssueKind::NotForMail),
            (format!("v=DKIM1; g=*; {key}"), KeyIssueKind::Removed),
            (format!("v=DKIM1; {key}; {key}"), KeyIssueKind::Syntax),
            (format!("v=DKIM1; {key}"), KeyIssueKind::Short),
        ];
        for (text, kind) in cases {
            assert!(kinds(&text).contains(&kind), "{text}: {:?}", kinds(&text));
        }
    }

    /// A revoked key is not valid, whatever else the record says (stalwart and others read it so).
    #[test]
    fn a_revoked_key_is_never_usable() {
        assert!(!KeyRecord::parse(b"v=DKIM1; k=rsa; p=").is_usable());
    }

    proptest! {
        #[test]
        fn no_record_makes_the_parser_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let record = KeyRecord::parse(&[b"v=DKIM1; p=".as_slice(), &text].concat());
            for issue in &record.issues {
                prop_assert!(issue.span.end <= record.text.len());
            }
        }

        #[test]
        fn no_octets_make_the_key_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = KeyRecord::parse(format!("k=rsa; p={}", encode(&octets)).as_bytes());
        }
    }
}
