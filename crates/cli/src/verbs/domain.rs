//! `domain`: not in this build yet.

use crate::args::Domain;
use crate::context::Context;
use crate::failure::Done;
use crate::verbs::not_available;

/// Does what was asked.
pub(crate) async fn run(_command: &Domain, context: &Context<'_>) -> Done {
    Err(not_available(context))
}
