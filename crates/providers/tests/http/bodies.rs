//! Every body that a provider sends anywhere, judged by the provider's own strict description.
//!
//! Each provider does all that it can against a stub; what it sent is looked up in the description by
//! method and path. A path that the description does not know, a body that it does not allow, and an
//! endpoint that is missing from the list below are faults; so is a call in the source that was made nowhere
//! here.

use std::collections::BTreeSet;
use std::sync::Arc;

use depeche_core::address::EmailAddress;
use depeche_core::clock::SystemClock;
use depeche_core::outcome::Outcome;
use depeche_core::provider::{BlockList, EarlierAttempt, EventList, Provider};
use depeche_providers::brevo::BrevoProvider;
use depeche_providers::mailchimp::transactional::{Mode, TransactionalProvider};
use depeche_testkit::conformance::parcel_to;
use depeche_testkit::http::{HttpStub, Says, Seen};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::arrange::{attempt, brevo_config, hard_parcels, mailchimp_config, shared};
use crate::campaign::campaign_parcels;
use crate::marketing::{Mailchimp, Mood};

/// Where each provider sends a body: method and path, as its description writes it.
const BREVO: [(&str, &str); 2] = [("POST", "/contacts"), ("POST", "/smtp/email")];
const TRANSACTIONAL: [(&str, &str); 10] = [
    ("POST", "/messages/search"),
    ("POST", "/messages/send"),
    ("POST", "/messages/send-raw"),
    ("POST", "/metadata/list"),
    ("POST", "/rejects/add"),
    ("POST", "/rejects/list"),
    ("POST", "/senders/check-domain"),
    ("POST", "/senders/domains"),
    ("POST", "/users/info"),
    ("POST", "/users/ping2"),
];
const MARKETING: [(&str, &str); 7] = [
    ("POST", "/campaigns"),
    ("POST", "/lists/{list_id}"),
    ("POST", "/lists/{list_id}/merge-fields"),
    ("POST", "/lists/{list_id}/segments"),
    ("POST", "/lists/{list_id}/segments/{segment_id}"),
    ("PUT", "/campaigns/{campaign_id}/content"),
    ("PUT", "/lists/{list_id}/members/{subscriber_hash}"),
];

/// A provider's description.
struct Description(Value);

impl Description {
    fn of(name: &str) -> Option<Self> {
        let path = shared(&format!("specs/{name}.strict.json"))?;
        Some(Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()))
    }

    /// The path as the description writes it; one without a parameter comes first.
    fn template(&self, path: &str) -> Option<&str> {
        let fits = |template: &str| {
            let (asked, known): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
            let same = |(one, other): (&&str, &&str)| one == other || other.starts_with('{');
            asked.len() == known.len() && asked.iter().zip(&known).all(same)
        };
        let paths = self.0["paths"].as_object().unwrap().keys().map(String::as_str);
        paths.filter(|template| fits(template)).min_by_key(|template| template.matches('{').count())
    }

    /// What is wrong with a request; its place in the description otherwise.
    fn judge(&self, seen: &Seen) -> Result<(String, String), String> {
        let path = seen.target.split('?').next().unwrap_or_default();
        let unknown = || format!("{} {path} is not in the description", seen.method);
        let template = self.template(path).ok_or_else(unknown)?;
        let operation = &self.0["paths"][template][seen.method.to_lowercase()];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Err(format!("{} {template} takes no body", seen.method));
        }
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft7)
            .should_validate_formats(true)
            .build(schema)
            .map_err(|error| format!("{template}: {error}"))?;
        let body: Value = serde_json::from_slice(&seen.body).map_err(|error| error.to_string())?;
        let faults: Vec<String> =
            validator.iter_errors(&body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        match faults.is_empty() {
            true => Ok((seen.method.clone(), template.to_owned())),
            false => Err(format!("{} {template}: {}", seen.method, faults.join("; "))),
        }
    }
}

fn all_conform(name: &str, seen: &[Seen], expected: &[(&str, &str)]) {
    let Some(description) = Description::of(name) else { return };
    let bodies = seen.iter().filter(|one| !one.body.is_empty());
    let (places, faults): (Vec<_>, Vec<_>) =
        bodies.map(|one| description.judge(one)).partition(Result::is_ok);
    let faults: BTreeSet<String> = faults.into_iter().filter_map(Result::err).collect();
    assert!(faults.is_empty(), "{name}: {faults:#?}");
    let places: BTreeSet<(String, String)> = places.into_iter().filter_map(Result::ok).collect();
    let places: Vec<(&str, &str)> =
        places.iter().map(|(method, path)| (method.as_str(), path.as_str())).collect();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(places, expected, "{name}: where a body goes, and where the list says");
}

/// Everything besides an attempt.
async fn asks_everything(provider: &dyn Provider) {
    provider.login().await.unwrap();
    let told = provider.events(Timestamp::now() - SignedDuration::from_hours(24)).await;
    assert!(matches!(told, EventList::Listed { .. }), "{told:?}");
    let list = provider.block_list().await;
    assert!(matches!(list, BlockList::Listed { .. }), "{list:?}");
    let address = EmailAddress::parse("ana@journal.example").unwrap();
    assert_eq!(provider.block(&address, "opted out").await, Ok(true));
    provider.standing("exemple.fr").await;
    let earlier = EarlierAttempt {
        parcel: parcel_to("ana@journal.example"),
        started_at: Timestamp::now() - SignedDuration::from_hours(2),
        request_digest: None,
        provider_id: None,
    };
    provider.look_up(&earlier).await;
}

