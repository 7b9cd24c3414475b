//! SMTP submission: one message, one dialogue, one of the outcomes of DELIVERY.md.
//!
//! The dialogue is driven phase by phase over our own stream, with lettre's command and SASL types,
//! because the one thing that matters cannot be asked of a ready-made client: whether a byte of the
//! terminator had been offered to the line when it broke. Everything before that, and any explicit
//! 4yz or 5yz, proves that the message was not taken; everything after it but an explicit answer
//! leaves it unknown. Rules: RFC 5321, RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH),
//! RFC 1870 (SIZE), RFC 6152, RFC 6531, RFC 3461 (DSN).
//!
//! With PIPELINING the next message's MAIL, RCPT and DATA go behind the terminator of the one before
//! ([`Commit::next`](depeche_core::provider::Commit::next)): one round trip a message.
//!
//! # Not covered
//!
//! CHUNKING, HELO in place of EHLO, and XOAUTH2.

mod body;
mod classify;
mod config;
mod connect;
mod dkim;
mod envelope;
mod failure;
mod features;
mod line;
mod login;
mod prepared;
mod presets;
mod provider;
mod replies;
mod reply;
mod session;
mod source;

pub use classify::{Classified, classify};
pub use config::{Credentials, SmtpConfig, SmtpConfigError, Timeouts, Tls};
pub use connect::{Resolve, SystemResolver};
pub use dkim::{DkimConfig, DkimKeyError, DkimSigner};
pub use envelope::{EnvelopeFrom, EnvelopeFromError};
pub use presets::{Preset, preset, presets};
pub use provider::SmtpProvider;
pub use reply::{BadReply, Enhanced, Reply, parse_reply};
pub use source::blocked_source;

/// A step of the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The greeting.
    Banner,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM, and RSET before it.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The content, up to the last octet before the terminator.
    Body,
    /// From the first write that holds an octet of the terminator.
    Dot,
}

impl Phase {
    /// How it is called in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Banner => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Body => "content",
            Self::Dot => "final dot",
        }
    }
}
