//! A DNS server on loopback, over UDP and TCP, that says what a test wants and fails as a test wants.
//!
//! It answers with authority for the names it was given: aliases are followed within them, a name
//! between two others exists without records, everything else is NXDOMAIN. A [`Fault`] at a name takes
//! the place of an answer for every type that the name holds no record of. An answer that is larger
//! than the asker's datagram is cut, so that it asks again over TCP.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use depeche_testkit::dns::{FakeDns, Fault};
//!
//! let server = FakeDns::new()
//!     .txt("example.org", &["v=spf1 -all"])
//!     .fault("broken.example.org", Fault::ServFail)
//!     .start()
//!     .await;
//! assert!(server.address().ip().is_loopback());
//! # });
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_server::proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// What the server does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Says nothing at all.
    Silent,
    /// Response code 2.
    ServFail,
    /// Response code 5.
    Refused,
    /// Answers with octets that are no DNS message.
    Garbage,
    /// Answers with another id than the question's, and then says nothing.
    WrongId,
    /// Cuts its UDP answer whatever its size; the answer over TCP is whole.
    Truncated,
}

/// A DNS server to be: its records and its faults.
#[derive(Clone, Debug, Default)]
pub struct FakeDns {
    records: BTreeMap<String, Vec<Record>>,
    existing: BTreeSet<String>,
    faults: BTreeMap<String, Fault>,
    delay: Duration,
}

impl FakeDns {
    /// A server that knows no name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TXT record made of these strings.
    #[must_use]
    pub fn txt(self, name: &str, strings: &[&str]) -> Self {
        self.txt_bytes(name, &strings.iter().map(|string| string.as_bytes()).collect::<Vec<_>>())
    }

    /// Adds a TXT record made of these octets.
    #[must_use]
    pub fn txt_bytes(self, name: &str, strings: &[&[u8]]) -> Self {
        self.record(name, RData::TXT(TXT::from_bytes(strings.to_vec())))
    }

    /// Adds an A record.
    #[must_use]
    pub fn a(self, name: &str, address: Ipv4Addr) -> Self {
        self.record(name, RData::A(A(address)))
    }

    /// Adds an AAAA record.
    #[must_use]
    pub fn aaaa(self, name: &str, address: Ipv6Addr) -> Self {
        self.record(name, RData::AAAA(AAAA(address)))
    }

    /// Adds an MX record; an empty exchange is the null MX (RFC 7505).
    #[must_use]
    pub fn mx(self, name: &str, preference: u16, exchange: &str) -> Self {
        self.record(name, RData::MX(MX::new(preference, wire(exchange))))
    }

    /// Adds a CNAME record.
    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, RData::CNAME(CNAME(wire(target))))
    }

    /// Adds a PTR record.
    #[must_use]
    pub fn ptr(self, name: &str, target: &str) -> Self {
        self.record(name, RData::PTR(PTR(wire(target))))
    }

    /// Adds an NS record.
    #[must_use]
    pub fn ns(self, name: &str, host: &str) -> Self {
        self.record(name, RData::NS(NS(wire(host))))
    }

    /// Makes a name misbehave, for every type that it holds no record of.
    #[must_use]
    pub fn fault(mut self, name: &str, fault: Fault) -> Self {
        self.faults.insert(key(name), fault);
        self.exists(name)
    }

    /// Waits before every answer, as a distant server does.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Makes a name exist, with or without records.
    #[must_use]
    pub fn exists(mut self, name: &str) -> Self {
        let full = key(name);
        let mut at = full.as_str();
        self.existing.insert(at.to_owned());
        while let Some((_, above)) = at.split_once('.') {
            self.existing.insert(above.to_owned());
            at = above;
        }
        self
    }

    /// Adds any record, with a TTL of 300 s.
    #[must_use]
    pub fn record(mut self, name: &str, data: RData) -> Self {
        let record = Record::from_rdata(wire(name), 300, data);
        self.records.entry(key(name)).or_default().push(record);
        self.exists(name)
    }

    /// Starts the server on a free loopback port, the same for UDP and TCP.
    ///
    /// # Panics
    ///
    /// When loopback gives no port: there is nothing a test could do then.
    pub async fn start(self) -> DnsServer {
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { dns: self, asked: Mutex::default() });
        let tasks = vec![
            tokio::spawn(serve_udp(Arc::new(udp), Arc::clone(&shared))),
            tokio::spawn(serve_tcp(tcp, Arc::clone(&shared))),
        ];
        DnsServer { address, shared, tasks }
    }

    /// The answer to a question, aliases followed.
    fn answer(&self, query: &Query) -> Reply {
        let mut name = key_of(&query.name);
        let mut answers = Vec::new();
        for _ in 0..=MOST_ALIASES {
            let here = self.records.get(&name).map(Vec::as_slice).unwrap_or_default();
            let wanted: Vec<_> =
                here.iter().filter(|r| r.record_type() == query.query_type).cloned().collect();
            if !wanted.is_empty() {
                answers.extend(wanted);
                return Reply::Answers(ResponseCode::NoError, answers);
            }
            let alias = here.iter().find(|record| matches!(record.data, RData::CNAME(_)));
            let Some(alias) = alias else {
                if let Some(fault) = self.faults.get(&name).filter(|fault| **fault != Fault::Truncated) {
                    return Reply::Fault(*fault);
                }
                let known = self.existing.contains(&name);
                let code = if known { ResponseCode::NoError } else { ResponseCode::NXDomain };
                return Reply::Answers(code, answers);
            };
            answers.push(alias.clone());
            if let RData::CNAME(target) = &alias.data {
                name = key_of(&target.0);
            }
        }
        Reply::Answers(ResponseCode::NoError, answers)
    }
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// Where it listens, UDP and TCP alike.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every question so far, as `name TYPE`, in the order they came.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Debug)]
struct Shared {
    dns: FakeDns,
    asked: Mutex<Vec<String>>,
}

