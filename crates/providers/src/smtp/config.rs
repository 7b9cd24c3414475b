//! What an SMTP provider must be told, checked once.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use depeche_core::provider::ProviderName;
use depeche_core::secret::Secret;

use super::dkim::{DkimConfig, DkimKeyError};
use super::envelope::EnvelopeFrom;
use crate::tls::TlsError;

/// How the line is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// TLS from the first byte (RFC 8314, section 3.3).
    #[default]
    Implicit,
    /// STARTTLS, demanded: without it nothing is sent.
    StartTls,
    /// Clear text; to loopback only.
    None,
}

/// How long each phase may take before it counts as failed.
///
/// The defaults of `command` and `connect` are shorter than RFC 5321, section 4.5.3.2, asks of a
/// relay (5 min): a person waits, and there is a second provider. `data_end` is never shorter by
/// default, for giving up early there makes a message uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// DNS and TCP together; and again the TLS handshake. 10 s.
    pub connect: Duration,
    /// The greeting, and each command with its whole answer. 60 s.
    pub command: Duration,
    /// Handing over each 64 KiB of the body. 180 s (RFC 5321, section 4.5.3.2.5).
    pub data_block: Duration,
    /// The answer to the final dot. 600 s (RFC 5321, section 4.5.3.2.6).
    pub data_end: Duration,
}

/// A user name and its password.
#[derive(Clone)]
pub struct Credentials {
    /// Usually the whole address.
    pub username: String,
    /// Never printed.
    pub password: Secret,
}

/// One SMTP provider, as depeche.toml describes it.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name in depeche.toml.
    pub name: ProviderName,
    /// Host name or IP address.
    pub host: String,
    /// 465 for implicit TLS, 587 for STARTTLS.
    pub port: u16,
    /// How the line is secured.
    pub tls: Tls,
    /// Absent: no AUTH.
    pub credentials: Option<Credentials>,
    /// Where bounces go, one address or one per attempt; the message's From when absent.
    pub envelope_from: Option<EnvelopeFrom>,
    /// A PEM file of certificates trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Source addresses, used in turn; empty lets the system choose.
    pub bind: Vec<IpAddr>,
    /// What EHLO says; the address of our end in brackets when absent (RFC 5321, section 4.1.4).
    pub helo: Option<String>,
    /// Connections at a time.
    pub connections: usize,
    /// Messages per connection; after so many it is left with QUIT.
    pub per_connection: Option<u32>,
    /// A kept connection that was idle for longer is not used again.
    pub idle: Duration,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Whether delivery status notifications are asked for where the server offers them (RFC 3461):
    /// they prove what became of a message whose answer was lost.
    pub dsn: bool,
    /// Whether MAIL, RCPT and DATA of a connection's next message go behind the terminator of the one before
    /// (RFC 2920), where the server offers PIPELINING: one round trip a message instead of two.
    pub pipeline_next: bool,
    /// The most octets of one message, when known beforehand.
    pub max_size_bytes: Option<u64>,
    /// Signatures of our own, for a relay that does not sign: one per key.
    pub dkim: Vec<DkimConfig>,
}

