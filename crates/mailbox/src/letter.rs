//! What one message of the mailbox is.

use depeche_core::address::EmailAddress;
use depeche_core::event::EventKind;
use jiff::Timestamp;
use uuid::Uuid;

/// One message, understood as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// What became of a message.
    Report(Report),
    /// The recipient reported a message as spam (RFC 5965).
    Complaint {
        /// Which message.
        clues: Clues,
        /// When, by the reporter's clock.
        at: Option<Timestamp>,
    },
    /// An answer.
    Answer(Answer),
    /// It says that it is a report, or comes from a mail server, and cannot be understood.
    Unclear {
        /// Its subject, as one line.
        subject: String,
    },
    /// It is no message.
    Unreadable,
}

/// A report: one message of ours, and what became of it for each recipient that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which message.
    pub clues: Clues,
    /// What became of it; never empty.
    pub notices: Vec<Notice>,
    /// When, by the reporter's clock.
    pub at: Option<Timestamp>,
}

/// What tells which message a report is about. Only what nobody else could know is in here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clues {
    /// The attempt, by ENVID (RFC 3461, section 4.4) or by the envelope's sender.
    pub attempt: Option<Uuid>,
    /// The Message-ID of the message that it returns, with angle brackets.
    pub message_id: Option<String>,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The recipient as the report writes it.
    pub recipient: String,
    /// What it comes to.
    pub kind: EventKind,
    /// Why.
    pub class: Class,
    /// The receiver's own words, as one line.
    pub reason: Option<String>,
}

/// Why a message did not arrive, as far as the receiver's answer says (PROVIDERS.md, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It did arrive.
    Delivered,
    /// It is late and is tried again.
    Delayed,
    /// There is no such address.
    BadAddress,
    /// The mailbox is full.
    Full,
    /// Content, authentication, a block list or a limit: not the address's fault.
    Policy,
    /// Refused for good for another reason.
    Hard,
    /// Given up after refusals that were not for good.
    Soft,
}

impl Class {
    /// As `--json` writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Delayed => "delayed",
            Self::BadAddress => "bad_address",
            Self::Full => "full",
            Self::Policy => "policy",
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// An answer to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who writes.
    pub from: EmailAddress,
    /// Its subject, as one line.
    pub subject: String,
    /// When, by the writer's clock.
    pub at: Option<Timestamp>,
    /// The Message-IDs that it answers, with angle brackets, the nearest first.
    pub refers_to: Vec<String>,
    /// The Message-ID in the subject of a mail to the address for opt-outs, with angle brackets: what the
    /// List-Unsubscribe of that very message puts there.
    pub opts_out_of: Option<String>,
    /// What it is.
    pub kind: AnswerKind,
}

/// What an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerKind {
    /// A person's wish not to be written to any more.
    OptOut,
    /// A machine says that the person is away.
    OutOfOffice,
    /// A machine says that the person has left.
    Left {
        /// The addresses that it names instead.
        write_to: Vec<EmailAddress>,
    },
    /// Another answer by a machine: an acknowledgement, a read receipt.
    Automatic,
    /// A person wrote.
    Human,
}

impl AnswerKind {
    /// As `--json` writes it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::OptOut => "opt_out",
            Self::OutOfOffice => "out_of_office",
            Self::Left { .. } => "left",
            Self::Automatic => "automatic",
            Self::Human => "human",
        }
    }
}
