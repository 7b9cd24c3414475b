//! The pace of a receiving domain: shared by providers and processes, and nobody else waits for it.

use std::time::{Duration, Instant};

use depeche::address::EmailAddress;
use depeche::budget::Limits;
use depeche::engine::Why;
use depeche::journal::NewDelivery;
use depeche_testkit::smtp::{FakeSmtp, Fault, Phase, Rule};

use super::common::{Story, link, recipients};

/// Every second one is at orange.fr.
fn mixed(count: usize) -> Vec<NewDelivery> {
    let mut list = recipients(0..count);
    for one in list.iter_mut().filter(|one| one.position % 2 == 0) {
        one.address = EmailAddress::parse(&format!("j{}@orange.fr", one.position)).unwrap();
    }
    list
}

/// By hand: 10 to orange.fr at 5 a second are 9 gaps of 200 ms. The others need none of that time.
#[tokio::test]
async fn a_domain_is_sent_to_at_its_pace_and_the_others_do_not_wait() {
    let mut story = Story::with(mixed(20)).await;
    story.policy.pace.insert("orange.fr".to_owned(), Limits { per_second: Some(5), ..Limits::default() });
    let server = FakeSmtp::new().start().await;
    let began = Instant::now();

    let told = story.tell(vec![link("ovh", &server, 4)]).await;

    let totals = story.judge(&[&server]).await;
    assert_eq!((told.ended.why, totals.accepted), (Why::Done, 20));
    assert!(began.elapsed() >= Duration::from_millis(1_750), "{:?}", began.elapsed());
    let order = server.accepted();
    let last_other = order.iter().rposition(|to| !to.ends_with("@orange.fr")).unwrap();
    let before = order[..last_other].iter().filter(|to| to.ends_with("@orange.fr")).count();
    assert!(before < 8, "the others go first: {order:?}");
}

/// 3 a minute, and nobody waits for the next minute: two providers, and an engine that begins anew, take 3.
#[tokio::test]
async fn a_pace_holds_across_providers_and_a_new_beginning() {
    let mut story = Story::with(mixed(12)).await;
    story.policy.pace.insert("orange.fr".to_owned(), Limits { per_minute: Some(3), ..Limits::default() });
    story.policy.no_wait = true;
    let refuses = Rule::at(Phase::Mail).from_message(3).does(Fault::Close);
    let (first, second) = (FakeSmtp::new().rule(refuses).start().await, FakeSmtp::new().start().await);

    let told = story.tell(vec![link("ovh", &first, 1), link("relay", &second, 2)]).await;

    let totals = story.judge(&[&first, &second]).await;
    assert_eq!((told.ended.why, totals.accepted, totals.pending), (Why::WouldWait, 9, 3));
    let again = story.tell(vec![link("relay", &second, 2)]).await;
    assert_eq!((again.ended.why, again.ended.totals.accepted), (Why::WouldWait, 9));
    let orange = |server: &depeche_testkit::smtp::RunningSmtp| {
        server.accepted().iter().filter(|to| to.ends_with("@orange.fr")).count()
    };
    assert_eq!(orange(&first) + orange(&second), 3);
}
