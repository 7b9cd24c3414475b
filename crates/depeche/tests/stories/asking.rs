//! What is asked besides sending: whether a provider may be used, and what became of an unknown.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use depeche::budget::Limits;
use depeche::engine::{Admission, Admitted, Control, Event, Events, LinkConfig, Why};
use depeche::journal::*;
use depeche::outcome::{Refusal, Trouble};
use depeche::provider::{Provider, ProviderName};
use depeche_testkit::provider::{Act, ScriptedProvider};

use super::common::{Story, linked};

fn at(provider: &Arc<ScriptedProvider>) -> LinkConfig {
    linked(Arc::clone(provider) as Arc<dyn Provider>, Limits::default())
}

fn repeatable(acts: impl IntoIterator<Item = Act>) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::new("api", acts).idempotent_for(Duration::from_secs(600)))
}

#[tokio::test]
async fn an_unknown_whose_provider_knows_it_is_accepted_after_all() {
    let story = Story::of(10).await;
    let provider = repeatable([Act::Accept, Act::Doubt { taken: true }]);

    let told = story.tell(vec![at(&provider)]).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.unknown), (Why::Done, 10, 0));
    let asked = provider.looked_up();
    let sent = provider.sent();
    assert_eq!((asked.len(), asked[0].parcel.attempt), (1, sent[1].attempt));
    assert_eq!(asked[0].request_digest, Some([7; 32]), "with the stored digest");
    let unknown = told.events.iter().position(|event| matches!(event, Event::Unknown { .. }));
    assert!(unknown.is_some());
    let audit = story.journal.audit_of(Some(&story.run)).await.unwrap();
    assert!(audit.iter().any(|entry| entry.action == "proof"), "{audit:?}");
    let delivery = &story.deliveries().await[1];
    let attempts = story.journal.attempts(delivery.id).await.unwrap();
    assert_eq!((attempts.len(), attempts[0].state), (1, AttemptState::Accepted));
    assert_eq!(attempts[0].idempotency_key, asked[0].parcel.idempotency_key);
}

#[tokio::test]
async fn absence_is_no_proof_and_nothing_is_sent_again() {
    let story = Story::of(4).await;
    let provider = repeatable([Act::Doubt { taken: false }]);
    let (stop, control) = depeche::engine::Stop::new();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        stop.drain();
    });

    let told = story.tell_until(vec![at(&provider)], control).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.unknown, totals.accepted), (Why::Interrupted, 1, 3));
    assert_eq!(provider.sent().len(), 4);
    assert!(!provider.looked_up().is_empty());
}

#[tokio::test]
async fn an_orphan_of_a_killed_process_is_asked_for_at_the_next_start() {
    let mut story = Story::of(5).await;
    let provider = repeatable([Act::Accept, Act::SlowAnswer(Duration::from_secs(60))]);
    {
        let engine = story.engine(vec![at(&provider)], Events::none());
        let hold = story.journal.hold(&story.run).await.unwrap();
        let running = engine.run(hold.as_ref(), Control::unstoppable());
        assert!(tokio::time::timeout(Duration::from_millis(500), running).await.is_err());
    }
    story.journal = story.reopened().await;

    let told = story.tell(vec![at(&provider)]).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert!(told.events.contains(&Event::OrphansFound { count: 1 }));
    assert_eq!((told.ended.why, totals.accepted, totals.unknown), (Why::Done, 5, 0));
}

#[tokio::test]
async fn after_its_window_nobody_is_asked() {
    let mut story = Story::of(3).await;
    let provider = Arc::new(
        ScriptedProvider::new("api", [Act::Doubt { taken: true }]).idempotent_for(Duration::from_millis(200)),
    );
    story
        .tell_until(
            vec![linked(
                Arc::new(ScriptedProvider::new("api", [Act::Doubt { taken: true }])),
                Limits::default(),
            )],
            Control::unstoppable(),
        )
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    story.policy.no_wait = true;

    let (stop, control) = depeche::engine::Stop::new();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.drain();
    });
    story.tell_until(vec![at(&provider)], control).await;

    assert!(provider.looked_up().is_empty());
    assert_eq!(story.journal.totals(&story.run).await.unwrap().unknown, 1);
}

