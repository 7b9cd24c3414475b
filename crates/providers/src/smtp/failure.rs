//! How an attempt fails before the terminator: each way proves that nothing was accepted.

use depeche_core::outcome::{Refusal, Trouble};

use super::Phase;
use super::classify::{Classified, classify};
use super::line::LineFault;
use super::reply::{BadReply, Reply};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("the name {host} was not found: {reason}")]
    Dns { host: String, reason: String },
    #[error("no connection to {to}: {reason}")]
    Connect { to: String, reason: String },
    #[error("none of the source addresses fits the addresses of {0}")]
    NoSource(String),
    #[error("{0} is not on this machine, and clear text must not leave it")]
    NotLoopback(String),
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    #[error("the certificate of {host} is not valid: {reason}")]
    Certificate { host: String, reason: String },
    #[error("the server does not offer STARTTLS")]
    NoStartTls,
    #[error("the server offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoMechanism,
    #[error("{}: {fault}", .phase.name())]
    Line { phase: Phase, fault: LineFault },
    #[error("{}: an answer out of place: {reply}", .phase.name())]
    OutOfPlace { phase: Phase, reply: Reply },
    #[error("{}: {reply}", .phase.name())]
    Said { phase: Phase, reply: Reply },
}

impl Failure {
    pub(super) fn line(phase: Phase) -> impl FnOnce(LineFault) -> Self {
        move |fault| Self::Line { phase, fault }
    }

    /// A reply that is not the yes that was asked for.
    pub(super) fn reply(phase: Phase, reply: Reply) -> Self {
        if reply.is_no() { Self::Said { phase, reply } } else { Self::OutOfPlace { phase, reply } }
    }

    pub(super) fn classified(&self) -> Classified {
        if let Self::Said { phase, reply } = self {
            return classify(*phase, reply);
        }
        Classified { refusal: Refusal::provider(self.trouble(), self.to_string()), blocks_source: None }
    }

    fn trouble(&self) -> Trouble {
        match self {
            Self::Dns { .. } | Self::Connect { .. } | Self::NoSource(_) => Trouble::Unreachable,
            Self::NotLoopback(_) | Self::Handshake(_) | Self::NoStartTls => Trouble::Tls,
            Self::Certificate { .. } => Trouble::TlsIdentity,
            Self::NoMechanism => Trouble::Credentials,
            Self::Line { fault: LineFault::Bad(BadReply::Garbage(_) | BadReply::TooLong), .. }
            | Self::Line { fault: LineFault::OutOfTurn(_), .. }
            | Self::OutOfPlace { .. }
            | Self::Said { .. } => Trouble::Fault,
            Self::Line { .. } => Trouble::Unreachable,
        }
    }
}
