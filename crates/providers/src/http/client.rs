//! One HTTP client for every provider with an API.
//!
//! It makes one call and says what came back: a whole [`Answer`], an answer that was cut, or a
//! [`Failure`] that says whether the request can have left. It never follows a redirect (a 307 would
//! carry the key to another host), never repeats a request, reads no proxy from the environment, and
//! stops reading at 1 MiB after decompression. HTTP/1.1 only: one request on a line at a time, so that
//! a lost line makes one attempt uncertain and not all of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use depeche_core::outcome::{DoubtCause, Refusal, Trouble, one_line};
use depeche_core::secret::{ExposeSecret, Secret};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method, Response};
use tokio::time::{Instant, timeout_at};

use super::config::{HttpConfig, HttpConfigError, HttpTimeouts};
use super::words::{tls_error, told};

/// The most octets of an answer, after decompression.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Calls one API.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    prefix: String,
    timeouts: HttpTimeouts,
    /// What must not come back in an answer: the key, and the header's value when it is written otherwise.
    secrets: Vec<Secret>,
}

/// One call.
#[derive(Clone)]
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    /// Of this call alone; their values are not logged.
    headers: Vec<(&'static str, String)>,
    body: Option<Bytes>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed, at most 1 MiB; what was read of it when it was cut.
    pub body: Vec<u8>,
    /// Why the body is not whole.
    pub cut: Option<Cut>,
}

/// Why the body of an answer is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It is longer than 1 MiB.
    TooLong,
    /// The deadline passed.
    TimedOut,
    /// The line was lost, or the compression is broken.
    Lost,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection came about: proof that nothing was accepted.
    NotConnected {
        /// What is wrong.
        trouble: Trouble,
        /// The failure, in one line.
        detail: String,
    },
    /// The request may have left.
    Lost {
        /// What happened instead of an answer.
        cause: DoubtCause,
        /// The failure, in one line.
        detail: String,
    },
}

impl HttpClient {
    /// A client for the API at `config`, whose `key` goes into `header` of every call when there is
    /// one, and is blotted out of every answer.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError`] says what cannot work.
    pub fn new(
        config: &HttpConfig,
        key: &Secret,
        header: Option<&'static str>,
    ) -> Result<Self, HttpConfigError> {
        let header = header.map(|header| (HeaderName::from_static(header), key.expose_secret().to_owned()));
        Self::with_header(config, key, header)
    }

    /// A client for an API that takes its key as the password of HTTP basic authentication (RFC 7617).
    ///
    /// # Errors
    ///
    /// As [`HttpClient::new`].
    pub fn basic(config: &HttpConfig, key: &Secret, user: &str) -> Result<Self, HttpConfigError> {
        let both = STANDARD.encode(format!("{user}:{}", key.expose_secret()));
        Self::with_header(config, key, Some((AUTHORIZATION, format!("Basic {both}"))))
    }

    /// The same, and `secret` is blotted out of every answer too.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError::Key`] for one that a header cannot carry.
    pub fn hiding(mut self, secret: &Secret) -> Result<Self, HttpConfigError> {
        is_key(secret)?;
        self.secrets.push(secret.clone());
        Ok(self)
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn with_header(
        config: &HttpConfig,
        key: &Secret,
        header: Option<(HeaderName, String)>,
    ) -> Result<Self, HttpConfigError> {
        let prefix = config.prefix()?;
        is_key(key)?;
        let mut headers = HeaderMap::new();
        let mut secrets = vec![key.clone()];
        if let Some((name, value)) = header {
            let written = value.strip_prefix("Basic ").unwrap_or(&value);
            secrets.push(Secret::from(written.to_owned()));
            let mut value = HeaderValue::from_str(&value).map_err(|_| HttpConfigError::Key)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .user_agent(concat!("depeche/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(config.timeouts.connect)
            // A line kept for longer is more likely closed by the other end just as it is used, which
            // would make a message uncertain for nothing.
            .pool_idle_timeout(std::time::Duration::from_secs(15));
        if let Some(path) = &config.ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let client = builder.build().map_err(|error| HttpConfigError::Client(chain(&error)))?;
        Ok(Self { client, prefix, timeouts: config.timeouts, secrets })
    }

    /// Makes one call. `heard` is called when the head of an answer arrives, and at each piece of its
    /// body.
    ///
    /// # Errors
    ///
    /// [`Failure`] when no head of an answer came.
    pub async fn call(&self, request: Request, heard: &(dyn Fn() + Send + Sync)) -> Result<Answer, Failure> {
        let started = Instant::now();
        let deadline = started + self.timeouts.total;
        let by = deadline.min(started + self.timeouts.connect + self.timeouts.answer);
        let mut builder = self.client.request(request.method, format!("{}{}", self.prefix, request.path));
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        for (name, value) in request.headers {
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                builder = builder.header(name, value);
            }
        }
        if let Some(body) = request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
        }
        let request = builder.header("accept", "application/json").build().map_err(not_built)?;
        match timeout_at(by, self.client.execute(request)).await {
            Err(_) => Err(Failure::Lost {
                cause: DoubtCause::TimedOut,
                detail: format!("no answer within {} s", (by - started).as_secs_f32()),
            }),
            Ok(Err(error)) => Err(failure(&error)),
            Ok(Ok(response)) => {
                heard();
                Ok(self.read(response, deadline, heard).await)
            }
        }
    }

    async fn read(
        &self,
        mut response: Response,
        deadline: Instant,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Answer {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        let cut = loop {
            match timeout_at(deadline, response.chunk()).await {
                Err(_) => break Some(Cut::TimedOut),
                Ok(Err(_)) => break Some(Cut::Lost),
                Ok(Ok(None)) => break None,
                Ok(Ok(Some(piece))) => {
                    heard();
                    let room = MAX_ANSWER_BYTES - body.len();
                    body.extend_from_slice(&piece[..piece.len().min(room)]);
                    if piece.len() > room {
                        break Some(Cut::TooLong);
                    }
                }
            }
        };
        for secret in &self.secrets {
            blot_out(&mut body, secret.expose_secret().as_bytes());
        }
        Answer { status, headers, body, cut }
    }
}

fn is_key(key: &Secret) -> Result<(), HttpConfigError> {
    let key = key.expose_secret();
    let fits = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(HttpConfigError::Key) }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Without the body, which may hold a key.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// A POST of a JSON document to `path` below the base URL.
    #[must_use]
    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: Some(body.into()), ..Self::fetch(path, Vec::new()) }
    }