/// Answers as told, by provider, and notes who was asked.
struct Gatekeeper {
    blocked: &'static str,
    unchecked: &'static str,
    asked: Mutex<Vec<String>>,
    changes_mind: AtomicU32,
}

#[async_trait]
impl Admission for Gatekeeper {
    async fn admit(&self, provider: &ProviderName) -> Admitted {
        self.asked.lock().unwrap().push(provider.to_string());
        let late = self.changes_mind.load(Ordering::SeqCst) > 0 && self.asked.lock().unwrap().len() > 2;
        match provider.as_str() {
            name if name == self.blocked || late => Admitted::Blocked("DMARC would reject it".to_owned()),
            name if name == self.unchecked => Admitted::NotChecked("the DNS does not answer".to_owned()),
            _ => Admitted::Allowed,
        }
    }
}

fn gatekeeper(blocked: &'static str, unchecked: &'static str) -> Arc<Gatekeeper> {
    Arc::new(Gatekeeper { blocked, unchecked, asked: Mutex::default(), changes_mind: AtomicU32::new(0) })
}

async fn admitted(story: &Story, chain: Vec<LinkConfig>, gate: &Arc<Gatekeeper>) -> super::common::Told {
    let admission = Some(Arc::clone(gate) as Arc<dyn Admission>);
    story.tell_by(chain, |engine| engine, admission, Control::unstoppable()).await
}

#[tokio::test]
async fn a_provider_that_dmarc_would_reject_is_never_used() {
    let story = Story::of(10).await;
    let (first, second) =
        (Arc::new(ScriptedProvider::new("ovh", [])), Arc::new(ScriptedProvider::new("relay", [])));

    let told = admitted(&story, vec![at(&first), at(&second)], &gatekeeper("ovh", "relay")).await;

    let totals = story.judge_scripted(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, first.sent().len()), (Why::Done, 10, 0));
    assert!(
        told.events
            .iter()
            .any(|event| matches!(event, Event::Blocked { provider, .. } if provider.as_str() == "ovh"))
    );
    assert!(told.events.iter().any(|event| matches!(event, Event::NotChecked { .. })), "used, and said so");
}

#[tokio::test]
async fn a_chain_that_may_not_be_used_at_all_sends_nothing_and_says_why() {
    let story = Story::of(3).await;
    let first = Arc::new(ScriptedProvider::new("ovh", []));

    let told = admitted(&story, vec![at(&first)], &gatekeeper("ovh", "")).await;

    let reasons = vec![("ovh".to_owned(), "DMARC would reject it".to_owned())];
    assert_eq!(told.ended.why, Why::NoProvider(reasons));
    assert_eq!((first.sent().len(), told.ended.totals.pending), (0, 3));
}

#[tokio::test]
async fn a_fallback_is_asked_for_again_before_its_first_message() {
    let story = Story::of(3).await;
    let wrong = Act::Refuse(Refusal::provider(Trouble::Credentials, "535 no"));
    let first = Arc::new(ScriptedProvider::new("ovh", [Act::Accept, wrong]));
    let second = Arc::new(ScriptedProvider::new("relay", []));
    let gate = gatekeeper("", "");
    gate.changes_mind.store(1, Ordering::SeqCst);

    let told = admitted(&story, vec![at(&first), at(&second)], &gate).await;

    assert_eq!(*gate.asked.lock().unwrap(), ["ovh", "relay", "relay"]);
    assert!(matches!(told.ended.why, Why::NoProvider(_)), "{:?}", told.ended.why);
    assert_eq!((second.sent().len(), told.ended.totals.accepted), (0, 1));
}
