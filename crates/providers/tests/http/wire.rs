//! What a mock of an API cannot do, each with the outcome that DELIVERY.md gives it.

use std::time::{Duration, Instant};

use depeche_core::outcome::{Blame, DoubtCause, Outcome, Trouble};
use depeche_core::provider::Provider;
use depeche_testkit::conformance::{RecordingCommit, parcel_to};
use depeche_testkit::http::{HttpStub, Says, bomb};

use crate::arrange::{KEY, attempt, brevo, mailchimp, recipients};

type Expected = fn(&Outcome) -> bool;

fn unknown(cause: DoubtCause) -> impl Fn(&Outcome) -> bool {
    move |outcome| matches!(outcome, Outcome::Unknown(doubt) if doubt.cause == cause)
}

fn refused(trouble: Trouble) -> impl Fn(&Outcome) -> bool {
    move |outcome| {
        matches!(outcome, Outcome::Refused(refusal)
            if refusal.blames == Blame::Provider && refusal.trouble == Some(trouble))
    }
}

/// Both providers, each against a stub of its own that says `says`; nothing is repeated.
async fn both(says: &Says, name: &str, expected: impl Fn(&Outcome) -> bool) {
    for provider in ["brevo", "mailchimp"] {
        let stub = HttpStub::saying(says.clone()).await;
        let url = stub.base_url();
        let made: Box<dyn Provider> =
            if provider == "brevo" { Box::new(brevo(&url)) } else { Box::new(mailchimp(&url)) };
        let started = Instant::now();

        let outcome = attempt(&*made, &[parcel_to("ana@journal.example")]).await.remove(0);

        assert!(expected(&outcome), "{provider}, {name}: {outcome:?}");
        assert_eq!(stub.seen().len(), 1, "{provider}, {name}: one request and no repeat");
        assert!(started.elapsed() < Duration::from_secs(5), "{provider}, {name}: {:?}", started.elapsed());
        assert!(!format!("{outcome:?}").contains(KEY), "{provider}, {name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_429_is_a_rest_of_the_time_that_it_states() {
    let says = Says::json(429, r#"{"code":"too_many_requests"}"#).with("x-sib-ratelimit-reset", "42");

    both(&says, "429", |outcome| {
        matches!(outcome, Outcome::Refused(refusal) if refusal.trouble == Some(Trouble::Throttled)
            && refusal.retry_after == Some(Duration::from_secs(42)))
    })
    .await;
}

#[tokio::test]
async fn a_5xx_after_the_request_was_taken_is_unknown() {
    for status in [500, 502, 503, 504] {
        both(&Says::html(status, "<html>Oops</html>"), "5xx in HTML", unknown(DoubtCause::Unclear)).await;
    }
    both(&Says::json(500, "{}"), "5xx in JSON", unknown(DoubtCause::Unclear)).await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown() {
    both(&Says::Close, "closed", unknown(DoubtCause::LineLost)).await;
    both(&Says::Nothing, "silence", unknown(DoubtCause::TimedOut)).await;
    both(&Says::Garbage(b"\0\0\0\0".to_vec()), "garbage", unknown(DoubtCause::LineLost)).await;
    let cut = Says::Cut { status: 201, body: b"{\"messageId\":\"<a@b>\"}".to_vec(), promised: 500 };
    both(&cut, "cut", unknown(DoubtCause::LineLost)).await;
}

#[tokio::test]
async fn html_in_a_403_is_a_refusal_and_in_a_200_none() {
    both(&Says::html(403, "<html>Request blocked</html>"), "403", refused(Trouble::Fault)).await;
    both(&Says::html(200, "<html>Welcome</html>"), "200", unknown(DoubtCause::Unclear)).await;
    both(&Says::html(201, "<html>Welcome</html>"), "201", unknown(DoubtCause::Unclear)).await;
}

#[tokio::test]
async fn truncated_json_is_no_yes() {
    both(&Says::json(201, r#"{"messageId":"<a@b"#), "201", unknown(DoubtCause::Unclear)).await;
    both(
        &Says::json(200, r#"[{"email":"ana@journal.example","status":"sent","_id":"a"#),
        "200",
        unknown(DoubtCause::Unclear),
    )
    .await;
    both(&Says::json(400, r#"{"code":"invalid_param"#), "400", unknown(DoubtCause::Unclear)).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_reaches_no_other_host() {
    for status in [301, 302, 303, 307, 308] {
        let other = HttpStub::saying(Says::json(201, r#"{"messageId":"<a@b>"}"#)).await;
        let says = Says::json(status, "{}").with("Location", &format!("{}/smtp/email", other.base_url()));

        both(&says, "redirect", unknown(DoubtCause::Unclear)).await;

        assert_eq!(other.octets(), 0, "{status}: nothing reached the other host, the key least of all");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_for_a_mebibyte_and_no_further() {
    both(&Says::Endless { status: 201 }, "endless", unknown(DoubtCause::Unclear)).await;
    let bomb = Says::Answer {
        status: 201,
        headers: vec![("Content-Encoding".to_owned(), "gzip".to_owned())],
        body: bomb(200 * 1024 * 1024),
    };
    both(
        &bomb,
        "gzip bomb",
        |outcome| matches!(outcome, Outcome::Unknown(doubt) if doubt.detail.contains("longer than 1 MiB")),
    )
    .await;
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let drip = |status| Says::Drip { status, every: Duration::from_millis(50) };

    both(&drip(201), "drip after 201", unknown(DoubtCause::TimedOut)).await;
    // 429 is proof by its status alone, whatever becomes of the body.
    both(&drip(429), "drip after 429", refused(Trouble::Throttled)).await;
}

#[tokio::test]
async fn statuses_that_prove_by_themselves_need_no_document() {
    let table: [(u16, Trouble); 4] =
        [(401, Trouble::Fault), (402, Trouble::Quota), (403, Trouble::Fault), (429, Trouble::Throttled)];
    for (status, trouble) in table {
        both(&Says::html(status, "<html>no</html>"), &status.to_string(), refused(trouble)).await;
    }
    for status in [400, 404, 405, 408, 413, 422, 425] {
        both(&Says::html(status, "<html>no</html>"), &status.to_string(), unknown(DoubtCause::Unclear)).await;
    }
}

#[tokio::test]
async fn an_answer_that_repeats_our_key_does_not_bring_it_into_the_journal() {
    let says = Says::json(401, &format!(r#"{{"code":"unauthorized","message":"{KEY} is not known"}}"#));

    both(
        &says,
        "echo",
        |outcome| matches!(outcome, Outcome::Refused(refusal) if refusal.reply.contains("is not known")),
    )
    .await;
}

/// An international character or a header is where a second header would be smuggled in.
#[tokio::test]
async fn every_request_names_its_content_type_and_the_key_goes_where_it_belongs() {
    let taken = HttpStub::saying(Says::json(201, r#"{"messageId":"<a@b>"}"#)).await;
    attempt(&brevo(&format!("{}/v3/", taken.base_url())), &[parcel_to("ana@journal.example")]).await;
    let sent = HttpStub::saying(Says::json(200, "[]")).await;
    attempt(&mailchimp(&sent.base_url()), &[parcel_to("ana@journal.example")]).await;

    let request = taken.seen().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v3/smtp/email"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("api-key"), Some(KEY));
    assert!(!String::from_utf8_lossy(&request.body).contains(KEY));
    let request = sent.seen().remove(0);
    assert_eq!(request.target, "/messages/send-raw");
    assert!(String::from_utf8_lossy(&request.body).contains(KEY));
    assert!(!request.headers.iter().any(|(_, value)| value.contains(KEY)));
}

/// The other end may close a kept line at any time; the next message goes once, over a new one.
#[tokio::test]
async fn a_kept_line_that_was_closed_costs_no_message_and_doubles_none() {
    let body = r#"{"messageId":"<a@b>"}"#.to_owned();
    let stub = HttpStub::saying(Says::AnswerAndClose { status: 201, body }).await;
    let provider = brevo(&stub.base_url());

    let mut accepted = 0;
    for number in 1..=20 {
        let parcel = parcel_to(&format!("journaliste{number}@journal.example"));
        let outcome = attempt(&provider, &[parcel]).await.remove(0);
        match outcome {
            Outcome::Accepted(_) => accepted += 1,
            // The line can end between the choice of it and the first byte; then nobody can know.
            Outcome::Unknown(_) => {}
            other => panic!("{other:?}"),
        }
    }

    let mut whole: Vec<String> = stub.seen().iter().flat_map(|seen| recipients(&seen.body)).collect();
    whole.sort();
    let arrived = whole.len();
    whole.dedup();
    println!("{accepted} of 20 accepted, {arrived} arrived");
    assert_eq!(whole.len(), arrived, "nobody twice");
    assert!(accepted >= 10 && arrived >= accepted, "{accepted} accepted, {arrived} arrived");
}

#[tokio::test]
async fn a_repeat_of_the_same_parcel_is_the_same_bytes_under_the_same_key_and_digest() {
    let stub = HttpStub::saying(Says::html(502, "")).await;
    let provider = brevo(&stub.base_url());
    let parcel = [parcel_to("ana@journal.example")];
    let commit = RecordingCommit::granting();

    provider.attempt(0, &parcel, &commit).await;
    provider.attempt(0, &parcel, &commit).await;

    let seen = stub.seen();
    assert_eq!(seen[0].body, seen[1].body);
    let digests = commit.digests();
    assert!(digests[0].is_some() && digests[0] == digests[1]);
    let body: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(body["headers"]["idempotencyKey"], parcel[0].idempotency_key.to_string());
}

#[tokio::test]
async fn a_host_that_nobody_answers_for_is_proof_that_nothing_was_sent() {
    let expected: Expected = |outcome| refused(Trouble::Unreachable)(outcome);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for url in [closed.as_str(), "https://nowhere.invalid"] {
        let outcome = attempt(&brevo(url), &[parcel_to("ana@journal.example")]).await.remove(0);
        assert!(expected(&outcome), "{url}: {outcome:?}");
    }
}
