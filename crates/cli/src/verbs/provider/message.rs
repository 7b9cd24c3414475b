//! `provider test --message`: one real message through one provider, so that a received copy shows
//! what it changes.
//!
//! It goes the way of every message: frozen, journalled before the wire, within the budget, in a run of
//! kind test, which never counts as sent.

use std::path::Path;
use std::sync::Arc;

use depeche::address::EmailAddress;
use depeche::engine::{Engine, Events, LinkConfig, Render as _, Stop};
use depeche::journal::{
    DeliveryRecord, DeliveryState, FreezeError, Journal, NewDelivery, NewRun, RunId, RunKind,
};
use depeche::opt_out::SignedLinks;
use depeche::policy::Policy;
use depeche::release::{FrozenRelease, Release, Renderer, new_message_id};
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::args::{Lang, ProviderTest};
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::frozen::{Kept, Settings, is_campaign};
use crate::verbs::{contacts, release, runs, send};
use crate::words::say;

/// A message about to go.
struct Ready {
    frozen: FrozenRelease,
    files: Vec<(String, bytes::Bytes)>,
    date: ZonedDateTime,
    delivery: NewDelivery,
    links: Option<SignedLinks>,
}

impl Ready {
    /// The message as it goes, made the same way each time.
    fn renderer(&self) -> Result<Renderer, Failure> {
        let renderer = Renderer::new(&self.frozen, self.files.clone(), self.date.clone())
            .map_err(|error| Failure::usage("release.render", error))?
            .marked_test();
        Ok(match &self.links {
            Some(links) => renderer.with_links(links.clone()),
            None => renderer,
        })
    }
}

/// Sends one message to `address` through `link`; what `--json` shows of it, and how that ends.
pub(super) async fn send(
    link: &LinkConfig,
    address: &str,
    asked: &ProviderTest,
    config: &Config,
    journal: &Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<(Value, Exit), Failure> {
    let ready = prepare(address, asked, config, context)?;
    let mut renderer = ready.renderer()?;
    if is_campaign(link) {
        let form = ready.frozen.merge_form().map_err(|error| Failure::usage("route.cannot-carry", error))?;
        renderer = renderer.with_merge_form(form);
    }
    let name = link.provider.name().as_str();
    let run = freeze(&ready, name, &**journal, context).await?;
    let delivery = hand_over(&run, renderer, link, journal, context).await?;
    let kept = match &asked.keep {
        Some(folder) => Some(keep(folder, name, &ready, &delivery)?),
        None => None,
    };
    tell(name, &run, &delivery, kept.as_deref(), context);
    let exit = match delivery.state {
        DeliveryState::Accepted => Exit::Done,
        DeliveryState::Unknown | DeliveryState::Held => Exit::Unknown,
        _ => Exit::Problems,
    };
    let document = json!({ "address": delivery.address.to_string(), "run": run.as_str(),
        "state": delivery.state.as_str(), "message_id": delivery.message_id.as_str(),
        "provider_id": delivery.provider_id, "reply": delivery.reply, "kept": kept });
    Ok((document, exit))
}

fn prepare(
    address: &str,
    asked: &ProviderTest,
    config: &Config,
    context: &Context<'_>,
) -> Result<Ready, Failure> {
    let address = EmailAddress::parse(address)
        .map_err(|error| Failure::usage("test.address", &error).with_hint(error.hint()))?;
    let date = context.clock.now().to_zoned_datetime(TimeZone::system());
    let identity = &config.identity;
    let (frozen, files) = match &asked.release {
        Some(path) => {
            let read = release::read(path)?;
            let assets = release::assets(&read, path)?;
            (release::freeze(&read, identity, &assets, (&date, path))?, assets.files())
        }
        None => {
            let source = built_in(context.out.words.lang).replace("DOMAIN", identity.from.address.domain());
            let read = Release::parse(&source).map_err(|problems| built_in_problem(&problems))?;
            let frozen = read.freeze(identity, &depeche::release::Assets::empty(), &date);
            (frozen.map_err(|problems| built_in_problem(&problems))?, Vec::new())
        }
    };
    let mut fields = release::example_contact().fields;
    fields.insert("email".to_owned(), address.to_string());
    let message_id = new_message_id(&*context.entropy, identity.from.address.domain());
    let delivery = NewDelivery { address, tier: 1, position: 0, fields, message_id, not_before: None };
    let links = match config.links_until(date.timestamp()) {
        Some(last_day) => config.signed_links(last_day)?,
        None => None,
    };
    Ok(Ready { frozen, files, date, delivery, links })
}

/// A few lines with what providers change: accents, a link, a name in a header.
fn built_in(lang: Lang) -> &'static str {
    match lang {
        Lang::En => include_str!("../../templates/test.en.md"),
        Lang::Fr => include_str!("../../templates/test.fr.md"),
    }
}

