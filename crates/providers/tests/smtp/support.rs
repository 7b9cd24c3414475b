//! A provider wired to a scripted server, with deadlines short enough for a test.

use std::time::Duration;

use depeche_core::outcome::Outcome;
use depeche_core::provider::{Parcel, Provider, ProviderName};
use depeche_core::secret::Secret;
use depeche_providers::smtp::{Credentials, SmtpConfig, SmtpProvider, Timeouts, Tls};
use depeche_testkit::conformance::RecordingCommit;
use depeche_testkit::smtp::RunningSmtp;
use depeche_testkit::tls::TestCa;
use tempfile::NamedTempFile;

/// Long enough for a loaded machine to answer, short enough to wait for in vain.
pub(crate) const SHORT: Duration = Duration::from_millis(600);

pub(crate) fn config(server: &RunningSmtp) -> SmtpConfig {
    let name = ProviderName::new("fake").expect("a fixed name");
    SmtpConfig {
        port: server.port(),
        tls: Tls::None,
        timeouts: Timeouts { connect: SHORT, command: SHORT, data_block: SHORT, data_end: SHORT },
        ..SmtpConfig::new(name, "127.0.0.1")
    }
}

pub(crate) fn provider(server: &RunningSmtp) -> SmtpProvider {
    wired(config(server))
}

pub(crate) fn wired(config: SmtpConfig) -> SmtpProvider {
    SmtpProvider::new(config).expect("the test gives a configuration that works")
}

pub(crate) fn login(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: user.to_owned(), password: Secret::from(password.to_owned()) })
}

/// The CA's certificate in a file, as a user would give it.
pub(crate) fn ca_file(ca: &TestCa) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), ca.pem()).expect("the temporary file takes a certificate");
    file
}

/// One attempt with a commit that grants everything.
pub(crate) async fn send(provider: &SmtpProvider, parcel: &Parcel) -> Outcome {
    attempt(provider, parcel, &RecordingCommit::granting()).await
}

pub(crate) async fn attempt(provider: &SmtpProvider, parcel: &Parcel, commit: &RecordingCommit) -> Outcome {
    let mut outcomes = provider.attempt(0, std::slice::from_ref(parcel), commit).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

pub(crate) fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}
