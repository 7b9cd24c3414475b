//! The mailbox over IMAP (RFC 9051 and RFC 3501), read only: EXAMINE and BODY.PEEK, so that nothing is
//! marked as read, moved or deleted.
//!
//! UIDVALIDITY and the last UID that was read are the mark (RFC 9051, section 2.3.1.1): a mailbox that was
//! made anew is read anew. TLS from the first byte, or clear text to this machine. Every command has a
//! deadline, every message is asked for up to [`MESSAGE_CAP_BYTES`], and what one command may answer is
//! counted below the parser, whose own bound is half a gigabyte.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_imap::error::Error;
use async_imap::{Authenticator, Client, Session};
use depeche_core::outcome::one_line;
use depeche_core::secret::{ExposeSecret as _, Secret};
use depeche_providers::tls::{TlsError, connector, io_words};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::read::MESSAGE_CAP_BYTES;

/// Messages of one command.
const BATCH: usize = 20;
/// What an answer may have besides messages: 8 octets for each of a million UIDs, and chatter.
const CHATTER_BYTES: u64 = 16 * 1024 * 1024;

/// A mailbox, as depeche.toml describes it.
#[derive(Debug, Clone)]
pub struct ImapConfig {
    /// Host name or IP address.
    pub host: String,
    /// 993 with TLS, 143 without.
    pub port: u16,
    /// False: clear text, to loopback only.
    pub tls: bool,
    /// Usually the whole address.
    pub username: String,
    /// Never printed.
    pub password: Secret,
    /// The folder; `INBOX` when in doubt.
    pub folder: String,
    /// A PEM file of certificates trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long connecting and each command may take.
    pub limit: Duration,
}

/// Up to where a mailbox was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Changes when the server numbers anew.
    pub validity: u32,
    /// The last message that was read; 0 before the first.
    pub uid: u32,
}

/// Why the mailbox could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImapError {
    /// Clear text would leave the machine.
    #[error("tls = \"none\" is for this machine only, and `{0}` is another one")]
    ClearText(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server refused the login.
    #[error("the login was refused: {0}")]
    Login(String),
    /// The folder is not there, or cannot be opened.
    #[error("the folder `{folder}` cannot be opened: {reason}")]
    Folder {
        /// Which.
        folder: String,
        /// What the server said.
        reason: String,
    },
    /// The server numbers nothing, so that no mark can be kept (RFC 9051, section 2.3.1.1).
    #[error("the server gives no UIDVALIDITY")]
    NoValidity,
    /// The deadline passed.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The line broke, or the answer could not be read.
    #[error("{0}")]
    Line(String),
}

/// An open mailbox.
pub struct Imap {
    session: Session<Wire>,
    allowance: Arc<AtomicU64>,
    validity: u32,
    limit: Duration,
}

impl Imap {
    /// Connects, logs in, and opens the folder without the right to change it.
    ///
    /// # Errors
    ///
    /// [`ImapError`]; only [`ImapError::Login`] speaks of the credentials.
    pub async fn open(config: &ImapConfig) -> Result<Self, ImapError> {
        let allowance = Arc::new(AtomicU64::new(CHATTER_BYTES));
        let wire = within(config.limit, connect(config, &allowance)).await??;
        let mut client = Client::new(wire);
        let greeting = within(config.limit, client.read_response()).await?;
        greeting.map_err(|error| ImapError::Line(one_line(&error.to_string())))?.ok_or_else(closed)?;
        let mut session = within(config.limit, log_in(client, config)).await??;
        let folder = within(config.limit, session.examine(&config.folder)).await?;
        let folder = folder.map_err(|error| match error {
            Error::No(reason) | Error::Bad(reason) => {
                ImapError::Folder { folder: config.folder.clone(), reason: one_line(&reason) }
            }
            other => line(&other),
        })?;
        let validity = folder.uid_validity.ok_or(ImapError::NoValidity)?;
        Ok(Self { session, allowance, validity, limit: config.limit })
    }

    /// The mark from which this mailbox is read: `mark`, or its beginning when it was numbered anew.
    #[must_use]
    pub fn begin(&self, mark: Option<Mark>) -> Mark {
        mark.filter(|mark| mark.validity == self.validity).unwrap_or(Mark { validity: self.validity, uid: 0 })
    }

    /// The messages after `mark`, oldest first; with `since` those that came on its day or later.
    ///
    /// # Errors
    ///
    /// [`ImapError`].
    pub async fn after(&mut self, mark: Mark, since: Option<Timestamp>) -> Result<Vec<u32>, ImapError> {
        let mut question = format!("UID {}:*", mark.uid.saturating_add(1));
        if let Some(since) = since {
            // RFC 9051, section 6.4.4: by the day, without the zone, so a day is added.
            let day = since - jiff::SignedDuration::from_hours(24);
            question.push_str(&day.strftime(" SINCE %d-%b-%Y").to_string());
        }
        self.allow(0);
        let found = within(self.limit, self.session.uid_search(&question)).await?;
        let mut uids: Vec<u32> = found.map_err(|error| line(&error))?.into_iter().collect();
        // `n:*` has the last message in it even when it is before n.
        uids.retain(|uid| *uid > mark.uid);
        uids.sort_unstable();
        Ok(uids)
    }

