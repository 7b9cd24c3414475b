//! What the engine tells while it works: progress is only a stream of events.

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::budget::Window;
use crate::journal::{RunState, Totals};
use crate::outcome::Trouble;
use crate::provider::ProviderName;

/// Something happened. Addresses are whole: whoever logs events masks them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The run goes on (or begins) with these totals.
    Started {
        /// Where everybody stands.
        totals: Totals,
    },
    /// Open attempts of an earlier process became unknown.
    OrphansFound {
        /// How many.
        count: u64,
    },
    /// A provider accepted the message.
    Accepted {
        /// Through whom.
        provider: ProviderName,
        /// Who.
        address: String,
    },
    /// The outbox wrote the message.
    Written {
        /// Who.
        address: String,
    },
    /// Refused for good.
    Refused {
        /// Through whom; none when the contact could not be rendered.
        provider: Option<ProviderName>,
        /// Who.
        address: String,
        /// What was said.
        reply: String,
    },
    /// Refused for now.
    WillRetry {
        /// Through whom.
        provider: ProviderName,
        /// Who.
        address: String,
        /// When it is tried again, UTC.
        at: Timestamp,
        /// What was said.
        reply: String,
    },
    /// The recipient goes to another provider.
    MovedOn {
        /// From whom.
        provider: ProviderName,
        /// Who.
        address: String,
        /// What was said.
        reply: String,
    },
    /// Nobody knows whether it was accepted.
    Unknown {
        /// Through whom.
        provider: ProviderName,
        /// Who.
        address: String,
        /// What happened instead of an answer.
        detail: String,
    },
    /// The provider holds the message.
    Held {
        /// Through whom.
        provider: ProviderName,
        /// Who.
        address: String,
        /// What was said.
        reply: String,
    },
    /// On the suppression list since the list was frozen.
    Suppressed {
        /// Who.
        address: String,
    },
    /// A provider has been silent for too long: no new recipient goes there.
    Suspect {
        /// Which.
        provider: ProviderName,
    },
    /// A suspect provider answered.
    Trusted {
        /// Which.
        provider: ProviderName,
    },
    /// A provider is set aside.
    SetAside {
        /// Which.
        provider: ProviderName,
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: String,
        /// What is wrong with it; credentials, quota, sender and TLS identity need a person.
        trouble: Option<Trouble>,
    },
    /// A provider that was set aside accepted a message again.
    Back {
        /// Which.
        provider: ProviderName,
    },
    /// A provider asked for a rest.
    Resting {
        /// Which.
        provider: ProviderName,
        /// UTC.
        until: Timestamp,
        /// What was said.
        reply: String,
    },
    /// A provider's hour or day window is full; the next provider goes on.
    BudgetFull {
        /// Which.
        provider: ProviderName,
        /// Which window.
        window: Window,
        /// When there is room again, UTC.
        until: Timestamp,
    },
    /// A provider may not be used in this run (see [`super::Admission`]).
    Blocked {
        /// Which.
        provider: ProviderName,
        /// Why.
        reason: String,
    },
    /// Whether a provider may be used could not be found out; it is used.
    NotChecked {
        /// Which.
        provider: ProviderName,
        /// Why.
        reason: String,
    },
    /// Nothing can be sent now; the run goes on at `until`.
    Waiting {
        /// UTC.
        until: Timestamp,
        /// How many recipients are pending.
        pending: u64,
    },
    /// No new recipients are taken; those in flight are finished.
    Draining {
        /// How many attempts are in flight.
        in_flight: u64,
    },
    /// The run ended, for now or for good.
    Ended {
        /// Where it stands.
        state: RunState,
        /// Where everybody stands.
        totals: Totals,
    },
}

/// The sending side of the event stream. Without a reader, events are dropped.
#[derive(Debug, Clone)]
pub struct Events(Option<mpsc::UnboundedSender<Event>>);

impl Events {
    /// A stream of events: hand the first to the engine, read the second.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Nobody listens.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(sender) = &self.0 {
            // A reader that went away is no reason to stop sending.
            let _ = sender.send(event);
        }
    }
}
