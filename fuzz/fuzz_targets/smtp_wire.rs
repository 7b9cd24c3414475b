//! Whatever a server says on a real socket, the session ends with one outcome; accepted needs an intent
//! and a 2yz that was said after the content.
#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use depeche_core::outcome::Outcome;
use depeche_core::provider::{Provider, ProviderName};
use depeche_providers::smtp::{SmtpConfig, SmtpProvider, Timeouts, Tls};
use depeche_testkit::conformance::{RecordingCommit, parcel_to};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

const WAIT: Duration = Duration::from_millis(50);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    })
}

/// Says one piece of the script for each line heard; NUL in the input parts the pieces. In the body it
/// says nothing until the terminator. Returns whether what it said after the terminator began with 2.
async fn serve(listener: TcpListener, data: Vec<u8>) -> bool {
    let Ok((mut stream, _)) = listener.accept().await else { return false };
    let mut pieces = data.split(|byte| *byte == 0);
    let (mut heard, mut in_body, mut yes) = (Vec::new(), false, false);
    let first = pieces.next().unwrap_or_default().to_vec();
    if !say(&mut stream, &first).await {
        return false;
    }
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        heard.extend_from_slice(&buffer[..count]);
        loop {
            let end = if in_body { find(&heard, b"\r\n.\r\n") } else { find(&heard, b"\r\n") };
            let Some(end) = end else { break };
            let taken: Vec<u8> = heard.drain(..end).collect();
            let Some(piece) = pieces.next().map(<[u8]>::to_vec) else { return yes };
            if in_body {
                yes |= piece.first() == Some(&b'2');
                in_body = false;
            } else if taken.starts_with(b"DATA") {
                in_body = piece.starts_with(b"3");
            }
            if !say(&mut stream, &piece).await {
                return yes;
            }
        }
    }
    yes
}

async fn say(stream: &mut TcpStream, piece: &[u8]) -> bool {
    stream.write_all(piece).await.is_ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle).map(|at| at + needle.len())
}

fuzz_target!(|data: &[u8]| {
    if data.len() > 65_536 {
        return;
    }
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of this machine");
        let port = listener.local_addr().expect("a bound port").port();
        let server = tokio::spawn(serve(listener, data.to_vec()));
        let provider = SmtpProvider::new(SmtpConfig {
            port,
            tls: Tls::None,
            timeouts: Timeouts { connect: WAIT, command: WAIT, data_block: WAIT, data_end: WAIT },
            ..SmtpConfig::new(ProviderName::new("fuzz").expect("a fixed name"), "127.0.0.1")
        })
        .expect("a fixed configuration");
        let commit = RecordingCommit::granting();
        let parcel = parcel_to("zoe@journal.example");
        let outcomes = provider.attempt(0, std::slice::from_ref(&parcel), &commit).await;
        provider.close().await;
        drop(provider);
        server.abort();
        let yes = server.await.unwrap_or(true);
        assert_eq!(outcomes.len(), 1);
        match &outcomes[0] {
            Outcome::Accepted(_) => {
                assert_eq!(commit.intents(), 1, "accepted without an intent");
                assert!(yes, "accepted, and no yes was said after the terminator");
            }
            Outcome::Unknown(_) => assert_eq!(commit.intents(), 1, "doubt without an intent"),
            _ => assert!(commit.intents() <= 1),
        }
    });
});
