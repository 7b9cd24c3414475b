//! `domain suggest`: the records to publish, as zone text or as a difference against now.

use depeche::domain::report;
use depeche::domain::suggest::suggest;

use super::door::Door;
use super::{chain, language};
use crate::args::DomainSuggest;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::words::say;

/// Does what was asked; 7 when DNS did not say what is published now.
pub(crate) async fn run(asked: &DomainSuggest, context: &Context<'_>) -> Done {
    let (out, lang) = (context.out, language(context));
    let domain = depeche::domain::name::from_user(&asked.domain)
        .filter(|name| name.contains('.'))
        .ok_or_else(|| Failure::usage("domain.name", say!(out, "not-a-domain", text = &asked.domain)))?;
    let providers = chain::providers(&asked.provider, chain::Keys::All, context)?;
    let door = Door::open(&asked.dns, &domain, context)?;
    let suggestion = suggest(door.dns(), &domain, &providers, &asked.selector).await;
    door.keep(&asked.dns)?;
    let exit = if suggestion.is_inconclusive { Exit::Inconclusive } else { Exit::Done };
    out.document(&report::suggest_document(&suggestion, lang));
    if !out.json {
        out.raw(&if asked.diff { suggestion.diff(lang) } else { suggestion.zone_text(lang) });
    }
    Ok(exit)
}
