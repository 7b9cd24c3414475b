//! `provider outage`: a person declares that a provider is, or was, out of service.
//!
//! What it accepted shortly before, or since, is at risk (DELIVERY.md): its queue may be lost. Declaring sends
//! nothing and stops nothing; `report` shows who is at risk, and `resolve --at-risk` decides.

use depeche::journal::{Journal, Outage};
use depeche::provider::ProviderName;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::args::ProviderOutage;
use crate::config::duration;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::{document, overlay, session, store};
use crate::words::say;

/// Does what was asked.
pub(super) async fn run(asked: &ProviderOutage, context: &Context<'_>) -> Done {
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let Some(name) = &asked.name else { return list(&*journal, context).await };
    let journal = session::begin_withholding(&config, journal, context).await;
    let known =
        known(&*journal, &config.providers.iter().map(|one| one.name.clone()).collect::<Vec<_>>()).await?;
    let found = known.iter().find(|one| one.as_str() == name);
    let Some(provider) = found.cloned() else {
        let names: Vec<&str> = known.iter().map(ProviderName::as_str).collect();
        return Err(Failure::usage("route.unknown", say!(context.out, "route-unknown", name = name))
            .with_hint(say!(context.out, "config-known-words", names = names.join(", "))));
    };
    let since = asked.from.as_deref().map(|text| moment(text, context)).transpose()?;
    let exit = match (asked.withdraw, since) {
        (true, since) => withdraw(&*journal, &provider, since, asked, context).await?,
        (false, Some(since)) => declare(&*journal, provider, since, asked, context).await?,
        (false, None) => {
            let message = say!(context.out, "usage-missing", arguments = "--from <TIME>");
            let hint = format!("depeche provider outage {name} --from 09:12 --reason \"…\"");
            return Err(Failure::usage("usage", message).with_hint(hint));
        }
    };
    journal.close().await;
    Ok(exit)
}

/// The providers of depeche.toml, and those that took messages once: the one that burned may be gone from it.
async fn known(journal: &dyn Journal, stated: &[ProviderName]) -> Result<Vec<ProviderName>, Failure> {
    let mut known = stated.to_vec();
    for day in journal.accepted_by_day(Timestamp::UNIX_EPOCH).await? {
        if !known.contains(&day.provider) {
            known.push(day.provider);
        }
    }
    Ok(known)
}

async fn declare(
    journal: &dyn Journal,
    provider: ProviderName,
    since: Timestamp,
    asked: &ProviderOutage,
    context: &Context<'_>,
) -> Done {
    let (out, now) = (context.out, context.clock.now());
    let until = asked.until.as_deref().map(|text| moment(text, context)).transpose()?;
    if since > now || until.is_some_and(|until| until < since) {
        return Err(Failure::usage("outage.order", say!(out, "outage-order")));
    }
    let reason = depeche::outcome::one_line(&asked.reason);
    let outage = Outage { provider, since, until, reason, declared_at: now };
    journal.declare_outage(outage.clone()).await?;
    out.line(line(&outage, context));
    let config = context.config()?;
    let mut runs = Vec::new();
    for run in journal.runs().await? {
        let shown = document::read(journal, &run.id).await?;
        if !shown.providers.iter().any(|link| link.name == outage.provider.as_str() && link.accepted > 0) {
            continue;
        }
        let count = overlay::at_risk(journal, &shown, config.at_risk).await?.unwrap_or_default();
        if count > 0 {
            out.warn(say!(out, "end-at-risk", count = count, run = run.id.as_str()));
            runs.push(json!({ "id": run.id.as_str(), "at_risk": count }));
        }
    }
    out.document(&json!({ "version": 1, "exit": 0, "outage": document(&outage), "runs": runs }));
    Ok(Exit::Done)
}

