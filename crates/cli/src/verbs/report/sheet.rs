//! Whom to ring: those about whom nobody knows, and those who were refused, by tier, with outlet and
//! phone. It is text, so that it can be printed and read when nothing else works.

use depeche::journal::{DeliveryRecord, DeliveryState};

use super::Told;
use crate::context::Context;
use crate::failure::Failure;
use crate::verbs::runs::word_of_one;

/// The uncertain and held first, then the refused, then the pending; within each by tier.
pub(super) const CALLS: [&[DeliveryState]; 3] =
    [&[DeliveryState::Unknown, DeliveryState::Held], &[DeliveryState::Refused], &[DeliveryState::Pending]];

/// A field of the contact, or nothing.
pub(super) fn field<'r>(one: &'r DeliveryRecord, name: &str) -> &'r str {
    one.fields.get(name).map_or("", String::as_str)
}

/// First and last name.
pub(super) fn name(one: &DeliveryRecord) -> String {
    format!("{} {}", field(one, "first_name"), field(one, "last_name")).trim().to_owned()
}

/// One line a call.
pub(super) async fn show(report: &Told<'_>, context: &Context<'_>) -> Result<(), Failure> {
    let mut pages = report.pages_of(&CALLS);
    while let Some(page) = pages.next().await? {
        for one in &page {
            context.out.line(line(one, report, context));
        }
    }
    Ok(())
}

fn line(one: &DeliveryRecord, report: &Told<'_>, context: &Context<'_>) -> String {
    let tier = if one.tier == u32::MAX { String::new() } else { one.tier.to_string() };
    let parts = [
        word_of_one(report.shown.state_of(one).as_str(), context),
        tier,
        field(one, "phone").to_owned(),
        name(one),
        field(one, "outlet").to_owned(),
        one.address.to_string(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}
