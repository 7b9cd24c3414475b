//! A commit that remembers, in place of the engine's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use depeche_core::outcome::Denied;
use depeche_core::provider::{Commit, Parcel};

type Hook = Box<dyn Fn() + Send + Sync>;

/// Grants every intent, or denies every one, and counts what it is told.
#[derive(Default)]
pub struct RecordingCommit {
    denies: Option<Denied>,
    hook: Option<Hook>,
    intents: AtomicU64,
    heard: AtomicU64,
    digests: Mutex<Vec<Option<[u8; 32]>>>,
    provider_ids: Mutex<Vec<Option<String>>>,
    next: Option<Parcel>,
}

impl RecordingCommit {
    /// Grants every intent.
    #[must_use]
    pub fn granting() -> Self {
        Self::default()
    }

    /// Denies every intent so.
    #[must_use]
    pub fn denying(denied: Denied) -> Self {
        Self { denies: Some(denied), ..Self::default() }
    }

    /// Calls `hook` at each intent, before it is granted or denied: the moment to look at the peer.
    #[must_use]
    pub fn at_intent(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Tells the provider of the parcel that comes next.
    #[must_use]
    pub fn announcing(mut self, next: Parcel) -> Self {
        self.next = Some(next);
        self
    }

    /// How often the intent was asked for.
    #[must_use]
    pub fn intents(&self) -> u64 {
        self.intents.load(Ordering::SeqCst)
    }

    /// How often the other side was heard.
    #[must_use]
    pub fn heard_count(&self) -> u64 {
        self.heard.load(Ordering::SeqCst)
    }

    /// The digests that came with the intents.
    #[must_use]
    pub fn digests(&self) -> Vec<Option<[u8; 32]>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl RecordingCommit {
    /// The provider's names that came with the intents.
    #[must_use]
    pub fn provider_ids(&self) -> Vec<Option<String>> {
        self.provider_ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn record(
        &self,
        request_digest: Option<[u8; 32]>,
        provider_id: Option<&str>,
    ) -> Result<(), Denied> {
        // Asking the journal takes a moment; a provider that does not wait for it shows here.
        tokio::task::yield_now().await;
        self.intents.fetch_add(1, Ordering::SeqCst);
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).push(request_digest);
        let provider_id = provider_id.map(str::to_owned);
        self.provider_ids.lock().unwrap_or_else(PoisonError::into_inner).push(provider_id);
        if let Some(hook) = &self.hook {
            hook();
        }
        self.denies.clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Commit for RecordingCommit {
    async fn intent(&self, request_digest: Option<[u8; 32]>) -> Result<(), Denied> {
        self.record(request_digest, None).await
    }

    async fn intent_under(&self, request_digest: Option<[u8; 32]>, provider_id: &str) -> Result<(), Denied> {
        self.record(request_digest, Some(provider_id)).await
    }

    fn next(&self) -> Option<Parcel> {
        self.next.clone()
    }

    fn heard(&self) {
        self.heard.fetch_add(1, Ordering::SeqCst);
    }
}
