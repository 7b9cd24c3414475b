//! `reconcile` for an older copy of the journal, `take-over` for a machine that is gone.

use std::sync::Arc;

use depeche::journal::{DeliveryState, Journal, RunId, RunKind, RunRecord};
use depeche::mirror::{Moved, RecoverError, Recovered, RestoreError};
use depeche::provider::EventList;
use serde_json::{Value, json};

use super::resolve::Search;
use crate::args::Reconcile;
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::{document, drive, frozen, session, store};
use crate::words::say;

/// `reconcile`: whoever may have been mailed is accepted by proof, or uncertain.
pub(crate) async fn reconcile(asked: &Reconcile, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let plain = store::open(&config, context).await?;
    let only = match &asked.run {
        Some(name) => Some(RunId::new(name).map_err(|error| Failure::usage("run.none", error))?),
        None => None,
    };
    let mut opening = session::opening(&config, Arc::clone(&plain), context)?;
    let recovered = opening.reconcile().await.map_err(|error| failed(&error, context))?;
    drop(opening);
    let journal = session::begin_deciding(&config, plain, context).await?;
    let runs = runs_of(&*journal, only.as_ref()).await?;
    let proofs = ask_providers(&config, &*journal, &runs, context).await?;
    for run in &recovered.restored.lost {
        context.out.warn(say!(context.out, "reconcile-lost", run = run.as_str()));
    }
    if recovered.unrecorded > 0 {
        context.out.warn(say!(context.out, "reconcile-unrecorded", count = recovered.unrecorded));
    }
    let exit = tell("reconcile", &recovered, (&*journal, &runs), &proofs, context).await?;
    journal.close().await;
    Ok(exit)
}

/// `take-over`: the work of the machine that wrote the mirror goes on here.
pub(crate) async fn take_over(context: &Context<'_>) -> Done {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let mut opening = session::opening(&config, Arc::clone(&journal), context)?;
    let recovered = opening.take_over().await.map_err(|error| failed(&error, context))?;
    if let Some(before) = &recovered.before {
        context.out.note(say!(
            context.out,
            "taken-over",
            machine = &before.machine,
            since = before.at.strftime("%Y-%m-%d %H:%M UTC").to_string()
        ));
    }
    let is_async = config.mirror.as_ref().is_some_and(|mirror| mirror.mode_word() == "async");
    if is_async {
        context.out.warn(say!(context.out, "taken-over-async"));
    }
    let runs = runs_of(&*journal, None).await?;
    let exit = tell("take-over", &recovered, (&*journal, &runs), &[], context).await?;
    journal.close().await;
    Ok(exit)
}

/// Real runs, the newest first; all of them, or the one that is asked for.
async fn runs_of(journal: &dyn Journal, only: Option<&RunId>) -> Result<Vec<RunRecord>, Failure> {
    let mut runs = journal.runs().await?;
    runs.retain(|run| run.kind == RunKind::Real && only.is_none_or(|only| run.id == *only));
    Ok(runs)
}

/// What the providers know of those who are uncertain: their events first, then a look-up of each.
async fn ask_providers(
    config: &Config,
    journal: &dyn Journal,
    runs: &[RunRecord],
    context: &Context<'_>,
) -> Result<Vec<Value>, Failure> {
    let mut uncertain = Vec::new();
    for run in runs {
        if journal.totals(&run.id).await?.unknown > 0 {
            uncertain.push(run);
        }
    }
    let Some(oldest) = uncertain.iter().map(|run| run.created_at).min() else { return Ok(Vec::new()) };
    let out = context.out;
    let asked = config.route(&[], &out.words);
    let (route, chain) = match asked.and_then(|route| Ok((config.chain(&route, &context.clock)?, route))) {
        Ok((chain, route)) => (route, chain),
        Err(failure) => {
            out.warn(say!(out, "reconcile-no-provider", reason = failure.message));
            return Ok(Vec::new());
        }
    };
    let mut proofs = Vec::new();
    for link in &chain {
        let name = link.provider.name();
        match link.provider.events(oldest).await {
            EventList::Listed { events, .. } => {
                let recorded = journal.record_events(name, events, context.clock.now()).await?;
                proofs.extend(recorded.resolved.into_iter().map(|(run, key, to)| {
                    json!({ "run": run.as_str(), "address": key.as_str(), "to": to.as_str(), "by": name.as_str() })
                }));
            }
            EventList::Failed(reason) => {
                out.warn(say!(out, "reconcile-provider", provider = name.to_string(), reason = reason));
            }
            _ => {}
        }
    }
    for run in uncertain {
        let hold = journal.hold(&run.id).await?;
        let mut of_run = config.chain(&route, &context.clock)?;
        let render = frozen::renderer(journal, run, Some(config), &mut of_run).await?;
        let search = Search { journal, hold: &*hold, chain: &of_run, render, reason: "reconcile", context };
        let (moved, told) = search.all(run, &[]).await?;
        proofs.extend(moved.iter().map(|delivery| {
            let address = delivery.address.to_string();
            // What moved without being accepted is proved not to have been sent.
            let accepted = told.iter().any(|one| one["address"] == address && one["found"] == "accepted");
            let to = match delivery.state {
                DeliveryState::Refused => "refused",
                _ if accepted => "accepted",
                _ => "pending",
            };
            json!({ "run": run.id.as_str(), "address": address, "to": to,
                "by": delivery.provider.as_ref().map(|name| name.as_str()) })
        }));
    }
    Ok(proofs)
}

