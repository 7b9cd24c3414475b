//! Why a server could not be reached, for somebody who can do something about it.

use rustls::{CertificateError, Error as TlsError};
use sqlx::Error;

use crate::describe;

/// What the driver says when the server answered `N` to its request for TLS (PostgreSQL's documentation,
/// 54.2.11, "SSL Session Encryption").
const NO_TLS: &str = "server does not support TLS";

/// Why the connection was not made.
pub(super) fn why_unreached(error: &Error) -> String {
    match error {
        Error::Tls(inner) if inner.to_string() == NO_TLS => {
            "the server speaks no TLS; set `ssl = on` in its postgresql.conf".to_owned()
        }
        Error::Io(io) => match io.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(TlsError::InvalidCertificate(reason)) => {
                format!("the server's certificate is not valid: {}", certificate_words(reason))
            }
            Some(other) => format!("the TLS handshake failed: {other}"),
            None => io.to_string(),
        },
        other => describe(other),
    }
}

fn certificate_words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => {
            "nobody whom this machine trusts has issued it; name its authority's file with ca_file".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name; write the journal's url with the name that the certificate has"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        other => other.to_string(),
    }
}
