//! An uncertain message is settled by proof, and by nothing less.

use std::sync::Arc;

use depeche_core::clock::Clock;
use depeche_core::outcome::{Blame, Outcome};
use depeche_core::provider::{EarlierAttempt, LookUp, Provider};
use depeche_providers::brevo::{BrevoProvider, release_tag};
use depeche_testkit::conformance::{RecordingCommit, parcel_to};
use depeche_testkit::http::{HttpStub, Says};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::arrange::{brevo_config, mailchimp};

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn start() -> Timestamp {
    "2026-12-03T08:00:00Z".parse().unwrap()
}

fn brevo_at(url: &str, seconds: i64) -> BrevoProvider {
    let now = start() + SignedDuration::from_secs(seconds);
    BrevoProvider::new(brevo_config(url), Arc::new(At(now))).unwrap()
}

/// An attempt whose answer was lost, at the digest that the provider itself gave.
async fn lost(provider: &BrevoProvider) -> EarlierAttempt {
    let parcel = parcel_to("ana@journal.example");
    let commit = RecordingCommit::granting();
    provider.attempt(0, std::slice::from_ref(&parcel), &commit).await;
    EarlierAttempt { parcel, started_at: start(), request_digest: commit.digests()[0], provider_id: None }
}

fn brevo_batch_at(url: &str, seconds: i64) -> BrevoProvider {
    let mut config = brevo_config(url);
    config.batch = true;
    let now = start() + SignedDuration::from_secs(seconds);
    BrevoProvider::new(config, Arc::new(Since(now, std::time::Instant::now()))).unwrap()
}

/// A clock that goes on: the list of e-mails is asked twice a second at the most.
struct Since(Timestamp, std::time::Instant);

impl Clock for Since {
    fn now(&self) -> Timestamp {
        self.0 + SignedDuration::try_from(self.1.elapsed()).unwrap()
    }
}

/// Three recipients of one request, as the journal has them.
async fn lost_batch(provider: &BrevoProvider) -> Vec<EarlierAttempt> {
    let parcels = ["ana", "bob", "zoe"].map(|name| parcel_to(&format!("{name}@journal.example")));
    let commit = RecordingCommit::granting();
    provider.attempt(0, &parcels, &commit).await;
    let request_digest = commit.digests()[0];
    let earlier = |parcel| EarlierAttempt { parcel, started_at: start(), request_digest, provider_id: None };
    parcels.into_iter().map(earlier).collect()
}

fn found(look_up: &LookUp) -> Option<String> {
    match look_up {
        LookUp::Found(Outcome::Accepted(receipt)) => Some(receipt.provider_id.clone().unwrap_or_default()),
        _ => None,
    }
}

#[tokio::test]
async fn within_ten_minutes_the_identical_request_is_repeated() {
    for (status, body) in [
        (400, r#"{"code":"duplicate_request","message":"Request already processed"}"#),
        (201, r#"{"messageId":"<second@relay>"}"#),
    ] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let stub = HttpStub::start(move |_| {
            let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            if is_first { Says::Close } else { Says::json(status, body) }
        })
        .await;
        let provider = brevo_at(&stub.base_url(), 599);
        let earlier = lost(&provider).await;

        let answer = provider.look_up(&earlier).await;

        assert!(found(&answer).is_some(), "{answer:?}");
        let seen = stub.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].body, seen[1].body, "same key, same bytes");
    }
}

