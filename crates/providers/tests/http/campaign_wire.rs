//! What a mock of Mailchimp Marketing cannot do, at each request of a campaign, with the outcome that
//! DELIVERY.md gives it: before `actions/send` nothing was sent; at it and after it the campaign is sent
//! once at the most, whatever is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use depeche_core::clock::SystemClock;
use depeche_core::outcome::{Blame, Outcome, Trouble};
use depeche_core::provider::{EarlierAttempt, LookUp, Provider};
use depeche_providers::http::HttpTimeouts;
use depeche_providers::mailchimp::campaign::CampaignProvider;
use depeche_testkit::conformance::RecordingCommit;
use depeche_testkit::http::{HttpStub, Says, bomb};
use futures_util::StreamExt as _;

use crate::arrange::KEY;
use crate::campaign::campaign_parcels;
use crate::marketing::{Mailchimp, Mood, hash, problem, provider_within};

/// A stage: method, and how its path ends.
type Stage = (&'static str, &'static str);

/// All that may come in place of an answer. A redirect leads to `canary`.
fn faults(canary: &str) -> Vec<(&'static str, Says)> {
    let bomb = Says::Answer {
        status: 200,
        headers: vec![("Content-Encoding".to_owned(), "gzip".to_owned())],
        body: bomb(64 * 1024 * 1024),
    };
    vec![
        ("429", Says::json(429, "{}")),
        ("500", problem(500, "internal")),
        ("503 in HTML", Says::html(503, "<html>Request blocked</html>")),
        ("403 in HTML", Says::html(403, "<html>Request blocked</html>")),
        ("302", Says::json(302, "{}").with("location", canary)),
        ("307", Says::json(307, "{}").with("location", canary)),
        ("200 in HTML", Says::html(200, "<html>Welcome</html>")),
        ("truncated JSON", Says::json(200, r#"{"id":"c1","status":"se"#)),
        ("gzip bomb", bomb),
        ("endless", Says::Endless { status: 200 }),
        ("slow drip", Says::Drip { status: 200, every: Duration::from_millis(50) }),
        ("cut", Says::Cut { status: 200, body: b"{\"id\":\"c1\"}".to_vec(), promised: 500 }),
        ("garbage", Says::Garbage(b"no HTTP".to_vec())),
        ("silence", Says::Nothing),
        ("closed", Says::Close),
    ]
}

/// Waiting is most of a case; a client costs a while of the processor.
async fn few_at_a_time(cases: impl Iterator<Item = impl Future<Output = ()>>) {
    futures_util::stream::iter(cases).buffer_unordered(8).collect::<()>().await;
}

/// With deadlines that several campaigns at once on a busy machine keep.
fn patient(mailchimp: &Mailchimp) -> CampaignProvider {
    let timeouts = HttpTimeouts {
        connect: Duration::from_secs(20),
        answer: Duration::from_secs(2),
        total: Duration::from_secs(3),
    };
    provider_within(&mailchimp.stub.base_url(), Arc::new(SystemClock), timeouts)
}

/// A campaign to three, one of whom is a member already.
async fn attempt_in(mood: Mood) -> (Vec<Outcome>, RecordingCommit, Mailchimp) {
    let mailchimp = Mailchimp::start(mood).await;
    mailchimp.is("j1@journal.example", "subscribed");
    let commit = RecordingCommit::granting();
    let begun = Instant::now();
    let outcomes = patient(&mailchimp).attempt(0, &campaign_parcels(3), &commit).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(!format!("{outcomes:?}").contains(KEY), "{outcomes:?}");
    (outcomes, commit, mailchimp)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_answered_before_the_send_nothing_is_sent_and_nobody_is_uncertain() {
    let canary = HttpStub::saying(Says::json(200, r#"{"id":"c1"}"#)).await;
    let member = hash("j1@journal.example");
    let stages: [Stage; 10] = [
        ("GET", "/merge-fields"),
        ("POST", "/merge-fields"),
        ("POST", "/segments"),
        ("POST", "/campaigns"),
        ("GET", "/campaigns"),
        ("POST", "/lists/a1b2c3"),
        ("PUT", &*Box::leak(member.into_boxed_str())),
        ("POST", "/segments/1"),
        ("PUT", "/content"),
        ("GET", "/send-checklist"),
    ];
    let faults = &faults(&canary.base_url());
    let stages = stages.map(|(method, end)| async move {
        let cases = faults.iter().map(|(name, says)| async move {
            let mood = Mood { at: Some((method, end, says.clone())), ..Mood::default() };
            let (outcomes, commit, mailchimp) = attempt_in(mood).await;

            let case = format!("{method} {end}, {name}");
            for outcome in &outcomes {
                let Outcome::Refused(refusal) = outcome else { panic!("{case}: {outcomes:?}") };
                assert_eq!(refusal.blames, Blame::Provider, "{case}: {refusal:?}");
                if *name == "429" {
                    assert_eq!(refusal.trouble, Some(Trouble::Throttled), "{case}: {refusal:?}");
                }
            }
            assert_eq!((mailchimp.sends(), commit.intents()), (0, 0), "{case}");
        });
        few_at_a_time(cases).await;
    });
    for stage in stages {
        stage.await;
    }
    assert_eq!(canary.octets(), 0, "nothing reached the other host, the key least of all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_answered_to_the_send_it_is_made_once_and_the_status_decides() {
    let canary = HttpStub::saying(Says::json(204, "")).await;
    let cases = faults(&canary.base_url());
    let cases = cases.iter().map(|(name, says)| async move {
        let proves = ["429", "403 in HTML"].contains(name);
        let answered = Mood { send: Some((says.clone(), !proves)), ..Mood::default() };
        let dead = Mood { after: Some(Says::Close), ..answered.clone() };

        let (outcomes, _, mailchimp) = attempt_in(answered).await;
        let (in_the_dark, _, other) = attempt_in(dead).await;

        let is_it = |outcome: &Outcome| match proves {
            true => matches!(outcome, Outcome::Refused(refusal) if refusal.blames == Blame::Provider),
            false => matches!(outcome, Outcome::Accepted(_)),
        };
        assert!(outcomes.iter().all(is_it), "{name}: {outcomes:?}");
        if !proves {
            let is_unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(_));
            assert!(in_the_dark.iter().all(is_unknown), "{name}: {in_the_dark:?}");
        }
        assert_eq!((mailchimp.sends(), other.sends()), (1, 1), "{name}");
    });
    few_at_a_time(cases).await;
    assert_eq!(canary.octets(), 0, "nothing reached the other host, the key least of all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_answered_after_the_send_is_no_yes_no_no_and_no_second_send() {
    let canary = HttpStub::saying(Says::json(200, r#"{"status":"sent","emails_sent":3}"#)).await;
    let faults = &faults(&canary.base_url());
    let stages = [("GET", "/campaigns/c1"), ("GET", "/sent-to")].map(|(method, end)| async move {
        let cases = faults.iter().map(|(name, says)| async move {
            let mood = Mood { at: Some((method, end, says.clone())), ..Mood::default() };
            let (outcomes, commit, mailchimp) = attempt_in(mood).await;
            let earlier = EarlierAttempt {
                parcel: campaign_parcels(3).remove(0),
                started_at: "2026-01-01T00:00:00Z".parse().unwrap(),
                request_digest: commit.digests()[0],
                provider_id: Some("c1".to_owned()),
            };
            let looked_up = patient(&mailchimp).look_up(&earlier).await;

            let case = format!("{method} {end}, {name}");
            assert!(outcomes.iter().all(|one| matches!(one, Outcome::Unknown(_))), "{case}: {outcomes:?}");
            assert!(matches!(looked_up, LookUp::Failed(_)), "{case}: {looked_up:?}");
            assert_eq!((mailchimp.sends(), mailchimp.campaigns()), (1, vec!["sent"]), "{case}");
        });
        few_at_a_time(cases).await;
    });
    for stage in stages {
        stage.await;
    }
    assert_eq!(canary.octets(), 0, "nothing reached the other host, the key least of all");
}

/// An attempt that is made again is another campaign: its words are the same bytes, its intent the same
/// digest.
#[tokio::test]
async fn a_repeat_after_a_refusal_says_the_same_under_the_same_digest() {
    let mood = Mood { send: Some((Says::json(429, "{}"), false)), ..Mood::default() };
    let mailchimp = Mailchimp::start(mood).await;
    let (parcels, commit) = (campaign_parcels(2), RecordingCommit::granting());
    let provider = mailchimp.provider();

    provider.attempt(0, &parcels, &commit).await;
    provider.attempt(0, &parcels, &commit).await;

    let digests = commit.digests();
    assert!(digests[0].is_some() && digests[0] == digests[1], "{digests:?}");
    let seen = mailchimp.stub.seen();
    let contents: Vec<_> =
        seen.iter().filter(|one| one.method == "PUT" && one.target.ends_with("/content")).collect();
    assert_eq!(contents.len(), 2);
    assert_eq!(contents[0].body, contents[1].body);
    assert_eq!(mailchimp.campaigns(), ["deleted", "deleted"], "what was not sent is sent by nobody later");
}