async fn withdraw(
    journal: &dyn Journal,
    provider: &ProviderName,
    since: Option<Timestamp>,
    asked: &ProviderOutage,
    context: &Context<'_>,
) -> Done {
    let out = context.out;
    let declared = journal.outages().await?;
    let of_it: Vec<&Outage> = declared.iter().filter(|one| one.provider == *provider).collect();
    let since = match (since, of_it.as_slice()) {
        (Some(since), _) => Some(since),
        (None, [only]) => Some(only.since),
        (None, _) => None,
    };
    let reason = depeche::outcome::one_line(&asked.reason);
    let is_gone = match since {
        Some(since) => journal.withdraw_outage(provider, since, &reason, context.clock.now()).await?,
        None => false,
    };
    if !is_gone {
        let message = say!(out, "outage-none", name = provider.as_str(), count = of_it.len());
        return Err(
            Failure::new(Exit::Problems, "outage.none", message).with_hint(say!(out, "outage-none-hint"))
        );
    }
    out.document(
        &json!({ "version": 1, "exit": 0, "withdrawn": { "provider": provider.as_str(), "since": since } }),
    );
    out.line(say!(out, "outage-withdrawn", name = provider.as_str()));
    Ok(Exit::Done)
}

async fn list(journal: &dyn Journal, context: &Context<'_>) -> Done {
    let outages = journal.outages().await?;
    for outage in &outages {
        context.out.line(line(outage, context));
    }
    if outages.is_empty() {
        context.out.note(say!(context.out, "outages-none"));
    }
    let shown: Vec<Value> = outages.iter().map(document).collect();
    context.out.document(&json!({ "version": 1, "exit": 0, "outages": shown }));
    Ok(Exit::Done)
}

/// An outage, for people.
pub(in crate::verbs) fn line(outage: &Outage, context: &Context<'_>) -> String {
    let (out, name, since) = (context.out, outage.provider.as_str(), shown(outage.since));
    let told = match outage.until {
        Some(until) => say!(out, "outage-was", name = name, since = since, until = shown(until)),
        None => say!(out, "outage-is", name = name, since = since),
    };
    if outage.reason.is_empty() { told } else { format!("{told} ({})", outage.reason) }
}

/// An outage, for `--json`.
pub(in crate::verbs) fn document(outage: &Outage) -> Value {
    json!({ "provider": outage.provider.as_str(), "since": outage.since, "until": outage.until,
        "reason": outage.reason, "declared_at": outage.declared_at })
}

/// A moment of the past, on this machine's clock, to the minute.
pub(in crate::verbs) fn shown(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `09:12` (today, or yesterday when that is still to come), a local date and time, one with its zone, a
/// moment of RFC 3339, or a length of time back from now.
fn moment(text: &str, context: &Context<'_>) -> Result<Timestamp, Failure> {
    read_moment(text, context.clock.now(), &TimeZone::system())
        .ok_or_else(|| Failure::usage("outage.time", say!(context.out, "outage-time", text = text)))
}

fn read_moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let back = || {
        let back = duration(text.trim_end_matches(" ago").trim())?;
        now.checked_sub(SignedDuration::try_from(back).ok()?).ok()
    };
    let today = || {
        let time = Time::strptime("%H:%M", text).ok()?;
        let at = |day: jiff::civil::Date| {
            Some(day.to_datetime(time).to_zoned_datetime(zone.clone()).ok()?.timestamp())
        };
        let day = now.to_zoned_datetime(zone.clone()).date();
        at(day).filter(|at| *at <= now).or_else(|| at(day.yesterday().ok()?))
    };
    let local = || {
        let there = DateTime::strptime("%Y-%m-%d %H:%M", text).ok()?;
        Some(there.to_zoned_datetime(zone.clone()).ok()?.timestamp())
    };
    back()
        .or_else(today)
        .or_else(local)
        .or_else(|| depeche::release::moment(text))
        .or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_say_it() {
        let now: Timestamp = "2026-12-03T08:30:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Paris").unwrap();
        for (text, at) in [
            ("09:12", Some("2026-12-03T08:12:00Z")),
            // Half past ten in Paris is still to come: it was yesterday's.
            ("10:30", Some("2026-12-02T09:30:00Z")),
            ("2h", Some("2026-12-03T06:30:00Z")),
            ("2h ago", Some("2026-12-03T06:30:00Z")),
            ("2026-12-03 09:12", Some("2026-12-03T08:12:00Z")),
            ("2026-12-03 09:12 UTC", Some("2026-12-03T09:12:00Z")),
            ("2026-12-03T09:12:00Z", Some("2026-12-03T09:12:00Z")),
            ("this morning", None),
        ] {
            assert_eq!(read_moment(text, now, &zone), at.map(|at| at.parse().unwrap()), "{text}");
        }
    }
}
