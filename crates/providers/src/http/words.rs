//! Why a request did not come to an end, in a sentence of ours: reqwest's own names every layer it went
//! through, and what happened last.

use std::io;

use depeche_core::outcome::one_line;

use crate::tls::{certificate_words, tls_words};

/// What happened to a request. Of its URL only the host is told: a path may hold an address.
pub(super) fn told(error: &reqwest::Error) -> String {
    let said = match tls_error(error) {
        Some(tls) => tls_detail(error, tls),
        None if error.is_connect() => not_connected(error),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None => format!("the connection broke: {}", last(error)),
    };
    one_line(&said)
}

fn not_connected(error: &reqwest::Error) -> String {
    let cause = if error.is_timeout() { "no answer in time".to_owned() } else { last(error) };
    match (cause.strip_prefix(LOOK_UP), host(error)) {
        (Some(reason), host) => format!("the name {host} was not found: {reason}"),
        (None, host) => format!("no connection to {host}: {cause}"),
    }
}

/// How the standard library begins what the system's resolver says.
const LOOK_UP: &str = "failed to lookup address information: ";

fn tls_detail(error: &reqwest::Error, tls: &rustls::Error) -> String {
    let host = host(error);
    match tls {
        rustls::Error::InvalidCertificate(reason) => {
            format!("the certificate of {host} is not valid: {}", certificate_words(reason))
        }
        other => format!("the TLS handshake failed: {}", tls_words(other)),
    }
}

fn host(error: &reqwest::Error) -> &str {
    error.url().and_then(reqwest::Url::host_str).unwrap_or("the server")
}

/// The cause of all causes.
fn last(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The TLS failure below `error`. An `io::Error` names what it wraps only by `get_ref`: its `source` is
/// that of what it wraps.
pub(super) fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(inner) => tls_error(inner),
        None => tls_error(error.source()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing of reqwest's own words, and no other host than the one that was asked.
    #[tokio::test]
    async fn a_request_that_fails_is_told_in_one_plain_sentence() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let closed = client.get(format!("http://{free}/")).send().await.unwrap_err();
        // RFC 6761, section 6.4: no name under `invalid` exists.
        let unknown = client.get("http://depeche.invalid/").send().await.unwrap_err();

        assert_eq!(told(&closed), "no connection to 127.0.0.1: Connection refused (os error 111)");
        assert!(told(&unknown).starts_with("the name depeche.invalid was not found: "), "{}", told(&unknown));
    }

    #[tokio::test]
    async fn a_connection_that_ends_before_the_answer_is_told_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut begin = [0; 16];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut begin).await;
            }
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let cut = client.get(format!("http://{address}/")).send().await.unwrap_err();

        assert!(told(&cut).starts_with("the connection broke: "), "{}", told(&cut));
    }
}
