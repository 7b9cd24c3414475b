//! One suite for every provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::outcome::{Blame, Denied, Outcome, Persistence, Trouble};
use depeche_core::provider::{Capability, Parcel, Provider};
use tokio::time::timeout;

use super::commit::RecordingCommit;
use super::fixtures::parcel_to;

/// What the peer behind a provider is to do with the next attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerDoes {
    /// Takes every message.
    Accepts,
    /// Says that the recipient's address does not exist.
    RefusesBadAddress,
    /// Says that the recipient cannot be reached for now (a full mailbox, greylisting).
    DefersRecipient,
    /// Says no to the content.
    RefusesMessage,
    /// Says that we are too fast.
    Throttles,
    /// Says no to the login or key.
    RefusesLogin,
    /// Is not there: the connection is refused, or the disk is full.
    IsAbsent,
    /// Ends the line before anything could have been accepted, in a way that proves it.
    ClosesBeforeTheIntent,
    /// Falls silent once the whole message is there.
    FallsSilentAfterTheMessage,
    /// Ends the line once the whole message is there.
    ClosesAfterTheMessage,
    /// Answers the whole message with something that is no answer.
    AnswersGarbageAfterTheMessage,
    /// Answers the whole message with its documented "server error" that proves nothing.
    AnswersUnclearlyAfterTheMessage,
    /// Takes the message but holds it for reasons of the account.
    Holds,
}

/// A provider wired to a peer that does one thing.
pub struct Arranged {
    /// The provider under test, with deadlines of a second or less.
    pub provider: Box<dyn Provider>,
    /// What the peer saw.
    pub peer: Arc<dyn Peer>,
}

/// What the other side of a provider saw.
pub trait Peer: Send + Sync {
    /// Bytes of messages (SMTP: after 354; HTTP: of requests that send; outbox: in files) so far.
    fn message_bytes(&self) -> u64;

    /// The recipients of the messages that it has in whole, in order, repeated when they repeat.
    fn whole_messages(&self) -> Vec<String>;
}

/// Makes providers for the suite. `None` from [`arrange`](ProviderHarness::arrange) says that this
/// kind of provider cannot meet such a peer; the check is left out, and named in the report.
#[async_trait]
pub trait ProviderHarness: Send + Sync {
    /// A provider and its peer.
    async fn arrange(&self, peer: PeerDoes) -> Option<Arranged>;
}

/// What the suite did.
#[derive(Debug, Default)]
pub struct Report {
    /// The checks that held.
    pub held: Vec<String>,
    /// The checks that this provider cannot be asked.
    pub left_out: Vec<String>,
    /// The checks that failed, each with what was seen.
    pub failed: Vec<String>,
}

impl Report {
    /// Stops the test when a check failed.
    ///
    /// # Panics
    ///
    /// With every failure, one a line.
    pub fn assert_all_held(&self) {
        assert!(self.failed.is_empty(), "{} checks failed:\n{}", self.failed.len(), self.failed.join("\n"));
        assert!(!self.held.is_empty(), "no check was made");
    }
}

/// Asks a provider for every promise that the engine builds on:
///
/// - one outcome per parcel, of exactly the class that DELIVERY.md gives to what the peer does;
/// - the intent is asked for at most once, before any byte of a message reached the peer, and always
///   when one did;
/// - a denied intent leaves nothing at the peer, and [`Outcome::NotStarted`] for every parcel;
/// - nothing is repeated inside an attempt;
/// - the provider is fit for the next attempt after each of these.
pub async fn provider_conformance(harness: &dyn ProviderHarness) -> Report {
    let mut report = Report::default();
    for does in ALL {
        match harness.arrange(does).await {
            None => report.left_out.push(format!("{does:?}")),
            Some(arranged) => report.add(&format!("{does:?}"), meets(does, &arranged).await),
        }
    }
    for denied in denials() {
        if let Some(arranged) = harness.arrange(PeerDoes::Accepts).await {
            report.add(&format!("denied: {denied:?}"), is_denied(denied, &arranged).await);
        }
    }
    if let Some(arranged) = harness.arrange(PeerDoes::Accepts).await {
        report.add("several in a row", several_in_a_row(&arranged).await);
    }
    if let Some(arranged) = harness.arrange(PeerDoes::Accepts).await {
        report.add("a full batch", full_batch(&arranged).await);
    }
    report
}

