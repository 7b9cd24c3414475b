//! What became of one attempt, in the words of DELIVERY.md ("Outcome of one attempt").
//!
//! A provider returns an [`Outcome`] and never an `Err`: whatever it said is data that the journal
//! must hold. Nothing here decides what happens next; that is [`crate::policy::next_step`].

use std::time::Duration;

/// What became of one attempt to hand one message to one provider.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The provider's explicit, fully parsed yes. Accepted, not delivered.
    Accepted(Receipt),
    /// The outbox wrote the message to a file; nothing was sent.
    Written(Receipt),
    /// Proved not accepted.
    Refused(Refusal),
    /// The provider holds the message for reasons of its account; only its event moves it on.
    Held(Receipt),
    /// Bytes that complete the message may have reached the provider, and no explicit answer came.
    Unknown(Doubt),
    /// The journal denied the intent, so nothing was handed over; the recipient is as before.
    NotStarted(Denied),
}

/// The provider's yes.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// The provider's own id of the message, when its answer holds one.
    pub provider_id: Option<String>,
    /// The answer, as one line of text without control characters.
    pub reply: String,
}

/// The provider's no, or the failure that proves that it accepted nothing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Refusal {
    /// Whose fault it is.
    pub blames: Blame,
    /// Whether the same attempt may succeed later.
    pub persistence: Persistence,
    /// The wait that the provider itself stated.
    pub retry_after: Option<Duration>,
    /// True only for a true bad-address code: the address goes to the suppression list.
    pub bad_address: bool,
    /// What the recipient wished, when that is why the provider refused: it counts for every provider, so the
    /// recipient goes to the suppression list with the outcome.
    #[serde(default)]
    pub wish: Option<Wish>,
    /// What is wrong with the provider, when it is to blame.
    pub trouble: Option<Trouble>,
    /// The answer or the failure, as one line of text without control characters.
    pub reply: String,
}

/// What a recipient wished, as their provider tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// No more mail.
    OptedOut,
    /// They reported a message as spam.
    Complained,
}

impl Wish {
    /// The reason on the suppression list.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::OptedOut => "opted out",
            Self::Complained => "complaint",
        }
    }
}

/// Whom a refusal blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The address, the mailbox, or its owner's wish.
    Recipient,
    /// Content, policy on content, or size.
    Message,
    /// The provider: DNS, connection, TLS, login, sender, throttle, quota.
    Provider,
}

/// Whether the same attempt may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Never.
    Permanent,
    /// Perhaps.
    Transient,
}

/// What is wrong with a provider. It decides between the breaker, a rest, and an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// DNS, connection, reset, time-out before the message was complete. Counts for the breaker.
    Unreachable,
    /// The TLS handshake failed, or STARTTLS was not offered. Counts for the breaker.
    Tls,
    /// The certificate is not the host's. Opens the breaker at once, with an alert.
    TlsIdentity,
    /// The login was refused. Opens the breaker at once, with an alert.
    Credentials,
    /// The sender address or its domain is not accepted there. Opens the breaker at once, with an alert.
    Sender,
    /// Too fast or too many connections: a rest, not a failure.
    Throttled,
    /// The quota is spent for the day or the month. Opens the breaker at once, with an alert.
    Quota,
    /// The provider broke its protocol, or answered that it cannot work now. Counts for the breaker.
    Fault,
}

/// Why an outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Doubt {
    /// What happened instead of an answer.
    pub cause: DoubtCause,
    /// What was read, or the failure, as one line of text without control characters.
    pub detail: String,
}

/// What happened instead of an explicit answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoubtCause {
    /// The line was closed or reset.
    LineLost,
    /// The deadline passed in silence.
    TimedOut,
    /// An answer came that says neither yes nor no.
    Unclear,
    /// The process stopped, or was told to leave, after the intent.
    Interrupted,
}

/// Why the journal denied an intent. Nothing was handed over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// The run was cancelled.
    Cancelled,
    /// A sending window of the provider is full.
    BudgetSpent {
        /// When there is room again, UTC.
        until: jiff::Timestamp,
    },
    /// A sending window of the receiving domain is full.
    PaceSpent {
        /// Which domain.
        domain: String,
        /// When there is room again, UTC.
        until: jiff::Timestamp,
    },
    /// The recipient was suppressed since.
    Suppressed,
    /// Another attempt at this delivery is open or has succeeded.
    AlreadyTaken,
    /// The journal could not take the intent (a full disk, say); the run must stop.
    JournalFailed {
        /// What the journal said.
        reason: String,
    },
    /// The mirror of the journal, which must have the intent before the wire, cannot be reached; the
    /// run pauses.
    MirrorLost {
        /// What the mirror said.
        reason: String,
    },
    /// Another machine has taken this journal's work over; this one must not send any more.
    TakenOver {
        /// Which, and since when.
        by: String,
    },
    /// The caller withdrew: the run is being interrupted.
    Interrupted,
}

impl Refusal {
    /// A refusal that blames the provider, from before anything could have been accepted.
    #[must_use]
    pub fn provider(trouble: Trouble, reply: impl AsRef<str>) -> Self {
        let persistence = match trouble {
            Trouble::Credentials | Trouble::Sender | Trouble::TlsIdentity => Persistence::Permanent,
            _ => Persistence::Transient,
        };
        Self {
            blames: Blame::Provider,
            persistence,
            retry_after: None,
            bad_address: false,
            wish: None,
            trouble: Some(trouble),
            reply: one_line(reply.as_ref()),
        }
    }

    /// A refusal that blames the recipient.
    #[must_use]
    pub fn recipient(persistence: Persistence, bad_address: bool, reply: impl AsRef<str>) -> Self {
        Self {
            blames: Blame::Recipient,
            persistence,
            retry_after: None,
            bad_address,
            wish: None,
            trouble: None,
            reply: one_line(reply.as_ref()),
        }
    }

    /// A refusal that blames the message.
    #[must_use]
    pub fn message(reply: impl AsRef<str>) -> Self {
        Self {
            blames: Blame::Message,
            persistence: Persistence::Permanent,
            retry_after: None,
            bad_address: false,
            wish: None,
            trouble: None,
            reply: one_line(reply.as_ref()),
        }
    }

    /// A refusal that blames the message for this recipient and for now: the provider took the others of
    /// its request, and proves that it left this one out. Another provider may reach it; where there is
    /// none, the same one later.
    #[must_use]
    pub fn left_out(reply: impl AsRef<str>) -> Self {
        Self { persistence: Persistence::Transient, ..Self::message(reply) }
    }

    /// The same refusal with what the recipient wished.
    #[must_use]
    pub fn with_wish(mut self, wish: Wish) -> Self {
        self.wish = Some(wish);
        self
    }

    /// The same refusal with the wait that the provider stated.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

impl Receipt {
    /// A receipt from an answer.
    #[must_use]
    pub fn new(provider_id: Option<String>, reply: impl AsRef<str>) -> Self {
        Self { provider_id, reply: one_line(reply.as_ref()) }
    }
}

impl Doubt {
    /// A doubt with what was seen.
    #[must_use]
    pub fn new(cause: DoubtCause, detail: impl AsRef<str>) -> Self {
        Self { cause, detail: one_line(detail.as_ref()) }
    }
}

/// Makes a stranger's text fit to be stored and shown: one line, no control characters, at most
/// 500 characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let cleaned: String =
        text.chars().map(|c| if crate::text::is_unsafe(c) { ' ' } else { c }).take(500).collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_stored_as_one_harmless_line() {
        assert_eq!(one_line("550 no\r\nsuch \u{1b}[31muser\u{202e}"), "550 no such [31muser");
    }
}
