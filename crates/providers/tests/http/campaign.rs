//! The campaign against a stub that keeps what Mailchimp Marketing keeps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::address::EmailAddress;
use depeche_core::clock::Clock;
use depeche_core::event::EventKind;
use depeche_core::outcome::{Blame, Denied, Outcome, Persistence, Refusal, Trouble};
use depeche_core::provider::{
    BlockList, Blocked, EarlierAttempt, LookUp, Parcel, Provider, ProviderName, Standing,
};
use depeche_core::release::{Merge, MergeForm};
use depeche_providers::mailchimp::campaign::CampaignProvider;
use depeche_testkit::clock::ManualClock;
use depeche_testkit::conformance::{
    Arranged, Peer, PeerDoes, ProviderHarness, RecordingCommit, message_to, parcel_of, provider_conformance,
};
use depeche_testkit::http::{HttpStub, Says};

use crate::arrange::KEY;
use crate::marketing::{Mailchimp, Mood, problem, provider_at};

/// One form for all, one tag.
pub(crate) fn campaign_parcel(address: &str) -> Parcel {
    parcel_under("Une annonce", address)
}

/// A parcel of the release with this subject.
fn parcel_under(subject: &str, address: &str) -> Parcel {
    let form = MergeForm {
        subject: subject.to_owned(),
        html: "<p>Bonjour *|DEPECHE1|*, <a href=\"*|UNSUB|*\">stop</a></p>".to_owned(),
        text: "Bonjour *|DEPECHE1|*\n*|UNSUB|*\n".to_owned(),
        expressions: vec!["contact.first_name".to_owned()],
    };
    let mut message = message_to(address);
    message.merge =
        Some(Arc::new(Merge { form: Arc::new(form), values: vec!["Zoé, « l’été »".to_owned()] }));
    parcel_of(message)
}

pub(crate) fn campaign_parcels(count: usize) -> Vec<Parcel> {
    (1..=count).map(|number| campaign_parcel(&format!("j{number}@journal.example"))).collect()
}

async fn attempt(provider: &CampaignProvider, parcels: &[Parcel]) -> (Vec<Outcome>, RecordingCommit) {
    let commit = RecordingCommit::granting();
    (provider.attempt(0, parcels, &commit).await, commit)
}

fn refusal(outcome: &Outcome) -> &Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn earlier(parcel: &Parcel, started_at: &str) -> EarlierAttempt {
    EarlierAttempt {
        parcel: parcel.clone(),
        started_at: started_at.parse().unwrap(),
        request_digest: None,
        provider_id: Some("c1".to_owned()),
    }
}

#[tokio::test]
async fn everybody_is_a_member_once_and_the_campaign_is_sent_once() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    let parcels = campaign_parcels(1_200);

    let (outcomes, commit) = attempt(&mailchimp.provider(), &parcels).await;

    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted(receipt)
        if receipt.provider_id.as_deref() == Some("c1"))));
    assert_eq!((mailchimp.sends(), commit.intents()), (1, 1));
    assert_eq!(commit.provider_ids(), [Some("c1".to_owned())], "the id is in the journal before the send");
    let account = mailchimp.account.lock().unwrap();
    assert_eq!((account.members.len(), account.segments[0].len()), (1_200, 1_200));
    assert!(account.campaigns[0].html.contains("*|DEPECHE1|*"));
    let added = account.calls.iter().filter(|(method, path)| method == "POST" && path == "/lists/a1b2c3");
    assert_eq!(added.count(), 3, "500 a call");
}