    /// A PUT of a JSON document to `path` below the base URL.
    #[must_use]
    pub fn put(path: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PUT, ..Self::post(path, body) }
    }

    /// A DELETE of `path` below the base URL.
    #[must_use]
    pub fn delete(path: &str) -> Self {
        Self { method: Method::DELETE, ..Self::fetch(path, Vec::new()) }
    }

    /// The same with one more parameter in the query.
    #[must_use]
    pub fn with_query(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    /// The same with a header of its own; a value that no header can carry is left out.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// A GET of `path` below the base URL.
    #[must_use]
    pub fn fetch(path: &str, query: Vec<(&'static str, String)>) -> Self {
        Self { method: Method::GET, path: path.to_owned(), query, headers: Vec::new(), body: None }
    }
}

impl Failure {
    /// The failure, in one line.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::NotConnected { detail, .. } | Self::Lost { detail, .. } => detail,
        }
    }

    /// What it is to a call that sends nothing: the provider cannot be used now.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NotConnected { trouble, detail } => Refusal::provider(*trouble, detail),
            Self::Lost { detail, .. } => Refusal::provider(Trouble::Unreachable, detail),
        }
    }
}

impl Answer {
    /// The body as a JSON document; `None` when it is none or was cut.
    #[must_use]
    pub fn document(&self) -> Option<serde_json::Value> {
        if self.cut.is_some() { None } else { serde_json::from_slice(&self.body).ok() }
    }

    /// A header as a whole number.
    #[must_use]
    pub fn number(&self, header: &str) -> Option<u64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }

    /// Status and first characters of the body, as one harmless line.
    #[must_use]
    pub fn line(&self) -> String {
        let start = &self.body[..self.body.len().min(2048)];
        let cut = match self.cut {
            None => "",
            Some(Cut::TooLong) => " (the answer is longer than 1 MiB)",
            Some(Cut::TimedOut) => " (the rest of the answer did not come in time)",
            Some(Cut::Lost) => " (the rest of the answer was lost)",
        };
        let body: String = one_line(&String::from_utf8_lossy(start)).chars().take(400).collect();
        format!("HTTP {}{cut} {body}", self.status).trim_end().to_owned()
    }
}

fn not_built(error: reqwest::Error) -> Failure {
    Failure::NotConnected { trouble: Trouble::Fault, detail: chain(&error.without_url()) }
}

fn failure(error: &reqwest::Error) -> Failure {
    let detail = told(error);
    // DELIVERY.md: with reqwest only `is_connect()` proves that no byte of the request left.
    if error.is_connect() {
        return Failure::NotConnected { trouble: connect_trouble(error), detail };
    }
    let cause = if error.is_timeout() { DoubtCause::TimedOut } else { DoubtCause::LineLost };
    Failure::Lost { cause, detail }
}

fn connect_trouble(error: &reqwest::Error) -> Trouble {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_)) => Trouble::TlsIdentity,
        Some(_) => Trouble::Tls,
        None => Trouble::Unreachable,
    }
}

/// The error and its causes: reqwest's own text alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    one_line(&text)
}

fn certificates(path: &std::path::Path) -> Result<Vec<Certificate>, HttpConfigError> {
    let unreadable = |reason: String| HttpConfigError::CaFile { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(chain(&error)))?;
    if found.is_empty() { Err(unreadable("it holds no certificate".to_owned())) } else { Ok(found) }
}

/// An answer that repeats our key must not bring it into the journal.
fn blot_out(body: &mut [u8], key: &[u8]) {
    let mut from = 0;
    while let Some(at) = body[from..].windows(key.len()).position(|window| window == key) {
        body[from + at..from + at + key.len()].fill(b'*');
        from += at + key.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_back_is_blotted_out() {
        let mut body = b"{\"message\":\"bad key geheim, geheim\"}".to_vec();

        blot_out(&mut body, b"geheim");

        assert_eq!(body, b"{\"message\":\"bad key ******, ******\"}");
    }

    #[test]
    fn a_key_that_no_header_carries_is_refused() {
        let config = HttpConfig::new("https://api.example");
        for key in ["", "a b", "a\r\nx: y", "clé"] {
            let made = HttpClient::new(&config, &Secret::from(key.to_owned()), Some("api-key"));
            assert_eq!(made.err(), Some(HttpConfigError::Key), "{key:?}");
        }
    }

    #[test]
    fn the_key_is_not_in_what_debug_shows() {
        let config = HttpConfig::new("https://api.example");
        let client = HttpClient::new(&config, &Secret::from("geheim".to_owned()), Some("api-key")).unwrap();

        assert!(!format!("{client:?}").contains("geheim"));
        assert!(!format!("{:?}", Request::post("/x", "geheim")).contains("geheim"));
    }
}
