//! What the providers tell after the send, and their own block lists.

use std::sync::Arc;

use depeche_core::address::EmailAddress;
use depeche_core::clock::Clock;
use depeche_core::event::EventKind as K;
use depeche_core::provider::{BlockList, EventList, Provider};
use depeche_providers::brevo::BrevoProvider;
use depeche_providers::mailchimp::transactional::{TransactionalConfig, TransactionalProvider};
use depeche_testkit::http::{HttpStub, Says};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arrange::{brevo_config, key, short};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at("2026-12-03T12:00:00Z")
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn brevo(stub: &HttpStub) -> BrevoProvider {
    let mut config = brevo_config(&stub.base_url());
    config.sender_address = Some(EmailAddress::parse("presse@exemple.fr").unwrap());
    BrevoProvider::new(config, Arc::new(Noon)).unwrap()
}

fn mailchimp(stub: &HttpStub) -> TransactionalProvider {
    let name = depeche_core::provider::ProviderName::new("mailchimp").unwrap();
    let mut config = TransactionalConfig::new(name, key());
    config.http.base_url = stub.base_url();
    config.http.timeouts = short();
    TransactionalProvider::new(config, Arc::new(Noon)).unwrap()
}

/// `count` deliveries in the form of `GET /smtp/statistics/events`.
fn page(count: usize) -> Says {
    let event = |n: usize| {
        json!({ "date": "2026-12-03T09:00:00Z", "email": format!("j{n}@journal.example"),
            "event": "delivered", "messageId": format!("<{n}@relay>"), "from": "presse@exemple.fr" })
    };
    Says::json(200, &json!({ "events": (0..count).map(event).collect::<Vec<_>>() }).to_string())
}

#[tokio::test]
async fn brevo_is_asked_page_by_page_until_one_is_not_full() {
    let stub = HttpStub::start(|seen| page(if seen.target.contains("offset=0") { 500 } else { 3 })).await;

    let told = brevo(&stub).events(at("2026-12-02T00:00:00Z")).await;

    let EventList::Listed { events, complete } = told else { panic!("{told:?}") };
    assert!(complete);
    assert_eq!(events.len(), 503);
    assert_eq!(events[0].kind, K::Delivered);
    assert_eq!(events[0].provider_id.as_deref(), Some("<0@relay>"));
    assert_eq!(events[0].at, Some(at("2026-12-03T09:00:00Z")));
    let seen: Vec<String> = stub.seen().into_iter().map(|request| request.target).collect();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].contains("startDate=2026-12-02&endDate=2026-12-03"), "{seen:?}");
}

/// 400 octets of reason each: 500 events fit the 1 MiB that an answer may have, 4 KiB each do not.
#[tokio::test]
async fn a_page_that_is_too_long_is_asked_for_again_in_smaller_pieces() {
    let stub = HttpStub::start(|seen| {
        let number = |field: &str| -> usize {
            let (_, rest) = seen.target.split_once(&format!("{field}=")).unwrap();
            rest.split('&').next().unwrap().parse().unwrap()
        };
        let (offset, limit) = (number("offset"), number("limit"));
        let event = |n: usize| {
            json!({ "date": "2026-12-03T09:00:00Z", "email": format!("j{n}@journal.example"),
                "event": "deferred", "messageId": format!("<{n}@relay>"), "reason": "x".repeat(4_000) })
        };
        let events: Vec<_> = (offset..700.min(offset + limit)).map(event).collect();
        Says::json(200, &json!({ "events": events }).to_string())
    })
    .await;

    let told = brevo(&stub).events(at("2026-12-02T00:00:00Z")).await;

    let EventList::Listed { events, complete: true } = told else { panic!("{told:?}") };
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| &event.provider_id).collect();
    assert_eq!((events.len(), ids.len()), (700, 700));
}

