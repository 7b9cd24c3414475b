//! Verifies every signature of a message (RFC 6376, section 6.1), and says why one does not hold.

use futures_util::future::join_all;
use mail_auth::common::crypto::{Algorithm as Crypto, HashAlgorithm};
use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use serde::Serialize;

use super::MAX_SIGNATURES;
use super::canonical;
use super::key::{KeyRecord, KeyType, PublicKey, encode};
use super::lookup::{KeyLookup, KeyVerdict, fetch};
use super::signature::{Algorithm, Signature};
use super::source::{Header, Source};
use crate::dns::Dns;
use crate::name;
use crate::text::{Text, both};

/// The result of one signature (RFC 8601, section 2.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimResult {
    /// It holds.
    Pass,
    /// It does not hold: the message was changed, or the key is another.
    Fail,
    /// It holds or not, but may not be believed: SHA-1, or a key that is too short.
    Policy,
    /// It cannot be read.
    Neutral,
    /// DNS did not give the key for the moment.
    Temperror,
    /// The key is not there, or cannot be used.
    Permerror,
}

impl DkimResult {
    /// The word that stands in Authentication-Results.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Policy => "policy",
            Self::Neutral => "neutral",
            Self::Temperror => "temperror",
            Self::Permerror => "permerror",
        }
    }
}

/// What became of one signature.
#[derive(Clone, Debug)]
pub struct SignatureVerdict {
    /// The result.
    pub result: DkimResult,
    /// Why, in words, lower case, no full stop. Empty for a pass.
    pub reason: Text,
    /// The signature, when it could be read.
    pub signature: Option<Signature>,
    /// The key's record, when it was found.
    pub key: Option<KeyRecord>,
}

/// Verifies each `DKIM-Signature`, from top to bottom, against keys from `dns`.
///
/// `now` is in seconds since 1970: what expired before is not believed.
pub async fn verify(dns: &dyn Dns, message: &Source, now: u64) -> Vec<SignatureVerdict> {
    let fields: Vec<_> = message.named("DKIM-Signature").collect();
    let all = fields.iter().enumerate().map(|(index, field)| async move {
        if index < MAX_SIGNATURES {
            one(dns, message, field, now).await
        } else {
            let reason = both!(
                "only the first {MAX_SIGNATURES} signatures are verified",
                "seules les {MAX_SIGNATURES} premières signatures sont vérifiées"
            );
            void(DkimResult::Policy, reason)
        }
    });
    join_all(all).await
}

async fn one(dns: &dyn Dns, message: &Source, field: &Header, now: u64) -> SignatureVerdict {
    let text = String::from_utf8_lossy(field.raw_value()).into_owned();
    let signature = match Signature::parse(&text) {
        Ok(signature) => signature,
        Err(error) => return void(DkimResult::Neutral, error.text()),
    };
    let judged = match before_the_key(message, &signature, now) {
        Err(judged) => judged,
        Ok(()) => {
            let lookup = fetch(dns, &signature.selector, &signature.domain).await;
            return with_key(message, field, signature, &lookup);
        }
    };
    SignatureVerdict { signature: Some(signature), ..void(judged.0, judged.1) }
}

type Judged = (DkimResult, Text);

/// What can be decided without the key.
fn before_the_key(message: &Source, signature: &Signature, now: u64) -> Result<(), Judged> {
    if signature.algorithm == Algorithm::RsaSha1 {
        let reason = both!(
            "it uses sha1, which is not to be believed (RFC 8301)",
            "elle utilise sha1, qu'il ne faut pas croire (RFC 8301)"
        );
        return Err((DkimResult::Policy, reason));
    }
    if signature.expires_at.is_some_and(|end| end < now) {
        return Err((DkimResult::Fail, both!("it has expired (`x=`)", "elle a expiré (« x= »)")));
    }
    let body = canonical::body(&message.body, signature.canonical.1);
    let signed = match signature.length {
        None => body.as_slice(),
        Some(length) => {
            let part = usize::try_from(length).ok().and_then(|length| body.get(..length));
            part.ok_or_else(|| {
                let reason = both!(
                    "the body is shorter than the signature says (`l=`)",
                    "le corps est plus court que la signature ne le dit (« l= »)"
                );
                (DkimResult::Fail, reason)
            })?
        }
    };
    if HashAlgorithm::Sha256.hash(signed).as_ref() != signature.body_hash.as_slice() {
        let reason =
            both!("the body was changed after it was signed", "le corps a été changé après la signature");
        return Err((DkimResult::Fail, reason));
    }
    Ok(())
}

