//! What is posted is read, kept, and only then answered; again, out of order, and when it is no event.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use depeche_core::event::EventKind;
use depeche_receiver::{AUDIENCE_CAP_BYTES, BREVO_CAP_BYTES, MANDRILL_CAP_BYTES, STOP_CAP_BYTES};

use crate::arrange::*;

#[tokio::test]
async fn every_brevo_body_of_the_collection_is_answered_200() {
    let Some(folder) = shared("specs/fixtures/symfony-brevo-webhook") else { return };
    let setup = Setup::new();

    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let answer = setup.ask(brevo(std::fs::read(&path).unwrap())).await;
        assert_eq!(answer.status, StatusCode::OK, "{path:?}");
    }

    // 15 files; 4 tell what a reader did, `error` repeats `invalid_email`, `request_without_tags` `request`.
    let kept = setup.memory.kept();
    assert_eq!(kept.len(), 9, "{kept:#?}");
    assert!(kept.iter().any(|event| event.kind == EventKind::Complained));
}

#[tokio::test]
async fn every_mailchimp_body_of_the_collection_is_answered_200() {
    let Some(folder) = shared("specs/fixtures/symfony-mailchimp-webhook") else { return };
    let setup = Setup::new();

    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = document["mandrill_events"].to_string();
        let answer = setup.ask(mandrill(&text, &signature(MANDRILL_KEY, &text))).await;
        assert_eq!(answer.status, StatusCode::OK, "{path:?}");
    }

    // 11 files; `click` and `opens` tell what a reader did, and `batch` is a click and the event of `deferral`.
    assert_eq!(setup.memory.kept().len(), 8, "{:#?}", setup.memory.kept());
}

