//! Reads a request's body, so much and no longer.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    TooLarge,
    /// It did not come in time.
    Slow,
    /// The connection broke, or the framing did.
    Broken,
}

/// The whole body, of at most `cap_bytes`, when it comes within `deadline`.
pub(crate) async fn read(body: Body, cap_bytes: usize, deadline: Duration) -> Result<Bytes, BodyError> {
    // A body that announces itself as too long is refused before any of it is kept.
    if body.size_hint().lower() > cap_bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    tokio::time::timeout(deadline, collect(body, cap_bytes)).await.unwrap_or(Err(BodyError::Slow))
}

async fn collect(body: Body, cap_bytes: usize) -> Result<Bytes, BodyError> {
    let mut chunks = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if whole.len() + chunk.len() > cap_bytes {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
