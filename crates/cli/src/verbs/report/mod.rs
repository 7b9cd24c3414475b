//! `report`: who got it, when, through whom; refused and unknown first.

mod html;
mod sheet;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use depeche::contact::csv_safe;
use depeche::journal::{DeliveryRecord, DeliveryState, Journal};
use jiff::tz::TimeZone;

use crate::args::Report;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::out::Out;
use crate::run::document::{self, Pages, Shown};
use crate::run::store;
use crate::verbs::runs::word_of_one;
use crate::words::say;

const COLUMNS: [&str; 9] =
    ["state", "address", "outlet", "provider", "provider_id", "attempts", "at", "message_id", "reply"];

/// Does what was asked.
pub(crate) async fn run(asked: &Report, context: &Context<'_>) -> Done {
    let journal = store::open(&context.config()?, context).await?;
    let run = match &asked.run {
        Some(name) => store::run_named(&*journal, name, context).await?,
        None => {
            let newest = journal.runs().await?.into_iter().next();
            newest.ok_or_else(|| Failure::usage("run.none", say!(context.out, "runs-none")))?
        }
    };
    let shown = document::read(&*journal, &run.id).await?;
    let report = Told { shown: &shown, journal: &*journal };
    if let Some(file) = &asked.csv {
        write_file(file, async |file| report.csv(file).await).await?;
    }
    if let Some(file) = &asked.html {
        write_file(file, async |file| html::write(&report, file, context).await).await?;
    }
    let exit = Exit::Done;
    shown.write_in_order(exit, report.pages(), context.out).await?;
    if asked.call_sheet {
        sheet::show(&report, context).await?;
    } else if !context.out.json {
        report.show(context).await?;
    }
    Ok(exit)
}

/// A run, and where its recipients are read.
struct Told<'r> {
    shown: &'r Shown,
    journal: &'r dyn Journal,
}

/// What a person must see first.
const ORDER: [&[DeliveryState]; 5] = [
    &[DeliveryState::Unknown, DeliveryState::Held],
    &[DeliveryState::Refused],
    &[DeliveryState::Pending],
    &[DeliveryState::Suppressed, DeliveryState::Cancelled],
    &[DeliveryState::Accepted, DeliveryState::Written],
];

/// A table on a terminal has so many rows; a longer run is several tables.
const TABLE: usize = 1_000;

impl Told<'_> {
    /// Everybody, whoever needs a person first.
    fn pages(&self) -> Pages<'_> {
        self.pages_of(&ORDER)
    }

    /// Those who are shown in these states, group by group.
    fn pages_of(&self, groups: &[&[DeliveryState]]) -> Pages<'_> {
        let groups = groups.iter().map(|states| self.shown.stored_as(states));
        Pages::in_groups(self.journal, &self.shown.run.id, groups)
    }

    async fn csv(&self, file: &mut BufWriter<File>) -> Result<(), Failure> {
        let failed = |error: csv::Error| Failure::new(Exit::Problems, "report.csv", error);
        let mut table = csv::Writer::from_writer(file);
        table.write_record(COLUMNS).map_err(failed)?;
        let mut pages = self.pages();
        while let Some(page) = pages.next().await? {
            for one in &page {
                let cells = cells(self.shown, one);
                let safe: Vec<Cow<'_, str>> = cells.iter().map(|cell| csv_safe(cell)).collect();
                table.write_record(safe.iter().map(|cell| cell.as_bytes())).map_err(failed)?;
            }
        }
        table.flush().map_err(|error| failed(error.into()))
    }

    async fn show(&self, context: &Context<'_>) -> Result<(), Failure> {
        super::runs::show_run(self.shown, self.journal, context).await?;
        let out = context.out;
        let (mut table, mut is_shown) = (empty_table(out), false);
        let mut pages = self.pages();
        while let Some(page) = pages.next().await? {
            for one in &page {
                let [state, address, _, provider, _, _, _, _, reply] = cells(self.shown, one);
                let at = one.at.map(|at| at.to_zoned_datetime(TimeZone::system()));
                let at = at.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
                let state = word_of_one(&state, context);
                table.add_row([state, address, provider, at, out.words.library(&reply)]);
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
}

fn empty_table(out: &Out) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_header([
        say!(out, "column-state"),
        say!(out, "column-address"),
        say!(out, "column-provider"),
        say!(out, "column-at"),
        say!(out, "column-reply"),
    ]);
    table
}

/// Writes a file anew, as its content comes.
async fn write_file(
    path: &Path,
    content: impl AsyncFnOnce(&mut BufWriter<File>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::file(path, &error);
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    content(&mut file).await?;
    file.flush().map_err(failed)
}

fn cells(shown: &Shown, one: &DeliveryRecord) -> [String; 9] {
    [
        shown.state_of(one).to_string(),
        one.address.to_string(),
        one.fields.get("outlet").cloned().unwrap_or_default(),
        one.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
        one.provider_id.clone().unwrap_or_default(),
        one.attempts.to_string(),
        one.at.map(|at| at.to_string()).unwrap_or_default(),
        one.message_id.as_str().to_owned(),
        one.reply.clone().unwrap_or_default(),
    ]
}
