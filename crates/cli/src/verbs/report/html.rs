//! The report as one page that needs nothing else: no script, no font, no picture from anywhere.
//!
//! It shows who must be rung, how the run went over time through which provider, where fallback began,
//! what became of each outlet and each receiving domain, and everybody with what was told later. Every value
//! is escaped by minijinja. A long list is folded, a thousand people a fold, so that the page opens at once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use serde_json::json;

use super::chart::{self, Chart, Step};
use super::sheet::{field, name, tier, why};
use super::{Sink, Told, minute};
use crate::args::Lang;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::overlay::{CALLS, Group, ORDER, Seen};
use crate::verbs::provider::outage;
use crate::verbs::runs::{word, word_of_one};
use crate::verbs::sync::kind_word;
use crate::words::say;

const PAGE: &str = include_str!("../../templates/report.html");
/// Where the page's long tables go, and a row of each.
const TO_RING: &str = "<!--to-ring-->\n";
const PEOPLE: &str = "<!--people-->\n";
const CALL: &str = r#"<tr><td class="{{ state }}">{{ word }}</td><td>{{ tier }}</td><td class="phone">{{ phone }}</td><td>{{ name }}</td><td>{{ outlet }}</td><td class="long">{{ address }}</td><td class="long">{{ why }}</td></tr>"#;
const PERSON: &str = r#"<tr><td class="{{ state }}">{{ word }}</td><td class="long">{{ address }}</td><td>{{ name }}</td><td>{{ outlet }}</td><td>{{ provider }}</td><td class="when">{{ at }}</td><td>{{ later }}</td><td class="long">{{ reply }}</td></tr>"#;
/// So many outlets and domains are shown; the rest is one row.
const MOST_ROWS: usize = 20;
/// So many people are one fold.
const FOLD: u64 = 1_000;

/// An outlet or a domain, and what became of its journalists.
#[derive(Serialize)]
struct Row {
    name: String,
    count: usize,
    delivered: usize,
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
    later: String,
    reply: String,
    why: String,
}

/// Writes the page. The rows of its two long tables come page by page, in place of their marks.
pub(super) async fn write(
    report: &Told<'_>,
    file: Sink<'_>,
    only_calls: bool,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, template) in [("report", PAGE), ("call", CALL), ("person", PERSON)] {
        environment.add_template(name, template).map_err(failed)?;
    }
    let mut rest = page(report, &environment, only_calls, context).await?;
    for (mark, row, groups) in [(TO_RING, "call", &CALLS[..]), (PEOPLE, "person", &ORDER[..])] {
        // Whatever came from a contact or a reply is escaped, and holds no mark.
        let Some((before, after)) = rest.split_once(mark) else { continue };
        file.write_all(before.as_bytes()).map_err(written)?;
        people(report, file, (row, groups), &environment, context).await?;
        rest = after.to_owned();
    }
    file.write_all(rest.as_bytes()).map_err(written)
}

fn failed(error: minijinja::Error) -> Failure {
    Failure::new(Exit::Problems, "report.html", error)
}

fn written(error: std::io::Error) -> Failure {
    Failure::new(Exit::Problems, "report.html", error)
}

/// A long table, fold after fold; the first one is open.
async fn people(
    report: &Told<'_>,
    file: Sink<'_>,
    (row, groups): (&str, &[Group]),
    environment: &Environment<'_>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let head = head(row, context);
    let template = environment.get_template(row).map_err(failed)?;
    let (mut pages, mut count) = (report.overlay.pages(groups), 0);
    while let Some(page) = pages.next().await? {
        for one in &page {
            if count % FOLD == 0 {
                let (open, end) =
                    if count == 0 { (" open", "") } else { ("", "</tbody></table></div></details>\n") };
                let from = say!(context.out, "report-fold", from = count + 1);
                let fold = format!(
                    "{end}<details{open}><summary>{from}</summary><div class=\"scroll\"><table>{head}<tbody>"
                );
                writeln!(file, "{fold}").map_err(written)?;
            }
            count += 1;
            let row = template.render(Serde(person(one, report, context))).map_err(failed)?;
            writeln!(file, "{row}").map_err(written)?;
        }
    }
    let end = if count > 0 { "</tbody></table></div></details>" } else { "" };
    writeln!(file, "{end}").map_err(written)
}

/// The names of the columns: words of our own, without anything to escape.
fn head(row: &str, context: &Context<'_>) -> String {
    let out = context.out;
    let (state, address) = (say!(out, "column-state"), say!(out, "column-address"));
    let (name, outlet) = (say!(out, "column-name"), say!(out, "column-outlet"));
    let names = match row {
        "call" => {
            vec![
                state,
                say!(out, "column-tier"),
                say!(out, "column-phone"),
                name,
                outlet,
                address,
                say!(out, "column-why"),
            ]
        }
        _ => {
            let (provider, at) = (say!(out, "column-provider"), say!(out, "column-at"));
            vec![
                state,
                address,
                name,
                outlet,
                provider,
                at,
                say!(out, "column-later"),
                say!(out, "column-reply"),
            ]
        }
    };
    let cells: String = names.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!("<thead><tr>{cells}</tr></thead>")
}

