//! The suite that every provider passes, asked of each HTTP provider in each of its forms.

use std::sync::Arc;

use async_trait::async_trait;
use depeche_core::provider::Provider;
use depeche_providers::mailchimp::transactional::Mode;
use depeche_testkit::conformance::{Arranged, Peer, PeerDoes, ProviderHarness, provider_conformance};
use depeche_testkit::http::{HttpStub, Says, Seen};

use crate::arrange::{brevo, brevo_batch, mailchimp, mailchimp_in, recipients};

struct Stub(HttpStub);

impl Peer for Stub {
    fn message_bytes(&self) -> u64 {
        self.0.octets()
    }

    fn whole_messages(&self) -> Vec<String> {
        self.0.seen().iter().flat_map(|seen| recipients(&seen.body)).collect()
    }
}

struct Harness {
    provider: fn(&str) -> Box<dyn Provider>,
    says: fn(PeerDoes, &Seen) -> Option<Says>,
}

#[async_trait]
impl ProviderHarness for Harness {
    async fn arrange(&self, peer: PeerDoes) -> Option<Arranged> {
        let says = self.says;
        let nobody = Seen { method: String::new(), target: String::new(), headers: vec![], body: vec![] };
        says(peer, &nobody)?;
        let stub = HttpStub::start(move |seen| says(peer, seen).expect("asked above")).await;
        let url = if peer == PeerDoes::IsAbsent { nobody_there().await } else { stub.base_url() };
        Some(Arranged { provider: (self.provider)(&url), peer: Arc::new(Stub(stub)) })
    }
}

/// A port where nobody listens.
async fn nobody_there() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What both do alike.
fn either(peer: PeerDoes) -> Option<Says> {
    Some(match peer {
        PeerDoes::Throttles => Says::json(429, "{}").with("x-sib-ratelimit-reset", "3"),
        PeerDoes::FallsSilentAfterTheMessage => Says::Nothing,
        PeerDoes::ClosesAfterTheMessage | PeerDoes::IsAbsent => Says::Close,
        PeerDoes::AnswersGarbageAfterTheMessage => Says::Garbage(b"250 OK, but not HTTP\r\n\r\n".to_vec()),
        _ => return None,
    })
}

fn brevo_says(peer: PeerDoes, seen: &Seen) -> Option<Says> {
    let refusal =
        |message: &str| Says::json(400, &format!(r#"{{"code":"invalid_parameter","message":"{message}"}}"#));
    Some(match peer {
        PeerDoes::Accepts => brevo_takes(seen),
        PeerDoes::RefusesBadAddress => refusal("email is not valid in to"),
        PeerDoes::RefusesMessage => refusal("attachment extension is not allowed"),
        PeerDoes::RefusesLogin => Says::json(401, r#"{"code":"unauthorized","message":"Key not found"}"#),
        PeerDoes::AnswersUnclearlyAfterTheMessage => Says::json(500, r#"{"code":"internal","message":"x"}"#),
        // Brevo accepts and tells of the recipient later; it never says "later" or "held".
        PeerDoes::DefersRecipient | PeerDoes::Holds => return None,
        // Before the intent no byte of HTTP leaves.
        PeerDoes::ClosesBeforeTheIntent => return None,
        other => either(other)?,
    })
}

fn brevo_takes(seen: &Seen) -> Says {
    let ids: Vec<String> = recipients(&seen.body).iter().map(|to| format!("\"<{to}.id@relay>\"")).collect();
    match ids.as_slice() {
        [id] => Says::json(201, &format!(r#"{{"messageId":{id}}}"#)),
        ids => Says::json(201, &format!(r#"{{"messageIds":[{}]}}"#, ids.join(","))),
    }
}

fn mailchimp_says(peer: PeerDoes, seen: &Seen) -> Option<Says> {
    let to = recipients(&seen.body).first().cloned().unwrap_or_default();
    let result =
        |rest: &str| Says::json(200, &format!(r#"[{{"email":"{to}","_id":"abc","status":{rest}}}]"#));
    let error = |name: &str| {
        Says::json(500, &format!(r#"{{"status":"error","code":1,"name":"{name}","message":"x"}}"#))
    };
    Some(match peer {
        PeerDoes::Accepts => result(r#""sent""#),
        PeerDoes::RefusesBadAddress => result(r#""rejected","reject_reason":"invalid""#),
        PeerDoes::RefusesMessage => result(r#""rejected","reject_reason":"rule""#),
        PeerDoes::RefusesLogin => error("Invalid_Key"),
        PeerDoes::AnswersUnclearlyAfterTheMessage => error("ServiceUnavailable"),
        PeerDoes::Holds => result(r#""queued","queued_reason":"account-suspended""#),
        PeerDoes::DefersRecipient | PeerDoes::ClosesBeforeTheIntent => return None,
        other => either(other)?,
    })
}

async fn passes(harness: Harness, left_out: &[&str]) {
    let report = provider_conformance(&harness).await;

    report.assert_all_held();
    assert_eq!(report.left_out, left_out);
}

#[tokio::test]
async fn brevo_keeps_every_promise_of_a_provider() {
    let left_out = ["DefersRecipient", "ClosesBeforeTheIntent", "Holds"];
    passes(Harness { provider: |url| Box::new(brevo(url)), says: brevo_says }, &left_out).await;
    passes(Harness { provider: |url| Box::new(brevo_batch(url)), says: brevo_says }, &left_out).await;
}

#[tokio::test]
async fn mailchimp_transactional_keeps_every_promise_of_a_provider() {
    let left_out = ["DefersRecipient", "ClosesBeforeTheIntent"];
    passes(Harness { provider: |url| Box::new(mailchimp(url)), says: mailchimp_says }, &left_out).await;
    let parts = Harness { provider: |url| Box::new(mailchimp_in(url, Mode::Parts)), says: mailchimp_says };
    passes(parts, &left_out).await;
}
