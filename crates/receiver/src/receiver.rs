//! The receiver: what it is set to take, and its routes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use depeche_core::address::EmailAddress;
use depeche_core::clock::Clock;
use depeche_core::provider::ProviderName;
use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::hook::{Hook, HookProblem};
use crate::lang::Lang;
use crate::metrics::{Metrics, SinkCall};
use crate::sink::{Sink, SinkError};
use crate::{stop, webhook};
use depeche_core::opt_out::TokenKeys;

/// What a receiver takes.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The webhooks, by the name of the provider in depeche.toml: `/webhook/NAME`.
    pub hooks: BTreeMap<ProviderName, Hook>,
    /// The opt-out links; without it there is no `/stop`.
    pub opt_out: Option<OptOutLinks>,
    /// Proxies whose `X-Forwarded-For` is believed. Only webhooks that are known by their network
    /// need them.
    pub trusted_proxies: Vec<IpNet>,
    /// How long anything may take.
    pub patience: Patience,
}

/// What stands behind the opt-out links.
#[derive(Debug, Clone)]
pub struct OptOutLinks {
    /// What signed them.
    pub keys: TokenKeys,
    /// The organisation, as its readers know it.
    pub organisation: String,
    /// Where to write when a link does not work.
    pub mailto: EmailAddress,
    /// The language for readers whose browser prefers none of ours.
    pub lang: Lang,
}

/// How long anything may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From a request's head to the end of its body.
    pub body: Duration,
    /// One call of the sink.
    pub sink: Duration,
    /// What a sender is told to wait before it repeats itself.
    pub retry_after: Duration,
}

/// What is wrong with the settings: all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook of `{provider}` cannot be served: {problem}")]
pub struct HookRefused {
    /// Which.
    pub provider: ProviderName,
    /// Why.
    pub problem: HookProblem,
}

/// Takes webhooks and opt-outs, and hands them to a [`Sink`]. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    /// Room for bodies that are only known to be genuine once they were read.
    pub(crate) large_bodies: Semaphore,
}

/// Where a request came from; [`crate::serve::serve`] adds it to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Default for Patience {
    /// 10 s for a body and for the sink, and 30 s before a repetition.
    fn default() -> Self {
        Self {
            body: Duration::from_secs(10),
            sink: Duration::from_secs(10),
            retry_after: Duration::from_secs(30),
        }
    }
}

impl Receiver {
    /// Sets a receiver up.
    ///
    /// # Errors
    ///
    /// Every webhook whose settings would admit everybody or nobody.
    pub fn new(
        settings: Settings,
        sink: Arc<dyn Sink>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Vec<HookRefused>> {
        let refused: Vec<HookRefused> = settings
            .hooks
            .iter()
            .filter_map(|(provider, hook)| {
                Some(HookRefused { provider: provider.clone(), problem: hook.problem()? })
            })
            .collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        let large_bodies = Semaphore::new(LARGE_BODIES);
        Ok(Self { inner: Arc::new(Inner { settings, sink, clock, metrics, large_bodies }) })
    }

    /// All routes on one listener.
    pub fn router(&self) -> Router {
        self.public().merge(self.operations())
    }

    /// What the world may reach: `/webhook/…` and `/stop/…`.
    pub fn public(&self) -> Router {
        let hook = || get(webhook::probe).post(webhook::take);
        let mut router =
            Router::new().route("/webhook/{provider}", hook()).route("/webhook/{provider}/{secret}", hook());
        if self.inner.settings.opt_out.is_some() {
            router = router.route("/stop/{token}", get(stop::show).post(stop::take));
        }
        router.layer(middleware::from_fn_with_state(self.clone(), count)).with_state(self.clone())
    }

    /// What only the operator needs: `/healthz` and `/metrics`. For a listener of its own, where the
    /// public one is open to the world.
    pub fn operations(&self) -> Router {
        Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(self.clone())
    }

    /// Calls the sink, and takes too long for an answer as no answer.
    pub(crate) async fn ask_sink<F>(&self, call: SinkCall, answer: F) -> Result<(), SinkError>
    where
        F: Future<Output = Result<(), SinkError>>,
    {
        let patience = self.inner.settings.patience.sink;
        let answer = tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| {
            Err(SinkError::Busy(format!("no answer within {} s", patience.as_secs_f32())))
        });
        if let Err(error @ SinkError::Busy(_)) = &answer {
            self.inner.metrics.sink_failed(call);
            tracing::warn!(?call, %error, "not kept; the sender is asked to repeat it");
        }
        answer
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

async fn count(State(receiver): State<Receiver>, request: Request, next: Next) -> Response {
    let _in_flight = receiver.inner.metrics.in_flight();
    next.run(request).await
}

async fn health(State(receiver): State<Receiver>) -> Response {
    match receiver.ask_sink(SinkCall::Check, receiver.inner.sink.check()).await {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        // Why stands in the log: whoever asks need not know.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the journal does not answer\n").into_response(),
    }
}

async fn metrics(State(receiver): State<Receiver>) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], receiver.inner.metrics.render()).into_response()
}

/// At 16 MiB each, so much memory at most is filled by bodies that nobody signed.
const LARGE_BODIES: usize = 4;
