//! One attempt through Mailchimp Marketing: the audience, the draft, the intent, one send, the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use depeche_core::clock::Clock;
use depeche_core::outcome::{Doubt, DoubtCause, Outcome, Receipt, Refusal, Trouble};
use depeche_core::provider::{
    Capability, Commit, EarlierAttempt, EventList, Login, LookUp, Parcel, Provider, ProviderName,
};
use depeche_core::release::MergeForm;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::account;
use super::audience::{self, Heard};
use super::config::CampaignConfig;
use super::payload::{self, Member};
use super::reply::{self, Blames, Sent};
use super::report::{self, SentTo, Status};
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

/// The recipients of one campaign, and what is known of each.
struct Batch<'p> {
    parcels: &'p [Parcel],
    form: Option<Arc<MergeForm>>,
    /// Who goes along, by place among the parcels.
    members: Vec<(usize, Member)>,
    outcomes: Vec<Option<Outcome>>,
}

#[derive(Deserialize)]
struct Draft {
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

/// Recipients of one campaign at the most: its members are made 500 a call, its intents in one commit.
const MOST: usize = 5_000;
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

    pub(super) async fn call(&self, request: Request, heard: Heard<'_>) -> Result<Answer, Failure> {
        self.client.call(request, heard).await
    }

    /// Everything up to the moment before the send: members, segment, draft, content, checklist. The id
    /// of the draft; `None` when nobody of the batch can be reached.
    async fn draft(
        &self,
        batch: &mut Batch<'_>,
        form: &MergeForm,
        heard: Heard<'_>,
    ) -> Result<Option<String>, Refusal> {
        audience::fields(self, form.expressions.len(), heard).await?;
        let members: Vec<Member> = batch.members.iter().map(|(_, member)| member.clone()).collect();
        batch.keep(audience::join(self, &members, heard).await?);
        let (Some((first, _)), addresses) = (batch.members.first(), batch.addresses()) else {
            return Ok(None);
        };
        let first = &batch.parcels[*first];
        let title = format!("depeche {}", first.attempt);
        let segment = audience::segment(self, &title, &addresses, heard).await?;
        let body = payload::campaign(&self.config.audience, segment, &title, &first.message, form);
        let draft: Draft =
            reply::read(self.call(Request::post("/campaigns", body), heard).await, Blames::Message)?;
        if !is_id(&draft.id) {
            return Err(Refusal::provider(
                Trouble::Fault,
                format!("the campaign has no usable id: {}", draft.id),
            ));
        }
        match self.fill(&draft.id, form, heard).await {
            Ok(()) => Ok(Some(draft.id)),
            Err(refusal) => {
                self.discard(&draft.id).await;
                Err(refusal)
            }
        }
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
    async fn discard(&self, id: &str) {
        let deleted = self.delete(id).await;
        if let Err(refusal) = deleted {
            tracing::warn!(campaign = id, reason = refusal.reply, "the draft could not be deleted");
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Refusal> {
        let request = Request::delete(&format!("/campaigns/{id}"));
        reply::done(self.call(request, &|| ()).await, Blames::Account)
    }

    /// Waits until the campaign is sent: its answer to all of its recipients.
    async fn until_sent(&self, id: &str, taken: Result<(), String>, heard: Heard<'_>) -> Result<u64, Doubt> {
        let begun = Instant::now();
        let (mut asked, mut counted) = (0, None);
        loop {
            let status = report::status(self, id, heard).await;
            asked += 1;
            let seen = match (&taken, status) {
                // Twice the same number: what is still being counted is no proof of anything.
                (_, Ok(Status::Sent(emails))) if counted == Some(emails) => return Ok(emails),
                (_, Ok(Status::Sent(emails))) => {
                    counted = Some(emails);
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
        let id = match self.draft(&mut batch, &form, &heard).await {
            Ok(Some(id)) => id,
            Ok(None) => return batch.all(Outcome::Refused(Refusal::message("nobody is left to mail"))),
            Err(refusal) => return batch.all(Outcome::Refused(refusal)),
        };
        // The id is durable before the one request that sends.
        if let Err(denied) = commit.intent_under(Some(payload::digest(&form)), &id).await {
            self.discard(&id).await;
            return vec![Outcome::NotStarted(denied); parcels.len()];
        }
        let request = Request::post(&format!("/campaigns/{id}/actions/send"), Vec::new());
        let taken = match reply::sent(self.call(request, &heard).await) {
            Sent::Yes => Ok(()),
            Sent::Unclear(detail) => Err(detail),
            Sent::No(refusal) => {
                self.discard(&id).await;
                return batch.all(Outcome::Refused(refusal));
            }
        };
        match self.until_sent(&id, taken, &heard).await {
            Ok(emails) => self.reconcile(batch, &id, emails, &heard).await,
            Err(doubt) => batch.all(Outcome::Unknown(doubt)),
        }
    }

    async fn login(&self) -> Result<Login, Refusal> {
        account::login(self).await
    }

    async fn events(&self, since: Timestamp) -> EventList {
        super::after::events(self, since).await
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

impl<'p> Batch<'p> {
    /// Those who fit; the others are refused each with its own reason.
    fn of(parcels: &'p [Parcel]) -> Self {
        let form = parcels.iter().find_map(|parcel| parcel.message.merge.as_ref());
        let form = form.map(|merge| Arc::clone(&merge.form));
        let mut batch =
            Self { parcels, form: form.clone(), members: Vec::new(), outcomes: vec![None; parcels.len()] };
        let Some(form) = form else { return batch };
        for (place, parcel) in parcels.iter().enumerate() {
            match payload::member(&parcel.message, &form) {
                Ok(member) => batch.members.push((place, member)),
                Err(not_fit) => batch.refuse(place, Refusal::message(not_fit.to_string())),
            }
        }
        batch
    }

    fn refuse(&mut self, place: usize, refusal: Refusal) {
        self.outcomes[place] = Some(Outcome::Refused(refusal));
    }

    /// Keeps those whom a campaign reaches.
    fn keep(&mut self, joined: Vec<Result<(), Refusal>>) {
        let members = std::mem::take(&mut self.members);
        for ((place, member), joined) in members.into_iter().zip(joined) {
            match joined {
                Ok(()) => self.members.push((place, member)),
                Err(refusal) => self.refuse(place, refusal),
            }
        }
    }

    fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|(_, member)| member.email_address.clone()).collect()
    }

    /// The same outcome for all who have none yet.
    fn all(self, outcome: Outcome) -> Vec<Outcome> {
        self.each(|_| outcome.clone())
    }

    fn each(self, outcome: impl Fn(&Parcel) -> Outcome) -> Vec<Outcome> {
        let both = self.outcomes.into_iter().zip(self.parcels);
        both.map(|(known, parcel)| known.unwrap_or_else(|| outcome(parcel))).collect()
    }
}

/// What the list of those who got a campaign says of one of its recipients.
fn outcome(sent_to: &SentTo, parcel: &Parcel, id: &str) -> Outcome {
    if sent_to.has(&parcel.message.to.address) {
        return Outcome::Accepted(Receipt::new(Some(id.to_owned()), format!("sent by campaign {id}")));
    }
    if sent_to.complete {
        // Proved not sent: another provider may reach it.
        return Outcome::Refused(Refusal::message(format!("the campaign {id} was not sent to this address")));
    }
    Outcome::Unknown(open(id, "the list of those who got it is not complete"))
}

fn open(id: &str, detail: &str) -> Doubt {
    Doubt::new(DoubtCause::Unclear, format!("campaign {id}: {detail}"))
}

/// What may stand in a path.
pub(super) fn is_id(id: &str) -> bool {
    (1..=40).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
