//! One attempt through Mailchimp Marketing: the audience, the draft, the intent, one send, the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::address::EmailAddress;
use depeche_core::clock::Clock;
use depeche_core::outcome::{Doubt, DoubtCause, Outcome, Receipt, Refusal, Trouble};
use depeche_core::provider::{
    BlockList, Capability, Commit, EarlierAttempt, EventList, Login, LookUp, Parcel, Provider, ProviderName,
    Standing,
};
use depeche_core::release::MergeForm;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::account;
use super::audience::{self, Heard};
use super::batch::Batch;
use super::blocked;
use super::config::CampaignConfig;
use super::payload::{self, Member};
use super::reply::{self, Blames, Sent};
use super::report::{self, SentTo, Status};
use super::turn;
use crate::http::{Answer, Failure, HttpClient, HttpConfigError, Request};

/// Sends campaigns of Mailchimp Marketing.
#[derive(Clone)]
pub struct CampaignProvider {
    config: CampaignConfig,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<BTreeMap<String, (Timestamp, Known)>>>,
}

/// What was found out about an earlier campaign.
#[derive(Debug, Clone)]
enum Known {
    Sent(SentTo),
    /// Its draft was old, and is deleted: nobody can send it any more.
    NeverSent,
    /// Neither sent, nor certain never to be.
    Open,
}

/// A campaign that is not sent yet.
struct Draft {
    id: String,
    /// Its recipients.
    segment: u64,
    made_at: Timestamp,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Checklist {
    is_ready: bool,
    #[serde(default)]
    items: Vec<CheckItem>,
}

#[derive(Deserialize)]
struct CheckItem {
    r#type: String,
    #[serde(default)]
    heading: String,
    #[serde(default)]
    details: String,
}

/// Recipients of one campaign at the most. All of them are in memory while it is made, each with its own
/// message, and their intents are one commit; a longer list goes out as several campaigns, one after the
/// other.
pub const MOST: usize = 5_000;
/// How long a campaign is asked about; Mailchimp keeps reports for years.
const ASKED_FOR: Duration = Duration::from_secs(30 * 86_400);
/// A draft as old as this was never asked to be sent by anybody who still waits: no request is on its
/// way for so long (Mailchimp's own client gives up after 120 s).
const OLD: SignedDuration = SignedDuration::from_mins(10);
/// What was found out about a campaign on its way is good for so long.
const FRESH: SignedDuration = SignedDuration::from_secs(4);
/// How often the status is asked for after an answer that was lost.
const ASKS: u32 = 3;

impl CampaignProvider {
    /// A provider for the account and audience in `config`. `clock` tells how old a draft is.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError`] says what cannot work.
    pub fn new(config: CampaignConfig, clock: Arc<dyn Clock>) -> Result<Self, HttpConfigError> {
        config.check()?;
        let client = HttpClient::basic(&config.http, &config.api_key, "depeche")?;
        Ok(Self { config, client, clock, known: Arc::default() })
    }

    pub(super) fn config(&self) -> &CampaignConfig {
        &self.config
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) async fn call(&self, request: Request, heard: Heard<'_>) -> Result<Answer, Failure> {
        self.client.call(request, heard).await
    }

    /// Everything up to the moment before the send: a draft, its turn, members, content, checklist. `None`
    /// when nobody of the batch can be reached.
    async fn draft(
        &self,
        batch: &mut Batch<'_>,
        form: &MergeForm,
        heard: Heard<'_>,
    ) -> Result<Option<Draft>, Refusal> {
        let Some(first) = batch.members.first().map(|(place, _)| &batch.parcels[*place]) else {
            return Ok(None);
        };
        audience::fields(self, form.expressions.len(), heard).await?;
        let release = payload::digest(form);
        let title = turn::title(&release, first.attempt);
        let segment = audience::segment(self, &title, heard).await?;
        let body = payload::campaign(&self.config.audience, segment, &title, &first.message, form);
        let made = reply::read(self.call(Request::post("/campaigns", body), heard).await, Blames::Message);
        let made = made.and_then(|Made { id }| if is_id(&id) { Ok(id) } else { Err(no_id(&id)) });
        let draft = match made {
            Ok(id) => Draft { id, segment, made_at: self.now() },
            Err(refusal) => {
                self.disperse(segment).await;
                return Err(refusal);
            }
        };
        match self.prepare(&draft, &release, batch, form, heard).await {
            Ok(()) if !batch.members.is_empty() => Ok(Some(draft)),
            prepared => {
                self.discard(&draft).await;
                prepared.map(|()| None)
            }
        }
    }

