//! Where an API is and how long it may take, checked once.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

/// How long each phase of a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpTimeouts {
    /// DNS, TCP and TLS together. 10 s.
    pub connect: Duration,
    /// From the first byte of the request to the head of the answer. 120 s: giving up early makes a
    /// message uncertain.
    pub answer: Duration,
    /// The whole call, the body of the answer included. 300 s, as Mailchimp's own client.
    pub total: Duration,
}

/// Where an API is.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The whole prefix, `https://api.brevo.com/v3` say; paths are appended to it.
    pub base_url: String,
    /// A PEM file of certificates trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Deadlines.
    pub timeouts: HttpTimeouts,
}

/// Why a configuration cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpConfigError {
    /// The base URL is none, or holds a user, a query or a fragment.
    #[error("`{0}` is not a base URL")]
    BaseUrl(String),
    /// Clear text would leave the machine.
    #[error("http:// is for this machine only, and `{0}` is another one")]
    ClearText(String),
    /// The key holds a character that a header cannot carry, or is empty.
    #[error("the API key holds a character that no key has, or is empty")]
    Key,
    /// The CA file cannot be read.
    #[error("the CA file {path} cannot be read: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system or the reader said.
        reason: String,
    },
    /// What cannot be the id of an audience.
    #[error("`{0}` is no id of an audience")]
    Audience(String),
    /// What cannot be the name of a service.
    #[error("`{0}` is no name of a service")]
    Service(String),
    /// A number that must be 1 or more is 0.
    #[error("`{0}` must be 1 or more")]
    Zero(&'static str),
    /// The client cannot be set up on this machine.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

impl HttpConfig {
    /// An API at `base_url` with the default deadlines.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ca_file: None, timeouts: HttpTimeouts::default() }
    }

    /// The prefix to which paths are appended, without a slash at its end.
    pub(super) fn prefix(&self) -> Result<String, HttpConfigError> {
        let bad = || HttpConfigError::BaseUrl(without_user(&self.base_url));
        let url = Url::parse(self.base_url.trim()).map_err(|_| bad())?;
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        let host = url.host_str().ok_or_else(bad)?;
        match url.scheme() {
            _ if has_more => Err(bad()),
            "https" => Ok(()),
            "http" if is_loopback(host) => Ok(()),
            "http" => Err(HttpConfigError::ClearText(host.to_owned())),
            _ => Err(bad()),
        }?;
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

impl HttpConfigError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BaseUrl(_) => "a base URL looks like https://api.brevo.com/v3",
            Self::ClearText(_) => "write https://; a key in clear text belongs to whoever reads the line",
            Self::Key => "copy the key again, without blanks or line breaks",
            Self::CaFile { .. } => "the file must hold certificates in PEM form",
            Self::Audience(_) => "Audience, Settings, Audience ID: letters and digits",
            Self::Service(_) => "as the provider's API names it: letters, digits, dots and dashes",
            Self::Zero(_) => "leave it out for the default",
            Self::Client(_) => "check the certificates of the system, or name a CA file",
        }
    }
}

impl Default for HttpTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            total: Duration::from_secs(300),
        }
    }
}

/// A URL that may hold a password is shown without it.
fn without_user(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(url: &str) -> Result<String, HttpConfigError> {
        HttpConfig::new(url).prefix()
    }

    #[test]
    fn the_whole_prefix_is_kept_without_its_last_slash() {
        assert_eq!(prefix("https://api.brevo.com/v3/").unwrap(), "https://api.brevo.com/v3");
        assert_eq!(prefix("http://127.0.0.1:14010").unwrap(), "http://127.0.0.1:14010");
        assert_eq!(prefix("http://[::1]:1/x").unwrap(), "http://[::1]:1/x");
    }

    #[test]
    fn a_key_never_leaves_the_machine_in_clear_text() {
        for url in ["http://api.brevo.com/v3", "http://192.0.2.1", "http://127.0.0.1.example.org"] {
            assert!(matches!(prefix(url), Err(HttpConfigError::ClearText(_))), "{url}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_showing_a_password() {
        for url in ["api.brevo.com", "ftp://127.0.0.1/", "https://a.example/?k=1", "https://a.example/#x"] {
            assert!(matches!(prefix(url), Err(HttpConfigError::BaseUrl(_))), "{url}");
        }
        let shown = prefix("https://me:geheim@a.example/").unwrap_err().to_string();
        assert!(!shown.contains("geheim"), "{shown}");
    }
}
