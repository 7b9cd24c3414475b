//! Recipients as members of the audience, and of a static segment of their own.
//!
//! Those who are new are added 500 a call; those who are there already are never touched by that call
//! (`update_existing` is off), but each by the hash of its address and without a status: whoever opted
//! out stays so. What Mailchimp says of a member is kept for that member alone.

use std::collections::{BTreeMap, BTreeSet};

use depeche_core::address::EmailAddress;
use depeche_core::outcome::Refusal;
use depeche_core::release::merge_tag;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::payload::{self, MEMBERS, Member};
use super::provider::CampaignProvider;
use super::reply::{self, Blames, member_refused, not_subscribed};
use crate::http::Request;
use crate::mailchimp::member::subscriber_hash;

/// Calls at a time: Mailchimp allows ten connections.
const AT_A_TIME: usize = 8;
/// Fields of an audience at the most, and more.
const FIELDS: usize = 1_000;

pub(super) type Heard<'h> = &'h (dyn Fn() + Send + Sync);

#[derive(Deserialize)]
struct Fields {
    merge_fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    tag: String,
}

#[derive(Deserialize)]
struct Added {
    new_members: Vec<Known>,
    errors: Vec<NotAdded>,
}

#[derive(Deserialize)]
struct Known {
    email_address: String,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
struct NotAdded {
    email_address: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_code: String,
}

#[derive(Deserialize)]
struct Made {
    id: u64,
}

/// Makes sure that the audience has the fields behind the first `count` tags.
///
/// # Errors
///
/// Why it has not.
pub(super) async fn fields(
    provider: &CampaignProvider,
    count: usize,
    heard: Heard<'_>,
) -> Result<(), Refusal> {
    let path = format!("/lists/{}/merge-fields", provider.config().audience);
    let query = vec![("count", FIELDS.to_string()), ("fields", "merge_fields.tag".to_owned())];
    let known: Fields =
        reply::read(provider.call(Request::fetch(&path, query), heard).await, Blames::Account)?;
    let known: BTreeSet<String> = known.merge_fields.into_iter().map(|field| field.tag).collect();
    for tag in (0..count).map(merge_tag).filter(|tag| !known.contains(tag)) {
        let request = Request::post(&path, payload::merge_field(&tag));
        let _: Field = reply::read(provider.call(request, heard).await, Blames::Account)?;
    }
    Ok(())
}

/// Makes members of the audience; for each, whether a campaign reaches it.
///
/// # Errors
///
/// A refusal of the account, which leaves everybody as before: nothing was sent.
pub(super) async fn join(
    provider: &CampaignProvider,
    members: &[Member],
    heard: Heard<'_>,
) -> Result<Vec<Result<(), Refusal>>, Refusal> {
    let mut joined: Vec<Option<Result<(), Refusal>>> = vec![None; members.len()];
    for (chunk, joined) in members.chunks(MEMBERS).zip(joined.chunks_mut(MEMBERS)) {
        let added = add(provider, chunk, heard).await?;
        for (member, joined) in chunk.iter().zip(joined) {
            *joined = added.get(&member.email_address.to_lowercase()).cloned();
        }
    }
    let known = joined.iter().enumerate().filter(|(_, joined)| joined.is_none()).map(|(at, _)| at);
    let known: Vec<usize> = known.collect();
    let updates =
        known.into_iter().map(|at| async move { (at, update(provider, &members[at], heard).await) });
    let updated: Vec<_> = futures_util::stream::iter(updates).buffer_unordered(AT_A_TIME).collect().await;
    for (at, updated) in updated {
        joined[at] = Some(updated?);
    }
    // Every place is filled: a member is added, refused, or updated.
    Ok(joined.into_iter().flatten().collect())
}

/// Who was added or refused, by address in lower case; who is not named is there already.
async fn add(
    provider: &CampaignProvider,
    members: &[Member],
    heard: Heard<'_>,
) -> Result<BTreeMap<String, Result<(), Refusal>>, Refusal> {
    let path = format!("/lists/{}", provider.config().audience);
    let members: Vec<&Member> = members.iter().collect();
    let request =
        Request::post(&path, payload::new_members(&members)).with_query("skip_merge_validation", "true");
    let added: Added = reply::read(provider.call(request, heard).await, Blames::Account)?;
    let mut told = BTreeMap::new();
    for member in added.new_members {
        told.insert(member.email_address.to_lowercase(), reached(&member));
    }
    for member in added.errors.into_iter().filter(|member| member.error_code != "ERROR_CONTACT_EXISTS") {
        told.insert(member.email_address.to_lowercase(), Err(member_refused(&member.error)));
    }
    Ok(told)
}

/// Fills in the fields of one who is there already, and learns its status.
async fn update(
    provider: &CampaignProvider,
    member: &Member,
    heard: Heard<'_>,
) -> Result<Result<(), Refusal>, Refusal> {
    let Ok(address) = EmailAddress::parse(&member.email_address) else {
        return Ok(Err(Refusal::message("the address cannot be a member of an audience")));
    };
    let path = format!("/lists/{}/members/{}", provider.config().audience, subscriber_hash(&address));
    let request =
        Request::put(&path, payload::known_member(member)).with_query("skip_merge_validation", "true");
    let answer = provider.call(request, heard).await;
    if let Ok(answer) = &answer
        && answer.status == 400
        && let Some(said) = reply::problem_of(answer)
    {
        return Ok(Err(member_refused(&said)));
    }
    let known: Known = reply::read(answer, Blames::Account)?;
    Ok(reached(&known))
}

/// Whether a campaign reaches a member in this status.
fn reached(member: &Known) -> Result<(), Refusal> {
    match member.status.as_str() {
        "subscribed" => Ok(()),
        status => Err(not_subscribed(status)),
    }
}

/// A static segment without members; its id.
///
/// # Errors
///
/// Why there is none.
pub(super) async fn segment(
    provider: &CampaignProvider,
    name: &str,
    heard: Heard<'_>,
) -> Result<u64, Refusal> {
    let request = Request::post(&segments(provider), payload::segment(name));
    let made: Made = reply::read(provider.call(request, heard).await, Blames::Account)?;
    Ok(made.id)
}

/// Puts these addresses, all of them members of the audience, into the segment.
///
/// # Errors
///
/// Why they are not in it.
pub(super) async fn gather(
    provider: &CampaignProvider,
    segment: u64,
    addresses: &[String],
    heard: Heard<'_>,
) -> Result<(), Refusal> {
    for some in addresses.chunks(MEMBERS) {
        let request =
            Request::post(&format!("{}/{segment}", segments(provider)), payload::more_members(some));
        let _: serde_json::Value = reply::read(provider.call(request, heard).await, Blames::Account)?;
    }
    Ok(())
}

/// Deletes a segment that nobody needs.
///
/// # Errors
///
/// Why it is there still.
pub(super) async fn disperse(provider: &CampaignProvider, segment: u64) -> Result<(), Refusal> {
    let request = Request::delete(&format!("{}/{segment}", segments(provider)));
    reply::done(provider.call(request, &|| ()).await, Blames::Account)
}

fn segments(provider: &CampaignProvider) -> String {
    format!("/lists/{}/segments", provider.config().audience)
}
