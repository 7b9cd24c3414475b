//! Works on a run: engine, progress, and the first and second Ctrl-C.

use std::sync::Arc;

use depeche::engine::{Control, Ended, Engine, Events, LinkConfig, Render, Stop, Why};
use depeche::journal::{Hold, Journal, RunId, RunKind};
use depeche::mirror::MirroredJournal;
use depeche::policy::Policy;

use super::admission::DomainAdmission;
use super::document::{self, Shown};
use super::session;
use super::tell;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::unix::Signals;
use crate::words::say;

/// What a run is driven with.
pub(crate) struct Drive {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) render: Arc<dyn Render>,
    pub(crate) chain: Vec<LinkConfig>,
    pub(crate) policy: Policy,
    /// Whether a provider may be used; `None`: all may.
    pub(crate) admission: Option<Arc<DomainAdmission>>,
    /// The session, whose mirror is watched; `None` for an outbox.
    pub(crate) session: Option<Arc<MirroredJournal>>,
}

impl Drive {
    /// Works on `run` until it ends, and shows it.
    pub(crate) async fn run(self, run: &RunId, context: &Context<'_>) -> Result<Exit, Failure> {
        let (journal, session) = (Arc::clone(&self.journal), self.session.clone());
        let hold = journal.hold(run).await?;
        let (stop, control) = Stop::new();
        let ended = tokio::select! {
            ended = self.work(&*hold, control, None, context) => ended.map_err(|why| go_on_with(why, run, context))?,
            never = interrupted(&stop, context) => match never {},
        };
        drop(hold);
        let mut shown = document::read(&*journal, run).await.map_err(|why| go_on_with(why, run, context))?;
        let exit = exit_of(&ended, &shown);
        if shown.run.kind == RunKind::Test && shown.totals.pending > 0 {
            // A test copy is made again, never resumed: nothing of it stays behind.
            journal.cancel(run, context.clock.now()).await?;
            shown = document::read(&*journal, run).await?;
        }
        shown.write(exit, &*journal, context.out).await?;
        conclude(&ended, &shown, &*journal, context).await?;
        journal.close().await;
        if let Some(session) = &session {
            session::say_lacking(session, context);
        }
        Ok(exit)
    }

    /// Works on what `hold` holds until it ends, and tells of it; `name` stands before every line.
    pub(crate) async fn work(
        self,
        hold: &dyn Hold,
        control: Control,
        name: Option<&RunId>,
        context: &Context<'_>,
    ) -> Result<Ended, Failure> {
        let route = self.chain.iter().map(|link| link.provider.name().clone()).collect();
        let (events, mut told) = Events::channel();
        let engine = Engine {
            journal: self.journal,
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            render: self.render,
            chain: self.chain,
            policy: self.policy,
            events,
        };
        let admission = self.admission;
        let work = async {
            let ended = match admission {
                Some(admission) => engine.run_admitted(hold, control, admission).await,
                None => engine.run(hold, control).await,
            };
            // The end of the stream ends the telling.
            drop(engine);
            ended
        };
        let mut teller = tell::Teller::new(context.out, route, name.cloned());
        let telling = async move {
            while let Some(event) = told.recv().await {
                teller.tell(&event);
            }
        };
        let ended = tokio::select! {
            (ended, ()) = async { tokio::join!(work, telling) } => ended,
            never = watched(self.session.as_deref(), context) => match never {},
        };
        ended.map_err(|error| Failure::new(Exit::Problems, "engine", error))
    }
}

/// Says how the mirror fares; without one, nothing.
async fn watched(session: Option<&MirroredJournal>, context: &Context<'_>) -> std::convert::Infallible {
    match session {
        Some(session) => session::watch(session, context).await,
        None => std::future::pending().await,
    }
}

/// The first signal drains, the second leaves.
pub(crate) async fn interrupted(stop: &Stop, context: &Context<'_>) -> std::convert::Infallible {
    if let Some(mut signals) = Signals::listen()
        && signals.next().await
    {
        context.out.warn(say!(context.out, "told-interrupt"));
        stop.drain();
        if signals.next().await {
            stop.leave();
        }
    }
    std::future::pending().await
}