/// The page with marks where its long tables go.
async fn page(
    report: &Told<'_>,
    environment: &Environment<'_>,
    only_calls: bool,
    context: &Context<'_>,
) -> Result<String, Failure> {
    let (out, shown) = (context.out, report.shown);
    let sums =
        if only_calls { Sums::default() } else { Sums::of(report, &say!(out, "report-other")).await? };
    let audit = report.journal.audit_of(Some(&shown.run.id)).await?;
    let chart: Chart = chart::draw(sums.steps, &sums.providers, &audit, moment);
    let (totals, counts) = (&shown.totals, &report.overlay.counts);
    let to_ring =
        totals.unknown + totals.held + totals.refused + totals.pending + counts.at_risk + counts.lost;
    let lang = match out.words.lang {
        Lang::En => "en",
        Lang::Fr => "fr",
    };
    let later: Vec<_> = counts
        .kinds
        .iter()
        .map(|(kind, count)| json!({ "word": kind_word(out, *kind), "count": count }))
        .collect();
    let outages: Vec<String> =
        report.overlay.outages.iter().map(|outage| outage::line(outage, context)).collect();
    let values = json!({
        "lang": lang,
        "title": say!(out, "report-title", run = report.overlay.run().id.as_str()),
        "release": &shown.run.release,
        "state": word(shown.state.as_str(), context),
        "started": moment(shown.run.created_at),
        "made": moment(context.clock.now()),
        "totals": shown.totals,
        "at_risk": counts.at_risk,
        "lost": counts.lost,
        "later": later,
        "outages": outages,
        "words": words(context),
        "width": chart::WIDTH,
        "height": chart::HEIGHT,
        "chart": chart,
        "outlets": rows(sums.outlets),
        "domains": rows(sums.domains),
        "to_ring": to_ring > 0,
        "only_calls": only_calls,
        "is_folded": totals.recipients > FOLD,
    });
    environment.get_template("report").and_then(|template| template.render(Serde(values))).map_err(failed)
}

fn words(context: &Context<'_>) -> serde_json::Value {
    let out = context.out;
    json!({
        "accepted": word("accepted", context),
        "refused": word("refused", context),
        "unknown": word("unknown", context),
        "pending": word("pending", context),
        "suppressed": word("suppressed", context),
        "written": word("written", context),
        "at_risk": word("at-risk", context),
        "bounced": word("bounced", context),
        "delivered": say!(out, "sync-event-delivered"),
        "other": say!(out, "report-other"),
        "recipients": say!(out, "report-recipients"),
        "to_ring": say!(out, "report-to-ring"),
        "nobody": say!(out, "report-nobody-to-ring"),
        "over_time": say!(out, "report-over-time"),
        "by_outlet": say!(out, "report-by-outlet"),
        "by_domain": say!(out, "report-by-domain"),
        "everybody": say!(out, "report-everybody"),
        "accepted_is_not_delivered": say!(out, "report-not-delivered"),
        "set_aside": say!(out, "link-open"),
        "folded": say!(out, "report-folded"),
        "later": say!(out, "report-later"),
        "made": say!(out, "report-made"),
    })
}

/// What the page says of all recipients together: sixteen octets of memory for each accepted one, and
/// what outlets and domains there are.
#[derive(Default)]
struct Sums {
    /// When each was accepted, and by which of `providers`.
    steps: Vec<Step>,
    providers: Vec<String>,
    outlets: BTreeMap<String, Row>,
    domains: BTreeMap<String, Row>,
}

impl Sums {
    async fn of(report: &Told<'_>, other: &str) -> Result<Self, Failure> {
        let mut sums = Self::default();
        let mut pages = report.overlay.pages(&ORDER);
        while let Some(page) = pages.next().await? {
            for one in &page {
                sums.add(one, report, other);
            }
        }
        Ok(sums)
    }

    fn add(&mut self, one: &Seen, report: &Told<'_>, other: &str) {
        let standing = match one.standing(report.shown) {
            "accepted" if one.kind().is_some_and(|kind| kind.reached()) => "delivered",
            standing => standing,
        };
        count(&mut self.outlets, field(&one.delivery, "outlet"), standing, other);
        count(&mut self.domains, one.delivery.address.domain(), standing, other);
        let is_accepted = report.shown.state_of(&one.delivery) == depeche::journal::DeliveryState::Accepted;
        let (true, Some(at), Some(provider)) = (is_accepted, one.delivery.at, &one.delivery.provider) else {
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

fn person(one: &Seen, report: &Told<'_>, context: &Context<'_>) -> Person {
    let (delivery, standing) = (&one.delivery, one.standing(report.shown));
    let later = one.later.as_ref().map(|later| {
        format!(
            "{} {}",
            kind_word(context.out, later.event.kind),
            minute(later.event.at.unwrap_or(later.seen_at))
        )
    });
    Person {
        state: standing,
        word: word_of_one(standing, context),
        tier: tier(delivery),
        phone: field(delivery, "phone").to_owned(),
        name: name(delivery),
        outlet: field(delivery, "outlet").to_owned(),
        address: delivery.address.to_string(),
        provider: delivery.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
        at: delivery.at.map(minute).unwrap_or_default(),
        later: later.unwrap_or_default(),
        reply: context.out.words.library(delivery.reply.as_deref().unwrap_or_default()),
        why: why(one, report, context),
    }
}

/// Counts one more outcome under a name.
fn count(rows: &mut BTreeMap<String, Row>, name: &str, standing: &str, other: &str) {
    let name = if name.is_empty() { other } else { name };
    if !rows.contains_key(name) {
        rows.insert(name.to_owned(), Row::named(name));
    }
    let Some(row) = rows.get_mut(name) else { return };
    row.count += 1;
    match standing {
        "delivered" => row.delivered += 1,
        "accepted" | "written" => row.accepted += 1,
        "refused" | "bounced" => row.refused += 1,
        "unknown" | "held" | "at-risk" => row.unknown += 1,
        _ => row.other += 1,
    }
}

impl Row {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), count: 0, delivered: 0, accepted: 0, refused: 0, unknown: 0, other: 0 }
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
            delivered: sum.delivered + row.delivered,
            accepted: sum.accepted + row.accepted,
            refused: sum.refused + row.refused,
            unknown: sum.unknown + row.unknown,
            other: sum.other + row.other,
        }));
    }
    rows
}
