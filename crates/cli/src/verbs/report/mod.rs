//! `report`: who got it, when, through whom, and what was told afterwards. Whoever a person must ring comes
//! first: uncertain, accepted at risk, refused, bounced.

mod chart;
mod html;
mod sheet;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use depeche::contact::csv_safe;
use depeche::journal::Journal;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::args::Report;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::long::LongDocument;
use crate::out::{Out, is_stdout};
use crate::run::document::{self, Shown};
use crate::run::overlay::{self, ORDER, Overlay, Seen};
use crate::run::store;
use crate::verbs::provider::outage;
use crate::verbs::runs::word_of_one;
use crate::verbs::sync::kind_word;
use crate::words::say;

const COLUMNS: [&str; 12] = [
    "state",
    "address",
    "outlet",
    "provider",
    "provider_id",
    "attempts",
    "at",
    "message_id",
    "reply",
    "event",
    "event_at",
    "event_reason",
];

/// Does what was asked.
pub(crate) async fn run(asked: &Report, context: &Context<'_>) -> Done {
    let on_stdout = [&asked.csv, &asked.html].into_iter().flatten().filter(|path| is_stdout(path)).count();
    if on_stdout > usize::from(!context.out.json) {
        return Err(Failure::usage("report.stdout", say!(context.out, "stdout-report")));
    }
    let config = context.config()?;
    let journal = store::open(&config, context).await?;
    let run = match &asked.run {
        Some(name) => store::run_named(&*journal, name, context).await?,
        None => {
            let newest = journal.runs().await?.into_iter().next();
            newest.ok_or_else(|| Failure::usage("run.none", say!(context.out, "runs-none")))?
        }
    };
    let mut shown = document::read(&*journal, &run.id).await?;
    shown.at_risk = overlay::at_risk(&*journal, &shown, config.at_risk).await?;
    let overlay = Overlay::read(&*journal, &shown, config.at_risk).await?;
    let report = Told { shown: &shown, journal: &*journal, overlay: &overlay };
    if let Some(file) = &asked.csv {
        write_file(file, context.out, async |file| match asked.call_sheet {
            true => sheet::csv(&report, file, context).await,
            false => report.csv(file).await,
        })
        .await?;
    }
    if let Some(file) = &asked.html {
        let only_calls = asked.call_sheet;
        let page = async |file: Sink<'_>| html::write(&report, file, only_calls, context).await;
        write_file(file, context.out, page).await?;
    }
    if on_stdout > 0 {
        return Ok(Exit::Done);
    }
    report.document(context.out).await?;
    if asked.call_sheet {
        sheet::show(&report, context).await?;
    } else if !context.out.json {
        report.show(context).await?;
    }
    Ok(Exit::Done)
}

/// A run, and where its recipients are read.
struct Told<'r> {
    shown: &'r Shown,
    journal: &'r dyn Journal,
    overlay: &'r Overlay<'r>,
}

/// A table on a terminal has so many rows; a longer run is several tables.
const TABLE: usize = 1_000;

