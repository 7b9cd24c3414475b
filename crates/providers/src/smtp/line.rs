//! The line to one server: writes and replies under deadlines, and nothing read ahead unseen.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::reply::{Assembler, BadReply, Reply};

/// A stream of bytes both ways: TCP, or TLS over TCP.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// How a line fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineFault {
    /// The other side ended it in order.
    #[error("the server closed the connection")]
    Closed,
    /// It broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Nothing came, or nothing could be sent, in time.
    #[error("no answer within {}", seconds(*.0))]
    TimedOut(Duration),
    /// What came is no reply.
    #[error(transparent)]
    Bad(#[from] BadReply),
    /// Something came that nothing had asked for.
    #[error("the server spoke out of turn: {0}")]
    OutOfTurn(String),
}

pub(super) struct Line {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    assembler: Assembler,
}

impl Line {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(4096), assembler: Assembler::default() }
    }

    /// Hands over `bytes`, whole and flushed, within `limit`.
    pub(super) async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), LineFault> {
        let written = timeout(limit, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        });
        match written.await {
            Ok(result) => result.map_err(|error| LineFault::of(&error)),
            Err(_) => Err(LineFault::TimedOut(limit)),
        }
    }

    /// The next complete reply, all of it within `limit`: a byte now and then buys no time.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, LineFault> {
        let read = timeout(limit, async {
            loop {
                if let Some(reply) = self.assembler.take(&mut self.buffer)? {
                    return Ok(reply);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(0) => return Err(LineFault::Closed),
                    Ok(_) => {}
                    Err(error) => return Err(LineFault::of(&error)),
                }
            }
        });
        read.await.unwrap_or(Err(LineFault::TimedOut(limit)))
    }

    /// Bytes that are here already although nothing was asked, or the end of the line.
    ///
    /// # Errors
    ///
    /// [`LineFault::OutOfTurn`], [`LineFault::Closed`] or [`LineFault::Broken`].
    pub(super) async fn quiet(&mut self) -> Result<(), LineFault> {
        self.nothing_buffered()?;
        // The runtime polls the sockets before it comes back from this, so what the kernel has is seen.
        tokio::task::yield_now().await;
        let mut space = [0; 256];
        let mut into = ReadBuf::new(&mut space);
        let polled = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut self.stream).poll_read(context, &mut into) {
                Poll::Pending => None,
                Poll::Ready(result) => Some(result),
            })
        });
        match polled.await {
            None => Ok(()),
            Some(Err(error)) => Err(LineFault::of(&error)),
            Some(Ok(())) if into.filled().is_empty() => Err(LineFault::Closed),
            Some(Ok(())) => {
                self.buffer.extend_from_slice(into.filled());
                self.nothing_buffered()
            }
        }
    }

    /// Whether every byte that came was part of a reply that was asked for.
    pub(super) fn nothing_buffered(&self) -> Result<(), LineFault> {
        if self.buffer.is_empty() && !self.assembler.is_between_lines() {
            return Ok(());
        }
        let seen: Vec<u8> = self.buffer.iter().copied().take(200).collect();
        Err(LineFault::OutOfTurn(String::from_utf8_lossy(&seen).into_owned()))
    }

    /// The stream itself, to be wrapped in TLS; whatever was buffered is lost.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }
}

impl LineFault {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            // rustls reports a line that ended without its close_notify this way.
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error.to_string()),
        }
    }

    /// Whether the line itself is gone, with nothing said.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Closed | Self::Broken(_))
    }
}

fn seconds(limit: Duration) -> String {
    if limit.as_secs() > 0 { format!("{} s", limit.as_secs()) } else { format!("{} ms", limit.as_millis()) }
}
