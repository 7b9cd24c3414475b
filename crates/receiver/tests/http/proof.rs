//! Who may post: every way of proving it, and every way of not proving it.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use depeche_core::event::EventKind;
use depeche_core::secret::Secret;
use depeche_receiver::{BrevoAuth, Hook, HookProblem, Receiver, Settings};

use crate::arrange::*;

const BOUNCE: &str = r#"[{"event":"hard_bounce","ts":1764748800,"msg":{"_id":"m1","email":"zoé@journal.example","diag":"550 5.1.1 inconnu"}}]"#;

/// Signatures computed with Python's hmac, over the URL and the field that [`mandrill`] posts.
#[tokio::test]
async fn a_form_that_mailchimp_signed_is_kept_and_any_other_is_refused() {
    let signed = "+VeA9ILJ2L282z2qnKOujpVk6wQ=";
    let table = [
        ("its own", BOUNCE, signed, StatusCode::OK),
        ("of another list", "[]", signed, StatusCode::FORBIDDEN),
        ("one character off", BOUNCE, &signed.replacen('=', "A=", 1), StatusCode::FORBIDDEN),
        ("cut short", BOUNCE, &signed[..8], StatusCode::FORBIDDEN),
        ("none", BOUNCE, "", StatusCode::FORBIDDEN),
        ("the test key on real events", BOUNCE, "J3F8b6UY1st5JF+5uqH8Z1I+sDc=", StatusCode::FORBIDDEN),
        ("the test key on no events", "[]", "7L4ekbYxypJqvoMNa6kobyk8xwA=", StatusCode::OK),
        ("our key on no events", "[]", "jUwiU0B3J9kzZxcUikYunAh8tXE=", StatusCode::OK),
    ];
    for (what, events, signature, expected) in table {
        let setup = Setup::new();

        let answer = setup.ask(mandrill(events, signature)).await;

        assert_eq!(answer.status, expected, "{what}");
        assert_eq!(answer.body, "", "{what}: nothing is said of why");
        let is_kept = what == "its own";
        assert_eq!(setup.memory.kept().len(), usize::from(is_kept), "{what}");
    }
}

