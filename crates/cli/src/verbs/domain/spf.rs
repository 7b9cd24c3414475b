//! `domain spf`: one RFC 7208 evaluation with its ledger of look-ups.

use depeche::domain::report;
use depeche::domain::spf::{Request, SpfResult, check_host};

use super::door::Door;
use super::language;
use crate::args::DomainSpf;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// Does what was asked. The document is printed in any case; 7 for a temporary error.
pub(crate) async fn run(asked: &DomainSpf, context: &Context<'_>) -> Done {
    let now = u64::try_from(context.clock.now().as_second()).unwrap_or_default();
    let request = Request::new(asked.ip, &asked.mail_from, &asked.helo).at(now);
    let door = Door::open(&asked.dns, request.domain(), context)?;
    let verdict = check_host(door.dns(), &request).await;
    door.keep(&asked.dns)?;
    context.out.document(&report::spf_document(&verdict, language(context)));
    if !context.out.json {
        context.out.raw(&report::spf_text(&verdict, language(context)));
    }
    Ok(if verdict.result == SpfResult::Temperror { Exit::Inconclusive } else { Exit::Done })
}