impl Report {
    fn add(&mut self, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.held.push(name.to_owned()),
            Err(seen) => self.failed.push(format!("{name}: {seen}")),
        }
    }
}

/// One attempt at one parcel, and all that must be true of it.
async fn meets(does: PeerDoes, arranged: &Arranged) -> Result<(), String> {
    let parcels = [parcel_to("ana@journal.example")];
    let (outcomes, commit) = attempt(arranged, &parcels, None).await?;
    let sends = arranged.provider.capability().sends;
    let outcome = &outcomes[0];
    ensure(fits(does, outcome, sends), || format!("the outcome is {outcome:?}"))?;
    let bytes = arranged.peer.message_bytes();
    ensure(bytes == 0 || commit.intents() == 1, || format!("{bytes} bytes without an intent"))?;
    let whole = arranged.peer.whole_messages();
    ensure(whole.len() <= 1, || format!("the peer has it {} times", whole.len()))?;
    let must_have_intent = matches!(
        outcome,
        Outcome::Accepted(_) | Outcome::Written(_) | Outcome::Held(_) | Outcome::Unknown(_)
    );
    ensure(!must_have_intent || commit.intents() == 1, || format!("{} intents", commit.intents()))?;
    let must_be_there = matches!(outcome, Outcome::Accepted(_) | Outcome::Written(_) | Outcome::Held(_));
    ensure(!must_be_there || whole.len() == 1, || "the peer does not have it".to_owned())?;
    if sends && does == PeerDoes::Accepts {
        ensure(commit.heard_count() > 0, || "the peer's answers were not passed on".to_owned())?;
    }
    timeout(CLOSING, arranged.provider.close()).await.map_err(|_| "close took over 5 s".to_owned())
}

/// DELIVERY.md, "Outcome of one attempt".
fn fits(does: PeerDoes, outcome: &Outcome, sends: bool) -> bool {
    match (does, outcome) {
        (PeerDoes::Accepts, Outcome::Accepted(_)) => sends,
        (PeerDoes::Accepts, Outcome::Written(_)) => !sends,
        (PeerDoes::Holds, Outcome::Held(_)) => true,
        (
            PeerDoes::FallsSilentAfterTheMessage
            | PeerDoes::ClosesAfterTheMessage
            | PeerDoes::AnswersGarbageAfterTheMessage
            | PeerDoes::AnswersUnclearlyAfterTheMessage,
            Outcome::Unknown(_),
        ) => true,
        (PeerDoes::RefusesBadAddress, Outcome::Refused(refusal)) => {
            refusal.blames == Blame::Recipient
                && refusal.persistence == Persistence::Permanent
                && refusal.bad_address
        }
        (PeerDoes::DefersRecipient, Outcome::Refused(refusal)) => {
            refusal.blames == Blame::Recipient
                && refusal.persistence == Persistence::Transient
                && !refusal.bad_address
        }
        (PeerDoes::RefusesMessage, Outcome::Refused(refusal)) => refusal.blames == Blame::Message,
        (PeerDoes::Throttles, Outcome::Refused(refusal)) => refusal.trouble == Some(Trouble::Throttled),
        (PeerDoes::RefusesLogin, Outcome::Refused(refusal)) => refusal.trouble == Some(Trouble::Credentials),
        (PeerDoes::IsAbsent | PeerDoes::ClosesBeforeTheIntent, Outcome::Refused(refusal)) => {
            refusal.blames == Blame::Provider
                && matches!(refusal.trouble, Some(Trouble::Unreachable | Trouble::Tls | Trouble::Fault))
        }
        _ => false,
    }
}

async fn is_denied(denied: Denied, arranged: &Arranged) -> Result<(), String> {
    let parcels = batch_for(&arranged.provider.capability());
    let (outcomes, commit) = attempt(arranged, &parcels, Some(denied.clone())).await?;
    ensure(outcomes.iter().all(|outcome| *outcome == Outcome::NotStarted(denied.clone())), || {
        format!("the outcomes are {outcomes:?}")
    })?;
    ensure(commit.intents() == 1, || format!("{} intents", commit.intents()))?;
    ensure(arranged.peer.message_bytes() == 0, || "bytes reached the peer".to_owned())?;
    ensure(arranged.peer.whole_messages().is_empty(), || "a message reached the peer".to_owned())?;
    // A denial is no failure: the next attempt goes through.
    let (outcomes, _) = attempt(arranged, &[parcel_to("bob@journal.example")], None).await?;
    let sends = arranged.provider.capability().sends;
    ensure(fits(PeerDoes::Accepts, &outcomes[0], sends), || format!("then {:?}", outcomes[0]))
}

