//! Asks providers what became of the messages that they took.
//!
//! Each provider has a mark in the journal: the moment up to which it was asked. Events come late (a bounce
//! up to five days after the message, RFC 5321, section 4.5.4.1), and Mailchimp lists them by the day of the
//! message, so every asking begins [`OVERLAP`] before the mark; what is told twice is kept once. The mark
//! moves only over what was told whole and is in the journal.

use jiff::{SignedDuration, Timestamp};

use crate::after::{self, TakenIn};
use crate::journal::{Journal, JournalError};
use crate::provider::{EventList, Provider, ProviderName};

/// How far before its mark a provider is asked again.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Providers tell times by their own clock, and to the second: a message is asked for from a little before
/// it went out.
const CLOCKS: SignedDuration = SignedDuration::from_mins(10);

/// So many events go into one transaction, beside which a running send must find its place.
const CHUNK: usize = 500;

/// What asking one provider came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// It told, and the journal has it.
    Told {
        /// What became of it.
        taken_in: Box<TakenIn>,
        /// From when on it was asked.
        since: Timestamp,
        /// False when it has more than it lets anybody ask for; its mark stays where it was.
        complete: bool,
    },
    /// It cannot be asked: a relay tells by bounces only.
    CannotTell,
    /// It could not be asked now; its mark stays where it was.
    Failed(String),
}

/// Asks `provider` for what happened since its mark, or since `asked`; without either from `begin` on, when
/// the first message went out.
///
/// # Errors
///
/// When the journal cannot be read or written; what was told is then asked for again.
pub async fn poll(
    journal: &dyn Journal,
    provider: &dyn Provider,
    begin: Timestamp,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Result<Polled, JournalError> {
    let name = provider.name();
    let mark = journal.mark(name).await?.and_then(|mark| mark.parse::<Timestamp>().ok());
    let begin = begin - CLOCKS;
    let since = asked.unwrap_or_else(|| mark.map_or(begin, |mark| begin.max(mark - OVERLAP)));
    let (events, complete) = match provider.events(since).await {
        EventList::Listed { events, complete } => (events, complete),
        EventList::CannotTell => return Ok(Polled::CannotTell),
        EventList::Failed(reason) => return Ok(Polled::Failed(reason)),
    };
    let mut taken_in = TakenIn::default();
    for chunk in events.chunks(CHUNK) {
        taken_in = taken_in.and(after::take_in(journal, name, chunk.to_vec(), now).await?);
    }
    // What lies between the mark and a later `since` was not told.
    if complete && since <= mark.unwrap_or(begin) {
        journal.save_mark(name, &now.to_string()).await?;
    }
    Ok(Polled::Told { taken_in: Box::new(taken_in), since, complete })
}

/// Looks again at what was told earlier of runs that still have unknown recipients: an event may have come
/// while its attempt was open, when there was nothing yet to prove.
///
/// # Errors
///
/// When the journal cannot be read or written.
pub async fn prove_again(
    journal: &dyn Journal,
    run: &crate::journal::RunId,
    now: Timestamp,
) -> Result<TakenIn, JournalError> {
    let mut by_source: Vec<(ProviderName, Vec<crate::event::ProviderEvent>)> = Vec::new();
    for (_, stored) in journal.events_of(run).await? {
        match by_source.iter_mut().find(|(source, _)| *source == stored.source) {
            Some((_, events)) => events.push(stored.event),
            None => by_source.push((stored.source, vec![stored.event])),
        }
    }
    let mut taken_in = TakenIn::default();
    for (source, events) in by_source {
        for chunk in events.chunks(CHUNK) {
            taken_in = taken_in.and(after::take_in(journal, &source, chunk.to_vec(), now).await?);
        }
    }
    Ok(taken_in)
}
