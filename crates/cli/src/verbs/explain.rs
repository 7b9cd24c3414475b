//! `explain`: the long text of a rule.

use serde_json::json;

use crate::args::Explain;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;

/// Does what was asked.
pub(crate) fn run(asked: &Explain, context: &Context<'_>) -> Done {
    let Some(text) = depeche::release::explain(&asked.rule) else {
        return Err(Failure::usage("explain", say!(context.out, "explain-none", rule = &asked.rule)));
    };
    let text = text.to_string();
    context.out.document(&json!({ "version": 1, "exit": 0, "rule": asked.rule, "text": text }));
    context.out.line(text);
    Ok(Exit::Done)
}