#[tokio::test]
async fn every_body_to_brevo_is_one_that_its_description_allows() {
    let stub = HttpStub::start(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/contacts") => Says::json(201, r#"{"id":1}"#),
        ("POST", _) => Says::json(201, r#"{"messageId":"<a@b>"}"#),
        (_, "/account") => Says::json(200, r#"{"email":"a@b.fr","companyName":"x","plan":[]}"#),
        _ => Says::json(200, "{}"),
    })
    .await;
    for batch in [false, true] {
        let mut config = brevo_config(&stub.base_url());
        config.batch = batch;
        config.sender_ips = vec!["192.0.2.7".parse().unwrap()];
        config.sender_domain = Some("exemple.fr".to_owned());
        config.sender_address = Some(EmailAddress::parse("presse@exemple.fr").unwrap());
        let provider = BrevoProvider::new(config, Arc::new(SystemClock)).unwrap();
        for parcels in hard_parcels(6).chunks(provider.capability().batch.min(3)) {
            attempt(&provider, parcels).await;
        }
        asks_everything(&provider).await;
    }

    all_conform("brevo", &stub.seen(), &BREVO);
}

#[tokio::test]
async fn every_body_to_mailchimp_transactional_is_one_that_its_description_allows() {
    let stub = HttpStub::start(|seen| match seen.target.as_str() {
        "/users/ping2" => Says::json(200, r#"{"PING":"PONG!"}"#),
        "/users/info" => {
            Says::json(200, r#"{"username":"x","reputation":60,"hourly_quota":250,"backlog":0}"#)
        }
        "/senders/check-domain" => Says::json(200, r#"{"domain":"exemple.fr","valid_signing":true}"#),
        "/senders/domains" => Says::json(200, r#"[{"domain":"exemple.fr","valid_signing":false}]"#),
        "/rejects/add" => Says::json(200, r#"{"email":"ana@journal.example","added":true}"#),
        _ => Says::json(200, "[]"),
    })
    .await;
    for mode in [Mode::Raw, Mode::Parts] {
        let mut config = mailchimp_config(&stub.base_url());
        config.mode = mode;
        config.ip_pool = Some("presse".to_owned());
        config.sender_domain = Some("exemple.fr".to_owned());
        let provider = TransactionalProvider::new(config, Arc::new(SystemClock)).unwrap();
        for parcel in hard_parcels(5) {
            attempt(&provider, &[parcel]).await;
        }
        asks_everything(&provider).await;
    }

    all_conform("mailchimp-transactional", &stub.seen(), &TRANSACTIONAL);
}

#[tokio::test]
async fn every_body_of_a_campaign_is_one_that_its_description_allows() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    mailchimp.is("j1@journal.example", "subscribed");
    let provider = mailchimp.provider();

    let outcomes = attempt(&provider, &campaign_parcels(600)).await;
    asks_everything(&provider).await;

    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))), "{:?}", outcomes[0]);
    all_conform("mailchimp-marketing", &mailchimp.stub.seen(), &MARKETING);
}

/// A schema is worth something only if it can say no.
#[test]
fn a_description_refuses_a_path_and_a_field_that_it_does_not_know() {
    let Some(description) = Description::of("mailchimp-marketing") else { return };
    let seen = |method: &str, target: &str, body: Value| Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    let good = json!({"name": "depeche", "static_segment": []});

    assert!(description.judge(&seen("POST", "/lists/a1/segments", good.clone())).is_ok());
    for (method, target, body) in [
        ("POST", "/lists/a1/segments", json!({"name": "depeche", "static_segments": []})),
        ("POST", "/lists/a1/segments", json!({"static_segment": []})),
        ("POST", "/lists/a1/segment", good.clone()),
        ("POST", "/campaigns/c1/actions/send", good.clone()),
        ("PUT", "/lists/a1/segments", good),
    ] {
        assert!(description.judge(&seen(method, target, body.clone())).is_err(), "{method} {target} {body}");
    }
}

/// Calls with a body in the source, by file: a new one belongs into the tests above.
#[test]
fn every_call_with_a_body_in_the_source_is_made_here() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let calls = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        ["Request::post(", "Request::put(", "Request::patch("]
            .iter()
            .map(|call| text.matches(call).count())
            .sum()
    };
    // `actions/send` has no body.
    let known: [(&str, usize); 6] = [
        ("brevo/provider.rs", 1),
        ("brevo/after.rs", 1),
        ("mailchimp/transactional/provider.rs", 1),
        ("mailchimp/campaign/provider.rs", 3),
        ("mailchimp/campaign/audience.rs", 5),
        ("mailchimp/campaign/blocked.rs", 1),
    ];
    for (file, count) in known {
        let found: usize = calls(file);
        assert_eq!(found, count, "{file}");
    }
    let mut folders = vec![folder.clone()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            // The client makes requests for nobody.
            if name != "http/client.rs" && !known.iter().any(|(file, _)| *file == name) {
                assert_eq!(calls(&name), 0, "{name}");
            }
        }
    }
}
