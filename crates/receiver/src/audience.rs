//! A Mailchimp audience's webhook bodies, as [`ProviderEvent`]s.
//!
//! Posted as a form: `type`, `fired_at`, and the member as `data[…]` (PROVIDERS.md, section 2). What says
//! nothing of a message or a wish (`subscribe`, `profile`, `upemail`, `campaign`) is left out. Whoever was
//! taken out by the audience's owner (`data[action]=delete`) counts as opted out too: an opt-out that was
//! none can be taken back, one that was missed cannot.

use depeche_core::event::{EventKind, ProviderEvent};
use depeche_core::outcome::one_line;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The form has no `type`, or an event of ours no `data[email]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form is not an audience's event")]
pub struct NotAnEvent;

/// The events in a form: one, or none when it is none of ours.
///
/// # Errors
///
/// [`NotAnEvent`] when it is not what an audience posts.
pub fn events(form: &[(String, String)]) -> Result<Vec<ProviderEvent>, NotAnEvent> {
    let field = |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let reason = field("data[reason]").unwrap_or_default();
    let kind = match field("type").ok_or(NotAnEvent)? {
        "unsubscribe" | "cleaned" if reason == "abuse" => EventKind::Complained,
        "unsubscribe" => EventKind::Unsubscribed,
        "cleaned" => EventKind::BouncedHard,
        _ => return Ok(Vec::new()),
    };
    let recipient = field("data[email]").filter(|address| !address.is_empty()).ok_or(NotAnEvent)?;
    let said: Vec<&str> = [field("data[action]").unwrap_or_default(), reason]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    Ok(vec![ProviderEvent {
        at: field("fired_at").and_then(moment),
        reason: (!said.is_empty()).then(|| one_line(&said.join(", "))),
        ..ProviderEvent::new(kind, &one_line(recipient))
    }])
}

/// `2026-12-03 08:00:00`, in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let moment: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(moment).ok()
}
