//! The audience as a block list: who opted out there, and telling it of whoever opted out here.
//!
//! `unsubscribed` members opted out, or were taken out by a person. `cleaned` ones bounced, once for good or
//! several times; that their address is bad is not said, so they are told as blocked and suppress nobody.
//! Whoever is put on the list is a member from then on, an unsubscribed one: no campaign of any tool reaches
//! it, and Mailchimp counts it in its prices. Paths and fields: the Marketing API's description,
//! `/lists/{list_id}/members`.

use depeche_core::address::EmailAddress;
use depeche_core::event::EventKind;
use depeche_core::outcome::{Refusal, one_line};
use depeche_core::provider::{BlockList, Blocked};
use serde_json::Value;

use super::after::rows;
use super::payload;
use super::provider::CampaignProvider;
use super::reply::{self, Blames};
use crate::http::Request;
use crate::mailchimp::member::subscriber_hash;

/// Pages of one status at the most, 1000 members each.
const PAGES: usize = 200;
const STATUSES: [(&str, EventKind); 2] =
    [("unsubscribed", EventKind::Unsubscribed), ("cleaned", EventKind::Blocked)];

pub(super) async fn block_list(provider: &CampaignProvider) -> BlockList {
    let path = format!("/lists/{}/members", provider.config().audience);
    let (mut entries, mut complete) = (Vec::new(), true);
    for (status, kind) in STATUSES {
        let query = [
            ("status", status.to_owned()),
            ("fields", "members.email_address,members.unsubscribe_reason,total_items".to_owned()),
        ];
        match rows(provider, &path, "members", &query, Some(PAGES)).await {
            Ok((members, all)) => {
                entries.extend(members.iter().filter_map(|member| entry(member, status, kind)));
                complete &= all;
            }
            Err(refusal) => return BlockList::Failed(refusal.reply),
        }
    }
    BlockList::Listed { entries, complete }
}

fn entry(member: &Value, status: &str, kind: EventKind) -> Option<Blocked> {
    let address = one_line(member["email_address"].as_str()?);
    let reason = member["unsubscribe_reason"].as_str().unwrap_or_default();
    Some(Blocked { address, kind, reason: one_line(&format!("{status} {reason}")).trim().to_owned() })
}

/// Makes the address an unsubscribed member.
///
/// # Errors
///
/// Why it is not one.
pub(super) async fn block(provider: &CampaignProvider, address: &EmailAddress) -> Result<bool, Refusal> {
    let path = format!("/lists/{}/members/{}", provider.config().audience, subscriber_hash(address));
    let request = Request::put(&path, payload::opted_out(&address.to_string()))
        .with_query("skip_merge_validation", "true");
    let _: Value = reply::read(provider.call(request, &|| ()).await, Blames::Account)?;
    Ok(true)
}
