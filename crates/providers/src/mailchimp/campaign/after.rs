//! What Mailchimp Marketing tells after a campaign: who bounced, who opted out, who complained.
//!
//! Asked are the campaigns of the audience that bear our name (`depeche ATTEMPT`) and went out up to 30
//! days before the moment in question: people opt out of a campaign long after it. `sent-to` says `sent`,
//! `hard` or `soft` of each member, without a time and without the receiver's words, so a hard bounce is
//! told as one and never as a bad address (PROVIDERS.md, section 5: receivers' codes mislead). Paths and
//! fields: the Marketing API's description, `/campaigns`, `/reports/{id}/sent-to`, `…/unsubscribed`,
//! `…/abuse-reports`.

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::outcome::{Refusal, one_line};
use depeche_core::provider::EventList;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::provider::{CampaignProvider, is_id};
use super::reply::{self, Blames};
use super::turn;
use crate::http::Request;

/// Rows a page: the most that Mailchimp gives.
const PAGE: usize = 1_000;
/// Pages of one list at the most: a campaign has 5000 recipients.
const PAGES: usize = 10;
/// How long after it went out a campaign is asked about.
const WATCHED: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) async fn events(provider: &CampaignProvider, since: Timestamp) -> EventList {
    let begin = since.checked_sub(WATCHED).unwrap_or(Timestamp::MIN);
    match told(provider, begin).await {
        Ok((events, complete)) => EventList::Listed { events, complete },
        Err(refusal) => EventList::Failed(refusal.reply),
    }
}

async fn told(provider: &CampaignProvider, begin: Timestamp) -> Result<(Vec<ProviderEvent>, bool), Refusal> {
    let query = [
        ("list_id", provider.config().audience.clone()),
        ("status", "sent".to_owned()),
        ("since_send_time", begin.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()),
        ("fields", "campaigns.id,campaigns.settings.title,total_items".to_owned()),
    ];
    let (campaigns, mut complete) = rows(provider, "/campaigns", "campaigns", &query, Some(PAGES)).await?;
    let mut events = Vec::new();
    for campaign in campaigns.iter().filter(|campaign| is_ours(campaign)) {
        let Some(id) = campaign["id"].as_str().filter(|id| is_id(id)) else { continue };
        for report in REPORTS {
            let path = format!("/reports/{id}/{}", report.path);
            let fields = [("fields", report.fields.to_owned())];
            let (found, all) =
                rows(provider, &path, report.list, &fields, report.has_pages.then_some(PAGES)).await?;
            complete &= all;
            events.extend(found.iter().filter_map(|row| event(id, &report, row)));
        }
    }
    Ok((events, complete))
}

/// A list of a campaign's report.
struct Report {
    path: &'static str,
    list: &'static str,
    fields: &'static str,
    /// Whether the description knows `count` and `offset` there.
    has_pages: bool,
    kind: fn(&Value) -> Option<EventKind>,
    at: &'static str,
}

const REPORTS: [Report; 3] = [
    Report {
        path: "sent-to",
        list: "sent_to",
        fields: "sent_to.email_address,sent_to.status,total_items",
        has_pages: true,
        kind: |row| match row["status"].as_str()? {
            "sent" => Some(EventKind::Accepted),
            "hard" => Some(EventKind::BouncedHard),
            "soft" => Some(EventKind::BouncedSoft),
            _ => None,
        },
        at: "",
    },
    Report {
        path: "unsubscribed",
        list: "unsubscribes",
        fields: "unsubscribes.email_address,unsubscribes.timestamp,unsubscribes.reason,total_items",
        has_pages: true,
        kind: |_| Some(EventKind::Unsubscribed),
        at: "timestamp",
    },
    Report {
        path: "abuse-reports",
        list: "abuse_reports",
        fields: "abuse_reports.email_address,abuse_reports.date,total_items",
        has_pages: false,
        kind: |_| Some(EventKind::Complained),
        at: "date",
    },
];

/// All rows of a list, page by page (so many pages at the most), or at once where it has no pages; false
/// when there are more than could be read.
pub(super) async fn rows(
    provider: &CampaignProvider,
    path: &str,
    list: &str,
    query: &[(&'static str, String)],
    pages: Option<usize>,
) -> Result<(Vec<Value>, bool), Refusal> {
    let mut found: Vec<Value> = Vec::new();
    for _ in 0..pages.unwrap_or(1) {
        let mut query = query.to_vec();
        if pages.is_some() {
            query.extend([("count", PAGE.to_string()), ("offset", found.len().to_string())]);
        }
        let answer = provider.call(Request::fetch(path, query), &|| ()).await;
        let mut page: Value = reply::read(answer, Blames::Account)?;
        let Value::Array(rows) = page[list].take() else { return Ok((found, false)) };
        let all = page["total_items"].as_u64().unwrap_or(rows.len() as u64);
        let is_last = rows.len() < PAGE || pages.is_none();
        found.extend(rows);
        if is_last || found.len() as u64 >= all {
            return Ok((found.clone(), found.len() as u64 >= all));
        }
    }
    Ok((found, false))
}

fn is_ours(campaign: &Value) -> bool {
    campaign["settings"]["title"].as_str().is_some_and(turn::is_ours)
}

fn event(campaign: &str, report: &Report, row: &Value) -> Option<ProviderEvent> {
    let kind = (report.kind)(row)?;
    Some(ProviderEvent {
        at: row[report.at].as_str().and_then(|at| at.parse().ok()),
        provider_id: Some(campaign.to_owned()),
        reason: row["reason"].as_str().filter(|reason| !reason.is_empty()).map(one_line),
        ..ProviderEvent::new(kind, &one_line(row["email_address"].as_str()?))
    })
}