impl Told<'_> {
    async fn csv(&self, file: Sink<'_>) -> Result<(), Failure> {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(COLUMNS).map_err(no_csv)?;
        let mut pages = self.overlay.pages(&ORDER);
        while let Some(page) = pages.next().await? {
            for one in &page {
                write_safe(&mut table, &cells(self.shown, one))?;
            }
        }
        table.flush().map_err(|error| no_csv(error.into()))
    }

    /// The one document of `--json`: that of `status`, with what was told afterwards.
    async fn document(&self, out: &Out) -> Result<(), Failure> {
        let mut summary = self.shown.summary(Exit::Done);
        let counts = &self.overlay.counts;
        let kinds: Map<String, Value> =
            counts.kinds.iter().map(|(kind, count)| (kind.to_string(), (*count).into())).collect();
        summary["after"] = json!({ "at_risk": counts.at_risk, "lost": counts.lost, "events": kinds });
        summary["outages"] = self.overlay.outages.iter().map(outage::document).collect();
        let mut document = LongDocument::new(out, summary);
        document.list("recipients");
        let mut pages = self.overlay.pages(&ORDER);
        while document.is_wanted()
            && let Some(page) = pages.next().await?
        {
            for one in &page {
                document.entry(&self.recipient(one));
            }
        }
        document.end();
        Ok(())
    }

    fn recipient(&self, one: &Seen) -> Value {
        let mut shown = self.shown.recipient(&one.delivery);
        shown["event"] = one.later.as_ref().map_or(Value::Null, |later| {
            json!({ "kind": later.event.kind.as_str(), "at": later.event.at, "seen_at": later.seen_at,
                "source": later.source.as_str(), "reason": later.event.reason })
        });
        shown["at_risk"] = one.outage.is_some().into();
        shown
    }

    async fn show(&self, context: &Context<'_>) -> Result<(), Failure> {
        super::runs::show_run(self.shown, self.journal, context).await?;
        let out = context.out;
        if let lost @ 1.. = self.overlay.counts.lost {
            out.warn(say!(out, "sync-call", count = lost, run = self.shown.run.id.as_str()));
        }
        let (mut table, mut is_shown) = (empty_table(out), false);
        let mut pages = self.overlay.pages(&ORDER);
        while let Some(page) = pages.next().await? {
            for one in &page {
                table.add_row(self.row(one, context));
                if table.row_count() == TABLE {
                    out.line(std::mem::replace(&mut table, empty_table(out)).to_string());
                    is_shown = true;
                }
            }
        }
        if table.row_count() > 0 || !is_shown {
            out.line(table.to_string());
        }
        Ok(())
    }

    fn row(&self, one: &Seen, context: &Context<'_>) -> [String; 6] {
        let (out, delivery) = (context.out, &one.delivery);
        let later = one.later.as_ref().map(|later| {
            let at = minute(later.event.at.unwrap_or(later.seen_at));
            format!("{} {at}", kind_word(out, later.event.kind))
        });
        let reply = delivery.reply.clone().unwrap_or_default();
        [
            word_of_one(one.standing(self.shown), context),
            delivery.address.to_string(),
            delivery.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
            delivery.at.map(minute).unwrap_or_default(),
            later.unwrap_or_default(),
            out.words.library(&reply),
        ]
    }
}

fn minute(at: jiff::Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn empty_table(out: &Out) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_header([
        say!(out, "column-state"),
        say!(out, "column-address"),
        say!(out, "column-provider"),
        say!(out, "column-at"),
        say!(out, "column-later"),
        say!(out, "column-reply"),
    ]);
    table
}

fn no_csv(error: csv::Error) -> Failure {
    Failure::new(Exit::Problems, "report.csv", error)
}

/// A row that no spreadsheet calculates.
fn write_safe<W: io::Write>(table: &mut csv::Writer<W>, cells: &[String]) -> Result<(), Failure> {
    let safe: Vec<Cow<'_, str>> = cells.iter().map(|cell| csv_safe(cell)).collect();
    table.write_record(safe.iter().map(|cell| cell.as_bytes())).map_err(no_csv)
}

/// Where a table or a page goes.
type Sink<'s> = &'s mut dyn io::Write;

/// Writes a file anew, or to stdout, as its content comes.
async fn write_file(
    path: &Path,
    out: &Out,
    content: impl AsyncFnOnce(Sink<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file(path, &error);
    let target: Box<dyn io::Write> = match is_stdout(path) {
        true => Box::new(out.stream()),
        false => Box::new(File::create(path).map_err(failed)?),
    };
    let mut file = BufWriter::new(target);
    content(&mut file).await?;
    file.flush().map_err(failed)
}

fn cells(shown: &Shown, one: &Seen) -> [String; 12] {
    let delivery = &one.delivery;
    let later = one.later.as_ref();
    [
        one.standing(shown).to_owned(),
        delivery.address.to_string(),
        delivery.fields.get("outlet").cloned().unwrap_or_default(),
        delivery.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
        delivery.provider_id.clone().unwrap_or_default(),
        delivery.attempts.to_string(),
        delivery.at.map(|at| at.to_string()).unwrap_or_default(),
        delivery.message_id.as_str().to_owned(),
        delivery.reply.clone().unwrap_or_default(),
        later.map(|later| later.event.kind.to_string()).unwrap_or_default(),
        later.map(|later| later.event.at.unwrap_or(later.seen_at).to_string()).unwrap_or_default(),
        later.and_then(|later| later.event.reason.clone()).unwrap_or_default(),
    ]
}
