//! The report as one page that needs nothing else: no script, no font, no picture from anywhere.
//!
//! It shows who must be rung, how the run went over time through which provider, where fallback began,
//! and what became of each outlet and each receiving domain. Every value is escaped by minijinja.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use depeche::journal::{DeliveryRecord, DeliveryState};
use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde_json::json;

use super::sheet::{CALLS, field, name};
use super::{ORDER, Told};
use crate::args::Lang;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::document::{Pages, Shown};
use crate::verbs::runs::word;
use crate::words::say;

const PAGE: &str = include_str!("../../templates/report.html");
/// Where the page's long tables go, and a row of each.
const TO_RING: &str = "<!--to-ring-->\n";
const PEOPLE: &str = "<!--people-->\n";
const CALL: &str = r#"<tr><td class="{{ state }}">{{ word }}</td><td>{{ tier }}</td><td>{{ phone }}</td><td>{{ name }}</td><td>{{ outlet }}</td><td>{{ address }}</td><td>{{ reply }}</td></tr>"#;
const PERSON: &str = r#"<tr><td class="{{ state }}">{{ word }}</td><td>{{ address }}</td><td>{{ name }}</td><td>{{ outlet }}</td><td>{{ provider }}</td><td>{{ at }}</td><td>{{ reply }}</td></tr>"#;
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

/// Writes the page. The rows of its two long tables come page by page, in place of their marks.
pub(super) async fn write(
    report: &Told<'_>,
    file: &mut BufWriter<File>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let written = |error: std::io::Error| Failure::new(Exit::Problems, "report.html", error);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, template) in [("report", PAGE), ("call", CALL), ("person", PERSON)] {
        environment.add_template(name, template).map_err(failed)?;
    }
    let mut rest = page(report, &environment, context).await?;
    for (mark, row, states) in [(TO_RING, "call", &CALLS[..]), (PEOPLE, "person", &ORDER[..])] {
        // Whatever came from a contact or a reply is escaped, and holds no mark.
        let Some((before, after)) = rest.split_once(mark) else { continue };
        file.write_all(before.as_bytes()).map_err(written)?;
        let template = environment.get_template(row).map_err(failed)?;
        let mut pages = report.pages_of(states);
        while let Some(page) = pages.next().await? {
            for one in &page {
                let row = template.render(Serde(person(one, report.shown, context))).map_err(failed)?;
                writeln!(file, "{row}").map_err(written)?;
            }
        }
        rest = after.to_owned();
    }
    file.write_all(rest.as_bytes()).map_err(written)
}

fn failed(error: minijinja::Error) -> Failure {
    Failure::new(Exit::Problems, "report.html", error)
}

/// The page with marks where its long tables go.
async fn page(
    report: &Told<'_>,
    environment: &Environment<'_>,
    context: &Context<'_>,
) -> Result<String, Failure> {
    let (out, shown) = (context.out, report.shown);
    let sums = Sums::of(report, &say!(out, "report-other")).await?;
    let (curves, turns) = progress(sums.steps, &sums.providers);
    let totals = &shown.totals;
    let to_ring = totals.unknown + totals.held + totals.refused + totals.pending > 0;
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
        "outlets": rows(sums.outlets),
        "domains": rows(sums.domains),
        "to_ring": to_ring,
    });
    environment.get_template("report").and_then(|template| template.render(Serde(values))).map_err(failed)
}

/// What the page says of all recipients together: sixteen octets of memory for each accepted one, and
/// what outlets and domains there are.
#[derive(Default)]
struct Sums {
    /// When each was accepted, and by which of `providers`.
    steps: Vec<(Timestamp, u16)>,
    providers: Vec<String>,
    outlets: BTreeMap<String, Row>,
    domains: BTreeMap<String, Row>,
}

impl Sums {
    async fn of(report: &Told<'_>, other: &str) -> Result<Self, Failure> {
        let mut sums = Self::default();
        let mut pages = Pages::all(report.journal, &report.shown.run.id);
        while let Some(page) = pages.next().await? {
            for one in &page {
                sums.add(one, report.shown.state_of(one), other);
            }
        }
        Ok(sums)
    }

