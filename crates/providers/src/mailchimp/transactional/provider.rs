//! One attempt through Mailchimp Transactional: the intent, the call, the answer.

use std::sync::Arc;

use async_trait::async_trait;
use depeche_core::address::EmailAddress;
use depeche_core::clock::Clock;
use depeche_core::outcome::{Outcome, Refusal};
use depeche_core::provider::{
    BlockList, Capability, Commit, EarlierAttempt, EventList, Login, LookUp, Parcel, Provider, ProviderName,
    Standing,
};
use jiff::Timestamp;

use super::config::TransactionalConfig;
use super::{account, after, look_up, payload, reply};
use crate::http::classify::failed;
use crate::http::{Answer, Failure, HttpClient, HttpConfigError, Request};

/// Sends through Mailchimp Transactional.
#[derive(Clone)]
pub struct TransactionalProvider {
    config: TransactionalConfig,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

impl TransactionalProvider {
    /// A provider for the account in `config`. `clock` bounds the days that are searched.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError`] says what cannot work.
    pub fn new(config: TransactionalConfig, clock: Arc<dyn Clock>) -> Result<Self, HttpConfigError> {
        config.check()?;
        // The key goes in the body; the client only blots it out of answers.
        let client = HttpClient::new(&config.http, &config.api_key, None)?;
        Ok(Self { config, client, clock })
    }

    pub(super) async fn call(
        &self,
        path: &str,
        body: Vec<u8>,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<Answer, Failure> {
        let path = format!("{path}{}", self.config.path_suffix);
        self.client.call(Request::post(&path, body), heard).await
    }

    pub(super) fn config(&self) -> &TransactionalConfig {
        &self.config
    }

    async fn attempt_one(&self, parcel: &Parcel, commit: &dyn Commit) -> Outcome {
        let config = &self.config;
        let call = payload::call(parcel, config.mode, &config.api_key, config.ip_pool.as_deref());
        let (path, body) = match call {
            Ok(call) => call,
            Err(not_fit) => return Outcome::Refused(Refusal::message(not_fit.to_string())),
        };
        // No digest: Mailchimp does not recognise a repeat.
        if let Err(denied) = commit.intent(None).await {
            return Outcome::NotStarted(denied);
        }
        match self.call(path, body, &|| commit.heard()).await {
            Ok(answer) => reply::outcome(&answer, &parcel.message.to.address),
            Err(failure) => failed(&failure),
        }
    }
}

#[async_trait]
impl Provider for TransactionalProvider {
    fn name(&self) -> &ProviderName {
        &self.config.name
    }

    fn kind(&self) -> &'static str {
        "mailchimp-transactional"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: Some(MAX_SIZE_BYTES),
            inline_images: true,
            attachments: true,
            international_local_part: false,
            batch: 1,
            idempotent_for: None,
            lanes: self.config.lanes,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        match parcels {
            [parcel] => vec![self.attempt_one(parcel, commit).await],
            _ => {
                let refusal = Refusal::message("Mailchimp takes one message a call");
                vec![Outcome::Refused(refusal); parcels.len()]
            }
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

/// Mailchimp's 25 MB (PROVIDERS.md, section 3; from memory there).
const MAX_SIZE_BYTES: u64 = 25_000_000;
