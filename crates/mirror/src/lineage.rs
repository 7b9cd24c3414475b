//! What the journal itself holds of its epoch and its mirror: one small text, moved with its file.

use depeche_core::journal::{Journal, JournalError};
use depeche_core::provider::ProviderName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::beside::Epoch;
use crate::log::Log;

/// A journal's own word about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    /// Its id; made at its first session.
    pub(crate) journal: Uuid,
    /// Raised by every session.
    pub(crate) epoch: u64,
    /// Where its mirror is, as of the last session that had one.
    pub(crate) mirror: Option<Place>,
}

/// A mirror, as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Tells one place from another.
    pub(crate) fingerprint: String,
    /// The last segment that holds nothing which the journal has not.
    pub(crate) seen: u64,
    /// Sessions that began and did not end with everything mirrored.
    pub(crate) open: Vec<u64>,
    /// Somebody was forgotten who may stand in it still, until it was compacted.
    #[serde(default)]
    pub(crate) owes_forgetting: bool,
}

impl Place {
    /// The mirror as it was read up to now, with a session left open, so that the next one compares once more.
    pub(crate) fn read(log: &Log, before: Option<&Lineage>) -> Self {
        let fingerprint = log.fingerprint();
        let before = before.and_then(|lineage| lineage.mirror.as_ref());
        let owes_forgetting =
            before.is_some_and(|place| place.fingerprint == fingerprint && place.owes_forgetting);
        Self { fingerprint, seen: log.seen(), open: vec![0], owes_forgetting }
    }
}

impl Lineage {
    /// As the journal holds it; `None` before its first session.
    pub(crate) async fn read(journal: &dyn Journal) -> Result<Option<Self>, JournalError> {
        let Some(text) = journal.mark(&source()).await? else { return Ok(None) };
        let unreadable = |error: serde_json::Error| JournalError::Corrupt(format!("its lineage: {error}"));
        serde_json::from_str(&text).map_err(unreadable)
    }

    /// Makes the journal hold it.
    pub(crate) async fn save(&self, journal: &dyn Journal) -> Result<(), JournalError> {
        let text = serde_json::to_string(self).map_err(|error| JournalError::Corrupt(error.to_string()))?;
        journal.save_mark(&source(), &text).await
    }

    /// As it stands beside the journal.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch { journal: self.journal, epoch: self.epoch }
    }
}

/// Among the marks of what was read up to where; no provider of depeche.toml can be called so.
fn source() -> ProviderName {
    ProviderName::new(RESERVED).expect("the reserved name is a provider name")
}

/// The name that no provider may have.
pub const RESERVED: &str = "__lineage";