/// Whom to ring: the uncertain ones by name, and how to say what they said.
pub(crate) async fn call_them(
    shown: &Shown,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<(), Failure> {
    const SHOWN: usize = 20;
    let out = context.out;
    let (count, run) = (shown.doubtful_count(), shown.run.id.as_str());
    if count == 0 {
        return Ok(());
    }
    out.warn(say!(out, "end-unknown", count = count, run = run));
    let named = shown.doubtful(journal, SHOWN).await?;
    for one in &named {
        let facts = ["outlet", "phone"].into_iter().filter_map(|name| one.fields.get(name));
        let facts: Vec<&str> = facts.map(String::as_str).filter(|fact| !fact.is_empty()).collect();
        out.warn(format!("  {}  {}", one.address, facts.join("  ")).trim_end());
    }
    let more = count.saturating_sub(named.len() as u64);
    if more > 0 {
        out.warn(say!(out, "end-unknown-more", count = more, run = run));
    }
    Ok(())
}

fn exit_of(ended: &Ended, shown: &Shown) -> Exit {
    match ended.why {
        Why::TooLate(_) | Why::TakenOver(_) => Exit::Guard,
        // Nobody interrupted it and no provider is to blame, whatever the journal could still note of it.
        Why::JournalFailed(_) if shown.doubtful_count() > 0 => Exit::Unknown,
        Why::JournalFailed(_) => Exit::Problems,
        _ => shown.exit(),
    }
}

/// A run that broke off is not lost: the command that goes on with it.
fn go_on_with(failure: Failure, run: &RunId, context: &Context<'_>) -> Failure {
    if failure.hint.is_some() {
        return failure;
    }
    failure.with_hint(say!(context.out, "end-broken-off", run = run.as_str()))
}

/// The last lines of a run.
async fn conclude(
    ended: &Ended,
    shown: &Shown,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let out = context.out;
    let totals = &shown.totals;
    let run = shown.run.id.as_str();
    match &ended.why {
        Why::NoProvider(reasons) => {
            for (name, reason) in reasons {
                let reason = out.words.library(reason);
                out.warn(say!(out, "end-set-aside", provider = name, reason = reason));
            }
        }
        Why::JournalFailed(reason) => {
            out.warn(say!(out, "end-journal", reason = out.words.library(reason)));
        }
        Why::Paused => out.warn(say!(out, "paused", run = run, count = totals.pending)),
        Why::TooLate(until) => {
            out.warn(say!(out, "too-late", run = run, until = tell::clock_time(*until)));
        }
        Why::MirrorLost(reason) => out.warn(say!(out, "end-mirror-lost", reason = reason)),
        Why::TakenOver(by) => out.warn(say!(out, "end-taken-over", by = by)),
        _ => {}
    }
    if shown.run.kind == RunKind::Test && totals.cancelled > 0 {
        out.warn(match ended.resume_at {
            Some(at) => say!(out, "end-test-later", at = tell::clock_time(at)),
            None => say!(out, "end-test-not-sent"),
        });
    }
    if let Some(at) = ended.resume_at.filter(|_| totals.pending > 0) {
        out.warn(say!(out, "end-resume-at", at = tell::clock_time(at)));
    }
    if totals.pending > 0 && !matches!(ended.why, Why::Cancelled | Why::TakenOver(_)) {
        out.warn(say!(out, "end-pending", count = totals.pending, run = run));
    }
    call_them(shown, journal, context).await?;
    if shown.run.kind == RunKind::Outbox {
        out.line(say!(out, "end-written", count = totals.written, run = run));
        out.line(say!(out, "end-nothing-sent"));
    } else {
        out.line(say!(
            out,
            "end-summary",
            run = run,
            accepted = totals.accepted,
            refused = totals.refused,
            suppressed = totals.suppressed,
            count = totals.recipients
        ));
    }
    Ok(())
}