async fn several_in_a_row(arranged: &Arranged) -> Result<(), String> {
    let sends = arranged.provider.capability().sends;
    let mut expected = Vec::new();
    for number in 1..=5 {
        let parcel = parcel_to(&format!("journaliste{number}@journal.example"));
        expected.push(parcel.message.to.address.to_string());
        let (outcomes, _) = attempt(arranged, &[parcel], None).await?;
        ensure(fits(PeerDoes::Accepts, &outcomes[0], sends), || {
            format!("the {number}th: {:?}", outcomes[0])
        })?;
    }
    same_recipients(arranged, expected)
}

async fn full_batch(arranged: &Arranged) -> Result<(), String> {
    let capability = arranged.provider.capability();
    let parcels = batch_for(&capability);
    let expected = parcels.iter().map(|parcel| parcel.message.to.address.to_string()).collect();
    let (outcomes, commit) = attempt(arranged, &parcels, None).await?;
    ensure(commit.intents() == 1, || format!("{} intents for one batch", commit.intents()))?;
    let is_fine = |outcome: &Outcome| fits(PeerDoes::Accepts, outcome, capability.sends);
    ensure(outcomes.iter().all(is_fine), || format!("the outcomes are {outcomes:?}"))?;
    same_recipients(arranged, expected)
}

fn same_recipients(arranged: &Arranged, mut expected: Vec<String>) -> Result<(), String> {
    let mut whole = arranged.peer.whole_messages();
    whole.sort();
    expected.sort();
    ensure(whole == expected, || format!("the peer has {whole:?}"))
}

/// One attempt, with the promises that hold for every one of them.
async fn attempt(
    arranged: &Arranged,
    parcels: &[Parcel],
    denied: Option<Denied>,
) -> Result<(Vec<Outcome>, RecordingCommit), String> {
    let before = arranged.peer.message_bytes();
    let early = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (peer, seen) = (Arc::clone(&arranged.peer), Arc::clone(&early));
    let commit =
        denied.map_or_else(RecordingCommit::granting, RecordingCommit::denying).at_intent(move || {
            seen.store(peer.message_bytes() - before, std::sync::atomic::Ordering::SeqCst);
        });
    let outcomes = timeout(LONGEST, arranged.provider.attempt(0, parcels, &commit)).await;
    let outcomes = outcomes.map_err(|_| "the attempt took over 30 s".to_owned())?;
    ensure(outcomes.len() == parcels.len(), || {
        format!("{} outcomes for {} parcels", outcomes.len(), parcels.len())
    })?;
    ensure(commit.intents() <= 1, || format!("{} intents in one attempt", commit.intents()))?;
    let early = early.load(std::sync::atomic::Ordering::SeqCst);
    ensure(early == 0, || format!("{early} bytes had reached the peer when the intent was asked for"))?;
    Ok((outcomes, commit))
}

fn batch_for(capability: &Capability) -> Vec<Parcel> {
    let count = capability.batch.clamp(1, 10);
    (1..=count).map(|number| parcel_to(&format!("lot{number}@journal.example"))).collect()
}

fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}

fn denials() -> [Denied; 4] {
    [
        Denied::Cancelled,
        Denied::AlreadyTaken,
        Denied::Interrupted,
        Denied::JournalFailed { reason: "the disk is full".to_owned() },
    ]
}

const ALL: [PeerDoes; 13] = [
    PeerDoes::Accepts,
    PeerDoes::RefusesBadAddress,
    PeerDoes::DefersRecipient,
    PeerDoes::RefusesMessage,
    PeerDoes::Throttles,
    PeerDoes::RefusesLogin,
    PeerDoes::IsAbsent,
    PeerDoes::ClosesBeforeTheIntent,
    PeerDoes::FallsSilentAfterTheMessage,
    PeerDoes::ClosesAfterTheMessage,
    PeerDoes::AnswersGarbageAfterTheMessage,
    PeerDoes::AnswersUnclearlyAfterTheMessage,
    PeerDoes::Holds,
];

const LONGEST: Duration = Duration::from_secs(30);
/// `Provider::close` promises it.
const CLOSING: Duration = Duration::from_secs(5);