/// The fields as Mailchimp's own description of audience webhooks has them.
#[tokio::test]
async fn an_audience_tells_who_left_who_complained_and_whose_address_is_dead() {
    type Told = Option<(EventKind, Option<&'static str>)>;
    let table: [(&[(&str, &str)], Told); 7] = [
        (
            &[("type", "unsubscribe"), ("data[action]", "unsub"), ("data[reason]", "manual")],
            Some((EventKind::Unsubscribed, Some("unsub, manual"))),
        ),
        (
            &[("type", "unsubscribe"), ("data[action]", "unsub"), ("data[reason]", "abuse")],
            Some((EventKind::Complained, Some("unsub, abuse"))),
        ),
        (&[("type", "cleaned"), ("data[reason]", "hard")], Some((EventKind::BouncedHard, Some("hard")))),
        (&[("type", "cleaned"), ("data[reason]", "abuse")], Some((EventKind::Complained, Some("abuse")))),
        (&[("type", "unsubscribe")], Some((EventKind::Unsubscribed, None))),
        (&[("type", "subscribe")], None),
        (&[("type", "a kind of next year")], None),
    ];
    for (fields, expected) in table {
        let setup = Setup::new();
        let more = [("fired_at", "2026-12-03 08:00:00"), ("data[email]", "zoe@journal.example")];
        let body = form(&[fields, &more].concat());

        let path = format!("/webhook/audience/{AUDIENCE_SECRET}");
        let answer = setup.ask(request("POST", &path, &[("content-type", FORM)], body)).await;

        assert_eq!(answer.status, StatusCode::OK, "{fields:?}");
        let kept = setup.memory.kept();
        let told = kept.first().map(|event| (event.kind, event.reason.as_deref()));
        assert_eq!(told, expected, "{fields:?}");
        for event in kept {
            assert_eq!(event.at, Some(NOW.parse().unwrap()));
            assert_eq!(event.recipient, "zoe@journal.example");
        }
    }
}

#[tokio::test]
async fn what_is_no_event_is_answered_400_and_keeps_nothing() {
    let setup = Setup::new();
    for body in
        ["", "{", "7", "null", "\"text\"", "{}", r#"{"event":"delivered"}"#, "[{}]", "event=delivered"]
    {
        assert_eq!(setup.ask(brevo(body)).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    for events in ["", "{}", "7", "[", "null"] {
        let post = mandrill(events, &signature(MANDRILL_KEY, events));
        assert_eq!(setup.ask(post).await.status, StatusCode::BAD_REQUEST, "{events}");
    }
    for fields in [&[][..], &[("type", "unsubscribe")], &[("type", "cleaned"), ("data[email]", "")]] {
        let path = format!("/webhook/audience/{AUDIENCE_SECRET}");
        let post = request("POST", &path, &[("content-type", FORM)], form(fields));
        assert_eq!(setup.ask(post).await.status, StatusCode::BAD_REQUEST, "{fields:?}");
    }
    assert_eq!(setup.memory.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_bad_event_of_a_batch_costs_the_others_nothing() {
    // Until 2026-11-28 the whole batch was refused, and an opt-out beside it was lost.
    let of_a_contact = r#"{"event":"contact_deleted","email":["x@y.example"]}"#;
    for bad in ["{}", r#"{"event":"delivered"}"#, of_a_contact] {
        let setup = Setup::new();

        let answer = setup.ask(brevo(format!("[{bad},{}]", brevo_event(1)))).await;

        assert_eq!((answer.status, setup.memory.kept().len()), (StatusCode::OK, 1), "{bad}");
    }
}

#[tokio::test]
async fn what_is_posted_a_hundred_times_is_answered_alike_and_kept_once() {
    let setup = Setup::new();
    let list = r#"[{"event":"delivered","ts":1764748800,"msg":{"_id":"m1","email":"zoe@journal.example"}}]"#;
    let signed = signature(MANDRILL_KEY, list);
    let audience = form(&[("type", "cleaned"), ("data[email]", "zoe@journal.example")]);
    let path = format!("/webhook/audience/{AUDIENCE_SECRET}");

    for _ in 0..100 {
        assert_eq!(setup.ask(brevo(brevo_event(1))).await.status, StatusCode::OK);
        assert_eq!(setup.ask(mandrill(list, &signed)).await.status, StatusCode::OK);
        assert_eq!(setup.ask(request("POST", &path, &[], audience.clone())).await.status, StatusCode::OK);
    }

    assert_eq!(setup.memory.kept().len(), 3);
}

#[tokio::test]
async fn the_order_in_which_events_come_changes_nothing() {
    let kinds = ["request", "deferred", "delivered", "hard_bounce", "complaint"];
    let posts: Vec<String> = kinds
        .iter()
        .enumerate()
        .map(|(moment, kind)| {
            format!(
                r#"{{"event":"{kind}","email":"zoe@journal.example","message-id":"<1@x>","ts_event":{}}}"#,
                1_764_748_800 + moment
            )
        })
        .collect();
    let mut seen = Vec::new();
    for turn in 0..kinds.len() {
        let setup = Setup::new();
        let mut order = posts.clone();
        order.rotate_left(turn);
        if turn % 2 == 1 {
            order.reverse();
        }
        for post in order {
            assert_eq!(setup.ask(brevo(post)).await.status, StatusCode::OK);
        }
        seen.push(setup.memory.kept());
    }

    assert_eq!(seen[0].len(), 5);
    assert!(seen.iter().all(|kept| *kept == seen[0]));
}

#[tokio::test]
async fn a_body_of_the_cap_is_read_and_one_octet_more_is_answered_413() {
    let setup = Setup::new();
    let stop = link(reference());
    let audience = format!("/webhook/audience/{AUDIENCE_SECRET}");
    let bearer = format!("Bearer {BEARER}");
    let table = [
        ("/webhook/brevo", BREVO_CAP_BYTES, StatusCode::BAD_REQUEST),
        ("/webhook/mandrill", MANDRILL_CAP_BYTES, StatusCode::FORBIDDEN),
        (audience.as_str(), AUDIENCE_CAP_BYTES, StatusCode::BAD_REQUEST),
        (stop.as_str(), STOP_CAP_BYTES, StatusCode::BAD_REQUEST),
    ];
    let headers = [("authorization", bearer.as_str()), ("x-mandrill-signature", "AAAA")];
    for (path, cap, when_read) in table {
        for (length, expected) in [(cap, when_read), (cap + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
            let announced = request("POST", path, &headers, "x".repeat(length));
            assert_eq!(setup.ask(announced).await.status, expected, "{path} {length}");

            let chunks = [length / 2, length - length / 2]
                .map(|part| Ok::<_, std::convert::Infallible>(Bytes::from("x".repeat(part))));
            let stream = Body::from_stream(futures_util::stream::iter(chunks));
            let unannounced = request("POST", path, &headers, stream);
            assert_eq!(setup.ask(unannounced).await.status, expected, "{path} {length}, in chunks");
        }
    }
    assert_eq!(setup.memory.calls.load(Ordering::SeqCst), 0);
}

/// One octet a second, for ever.
fn drip() -> Body {
    Body::from_stream(futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b" ")), ()))
    }))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_ends_with_the_deadline() {
    let setup = Setup::new();
    let audience = format!("/webhook/audience/{AUDIENCE_SECRET}");
    let bearer = format!("Bearer {BEARER}");
    let headers = [("authorization", bearer.as_str()), ("x-mandrill-signature", "AAAA")];
    for path in ["/webhook/brevo", "/webhook/mandrill", audience.as_str(), &link(reference())] {
        let begun = tokio::time::Instant::now();

        let answer = setup.ask(request("POST", path, &headers, drip())).await;

        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{path}");
        assert_eq!(begun.elapsed().as_secs(), 10, "{path}");
    }
    assert_eq!(setup.memory.calls.load(Ordering::SeqCst), 0);
}

/// Only four unsigned bodies are read at a time; who waits longer than the deadline is asked to come back.
#[tokio::test(start_paused = true)]
async fn posts_that_nobody_signed_cannot_fill_the_memory() {
    let setup = Setup::new();
    let router = setup.router();
    let mut first = tokio::task::JoinSet::new();
    for _ in 0..9 {
        let router = router.clone();
        let post = request("POST", "/webhook/mandrill", &[("x-mandrill-signature", "AAAA")], drip());
        first.spawn(async move { ask(&router, post).await.status });
    }

    let statuses = first.join_all().await;

    let count = |status| statuses.iter().filter(|given| **given == status).count();
    // The four have their 10 s from when they have a place, those behind them from when they asked for one.
    assert!(count(StatusCode::REQUEST_TIMEOUT) >= 4, "{statuses:?}");
    assert_eq!(count(StatusCode::REQUEST_TIMEOUT) + count(StatusCode::TOO_MANY_REQUESTS), 9, "{statuses:?}");
    assert!(count(StatusCode::TOO_MANY_REQUESTS) >= 1, "{statuses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_does_not_answer_is_a_sink_that_cannot_write() {
    let setup = Setup::new();
    *setup.memory.takes.lock().unwrap() = Duration::from_secs(3600);

    let begun = tokio::time::Instant::now();
    let answer = setup.ask(brevo(brevo_event(1))).await;

    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "30");
    assert_eq!(begun.elapsed().as_secs(), 10);
}
