//! `report`: who got it, when, through whom; refused and unknown first.

mod html;
mod sheet;

use std::borrow::Cow;

use depeche::contact::csv_safe;
use depeche::journal::{DeliveryRecord, DeliveryState};

use crate::args::Report;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::document::{self, Shown};
use crate::run::store;
use crate::verbs::contacts::save;
use crate::words::say;

const COLUMNS: [&str; 9] =
    ["state", "address", "outlet", "provider", "provider_id", "attempts", "at", "message_id", "reply"];

/// Does what was asked.
pub(crate) async fn run(asked: &Report, context: &Context<'_>) -> Done {
    let journal = store::open(&context.config()?).await?;
    let run = match &asked.run {
        Some(name) => store::run_named(&*journal, name, context).await?,
        None => {
            let newest = journal.runs().await?.into_iter().next();
            newest.ok_or_else(|| Failure::usage("run.none", say!(context.out, "runs-none")))?
        }
    };
    let mut shown = document::read(&*journal, &run.id).await?;
    let mut order: Vec<(u8, usize)> =
        shown.recipients.iter().enumerate().map(|(at, one)| (urgency(shown.state_of(one)), at)).collect();
    order.sort_unstable();
    shown.recipients = order.iter().map(|(_, at)| shown.recipients[*at].clone()).collect();
    if let Some(file) = &asked.csv {
        save(file, &csv(&shown)?)?;
    }
    if let Some(file) = &asked.html {
        save(file, html::page(&shown, context)?.as_bytes())?;
    }
    let exit = Exit::Done;
    context.out.document(&shown.document(exit));
    if asked.call_sheet {
        for line in sheet::lines(&shown, context) {
            context.out.line(line);
        }
    } else if !context.out.json {
        show(&shown, context);
    }
    Ok(exit)
}

/// What a person must see first.
fn urgency(state: DeliveryState) -> u8 {
    match state {
        DeliveryState::Unknown | DeliveryState::Held | DeliveryState::Intent => 0,
        DeliveryState::Refused => 1,
        DeliveryState::Pending => 2,
        DeliveryState::Suppressed | DeliveryState::Cancelled => 3,
        DeliveryState::Accepted | DeliveryState::Written => 4,
    }
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

fn csv(shown: &Shown) -> Result<Vec<u8>, Failure> {
    let failed = |error: csv::Error| Failure::new(Exit::Problems, "report.csv", error);
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS).map_err(failed)?;
    for one in &shown.recipients {
        let cells = cells(shown, one);
        let safe: Vec<Cow<'_, str>> = cells.iter().map(|cell| csv_safe(cell)).collect();
        table.write_record(safe.iter().map(|cell| cell.as_bytes())).map_err(failed)?;
    }
    table.into_inner().map_err(|error| Failure::new(Exit::Problems, "report.csv", error))
}

fn show(shown: &Shown, context: &Context<'_>) {
    super::runs::show_run(shown, context);
    let mut table = comfy_table::Table::new();
    table.set_header(["state", "address", "provider", "at", "reply"]);
    for one in &shown.recipients {
        let [state, address, _, provider, _, _, at, _, reply] = cells(shown, one);
        table.add_row([state, address, provider, at, reply]);
    }
    context.out.line(table.to_string());
}
