//! The one way to TLS: rustls with aws-lc-rs, the system's own judgement of certificates, and at the most a
//! file of further authorities. There is no switch to accept a bad certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

mod words;

pub use words::io_words;
pub(crate) use words::{certificate_words, tls_words};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The host is neither a name nor an address.
    #[error("`{0}` is not a host name")]
    Host(String),
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
    /// The machine itself cannot.
    #[error("TLS cannot be set up: {0}")]
    Machine(String),
}

/// A connector for `host`, which its certificate must name; authorities of `ca_file` (PEM) are trusted
/// besides the system's.
///
/// # Errors
///
/// [`TlsError`]; nothing is connected yet.
pub fn connector(
    host: &str,
    ca_file: Option<&Path>,
) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let bare = host.trim_end_matches('.');
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Host(host.to_owned()))?;
    let extra = ca_file.map_or_else(|| Ok(Vec::new()), extra_roots)?;
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let machine = |error: rustls::Error| TlsError::Machine(tls_words(&error));
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&crypto)).map_err(machine)?;
    let client = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(machine)?
        // "Dangerous" is the door for any verifier of one's own; this one is the system's.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(client)), name))
}

fn extra_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |reason: String| TlsError::CaFile { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| unreadable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(TlsError::CaFileEmpty(path.to_owned()));
    }
    Ok(certificates)
}
