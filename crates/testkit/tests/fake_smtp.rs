//! The scripted server itself, spoken to by hand.

use std::time::Duration;

use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule, RunningSmtp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Says `lines`, then QUIT, and gives all that came back.
async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), lines: &str) -> std::io::Result<String> {
    stream.write_all(lines.as_bytes()).await?;
    stream.write_all(b"QUIT\r\n").await?;
    let mut heard = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut heard)).await;
    read.map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

async fn talk_to(server: &RunningSmtp, lines: &str) -> std::io::Result<String> {
    talk(&mut TcpStream::connect(server.address()).await?, lines).await
}

const MESSAGE: &str =
    "EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n";

#[tokio::test]
async fn a_message_is_recorded_with_its_envelope_and_answer() {
    let server = FakeSmtp::new().start().await;

    let heard = talk_to(&server, MESSAGE).await.unwrap();

    assert!(heard.ends_with("250 2.0.0 Ok: queued as F000001\r\n221 2.0.0 bye\r\n"), "{heard}");
    let message = server.messages().remove(0);
    assert_eq!(message.bytes, b"Subject: x\r\n\r\n.dot\r\n");
    assert_eq!((message.from.as_str(), message.answer), ("a@b.example", Some(250)));
    assert_eq!(server.accepted(), ["c@d.example"]);
    assert_eq!(server.record().body_bytes, 24);
}

#[tokio::test]
async fn rules_go_by_message_number_recipient_and_count() {
    let server = FakeSmtp::new()
        .rule(
            Rule::at(Phase::Rcpt).for_recipient("C@d.example").at_message(2).replies("550 5.1.1 the second"),
        )
        .rule(Rule::at(Phase::Mail).from_message(4).once().replies("451 the fourth, once"))
        .start()
        .await;

    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(talk_to(&server, MESSAGE).await.unwrap());
    }

    let says = |text: &str| answers.iter().map(|answer| answer.contains(text)).collect::<Vec<_>>();
    assert_eq!(says("the second"), [false, true, false, false, false]);
    assert_eq!(says("the fourth"), [false, false, false, true, false]);
    assert_eq!(says("queued as"), [true, false, true, false, true]);
}

#[tokio::test]
async fn a_dead_server_refuses_connections_until_it_is_revived_or_its_time_has_come() {
    let server = FakeSmtp::new()
        .rule(Rule::at(Phase::Mail).at_message(1).does(Fault::Die(Some(Duration::from_millis(200)))))
        .start()
        .await;

    let first = talk_to(&server, MESSAGE).await;
    let second = talk_to(&server, MESSAGE).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let third = talk_to(&server, MESSAGE).await;
    server.die();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let fourth = talk_to(&server, MESSAGE).await;
    server.revive();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let fifth = talk_to(&server, MESSAGE).await;

    assert!(first.is_err(), "a reset: {first:?}");
    assert!(second.is_err(), "no listener: {second:?}");
    assert!(third.unwrap().contains("queued"));
    assert!(fourth.is_err());
    assert!(fifth.unwrap().contains("queued"));
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_a_close() {
    for (fault, is_reset) in [(Fault::Reset, true), (Fault::Close, false)] {
        let server = FakeSmtp::new().failing(Phase::Banner, fault).start().await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();

        let ended = stream.read(&mut [0; 16]).await;

        match ended {
            Ok(read) => assert!(!is_reset && read == 0),
            Err(error) => assert!(is_reset && error.kind() == std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

#[tokio::test]
async fn it_serves_a_pipe_in_memory_and_only_a_lone_dot_ends_a_message() {
    let server = FakeSmtp::new().start().await;
    let (mut ours, theirs) = tokio::io::duplex(1024);
    server.serve_pipe(theirs);

    let smuggled = MESSAGE.replace("..dot", "a\n.\nMAIL FROM:<evil@b.example>");
    let heard = talk(&mut ours, &smuggled).await.unwrap();

    assert_eq!(heard.matches("queued").count(), 1);
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_login_is_checked_and_never_recorded() {
    let server = FakeSmtp::new().login("presse", "secret").start().await;

    // base64 of NUL presse NUL secret.
    let right =
        talk_to(&server, &format!("EHLO me\r\nAUTH PLAIN AHByZXNzZQBzZWNyZXQ=\r\n{MESSAGE}")).await.unwrap();
    let none = talk_to(&server, MESSAGE).await.unwrap();

    assert!(right.contains("235 ") && right.contains("queued"), "{right}");
    assert!(none.contains("530 5.7.0") && !none.contains("queued"), "{none}");
    assert!(!format!("{:?}", server.record()).contains("AHByZXNz"));
}