/// Until 2026-11-28 a batch was never repeated, and its members were left to a person.
#[tokio::test]
async fn a_lost_batch_is_repeated_once_for_all_of_its_members() {
    let ids = r#"{"messageIds":["<a@relay>","<b@relay>","<c@relay>"]}"#;
    for (status, body, expected) in [
        (201, ids, ["<a@relay>", "<b@relay>", "<c@relay>"]),
        (400, r#"{"code":"duplicate_request","message":"Request already processed"}"#, ["", "", ""]),
    ] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let stub = HttpStub::start(move |_| {
            let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            if is_first { Says::Close } else { Says::json(status, body) }
        })
        .await;
        let provider = brevo_batch_at(&stub.base_url(), 30);
        let members = lost_batch(&provider).await;

        let answers = join_all(members.iter().map(|member| provider.look_up(member))).await;

        let told: Vec<Option<String>> = answers.iter().map(found).collect();
        assert_eq!(told, expected.map(|id| Some(id.to_owned())), "each its own id");
        let seen = stub.seen();
        assert_eq!((seen.len(), &seen[0].method[..], &seen[1].method[..]), (2, "POST", "POST"));
        assert_eq!(seen[0].body, seen[1].body, "same key, same bytes");
    }
}

#[tokio::test]
async fn a_batch_is_not_repeated_later_nor_by_another_process_nor_when_its_answer_came() {
    let quiet = |seen: &depeche_testkit::http::Seen| match seen.method.as_str() {
        "POST" => Says::Close,
        _ => Says::json(200, "{}"),
    };
    for (age, is_another) in [(600, false), (30, true)] {
        let stub = HttpStub::start(quiet).await;
        let provider = brevo_batch_at(&stub.base_url(), age);
        let members = lost_batch(&provider).await;
        let asked = if is_another { brevo_batch_at(&stub.base_url(), age) } else { provider };

        for member in &members {
            assert_eq!(asked.look_up(member).await, LookUp::NotFound);
        }

        let posts = stub.seen().iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(posts, 1, "{age} s, another process: {is_another}");
    }

    let stub = HttpStub::start(|seen| match seen.method.as_str() {
        "POST" => Says::json(401, r#"{"code":"unauthorized","message":"Key not found"}"#),
        _ => Says::json(200, "{}"),
    })
    .await;
    let provider = brevo_batch_at(&stub.base_url(), 30);
    let members = lost_batch(&provider).await;
    assert_eq!(provider.look_up(&members[0]).await, LookUp::NotFound);
    let posts = stub.seen().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 1, "a refusal is an answer");
}