#[tokio::test]
async fn who_opted_out_there_stays_so_and_who_is_there_keeps_the_status() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    for (number, status) in [(1, "unsubscribed"), (2, "cleaned"), (3, "subscribed"), (4, "pending")] {
        mailchimp.is(&format!("j{number}@journal.example"), status);
    }
    let mut parcels = campaign_parcels(5);
    parcels.push(campaign_parcel("fake@journal.example"));

    let (outcomes, _) = attempt(&mailchimp.provider(), &parcels).await;

    let blames: Vec<Option<Blame>> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Refused(refusal) => Some(refusal.blames),
            Outcome::Accepted(_) => None,
            other => panic!("{other:?}"),
        })
        .collect();
    let (recipient, message) = (Some(Blame::Recipient), Some(Blame::Message));
    assert_eq!(blames, [recipient, message, None, message, None, message]);
    assert_eq!(mailchimp.status_of("j1@journal.example"), "unsubscribed");
    assert!(refusal(&outcomes[5]).reply.contains("looks fake"), "a member's own error is kept");
    assert_eq!(mailchimp.sends(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_settled_by_the_status_and_never_by_a_second_send() {
    for says in
        [Says::Close, Says::Nothing, problem(500, "x"), Says::html(502, "<html>"), Says::json(200, "{")]
    {
        let mood = Mood { send: Some((says.clone(), true)), ..Mood::default() };
        let mailchimp = Mailchimp::start(mood).await;

        let (outcomes, _) = attempt(&mailchimp.provider(), &campaign_parcels(3)).await;

        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))),
            "{says:?} {outcomes:?}"
        );
        assert_eq!(mailchimp.sends(), 1, "{says:?}");
    }
}

#[tokio::test]
async fn a_draft_after_a_lost_answer_is_uncertain_and_is_not_sent_again() {
    let mailchimp = Mailchimp::start(Mood { send: Some((Says::Close, false)), ..Mood::default() }).await;
    let parcels = campaign_parcels(2);
    let begun = "2026-12-03T08:00:00Z";
    let clock = Arc::new(ManualClock::at(begun.parse().unwrap()));
    let provider = provider_at(&mailchimp.stub.base_url(), Arc::clone(&clock) as Arc<dyn Clock>);

    let (outcomes, _) = attempt(&provider, &parcels).await;

    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unknown(_))), "{outcomes:?}");
    clock.advance(Duration::from_secs(599));
    assert_eq!(provider.look_up(&earlier(&parcels[0], begun)).await, LookUp::NotFound);
    assert_eq!(mailchimp.campaigns(), ["save"]);
    clock.advance(Duration::from_secs(5));
    for parcel in &parcels {
        let found = provider.look_up(&earlier(parcel, begun)).await;
        // Its draft is gone, so nobody can send it any more: that is the proof.
        assert!(
            matches!(&found, LookUp::Found(Outcome::Refused(refusal)) if refusal.blames == Blame::Provider),
            "{found:?}"
        );
    }
    assert_eq!((mailchimp.campaigns(), mailchimp.sends()), (vec!["deleted"], 1));
}

#[tokio::test]
async fn who_did_not_get_it_is_pending_again_once_the_count_stands_still() {
    let skips = vec!["j2@journal.example".to_owned()];
    let mailchimp = Mailchimp::start(Mood { skips, ..Mood::default() }).await;
    let begun = std::time::Instant::now();

    let (outcomes, _) = attempt(&mailchimp.provider(), &campaign_parcels(3)).await;

    // `settled_after` of the arrangement: a count that lacks somebody may be a count that goes on.
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(refusal(&outcomes[1]).persistence, Persistence::Transient);

    assert!(matches!(outcomes[0], Outcome::Accepted(_)) && matches!(outcomes[2], Outcome::Accepted(_)));
    assert_eq!(refusal(&outcomes[1]).blames, Blame::Message);
}

#[tokio::test]
async fn a_list_that_is_not_complete_proves_nothing_of_those_who_are_missing() {
    let skips = vec!["j2@journal.example".to_owned()];
    let mailchimp = Mailchimp::start(Mood { skips, unlisted: 1, ..Mood::default() }).await;

    let (outcomes, _) = attempt(&mailchimp.provider(), &campaign_parcels(3)).await;

    assert!(matches!(outcomes[0], Outcome::Accepted(_)));
    assert!(matches!(outcomes[1], Outcome::Unknown(_)), "{outcomes:?}");
}

