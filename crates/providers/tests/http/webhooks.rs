//! Real-looking webhook bodies (Symfony's collection), each read as what it is.

use depeche_core::event::EventKind;
use depeche_providers::{brevo, mailchimp};

use crate::arrange::shared;

/// Our event and what it gives back, or `None` for what depeche does not follow.
#[test]
fn every_brevo_body_of_the_collection_is_read() {
    use EventKind as K;
    let Some(folder) = shared("specs/fixtures/symfony-brevo-webhook") else { return };
    let table = [
        ("blocked", Some(K::Blocked)),
        ("click", None),
        ("complaint", Some(K::Complained)),
        ("defered", Some(K::Deferred)),
        ("delivered", Some(K::Delivered)),
        ("error", Some(K::InvalidAddress)), // the file's event is `invalid_email`
        ("hard_bounce", Some(K::InvalidAddress)), // 5.1.1 in the receiver's own words
        ("invalid_email", Some(K::InvalidAddress)),
        ("opened", None),
        ("proxy_open", None),
        ("request", Some(K::Accepted)),
        ("request_without_tags", Some(K::Accepted)),
        ("soft_bounce", Some(K::BouncedSoft)),
        ("unique_opened", None),
        ("unsubscribed", Some(K::Unsubscribed)),
    ];
    for (name, kind) in table {
        let body = std::fs::read(folder.join(format!("{name}.json"))).unwrap();

        let events = brevo::webhook::events(&body).unwrap();

        assert_eq!(events.first().map(|event| event.kind), kind, "{name}");
        for event in events {
            assert!(event.provider_id.is_some() && event.at.is_some(), "{name}: {event:?}");
            assert!(event.recipient.starts_with("example@"), "{name}: {event:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), table.len());
}

#[test]
fn every_mailchimp_event_of_the_collection_is_read() {
    use EventKind as K;
    let Some(folder) = shared("specs/fixtures/symfony-mailchimp-webhook") else { return };
    let table: [(&str, &[EventKind]); 11] = [
        ("batch", &[K::Deferred]), // and a click
        ("click", &[]),
        ("deferral", &[K::Deferred]),
        ("delivered", &[K::Delivered]),
        ("hard_bounce", &[K::BouncedHard]),
        ("opens", &[]),
        ("reject", &[K::Blocked]),
        ("send", &[K::Accepted]),
        ("soft_bounce", &[K::BouncedSoft]),
        ("spam", &[K::Complained]),
        ("unsub", &[K::Unsubscribed]),
    ];
    for (name, kinds) in table {
        let body = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();

        let events = mailchimp::webhook::events(&body["mandrill_events"].to_string()).unwrap();

        let seen: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
        assert_eq!(seen, kinds, "{name}");
        for event in events {
            // 1365109999 is 2013-04-04T21:13:19Z (date -u -d @1365109999).
            assert_eq!(event.at, Some("2013-04-04T21:13:19Z".parse().unwrap()), "{name}");
            assert_eq!(event.recipient, "foo@example.com");
            assert!(event.provider_id.is_some_and(|id| id.starts_with("77616")));
        }
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), table.len());
}

#[test]
fn what_we_put_into_a_message_comes_back_with_its_events() {
    let attempt = "0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    let brevo_body = format!(
        r#"[{{"event":"delivered","email":"a@b.example","ts_event":1,"X-Mailin-custom":"{attempt}"}}]"#
    );
    let mandrill = format!(
        r#"[{{"event":"send","ts":1,"msg":{{"email":"a@b.example","_id":"x","metadata":{{"depeche_attempt":"{attempt}"}}}}}}]"#
    );

    let events = [
        brevo::webhook::events(brevo_body.as_bytes()).unwrap().remove(0),
        mailchimp::webhook::events(&mandrill).unwrap().remove(0),
    ];

    for event in events {
        assert_eq!(event.attempt.map(|id| id.to_string()).as_deref(), Some(attempt));
    }
}

#[test]
fn a_body_that_is_not_brevos_is_an_error() {
    use brevo::webhook::{WebhookError, events};

    assert_eq!(events(b"<html>"), Err(WebhookError::NotJson));
    assert_eq!(events(b"7"), Err(WebhookError::NotJson));
    assert_eq!(events(b"{}"), Err(WebhookError::Missing("event")));
    assert_eq!(events(br#"{"event":"delivered"}"#), Err(WebhookError::Missing("email")));
    assert_eq!(events(br#"{"event":"new_thing","email":"a@b.example"}"#), Ok(Vec::new()));
}

/// An item of a contact or a list, or one that nobody can read, costs the others beside it nothing.
#[test]
fn an_odd_event_of_brevo_costs_nothing_that_stands_beside_it() {
    use brevo::webhook::{WebhookError, events};
    let odd = [
        r#"{"event":"contact_deleted","email":["x@y.example"]}"#,
        r#"{"event":"list_addition","email":["x@y.example"],"list_id":[3]}"#,
        r#"{"event":"unsubscribed","email":["x@y.example"]}"#,
        r#"{"email":"x@y.example"}"#,
        "7",
    ];
    for odd in odd {
        let body = format!(r#"[{odd},{{"event":"unsubscribed","email":"j7@orange.example"}}]"#);
        let read = events(body.as_bytes()).unwrap();
        assert_eq!(read.len(), 1, "{odd}");
        assert_eq!(
            (read[0].kind, read[0].recipient.as_str()),
            (EventKind::Unsubscribed, "j7@orange.example")
        );
    }
    assert_eq!(events(odd[1].as_bytes()), Ok(Vec::new()));
    assert_eq!(events(b"[]"), Ok(Vec::new()));
    assert_eq!(events(b"[{},7]"), Err(WebhookError::Missing("event")));
}

#[test]
fn mailchimps_rejection_blames_whom_its_reason_names() {
    let kinds = [
        ("unsub", EventKind::Blocked),
        ("hard-bounce", EventKind::Blocked),
        ("unsigned", EventKind::Failed),
        ("invalid-sender", EventKind::Failed),
        ("rule", EventKind::Failed),
    ];
    for (reason, kind) in kinds {
        let list = format!(
            r#"[{{"event":"reject","ts":1,"msg":{{"_id":"a","email":"a@b.example","state":"rejected","reject":{{"reason":"{reason}"}}}}}}]"#
        );
        let events = mailchimp::webhook::events(&list).unwrap();
        assert_eq!((events[0].kind, events[0].reason.as_deref()), (kind, Some(reason)));
    }
}

proptest::proptest! {
    #[test]
    fn no_body_makes_a_reader_panic(body in "\\PC{0,200}|[\\[{]\"(event|email|msg|ts)\":.{0,60}") {
        let _ = brevo::webhook::events(body.as_bytes());
        let _ = mailchimp::webhook::events(&body);
    }
}

/// Of a message that `brevo-smtp` took there is no id of the API's: our own Message-ID finds it, where the
/// relay left it in place. Found or not, the one field is both.
#[test]
fn the_message_id_of_brevo_may_be_ours() {
    let body = br#"{"event":"delivered","email":"ana@journal.example","message-id":"<abc.1@exemple.fr>","ts_event":1780000000}"#;

    let events = brevo::webhook::events(body).unwrap();

    let found: Vec<_> =
        events.iter().map(|event| (event.provider_id.as_deref(), event.message_id.as_deref())).collect();
    assert_eq!(found, [(Some("<abc.1@exemple.fr>"), Some("<abc.1@exemple.fr>"))]);
}

/// What is listed or posted gives back the tags, as a list or in one text (PROVIDERS.md, section 1.5).
#[test]
fn brevos_tags_name_the_request() {
    let key = "0193f0b8-5a5e-7c3a-9d52-6a1f0c2b7e11";
    let tagged = |field: &str, tags: &str| {
        let body = format!(r#"{{"event":"delivered","email":"ana@journal.example","{field}":{tags}}}"#);
        brevo::webhook::events(body.as_bytes()).unwrap().remove(0).key
    };
    let (release, request) = ("depeche-0011223344556677", format!("depeche-{key}"));
    let expected = Some(key.parse().unwrap());
    assert_eq!(tagged("tags", &format!(r#"["{release}","{request}"]"#)), expected);
    assert_eq!(tagged("tag", &format!(r#""{request}""#)), expected);
    assert_eq!(tagged("tag", &format!(r#""[\"{release}\",\"{request}\"]""#)), expected);
    assert_eq!(tagged("tag", &format!(r#""{release}, {request}""#)), expected);
    assert_eq!(tagged("tags", &format!(r#"["{release}","someone-else"]"#)), None);
}
