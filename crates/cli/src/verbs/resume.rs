//! `resume`: goes on where a run stopped.

use std::sync::Arc;

use depeche::journal::{Journal, RunKind, RunRecord, RunState};

use super::send::{self, on_unknown, policy};
use crate::args::Resume;
use crate::config::Config;
use crate::context::Context;
use crate::failure::{Done, Failure};
use crate::run::admission::DomainAdmission;
use crate::run::campaign;
use crate::run::document;
use crate::run::drive::Drive;
use crate::run::frozen::{self, Settings};
use crate::run::{session, store, warmth};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(asked: &Resume, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let record = match &asked.run {
        Some(name) => store::run_named(&*journal, name, context).await?,
        None => match unfinished(&*journal, context).await? {
            Some(record) => record,
            None => return show_newest(&*journal, context).await,
        },
    };
    // Held elsewhere is said before secrets are asked for.
    drop(journal.hold(&record.id).await?);
    let shown = document::read(&*journal, &record.id).await?;
    if shown.state.is_over() {
        return show(&shown, &*journal, context).await;
    }
    mention_changes(&record, context);
    let mut settings = Settings::of(&record);
    if asked.late && settings.not_after.is_some() {
        settings.waive_hour(&record, &*journal).await?;
    }
    if asked.enqueue {
        let route = route(&config, &record, &[], context)?;
        if let Some(name) = campaign::of_run(&config, &route, &record) {
            let alone = format!("depeche resume {}", record.id);
            return Err(campaign::not_for_workers(name, &[], &alone, context));
        }
        return send::hand_over(&*journal, &record.id, context).await;
    }
    let mut chain = match &settings.outbox {
        Some(folder) => frozen::outbox_chain(folder),
        None => config.chain(&route(&config, &record, &asked.route, context)?, &context.clock)?,
    };
    let session = match &settings.outbox {
        Some(_) => None,
        None => session::begin(&config, Arc::clone(&journal), context).await?,
    };
    let journal: Arc<dyn Journal> = match &session {
        Some(session) => Arc::clone(session) as _,
        None => journal,
    };
    let admission = match &settings.outbox {
        None if !asked.unauthenticated => DomainAdmission::new(&config, &journal, context)?,
        _ => None,
    };
    let render = frozen::renderer(&*journal, &record, Some(&config), &mut chain).await?;
    let choice = asked.on_unknown.map(on_unknown).or(settings.on_unknown);
    let mut policy = policy(Some(&config), choice, asked.no_wait);
    if record.kind == RunKind::Real {
        let names: Vec<_> = chain.iter().map(|link| link.provider.name().clone()).collect();
        policy.spares = warmth::spares(&config, &names, &*journal, context).await?;
    }
    policy.not_after = settings.not_after;
    lift_pause(&record, &*journal, context).await?;
    context.out.note(say!(
        context.out,
        "resume-begins",
        run = record.id.as_str(),
        count = shown.totals.pending
    ));
    Drive { journal, render, chain, policy, admission, session }.run(&record.id, context).await
}

/// A person's `resume` ends the pause that was there when it was typed; one that came since stands.
async fn lift_pause(record: &RunRecord, journal: &dyn Journal, context: &Context<'_>) -> Result<(), Failure> {
    let stands = journal.run(&record.id).await?;
    let is_same = stands.is_some_and(|now| now.state == RunState::Paused && now.ended_at == record.ended_at);
    if is_same {
        journal.set_run_state(&record.id, RunState::Running, None, context.clock.now()).await?;
    }
    Ok(())
}

/// The route that is asked for; else the run's own, as far as depeche.toml still has it.
pub(super) fn route(
    config: &Config,
    record: &RunRecord,
    asked: &[String],
    context: &Context<'_>,
) -> Result<Vec<depeche::provider::ProviderName>, Failure> {
    if !asked.is_empty() {
        return config.route(asked, &context.out.words);
    }
    let has = |name: &depeche::provider::ProviderName| config.providers.iter().any(|one| one.name == *name);
    let (kept, gone): (Vec<_>, Vec<_>) = record.route.iter().cloned().partition(has);
    for name in gone {
        context.out.warn(say!(context.out, "resume-gone", name = name.to_string()));
    }
    if kept.is_empty() { config.route(&[], &context.out.words) } else { Ok(kept) }
}

/// The only unfinished run; several are exit 2 with the list.
async fn unfinished(journal: &dyn Journal, context: &Context<'_>) -> Result<Option<RunRecord>, Failure> {
    let mut open: Vec<RunRecord> = journal.runs().await?;
    open.retain(|run| !run.state.is_over() && run.kind != RunKind::Test);
    if open.len() > 1 {
        let names: Vec<&str> = open.iter().map(|run| run.id.as_str()).collect();
        let message = say!(context.out, "resume-several", runs = names.join(", "));
        return Err(Failure::usage("resume.several", message));
    }
    Ok(open.pop())
}

async fn show_newest(journal: &dyn Journal, context: &Context<'_>) -> Done {
    let Some(newest) = journal.runs().await?.into_iter().next() else {
        return Err(Failure::usage("run.none", say!(context.out, "runs-none")));
    };
    show(&document::read(journal, &newest.id).await?, journal, context).await
}

async fn show(shown: &document::Shown, journal: &dyn Journal, context: &Context<'_>) -> Done {
    let exit = shown.exit();
    shown.write(exit, journal, context.out).await?;
    super::runs::show_run(shown, journal, context).await?;
    context.out.note(say!(context.out, "resume-nothing", run = shown.run.id.as_str()));
    Ok(exit)
}

/// A changed release is only mentioned: what was frozen goes out.
fn mention_changes(record: &RunRecord, context: &Context<'_>) {
    let changed = std::fs::metadata(&record.release)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|modified| jiff::Timestamp::try_from(modified).ok())
        .is_some_and(|modified| modified > record.created_at);
    if changed {
        context.out.note(say!(context.out, "resume-changed", file = &record.release));
    }
}
