//! A run of 50 journalists against the providers' own strict descriptions, served as mocks.
//!
//! `tests/providers-mock.sh` starts the mocks and names them in `DEPECHE_MOCK_BREVO`,
//! `DEPECHE_MOCK_MAILCHIMP` and `DEPECHE_MOCK_MARKETING`; without these nothing is asked. A mock answers 422 to a body that its
//! description does not allow, and canned examples otherwise (one id for a whole batch, another
//! recipient's address), so only its status is believed here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use depeche_core::outcome::{Outcome, Receipt};
use depeche_core::provider::{BlockList, EventList, Parcel, Provider};
use depeche_providers::brevo::BrevoProvider;
use depeche_providers::mailchimp::campaign::{CampaignConfig, CampaignProvider};
use depeche_providers::mailchimp::transactional::{Mode, TransactionalConfig, TransactionalProvider};

use crate::arrange::{attempt, brevo_config, hard_parcels, key};
use crate::campaign::campaign_parcels;

const CONTACTS: usize = 50;

fn mock(name: &str) -> Option<String> {
    let url = std::env::var(name).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        println!("left out: {name} is not set (tests/providers-mock.sh sets it)");
    }
    url
}

/// What the mock answered to each request, by status.
#[derive(Default)]
struct Tally(Mutex<Vec<(u16, String)>>);

impl Tally {
    fn add(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let line = line(outcome);
            let status = line.strip_prefix("HTTP ").and_then(|rest| rest.get(..3)?.parse().ok());
            self.0.lock().unwrap().push((status.unwrap_or(0), line));
        }
    }

    fn all_are(&self, expected: u16, name: &str, count: usize) {
        let answers = self.0.lock().unwrap();
        let violations: Vec<&String> =
            answers.iter().filter(|(status, _)| *status != expected).map(|(_, line)| line).collect();
        println!("{name}: {} messages, {} violations", answers.len(), violations.len());
        assert!(violations.is_empty(), "{name}: {violations:#?}");
        assert_eq!(answers.len(), count, "{name}");
    }
}

fn line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(Receipt { reply, .. }) | Outcome::Held(Receipt { reply, .. }) => reply.clone(),
        Outcome::Refused(refusal) => refusal.reply.clone(),
        Outcome::Unknown(doubt) => doubt.detail.clone(),
        other => format!("{other:?}"),
    }
}

async fn run(provider: &dyn Provider, parcels: &[Parcel]) -> Tally {
    let tally = Tally::default();
    for parcels in parcels.chunks(provider.capability().batch) {
        tally.add(&attempt(provider, parcels).await);
    }
    tally
}

/// The questions of after the send; a mock refuses one that its description does not know.
async fn tells_after_the_send(provider: &dyn Provider) {
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    let told = provider.events(yesterday).await;
    assert!(matches!(told, EventList::Listed { .. }), "{told:?}");
    let list = provider.block_list().await;
    assert!(matches!(list, BlockList::Listed { .. }), "{list:?}");
    let address = depeche_core::address::EmailAddress::parse("ana@journal.example").unwrap();
    assert_eq!(provider.block(&address, "opted out").await, Ok(true));
}

#[tokio::test]
async fn fifty_journalists_through_brevo_without_a_violation() {
    let Some(url) = mock("DEPECHE_MOCK_BREVO") else { return };
    for (batch, name) in [(false, "brevo, one by one"), (true, "brevo, batch")] {
        let mut config = brevo_config(&url);
        config.http.timeouts.answer = Duration::from_secs(60);
        config.http.timeouts.total = Duration::from_secs(60);
        config.batch = batch;
        config.sender_address =
            Some(depeche_core::address::EmailAddress::parse("presse@exemple.fr").unwrap());
        config.sender_ips = vec!["192.0.2.7".parse().unwrap(), "192.0.2.8".parse().unwrap()];
        let provider = BrevoProvider::new(config, Arc::new(depeche_core::clock::SystemClock)).unwrap();

        let tally = run(&provider, &hard_parcels(CONTACTS)).await;

        tally.all_are(201, name, CONTACTS);
        let login = provider.login().await.unwrap();
        println!("{name}: login shows {} facts", login.facts.len());
        tells_after_the_send(&provider).await;
    }
}

#[tokio::test]
async fn fifty_journalists_through_mailchimp_without_a_violation() {
    let Some(url) = mock("DEPECHE_MOCK_MAILCHIMP") else { return };
    for (mode, suffix, name) in [
        (Mode::Raw, "", "mailchimp-transactional, raw"),
        (Mode::Parts, "", "mailchimp-transactional, parts"),
        (Mode::Raw, ".json", "mailchimp-transactional, raw, .json"),
    ] {
        let mut config =
            TransactionalConfig::new(depeche_core::provider::ProviderName::new("mailchimp").unwrap(), key());
        config.http.base_url = url.clone();
        config.http.timeouts.answer = Duration::from_secs(60);
        config.mode = mode;
        config.path_suffix = suffix.to_owned();
        config.ip_pool = Some("presse".to_owned());
        let provider =
            TransactionalProvider::new(config, Arc::new(depeche_core::clock::SystemClock)).unwrap();

        let tally = run(&provider, &hard_parcels(CONTACTS)).await;

        tally.all_are(200, name, CONTACTS);
        let login = provider.login().await.unwrap();
        println!("{name}: login shows {} facts", login.facts.len());
        // The suffix is for servers of older descriptions, which the mock is not.
        if suffix.is_empty() {
            tells_after_the_send(&provider).await;
        }
    }
}

/// The mock keeps nothing: it says of every member that it is subscribed, of the draft that it is ready,
/// 204 to the send, and then that it is a draft still. A call that it refused would end the attempt as a
/// refusal before that.
#[tokio::test]
async fn fifty_journalists_through_a_campaign_without_a_violation() {
    let Some(url) = mock("DEPECHE_MOCK_MARKETING") else { return };
    let name = depeche_core::provider::ProviderName::new("campagne").unwrap();
    let mut config = CampaignConfig::at(name, key(), "a1b2c3".to_owned(), &url);
    config.http.timeouts.answer = Duration::from_secs(60);
    config.poll = Duration::from_millis(50);
    config.sent_within = Duration::from_millis(200);
    let begun: jiff::Timestamp = "2026-12-03T08:00:00Z".parse().unwrap();
    let clock = Arc::new(depeche_testkit::clock::ManualClock::at(begun));
    let provider = CampaignProvider::new(config, clock.clone()).unwrap();
    let parcels = campaign_parcels(CONTACTS);

    let outcomes = attempt(&provider, &parcels).await;

    let is_draft = |outcome: &&Outcome| line(outcome).contains("it is a draft still");
    let taken = outcomes.iter().filter(is_draft).count();
    println!("mailchimp-campaign: {} messages, {} violations", outcomes.len(), outcomes.len() - taken);
    assert_eq!(taken, CONTACTS, "{:?}", outcomes.first());
    // The draft is deleted when it is old.
    clock.advance(Duration::from_secs(601));
    let earlier = depeche_core::provider::EarlierAttempt {
        parcel: parcels[0].clone(),
        started_at: begun,
        request_digest: None,
        provider_id: Some("c1".to_owned()),
    };
    let found = provider.look_up(&earlier).await;
    assert!(matches!(found, depeche_core::provider::LookUp::Found(Outcome::Refused(_))), "{found:?}");
    // Its example of a campaign is none of ours, so only the list of campaigns is asked for here.
    let told = provider.events(begun).await;
    assert!(matches!(told, EventList::Listed { .. }), "{told:?}");
    // No login here: the mock's own example of an audience is not what its description allows.
}
