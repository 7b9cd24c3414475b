//! `explain`: the long text of a rule.

use serde_json::json;

use crate::args::Explain;
use crate::config::nearest;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::verbs::domain::language;
use crate::words::say;

/// Does what was asked.
pub(crate) fn run(asked: &Explain, context: &Context<'_>) -> Done {
    let out = context.out;
    let of_release = depeche::release::explain(&asked.rule).map(|text| out.words.rule(&asked.rule, text));
    let of_domain = || depeche::domain::rules::explain(&asked.rule, language(context));
    let Some(text) = of_release.or_else(of_domain) else {
        return Err(unknown(&asked.rule, context));
    };
    context.out.document(&json!({ "version": 1, "exit": 0, "rule": asked.rule, "text": text }));
    context.out.line(text.trim_end());
    Ok(Exit::Done)
}

/// With the nearest rule, in any spelling; else with all of them.
fn unknown(rule: &str, context: &Context<'_>) -> Failure {
    let out = context.out;
    let domain = depeche::domain::rules::all().map(|rule| rule.id);
    let known: Vec<&str> = depeche::release::rules().chain(domain).collect();
    let upper = rule.to_uppercase();
    let near = nearest(rule, known.iter().copied()).or_else(|| nearest(&upper, known.iter().copied()));
    let hint = match near {
        Some(near) => say!(out, "config-did-you-mean", name = near),
        None => say!(out, "config-known-words", names = known.join(", ")),
    };
    Failure::usage("explain", say!(out, "explain-none", rule = rule)).with_hint(hint)
}
