//! What a Mailchimp Marketing provider must be told.

use std::time::Duration;

use depeche_core::provider::ProviderName;
use depeche_core::secret::{ExposeSecret as _, Secret};

use crate::http::{HttpConfig, HttpConfigError};

/// One Mailchimp Marketing account and audience, as depeche.toml describes it.
#[derive(Debug, Clone)]
pub struct CampaignConfig {
    /// Its name in depeche.toml.
    pub name: ProviderName,
    /// `…-us19`: what stands behind the dash names the data centre.
    pub api_key: Secret,
    /// The id of the audience (Audience, Settings): letters and digits.
    pub audience: String,
    /// Where the API is, and its deadlines.
    pub http: HttpConfig,
    /// How long after each other the status of a campaign that is being sent is asked for.
    pub poll: Duration,
    /// How long a campaign may take to be sent; after that its recipients are uncertain.
    pub sent_within: Duration,
    /// How long a count of those who were sent it must stand still where it lacks somebody; only then is
    /// whoever is missing proved not to have got it.
    pub settled_after: Duration,
    /// The domain of the release's From, to be checked at login.
    pub sender_domain: Option<String>,
}

impl CampaignConfig {
    /// An account in the data centre that its key names.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError::Key`] when the key names no data centre.
    pub fn new(name: ProviderName, api_key: Secret, audience: String) -> Result<Self, HttpConfigError> {
        let centre = api_key.expose_secret().rsplit_once('-').map(|(_, centre)| centre.to_owned());
        let is_centre = |centre: &String| {
            (2..=6).contains(&centre.len())
                && centre.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let centre = centre.filter(is_centre).ok_or(HttpConfigError::Key)?;
        Ok(Self::at(name, api_key, audience, &format!("https://{centre}.api.mailchimp.com/3.0")))
    }

    /// An account at `base_url`.
    #[must_use]
    pub fn at(name: ProviderName, api_key: Secret, audience: String, base_url: &str) -> Self {
        Self {
            name,
            api_key,
            audience,
            http: HttpConfig::new(base_url),
            poll: Duration::from_secs(5),
            sent_within: Duration::from_secs(1_800),
            settled_after: Duration::from_secs(60),
            sender_domain: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), HttpConfigError> {
        let is_id = !self.audience.is_empty()
            && self.audience.len() <= 40
            && self.audience.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id {
            return Err(HttpConfigError::Audience(self.audience.clone()));
        }
        if self.poll.is_zero() { Err(HttpConfigError::Zero("poll")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_names_its_data_centre() {
        let name = || ProviderName::new("campaign").unwrap();
        let of = |key: &str| CampaignConfig::new(name(), Secret::from(key.to_owned()), "a1b2".to_owned());

        assert_eq!(of("0123abcd-us19").unwrap().http.base_url, "https://us19.api.mailchimp.com/3.0");
        for key in ["0123abcd", "0123abcd-", "0123abcd-evil.example/", "0123abcd-US19"] {
            assert_eq!(of(key).err(), Some(HttpConfigError::Key), "{key}");
        }
    }

    #[test]
    fn an_audience_is_an_id_and_no_path() {
        let name = ProviderName::new("campaign").unwrap();
        for audience in ["", "a/b", "a b", "é", "../x"] {
            let key = Secret::from("k-us1".to_owned());
            let config = CampaignConfig::at(name.clone(), key, audience.to_owned(), "https://x.example");
            assert!(matches!(config.check(), Err(HttpConfigError::Audience(_))), "{audience}");
        }
    }
}