    /// Its turn first: until then no member is changed.
    async fn prepare(
        &self,
        draft: &Draft,
        release: &[u8; 32],
        batch: &mut Batch<'_>,
        form: &MergeForm,
        heard: Heard<'_>,
    ) -> Result<(), Refusal> {
        turn::take(self, &draft.id, release, heard).await?;
        let members: Vec<Member> = batch.members.iter().map(|(_, member)| member.clone()).collect();
        batch.keep(audience::join(self, &members, heard).await?);
        if batch.members.is_empty() {
            return Ok(());
        }
        audience::gather(self, draft.segment, &batch.addresses(), heard).await?;
        self.fill(&draft.id, form, heard).await?;
        if self.now() > draft.made_at + turn::PREPARED_WITHIN {
            // By now another release may take this draft for one that was left behind.
            return Err(Refusal::provider(Trouble::Throttled, "the campaign took too long to be made"));
        }
        Ok(())
    }

    /// Content and Mailchimp's own checklist.
    async fn fill(&self, id: &str, form: &MergeForm, heard: Heard<'_>) -> Result<(), Refusal> {
        let put = Request::put(&format!("/campaigns/{id}/content"), payload::content(form));
        let _: serde_json::Value = reply::read(self.call(put, heard).await, Blames::Message)?;
        let ask = Request::fetch(&format!("/campaigns/{id}/send-checklist"), Vec::new());
        let list: Checklist = reply::read(self.call(ask, heard).await, Blames::Account)?;
        if list.is_ready {
            return Ok(());
        }
        let faults = list.items.iter().filter(|item| item.r#type == "error");
        let faults: Vec<String> = faults.map(|item| format!("{}: {}", item.heading, item.details)).collect();
        let said = format!("Mailchimp's checklist refuses the campaign: {}", faults.join("; "));
        Err(Refusal::provider(Trouble::Sender, said))
    }

    /// Deletes a draft that was not sent; one that cannot be deleted stays, and harms nobody.
    async fn discard(&self, draft: &Draft) {
        let Draft { id, segment, .. } = draft;
        if let Err(refusal) = self.delete(id).await {
            tracing::warn!(campaign = id, reason = refusal.reply, "the draft could not be deleted");
        }
        self.disperse(*segment).await;
    }

    async fn disperse(&self, segment: u64) {
        if let Err(refusal) = audience::disperse(self, segment).await {
            tracing::warn!(segment, reason = refusal.reply, "the segment could not be deleted");
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Refusal> {
        let request = Request::delete(&format!("/campaigns/{id}"));
        reply::done(self.call(request, &|| ()).await, Blames::Account)
    }

    /// Waits until the campaign is sent: its answer to all of its recipients.
    async fn until_sent(
        &self,
        id: &str,
        expected: u64,
        taken: Result<(), String>,
        heard: Heard<'_>,
    ) -> Result<u64, Doubt> {
        let begun = Instant::now();
        let (mut asked, mut counted) = (0, None);
        loop {
            let status = report::status(self, id, heard).await;
            asked += 1;
            let seen = match (&taken, status) {
                // What is still being counted is no proof of anything: the same number twice, and for a
                // while where it lacks somebody.
                (_, Ok(Status::Sent(emails))) => {
                    let stood = counted.filter(|(count, _)| *count == emails).map(|(_, since)| since);
                    match stood {
                        Some(_) if emails >= expected => return Ok(emails),
                        Some(since) if Instant::elapsed(&since) >= self.config.settled_after => {
                            return Ok(emails);
                        }
                        Some(_) => {}
                        None => counted = Some((emails, Instant::now())),
                    }
                    "it is being counted".to_owned()
                }
                (_, Ok(Status::Sending)) => "it is being sent".to_owned(),
                // Without a yes it may be on its way still; it is not sent again to find out.
                (Err(lost), Ok(Status::Draft)) if asked >= ASKS => return Err(open(id, lost)),
                (_, Ok(Status::Draft)) => "it is a draft still".to_owned(),
                (Err(lost), Err(_)) if asked >= ASKS => return Err(open(id, lost)),
                (_, Err(detail)) => detail,
            };
            if begun.elapsed() >= self.config.sent_within {
                return Err(open(id, &seen));
            }
            tokio::time::sleep(self.config.poll).await;
        }
    }

    /// What became of each recipient of a campaign that was sent.
    async fn reconcile(&self, batch: Batch<'_>, id: &str, emails: u64, heard: Heard<'_>) -> Vec<Outcome> {
        match report::sent_to(self, id, emails, heard).await {
            Ok(sent_to) => batch.each(|parcel| outcome(&sent_to, parcel, id)),
            Err(detail) => batch.all(Outcome::Unknown(open(id, &detail))),
        }
    }

    /// Where an earlier campaign stands, asked for at most once in a few seconds whoever asks.
    async fn known(&self, id: &str, started_at: Timestamp) -> Result<Known, String> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some((at, found)) = known.get(id) {
            let is_final = match found {
                Known::NeverSent => true,
                Known::Sent(sent_to) => sent_to.complete,
                Known::Open => false,
            };
            if is_final || now < *at + FRESH {
                return Ok(found.clone());
            }
        }
        let found = self.find_out(id, started_at, now).await?;
        known.insert(id.to_owned(), (now, found.clone()));
        Ok(found)
    }

    async fn find_out(&self, id: &str, started_at: Timestamp, now: Timestamp) -> Result<Known, String> {
        match report::status(self, id, &|| ()).await? {
            Status::Sent(emails) => {
                let mut sent_to = report::sent_to(self, id, emails, &|| ()).await?;
                // What is still being counted is no proof of anything.
                sent_to.complete &= now >= started_at + OLD;
                Ok(Known::Sent(sent_to))
            }
            Status::Draft if now >= started_at + OLD => {
                self.delete(id).await.map_err(|refusal| refusal.reply)?;
                Ok(Known::NeverSent)
            }
            Status::Draft | Status::Sending => Ok(Known::Open),
        }
    }
}

#[async_trait]
impl Provider for CampaignProvider {
    fn name(&self) -> &ProviderName {
        &self.config.name
    }

    fn kind(&self) -> &'static str {
        "mailchimp-campaign"
    }

    fn capability(&self) -> Capability {
        Capability {
            max_size_bytes: None,
            inline_images: false,
            attachments: false,
            international_local_part: false,
            batch: MOST,
            idempotent_for: Some(ASKED_FOR),
            lanes: 1,
            sends: true,
        }
    }

    async fn attempt(&self, _lane: usize, parcels: &[Parcel], commit: &dyn Commit) -> Vec<Outcome> {
        let heard = || commit.heard();
        let mut batch = Batch::of(parcels);
        let Some(form) = batch.form.clone() else {
            return batch.all(Outcome::Refused(Refusal::message(payload::NotFit::NoForm.to_string())));
        };
        let draft = match self.draft(&mut batch, &form, &heard).await {
            Ok(Some(draft)) => draft,
            Ok(None) => return batch.all(Outcome::Refused(Refusal::message("nobody is left to mail"))),
            Err(refusal) => return batch.all(Outcome::Refused(refusal)),
        };
        // The id is durable before the one request that sends.
        let id = &draft.id;
        if let Err(denied) = commit.intent_under(Some(payload::digest(&form)), id).await {
            self.discard(&draft).await;
            return vec![Outcome::NotStarted(denied); parcels.len()];
        }
        let request = Request::post(&format!("/campaigns/{id}/actions/send"), Vec::new());
        let taken = match reply::sent(self.call(request, &heard).await) {
            Sent::Yes => Ok(()),
            Sent::Unclear(detail) => Err(detail),
            Sent::No(refusal) => {
                self.discard(&draft).await;
                return batch.all(Outcome::Refused(refusal));
            }
        };
        match self.until_sent(id, batch.members.len() as u64, taken, &heard).await {
            Ok(emails) => self.reconcile(batch, id, emails, &heard).await,
            Err(doubt) => batch.all(Outcome::Unknown(doubt)),
        }
    }

    async fn login(&self) -> Result<Login, Refusal> {
        account::login(self).await
    }

    async fn events(&self, since: Timestamp) -> EventList {
        super::after::events(self, since).await
    }

    async fn block_list(&self) -> BlockList {
        blocked::block_list(self).await
    }

    async fn block(&self, address: &EmailAddress, _comment: &str) -> Result<bool, Refusal> {
        blocked::block(self, address).await
    }

    async fn standing(&self, domain: &str) -> Standing {
        account::standing(self, domain).await
    }

    async fn look_up(&self, earlier: &EarlierAttempt) -> LookUp {
        let Some(id) = earlier.provider_id.as_deref().filter(|id| is_id(id)) else {
            return LookUp::CannotTell;
        };
        match self.known(id, earlier.started_at).await {
            Ok(Known::Sent(sent_to)) => match outcome(&sent_to, &earlier.parcel, id) {
                Outcome::Unknown(_) => LookUp::NotFound,
                outcome => LookUp::Found(outcome),
            },
            Ok(Known::NeverSent) => {
                let said = format!("the campaign {id} was never sent; its draft is deleted");
                LookUp::Found(Outcome::Refused(Refusal::provider(Trouble::Fault, said)))
            }
            Ok(Known::Open) => LookUp::NotFound,
            Err(detail) => LookUp::Failed(detail),
        }
    }
}

/// What the list of those who got a campaign says of one of its recipients.
fn outcome(sent_to: &SentTo, parcel: &Parcel, id: &str) -> Outcome {
    if sent_to.has(&parcel.message.to.address) {
        return Outcome::Accepted(Receipt::new(Some(id.to_owned()), format!("sent by campaign {id}")));
    }
    if sent_to.complete {
        // Proved not sent: another provider may reach it, or another campaign.
        return Outcome::Refused(Refusal::left_out(format!(
            "the campaign {id} was not sent to this address"
        )));
    }
    Outcome::Unknown(open(id, "the list of those who got it is not complete"))
}

fn no_id(id: &str) -> Refusal {
    Refusal::provider(Trouble::Fault, format!("the campaign has no usable id: {id}"))
}

fn open(id: &str, detail: &str) -> Doubt {
    Doubt::new(DoubtCause::Unclear, format!("campaign {id}: {detail}"))
}

/// What may stand in a path.
pub(super) fn is_id(id: &str) -> bool {
    (1..=40).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
