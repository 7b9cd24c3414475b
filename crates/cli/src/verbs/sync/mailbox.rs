//! Reads the mailbox of bounces: over IMAP from its mark on, or from files.

use std::path::Path;

use depeche::address::EmailAddress;
use depeche::mailbox::files::Files;
use depeche::mailbox::imap::{Imap, ImapConfig, ImapError, Mark};
use depeche::mailbox::{Ours, Roster, SOURCE, read, take_in};
use depeche::provider::ProviderName;
use jiff::SignedDuration;

use super::{Answered, Asking, Source, Synced};
use crate::config::Kind;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::words::say;

/// Messages of one transaction.
const CHUNK: usize = 50;
/// Messages of one `sync`; the mark keeps what is left for the next.
const MOST_MESSAGES: usize = 5_000;
/// How long one `sync` reads; the mark keeps what is left for the next.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// How much was read, and what became of it.
#[derive(Default)]
struct Reading {
    read: u64,
    new: u64,
    known: u64,
    others: u64,
    is_cut: bool,
}

/// What letters are held against.
struct Desk {
    ours: Ours,
    roster: Roster,
}

/// Reads files, and asks nobody.
pub(super) async fn files(asking: &Asking<'_, '_>, path: &Path, synced: &mut Synced) -> Result<(), Failure> {
    let out = asking.context.out;
    let mut files = Files::open(path).map_err(|error| Failure::file(path, &error))?;
    let desk = Desk { ours: ours(asking), roster: Roster::read(asking.journal).await? };
    let (mut reading, mut messages) = (Reading::default(), Vec::new());
    for raw in &mut files {
        let raw = raw.map_err(|error| Failure::file(path, &error))?;
        messages.push(raw);
        if messages.len() == CHUNK {
            take(asking, &desk, &std::mem::take(&mut messages), &mut reading, synced).await?;
        }
    }
    take(asking, &desk, &messages, &mut reading, synced).await?;
    reading.is_cut = files.is_cut();
    let name = path.display().to_string();
    if reading.is_cut {
        out.warn(say!(out, "sync-cut", name = &name));
    }
    conclude(asking, &name, &reading, synced);
    Ok(())
}

/// Reads the mailbox of depeche.toml, if there is one.
pub(super) async fn imap(asking: &Asking<'_, '_>, synced: &mut Synced) -> Result<(), Failure> {
    let Some(bounces) = &asking.config.bounces else { return Ok(()) };
    let out = asking.context.out;
    let name = format!("{} ({})", SOURCE, bounces.host);
    let mut reading = Reading::default();
    let config = bounces.imap(asking.config)?;
    match imap_through(asking, &config, &mut reading, synced).await {
        Ok(()) => {
            if reading.is_cut {
                out.warn(say!(out, "sync-cut", name = &name));
            }
            conclude(asking, &name, &reading, synced);
            Ok(())
        }
        Err(Broken::Journal(failure)) => Err(failure),
        Err(Broken::Mailbox(error)) => {
            let credentials = matches!(error, ImapError::Login(_));
            let reason = error.to_string();
            out.warn(say!(out, "sync-failed", name = &name, reason = &reason));
            synced.sources.push(Source {
                name,
                since: None,
                answer: Answered::Failed { reason, credentials },
            });
            Ok(())
        }
    }
}

enum Broken {
    Mailbox(ImapError),
    Journal(Failure),
}

async fn imap_through(
    asking: &Asking<'_, '_>,
    config: &ImapConfig,
    reading: &mut Reading,
    synced: &mut Synced,
) -> Result<(), Broken> {
    let (journal, context) = (asking.journal, asking.context);
    let source = ProviderName::new(SOURCE).expect("`bounces` is a provider name");
    let stored = journal.mark(&source).await.map_err(|error| Broken::Journal(error.into()))?;
    let stored: Option<Mark> = stored.and_then(|mark| mark.parse().ok());
    let mut imap = Imap::open(config).await.map_err(Broken::Mailbox)?;
    let mark = imap.begin(stored);
    if stored.is_some_and(|stored| stored.validity != mark.validity) {
        context.out.warn(say!(context.out, "sync-renumbered"));
    }
    // With --since from the beginning on; without a mark from the first message on that went out.
    let (from, since) = match (asking.since, mark.uid) {
        (Some(since), _) => (Mark { uid: 0, ..mark }, Some(since)),
        (None, 0) => (mark, Some(asking.begin)),
        (None, _) => (mark, None),
    };
    let roster = Roster::read(journal).await.map_err(|error| Broken::Journal(error.into()))?;
    let desk = Desk { ours: ours(asking), roster };
    let end = context.clock.now() + LONGEST;
    let uids = imap.after(from, since).await.map_err(Broken::Mailbox)?;
    let mut left = uids.as_slice();
    let mut room = MOST_MESSAGES;
    while !left.is_empty() && room > 0 && context.clock.now() < end {
        let fetched = imap.fetch(left).await.map_err(Broken::Mailbox)?;
        left = &left[fetched.asked.min(left.len())..];
        room = room.saturating_sub(fetched.asked);
        take(asking, &desk, &fetched.messages, reading, synced).await.map_err(Broken::Journal)?;
        // With --since there may be messages between the mark and its day that nobody read.
        if let Some(read) = fetched.mark.filter(|_| asking.since.is_none()) {
            let saved = journal.save_mark(&source, &read.to_string()).await;
            saved.map_err(|error| Broken::Journal(error.into()))?;
        }
    }
    reading.is_cut = !left.is_empty();
    imap.close().await;
    Ok(())
}

async fn take(
    asking: &Asking<'_, '_>,
    desk: &Desk,
    messages: &[Vec<u8>],
    reading: &mut Reading,
    synced: &mut Synced,
) -> Result<(), Failure> {
    let letters =
        read(messages, &desk.ours).map_err(|error| Failure::new(Exit::Problems, "bounces", error))?;
    reading.read += letters.len() as u64;
    let now = asking.context.clock.now();
    let tidings = take_in(asking.journal, &desk.roster, letters, now).await?;
    reading.new += tidings.taken_in.new;
    reading.known += tidings.taken_in.repeated;
    reading.others += tidings.others;
    synced.findings.extend(tidings.findings);
    synced.unclear.extend(tidings.unclear);
    synced.quarantined += tidings.quarantined;
    synced.took(SOURCE, tidings.taken_in);
    Ok(())
}

fn conclude(asking: &Asking<'_, '_>, name: &str, reading: &Reading, synced: &mut Synced) {
    let out = asking.context.out;
    out.note(say!(out, "sync-read", name = name, read = reading.read, others = reading.others));
    let answer = Answered::Told {
        new: reading.new,
        known: reading.known,
        unmatched: reading.others,
        complete: !reading.is_cut,
    };
    synced.sources.push(Source { name: name.to_owned(), since: asking.since, answer });
}

fn ours(asking: &Asking<'_, '_>) -> Ours {
    let identity = &asking.config.identity;
    let senders = asking.config.providers.iter().filter_map(|provider| match &provider.kind {
        Kind::Smtp(smtp) => smtp.envelope_from.clone(),
        _ => None,
    });
    let press_contact = identity.press_contact.as_ref().map(|contact| contact.address.clone());
    let mut addresses: Vec<EmailAddress> = vec![identity.from.address.clone()];
    addresses.extend(identity.reply_to.clone());
    addresses.extend(press_contact);
    Ours { senders: senders.collect(), opt_out: identity.unsubscribe.mailto.clone(), addresses }
}
