//! Accepted, at risk: a provider's queue may burn with what it took.
//!
//! DELIVERY.md, "What each provider allows": accepted within 4 h before the provider's declared outage, or
//! during it, without an event that tells what became of the message. It is shown to a person, who decides;
//! nothing here sends anything again.

use jiff::{SignedDuration, Timestamp};

use crate::event::{EventKind, StoredEvent};
use crate::journal::{DeliveryRecord, DeliveryState, Outage};

/// How long before an outage an acceptance is at risk, unless depeche.toml says otherwise.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(4);

/// Who tells of bounces that came by mail; no provider can be called so.
const MAILBOX: &str = "bounces";

/// Whether an event tells what became of the message: it left the provider's queue.
#[must_use]
pub fn is_evidence(kind: EventKind) -> bool {
    kind.reached() || kind.is_loss()
}

/// What stands of everything that was told of a recipient: the strongest word, and of several that are as
/// strong the latest. A loss that another provider tells of is that of an attempt that was given up.
#[must_use]
pub fn standing<'e>(
    delivery: &DeliveryRecord,
    events: impl IntoIterator<Item = &'e StoredEvent>,
) -> Option<&'e StoredEvent> {
    let is_own = |event: &StoredEvent| {
        event.source.as_str() == MAILBOX || delivery.provider.as_ref() == Some(&event.source)
    };
    let counts = |told: &&StoredEvent| !told.event.kind.is_loss() || is_own(told);
    let strength = |kind: EventKind| EventKind::BY_STRENGTH.iter().position(|one| *one == kind);
    let rank = |told: &&StoredEvent| (strength(told.event.kind), told.event.at.unwrap_or(told.seen_at));
    events.into_iter().filter(counts).max_by_key(rank)
}

/// The outage that puts an accepted recipient at risk; `None` when nothing does. `stands` is what
/// [`standing`] gave.
#[must_use]
pub fn outage_of<'o>(
    delivery: &DeliveryRecord,
    stands: Option<EventKind>,
    outages: &'o [Outage],
    window: SignedDuration,
) -> Option<&'o Outage> {
    let (Some(provider), Some(at)) = (&delivery.provider, delivery.at) else { return None };
    if delivery.state != DeliveryState::Accepted || stands.is_some_and(is_evidence) {
        return None;
    }
    outages.iter().find(|outage| outage.provider == *provider && is_within(outage, at, window))
}

fn is_within(outage: &Outage, at: Timestamp, window: SignedDuration) -> bool {
    let from = outage.since.checked_sub(window).unwrap_or(Timestamp::MIN);
    from <= at && outage.until.is_none_or(|until| at <= until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EmailAddress;
    use crate::event::ProviderEvent;
    use crate::journal::DeliveryId;
    use crate::message::MessageId;
    use crate::provider::ProviderName;

    fn name(text: &str) -> ProviderName {
        ProviderName::new(text).unwrap()
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn accepted(at: Timestamp) -> DeliveryRecord {
        DeliveryRecord {
            id: DeliveryId(1),
            address: EmailAddress::parse("zoe@exemple.fr").unwrap(),
            tier: 1,
            position: 0,
            fields: std::collections::BTreeMap::new(),
            message_id: MessageId::new("<1@exemple.fr>").unwrap(),
            state: DeliveryState::Accepted,
            not_before: None,
            fence: 2,
            transient_refusals: 0,
            avoid: Vec::new(),
            attempts: 1,
            provider: Some(name("ovh")),
            provider_id: None,
            reply: None,
            at: Some(at),
        }
    }

    fn outage(until: Option<Timestamp>) -> Outage {
        let reason = "it burns".to_owned();
        Outage { provider: name("ovh"), since: hour(10), until, reason, declared_at: hour(11) }
    }

    fn told(source: &str, kind: EventKind, at: Timestamp) -> StoredEvent {
        let event = ProviderEvent { at: Some(at), ..ProviderEvent::new(kind, "zoe@exemple.fr") };
        StoredEvent { source: name(source), event, seen_at: at }
    }

    #[test]
    fn four_hours_before_an_outage_and_until_its_end_an_acceptance_is_at_risk() {
        for (at, until, is_at_risk) in [
            (5, None, false),
            (6, None, true),
            (9, Some(12), true),
            (12, Some(12), true),
            (13, Some(12), false),
            (13, None, true),
        ] {
            let outages = [outage(until.map(hour))];
            let found = outage_of(&accepted(hour(at)), None, &outages, WINDOW);
            assert_eq!(found.is_some(), is_at_risk, "{at} {until:?}");
        }
    }

    #[test]
    fn whoever_is_known_to_have_it_or_to_have_lost_it_is_not_at_risk() {
        let outages = [outage(None)];
        for kind in EventKind::BY_STRENGTH {
            let found = outage_of(&accepted(hour(9)), Some(kind), &outages, WINDOW);
            let is_open = matches!(kind, EventKind::Accepted | EventKind::Deferred);
            assert_eq!(found.is_some(), is_open, "{kind}");
        }
    }

    #[test]
    fn another_provider_and_another_state_are_not_at_risk() {
        let other = DeliveryRecord { provider: Some(name("brevo")), ..accepted(hour(9)) };
        let unknown = DeliveryRecord { state: DeliveryState::Unknown, ..accepted(hour(9)) };
        for one in [other, unknown] {
            assert!(outage_of(&one, None, &[outage(None)], WINDOW).is_none());
        }
    }

    #[test]
    fn a_bounce_of_the_attempt_that_was_given_up_is_not_the_new_ones() {
        let again = DeliveryRecord { provider: Some(name("brevo")), ..accepted(hour(12)) };
        let events =
            [told("ovh", EventKind::BouncedHard, hour(14)), told("brevo", EventKind::Delivered, hour(13))];
        assert_eq!(standing(&again, &events).map(|told| told.event.kind), Some(EventKind::Delivered));
        let by_mail = [told("bounces", EventKind::BouncedHard, hour(14))];
        assert_eq!(standing(&again, &by_mail).map(|told| told.event.kind), Some(EventKind::BouncedHard));
    }
}
