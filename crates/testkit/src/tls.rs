//! A certification authority of the test's own, and certificates of every kind of wrong.
//!
//! Nothing here is ever trusted by the system: a test hands [`TestCa::pem`] to the provider as its
//! extra CA file, exactly as a user with a private CA would.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A private certification authority, made anew for each test.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    /// A new authority with its own key.
    ///
    /// # Panics
    ///
    /// When no key can be made: the machine has no random source.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "depeche test CA");
        let key = KeyPair::generate().expect("a key pair can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("the CA's parameters are valid");
        Self { issuer }
    }

    /// The authority's certificate in PEM, fit for `ca_file`.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's TLS configuration with a certificate for `names` (host names or IP addresses).
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.issue(parameters(names))
    }

    /// The same, with a certificate that ended in the year 2001.
    #[must_use]
    pub fn expired_server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let mut params = parameters(names);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.issue(params)
    }

    /// A server that shows the authority's own certificate as its own: what `openssl req -x509` makes.
    #[must_use]
    pub fn itself_as_server(&self) -> Arc<ServerConfig> {
        Self::showing(self.issuer.der().clone(), self.issuer.key())
    }

    fn issue(&self, params: CertificateParams) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key pair can be made");
        let certificate =
            params.signed_by(&key, &self.issuer).expect("the certificate's parameters are valid");
        Self::showing(certificate.der().clone(), &key)
    }

    fn showing(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
        let chain = vec![certificate];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs offers TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

fn parameters(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the test gives host names");
    params.distinguished_name.push(DnType::CommonName, "depeche test server");
    params
}