/// The published vector: key `test-webhook`, URL `https://presse.example/hook`, the empty list
/// (PROVIDERS.md, section 3).
#[tokio::test]
async fn the_published_vector_of_mailchimps_test_is_answered_200() {
    let setup = Setup::with(|settings| {
        let hook =
            Hook::Mandrill { keys: vec![Secret::from("any")], url: "https://presse.example/hook".to_owned() };
        settings.hooks.insert(name("mandrill"), hook);
    });

    let answer = setup.ask(mandrill("[]", "hMQ80qj7rlDX3CJeY2D2wrbKXoM=")).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(setup.memory.calls.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_signature_is_over_every_field_and_the_public_url() {
    let setup = Setup::new();
    let one = setup.ask(request(
        "POST",
        "/webhook/mandrill",
        &[("x-mandrill-signature", &signature(MANDRILL_KEY, BOUNCE)), ("content-type", FORM)],
        form(&[("mandrill_events", BOUNCE), ("more", "1")]),
    ));
    assert_eq!(one.await.status, StatusCode::FORBIDDEN);

    let no_header = request("POST", "/webhook/mandrill", &[], form(&[("mandrill_events", BOUNCE)]));
    assert_eq!(setup.ask(no_header).await.status, StatusCode::FORBIDDEN);
    assert!(setup.memory.kept().is_empty());
}

#[tokio::test]
async fn the_key_before_verifies_while_one_is_exchanged_for_another() {
    let setup = Setup::with(|settings| {
        let keys = vec![Secret::from("the-new-one"), Secret::from(MANDRILL_KEY)];
        let hook = Hook::Mandrill { keys, url: MANDRILL_URL.to_owned() };
        settings.hooks.insert(name("mandrill"), hook);
    });

    for key in [MANDRILL_KEY, "the-new-one"] {
        let answer = setup.ask(mandrill(BOUNCE, &signature(key, BOUNCE))).await;
        assert_eq!(answer.status, StatusCode::OK, "{key}");
    }
    let answer = setup.ask(mandrill(BOUNCE, &signature("a-third", BOUNCE))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn brevo_is_known_by_its_bearer_token() {
    let table = [
        (Some("Bearer brevo-posts-with-this"), StatusCode::OK),
        (Some("bearer  brevo-posts-with-this"), StatusCode::OK),
        (Some("Bearer brevo-posts-with-thiS"), StatusCode::FORBIDDEN),
        (Some("Bearer brevo-posts-with-this-and-more"), StatusCode::FORBIDDEN),
        (Some("Bearer "), StatusCode::FORBIDDEN),
        (Some("brevo-posts-with-this"), StatusCode::FORBIDDEN),
        (Some("Basic brevo-posts-with-this"), StatusCode::FORBIDDEN),
        (None, StatusCode::FORBIDDEN),
    ];
    for (given, expected) in table {
        let setup = Setup::new();
        let headers: Vec<(&str, &str)> = given.iter().map(|given| ("authorization", *given)).collect();

        let answer = setup.ask(request("POST", "/webhook/brevo", &headers, brevo_event(1))).await;

        assert_eq!(answer.status, expected, "{given:?}");
        assert_eq!(setup.memory.kept().len(), usize::from(expected == StatusCode::OK), "{given:?}");
    }
}

#[tokio::test]
async fn brevo_is_known_by_its_name_and_password() {
    let setup = Setup::with(|settings| {
        let auth = BrevoAuth::Basic { user: "brevo".to_owned(), password: Secret::from("mot:de passe é") };
        settings.hooks.insert(name("brevo"), Hook::Brevo(auth));
    });
    let table = [
        ("brevo:mot:de passe é", StatusCode::OK),
        ("brevo:mot:de passe e", StatusCode::FORBIDDEN),
        ("Brevo:mot:de passe é", StatusCode::FORBIDDEN),
        ("brevo", StatusCode::FORBIDDEN),
        ("", StatusCode::FORBIDDEN),
    ];
    for (given, expected) in table {
        let header = format!("Basic {}", STANDARD.encode(given));
        let request = request("POST", "/webhook/brevo", &[("authorization", &header)], brevo_event(1));
        assert_eq!(setup.ask(request).await.status, expected, "{given:?}");
    }
    let not_base64 = request("POST", "/webhook/brevo", &[("authorization", "Basic %%%")], brevo_event(1));
    assert_eq!(setup.ask(not_base64).await.status, StatusCode::FORBIDDEN);
}

/// The ends of 1.179.112.0/20 and 172.246.240.0/20 (PROVIDERS.md, section 1.5), reckoned by hand.
#[tokio::test]
async fn brevo_is_known_by_its_networks() {
    let setup = Setup::with(|settings| {
        settings.hooks.insert(name("brevo"), Hook::Brevo(BrevoAuth::published_networks()));
    });
    let table = [
        ("1.179.112.0", StatusCode::OK),
        ("1.179.127.255", StatusCode::OK),
        ("172.246.240.0", StatusCode::OK),
        ("172.246.255.255", StatusCode::OK),
        ("::ffff:1.179.112.9", StatusCode::OK),
        ("1.179.111.255", StatusCode::FORBIDDEN),
        ("1.179.128.0", StatusCode::FORBIDDEN),
        ("127.0.0.1", StatusCode::FORBIDDEN),
        ("::1", StatusCode::FORBIDDEN),
    ];
    for (address, expected) in table {
        let post = request("POST", "/webhook/brevo", &[], brevo_event(1));
        assert_eq!(setup.ask(from(address, post)).await.status, expected, "{address}");
    }
    let nowhere = setup.ask(request("POST", "/webhook/brevo", &[], brevo_event(1))).await;
    assert_eq!(nowhere.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_senders_own_word_on_where_it_comes_from_is_believed_behind_our_proxy_only() {
    let setup = Setup::with(|settings| {
        settings.hooks.insert(name("brevo"), Hook::Brevo(BrevoAuth::published_networks()));
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    });
    let table: [(&str, &[&str], StatusCode); 9] = [
        ("10.0.0.1", &["1.179.112.9"], StatusCode::OK),
        ("::1", &["1.179.112.9"], StatusCode::OK),
        ("10.0.0.1", &["203.0.113.7, 1.179.112.9"], StatusCode::OK),
        ("10.0.0.1", &["1.179.112.9, 10.0.0.2"], StatusCode::OK),
        ("10.0.0.1", &["1.179.112.9", "10.0.0.2"], StatusCode::OK),
        ("203.0.113.7", &["1.179.112.9"], StatusCode::FORBIDDEN),
        ("10.0.0.1", &["1.179.112.9, 203.0.113.7"], StatusCode::FORBIDDEN),
        ("10.0.0.1", &["1.179.112.9, unknown"], StatusCode::FORBIDDEN),
        ("10.0.0.1", &[], StatusCode::FORBIDDEN),
    ];
    for (peer, forwarded, expected) in table {
        let headers: Vec<(&str, &str)> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let post = request("POST", "/webhook/brevo", &headers, brevo_event(1));
        assert_eq!(setup.ask(from(peer, post)).await.status, expected, "{peer} {forwarded:?}");
    }
}

#[tokio::test]
async fn an_audience_is_known_by_the_secret_in_its_url() {
    let unsubscribed = form(&[("type", "unsubscribe"), ("data[email]", "zoe@journal.example")]);
    let good = AUDIENCE_SECRET;
    let table = [
        (format!("/webhook/audience/{good}"), StatusCode::OK),
        (format!("/webhook/audience?secret={good}"), StatusCode::OK),
        (format!("/webhook/audience?utm=1&secret={good}"), StatusCode::OK),
        (format!("/webhook/audience/{good}0"), StatusCode::FORBIDDEN),
        (format!("/webhook/audience/wrong?secret={good}"), StatusCode::FORBIDDEN),
        ("/webhook/audience?secret=".to_owned(), StatusCode::FORBIDDEN),
        ("/webhook/audience".to_owned(), StatusCode::FORBIDDEN),
    ];
    for (path, expected) in table {
        let setup = Setup::new();
        for method in ["GET", "HEAD", "POST"] {
            let body = if method == "POST" { unsubscribed.clone() } else { String::new() };

            let answer = setup.ask(request(method, &path, &[("content-type", FORM)], body)).await;

            assert_eq!(answer.status, expected, "{method} {path}");
            let is_kept = method == "POST" && expected == StatusCode::OK;
            let kinds: Vec<EventKind> = setup.memory.kept().iter().map(|event| event.kind).collect();
            assert_eq!(
                kinds,
                if is_kept { vec![EventKind::Unsubscribed] } else { Vec::new() },
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_url_is_tried_out_as_each_provider_does_it() {
    let setup = Setup::new();
    let table = [
        ("HEAD", "/webhook/mandrill", StatusCode::OK),
        ("GET", "/webhook/mandrill", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/webhook/brevo", StatusCode::METHOD_NOT_ALLOWED),
        ("HEAD", "/webhook/brevo", StatusCode::METHOD_NOT_ALLOWED),
        ("DELETE", "/webhook/brevo", StatusCode::METHOD_NOT_ALLOWED),
        ("HEAD", "/webhook/mandrill/more", StatusCode::NOT_FOUND),
        ("POST", "/webhook/mandrill/more", StatusCode::NOT_FOUND),
        ("POST", "/webhook/brevo/more", StatusCode::NOT_FOUND),
        ("POST", "/webhook/nobody", StatusCode::NOT_FOUND),
        ("GET", "/webhook/nobody", StatusCode::NOT_FOUND),
        ("POST", "/webhook/%2e%2e%2fbrevo", StatusCode::NOT_FOUND),
        ("POST", "/webhook/", StatusCode::NOT_FOUND),
        ("GET", "/", StatusCode::NOT_FOUND),
    ];
    for (method, path, expected) in table {
        let answer = setup.ask(request(method, path, &[], axum::body::Body::empty())).await;
        assert_eq!(answer.status, expected, "{method} {path}");
    }
    assert_eq!(setup.memory.calls.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn a_webhook_that_would_admit_everybody_or_nobody_is_refused_with_all_the_others() {
    let mut settings = Settings::default();
    let short = || Secret::from("fifteen-letters");
    let mandrill = |keys: &[&str], url: &str| Hook::Mandrill {
        keys: keys.iter().map(|key| Secret::from(*key)).collect(),
        url: url.to_owned(),
    };
    let basic = |user: &str, password: &str| {
        Hook::Brevo(BrevoAuth::Basic { user: user.to_owned(), password: Secret::from(password) })
    };
    let table = [
        ("a", Hook::Brevo(BrevoAuth::Bearer(short())), HookProblem::ShortSecret),
        ("b", basic("", "p"), HookProblem::NoPassword),
        ("c", basic("u", ""), HookProblem::NoPassword),
        ("d", basic("u:v", "p"), HookProblem::NoPassword),
        ("e", Hook::Brevo(BrevoAuth::Networks(Vec::new())), HookProblem::NoNetwork),
        ("f", mandrill(&[], MANDRILL_URL), HookProblem::NoKey),
        ("g", mandrill(&["k", ""], MANDRILL_URL), HookProblem::NoKey),
        ("h", mandrill(&["k"], "/webhook/mandrill"), HookProblem::NoUrl),
        ("i", Hook::MailchimpAudience { secret: short() }, HookProblem::ShortSecret),
    ];
    for (provider, hook, _) in &table {
        settings.hooks.insert(name(provider), hook.clone());
    }
    let clock = std::sync::Arc::new(depeche_testkit::clock::ManualClock::at_text(NOW));

    let refused =
        Receiver::new(settings, std::sync::Arc::<Memory>::default(), clock, Default::default()).unwrap_err();

    let refused: Vec<(String, HookProblem)> =
        refused.into_iter().map(|one| (one.provider.to_string(), one.problem)).collect();
    let expected: Vec<(String, HookProblem)> =
        table.iter().map(|(provider, _, problem)| ((*provider).to_owned(), *problem)).collect();
    assert_eq!(refused, expected);
}
