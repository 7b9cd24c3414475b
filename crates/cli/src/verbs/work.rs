//! `work`: takes what is due of any run, until it is told to stop.
//!
//! Several workers may share a journal on PostgreSQL: each joins the runs that have something due, and
//! claims recipients of its own. On a file there is one at a time. A signal drains: what is in flight is
//! finished, and every claim given back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use depeche::engine::{Control, Ended, JOURNAL_FAILED, Level, Stop};
use depeche::journal::{HoldError, Journal, JournalError, RunId, RunKind, RunRecord, RunState, Totals};
use depeche::mirror::MirroredJournal;
use depeche::provider::ProviderName;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::resume::route;
use super::send::policy;
use crate::args::Work;
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::admission::DomainAdmission;
use crate::run::campaign;
use crate::run::drive::{Drive, interrupted};
use crate::run::frozen::{self, Settings};
use crate::run::{document, session, store, warmth};
use crate::words::say;

/// A worker works on so many runs at a time.
const RUNS: usize = 8;
/// So often it looks for what has become due.
const LOOK: Duration = Duration::from_secs(1);
/// A run that had to stop, or is another's, is looked at again after this; after twice as long each time that
/// nothing moved, and [`SELDOM`] at the most. Sooner than it said it would go on: another worker may be lost, or
/// a person decide, at any time.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);
const SELDOM: SignedDuration = SignedDuration::from_secs(60);

/// Does what was asked.
pub(crate) async fn run(asked: &Work, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let plain = store::open(&config, context).await?;
    // A file may be an older copy, or have burnt elsewhere and been taken over: then nobody works on it.
    let session = session::begin(&config, Arc::clone(&plain), context).await?;
    let journal: Arc<dyn Journal> = match &session {
        Some(session) => Arc::clone(session) as _,
        None => plain,
    };
    let (stop, control) = Stop::new();
    context.out.note(say!(context.out, "work-begins"));
    let worker = Worker { config, journal, session, control, asked, context, left: Mutex::default() };
    let worked = tokio::select! {
        worked = worker.until_stopped() => worked?,
        never = interrupted(&stop, context) => match never {},
    };
    worker.conclude(&worked).await
}

struct Worker<'w> {
    config: Config,
    journal: Arc<dyn Journal>,
    /// The same journal, where it is a file.
    session: Option<Arc<MirroredJournal>>,
    control: Control,
    asked: &'w Work,
    context: &'w Context<'w>,
    /// What is known of each run that was due.
    left: Mutex<BTreeMap<RunId, Left>>,
}

/// Whether a run is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Left {
    No,
    /// For this campaign; another process has it.
    Quietly(ProviderName),
    /// None of its providers is in this depeche.toml: only a person sends it another way.
    Foreign,
    Told,
}

/// How a look at a run ended.
enum Looked {
    Over,
    /// It had to stop; `None` where another process has it alone, or it failed.
    Again(Option<Ended>),
}

/// When a run is looked at again.
#[derive(Default)]
struct Rests {
    later: BTreeMap<RunId, Timestamp>,
    /// Where it stood when it was last worked on, and how long it was left alone then.
    known: BTreeMap<RunId, (Option<Totals>, SignedDuration)>,
}

impl Rests {
    fn is_left(&self, run: &RunId, now: Timestamp) -> bool {
        self.later.get(run).is_some_and(|at| *at > now)
    }

    /// Notes when to look again. With `--once` a run that has to wait for long is left to the next time.
    fn note(&mut self, run: RunId, looked: Looked, once: bool, now: Timestamp) {
        self.later.remove(&run);
        let Looked::Again(ended) = looked else {
            self.known.remove(&run);
            return;
        };
        let totals = ended.as_ref().map(|ended| ended.totals);
        let pause = match self.known.get(&run) {
            Some((known, pause)) if *known == totals => (*pause * 2).min(SELDOM),
            _ => AGAIN,
        };
        self.known.insert(run.clone(), (totals, pause));
        let again = now + AGAIN;
        let goes_on = ended.and_then(|ended| ended.resume_at).map(|at| at.max(again));
        if once && goes_on.is_some_and(|at| at > again) {
            return;
        }
        self.later.insert(run, goes_on.map_or(now + pause, |at| at.min(now + pause)));
    }
}

