//! What a run keeps so that a later process can go on: the frozen release, its date, its settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use depeche::engine::{LinkConfig, Render};
use depeche::journal::{Journal, RunKind, RunRecord};
use depeche::opt_out::SignedLinks;
use depeche::policy::OnUnknown;
use depeche::provider::ProviderName;
use depeche::providers::outbox::OutboxProvider;
use depeche::release::{FrozenRelease, Renderer};
use jiff::civil::Date;
use jiff::{Timestamp, ZonedDateTime};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;

/// Everything that is needed to render again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) release: FrozenRelease,
    /// The moment of the run, in the zone in which it began.
    pub(crate) date: ZonedDateTime,
    /// The last day of the signed opt-out links (UTC); without it the links are not signed.
    #[serde(default)]
    pub(crate) links_until: Option<Date>,
}

/// What else a later process must know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The folder of an outbox run, absolute.
    pub(crate) outbox: Option<PathBuf>,
    /// As asked on the command line.
    pub(crate) on_unknown: Option<OnUnknown>,
    /// Nothing of it is begun after this moment (`--max-late`).
    #[serde(default)]
    pub(crate) not_after: Option<Timestamp>,
}

impl Settings {
    /// The hour after which it was not to begin does not count any more: a person said so (`--late`).
    pub(crate) async fn waive_hour(&mut self, run: &RunRecord, journal: &dyn Journal) -> Result<(), Failure> {
        self.not_after = None;
        let kept = serde_json::to_string(self);
        let kept = kept.map_err(|error| Failure::new(Exit::Problems, "run.freeze", error))?;
        Ok(journal.set_settings(&run.id, kept).await?)
    }

    /// What the run keeps; defaults when an older version wrote something else.
    pub(crate) fn of(run: &RunRecord) -> Self {
        serde_json::from_str(&run.settings).unwrap_or_default()
    }
}

/// The renderer of a run, from what it keeps; for a `chain` with a campaign, with merge tags. A release
/// that cannot be a campaign leaves the chain without one: `plan` says why.
///
/// The key of its opt-out links is depeche.toml's as it is now.
pub(crate) async fn renderer(
    journal: &dyn Journal,
    run: &RunRecord,
    config: Option<&Config>,
    chain: &mut Vec<LinkConfig>,
) -> Result<Arc<dyn Render>, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Problems, "run.unreadable", format!("{}: {error}", run.id))
    };
    let kept: Kept = serde_json::from_str(&run.frozen).map_err(|error| unreadable(&error))?;
    let assets = journal.assets(&run.id).await?;
    let mut renderer = Renderer::new(&kept.release, assets, kept.date).map_err(|error| unreadable(&error))?;
    if let Some(last_day) = kept.links_until {
        renderer = renderer.with_links(links(run, config, last_day)?);
    }
    if run.kind == RunKind::Test {
        renderer = renderer.marked_test();
    }
    if chain.iter().any(is_campaign) {
        match kept.release.merge_form() {
            Ok(form) => renderer = renderer.with_merge_form(form),
            Err(reason) => {
                chain.retain(|link| !is_campaign(link));
                if chain.is_empty() {
                    return Err(Failure::usage("route.cannot-carry", reason));
                }
            }
        }
    }
    Ok(Arc::new(renderer))
}

/// The signed links of a run that was frozen with them. An unsigned link would be one that nobody answers.
fn links(run: &RunRecord, config: Option<&Config>, last_day: Date) -> Result<SignedLinks, Failure> {
    let links = config.map_or(Ok(None), |config| config.signed_links(last_day))?;
    links.ok_or_else(|| {
        Failure::usage(
            "unsubscribe.gone",
            format!("{}: its opt-out links are signed, and [unsubscribe] secret is gone", run.id),
        )
    })
}

/// Whether a link sends campaigns.
pub(crate) fn is_campaign(link: &LinkConfig) -> bool {
    link.provider.kind() == "mailchimp-campaign"
}

/// The name of the outbox in the journal.
pub(crate) fn outbox_name() -> ProviderName {
    ProviderName::new("outbox").expect("`outbox` is a provider name")
}

/// The chain of an outbox run.
pub(crate) fn outbox_chain(folder: &Path) -> Vec<LinkConfig> {
    let provider = Arc::new(OutboxProvider::new(outbox_name(), folder));
    vec![LinkConfig { provider, limits: depeche::budget::Limits::default(), config_digest: [0; 32] }]
}
