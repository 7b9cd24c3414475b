//! Who may post to a provider's webhook, and how they prove it.
//!
//! Rules: PROVIDERS.md, section 1.5 (Brevo signs nothing), 2 (audience webhooks are unsigned, the secret is
//! in the URL), 3 (Mailchimp Transactional signs the URL and the form). All comparisons take the same time
//! wherever the difference is.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use depeche_core::secret::{ExposeSecret as _, Secret};
use depeche_providers::mailchimp::webhook;
use ipnet::IpNet;

/// A provider's webhook: whose bodies come, and how the sender proves itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Hook {
    /// Brevo's, transactional or marketing.
    Brevo(BrevoAuth),
    /// Mailchimp Transactional's.
    Mandrill {
        /// The webhook's keys, as Mailchimp shows them. Several while one is exchanged for another.
        keys: Vec<Secret>,
        /// The public URL, exactly as Mailchimp was given it: it is part of what is signed.
        url: String,
    },
    /// A Mailchimp audience's.
    MailchimpAudience {
        /// What stands in the URL, as the last part of the path or as `?secret=`.
        secret: Secret,
    },
}

/// How Brevo proves itself.
#[derive(Debug, Clone)]
pub enum BrevoAuth {
    /// `Authorization: Bearer …`, as set with the webhook.
    Bearer(Secret),
    /// Name and password, as in the webhook's URL.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// It calls from one of these networks. The weakest: anybody who sends through them can.
    Networks(Vec<IpNet>),
}

impl BrevoAuth {
    /// The networks from which Brevo says that it calls: 1.179.112.0/20 and 172.246.240.0/20
    /// (developers.brevo.com/docs/secured-webhooks; PROVIDERS.md, section 1.5).
    #[must_use]
    pub fn published_networks() -> Self {
        let network = |text: &str| text.parse().expect("a network that stands here");
        Self::Networks(vec![network("1.179.112.0/20"), network("172.246.240.0/20")])
    }

    /// Whether a request with these headers, from `peer`, is Brevo's.
    pub(crate) fn admits(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
        match self {
            Self::Bearer(secret) => credentials(headers, "bearer")
                .is_some_and(|given| is_same(given.as_bytes(), secret.expose_secret().as_bytes())),
            Self::Basic { user, password } => {
                let expected = format!("{user}:{}", password.expose_secret());
                credentials(headers, "basic")
                    .and_then(|given| STANDARD.decode(given).ok())
                    .is_some_and(|given| is_same(&given, expected.as_bytes()))
            }
            Self::Networks(networks) => {
                peer.is_some_and(|peer| networks.iter().any(|network| network.contains(&peer)))
            }
        }
    }
}

impl Hook {
    /// What is wrong with these settings, if anything: a hook that would admit everybody or nobody.
    pub(crate) fn problem(&self) -> Option<HookProblem> {
        let is_short = |secret: &Secret| secret.expose_secret().len() < LEAST_SECRET_BYTES;
        match self {
            Self::Brevo(BrevoAuth::Bearer(secret)) | Self::MailchimpAudience { secret } => {
                is_short(secret).then_some(HookProblem::ShortSecret)
            }
            Self::Brevo(BrevoAuth::Basic { user, password }) => {
                let is_empty = user.is_empty() || password.expose_secret().is_empty();
                // RFC 7617, section 2: a name with a colon cannot be told from its password.
                (is_empty || user.contains(':')).then_some(HookProblem::NoPassword)
            }
            Self::Brevo(BrevoAuth::Networks(networks)) => {
                networks.is_empty().then_some(HookProblem::NoNetwork)
            }
            Self::Mandrill { keys, .. } if keys.is_empty() => Some(HookProblem::NoKey),
            Self::Mandrill { keys, .. } if keys.iter().any(|key| key.expose_secret().is_empty()) => {
                Some(HookProblem::NoKey)
            }
            Self::Mandrill { url, .. } => {
                let is_web = url.starts_with("https://") || url.starts_with("http://");
                (!is_web).then_some(HookProblem::NoUrl)
            }
        }
    }
}

/// Why a webhook cannot be served as it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookProblem {
    /// A secret that can be guessed.
    #[error("its secret is shorter than {LEAST_SECRET_BYTES} bytes")]
    ShortSecret,
    /// Nothing stands in one of the two, or the name holds a colon.
    #[error("it needs a name without a colon, and a password")]
    NoPassword,
    /// No address would be admitted.
    #[error("it names no network")]
    NoNetwork,
    /// No signature could be checked.
    #[error("it has no key, or an empty one")]
    NoKey,
    /// What is signed begins with the public URL.
    #[error("its public URL is not one")]
    NoUrl,
}

/// What a form that claims to be Mailchimp Transactional's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// Signed with one of our keys.
    ByUs,
    /// The empty list by which Mailchimp tries a URL out, signed with the key that everybody knows.
    AsTest,
    /// Neither.
    No,
}

/// Who signed a form posted to `url`.
pub(crate) fn signed(keys: &[Secret], url: &str, form: &[(String, String)], signature: &str) -> Signed {
    let is_by_us = keys.iter().fold(false, |found, key| {
        found | webhook::is_signed(key.expose_secret().as_bytes(), url, form, signature)
    });
    if is_by_us {
        return Signed::ByUs;
    }
    let is_empty = matches!(form, [(name, list)] if name == EVENTS && list == "[]");
    if is_empty && webhook::is_signed(webhook::TEST_KEY.as_bytes(), url, form, signature) {
        return Signed::AsTest;
    }
    Signed::No
}

/// Whether two secrets are the same. Of equal length or not, it takes the time of the longer hash only.
pub(crate) fn is_same(given: &[u8], expected: &[u8]) -> bool {
    let given = digest::digest(&digest::SHA256, given);
    let expected = digest::digest(&digest::SHA256, expected);
    verify_slices_are_equal(given.as_ref(), expected.as_ref()).is_ok()
}

/// What stands behind `scheme` in the Authorization header (RFC 9110, section 11.4).
fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (given, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The form field in which Mailchimp Transactional posts its events.
pub(crate) const EVENTS: &str = "mandrill_events";

/// As long as a random UUID is strong.
const LEAST_SECRET_BYTES: usize = 16;
