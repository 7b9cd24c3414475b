//! Ten thousand events while the journal is locked: refused with 429, repeated by their sender, none lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use crate::arrange::*;

const EVENTS: usize = 10_000;
const REFUSALS: u64 = 3_000;
const SENDERS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_while_the_journal_is_locked_are_all_kept_once() {
    let setup = Setup::new();
    setup.memory.failing.store(REFUSALS, Ordering::SeqCst);
    let next = Arc::new(AtomicU64::new(0));
    let refused = Arc::new(AtomicU64::new(0));

    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let (router, next, refused) = (setup.router(), next.clone(), refused.clone());
        senders.spawn(async move {
            while let Ok(number) = usize::try_from(next.fetch_add(1, Ordering::SeqCst))
                && number < EVENTS
            {
                loop {
                    let answer = ask(&router, brevo(brevo_event(number))).await;
                    match answer.status {
                        StatusCode::OK => break,
                        StatusCode::TOO_MANY_REQUESTS => {
                            assert_eq!(answer.header("retry-after"), "30");
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                        other => panic!("{other}"),
                    }
                }
            }
        });
    }
    senders.join_all().await;

    assert_eq!(refused.load(Ordering::SeqCst), REFUSALS);
    let mut kept: Vec<String> = setup.memory.kept().into_iter().map(|event| event.recipient).collect();
    let mut expected: Vec<String> = (0..EVENTS).map(|number| format!("j{number}@journal.example")).collect();
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
}
