//! What the operator sees.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;

use crate::arrange::*;

#[tokio::test]
async fn health_is_the_sinks() {
    let setup = Setup::new();
    assert_eq!(setup.ask(get("/healthz")).await.status, StatusCode::OK);

    setup.memory.failing.store(1, Ordering::SeqCst);
    let ill = setup.ask(get("/healthz")).await;
    assert_eq!(ill.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!ill.body.contains("locked"), "why stands in the log: {}", ill.body);
    assert_eq!(setup.ask(get("/healthz")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_measurements_count_what_happened() {
    let setup = Setup::new();
    setup.ask(brevo(format!("[{},{}]", brevo_event(1), brevo_event(2)))).await;
    setup.ask(brevo(brevo_event(3))).await;
    setup.ask(brevo("{")).await;
    setup.ask(mandrill("[]", "forged")).await;
    setup.ask(request("POST", "/webhook/nobody", &[], "")).await;
    setup.memory.failing.store(1, Ordering::SeqCst);
    setup.ask(brevo(brevo_event(4))).await;
    setup.ask(request("POST", &link(reference()), &[], "List-Unsubscribe=One-Click")).await;
    setup.ask(get("/stop/nonsense")).await;

    let answer = setup.ask(get("/metrics")).await;

    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    insta::assert_snapshot!(answer.body);
}

#[tokio::test]
async fn the_public_listener_shows_no_measurements_and_the_operators_takes_no_webhooks() {
    let setup = Setup::new();
    let (public, operations) = (setup.receiver.public(), setup.receiver.operations());

    for path in ["/metrics", "/healthz"] {
        assert_eq!(ask(&public, get(path)).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(ask(&operations, get(path)).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(ask(&operations, brevo(brevo_event(1))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&operations, get(&link(reference()))).await.status, StatusCode::NOT_FOUND);
}

#[test]
fn nothing_that_is_secret_is_shown_by_debug() {
    let shown = format!("{:?}", Setup::new().receiver);

    for secret in [BEARER, MANDRILL_KEY, AUDIENCE_SECRET, LINK_KEY] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("mandrill"), "{shown}");
}
