//! The provider: one kept connection per lane, one attempt at a time on each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::clock::{Clock, SystemClock};
use depeche_core::outcome::{Outcome, Refusal, Trouble};
use depeche_core::provider::{Capability, Commit, Login, Parcel, Provider, ProviderName};
use futures_util::future::join_all;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::body::examine;
use super::config::{SmtpConfig, SmtpConfigError, Tls};
use super::connect::{Dialer, Resolve, SystemResolver};
use super::dkim::DkimSigner;
use super::prepared::Prepared;
use super::session::{End, Session};

/// Hands messages to one SMTP server.
///
/// An attempt that is dropped closes its connection. Dropped before the intent nothing was
/// accepted; dropped after it the outcome is unknown.
pub struct SmtpProvider {
    dialer: Dialer,
    signer: DkimSigner,
    clock: Arc<dyn Clock>,
    lanes: Vec<Mutex<Option<Session>>>,
}

impl SmtpProvider {
    /// A provider that finds its host with the system's resolver.
    ///
    /// # Errors
    ///
    /// [`SmtpConfigError`] when the configuration cannot work; nothing is connected yet.
    pub fn new(config: SmtpConfig) -> Result<Self, SmtpConfigError> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    /// The same with a resolver of one's own.
    ///
    /// # Errors
    ///
    /// As [`SmtpProvider::new`].
    pub fn with_resolver(config: SmtpConfig, resolver: Arc<dyn Resolve>) -> Result<Self, SmtpConfigError> {
        let lanes = (0..config.connections).map(|_| Mutex::new(None)).collect();
        let signer = DkimSigner::new(&config.dkim)?;
        Ok(Self { dialer: Dialer::new(config, resolver)?, signer, clock: Arc::new(SystemClock), lanes })
    }

    /// The same with a clock of one's own: signatures name the moment they were made (`t=`).
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    fn config(&self) -> &SmtpConfig {
        &self.dialer.config
    }

    fn prepare(&self, parcel: Parcel) -> Result<Arc<Prepared>, Refusal> {
        let mime = &parcel.message.mime;
        let signed = self.signer.sign(mime, self.clock.now()).map_err(|reason| {
            Refusal::provider(Trouble::Fault, format!("the message could not be signed: {reason}"))
        })?;
        let nature = examine(signed.as_ref().unwrap_or(mime));
        let nature = nature.map_err(|unfit| Refusal::message(unfit.to_string()))?;
        let stated = self.config().envelope_from.as_ref().map(|sender| sender.of(parcel.attempt));
        Ok(Arc::new(Prepared { parcel, signed, nature, stated }))
    }

    async fn one(&self, lane: usize, parcel: &Parcel, commit: &dyn Commit) -> Outcome {
        // The session is taken out while it is at work: dropped with the attempt, it closes. One that stands
        // open for another attempt's message is closed without a further byte: after 354 whatever is
        // written, QUIT too, would be part of that message.
        let mut place = self.lanes[lane % self.lanes.len()].lock().await;
        let mut kept = place.take().filter(|session| !session.stands_open_for_another(parcel.attempt));
        let announced = kept.as_ref().and_then(Session::announced);
        let prepared = match announced.map_or_else(|| self.prepare(parcel.clone()), Ok) {
            Ok(prepared) => prepared,
            Err(refusal) => {
                *place = kept;
                return Outcome::Refused(refusal);
            }
        };
        let job = prepared.job(self.config());
        let next = || self.prepare(commit.next()?).ok();
        loop {
            let was_kept = kept.is_some();
            let mut session = match self.session(kept.take(), commit).await {
                Ok(session) => session,
                Err(refusal) => return Outcome::Refused(refusal),
            };
            let delivered = session.deliver(&job, commit, &next).await;
            // A blocked source address sends nothing more, on this connection either.
            let is_blocked = matches!(&delivered.end, End::No(said) if said.blocks_source.is_some());
            let outcome = match delivered.end {
                End::Outcome(outcome) => outcome,
                End::No(classified) => Outcome::Refused(self.dialer.settle(session.source, classified)),
                // Nothing was answered, so nothing was accepted: once, on a new connection.
                End::Stale if was_kept => continue,
                End::Stale => {
                    Outcome::Refused(Refusal::provider(Trouble::Unreachable, "the connection was lost"))
                }
            };
            if delivered.keeps && !is_blocked {
                *place = Some(session);
            }
            return outcome;
        }
    }