#[tokio::test]
async fn brevo_is_never_asked_for_more_than_ninety_days_and_tells_only_what_is_newer() {
    let stub = HttpStub::start(|_| page(1)).await;

    let told = brevo(&stub).events(at("2025-01-01T00:00:00Z")).await;
    let later = brevo(&stub).events(at("2026-12-03T10:00:00Z")).await;

    assert!(stub.seen()[0].target.contains("startDate=2026-09-05"), "{}", stub.seen()[0].target);
    assert!(matches!(told, EventList::Listed { events, .. } if events.len() == 1));
    assert!(matches!(later, EventList::Listed { events, complete: true } if events.is_empty()));
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_a_failure_and_no_empty_list() {
    for says in [
        Says::json(401, r#"{"code":"unauthorized","message":"Key not found"}"#),
        Says::html(403, "<h1>blocked</h1>"),
        Says::json(200, r#"{"events": {"a": 1}, "contacts": 7}"#),
        Says::json(200, "{\"events\": ["),
        Says::json(500, "{}"),
        Says::Close,
    ] {
        let brevo_stub = HttpStub::saying(says.clone()).await;
        let told = brevo(&brevo_stub).events(at("2026-12-02T00:00:00Z")).await;
        assert!(matches!(told, EventList::Failed(_)), "{says:?}: {told:?}");
        let told = brevo(&brevo_stub).block_list().await;
        assert!(matches!(told, BlockList::Failed(_)), "{says:?}: {told:?}");

        let stub = HttpStub::saying(says.clone()).await;
        let told = mailchimp(&stub).events(at("2026-12-02T00:00:00Z")).await;
        assert!(matches!(told, EventList::Failed(_)), "{says:?}: {told:?}");
        let told = mailchimp(&stub).block_list().await;
        assert!(matches!(told, BlockList::Failed(_)), "{says:?}: {told:?}");
    }
}

#[tokio::test]
async fn mailchimp_is_searched_day_by_day_and_a_full_day_is_told_as_incomplete() {
    let attempt = uuid::Uuid::from_u128(7);
    let message = |state: &str, diag: &str| {
        json!({ "ts": 1_796_288_400, "_id": "abc", "email": "ana@journal.example", "state": state,
            "diag": diag, "metadata": { "depeche_attempt": attempt.to_string() } })
    };
    let first = Value::Array(vec![
        message("sent", ""),
        message("bounced", "smtp;550 5.1.1 no such user"),
        message("bounced", "smtp;552 5.2.2 mailbox full"),
        message("rejected", ""),
        message("a state of next year", ""),
    ]);
    let opted_out = json!({ "email": "old@journal.example", "reason": "unsub", "detail": "", "expired": false,
        "created_at": "2026-12-03T07:00:00", "last_event_at": "2026-12-03 07:00:00" });
    let earlier = json!({ "email": "past@journal.example", "reason": "spam", "detail": "", "expired": false,
        "created_at": "2026-11-01 07:00:00", "last_event_at": "2026-11-01 07:00:00" });
    let bounced = json!({ "email": "b@journal.example", "reason": "hard-bounce", "detail": "550 5.1.1 unknown",
        "expired": false, "created_at": "2026-12-03 07:00:00", "last_event_at": "2026-12-03 07:00:00" });
    let rejects = json!([opted_out, earlier, bounced]);
    let full = Value::Array((0..500).map(|_| message("sent", "")).collect());
    let stub = HttpStub::start(move |seen| {
        if seen.target.ends_with("/rejects/list") {
            return Says::json(200, &rejects.to_string());
        }
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let is_first = body["date_from"] == "2026-12-02";
        Says::json(200, &if is_first { first.clone() } else { full.clone() }.to_string())
    })
    .await;

    let told = mailchimp(&stub).events(at("2026-12-02T18:00:00Z")).await;

    let EventList::Listed { events, complete } = told else { panic!("{told:?}") };
    assert!(!complete, "500 of a day are all that are told");
    let kinds: Vec<K> = events[..4].iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [K::Accepted, K::InvalidAddress, K::BouncedHard, K::Blocked]);
    assert_eq!(events.len(), 505);
    // Who opts out of an older message stands on the block list only.
    let (found, wishes) = events.split_at(504);
    assert!(found.iter().all(|event| event.attempt == Some(attempt)));
    assert_eq!(
        (wishes[0].kind, wishes[0].recipient.as_str(), wishes[0].at),
        (K::Unsubscribed, "old@journal.example", Some(at("2026-12-03T07:00:00Z")))
    );
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn a_block_list_is_read_for_what_it_says_and_not_for_more() {
    let contact = |code: &str, message: &str| {
        json!({ "email": "ana@journal.example", "senderEmail": "presse@exemple.fr",
            "blockedAt": "2026-05-01T12:30:00Z", "reason": { "code": code, "message": message } })
    };
    let contacts = [
        contact("unsubscribedViaEmail", ""),
        contact("contactFlaggedAsSpam", ""),
        contact("hardBounce", "Hard bounced"),
        contact("hardBounce", "550 5.1.1 no such user"),
        contact("adminBlocked", "Admin blocked"),
    ];
    let stub =
        HttpStub::saying(Says::json(200, &json!({ "contacts": contacts, "count": 5 }).to_string())).await;
    let list = brevo(&stub).block_list().await;
    let BlockList::Listed { entries, complete: true } = list else { panic!("{list:?}") };
    let kinds: Vec<K> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [K::Unsubscribed, K::Complained, K::Blocked, K::InvalidAddress, K::Blocked]);

    let reject = |reason: &str, detail: &str| json!({ "email": "ana@journal.example", "reason": reason, "detail": detail, "expired": false });
    let rejects = [
        reject("unsub", ""),
        reject("spam", ""),
        reject("hard-bounce", "550 5.1.1 User unknown"),
        reject("soft-bounce", "452 full"),
        reject("custom", "ours"),
    ];
    let stub = HttpStub::saying(Says::json(200, &json!(rejects).to_string())).await;
    let list = mailchimp(&stub).block_list().await;
    let BlockList::Listed { entries, complete: true } = list else { panic!("{list:?}") };
    let kinds: Vec<K> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [K::Unsubscribed, K::Complained, K::InvalidAddress, K::Blocked, K::Blocked]);
}

#[tokio::test]
async fn an_address_is_put_on_each_providers_own_list() {
    let address = EmailAddress::parse("ana@journal.example").unwrap();
    let stub = HttpStub::saying(Says::json(201, r#"{"id": 7}"#)).await;
    assert_eq!(brevo(&stub).block(&address, "opted out").await, Ok(true));
    let seen: Value = serde_json::from_slice(&stub.seen()[0].body).unwrap();
    assert_eq!(stub.seen()[0].target, "/contacts");
    assert_eq!(
        seen,
        json!({ "email": "ana@journal.example", "updateEnabled": true,
            "smtpBlacklistSender": ["presse@exemple.fr"] })
    );
    let stub = HttpStub::saying(Says::json(400, r#"{"code":"invalid_parameter","message":"no"}"#)).await;
    assert!(brevo(&stub).block(&address, "opted out").await.is_err());

    let stub = HttpStub::saying(Says::json(200, r#"{"email":"ana@journal.example","added":true}"#)).await;
    assert_eq!(mailchimp(&stub).block(&address, "opted out").await, Ok(true));
    let seen: Value = serde_json::from_slice(&stub.seen()[0].body).unwrap();
    assert_eq!((&seen["email"], &seen["comment"]), (&json!("ana@journal.example"), &json!("opted out")));
}

/// The Marketing API's description: `/campaigns`, `/reports/{id}/sent-to`, `unsubscribed`, `abuse-reports`.
#[tokio::test]
async fn a_campaign_tells_who_bounced_opted_out_and_complained() {
    let stub = HttpStub::start(|seen| {
        let (path, query) = seen.target.split_once('?').unwrap();
        let own = json!({ "id": "c1", "settings": { "title": "depeche 0192" } });
        let other = json!({ "id": "c2", "settings": { "title": "Newsletter" } });
        let status = |n: usize| ["sent", "hard", "soft"][n.min(2)];
        let sent =
            |n: usize| json!({ "email_address": format!("j{n}@journal.example"), "status": status(n) });
        let answer = match path.trim_start_matches("/3.0") {
            "/campaigns" => json!({ "campaigns": [own, other], "total_items": 2 }),
            "/reports/c1/sent-to" if query.contains("offset=0") => {
                json!({ "sent_to": (0..1_000).map(sent).collect::<Vec<_>>(), "total_items": 1_001 })
            }
            "/reports/c1/sent-to" => json!({ "sent_to": [sent(1_000)], "total_items": 1_001 }),
            "/reports/c1/unsubscribed" => json!({ "total_items": 1, "unsubscribes": [
                { "email_address": "j0@journal.example", "timestamp": "2026-12-04T08:00:00+00:00",
                  "reason": "too many" } ] }),
            "/reports/c1/abuse-reports" => json!({ "total_items": 1, "abuse_reports": [
                { "email_address": "j7@journal.example", "date": "2026-12-05T08:00:00+00:00" } ] }),
            other => panic!("{other}"),
        };
        Says::json(200, &answer.to_string())
    })
    .await;
    let provider = crate::marketing::provider_at(&stub.base_url(), Arc::new(Noon));

    let told = provider.events(at("2026-12-03T00:00:00Z")).await;

    let EventList::Listed { events, complete } = told else { panic!("{told:?}") };
    assert!(complete);
    assert!(events.iter().all(|event| event.provider_id.as_deref() == Some("c1")));
    let of = |kind: K| events.iter().filter(|event| event.kind == kind).collect::<Vec<_>>();
    assert_eq!((of(K::Accepted).len(), of(K::BouncedHard).len(), of(K::BouncedSoft).len()), (1, 1, 999));
    assert_eq!(of(K::BouncedHard)[0].recipient, "j1@journal.example");
    let opted_out = of(K::Unsubscribed)[0];
    assert_eq!(
        (opted_out.recipient.as_str(), opted_out.reason.as_deref()),
        ("j0@journal.example", Some("too many"))
    );
    assert_eq!(opted_out.at, Some(at("2026-12-04T08:00:00Z")));
    assert_eq!(of(K::Complained)[0].recipient, "j7@journal.example");
    // Opt-outs come long after the campaign: it is asked about for 30 days.
    let list = &stub.seen()[0].target;
    assert!(list.contains("since_send_time=2026-11-03T00") && list.contains("list_id=a1b2c3"), "{list}");
}

#[tokio::test]
async fn a_report_that_is_not_whole_is_told_as_incomplete() {
    let stub = HttpStub::start(|seen| {
        let own = json!({ "id": "c1", "settings": { "title": "depeche 0192" } });
        let answer = match seen.target.split('?').next().unwrap_or_default().rsplit('/').next() {
            Some("campaigns") => json!({ "campaigns": [own], "total_items": 1 }),
            Some("sent-to") => json!({ "sent_to": [], "total_items": 3 }),
            Some("unsubscribed") => json!({ "unsubscribes": [], "total_items": 0 }),
            _ => json!({ "abuse_reports": [], "total_items": 0 }),
        };
        Says::json(200, &answer.to_string())
    })
    .await;

    let told = crate::marketing::provider_at(&stub.base_url(), Arc::new(Noon))
        .events(at("2026-12-03T00:00:00Z"))
        .await;

    assert_eq!(told, EventList::Listed { events: Vec::new(), complete: false });
}
