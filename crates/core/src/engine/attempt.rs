//! One attempt in a task of its own: render, hand to the provider, and commit the intent at the one
//! moment when the provider says so.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::ahead::Next;
use super::control::{Control, Level};
use super::hour::Hour;
use super::item::Item;
use super::link::AttemptWatch;
use super::prior::Prior;
use super::render::Render;
use super::turns::{MOMENT, Turns};
use crate::budget::DomainPace;
use crate::clock::{Clock, Entropy};
use crate::journal::{DeliveryId, DeliveryRecord, Intent, Journal, JournalError, RunId};
use crate::message::Message;
use crate::outcome::{Denied, Doubt, DoubtCause, Outcome, Refusal, Trouble};
use crate::provider::{Commit, Parcel, Provider, ProviderName};

/// Everything that one attempt needs.
pub(super) struct Attempt {
    pub(super) run: RunId,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) limits: crate::budget::Limits,
    pub(super) turns: Arc<Turns>,
    pub(super) lane: usize,
    pub(super) deliveries: Vec<(DeliveryRecord, Option<Arc<Message>>)>,
    /// Of the deliveries' domains, in their order.
    pub(super) paces: Vec<Option<DomainPace>>,
    /// The parcel that the provider was told of beforehand; it is that of the only delivery.
    pub(super) announced: Option<Parcel>,
    /// Whoever comes next on the lane.
    pub(super) next: Arc<Next>,
    pub(super) watch: Arc<AttemptWatch>,
    pub(super) prior: Option<Arc<Prior>>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) maker: Maker,
    pub(super) control: Control,
    pub(super) hour: Arc<Hour>,
    /// How long the other side may be silent before its recipients may go elsewhere.
    pub(super) suspect_after: Duration,
}

/// Makes parcels: messages with the identifiers of their attempts.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) render: Arc<dyn Render>,
}

/// What came of one delivery of an attempt.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) delivery: DeliveryId,
    pub(super) attempt: Uuid,
    pub(super) message: Option<Arc<Message>>,
    pub(super) outcome: Attempted,
}

/// The provider's word, or that there was no message to send.
#[derive(Debug)]
pub(super) enum Attempted {
    Outcome(Outcome),
    CannotRender(String),
}

impl Attempt {
    /// Makes the attempt. Never panics on a renderer's or provider's panic.
    pub(super) async fn make(mut self) -> Vec<Made> {
        let (mut results, parcels, records) = self.render_all();
        if parcels.is_empty() {
            wait_for(self.prior.as_ref()).await;
            return results;
        }
        let commit = self.commit(&parcels, &records);
        let attempt = self.provider.attempt(self.lane, &parcels, &commit);
        let outcomes = tokio::select! {
            biased;
            ended = AssertUnwindSafe(attempt).catch_unwind() => match ended {
                Ok(outcomes) if outcomes.len() == parcels.len() => outcomes,
                Ok(_) => self.broken("the provider gave another number of outcomes", parcels.len()),
                Err(_) => self.broken("the provider's code panicked", parcels.len()),
            },
            // The attempt is dropped, and its connection with it: nothing was handed over.
            () = self.watch.given_up() => vec![self.too_silent(); parcels.len()],
        };
        self.intend_late(&commit, &outcomes).await;
        let together = parcels.into_iter().zip(records).zip(outcomes);
        results.extend(together.map(|((parcel, record), outcome)| Made {
            delivery: record.id,
            attempt: parcel.attempt,
            message: Some(parcel.message),
            outcome: Attempted::Outcome(outcome),
        }));
        wait_for(self.prior.as_ref()).await;
        results
    }

    /// A provider that says yes (or does not know) without having asked for the intent breaks its
    /// contract; the journal must know of the message all the same.
    async fn intend_late(&self, commit: &AttemptCommit, outcomes: &[Outcome]) {
        let on_the_wire = |outcome: &Outcome| {
            matches!(outcome, Outcome::Accepted(_) | Outcome::Held(_) | Outcome::Unknown(_))
        };
        if !self.watch.intended.load(Ordering::Acquire) && outcomes.iter().any(on_the_wire) {
            tracing::error!(provider = %self.provider.name(), "the provider answered without an intent");
            let _ = commit.intent(None).await;
        }
    }

