//! A session that may send: the journal with what stands beside it and its mirror.

use std::sync::Arc;
use std::time::Duration;

use depeche::journal::{HoldError, Journal};
use depeche::mirror::{
    Beside, CompactError, Lag, LogError, MirroredJournal, Mode, NotOpened, Opening, Terms,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words::say;

/// What a session is begun, or a journal recovered, with.
pub(crate) fn opening(
    config: &Config,
    journal: Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<Opening, Failure> {
    let folder = config
        .state_dir()
        .ok_or_else(|| Failure::usage("journal.server", say!(context.out, "journal-on-server")))?;
    let log = match &config.mirror {
        Some(mirror) => Some(mirror.log(&config.base(), &context.clock, &context.entropy)?),
        None => None,
    };
    Ok(Opening {
        journal,
        beside: Arc::new(Beside::new(folder)),
        log,
        clock: Arc::clone(&context.clock),
        entropy: Arc::clone(&context.entropy),
        machine: context.machine(),
    })
}

/// Begins a session that sends, or says why nothing may be sent.
pub(crate) async fn begin(
    config: &Config,
    journal: Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<Option<Arc<MirroredJournal>>, Failure> {
    // A server keeps one journal for all machines; what stands beside it is its own administration's.
    if config.state_dir().is_none() {
        return Ok(None);
    }
    let mode = config.mirror.as_ref().map_or(Mode::Sync, |mirror| mirror.mode);
    let terms = Terms { mode, ..Terms::default() };
    let begun = MirroredJournal::begin(opening(config, journal, context)?, terms).await;
    let session = begun.map_err(|refused| told(refused, context))?;
    if session.epoch_was_lost() {
        context.out.warn(say!(context.out, "epoch-was-lost"));
    }
    if let Some(trouble) = session.mirror_trouble() {
        context.out.warn(say!(context.out, "mirror-behind", reason = trouble.to_string()));
    }
    say_owing(&session, context);
    Ok(Some(Arc::new(session)))
}

/// Begins a session that decides something and sends nothing: a mirror that cannot be reached is no
/// reason not to.
pub(crate) async fn begin_deciding(
    config: &Config,
    journal: Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<Arc<dyn Journal>, Failure> {
    if config.state_dir().is_none() {
        return Ok(journal);
    }
    let session = begin_idle(config, journal, context).await?;
    say_owing(&session, context);
    Ok(Arc::new(session))
}

async fn begin_idle(
    config: &Config,
    journal: Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<MirroredJournal, Failure> {
    let terms = Terms { mode: Mode::Async, ..Terms::default() };
    let begun = MirroredJournal::begin(opening(config, journal, context)?, terms).await;
    begun.map_err(|refused| told(refused, context))
}

/// Begins a session that sends nothing and cannot do without the mirror.
pub(crate) async fn begin_with_mirror(
    config: &Config,
    journal: Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<MirroredJournal, Failure> {
    let session = begin_idle(config, journal, context).await?;
    match session.mirror_trouble() {
        None => Ok(session),
        Some(trouble) => {
            let failure = mirror_failed(trouble, context);
            session.close().await;
            Err(failure)
        }
    }
}

/// Somebody was forgotten in the journal, and the mirror may name them still.
fn say_owing(session: &MirroredJournal, context: &Context<'_>) {
    if session.owes_forgetting() {
        context.out.warn(say!(context.out, "mirror-owes-forgetting"));
    }
}

/// The mirror was not compacted.
pub(crate) fn not_compacted(error: CompactError, context: &Context<'_>) -> Failure {
    match error {
        CompactError::Mirror(LogError::OtherOwner(owner)) => told(NotOpened::TakenOver(owner), context),
        CompactError::Mirror(error) => mirror_failed(&error, context),
        CompactError::Journal(error) => error.into(),
        CompactError::Held { run, pid } => HoldError::Held { run, pid }.into(),
        other => Failure::new(Exit::Problems, "mirror", other),
    }
}

/// The same where the decision stands in an older copy as well: whoever is suppressed or cancelled is
/// not mailed.
pub(crate) async fn begin_withholding(
    config: &Config,
    journal: Arc<dyn Journal>,
    context: &Context<'_>,
) -> Arc<dyn Journal> {
    match begin_deciding(config, Arc::clone(&journal), context).await {
        Ok(session) => session,
        Err(refused) => {
            context.out.warn(&refused.message);
            journal
        }
    }
}

/// Why nothing may be sent, and what to type.
fn told(refused: NotOpened, context: &Context<'_>) -> Failure {
    let out = context.out;
    let older =
        |message: String| Failure::guard("journal.older", message).with_hint(say!(out, "journal-older-hint"));
    match refused {
        NotOpened::Older { journal, beside } => {
            older(say!(out, "journal-older-session", journal = journal, beside = beside))
        }
        NotOpened::Lacks(count) => older(say!(out, "journal-older-lacks", count = count)),
        NotOpened::EpochLost(folder) => {
            Failure::guard("journal.epoch-lost", say!(out, "journal-epoch-lost", folder = folder))
                .with_hint(say!(out, "journal-epoch-lost-hint"))
        }
        NotOpened::OtherJournal(folder) => {
            Failure::guard("journal.other-state", say!(out, "journal-other-state", folder = folder))
                .with_hint(say!(out, "journal-other-state-hint"))
        }
        NotOpened::TakenOver(owner) => {
            let since = owner.at.strftime("%Y-%m-%d %H:%M UTC").to_string();
            let message = say!(out, "mirror-taken-over", machine = owner.machine, since = since);
            Failure::guard("mirror.taken-over", message).with_hint(say!(out, "mirror-taken-over-hint"))
        }
        NotOpened::Mirror(error) => mirror_failed(&error, context),
        NotOpened::Journal(error) => error.into(),
        other => Failure::new(Exit::Problems, "journal.beside", other),
    }
}

/// The mirror cannot be used.
pub(crate) fn mirror_failed(error: &LogError, context: &Context<'_>) -> Failure {
    let out = context.out;
    let reason = error.to_string();
    match error {
        // It may pass: exit 4, as for a run that waits.
        LogError::Target(_) => {
            Failure::new(Exit::Pending, "mirror.lost", say!(out, "mirror-lost", reason = reason))
                .with_hint(say!(out, "mirror-lost-hint"))
        }
        LogError::Sealed(_) => Failure::usage("mirror.key", say!(out, "mirror-key", reason = reason)),
        LogError::Overwrites(_) => {
            Failure::usage("mirror.overwrites", say!(out, "mirror-overwrites", reason = reason))
        }
        LogError::Missing(_) => {
            Failure::guard("mirror.missing", say!(out, "mirror-missing", reason = reason))
                .with_hint(say!(out, "mirror-missing-hint"))
        }
        _ => Failure::guard("mirror.unreadable", say!(out, "mirror-unreadable", reason = reason)),
    }
}

/// Says while a run works that its mirror fell behind, and that it is in step again. Never ends.
pub(crate) async fn watch(session: &MirroredJournal, context: &Context<'_>) -> std::convert::Infallible {
    const EVERY: Duration = Duration::from_millis(500);
    let mut is_behind = session.mirror_trouble().is_some();
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(lag) = session.lag().filter(|lag| !lag.taken_over) else { continue };
        match (is_behind, lag.trouble) {
            (false, Some(reason)) if session.mode() == Mode::Async => {
                context.out.warn(say!(context.out, "mirror-behind", reason = reason));
                is_behind = true;
            }
            (true, None) if lag.records == 0 => {
                context.out.warn(say!(context.out, "mirror-in-step"));
                is_behind = false;
            }
            _ => {}
        }
    }
}

/// What the mirror lacks once a run has ended.
pub(crate) fn say_lacking(session: &MirroredJournal, context: &Context<'_>) {
    if let Some(lag) = session.lag().filter(|lag| lag.records > 0 && !lag.taken_over) {
        context.out.warn(say!(context.out, "mirror-lacks", count = lag.records));
    }
}

/// How far the mirror lags, for `status`: `None` without a mirror.
pub(crate) fn lag(config: &Config, now: Timestamp) -> Option<Value> {
    let mirror = config.mirror.as_ref()?;
    let lag = Beside::new(config.state_dir()?).lag().unwrap_or_default();
    Some(json!({
        "target": mirror.shown(),
        "mode": mirror.mode_word(),
        "in_step": lag.records == 0 && !lag.taken_over,
        "records_behind": lag.records,
        "seconds_behind": seconds(&lag, now),
        "trouble": lag.trouble,
        "taken_over": lag.taken_over,
    }))
}

fn seconds(lag: &Lag, now: Timestamp) -> u64 {
    lag.since.map_or(0, |since| now.duration_since(since).as_secs().max(0).unsigned_abs())
}

/// The same in a line.
pub(crate) fn lag_line(config: &Config, now: Timestamp, context: &Context<'_>) -> Option<String> {
    let mirror = config.mirror.as_ref()?;
    let (out, lag) = (context.out, Beside::new(config.state_dir()?).lag().unwrap_or_default());
    let (target, mode) = (mirror.shown(), mirror.mode_word());
    Some(match (lag.taken_over, lag.records) {
        (true, _) => say!(out, "status-mirror-taken-over", target = target),
        (false, 0) => say!(out, "status-mirror", target = target, mode = mode),
        (false, count) => say!(
            out,
            "status-mirror-behind",
            target = target,
            mode = mode,
            count = count,
            seconds = seconds(&lag, now),
            reason = lag.trouble.unwrap_or_default()
        ),
    })
}
