//! The states of runs, deliveries and attempts, and which may follow which.
//!
//! From DELIVERY.md, "Write-ahead journal". A journal asks [`DeliveryState::may_become`] before it
//! writes, so that no implementation can invent a transition.

use std::fmt;
use std::str::FromStr;

/// What a run is for. Only [`RunKind::Real`] counts as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A release to its list.
    Real,
    /// .eml files instead of mail.
    Outbox,
    /// One copy to the sender.
    Test,
}

/// Where a run stands, as CLI.md names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process works on it (or did, and was killed: then it is shown as interrupted).
    Running,
    /// It ended with recipients pending (exit 4).
    Waiting,
    /// It stopped for a person: no trustworthy provider is left and some outcome is unknown, or the
    /// journal failed.
    Paused,
    /// It was told to stop, or its process died.
    Interrupted,
    /// Nobody is pending.
    Finished,
    /// What was pending will never be sent.
    Cancelled,
}

/// Where one recipient of one run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, now or later.
    Pending,
    /// An attempt is open: its intent is durable, its outcome is not.
    Intent,
    /// A provider said yes.
    Accepted,
    /// Refused for good.
    Refused,
    /// A provider holds it for reasons of its account.
    Held,
    /// It may have been accepted; nobody knows.
    Unknown,
    /// On the suppression list; never mailed.
    Suppressed,
    /// The run was cancelled first.
    Cancelled,
    /// In the outbox, as a file.
    Written,
}

/// Where one attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Durable before the wire; no outcome yet.
    Intent,
    /// The provider said yes.
    Accepted,
    /// Proved not accepted; the recipient may be tried again.
    NotAccepted,
    /// Refused for good.
    Refused,
    /// Held by the provider.
    Held,
    /// No explicit answer.
    Unknown,
    /// A person (or `on_unknown = "resend"`) decided to send again all the same.
    Superseded,
    /// Written to the outbox.
    Written,
}

impl RunState {
    /// Whether `resume` has anything to do.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled)
    }
}

impl DeliveryState {
    /// Whether a delivery in this state may come to be in state `next`.
    ///
    /// `Unknown` and `Held` leave only for what a proof or a person's decision gives; `Accepted`,
    /// `Refused`, `Suppressed`, `Cancelled` and `Written` are final.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use DeliveryState as D;
        match self {
            // Pending to Refused: a contact that cannot be rendered, or refused before the intent.
            D::Pending => {
                matches!(
                    next,
                    D::Pending | D::Intent | D::Refused | D::Suppressed | D::Cancelled | D::Written
                )
            }
            D::Intent => {
                matches!(next, D::Accepted | D::Refused | D::Held | D::Unknown | D::Pending | D::Written)
            }
            D::Unknown | D::Held => matches!(next, D::Accepted | D::Refused | D::Pending | D::Unknown),
            D::Accepted | D::Refused | D::Suppressed | D::Cancelled | D::Written => false,
        }
    }

    /// Whether the delivery holds its recipient against other runs of the same release.
    #[must_use]
    pub fn holds_recipient(self) -> bool {
        matches!(self, Self::Pending | Self::Intent | Self::Accepted | Self::Held | Self::Unknown)
    }

    /// Every state, in the order of the totals.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Intent,
        Self::Accepted,
        Self::Refused,
        Self::Held,
        Self::Unknown,
        Self::Suppressed,
        Self::Cancelled,
        Self::Written,
    ];
}

impl AttemptState {
    /// Whether an attempt in this state forbids any other attempt at the same delivery.
    #[must_use]
    pub fn excludes_others(self) -> bool {
        matches!(self, Self::Intent | Self::Accepted | Self::Held | Self::Unknown)
    }
}

/// The text stored is none of the states.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state")]
pub struct NoSuchState(pub String);

macro_rules! state_names {
    ($type:ty { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// The name that the journal stores and the JSON documents show.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = NoSuchState;
            fn from_str(text: &str) -> Result<Self, NoSuchState> {
                match text { $($name => Ok(Self::$variant),)+ other => Err(NoSuchState(other.to_owned())) }
            }
        }
    };
}

pub(crate) use state_names;

state_names!(RunKind { Real = "real", Outbox = "outbox", Test = "test" });
state_names!(RunState {
    Running = "running",
    Waiting = "waiting",
    Paused = "paused",
    Interrupted = "interrupted",
    Finished = "finished",
    Cancelled = "cancelled",
});
state_names!(DeliveryState {
    Pending = "pending",
    Intent = "intent",
    Accepted = "accepted",
    Refused = "refused",
    Held = "held",
    Unknown = "unknown",
    Suppressed = "suppressed",
    Cancelled = "cancelled",
    Written = "written",
});
state_names!(AttemptState {
    Intent = "intent",
    Accepted = "accepted",
    NotAccepted = "not_accepted",
    Refused = "refused",
    Held = "held",
    Unknown = "unknown",
    Superseded = "superseded",
    Written = "written",
});

#[cfg(test)]
mod tests {
    use super::DeliveryState as D;

    #[test]
    fn nothing_leads_from_an_accepted_or_refused_recipient_back_to_the_wire() {
        for next in D::ALL {
            assert!(!D::Accepted.may_become(next));
            assert!(!D::Refused.may_become(next));
        }
    }

    #[test]
    fn an_open_attempt_never_becomes_cancelled_or_suppressed() {
        assert!(!D::Intent.may_become(D::Cancelled));
        assert!(!D::Intent.may_become(D::Suppressed));
    }
}
