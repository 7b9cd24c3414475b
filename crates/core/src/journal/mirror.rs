//! A second place for what the journal must not lose with its machine.
//!
//! All that depeche asks of such a place is that of two who create a name one is refused: on that alone stand
//! the order of what is written and the fence against a machine that was given up (crate `depeche-mirror`).
//! Folders, object stores and anything else with that one property fit. What stands under a name can be
//! replaced; a name never comes free.

use async_trait::async_trait;
use bytes::Bytes;

/// What a place made of [`MirrorTarget::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It holds the bytes now.
    New,
    /// The name was taken before; nothing is changed.
    Exists,
}

/// The place did not do what was asked. What was to be written may be there all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TargetFailed {
    /// In one line, without keys and signatures.
    pub reason: String,
}

/// A place that keeps bytes under names.
#[async_trait]
pub trait MirrorTarget: Send + Sync {
    /// Keeps `bytes` under `name` if the name is free: durable when it returns, and decided by the place
    /// itself, so that of two machines that ask at once one gets [`Created::Exists`].
    ///
    /// Names are of `a-z`, `0-9`, `-` and `/`, 100 octets at the most.
    ///
    /// # Errors
    ///
    /// [`TargetFailed`] within 15 s, when the place cannot be reached or refuses.
    async fn create(&self, name: &str, bytes: Bytes) -> Result<Created, TargetFailed>;

    /// What is kept under `name`; `None` when nothing is.
    ///
    /// # Errors
    ///
    /// As [`MirrorTarget::create`].
    async fn read(&self, name: &str) -> Result<Option<Bytes>, TargetFailed>;

    /// Keeps `bytes` in place of what stands under `name`, which was created before: durable when it returns. At
    /// no moment is the name free, and whoever reads gets the one or the other whole.
    ///
    /// Only compaction replaces. A place that cannot is a mirror all the same; nobody is forgotten in it.
    ///
    /// # Errors
    ///
    /// As [`MirrorTarget::create`].
    async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), TargetFailed> {
        let _ = (name, bytes);
        Err(TargetFailed::new("this place replaces nothing"))
    }

    /// How the place is shown to people, without keys; also what tells one place from another.
    fn shown(&self) -> String;
}

impl TargetFailed {
    /// With a reason made fit to be shown.
    #[must_use]
    pub fn new(reason: impl AsRef<str>) -> Self {
        Self { reason: crate::outcome::one_line(reason.as_ref()) }
    }
}