impl Worker<'_> {
    /// The runs that it worked on, and those that it had to leave.
    async fn until_stopped(&self) -> Result<BTreeSet<RunId>, Failure> {
        let mut under_way = FuturesUnordered::new();
        let (mut busy, mut worked) = (BTreeSet::new(), BTreeSet::new());
        let mut rests = Rests::default();
        loop {
            let mut fresh = Vec::new();
            if self.control.level() == Level::Run {
                match self.due(&busy, &rests).await {
                    Ok(found) => fresh = found,
                    Err(error) if self.asked.once => return Err(error.into()),
                    // A server that restarts comes back.
                    Err(error) => self.context.out.warn(error.to_string()),
                }
            }
            for record in fresh.into_iter().take(RUNS - busy.len().min(RUNS)) {
                busy.insert(record.id.clone());
                worked.insert(record.id.clone());
                under_way.push(self.one(record));
            }
            let is_over = self.control.level() != Level::Run || (self.asked.once && rests.later.is_empty());
            if under_way.is_empty() && is_over {
                let left = self.left();
                worked
                    .extend(left.iter().filter(|(_, left)| **left == Left::Told).map(|(run, _)| run.clone()));
                return Ok(worked);
            }
            tokio::select! {
                Some((run, looked)) = under_way.next(), if !under_way.is_empty() => {
                    busy.remove(&run);
                    rests.note(run, looked, self.asked.once, self.context.clock.now());
                }
                () = self.journal.changed(LOOK) => {}
            }
            let now = self.context.clock.now();
            rests.later.retain(|_, at| *at > now);
        }
    }

    /// Runs with something due that nobody paused.
    async fn due(&self, busy: &BTreeSet<RunId>, rests: &Rests) -> Result<Vec<RunRecord>, JournalError> {
        let now = self.context.clock.now();
        let mut due = Vec::new();
        for record in self.journal.open_runs().await? {
            let is_ours = record.kind == RunKind::Real && may_go_on(&record);
            let is_free = !busy.contains(&record.id) && !rests.is_left(&record.id, now);
            let has_due = is_ours && is_free && !self.journal.due(&record.id, now, 1).await?.is_empty();
            if has_due && !self.is_left(&record).await? {
                due.push(record);
            }
        }
        // The oldest first.
        due.reverse();
        Ok(due)
    }

    /// Whether the run ends in a campaign, which is one process's matter, or knows none of our providers. Said
    /// once, and of a campaign not while one has it.
    async fn is_left(&self, record: &RunRecord) -> Result<bool, JournalError> {
        let known = self.left().get(&record.id).cloned();
        let left = known.unwrap_or_else(|| self.leaves(record));
        let told = match &left {
            Left::Quietly(provider) if self.journal.holder(&record.id).await?.is_none() => {
                let (out, provider) = (self.context.out, provider.to_string());
                out.warn(say!(out, "work-left", run = record.id.as_str(), provider = provider));
                Left::Told
            }
            Left::Foreign => {
                let out = self.context.out;
                let names: Vec<&str> = record.route.iter().map(|name| name.as_str()).collect();
                out.warn(say!(out, "work-foreign", run = record.id.as_str(), providers = names.join(", ")));
                Left::Told
            }
            _ => left,
        };
        let is_left = told != Left::No;
        self.left().insert(record.id.clone(), told);
        Ok(is_left)
    }

    fn leaves(&self, record: &RunRecord) -> Left {
        let is_ours = |name: &ProviderName| self.config.providers.iter().any(|one| one.name == *name);
        if !record.route.is_empty() && !record.route.iter().any(is_ours) {
            return Left::Foreign;
        }
        // A route that cannot be had is told where the run is joined.
        let route = route(&self.config, record, &[], self.context).unwrap_or_default();
        let campaign = campaign::of_run(&self.config, &route, record);
        campaign.map_or(Left::No, |provider| Left::Quietly(provider.clone()))
    }

    fn left(&self) -> MutexGuard<'_, BTreeMap<RunId, Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on one run.
    async fn one(&self, record: RunRecord) -> (RunId, Looked) {
        let looked = match self.joined(&record).await {
            Ok(Some(ended)) if ended.state.is_over() => Looked::Over,
            Ok(ended) => Looked::Again(ended),
            Err(failure) => {
                self.context.out.failure(&failure);
                Looked::Again(None)
            }
        };
        (record.id, looked)
    }

    /// `None`: another process has it alone.
    async fn joined(&self, record: &RunRecord) -> Result<Option<Ended>, Failure> {
        let hold = match self.journal.join(&record.id).await {
            Ok(hold) => hold,
            Err(HoldError::Held { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // It may have been paused while it was waited for.
        let stands = self.journal.run(&record.id).await?;
        if !stands.is_some_and(|stands| !stands.state.is_over() && may_go_on(&stands)) {
            return Ok(None);
        }
        let (config, context) = (&self.config, self.context);
        let settings = Settings::of(record);
        let mut chain = config.chain(&route(config, record, &[], context)?, &context.clock)?;
        let admission = match self.asked.unauthenticated {
            false => DomainAdmission::new(config, &self.journal, context)?,
            true => None,
        };
        let render = frozen::renderer(&*self.journal, record, Some(config), &mut chain).await?;
        // While one run waits another may go on; it is looked at again in time.
        let mut policy = policy(Some(config), settings.on_unknown, true);
        policy.not_after = settings.not_after;
        let names: Vec<_> = chain.iter().map(|link| link.provider.name().clone()).collect();
        policy.spares = warmth::spares(config, &names, &*self.journal, context).await?;
        let (journal, session) = (Arc::clone(&self.journal), self.session.clone());
        let drive = Drive { journal, render, chain, policy, admission, session };
        let ended = drive.work(&*hold, self.control.clone(), Some(&record.id), context).await;
        drop(hold);
        ended.map(Some)
    }

    async fn conclude(&self, worked: &BTreeSet<RunId>) -> Done {
        let out = self.context.out;
        let (mut heads, mut exits) = (Vec::new(), Vec::new());
        for run in worked {
            let shown = document::read(&*self.journal, run).await?;
            let mut head = shown.head();
            head["totals"] = json!(shown.totals);
            heads.push(head);
            exits.push(shown.exit());
            out.note(super::runs::head_line(&shown, self.context));
        }
        let exit = match self.control.level() {
            // What was in flight is finished; the others, or the next start, go on.
            Level::Drain => Exit::Done,
            Level::Leave => Exit::Interrupted,
            Level::Run => Exit::foremost(exits),
        };
        out.document(&json!({ "version": 1, "exit": exit.code(), "runs": heads }));
        self.journal.close().await;
        if let Some(session) = &self.session {
            session::say_lacking(session, self.context);
        }
        Ok(exit)
    }
}

/// A person's pause stands until a person ends it; that the journal was away for a while does not.
fn may_go_on(record: &RunRecord) -> bool {
    let journal_failed = record.note.as_deref().is_some_and(|note| note.starts_with(JOURNAL_FAILED));
    record.state != RunState::Paused || journal_failed
}
