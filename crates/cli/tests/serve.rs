//! `depeche serve` as a process: webhooks that are proved, kept, and drawn conclusions from.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::serve::{Answer, Served};
use common::{Project, address};
use depeche_testkit::http::{HttpStub, Says};
use serde_json::Value;

const BEARER: &str = "brevo-posts-with-this-and-nothing-else";
const MANDRILL_KEY: &str = "cle-de-presse";
const AUDIENCE: &str = "0f8fad5bd9cb469fa16570867728950e";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A project that sends through a stub of Brevo's API, and serves three webhooks.
fn project(contacts: usize) -> (Project, HttpStub) {
    let project = Project::new(Vec::new(), contacts);
    let taken = Arc::new(AtomicUsize::new(0));
    let stub = project.runtime.block_on(HttpStub::start(move |seen| {
        if seen.method != "POST" {
            return Says::json(200, "{}");
        }
        let number = taken.fetch_add(1, Ordering::SeqCst);
        Says::json(201, &format!(r#"{{"messageId":"<{number}@smtp-relay.mailin.fr>"}}"#))
    }));
    project.write_secret("brevo.key", "xkeysib-1");
    project.write_secret("bearer", BEARER);
    project.write_secret("mandrill.key", MANDRILL_KEY);
    project.write_secret("audience", AUDIENCE);
    let url = stub.base_url();
    project.configure(
        "[fallback]\n",
        &format!(
            "[[provider]]\nname = \"brevo\"\nkind = \"brevo\"\nbase_url = \"{url}\"\n\
             api_key = {{ file = \"brevo.key\" }}\nlimits = {{ connections = 4 }}\n\
             [serve]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://presse.exemple.fr\"\n\
             [[serve.webhook]]\nname = \"brevo\"\nbearer = {{ file = \"bearer\" }}\n\
             [[serve.webhook]]\nname = \"mandrill\"\nkind = \"mailchimp-transactional\"\n\
             key = {{ file = \"mandrill.key\" }}\n\
             [[serve.webhook]]\nname = \"audience\"\nkind = \"mailchimp-audience\"\n\
             secret = {{ file = \"audience\" }}\n[fallback]\n"
        ),
    );
    (project, stub)
}

fn brevo(served: &Served, bearer: &str, body: &str) -> Answer {
    served.post("/webhook/brevo", &[("authorization", &format!("Bearer {bearer}"))], body)
}

/// What Brevo tells of the message that it took under this number.
fn event(kind: &str, number: usize, to: &str, reason: &str) -> String {
    format!(
        r#"{{"event":"{kind}","email":"{to}","message-id":"<{number}@smtp-relay.mailin.fr>","ts_event":{},"reason":"{reason}"}}"#,
        1_780_000_000 + number
    )
}

/// By number of the message, whom it went to.
fn recipients(document: &Value) -> Vec<(usize, String)> {
    let number = |one: &Value| {
        let id = one["provider_id"].as_str().unwrap().trim_start_matches('<');
        (id.split('@').next().unwrap().parse().unwrap(), one["address"].as_str().unwrap().to_owned())
    };
    document["recipients"].as_array().unwrap().iter().map(number).collect()
}

fn suppressions(project: &Project) -> Vec<Value> {
    project.run(&["suppress", "list", "--json"]).document()["suppressed"].as_array().unwrap().clone()
}

/// Waits, for a machine under load, until `done`.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_wave_of_two_hundred_bad_addresses_suppresses_no_living_one() {
    let (project, _stub) = project(200);
    let sent = project.send(200, &[]);
    assert_eq!(sent.exit, Some(0), "{}", sent.stderr);
    let served = Served::start(&project);

    // One by one, as webhooks come; the first ones are judged before anything looks like a wave.
    for (place, (number, to)) in recipients(&sent.document()).iter().enumerate() {
        let answer = brevo(&served, BEARER, &event("hard_bounce", *number, to, "550 5.1.1 User unknown"));
        assert_eq!(answer.status, 200, "{answer:?}");
        if place == 3 {
            until("the first ones are judged", || suppressions(&project).len() == 4);
        }
    }
    until("all are before a person", || suppressions(&project).len() == 200);

    until("nobody is suppressed", || {
        suppressions(&project).iter().all(|one| one["quarantined"] == true && one["reason"] == "bad address")
    });
    project.write("release.md", &common::RELEASE.replace("slug: usine", "slug: suite"));
    let next = project.send(200, &[]);
    assert_eq!((next.exit, next.total("suppressed")), (Some(0), 0), "{}", next.stderr);
}

#[test]
fn what_a_provider_tells_is_kept_once_and_in_any_order() {
    let (project, _stub) = project(2);
    let sent = project.send(2, &[]);
    let who = recipients(&sent.document());
    let served = Served::start(&project);
    let complaint = event("complaint", who[0].0, &who[0].1, "");
    let delivered = event("delivered", who[0].0, &who[0].1, "");
    let full = event("soft_bounce", who[1].0, &who[1].1, "452 4.2.2 mailbox full");

    for _ in 0..100 {
        // The complaint before the delivery that it is about.
        for body in [&complaint, &delivered, &full] {
            assert_eq!(brevo(&served, BEARER, body).status, 200);
        }
    }

    let list = suppressions(&project);
    assert_eq!(list.len(), 1, "a full mailbox is nobody's fault: {list:?}");
    assert_eq!((&list[0]["address"], &list[0]["source"]), (&who[0].1.clone().into(), &"brevo".into()));
    let metrics = served.get("/metrics").body;
    assert!(
        metrics.contains("depeche_webhook_posts_total{provider=\"brevo\",ending=\"kept\"} 300"),
        "{metrics}"
    );
    assert!(!metrics.contains(&who[0].1), "no address");
    let kept = kept_events(&project);
    assert_eq!(kept, 3, "each once");
}

#[test]
fn whoever_does_not_prove_who_they_are_is_refused_and_nothing_is_kept() {
    let (project, _stub) = project(1);
    let sent = project.send(1, &[]);
    let (number, to) = recipients(&sent.document()).remove(0);
    let served = Served::start(&project);
    let complaint = event("complaint", number, &to, "");
    let unsubscribe = format!("type=unsubscribe&data[email]={to}");
    let mandrill = "mandrill_events=%5B%5D";

    for (answer, expected) in [
        (brevo(&served, "wrong", &complaint), 403),
        (served.post("/webhook/brevo", &[], &complaint), 403),
        (served.post("/webhook/audience", &[FORM], &unsubscribe), 403),
        (served.post("/webhook/audience/guess", &[FORM], &unsubscribe), 403),
        (served.post("/webhook/mandrill", &[FORM], mandrill), 403),
        (served.post("/webhook/mandrill", &[FORM, ("x-mandrill-signature", "AAAA")], mandrill), 403),
        (served.post("/webhook/nobody", &[], &complaint), 404),
        (brevo(&served, BEARER, "<html>"), 400),
        (served.get("/webhook/audience"), 403),
        (served.get("/"), 404),
    ] {
        assert_eq!(answer.status, expected, "{answer:?}");
    }
    let mut line = served.line();
    line.begin("POST", "/webhook/brevo", &[("authorization", &format!("Bearer {BEARER}"))], 1_048_577);
    assert_eq!(line.answer().status, 413, "a body that announces itself as too long");

    assert!(suppressions(&project).is_empty());
    assert_eq!(kept_events(&project), 0);
    let said = served.stop();
    assert_eq!(said.exit, Some(0));
    assert!(!said.stderr.contains(&to), "no address in the log: {}", said.stderr);
}

/// Signed with Python's hmac over the public URL and the field; the test key's vector over our URL as well.
#[test]
fn mailchimps_checks_and_signatures_are_answered() {
    let (project, _stub) = project(1);
    let served = Served::start(&project);
    let hooks: Vec<&str> = served.document["webhooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hook| hook["url"].as_str().unwrap())
        .collect();
    let base = "https://presse.exemple.fr/webhook";
    let expected = ["brevo", "mandrill", "audience/…"].map(|path| format!("{base}/{path}"));
    assert_eq!(hooks, expected, "what each provider is to be told; no secret");

    assert_eq!(served.line().ask("HEAD", "/webhook/mandrill", &[], "").status, 200);
    assert_eq!(served.get(&format!("/webhook/audience/{AUDIENCE}")).status, 200);
    let bounce = r#"[{"event":"hard_bounce","ts":1764748800,"msg":{"_id":"m1","email":"zoé@journal.example","diag":"550 5.1.1 inconnu"}}]"#;
    let escaped: String = bounce
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    for (events, signature, status) in [
        (escaped.as_str(), "+VeA9ILJ2L282z2qnKOujpVk6wQ=", 200),
        ("%5B%5D", "7L4ekbYxypJqvoMNa6kobyk8xwA=", 200),
        (escaped.as_str(), "J3F8b6UY1st5JF+5uqH8Z1I+sDc=", 403),
    ] {
        let headers = [FORM, ("x-mandrill-signature", signature)];
        let answer = served.post("/webhook/mandrill", &headers, &format!("mandrill_events={events}"));
        assert_eq!(answer.status, status, "{signature}");
    }
    let body = "type=unsubscribe&fired_at=2026-12-03+08%3A00%3A00&data%5Bemail%5D=Zoe%40Journal.example";
    assert_eq!(served.post(&format!("/webhook/audience?secret={AUDIENCE}"), &[FORM], body).status, 200);
    let list = suppressions(&project);
    assert_eq!(list.len(), 1);
    assert_eq!(
        (&list[0]["address"], &list[0]["source"]),
        (&"zoe@journal.example".into(), &"audience".into())
    );
}

#[test]
fn ten_thousand_events_while_the_journal_is_locked_are_asked_for_again_and_all_kept() {
    const EVENTS: usize = 10_000;
    const SENDERS: usize = 32;
    let (project, _stub) = project(1);
    let served = Served::start(&project);
    let next = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    let url = format!("sqlite:{}", project.path().join(".depeche/journal.db").display());
    let lock = project.runtime.spawn(async move {
        use sqlx::{Connection as _, Executor as _};
        let mut journal = sqlx::SqliteConnection::connect(&url).await.unwrap();
        journal.execute("BEGIN IMMEDIATE").await.unwrap();
        tokio::time::sleep(Duration::from_secs(13)).await;
        journal.execute("ROLLBACK").await.unwrap();
    });
    std::thread::sleep(Duration::from_millis(500));

    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut line = served.line();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= EVENTS {
                        return;
                    }
                    // Of people whom no run of this journal mailed: only their wish is kept.
                    let body = event("unsubscribed", number, &address(number), "");
                    loop {
                        let bearer = format!("Bearer {BEARER}");
                        let answer = line.ask("POST", "/webhook/brevo", &[("authorization", &bearer)], &body);
                        match answer.status {
                            200 => break,
                            429 => {
                                assert!(answer.head.contains("retry-after: 30"), "{answer:?}");
                                refused.fetch_add(1, Ordering::SeqCst);
                            }
                            other => panic!("{other}"),
                        }
                    }
                }
            });
        }
        assert_eq!(served.get("/webhook/brevo").status, 405, "it answers while the journal is locked");
    });

    project.runtime.block_on(lock).unwrap();
    assert!(refused.load(Ordering::SeqCst) > 0, "the lock was felt");
    assert_eq!(suppressions(&project).len(), EVENTS);
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn sigterm_ends_the_requests_in_flight_and_then_the_service() {
    let (project, _stub) = project(1);
    let served = Served::start(&project);
    let body = event("unsubscribed", 0, "zoe@journal.example", "");
    let mut line = served.line();
    line.begin("POST", "/webhook/brevo", &[("authorization", &format!("Bearer {BEARER}"))], body.len());
    // The head has arrived when the server waits for the body.
    std::thread::sleep(Duration::from_millis(500));

    served.terminate();
    std::thread::sleep(Duration::from_millis(500));
    line.write(&body);
    assert_eq!(line.answer().status, 200);
    let said = served.stop();

    assert_eq!((said.exit, said.stdout.as_str()), (Some(0), ""), "one document, and it came first: {said:?}");
    assert_eq!(suppressions(&project).len(), 1);
}

