//! Opt-out links: a POST opts out, nothing else does (RFC 8058).

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::StatusCode;
use depeche_receiver::OptOutMeans;
use jiff::Timestamp;

use crate::arrange::*;

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// As RFC 8058, section 8.2, writes it.
const MULTIPART: &str = "--FormBoundaryjWmhtjORrn\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
                         One-Click\r\n--FormBoundaryjWmhtjORrn--\r\n";

#[tokio::test]
async fn looking_at_a_link_changes_nothing() {
    let setup = Setup::new();
    let path = link(reference());

    for method in ["GET", "HEAD"] {
        let answer = setup.ask(request(method, &path, &[], Body::empty())).await;
        assert_eq!(answer.status, StatusCode::OK, "{method}");
        assert_eq!(answer.body.is_empty(), method == "HEAD");
    }
    // A GET with the body of a POST is a GET.
    assert_eq!(
        setup.ask(request("GET", &path, &[("content-type", FORM)], ONE_CLICK)).await.status,
        StatusCode::OK
    );
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = setup.ask(request(method, &path, &[], ONE_CLICK)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }

    assert_eq!(setup.memory.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_post_that_says_so_opts_out() {
    let boundary = "multipart/form-data; boundary=FormBoundaryjWmhtjORrn";
    let table = [
        ("a form", FORM, ONE_CLICK, OptOutMeans::OneClick),
        ("a form with a line end", FORM, "List-Unsubscribe=One-Click\r\n", OptOutMeans::OneClick),
        ("no content type", "", ONE_CLICK, OptOutMeans::OneClick),
        ("multipart", boundary, MULTIPART, OptOutMeans::OneClick),
        ("our page", FORM, "decision=stop", OptOutMeans::Page),
    ];
    for (what, content_type, body, means) in table {
        let setup = Setup::new();

        let answer =
            setup.ask(request("POST", &link(reference()), &[("content-type", content_type)], body)).await;

        assert_eq!(answer.status, StatusCode::OK, "{what}");
        let opted_out = setup.memory.opted_out();
        assert_eq!(opted_out.len(), 1, "{what}");
        assert_eq!(opted_out[0].reference, reference(), "{what}");
        assert_eq!(opted_out[0].means, means, "{what}");
        assert_eq!(opted_out[0].at, NOW.parse::<Timestamp>().unwrap(), "{what}");
    }
}

#[tokio::test]
async fn a_post_that_does_not_say_what_it_wants_is_shown_the_button() {
    let setup = Setup::new();
    let broken = "multipart/form-data; boundary=other";
    for (content_type, body) in [
        (FORM, ""),
        (FORM, "List-Unsubscribe=One-Clic"),
        (FORM, "List-Unsubscribe="),
        (FORM, "decision=stay"),
        (FORM, "stop=decision"),
        ("application/json", r#"{"List-Unsubscribe":"One-Click"}"#),
        (broken, MULTIPART),
        ("multipart/form-data", MULTIPART),
    ] {
        let answer =
            setup.ask(request("POST", &link(reference()), &[("content-type", content_type)], body)).await;

        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{content_type} {body}");
        assert!(answer.body.contains("<button"), "{content_type} {body}");
    }
    assert_eq!(setup.memory.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_link_posted_a_hundred_times_is_answered_alike() {
    let setup = Setup::new();

    let mut bodies: Vec<String> = Vec::new();
    for _ in 0..100 {
        let answer = setup.ask(request("POST", &link(reference()), &[], ONE_CLICK)).await;
        assert_eq!(answer.status, StatusCode::OK);
        bodies.push(answer.body);
    }

    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(setup.memory.opted_out().len(), 1);
}

#[tokio::test]
async fn a_link_that_is_none_of_ours_or_over_opens_nothing_and_says_where_to_write() {
    let setup = Setup::new();
    let good = link(reference());
    let forged = format!("{}A", &good[..good.len() - 1]);
    let unsigned = format!("/stop/{}", "0".repeat(32));
    let table = [
        ("forged", forged, "2026-12-03T08:00:00Z", StatusCode::NOT_FOUND),
        ("the form of before", unsigned, "2026-12-03T08:00:00Z", StatusCode::NOT_FOUND),
        ("on its last day", good.clone(), "2027-03-31T23:59:59Z", StatusCode::OK),
        ("the day after", good, "2027-04-01T00:00:00Z", StatusCode::GONE),
        ("a delivery that is gone", link(gone()), "2026-12-03T08:00:00Z", StatusCode::NOT_FOUND),
    ];
    for (what, path, now, expected) in table {
        setup.clock.set(now.parse().unwrap());

        let posted = setup.ask(request("POST", &path, &[], ONE_CLICK)).await;

        assert_eq!(posted.status, expected, "{what}");
        assert!(posted.body.contains("<a href=\"mailto:presse+stop@exemple.fr?subject=STOP\">"), "{what}");
        // Whether a delivery is known is not asked for a look.
        let looked = setup.ask(get(&path)).await.status;
        assert_eq!(looked, if what.starts_with("a delivery") { StatusCode::OK } else { expected }, "{what}");
    }
    assert_eq!(setup.memory.opted_out().len(), 1);
}

#[tokio::test]
async fn an_opt_out_that_cannot_be_written_is_answered_429_and_kept_when_repeated() {
    let setup = Setup::new();
    setup.memory.failing.store(1, Ordering::SeqCst);

    let first = setup.ask(request("POST", &link(reference()), &[], ONE_CLICK)).await;
    assert_eq!(first.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(first.header("retry-after"), "30");
    assert!(setup.memory.opted_out().is_empty());

    let second = setup.ask(request("POST", &link(reference()), &[], ONE_CLICK)).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(setup.memory.opted_out().len(), 1);
}

#[tokio::test]
async fn a_page_loads_nothing_and_tells_nobody() {
    let setup = Setup::new();
    let answer = setup.ask(get(&link(reference()))).await;

    for foreign in ["http:", "https:", "//", "src=", "@import", "url(", "<script", "<link", "<img"] {
        assert!(!answer.body.contains(foreign), "{foreign}");
    }
    assert!(answer.body.contains("Exemple &amp; Fils SAS"));
    assert!(answer.body.contains("max-width:600px"));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-robots-tag", "noindex"),
        ("content-language", "fr"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(answer.headers.get("set-cookie").is_none());
}

/// The hash in the policy must be that of the style between the tags, or no browser applies it.
#[tokio::test]
async fn the_policy_allows_the_style_that_the_page_has() {
    use base64::Engine as _;
    let answer = Setup::new().ask(get(&link(reference()))).await;
    let style = answer.body.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;

    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());

    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    assert!(answer.header("content-security-policy").contains(&format!("'sha256-{hash}'")));
}

#[tokio::test]
async fn the_pages_speak_the_readers_language() {
    let setup = Setup::new();
    for (lang, path) in [("fr", link(reference())), ("en", link(reference()))] {
        for (page, method, body) in [("ask", "GET", ""), ("done", "POST", "decision=stop")] {
            let answer = setup.ask(request(method, &path, &[("accept-language", lang)], body)).await;
            assert_eq!(answer.header("content-language"), lang);
            insta::assert_snapshot!(format!("{page}_{lang}"), answer.body);
        }
        let forged = setup.ask(request("GET", "/stop/x", &[("accept-language", lang)], "")).await;
        insta::assert_snapshot!(format!("invalid_{lang}"), forged.body);
        setup.memory.failing.store(1, Ordering::SeqCst);
        let busy = setup.ask(request("POST", &path, &[("accept-language", lang)], "decision=stop")).await;
        insta::assert_snapshot!(format!("busy_{lang}"), busy.body);
    }
    setup.clock.set("2028-01-01T00:00:00Z".parse().unwrap());
    for lang in ["fr", "en"] {
        // The link of the page overrides the browser.
        let path = format!("{}?lang={lang}", link(reference()));
        let expired = setup.ask(request("GET", &path, &[("accept-language", "de")], "")).await;
        insta::assert_snapshot!(format!("expired_{lang}"), expired.body);
    }
}

#[tokio::test]
async fn without_opt_out_links_there_is_no_stop() {
    let setup = Setup::with(|settings| settings.opt_out = None);

    let answer = setup.ask(request("POST", &link(reference()), &[], ONE_CLICK)).await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
