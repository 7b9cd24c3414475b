//! `plan`: exactly what `send` would do, and sends nothing.

use depeche::domain::outage::Survey;
use depeche::domain::report;
use depeche::forecast::{Share, forecast, within_quota};
use depeche::journal::BreakerRecord;
use depeche::message::Message;
use depeche::provider::ProviderName;
use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::send::{Way, show_left_out, somebody_is_left};
use crate::args::Plan;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::long::LongDocument;
use crate::out::is_stdout;
use crate::run::admission::{Judged, Verdict};
use crate::run::fidelity::{Fidelity, somebody_carries};
use crate::run::outage;
use crate::run::pace::Planned;
use crate::run::prepare::Prepared;
use crate::run::quota::{self, Heard};
use crate::run::warmth::{Warm, Warning};
use crate::verbs::{config, contacts, domain, release};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(asked: &Plan, context: &Context<'_>) -> Done {
    let is_page = asked.html.as_deref().is_some_and(is_stdout);
    if is_page && context.out.json {
        return Err(Failure::usage("plan.stdout", say!(context.out, "stdout-plan")));
    }
    let way = Way::new(&asked.what, context).await?;
    let prepared = Prepared::new(&asked.what, &way.identity, &*way.journal, way.kind(false), context).await?;
    somebody_is_left(&prepared, context)?;
    let proofs = proofs(&way, context).await?;
    let fidelity = way.fidelity(&prepared, &proofs, context);
    somebody_carries(&fidelity, context)?;
    if let Some(file) = &asked.html {
        let page = depeche::release::preview(&one_message(asked, &way, &prepared, context)?);
        if is_page {
            context.out.raw(&page);
            return Ok(Exit::Done);
        }
        contacts::save(file, page.as_bytes())?;
    }
    let surveys = surveys(asked, &way, &prepared, context).await?;
    let breakers = way.journal.breakers().await?;
    let warm = Warm::of(
        way.config.as_ref().filter(|_| way.outbox.is_none()),
        &way.route,
        &*way.journal,
        &prepared,
        context,
    )
    .await?;
    let quotas = quotas(&way, context).await?;
    let (shares, waits) = shares(&way, &fidelity, (&warm, &quotas), prepared.count(), context).await?;
    let mut shown = head(&way, &prepared, &breakers, &proofs, asked);
    shown["forecast"] = shares.iter().map(|(name, share)| {
        json!({ "provider": name, "count": share.messages, "seconds": share.lasts.map(|lasts| lasts.as_secs()) })
    }).collect();
    shown["forecast_waits"] = json!(waits);
    shown["quotas"] = quotas.iter().map(|(name, heard)| heard.document(name)).collect();
    let paces = Planned::of(way.config.as_ref().filter(|_| way.outbox.is_none()), &prepared)?;
    shown["pace"] = paces.documents().into();
    shown["spares"] = warm.documents();
    shown["warnings"] = warm.warnings.iter().map(Warning::document).collect();
    shown["changes"] = fidelity.iter().flat_map(Fidelity::documents).collect();
    let lang = domain::language(context);
    if !surveys.is_empty() {
        shown["assume_down"] = surveys.iter().map(|one| report::outage_document(one, lang)).collect();
    }
    if context.out.json {
        write_document(shown, &prepared, context).map_err(contacts::broken)?;
    } else {
        show(&way, &prepared, &breakers, &proofs, context).map_err(contacts::broken)?;
        show_changes(&fidelity, context);
        warm.show(context);
        quotas.iter().for_each(|(name, heard)| context.out.line(heard.line(name, context)));
        show_forecast(&shares, waits, context);
        paces.show(context);
        surveys.iter().for_each(|one| context.out.raw(&report::outage_text(one, lang)));
        context.out.line(say!(context.out, "plan-nothing-sent", count = prepared.count()));
    }
    way.journal.close().await;
    Ok(Exit::Done)
}

/// What one recipient will see.
fn one_message(
    asked: &Plan,
    way: &Way,
    prepared: &Prepared,
    context: &Context<'_>,
) -> Result<Message, Failure> {
    let read = release::read(&asked.what.release)?;
    let assets = release::assets(&read, &asked.what.release)?;
    let parts = (&read, &assets, asked.what.release.as_path());
    let first = prepared.contacts().next().transpose().map_err(contacts::broken)?;
    release::message_for(parts, &way.identity, first.as_ref(), context)
}

