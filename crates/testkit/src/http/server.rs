//! The stub itself: reads whole requests, remembers them, says what the test decides.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::says::Says;

/// One request, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `POST`, `GET` …
    pub method: String,
    /// Path and query, as they were asked for.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A server that misbehaves. It ends when it is dropped.
pub struct HttpStub {
    url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

type Decide = Box<dyn Fn(&Seen) -> Says + Send + Sync>;

struct State {
    decide: Decide,
    seen: Mutex<Vec<Seen>>,
    octets: AtomicU64,
}

impl HttpStub {
    /// A server that says what `decide` gives for each request.
    ///
    /// # Panics
    ///
    /// When loopback has no free port.
    pub async fn start(decide: impl Fn(&Seen) -> Says + Send + Sync + 'static) -> Self {
        Self::listen(None, Box::new(decide)).await
    }

    /// The same behind TLS, on `localhost`.
    ///
    /// # Panics
    ///
    /// When loopback has no free port.
    pub async fn start_tls(
        config: Arc<ServerConfig>,
        decide: impl Fn(&Seen) -> Says + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(config.into()), Box::new(decide)).await
    }

    async fn listen(tls: Option<TlsAcceptor>, decide: Decide) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let url = match &tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let state = Arc::new(State { decide, seen: Mutex::default(), octets: AtomicU64::new(0) });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // Dropped with the task, and every line with it.
            let mut lines = JoinSet::new();
            while let Ok((line, _)) = listener.accept().await {
                // An answer in two writes must not wait for the other side's delayed acknowledgement.
                let _ = line.set_nodelay(true);
                let (tls, shared) = (tls.clone(), Arc::clone(&shared));
                lines.spawn(async move {
                    match tls {
                        None => serve(line, shared).await,
                        // A handshake that fails is the client's to report.
                        Some(tls) => {
                            if let Ok(line) = tls.accept(line).await {
                                serve(line, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, state, task }
    }

    /// A server that says the same to every request.
    pub async fn saying(says: Says) -> Self {
        Self::start(move |_| says.clone()).await
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.url.clone()
    }

    /// The whole requests so far, in order of their ends.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen().clone()
    }

    /// All octets that arrived so far, of whole requests or not.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.state.octets.load(Ordering::SeqCst)
    }
}

impl Drop for HttpStub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The first value of a header, named in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A line that breaks ends itself: the test looks at what was seen.
async fn serve(mut line: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = read(&mut line, &mut buffer, &state.octets).await {
        let says = (state.decide)(&request);
        state.seen().push(request);
        match says.say(&mut line).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

/// One request; `None` when the line ends before the next.
async fn read(
    line: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    octets: &AtomicU64,
) -> io::Result<Option<Seen>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if !more(line, buffer, octets).await? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut seen = Seen {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers,
        body: Vec::new(),
    };
    let length: usize = seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        if !more(line, buffer, octets).await? {
            return Ok(None);
        }
    }
    seen.body = buffer.drain(..length).collect();
    Ok(Some(seen))
}

async fn more(
    line: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    octets: &AtomicU64,
) -> io::Result<bool> {
    let read = line.read_buf(buffer).await?;
    octets.fetch_add(read as u64, Ordering::SeqCst);
    Ok(read > 0)
}