    /// Some of `uids`, from the first on: each message up to [`MESSAGE_CAP_BYTES`], and how far it got.
    /// What was deleted meanwhile is not among them.
    ///
    /// # Errors
    ///
    /// [`ImapError`].
    pub async fn fetch(&mut self, uids: &[u32]) -> Result<Fetched, ImapError> {
        let batch = &uids[..uids.len().min(BATCH)];
        let Some(last) = batch.last() else { return Ok(Fetched::default()) };
        self.allow(batch.len() as u64 * 2 * MESSAGE_CAP_BYTES as u64);
        let set = batch.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let question = format!("(UID BODY.PEEK[]<0.{MESSAGE_CAP_BYTES}>)");
        let session = &mut self.session;
        let fetching = async { session.uid_fetch(set, question).await?.try_collect::<Vec<_>>().await };
        let found = within(self.limit, fetching).await?.map_err(|error| line(&error))?;
        let mut messages: Vec<(u32, Vec<u8>)> = found
            .iter()
            .filter_map(|one| Some((one.uid.filter(|uid| batch.contains(uid))?, one.body()?.to_vec())))
            .collect();
        messages.sort_unstable_by_key(|(uid, _)| *uid);
        let messages = messages.into_iter().map(|(_, message)| message).collect();
        let mark = Some(Mark { validity: self.validity, uid: *last });
        Ok(Fetched { messages, mark, asked: batch.len() })
    }

    /// Says goodbye; the answer does not matter.
    pub async fn close(mut self) {
        let limit = self.limit.min(Duration::from_secs(5));
        let _ = timeout(limit, self.session.logout()).await;
    }

    fn allow(&self, bytes: u64) {
        self.allowance.store(CHATTER_BYTES + bytes, Ordering::Relaxed);
    }
}

/// Some messages.
#[derive(Debug, Default)]
pub struct Fetched {
    /// As they are, up to [`MESSAGE_CAP_BYTES`] each.
    pub messages: Vec<Vec<u8>>,
    /// The mark when they are dealt with.
    pub mark: Option<Mark>,
    /// How many of those asked for are done.
    pub asked: usize,
}

async fn connect(config: &ImapConfig, allowance: &Arc<AtomicU64>) -> Result<Wire, ImapError> {
    let is_here = config.host.eq_ignore_ascii_case("localhost")
        || config.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !config.tls && !is_here {
        return Err(ImapError::ClearText(config.host.clone()));
    }
    let broken = |error: std::io::Error| ImapError::Line(one_line(&io_words(&error)));
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let stream: Pin<Box<dyn Stream>> = if config.tls {
        let (connector, name) = connector(&config.host, config.ca_file.as_deref())?;
        Box::pin(connector.connect(name, stream).await.map_err(broken)?)
    } else {
        Box::pin(stream)
    };
    Ok(Wire { stream, allowance: Arc::clone(allowance) })
}

async fn log_in(client: Client<Wire>, config: &ImapConfig) -> Result<Session<Wire>, ImapError> {
    let (user, password) = (config.username.as_str(), config.password.expose_secret());
    // LOGIN knows ASCII only (RFC 9051, section 6.2.3).
    let session = if user.is_ascii() && password.is_ascii() {
        client.login(user, password).await
    } else {
        client.authenticate("PLAIN", Plain { user, password }).await
    };
    session.map_err(|(error, _)| match error {
        Error::No(reason) | Error::Bad(reason) => ImapError::Login(one_line(&reason)),
        other => line(&other),
    })
}

/// RFC 4616.
struct Plain<'a> {
    user: &'a str,
    password: &'a str,
}

impl Authenticator for Plain<'_> {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        format!("\0{}\0{}", self.user, self.password)
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, ImapError> {
    timeout(limit, work).await.map_err(|_| ImapError::TimedOut(limit))
}

/// An error without what the server sent: that may be a whole message.
fn line(error: &Error) -> ImapError {
    ImapError::Line(match error {
        Error::Parse(_) => "the answer cannot be read".to_owned(),
        other => one_line(&other.to_string()),
    })
}

fn closed() -> ImapError {
    ImapError::Line("the connection was closed".to_owned())
}

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// The line, with what may still be read from it.
struct Wire {
    stream: Pin<Box<dyn Stream>>,
    allowance: Arc<AtomicU64>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.stream.as_mut().poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        let spend = |left: u64| left.checked_sub(read);
        if self.allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_err() {
            return Poll::Ready(Err(std::io::Error::other(
                "the answer is longer than any that was asked for",
            )));
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.validity, self.uid)
    }
}

/// The text is no mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mark of a mailbox")]
pub struct BadMark(pub String);

impl FromStr for Mark {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, BadMark> {
        let bad = || BadMark(text.to_owned());
        let (validity, uid) = text.split_once(':').ok_or_else(bad)?;
        Ok(Self { validity: validity.parse().map_err(|_| bad())?, uid: uid.parse().map_err(|_| bad())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_text_and_back() {
        let mark = Mark { validity: 3_857_529_045, uid: 4_392 };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for bad in ["", "1", "1:", ":1", "1:-1", "1:4294967296"] {
            assert!(bad.parse::<Mark>().is_err(), "{bad}");
        }
    }
}
