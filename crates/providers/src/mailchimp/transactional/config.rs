//! What a Mailchimp Transactional provider must be told.

use depeche_core::provider::ProviderName;
use depeche_core::secret::Secret;

use crate::http::{HttpConfig, HttpConfigError};

/// How messages are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// `messages/send-raw`: our own MIME, unchanged.
    #[default]
    Raw,
    /// `messages/send`: the parts, from which Mailchimp builds its own MIME.
    Parts,
}

/// One Mailchimp Transactional account, as depeche.toml describes it.
#[derive(Debug, Clone)]
pub struct TransactionalConfig {
    /// Its name in depeche.toml.
    pub name: ProviderName,
    /// `md-…`; goes in the body of each call.
    pub api_key: Secret,
    /// Where the API is, and its deadlines.
    pub http: HttpConfig,
    /// What is put after each path: nothing, or `.json` for servers of older descriptions.
    pub path_suffix: String,
    /// How messages are handed over.
    pub mode: Mode,
    /// The pool of dedicated addresses to send from.
    pub ip_pool: Option<String>,
    /// Attempts at a time.
    pub lanes: usize,
    /// The domain of the release's From, to be checked at login.
    pub sender_domain: Option<String>,
}

impl TransactionalConfig {
    /// An account at Mailchimp's own address: raw messages, four calls at a time.
    #[must_use]
    pub fn new(name: ProviderName, api_key: Secret) -> Self {
        Self {
            name,
            api_key,
            http: HttpConfig::new(BASE_URL),
            path_suffix: String::new(),
            mode: Mode::default(),
            ip_pool: None,
            lanes: 4,
            sender_domain: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), HttpConfigError> {
        if self.lanes == 0 { Err(HttpConfigError::Zero("lanes")) } else { Ok(()) }
    }
}

/// Mailchimp's servers, by its own description of April 2026.
const BASE_URL: &str = "https://mandrillapp.com/api/1.4";
