//! Whatever an API answers on a real socket, each provider gives one outcome; accepted needs the documented
//! code and an id. The first byte of the input chooses the provider, the rest is the whole answer.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use depeche_core::clock::SystemClock;
use depeche_core::outcome::Outcome;
use depeche_core::provider::{Provider, ProviderName};
use depeche_core::secret::Secret;
use depeche_providers::brevo::{BrevoConfig, BrevoProvider};
use depeche_providers::http::HttpTimeouts;
use depeche_providers::mailchimp::transactional::{Mode, TransactionalConfig, TransactionalProvider};
use depeche_testkit::conformance::{RecordingCommit, parcel_to};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const TIMEOUTS: HttpTimeouts = HttpTimeouts {
    connect: Duration::from_millis(300),
    answer: Duration::from_millis(300),
    total: Duration::from_millis(600),
};

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    })
}

fn provider(which: u8, port: u16) -> Box<dyn Provider> {
    let (base, key) = (format!("http://127.0.0.1:{port}"), Secret::from("fuzz-key".to_owned()));
    let name = ProviderName::new("fuzz").expect("a fixed name");
    if which % 3 == 0 {
        let mut config = BrevoConfig::new(name, key);
        config.http.base_url = base;
        config.http.timeouts = TIMEOUTS;
        return Box::new(BrevoProvider::new(config, Arc::new(SystemClock)).expect("a fixed configuration"));
    }
    let mut config = TransactionalConfig::new(name, key);
    config.http.base_url = base;
    config.http.timeouts = TIMEOUTS;
    config.mode = if which % 3 == 1 { Mode::Raw } else { Mode::Parts };
    Box::new(TransactionalProvider::new(config, Arc::new(SystemClock)).expect("a fixed configuration"))
}

/// Reads a whole request, then gives the answer.
async fn serve(listener: TcpListener, answer: Vec<u8>) {
    let Ok((mut stream, _)) = listener.accept().await else { return };
    let (mut heard, mut buffer) = (Vec::new(), [0; 16_384]);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        heard.extend_from_slice(&buffer[..count]);
        if is_whole(&heard) {
            break;
        }
    }
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0usize)
}

fuzz_target!(|data: &[u8]| {
    let Some((which, answer)) = data.split_first() else { return };
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of this machine");
        let port = listener.local_addr().expect("a bound port").port();
        let server = tokio::spawn(serve(listener, answer.to_vec()));
        let (provider, commit) = (provider(*which, port), RecordingCommit::granting());
        let parcel = parcel_to("zoe@journal.example");
        let outcomes = provider.attempt(0, std::slice::from_ref(&parcel), &commit).await;
        server.abort();
        assert_eq!(outcomes.len(), 1);
        if let Outcome::Accepted(receipt) = &outcomes[0] {
            assert_eq!(commit.intents(), 1, "accepted without an intent");
            assert!(answer.starts_with(b"HTTP/1"), "accepted without an answer");
            let code = answer.get(9..12).unwrap_or_default();
            let documented: &[&[u8]] = if which % 3 == 0 { &[b"201", b"202"] } else { &[b"200"] };
            assert!(
                documented.contains(&code),
                "accepted by another code: {:?}",
                String::from_utf8_lossy(code)
            );
            assert!(receipt.provider_id.as_ref().is_some_and(|id| !id.is_empty()), "accepted without an id");
        }
    });
});