/// The prefix of the base stands before every path, and what has a body says what it is.
#[tokio::test]
async fn every_request_of_a_campaign_has_the_prefix_and_names_its_content_type() {
    let stub = HttpStub::start(|seen| match (seen.method.as_str(), &*seen.target) {
        ("GET", target) if target.starts_with("/proxy/3.0/lists/a1b2c3/merge-fields") => {
            Says::json(200, r#"{"merge_fields":[]}"#)
        }
        ("POST", "/proxy/3.0/lists/a1b2c3/merge-fields") => Says::json(200, r#"{"tag":"DEPECHE1"}"#),
        ("POST", "/proxy/3.0/lists/a1b2c3/segments") => Says::json(200, r#"{"id":1}"#),
        _ => problem(400, "no"),
    })
    .await;
    let clock = Arc::new(depeche_core::clock::SystemClock);
    let provider = provider_at(&format!("{}/proxy/3.0/", stub.base_url()), clock);

    attempt(&provider, &campaign_parcels(1)).await;

    let seen = stub.seen();
    assert_eq!(seen.len(), 5, "{seen:?}");
    for request in &seen {
        assert!(request.target.starts_with("/proxy/3.0/"), "{}", request.target);
        let content_type = request.header("content-type");
        assert_eq!(content_type, (!request.body.is_empty()).then_some("application/json"), "{request:?}");
    }
}

#[tokio::test]
async fn a_process_that_died_after_the_send_finds_its_campaign_again() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    let parcels = campaign_parcels(2);
    attempt(&mailchimp.provider(), &parcels).await;

    let other = mailchimp.provider();
    let found = other.look_up(&earlier(&parcels[1], "2026-01-01T00:00:00Z")).await;
    let stranger =
        other.look_up(&earlier(&campaign_parcel("x@journal.example"), "2026-01-01T00:00:00Z")).await;
    let nameless = EarlierAttempt { provider_id: None, ..earlier(&parcels[0], "2026-01-01T00:00:00Z") };

    assert!(matches!(found, LookUp::Found(Outcome::Accepted(_))), "{found:?}");
    assert!(
        matches!(&stranger, LookUp::Found(Outcome::Refused(refusal)) if refusal.blames == Blame::Message)
    );
    assert_eq!(other.look_up(&nameless).await, LookUp::CannotTell);
    assert_eq!(mailchimp.sends(), 1);
}

#[tokio::test]
async fn what_mailchimps_checklist_refuses_is_not_sent_and_leaves_no_draft() {
    let mailchimp = Mailchimp::start(Mood { ready: false, ..Mood::default() }).await;

    let (outcomes, commit) = attempt(&mailchimp.provider(), &campaign_parcels(2)).await;

    assert_eq!(refusal(&outcomes[0]).trouble, Some(Trouble::Sender));
    assert!(refusal(&outcomes[0]).reply.contains("From: not verified"));
    assert_eq!((mailchimp.sends(), commit.intents(), mailchimp.campaigns()), (0, 0, vec!["deleted"]));
}

#[tokio::test]
async fn a_denied_intent_sends_nothing_and_leaves_no_draft() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    let commit = RecordingCommit::denying(Denied::Cancelled);

    let outcomes = mailchimp.provider().attempt(0, &campaign_parcels(2), &commit).await;

    assert_eq!(outcomes, vec![Outcome::NotStarted(Denied::Cancelled); 2]);
    assert_eq!((mailchimp.sends(), mailchimp.campaigns()), (0, vec!["deleted"]));
}

/// DELIVERY.md, "HTTP, proved not accepted … Unknown", for the one request that sends.
#[tokio::test]
async fn every_answer_to_the_send_is_what_delivery_md_says() {
    let dead = Some(Says::Close);
    let not_sent =
        [problem(400, "no"), Says::json(401, "{}"), Says::html(403, "<html>"), Says::json(429, "{}")];
    for says in not_sent {
        let mailchimp = Mailchimp::start(Mood { send: Some((says.clone(), false)), ..Mood::default() }).await;
        let (outcomes, _) = attempt(&mailchimp.provider(), &campaign_parcels(1)).await;
        assert_eq!(refusal(&outcomes[0]).blames, Blame::Provider, "{says:?}");
        assert_eq!(mailchimp.campaigns(), ["deleted"], "{says:?}");
    }
    let canary = HttpStub::saying(Says::json(204, "")).await;
    let uncertain = [
        problem(500, "x"),
        Says::json(302, "").with("location", &canary.base_url()),
        Says::Cut { status: 204, body: vec![], promised: 5 },
        Says::Endless { status: 200 },
        Says::Drip { status: 204, every: Duration::from_millis(50) },
        Says::Garbage(b"no HTTP".to_vec()),
        Says::Nothing,
    ];
    for says in uncertain {
        let mood = Mood { send: Some((says.clone(), true)), after: dead.clone(), ..Mood::default() };
        let mailchimp = Mailchimp::start(mood).await;
        let (outcomes, _) = attempt(&mailchimp.provider(), &campaign_parcels(1)).await;
        assert!(matches!(outcomes[0], Outcome::Unknown(_)), "{says:?} {outcomes:?}");
        assert_eq!(mailchimp.sends(), 1, "{says:?}");
    }
    assert!(canary.seen().is_empty(), "a redirect would carry the key to another host");
}

/// Merge tags are the audience's: what one release writes another one would send.
#[tokio::test]
async fn another_release_that_is_open_in_the_audience_is_waited_for_and_no_member_is_touched() {
    let mailchimp = Mailchimp::start(Mood { send: Some((Says::Close, false)), ..Mood::default() }).await;
    let begun = "2026-12-03T08:00:00Z";
    mailchimp.makes_campaigns_at("2026-12-03T08:00:00+00:00");
    let clock = Arc::new(ManualClock::at(begun.parse().unwrap()));
    let provider = || provider_at(&mailchimp.stub.base_url(), Arc::clone(&clock) as Arc<dyn Clock>);
    // It was asked to be sent, and nobody knows whether it will be.
    attempt(&provider(), &campaign_parcels(2)).await;
    let before = mailchimp.account.lock().unwrap().fields.clone();
    let other = [parcel_under("Une autre", "j1@journal.example")];

    let (waits, commit) = attempt(&provider(), &other).await;
    clock.advance(Duration::from_secs(29 * 60));
    let (still, _) = attempt(&provider(), &other).await;

    for outcome in [&waits[0], &still[0]] {
        let refusal = refusal(outcome);
        assert_eq!(refusal.trouble, Some(Trouble::Throttled), "{refusal:?}");
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(60)));
        assert!(refusal.reply.contains("campaign c1"), "{refusal:?}");
    }
    assert_eq!((commit.intents(), mailchimp.sends()), (0, 1));
    assert_eq!(mailchimp.account.lock().unwrap().fields, before, "nobody's words were changed");
    // What gave way leaves nothing behind.
    assert_eq!(mailchimp.campaigns(), ["save", "deleted", "deleted"]);
    assert_eq!(mailchimp.account.lock().unwrap().deleted_segments, [2, 3].into());
    // A draft is nobody's after half an hour.
    clock.advance(Duration::from_secs(60));
    attempt(&provider(), &other).await;
    assert_eq!((mailchimp.campaigns()[3], mailchimp.sends()), ("save", 2));
}

