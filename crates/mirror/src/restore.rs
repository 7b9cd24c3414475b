//! Brings a journal to what records say, through the journal's own calls, so that every rule of the
//! journal holds for what is restored as for what happened here.

use std::collections::{BTreeMap, BTreeSet};

use depeche_core::address::RecipientKey;
use depeche_core::budget::Limits;
use depeche_core::journal::pseudonym::{Pseudonyms, is_pseudonym};
use depeche_core::journal::{
    AttemptState, Decision, DeliveryId, DeliveryRecord, DeliveryState, FreezeError, Hold, HoldError, Intent,
    Journal, JournalError, NewDelivery, NewRun, RunId, RunKind, RunState, SettledAttempt, Settlement,
    Urgency,
};
use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;

use crate::fold::{Known, KnownRun};
use crate::moves::{Move, moves};
use crate::record::{Attempt, FrozenRun, Stands};
use crate::session::as_named_here;

/// Why a journal could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A run is being worked on.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// A list could not be frozen again.
    #[error("run `{run}` could not be put back: {reason}")]
    Freeze {
        /// Which.
        run: RunId,
        /// Why.
        reason: String,
    },
}

/// A recipient that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Of which run.
    pub run: RunId,
    /// Who.
    pub address: String,
    /// Where it stood.
    pub from: DeliveryState,
    /// Where it stands.
    pub to: DeliveryState,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// Runs that the journal did not have.
    pub runs: Vec<RunId>,
    /// Recipients that were moved.
    pub moved: Vec<Moved>,
    /// People whom another machine has forgotten since, and this journal named still.
    pub forgotten: u64,
    /// Runs of which the records name recipients, and which neither journal nor records hold.
    pub lost: Vec<RunId>,
}

/// So many recipients are moved at a time: they share the journal's commits.
const AT_ONCE: usize = 64;
/// Deliveries that are read at a time.
const PAGE: usize = 1_000;
const WHY: &str = "as the records beside the journal and in its mirror say";

/// Brings `journal` to what `known` says; open attempts become unknown at the end.
///
/// # Errors
///
/// [`RestoreError`]; what was done until then stands, and doing it again goes on from there.
pub(crate) async fn restore(
    journal: &dyn Journal,
    known: Known,
    now: Timestamp,
) -> Result<Restored, RestoreError> {
    let mut restored = Restored::default();
    if let Some(key) = known.forgotten_key {
        journal.forgotten_key(Some(key)).await?;
    }
    restored.forgotten = forget_here(journal, &known, now).await?;
    let known = &as_named_here(journal, known).await?;
    let mut by_age: Vec<(&RunId, &KnownRun)> = known.runs.iter().collect();
    by_age.sort_by_key(|(_, run)| run.run.as_ref().map(|run| run.created_at));
    for (id, run) in by_age {
        if journal.run(id).await?.is_none() {
            match &run.run {
                Some(frozen) if run.is_whole() => freeze(journal, frozen, run).await?,
                _ if run.recipients.is_empty() => continue,
                _ => {
                    restored.lost.push(id.clone());
                    continue;
                }
            }
            restored.runs.push(id.clone());
        }
        let hold = journal.hold(id).await?;
        restored.moved.extend(restore_run(journal, &*hold, run, now).await?);
    }
    for (source, events, at) in &known.events {
        journal.record_events(source, events.clone(), *at).await?;
    }
    for breaker in known.breakers.values() {
        journal.save_breaker(breaker.clone()).await?;
    }
    let suppressed = known.suppressed.values().cloned().map(Into::into).collect();
    journal.suppress(suppressed).await?;
    restore_outages(journal, known, now).await?;
    Ok(restored)
}

