//! One release at a time in an audience.
//!
//! Merge tags are the audience's and not the campaign's: a second release would put its words in place of
//! the first one's for as long as that is not sent. The lock stands at Mailchimp, so that it holds between
//! runs, journals and machines: whoever has made its draft asks which other releases of ours stand open in
//! the audience, before it changes a member, and gives way to any. Of two that begin at once each finds the
//! other's draft; both may give way, never neither.
//!
//! Drafts of the same release are in nobody's way: a recipient gets a release from one run alone, so their
//! members differ. That is also why a draft that a dead process left behind never stops its own run.
//!
//! # Not covered
//!
//! Fields that a person, or another program, changes. That a campaign which was made is in the list at once
//! is our deduction: Mailchimp's description does not say.

use depeche_core::outcome::{Refusal, Trouble};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::audience::Heard;
use super::provider::CampaignProvider;
use super::reply::{self, Blames};
use crate::http::Request;

/// A draft that is not sent within this time is given up by who made it.
pub(super) const PREPARED_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// So a draft of this age is nobody's any more. What is between the two is room for clocks that differ.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_mins(30);
/// Campaigns made before are asked about no more: sending takes minutes.
const WATCHED: SignedDuration = SignedDuration::from_hours(24);
/// Who gives way asks again after this.
const GIVES_WAY: std::time::Duration = std::time::Duration::from_secs(60);
/// The most campaigns that Mailchimp lists at once; the newest are asked for.
const CAMPAIGNS: &str = "1000";
/// How the titles of our campaigns, and the names of their segments, begin.
const OURS: &str = "depeche ";

#[derive(Deserialize)]
struct Campaigns {
    campaigns: Vec<Campaign>,
}

#[derive(Deserialize)]
struct Campaign {
    id: String,
    status: String,
    #[serde(default)]
    create_time: String,
    #[serde(default)]
    settings: Settings,
}

#[derive(Deserialize, Default)]
struct Settings {
    #[serde(default)]
    title: String,
}

/// The title of a campaign: which release it is (by the digest of what it says), and which attempt.
pub(super) fn title(release: &[u8; 32], attempt: Uuid) -> String {
    format!("{}{attempt}", of_release(release))
}

/// Whether a campaign of this title is one of ours.
pub(super) fn is_ours(title: &str) -> bool {
    title.starts_with(OURS)
}

/// Whether the draft `id` of a release may go on, now that it is made.
///
/// # Errors
///
/// The refusal that lets it wait: another release is open. Or why that cannot be known.
pub(super) async fn take(
    provider: &CampaignProvider,
    id: &str,
    release: &[u8; 32],
    heard: Heard<'_>,
) -> Result<(), Refusal> {
    let now = provider.now();
    let since = now.checked_sub(WATCHED).unwrap_or(Timestamp::MIN);
    let query = vec![
        ("list_id", provider.config().audience.clone()),
        ("since_create_time", since.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()),
        ("sort_field", "create_time".to_owned()),
        ("sort_dir", "DESC".to_owned()),
        ("count", CAMPAIGNS.to_owned()),
        ("fields", "campaigns.id,campaigns.status,campaigns.create_time,campaigns.settings.title".to_owned()),
    ];
    let answer = provider.call(Request::fetch("/campaigns", query), heard).await;
    let Campaigns { campaigns } = reply::read(answer, Blames::Account)?;
    let own = of_release(release);
    let is_other = |one: &&Campaign| {
        one.id != id && is_ours(&one.settings.title) && !one.settings.title.starts_with(&own)
    };
    match campaigns.iter().filter(is_other).find(|one| is_open(one, now)) {
        Some(other) => {
            let said = format!("another release is on its way to this audience: campaign {}", other.id);
            Err(Refusal::provider(Trouble::Throttled, said).with_retry_after(Some(GIVES_WAY)))
        }
        None => Ok(()),
    }
}

/// Whether a campaign still needs the values of its tags.
fn is_open(campaign: &Campaign, now: Timestamp) -> bool {
    match campaign.status.as_str() {
        "save" => {
            let made: Option<Timestamp> = campaign.create_time.parse().ok();
            made.is_none_or(|made| now < made + LEFT_BEHIND)
        }
        "schedule" | "sending" | "paused" => true,
        _ => false,
    }
}

fn of_release(release: &[u8; 32]) -> String {
    let mark: String = release.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    format!("{OURS}{mark} ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaign(status: &str, create_time: &str) -> Campaign {
        Campaign {
            id: "c1".to_owned(),
            status: status.to_owned(),
            create_time: create_time.to_owned(),
            settings: Settings::default(),
        }
    }

    #[test]
    fn a_draft_is_in_the_way_for_half_an_hour_and_what_is_being_sent_for_as_long_as_it_takes() {
        let now: Timestamp = "2026-12-03T08:30:00Z".parse().unwrap();
        let open = |status, made| is_open(&campaign(status, made), now);

        assert!(open("save", "2026-12-03T08:00:01+00:00"));
        assert!(!open("save", "2026-12-03T08:00:00+00:00"));
        assert!(open("save", ""), "a draft of unknown age may be somebody's");
        for status in ["schedule", "sending", "paused"] {
            assert!(open(status, "2026-12-02T09:00:00+00:00"), "{status}");
        }
        for status in ["sent", "canceled", "canceling", "archived"] {
            assert!(!open(status, "2026-12-03T08:29:00+00:00"), "{status}");
        }
    }

    #[test]
    fn a_title_names_release_and_attempt() {
        let title = title(&[0xab; 32], Uuid::nil());

        assert_eq!(title, "depeche abababababababab 00000000-0000-0000-0000-000000000000");
        assert!(is_ours(&title) && !is_ours("Newsletter"));
    }
}