#[tokio::test]
async fn a_release_is_not_in_its_own_way_and_neither_is_one_that_was_sent() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    mailchimp.makes_campaigns_at(&jiff::Timestamp::now().to_string());
    let provider = mailchimp.provider();
    attempt(&provider, &campaign_parcels(2)).await;
    // A dead process of the same run left a draft.
    mailchimp.account.lock().unwrap().campaigns[0].status = "save";
    let (own, _) = attempt(&provider, &[campaign_parcel("j3@journal.example")]).await;
    mailchimp.account.lock().unwrap().campaigns[0].status = "sent";
    let (next, _) = attempt(&provider, &[parcel_under("Une autre", "j1@journal.example")]).await;
    // A campaign that a person made there is none of ours.
    {
        let mut account = mailchimp.account.lock().unwrap();
        account.campaigns[0].status = "sending";
        account.campaigns[0].title = "Newsletter de décembre".to_owned();
    }
    let (beside, _) = attempt(&provider, &[parcel_under("Une autre", "j2@journal.example")]).await;

    for outcomes in [own, next, beside] {
        assert!(matches!(outcomes[0], Outcome::Accepted(_)), "{outcomes:?}");
    }
}

/// Of two that begin at once neither sends words of the other: each sees the other's draft, or one is
/// sent before the other has begun.
#[tokio::test]
async fn two_releases_at_once_never_mix_their_fields() {
    for _ in 0..8 {
        let mailchimp = Mailchimp::start(Mood::default()).await;
        mailchimp.makes_campaigns_at(&jiff::Timestamp::now().to_string());
        let parcels = |subject, value: &str| {
            let mut parcel = parcel_under(subject, "j1@journal.example");
            let mut message = (*parcel.message).clone();
            let form = Arc::clone(&message.merge.as_ref().unwrap().form);
            message.merge = Some(Arc::new(Merge { form, values: vec![value.to_owned()] }));
            parcel.message = Arc::new(message);
            [parcel]
        };
        let (one, other) = (mailchimp.provider(), mailchimp.provider());
        let (first, second) = (parcels("Une annonce", "un"), parcels("Une autre", "deux"));

        tokio::join!(attempt(&one, &first), attempt(&other, &second));

        let account = mailchimp.account.lock().unwrap();
        for (subject, value) in &account.said {
            let expected = if subject == "Une annonce" { "un" } else { "deux" };
            assert_eq!(value["DEPECHE1"], expected, "{:?}", account.said);
        }
    }
}

