//! Journals that fail, lists that overlap, contacts that cannot be rendered, and the order.

use std::sync::Arc;

use depeche::engine::{Control, Engine, Event, Needs, Render, RenderRefused, Why};
use depeche::journal::*;
use depeche::message::Message;
use depeche_testkit::conformance::message_to;
use depeche_testkit::journal::FaultyJournal;
use depeche_testkit::smtp::{FakeSmtp, Phase, Rule};

use super::common::{RUN, Story, address, link, new_run, recipients};

/// A panic and a refusal among contacts that are fine.
struct Moody;

impl Render for Moody {
    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn render(&self, delivery: &DeliveryRecord) -> Result<Message, RenderRefused> {
        match delivery.position {
            3 => panic!("a template that cannot bear this contact"),
            5 => Err(RenderRefused { reason: "first_name is empty".to_owned() }),
            _ => Ok(message_to(&delivery.address.to_string())),
        }
    }
}

#[tokio::test]
async fn a_contact_that_cannot_be_rendered_is_refused_alone() {
    let mut story = Story::of(10).await;
    story.render = Arc::new(Moody);
    let first = FakeSmtp::new().start().await;

    let told = story.tell(vec![link("ovh", &first, 2)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.refused), (Why::Done, 8, 2));
    let reply = |number: usize| {
        told.events.iter().find_map(|event| match event {
            Event::Refused { provider: None, address: who, reply } if *who == address(number) => {
                Some(reply.clone())
            }
            _ => None,
        })
    };
    assert_eq!(reply(5).as_deref(), Some("first_name is empty"));
    assert!(reply(3).unwrap().contains("could not be rendered"));
}

#[tokio::test]
async fn tier_one_is_served_before_the_others_whatever_their_place() {
    let mut list = recipients(0..30);
    for (place, delivery) in list.iter_mut().enumerate() {
        delivery.tier = if place % 3 == 2 { 1 } else { 2 };
    }
    let story = Story::with(list).await;
    let first = FakeSmtp::new().start().await;

    story.tell(vec![link("ovh", &first, 1)]).await;

    let expected: Vec<String> =
        (0..30).filter(|n| n % 3 == 2).chain((0..30).filter(|n| n % 3 != 2)).map(address).collect();
    assert_eq!(first.accepted(), expected);
}

#[tokio::test]
async fn the_same_release_to_an_overlapping_list_reaches_only_the_others() {
    let story = Story::of(20).await;
    let first = FakeSmtp::new().start().await;
    story.tell(vec![link("ovh", &first, 2)]).await;

    let second = story.journal.freeze(new_run("second", 20), recipients(10..30)).await;
    let Err(FreezeError::Taken(taken)) = second else { panic!("{second:?}") };
    assert_eq!((taken.len(), taken[0].run.as_str()), (10, RUN));
    story.journal.freeze(new_run("second", 10), recipients(20..30)).await.unwrap();
    let mut story = story;
    story.run = RunId::new("second").unwrap();
    story.tell(vec![link("ovh", &first, 2)]).await;

    let mut reached = first.accepted();
    reached.sort();
    reached.dedup();
    assert_eq!((reached.len(), first.accepted().len()), (30, 30));
}

#[tokio::test]
async fn two_sends_of_one_release_at_once_freeze_it_once() {
    let story = Story::of(1).await;
    let other = story.reopened().await;
    let mut one = new_run("one", 50);
    let mut two = new_run("two", 50);
    (one.digest, two.digest) = ([9; 32], [9; 32]);
    (one.again, two.again) = (true, true);

    let (first, second) =
        tokio::join!(story.journal.freeze(one, recipients(0..50)), other.freeze(two, recipients(0..50)),);

    let refused =
        |frozen: &Result<Frozen, FreezeError>| matches!(frozen, Err(FreezeError::NobodyLeft { .. }));
    assert!(first.is_ok() ^ second.is_ok(), "{first:?} {second:?}");
    assert!(refused(&first) || refused(&second));
}

