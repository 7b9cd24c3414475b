//! `mirror compact`: the mirror says what the journal holds, and no more what it held once.

use depeche::journal::Journal as _;
use depeche::mirror::Compacted;
use serde_json::json;

use crate::args::Mirror;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::run::{session, store};
use crate::words::say;

/// Does what was asked.
pub(crate) async fn run(command: &Mirror, context: &Context<'_>) -> Done {
    match command {
        Mirror::Compact => compact(context).await,
    }
}

async fn compact(context: &Context<'_>) -> Done {
    let config = context.config()?;
    if config.mirror.is_none() {
        return Err(Failure::usage("mirror.none", say!(context.out, "mirror-none"))
            .with_hint(say!(context.out, "mirror-none-hint")));
    }
    let plain = store::open(&config, context).await?;
    let session = session::begin_with_mirror(&config, plain, context).await?;
    let compacted = session.compact().await;
    session.close().await;
    let Compacted { from, parts, emptied } =
        compacted.map_err(|error| session::not_compacted(error, context))?;
    let out = context.out;
    out.document(&json!({ "version": 1, "exit": 0, "from": from, "parts": parts, "emptied": emptied }));
    out.line(say!(out, "mirror-compacted", from = from, parts = parts, emptied = emptied));
    out.note(say!(out, "mirror-compacted-beyond"));
    Ok(Exit::Done)
}
