//! Providers' webhooks: who posts is proved, what they post is read and kept, and only then answered.
//!
//! 200: kept. 400: not what the provider posts. 403: not proved; why is not said. 404: no such webhook.
//! 408: the body did not come in time. 413: it is too long. 429 with Retry-After: not kept, repeat it
//! (Brevo drops what it was answered 5xx for; all of them repeat what they were answered 429 for).
//!
//! Bodies are read by the providers' own readers in `depeche_providers`.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use depeche_core::event::ProviderEvent;
use depeche_core::provider::ProviderName;
use depeche_core::secret::{ExposeSecret as _, Secret};
use depeche_providers::{brevo, mailchimp};

use crate::audience;
use crate::body::{self, BodyError};
use crate::hook::{self, BrevoAuth, Hook, Signed};
use crate::metrics::{Ending, SinkCall, kinds};
use crate::receiver::{Peer, Receiver};

/// One event is below 1 kB; Brevo posts them singly, or batched by the hundred.
pub const BREVO_CAP_BYTES: usize = 1024 * 1024;

/// Up to 1000 events in one post (Mailchimp's description of the format). An event is 1 to 4 kB of JSON,
/// and its quotation marks and braces triple in a form.
pub const MANDRILL_CAP_BYTES: usize = 16 * 1024 * 1024;

/// One event, with the member's merge fields.
pub const AUDIENCE_CAP_BYTES: usize = 256 * 1024;

/// The parts of the path: the provider, and for some a secret.
type Names = Path<Vec<String>>;

/// GET and HEAD: how Mailchimp finds out whether a URL is one. Changes nothing.
pub(crate) async fn probe(
    State(receiver): State<Receiver>,
    Path(names): Names,
    request: Request,
) -> Response {
    let (provider, in_path) = split(&names);
    match find(&receiver, provider).map(|(_, hook)| hook) {
        Some(Hook::Mandrill { .. }) if in_path.is_none() && request.method() == Method::HEAD => {
            StatusCode::OK.into_response()
        }
        Some(Hook::MailchimpAudience { secret }) => {
            if knows_secret(secret, in_path, request.uri().query()) {
                StatusCode::OK.into_response()
            } else {
                Refusal::NotProved.answer(&receiver)
            }
        }
        Some(_) if in_path.is_none() => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response(),
        _ => Refusal::NoSuchHook.answer(&receiver),
    }
}

/// POST: events.
pub(crate) async fn take(State(receiver): State<Receiver>, Path(names): Names, request: Request) -> Response {
    let (provider, in_path) = split(&names);
    let Some((provider, hook)) = find(&receiver, provider) else {
        return Refusal::NoSuchHook.answer(&receiver);
    };
    let ending = match read(&receiver, hook, in_path, request).await {
        Ok(events) => keep(&receiver, provider, events).await,
        Err(refusal) => Err(refusal),
    };
    match ending {
        Ok(()) => {
            receiver.inner.metrics.ended(provider, Ending::Kept);
            StatusCode::OK.into_response()
        }
        Err(refusal) => {
            if let Some(ending) = refusal.ending() {
                receiver.inner.metrics.ended(provider, ending);
                tracing::warn!(%provider, ?ending, "a post to a webhook was not kept");
            }
            refusal.answer(&receiver)
        }
    }
}

async fn keep(
    receiver: &Receiver,
    provider: &ProviderName,
    events: Vec<ProviderEvent>,
) -> Result<(), Refusal> {
    if events.is_empty() {
        return Ok(());
    }
    let kinds = kinds(&events);
    let kept = receiver.inner.sink.record(provider, events);
    receiver.ask_sink(SinkCall::Record, kept).await.map_err(|_| Refusal::Busy)?;
    receiver.inner.metrics.kept(provider, &kinds);
    Ok(())
}

async fn read(
    receiver: &Receiver,
    hook: &Hook,
    in_path: Option<&str>,
    request: Request,
) -> Result<Vec<ProviderEvent>, Refusal> {
    match hook {
        Hook::MailchimpAudience { secret } => {
            if !knows_secret(secret, in_path, request.uri().query()) {
                return Err(Refusal::NotProved);
            }
            let body = whole(receiver, request.into_body(), AUDIENCE_CAP_BYTES).await?;
            audience::events(&form(&body)).map_err(|_| Refusal::Malformed)
        }
        _ if in_path.is_some() => Err(Refusal::NoSuchHook),
        Hook::Brevo(auth) => from_brevo(receiver, auth, request).await,
        Hook::Mandrill { keys, url } => from_mandrill(receiver, keys, url, request).await,
    }
}

