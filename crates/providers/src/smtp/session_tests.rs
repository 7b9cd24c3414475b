//! The boundary between "proved not accepted" and "unknown", write by write.
//!
//! Over sockets the moment between the last body octet and the terminator cannot be hit for sure; a
//! stream whose every answer is tied to the number of writes that it has seen can.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use depeche_core::outcome::{Denied, Trouble};
use depeche_core::provider::ProviderName;
use depeche_testkit::conformance::{RecordingCommit, message_to};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::body::examine;
use super::*;

enum Hears {
    Bytes(&'static [u8]),
    End,
    Break,
}

type Writes = Arc<Mutex<Vec<Vec<u8>>>>;

/// Lets each thing be heard once so many writes were seen.
struct Scripted {
    writes: Writes,
    hears: VecDeque<(usize, Hears)>,
    /// The write, counted from 1, that fails.
    breaks_at: Option<usize>,
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let seen = self.writes.lock().unwrap().len();
        match self.hears.front() {
            Some((after, _)) if *after <= seen => {}
            // Nobody wakes it: every test has its deadline.
            _ => return Poll::Pending,
        }
        match self.hears.pop_front() {
            Some((_, Hears::Bytes(bytes))) => into.put_slice(bytes),
            Some((_, Hears::Break)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some((_, Hears::End)) | None => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut writes = self.writes.lock().unwrap();
        writes.push(bytes.to_vec());
        if self.breaks_at == Some(writes.len()) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const ENVELOPE: Hears = Hears::Bytes(b"250 sender\r\n250 recipient\r\n354 go\r\n");

/// One message over a scripted stream that offers PIPELINING: what came of it, and the writes.
async fn deliver(
    hears: Vec<(usize, Hears)>,
    breaks_at: Option<usize>,
    commit: &RecordingCommit,
) -> (Delivered, Vec<Vec<u8>>) {
    let writes = Writes::default();
    let stream = Scripted { writes: Arc::clone(&writes), hears: hears.into(), breaks_at };
    let features = Features { pipelining: true, ..Features::default() };
    let mut session = Session::new(Line::new(Box::new(stream)), features, None, String::new());
    let short = Duration::from_millis(100);
    let timeouts = Timeouts { connect: short, command: short, data_block: short, data_end: short };
    let config = SmtpConfig { timeouts, ..SmtpConfig::new(ProviderName::new("fake").unwrap(), "fake.test") };
    let message = message_to("ana@journal.example");
    let job = Job {
        message: &message,
        mime: &message.mime,
        nature: examine(&message.mime).unwrap(),
        envelope_from: &message.from.address,
        attempt: Uuid::nil(),
        config: &config,
    };

    let delivered = session.deliver(&job, commit, &|| None).await;

    let writes = writes.lock().unwrap().clone();
    (delivered, writes)
}

fn trouble(delivered: &Delivered) -> Option<Trouble> {
    match &delivered.end {
        End::No(classified) => classified.refusal.trouble,
        _ => None,
    }
}

fn doubt_cause(delivered: &Delivered) -> Option<DoubtCause> {
    match &delivered.end {
        End::Outcome(Outcome::Unknown(doubt)) => Some(doubt.cause),
        _ => None,
    }
}

#[tokio::test]
async fn envelope_body_and_terminator_are_three_writes() {
    let hears = vec![(1, ENVELOPE), (3, Hears::Bytes(b"250 taken\r\n"))];

    let (delivered, writes) = deliver(hears, None, &RecordingCommit::granting()).await;

    assert!(matches!(delivered.end, End::Outcome(Outcome::Accepted(_))));
    assert!(delivered.keeps);
    assert_eq!(writes.len(), 3);
    assert_eq!(writes[0], b"MAIL FROM:<presse@exemple.fr>\r\nRCPT TO:<ana@journal.example>\r\nDATA\r\n");
    // Not even the CR LF that ends the last line: it is the terminator's first half.
    assert!(writes[1].ends_with(b"..\r\n...\r\nFin."), "{:?}", String::from_utf8_lossy(&writes[1]));
    assert_eq!(writes[2], b"\r\n.\r\n");
}

/// DELIVERY.md: "any reply byte beyond those expected, seen before the terminator is handed over, is
/// a protocol fault", and a line lost until then proves that nothing was accepted.
#[tokio::test]
async fn what_is_heard_between_body_and_terminator_keeps_the_terminator_back() {
    let table = [
        (Hears::Bytes(b"250 taken\r\n"), Trouble::Fault),
        (Hears::Bytes(b"2"), Trouble::Fault),
        (Hears::End, Trouble::Unreachable),
        (Hears::Break, Trouble::Unreachable),
    ];
    for (heard, expected) in table {
        let commit = RecordingCommit::granting();

        let (delivered, writes) = deliver(vec![(1, ENVELOPE), (2, heard)], None, &commit).await;

        assert_eq!(trouble(&delivered), Some(expected));
        assert_eq!((writes.len(), commit.intents(), delivered.keeps), (2, 1, false));
    }
}

#[tokio::test]
async fn what_is_heard_while_the_intent_is_made_durable_keeps_the_body_back() {
    let hears = vec![(1, ENVELOPE), (1, Hears::Bytes(b"250 shifted\r\n"))];

    let (delivered, writes) = deliver(hears, None, &RecordingCommit::granting()).await;

    assert_eq!(trouble(&delivered), Some(Trouble::Fault));
    assert_eq!(writes.len(), 1);
}

#[tokio::test]
async fn a_write_that_fails_before_the_terminator_proves_and_with_it_leaves_doubt() {
    let before = deliver(vec![(1, ENVELOPE)], Some(2), &RecordingCommit::granting()).await;
    let with = deliver(vec![(1, ENVELOPE)], Some(3), &RecordingCommit::granting()).await;

    assert_eq!(trouble(&before.0), Some(Trouble::Unreachable));
    assert_eq!(doubt_cause(&with.0), Some(DoubtCause::LineLost));
}

#[tokio::test]
async fn after_the_terminator_silence_and_the_end_of_the_line_are_doubt() {
    let silence = deliver(vec![(1, ENVELOPE)], None, &RecordingCommit::granting()).await;
    let end = deliver(vec![(1, ENVELOPE), (3, Hears::End)], None, &RecordingCommit::granting()).await;

    assert_eq!(doubt_cause(&silence.0), Some(DoubtCause::TimedOut));
    assert_eq!(doubt_cause(&end.0), Some(DoubtCause::LineLost));
}

#[tokio::test]
async fn a_denied_intent_writes_nothing_after_data() {
    let commit = RecordingCommit::denying(Denied::Cancelled);

    let (delivered, writes) = deliver(vec![(1, ENVELOPE)], None, &commit).await;

    assert!(matches!(delivered.end, End::Outcome(Outcome::NotStarted(Denied::Cancelled))));
    assert!(!delivered.keeps);
    assert_eq!(writes.len(), 1);
}

#[tokio::test]
async fn a_server_that_closed_may_have_said_why() {
    let hears = vec![(1, Hears::Bytes(b"421 4.7.0 too many errors\r\n"))];

    let (delivered, _) = deliver(hears, Some(1), &RecordingCommit::granting()).await;

    assert_eq!(trouble(&delivered), Some(Trouble::Throttled));
}

#[test]
fn the_servers_own_id_is_taken_from_its_yes() {
    let table = [
        ("2.0.0 Ok: queued as 4Zk1Qx2yqzz1P", Some("4Zk1Qx2yqzz1P")),
        ("OK id=1tFxYz-0004Aa-2B", Some("1tFxYz-0004Aa-2B")),
        ("2.0.0 Ok: queued as <a.b@c>", Some("a.b@c")),
        ("ok", None),
        ("queued as ", None),
    ];
    for (text, expected) in table {
        assert_eq!(queue_id(text).as_deref(), expected, "{text}");
    }
}