    fn render_all(&mut self) -> (Vec<Made>, Vec<Parcel>, Vec<DeliveryRecord>) {
        let (mut results, mut parcels, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for (record, message) in std::mem::take(&mut self.deliveries) {
            if let Some(parcel) = self.announced.take() {
                parcels.push(parcel);
                records.push(record);
                continue;
            }
            let attempt = self.maker.new_attempt_id();
            match message.map_or_else(|| self.maker.render_one(&record), Ok) {
                Ok(message) => {
                    let idempotency_key = self.maker.entropy.uuid();
                    parcels.push(Parcel { message, attempt, idempotency_key });
                    records.push(record);
                }
                Err(reason) => results.push(Made {
                    delivery: record.id,
                    attempt,
                    message: None,
                    outcome: Attempted::CannotRender(reason),
                }),
            }
        }
        (results, parcels, records)
    }

    fn commit(&self, parcels: &[Parcel], records: &[DeliveryRecord]) -> AttemptCommit {
        let request_id = parcels[0].attempt;
        let pairs = parcels.iter().zip(records);
        let pace_of = |record: &DeliveryRecord| {
            let mut stated = self.paces.iter().flatten();
            stated.find(|pace| pace.domain == record.address.domain()).cloned()
        };
        let intents = pairs.map(|(parcel, record)| IntentDraft {
            pace: pace_of(record),
            delivery: record.id,
            fence: record.fence,
            attempt: parcel.attempt,
            idempotency_key: parcel.idempotency_key,
        });
        AttemptCommit {
            run: self.run.clone(),
            provider: self.provider.name().clone(),
            limits: self.limits,
            turns: Arc::clone(&self.turns),
            request_id,
            intents: intents.collect(),
            watch: Arc::clone(&self.watch),
            prior: self.prior.clone(),
            journal: Arc::clone(&self.journal),
            maker: self.maker.clone(),
            next: Arc::clone(&self.next),
            control: self.control.clone(),
            hour: Arc::clone(&self.hour),
        }
    }

    /// Proved not accepted: no intent was made, and none can be made any more.
    fn too_silent(&self) -> Outcome {
        let waited = self.suspect_after.as_secs_f32();
        let reason = format!("no answer within {waited} s, and another provider is ready");
        Outcome::Refused(Refusal::provider(Trouble::Unreachable, reason))
    }

    fn broken(&self, what: &str, count: usize) -> Vec<Outcome> {
        let outcome = if self.watch.intended.load(Ordering::Acquire) {
            Outcome::Unknown(Doubt::new(DoubtCause::Unclear, what))
        } else {
            Outcome::Refused(Refusal::provider(Trouble::Fault, what))
        };
        vec![outcome; count]
    }
}

impl Maker {
    fn parcel_of(&self, item: &Item) -> Option<Parcel> {
        let message = item.message.clone().map_or_else(|| self.render_one(&item.record), Ok).ok()?;
        let attempt = self.new_attempt_id();
        Some(Parcel { message, attempt, idempotency_key: self.entropy.uuid() })
    }

