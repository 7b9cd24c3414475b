//! `domain`: whether every provider can pass SPF, DKIM and DMARC for a domain.
//!
//! The rules are those of `depeche-domain`; here stands where its answers come from and how its
//! verdicts are shown.

mod baseline;
pub(crate) mod chain;
mod check;
pub(crate) mod door;
pub(crate) mod key;
pub(crate) mod learn;
mod place;
mod spf;
mod suggest;
pub(crate) mod witness;

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
        Domain::Key(asked) => key::run(asked, context),
    }
}

/// The language of verdicts.
pub(crate) fn language(context: &Context<'_>) -> Lang {
    match context.out.words.lang {
        args::Lang::En => Lang::En,
        args::Lang::Fr => Lang::Fr,
    }
}
