//! The request bodies of a campaign.
//!
//! Pure functions of the messages. Fields and limits: PROVIDERS.md, section 2, and Mailchimp's own
//! description of its Marketing API 3.0.55.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use depeche_core::message::Message;
use depeche_core::release::{MergeForm, merge_tag};
use serde::Serialize;

/// Why a message cannot be part of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFit {
    /// The renderer gave no tags.
    #[error("the message has no merge tags")]
    NoForm,
    /// A campaign has one text for all.
    #[error("the messages of one campaign differ in more than their tags")]
    Uneven,
    /// A campaign has no files.
    #[error("a campaign carries no attachments; link to them")]
    Attachments,
    /// Mailchimp's text fields hold 255 octets.
    #[error("the value of {0} is longer than 255 octets")]
    TooLong(String),
    /// What one recipient's field holds would be taken for a tag.
    #[error("the value of {0} holds `*|`, which begins a merge tag")]
    Marker(String),
}

/// The most members in one call (Mailchimp's own bound).
pub(super) const MEMBERS: usize = 500;
/// The most octets of a text field.
const MOST_OCTETS: usize = 255;

/// A member to be added.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Member {
    pub(super) email_address: String,
    email_type: &'static str,
    status: &'static str,
    merge_fields: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct NewMembers<'a> {
    members: &'a [&'a Member],
    sync_tags: bool,
    /// Never: it would change the status of somebody who opted out.
    update_existing: bool,
}

#[derive(Serialize)]
struct KnownMember<'a> {
    email_address: &'a str,
    /// Without `status`: an opt-out stays one.
    status_if_new: &'static str,
    merge_fields: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct OptedOut<'a> {
    email_address: &'a str,
    status_if_new: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
struct MergeField<'a> {
    tag: &'a str,
    name: String,
    r#type: &'static str,
    required: bool,
    public: bool,
}

#[derive(Serialize)]
struct Segment<'a> {
    name: &'a str,
    static_segment: [&'a str; 0],
}

#[derive(Serialize)]
struct MoreMembers<'a> {
    members_to_add: &'a [String],
}

#[derive(Serialize)]
struct Campaign<'a> {
    r#type: &'static str,
    recipients: Recipients<'a>,
    settings: Settings<'a>,
    tracking: Tracking,
}

#[derive(Serialize)]
struct Recipients<'a> {
    list_id: &'a str,
    segment_opts: SegmentOptions,
}

#[derive(Serialize)]
struct SegmentOptions {
    saved_segment_id: u64,
}

#[derive(Serialize)]
struct Settings<'a> {
    subject_line: &'a str,
    title: &'a str,
    from_name: String,
    reply_to: String,
    // Everything by which Mailchimp would change the release is off.
    auto_footer: bool,
    inline_css: bool,
    authenticate: bool,
    auto_tweet: bool,
    fb_comments: bool,
}

#[derive(Serialize)]
struct Tracking {
    opens: bool,
    html_clicks: bool,
    text_clicks: bool,
    goal_tracking: bool,
    ecomm360: bool,
}

#[derive(Serialize)]
struct Content<'a> {
    html: &'a str,
    plain_text: &'a str,
}

/// The member that `message` makes.
///
/// # Errors
///
/// [`NotFit`] when a campaign cannot say it.
pub(super) fn member(message: &Message, form: &MergeForm) -> Result<Member, NotFit> {
    let merge = message.merge.as_ref().ok_or(NotFit::NoForm)?;
    if *merge.form != *form || merge.values.len() != form.expressions.len() {
        return Err(NotFit::Uneven);
    }
    if !message.attachments.is_empty() {
        return Err(NotFit::Attachments);
    }
    for (value, expression) in merge.values.iter().zip(&form.expressions) {
        if value.len() > MOST_OCTETS {
            return Err(NotFit::TooLong(expression.clone()));
        }
        if value.contains("*|") || value.contains("|*") {
            return Err(NotFit::Marker(expression.clone()));
        }
    }
    let tags = (0..).map(merge_tag);
    Ok(Member {
        email_address: message.to.address.to_string(),
        email_type: "html",
        status: "subscribed",
        merge_fields: tags.zip(merge.values.iter().cloned()).collect(),
    })
}

/// `POST /lists/{id}`: those who are not in the audience yet.
pub(super) fn new_members(members: &[&Member]) -> Vec<u8> {
    to_json(&NewMembers { members, sync_tags: false, update_existing: false })
}

/// `PUT /lists/{id}/members/{hash}`: one who is.
pub(super) fn known_member(member: &Member) -> Vec<u8> {
    to_json(&KnownMember {
        email_address: &member.email_address,
        status_if_new: member.status,
        merge_fields: &member.merge_fields,
    })
}

/// `PUT /lists/{id}/members/{hash}`: one who wants no mail, member or not.
pub(super) fn opted_out(address: &str) -> Vec<u8> {
    let status = "unsubscribed";
    to_json(&OptedOut { email_address: address, status_if_new: status, status })
}

