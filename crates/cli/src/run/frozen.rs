//! What a run keeps so that a later process can go on: the frozen release, its date, its settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use depeche::engine::{LinkConfig, Render};
use depeche::journal::{Journal, RunKind, RunRecord};
use depeche::policy::OnUnknown;
use depeche::provider::ProviderName;
use depeche::providers::outbox::OutboxProvider;
use depeche::release::{FrozenRelease, Renderer};
use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;

/// Everything that is needed to render again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) release: FrozenRelease,
    /// The moment of the run, in the zone in which it began.
    pub(crate) date: ZonedDateTime,
}

/// What else a later process must know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The folder of an outbox run, absolute.
    pub(crate) outbox: Option<PathBuf>,
    /// As asked on the command line.
    pub(crate) on_unknown: Option<OnUnknown>,
}

impl Settings {
    /// What the run keeps; defaults when an older version wrote something else.
    pub(crate) fn of(run: &RunRecord) -> Self {
        serde_json::from_str(&run.settings).unwrap_or_default()
    }
}

/// The renderer of a run, from what it keeps.
pub(crate) async fn renderer(journal: &dyn Journal, run: &RunRecord) -> Result<Arc<dyn Render>, Failure> {
    let kept: Kept = serde_json::from_str(&run.frozen)
        .map_err(|error| Failure::new(Exit::Problems, "run.unreadable", format!("{}: {error}", run.id)))?;
    let assets = journal.assets(&run.id).await?;
    let renderer = Renderer::new(&kept.release, assets, kept.date)
        .map_err(|error| Failure::new(Exit::Problems, "run.unreadable", format!("{}: {error}", run.id)))?;
    Ok(if run.kind == RunKind::Test { Arc::new(renderer.marked_test()) } else { Arc::new(renderer) })
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
