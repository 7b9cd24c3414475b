//! One attempt through Brevo: the intent, the request, the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use depeche_core::address::EmailAddress;
use depeche_core::clock::Clock;
use depeche_core::outcome::{Blame, Outcome, Refusal};
use depeche_core::provider::{
    BlockList, Capability, Commit, EarlierAttempt, EventList, Login, LookUp, Parcel, Provider, ProviderName,
    Standing,
};
use jiff::Timestamp;

use super::batches::{Batch, Batches};
use super::config::BrevoConfig;
use super::pace::Pace;
use super::{account, after, look_up, payload, reply};
use crate::http::classify::failed;
use crate::http::{Answer, Failure, HttpClient, HttpConfigError, Request};

/// Sends through Brevo.
#[derive(Clone)]
pub struct BrevoProvider {
    config: BrevoConfig,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    pace: Pace,
    /// So many go into one request now: fewer after one was refused for the sake of somebody unnamed.
    batch: Arc<AtomicUsize>,
    /// Requests for several, until their answer is known.
    batches: Batches,
}

impl BrevoProvider {
    /// A provider for the account in `config`. `clock` tells whether an uncertain request may still be
    /// repeated.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError`] says what cannot work.
    pub fn new(config: BrevoConfig, clock: Arc<dyn Clock>) -> Result<Self, HttpConfigError> {
        config.check()?;
        let client = HttpClient::new(&config.http, &config.api_key, Some("api-key"))?;
        let pace = Pace::new(Arc::clone(&clock));
        let batch = Arc::new(AtomicUsize::new(if config.batch { MAX_BATCH } else { 1 }));
        Ok(Self { config, client, clock, pace, batch, batches: Batches::default() })
    }

    /// A batch that is refused for somebody unnamed is halved until it is that one alone; what is taken
    /// lets it grow again, and who was found lets it be whole.
    fn learn(&self, answer: &Answer, parcels: &[Parcel], outcomes: &[Outcome]) {
        if !self.config.batch {
            return;
        }
        let limit = |now: usize| match outcomes {
            _ if reply::hides_somebody(answer, parcels) => now.min(parcels.len() / 2).max(1),
            [Outcome::Refused(refusal)] if refusal.blames != Blame::Provider => MAX_BATCH,
            [Outcome::Accepted(_), ..] => (now * 2).min(MAX_BATCH),
            _ => now,
        };
        let _ = self.batch.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(limit(now)));
    }

    /// A batch whose outcomes are known is not repeated.
    fn ended(&self, digest: &[u8; 32], outcomes: Vec<Outcome>) -> Vec<Outcome> {
        if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Unknown(_))) {
            self.batches.end(digest);
        }
        outcomes
    }

    /// The request of several that had this digest, if its answer was lost in this process.
    pub(super) fn batch_of(&self, digest: &[u8; 32]) -> Option<Arc<Batch>> {
        self.batches.of(digest)
    }

    /// The body of the request that an attempt at `parcels` makes, and its digest.
    pub(super) fn request(&self, parcels: &[Parcel]) -> Result<(Vec<u8>, [u8; 32]), Refusal> {
        let body = payload::body(parcels, &self.config.sender_ips)
            .map_err(|not_fit| Refusal::message(not_fit.to_string()))?;
        let sum = digest(&SHA256, &body);
        let sum = sum.as_ref().try_into().expect("SHA-256 has 32 octets");
        Ok((body, sum))
    }

    pub(super) async fn send(
        &self,
        body: Vec<u8>,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<Answer, Failure> {
        self.client.call(Request::post("/smtp/email", body), heard).await
    }

    /// Fetches something, when the limits of its group allow it.
    ///
    /// # Errors
    ///
    /// The refusal of a limit, or of the line.
    pub(super) async fn fetch(
        &self,
        path: &str,
        query: Vec<(&'static str, String)>,
    ) -> Result<Answer, Refusal> {
        self.free(path).await?;
        self.call(Request::fetch(path, query)).await.map_err(|failure| failure.refusal())
    }

    /// Waits for the group of `path` to be free.
    pub(super) async fn free(&self, path: &str) -> Result<(), Refusal> {
        self.pace.free(path).await
    }

    pub(super) async fn call(&self, request: Request) -> Result<Answer, Failure> {
        self.client.call(request, &|| ()).await
    }

    pub(super) fn config(&self) -> &BrevoConfig {
        &self.config
    }
}

#[async_trait]
impl Provider for BrevoProvider {
    fn name(&self) -> &ProviderName {
        &self.config.name
    }

    fn kind(&self) -> &'static str {
        "brevo"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: Some(MAX_SIZE_BYTES),
            inline_images: false,
            attachments: true,
            international_local_part: false,
            batch: self.batch.load(Ordering::Acquire),
            idempotent_for: Some(REPEATABLE_FOR),
            lanes: self.config.lanes,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        let same = |outcome: Outcome| vec![outcome; parcels.len()];
        let (body, sum) = match self.request(parcels) {
            Ok(request) => request,
            Err(refusal) => return same(Outcome::Refused(refusal)),
        };
        if let Err(denied) = commit.intent(Some(sum)).await {
            return same(Outcome::NotStarted(denied));
        }
        // From here on its answer may be lost, also with this very future.
        self.batches.begin(sum, parcels, self.clock.now());
        match self.send(body, &|| commit.heard()).await {
            Ok(answer) => {
                let outcomes = reply::outcomes(&answer, parcels);
                self.learn(&answer, parcels, &outcomes);
                self.ended(&sum, outcomes)
            }
            Err(failure) => self.ended(&sum, same(failed(&failure))),
        }
    }

    async fn login(&self) -> Result<Login, Refusal> {
        account::login(self).await
    }

    async fn standing(&self, domain: &str) -> Standing {
        account::standing(self, domain).await
    }

    async fn look_up(&self, earlier: &EarlierAttempt) -> LookUp {
        look_up::look_up(self, earlier, self.clock.now()).await
    }

    async fn events(&self, since: Timestamp) -> EventList {
        after::events(self, since, self.clock.now()).await
    }

    async fn block_list(&self) -> BlockList {
        after::block_list(self).await
    }

    async fn block(&self, address: &EmailAddress, comment: &str) -> Result<bool, Refusal> {
        after::block(self, address, comment).await
    }
}

/// Brevo's 20 MB for the whole message (PROVIDERS.md, section 1.1), in its built form.
const MAX_SIZE_BYTES: u64 = 20_000_000;
/// Half of Brevo's 2000 recipients a request.
const MAX_BATCH: usize = 1000;
/// DELIVERY.md: our margin on Brevo's documented 30 minutes.
pub(super) const REPEATABLE_FOR: Duration = Duration::from_secs(600);
