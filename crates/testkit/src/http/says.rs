//! What the stub says to one request.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What the stub says once it has read a whole request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Says {
    /// A whole answer.
    Answer {
        /// The status.
        status: u16,
        /// Headers besides Content-Length.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// A whole JSON answer, and then the end of a line that could have been kept.
    AnswerAndClose {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Nothing, for as long as the other side waits.
    Nothing,
    /// The end of the line.
    Close,
    /// An answer whose line ends before the Content-Length that it promised.
    Cut {
        /// The status.
        status: u16,
        /// What there is of the body.
        body: Vec<u8>,
        /// The Content-Length.
        promised: usize,
    },
    /// A body without an end, as fast as it is taken.
    Endless {
        /// The status.
        status: u16,
    },
    /// A body of blanks without an end, one at a time.
    Drip {
        /// The status.
        status: u16,
        /// The pause between two of them.
        every: Duration,
    },
    /// Octets that are not HTTP.
    Garbage(Vec<u8>),
}

impl Says {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self::whole(status, "application/json", body)
    }

    /// An HTML page.
    #[must_use]
    pub fn html(status: u16, body: &str) -> Self {
        Self::whole(status, "text/html", body)
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn whole(status: u16, media_type: &str, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Self::Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    /// Says it; `true` when the line may be used again.
    pub(super) async fn say(self, line: &mut (impl AsyncWrite + Unpin)) -> io::Result<bool> {
        match self {
            Self::Answer { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                head.push_str("\r\n");
                line.write_all(head.as_bytes()).await?;
                line.write_all(&body).await?;
                line.flush().await?;
                Ok(true)
            }
            Self::AnswerAndClose { status, body } => {
                line.write_all(&head(status, &format!("Content-Length: {}", body.len()))).await?;
                line.write_all(body.as_bytes()).await?;
                Ok(false)
            }
            Self::Nothing => std::future::pending().await,
            Self::Close => Ok(false),
            Self::Cut { status, body, promised } => {
                line.write_all(&head(status, &format!("Content-Length: {promised}"))).await?;
                line.write_all(&body).await?;
                Ok(false)
            }
            Self::Endless { status } => {
                line.write_all(&head(status, "Content-Type: application/json")).await?;
                loop {
                    line.write_all(&[b' '; 64 * 1024]).await?;
                }
            }
            Self::Drip { status, every } => {
                line.write_all(&head(status, "Content-Type: application/json")).await?;
                loop {
                    line.write_all(b" ").await?;
                    tokio::time::sleep(every).await;
                }
            }
            Self::Garbage(octets) => {
                line.write_all(&octets).await?;
                Ok(false)
            }
        }
    }
}

fn head(status: u16, header: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Said\r\n{header}\r\n\r\n").into_bytes()
}
