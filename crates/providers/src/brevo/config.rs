//! What a Brevo provider must be told.

use std::net::IpAddr;

use depeche_core::address::EmailAddress;
use depeche_core::provider::ProviderName;
use depeche_core::secret::Secret;

use crate::http::{HttpConfig, HttpConfigError};

/// One Brevo account, as depeche.toml describes it.
#[derive(Debug, Clone)]
pub struct BrevoConfig {
    /// Its name in depeche.toml.
    pub name: ProviderName,
    /// `xkeysib-…`; the SMTP key is another one.
    pub api_key: Secret,
    /// Where the API is, and its deadlines.
    pub http: HttpConfig,
    /// Whether up to 1000 messages go in one request.
    pub batch: bool,
    /// Dedicated addresses, used in turn (`sender.ip`); empty leaves the choice to Brevo.
    pub sender_ips: Vec<IpAddr>,
    /// Attempts at a time.
    pub lanes: usize,
    /// The domain of the release's From, to be checked at login.
    pub sender_domain: Option<String>,
    /// The release's From: what an address that is blocked at Brevo never hears from again.
    pub sender_address: Option<EmailAddress>,
}

impl BrevoConfig {
    /// An account at Brevo's own address: one message a request, four requests at a time.
    #[must_use]
    pub fn new(name: ProviderName, api_key: Secret) -> Self {
        Self {
            name,
            api_key,
            http: HttpConfig::new(BASE_URL),
            batch: false,
            sender_ips: Vec::new(),
            lanes: 4,
            sender_domain: None,
            sender_address: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), HttpConfigError> {
        if self.lanes == 0 { Err(HttpConfigError::Zero("lanes")) } else { Ok(()) }
    }
}

/// Brevo's servers.
pub(super) const BASE_URL: &str = "https://api.brevo.com/v3";
