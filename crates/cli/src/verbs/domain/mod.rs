//! `domain`: whether every provider can pass SPF, DKIM and DMARC for a domain.
//!
//! The rules are those of `depeche-domain`; here stands where its answers come from and how its
//! verdicts are shown.

mod baseline;
pub(crate) mod chain;
mod check;
pub(crate) mod door;
mod spf;
mod suggest;

use depeche::domain::text::Lang;

use crate::args::{self, Domain};
use crate::context::Context;
use crate::failure::Done;

/// Does what was asked.
pub(crate) async fn run(command: &Domain, context: &Context<'_>) -> Done {
    match command {
        Domain::Check(asked) => check::run(asked, context).await,
        Domain::Suggest(asked) => suggest::run(asked, context).await,
        Domain::Spf(asked) => spf::run(asked, context).await,
    }
}

/// The language of verdicts.
pub(crate) fn language(context: &Context<'_>) -> Lang {
    match context.out.words.lang {
        args::Lang::En => Lang::En,
        args::Lang::Fr => Lang::Fr,
    }
}