    fn render_one(&self, record: &DeliveryRecord) -> Result<Arc<Message>, String> {
        // One contact that the template cannot bear must not stop the others' messages.
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.render.render(record))) {
            Ok(Ok(message)) => Ok(Arc::new(message)),
            Ok(Err(refused)) => Err(refused.reason),
            Err(_) => Err("the message could not be rendered (an internal error)".to_owned()),
        }
    }

    /// UUID version 7 (RFC 9562) from the injected clock and randomness.
    fn new_attempt_id(&self) -> Uuid {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let millis = u64::try_from(self.clock.now().as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

async fn wait_for(prior: Option<&Arc<Prior>>) {
    if let Some(prior) = prior {
        // A failure is kept, and denies the next intent of this lane.
        let _ = prior.durable().await;
    }
}

/// A place in a window that comes free within [`MOMENT`] is waited for, and for all such waits together no
/// longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// So long is it until then, and the millisecond that a timer may be early by the clock.
fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or_default() + Duration::from_millis(1)
}

struct IntentDraft {
    pace: Option<DomainPace>,
    delivery: DeliveryId,
    fence: i64,
    attempt: Uuid,
    idempotency_key: Uuid,
}

/// The engine's side of an attempt.
struct AttemptCommit {
    run: RunId,
    provider: ProviderName,
    limits: crate::budget::Limits,
    turns: Arc<Turns>,
    request_id: Uuid,
    intents: Vec<IntentDraft>,
    watch: Arc<AttemptWatch>,
    prior: Option<Arc<Prior>>,
    journal: Arc<dyn Journal>,
    maker: Maker,
    next: Arc<Next>,
    control: Control,
    hour: Arc<Hour>,
}

impl AttemptCommit {
    /// The intent, in one commit with the last outcome of this connection where that waits still; else
    /// after it. No intent is durable whose connection has an outcome that is not.
    async fn intend_after_prior(&self, intents: Vec<Intent>) -> Result<(), Denied> {
        let Some(prior) = &self.prior else { return self.journal.intend(intents).await };
        let Some(settlements) = prior.take() else {
            let failed = |error: JournalError| Denied::JournalFailed { reason: error.to_string() };
            prior.known_to_be_durable().await.map_err(failed)?;
            return self.journal.intend(intents).await;
        };
        let stepped = self.journal.settle_and_intend(settlements, intents).await;
        prior.end(&stepped.settled);
        stepped.intended
    }

    /// Second windows wait: a place that comes free in a moment is waited for here, after 354, rather
    /// than given up with the connection.
    async fn intend_in_turn(
        &self,
        request_digest: Option<[u8; 32]>,
        provider_id: Option<&str>,
    ) -> Result<(), Denied> {
        let begun = Instant::now();
        let now = self.maker.clock.now();
        let turn = self.turns.take(now).map_err(|until| Denied::BudgetSpent { until })?;
        if turn > now {
            tokio::time::sleep(until(turn, now)).await;
        }
        loop {
            // Somebody may have lost patience meanwhile.
            if self.control.level() == Level::Leave {
                return Err(Denied::Interrupted);
            }
            let at = self.maker.clock.now();
            // The first message of a run whose hour has passed meanwhile is not sent.
            if self.hour.passed(at).is_some() {
                return Err(Denied::Interrupted);
            }
            let intended = self.intend_after_prior(self.to_intents(request_digest, provider_id, at)).await;
            if intended.is_ok() {
                self.watch.intend(at);
                self.hour.begin();
            }
            let free = match &intended {
                Err(Denied::BudgetSpent { until }) => until,
                // A request of several does not wait for the domain of one.
                Err(Denied::PaceSpent { until, .. }) if self.intents.len() == 1 => until,
                _ => return intended,
            };
            if *free > at + MOMENT || begun.elapsed() + until(*free, at) > PATIENCE {
                return intended;
            }
            tokio::time::sleep(until(*free, at)).await;
        }
    }

    fn to_intents(
        &self,
        request_digest: Option<[u8; 32]>,
        provider_id: Option<&str>,
        at: Timestamp,
    ) -> Vec<Intent> {
        let intent = |draft: &IntentDraft| Intent {
            run: self.run.clone(),
            delivery: draft.delivery,
            fence: draft.fence,
            attempt: draft.attempt,
            request_id: self.request_id,
            idempotency_key: draft.idempotency_key,
            request_digest,
            provider: self.provider.clone(),
            provider_id: provider_id.map(str::to_owned),
            limits: self.limits,
            pace: draft.pace.clone(),
            at,
        };
        self.intents.iter().map(intent).collect()
    }

    async fn make_durable(
        &self,
        request_digest: Option<[u8; 32]>,
        provider_id: Option<&str>,
    ) -> Result<(), Denied> {
        if self.control.level() == Level::Leave || !self.watch.begins_intent() {
            return Err(Denied::Interrupted);
        }
        self.watch.journalling.store(true, Ordering::Release);
        let intended = self.intend_in_turn(request_digest, provider_id).await;
        self.watch.restart();
        self.watch.journalling.store(false, Ordering::Release);
        intended
    }
}

#[async_trait]
impl Commit for AttemptCommit {
    async fn intent(&self, request_digest: Option<[u8; 32]>) -> Result<(), Denied> {
        self.make_durable(request_digest, None).await
    }

    async fn intent_under(&self, request_digest: Option<[u8; 32]>, provider_id: &str) -> Result<(), Denied> {
        self.make_durable(request_digest, Some(provider_id)).await
    }

    fn heard(&self) {
        self.watch.heard();
    }

    fn next(&self) -> Option<Parcel> {
        // A run that takes nobody new has no next.
        if self.control.level() != Level::Run {
            return None;
        }
        self.next.announce(|item| self.maker.parcel_of(item))
    }
}
