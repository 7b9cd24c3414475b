//! From a host name to a session that may send: DNS, TCP, TLS, greeting, EHLO, AUTH.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::outcome::{Refusal, Trouble};
use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::Phase;
use super::classify::Classified;
use super::config::{SmtpConfig, SmtpConfigError, Tls};
use super::failure::Failure;
use super::features::Features;
use super::line::{Line, Stream};
use super::login::login;
use super::reply::Reply;
use super::session::Session;
use super::source::{Sources, blocked};
use crate::tls::{certificate_words, connector, tls_words};

/// Called at every complete reply.
pub(super) type Heard<'a> = &'a (dyn Fn() + Send + Sync);

/// Finds the addresses of a host.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, in the order in which to try them, with `port`.
    ///
    /// # Errors
    ///
    /// When the name has no address, or could not be asked for.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Opens sessions with one provider.
pub(super) struct Dialer {
    pub(super) config: SmtpConfig,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    resolver: Arc<dyn Resolve>,
    sources: Sources,
}

/// What the resolver says, without what the standard library puts in front of it.
fn looked_up(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").map_or(text.clone(), str::to_owned)
}

impl Dialer {
    pub(super) fn new(config: SmtpConfig, resolver: Arc<dyn Resolve>) -> Result<Self, SmtpConfigError> {
        config.check()?;
        let tls = match config.tls {
            Tls::None => None,
            Tls::Implicit | Tls::StartTls => Some(connector(&config.host, config.ca_file.as_deref())?),
        };
        let sources = Sources::new(&config.bind);
        Ok(Self { config, tls, resolver, sources })
    }

    /// A session that is ready for MAIL FROM.
    pub(super) async fn dial(&self, heard: Heard<'_>) -> Result<Session, Refusal> {
        let (stream, source) = match self.connect().await {
            Ok(connected) => connected,
            Err(failure) => return Err(self.settle(None, failure.classified())),
        };
        let opened = self.open(stream, source, heard).await;
        opened.map_err(|failure| self.settle(source, failure.classified()))
    }

    /// Benches the source address that an answer blocks. While another one can stand in, the
    /// provider itself need not rest: the throttle becomes a fault that only counts.
    pub(super) fn settle(&self, source: Option<IpAddr>, classified: Classified) -> Refusal {
        let mut refusal = classified.refusal;
        if let (Some(source), Some(wait)) = (source, classified.blocks_source) {
            let has_another = self.sources.bench(source, Instant::now(), wait);
            refusal.reply = blocked(source, wait, &refusal.reply);
            if has_another && refusal.trouble == Some(Trouble::Throttled) {
                refusal.trouble = Some(Trouble::Fault);
            }
        }
        refusal
    }

    async fn connect(&self) -> Result<(TcpStream, Option<IpAddr>), Failure> {
        let limit = self.config.timeouts.connect;
        let started = Instant::now();
        let addresses = self.addresses(limit).await?;
        let count = addresses.len();
        let mut last = Failure::NoSource(self.config.host.clone());
        for (index, address) in addresses.into_iter().enumerate() {
            let source = self.sources.next_for(address.ip(), Instant::now());
            if source.is_none() && self.sources.are_given() {
                continue;
            }
            // What is left of the time is shared by the addresses that are left.
            let left = limit.saturating_sub(started.elapsed()) / u32::try_from(count - index).unwrap_or(1);
            match timeout(left, tcp(address, source)).await {
                Ok(Ok(stream)) => return Ok((stream, source)),
                Ok(Err(error)) => last = self.no_connection(address, &error.to_string()),
                Err(_) => last = self.no_connection(address, "no answer in time"),
            }
        }
        Err(last)
    }

