//! A provider of one's own: one line of JSON a message, one word for an answer, over TCP.
//!
//! `{"to":"…","mime":"…"}` is answered with `ok ID`, `no-such-address`, `not-now`, `bad-content`, `slow`,
//! `who-are-you` or `held`. Everything else, or nothing, proves nothing.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use depeche::outcome::{Doubt, DoubtCause, Outcome, Persistence, Receipt, Refusal, Trouble};
use depeche::provider::{Capability, Commit, Login, Parcel, Provider, ProviderName};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Hands messages to a courier service.
pub(crate) struct Courier {
    name: ProviderName,
    service: SocketAddr,
    /// So long the service may take to answer a message.
    patience: Duration,
}

impl Courier {
    /// The service at that address.
    pub(crate) fn new(name: ProviderName, service: SocketAddr, patience: Duration) -> Self {
        Self { name, service, patience }
    }

    /// Everything that can fail without a byte of the message: the connection, and the greeting.
    async fn connect(&self) -> Result<BufReader<TcpStream>, Refusal> {
        let lost = |reason: String| Refusal::provider(Trouble::Unreachable, reason);
        let connecting = timeout(self.patience, TcpStream::connect(self.service)).await;
        let stream = connecting.map_err(|_| lost("no connection in time".to_owned()))?;
        let mut stream = BufReader::new(stream.map_err(|error| lost(error.to_string()))?);
        let mut greeting = String::new();
        let reading = timeout(self.patience, stream.read_line(&mut greeting)).await;
        match (reading, greeting.trim_end()) {
            (Ok(Ok(_)), "courier 1") => Ok(stream),
            (Ok(Ok(_)), "who-are-you") => Err(Refusal::provider(Trouble::Credentials, "who-are-you")),
            (_, other) => Err(lost(format!("no greeting: `{other}`"))),
        }
    }

    /// From the first byte on only an explicit answer decides; everything else is unknown.
    async fn hand_over(
        &self,
        stream: &mut BufReader<TcpStream>,
        parcel: &Parcel,
        commit: &dyn Commit,
    ) -> Outcome {
        let message = &parcel.message;
        let mime = String::from_utf8_lossy(&message.mime.to_vec()).into_owned();
        let line = serde_json::json!({ "to": message.to.address.to_string(), "mime": mime });
        if let Err(error) = stream.get_mut().write_all(format!("{line}\n").as_bytes()).await {
            return Outcome::Unknown(Doubt::new(DoubtCause::LineLost, error.to_string()));
        }
        let mut answer = String::new();
        match timeout(self.patience, stream.read_line(&mut answer)).await {
            Err(_) => Outcome::Unknown(Doubt::new(DoubtCause::TimedOut, "no answer")),
            Ok(Err(error)) => Outcome::Unknown(Doubt::new(DoubtCause::LineLost, error.to_string())),
            Ok(Ok(_)) if !answer.ends_with('\n') => {
                Outcome::Unknown(Doubt::new(DoubtCause::LineLost, answer))
            }
            Ok(Ok(_)) => {
                commit.heard();
                outcome_of(answer.trim_end())
            }
        }
    }
}

fn outcome_of(answer: &str) -> Outcome {
    match answer {
        "no-such-address" => Outcome::Refused(Refusal::recipient(Persistence::Permanent, true, answer)),
        "not-now" => Outcome::Refused(Refusal::recipient(Persistence::Transient, false, answer)),
        "bad-content" => Outcome::Refused(Refusal::message(answer)),
        "slow" => Outcome::Refused(Refusal::provider(Trouble::Throttled, answer)),
        "held" => Outcome::Held(Receipt::new(None, answer)),
        _ => match answer.strip_prefix("ok ").filter(|id| !id.is_empty()) {
            Some(id) => Outcome::Accepted(Receipt::new(Some(id.to_owned()), answer)),
            None => Outcome::Unknown(Doubt::new(DoubtCause::Unclear, answer)),
        },
    }
}

#[async_trait]
impl Provider for Courier {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "courier"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: Some(10_000_000),
            inline_images: true,
            attachments: true,
            international_local_part: false,
            batch: 1,
            idempotent_for: None,
            lanes: 2,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        let all = |outcome: Outcome| vec![outcome; parcels.len()];
        let mut stream = match self.connect().await {
            Ok(stream) => stream,
            Err(refusal) => return all(Outcome::Refused(refusal)),
        };
        commit.heard();
        let [parcel] = parcels else {
            return all(Outcome::Refused(Refusal::provider(Trouble::Fault, "one message at a time")));
        };
        // The one moment: it is durable when this returns, and nothing may leave when it is denied.
        if let Err(denied) = commit.intent(None).await {
            return all(Outcome::NotStarted(denied));
        }
        vec![self.hand_over(&mut stream, parcel, commit).await]
    }

    async fn login(&self) -> Result<Login, Refusal> {
        self.connect().await.map(|_| Login::default())
    }
}