enum Reply {
    Answers(ResponseCode, Vec<Record>),
    Fault(Fault),
}

impl Shared {
    /// The octets to send back; `None` for silence.
    async fn reply(&self, request: &[u8], udp: bool) -> Option<Vec<u8>> {
        let request = Message::from_vec(request).ok()?;
        let query = request.queries.first()?.clone();
        let line = format!("{} {}", key_of(&query.name), query.query_type);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        tokio::time::sleep(self.dns.delay).await;

        let mut response = Message::response(request.metadata.id, OpCode::Query);
        response.metadata.recursion_desired = request.metadata.recursion_desired;
        response.metadata.recursion_available = true;
        response.metadata.authoritative = true;
        response.add_query(query.clone());
        match self.dns.answer(&query) {
            Reply::Fault(Fault::Silent) => return None,
            Reply::Fault(Fault::Garbage) => {
                return Some([&request.metadata.id.to_be_bytes()[..], b"garbage"].concat());
            }
            Reply::Fault(Fault::WrongId) => response.metadata.id = request.metadata.id.wrapping_add(1),
            Reply::Fault(Fault::Refused) => response.metadata.response_code = ResponseCode::Refused,
            Reply::Fault(_) => response.metadata.response_code = ResponseCode::ServFail,
            Reply::Answers(code, answers) => {
                let positive = answers.iter().any(|r| r.record_type() == query.query_type);
                response.metadata.response_code = code;
                response.add_answers(answers);
                if !positive {
                    response.add_authority(start_of_authority());
                }
            }
        }
        let bytes = response.to_vec().ok()?;
        let cut = self.dns.faults.get(&key_of(&query.name)) == Some(&Fault::Truncated)
            || bytes.len() > usize::from(request.max_payload());
        if udp && cut { response.truncate().to_vec().ok() } else { Some(bytes) }
    }
}

async fn bind() -> (UdpSocket, TcpListener) {
    for _ in 0..32 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback gives a UDP port");
        let address = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = TcpListener::bind(address).await {
            return (udp, tcp);
        }
    }
    panic!("no loopback port is free for UDP and TCP alike");
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut buffer = vec![0; 4096];
    while let Ok((length, asker)) = socket.recv_from(&mut buffer).await {
        let (request, socket, shared) = (buffer[..length].to_vec(), Arc::clone(&socket), Arc::clone(&shared));
        tokio::spawn(async move {
            if let Some(bytes) = shared.reply(&request, true).await {
                // An asker that has gone away is no concern of the server.
                let _ = socket.send_to(&bytes, asker).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A connection that breaks ends its own dialogue only.
            let _ = converse(stream, &shared).await;
        });
    }
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut request = vec![0; usize::from(length)];
        stream.read_exact(&mut request).await?;
        let Some(bytes) = shared.reply(&request, false).await else {
            std::future::pending::<()>().await;
            return Ok(());
        };
        let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await?;
    }
}

/// Negative answers carry one, so that a resolver knows them for final (RFC 2308, section 2).
fn start_of_authority() -> Record {
    let soa = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, 60);
    Record::from_rdata(Name::root(), 60, RData::SOA(soa))
}

fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn key_of(name: &Name) -> String {
    key(&name.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join("."))
}

fn wire(name: &str) -> Name {
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.is_empty() {
        return Name::root();
    }
    Name::from_labels(bare.split('.').map(str::as_bytes)).expect("a test names labels of 1 to 63 octets")
}

const MOST_ALIASES: usize = 16;
