//! Why TLS failed, for somebody who can do something about it: no name of a type of rustls or webpki is ever
//! shown. What has no sentence here (a variant of a later version) is said to have none, with its TLS number
//! where it has one (RFC 8446, section 6).

use rustls::{AlertDescription, CertificateError, Error};

/// Why a connection that speaks TLS could not be made or kept: what TLS found, or what the system says.
#[must_use]
pub fn io_words(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(reason)) => {
            format!("the server's certificate is not valid: {}", certificate_words(reason))
        }
        Some(error) => format!("the TLS handshake failed: {}", tls_words(error)),
        None => error.to_string(),
    }
}

/// Why a certificate is not valid.
pub(crate) fn certificate_words(error: &CertificateError) -> String {
    let known = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::UnknownIssuer => "nobody whom this machine trusts has issued it",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name"
        }
        CertificateError::Revoked => "it has been revoked",
        CertificateError::BadEncoding | CertificateError::BadSignature => DAMAGED,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => NOT_FOR_SERVERS,
        CertificateError::UnhandledCriticalExtension => UNKNOWN_RULE,
        CertificateError::UnknownRevocationStatus | CertificateError::InvalidOcspResponse => {
            "whether it has been revoked cannot be told"
        }
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "its authority's list of revoked certificates is out of date"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => OLD_SIGNATURE,
        CertificateError::Other(other) => {
            let found = other.0.downcast_ref::<webpki::Error>();
            return found.map_or(REFUSED, path_words).to_owned();
        }
        _ => REFUSED,
    };
    known.to_owned()
}

const REFUSED: &str = "this machine refuses it";
const DAMAGED: &str = "it is damaged";
const NOT_FOR_SERVERS: &str = "it is not made for servers";
const UNKNOWN_RULE: &str = "it sets a rule that is not known here";
const OLD_SIGNATURE: &str = "it is signed in a way that is no longer trusted";
const TOO_MANY: &str = "the server sent too many certificates to follow";

/// What webpki finds on the way from a certificate to its authority, and rustls has no words for.
fn path_words(error: &webpki::Error) -> &'static str {
    use webpki::Error as Found;
    match error {
        Found::CaUsedAsEndEntity => {
            "it is an authority's own certificate; let that authority issue one for the server's name"
        }
        Found::EndEntityUsedAsCa => {
            "it was issued by a certificate that may not issue any; let an authority issue it"
        }
        Found::CertDistrusted => "its authority is no longer trusted",
        Found::EmptyEkuExtension => NOT_FOR_SERVERS,
        Found::NameConstraintViolation => "its authority may not issue for this name",
        Found::PathLenConstraintViolated => {
            "too many authorities stand between it and the one that is trusted"
        }
        Found::MaximumNameConstraintComparisonsExceeded
        | Found::MaximumPathBuildCallsExceeded
        | Found::MaximumPathDepthExceeded
        | Found::MaximumSignatureChecksExceeded => TOO_MANY,
        Found::UnsupportedCriticalExtension
        | Found::UnsupportedNameType
        | Found::UnsupportedCertVersion
        | Found::UnsupportedRevocationReason
        | Found::UnsupportedRevocationReasonsPartitioning => UNKNOWN_RULE,
        Found::SignatureAlgorithmMismatch
        | Found::ExtensionValueInvalid
        | Found::InvalidNetworkMaskConstraint
        | Found::InvalidSerialNumber
        | Found::MalformedDnsIdentifier
        | Found::MalformedExtensions
        | Found::MalformedNameConstraint
        | Found::BadDer
        | Found::BadDerTime
        | Found::TrailingData(_) => DAMAGED,
        _ => REFUSED,
    }
}

/// Why a handshake failed.
pub(crate) fn tls_words(error: &Error) -> String {
    let known = match error {
        Error::InvalidCertificate(reason) => return certificate_words(reason),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => "the other side does not speak TLS here",
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => NOTHING_IN_COMMON,
        Error::AlertReceived(alert) => return alert_words(*alert),
        Error::NoCertificatesPresented => "the other side shows no certificate",
        Error::DecryptError => "what came could not be decrypted: something on the way changed it",
        Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::InvalidEncryptedClientHello(_)
        | Error::UnsupportedNameType => "the other side breaks the rules of TLS",
        Error::InvalidCertRevocationList(_) => "the list of revoked certificates cannot be used",
        Error::FailedToGetCurrentTime => "this machine does not know the time",
        Error::FailedToGetRandomBytes => "this machine gives no random numbers",
        Error::HandshakeNotComplete => "the handshake was not completed",
        Error::EncryptError | Error::BadMaxFragmentSize | Error::InconsistentKeys(_) => INTERNAL,
        Error::Other(other) => {
            return other.0.downcast_ref::<std::io::Error>().map_or(INTERNAL.to_owned(), ToString::to_string);
        }
        _ => INTERNAL,
    };
    known.to_owned()
}