#[test]
fn a_section_that_would_admit_everybody_or_nobody_is_refused_with_its_place() {
    let (project, _stub) = project(1);
    project.configure("bearer = { file = \"bearer\" }", "");
    let said = project.run(&["config", "check", "--json"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    assert_eq!(said.document()["error"]["code"], "config.webhook-proof");
    assert!(said.document()["error"]["location"]["line"].as_u64().unwrap() > 1);

    let (project, _stub) = self::project(1);
    project.write_secret("bearer", "short");
    let said = project.run(&["serve", "--json"]);
    assert_eq!(
        (said.exit, &said.document()["error"]["code"]),
        (Some(2), &"serve.webhook".into()),
        "{said:?}"
    );

    let project = Project::new(Vec::new(), 1);
    let said = project.run(&["serve"]);
    assert_eq!(said.exit, Some(2), "{said:?}");
    assert!(said.stderr.contains("[serve]") && said.stderr.contains("docs/after-the-send.md"), "{said:?}");
}

/// Events in the journal, of whatever message.
fn kept_events(project: &Project) -> i64 {
    project.runtime.block_on(async {
        use sqlx::Connection as _;
        let url = format!("sqlite:{}", project.path().join(".depeche/journal.db").display());
        let mut journal = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let (count,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM event").fetch_one(&mut journal).await.unwrap();
        count
    })
}

/// PROVIDERS.md, section 2: Brevo can post with Basic authentication, or is known by its addresses.
#[test]
fn brevo_is_known_by_name_and_password_or_by_where_it_posts_from() {
    let bearer = "bearer = { file = \"bearer\" }";
    let body =
        r#"{"event":"delivered","email":"j0@journal.example","message-id":"<0@x>","ts_event":1780000000}"#;
    // "brevo:geheim" and "brevo:other" in base64 (RFC 7617, section 2).
    let (right, wrong) = ("Basic YnJldm86Z2VoZWlt", "Basic YnJldm86b3RoZXI=");
    for (proof, authorization, status) in [
        ("user = \"brevo\"\npassword = { file = \"password\" }", Some(right), 200),
        ("user = \"brevo\"\npassword = { file = \"password\" }", Some(wrong), 401),
        ("user = \"brevo\"\npassword = { file = \"password\" }", None, 401),
        ("networks = [\"127.0.0.0/8\"]", None, 200),
        ("networks = [\"192.0.2.0/24\"]", None, 401),
    ] {
        let (project, _stub) = project(1);
        project.write_secret("password", "geheim");
        project.configure(bearer, proof);
        let served = Served::start(&project);
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();

        let answer = served.post("/webhook/brevo", &headers, body);

        let refused = [401, 403, 404].contains(&answer.status);
        assert_eq!((answer.status == 200, refused), (status == 200, status != 200), "{proof}: {answer:?}");
    }
}

/// PROVIDERS.md, section 3: servers of older descriptions answer at `…/messages/send.json`.
#[test]
fn a_path_suffix_stands_behind_every_path() {
    for (stated, expected) in [("path_suffix = \".json\"", "/users/ping2.json"), ("", "/users/ping2")] {
        let project = Project::new(Vec::new(), 1);
        let stub = project.runtime.block_on(HttpStub::start(move |seen| match &seen.target {
            path if path.ends_with(expected) => Says::json(200, r#"{"PING":"PONG!"}"#),
            _ => Says::json(200, "{}"),
        }));
        project.write_secret("mandrill.key", MANDRILL_KEY);
        let url = stub.base_url();
        project.configure(
            "[fallback]\n",
            &format!(
                "[[provider]]\nname = \"mandrill\"\nkind = \"mailchimp-transactional\"\n\
                 base_url = \"{url}\"\napi_key = {{ file = \"mandrill.key\" }}\n{stated}\n[fallback]\n"
            ),
        );

        project.run(&["provider", "test", "--json"]);

        let seen: Vec<String> = stub.seen().into_iter().map(|seen| seen.target).collect();
        assert!(seen.iter().any(|path| path.ends_with(expected)), "{seen:?}");
        assert_eq!(seen.iter().all(|path| path.ends_with(".json")), !stated.is_empty(), "{seen:?}");
    }
}
