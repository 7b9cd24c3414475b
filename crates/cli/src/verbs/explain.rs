//! `explain`: the long text of a rule.

use serde_json::json;

use crate::args::Explain;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::verbs::domain::language;
use crate::words::say;

/// Does what was asked.
pub(crate) fn run(asked: &Explain, context: &Context<'_>) -> Done {
    let of_release = depeche::release::explain(&asked.rule).map(ToString::to_string);
    let of_domain = || depeche::domain::rules::explain(&asked.rule, language(context));
    let Some(text) = of_release.or_else(of_domain) else {
        return Err(Failure::usage("explain", say!(context.out, "explain-none", rule = &asked.rule)));
    };
    context.out.document(&json!({ "version": 1, "exit": 0, "rule": asked.rule, "text": text }));
    context.out.line(text.trim_end());
    Ok(Exit::Done)
}
