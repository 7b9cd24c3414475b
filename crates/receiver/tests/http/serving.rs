//! The server over real sockets: limits, deadlines, and a stop that loses nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use depeche_receiver::serve::{Limits, serve};
use depeche_receiver::{BrevoAuth, Hook, Patience};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::arrange::*;

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(setup: &Setup, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, setup.router(), limits, shutdown));
        Self { address, stop: Some(stop), task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

fn post(body: &str) -> String {
    format!(
        "POST /webhook/brevo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BEARER}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What comes until the other side closes, or nothing more comes for a while.
async fn read(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut buffer)).await {
        all.extend_from_slice(&buffer[..count]);
        if count == 0 || all.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8(all).unwrap()
}

/// Whether the other side has closed, when it does so within 3 s.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn a_connection_serves_one_post_after_the_other() {
    let setup = Setup::new();
    let server = Server::start(&setup, Limits::default()).await;
    let mut stream = server.connect().await;

    for number in 0..3 {
        stream.write_all(post(&brevo_event(number)).as_bytes()).await.unwrap();
        let answer = read(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }

    assert_eq!(setup.memory.kept().len(), 3);
}

#[tokio::test]
async fn a_request_carries_where_it_came_from() {
    let setup = Setup::with(|settings| {
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        settings.hooks.insert(name("brevo"), Hook::Brevo(BrevoAuth::Networks(networks)));
    });
    let server = Server::start(&setup, Limits::default()).await;
    let mut stream = server.connect().await;

    stream.write_all(post(&brevo_event(1)).as_bytes()).await.unwrap();

    assert!(read(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_head_that_does_not_end_and_a_connection_that_idles_are_closed() {
    let setup = Setup::new();
    let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
    let server = Server::start(&setup, limits).await;

    let mut silent = server.connect().await;
    let mut drips = server.connect().await;
    drips.write_all(b"POST /webhook/brevo HTTP/1.1\r\nX-A: ").await.unwrap();
    let mut idles = server.connect().await;
    idles.write_all(post(&brevo_event(1)).as_bytes()).await.unwrap();
    assert!(read(&mut idles).await.starts_with("HTTP/1.1 200 "));

    let begun = Instant::now();
    assert!(is_closed(&mut silent).await);
    assert!(is_closed(&mut drips).await);
    assert!(is_closed(&mut idles).await);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_body_that_drips_over_the_wire_is_answered_408() {
    let setup = Setup::with(|settings| {
        settings.patience = Patience { body: Duration::from_millis(300), ..Patience::default() };
    });
    let server = Server::start(&setup, Limits::default()).await;
    let mut stream = server.connect().await;
    let whole = post(&brevo_event(1));
    stream.write_all(&whole.as_bytes()[..whole.len() - 5]).await.unwrap();

    let answer = read(&mut stream).await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(setup.memory.kept().is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_nothing() {
    let setup = Setup::new();
    let server = Server::start(&setup, Limits::default()).await;
    let mut stream = server.connect().await;
    let whole = post(&brevo_event(1));
    stream.write_all(&whole.as_bytes()[..whole.len() - 5]).await.unwrap();
    stream.shutdown().await.unwrap();

    assert!(is_closed(&mut stream).await);
    assert!(setup.memory.kept().is_empty());
}

#[tokio::test]
async fn a_head_of_megabytes_is_refused() {
    let setup = Setup::new();
    let server = Server::start(&setup, Limits::default()).await;
    let mut stream = server.connect().await;

    let _ = stream.write_all(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2_000_000)).as_bytes()).await;

    let answer = read(&mut stream).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_their_turn() {
    let setup = Setup::new();
    let server = Server::start(&setup, Limits { connections: 1, ..Limits::default() }).await;
    let mut first = server.connect().await;
    first.write_all(post(&brevo_event(1)).as_bytes()).await.unwrap();
    assert!(read(&mut first).await.starts_with("HTTP/1.1 200 "));

    let mut second = server.connect().await;
    second.write_all(post(&brevo_event(2)).as_bytes()).await.unwrap();
    let mut buffer = [0; 1];
    let waits = tokio::time::timeout(Duration::from_millis(300), second.read(&mut buffer)).await;
    assert!(waits.is_err(), "the second is answered while the first holds the only place");
    drop(first);

    assert!(read(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_end_and_takes_nothing_new() {
    let setup = Setup::new();
    *setup.memory.takes.lock().unwrap() = Duration::from_millis(500);
    let mut server = Server::start(&setup, Limits::default()).await;
    let mut in_flight = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(post(&brevo_event(1)).as_bytes()).await.unwrap();
    assert!(read(&mut idle).await.starts_with("HTTP/1.1 200 "));
    in_flight.write_all(post(&brevo_event(2)).as_bytes()).await.unwrap();
    while setup.memory.calls.load(std::sync::atomic::Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }

    server.stop();

    assert!(read(&mut in_flight).await.starts_with("HTTP/1.1 200 "));
    assert!(is_closed(&mut idle).await);
    tokio::time::timeout(Duration::from_secs(3), server.task).await.unwrap().unwrap();
    assert_eq!(setup.memory.kept().len(), 2);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let setup = Setup::new();
    *setup.memory.takes.lock().unwrap() = Duration::from_secs(3600);
    let limits = Limits { drain: Duration::from_millis(300), ..Limits::default() };
    let mut server = Server::start(&setup, limits).await;
    let mut stream = server.connect().await;
    stream.write_all(post(&brevo_event(1)).as_bytes()).await.unwrap();
    while setup.memory.calls.load(std::sync::atomic::Ordering::SeqCst) < 1 {
        tokio::task::yield_now().await;
    }

    server.stop();

    tokio::time::timeout(Duration::from_secs(3), server.task).await.unwrap().unwrap();
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn a_connection_has_an_end() {
    let setup = Setup::new();
    let limits = Limits { connection: Duration::from_millis(300), ..Limits::default() };
    let server = Server::start(&setup, limits).await;
    let mut stream = server.connect().await;
    let begun = Instant::now();

    // Never idle, and yet closed.
    let mut answered = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        if stream.write_all(post(&brevo_event(answered)).as_bytes()).await.is_err() {
            break;
        }
        if !read(&mut stream).await.starts_with("HTTP/1.1 200 ") {
            break;
        }
        answered += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    assert!(answered > 0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{answered}");
}
