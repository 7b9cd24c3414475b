//! The recipients of one attempt: who goes along in its campaign, and what is known of the others.

use std::sync::Arc;

use depeche_core::outcome::{Outcome, Refusal};
use depeche_core::provider::Parcel;
use depeche_core::release::MergeForm;

use super::payload::{self, Member};

/// The recipients of one campaign, and what is known of each.
pub(super) struct Batch<'p> {
    pub(super) parcels: &'p [Parcel],
    pub(super) form: Option<Arc<MergeForm>>,
    /// Who goes along, by place among the parcels.
    pub(super) members: Vec<(usize, Member)>,
    outcomes: Vec<Option<Outcome>>,
}

impl<'p> Batch<'p> {
    /// Those who fit; the others are refused each with its own reason.
    pub(super) fn of(parcels: &'p [Parcel]) -> Self {
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
    pub(super) fn keep(&mut self, joined: Vec<Result<(), Refusal>>) {
        let members = std::mem::take(&mut self.members);
        for ((place, member), joined) in members.into_iter().zip(joined) {
            match joined {
                Ok(()) => self.members.push((place, member)),
                Err(refusal) => self.refuse(place, refusal),
            }
        }
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|(_, member)| member.email_address.clone()).collect()
    }

    /// The same outcome for all who have none yet.
    pub(super) fn all(self, outcome: Outcome) -> Vec<Outcome> {
        self.each(|_| outcome.clone())
    }

    pub(super) fn each(self, outcome: impl Fn(&Parcel) -> Outcome) -> Vec<Outcome> {
        let both = self.outcomes.into_iter().zip(self.parcels);
        both.map(|(known, parcel)| known.unwrap_or_else(|| outcome(parcel))).collect()
    }
}