#[tokio::test]
async fn a_login_shows_the_audience_and_the_domains_and_sends_nothing() {
    let mailchimp = Mailchimp::start(Mood::default()).await;

    let login = mailchimp.provider().login().await.unwrap();

    assert!(login.facts.contains(&("audience".to_owned(), "Presse".to_owned())), "{login:?}");
    assert!(
        login.facts.contains(&("domain exemple.fr".to_owned(), "verified, not authenticated".to_owned()))
    );
    assert_eq!(login.warnings.len(), 1, "{login:?}");
    let asked = mailchimp.stub.seen();
    let key = asked[0].headers.iter().find(|(name, _)| name == "authorization").unwrap();
    use base64::Engine as _;
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("depeche:{KEY}"));
    assert_eq!(key.1, format!("Basic {expected}"));
    assert_eq!(mailchimp.sends(), 0);
}

impl Peer for Mailchimp {
    fn message_bytes(&self) -> u64 {
        self.sends() as u64
    }

    fn whole_messages(&self) -> Vec<String> {
        let account = self.account.lock().unwrap();
        account.campaigns.iter().flat_map(|campaign| campaign.sent_to.clone()).collect()
    }
}

/// With the merge tags that the suite's messages lack.
struct Tagged(CampaignProvider);

#[async_trait]
impl Provider for Tagged {
    fn name(&self) -> &ProviderName {
        self.0.name()
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn capability(&self) -> depeche_core::provider::Capability {
        self.0.capability()
    }

    async fn attempt(
        &self,
        lane: usize,
        parcels: &[Parcel],
        commit: &dyn depeche_core::provider::Commit,
    ) -> Vec<Outcome> {
        let tagged = parcels.iter().map(|parcel| campaign_parcel(&parcel.message.to.address.to_string()));
        self.0.attempt(lane, &tagged.collect::<Vec<_>>(), commit).await
    }

    async fn login(&self) -> Result<depeche_core::provider::Login, Refusal> {
        self.0.login().await
    }
}

struct Harness;

#[async_trait]
impl ProviderHarness for Harness {
    async fn arrange(&self, peer: PeerDoes) -> Option<Arranged> {
        let lost =
            |says: Says| Mood { send: Some((says.clone(), true)), after: Some(says), ..Mood::default() };
        let at = |method, path, says| Mood { at: Some((method, path, says)), ..Mood::default() };
        let mood = match peer {
            PeerDoes::Accepts | PeerDoes::IsAbsent => Mood::default(),
            PeerDoes::RefusesMessage => at("PUT", "/content", problem(400, "no such tag")),
            PeerDoes::Throttles => at("POST", "/lists/a1b2c3", Says::json(429, "{}")),
            PeerDoes::RefusesLogin => at("GET", "/merge-fields", problem(401, "API Key Invalid")),
            PeerDoes::ClosesBeforeTheIntent => at("POST", "/campaigns", Says::Close),
            PeerDoes::FallsSilentAfterTheMessage => lost(Says::Nothing),
            PeerDoes::ClosesAfterTheMessage => lost(Says::Close),
            PeerDoes::AnswersGarbageAfterTheMessage => lost(Says::Garbage(b"no HTTP".to_vec())),
            PeerDoes::AnswersUnclearlyAfterTheMessage => lost(problem(500, "x")),
            // It tells of a recipient only as a member, and holds nothing.
            _ => return None,
        };
        let mailchimp = Mailchimp::start(mood).await;
        let url = if peer == PeerDoes::IsAbsent { nobody_there().await } else { mailchimp.stub.base_url() };
        let provider = provider_at(&url, Arc::new(depeche_core::clock::SystemClock));
        Some(Arranged { provider: Box::new(Tagged(provider)), peer: Arc::new(mailchimp) })
    }
}

/// A port where nobody listens.
async fn nobody_there() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_campaign_keeps_every_promise_of_a_provider() {
    let report = provider_conformance(&Harness).await;

    report.assert_all_held();
    assert_eq!(report.left_out, ["RefusesBadAddress", "DefersRecipient", "Holds"]);
}

#[tokio::test]
async fn the_audience_is_a_block_list_and_whoever_is_put_on_it_is_reached_by_no_campaign() {
    let mailchimp = Mailchimp::start(Mood::default()).await;
    for (number, status) in [(1, "unsubscribed"), (2, "cleaned"), (3, "subscribed"), (4, "pending")] {
        mailchimp.is(&format!("j{number}@journal.example"), status);
    }
    let provider = mailchimp.provider();
    let address = |number: usize| EmailAddress::parse(&format!("j{number}@journal.example")).unwrap();

    let listed = provider.block_list().await;
    let (known, new) = (provider.block(&address(3), "x").await, provider.block(&address(9), "x").await);

    let blocked = |number, kind, reason: &str| Blocked {
        address: format!("j{number}@journal.example"),
        kind,
        reason: reason.to_owned(),
    };
    let entries = vec![
        blocked(1, EventKind::Unsubscribed, "unsubscribed"),
        // Bounced, and nothing says that the address is bad: nobody is suppressed for it.
        blocked(2, EventKind::Blocked, "cleaned"),
    ];
    assert_eq!(listed, BlockList::Listed { entries, complete: true });
    assert_eq!((known, new), (Ok(true), Ok(true)));
    let (outcomes, _) =
        attempt(&provider, &[3, 4, 9].map(|n| campaign_parcel(&address(n).to_string()))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(_))), "{outcomes:?}");
    assert_eq!(refusal(&outcomes[0]).blames, Blame::Recipient);
    assert_eq!(mailchimp.sends(), 0);
    assert_eq!(mailchimp.campaigns(), ["deleted"], "a campaign to nobody is not kept");
}

