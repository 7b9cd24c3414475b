//! A provider in memory that does what it is told, and knows the truth.
//!
//! Real providers cannot say whether a message whose answer was lost was taken; this one can, so
//! that a test can hold what the engine believes against what happened.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::outcome::{Doubt, DoubtCause, Outcome, Receipt, Refusal};
use depeche_core::provider::{
    Capability, Commit, EarlierAttempt, Login, LookUp, Parcel, Provider, ProviderName,
};
use uuid::Uuid;

/// What the provider does with one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Takes every message and says so.
    Accept,
    /// Refuses before the intent.
    Refuse(Refusal),
    /// Refuses after the intent: proved not accepted.
    RefuseLate(Refusal),
    /// Says nothing after the intent; the message was taken, or not.
    Doubt {
        /// The truth.
        taken: bool,
    },
    /// Holds the messages for reasons of the account.
    Hold,
    /// Panics before the intent.
    Panic,
    /// Panics after the intent; every message was taken.
    PanicLate,
    /// Is silent for so long before the intent, then accepts.
    Slow(Duration),
    /// Accepts so long after the intent; the message is taken at once.
    SlowAnswer(Duration),
}

/// One message that went over the wire: bytes were handed over after a granted intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// To whom.
    pub recipient: String,
    /// By which attempt.
    pub attempt: Uuid,
    /// Whether the provider took it: the recipient gets it.
    pub taken: bool,
}

/// A provider that follows a script, then accepts everything.
pub struct ScriptedProvider {
    name: ProviderName,
    capability: Capability,
    acts: Mutex<VecDeque<Act>>,
    sent: Mutex<Vec<Sent>>,
    looked_up: Mutex<Vec<EarlierAttempt>>,
}

impl ScriptedProvider {
    /// A provider with one lane and no batches.
    ///
    /// # Panics
    ///
    /// When `name` is not a provider's name: a fault of the test.
    #[must_use]
    pub fn new(name: &str, acts: impl IntoIterator<Item = Act>) -> Self {
        let capability = Capability {
            max_size_bytes: None,
            inline_images: true,
            attachments: true,
            international_local_part: true,
            batch: 1,
            idempotent_for: None,
            lanes: 1,
            sends: true,
        };
        Self {
            name: ProviderName::new(name).expect("the test names a provider"),
            capability,
            acts: Mutex::new(acts.into_iter().collect()),
            sent: Mutex::default(),
            looked_up: Mutex::default(),
        }
    }

    /// So many attempts at a time.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.capability.lanes = lanes;
        self
    }

    /// So many messages in one attempt.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.capability.batch = batch;
        self
    }

    /// Recognises a repeat for so long, and answers look-ups with the truth.
    #[must_use]
    pub fn idempotent_for(mut self, window: Duration) -> Self {
        self.capability.idempotent_for = Some(window);
        self
    }

    /// All that went over the wire.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        locked(&self.sent).clone()
    }

    /// The recipients of the messages that it took.
    #[must_use]
    pub fn taken(&self) -> Vec<String> {
        self.sent().into_iter().filter(|sent| sent.taken).map(|sent| sent.recipient).collect()
    }

    /// The look-ups that it was asked for.
    #[must_use]
    pub fn looked_up(&self) -> Vec<EarlierAttempt> {
        locked(&self.looked_up).clone()
    }

    fn put(&self, parcels: &[Parcel], taken: bool) {
        let sent = |parcel: &Parcel| Sent {
            recipient: parcel.message.to.address.to_string(),
            attempt: parcel.attempt,
            taken,
        };
        locked(&self.sent).extend(parcels.iter().map(sent));
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn capability(&self) -> Capability {
        self.capability.clone()
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        let act = locked(&self.acts).pop_front().unwrap_or(Act::Accept);
        let same = |outcome: Outcome| vec![outcome; parcels.len()];
        match &act {
            Act::Refuse(refusal) => {
                commit.heard();
                return same(Outcome::Refused(refusal.clone()));
            }
            Act::Panic => panic!("scripted to panic before the intent"),
            Act::Slow(wait) => tokio::time::sleep(*wait).await,
            _ => {}
        }
        // Without a digest a repeat could not be told from another request.
        let digest = self.capability.idempotent_for.map(|_| [7; 32]);
        if let Err(denied) = commit.intent(digest).await {
            return same(Outcome::NotStarted(denied));
        }
        let taken = !matches!(act, Act::RefuseLate(_) | Act::Doubt { taken: false });
        self.put(parcels, taken);
        let receipt = Receipt::new(Some("id".to_owned()), "250 ok");
        match act {
            Act::RefuseLate(refusal) => same(Outcome::Refused(refusal)),
            Act::Doubt { .. } => {
                same(Outcome::Unknown(Doubt::new(DoubtCause::LineLost, "the line was lost")))
            }
            Act::Hold => same(Outcome::Held(receipt)),
            Act::PanicLate => panic!("scripted to panic after the intent"),
            Act::SlowAnswer(wait) => {
                tokio::time::sleep(wait).await;
                commit.heard();
                same(Outcome::Accepted(receipt))
            }
            _ => {
                commit.heard();
                same(Outcome::Accepted(receipt))
            }
        }
    }

    async fn login(&self) -> Result<Login, Refusal> {
        Ok(Login::default())
    }

    async fn look_up(&self, earlier: &EarlierAttempt) -> LookUp {
        locked(&self.looked_up).push(earlier.clone());
        if self.capability.idempotent_for.is_none() {
            return LookUp::CannotTell;
        }
        let is_known = self.sent().iter().any(|sent| sent.taken && sent.attempt == earlier.parcel.attempt);
        if is_known {
            LookUp::Found(Outcome::Accepted(Receipt::new(Some("id".to_owned()), "duplicate_request")))
        } else {
            LookUp::NotFound
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