/// What stands without each of `--assume-down`; an outbox rests on nobody.
async fn surveys(
    asked: &Plan,
    way: &Way,
    prepared: &Prepared,
    context: &Context<'_>,
) -> Result<Vec<Survey>, Failure> {
    match way.config.as_ref().filter(|_| way.outbox.is_none() && !asked.assume_down.is_empty()) {
        Some(config) => {
            let message = one_message(asked, way, prepared, context)?;
            outage::surveys(&asked.assume_down, &way.route, config, &message, context).await
        }
        None => Ok(Vec::new()),
    }
}

fn links(way: &Way, breakers: &[BreakerRecord]) -> Vec<Value> {
    let set_aside = |name: &str| {
        let record = breakers.iter().find(|record| record.provider.as_str() == name);
        record.and_then(|record| record.open_since)
    };
    let Some(config) = way.config.as_ref().filter(|_| way.outbox.is_none()) else {
        let folder = way.outbox.as_ref().map(|folder| folder.display().to_string());
        return vec![json!({ "name": "outbox", "kind": "outbox", "folder": folder })];
    };
    let find = |name: &ProviderName| config.providers.iter().find(|one| one.name == *name);
    let shown = way.route.iter().filter_map(find).map(|one| {
        let mut shown = config::provider(one);
        shown["set_aside_since"] = json!(set_aside(one.name.as_str()));
        shown
    });
    shown.collect()
}

/// What the providers of the route said of their accounts, in its order.
async fn quotas(way: &Way, context: &Context<'_>) -> Result<Vec<(ProviderName, Heard)>, Failure> {
    if way.outbox.is_some() {
        return Ok(Vec::new());
    }
    let heard = quota::heard(&*way.journal, context.clock.now()).await?;
    let of = |name: &ProviderName| heard.iter().find(|(other, _)| other == name).cloned();
    Ok(way.route.iter().filter_map(of).collect())
}

/// Who would take how many, and for how long, from what the journal says of the windows.
async fn shares(
    way: &Way,
    fidelity: &[Fidelity],
    (warm, quotas): (&Warm, &[(ProviderName, Heard)]),
    count: u64,
    context: &Context<'_>,
) -> Result<(Vec<(String, Share)>, u64), Failure> {
    let Some(config) = way.config.as_ref().filter(|_| way.outbox.is_none()) else {
        return Ok((Vec::new(), 0));
    };
    let now = context.clock.now();
    let (mut names, mut windows) = (Vec::new(), Vec::new());
    let carries =
        |name: &ProviderName| fidelity.iter().all(|one| one.carries || one.provider != name.as_str());
    for name in way.route.iter().filter(|name| carries(name)) {
        let Some(one) = config.providers.iter().find(|one| one.name == *name) else { continue };
        let heard = quotas.iter().find(|(other, _)| other == name).map(|(_, heard)| heard);
        // A quota is told of a day, whatever windows the user stated.
        let day = SignedDuration::from_hours(heard.map_or(0, |_| 25));
        let usage = way.journal.usage(name, now - one.limits.horizon().max(day)).await?;
        let limits =
            heard.map_or(one.limits, |heard| within_quota(&one.limits, &usage, heard.quota, heard.at, now));
        names.push(name.to_string());
        windows.push((limits, usage));
    }
    // The spares have their share of the list; the chain takes the rest in its order.
    let (mut shares, waits) = forecast(&windows, count - warm.total(), now);
    for (name, share) in names.iter().zip(&mut shares) {
        share.messages += warm.count_of(name);
    }
    Ok((names.into_iter().zip(shares).collect(), waits))
}

fn show_changes(fidelity: &[Fidelity], context: &Context<'_>) {
    let out = context.out;
    for one in fidelity {
        for (_, change) in &one.changes {
            out.line(say!(out, "plan-changes", provider = &one.provider, change = change));
        }
        if !one.carries {
            // Somebody carries it, or there is no plan.
            let others = fidelity.iter().filter(|other| other.carries);
            let others: Vec<&str> = others.map(|other| other.provider.as_str()).collect();
            let others = (others.len() as u64, others.join(", "));
            let provider = &one.provider;
            out.line(say!(out, "plan-passed-over", provider = provider, count = others.0, others = others.1));
        }
    }
}

fn show_forecast(shares: &[(String, Share)], waits: u64, context: &Context<'_>) {
    let out = context.out;
    for (name, share) in shares.iter().filter(|(_, share)| share.messages > 0) {
        let count = share.messages;
        out.line(match share.lasts {
            Some(lasts) if lasts.as_secs() >= 60 => {
                say!(
                    out,
                    "plan-share-minutes",
                    provider = name,
                    count = count,
                    minutes = lasts.as_secs().div_ceil(60)
                )
            }
            _ => say!(out, "plan-share", provider = name, count = count),
        });
    }
    if waits > 0 {
        out.line(say!(out, "plan-waits", count = waits));
    }
}

