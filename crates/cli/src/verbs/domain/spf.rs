//! `domain spf`: one RFC 7208 evaluation with its ledger of look-ups.

use depeche::domain::spf::{LedgerEntry, Request, SpfResult, Verdict, check_host};
use serde_json::json;

use super::door::Door;
use crate::args::DomainSpf;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;
use crate::words::say;

/// Does what was asked. The document is printed in any case; 7 for a temporary error.
pub(crate) async fn run(asked: &DomainSpf, context: &Context<'_>) -> Done {
    let now = u64::try_from(context.clock.now().as_second()).unwrap_or_default();
    let request = Request::new(asked.ip, &asked.mail_from, &asked.helo).at(now);
    let door = Door::open(&asked.dns, request.domain(), context)?;
    let verdict = check_host(door.dns(), &request).await;
    door.keep(&asked.dns)?;
    let exit = match verdict.result {
        SpfResult::Temperror => Exit::Inconclusive,
        _ => Exit::Done,
    };
    let mut document = json!({ "version": 1, "exit": exit.code() });
    if let (Some(head), Ok(serde_json::Value::Object(body))) =
        (document.as_object_mut(), serde_json::to_value(&verdict))
    {
        head.extend(body);
    }
    context.out.document(&document);
    show(&verdict, context);
    Ok(exit)
}

fn show(verdict: &Verdict, context: &Context<'_>) {
    let out = context.out;
    out.line(verdict.result.word());
    if let Some(matched) = &verdict.matched {
        out.line(say!(out, "spf-matched", term = matched));
    }
    if let Some(explanation) = &verdict.explanation {
        out.line(say!(out, "spf-explanation", text = explanation));
    }
    if let Some(problem) = &verdict.problem {
        out.line(say!(out, "spf-problem", domain = &problem.domain, message = &problem.message));
    }
    for entry in &verdict.ledger {
        show_entry(entry, 0, context);
    }
    out.line(say!(
        out,
        "spf-cost",
        lookups = u64::from(verdict.lookups),
        voids = u64::from(verdict.void_lookups)
    ));
}

fn show_entry(entry: &LedgerEntry, depth: usize, context: &Context<'_>) {
    let cost = if entry.counted { entry.lookups.to_string() } else { "-".to_owned() };
    let void = if entry.void { format!(" ({})", say!(context.out, "spf-void")) } else { String::new() };
    let what = entry.term.as_deref().unwrap_or(&entry.domain);
    context.out.line(format!("{cost:>3} {}{what}{void}", "  ".repeat(depth)));
    for child in &entry.children {
        show_entry(child, depth + 1, context);
    }
}
