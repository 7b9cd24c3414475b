//! A `DKIM-Signature` field (RFC 6376, section 3.5), read strictly, with the reason when it is void.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tags::{self, Tag, without_space};
use crate::name;
use crate::text::Text;

/// `a=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Not to be believed any more (RFC 8301, section 3.1).
    RsaSha1,
    /// RSA with SHA-256.
    RsaSha256,
    /// Ed25519 with SHA-256 (RFC 8463).
    Ed25519Sha256,
}

impl Algorithm {
    /// Its name as it stands under `a=`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::RsaSha1 => "rsa-sha1",
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

/// A way to canonicalise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Canonical {
    /// As it came.
    #[default]
    Simple,
    /// White space does not count.
    Relaxed,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `a=`
    pub algorithm: Algorithm,
    /// `d=`, lower case.
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// `c=`, for the header and for the body.
    pub canonical: (Canonical, Canonical),
    /// `h=`, in order; names as written.
    pub headers: Vec<String>,
    /// `i=`, or `@` and the domain.
    pub identity: String,
    /// `l=`: how many octets of the body are signed.
    pub length: Option<u64>,
    /// `t=`, in seconds since 1970.
    pub signed_at: Option<u64>,
    /// `x=`, in seconds since 1970.
    pub expires_at: Option<u64>,
    pub(super) body_hash: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Signature {
    /// Whether `h=` holds that field; case does not count.
    #[must_use]
    pub fn covers(&self, header: &str) -> bool {
        self.headers.iter().any(|name| name.eq_ignore_ascii_case(header))
    }

    /// How often `h=` names that field; case does not count.
    #[must_use]
    pub fn times(&self, header: &str) -> usize {
        self.headers.iter().filter(|name| name.eq_ignore_ascii_case(header)).count()
    }

    /// The first octets of `b=`, to tell signatures apart (RFC 6008).
    #[must_use]
    pub fn short_b(&self) -> String {
        STANDARD.encode(&self.signature).chars().take(8).collect()
    }
}

/// Why a field is no signature (RFC 6376, section 6.1.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It is no tag list, or a tag stands twice.
    #[error("{}", .0.en)]
    Syntax(Text),
    /// A tag that must be there is not.
    #[error("`{0}=` is missing")]
    Missing(&'static str),
    /// A value that cannot be read.
    #[error("`{tag}={value}` cannot be read")]
    Value {
        /// The tag.
        tag: String,
        /// Its value, cut at 60 characters.
        value: String,
    },
    /// `v=` is not 1.
    #[error("`v={0}` is not version 1")]
    Version(String),
    /// `a=` names an algorithm that nobody knows.
    #[error("`a={0}` is not an algorithm")]
    Algorithm(String),
    /// `h=` leaves out From.
    #[error("`h=` leaves out From")]
    FromNotSigned,
    /// `i=` lies outside `d=`.
    #[error("`i={identity}` does not lie within `d={domain}`")]
    Identity {
        /// `i=`
        identity: String,
        /// `d=`
        domain: String,
    },
    /// `q=` offers no way that is known.
    #[error("`q={0}` offers no way to get the key")]
    Query(String),
    /// `x=` is not after `t=`.
    #[error("it expires before it was made")]
    ExpiresTooEarly,
}

impl SignatureError {
    /// Its words in every language.
    #[must_use]
    pub fn text(&self) -> Text {
        let fr = match self {
            Self::Syntax(problem) => return problem.clone(),
            Self::Missing(tag) => format!("« {tag}= » manque"),
            Self::Value { tag, value } => format!("« {tag}={value} » est illisible"),
            Self::Version(version) => format!("« v={version} » n'est pas la version 1"),
            Self::Algorithm(name) => format!("« a={name} » n'est pas un algorithme"),
            Self::FromNotSigned => "« h= » laisse From de côté".to_owned(),
            Self::Identity { identity, domain } => {
                format!("« i={identity} » n'est pas dans « d={domain} »")
            }
            Self::Query(query) => format!("« q={query} » ne donne aucun moyen d'obtenir la clé"),
            Self::ExpiresTooEarly => "elle expire avant d'avoir été faite".to_owned(),
        };
        Text { en: self.to_string(), fr }
    }
}

impl Signature {
    /// Reads the value of a field.
    ///
    /// # Errors
    ///
    /// [`SignatureError`], the first that RFC 6376, section 6.1.1, names.
    pub fn parse(value: &str) -> Result<Self, SignatureError> {
        let (tags, problems) = tags::parse(value);
        if let Some(problem) = problems.first() {
            return Err(SignatureError::Syntax(problem.message.clone()));
        }
        let tags = Tags(&tags);
        let version = tags.need("v")?;
        if version != "1" {
            return Err(SignatureError::Version(version.to_owned()));
        }
        let algorithm = algorithm(tags.need("a")?)?;
        let signature = tags.base64("b")?;
        let body_hash = tags.base64("bh")?;
        let domain = domain(tags.need("d")?)?;
        let headers = headers(tags.need("h")?)?;
        let selector = selector(tags.need("s")?)?;
        let identity = identity(tags.find("i"), &domain)?;
        if let Some(query) = tags.find("q") {
            let known = |way: &str| without_space(way).eq_ignore_ascii_case("dns/txt");
            if !query.split(':').any(known) {
                return Err(SignatureError::Query(query.to_owned()));
            }
        }
        let (signed_at, expires_at) = (tags.number("t")?, tags.number("x")?);
        if matches!((signed_at, expires_at), (Some(t), Some(x)) if x <= t) {
            return Err(SignatureError::ExpiresTooEarly);
        }
        Ok(Self {
            algorithm,
            domain,
            selector,
            canonical: canonical(tags.find("c"))?,
            headers,
            identity,
            length: tags.number("l")?,
            signed_at,
            expires_at,
            body_hash,
            signature,
        })
    }
}

struct Tags<'a>(&'a [Tag]);

