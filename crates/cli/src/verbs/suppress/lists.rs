//! `suppress pull` and `suppress push`: providers' own block lists against ours. Both show what they would
//! change and change nothing, until `--apply`.

use depeche::address::EmailAddress;
use depeche::block_list::{self, Pull};
use depeche::engine::LinkConfig;
use depeche::journal::{AuditEntry, Journal, Suppression};
use depeche::provider::{BlockList, Blocked};
use serde_json::{Value, json};

use crate::args::SuppressLists;
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;

/// A provider's list, as it answered.
enum Answer {
    Listed { entries: Vec<Blocked>, complete: bool },
    None,
    Failed(String),
}

/// Takes over what belongs on our list.
pub(super) async fn pull(
    asked: &SuppressLists,
    journal: &dyn Journal,
    config: &Config,
    context: &Context<'_>,
) -> Done {
    let (now, out) = (context.clock.now(), context.out);
    let (mut shown, mut exit, mut found) = (Vec::new(), Exit::Done, 0);
    for link in chain(asked, config, context)? {
        let name = link.provider.name().clone();
        let (entries, complete) = match listed(&link, context).await {
            Answer::Listed { entries, complete } => (entries, complete),
            other => {
                exit = told(&link, &other, &mut shown, exit);
                continue;
            }
        };
        let count = entries.len();
        let pulled = block_list::pull(journal, &name, entries, now).await?;
        for entry in &pulled.to_add {
            let mark = if entry.quarantined { say!(out, "suppress-quarantine") } else { String::new() };
            out.line(format!("+ {}  {}  {name}{mark}", entry.key, entry.reason));
        }
        if asked.apply {
            journal.suppress(pulled.to_add.clone()).await?;
        }
        found += pulled.to_add.len();
        out.note(say!(
            out,
            "suppress-pulled",
            name = name.to_string(),
            listed = count,
            new = pulled.to_add.len(),
            known = pulled.known,
            left_out = pulled.left_out.len()
        ));
        shown.push(pulled_document(name.as_str(), (count, complete), &pulled));
    }
    conclude(asked, found, &shown, exit, context)
}

fn pulled_document(name: &str, (count, complete): (usize, bool), pulled: &Pull) -> Value {
    let entry = |entry: &Suppression| {
        json!({ "address": entry.key.as_str(), "reason": entry.reason,
        "quarantined": entry.quarantined })
    };
    let left = |blocked: &Blocked| json!({ "address": blocked.address, "reason": blocked.reason });
    json!({ "name": name, "listed": count, "complete": complete, "known": pulled.known,
        "to_add": pulled.to_add.iter().map(entry).collect::<Vec<_>>(),
        "left_out": pulled.left_out.iter().map(left).collect::<Vec<_>>() })
}

/// Puts on the providers' lists what ours has and theirs lack.
pub(super) async fn push(
    asked: &SuppressLists,
    journal: &dyn Journal,
    config: &Config,
    context: &Context<'_>,
) -> Done {
    let out = context.out;
    let ours = journal.suppressions(None).await?;
    let (mut shown, mut exit, mut found) = (Vec::new(), Exit::Done, 0);
    for link in chain(asked, config, context)? {
        let name = link.provider.name().to_string();
        let (entries, complete) = match listed(&link, context).await {
            Answer::Listed { entries, complete } => (entries, complete),
            other => {
                exit = told(&link, &other, &mut shown, exit);
                continue;
            }
        };
        let to_add = block_list::push(&ours, &entries);
        for address in &to_add {
            out.line(format!("+ {address}  {name}"));
        }
        found += to_add.len();
        let (mut pushed, mut failed) = (0_u64, Vec::new());
        if asked.apply {
            for address in &to_add {
                match link.provider.block(address, "depeche").await {
                    Ok(_) => pushed += 1,
                    Err(refusal) => failed.push((address, refusal.reply)),
                }
            }
            kept(journal, &name, pushed, context).await?;
        }
        for (address, reply) in &failed {
            exit = Exit::foremost([exit, Exit::Problems]);
            out.warn(say!(
                out,
                "suppress-not-pushed",
                name = &name,
                address = address.to_string(),
                reply = reply
            ));
        }
        let texts =
            |addresses: &[EmailAddress]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        shown.push(json!({ "name": name, "listed": entries.len(), "complete": complete,
            "to_add": texts(&to_add), "added": pushed, "failed": failed.len() }));
    }
    conclude(asked, found, &shown, exit, context)
}

async fn kept(journal: &dyn Journal, name: &str, pushed: u64, context: &Context<'_>) -> Result<(), Failure> {
    let (action, detail) = ("suppress push".to_owned(), format!("{name}: {pushed}"));
    journal.audit(AuditEntry { at: context.clock.now(), run: None, action, detail }).await?;
    Ok(())
}

fn chain(asked: &SuppressLists, config: &Config, context: &Context<'_>) -> Result<Vec<LinkConfig>, Failure> {
    config.chain(&config.route(&asked.names, &context.out.words)?, &context.clock)
}

async fn listed(link: &LinkConfig, context: &Context<'_>) -> Answer {
    let out = context.out;
    let name = link.provider.name().to_string();
    match link.provider.block_list().await {
        BlockList::Listed { entries, complete } => {
            if !complete {
                out.warn(say!(out, "suppress-incomplete", name = name, count = entries.len()));
            }
            Answer::Listed { entries, complete }
        }
        BlockList::None => {
            out.note(say!(out, "suppress-no-list", name = name));
            Answer::None
        }
        BlockList::Failed(reason) => {
            let reason = depeche::outcome::one_line(&reason);
            out.warn(say!(out, "suppress-not-asked", name = name, reason = &reason));
            Answer::Failed(reason)
        }
    }
}

/// A provider without a list, or one that did not answer.
fn told(link: &LinkConfig, answer: &Answer, shown: &mut Vec<Value>, exit: Exit) -> Exit {
    let name = link.provider.name().as_str();
    match answer {
        Answer::Failed(reason) => {
            shown.push(json!({ "name": name, "error": reason }));
            Exit::foremost([exit, Exit::Inconclusive])
        }
        Answer::None | Answer::Listed { .. } => {
            shown.push(json!({ "name": name, "listed": null }));
            exit
        }
    }
}

fn conclude(asked: &SuppressLists, found: usize, shown: &[Value], exit: Exit, context: &Context<'_>) -> Done {
    let out = context.out;
    out.document(&json!({ "version": 1, "exit": exit.code(), "applied": asked.apply, "providers": shown }));
    if found > 0 && !asked.apply {
        out.note(say!(out, "suppress-shown", count = found));
    } else {
        out.note(say!(out, "suppress-applied", count = found));
    }
    Ok(exit)
}
