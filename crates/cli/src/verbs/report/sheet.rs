//! Whom to ring: those about whom nobody knows, those whose provider burned with the message, those who were
//! refused or whose message bounced, by tier, with outlet, phone and the reason in plain words. It is text, so
//! that it can be printed and read when nothing else works; `--csv` and `--html` give the same as files.

use depeche::journal::{DeliveryRecord, DeliveryState};

use super::{Sink, Told, no_csv, write_safe};
use crate::context::Context;
use crate::failure::Failure;
use crate::run::overlay::{CALLS, Seen};
use crate::verbs::provider::outage;
use crate::verbs::runs::word_of_one;
use crate::verbs::sync::kind_word;
use crate::words::say;

/// A field of the contact, or nothing.
pub(super) fn field<'r>(one: &'r DeliveryRecord, name: &str) -> &'r str {
    one.fields.get(name).map_or("", String::as_str)
}

/// First and last name.
pub(super) fn name(one: &DeliveryRecord) -> String {
    format!("{} {}", field(one, "first_name"), field(one, "last_name")).trim().to_owned()
}

/// The contact's tier; nothing for one that has none.
pub(super) fn tier(one: &DeliveryRecord) -> String {
    if one.tier == u32::MAX { String::new() } else { one.tier.to_string() }
}

/// One line a call.
pub(super) async fn show(report: &Told<'_>, context: &Context<'_>) -> Result<(), Failure> {
    let mut pages = report.overlay.pages(&CALLS);
    while let Some(page) = pages.next().await? {
        for one in &page {
            let parts: Vec<String> =
                call(one, report, context).into_iter().filter(|part| !part.is_empty()).collect();
            context.out.line(parts.join("  "));
        }
    }
    Ok(())
}

/// The same as a table that no spreadsheet calculates.
pub(super) async fn csv(report: &Told<'_>, file: Sink<'_>, context: &Context<'_>) -> Result<(), Failure> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["state", "tier", "phone", "name", "outlet", "address", "why"]).map_err(no_csv)?;
    let mut pages = report.overlay.pages(&CALLS);
    while let Some(page) = pages.next().await? {
        for one in &page {
            write_safe(&mut table, &call(one, report, context))?;
        }
    }
    table.flush().map_err(|error| no_csv(error.into()))
}

fn call(one: &Seen, report: &Told<'_>, context: &Context<'_>) -> [String; 7] {
    let delivery = &one.delivery;
    [
        word_of_one(one.standing(report.shown), context),
        tier(delivery),
        field(delivery, "phone").to_owned(),
        name(delivery),
        field(delivery, "outlet").to_owned(),
        delivery.address.to_string(),
        why(one, report, context),
    ]
}

/// Why somebody must ring, in plain words.
pub(super) fn why(one: &Seen, report: &Told<'_>, context: &Context<'_>) -> String {
    let out = context.out;
    let provider = one.delivery.provider.as_ref().map(ToString::to_string).unwrap_or_default();
    let reply = out.words.library(one.delivery.reply.as_deref().unwrap_or_default());
    if let Some(burned) = &one.outage {
        let at = one.delivery.at.map(outage::shown).unwrap_or_default();
        let outage = outage::line(burned, context);
        return say!(out, "why-at-risk", provider = provider, at = at, outage = outage);
    }
    if let Some(later) = one.later.as_ref().filter(|later| later.event.kind.is_loss()) {
        let reason = later.event.reason.as_deref().unwrap_or_default();
        return told(kind_word(out, later.event.kind), reason, context);
    }
    match report.shown.state_of(&one.delivery) {
        DeliveryState::Unknown => say!(out, "why-unknown", provider = provider),
        DeliveryState::Held => told(say!(out, "why-held", provider = provider), &reply, context),
        DeliveryState::Pending => say!(out, "why-pending"),
        _ => reply,
    }
}

fn told(what: String, reason: &str, context: &Context<'_>) -> String {
    if reason.is_empty() { what } else { say!(context.out, "why-told", what = what, reason = reason) }
}
