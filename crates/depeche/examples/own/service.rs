//! The other side of the provider: a courier service that does what it is told, and remembers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use depeche_testkit::conformance::{Peer, PeerDoes};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the service saw.
#[derive(Default)]
pub(crate) struct Seen {
    bytes: AtomicU64,
    whole: Mutex<Vec<String>>,
}

impl Peer for Seen {
    fn message_bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    fn whole_messages(&self) -> Vec<String> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a service on this machine; it ends with the program.
pub(crate) async fn start(does: PeerDoes) -> std::io::Result<(SocketAddr, Arc<Seen>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let seen = Arc::new(Seen::default());
    if does != PeerDoes::IsAbsent {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, does, Arc::clone(&seen)));
            }
        });
    }
    Ok((address, seen))
}

async fn talk(stream: TcpStream, does: PeerDoes, seen: Arc<Seen>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let greeting: &[u8] = match does {
        PeerDoes::ClosesBeforeTheIntent => return Ok(()),
        PeerDoes::RefusesLogin => b"who-are-you\n",
        _ => b"courier 1\n",
    };
    stream.get_mut().write_all(greeting).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        seen.bytes.fetch_add(line.len() as u64, Ordering::SeqCst);
        let message: serde_json::Value = serde_json::from_str(&line)?;
        let to = message["to"].as_str().unwrap_or_default().to_owned();
        let number = {
            let mut whole = seen.whole.lock().unwrap_or_else(PoisonError::into_inner);
            whole.push(to);
            whole.len()
        };
        let answer = match does {
            PeerDoes::RefusesBadAddress => "no-such-address\n".to_owned(),
            PeerDoes::DefersRecipient => "not-now\n".to_owned(),
            PeerDoes::RefusesMessage => "bad-content\n".to_owned(),
            PeerDoes::Throttles => "slow\n".to_owned(),
            PeerDoes::Holds => "held\n".to_owned(),
            PeerDoes::AnswersGarbageAfterTheMessage => "\u{1}\u{2} ok\n".to_owned(),
            PeerDoes::AnswersUnclearlyAfterTheMessage => "internal-error\n".to_owned(),
            PeerDoes::ClosesAfterTheMessage => return Ok(()),
            PeerDoes::FallsSilentAfterTheMessage => std::future::pending().await,
            _ => format!("ok {number}\n"),
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
