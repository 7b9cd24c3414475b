//! Policies from the network: one HTTPS request, no redirect, no proxy, no cache (RFC 8461, section 3.3).

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Response};
use tokio::time::timeout;

use super::{Document, FetchError, MAX_FETCH_TIME, MAX_POLICY_BYTES, POLICY_PATH, PolicyFetcher};
use crate::text::{Text, both};
use rustls::CertificateError;

/// The port of HTTPS.
const HTTPS: u16 = 443;

/// Fetches policies over HTTPS, trusting what the system trusts.
#[derive(Clone, Debug)]
pub struct HttpsFetcher {
    port: u16,
    extra: Vec<Certificate>,
}

impl Default for HttpsFetcher {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpsFetcher {
    /// At port 443.
    #[must_use]
    pub fn new() -> Self {
        Self { port: HTTPS, extra: Vec::new() }
    }

    /// At another port: for servers that are not the public ones.
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Trusting further authorities, in PEM.
    ///
    /// # Errors
    ///
    /// [`NotACertificate`] when the text holds none.
    pub fn trusting(mut self, pem: &str) -> Result<Self, NotACertificate> {
        let found = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| NotACertificate)?;
        if found.is_empty() {
            return Err(NotACertificate);
        }
        self.extra.extend(found);
        Ok(self)
    }

    /// A client for one host, which asks no DNS of its own.
    fn client(&self, host: &str, addresses: &[IpAddr]) -> Result<Client, reqwest::Error> {
        let sockets: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, self.port)).collect();
        let mut builder = Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .no_gzip()
            .user_agent(concat!("depeche/", env!("CARGO_PKG_VERSION")))
            .resolve_to_addrs(host, &sockets);
        if !self.extra.is_empty() {
            builder = builder.tls_certs_merge(self.extra.clone());
        }
        builder.build()
    }

    async fn ask(&self, host: &str, addresses: &[IpAddr]) -> Result<Document, FetchError> {
        let client = self.client(host, addresses).map_err(|error| failure(&error))?;
        let url = format!("https://{host}:{}{POLICY_PATH}", self.port);
        let response = client.get(url).send().await.map_err(|error| failure(&error.without_url()))?;
        match response.status().as_u16() {
            200 => read(response).await,
            status @ 300..=399 => Err(FetchError::Redirect(status)),
            status => Err(FetchError::Status(status)),
        }
    }
}

/// A text that holds no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate in PEM")]
pub struct NotACertificate;

#[async_trait]
impl PolicyFetcher for HttpsFetcher {
    async fn fetch(&self, host: &str, addresses: &[IpAddr]) -> Result<Document, FetchError> {
        let seconds = MAX_FETCH_TIME.as_secs();
        let late = |_| FetchError::Unanswered(both!("not within {seconds} s", "pas en {seconds} s"));
        timeout(MAX_FETCH_TIME, self.ask(host, addresses)).await.map_err(late)?
    }
}

async fn read(mut response: Response) -> Result<Document, FetchError> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&error.without_url()))? {
        if body.len() + piece.len() > MAX_POLICY_BYTES {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Document { content_type, body })
}

/// A certificate that is refused is the host's fault; anything else leaves it open.
fn failure(error: &reqwest::Error) -> FetchError {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(why)) => FetchError::Certificate(certificate_words(why)),
        _ => {
            let fr = system_words(error).to_owned();
            FetchError::Unanswered(Text { en: causes(error).join(": "), fr })
        }
    }
}

fn certificate_words(why: &CertificateError) -> Text {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            both!("it has expired", "il a expiré")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            both!("it is not valid yet", "il n'est pas encore valable")
        }
        CertificateError::UnknownIssuer => {
            both!("nobody trusted has issued it", "il n'est émis par personne de confiance")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            both!("it is for another name", "il porte un autre nom")
        }
        CertificateError::Revoked => both!("it has been revoked", "il a été révoqué"),
        _ => {
            both!("it is damaged, or not made for servers", "il est abîmé, ou n'est pas fait pour un serveur")
        }
    }
}

/// What the system said, for French readers: its own words are English.
fn system_words(error: &(dyn std::error::Error + 'static)) -> &'static str {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return match found.kind() {
                io::ErrorKind::ConnectionRefused => "connexion refusée",
                io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => "connexion coupée",
                io::ErrorKind::TimedOut => "pas à temps",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "réseau injoignable",
                _ => "la connexion a échoué",
            };
        }
        next = error.source();
    }
    "la connexion a échoué"
}

/// The TLS failure below an error. An `io::Error` names what it wraps only by `get_ref`: its `source`
/// is that of what it wraps.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => tls_error(inner),
        None => tls_error(error.source()?),
    }
}

/// The error's text and those of its causes, each once, without what a terminal obeys.
fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text: String = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if !found.iter().any(|known| known.contains(&text)) {
            found.push(text);
        }
        next = error.source();
    }
    found
}
