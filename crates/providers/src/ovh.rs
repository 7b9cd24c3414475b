//! OVHcloud's API, for what its SMTP servers do not say: under which selectors a domain at Exchange signs. They hold a
//! number of the account, so nobody can guess them.
//!
//! Calls are signed as OVHcloud's own clients sign them, with the server's clock (PROVIDERS.md, section 4.5; `ovh` 1.2.0
//! on PyPI). Only `GET`s: nothing is changed there, and a key that may do no more is enough.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use depeche_core::outcome::{Refusal, Trouble, one_line};
use depeche_core::secret::{ExposeSecret, Secret};
use serde::de::DeserializeOwned;

use crate::http::classify::{Means, means, proved};
use crate::http::{HttpClient, HttpConfig, HttpConfigError, Request};

/// Where OVHcloud's API is, for accounts in Europe.
pub const BASE_URL: &str = "https://eu.api.ovh.com/1.0";

/// An Exchange service, and the keys of an application that may read it.
#[derive(Debug, Clone)]
pub struct OvhApiConfig {
    /// `organizationName` in the API.
    pub organization: String,
    /// `exchangeService` in the API.
    pub service: String,
    /// The application's name for itself; not secret.
    pub application_key: String,
    /// Signs the calls.
    pub application_secret: Secret,
    /// The consent that the account's owner gave.
    pub consumer_key: Secret,
    /// Where the API is.
    pub http: HttpConfig,
}

/// Asks OVHcloud.
#[derive(Clone)]
pub struct OvhApi {
    client: HttpClient,
    config: OvhApiConfig,
}

impl std::fmt::Debug for OvhApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OvhApi").field("service", &self.config.service).finish_non_exhaustive()
    }
}

impl OvhApi {
    /// Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError`] when the configuration cannot work.
    pub fn new(config: OvhApiConfig) -> Result<Self, HttpConfigError> {
        for name in [&config.organization, &config.service] {
            if !is_name(name) {
                return Err(HttpConfigError::Service(name.clone()));
            }
        }
        if !config.application_key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(HttpConfigError::Key);
        }
        let client =
            HttpClient::new(&config.http, &config.application_secret, None)?.hiding(&config.consumer_key)?;
        Ok(Self { client, config })
    }

    /// The selectors under which Exchange signs for `domain`; empty where it knows none.
    ///
    /// # Errors
    ///
    /// The refusal, in the API's words.
    pub async fn dkim_selectors(&self, domain: &str) -> Result<Vec<String>, Refusal> {
        if !is_name(domain) {
            return Ok(Vec::new());
        }
        let (organization, service) = (&self.config.organization, &self.config.service);
        let path = format!("/email/exchange/{organization}/service/{service}/domain/{domain}/dkimSelector");
        let selectors: Vec<String> = self.ask(&path).await?;
        Ok(selectors.iter().map(|selector| one_line(selector)).filter(|selector| is_name(selector)).collect())
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        let now: u64 = self.read(Request::fetch("/auth/time", Vec::new())).await?;
        let now = now.to_string();
        let url = format!("{}{path}", self.client.prefix());
        let (secret, consumer) = (&self.config.application_secret, &self.config.consumer_key);
        let signature = signature(secret, consumer, "GET", &url, "", &now);
        let request = Request::fetch(path, Vec::new())
            .with_header("x-ovh-application", &self.config.application_key)
            .with_header("x-ovh-consumer", consumer.expose_secret())
            .with_header("x-ovh-timestamp", &now)
            .with_header("x-ovh-signature", &signature);
        self.read(request).await
    }

    async fn read<T: DeserializeOwned>(&self, request: Request) -> Result<T, Refusal> {
        let answer = self.client.call(request, &|| ()).await.map_err(|failure| failure.refusal())?;
        let fault = || Refusal::provider(Trouble::Fault, answer.line());
        match means(answer.status) {
            Means::Yes => answer.document().and_then(|it| serde_json::from_value(it).ok()).ok_or_else(fault),
            Means::No(trouble) => Err(proved(trouble, &answer)),
            _ => Err(fault()),
        }
    }
}

/// What can stand in a path without a meaning of its own.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('.')
}

/// `X-Ovh-Signature`: `$1$` and SHA-1, in hexadecimal, over both secrets and the call.
fn signature(
    secret: &Secret,
    consumer: &Secret,
    method: &str,
    url: &str,
    body: &str,
    timestamp: &str,
) -> String {
    let signed = [secret.expose_secret(), consumer.expose_secret(), method, url, body, timestamp].join("+");
    let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, signed.as_bytes());
    sum.as_ref().iter().fold("$1$".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROVIDERS.md, section 4.5: computed with OVHcloud's own client.
    #[test]
    fn a_call_is_signed_as_ovhclouds_own_clients_sign_it() {
        let signed = signature(
            &Secret::from("as-secret".to_owned()),
            &Secret::from("ck-consumer".to_owned()),
            "POST",
            "https://eu.api.ovh.com/1.0/sms/sms-xx11111-1/jobs",
            r#"{"message":"Panne","receivers":["+33600000000"]}"#,
            "1700000000",
        );

        assert_eq!(signed, "$1$400ebd28592635b5319963a7289fad695b15c694");
    }

    #[test]
    fn a_name_leads_to_no_other_path() {
        for (text, is) in
            [("hosted-ab12-ovh-1", true), ("exemple.fr", true), ("..", false), ("a/b", false), ("", false)]
        {
            assert_eq!(is_name(text), is, "{text}");
        }
    }
}
