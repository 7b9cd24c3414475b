//! `runs`, `status`, `pause`, `cancel`.

use depeche::journal::{AuditEntry, Journal, RunKind};
use serde_json::json;

use crate::args::{Cancel, Pause, Status};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::document::{self, Shown};
use crate::run::drive::call_them;
use crate::run::pace::{self, Used};
use crate::run::{overlay, session, store};
use crate::words::say;

/// All runs, the newest first.
pub(crate) async fn list(context: &Context<'_>) -> Done {
    let out = context.out;
    let journal = store::open(&context.config()?, context).await?;
    let mut heads = Vec::new();
    for run in journal.runs().await? {
        let shown = document::read(&*journal, &run.id).await?;
        out.line(head_line(&shown, context));
        let mut head = shown.head();
        head["totals"] = json!(shown.totals);
        heads.push(head);
    }
    if heads.is_empty() {
        out.note(say!(out, "runs-none"));
    }
    out.document(&json!({ "version": 1, "exit": 0, "runs": heads }));
    Ok(Exit::Done)
}

/// One run, by default the newest; exits like it.
pub(crate) async fn status(asked: &Status, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let run = match &asked.run {
        Some(name) => store::run_named(&*journal, name, context).await?,
        None => {
            let newest = journal.runs().await?.into_iter().next();
            newest.ok_or_else(|| Failure::usage("run.none", say!(context.out, "runs-none")))?
        }
    };
    let mut shown = document::read(&*journal, &run.id).await?;
    shown.mirror = session::lag(&config, context.clock.now());
    let paces = pace::used(&config, &*journal, context.clock.now()).await?;
    shown.pace = (!paces.is_empty()).then(|| paces.iter().map(Used::document).collect());
    shown.at_risk = overlay::at_risk(&*journal, &shown, config.at_risk).await?;
    let exit = shown.exit();
    shown.write(exit, &*journal, context.out).await?;
    show_run(&shown, &*journal, context).await?;
    if let Some(line) = session::lag_line(&config, context.clock.now(), context) {
        context.out.line(line);
    }
    paces.iter().for_each(|one| context.out.line(one.line(context)));
    Ok(exit)
}

/// What is still pending is never sent.
pub(crate) async fn cancel(asked: &Cancel, context: &Context<'_>) -> Done {
    let out = context.out;
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let run = store::run_named(&*journal, &asked.run, context).await?;
    let journal = match run.kind {
        RunKind::Outbox => journal,
        _ => session::begin_withholding(&config, journal, context).await,
    };
    let now = context.clock.now();
    let count = journal.cancel(&run.id, now).await?;
    let entry = AuditEntry {
        at: now,
        run: Some(run.id.clone()),
        action: "cancel".to_owned(),
        detail: count.to_string(),
    };
    journal.audit(entry).await?;
    let shown = document::read(&*journal, &run.id).await?;
    shown.write(Exit::Done, &*journal, out).await?;
    out.line(say!(out, "cancelled", run = run.id.as_str(), count = count));
    journal.close().await;
    Ok(Exit::Done)
}

/// A run stops for now; `resume` begins it again.
pub(crate) async fn pause(asked: &Pause, context: &Context<'_>) -> Done {
    let out = context.out;
    let journal = store::open(&context.config()?, context).await?;
    let run = store::run_named(&*journal, &asked.run, context).await?;
    let now = context.clock.now();
    journal.pause(&run.id, now).await?;
    let entry =
        AuditEntry { at: now, run: Some(run.id.clone()), action: "pause".to_owned(), detail: String::new() };
    journal.audit(entry).await?;
    let shown = document::read(&*journal, &run.id).await?;
    shown.write(Exit::Done, &*journal, out).await?;
    match shown.run.state.is_over() {
        true => out.line(say!(out, "resume-nothing", run = run.id.as_str())),
        false => out.line(say!(out, "paused", run = run.id.as_str(), count = shown.totals.pending)),
    }
    Ok(Exit::Done)
}

/// One run on a terminal.
pub(crate) async fn show_run(
    shown: &Shown,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let out = context.out;
    out.line(head_line(shown, context));
    if let Some(note) = &shown.run.note {
        out.line(format!("  {}", out.words.library(note)));
    }
    for link in &shown.providers {
        let state = if link.is_open() { say!(out, "link-open") } else { say!(out, "link-closed") };
        out.line(say!(out, "status-link", name = &link.name, accepted = link.accepted, state = state));
    }
    for outage in overlay::outages_of(journal, shown).await? {
        out.line(super::provider::outage::line(&outage, context));
    }
    if let Some(count) = shown.at_risk.filter(|count| *count > 0) {
        out.warn(say!(out, "end-at-risk", count = count, run = shown.run.id.as_str()));
    }
    if shown.totals.pending > 0 {
        out.note(say!(out, "end-pending", count = shown.totals.pending, run = shown.run.id.as_str()));
    }
    call_them(shown, journal, context).await
}

pub(super) fn head_line(shown: &Shown, context: &Context<'_>) -> String {
    let totals = serde_json::to_value(shown.totals).unwrap_or_default();
    let counts = totals.as_object().into_iter().flatten();
    let counts: Vec<String> = counts
        .filter(|(name, count)| *name != "recipients" && count.as_u64() != Some(0))
        .map(|(name, count)| format!("{} {count}", word_for(name, count.as_u64().unwrap_or(0), context)))
        .collect();
    say!(
        context.out,
        "run-line",
        run = shown.run.id.as_str(),
        state = word(shown.state.as_str(), context),
        count = shown.totals.recipients,
        totals = counts.join(", ")
    )
}

/// The word for a state, of a run or of several recipients.
pub(crate) fn word(state: &str, context: &Context<'_>) -> String {
    word_for(state, 2, context)
}

/// The word for the state of one recipient.
pub(crate) fn word_of_one(state: &str, context: &Context<'_>) -> String {
    word_for(state, 1, context)
}

fn word_for(state: &str, count: u64, context: &Context<'_>) -> String {
    let out = context.out;
    match state {
        "accepted" => say!(out, "state-accepted", count = count),
        "at-risk" => say!(out, "state-at-risk", count = count),
        "bounced" => say!(out, "state-bounced", count = count),
        "cancelled" => say!(out, "state-cancelled", count = count),
        "finished" => say!(out, "state-finished"),
        "held" => say!(out, "state-held", count = count),
        "interrupted" => say!(out, "state-interrupted"),
        "paused" => say!(out, "state-paused"),
        "pending" => say!(out, "state-pending", count = count),
        "refused" => say!(out, "state-refused", count = count),
        "running" => say!(out, "state-running"),
        "suppressed" => say!(out, "state-suppressed", count = count),
        "unknown" => say!(out, "state-unknown", count = count),
        "waiting" => say!(out, "state-waiting"),
        "written" => say!(out, "state-written", count = count),
        other => other.to_owned(),
    }
}