const NOTHING_IN_COMMON: &str = "the two sides have no version or cipher in common";
const INTERNAL: &str = "TLS failed on this side (an internal error)";

/// What the other side says when it ends a handshake (RFC 8446, section 6.2).
fn alert_words(alert: AlertDescription) -> String {
    let known = match alert {
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => NOTHING_IN_COMMON,
        AlertDescription::AccessDenied => "the other side refuses this machine",
        AlertDescription::UnrecognisedName => "the other side does not know this host name",
        AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateRequired => {
            "the other side asks for a certificate of this machine, which depeche does not have"
        }
        AlertDescription::InternalError => "the other side has an internal error",
        AlertDescription::CloseNotify | AlertDescription::UserCanceled => {
            "the other side ended the handshake"
        }
        other => return format!("the other side ended the handshake (TLS alert {})", u8::from(other)),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved};

    use super::*;

    /// A name of a type, as `{:?}` prints it: two capitals in one word, and not an abbreviation.
    fn has_a_type_name(text: &str) -> bool {
        text.split(|c: char| !c.is_alphanumeric()).any(|word| {
            let inner = word.chars().skip(1);
            word.chars().any(char::is_lowercase) && inner.clone().any(char::is_uppercase)
        })
    }

    #[test]
    fn a_failed_handshake_is_told_without_the_names_of_rustls() {
        let expired = CertificateError::Expired;
        assert_eq!(tls_words(&Error::InvalidCertificate(expired)), "it has expired");
        let not_tls = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(tls_words(&not_tls), "the other side does not speak TLS here");
        let alert = Error::AlertReceived(AlertDescription::ProtocolVersion);
        assert_eq!(tls_words(&alert), "the two sides have no version or cipher in common");
        // RFC 8446, section 6: bad_record_mac is alert 20.
        let alert = Error::AlertReceived(AlertDescription::BadRecordMac);
        assert_eq!(tls_words(&alert), "the other side ended the handshake (TLS alert 20)");
        assert!(has_a_type_name("peer misbehaved: TooMuchEarlyData") && !has_a_type_name("TLS and RFC 8446"));
        for alert in (0..=255).map(AlertDescription::from) {
            let told = tls_words(&Error::AlertReceived(alert));
            assert!(!has_a_type_name(&told), "{told}");
        }
    }

    #[test]
    fn whatever_rustls_finds_has_a_sentence() {
        for error in [
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            Error::PeerMisbehaved(PeerMisbehaved::TooManyKeyUpdateRequests),
            Error::NoCertificatesPresented,
            Error::UnsupportedNameType,
            Error::DecryptError,
            Error::EncryptError,
            Error::General("BadThing".to_owned()),
            Error::FailedToGetCurrentTime,
            Error::FailedToGetRandomBytes,
            Error::HandshakeNotComplete,
            Error::PeerSentOversizedRecord,
            Error::NoApplicationProtocol,
            Error::BadMaxFragmentSize,
        ] {
            let told = tls_words(&error);
            assert!(!has_a_type_name(&told) && told != error.to_string(), "{error:?}: {told}");
        }
    }

    /// All that webpki 0.103 can find (its `error.rs`), but what its own checks of revocation lists find: none
    /// is asked for.
    #[test]
    fn whatever_webpki_finds_has_a_sentence_and_an_authoritys_certificate_has_a_cure() {
        use webpki::Error as Found;

        let told =
            |found: Found| certificate_words(&CertificateError::Other(OtherError(Arc::new(found.clone()))));
        for found in [
            Found::CaUsedAsEndEntity,
            Found::EndEntityUsedAsCa,
            Found::CertDistrusted,
            Found::EmptyEkuExtension,
            Found::ExtensionValueInvalid,
            Found::InvalidNetworkMaskConstraint,
            Found::InvalidSerialNumber,
            Found::MalformedDnsIdentifier,
            Found::MalformedExtensions,
            Found::MalformedNameConstraint,
            Found::MaximumNameConstraintComparisonsExceeded,
            Found::MaximumPathBuildCallsExceeded,
            Found::MaximumPathDepthExceeded,
            Found::MaximumSignatureChecksExceeded,
            Found::NameConstraintViolation,
            Found::PathLenConstraintViolated,
            Found::SignatureAlgorithmMismatch,
            Found::UnsupportedCertVersion,
            Found::UnsupportedCriticalExtension,
            Found::UnsupportedNameType,
        ] {
            let sentence = told(found.clone());
            assert!(!has_a_type_name(&sentence) && sentence != REFUSED, "{found:?}: {sentence}");
        }
        assert!(
            told(Found::CaUsedAsEndEntity).ends_with("let that authority issue one for the server's name")
        );
    }
}