fn with_key(message: &Source, field: &Header, signature: Signature, lookup: &KeyLookup) -> SignatureVerdict {
    let (result, reason) = match lookup.verdict() {
        KeyVerdict::Unknown => {
            let (name, words, mots) = (lookup.name(), lookup.status.words(), lookup.status.mots());
            let reason = both!("the look-up of {name} {words}", "le DNS n'a pas répondu sur {name} ({mots})");
            (DkimResult::Temperror, reason)
        }
        KeyVerdict::Missing => {
            let reason = both!("there is no key at {}", "il n'y a pas de clé sous {}", lookup.name());
            (DkimResult::Permerror, reason)
        }
        KeyVerdict::Dangling | KeyVerdict::Loop => {
            let name = lookup.name();
            let reason =
                both!("the CNAME at {name} leads to no key", "le CNAME sous {name} ne mène à aucune clé");
            (DkimResult::Permerror, reason)
        }
        _ => best(message, field, &signature, &lookup.records),
    };
    let key = lookup.records.iter().find(|record| record.is_usable()).or(lookup.records.first()).cloned();
    SignatureVerdict { result, reason, signature: Some(signature), key }
}

fn no_key() -> Text {
    both!("there is no key", "il n'y a pas de clé")
}

/// With several records the first that lets the signature pass counts; else the first one's reason.
fn best(message: &Source, field: &Header, signature: &Signature, records: &[KeyRecord]) -> Judged {
    let mut judged = records.iter().map(|record| against(message, field, signature, record));
    let first = judged.next().unwrap_or((DkimResult::Permerror, no_key()));
    if first.0 == DkimResult::Pass {
        return first;
    }
    judged.find(|(result, _)| *result == DkimResult::Pass).unwrap_or(first)
}

fn against(message: &Source, field: &Header, signature: &Signature, record: &KeyRecord) -> Judged {
    use super::KeyIssueKind;
    if let Some(issue) = record.fatal() {
        let result = match issue.kind {
            KeyIssueKind::TooShort | KeyIssueKind::NoGoodHash => DkimResult::Policy,
            _ => DkimResult::Permerror,
        };
        return (result, issue.message.clone());
    }
    let host = name::of_address(&signature.identity);
    if record.strict && !name::same(host, &signature.domain) {
        let reason = both!(
            "the key has `t=s`, and `i=` is not exactly `d=`",
            "la clé a « t=s », et « i= » n'est pas exactement « d= »"
        );
        return (DkimResult::Permerror, reason);
    }
    let (word, algorithm) = match (&record.key_type, signature.algorithm) {
        (KeyType::Rsa, Algorithm::RsaSha256) => ("rsa", Crypto::RsaSha256),
        (KeyType::Ed25519, Algorithm::Ed25519Sha256) => ("ed25519", Crypto::Ed25519Sha256),
        _ => {
            let reason = both!(
                "the key is of another kind than the signature",
                "la clé est d'une autre sorte que la signature"
            );
            return (DkimResult::Permerror, reason);
        }
    };
    let PublicKey::Key { octets, .. } = &record.key else {
        return (DkimResult::Permerror, no_key());
    };
    let Ok(key) = DomainKey::parse(format!("k={word}; p={}", encode(octets)).as_bytes()) else {
        return (DkimResult::Permerror, both!("the key cannot be read", "la clé est illisible"));
    };
    let signed = signed_header(message, field, signature);
    match key.p.verify_bytes(&signed, &signature.signature, algorithm) {
        Ok(()) => (DkimResult::Pass, Text::default()),
        Err(_) => {
            let reason = both!(
                "a signed header was changed after it was signed, or the key is another",
                "un en-tête signé a été changé après la signature, ou la clé est une autre"
            );
            (DkimResult::Fail, reason)
        }
    }
}

/// The signed fields from the bottom up, then the signature itself without `b=` (RFC 6376, section 3.7).
fn signed_header(message: &Source, field: &Header, signature: &Signature) -> Vec<u8> {
    let how = signature.canonical.0;
    let mut taken: Vec<(String, usize)> = Vec::new();
    let mut text = Vec::new();
    for wanted in &signature.headers {
        let lower = wanted.to_ascii_lowercase();
        let skip = match taken.iter_mut().find(|(name, _)| *name == lower) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                taken.push((lower, 0));
                0
            }
        };
        // The field itself was not there yet when it was made (RFC 6376, section 5.4).
        let mut others = message.named(wanted).rev().filter(|header| !std::ptr::eq(*header, field));
        if let Some(header) = others.nth(skip) {
            text.extend(canonical::header(header.raw_name(), header.raw_value(), how));
        }
    }
    let own = canonical::header(field.raw_name(), &without_b(field.raw_value()), how);
    text.extend_from_slice(own.strip_suffix(b"\r\n").unwrap_or(&own));
    text
}

/// The field's value with nothing after `b=`, everything else as it came.
fn without_b(value: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(value.len());
    for (index, part) in value.split(|octet| *octet == b';').enumerate() {
        if index > 0 {
            kept.push(b';');
        }
        let equals = part.iter().position(|octet| *octet == b'=');
        match equals.filter(|at| part[..*at].trim_ascii() == b"b") {
            Some(at) => {
                kept.extend_from_slice(&part[..=at]);
                // What ends the field does not belong to the value.
                if index > 0 && part.ends_with(b"\r\n") {
                    kept.extend_from_slice(b"\r\n");
                }
            }
            None => kept.extend_from_slice(part),
        }
    }
    kept
}

fn void(result: DkimResult, reason: Text) -> SignatureVerdict {
    SignatureVerdict { result, reason, signature: None, key: None }
}