/// Whoever is at risk is at risk here too: what a person declared of providers.
async fn restore_outages(journal: &dyn Journal, known: &Known, now: Timestamp) -> Result<(), JournalError> {
    let own = journal.outages().await?;
    for ((provider, since), said) in &known.outages {
        let stands = own.iter().find(|outage| outage.provider == *provider && outage.since == *since);
        match said {
            Some(outage) if stands != Some(outage) => journal.declare_outage(outage.clone()).await?,
            None if stands.is_some() => {
                journal.withdraw_outage(provider, *since, WHY, now).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Forgets whom the records know as forgotten, and this journal names still; how many.
async fn forget_here(journal: &dyn Journal, known: &Known, now: Timestamp) -> Result<u64, RestoreError> {
    let forgotten = known.suppressed.keys().filter(|key| is_pseudonym(key.as_str()));
    let forgotten: BTreeSet<&RecipientKey> = forgotten.collect();
    let Some(key) = journal.forgotten_key(None).await?.filter(|_| !forgotten.is_empty()) else {
        return Ok(0);
    };
    let (pseudonyms, mut named) = (Pseudonyms::new(&key), BTreeSet::new());
    let own = journal.suppressions(None).await?.into_iter().map(|entry| entry.key);
    named.extend(own.filter(|key| pseudonyms.name(key).is_some_and(|name| forgotten.contains(&name))));
    for run in journal.runs().await? {
        let mut after = None;
        loop {
            let page = journal.deliveries(&run.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.tier, last.position));
            let keys = page.iter().map(|delivery| delivery.address.key());
            named.extend(
                keys.filter(|key| pseudonyms.name(key).is_some_and(|name| forgotten.contains(&name))),
            );
        }
    }
    for person in &named {
        journal.forget(person, key, now).await?;
    }
    Ok(named.len() as u64)
}

async fn freeze(journal: &dyn Journal, frozen: &FrozenRun, known: &KnownRun) -> Result<(), RestoreError> {
    let failed =
        |error: FreezeError| RestoreError::Freeze { run: frozen.id.clone(), reason: error.to_string() };
    let mut deliveries: Vec<NewDelivery> = known.list.values().map(to_delivery).collect();
    let mut confirmed = deliveries.len() as u64;
    loop {
        match journal.freeze(to_run(frozen, known, confirmed), deliveries.clone()).await {
            Ok(_) => return Ok(()),
            // Some are on this journal's own suppression list.
            Err(FreezeError::CountChanged { now, .. }) if now < confirmed => confirmed = now,
            Err(FreezeError::Taken(taken)) if !taken.is_empty() => {
                deliveries.retain(|one| !taken.iter().any(|taken| taken.key == one.address.key()));
                confirmed = deliveries.len() as u64;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

fn to_run(frozen: &FrozenRun, known: &KnownRun, confirmed: u64) -> NewRun {
    NewRun {
        id: frozen.id.clone(),
        kind: RunKind::Real,
        slug: frozen.slug.clone(),
        release: frozen.release.clone(),
        digest: frozen.digest,
        frozen: frozen.frozen.clone(),
        assets: known.assets.clone(),
        route: frozen.route.clone(),
        left_out: frozen.left_out.clone(),
        settings: frozen.settings.clone(),
        created_at: frozen.created_at,
        // It was decided when it was frozen.
        again: true,
        confirmed,
    }
}

fn to_delivery(one: &crate::record::FrozenRecipient) -> NewDelivery {
    NewDelivery {
        address: one.address.clone(),
        tier: one.tier,
        position: one.position,
        fields: one.fields.clone(),
        message_id: one.message_id.clone(),
        not_before: one.not_before,
    }
}

async fn restore_run(
    journal: &dyn Journal,
    hold: &dyn Hold,
    known: &KnownRun,
    now: Timestamp,
) -> Result<Vec<Moved>, RestoreError> {
    let run = hold.run();
    let mut suppressed = BTreeSet::new();
    suppressed.extend(known.list.values().filter(|one| one.suppressed).map(|one| one.address.key()));
    let untried = Stands { state: DeliveryState::Suppressed, ..Stands::at_the_start(None) };
    let (mut before, mut after) = (Vec::new(), None);
    loop {
        let page = journal.deliveries(run, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.tier, last.position));
        let wanted = |delivery: &DeliveryRecord| {
            let key = delivery.address.key();
            known.recipients.get(&key).or_else(|| suppressed.contains(&key).then_some(&untried))
        };
        let works: Vec<_> = page
            .iter()
            .filter_map(|delivery| Some((delivery, wanted(delivery)?)))
            .map(|(delivery, wanted)| bring(journal, hold, delivery, wanted))
            .collect();
        let mut works = stream::iter(works).buffer_unordered(AT_ONCE);
        while let Some(done) = works.next().await {
            done?;
        }
        drop(works);
        before.extend(page.iter().map(|delivery| (delivery.id, delivery.state)));
    }
    journal.adopt_orphans(hold, now).await?;
    if let Some(at) = known.cancelled_at() {
        journal.cancel(run, at).await?;
    }
    restore_state(journal, run, known, now).await?;
    moved(journal, run, before).await
}

/// Who stands elsewhere than before; both in the order of the list.
async fn moved(
    journal: &dyn Journal,
    run: &RunId,
    before: Vec<(DeliveryId, DeliveryState)>,
) -> Result<Vec<Moved>, RestoreError> {
    let (mut moved, mut after) = (Vec::new(), None);
    let before: BTreeMap<DeliveryId, DeliveryState> = before.into_iter().collect();
    loop {
        let page = journal.deliveries(run, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(moved) };
        after = Some((last.tier, last.position));
        for delivery in &page {
            if let Some(from) = before.get(&delivery.id).filter(|from| **from != delivery.state) {
                let address = delivery.address.to_string();
                moved.push(Moved { run: run.clone(), address, from: *from, to: delivery.state });
            }
        }
    }
}

/// A run that has pending recipients is not over, whatever was told of it; and one that ended has ended.
async fn restore_state(
    journal: &dyn Journal,
    run: &RunId,
    known: &KnownRun,
    now: Timestamp,
) -> Result<(), JournalError> {
    let pending = journal.totals(run).await?.pending;
    let (state, note, at) = match &known.state {
        Some((RunState::Running, _, at)) => (RunState::Interrupted, None, *at),
        Some((state, note, at)) if pending == 0 || !state.is_over() => (*state, note.clone(), *at),
        Some((RunState::Cancelled, _, _)) => return Ok(()),
        Some(_) => (RunState::Waiting, None, now),
        None if pending > 0 => (RunState::Interrupted, None, now),
        None => (RunState::Finished, None, now),
    };
    journal.set_run_state(run, state, note, at).await
}

/// Moves one recipient to where it is wanted.
async fn bring(
    journal: &dyn Journal,
    hold: &dyn Hold,
    delivery: &DeliveryRecord,
    wanted: &Stands,
) -> Result<(), RestoreError> {
    let run = hold.run();
    let attempts = match delivery.attempts {
        0 => Vec::new(),
        _ => journal.attempts(delivery.id).await?,
    };
    let steps = moves(delivery.state, &attempts, wanted).unwrap_or_default();
    // Each of them moves the fence by one.
    for (fence, step) in (delivery.fence..).zip(steps) {
        match step {
            Move::Intend(attempt) => {
                if journal.intend(vec![intent(run, delivery, fence, &attempt)]).await.is_err() {
                    // Suppressed or cancelled here: it is not mailed, which is what matters.
                    return Ok(());
                }
            }
            Move::Settle { attempt, from, to } => {
                let settled = settlement(run, delivery, fence, Some(attempt), (from, to), wanted);
                journal.settle(vec![settled], Urgency::Now).await?;
            }
            Move::Bare { to } => {
                let settled = settlement(run, delivery, fence, None, (DeliveryState::Pending, to), wanted);
                journal.settle(vec![settled], Urgency::Now).await?;
            }
            Move::Supersede { from } => {
                let decision = match from {
                    DeliveryState::Accepted => Decision::ResendAccepted,
                    _ => Decision::Resend,
                };
                let at = delivery.at.unwrap_or(Timestamp::UNIX_EPOCH);
                journal.resolve(hold, &[delivery.address.key()], decision, WHY, at).await?;
            }
        }
    }
    Ok(())
}

fn intent(run: &RunId, delivery: &DeliveryRecord, fence: i64, attempt: &Attempt) -> Intent {
    Intent {
        run: run.clone(),
        delivery: delivery.id,
        fence,
        attempt: attempt.id,
        request_id: attempt.request_id,
        idempotency_key: attempt.idempotency_key,
        request_digest: attempt.request_digest,
        provider: attempt.provider.clone(),
        provider_id: attempt.provider_id.clone(),
        // The place was taken when it was sent: it counts, and nothing is denied.
        limits: Limits::default(),
        pace: None,
        at: attempt.started_at,
    }
}

fn settlement(
    run: &RunId,
    delivery: &DeliveryRecord,
    fence: i64,
    attempt: Option<Attempt>,
    (from, to): (DeliveryState, DeliveryState),
    wanted: &Stands,
) -> Settlement {
    let at = attempt.as_ref().and_then(|attempt| attempt.ended_at).or(delivery.at);
    let reply = match &attempt {
        Some(attempt) => attempt.reply.clone(),
        None => wanted.reply.clone(),
    };
    // A provider that refused the message itself is not asked again.
    let avoid = attempt.as_ref().filter(|one| one.blames.as_deref() == Some("message"));
    Settlement {
        run: run.clone(),
        delivery: delivery.id,
        fence,
        from,
        to,
        not_before: wanted.not_before.filter(|_| to == DeliveryState::Pending),
        transient: attempt.as_ref().is_some_and(is_transient),
        avoid: avoid.map(|attempt| attempt.provider.clone()),
        bad_address: false,
        wish: None,
        reply,
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        attempt: attempt.map(|attempt| SettledAttempt {
            id: attempt.id,
            had_intent: true,
            provider: attempt.provider,
            state: attempt.state,
            blames: attempt.blames,
            provider_id: attempt.provider_id,
            started_at: attempt.started_at,
        }),
    }
}

fn is_transient(attempt: &Attempt) -> bool {
    attempt.state == AttemptState::NotAccepted && attempt.blames.as_deref() == Some("recipient")
}
