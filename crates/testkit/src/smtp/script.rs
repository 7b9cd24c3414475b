//! What is to go wrong, where, and when.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::server::RunningSmtp;

/// A step of the dialogue at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The connection was accepted; nothing is said yet (with implicit TLS: before the handshake).
    Connect,
    /// In place of the greeting.
    Banner,
    /// In answer to EHLO.
    Ehlo,
    /// In answer to STARTTLS.
    StartTls,
    /// In place of the TLS handshake.
    Handshake,
    /// In answer to AUTH, at its first command.
    Auth,
    /// In answer to MAIL FROM.
    Mail,
    /// In answer to RCPT TO.
    Rcpt,
    /// In answer to DATA.
    Data,
    /// When so many bytes of the body have come (0: as soon as 354 is out).
    Body(usize),
    /// In answer to the final dot. The message was taken in whole and is recorded.
    FinalDot,
    /// In answer to RSET.
    Rset,
    /// In answer to QUIT.
    Quit,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed in order (FIN).
    Close,
    /// The connection is reset (RST, by SO_LINGER 0).
    Reset,
    /// Nothing more is ever said on this connection, which stays open.
    Silence,
    /// The ordinary answer comes, but so late.
    Late(Duration),
    /// This answer comes in place of the ordinary one; without its last line end. Lines are
    /// separated by `\r\n`. Its first digit decides how the server goes on.
    Reply(String),
    /// The same, and the connection is closed after it (`421` in practice).
    ReplyThenClose(String),
    /// The ordinary answer, with these bytes behind it in the same write: bytes behind the STARTTLS
    /// reply, or one reply too many, by which all later ones are shifted.
    FollowedBy(String),
    /// These bytes in place of the answer, as they are; the dialogue goes on as if nothing were.
    Raw(Vec<u8>),
    /// Binary noise with line ends, in place of the answer.
    Garbage,
    /// One line so long, in place of the answer.
    LongLine(usize),
    /// Continuation lines without end.
    Endless,
    /// The ordinary answer, one byte each so often.
    Drip(Duration),
    /// The server is gone: every connection is reset and none is accepted any more, for so long, or
    /// until [`RunningSmtp::revive`].
    Die(Option<Duration>),
}

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) phase: Phase,
    pub(super) fault: Fault,
    first: u64,
    last: u64,
    every: u64,
    recipient: Option<String>,
    pub(super) times: Option<u32>,
}

impl Rule {
    /// A rule for `phase`; say what it [`does`](Rule::does). It holds for every message until narrowed.
    #[must_use]
    pub fn at(phase: Phase) -> Self {
        Self { phase, fault: Fault::Close, first: 1, last: u64::MAX, every: 1, recipient: None, times: None }
    }

    /// What goes wrong; a closed connection when nothing is said.
    #[must_use]
    pub fn does(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Shorthand for [`Fault::Reply`].
    #[must_use]
    pub fn replies(self, reply: &str) -> Self {
        self.does(Fault::Reply(reply.to_owned()))
    }

    /// Holds from the `number`th message of the server's life on. Messages count from 1, by MAIL
    /// FROM; before the first MAIL FROM of a connection the number is that of the next message.
    #[must_use]
    pub fn from_message(mut self, number: u64) -> Self {
        self.first = number;
        self
    }

    /// Holds up to the `number`th message.
    #[must_use]
    pub fn to_message(mut self, number: u64) -> Self {
        self.last = number;
        self
    }

    /// Holds for the `number`th message alone.
    #[must_use]
    pub fn at_message(self, number: u64) -> Self {
        self.from_message(number).to_message(number)
    }

    /// Holds for every `step`th message.
    #[must_use]
    pub fn every(mut self, step: u64) -> Self {
        self.every = step.max(1);
        self
    }

    /// Holds only while the message is for `address` (from RCPT on; compared without case).
    #[must_use]
    pub fn for_recipient(mut self, address: &str) -> Self {
        self.recipient = Some(address.to_lowercase());
        self
    }

    /// Happens so many times and never again.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Happens once.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    pub(super) fn holds(&self, phase: Phase, message: u64, recipient: Option<&str>) -> bool {
        self.phase == phase
            && (self.first..=self.last).contains(&message)
            && message.is_multiple_of(self.every)
            && self.times != Some(0)
            && self.recipient.as_deref().is_none_or(|wanted| recipient == Some(wanted))
    }
}

/// How the server speaks TLS.
#[derive(Clone, Default)]
pub enum TlsMode {
    /// Not at all.
    #[default]
    None,
    /// From the first byte.
    Implicit(Arc<ServerConfig>),
    /// After STARTTLS.
    StartTls(Arc<ServerConfig>),
}

/// A scripted mail server, not yet started.
#[derive(Clone)]
pub struct FakeSmtp {
    pub(super) name: String,
    pub(super) keywords: Vec<String>,
    pub(super) tls: TlsMode,
    pub(super) login: Option<(String, String)>,
    pub(super) rules: Vec<Rule>,
    pub(super) demands_auth: bool,
}

impl FakeSmtp {
    /// A server that offers PIPELINING, SIZE (35,651,584), 8BITMIME, SMTPUTF8, DSN and
    /// ENHANCEDSTATUSCODES, no TLS and no AUTH, and takes every message.
    #[must_use]
    pub fn new() -> Self {
        let keywords = ["PIPELINING", "SIZE 35651584", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"];
        Self {
            name: "fake.depeche.test".to_owned(),
            keywords: keywords.map(str::to_owned).to_vec(),
            tls: TlsMode::None,
            login: None,
            rules: Vec::new(),
            demands_auth: false,
        }
    }

    /// Offers one more EHLO keyword, with its parameters.
    #[must_use]
    pub fn offering(mut self, keyword: &str) -> Self {
        self.keywords.push(keyword.to_owned());
        self
    }

    /// Does not offer `keyword` (compared by its first word).
    #[must_use]
    pub fn without(mut self, keyword: &str) -> Self {
        self.keywords.retain(|offered| offered.split(' ').next() != Some(keyword));
        self
    }

    /// Speaks TLS so.
    #[must_use]
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.tls = mode;
        self
    }

    /// Offers AUTH PLAIN and LOGIN, takes only this login, and refuses MAIL without it (530).
    #[must_use]
    pub fn login(self, user: &str, password: &str) -> Self {
        self.login_by("PLAIN LOGIN", user, password)
    }

    /// The same with other mechanisms offered.
    #[must_use]
    pub fn login_by(mut self, mechanisms: &str, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self.demands_auth = true;
        self.offering(&format!("AUTH {mechanisms}"))
    }

    /// Adds a rule; the first that holds wins.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Shorthand for a rule that holds always.
    #[must_use]
    pub fn failing(self, phase: Phase, fault: Fault) -> Self {
        self.rule(Rule::at(phase).does(fault))
    }

    /// Shorthand for [`Fault::Silence`] at `phase`, always.
    #[must_use]
    pub fn silent_after(self, phase: Phase) -> Self {
        self.failing(phase, Fault::Silence)
    }

    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When loopback has no free port.
    pub async fn start(self) -> RunningSmtp {
        RunningSmtp::listen(self, 0).await.expect("loopback has a free port")
    }

    /// Listens on `port` of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub async fn start_on(self, port: u16) -> std::io::Result<RunningSmtp> {
        RunningSmtp::listen(self, port).await
    }
}

impl Default for FakeSmtp {
    fn default() -> Self {
        Self::new()
    }
}
