//! After the send: what providers and bounce reports tell is kept, and what it means for the
//! suppression list is drawn from it.
//!
//! One list over all providers. Opt-outs and complaints go on it at once. A true bad address goes on
//! it unless a wave speaks against it ([`crate::wave`]); whether a refusal is one is decided where the
//! reply is read (PROVIDERS.md, section 5: the receivers' codes mislead). Full mailboxes, policy
//! blocks and everything that is not the address's fault stay off it.
//!
//! Everything here may be done twice: a webhook is repeated when it was not answered in time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::address::{EmailAddress, RecipientKey};
use crate::event::{EventKind, ProviderEvent};
use crate::journal::{DeliveryState, Journal, JournalError, Recorded, RunId, Suppression};
use crate::outcome::Wish;
use crate::provider::ProviderName;
use crate::wave;

/// Why a true bad address is suppressed: the one reason that a wave takes back, and that gives way to a wish.
pub const BAD_ADDRESS: &str = "bad address";
/// The audit's word for an address that a person took off the list; the detail is the address, a colon, and why.
pub const REMOVED: &str = "suppress remove";
/// The source of what a person put on the list by hand.
pub const MANUAL: &str = "manual";

/// What became of events that were taken in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenIn {
    /// One for each event, in order.
    pub told: Vec<Told>,
    /// Events that the journal did not have yet.
    pub new: u64,
    /// Events that it had.
    pub repeated: u64,
    /// Events about messages of no run of this journal.
    pub unmatched: u64,
    /// Events about messages that their provider is said to have refused; each is in the audit.
    pub contradicting: u64,
    /// Unknown or held recipients, and such as were to be sent it again, that are so no longer; and what they are.
    pub resolved: Vec<(RunId, RecipientKey, DeliveryState)>,
    /// Addresses that opted out or complained, and were not on the list before.
    pub suppressed: u64,
    /// Runs with a bad address to be judged ([`judge_bad_addresses`]).
    pub to_judge: BTreeSet<RunId>,
}

/// One event that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// As it was told.
    pub event: ProviderEvent,
    /// False for one that the journal had already.
    pub new: bool,
    /// Whose message it is about; `None` when the journal knows of none.
    pub of: Option<(RunId, RecipientKey)>,
}

/// Takes in what `source` told. Bad addresses are left to [`judge_bad_addresses`], which looks at a
/// whole run and need not be done for each event.
///
/// # Errors
///
/// When the journal cannot be read or written; what was told must then be told again.
pub async fn take_in(
    journal: &dyn Journal,
    source: &ProviderName,
    events: Vec<ProviderEvent>,
    now: Timestamp,
) -> Result<TakenIn, JournalError> {
    let wishes: Vec<(usize, &'static str, String)> = events
        .iter()
        .enumerate()
        .filter_map(|(place, event)| Some((place, wish(event.kind)?, event.recipient.clone())))
        .collect();
    let bad: Vec<usize> = places_of(&events, EventKind::InvalidAddress);
    let recorded = journal.record_events(source, events.clone(), now).await?;
    let entries = wishes.iter().filter_map(|(place, reason, recipient)| {
        // The journal's own spelling of the address, where the message is known.
        let recorded = recorded.events.get(*place);
        let known = recorded.and_then(|event| event.of.as_ref()).map(|(_, key)| key.clone());
        let told_again_of = events[*place].at.filter(|_| recorded.is_some_and(|event| !event.new));
        let key = known.or_else(|| Some(EmailAddress::parse(recipient).ok()?.key()))?;
        let (reason, source) = ((*reason).to_owned(), source.to_string());
        Some((Suppression { key, reason, source, quarantined: false, at: now }, told_again_of))
    });
    let entries = not_taken_back(journal, entries.collect()).await?;
    // Most events wish for nothing, and a write is a wait for the disk.
    let suppressed = if entries.is_empty() { 0 } else { journal.suppress(entries).await? };
    Ok(summary(recorded, events, &bad, suppressed))
}

impl TakenIn {
    /// This and what was taken in after it.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        self.told.extend(later.told);
        self.new += later.new;
        self.repeated += later.repeated;
        self.unmatched += later.unmatched;
        self.contradicting += later.contradicting;
        self.resolved.extend(later.resolved);
        self.suppressed += later.suppressed;
        self.to_judge.extend(later.to_judge);
        self
    }
}

