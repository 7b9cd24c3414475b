//! `send`: reads, checks, asks, freezes, and hands the run to the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use depeche::address::EmailAddress;
use depeche::engine::LinkConfig;
use depeche::journal::{FreezeError, Journal, NewRun, RunId, RunKind, RunState};
use depeche::mirror::MirroredJournal;
use depeche::policy::{OnUnknown, Policy};
use depeche::provider::ProviderName;
use depeche::release::identity::Identity;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde_json::Value;

use crate::args::{self, Send, What};
use crate::config::{Config, ProviderConfig};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::admission::{DomainAdmission, Judged, Verdict};
use crate::run::campaign;
use crate::run::document;
use crate::run::drive::Drive;
use crate::run::fidelity::{Fidelity, somebody_carries};
use crate::run::frozen::{self, Kept, Settings};
use crate::run::prepare::{self, Prepared};
use crate::run::{session, store, warmth};
use crate::verbs::contacts;
use crate::words::say;

/// Where a release goes out: the configuration, the journal, and whether it goes out at all.
pub(crate) struct Way {
    pub(crate) config: Option<Config>,
    pub(crate) identity: Identity,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) route: Vec<ProviderName>,
    /// Absolute.
    pub(crate) outbox: Option<PathBuf>,
}

impl Way {
    /// As `what` and depeche.toml say. Without depeche.toml there is only the outbox.
    pub(crate) async fn new(what: &What, context: &Context<'_>) -> Result<Self, Failure> {
        let outbox = match &what.outbox {
            Some(folder) => Some(std::path::absolute(folder).map_err(|error| Failure::file(folder, &error))?),
            None => None,
        };
        let config = match outbox {
            Some(_) => context.config_if_any()?,
            None => Some(context.config()?),
        };
        let route = match (&outbox, &config) {
            (None, Some(config)) => config.route(&what.route, &context.out.words)?,
            _ => vec![frozen::outbox_name()],
        };
        let journal = match &config {
            Some(config) => store::open(config, context).await?,
            None => store::in_memory().await?,
        };
        Ok(Self {
            identity: prepare::identity(config.as_ref(), &what.release, context),
            config,
            journal,
            route,
            outbox,
        })
    }

    /// Whether this journal may send; from here on it is kept beside itself and in its mirror. An outbox
    /// sends nothing.
    async fn begin_session(
        &mut self,
        context: &Context<'_>,
    ) -> Result<Option<Arc<MirroredJournal>>, Failure> {
        let Some(config) = self.config.as_ref().filter(|_| self.outbox.is_none()) else { return Ok(None) };
        let session = session::begin(config, Arc::clone(&self.journal), context).await?;
        if let Some(session) = &session {
            self.journal = Arc::clone(session) as _;
        }
        Ok(session)
    }