/// Why a configuration cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpConfigError {
    /// The host is neither a name nor an address.
    #[error("`{0}` is not a host name")]
    Host(String),
    /// Clear text would leave the machine.
    #[error("tls = \"none\" is for this machine only, and `{0}` is another one")]
    ClearText(String),
    /// The CA file cannot be read.
    #[error("the CA file {path} cannot be read: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system or the reader said.
        reason: String,
    },
    /// The CA file holds no certificate.
    #[error("the CA file {0} holds no certificate")]
    CaFileEmpty(PathBuf),
    /// The name for EHLO is not a host name.
    #[error("`{0}` is not a name for EHLO")]
    Helo(String),
    /// No connection at all, or no message per connection.
    #[error("`connections` and `per_connection` must be 1 or more")]
    Zero,
    /// A DKIM key cannot sign.
    #[error(transparent)]
    Dkim(#[from] DkimKeyError),
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl SmtpConfig {
    /// A provider at `host` with implicit TLS on port 465, one connection, and no login.
    #[must_use]
    pub fn new(name: ProviderName, host: impl Into<String>) -> Self {
        Self {
            name,
            host: host.into(),
            port: 465,
            tls: Tls::Implicit,
            credentials: None,
            envelope_from: None,
            ca_file: None,
            bind: Vec::new(),
            helo: None,
            connections: 1,
            per_connection: None,
            idle: Duration::from_secs(60),
            timeouts: Timeouts::default(),
            dsn: true,
            pipeline_next: true,
            max_size_bytes: None,
            dkim: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), SmtpConfigError> {
        if self.connections == 0 || self.per_connection == Some(0) {
            return Err(SmtpConfigError::Zero);
        }
        if !is_host(&self.host) {
            return Err(SmtpConfigError::Host(self.host.clone()));
        }
        if let Some(helo) = self.helo.as_ref().filter(|helo| !is_host(helo)) {
            return Err(SmtpConfigError::Helo(helo.clone()));
        }
        if self.tls == Tls::None && !is_loopback(&self.host) {
            return Err(SmtpConfigError::ClearText(self.host.clone()));
        }
        Ok(())
    }
}

impl From<TlsError> for SmtpConfigError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Host(host) => Self::Host(host),
            TlsError::CaFile { path, reason } => Self::CaFile { path, reason },
            TlsError::CaFileEmpty(path) => Self::CaFileEmpty(path),
            TlsError::Machine(reason) => Self::Tls(reason),
        }
    }
}

impl SmtpConfigError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Host(_) => "give the server's name, as in `host = \"ssl0.ovh.net\"`",
            Self::ClearText(_) => "use tls = \"implicit\" (port 465) or tls = \"starttls\" (port 587)",
            Self::CaFile { .. } | Self::CaFileEmpty(_) => {
                "ca_file is a PEM file that holds `-----BEGIN CERTIFICATE-----`"
            }
            Self::Helo(_) => "helo is this machine's name in the DNS, or left out",
            Self::Dkim(_) => {
                "make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out dkim.pem"
            }
            Self::Zero => "leave them out for the defaults",
            Self::Tls(_) => "install the system's CA certificates (ca-certificates), or give ca_file",
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(60),
            data_block: Duration::from_secs(180),
            data_end: Duration::from_secs(600),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || (!text.is_empty()
            && text.len() <= 253
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str) -> SmtpConfig {
        SmtpConfig::new(ProviderName::new("ovh").unwrap(), host)
    }

    #[test]
    fn clear_text_is_for_this_machine_only() {
        for (host, is_fine) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("::1", true),
            ("ssl0.ovh.net", false),
            ("10.0.0.1", false),
        ] {
            let clear = SmtpConfig { tls: Tls::None, ..config(host) };
            assert_eq!(clear.check().is_ok(), is_fine, "{host}");
        }
    }

    #[test]
    fn a_host_or_helo_with_a_line_break_is_refused() {
        assert!(matches!(config("a\r\nb").check(), Err(SmtpConfigError::Host(_))));
        assert!(matches!(config("").check(), Err(SmtpConfigError::Host(_))));
        let bad = SmtpConfig { helo: Some("a b".to_owned()), ..config("a.example") };
        assert!(matches!(bad.check(), Err(SmtpConfigError::Helo(_))));
    }

    #[test]
    fn the_password_is_not_in_the_debug_text() {
        let credentials =
            Credentials { username: "presse".to_owned(), password: Secret::from("tr3s-secret".to_owned()) };
        let with = SmtpConfig { credentials: Some(credentials), ..config("a.example") };

        assert!(!format!("{with:?}").contains("tr3s"));
    }
}
