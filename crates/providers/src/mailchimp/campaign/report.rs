//! Where a campaign stands, and who really got it.

use std::collections::BTreeSet;

use depeche_core::address::EmailAddress;
use serde::Deserialize;

use super::audience::Heard;
use super::provider::CampaignProvider;
use super::reply::{self, Blames};
use crate::http::Request;
use crate::mailchimp::member::subscriber_hash;

/// Rows a page.
const PAGE: usize = 1_000;

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Never sent so far.
    Draft,
    /// On its way, or something that leads there.
    Sending,
    /// Sent, to so many as Mailchimp counts them.
    Sent(u64),
}

/// Whom a campaign was sent to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SentTo {
    hashes: BTreeSet<String>,
    /// The list has as many as Mailchimp says that it sent: who is not there did not get it.
    pub(super) complete: bool,
}

#[derive(Deserialize)]
struct Campaign {
    status: String,
    #[serde(default)]
    emails_sent: u64,
}

#[derive(Deserialize)]
struct Page {
    sent_to: Vec<Row>,
    #[serde(default)]
    total_items: u64,
}

#[derive(Deserialize)]
struct Row {
    email_id: String,
}

/// Asks where the campaign `id` stands.
///
/// # Errors
///
/// Why that is not known, in one line.
pub(super) async fn status(
    provider: &CampaignProvider,
    id: &str,
    heard: Heard<'_>,
) -> Result<Status, String> {
    let query = vec![("fields", "id,status,emails_sent".to_owned())];
    let answer = provider.call(Request::fetch(&format!("/campaigns/{id}"), query), heard).await;
    let campaign: Campaign = reply::read(answer, Blames::Account).map_err(|refusal| refusal.reply)?;
    match campaign.status.as_str() {
        "save" => Ok(Status::Draft),
        "sending" | "schedule" | "paused" => Ok(Status::Sending),
        "sent" => Ok(Status::Sent(campaign.emails_sent)),
        other => Err(format!("the campaign {id} is `{other}`")),
    }
}

/// Reads whom the campaign `id` was sent to, page by page.
///
/// # Errors
///
/// Why the list cannot be read, in one line.
pub(super) async fn sent_to(
    provider: &CampaignProvider,
    id: &str,
    emails_sent: u64,
    heard: Heard<'_>,
) -> Result<SentTo, String> {
    let mut found = SentTo::default();
    let mut offset = 0;
    loop {
        let query = vec![
            ("count", PAGE.to_string()),
            ("offset", offset.to_string()),
            ("fields", "sent_to.email_id,total_items".to_owned()),
        ];
        let answer = provider.call(Request::fetch(&format!("/reports/{id}/sent-to"), query), heard).await;
        let page: Page = reply::read(answer, Blames::Account).map_err(|refusal| refusal.reply)?;
        let rows = page.sent_to.len();
        found.hashes.extend(page.sent_to.into_iter().map(|row| row.email_id.to_lowercase()));
        offset += rows;
        if rows < PAGE || offset as u64 >= page.total_items {
            let listed = found.hashes.len() as u64;
            found.complete = emails_sent > 0 && listed >= page.total_items && listed >= emails_sent;
            return Ok(found);
        }
    }
}

impl SentTo {
    /// Whether `address` is on the list.
    pub(super) fn has(&self, address: &EmailAddress) -> bool {
        self.hashes.contains(&subscriber_hash(address))
    }
}
