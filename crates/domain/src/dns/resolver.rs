//! A stub resolver: one question to a recursive server, over UDP, and over TCP when the answer is cut.
//!
//! The message format and the system's configuration come from hickory; the dialogue is our own,
//! because a check must tell "no such name" from "no such record", "failed", "refused" and "nobody
//! answered", see the chain of aliases, and never apply search domains or the rules for special names.
//!
//! Bounds: two tries per server, at most three servers, 64 KiB an answer (TCP's own), 8 aliases. A
//! datagram that does not carry our id and our question is not an answer and is left unread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::proto::op::{Edns, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType as WireType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Alias, Answer, Data, Dns, MAX_ALIASES, Record, RecordType, Status};
use crate::name;

/// A stub resolver over UDP and TCP.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    patience: [Duration; 2],
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverError {
    /// The system's resolver configuration cannot be read.
    #[error("the system's name servers cannot be read: {reason}")]
    NoSystemConfiguration {
        /// What the system said.
        reason: String,
    },
    /// The system names no server.
    #[error("the system's configuration names no name server")]
    NoServer,
}

impl ResolverError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "give one: --nameserver 192.0.2.53:53"
    }
}

impl Resolver {
    /// Asks one server, at an address and a port.
    #[must_use]
    pub fn at(server: SocketAddr) -> Self {
        Self { servers: vec![server], patience: PATIENCE }
    }

    /// Asks the servers that the system is configured with, at most three.
    ///
    /// # Errors
    ///
    /// [`ResolverError`] when the system names none.
    pub fn from_system() -> Result<Self, ResolverError> {
        let (config, _) = hickory_resolver::system_conf::read_system_conf()
            .map_err(|error| ResolverError::NoSystemConfiguration { reason: error.to_string() })?;
        let servers: Vec<_> =
            config.name_servers().iter().map(|server| SocketAddr::new(server.ip, 53)).take(3).collect();
        if servers.is_empty() {
            return Err(ResolverError::NoServer);
        }
        Ok(Self { servers, patience: PATIENCE })
    }

    /// How long the first and the second try wait for an answer. By default 2 s and 3 s.
    #[must_use]
    pub fn with_patience(mut self, first: Duration, second: Duration) -> Self {
        self.patience = [first, second];
        self
    }

    /// Asks the servers in turn until one answers; what the last one said otherwise.
    async fn ask(&self, name: &Name, kind: WireType) -> Result<Message, Status> {
        let mut last = Status::Timeout;
        for patience in self.patience {
            for server in &self.servers {
                match self.ask_server(*server, name, kind, patience).await {
                    Ok(message) => match failure(message.metadata.response_code) {
                        None => return Ok(message),
                        Some(status) => last = status,
                    },
                    Err(status) => last = status,
                }
            }
            // A server that spoke will say the same again; only silence deserves a second try.
            if last != Status::Timeout {
                break;
            }
        }
        Err(last)
    }

    async fn ask_server(
        &self,
        server: SocketAddr,
        name: &Name,
        kind: WireType,
        patience: Duration,
    ) -> Result<Message, Status> {
        let mut query = question(name, kind);
        query.set_edns(edns());
        let message = exchange(server, &query, patience).await?;
        if message.metadata.response_code != ResponseCode::FormErr {
            return Ok(message);
        }
        // A server that does not know EDNS says FORMERR (RFC 6891, section 7): ask without.
        exchange(server, &question(name, kind), patience).await
    }
}

#[async_trait]
impl Dns for Resolver {
    async fn lookup(&self, name: &str, kind: RecordType) -> Answer {
        let Some(start) = wire_name(name) else {
            return Answer::without_records(Status::NxDomain);
        };
        let mut walk = Walk { at: start, aliases: Vec::new() };
        loop {
            let message = match self.ask(&walk.at, wire_type(kind)).await {
                Ok(message) => message,
                Err(status) => return walk.end(status, Vec::new(), false),
            };
            if let Some(answer) = walk.step(&message, kind) {
                return answer;
            }
        }
    }
}

/// Where a look-up stands on its way along the aliases.
struct Walk {
    at: Name,
    aliases: Vec<Alias>,
}

impl Walk {
    /// Reads one response; `None` when an alias leads to a name that it does not speak about.
    fn step(&mut self, message: &Message, kind: RecordType) -> Option<Answer> {
        let before = self.aliases.len();
        while kind != RecordType::Cname
            && let Some((target, ttl)) = alias_at(message, &self.at)
        {
            if self.aliases.len() == MAX_ALIASES || self.has_seen(&target) {
                return Some(self.end(Status::AliasLoop, Vec::new(), false));
            }
            self.aliases.push(Alias { target: text(&target), ttl });
            self.at = target;
        }
        let records = records_at(message, &self.at, kind);
        let authenticated = message.metadata.authentic_data;
        if !records.is_empty() {
            return Some(self.end(Status::Found, records, authenticated));
        }
        if message.metadata.response_code == ResponseCode::NXDomain {
            return Some(self.end(Status::NxDomain, records, authenticated));
        }
        let moved = self.aliases.len() > before;
        let closed = message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
        (!moved || closed).then(|| self.end(Status::NoData, records, authenticated))
    }

    fn has_seen(&self, target: &Name) -> bool {
        *target == self.at || self.aliases.iter().any(|alias| name::same(&alias.target, &text(target)))
    }

    fn end(&mut self, status: Status, records: Vec<Record>, authenticated: bool) -> Answer {
        Answer { status, records, aliases: std::mem::take(&mut self.aliases), authenticated }
    }
}

