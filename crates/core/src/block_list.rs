//! Providers' own block lists, against ours: what of theirs belongs on our list, and what of ours on theirs.
//!
//! Only true bad addresses, opt-outs and complaints are taken over; what a provider blocked for reasons of
//! its own (a full mailbox, a policy, an administrator's hand) says nothing of the address. A provider's
//! bad addresses carry no time, so five of one domain may be one hour's: DELIVERY.md's wave rule is held
//! against them as if they were, and against every address that a run reached in the last 90 days.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::address::{EmailAddress, RecipientKey};
use crate::after::BAD_ADDRESS;
use crate::event::EventKind;
use crate::journal::{Journal, JournalError, Suppression};
use crate::provider::{Blocked, ProviderName};
use crate::wave;

/// What a provider's list means for ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pull {
    /// What our list lacks; quarantined where a person should look first.
    pub to_add: Vec<Suppression>,
    /// How many of theirs ours has already.
    pub known: u64,
    /// What is none of the address's fault, or no address.
    pub left_out: Vec<Blocked>,
}

/// Compares `listed`, the block list of `source`, with ours. Nothing is changed: the caller hands
/// [`Pull::to_add`] to [`Journal::suppress`].
///
/// # Errors
///
/// When the journal cannot be read.
pub async fn pull(
    journal: &dyn Journal,
    source: &ProviderName,
    listed: Vec<Blocked>,
    now: Timestamp,
) -> Result<Pull, JournalError> {
    let (mut wanted, mut left_out) = (BTreeMap::new(), Vec::new());
    for blocked in listed {
        match (reason(blocked.kind), EmailAddress::parse(&blocked.address)) {
            (Some(reason), Ok(address)) => drop(wanted.insert(address.key(), reason)),
            _ => left_out.push(blocked),
        }
    }
    let keys: Vec<RecipientKey> = wanted.keys().cloned().collect();
    let known: BTreeSet<RecipientKey> =
        journal.suppressions(Some(&keys)).await?.into_iter().map(|entry| entry.key).collect();
    let before = wanted.len();
    wanted.retain(|key, _| !known.contains(key));
    let known = (before - wanted.len()) as u64;
    let quarantined = quarantined(journal, &wanted, now).await?;
    let entry = |(key, reason): (RecipientKey, &str)| Suppression {
        quarantined: quarantined.contains(&key),
        key,
        reason: reason.to_owned(),
        source: source.to_string(),
        at: now,
    };
    Ok(Pull { to_add: wanted.into_iter().map(entry).collect(), known, left_out })
}

/// Those of `ours` that `listed` lacks: to be put on the provider's list. Quarantined ones and people who
/// are forgotten (of whom nothing but a hash is known) are not.
#[must_use]
pub fn push(ours: &[Suppression], listed: &[Blocked]) -> Vec<EmailAddress> {
    let theirs: BTreeSet<RecipientKey> = listed
        .iter()
        .filter_map(|blocked| EmailAddress::parse(&blocked.address).ok())
        .map(|address| address.key())
        .collect();
    ours.iter()
        .filter(|entry| !entry.quarantined && !theirs.contains(&entry.key))
        .filter_map(|entry| EmailAddress::parse(entry.key.as_str()).ok())
        .filter(|address| address.domain() != FORGOTTEN)
        .collect()
}

fn reason(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Unsubscribed => Some("opted out"),
        EventKind::Complained => Some("complaint"),
        EventKind::InvalidAddress => Some(BAD_ADDRESS),
        _ => None,
    }
}

async fn quarantined(
    journal: &dyn Journal,
    wanted: &BTreeMap<RecipientKey, &'static str>,
    now: Timestamp,
) -> Result<BTreeSet<RecipientKey>, JournalError> {
    let bad: Vec<(RecipientKey, Timestamp)> = wanted
        .iter()
        .filter(|(_, reason)| **reason == BAD_ADDRESS)
        .map(|(key, _)| (key.clone(), now))
        .collect();
    let keys: Vec<RecipientKey> = bad.iter().map(|(key, _)| key.clone()).collect();
    let recently = journal.accepted_since(&keys, now - wave::RECENT).await?.into_iter().collect();
    // How many recipients a domain has is not known here: three in a hundred of none is reached at once.
    let judged = wave::judge(&bad, &BTreeMap::new(), &recently);
    let held = judged.into_iter().filter(|(_, verdict)| *verdict == wave::Verdict::Quarantine);
    Ok(held.map(|(key, _)| key).collect())
}

/// The domain under which forgotten people stand (RFC 2606, section 2: no mail ever goes there).
pub const FORGOTTEN: &str = "forgotten.invalid";