/// What is known of each provider's mail.
async fn proofs(way: &Way, context: &Context<'_>) -> Result<Vec<(String, Judged)>, Failure> {
    let Some(admission) = way.admission(false, context)? else { return Ok(Vec::new()) };
    let verdicts = join_all(way.route.iter().map(|name| admission.judged(name))).await;
    Ok(way.route.iter().map(ToString::to_string).zip(verdicts).collect())
}

/// The document without its lists.
fn head(
    way: &Way,
    prepared: &Prepared,
    breakers: &[BreakerRecord],
    proofs: &[(String, Judged)],
    asked: &Plan,
) -> Value {
    let authenticated: Vec<Value> = proofs
        .iter()
        .map(|(name, Judged { verdict, legs })| {
            json!({ "provider": name, "verdict": verdict.word(), "reason": verdict.reason(), "legs": legs })
        })
        .collect();
    json!({
        "version": 1,
        "exit": 0,
        "release": { "file": asked.what.release.display().to_string(), "title": prepared.frozen.title,
            "slug": prepared.frozen.slug, "lang": prepared.frozen.lang, "embargo": prepared.frozen.embargo },
        "count": prepared.count(),
        "suppressed": prepared.suppressed_count(),
        "not_chosen": prepared.not_chosen,
        "under_embargo": prepared.waiting(),
        "route": links(way, breakers),
        "checks": { "lint": prepared.remarks, "authenticated": authenticated },
    })
}

fn write_document(head: Value, prepared: &Prepared, context: &Context<'_>) -> std::io::Result<()> {
    let mut document = LongDocument::new(context.out, head);
    document.list("left_out");
    for row in prepared.left_out(context) {
        document.entry(&row?);
    }
    document.list("recipients");
    for (place, contact) in prepared.contacts().enumerate() {
        let contact = contact?;
        document.entry(&json!({ "address": contact.address.to_string(), "row": contact.row,
            "suppressed": prepared.is_suppressed(place),
            "tier": (contact.tier != u32::MAX).then_some(contact.tier),
            "not_before": prepared.not_before(&contact) }));
    }
    document.end();
    Ok(())
}

fn show(
    way: &Way,
    prepared: &Prepared,
    breakers: &[BreakerRecord],
    proofs: &[(String, Judged)],
    context: &Context<'_>,
) -> std::io::Result<()> {
    let out = context.out;
    show_left_out(prepared, 0, context)?;
    out.line(&prepared.frozen.title);
    out.line(say!(
        out,
        "plan-count",
        count = prepared.count(),
        suppressed = prepared.suppressed_count(),
        left_out = prepared.left_out_count(),
        not_chosen = prepared.not_chosen
    ));
    if prepared.waiting() > 0 {
        out.line(say!(out, "plan-embargo", count = prepared.waiting()));
    }
    for (place, link) in links(way, breakers).iter().enumerate() {
        let limits = link["limits"].as_object().into_iter().flatten();
        let limits: Vec<String> = limits
            .filter(|(_, limit)| !limit.is_null())
            .map(|(name, limit)| format!("{name} {limit}"))
            .collect();
        let name = link["name"].as_str().unwrap_or_default();
        let kind = link["kind"].as_str().unwrap_or_default();
        let line =
            say!(out, "plan-link", place = place + 1, name = name, kind = kind, limits = limits.join(", "));
        out.line(line.trim_end());
    }
    for (name, judged) in proofs {
        let reason = judged.verdict.reason();
        out.line(match &judged.verdict {
            Verdict::Passes => say!(out, "plan-proved", provider = name, legs = judged.proved_by()),
            Verdict::Fails(_) => say!(out, "plan-fails", provider = name, reason = reason),
            Verdict::Blocked(_) => say!(out, "told-blocked", provider = name, reason = reason),
            Verdict::NotChecked(_) => say!(out, "told-not-checked", provider = name, reason = reason),
        });
    }
    for (place, contact) in prepared.contacts().enumerate() {
        let address = contact?.address.to_string();
        out.line(match prepared.is_suppressed(place) {
            true => say!(out, "plan-suppressed", address = address),
            false => format!("  {address}"),
        });
    }
    for remark in &prepared.remarks {
        out.note(remark);
    }
    Ok(())
}
