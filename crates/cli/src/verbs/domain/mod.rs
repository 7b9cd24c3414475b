//! `domain`: whether every provider can pass SPF, DKIM and DMARC for a domain.
//!
//! The rules are those of `depeche-domain`; here stands where its answers come from and how its
//! verdicts are shown.

pub(crate) mod door;
mod spf;

use crate::args::Domain;
use crate::context::Context;
use crate::failure::Done;
use crate::verbs::not_available;

/// Does what was asked.
pub(crate) async fn run(command: &Domain, context: &Context<'_>) -> Done {
    match command {
        Domain::Spf(asked) => spf::run(asked, context).await,
        Domain::Check(_) | Domain::Suggest(_) => Err(not_available(context)),
    }
}
