//! Whom to ring: those about whom nobody knows, and those who were refused, by tier, with outlet and
//! phone. It is text, so that it can be printed and read when nothing else works.

use depeche::journal::{DeliveryRecord, DeliveryState};

use crate::context::Context;
use crate::run::document::Shown;
use crate::verbs::runs::word;

/// One journalist to ring.
pub(super) struct Call<'r> {
    pub(super) one: &'r DeliveryRecord,
    pub(super) state: DeliveryState,
}

/// The uncertain and held first, then the refused, then the pending; within each by tier.
pub(super) fn calls(shown: &Shown) -> Vec<Call<'_>> {
    let rank = |state: DeliveryState| match state {
        DeliveryState::Unknown | DeliveryState::Held => Some(0),
        DeliveryState::Refused => Some(1),
        DeliveryState::Pending => Some(2),
        _ => None,
    };
    let mut calls: Vec<Call<'_>> = shown
        .recipients
        .iter()
        .map(|one| Call { one, state: shown.state_of(one) })
        .filter(|call| rank(call.state).is_some())
        .collect();
    calls.sort_by_key(|call| (rank(call.state), call.one.tier, call.one.position));
    calls
}

/// A field of the contact, or nothing.
pub(super) fn field<'r>(one: &'r DeliveryRecord, name: &str) -> &'r str {
    one.fields.get(name).map_or("", String::as_str)
}

/// First and last name.
pub(super) fn name(one: &DeliveryRecord) -> String {
    format!("{} {}", field(one, "first_name"), field(one, "last_name")).trim().to_owned()
}

/// One line a call.
pub(super) fn lines(shown: &Shown, context: &Context<'_>) -> Vec<String> {
    let line = |call: &Call<'_>| {
        let one = call.one;
        let tier = if one.tier == u32::MAX { String::new() } else { one.tier.to_string() };
        let parts = [
            word(call.state.as_str(), context),
            tier,
            field(one, "phone").to_owned(),
            name(one),
            field(one, "outlet").to_owned(),
            one.address.to_string(),
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
    };
    calls(shown).iter().map(line).collect()
}
