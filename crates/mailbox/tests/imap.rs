//! The mailbox over IMAP against a scripted server: what it asks, where it goes on, and what a hostile
//! server may cost.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use depeche_mailbox::imap::{Imap, ImapConfig, ImapError, Mark};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Answers each command by its first words after the tag; `None` is silence.
type Answer = fn(&str) -> Option<String>;

async fn server(answer: Answer) -> (ImapConfig, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, commands) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"* OK ready\r\n").await.unwrap();
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let (tag, command) = line.trim_end().split_once(' ').unwrap();
                    let _ = heard.send(command.to_owned());
                    let Some(said) = answer(command) else { std::future::pending().await };
                    let said = said.replace("TAG", tag);
                    if stream.write_all(said.as_bytes()).await.is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    let config = ImapConfig {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        username: "rebonds@exemple.fr".to_owned(),
        password: "mot de \"passe\"".to_owned().into(),
        folder: "INBOX".to_owned(),
        ca_file: None,
        limit: Duration::from_secs(10),
    };
    (config, commands)
}

fn sound(command: &str) -> Option<String> {
    let verb = command.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Some(match verb.as_str() {
        "EXAMINE \"INBOX\"" => {
            "* 3 EXISTS\r\n* OK [UIDVALIDITY 42] x\r\n* OK [UIDNEXT 10] x\r\nTAG OK [READ-ONLY] done\r\n"
                .to_owned()
        }
        "UID SEARCH" => "* SEARCH 4 9 7\r\nTAG OK done\r\n".to_owned(),
        "UID FETCH" => {
            let one = |number: u32, uid: u32| {
                format!("* {number} FETCH (UID {uid} BODY[]<0> {{4}}\r\nM: {uid})\r\n")
            };
            format!("{}{}TAG OK done\r\n", one(3, 9), one(2, 7))
        }
        _ => "TAG OK done\r\n".to_owned(),
    })
}

#[tokio::test]
async fn a_mailbox_is_read_after_its_mark_and_never_changed() {
    let (config, mut commands) = server(sound).await;
    let mut imap = Imap::open(&config).await.unwrap();

    assert_eq!(imap.begin(None), Mark { validity: 42, uid: 0 });
    assert_eq!(
        imap.begin(Some(Mark { validity: 41, uid: 7 })),
        Mark { validity: 42, uid: 0 },
        "numbered anew"
    );
    let mark = imap.begin(Some(Mark { validity: 42, uid: 6 }));
    // RFC 9051, section 6.4.4: `7:*` holds the last message whatever its number; 4 is before the mark.
    let uids = imap.after(mark, Some("2026-12-03T08:00:00Z".parse().unwrap())).await.unwrap();
    assert_eq!(uids, [7, 9]);
    let fetched = imap.fetch(&uids).await.unwrap();
    assert_eq!(fetched.messages, [b"M: 7".to_vec(), b"M: 9".to_vec()]);
    assert_eq!((fetched.mark, fetched.asked), (Some(Mark { validity: 42, uid: 9 }), 2));
    imap.close().await;

    let mut said = Vec::new();
    while let Ok(command) = commands.try_recv() {
        said.push(command);
    }
    assert_eq!(
        said,
        [
            "LOGIN \"rebonds@exemple.fr\" \"mot de \\\"passe\\\"\"",
            "EXAMINE \"INBOX\"",
            "UID SEARCH UID 7:* SINCE 02-Dec-2026",
            "UID FETCH 7,9 (UID BODY.PEEK[]<0.262144>)",
            "LOGOUT",
        ]
    );
}

#[tokio::test]
async fn a_refused_login_and_a_missing_folder_are_told_as_such() {
    let (config, _commands) = server(|command| {
        Some(
            if command.starts_with("LOGIN") {
                "TAG NO [AUTHENTICATIONFAILED] wrong\r\n"
            } else {
                "TAG OK\r\n"
            }
            .to_owned(),
        )
    })
    .await;
    assert!(matches!(Imap::open(&config).await, Err(ImapError::Login(_))));

    let (config, _commands) = server(|command| {
        Some(
            if command.starts_with("EXAMINE") { "TAG NO no such folder\r\n" } else { "TAG OK done\r\n" }
                .to_owned(),
        )
    })
    .await;
    assert!(matches!(Imap::open(&config).await, Err(ImapError::Folder { .. })));
}

#[tokio::test]
async fn clear_text_leaves_this_machine_never() {
    let (config, _commands) = server(sound).await;
    let config = ImapConfig { host: "192.0.2.1".to_owned(), ..config };
    assert!(matches!(Imap::open(&config).await, Err(ImapError::ClearText(_))));
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_an_endless_answer_is_cut() {
    let (config, _commands) =
        server(|command| command.starts_with("LOGIN").then(|| "TAG OK done\r\n".to_owned())).await;
    let config = ImapConfig { limit: Duration::from_millis(300), ..config };
    assert!(matches!(Imap::open(&config).await, Err(ImapError::TimedOut(_))));

    let (config, _commands) = server(|command| {
        if command.starts_with("UID FETCH") {
            return Some(format!(
                "* 1 FETCH (UID 7 BODY[]<0> {{400000000}}\r\n{}",
                "x".repeat(64 * 1024 * 1024)
            ));
        }
        sound(command)
    })
    .await;
    let mut imap = Imap::open(&ImapConfig { limit: Duration::from_secs(60), ..config }).await.unwrap();
    let start = Instant::now();
    let read = imap.fetch(&[7]).await;
    assert!(matches!(read, Err(ImapError::Line(_))), "{read:?}");
    assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
}