/// `POST /lists/{id}/merge-fields`.
pub(super) fn merge_field(tag: &str) -> Vec<u8> {
    let name = format!("depeche {}", tag.trim_start_matches("DEPECHE"));
    to_json(&MergeField { tag, name, r#type: "text", required: false, public: false })
}

/// `POST /lists/{id}/segments`: one without members. An empty list says that it is a static one.
pub(super) fn segment(name: &str) -> Vec<u8> {
    to_json(&Segment { name, static_segment: [] })
}

/// `POST /lists/{id}/segments/{id}`: its members, [`MEMBERS`] at the most.
pub(super) fn more_members(addresses: &[String]) -> Vec<u8> {
    to_json(&MoreMembers { members_to_add: addresses })
}

/// `POST /campaigns`.
pub(super) fn campaign(
    audience: &str,
    segment: u64,
    title: &str,
    message: &Message,
    form: &MergeForm,
) -> Vec<u8> {
    let from = &message.from;
    let name = from.name.as_ref().filter(|name| !name.is_blank());
    to_json(&Campaign {
        r#type: "regular",
        recipients: Recipients {
            list_id: audience,
            segment_opts: SegmentOptions { saved_segment_id: segment },
        },
        settings: Settings {
            subject_line: &form.subject,
            title,
            from_name: name.map_or_else(|| from.address.to_string(), |name| name.as_str().to_owned()),
            // Mailchimp's sender and answer address are one.
            reply_to: from.address.to_string(),
            auto_footer: false,
            inline_css: false,
            authenticate: true,
            auto_tweet: false,
            fb_comments: false,
        },
        tracking: Tracking {
            opens: false,
            html_clicks: false,
            text_clicks: false,
            goal_tracking: false,
            ecomm360: false,
        },
    })
}

/// `PUT /campaigns/{id}/content`.
pub(super) fn content(form: &MergeForm) -> Vec<u8> {
    to_json(&Content { html: &form.html, plain_text: &form.text })
}

/// SHA-256 over what the campaign says, and over what its tags stand for.
pub(super) fn digest(form: &MergeForm) -> [u8; 32] {
    let mut sum = Context::new(&SHA256);
    for part in [&form.subject, &form.html, &form.text].into_iter().chain(&form.expressions) {
        sum.update(&(part.len() as u64).to_be_bytes());
        sum.update(part.as_bytes());
    }
    sum.finish().as_ref().try_into().expect("SHA-256 has 32 octets")
}

fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("strings, numbers and lists are always JSON")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use depeche_core::release::Merge;
    use depeche_testkit::conformance::message_to;
    use serde_json::{Value, json};

    use super::*;

    fn form() -> MergeForm {
        MergeForm {
            subject: "Une annonce".to_owned(),
            html: "<p>Bonjour *|DEPECHE1|*</p>".to_owned(),
            text: "Bonjour *|DEPECHE1|*\n".to_owned(),
            expressions: vec!["contact.first_name".to_owned()],
        }
    }

    fn message(value: &str) -> Message {
        let mut message = message_to("ana@journal.example");
        message.merge = Some(Arc::new(Merge { form: Arc::new(form()), values: vec![value.to_owned()] }));
        message
    }

    fn read(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    /// Written by hand after PROVIDERS.md, section 2.
    #[test]
    fn a_new_member_is_subscribed_and_a_known_one_keeps_its_status() {
        let member = member(&message("Zoé"), &form()).unwrap();

        let new = json!({"members": [{"email_address": "ana@journal.example", "email_type": "html",
            "status": "subscribed", "merge_fields": {"DEPECHE1": "Zoé"}}],
            "sync_tags": false, "update_existing": false});
        assert_eq!(read(&new_members(&[&member])), new);
        let known = json!({"email_address": "ana@journal.example", "status_if_new": "subscribed",
            "merge_fields": {"DEPECHE1": "Zoé"}});
        assert_eq!(read(&known_member(&member)), known);
    }

    #[test]
    fn a_campaign_switches_everything_off_that_changes_the_release() {
        let body = read(&campaign("a1b2", 42, "depeche x", &message("Zoé"), &form()));

        assert_eq!(body["type"], "regular");
        assert_eq!(body["recipients"], json!({"list_id": "a1b2", "segment_opts": {"saved_segment_id": 42}}));
        for switch in ["opens", "html_clicks", "text_clicks", "goal_tracking", "ecomm360"] {
            assert_eq!(body["tracking"][switch], false, "{switch}");
        }
        for switch in ["auto_footer", "inline_css", "auto_tweet", "fb_comments"] {
            assert_eq!(body["settings"][switch], false, "{switch}");
        }
        assert_eq!(body["settings"]["reply_to"], "presse@exemple.fr");
    }

    /// Two releases may say the same and mean another field of the contact.
    #[test]
    fn the_digest_knows_what_a_tag_stands_for() {
        let mut other = form();
        other.expressions = vec!["contact.outlet".to_owned()];

        assert_eq!(digest(&form()), digest(&form()));
        assert_ne!(digest(&form()), digest(&other));
    }

    #[test]
    fn a_value_that_a_field_cannot_hold_is_one_recipients_matter() {
        let fits = |value: &str| member(&message(value), &form()).map(drop);

        assert_eq!(fits(&"é".repeat(127)), Ok(()));
        assert!(matches!(fits(&"é".repeat(128)), Err(NotFit::TooLong(_))));
        assert!(matches!(fits("*|UNSUB|*"), Err(NotFit::Marker(_))));
        assert_eq!(member(&message_to("ana@journal.example"), &form()).map(drop), Err(NotFit::NoForm));
    }
}
