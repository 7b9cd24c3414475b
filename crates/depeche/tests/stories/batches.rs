//! Providers that take many messages in one request.

use std::sync::Arc;

use depeche::budget::Limits;
use depeche::engine::Why;
use depeche::journal::*;
use depeche::outcome::{Refusal, Trouble};
use depeche_testkit::provider::{Act, ScriptedProvider};

use super::common::{Story, address, linked, recipients};

fn batches(acts: impl IntoIterator<Item = Act>) -> Arc<ScriptedProvider> {
    Arc::new(ScriptedProvider::new("api", acts).batch(8).lanes(2))
}

fn chain(provider: &Arc<ScriptedProvider>) -> Vec<depeche::engine::LinkConfig> {
    vec![linked(Arc::clone(provider) as Arc<dyn depeche::provider::Provider>, Limits::default())]
}

#[tokio::test]
async fn a_batch_is_one_request_and_one_row_each() {
    let story = Story::of(50).await;
    let provider = batches([]);

    let told = story.tell(chain(&provider)).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.accepted), (Why::Done, 50));
    let mut requests = std::collections::BTreeMap::new();
    for delivery in story.deliveries().await {
        let attempts = story.journal.attempts(delivery.id).await.unwrap();
        assert_eq!((attempts.len(), attempts[0].state), (1, AttemptState::Accepted));
        *requests.entry(attempts[0].request_id).or_insert(0) += 1;
    }
    assert_eq!(requests.values().sum::<i32>(), 50);
    assert_eq!((requests.len(), requests.values().max()), (7, Some(&8)), "50 in eights");
}

#[tokio::test]
async fn a_batch_without_an_answer_is_unknown_whole_and_counts_once() {
    let story = Story::of(30).await;
    let provider = batches([Act::Accept, Act::Doubt { taken: true }, Act::Doubt { taken: false }]);

    let told = story.tell(chain(&provider)).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.unknown, totals.accepted), (Why::Done, 16, 14));
}

/// One address suppressed between reading and intent denies the whole batch; only that one is left out.
#[tokio::test]
async fn one_suppressed_address_takes_nobody_of_its_batch_with_it() {
    let story = Story::of(16).await;
    let entry = Suppression {
        key: recipients(3..4)[0].address.key(),
        reason: "opted out".to_owned(),
        source: "manual".to_owned(),
        quarantined: false,
        at: jiff::Timestamp::now(),
    };
    let provider = batches([
        Act::Slow(std::time::Duration::from_millis(300)),
        Act::Slow(std::time::Duration::from_millis(300)),
    ]);
    let other = story.reopened().await;
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        other.suppress(vec![entry]).await.unwrap();
    });

    let told = story.tell(chain(&provider)).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.suppressed), (Why::Done, 15, 1));
    assert_eq!(story.state_of(3).await, DeliveryState::Suppressed);
    assert!(!provider.taken().contains(&address(3)));
}

#[tokio::test]
async fn a_provider_that_panics_harms_nobody() {
    let story = Story::of(24).await;
    let provider = batches([Act::Panic, Act::PanicLate]);
    let second = Arc::new(ScriptedProvider::new("second", []));

    let mut both = chain(&provider);
    both.extend(chain(&second));
    let told = story.tell(both).await;

    let totals = story.judge_scripted(&[&provider, &second]).await;
    assert_eq!((told.ended.why, totals.pending), (Why::Done, 0));
    assert_eq!((totals.unknown, totals.accepted), (8, 16), "after the intent nobody knows");
}

#[tokio::test]
async fn a_provider_that_holds_messages_keeps_them() {
    let story = Story::of(6).await;
    let provider = Arc::new(ScriptedProvider::new("api", [Act::Accept, Act::Hold]));

    let told = story.tell(chain(&provider)).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.held, totals.accepted), (Why::Done, 1, 5));
}

/// One recipient and a provider that is down for hours: it is pending still, never refused.
#[tokio::test]
async fn nobody_is_refused_because_providers_fail() {
    let mut story = Story::of(1).await;
    story.policy.no_wait = true;
    story.policy.transient = vec![std::time::Duration::from_secs(600)];
    let down = Act::Refuse(Refusal::provider(Trouble::Unreachable, "connection refused"));

    for _ in 0..4 {
        let provider = Arc::new(ScriptedProvider::new("api", vec![down.clone(); 20]));
        let told = story.tell(chain(&provider)).await;
        let totals = story.judge_scripted(&[&provider]).await;
        assert_eq!((totals.pending, totals.refused), (1, 0), "{:?}", told.ended.why);
    }
}

/// Every second one is at orange.fr, which takes 2 a minute: by hand, 40 recipients are 20 others and 2 of them, in
/// requests of 8 at the most, so 3 requests; the others at orange.fr wait and split no request.
#[tokio::test]
async fn a_batch_takes_along_whom_a_domains_pace_allows_and_passes_the_others_over() {
    let mut list = recipients(0..40);
    for one in list.iter_mut().filter(|one| one.position % 2 == 0) {
        one.address = depeche::address::EmailAddress::parse(&format!("j{}@orange.fr", one.position)).unwrap();
    }
    let mut story = Story::with(list).await;
    story.policy.pace.insert("orange.fr".to_owned(), Limits { per_minute: Some(2), ..Limits::default() });
    story.policy.no_wait = true;
    let provider = batches([]);

    let told = story.tell(chain(&provider)).await;

    let totals = story.judge_scripted(&[&provider]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.pending), (Why::WouldWait, 22, 18));
    let mut requests = std::collections::BTreeSet::new();
    for delivery in story.deliveries().await {
        let attempts = story.journal.attempts(delivery.id).await.unwrap();
        requests.extend(attempts.iter().map(|attempt| attempt.request_id));
    }
    assert_eq!(requests.len(), 3, "8, 8 and 6");
}

/// A campaign that went out, and to these two it proves that it did not.
#[tokio::test]
async fn whoever_a_request_left_out_gets_one_copy_from_another_provider_or_later_from_the_same() {
    let left_out = || Act::RefuseLate(Refusal::left_out("not on its list"));
    let mut alone = Story::of(2).await;
    alone.policy.transient = vec![std::time::Duration::from_millis(200)];
    let sole = batches([left_out()]);

    let told = alone.tell(chain(&sole)).await;

    let totals = alone.judge_scripted(&[&sole]).await;
    assert_eq!((told.ended.why, totals.accepted), (Why::Done, 2));
    let two = Story::of(2).await;
    let (first, second) = (batches([left_out()]), Arc::new(ScriptedProvider::new("second", [])));
    let mut both = chain(&first);
    both.extend(chain(&second));
    let told = two.tell(both).await;
    let totals = two.judge_scripted(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, second.taken().len()), (Why::Done, 2, 2));
}

/// It is refused in the end, and told: a list that never has it would be asked for ever.
#[tokio::test]
async fn whoever_is_left_out_every_time_is_refused_once_the_waits_are_used_up() {
    let left_out = || Act::RefuseLate(Refusal::left_out("not on its list"));
    let mut story = Story::of(1).await;
    story.policy.transient = vec![std::time::Duration::from_millis(100); 2];
    let sole = batches([left_out(), left_out(), left_out()]);

    let told = story.tell(chain(&sole)).await;

    let totals = story.judge_scripted(&[&sole]).await;
    assert_eq!((told.ended.why, totals.refused), (Why::Done, 1));
}
