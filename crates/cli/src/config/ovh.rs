//! `ovh = { … }` of an SMTP provider: an Exchange service in OVHcloud's API, which is asked for the selectors that the
//! domain check cannot guess. Sending never needs it; its secrets are read only where somebody asks.

use std::path::Path;

use depeche::providers::http::HttpConfig;
use depeche::providers::ovh::{BASE_URL, OvhApi, OvhApiConfig};

use super::Config;
use super::build;
use super::provider::{ProviderConfig, guarded};
use super::reader::{Reader, Section};
use super::secret::SecretSource;
use crate::failure::Failure;
use crate::words::say;

/// What depeche.toml says of it.
#[derive(Debug, Clone)]
pub(crate) struct Ovh {
    pub(crate) organization: String,
    pub(crate) service: String,
    pub(crate) application_key: String,
    pub(crate) application_secret: SecretSource,
    pub(crate) consumer_key: SecretSource,
    pub(crate) base_url: Option<String>,
}

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    file: (&Path, Option<u32>),
) -> Option<Ovh> {
    let mut stated = reader.section(section, "ovh")?;
    let text = |reader: &mut Reader<'a>, stated: &mut Section<'a>, key| {
        reader.needed(stated, key).map(|found| found.value)
    };
    let organization = text(reader, &mut stated, "organization");
    let service = text(reader, &mut stated, "service");
    let application_key = text(reader, &mut stated, "application_key");
    let mut secret = |reader: &mut Reader<'a>, key| {
        if !stated.has(key) {
            let message = say!(reader, "config-missing", key = format!("{}.{key}", stated.path));
            reader.problem("config.missing", message, None, stated.span.clone());
        }
        let found = reader.secret(&mut stated, key);
        guarded(reader, found, file)
    };
    let application_secret = secret(reader, "application_secret");
    let consumer_key = secret(reader, "consumer_key");
    let base_url = reader.text(&mut stated, "base_url").map(|found| found.value);
    reader.finish(stated);
    Some(Ovh {
        organization: organization?,
        service: service?,
        application_key: application_key?,
        application_secret: application_secret?,
        consumer_key: consumer_key?,
        base_url,
    })
}

impl Config {
    /// OVHcloud's API for that provider, where depeche.toml names one. Its secrets are read here.
    pub(crate) fn ovh_api(&self, provider: &ProviderConfig) -> Result<Option<OvhApi>, Failure> {
        let Some(ovh) = &provider.ovh else { return Ok(None) };
        let base = self.base();
        let mut http = HttpConfig::new(ovh.base_url.as_deref().unwrap_or(BASE_URL));
        build::http(&mut http, provider, None, &base);
        let config = OvhApiConfig {
            organization: ovh.organization.clone(),
            service: ovh.service.clone(),
            application_key: ovh.application_key.clone(),
            application_secret: build::secret(provider, &ovh.application_secret, &base)?,
            consumer_key: build::secret(provider, &ovh.consumer_key, &base)?,
            http,
        };
        OvhApi::new(config).map(Some).map_err(|error| build::unusable_http(provider, &error))
    }
}