    /// The kept session where it may still be used, else a new one.
    async fn session(&self, kept: Option<Session>, commit: &dyn Commit) -> Result<Session, Refusal> {
        match kept {
            Some(session) if session.announced().is_some() || session.is_fresh(self.config()) => {
                return Ok(session);
            }
            // Left in order before the next is opened, so that the server counts one at a time.
            Some(session) => session.quit(FAREWELL).await,
            None => {}
        }
        self.dialer.dial(&|| commit.heard()).await
    }
}

#[async_trait]
impl Provider for SmtpProvider {
    fn name(&self) -> &ProviderName {
        &self.config().name
    }

    fn kind(&self) -> &'static str {
        "smtp"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: self.config().max_size_bytes,
            inline_images: true,
            attachments: true,
            // Known only from EHLO; a server without SMTPUTF8 refuses the message, and another one may try.
            international_local_part: true,
            batch: 1,
            idempotent_for: None,
            lanes: self.config().connections,
            sends: true,
        }
    }

    fn announces(&self) -> bool {
        self.config().pipeline_next
    }

    async fn attempt(&self, lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(parcels.len());
        let mut parcels = parcels.iter();
        if let Some(parcel) = parcels.next() {
            outcomes.push(self.one(lane, parcel, commit).await);
        }
        // One intent is one message here. More of them is a caller's fault, and nothing was sent.
        outcomes.extend(parcels.map(|_| {
            Outcome::Refused(Refusal::provider(Trouble::Fault, "SMTP takes one message at a time"))
        }));
        outcomes
    }

    async fn login(&self) -> Result<Login, Refusal> {
        let mut session = self.dialer.dial(&|| ()).await?;
        if let Some(from) = &self.config().envelope_from {
            // Any attempt stands for all of them.
            let tried = session.try_sender(&from.of(Uuid::nil()), &self.config().timeouts).await;
            tried.map_err(|failure| self.dialer.settle(session.source, failure.classified()))?;
        }
        let login = describe(self.config(), &session);
        session.quit(FAREWELL).await;
        Ok(login)
    }

    async fn close(&self) {
        let farewells = self.lanes.iter().map(|lane| async {
            // A lane that is at work keeps its session; it is not idle.
            let idle = lane.try_lock().ok().and_then(|mut place| place.take());
            if let Some(session) = idle {
                session.quit(FAREWELL).await;
            }
        });
        join_all(farewells).await;
    }
}

fn describe(config: &SmtpConfig, session: &Session) -> Login {
    let tls = match config.tls {
        Tls::Implicit => "TLS",
        Tls::StartTls => "STARTTLS",
        Tls::None => "none (this machine)",
    };
    let size = session
        .features
        .size_limit()
        .map_or_else(|| "not stated".to_owned(), |limit| format!("{limit} octets"));
    let fact = |name: &str, value: &str| (name.to_owned(), depeche_core::outcome::one_line(value));
    let facts = vec![
        fact("server", &format!("{}:{}", config.host, config.port)),
        fact("greeting", &session.greeting),
        fact("security", tls),
        fact("login", config.credentials.as_ref().map_or("-", |credentials| &credentials.username)),
        fact("offers", &session.features.names()),
        fact("largest message", &size),
    ];
    let mut warnings = Vec::new();
    if !session.features.pipelining {
        warnings.push("no PIPELINING: each message takes three more round trips".to_owned());
    }
    if !session.features.eight_bit {
        warnings.push("no 8BITMIME: messages with 8-bit parts will be refused".to_owned());
    }
    if config.dsn && !session.features.dsn {
        warnings.push("no DSN: a lost answer can only be resolved by hand".to_owned());
    }
    Login { facts, warnings, quota: None }
}

/// `Provider::close` promises 5 s for all connections together; they leave at the same time.
const FAREWELL: Duration = Duration::from_secs(2);
