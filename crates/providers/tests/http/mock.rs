//! A run of 50 journalists against the providers' own strict descriptions, served as mocks.
//!
//! `tests/providers-mock.sh` starts the mocks and names them in `DEPECHE_MOCK_BREVO`,
//! `DEPECHE_MOCK_MAILCHIMP` and `DEPECHE_MOCK_MARKETING`; without these nothing is asked. A mock answers 422 to a body that its
//! description does not allow, and canned examples otherwise (one id for a whole batch, another
//! recipient's address), so only its status is believed here.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depeche_core::outcome::{Outcome, Receipt};
use depeche_core::provider::{BlockList, EarlierAttempt, EventList, LookUp, Parcel, Provider, Standing};
use depeche_providers::brevo::BrevoProvider;
use depeche_providers::mailchimp::campaign::{CampaignConfig, CampaignProvider};
use depeche_providers::mailchimp::transactional::{Mode, TransactionalConfig, TransactionalProvider};
use depeche_testkit::http::{HttpStub, Says, Seen};
use serde_json::Value;

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
    let earlier = EarlierAttempt {
        parcel: hard_parcels(1).remove(0),
        started_at: jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2),
        request_digest: None,
        provider_id: None,
    };
    let looked_up = provider.look_up(&earlier).await;
    assert!(!matches!(looked_up, LookUp::Failed(_)), "{looked_up:?}");
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

/// The mock keeps nothing: asked where a campaign stands it answers with the first example of its
/// description, a draft. So a stand-in hands every request on to the mock as it came, and puts into two of
/// its answers what makes a run go on: the campaign was sent to everybody, and bears our name. What it hands
/// on is judged by the mock alone.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_journalists_through_a_campaign_without_a_violation() {
    let Some(url) = mock("DEPECHE_MOCK_MARKETING") else { return };
    let answers = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&answers);
    let stand_in = HttpStub::start(move |seen| {
        let (status, body) = handed_on(&url, seen);
        let path = seen.target.split('?').next().unwrap_or_default();
        kept.lock().unwrap().push((format!("{} {path}", seen.method), status, body.clone()));
        Says::json(status, &as_if_sent(seen, path, &body))
    })
    .await;
    let name = depeche_core::provider::ProviderName::new("campagne").unwrap();
    let mut config = CampaignConfig::at(name, key(), "a1b2c3".to_owned(), &stand_in.base_url());
    config.http.timeouts.answer = Duration::from_secs(60);
    config.poll = Duration::from_millis(50);
    config.sent_within = Duration::from_secs(60);
    let provider = CampaignProvider::new(config, Arc::new(depeche_core::clock::SystemClock)).unwrap();
    let parcels = campaign_parcels(CONTACTS);

    let outcomes = attempt(&provider, &parcels).await;
    let told = provider.events(jiff::Timestamp::now()).await;
    let earlier = EarlierAttempt {
        parcel: parcels[0].clone(),
        started_at: jiff::Timestamp::now(),
        request_digest: None,
        provider_id: Some("c1".to_owned()),
    };
    let looked_up = provider.look_up(&earlier).await;
    let list = provider.block_list().await;
    let address = depeche_core::address::EmailAddress::parse("ana@journal.example").unwrap();
    let blocked = provider.block(&address, "opted out").await;
    let standing = provider.standing("exemple.fr").await;

    let answers = std::mem::take(&mut *answers.lock().unwrap());
    let violations: Vec<_> = answers.iter().filter(|(_, status, _)| !(200..300).contains(status)).collect();
    println!("mailchimp-campaign: {} messages, {} violations", outcomes.len(), violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
    // Its list of recipients is an example, and nobody of ours.
    let is_open = |outcome: &Outcome| line(outcome).contains("the list of those who got it is not complete");
    assert!(outcomes.iter().all(is_open), "{:?}", outcomes.first());
    assert!(matches!(told, EventList::Listed { .. }), "{told:?}");
    assert!(matches!(looked_up, LookUp::NotFound), "{looked_up:?}");
    assert!(matches!(list, BlockList::Listed { .. }), "{list:?}");
    assert_eq!(blocked, Ok(true));
    assert!(matches!(standing, Standing::NotAuthenticated(_)), "{standing:?}");
    for asked in CAMPAIGN_CALLS {
        let was_made = |(made, ..): &(String, u16, String)| {
            let (made, asked): (Vec<_>, Vec<_>) = (made.split('/').collect(), asked.split('/').collect());
            made.len() == asked.len()
                && made.iter().zip(asked).all(|(made, asked)| asked == "*" || *made == asked)
        };
        assert!(answers.iter().any(was_made), "{asked} was asked of the mock");
    }
    // No login here: the mock's own example of an audience is not what its description allows.
}

/// Every call of a campaign that goes well, and of what is asked after it.
const CAMPAIGN_CALLS: [&str; 17] = [
    "GET /lists/*/merge-fields",
    "POST /lists/*/merge-fields",
    "POST /lists/*/segments",
    "POST /campaigns",
    "GET /campaigns",
    "POST /lists/*",
    "PUT /lists/*/members/*",
    "POST /lists/*/segments/*",
    "PUT /campaigns/*/content",
    "GET /campaigns/*/send-checklist",
    "POST /campaigns/*/actions/send",
    "GET /campaigns/*",
    "GET /lists/*/members",
    "GET /verified-domains",
    "GET /reports/*/sent-to",
    "GET /reports/*/unsubscribed",
    "GET /reports/*/abuse-reports",
];

fn as_if_sent(seen: &Seen, path: &str, body: &str) -> String {
    let mut answer: Value = serde_json::from_str(body).unwrap_or_default();
    let is_campaign = path.starts_with("/campaigns/") && path.matches('/').count() == 2;
    match seen.method.as_str() {
        "GET" if is_campaign => {
            answer["status"] = "sent".into();
            answer["emails_sent"] = CONTACTS.into();
        }
        "GET" if path == "/campaigns" && seen.target.contains("status=sent") => {
            for campaign in answer["campaigns"].as_array_mut().into_iter().flatten() {
                campaign["id"] = "c1".into();
                campaign["settings"]["title"] = "depeche 0 0".into();
            }
        }
        _ => return body.to_owned(),
    }
    answer.to_string()
}

/// One request to the mock, word for word, over a line of its own: status and body of its answer.
fn handed_on(url: &str, seen: &Seen) -> (u16, String) {
    let host = url.trim_start_matches("http://");
    let mut head = format!("{} {} HTTP/1.1\r\n", seen.method, seen.target);
    for (name, value) in
        seen.headers.iter().filter(|(name, _)| name != "connection" && name != "accept-encoding")
    {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    let mut line = TcpStream::connect(host).unwrap();
    line.write_all(&[head.as_bytes(), &seen.body].concat()).unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    (status, body.to_owned())
}
