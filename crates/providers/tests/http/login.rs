//! A login shows quota and domains, and sends nothing.

use depeche_core::outcome::Trouble;
use depeche_core::provider::{Provider, Standing};
use depeche_testkit::http::{HttpStub, Says};

use crate::arrange::{KEY, brevo, brevo_config, mailchimp};

#[tokio::test]
async fn brevo_shows_credits_and_warns_of_a_domain_that_is_not_authenticated() {
    let stub = HttpStub::start(|seen| match seen.target.as_str() {
        "/account" => Says::json(
            200,
            r#"{"email":"presse@exemple.fr","companyName":"Ville","plan":[{"type":"free","credits":0,
            "creditsType":"sendLimit"},{"type":"sms","credits":15}]}"#,
        ),
        "/senders/domains" => Says::json(
            200,
            r#"{"domains":[{"domain_name":"exemple.fr","authenticated":false,"verified":true}],"count":1}"#,
        ),
        "/senders/domains/exemple.fr" => Says::json(
            200,
            r#"{"domain":"exemple.fr","verified":true,"authenticated":false,"dns_records":{
            "dkim_record":{"host_name":"mail._domainkey","type":"TXT","value":"v=DKIM1; p=MIG","status":false},
            "dmarc_record":{"host_name":"_dmarc","type":"TXT","value":"v=DMARC1; p=none","status":true}}}"#,
        ),
        _ => Says::json(404, "{}"),
    })
    .await;
    let mut config = brevo_config(&stub.base_url());
    config.sender_domain = Some("exemple.fr".to_owned());
    let provider = depeche_providers::brevo::BrevoProvider::new(
        config,
        std::sync::Arc::new(depeche_core::clock::SystemClock),
    )
    .unwrap();

    let login = provider.login().await.unwrap();

    let fact = |name: &str| login.facts.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(fact("credits left (free)"), Some("0"));
    assert_eq!(fact("domain exemple.fr"), Some("verified, not authenticated"));
    assert_eq!(fact("record dkim_record"), Some("not found: mail._domainkey TXT v=DKIM1; p=MIG"));
    assert_eq!(fact("record dmarc_record"), Some("found: _dmarc TXT v=DMARC1; p=none"));
    assert_eq!(login.warnings.len(), 2, "{:?}", login.warnings);
    assert!(stub.seen().iter().all(|seen| seen.method == "GET" && seen.header("api-key") == Some(KEY)));
}

#[tokio::test]
async fn mailchimp_shows_quota_and_backlog_and_warns_of_what_will_fail() {
    let stub = HttpStub::start(|seen| match seen.target.as_str() {
        "/users/ping2" => Says::json(200, r#"{"PING":"PONG!"}"#),
        "/users/info" => {
            Says::json(200, r#"{"username":"ville","reputation":60,"hourly_quota":250,"backlog":12}"#)
        }
        "/senders/domains" => Says::json(
            200,
            r#"[{"domain":"exemple.fr","spf":{"valid":true,"error":null},
            "dkim":{"valid":false,"error":"no record"},"valid_signing":false,"verified_at":null}]"#,
        ),
        "/senders/check-domain" => Says::json(
            200,
            r#"{"domain":"exemple.fr","spf":{"valid":true,"error":null},
            "dkim":{"valid":false,"error":"no record now"},"valid_signing":false,"verified_at":null}"#,
        ),
        "/metadata/list" => Says::json(200, "[]"),
        _ => Says::json(404, "{}"),
    })
    .await;

    let mut config = crate::arrange::mailchimp_config(&stub.base_url());
    config.sender_domain = Some("exemple.fr".to_owned());
    let provider = depeche_providers::mailchimp::transactional::TransactionalProvider::new(
        config,
        std::sync::Arc::new(depeche_core::clock::SystemClock),
    )
    .unwrap();

    let login = provider.login().await.unwrap();

    assert!(login.facts.contains(&("hourly quota".to_owned(), "250".to_owned())));
    assert!(
        login
            .facts
            .iter()
            .any(|(name, value)| name == "domain exemple.fr" && value.contains("no record now"))
    );
    assert_eq!(login.warnings.len(), 4, "{:?}", login.warnings);
    assert!(!stub.seen().iter().any(|seen| seen.target.contains("send-raw")));
}

