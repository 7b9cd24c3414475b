//! Every request body against the providers' own descriptions, in strict variants.

use depeche_core::provider::Parcel;
use depeche_providers::mailchimp::transactional::Mode;
use depeche_testkit::http::{HttpStub, Says};
use serde_json::Value;

use crate::arrange::{attempt, brevo_batch, brevo_config, hard_parcels, mailchimp_in, shared};

fn schema(name: &str) -> Option<jsonschema::Validator> {
    let path = shared(&format!("specs/schemas/{name}.request.json"))?;
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Some(jsonschema::options().should_validate_formats(true).build(&schema).unwrap())
}

fn conforms(schema: &jsonschema::Validator, body: &[u8]) {
    let body: Value = serde_json::from_slice(body).unwrap();
    let faults: Vec<String> =
        schema.iter_errors(&body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Single for each of the hard messages, and all of them as a batch.
fn shapes() -> Vec<Vec<Parcel>> {
    let parcels = hard_parcels(10);
    parcels.iter().map(|parcel| vec![parcel.clone()]).chain([parcels.clone()]).collect()
}

#[tokio::test]
async fn every_request_to_brevo_fits_its_strict_schema() {
    let Some(schema) = schema("brevo.post-smtp-email") else { return };
    let stub = HttpStub::saying(Says::Close).await;
    let mut config = brevo_config(&stub.base_url());
    config.sender_ips = vec!["192.0.2.7".parse().unwrap()];
    config.batch = true;
    let provider = depeche_providers::brevo::BrevoProvider::new(
        config,
        std::sync::Arc::new(depeche_core::clock::SystemClock),
    )
    .unwrap();
    for parcels in shapes() {
        attempt(&provider, &parcels).await;
    }

    let seen = stub.seen();
    assert_eq!(seen.len(), 11);
    for request in seen {
        conforms(&schema, &request.body);
    }
}

#[tokio::test]
async fn every_request_to_mailchimp_fits_its_strict_schema() {
    for (mode, name) in [(Mode::Raw, "send-raw"), (Mode::Parts, "send")] {
        let Some(schema) = schema(&format!("mailchimp-transactional.post-messages-{name}")) else { return };
        let stub = HttpStub::saying(Says::Close).await;
        let provider = mailchimp_in(&stub.base_url(), mode);
        for parcel in hard_parcels(10) {
            attempt(&provider, &[parcel]).await;
        }

        let seen = stub.seen();
        assert_eq!(seen.len(), 10);
        for request in seen {
            assert_eq!(request.target, format!("/messages/{name}"));
            conforms(&schema, &request.body);
        }
    }
}

/// The schema is worth something only if it can say no.
#[test]
fn the_strict_schema_refuses_a_misspelt_field() {
    let Some(schema) = schema("brevo.post-smtp-email") else { return };
    let good = serde_json::json!({"sender": {"email": "a@b.example"}, "to": [{"email": "c@d.example"}],
        "subject": "x", "htmlContent": "<p>"});
    let mut bad = good.clone();
    bad["htmlcontent"] = "x".into();

    assert!(schema.is_valid(&good));
    assert!(!schema.is_valid(&bad));
}

/// By hand after PROVIDERS.md, section 1.1, for when the schemas are absent.
#[tokio::test]
async fn what_brevo_garbles_is_ascii_before_it_leaves() {
    let stub = HttpStub::saying(Says::Close).await;
    attempt(&brevo_batch(&stub.base_url()), &hard_parcels(5)).await;

    let body: Value = serde_json::from_slice(&stub.seen()[0].body).unwrap();

    assert_eq!(body["attachment"][0]["name"], "Communique - ete 2026.pdf");
    assert_eq!(body["attachment"][1]["name"], "photo, une.jpg");
    // `Ministère, service de presse` in base64, made with Python.
    assert_eq!(body["sender"]["name"], "=?UTF-8?B?TWluaXN0w6hyZSwgc2VydmljZSBkZSBwcmVzc2U=?=");
    let versions = body["messageVersions"].as_array().unwrap();
    assert_eq!(versions[0]["to"][0]["name"], "=?UTF-8?B?TWFydGluLCBab8Op?=");
    assert_eq!(versions[1]["to"][0]["name"], "O'Neil, \"Bob\"");
    assert_eq!(versions[4]["to"][0]["email"], "journaliste5@xn--bcher-kva.example");
    let headers = &versions[2]["headers"];
    assert_eq!(headers["X-Release"], "=?UTF-8?B?w4l0w6kgMjAyNg==?=");
    let stop = headers["List-Unsubscribe"].as_str().unwrap();
    assert!(stop.starts_with("<mailto:stop@exemple.fr?subject=STOP%20"), "{stop}");
    assert!(stop.ends_with(">, <https://presse.exemple.fr/stop/3>"), "{stop}");
    assert_eq!(headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    assert!(headers.as_object().unwrap().values().all(|value| value.as_str().unwrap().is_ascii()));
}