#[tokio::test]
async fn mailchimps_word_on_a_domain_is_yes_only_when_it_is_verified_and_authenticated() {
    let cases = [
        (r#"{"domain":"exemple.fr","verified":true,"authenticated":true}"#, "Authenticated"),
        (r#"{"domain":"exemple.fr","verified":true,"authenticated":false}"#, "NotAuthenticated"),
        (r#"{"domain":"exemple.fr","verified":false,"authenticated":true}"#, "NotAuthenticated"),
        (r#"{"domain":"exemple.fr","verified":true}"#, "CannotTell"),
        (r#"{"domain":"other.example","verified":true,"authenticated":true}"#, "NotAuthenticated"),
    ];
    for (domain, expected) in cases {
        let stub = HttpStub::saying(Says::json(200, &format!(r#"{{"domains":[{domain}]}}"#))).await;
        let provider = provider_at(&stub.base_url(), Arc::new(depeche_core::clock::SystemClock));
        let standing = provider.standing("exemple.fr").await;
        assert!(format!("{standing:?}").starts_with(expected), "{domain}: {standing:?}");
    }
    let stub = HttpStub::saying(Says::html(403, "<html>")).await;
    let provider = provider_at(&stub.base_url(), Arc::new(depeche_core::clock::SystemClock));
    assert!(matches!(provider.standing("exemple.fr").await, Standing::Failed(_)));
}
