//! Asks the providers.

use depeche::journal::RunId;
use depeche::poll::{Polled, poll};
use depeche::provider::ProviderName;
use jiff::SignedDuration;

use super::{Answered, Asking, Source, Synced};
use crate::config::{Kind, ProviderConfig};
use crate::failure::Failure;
use crate::words::say;

/// A run that began longer ago has told everything (RFC 5321, section 4.5.4.1: five days).
const SETTLED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Asks every provider of depeche.toml. One that fails stops no other.
pub(super) async fn ask(
    asking: &Asking<'_, '_>,
    run: Option<&RunId>,
    synced: &mut Synced,
) -> Result<(), Failure> {
    for provider in &asking.config.providers {
        if !matches!(provider.kind, Kind::Outbox(_)) {
            let source = one(asking, provider, synced).await?;
            say(asking, &source);
            synced.sources.push(source);
        }
    }
    let gone = gone(asking, run).await?;
    for name in gone {
        let out = asking.context.out;
        let reason = say!(out, "sync-gone", name = name.to_string());
        out.warn(&reason);
        let answer = Answered::Failed { reason, credentials: false };
        synced.sources.push(Source { name: name.to_string(), since: None, answer });
    }
    Ok(())
}

async fn one(
    asking: &Asking<'_, '_>,
    config: &ProviderConfig,
    synced: &mut Synced,
) -> Result<Source, Failure> {
    let name = config.name.to_string();
    let context = asking.context;
    let link = match asking.config.link(config, &context.clock) {
        Ok(link) => link,
        Err(failure) => {
            let answer = Answered::Failed { reason: failure.message, credentials: false };
            return Ok(Source { name, since: None, answer });
        }
    };
    let now = context.clock.now();
    let polled = poll(asking.journal, &*link.provider, asking.begin, asking.since, now).await?;
    link.provider.close().await;
    let (since, answer) = match polled {
        Polled::Told { taken_in, since, complete } => {
            let (new, known, unmatched) = (taken_in.new, taken_in.repeated, taken_in.unmatched);
            synced.took(&name, *taken_in);
            (Some(since), Answered::Told { new, known, unmatched, complete })
        }
        Polled::CannotTell => (None, Answered::CannotTell),
        Polled::Failed(reason) => (None, Answered::Failed { reason, credentials: false }),
    };
    Ok(Source { name, since, answer })
}

fn say(asking: &Asking<'_, '_>, source: &Source) {
    let (out, name) = (asking.context.out, source.name.as_str());
    match &source.answer {
        Answered::Told { new, known, complete, .. } => {
            let since = source.since.map(|since| since.strftime("%Y-%m-%d %H:%M UTC").to_string());
            let since = since.unwrap_or_default();
            out.note(say!(out, "sync-told", name = name, new = *new, known = *known, since = since));
            if !complete {
                out.warn(say!(out, "sync-incomplete", name = name));
            }
        }
        // With a mailbox of bounces nothing is missing.
        Answered::CannotTell if asking.config.bounces.is_some() => {}
        Answered::CannotTell => out.warn(say!(out, "sync-cannot-tell", name = name)),
        Answered::Failed { reason, .. } => out.warn(say!(out, "sync-failed", name = name, reason = reason)),
    }
}

/// Providers that took messages of the run, or of a recent one, and are in depeche.toml no more.
async fn gone(asking: &Asking<'_, '_>, run: Option<&RunId>) -> Result<Vec<ProviderName>, Failure> {
    let recent = asking.context.clock.now() - SETTLED;
    let is_meant = |id: &RunId, began| run.map_or(began >= recent, |run| run == id);
    let mut gone: Vec<ProviderName> = Vec::new();
    for record in asking.runs.iter().filter(|record| is_meant(&record.id, record.created_at)) {
        for (name, _) in asking.journal.accepted_by_provider(&record.id).await? {
            let is_known = asking.config.providers.iter().any(|provider| provider.name == name);
            if !is_known && !gone.contains(&name) {
                gone.push(name);
            }
        }
    }
    Ok(gone)
}
