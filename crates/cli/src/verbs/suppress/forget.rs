//! `suppress forget`: a person asks to be forgotten (GDPR, article 17), and is never mailed again all the same.
//!
//! The journal keeps a keyed hash in their place; the records beside it are removed, and its mirror is compacted.
//! Refused while a process works on a run, and while the mirror cannot be reached. Files of the project that still
//! name them are told, and left to their owner; so is what is out of reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use depeche::address::EmailAddress;
use depeche::journal::{Forgotten, HoldError, Journal, JournalError};
use serde_json::json;

use crate::args::SuppressForget;
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::session;
use crate::words::say;

/// Folders are looked into so deep.
const DEPTH: usize = 4;
/// Longer files are not looked into.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Does what was asked.
pub(super) async fn run(
    asked: &SuppressForget,
    plain: Arc<dyn Journal>,
    config: &Config,
    context: &Context<'_>,
) -> Done {
    let address = super::address(&asked.address)?;
    if config.mirror.is_none() {
        let journal = session::begin_withholding(config, plain, context).await;
        let forgotten = forget(&address, &*journal, context).await?;
        journal.close().await;
        return Ok(tell(&address, &forgotten, false, config, context));
    }
    let session = session::begin_with_mirror(config, plain, context).await?;
    let forgotten = forget(&address, &session, context).await;
    session.close().await;
    match forgotten {
        Ok(forgotten) => Ok(tell(&address, &forgotten, true, config, context)),
        // The journal has forgotten; it is the mirror that failed.
        Err(HoldError::Journal(JournalError::WriteFailed { reason })) if session.owes_forgetting() => {
            let reason = context.out.words.library(&reason);
            let message = say!(context.out, "forget-owed", reason = reason);
            Err(Failure::new(Exit::Pending, "mirror.owes-forgetting", message)
                .with_hint(say!(context.out, "forget-owed-hint")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn forget(
    address: &EmailAddress,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<Forgotten, HoldError> {
    // Any process of a run may hold the address in memory, and would write it again.
    for run in journal.open_runs().await? {
        if let Some(pid) = journal.holder(&run.id).await? {
            return Err(HoldError::Held { run: run.id, pid });
        }
    }
    let mut fresh = [0; 32];
    fresh[..16].copy_from_slice(context.entropy.uuid().as_bytes());
    fresh[16..].copy_from_slice(context.entropy.uuid().as_bytes());
    journal.forget(&address.key(), fresh, context.clock.now()).await
}

fn tell(
    address: &EmailAddress,
    forgotten: &Forgotten,
    has_mirror: bool,
    config: &Config,
    context: &Context<'_>,
) -> Exit {
    let out = context.out;
    let named = still_named(&config.base(), address.key().as_str());
    let named: Vec<String> = named.iter().map(|path| path.display().to_string()).collect();
    out.document(&json!({ "version": 1, "exit": 0, "pseudonym": forgotten.pseudonym.as_str(),
        "deliveries": forgotten.deliveries, "events": forgotten.events, "swept": forgotten.swept,
        "mirror": has_mirror, "still_named_in": named }));
    out.line(say!(
        out,
        "forgotten",
        pseudonym = forgotten.pseudonym.as_str(),
        deliveries = forgotten.deliveries,
        events = forgotten.events
    ));
    if !forgotten.swept {
        out.warn(say!(out, "forgotten-not-swept"));
    }
    for file in &named {
        out.warn(say!(out, "forgotten-still-named", file = file));
    }
    if has_mirror {
        out.note(say!(out, "mirror-compacted-beyond"));
    }
    out.note(say!(out, "forgotten-beyond"));
    Exit::Done
}

/// Files of the project in which the address stands, in whatever case.
fn still_named(base: &Path, address: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    look(base, address.to_ascii_lowercase().as_bytes(), DEPTH, &mut found);
    found.sort();
    found
}

/// What cannot be read is passed over: it is told of as a help, and proves nothing.
fn look(folder: &Path, address: &[u8], depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() && depth > 0 {
            look(&path, address, depth - 1, found);
        }
        if !kind.is_file() || entry.metadata().map_or(true, |data| data.len() > MOST_BYTES) {
            continue;
        }
        let content = fs::read(&path).unwrap_or_default().to_ascii_lowercase();
        if !address.is_empty() && content.windows(address.len()).any(|part| part == address) {
            found.push(path);
        }
    }
}