impl<'a> Tags<'a> {
    fn find(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|tag| tag.name == name).map(|tag| tag.value.as_str())
    }

    fn need(&self, name: &'static str) -> Result<&'a str, SignatureError> {
        self.find(name).ok_or(SignatureError::Missing(name))
    }

    fn base64(&self, name: &'static str) -> Result<Vec<u8>, SignatureError> {
        let value = self.need(name)?;
        let octets = STANDARD.decode(without_space(value)).ok().filter(|octets| !octets.is_empty());
        octets.ok_or_else(|| unreadable(name, value))
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, SignatureError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        let digits = value.len() <= MAX_DIGITS && value.chars().all(|c| c.is_ascii_digit());
        match value.parse::<u64>() {
            Ok(number) if digits => Ok(Some(number)),
            // RFC 6376, section 3.5: up to 76 digits; nobody signs that much or that late.
            _ if digits && !value.is_empty() => Ok(Some(u64::MAX)),
            _ => Err(unreadable(name, value)),
        }
    }
}

fn unreadable(tag: &str, value: &str) -> SignatureError {
    SignatureError::Value { tag: tag.to_owned(), value: value.chars().take(60).collect() }
}

fn algorithm(value: &str) -> Result<Algorithm, SignatureError> {
    let all = [Algorithm::RsaSha1, Algorithm::RsaSha256, Algorithm::Ed25519Sha256];
    let found = all.into_iter().find(|algorithm| value.eq_ignore_ascii_case(algorithm.word()));
    found.ok_or_else(|| SignatureError::Algorithm(value.to_owned()))
}

fn domain(value: &str) -> Result<String, SignatureError> {
    let domain = without_space(value);
    name::from_user(&domain).filter(|name| name.contains('.')).ok_or_else(|| unreadable("d", value))
}

fn selector(value: &str) -> Result<String, SignatureError> {
    let selector = without_space(value);
    name::from_user(&selector).ok_or_else(|| unreadable("s", value))
}

fn headers(value: &str) -> Result<Vec<String>, SignatureError> {
    let names: Vec<_> = value.split(':').map(without_space).collect();
    if names.len() > MAX_HEADERS || names.iter().any(String::is_empty) {
        return Err(unreadable("h", value));
    }
    if !names.iter().any(|name| name.eq_ignore_ascii_case("from")) {
        return Err(SignatureError::FromNotSigned);
    }
    Ok(names)
}

fn identity(value: Option<&str>, domain: &str) -> Result<String, SignatureError> {
    let Some(value) = value else { return Ok(format!("@{domain}")) };
    let identity = without_space(value);
    match identity.rsplit_once('@') {
        Some((_, host)) if name::is_within(host, domain) => Ok(identity),
        Some(_) => Err(SignatureError::Identity { identity, domain: domain.to_owned() }),
        None => Err(unreadable("i", value)),
    }
}

fn canonical(value: Option<&str>) -> Result<(Canonical, Canonical), SignatureError> {
    let Some(value) = value else { return Ok(Default::default()) };
    let one = |word: &str| match word.to_ascii_lowercase().as_str() {
        "simple" => Ok(Canonical::Simple),
        "relaxed" => Ok(Canonical::Relaxed),
        _ => Err(unreadable("c", value)),
    };
    // One word speaks of the header; the body is simple then (RFC 6376, section 3.5).
    match value.split_once('/') {
        Some((header, body)) => Ok((one(header)?, one(body)?)),
        None => Ok((one(value)?, Canonical::Simple)),
    }
}

const MAX_DIGITS: usize = 76;
/// The most names in `h=`; signers in use name fewer than fifty.
const MAX_HEADERS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "v=1; a=rsa-sha256; d=example.org; s=s1; h=From:To; bh=AAAA; b=AAAA";

    #[test]
    fn a_void_field_says_which_rule_it_breaks() {
        let cases = [
            ("v=1;", "v=2;", "`v=2` is not version 1"),
            ("h=From:To", "h=To", "`h=` leaves out From"),
            ("s=s1; ", "", "`s=` is missing"),
            ("a=rsa-sha256", "a=rsa-md5", "`a=rsa-md5` is not an algorithm"),
            (
                "d=example.org",
                "d=example.org; i=@other.org",
                "`i=@other.org` does not lie within `d=example.org`",
            ),
            ("d=example.org", "d=example.org(.attacker.com", "`d=example.org(.attacker.com` cannot be read"),
            ("s=s1", "s=s1; t=20; x=10", "it expires before it was made"),
            ("s=s1", "s=s1; s=s2", "`s` stands twice"),
            ("s=s1", "s=s1; q=http", "`q=http` offers no way to get the key"),
        ];
        assert!(Signature::parse(WHOLE).is_ok());
        for (from, to, expected) in cases {
            let error = Signature::parse(&WHOLE.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
