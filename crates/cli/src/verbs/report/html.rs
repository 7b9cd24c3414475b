//! The report as one page that needs nothing else: no script, no font, no picture from anywhere.
//!
//! It shows who must be rung, how the run went over time through which provider, where fallback began,
//! and what became of each outlet and each receiving domain. Every value is escaped by minijinja.

use std::collections::BTreeMap;

use depeche::journal::{DeliveryRecord, DeliveryState};
use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde_json::json;

use super::sheet::{calls, field, name};
use crate::args::Lang;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::document::Shown;
use crate::verbs::runs::word;
use crate::words::say;

const PAGE: &str = include_str!("../../templates/report.html");
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
/// Readable beside each other, for the colour-blind too (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// So many outlets and domains are shown; the rest is one row.
const MOST_ROWS: usize = 20;

/// One provider's way through the run.
#[derive(Serialize)]
struct Curve {
    name: String,
    colour: &'static str,
    accepted: usize,
    points: String,
}

/// Where another provider began to carry the run.
#[derive(Serialize)]
struct Turn {
    x: f64,
    label: String,
}

/// An outlet or a domain, and what became of its journalists.
#[derive(Serialize)]
struct Row {
    name: String,
    count: usize,
    accepted: usize,
    refused: usize,
    unknown: usize,
    other: usize,
}

/// A journalist, as the page shows one.
#[derive(Serialize)]
struct Person {
    state: &'static str,
    word: String,
    tier: String,
    phone: String,
    name: String,
    outlet: String,
    address: String,
    provider: String,
    at: String,
    reply: String,
}

/// The page.
pub(super) fn page(shown: &Shown, context: &Context<'_>) -> Result<String, Failure> {
    let out = context.out;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let failed = |error: minijinja::Error| Failure::new(Exit::Problems, "report.html", error);
    environment.add_template("report", PAGE).map_err(failed)?;
    let (curves, turns) = progress(&shown.recipients);
    let people: Vec<Person> = shown.recipients.iter().map(|one| person(one, shown, context)).collect();
    let to_ring: Vec<Person> = calls(shown).iter().map(|call| person(call.one, shown, context)).collect();
    let lang = match out.words.lang {
        Lang::En => "en",
        Lang::Fr => "fr",
    };
    let values = json!({
        "lang": lang,
        "title": say!(out, "report-title", run = shown.run.id.as_str()),
        "release": &shown.run.release,
        "state": word(shown.state.as_str(), context),
        "started": moment(shown.run.created_at),
        "totals": shown.totals,
        "words": {
            "accepted": word("accepted", context),
            "refused": word("refused", context),
            "unknown": word("unknown", context),
            "pending": word("pending", context),
            "suppressed": word("suppressed", context),
            "written": word("written", context),
            "other": say!(out, "report-other"),
            "recipients": say!(out, "report-recipients"),
            "to_ring": say!(out, "report-to-ring"),
            "over_time": say!(out, "report-over-time"),
            "by_outlet": say!(out, "report-by-outlet"),
            "by_domain": say!(out, "report-by-domain"),
            "everybody": say!(out, "report-everybody"),
            "accepted_is_not_delivered": say!(out, "report-not-delivered"),
        },
        "width": WIDTH,
        "height": HEIGHT,
        "curves": curves,
        "turns": turns,
        "outlets": rows(shown, |one| field(one, "outlet").to_owned(), &say!(out, "report-other")),
        "domains": rows(shown, |one| one.address.domain().to_owned(), &say!(out, "report-other")),
        "to_ring": to_ring,
        "people": people,
    });
    environment.get_template("report").and_then(|template| template.render(Serde(values))).map_err(failed)
}

fn moment(at: Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

fn person(one: &DeliveryRecord, shown: &Shown, context: &Context<'_>) -> Person {
    let state = shown.state_of(one);
    Person {
        state: state.as_str(),
        word: word(state.as_str(), context),
        tier: if one.tier == u32::MAX { String::new() } else { one.tier.to_string() },
        phone: field(one, "phone").to_owned(),
        name: name(one),
        outlet: field(one, "outlet").to_owned(),
        address: one.address.to_string(),
        provider: one.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
        at: one.at.map(moment).unwrap_or_default(),
        reply: one.reply.clone().unwrap_or_default(),
    }
}

/// How many each provider accepted, over time; and where the run went on with another one.
fn progress(recipients: &[DeliveryRecord]) -> (Vec<Curve>, Vec<Turn>) {
    let accepted = recipients.iter().filter(|one| one.state == DeliveryState::Accepted);
    let mut steps: Vec<(Timestamp, String)> =
        accepted.filter_map(|one| Some((one.at?, one.provider.as_ref()?.to_string()))).collect();
    steps.sort();
    let (Some(first), Some(last)) = (steps.first().map(|step| step.0), steps.last().map(|step| step.0))
    else {
        return (Vec::new(), Vec::new());
    };
    let span = (last.as_millisecond() - first.as_millisecond()).max(1) as f64;
    let x = |at: Timestamp| rounded((at.as_millisecond() - first.as_millisecond()) as f64 / span * WIDTH);
    let y = |count: usize| rounded(HEIGHT - count as f64 / steps.len() as f64 * HEIGHT);
    let mut curves: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    let mut turns = Vec::new();
    for (at, provider) in &steps {
        if !order.contains(&provider.as_str()) {
            if !order.is_empty() {
                turns.push(Turn { x: x(*at), label: provider.clone() });
            }
            order.push(provider);
        }
        let (count, points) = curves.entry(provider).or_default();
        points.push_str(&format!("{},{} ", x(*at), y(*count)));
        *count += 1;
        points.push_str(&format!("{},{} ", x(*at), y(*count)));
    }
    let curve = |(place, name): (usize, &&str)| {
        let (accepted, points) = curves.get(name).cloned().unwrap_or_default();
        Curve { name: (*name).to_owned(), colour: COLOURS[place % COLOURS.len()], accepted, points }
    };
    (order.iter().enumerate().map(curve).collect(), turns)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Outcomes by some name, the largest first; the many small ones are one row.
fn rows(shown: &Shown, of: impl Fn(&DeliveryRecord) -> String, other: &str) -> Vec<Row> {
    let mut by_name: BTreeMap<String, Row> = BTreeMap::new();
    for one in &shown.recipients {
        let name = of(one);
        let name = if name.is_empty() { other.to_owned() } else { name };
        let row = by_name.entry(name.clone()).or_insert(Row {
            name,
            count: 0,
            accepted: 0,
            refused: 0,
            unknown: 0,
            other: 0,
        });
        row.count += 1;
        match shown.state_of(one) {
            DeliveryState::Accepted | DeliveryState::Written => row.accepted += 1,
            DeliveryState::Refused => row.refused += 1,
            DeliveryState::Unknown | DeliveryState::Held | DeliveryState::Intent => row.unknown += 1,
            _ => row.other += 1,
        }
    }
    let mut rows: Vec<Row> = by_name.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    if rows.len() > MOST_ROWS {
        let rest = rows.split_off(MOST_ROWS - 1);
        rows.push(rest.into_iter().fold(
            Row { name: "…".to_owned(), count: 0, accepted: 0, refused: 0, unknown: 0, other: 0 },
            |sum, row| Row {
                name: sum.name,
                count: sum.count + row.count,
                accepted: sum.accepted + row.accepted,
                refused: sum.refused + row.refused,
                unknown: sum.unknown + row.unknown,
                other: sum.other + row.other,
            },
        ));
    }
    rows
}