async fn from_brevo(
    receiver: &Receiver,
    auth: &BrevoAuth,
    request: Request,
) -> Result<Vec<ProviderEvent>, Refusal> {
    let peer = peer(&request, receiver);
    if !auth.admits(request.headers(), peer) {
        return Err(Refusal::NotProved);
    }
    let body = whole(receiver, request.into_body(), BREVO_CAP_BYTES).await?;
    brevo::webhook::events(&body).map_err(|_| Refusal::Malformed)
}

/// The whole body must be read before it can be known to be genuine: so only few at a time are.
async fn from_mandrill(
    receiver: &Receiver,
    keys: &[Secret],
    url: &str,
    request: Request,
) -> Result<Vec<ProviderEvent>, Refusal> {
    let signature = text(request.headers(), "x-mandrill-signature").ok_or(Refusal::NotProved)?.to_owned();
    let patience = receiver.inner.settings.patience.body;
    let place = tokio::time::timeout(patience, receiver.inner.large_bodies.acquire());
    let _place = place.await.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Busy)?;
    let form = form(&whole(receiver, request.into_body(), MANDRILL_CAP_BYTES).await?);
    match hook::signed(keys, url, &form, &signature) {
        Signed::No => Err(Refusal::NotProved),
        Signed::AsTest => Ok(Vec::new()),
        Signed::ByUs => {
            let list = form.iter().find(|(name, _)| name == hook::EVENTS).ok_or(Refusal::Malformed)?;
            mailchimp::webhook::events(&list.1).map_err(|_| Refusal::Malformed)
        }
    }
}

async fn whole(receiver: &Receiver, body: Body, cap_bytes: usize) -> Result<Bytes, Refusal> {
    Ok(body::read(body, cap_bytes, receiver.inner.settings.patience.body).await?)
}

/// Why events were not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoSuchHook,
    NotProved,
    Malformed,
    TooLarge,
    Slow,
    Busy,
}

impl Refusal {
    fn answer(self, receiver: &Receiver) -> Response {
        let status = match self {
            Self::NoSuchHook => StatusCode::NOT_FOUND,
            Self::NotProved => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => {
                let seconds = receiver.inner.settings.patience.retry_after.as_secs().to_string();
                return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds)]).into_response();
            }
        };
        status.into_response()
    }

    /// How it counts; a webhook that there is not counts for nobody.
    fn ending(self) -> Option<Ending> {
        Some(match self {
            Self::NoSuchHook => return None,
            Self::NotProved => Ending::NotSigned,
            Self::Malformed => Ending::Malformed,
            Self::TooLarge => Ending::TooLarge,
            Self::Slow => Ending::Slow,
            Self::Busy => Ending::Busy,
        })
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Slow => Self::Slow,
            BodyError::Broken => Self::Malformed,
        }
    }
}

fn find<'a>(receiver: &'a Receiver, provider: &str) -> Option<(&'a ProviderName, &'a Hook)> {
    receiver.inner.settings.hooks.get_key_value(&ProviderName::new(provider).ok()?)
}

fn split(names: &[String]) -> (&str, Option<&str>) {
    (names.first().map(String::as_str).unwrap_or_default(), names.get(1).map(String::as_str))
}

fn knows_secret(secret: &Secret, in_path: Option<&str>, query: Option<&str>) -> bool {
    let in_query = || {
        let query = query.unwrap_or_default().as_bytes();
        form_urlencoded::parse(query).find(|(name, _)| name == "secret").map(|(_, value)| value.into_owned())
    };
    let given = in_path.map(str::to_owned).or_else(in_query);
    given.is_some_and(|given| hook::is_same(given.as_bytes(), secret.expose_secret().as_bytes()))
}

/// The sender's address: the peer's, or behind our own proxies the last one that is not theirs. What a
/// sender writes into the header itself stands further left, and is not read.
fn peer(request: &Request, receiver: &Receiver) -> Option<IpAddr> {
    let Peer(peer) = *request.extensions().get::<Peer>()?;
    let mut sender = peer.to_canonical();
    let trusted = |address: IpAddr| {
        receiver.inner.settings.trusted_proxies.iter().any(|network| network.contains(&address))
    };
    let headers = request.headers().get_all("x-forwarded-for");
    let lines: Vec<&str> = headers.iter().filter_map(|value| value.to_str().ok()).collect();
    let mut hops = lines.iter().flat_map(|line| line.split(',')).rev();
    // `lines` must be walked from its end too: a proxy may add a line of its own.
    while trusted(sender) {
        let Some(hop) = hops.next() else { break };
        sender = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
    }
    Some(sender)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}
