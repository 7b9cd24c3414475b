//! SMTP first, Brevo second: a provider that recognises a repeat leaves nobody unknown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depeche::budget::Limits;
use depeche::clock::SystemClock;
use depeche::engine::{LinkConfig, Why};
use depeche::journal::Journal;
use depeche::provider::ProviderName;
use depeche::providers::brevo::{BrevoConfig, BrevoProvider};
use depeche::providers::http::HttpTimeouts;
use depeche_testkit::http::{HttpStub, Says, Seen};
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

use super::common::{Story, link, linked};

/// Whom the stub took a message for, by idempotency key.
type Taken = Arc<Mutex<BTreeMap<String, String>>>;

/// Takes every new request, says nothing to each thirteenth and ends the line; knows a repeat by its key.
fn forgetful(taken: &Taken, seen: &Seen) -> Says {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&seen.body) else {
        return Says::json(200, r#"{"events":[],"transactionalEmails":[]}"#);
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (key, who) = (text(&body["headers"]["idempotencyKey"]), text(&body["to"][0]["email"]));
    let mut taken = taken.lock().unwrap();
    if taken.contains_key(&key) {
        return Says::json(400, r#"{"code":"duplicate_request","message":"Request already processed"}"#);
    }
    taken.insert(key, who);
    match taken.len() % 13 {
        0 => Says::Close,
        _ => Says::json(201, &format!(r#"{{"messageId":"<{}@brevo>"}}"#, taken.len())),
    }
}

fn brevo(stub: &HttpStub) -> LinkConfig {
    let mut config = BrevoConfig::new(ProviderName::new("brevo").unwrap(), "xkeysib-1".to_owned().into());
    config.http.base_url = stub.base_url();
    let (short, long) = (Duration::from_secs(1), Duration::from_secs(3));
    config.http.timeouts = HttpTimeouts { connect: short, answer: short, total: long };
    config.lanes = 2;
    linked(Arc::new(BrevoProvider::new(config, Arc::new(SystemClock)).unwrap()), Limits::default())
}

#[tokio::test]
async fn an_answer_lost_by_brevo_is_asked_for_again_under_its_key() {
    let story = Story::of(40).await;
    let dies = Rule::at(Phase::Mail).at_message(13).does(Fault::Die(None));
    let first = FakeSmtp::new().rule(dies).start().await;
    let taken = Taken::default();
    let by = Arc::clone(&taken);
    let stub = HttpStub::start(move |seen| forgetful(&by, seen)).await;

    let told = story.tell(vec![link("ovh", &first, 1), brevo(&stub)]).await;

    assert_eq!((told.ended.why, told.ended.totals.accepted), (Why::Done, 40), "{:?}", told.ended.totals);
    let mut reached = first.accepted();
    assert_eq!(reached.len(), 12);
    reached.extend(taken.lock().unwrap().values().cloned());
    assert_eq!(reached.len(), 40, "28 at Brevo, each under one key");
    reached.sort();
    reached.dedup();
    assert_eq!(reached.len(), 40);
    let audit = story.journal.audit_of(Some(&story.run)).await.unwrap();
    assert_eq!(audit.iter().filter(|entry| entry.action == "proof").count(), 2, "28 / 13");
}
