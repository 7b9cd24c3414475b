//! `suppress`: addresses that are never mailed, whichever provider takes a message.

mod forget;
mod lists;

use depeche::address::EmailAddress;
use depeche::after::MANUAL;
use depeche::journal::{AuditEntry, Journal, Suppression};
use serde_json::json;

use crate::args::{Suppress, SuppressAdd, SuppressRemove};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::{session, store};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(command: &Suppress, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let journal = match command {
        Suppress::List | Suppress::Forget(_) => journal,
        _ => session::begin_withholding(&config, journal, context).await,
    };
    let exit = match command {
        Suppress::Add(asked) => add(&*journal, asked, context).await?,
        Suppress::List => list(&*journal, context).await?,
        Suppress::Remove(asked) => remove(&*journal, asked, context).await?,
        Suppress::Forget(asked) => return forget::run(asked, journal, &config, context).await,
        Suppress::Pull(asked) => lists::pull(asked, &*journal, &config, context).await?,
        Suppress::Push(asked) => lists::push(asked, &*journal, &config, context).await?,
    };
    journal.close().await;
    Ok(exit)
}

fn address(text: &str) -> Result<EmailAddress, Failure> {
    EmailAddress::parse(text)
        .map_err(|error| Failure::usage("suppress.address", &error).with_hint(error.hint()))
}

async fn add(journal: &dyn Journal, asked: &SuppressAdd, context: &Context<'_>) -> Done {
    let now = context.clock.now();
    let addresses = asked.addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, _>>()?;
    let entry = |address: &EmailAddress| Suppression {
        key: address.key(),
        reason: asked.reason.clone(),
        source: MANUAL.to_owned(),
        quarantined: false,
        at: now,
    };
    let added = journal.suppress(addresses.iter().map(entry).collect()).await?;
    for address in &addresses {
        let detail = format!("{address}: {}", asked.reason);
        journal.audit(AuditEntry { at: now, run: None, action: "suppress add".to_owned(), detail }).await?;
    }
    context.out.document(&json!({ "version": 1, "exit": 0, "added": added }));
    context.out.line(say!(context.out, "suppress-added", count = added));
    Ok(Exit::Done)
}

async fn list(journal: &dyn Journal, context: &Context<'_>) -> Done {
    let entries = journal.suppressions(None).await?;
    let shown = |entry: &Suppression| {
        json!({ "address": entry.key.as_str(), "reason": entry.reason, "source": entry.source,
            "quarantined": entry.quarantined, "at": entry.at })
    };
    context.out.document(&json!({ "version": 1, "exit": 0,
        "suppressed": entries.iter().map(shown).collect::<Vec<_>>() }));
    for entry in &entries {
        let quarantine =
            if entry.quarantined { say!(context.out, "suppress-quarantine") } else { String::new() };
        let words = &context.out.words;
        let (source, reason) = (words.library(&entry.source), words.library(&entry.reason));
        context.out.line(format!("{}  {}  {source}  {reason}{quarantine}", entry.key, entry.at));
    }
    Ok(Exit::Done)
}

async fn remove(journal: &dyn Journal, asked: &SuppressRemove, context: &Context<'_>) -> Done {
    let key = address(&asked.address)?.key();
    let was_there = journal.unsuppress(&key, &asked.reason, context.clock.now()).await?;
    if !was_there {
        let message = say!(context.out, "suppress-none", address = &asked.address);
        return Err(Failure::new(Exit::Problems, "suppress.none", message));
    }
    context.out.document(&json!({ "version": 1, "exit": 0, "removed": key.as_str() }));
    context.out.line(say!(context.out, "suppress-removed", address = key.as_str()));
    Ok(Exit::Done)
}