#[tokio::test]
async fn a_refused_key_is_the_refusal_that_an_attempt_would_have_met() {
    let brevo_says =
        HttpStub::saying(Says::json(401, r#"{"code":"unauthorized","message":"Key not found"}"#)).await;
    let mailchimp_says = HttpStub::saying(Says::json(
        500,
        r#"{"status":"error","code":-1,"name":"Invalid_Key","message":"x"}"#,
    ))
    .await;

    let brevo = brevo(&brevo_says.base_url()).login().await.unwrap_err();
    let mailchimp = mailchimp(&mailchimp_says.base_url()).login().await.unwrap_err();

    assert_eq!(brevo.trouble, Some(Trouble::Credentials));
    assert_eq!(mailchimp.trouble, Some(Trouble::Credentials));
}

/// The shapes of SendersDomainsResponse in Mailchimp Transactional's own description; the dates as Mandrill
/// writes them.
#[tokio::test]
async fn mailchimps_word_on_a_domain_is_yes_only_when_it_is_verified_and_signs() {
    let domain = |rest: &str| {
        format!(
            r#"[{{"domain":"other.example","valid_signing":true,"verified_at":"2026-01-01 00:00:00"}},
            {{"domain":"exemple.fr","created_at":"2026-01-01 15:30:27","last_tested_at":"2026-01-01 15:40:42",
            "spf":{{"valid":true,"valid_after":null,"error":null}},
            "dkim":{{"valid":false,"valid_after":null,"error":"no DNS record"}}{rest}}}]"#
        )
    };
    let yes = r#","verified_at":"2026-01-01 15:50:21","valid_signing":true"#;
    let unverified = r#","verified_at":null,"valid_signing":true"#;
    let unsigned = r#","verified_at":"2026-01-01 15:50:21","valid_signing":false"#;
    let cases = [
        (200, domain(yes), Some(true)),
        (200, domain(unverified), Some(false)),
        (200, domain(unsigned), Some(false)),
        // It says nothing about signing: that is no refusal.
        (200, domain(""), None),
        (200, "[]".to_owned(), Some(false)),
        (200, "{}".to_owned(), None),
        (
            500,
            r#"{"status":"error","code":-1,"name":"Invalid_Key","message":"Invalid API key"}"#.to_owned(),
            None,
        ),
        (503, "<html>blocked</html>".to_owned(), None),
    ];
    for (status, body, expected) in cases {
        let shown = body.clone();
        let stub = HttpStub::start(move |seen| match seen.target.as_str() {
            "/senders/domains" => Says::json(status, &body),
            _ => Says::json(404, "{}"),
        })
        .await;

        let standing = mailchimp(&stub.base_url()).standing("exemple.fr").await;

        let word = match &standing {
            Standing::Authenticated => Some(true),
            Standing::NotAuthenticated(_) => Some(false),
            Standing::CannotTell | Standing::Failed(_) => None,
        };
        assert_eq!(word, expected, "{status} {shown}: {standing:?}");
        // Asking whether a domain is known must not add it.
        assert!(stub.seen().iter().all(|seen| seen.target == "/senders/domains"));
    }
}

/// Brevo's example of GET /senders/domains: three states, one page of several.
#[tokio::test]
async fn brevos_word_on_a_domain_that_may_stand_on_another_page_is_no_refusal() {
    let body = |pages: u32| {
        format!(
            r#"{{"domains":[{{"id":"1","domain_name":"mycompany.com","authenticated":true,"verified":true}},
            {{"id":"2","domain_name":"newsletter.mycompany.com","authenticated":false,"verified":true}},
            {{"id":"3","domain_name":"test.example.com","authenticated":false,"verified":false}}],
            "count":3,"current_page":1,"total_pages":{pages}}}"#
        )
    };
    for (pages, domain, expected) in [
        (1, "mycompany.com", "Authenticated"),
        (1, "newsletter.mycompany.com", "NotAuthenticated"),
        (1, "test.example.com", "NotAuthenticated"),
        (1, "exemple.fr", "NotAuthenticated"),
        (2, "exemple.fr", "CannotTell"),
    ] {
        let said = body(pages);
        let stub = HttpStub::start(move |_| Says::json(200, &said)).await;
        let standing = brevo(&stub.base_url()).standing(domain).await;
        assert!(format!("{standing:?}").starts_with(expected), "{domain} of {pages}: {standing:?}");
    }
}
