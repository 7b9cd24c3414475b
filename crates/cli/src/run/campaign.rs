//! A campaign belongs to one process: it takes everybody who is left at once.
//!
//! Workers share a run by claiming some recipients each, so that a run with a campaign in its route would
//! go out as many small campaigns, one over another in the same audience. Such a run is not handed over, and
//! no worker takes it, wherever it comes from. A release that no campaign can carry goes without one, and is
//! anybody's.

use depeche::journal::RunRecord;
use depeche::provider::ProviderName;
use depeche::release::FrozenRelease;

use super::frozen::Kept;
use crate::config::{Config, Kind};
use crate::context::Context;
use crate::failure::Failure;
use crate::words::say;

/// The campaign that may take recipients of a run with this route.
pub(crate) fn of_route<'c>(
    config: &'c Config,
    route: &[ProviderName],
    release: &FrozenRelease,
) -> Option<&'c ProviderName> {
    let campaign = config
        .providers
        .iter()
        .find(|one| matches!(one.kind, Kind::Campaign(_)) && route.contains(&one.name))?;
    release.merge_form().is_ok().then_some(&campaign.name)
}

/// The same for a run that is frozen; one that cannot be read has none, and says so itself.
pub(crate) fn of_run<'c>(
    config: &'c Config,
    route: &[ProviderName],
    run: &RunRecord,
) -> Option<&'c ProviderName> {
    let kept: Kept = serde_json::from_str(&run.frozen).ok()?;
    of_route(config, route, &kept.release)
}

/// Why a run that ends in `campaign` is not handed over to the workers. `alone` is the command that sends
/// it from one process; without the campaign the workers may have it on the rest of `route`.
pub(crate) fn not_for_workers(
    campaign: &ProviderName,
    route: &[ProviderName],
    alone: &str,
    context: &Context<'_>,
) -> Failure {
    let out = context.out;
    let message = say!(out, "campaign-workers", provider = campaign.to_string());
    let others: Vec<&str> = route.iter().filter(|name| *name != campaign).map(ProviderName::as_str).collect();
    Failure::usage("campaign.workers", message).with_hint(match others.is_empty() {
        true => say!(out, "campaign-workers-alone", command = alone),
        false => say!(out, "campaign-workers-without", command = alone, route = others.join(",")),
    })
}