#[tokio::test]
async fn an_address_suppressed_since_the_freeze_is_not_mailed() {
    let story = Story::of(10).await;
    let entry = Suppression {
        key: recipients(4..5)[0].address.key(),
        reason: "opted out".to_owned(),
        source: "manual".to_owned(),
        quarantined: false,
        at: jiff::Timestamp::now(),
    };
    story.journal.suppress(vec![entry]).await.unwrap();
    let first = FakeSmtp::new().start().await;

    let told = story.tell(vec![link("ovh", &first, 2)]).await;

    let totals = story.judge(&[&first]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.suppressed), (Why::Done, 9, 1));
    assert_eq!(story.state_of(4).await, DeliveryState::Suppressed);
}

/// Recipients refused by a first provider that fails before the intent stay pending for the second;
/// the attempts of both are counted.
#[tokio::test]
async fn every_attempt_is_in_the_journal_with_its_answer() {
    let story = Story::of(1).await;
    let fault = Rule::at(Phase::Mail).replies("451 4.3.0 local error in processing");
    let (first, second) = (FakeSmtp::new().rule(fault).start().await, FakeSmtp::new().start().await);

    story.tell(vec![link("ovh", &first, 1), link("relay", &second, 1)]).await;

    story.judge(&[&first, &second]).await;
    let delivery = story.deliveries().await.remove(0);
    let attempts = story.journal.attempts(delivery.id).await.unwrap();
    let seen: Vec<_> = attempts.iter().map(|a| (a.number, a.provider.as_str(), a.state)).collect();
    assert_eq!(seen, [(1, "ovh", AttemptState::NotAccepted), (2, "relay", AttemptState::Accepted)]);
    assert!(attempts[0].reply.as_deref().unwrap().contains("local error"));
    assert_eq!(delivery.attempts, 2);
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_intent_stops_the_run_before_the_wire() {
    let story = Story::of(100).await;
    let (first, second) = (FakeSmtp::new().start().await, FakeSmtp::new().start().await);
    let full = Arc::new(FaultyJournal::new(Arc::clone(&story.journal) as Arc<dyn Journal>).intents(17));
    let change = |engine: Engine| Engine { journal: full, ..engine };

    let chain = vec![link("ovh", &first, 3), link("relay", &second, 3)];
    let told = story.tell_by(chain, change, None, Control::unstoppable()).await;

    let totals = story.judge(&[&first, &second]).await;
    let Why::JournalFailed(reason) = &told.ended.why else { panic!("{:?}", told.ended.why) };
    assert!(reason.contains("full"), "{reason}");
    assert_eq!(told.ended.state, RunState::Paused);
    assert_eq!((first.messages().len(), second.messages().len()), (17, 0), "nothing without an intent");
    assert_eq!((totals.accepted, totals.unknown, totals.pending), (17, 0, 83));

    // With room again, the run goes on where it stopped.
    let told = story.tell(vec![link("ovh", &first, 3)]).await;
    assert_eq!((told.ended.why, story.judge(&[&first, &second]).await.accepted), (Why::Done, 100));
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_outcome_leaves_only_its_connections_in_doubt() {
    let story = Story::of(60).await;
    let first = FakeSmtp::new().start().await;
    let full = Arc::new(FaultyJournal::new(Arc::clone(&story.journal) as Arc<dyn Journal>).settlements(11));
    let change = |engine: Engine| Engine { journal: full, ..engine };

    let told = story.tell_by(vec![link("ovh", &first, 2)], change, None, Control::unstoppable()).await;

    let totals = story.judge(&[&first]).await;
    assert!(matches!(told.ended.why, Why::JournalFailed(_)), "{:?}", told.ended.why);
    assert_eq!(told.ended.totals, totals);
    // On each connection: the message whose outcome was lost. The next intent of the connection is in the
    // same commit, so it is not durable either. Nobody in doubt is said to be pending.
    let on_the_wire = first.messages().len() as u64;
    assert!((1..=2).contains(&totals.unknown), "{totals:?}");
    assert!((totals.accepted + 1..=totals.accepted + 2).contains(&on_the_wire), "{totals:?} {on_the_wire}");
    assert_eq!(totals.accepted, 11);
}