/// What was found, run by run, and what to type next.
async fn tell(
    action: &str,
    recovered: &Recovered,
    (journal, runs): (&dyn Journal, &[RunRecord]),
    proofs: &[Value],
    context: &Context<'_>,
) -> Done {
    let out = context.out;
    let (mut heads, mut found) = (Vec::new(), Vec::new());
    let mut shown_runs = Vec::new();
    for run in runs {
        let shown = document::read(journal, &run.id).await?;
        let mut head = shown.head();
        head["totals"] = json!(shown.totals);
        head["restored"] = json!(recovered.restored.runs.contains(&run.id));
        heads.push(head);
        found.push(if shown.totals.unknown + shown.totals.held > 0 { Exit::Unknown } else { Exit::Done });
        shown_runs.push(shown);
    }
    let exit = Exit::foremost(found);
    let moved = |moved: &Moved| {
        json!({ "run": moved.run.as_str(), "address": moved.address,
            "from": moved.from.as_str(), "to": moved.to.as_str() })
    };
    out.document(&json!({
        "version": 1, "exit": exit.code(), "action": action,
        "before": recovered.before.as_ref().map(|owner| json!({ "machine": owner.machine, "since": owner.at })),
        "runs": heads,
        "moved": recovered.restored.moved.iter().map(moved).collect::<Vec<_>>(),
        "proofs": proofs,
        "unrecorded_sessions": recovered.unrecorded,
        "lost_runs": recovered.restored.lost.iter().map(RunId::as_str).collect::<Vec<_>>(),
    }));
    for shown in &shown_runs {
        out.line(super::runs::head_line(shown, context));
        drive::call_them(shown, journal, context).await?;
        if shown.totals.pending > 0 && !shown.state.is_over() {
            out.note(say!(out, "end-pending", count = shown.totals.pending, run = shown.run.id.as_str()));
        }
    }
    let (runs, count) = (recovered.restored.runs.len(), recovered.restored.moved.len());
    out.note(say!(out, "recovered", runs = runs, count = count, proofs = proofs.len()));
    Ok(exit)
}

fn failed(error: &RecoverError, context: &Context<'_>) -> Failure {
    let out = context.out;
    match error {
        RecoverError::Mirror(error) => session::mirror_failed(error, context),
        RecoverError::NoMirror => {
            Failure::usage("mirror.none", say!(out, "mirror-none")).with_hint(say!(out, "mirror-none-hint"))
        }
        RecoverError::EmptyMirror(place) => {
            Failure::guard("mirror.empty", say!(out, "mirror-empty", place = place))
        }
        RecoverError::TakenOver(owner) => {
            let since = owner.at.strftime("%Y-%m-%d %H:%M UTC").to_string();
            let message = say!(out, "mirror-taken-over", machine = &owner.machine, since = since);
            Failure::guard("mirror.taken-over", message).with_hint(say!(out, "mirror-taken-over-hint"))
        }
        RecoverError::OtherJournal => {
            Failure::guard("mirror.other-journal", say!(out, "mirror-other-journal"))
                .with_hint(say!(out, "mirror-other-journal-hint"))
        }
        RecoverError::Restore(RestoreError::Hold(error)) => Failure::guard("run.held", error),
        RecoverError::StillSending => {
            Failure::guard("mirror.still-sending", say!(out, "mirror-still-sending"))
        }
        other => Failure::new(Exit::Problems, "journal", other),
    }
}
