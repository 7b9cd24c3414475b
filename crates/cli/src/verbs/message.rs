//! `message verify`: DKIM, SPF and DMARC of a received message, and what it teaches. `message compare`:
//! what a provider changed of one.

use depeche::address::EmailAddress;
use depeche::domain::align::{Method, Witness};
use depeche::domain::dkim::DkimResult;
use depeche::domain::name;
use depeche::domain::report;
use depeche::domain::verify::{MessageReport, Received, verify};
use depeche::journal::{DeliveryRecord, Journal};
use depeche::message::compare::{Change, Difference, NotAMessage, Which, compare, recipient};
use serde_json::json;

use super::domain::door::Door;
use super::domain::{language, learn};
use crate::args::{Message, MessageCompare, MessageVerify};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::out::Out;
use crate::run::{document, evidence, frozen, store};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(command: &Message, context: &Context<'_>) -> Done {
    match command {
        Message::Verify(asked) => verify_file(asked, context).await,
        Message::Compare(asked) => compare_files(asked, context).await,
    }
}

async fn verify_file(asked: &MessageVerify, context: &Context<'_>) -> Done {
    let message = std::fs::read(&asked.file).map_err(|error| Failure::file(&asked.file, &error))?;
    let received = Received {
        ip: asked.ip,
        helo: asked.helo.clone(),
        mail_from: asked.mail_from.clone(),
        trusted: asked.trust.clone(),
        authserv_id: String::new(),
    };
    let now = u64::try_from(context.clock.now().as_second()).unwrap_or_default();
    let door = Door::open(&asked.dns, "", context)?;
    let verified = verify(door.dns(), &message, &received, now).await;
    if asked.learn.is_some() {
        own_message(&verified, context)?;
    }
    let learned = match &asked.learn {
        Some(provider) => {
            let learned = teach(provider, &verified, &door, context).await?;
            if door.is_real(&asked.dns) {
                remember(&learned, &verified, asked, context).await?;
            }
            Some(learned)
        }
        None => None,
    };
    door.keep(&asked.dns)?;
    let mut document = report::verify_document(&verified, language(context));
    if let Some(learned) = &learned {
        document["learned"] = json!(learned);
    }
    context.out.document(&document);
    if !context.out.json {
        context.out.raw(&report::message_text(&verified, language(context)));
    }
    for one in learned.iter().flatten() {
        let (file, provider) = (&one.file, &one.provider);
        let selectors = one.selectors.join(", ");
        context.out.note(match one.selectors.is_empty() {
            true => say!(context.out, "learned-nothing-new", file = file, provider = provider),
            false => say!(context.out, "learned", file = file, provider = provider, selectors = selectors),
        });
    }
    Ok(Exit::of_code(verified.exit()))
}

/// Only a message of one's own teaches anything: a stranger's selectors would be asked for at one's own
/// domain, and a stranger's message would stand as proof.
fn own_message(verified: &MessageReport, context: &Context<'_>) -> Result<(), Failure> {
    let config = context.config()?;
    let from = verified.from.as_deref().unwrap_or("?");
    let own = config.identity.from.address.domain();
    if name::same(from, own) {
        return Ok(());
    }
    Err(Failure::usage("learn.stranger", say!(context.out, "learn-stranger", domain = from, own = own))
        .with_hint(say!(context.out, "learn-stranger-hint", own = own)))
}

/// Only a signature that passes, of the From domain itself, teaches its selector.
async fn teach(
    provider: &str,
    verified: &MessageReport,
    door: &Door,
    context: &Context<'_>,
) -> Result<Vec<learn::Learned>, Failure> {
    let from = verified.from.as_deref().unwrap_or_default();
    let of_from = |domain: &str| name::same(domain, from);
    let passed = verified.dkim.iter().filter(|line| line.result == DkimResult::Pass && of_from(&line.domain));
    let selectors: Vec<String> = passed.map(|line| line.selector.clone()).collect();
    if selectors.is_empty() {
        context.out.warn(say!(context.out, "learn-nothing", domain = from));
        return Ok(Vec::new());
    }
    learn::learn(provider, from, &selectors, door, context).await
}

/// Keeps for the day of sending that a message of the provider passed.
async fn remember(
    learned: &[learn::Learned],
    verified: &MessageReport,
    asked: &MessageVerify,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let from = verified.from.as_deref().unwrap_or_default();
    let (config, shown) = (context.config()?, asked.file.display().to_string());
    for one in learned {
        let witness = Witness::of_message(Method::Dkim, from, &shown);
        evidence::keep_in(&config, from, &one.provider, &[witness], context).await?;
    }
    Ok(())
}