    fn add(&mut self, one: &DeliveryRecord, state: DeliveryState, other: &str) {
        count(&mut self.outlets, field(one, "outlet"), state, other);
        count(&mut self.domains, one.address.domain(), state, other);
        let (DeliveryState::Accepted, Some(at), Some(provider)) = (state, one.at, &one.provider) else {
            return;
        };
        let place = self.providers.iter().position(|name| name == provider.as_str()).unwrap_or_else(|| {
            self.providers.push(provider.to_string());
            self.providers.len() - 1
        });
        self.steps.push((at, u16::try_from(place).unwrap_or(u16::MAX)));
    }
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
fn progress(mut steps: Vec<(Timestamp, u16)>, providers: &[String]) -> (Vec<Curve>, Vec<Turn>) {
    let name = |place: u16| providers.get(usize::from(place)).map_or("", String::as_str);
    steps.sort_unstable_by(|one, other| one.0.cmp(&other.0).then_with(|| name(one.1).cmp(name(other.1))));
    let (Some(first), Some(last)) = (steps.first().map(|step| step.0), steps.last().map(|step| step.0))
    else {
        return (Vec::new(), Vec::new());
    };
    let span = (last.as_millisecond() - first.as_millisecond()).max(1) as f64;
    let x = |at: Timestamp| rounded((at.as_millisecond() - first.as_millisecond()) as f64 / span * WIDTH);
    let y = |count: usize| rounded(HEIGHT - count as f64 / steps.len() as f64 * HEIGHT);
    let mut curves: BTreeMap<u16, (usize, String)> = BTreeMap::new();
    let mut order: Vec<u16> = Vec::new();
    let mut turns = Vec::new();
    for (at, provider) in &steps {
        if !order.contains(provider) {
            if !order.is_empty() {
                turns.push(Turn { x: x(*at), label: name(*provider).to_owned() });
            }
            order.push(*provider);
        }
        let (count, points) = curves.entry(*provider).or_default();
        draw(points, x(*at), y(*count));
        *count += 1;
        draw(points, x(*at), y(*count));
    }
    let curve = |(place, provider): (usize, &u16)| {
        let (accepted, points) = curves.get(provider).cloned().unwrap_or_default();
        Curve { name: name(*provider).to_owned(), colour: COLOURS[place % COLOURS.len()], accepted, points }
    };
    (order.iter().enumerate().map(curve).collect(), turns)
}

/// Adds a point, unless it is where the line ends: a long run has no more points than places.
fn draw(points: &mut String, x: f64, y: f64) {
    let point = format!("{x},{y} ");
    if !points.ends_with(&format!(" {point}")) && *points != point {
        points.push_str(&point);
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Counts one more outcome under a name.
fn count(rows: &mut BTreeMap<String, Row>, name: &str, state: DeliveryState, other: &str) {
    let name = if name.is_empty() { other } else { name };
    if !rows.contains_key(name) {
        rows.insert(name.to_owned(), Row::named(name));
    }
    let Some(row) = rows.get_mut(name) else { return };
    row.count += 1;
    match state {
        DeliveryState::Accepted | DeliveryState::Written => row.accepted += 1,
        DeliveryState::Refused => row.refused += 1,
        DeliveryState::Unknown | DeliveryState::Held | DeliveryState::Intent => row.unknown += 1,
        _ => row.other += 1,
    }
}

impl Row {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), count: 0, accepted: 0, refused: 0, unknown: 0, other: 0 }
    }
}

/// The largest first; the many small ones are one row.
fn rows(by_name: BTreeMap<String, Row>) -> Vec<Row> {
    let mut rows: Vec<Row> = by_name.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    if rows.len() > MOST_ROWS {
        let rest = rows.split_off(MOST_ROWS - 1);
        rows.push(rest.into_iter().fold(Row::named("…"), |sum, row| Row {
            name: sum.name,
            count: sum.count + row.count,
            accepted: sum.accepted + row.accepted,
            refused: sum.refused + row.refused,
            unknown: sum.unknown + row.unknown,
            other: sum.other + row.other,
        }));
    }
    rows
}