#[tokio::test]
async fn a_refused_or_short_repeat_of_a_batch_proves_nothing_and_is_not_made_for_each_member() {
    let short = Says::json(201, r#"{"messageIds":["<a@relay>","<b@relay>"]}"#);
    for says in [Says::json(429, "{}"), Says::html(500, ""), short] {
        let first = std::sync::atomic::AtomicBool::new(true);
        let stub = HttpStub::start(move |seen| match seen.method.as_str() {
            "POST" if first.swap(false, std::sync::atomic::Ordering::SeqCst) => Says::Close,
            "POST" => says.clone(),
            _ => Says::json(200, "{}"),
        })
        .await;
        let provider = brevo_batch_at(&stub.base_url(), 30);
        let members = lost_batch(&provider).await;

        for member in &members {
            assert_eq!(provider.look_up(member).await, LookUp::NotFound);
        }

        let posts = stub.seen().iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(posts, 2, "one repeat for all three");
    }
}

#[tokio::test]
async fn later_or_with_another_digest_nothing_is_sent_again() {
    for (age, spoil) in [(600, false), (86_400, false), (-5, false), (10, true)] {
        let stub = HttpStub::start(|seen| match seen.method.as_str() {
            "POST" => Says::Close,
            _ => Says::json(200, "{}"),
        })
        .await;
        let provider = brevo_at(&stub.base_url(), age);
        let mut earlier = lost(&provider).await;
        if spoil {
            earlier.request_digest = Some([7; 32]);
        }

        let answer = provider.look_up(&earlier).await;

        assert_eq!(answer, LookUp::NotFound, "{age} s");
        let posts = stub.seen().iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(posts, 1, "{age} s, spoilt {spoil}: only the first attempt");
    }
}

#[tokio::test]
async fn a_refused_repeat_says_nothing_about_the_first() {
    for says in [Says::json(429, "{}"), Says::json(401, r#"{"code":"unauthorized"}"#), Says::html(500, "")] {
        let stub = HttpStub::start(move |seen| match seen.method.as_str() {
            "POST" => says.clone(),
            _ => Says::json(200, "{}"),
        })
        .await;
        let provider = brevo_at(&stub.base_url(), 30);
        let earlier = lost(&provider).await;

        assert_eq!(provider.look_up(&earlier).await, LookUp::NotFound);
    }
}

/// An item proves by its address, its release and its time together; each alone is another's.
#[tokio::test]
async fn brevos_events_prove_only_this_address_this_release_and_after_the_intent() {
    let tag = release_tag(&parcel_to("ana@journal.example").message);
    let event = |email: &str, date: &str, tag: &str| {
        format!(
            r#"{{"events":[{{"date":"{date}","email":"{email}","event":"delivered","messageId":"<x@relay>","tag":"{tag}"}}]}}"#
        )
    };
    let list = format!(r#"[\"{tag}\",\"other\"]"#);
    let table = [
        (event("Ana@journal.example", "2026-12-03T08:00:05Z", &tag), true),
        (event("ana@journal.example", "2026-12-03T09:00:05.000+01:00", &list), true),
        (event("bob@journal.example", "2026-12-03T08:00:05Z", &tag), false),
        (event("ana@journal.example", "2026-12-03T07:50:00Z", &tag), false),
        (event("ana@journal.example", "2026-12-03T08:00:05Z", "depeche-other"), false),
        (event("ana@journal.example", "yesterday", &tag), false),
        (r#"{"events":[]}"#.to_owned(), false),
        ("{}".to_owned(), false),
    ];
    for (events, proves) in table {
        let answer = events.clone();
        let stub = HttpStub::start(move |seen| match seen.target.as_str() {
            "/smtp/email" => Says::Close,
            target if target.starts_with("/smtp/statistics/events?") => Says::json(200, &answer),
            _ => Says::json(200, r#"{"count":0,"transactionalEmails":[]}"#),
        })
        .await;
        let provider = brevo_at(&stub.base_url(), 3600);
        let earlier = lost(&provider).await;

        let answer = provider.look_up(&earlier).await;

        assert_eq!(found(&answer), proves.then(|| "<x@relay>".to_owned()), "{events}: {answer:?}");
    }
}

/// DELIVERY.md: only what proves the acceptance is one; the strongest of several events counts.
#[tokio::test]
async fn what_brevo_did_not_send_is_a_refusal() {
    let tag = release_tag(&parcel_to("ana@journal.example").message);
    for (event, blames) in
        [("blocked", Some(Blame::Recipient)), ("error", Some(Blame::Message)), ("deferred", None)]
    {
        let item = |event: &str| {
            format!(
                r#"{{"date":"2026-12-03T08:00:05Z","email":"ana@journal.example","event":"{event}","messageId":"<x@relay>","tag":"{tag}"}}"#
            )
        };
        let events = format!(r#"{{"events":[{},{}]}}"#, item("requests"), item(event));
        let stub = HttpStub::start(move |seen| match seen.method.as_str() {
            "POST" => Says::Close,
            _ => Says::json(200, &events),
        })
        .await;
        let provider = brevo_at(&stub.base_url(), 3600);
        let earlier = lost(&provider).await;

        let told = match provider.look_up(&earlier).await {
            LookUp::Found(Outcome::Refused(refusal)) => Some(refusal.blames),
            LookUp::Found(Outcome::Accepted(_)) => None,
            other => panic!("{event}: {other:?}"),
        };

        assert_eq!(told, blames, "{event}");
    }
}

#[tokio::test]
async fn brevos_list_of_emails_is_asked_when_there_is_no_event_yet() {
    let tag = release_tag(&parcel_to("ana@journal.example").message);
    let emails = format!(
        r#"{{"count":1,"transactionalEmails":[{{"date":"2026-12-03T08:00:05Z","email":"ana@journal.example",
        "messageId":"<y@relay>","subject":"x","uuid":"u","tags":["{tag}"]}}]}}"#
    );
    let stub = HttpStub::start(move |seen| match seen.target.as_str() {
        "/smtp/email" => Says::Close,
        target if target.starts_with("/smtp/emails?") => Says::json(200, &emails),
        _ => Says::json(200, "{}"),
    })
    .await;
    let provider = brevo_at(&stub.base_url(), 3600);
    let earlier = lost(&provider).await;

    assert_eq!(found(&provider.look_up(&earlier).await).as_deref(), Some("<y@relay>"));
    let asked = stub.seen().pop().unwrap().target;
    assert!(
        asked.contains("email=ana%40journal.example") && asked.contains("startDate=2026-12-02"),
        "{asked}"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_has_failed_and_is_not_absent() {
    let stub = HttpStub::saying(Says::html(503, "<html>later</html>")).await;
    let provider = brevo_at(&stub.base_url(), 3600);
    let earlier = lost(&provider).await;

    assert!(matches!(provider.look_up(&earlier).await, LookUp::Failed(_)));
    assert!(matches!(mailchimp(&stub.base_url()).look_up(&earlier).await, LookUp::Failed(_)));
}

#[tokio::test]
async fn mailchimps_search_proves_only_the_very_attempt_to_the_very_address() {
    let earlier = EarlierAttempt {
        parcel: parcel_to("ana@journal.example"),
        started_at: start(),
        request_digest: None,
        provider_id: None,
    };
    let attempt = earlier.parcel.attempt;
    let item = |email: &str, attempt: &str, more: &str| {
        format!(
            r#"[{{"_id":"m1","email":"{email}","state":"sent","metadata":{{"depeche_attempt":"{attempt}"}}{more}}}]"#
        )
    };
    let table = [
        (item("ana@journal.example", &attempt.to_string(), ""), true),
        (item("ana@journal.example", "another", ""), false),
        (item("bob@journal.example", &attempt.to_string(), ""), false),
        (r#"[{"_id":"m1","email":"ana@journal.example","state":"sent"}]"#.to_owned(), false),
        (r#"[{"kind":"sms"}]"#.to_owned(), false),
        ("[]".to_owned(), false),
    ];
    for (list, proves) in table {
        let says = Says::json(200, &list);
        let stub = HttpStub::saying(says).await;

        let answer = mailchimp(&stub.base_url()).look_up(&earlier).await;

        assert_eq!(found(&answer), proves.then(|| "m1".to_owned()), "{list}: {answer:?}");
        let asked: serde_json::Value = serde_json::from_slice(&stub.seen()[0].body).unwrap();
        assert_eq!(asked["query"], format!("u_depeche_attempt:{attempt}"));
    }
}

/// `reject` may be null in Mailchimp's description; a rejected message was not sent in any case.
#[tokio::test]
async fn what_mailchimp_lists_as_rejected_is_never_accepted() {
    let earlier = EarlierAttempt {
        parcel: parcel_to("ana@journal.example"),
        started_at: start(),
        request_digest: None,
        provider_id: None,
    };
    let table = [
        ("null", Blame::Recipient),
        (r#"{"reason":"unsub"}"#, Blame::Recipient),
        (r#"{"reason":"unsigned"}"#, Blame::Provider),
        (r#"{"reason":"rule"}"#, Blame::Message),
    ];
    for (reject, blames) in table {
        let attempt = earlier.parcel.attempt;
        let list = format!(
            r#"[{{"_id":"m1","email":"ana@journal.example","state":"rejected","reject":{reject},"metadata":{{"depeche_attempt":"{attempt}"}}}}]"#
        );
        let stub = HttpStub::saying(Says::json(200, &list)).await;

        let told = mailchimp(&stub.base_url()).look_up(&earlier).await;

        assert!(
            matches!(&told, LookUp::Found(Outcome::Refused(refusal)) if refusal.blames == blames && !refusal.bad_address),
            "{reject}: {told:?}"
        );
    }
}
