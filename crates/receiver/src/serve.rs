//! Serves a router on a listener that the caller opened, within limits, until it is told to stop.
//!
//! HTTP/1.1 without TLS: it stands behind a proxy that ends TLS, or on the loopback. One client can neither
//! hold a connection for ever (a request's head, its body and the connection itself have a deadline) nor,
//! with all its connections, take the file descriptors of the rest of the program.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::receiver::Peer;

/// How much the server bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait in the listener's queue.
    pub connections: usize,
    /// For a request's head to come, and between two requests.
    pub head: Duration,
    /// After which a connection serves no further request.
    pub connection: Duration,
    /// For requests in flight to end, once the connection or the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    /// 256 connections; 10 s for a head; 5 minutes a connection; 25 s to drain, which is longer than a
    /// request's body and the sink may take together.
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(10),
            connection: Duration::from_secs(300),
            drain: Duration::from_secs(25),
        }
    }
}

/// Serves until `shutdown` ends, then takes no new connection, lets requests in flight end, and returns.
///
/// Each request carries its [`Peer`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, from, place) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, from, router.clone(), limits, stopped.clone(), place));
    }
    drop(listener);
    // Nobody listens any more when every connection has ended already.
    let _ = stop.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!("connections that did not end in time were cut");
    }
    connections.shutdown().await;
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return (stream, from, place),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors, most likely: they come back as connections end.
                tracing::error!(%error, "no connection can be accepted now");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(from.ip()));
        router.clone().oneshot(request.map(Body::new))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(READ_BUFFER_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A connection that breaks concerns its client only.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = tokio::time::sleep(limits.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.drain, connection).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Also the longest head of a request.
const READ_BUFFER_BYTES: usize = 32 * 1024;