    async fn addresses(&self, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
        let host = &self.config.host;
        let dns = |reason: String| Failure::Dns { host: host.clone(), reason };
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, self.config.port)],
            Err(_) => match timeout(limit, self.resolver.resolve(host, self.config.port)).await {
                Ok(found) => found.map_err(|error| dns(looked_up(&error)))?,
                Err(_) => return Err(dns("no answer in time".to_owned())),
            },
        };
        if found.is_empty() {
            return Err(dns("it has no address".to_owned()));
        }
        // `localhost` in a hosts file of somebody's own may be anywhere.
        let outside = found.iter().find(|address| !address.ip().is_loopback());
        match outside {
            Some(address) if self.config.tls == Tls::None => Err(Failure::NotLoopback(address.to_string())),
            _ => Ok(found),
        }
    }

    fn no_connection(&self, address: SocketAddr, reason: &str) -> Failure {
        Failure::Connect { to: format!("{} ({address})", self.config.host), reason: reason.to_owned() }
    }

    async fn open(
        &self,
        stream: TcpStream,
        source: Option<IpAddr>,
        heard: Heard<'_>,
    ) -> Result<Session, Failure> {
        // Commands and the terminator are small writes; Nagle would hold each back for 40 ms.
        // A socket that cannot be told so still works.
        let _ = stream.set_nodelay(true);
        let id = self.client_id(&stream);
        let stream: Box<dyn Stream> = match self.config.tls {
            Tls::Implicit => self.handshake(Box::new(stream)).await?,
            Tls::StartTls | Tls::None => Box::new(stream),
        };
        let mut line = Line::new(stream);
        let greeting = self.hear(&mut line, Phase::Banner, heard).await?;
        if greeting.code() != 220 {
            return Err(Failure::reply(Phase::Banner, greeting));
        }
        let mut features = self.ehlo(&mut line, &id, heard).await?;
        if self.config.tls == Tls::StartTls {
            line = self.starttls(line, &features, heard).await?;
            // RFC 3207, section 4.2: what was said in the clear is forgotten.
            features = self.ehlo(&mut line, &id, heard).await?;
        }
        if let Some(credentials) = &self.config.credentials {
            login(&mut line, &features, credentials, self.config.timeouts.command, heard).await?;
        }
        Ok(Session::new(line, features, source, greeting.text()))
    }

    async fn starttls(&self, mut line: Line, features: &Features, heard: Heard<'_>) -> Result<Line, Failure> {
        if !features.starttls {
            return Err(Failure::NoStartTls);
        }
        self.say(&mut line, Phase::StartTls, &Starttls.to_string()).await?;
        // `hear` refuses anything that is buffered behind the 220: it was not sent under TLS, and
        // would be taken for an answer that was (CVE-2011-0411).
        let reply = self.hear(&mut line, Phase::StartTls, heard).await?;
        if reply.code() != 220 {
            return Err(Failure::reply(Phase::StartTls, reply));
        }
        Ok(Line::new(self.handshake(line.into_stream()).await?))
    }

    async fn handshake(&self, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Failure> {
        let (connector, name) = self.tls.as_ref().expect("made by `new` unless tls is `none`");
        let limit = self.config.timeouts.connect;
        match timeout(limit, connector.connect(name.clone(), stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(self.tls_failure(&error)),
            Err(_) => Err(self.no_tls("no answer in time")),
        }
    }

    fn tls_failure(&self, error: &io::Error) -> Failure {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                Failure::Certificate { host: self.config.host.clone(), reason: certificate_words(reason) }
            }
            Some(error) => self.no_tls(&tls_words(error)),
            None => self.no_tls(&error.to_string()),
        }
    }

    fn no_tls(&self, reason: &str) -> Failure {
        Failure::Handshake(reason.to_owned())
    }

    async fn ehlo(&self, line: &mut Line, id: &ClientId, heard: Heard<'_>) -> Result<Features, Failure> {
        self.say(line, Phase::Ehlo, &Ehlo::new(id.clone()).to_string()).await?;
        let reply = self.hear(line, Phase::Ehlo, heard).await?;
        if reply.code() != 250 {
            return Err(Failure::reply(Phase::Ehlo, reply));
        }
        Ok(Features::of(&reply))
    }

    async fn say(&self, line: &mut Line, phase: Phase, command: &str) -> Result<(), Failure> {
        line.write(command.as_bytes(), self.config.timeouts.command).await.map_err(Failure::line(phase))
    }

    /// One reply, with nothing behind it.
    async fn hear(&self, line: &mut Line, phase: Phase, heard: Heard<'_>) -> Result<Reply, Failure> {
        let reply = line.reply(self.config.timeouts.command).await.map_err(Failure::line(phase))?;
        heard();
        line.nothing_buffered().map_err(Failure::line(phase))?;
        Ok(reply)
    }

    fn client_id(&self, stream: &TcpStream) -> ClientId {
        match (&self.config.helo, stream.local_addr().map(|address| address.ip())) {
            (Some(name), _) => match name.parse::<IpAddr>() {
                Ok(ip) => literal(ip),
                Err(_) => ClientId::Domain(name.clone()),
            },
            (None, Ok(ip)) => literal(ip),
            (None, Err(_)) => ClientId::default(),
        }
    }
}

fn literal(ip: IpAddr) -> ClientId {
    match ip {
        IpAddr::V4(ip) => ClientId::Ipv4(ip),
        IpAddr::V6(ip) => ClientId::Ipv6(ip),
    }
}

async fn tcp(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}