/// Those entries that no person took off the list since the moment beside them, where there is one: a wish that
/// is told again changes nothing, but it is put on the list all the same where that failed the first time. One
/// without a moment (an opt-out link that is pressed again) counts.
async fn not_taken_back(
    journal: &dyn Journal,
    entries: Vec<(Suppression, Option<Timestamp>)>,
) -> Result<Vec<Suppression>, JournalError> {
    let of_a_moment = entries.iter().filter(|(_, at)| at.is_some());
    let mut keys: Vec<RecipientKey> = of_a_moment.map(|(entry, _)| entry.key.clone()).collect();
    let mut removed: BTreeMap<String, Timestamp> = BTreeMap::new();
    if !keys.is_empty() {
        let listed = journal.suppressions(Some(&keys)).await?;
        keys.retain(|key| listed.iter().all(|entry| entry.key != *key));
    }
    // The whole audit is read only when somebody is missing on the list: seldom.
    if !keys.is_empty() {
        let audit = journal.audit_of(None).await?;
        let removals = audit.iter().filter(|entry| entry.action == REMOVED);
        removed
            .extend(removals.filter_map(|line| Some((line.detail.split_once(": ")?.0.to_owned(), line.at))));
    }
    let is_meant = |entry: &Suppression, at: Option<Timestamp>| {
        at.is_none_or(|at| removed.get(entry.key.as_str()).is_none_or(|removed| *removed < at))
    };
    Ok(entries.into_iter().filter(|(entry, at)| is_meant(entry, *at)).map(|(entry, _)| entry).collect())
}

fn places_of(events: &[ProviderEvent], kind: EventKind) -> Vec<usize> {
    events.iter().enumerate().filter(|(_, event)| event.kind == kind).map(|(place, _)| place).collect()
}

/// Why the recipient is never to be mailed again, if that is what the event says.
fn wish(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Unsubscribed => Some(Wish::OptedOut.reason()),
        EventKind::Complained => Some(Wish::Complained.reason()),
        _ => None,
    }
}

fn summary(recorded: Recorded, events: Vec<ProviderEvent>, bad: &[usize], suppressed: u64) -> TakenIn {
    let mut taken_in = TakenIn { suppressed, resolved: recorded.resolved, ..TakenIn::default() };
    let told = recorded.events.into_iter().zip(events);
    for (place, (event, as_told)) in told.enumerate() {
        taken_in.told.push(Told { event: as_told, new: event.new, of: event.of.clone() });
        match (event.new, &event.of) {
            (true, _) => taken_in.new += 1,
            (false, Some(_)) => taken_in.repeated += 1,
            (false, None) => {}
        }
        taken_in.contradicting += u64::from(event.contradicts && event.new);
        match event.of {
            None => taken_in.unmatched += 1,
            Some((run, _)) if bad.contains(&place) => {
                taken_in.to_judge.insert(run);
            }
            Some(_) => {}
        }
    }
    taken_in
}

/// Puts a run's true bad addresses on the suppression list, and those of a wave before a person.
///
/// # Errors
///
/// When the journal cannot be read or written.
pub async fn judge_bad_addresses(
    journal: &dyn Journal,
    run: &RunId,
    now: Timestamp,
) -> Result<u64, JournalError> {
    let bad = journal.bad_addresses(run).await?;
    if bad.is_empty() {
        return Ok(0);
    }
    let recipients = recipients_by_domain(journal, run).await?;
    let keys: Vec<_> = bad.iter().map(|(key, _)| key.clone()).collect();
    let recently = journal.accepted_since(&keys, now - wave::RECENT).await?;
    let times: BTreeMap<RecipientKey, Timestamp> = bad.iter().cloned().collect();
    let entry = |(key, verdict): (RecipientKey, wave::Verdict)| {
        let at = times.get(&key).copied();
        let quarantined = verdict == wave::Verdict::Quarantine;
        let (reason, source) = (BAD_ADDRESS.to_owned(), format!("run {run}"));
        (Suppression { key, reason, source, quarantined, at: now }, at)
    };
    let judged = wave::judge(&bad, &recipients, &recently.into_iter().collect());
    // A wave is judged by all of them, and nobody is listed again for what a person knew and decided otherwise.
    let entries = not_taken_back(journal, judged.into_iter().map(entry).collect()).await?;
    journal.suppress(entries).await
}

async fn recipients_by_domain(
    journal: &dyn Journal,
    run: &RunId,
) -> Result<BTreeMap<String, u64>, JournalError> {
    let (mut counts, mut after) = (BTreeMap::new(), None);
    loop {
        let page = journal.deliveries(run, after, 1_000).await?;
        let Some(last) = page.last() else { return Ok(counts) };
        after = Some((last.tier, last.position));
        for delivery in &page {
            *counts.entry(delivery.address.domain().to_owned()).or_insert(0) += 1;
        }
    }
}