    /// The providers, with their secrets.
    fn chain(&self, context: &Context<'_>) -> Result<Vec<LinkConfig>, Failure> {
        match (&self.outbox, &self.config) {
            (Some(folder), _) => {
                // A folder that cannot be made is a slip, and no outage to wait out.
                std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
                Ok(frozen::outbox_chain(folder))
            }
            (None, Some(config)) => config.chain(&self.route, &context.clock),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// The check of the sending domain, unless nothing is sent or the user does not want it.
    pub(crate) fn admission(
        &self,
        is_waived: bool,
        context: &Context<'_>,
    ) -> Result<Option<Arc<DomainAdmission>>, Failure> {
        match self.config.as_ref().filter(|_| self.outbox.is_none() && !is_waived) {
            Some(config) => DomainAdmission::new(config, &self.journal, context),
            None => Ok(None),
        }
    }

    /// What each provider of the route makes of the release; nothing for an outbox.
    pub(crate) fn fidelity(
        &self,
        prepared: &Prepared,
        proofs: &[(String, Judged)],
        context: &Context<'_>,
    ) -> Vec<Fidelity> {
        let Some(config) = self.config.as_ref().filter(|_| self.outbox.is_none()) else { return Vec::new() };
        let find = |name: &ProviderName| config.providers.iter().find(|one| one.name == *name);
        let of = |one: &ProviderConfig| {
            let verdict =
                proofs.iter().find(|(name, _)| name == one.name.as_str()).map(|(_, judged)| &judged.verdict);
            Fidelity::of(one, (&prepared.frozen, prepared.count()), verdict, context.out)
        };
        self.route.iter().filter_map(find).map(of).collect()
    }

    /// What the run is for.
    pub(crate) fn kind(&self, is_test: bool) -> RunKind {
        match (&self.outbox, is_test) {
            (Some(_), _) => RunKind::Outbox,
            (None, true) => RunKind::Test,
            (None, false) => RunKind::Real,
        }
    }
}

/// Does what was asked.
pub(crate) async fn run(asked: &Send, context: &Context<'_>) -> Done {
    let schedule = Schedule::of(asked, context)?;
    let mut way = Way::new(&asked.what, context).await?;
    let session = way.begin_session(context).await?;
    let kind = way.kind(asked.test.is_some());
    let mut prepared = Prepared::new(&asked.what, &way.identity, &*way.journal, kind, context).await?;
    prepared.begins_at = schedule.at;
    if let Some(address) = &asked.test {
        only_test_copy(&mut prepared, address)?;
    }
    for remark in &prepared.remarks {
        context.out.note(remark);
    }
    show_left_out(&prepared, 0, context).map_err(contacts::broken)?;
    somebody_is_left(&prepared, context)?;
    somebody_carries(&way.fidelity(&prepared, &[], context), context)?;
    if asked.enqueue {
        workers_may_have_it(&way, &prepared, context)?;
    }
    // Secrets are read before anybody is asked: a missing one must not come after the confirmation.
    let mut chain = way.chain(context)?;
    if let Some(config) = &way.config {
        config.opt_out_keys()?;
    }
    let admission = way.admission(asked.unauthenticated, context)?;
    somebody_may_send(&chain, admission.as_deref(), context).await?;
    let confirmed =
        if asked.test.is_some() { prepared.count() } else { confirm(&prepared, asked.confirm, context)? };
    let id = freeze(&way, &mut prepared, (asked, schedule), (kind, confirmed), context).await?;
    if asked.enqueue {
        return hand_over(&*way.journal, &id, context).await;
    }
    let record = store::run_named(&*way.journal, id.as_str(), context).await?;
    let render = frozen::renderer(&*way.journal, &record, way.config.as_ref(), &mut chain).await?;
    // A disk does not come back by waiting, and a test copy is for somebody who waits for it.
    let no_wait = asked.no_wait || kind != RunKind::Real;
    let mut policy = policy(way.config.as_ref(), asked.on_unknown.map(on_unknown), no_wait);
    if let (RunKind::Real, Some(config)) = (kind, &way.config) {
        policy.spares = warmth::spares(config, &way.route, &*way.journal, context).await?;
    }
    policy.not_after = schedule.not_after;
    context.out.note(say!(context.out, "send-begins", run = id.as_str(), count = confirmed));
    Drive { journal: way.journal, render, chain, policy, admission, session }.run(&id, context).await
}

/// So late a run may begin that has an hour, where `--max-late` says nothing: last week's release is never sent
/// because a machine comes back today.
const MAX_LATE: SignedDuration = SignedDuration::from_hours(1);

/// When a run begins, and from when on it does not begin any more.
#[derive(Clone, Copy, Default)]
struct Schedule {
    at: Option<Timestamp>,
    not_after: Option<Timestamp>,
}

impl Schedule {
    fn of(asked: &Send, context: &Context<'_>) -> Result<Self, Failure> {
        let Some(text) = &asked.at else { return Ok(Self::default()) };
        let bad = |key, text: &str| {
            let words = match key {
                "at" => say!(context.out, "schedule-at", text = text),
                _ => say!(context.out, "schedule-late", text = text),
            };
            Failure::usage("schedule", words)
        };
        let at = depeche::release::moment(text).ok_or_else(|| bad("at", text))?;
        let late = asked
            .max_late
            .as_deref()
            .map(|text| crate::config::duration(text).ok_or_else(|| bad("late", text)));
        let late =
            late.transpose()?.map(|late| SignedDuration::try_from(late).unwrap_or(SignedDuration::MAX));
        let not_after = Some(at.checked_add(late.unwrap_or(MAX_LATE)).unwrap_or(Timestamp::MAX));
        if not_after.is_some_and(|until| context.clock.now() > until) {
            return Err(Failure::guard(
                "schedule.late",
                say!(context.out, "schedule-passed", text = text.as_str()),
            ));
        }
        Ok(Self { at: Some(at), not_after })
    }
}

/// A run that ends in a campaign is sent by one process.
fn workers_may_have_it(way: &Way, prepared: &Prepared, context: &Context<'_>) -> Result<(), Failure> {
    let Some(config) = &way.config else { return Ok(()) };
    match campaign::of_route(config, &way.route, &prepared.frozen) {
        Some(name) => Err(campaign::not_for_workers(name, &way.route, "depeche send", context)),
        None => Ok(()),
    }
}

/// The workers have it from here on.
pub(super) async fn hand_over(journal: &dyn Journal, run: &RunId, context: &Context<'_>) -> Done {
    let now = context.clock.now();
    // A paused run begins again first.
    journal.set_run_state(run, RunState::Running, None, now).await?;
    journal.set_run_state(run, RunState::Waiting, None, now).await?;
    let shown = document::read(journal, run).await?;
    shown.write(Exit::Done, journal, context.out).await?;
    context.out.line(say!(context.out, "handed-over", run = run.as_str(), count = shown.totals.pending));
    journal.close().await;
    Ok(Exit::Done)
}

/// Nobody is asked to confirm a run that no provider may carry.
pub(crate) async fn somebody_may_send(
    chain: &[LinkConfig],
    admission: Option<&DomainAdmission>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let Some(admission) = admission else { return Ok(()) };
    let names: Vec<&ProviderName> = chain.iter().map(|link| link.provider.name()).collect();
    let verdicts = join_all(names.iter().map(|name| admission.judged(name))).await;
    let mut blocked = Vec::new();
    for (name, judged) in names.iter().zip(verdicts) {
        match &judged.verdict {
            Verdict::Blocked(reason) => blocked.push(format!("{name}: {reason}")),
            Verdict::Fails(reason) => {
                context.out.warn(say!(
                    context.out,
                    "plan-fails",
                    provider = name.to_string(),
                    reason = reason
                ));
            }
            Verdict::Passes => {
                let (name, legs) = (name.to_string(), judged.proved_by());
                context.out.note(say!(context.out, "plan-proved", provider = name, legs = legs));
            }
            // The run says so itself, before its first message.
            Verdict::NotChecked(_) => {}
        }
    }
    if blocked.len() < names.len() {
        return Ok(());
    }
    let out = context.out;
    Err(Failure::guard(
        "domain.unauthenticated",
        say!(out, "admission-nobody", reasons = blocked.join("\n  ")),
    )
    .with_hint(say!(out, "admission-hint")))
}

/// The user's choices: the command line's, else depeche.toml's.
pub(crate) fn policy(config: Option<&Config>, on_unknown: Option<OnUnknown>, no_wait: bool) -> Policy {
    let mut policy = config.map(|config| config.policy.clone()).unwrap_or_default();
    policy.on_unknown = on_unknown.unwrap_or(policy.on_unknown);
    policy.no_wait = no_wait;
    policy
}

pub(crate) fn on_unknown(asked: args::OnUnknown) -> OnUnknown {
    match asked {
        args::OnUnknown::Hold => OnUnknown::Hold,
        args::OnUnknown::Resend => OnUnknown::Resend,
    }
}

/// One copy to `address`, with the first contact's fields.
fn only_test_copy(prepared: &mut Prepared, address: &str) -> Result<(), Failure> {
    let address = EmailAddress::parse(address)
        .map_err(|error| Failure::usage("test.address", &error).with_hint(error.hint()))?;
    prepared.only_test_copy(address);
    Ok(())
}

/// Nobody left is exit 5 when earlier runs hold them all; a list that chooses nobody is a slip.
pub(crate) fn somebody_is_left(prepared: &Prepared, context: &Context<'_>) -> Result<(), Failure> {
    if prepared.count() > 0 {
        return Ok(());
    }
    match prepared.holder() {
        Some(run) => {
            let message = say!(context.out, "send-nobody-left", run = run.as_str());
            Err(Failure::guard("run.duplicate", message))
        }
        None => {
            let message = say!(
                context.out,
                "send-nobody",
                left_out = prepared.left_out_count(),
                not_chosen = prepared.not_chosen,
                suppressed = prepared.suppressed_count()
            );
            Err(Failure::usage("list.nobody", message))
        }
    }
}

/// Those who are left out, but for the first `known` of them.
pub(crate) fn show_left_out(prepared: &Prepared, known: usize, context: &Context<'_>) -> std::io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for row in prepared.left_out(context).skip(known) {
        let row = row?;
        let number = row["row"].as_u64().unwrap_or_default();
        let who = text(&row["address"]);
        let reason = text(&row["reason"]);
        context.out.note(say!(context.out, "left-out", row = number, who = who, reason = reason));
        if let Some(cure) = row["cure"].as_str() {
            context.out.note(context.out.hint(cure));
        }
    }
    Ok(())
}

/// On a terminal the user types the number; a script passes it.
fn confirm(prepared: &Prepared, stated: Option<u64>, context: &Context<'_>) -> Result<u64, Failure> {
    let out = context.out;
    let count = prepared.count();
    let suppressed = prepared.suppressed_count();
    let embargoed = prepared.waiting();
    let hint = format!("--confirm {count}");
    match stated {
        Some(number) if number == count => Ok(count),
        Some(number) => {
            let message = say!(out, "confirm-other", confirmed = number, count = count);
            Err(Failure::guard("confirm.count", message).with_hint(hint))
        }
        None if out.interactive => {
            out.warn(say!(
                out,
                "confirm-who",
                title = &prepared.frozen.title,
                count = count,
                suppressed = suppressed,
                embargoed = embargoed
            ));
            let answer = out.ask(&say!(out, "confirm-ask", count = count));
            if answer == count.to_string() {
                return Ok(count);
            }
            Err(Failure::guard("confirm.refused", say!(out, "confirm-refused")))
        }
        None => {
            Err(Failure::guard("confirm.missing", say!(out, "confirm-missing", count = count))
                .with_hint(hint))
        }
    }
}

/// Freezes the list; those whom another run took in the meantime are left out and shown.
async fn freeze(
    way: &Way,
    prepared: &mut Prepared,
    (asked, schedule): (&Send, Schedule),
    (kind, confirmed): (RunKind, u64),
    context: &Context<'_>,
) -> Result<RunId, Failure> {
    let date = prepared.date.clone();
    let mut number = 1;
    loop {
        let id = run_id(&date, &prepared.frozen.slug, number)?;
        let deliveries = prepared.deliveries(&way.identity, context);
        let run = new_run(way, prepared, (asked, schedule), (&id, kind, confirmed), context)?;
        match way.journal.freeze_list(run, deliveries).await {
            Ok(_) => return Ok(id),
            Err(FreezeError::RunExists(_)) => number += 1,
            Err(FreezeError::Taken(taken)) => {
                let shown = prepared.left_out_count();
                prepared.leave_out_taken(&taken).map_err(contacts::broken)?;
                show_left_out(prepared, shown, context).map_err(contacts::broken)?;
                if prepared.count() != confirmed {
                    return Err(FreezeError::CountChanged { confirmed, now: prepared.count() }.into());
                }
            }
            Err(other) => return Err(other.into()),
        }
    }
}

fn new_run(
    way: &Way,
    prepared: &Prepared,
    (asked, schedule): (&Send, Schedule),
    (id, kind, confirmed): (&RunId, RunKind, u64),
    context: &Context<'_>,
) -> Result<NewRun, Failure> {
    let date = &prepared.date;
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| Failure::new(Exit::Problems, "run.freeze", error))
    };
    let left_out = prepared.left_out(context).collect::<std::io::Result<Vec<Value>>>();
    let left_out = left_out.map_err(contacts::broken)?;
    let links_until = way.config.as_ref().and_then(|config| config.links_until(date.timestamp()));
    let kept = Kept { release: prepared.frozen.clone(), date: date.clone(), links_until };
    let settings = Settings {
        outbox: way.outbox.clone(),
        on_unknown: asked.on_unknown.map(on_unknown),
        not_after: schedule.not_after,
    };
    Ok(NewRun {
        id: id.clone(),
        kind,
        slug: prepared.frozen.slug.to_string(),
        release: shown(&asked.what.release),
        digest: prepared.frozen.digest,
        frozen: json(serde_json::to_string(&kept))?,
        assets: prepared.assets.clone(),
        route: way.route.clone(),
        left_out: json(serde_json::to_string(&left_out))?,
        settings: json(serde_json::to_string(&settings))?,
        created_at: date.timestamp(),
        again: asked.what.again,
        confirmed,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// `20261203-lancement`, then `20261203-lancement-2` …
pub(crate) fn run_id(date: &ZonedDateTime, slug: &str, number: u32) -> Result<RunId, Failure> {
    let slug: String = slug
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' })
        .take(60)
        .collect();
    let day = date.strftime("%Y%m%d");
    let name = if number == 1 { format!("{day}-{slug}") } else { format!("{day}-{slug}-{number}") };
    RunId::new(&name).map_err(|error| Failure::usage("run.name", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_called_by_its_day_and_slug() {
        let date: ZonedDateTime = "2026-12-03T08:00[Europe/Paris]".parse().unwrap();
        for (slug, number, name) in [
            ("lancement", 1, "20261203-lancement"),
            ("lancement", 3, "20261203-lancement-3"),
            ("Été 2026", 1, "20261203--t--2026"),
        ] {
            assert_eq!(run_id(&date, slug, number).unwrap().as_str(), name);
        }
    }
}