fn built_in_problem(problems: &[depeche::release::ReleaseProblem]) -> Failure {
    let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::new(Exit::Problems, "release.render", reasons.join("; "))
}

async fn freeze(
    ready: &Ready,
    provider: &str,
    journal: &dyn Journal,
    context: &Context<'_>,
) -> Result<RunId, Failure> {
    let json = |error: serde_json::Error| Failure::new(Exit::Problems, "run.freeze", error);
    let links_until = ready.links.as_ref().map(|links| links.last_day);
    let kept = Kept { release: ready.frozen.clone(), date: ready.date.clone(), links_until };
    let mut number = 1;
    loop {
        let id = send::run_id(&ready.date, &format!("provider-test-{provider}"), number)?;
        let run = NewRun {
            kind: RunKind::Test,
            frozen: serde_json::to_string(&kept).map_err(json)?,
            assets: ready.files.clone(),
            settings: serde_json::to_string(&Settings::default()).map_err(json)?,
            again: true,
            confirmed: 1,
            ..NewRun::real(id.clone(), &ready.frozen, 1, context.clock.now()).map_err(json)?
        };
        match journal.freeze(run, vec![ready.delivery.clone()]).await {
            Ok(_) => return Ok(id),
            Err(FreezeError::RunExists(_)) => number += 1,
            Err(other) => return Err(other.into()),
        }
    }
}

/// One attempt by the engine's own rules, without waiting for better times.
async fn hand_over(
    run: &RunId,
    renderer: Renderer,
    link: &LinkConfig,
    journal: &Arc<dyn Journal>,
    context: &Context<'_>,
) -> Result<DeliveryRecord, Failure> {
    let hold = journal.hold(run).await?;
    let (_stop, control) = Stop::new();
    let engine = Engine {
        journal: Arc::clone(journal),
        clock: Arc::clone(&context.clock),
        entropy: Arc::clone(&context.entropy),
        render: Arc::new(renderer),
        chain: vec![link.clone()],
        policy: Policy { no_wait: true, ..Policy::default() },
        events: Events::none(),
    };
    engine.run(&*hold, control).await.map_err(|error| Failure::new(Exit::Problems, "engine", error))?;
    // What was not taken now is not tried again by anybody.
    journal.cancel(run, context.clock.now()).await?;
    drop(hold);
    let deliveries = journal.deliveries(run, None, 1).await?;
    let missing = || depeche::journal::JournalError::NoSuchRun(run.clone());
    Ok(deliveries.into_iter().next().ok_or_else(missing)?)
}

/// Writes what was sent beside the others.
fn keep(folder: &Path, name: &str, ready: &Ready, delivery: &DeliveryRecord) -> Result<String, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    let message = ready
        .renderer()?
        .render(delivery)
        .map_err(|refused| Failure::new(Exit::Problems, "release.render", refused.reason))?;
    let path = folder.join(format!("{name}.eml"));
    contacts::save(&path, &message.mime.to_vec())?;
    Ok(path.display().to_string())
}

fn tell(name: &str, run: &RunId, delivery: &DeliveryRecord, kept: Option<&str>, context: &Context<'_>) {
    let out = context.out;
    let address = delivery.address.to_string();
    if delivery.state != DeliveryState::Accepted {
        let state = runs::word_of_one(delivery.state.as_str(), context);
        let reply = delivery.reply.clone().unwrap_or_default();
        out.line(say!(
            out,
            "test-not-accepted",
            name = name,
            address = address,
            state = state,
            reply = reply
        ));
        return;
    }
    out.line(say!(out, "test-accepted", name = name, address = address, run = run.as_str()));
    let command = match kept {
        Some(sent) => format!("depeche message compare {sent} RECEIVED.eml"),
        None => format!("depeche message compare RECEIVED.eml --run {run}"),
    };
    out.note(say!(out, "test-compare", name = name, command = command));
}