/// 1 when something was changed in substance.
async fn compare_files(asked: &MessageCompare, context: &Context<'_>) -> Done {
    let out = context.out;
    let read = |file: &std::path::PathBuf| std::fs::read(file).map_err(|error| Failure::file(file, &error));
    let (sent, received) = match (asked.files.as_slice(), &asked.run) {
        ([sent, received], None) => (read(sent)?, read(received)?),
        ([received], Some(run)) => {
            let received = read(received)?;
            (rendered(run, asked, &received, context).await?, received)
        }
        _ => return Err(Failure::usage("compare.files", say!(out, "compare-files"))),
    };
    let found = compare(&sent, &received).map_err(|NotAMessage(which)| {
        let file = match which {
            Which::Sent => asked.files.first(),
            Which::Received => asked.files.last(),
        };
        let file = file.map(|file| file.display().to_string()).unwrap_or_default();
        Failure::usage("compare.not-mail", say!(out, "compare-not-mail-sent", file = file))
    })?;
    let substance = found.iter().filter(|difference| difference.in_substance).count();
    let exit = if substance > 0 { Exit::Problems } else { Exit::Done };
    out.document(&json!({ "version": 1, "exit": exit.code(), "in_substance": substance,
        "differences": found }));
    for difference in &found {
        out.line(line(difference, out));
    }
    out.note(if substance == 0 {
        say!(out, "compare-same")
    } else {
        say!(out, "compare-count", count = substance, aside = found.len() - substance)
    });
    Ok(exit)
}

/// What a run sent to whoever received `received`, rendered again from the journal.
async fn rendered(
    run: &str,
    asked: &MessageCompare,
    received: &[u8],
    context: &Context<'_>,
) -> Result<Vec<u8>, Failure> {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let record = store::run_named(&*journal, run, context).await?;
    let render = frozen::renderer(&*journal, &record, Some(&config), &mut Vec::new()).await?;
    let address = match &asked.recipient {
        Some(address) => address.clone(),
        None => recipient(received).unwrap_or_default(),
    };
    let delivery = delivery_to(&*journal, &record.id, &address).await?;
    let Some(delivery) = delivery else {
        let address = depeche::outcome::one_line(&address);
        return Err(Failure::usage(
            "compare.nobody",
            say!(context.out, "compare-nobody", run = run, address = address),
        ));
    };
    let message = render
        .render(&delivery)
        .map_err(|refused| Failure::new(Exit::Problems, "release.render", refused.reason))?;
    journal.close().await;
    Ok(message.mime.to_vec())
}

async fn delivery_to(
    journal: &dyn Journal,
    run: &depeche::journal::RunId,
    recipient: &str,
) -> Result<Option<DeliveryRecord>, Failure> {
    let Ok(address) = EmailAddress::parse(recipient) else { return Ok(None) };
    let mut pages = document::Pages::all(journal, run);
    while let Some(page) = pages.next().await? {
        if let Some(found) = page.into_iter().find(|one| one.address.key() == address.key()) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn line(difference: &Difference, out: &Out) -> String {
    let both = !difference.sent.is_empty() && !difference.received.is_empty();
    say!(
        out,
        "compare-line",
        change = told(difference.change, out),
        sent = &difference.sent,
        arrow = if both { " → " } else { "" },
        received = &difference.received
    )
}

fn told(change: Change, out: &Out) -> String {
    match change {
        Change::PixelAdded => say!(out, "change-pixel-added"),
        Change::ImageAdded => say!(out, "change-image-added"),
        Change::ImageMissing => say!(out, "change-image-missing"),
        Change::LinkRewritten => say!(out, "change-link-rewritten"),
        Change::LinkAdded => say!(out, "change-link-added"),
        Change::LinkMissing => say!(out, "change-link-missing"),
        Change::TextAdded => say!(out, "change-text-added"),
        Change::TextMissing => say!(out, "change-text-missing"),
        Change::PartDropped => say!(out, "change-part-dropped"),
        Change::PartAdded => say!(out, "change-part-added"),
        Change::FileRenamed => say!(out, "change-file-renamed"),
        Change::FileChanged => say!(out, "change-file-changed"),
        Change::HeaderChanged => say!(out, "change-header-changed"),
        Change::HeaderDropped => say!(out, "change-header-dropped"),
        Change::HeaderAdded => say!(out, "change-header-added"),
        Change::MarkupChanged => say!(out, "change-markup-changed"),
    }
}
