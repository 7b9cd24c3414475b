//! Runs, recipients, intents and outcomes for tests of journals.

use std::collections::BTreeMap;
use std::ops::Range;

use depeche_core::address::EmailAddress;
use depeche_core::budget::Limits;
use depeche_core::clock::Entropy;
use depeche_core::journal::*;
use depeche_core::message::MessageId;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

/// A real run of the release `digest`, frozen at `at`.
///
/// # Panics
///
/// When `id` is not the name of a run: a fault of the test.
#[must_use]
pub fn new_run(id: &str, digest: u8, confirmed: usize, at: Timestamp) -> NewRun {
    NewRun {
        id: RunId::new(id).expect("the test names a run"),
        kind: RunKind::Real,
        slug: format!("slug-{digest}"),
        release: "release.md".to_owned(),
        digest: [digest; 32],
        frozen: "{}".to_owned(),
        assets: Vec::new(),
        route: Vec::new(),
        left_out: "[]".to_owned(),
        settings: "{}".to_owned(),
        created_at: at,
        again: false,
        confirmed: confirmed as u64,
    }
}

/// `j0@journal.example` and so on, in list order, all of tier 1.
///
/// # Panics
///
/// Never: the addresses are fixed.
#[must_use]
pub fn recipients(range: Range<usize>) -> Vec<NewDelivery> {
    let one = |number: usize| NewDelivery {
        address: EmailAddress::parse(&format!("j{number}@journal.example")).expect("a fixed address"),
        tier: 1,
        position: number as u64,
        fields: BTreeMap::new(),
        message_id: MessageId::new(&format!("<{number}@exemple.fr>")).expect("a fixed id"),
        not_before: None,
    };
    range.map(one).collect()
}

/// An intent for `delivery` as it was read, through `provider`, without limits.
#[must_use]
pub fn intent_for(
    run: &RunId,
    delivery: &DeliveryRecord,
    provider: &ProviderName,
    entropy: &dyn Entropy,
    at: Timestamp,
) -> Intent {
    let attempt = entropy.uuid();
    Intent {
        run: run.clone(),
        delivery: delivery.id,
        fence: delivery.fence,
        attempt,
        request_id: attempt,
        idempotency_key: entropy.uuid(),
        request_digest: Some([5; 32]),
        provider_id: None,
        provider: provider.clone(),
        limits: Limits::default(),
        pace: None,
        at,
    }
}

/// The outcome of `intent`: the delivery goes from its open attempt to `to`.
#[must_use]
pub fn settled(intent: &Intent, to: DeliveryState, attempt: AttemptState, at: Timestamp) -> Settlement {
    Settlement {
        run: intent.run.clone(),
        delivery: intent.delivery,
        fence: intent.fence + 1,
        attempt: Some(SettledAttempt {
            id: intent.attempt,
            had_intent: true,
            provider: intent.provider.clone(),
            state: attempt,
            blames: None,
            provider_id: None,
            started_at: intent.at,
        }),
        from: DeliveryState::Intent,
        to,
        not_before: None,
        transient: false,
        avoid: None,
        bad_address: false,
        wish: None,
        reply: Some("250 ok".to_owned()),
        at,
    }
}
