//! A sink that remembers, and requests that are short to write.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use depeche_core::address::EmailAddress;
use depeche_core::event::ProviderEvent;
use depeche_core::message::MessageId;
use depeche_core::provider::ProviderName;
use depeche_core::secret::Secret;
use depeche_receiver::token::{DeliveryReference, OptOutToken, TokenKeys};
use depeche_receiver::{
    BrevoAuth, Hook, Lang, Metrics, OptOut, OptOutLinks, OptOutMeans, Patience, Peer, Receiver, Settings,
    Sink, SinkError,
};
use depeche_testkit::clock::ManualClock;
use jiff::civil::date;
use tower::ServiceExt as _;

pub(crate) const BEARER: &str = "brevo-posts-with-this";
pub(crate) const MANDRILL_KEY: &str = "cle-de-presse";
pub(crate) const MANDRILL_URL: &str = "https://presse.exemple.fr/webhook/mandrill";
pub(crate) const AUDIENCE_SECRET: &str = "0f8fad5bd9cb469fa16570867728950e";
pub(crate) const LINK_KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const NOW: &str = "2026-12-03T08:00:00Z";

/// Keeps events and opt-outs as a journal does: the same one once.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) events: Mutex<BTreeMap<[u8; 32], (ProviderName, ProviderEvent)>>,
    pub(crate) opt_outs: Mutex<BTreeMap<(DeliveryReference, OptOutMeans), OptOut>>,
    /// So many calls more fail.
    pub(crate) failing: AtomicU64,
    /// So long takes each call.
    pub(crate) takes: Mutex<Duration>,
    /// Calls that arrived, failed ones too.
    pub(crate) calls: AtomicU64,
}

impl Memory {
    async fn answer(&self) -> Result<(), SinkError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let takes = *self.takes.lock().unwrap();
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let spent = self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match spent {
            Ok(_) => Err(SinkError::Busy("database is locked".to_owned())),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn kept(&self) -> Vec<ProviderEvent> {
        self.events.lock().unwrap().values().map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn opted_out(&self) -> Vec<OptOut> {
        self.opt_outs.lock().unwrap().values().copied().collect()
    }
}

#[async_trait]
impl Sink for Memory {
    async fn record(&self, source: &ProviderName, events: Vec<ProviderEvent>) -> Result<(), SinkError> {
        self.answer().await?;
        let mut kept = self.events.lock().unwrap();
        kept.extend(events.into_iter().map(|event| (event.identity(source), (source.clone(), event))));
        Ok(())
    }

    async fn opt_out(&self, subject: OptOut) -> Result<(), SinkError> {
        self.answer().await?;
        if subject.reference == gone() {
            return Err(SinkError::NoSuchDelivery);
        }
        self.opt_outs.lock().unwrap().entry((subject.reference, subject.means)).or_insert(subject);
        Ok(())
    }

    async fn check(&self) -> Result<(), SinkError> {
        self.answer().await
    }
}

/// A receiver, and what stands behind it.
pub(crate) struct Setup {
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) receiver: Receiver,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            hooks: BTreeMap::from([
                (name("brevo"), Hook::Brevo(BrevoAuth::Bearer(Secret::from(BEARER)))),
                (
                    name("mandrill"),
                    Hook::Mandrill { keys: vec![Secret::from(MANDRILL_KEY)], url: MANDRILL_URL.to_owned() },
                ),
                (name("audience"), Hook::MailchimpAudience { secret: Secret::from(AUDIENCE_SECRET) }),
            ]),
            opt_out: Some(OptOutLinks {
                keys: keys(),
                organisation: "Exemple & Fils SAS".to_owned(),
                mailto: EmailAddress::parse("presse+stop@exemple.fr").unwrap(),
                lang: Lang::Fr,
            }),
            trusted_proxies: Vec::new(),
            patience: Patience::default(),
        };
        change(&mut settings);
        let memory = Arc::new(Memory::default());
        let clock = Arc::new(ManualClock::at_text(NOW));
        let metrics = Arc::new(Metrics::default());
        let receiver = Receiver::new(settings, memory.clone(), clock.clone(), metrics).unwrap();
        Self { memory, clock, receiver }
    }

    pub(crate) fn router(&self) -> Router {
        self.receiver.router()
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        ask(&self.router(), request).await
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body.into())
        .unwrap()
}

pub(crate) fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(Peer(address.parse::<IpAddr>().unwrap()));
    request
}

pub(crate) fn get(path: &str) -> Request<Body> {
    request("GET", path, &[], Body::empty())
}

/// A post that Brevo would make.
pub(crate) fn brevo(body: impl Into<Body>) -> Request<Body> {
    let bearer = format!("Bearer {BEARER}");
    request(
        "POST",
        "/webhook/brevo",
        &[("authorization", &bearer), ("content-type", "application/json")],
        body,
    )
}

/// A post that Mailchimp Transactional would make.
pub(crate) fn mandrill(events: &str, signature: &str) -> Request<Body> {
    request(
        "POST",
        "/webhook/mandrill",
        &[("x-mandrill-signature", signature), ("content-type", FORM)],
        form(&[("mandrill_events", events)]),
    )
}

/// As Mailchimp would sign it.
pub(crate) fn signature(key: &str, events: &str) -> String {
    let fields = [("mandrill_events".to_owned(), events.to_owned())];
    depeche_providers::mailchimp::webhook::signature(key.as_bytes(), MANDRILL_URL, &fields)
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn name(name: &str) -> ProviderName {
    ProviderName::new(name).unwrap()
}

pub(crate) fn keys() -> TokenKeys {
    TokenKeys::new(&[Secret::from(LINK_KEY)]).unwrap()
}

pub(crate) fn reference() -> DeliveryReference {
    DeliveryReference::of(&MessageId::new("<5f2c@exemple.fr>").unwrap())
}

/// The reference of a delivery that the sink no longer knows.
pub(crate) fn gone() -> DeliveryReference {
    DeliveryReference([7; 16])
}

/// A link that holds until the end of March 2027.
pub(crate) fn link(reference: DeliveryReference) -> String {
    format!("/stop/{}", OptOutToken::sign(&keys(), reference, date(2027, 3, 31)))
}

/// One Brevo event, different for each number.
pub(crate) fn brevo_event(number: usize) -> String {
    format!(
        r#"{{"event":"delivered","email":"j{number}@journal.example","message-id":"<{number}@smtp-relay.mailin.fr>","ts_event":1764748800}}"#
    )
}

/// A folder of the shared reference; `None`, said plainly, where there is none.
pub(crate) fn shared(folder: &str) -> Option<PathBuf> {
    let roots = std::env::var_os("DEPECHE_SHARED").map(PathBuf::from).into_iter().chain(
        ["../../../shared", "../../../../shared"]
            .map(|above| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(above)),
    );
    let found = roots.map(|root| root.join("reference").join(folder)).find(|path| path.is_dir());
    if found.is_none() {
        println!("left out: {folder} is not there (DEPECHE_SHARED names the folder that holds reference/)");
    }
    found
}