fn question(name: &Name, kind: WireType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.metadata.authentic_data = true;
    message.add_query(Query::query(name.clone(), kind));
    message
}

fn edns() -> Edns {
    let mut edns = Edns::new();
    // Small enough never to be fragmented (DNS flag day 2020).
    edns.set_max_payload(1232);
    edns
}

/// One question and its answer: UDP first, TCP when it was cut.
async fn exchange(server: SocketAddr, query: &Message, patience: Duration) -> Result<Message, Status> {
    let bytes = query.to_vec().map_err(|_| Status::Malformed)?;
    let answer = timeout(patience, over_udp(server, query, &bytes)).await.map_err(|_| Status::Timeout)??;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    timeout(patience, over_tcp(server, query, &bytes)).await.map_err(|_| Status::Timeout)?
}

async fn over_udp(server: SocketAddr, query: &Message, bytes: &[u8]) -> Result<Message, Status> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.map_err(|_| Status::Unreachable)?;
    socket.connect(server).await.map_err(|_| Status::Unreachable)?;
    socket.send(bytes).await.map_err(|_| Status::Unreachable)?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(|_| Status::Unreachable)?;
        match Message::from_vec(&buffer[..length]) {
            Ok(answer) if is_answer_to(&answer, query) => return Ok(answer),
            // A wrong id, another question, or rubbish: someone else's datagram. Keep listening.
            _ if !carries_id(&buffer[..length], query.metadata.id) => {}
            Ok(_) => {}
            // Cut in the middle of a record: some servers do that instead of cutting between two.
            Err(_) if buffer[2] & 2 != 0 => {
                let mut cut = Message::response(query.metadata.id, query.metadata.op_code);
                cut.metadata.truncation = true;
                return Ok(cut);
            }
            Err(_) => return Err(Status::Malformed),
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Message, bytes: &[u8]) -> Result<Message, Status> {
    let mut stream = TcpStream::connect(server).await.map_err(|_| Status::Unreachable)?;
    let length = u16::try_from(bytes.len()).map_err(|_| Status::Malformed)?;
    let framed = [&length.to_be_bytes()[..], bytes].concat();
    stream.write_all(&framed).await.map_err(|_| Status::Unreachable)?;
    let length = stream.read_u16().await.map_err(|_| Status::Unreachable)?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await.map_err(|_| Status::Unreachable)?;
    let answer = Message::from_vec(&buffer).map_err(|_| Status::Malformed)?;
    if is_answer_to(&answer, query) { Ok(answer) } else { Err(Status::Malformed) }
}

fn is_answer_to(answer: &Message, query: &Message) -> bool {
    use hickory_resolver::proto::op::MessageType;
    answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id
        // Some servers leave the question out of an error.
        && (answer.queries == query.queries
            || (answer.queries.is_empty() && answer.metadata.response_code != ResponseCode::NoError))
}

fn carries_id(bytes: &[u8], id: u16) -> bool {
    bytes.get(..2) == Some(&id.to_be_bytes()[..])
}

fn failure(code: ResponseCode) -> Option<Status> {
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => None,
        ResponseCode::ServFail => Some(Status::ServFail),
        ResponseCode::Refused => Some(Status::Refused),
        _ => Some(Status::Malformed),
    }
}

fn alias_at(message: &Message, at: &Name) -> Option<(Name, u32)> {
    message.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == *at => Some((target.0.clone(), record.ttl)),
        _ => None,
    })
}

fn records_at(message: &Message, at: &Name, kind: RecordType) -> Vec<Record> {
    let wanted = wire_type(kind);
    let here = message.answers.iter().filter(|r| r.name == *at && r.record_type() == wanted);
    here.map(|record| Record { data: data(&record.data), ttl: record.ttl }).collect()
}

fn data(wire: &RData) -> Data {
    match wire {
        RData::A(a) => Data::A(a.0),
        RData::AAAA(aaaa) => Data::Aaaa(aaaa.0),
        RData::CNAME(target) => Data::Cname(text(&target.0)),
        RData::MX(mx) => Data::Mx { preference: mx.preference, exchange: text(&mx.exchange) },
        RData::NS(host) => Data::Ns(text(&host.0)),
        RData::PTR(host) => Data::Ptr(text(&host.0)),
        RData::SOA(soa) => Data::Soa { primary: text(&soa.mname), minimum: soa.minimum },
        RData::TXT(txt) => Data::Txt(txt.txt_data.iter().map(|string| string.to_vec()).collect()),
        _ => Data::Other,
    }
}

/// Labels as they are, whatever their octets, joined by dots.
fn text(name: &Name) -> String {
    name.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(".")
}

fn wire_name(name: &str) -> Option<Name> {
    if !name::is_well_formed(name) {
        return None;
    }
    Name::from_labels(name::labels(name).map(str::as_bytes)).ok()
}

fn wire_type(kind: RecordType) -> WireType {
    match kind {
        RecordType::A => WireType::A,
        RecordType::Aaaa => WireType::AAAA,
        RecordType::Cname => WireType::CNAME,
        RecordType::Dnskey => WireType::DNSKEY,
        RecordType::Ds => WireType::DS,
        RecordType::Mx => WireType::MX,
        RecordType::Ns => WireType::NS,
        RecordType::Ptr => WireType::PTR,
        RecordType::Soa => WireType::SOA,
        RecordType::Tlsa => WireType::TLSA,
        RecordType::Txt => WireType::TXT,
    }
}

const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(3)];
