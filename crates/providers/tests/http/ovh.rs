//! OVHcloud's API: what is asked, how it is signed, and what is made of the answers.

use depeche_core::outcome::Trouble;
use depeche_core::secret::Secret;
use depeche_providers::http::{HttpConfig, HttpConfigError};
use depeche_providers::ovh::{OvhApi, OvhApiConfig};
use depeche_testkit::http::{HttpStub, Says, Seen};

fn config(base_url: &str) -> OvhApiConfig {
    OvhApiConfig {
        organization: "hosted-ab12345-ovh-1".to_owned(),
        service: "hosted-ab12345-ovh-1".to_owned(),
        application_key: "application1".to_owned(),
        application_secret: Secret::from("as-secret".to_owned()),
        consumer_key: Secret::from("ck-consumer".to_owned()),
        http: HttpConfig::new(format!("{base_url}/1.0")),
    }
}

const SELECTORS: &str =
    "/1.0/email/exchange/hosted-ab12345-ovh-1/service/hosted-ab12345-ovh-1/domain/exemple.fr/dkimSelector";

/// Answers the time, and `says` to everything else.
async fn answering(says: impl Fn(&Seen) -> Says + Send + Sync + 'static) -> HttpStub {
    HttpStub::start(move |seen| match seen.target.as_str() {
        "/1.0/auth/time" => Says::json(200, "1700000000"),
        _ => says(seen),
    })
    .await
}

#[tokio::test]
async fn selectors_are_asked_for_with_the_servers_clock_and_nothing_is_changed() {
    let stub =
        answering(|_| Says::json(200, r#"["ovhex123456-selector1","ovhex123456-selector2","../x"]"#)).await;
    let api = OvhApi::new(config(&stub.base_url())).unwrap();

    let selectors = api.dkim_selectors("exemple.fr").await.unwrap();

    assert_eq!(selectors, ["ovhex123456-selector1", "ovhex123456-selector2"]);
    let seen = stub.seen();
    assert!(seen.iter().all(|seen| seen.method == "GET" && seen.body.is_empty()));
    assert_eq!(
        seen.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(),
        ["/1.0/auth/time", SELECTORS]
    );
    assert!(seen[0].header("x-ovh-signature").is_none(), "the time is asked for unsigned");
    assert_eq!(seen[1].header("x-ovh-application"), Some("application1"));
    assert_eq!(seen[1].header("x-ovh-consumer"), Some("ck-consumer"));
    assert_eq!(seen[1].header("x-ovh-timestamp"), Some("1700000000"));
    let signature = seen[1].header("x-ovh-signature").unwrap();
    assert!(signature.starts_with("$1$") && signature.len() == 43, "{signature}");
}

#[tokio::test]
async fn a_refusal_is_told_without_the_secrets_that_it_repeats() {
    let echo = |seen: &Seen| {
        let message = format!("as-secret {:?}", seen.headers);
        Says::json(401, &serde_json::json!({ "message": message }).to_string())
    };
    let stub = answering(echo).await;
    let api = OvhApi::new(config(&stub.base_url())).unwrap();

    let refusal = api.dkim_selectors("exemple.fr").await.unwrap_err();

    assert_eq!(refusal.trouble, Some(Trouble::Credentials));
    assert!(
        !refusal.reply.contains("ck-consumer") && !refusal.reply.contains("as-secret"),
        "{}",
        refusal.reply
    );
    assert!(!format!("{api:?}").contains("secret"));
}

#[tokio::test]
async fn what_is_no_list_is_a_fault_and_a_redirect_is_not_followed() {
    let other = HttpStub::start(|_| Says::json(200, "[]")).await;
    let elsewhere = other.base_url();
    let answers = [Says::html(500, "<h1>down</h1>"), Says::json(200, "{}"), Says::json(200, "[1]")];
    let redirect = Says::json(302, "").with("location", &format!("{elsewhere}/1.0/x"));
    for says in answers.into_iter().chain([redirect]) {
        let stub = answering(move |_| says.clone()).await;
        let api = OvhApi::new(config(&stub.base_url())).unwrap();

        assert!(api.dkim_selectors("exemple.fr").await.is_err());
    }
    assert!(other.seen().is_empty());
}

#[test]
fn a_service_whose_name_leads_elsewhere_is_refused() {
    let mut config = config("http://127.0.0.1:1");
    config.service = "../me".to_owned();

    assert!(matches!(OvhApi::new(config), Err(HttpConfigError::Service(_))));
}
