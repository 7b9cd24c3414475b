//! A provider wired to a scripted server, with deadlines short enough for a test.

use std::time::Duration;

use depeche_core::outcome::Outcome;
use depeche_core::provider::{Parcel, Provider, ProviderName};
use depeche_core::secret::Secret;
use depeche_providers::smtp::{Credentials, SmtpConfig, SmtpProvider, Timeouts, Tls};
use depeche_testkit::conformance::RecordingCommit;
use depeche_testkit::smtp::RunningSmtp;

/// Long enough for a loaded machine to answer, short enough to wait for in vain.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

pub(crate) fn config(server: &RunningSmtp) -> SmtpConfig {
    SmtpConfig {
        port: server.port(),
        tls: Tls::None,
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            command: SHORT,
            data_block: SHORT,
            data_end: SHORT,
        },
        ..SmtpConfig::new(ProviderName::new("fake").unwrap(), "127.0.0.1")
    }
}

pub(crate) fn provider(server: &RunningSmtp) -> SmtpProvider {
    SmtpProvider::new(config(server)).unwrap()
}

pub(crate) fn login(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: user.to_owned(), password: Secret::from(password.to_owned()) })
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
