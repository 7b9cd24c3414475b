//! `sync`: what became of the messages, from everybody who can tell.
//!
//! Every provider of depeche.toml is asked, and the mailbox of bounces is read; whoever cannot be asked is
//! named. What is new goes into the journal first and is shown afterwards. Unknown recipients move on by
//! proof alone, bad addresses are judged by the wave rule ([`depeche::wave`]).

mod mailbox;
mod providers;
mod tell;

pub(super) use tell::kind_word;

use depeche::after::{self, TakenIn};
use depeche::journal::{HoldError, Journal, RunId, RunKind, RunRecord, RunState};
use depeche::mailbox::Finding;
use depeche::poll;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::args::Sync;
use crate::config::{Config, duration};
use crate::context::Context;
use crate::failure::{Done, Failure};
use crate::run::{session, store};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(asked: &Sync, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let run = match &asked.run {
        Some(name) => Some(store::run_named(&*journal, name, context).await?.id),
        None => None,
    };
    // Opt-outs and proofs are kept in the mirror as well.
    let journal = session::begin_withholding(&config, journal, context).await;
    let since = asked.since.as_deref().map(|text| moment(text, context)).transpose()?;
    let runs: Vec<RunRecord> =
        journal.runs().await?.into_iter().filter(|run| run.kind == RunKind::Real).collect();
    let mut synced = Synced::default();
    if let Some(begin) = runs.iter().map(|run| run.created_at).min() {
        adopt_orphans(&*journal, &runs, context).await?;
        let asking = Asking { config: &config, journal: &*journal, context, runs: &runs, begin, since };
        match &asked.mailbox {
            Some(path) => mailbox::files(&asking, path, &mut synced).await?,
            None => {
                providers::ask(&asking, run.as_ref(), &mut synced).await?;
                mailbox::imap(&asking, &mut synced).await?;
            }
        }
        settle(&*journal, &runs, context.clock.now(), &mut synced).await?;
    } else {
        context.out.note(say!(context.out, "sync-nothing"));
    }
    let exit = tell::tell(&*journal, &runs, run.as_ref(), &synced, context).await?;
    journal.close().await;
    Ok(exit)
}

/// What asking needs.
struct Asking<'a, 'c> {
    config: &'a Config,
    journal: &'a dyn Journal,
    context: &'a Context<'c>,
    /// All real runs.
    runs: &'a [RunRecord],
    /// When the first of them began.
    begin: Timestamp,
    /// `--since`.
    since: Option<Timestamp>,
}

/// What was found out.
#[derive(Default)]
struct Synced {
    sources: Vec<Source>,
    /// What each source told, by its name.
    told: Vec<(String, TakenIn)>,
    /// Proved by what had been told earlier.
    proved_again: TakenIn,
    findings: Vec<Finding>,
    /// Reports that cannot be understood, by their subjects.
    unclear: Vec<String>,
    quarantined: u64,
    suppressed: u64,
}

/// One who was to tell.
struct Source {
    name: String,
    since: Option<Timestamp>,
    answer: Answered,
}

enum Answered {
    Told {
        new: u64,
        known: u64,
        unmatched: u64,
        complete: bool,
    },
    CannotTell,
    /// `credentials`: the login was refused.
    Failed {
        reason: String,
        credentials: bool,
    },
}

impl Synced {
    fn took(&mut self, source: &str, taken_in: TakenIn) {
        self.suppressed += taken_in.suppressed;
        match self.told.iter_mut().find(|(name, _)| name == source) {
            Some((_, all)) => *all = std::mem::take(all).and(taken_in),
            None => self.told.push((source.to_owned(), taken_in)),
        }
    }

    /// Everything that was taken in.
    fn all(&self) -> impl Iterator<Item = &TakenIn> {
        self.told.iter().map(|(_, taken_in)| taken_in).chain([&self.proved_again])
    }
}

/// What a killed process left on the wire is unknown, and may be proved.
async fn adopt_orphans(
    journal: &dyn Journal,
    runs: &[RunRecord],
    context: &Context<'_>,
) -> Result<(), Failure> {
    for run in runs.iter().filter(|run| run.state == RunState::Running) {
        match journal.hold(&run.id).await {
            Ok(hold) => {
                journal.adopt_orphans(&*hold, context.clock.now()).await?;
            }
            // A process works on it: its attempts are its own.
            Err(HoldError::Held { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Judges bad addresses, and proves again what can be.
async fn settle(
    journal: &dyn Journal,
    runs: &[RunRecord],
    now: Timestamp,
    synced: &mut Synced,
) -> Result<(), Failure> {
    for run in runs {
        let totals = journal.totals(&run.id).await?;
        if totals.unknown + totals.held > 0 {
            let again = poll::prove_again(journal, &run.id, now).await?;
            let earlier = std::mem::take(&mut synced.proved_again);
            // Only what it proved is new.
            synced.proved_again = earlier.and(TakenIn { resolved: again.resolved, ..TakenIn::default() });
        }
    }
    let to_judge: Vec<RunId> = synced.all().flat_map(|taken_in| taken_in.to_judge.clone()).collect();
    for run in to_judge {
        let before = quarantined(journal).await?;
        let changed = after::judge_bad_addresses(journal, &run, now).await?;
        let newly = quarantined(journal).await?.saturating_sub(before);
        synced.quarantined += newly;
        synced.suppressed += changed.saturating_sub(newly);
    }
    Ok(())
}

async fn quarantined(journal: &dyn Journal) -> Result<u64, Failure> {
    let entries = journal.suppressions(None).await?;
    Ok(entries.iter().filter(|entry| entry.quarantined).count() as u64)
}

/// `7d`, `48h`, a day (from its first moment, UTC), or a moment.
fn moment(text: &str, context: &Context<'_>) -> Result<Timestamp, Failure> {
    let back = duration(text).and_then(|back| SignedDuration::try_from(back).ok());
    let by_length = back.and_then(|back| context.clock.now().checked_sub(back).ok());
    let by_day = || {
        let day: Date = text.parse().ok()?;
        Some(day.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp())
    };
    let found = by_length.or_else(by_day).or_else(|| text.parse().ok());
    found.ok_or_else(|| Failure::usage("sync.since", say!(context.out, "sync-since", text = text)))
}
