//! The promises of a journal, one by one: DELIVERY.md, "Write-ahead journal".

mod events;
mod forgetting;
mod freezing;
mod intents;
mod keeping;
mod outcomes;

use std::sync::Arc;

use async_trait::async_trait;
use depeche_core::journal::*;
use depeche_core::provider::ProviderName;
use jiff::Timestamp;

use super::fixtures::{intent_for, new_run, recipients};
use crate::clock::CountingEntropy;

/// Opens journals for the suite.
#[async_trait]
pub trait JournalHarness: Send + Sync {
    /// A journal that holds nothing.
    async fn fresh(&self) -> Arc<dyn Journal>;

    /// The journal that [`JournalHarness::fresh`] gave last, as another process opens it; the first
    /// one may be open still.
    async fn reopened(&self) -> Arc<dyn Journal>;
}

/// Asks a journal for every promise that the engine builds on.
///
/// # Panics
///
/// At the first promise that it breaks, with its name in the backtrace.
pub async fn journal_conformance(harness: &dyn JournalHarness) {
    freezing::a_list_is_frozen_whole_or_not_at_all(harness).await;
    freezing::suppressed_recipients_are_frozen_as_such(harness).await;
    freezing::one_release_reaches_one_recipient_through_one_run(harness).await;
    freezing::outbox_and_test_runs_never_count(harness).await;
    freezing::a_slug_names_one_content_unless_it_is_meant(harness).await;
    freezing::two_freezes_at_once_give_one_run(harness).await;
    freezing::a_long_list_is_taken_page_by_page_and_whole_or_not_at_all(harness).await;
    intents::due_recipients_come_by_tier_and_place_when_it_is_time(harness).await;
    intents::an_intent_excludes_every_other(harness).await;
    intents::intents_are_taken_all_or_none(harness).await;
    intents::an_intent_is_denied_for_a_reason_and_costs_nothing(harness).await;
    intents::windows_are_shared_and_kept(harness).await;
    intents::a_receiving_domains_windows_are_shared_and_kept(harness).await;
    intents::a_second_is_a_schedule_that_lateness_does_not_move(harness).await;
    intents::racing_processes_open_one_attempt_each(harness).await;
    outcomes::every_transition_is_a_compare_and_set(harness).await;
    outcomes::only_allowed_transitions_are_made(harness).await;
    outcomes::proved_not_accepted_frees_the_recipient(harness).await;
    outcomes::accepted_held_and_unknown_exclude_a_second_send(harness).await;
    outcomes::a_name_that_came_with_an_intent_outlives_an_unknown_outcome(harness).await;
    outcomes::what_a_refusal_teaches_is_kept(harness).await;
    outcomes::an_outcome_that_may_wait_is_durable_when_told(harness).await;
    outcomes::no_intent_is_durable_without_the_outcome_before_it(harness).await;
    outcomes::a_denied_intent_takes_no_outcome_with_it(harness).await;
    outcomes::a_wish_is_on_the_list_with_the_outcome_that_tells_of_it(harness).await;
    outcomes::an_orphan_becomes_unknown_and_never_pending(harness).await;
    outcomes::a_person_or_a_proof_moves_an_unknown_on_with_an_audit_row(harness).await;
    outcomes::a_cancel_takes_the_pending_and_leaves_the_open(harness).await;
    events::an_event_told_again_changes_nothing(harness).await;
    events::an_event_finds_its_message_by_attempt_id_or_message_id(harness).await;
    events::an_event_finds_its_attempt_by_the_key_of_its_request_and_the_address(harness).await;
    events::an_event_proves_only_what_was_unknown_or_held(harness).await;
    events::an_event_of_a_superseded_attempt_proves_nothing_of_the_next(harness).await;
    events::who_is_known_to_have_a_superseded_message_is_not_sent_another(harness).await;
    events::what_came_in_the_middle_of_the_next_attempt_counts_when_it_failed(harness).await;
    events::what_came_while_an_attempt_was_open_counts_when_it_is_superseded(harness).await;
    events::a_bounce_makes_a_bad_address_of_an_accepted_one(harness).await;
    events::an_accepted_recipient_is_sent_again_only_by_name(harness).await;
    events::who_is_known_to_have_it_is_not_sent_it_again(harness).await;
    keeping::acceptances_are_counted_by_day(harness).await;
    forgetting::a_link_names_one_delivery(harness).await;
    forgetting::a_declared_outage_is_kept_and_may_be_ended(harness).await;
    keeping::a_run_is_held_once(harness).await;
    keeping::the_suppression_list_keeps_its_first_reason(harness).await;
    keeping::a_wish_takes_the_place_of_a_bad_address_and_no_wave_lifts_it(harness).await;
    keeping::breakers_and_rests_outlive_their_process(harness).await;
    keeping::states_runs_and_pages_are_read_as_written(harness).await;
    keeping::a_persons_pause_stands_until_a_person_ends_it(harness).await;
    keeping::recipients_in_a_state_are_read_page_by_page(harness).await;
}

/// Asks a journal whether it forgets people. Apart from [`journal_conformance`], because one that is kept in
/// a mirror as well may refuse to.
///
/// # Panics
///
/// At the first promise that it breaks, with its name in the backtrace.
pub async fn forgetting_conformance(harness: &dyn JournalHarness) {
    forgetting::a_forgotten_person_is_named_nowhere_and_mailed_never(harness).await;
    forgetting::what_comes_later_does_not_name_the_forgotten_again(harness).await;
    forgetting::who_is_still_open_is_forgotten_only_when_nobody_works_on_it(harness).await;
    forgetting::the_forgotten_are_known_to_a_journal_that_takes_their_key(harness).await;
}

/// A moment of the suite, in seconds after its beginning.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("within the years of jiff")
}

fn ovh() -> ProviderName {
    ProviderName::new("ovh").expect("a fixed name")
}

/// A run with `count` pending recipients.
async fn run_of(journal: &dyn Journal, count: usize) -> RunId {
    let run = new_run("r1", 7, count, at(0));
    let id = run.id.clone();
    let frozen = journal.freeze(run, recipients(0..count)).await.expect("an empty journal takes a list");
    assert_eq!(frozen, Frozen { pending: count as u64, suppressed: 0 });
    id
}

async fn due(journal: &dyn Journal, run: &RunId) -> Vec<DeliveryRecord> {
    journal.due(run, at(1), 1_000).await.expect("the journal is read")
}

async fn all(journal: &dyn Journal, run: &RunId) -> Vec<DeliveryRecord> {
    journal.deliveries(run, None, 1_000).await.expect("the journal is read")
}

async fn totals(journal: &dyn Journal, run: &RunId) -> Totals {
    let totals = journal.totals(run).await.expect("the journal is read");
    assert!(totals.add_up(), "{totals:?}");
    totals
}

/// A hold that was dropped is over soon; a server hears of it a moment later.
async fn let_go(journal: &dyn Journal, run: &RunId) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while journal.holder(run).await.expect("read").is_some() {
        assert!(std::time::Instant::now() < until, "the hold was dropped and is held still");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Opens an attempt at the first recipient that is due.
async fn opened(journal: &dyn Journal, run: &RunId, entropy: &CountingEntropy) -> Intent {
    let first = due(journal, run).await.remove(0);
    let intent = intent_for(run, &first, &ovh(), entropy, at(1));
    journal.intend(vec![intent.clone()]).await.expect("nothing stands against it");
    intent
}
