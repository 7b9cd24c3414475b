//! MTA-STS (RFC 8461): what a domain tells senders about the encryption of mail to it.
//!
//! A TXT record says that there is a policy; the policy itself lies on a web server. Nothing here
//! opens a line by itself: a policy comes through [`PolicyFetcher`], of which [`https`] is the one
//! that asks the network. Bounds: [`MAX_POLICY_BYTES`], [`MAX_FETCH_TIME`], no redirect (section 3.3).

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::text::Text;

#[cfg(feature = "https")]
pub mod https;
mod policy;
mod record;

pub use policy::{MAX_AGE, Mode, MxPattern, Policy, PolicyIssue, parse};
pub use record::{RecordIssue, is_sts, judge};

/// The most octets of a policy that are read (RFC 8461, section 3.3, suggests 64 kilobytes).
pub const MAX_POLICY_BYTES: usize = 64 * 1024;
/// The longest that a fetch takes (RFC 8461, section 3.3, suggests a minute; a check has 25 s).
pub const MAX_FETCH_TIME: Duration = Duration::from_secs(20);
/// Where a policy lies on its host (RFC 8461, section 3.3).
pub const POLICY_PATH: &str = "/.well-known/mta-sts.txt";

/// Fetches the policy that a host serves, over HTTPS.
#[async_trait]
pub trait PolicyFetcher: std::fmt::Debug + Send + Sync {
    /// The policy of `host` (`mta-sts.` and the domain), asked at those addresses, which are what DNS
    /// said; the certificate must be for `host`.
    ///
    /// # Errors
    ///
    /// [`FetchError`], which tells a host that serves no policy from one that could not be asked.
    async fn fetch(&self, host: &str, addresses: &[IpAddr]) -> Result<Document, FetchError>;
}

/// What a policy host served, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The Content-Type, with its parameters; empty when there was none.
    pub content_type: String,
    /// At most [`MAX_POLICY_BYTES`].
    pub body: Vec<u8>,
}

impl Document {
    /// Whether it is `text/plain`, as it must be (RFC 8461, section 3.2).
    #[must_use]
    pub fn is_plain_text(&self) -> bool {
        let media = self.content_type.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("text/plain")
    }
}

/// Why there is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server answered with something else than 200.
    #[error("HTTP status {0}")]
    Status(u16),
    /// The server sends on to another address, which senders must not follow (section 3.3).
    #[error("a redirect (HTTP status {0}), which senders must not follow")]
    Redirect(u16),
    /// More than [`MAX_POLICY_BYTES`].
    #[error("a policy of more than 64 KiB")]
    TooLong,
    /// The certificate is not one that senders accept for the host (section 3.3).
    #[error("a certificate that senders refuse: {}", .0.en)]
    Certificate(Text),
    /// Nobody answered, or not whole, or not in time: nothing is known.
    #[error("no answer: {}", .0.en)]
    Unanswered(Text),
}

impl FetchError {
    /// Its words in every language.
    #[must_use]
    pub fn text(&self) -> Text {
        let fr = match self {
            Self::Status(status) => format!("statut HTTP {status}"),
            Self::Redirect(status) => {
                format!("une redirection (statut HTTP {status}), que les expéditeurs ne doivent pas suivre")
            }
            Self::TooLong => "une politique de plus de 64 Kio".to_owned(),
            Self::Certificate(why) => format!("un certificat que les expéditeurs refusent : {}", why.fr),
            Self::Unanswered(why) => format!("pas de réponse : {}", why.fr),
        };
        Text { en: self.to_string(), fr }
    }

    /// Whether nothing is known, rather than that no policy is served: the line failed, or the server
    /// says that it is in trouble itself.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Status(429 | 500..=599))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_in_trouble_is_not_a_server_without_a_policy() {
        for (error, temporary) in [
            (FetchError::Status(404), false),
            (FetchError::Status(403), false),
            (FetchError::Status(429), true),
            (FetchError::Status(503), true),
            (FetchError::Redirect(301), false),
            (FetchError::TooLong, false),
            (FetchError::Certificate(Text::same("expired")), false),
            (FetchError::Unanswered(Text::same("refused")), true),
        ] {
            assert_eq!(error.is_temporary(), temporary, "{error}");
        }
    }

    #[test]
    fn plain_text_may_have_parameters_and_nothing_else_passes() {
        for (content_type, plain) in [
            ("text/plain", true),
            ("Text/Plain; charset=utf-8", true),
            ("text/plain ;charset=utf-8", true),
            ("text/html", false),
            ("text/plainer", false),
            ("application/octet-stream", false),
            ("", false),
        ] {
            let document = Document { content_type: content_type.to_owned(), body: Vec::new() };
            assert_eq!(document.is_plain_text(), plain, "{content_type:?}");
        }
    }
}
