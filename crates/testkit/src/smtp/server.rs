//! The listener: accepts, dies, comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::dialogue::Dialogue;
use super::io::Io;
use super::record::{Received, Record, State};
use super::script::{FakeSmtp, Rule};

/// What all connections of one server share.
pub(super) struct Shared {
    pub(super) script: FakeSmtp,
    state: Mutex<State>,
    /// Whether the server lives. Connections end when it dies.
    alive: watch::Sender<bool>,
}

/// A scripted server that listens. It ends, with all its connections, when dropped.
pub struct RunningSmtp {
    shared: Arc<Shared>,
    address: SocketAddr,
    listener: JoinHandle<()>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn die(self: &Arc<Self>, back_after: Option<Duration>) {
        self.alive.send_replace(false);
        if let Some(wait) = back_after {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                shared.alive.send_replace(true);
            });
        }
    }
}

impl RunningSmtp {
    pub(super) async fn listen(script: FakeSmtp, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = State { rules: script.rules.clone(), record: Record::default() };
        let shared = Arc::new(Shared { script, state: Mutex::new(state), alive: watch::Sender::new(true) });
        let listener = tokio::spawn(run(listener, address, Arc::clone(&shared)));
        Ok(Self { shared, address, listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All that it saw so far.
    #[must_use]
    pub fn record(&self) -> Record {
        self.shared.state().record.clone()
    }

    /// The messages whose final dot arrived, answered or not.
    #[must_use]
    pub fn messages(&self) -> Vec<Received> {
        self.shared.state().record.messages.clone()
    }

    /// The recipients of the messages that it said yes to, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<String> {
        let state = self.shared.state();
        let accepted = state.record.messages.iter().filter(|message| message.was_accepted());
        accepted.flat_map(|message| message.to.clone()).collect()
    }

    /// Adds a rule, before all others.
    pub fn add_rule(&self, rule: Rule) {
        self.shared.state().rules.insert(0, rule);
    }

    /// Drops every rule: the server is well again.
    pub fn heal(&self) {
        self.shared.state().rules.clear();
    }

    /// The server is gone: every connection is reset, none is accepted.
    pub fn die(&self) {
        self.shared.die(None);
    }

    /// The server is back on the same port.
    pub fn revive(&self) {
        self.shared.alive.send_replace(true);
    }

    /// Serves one connection over a pipe in memory, for tests with a paused clock. Faults that need
    /// a socket (reset) become an orderly close; TLS is not spoken.
    pub fn serve_pipe(&self, pipe: DuplexStream) {
        serve(&self.shared, Io::Pipe(pipe));
    }
}

impl Drop for RunningSmtp {
    fn drop(&mut self) {
        self.listener.abort();
        self.shared.alive.send_replace(false);
    }
}

/// Listens while the server lives; while it is dead the port refuses connections.
async fn run(first: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut alive = shared.alive.subscribe();
    let mut listener = Some(first);
    loop {
        let Some(open) = listener.take() else {
            if !until(&mut alive, true).await {
                return;
            }
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            continue;
        };
        tokio::select! {
            biased;
            living = until(&mut alive, false) => {
                if !living {
                    return;
                }
            }
            accepted = open.accept() => {
                if let Ok((stream, _)) = accepted {
                    // The replies are small: without this the kernel would hold them back.
                    let _ = stream.set_nodelay(true);
                    serve(&shared, Io::Tcp(stream));
                }
                listener = Some(open);
            }
        }
    }
}

/// Waits until the server is so; false when it was dropped.
async fn until(alive: &mut watch::Receiver<bool>, wanted: bool) -> bool {
    alive.wait_for(|alive| *alive == wanted).await.is_ok()
}

fn serve(shared: &Arc<Shared>, io: Io) {
    let number = {
        let record = &mut shared.state().record;
        record.connections += 1;
        record.open += 1;
        record.most_open = record.most_open.max(record.open);
        record.connections
    };
    let alive = shared.alive.subscribe();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        Dialogue::new(Arc::clone(&shared), number, io, alive).run().await;
        shared.state().record.open -= 1;
    });
}
