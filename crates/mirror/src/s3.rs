//! An object store that speaks S3, as a second place off the machine.
//!
//! A name is written with `If-None-Match: *`, which such a store refuses with 412 when the name is taken
//! (docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html; Scaleway, MinIO and R2 do the
//! same). 409 says that another write of the same name is under way: it is asked again. Whether the
//! store keeps to it is tried out at the start of every session ([`crate::Log`]).
//!
//! Redirects are never followed, no proxy is read from the environment, and clear text goes to loopback
//! only. What is sent is sealed ([`crate::Seal`]); the request is signed for 60 s (Signature Version 4,
//! crate `rusty-s3`) with the injected clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use depeche_core::clock::Clock;
use depeche_core::journal::mirror::{Created, MirrorTarget, TargetFailed};
use depeche_core::secret::{ExposeSecret, Secret};
use reqwest::{Client, Method, Response, StatusCode};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::{Host, Url};

/// Where the bucket is, and who asks.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The store's address: `https://s3.fr-par.scw.cloud`.
    pub endpoint: String,
    /// The region in signatures: `fr-par`.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What stands before every name, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The access key's name.
    pub access_key: Secret,
    /// The access key's secret.
    pub secret_key: Secret,
}

/// Why a store cannot be used as it is described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum S3ConfigError {
    /// No URL, or one that no bucket can be at.
    #[error("`{0}` is no address of an object store")]
    Endpoint(String),
    /// Clear text to another machine.
    #[error("`{0}` is not https")]
    ClearText(String),
    /// The client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// A bucket in an object store.
pub struct S3 {
    client: Client,
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
    shown: String,
    clock: Arc<dyn Clock>,
}

/// No segment is longer by far.
const MAX_OBJECT_BYTES: usize = 64 * 1024 * 1024;
const SIGNED_FOR: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(12);

impl S3 {
    /// The bucket at `config`.
    ///
    /// # Errors
    ///
    /// [`S3ConfigError`] says what cannot work.
    pub fn new(config: &S3Config, clock: Arc<dyn Clock>) -> Result<Self, S3ConfigError> {
        let bad = || S3ConfigError::Endpoint(config.endpoint.clone());
        let endpoint = Url::parse(&config.endpoint).map_err(|_| bad())?;
        let is_loopback = match endpoint.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(bad()),
        };
        if endpoint.scheme() != "https" && !(endpoint.scheme() == "http" && is_loopback) {
            return Err(S3ConfigError::ClearText(config.endpoint.clone()));
        }
        let bucket = Bucket::new(endpoint, UrlStyle::Path, config.bucket.clone(), config.region.clone())
            .map_err(|_| bad())?;
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("depeche/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .build()
            .map_err(|error| S3ConfigError::Client(error.to_string()))?;
        let credentials =
            Credentials::new(config.access_key.expose_secret(), config.secret_key.expose_secret());
        let place = [config.bucket.as_str(), config.prefix.as_str()].join("/");
        let shown = format!("s3://{} at {}", place.trim_end_matches('/'), config.endpoint);
        Ok(Self { client, bucket, credentials, prefix: config.prefix.clone(), shown, clock })
    }

    fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    fn now(&self) -> jiff_of_s3::Timestamp {
        jiff_of_s3::Timestamp::from_second(self.clock.now().as_second())
            .unwrap_or(jiff_of_s3::Timestamp::UNIX_EPOCH)
    }

    fn failed(&self, what: impl std::fmt::Display) -> TargetFailed {
        TargetFailed::new(format!("{}: {what}", self.shown))
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Response, TargetFailed> {
        // The URL carries the signature: it is shown nowhere.
        request.send().await.map_err(|error| self.failed(chain(&error.without_url())))
    }

    async fn put(&self, name: &str, bytes: Bytes, only_new: bool) -> Result<Response, TargetFailed> {
        let key = self.key(name);
        let action = self.bucket.put_object(Some(&self.credentials), &key);
        let url = action.sign_with_time(SIGNED_FOR, &self.now());
        let request = self.client.request(Method::PUT, url).body(bytes);
        self.call(if only_new { request.header("if-none-match", "*") } else { request }).await
    }
}

#[async_trait]
impl MirrorTarget for S3 {
    async fn create(&self, name: &str, bytes: Bytes) -> Result<Created, TargetFailed> {
        let answer = self.put(name, bytes, true).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(Created::New),
            StatusCode::PRECONDITION_FAILED => Ok(Created::Exists),
            _ => Err(self.failed(said(answer).await)),
        }
    }

    async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), TargetFailed> {
        let answer = self.put(name, bytes, false).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            _ => Err(self.failed(said(answer).await)),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, TargetFailed> {
        let key = self.key(name);
        let action = self.bucket.get_object(Some(&self.credentials), &key);
        let url = action.sign_with_time(SIGNED_FOR, &self.now());
        let mut answer = self.call(self.client.request(Method::GET, url)).await?;
        match answer.status() {
            StatusCode::OK => {}
            // A bucket that is missing is no empty mirror.
            StatusCode::NOT_FOUND => {
                let said = said(answer).await;
                return if said.contains("NoSuchBucket") { Err(self.failed(said)) } else { Ok(None) };
            }
            _ => return Err(self.failed(said(answer).await)),
        }
        let mut whole = Vec::new();
        while let Some(piece) =
            answer.chunk().await.map_err(|error| self.failed(chain(&error.without_url())))?
        {
            whole.extend_from_slice(&piece);
            if whole.len() > MAX_OBJECT_BYTES {
                return Err(self.failed("an object is longer than 64 MiB"));
            }
        }
        Ok(Some(Bytes::from(whole)))
    }

    fn shown(&self) -> String {
        self.shown.clone()
    }
}

/// The status, and the start of what the store says of it.
async fn said(mut answer: Response) -> String {
    let status = answer.status();
    let mut text = String::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        text.push_str(&String::from_utf8_lossy(&piece));
        if text.len() > 2_000 {
            break;
        }
    }
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    format!("{status} {}", code.map_or("", |(code, _)| code))
}

/// The error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
