//! What every store must do, whatever it is made of: one suite, run on each implementation.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod fixtures;
mod health;
mod idempotency;
mod ledger;
mod lists;
mod open;
mod registry;
mod stores;

/// Runs the whole suite on the stores that a function opens.
macro_rules! contract {
    ($implementation:ident, $open:path) => {
        mod $implementation {
            tests! { $open:
                registry[
                    a_tenant_comes_with_its_first_key_or_not_at_all,
                    tenants_are_listed_newest_first_in_pages,
                    deleting_a_tenant_takes_its_keys_and_endpoints,
                    keys_are_stored_listed_and_deleted,
                    only_one_operator_key_is_the_first,
                    endpoints_are_stored_with_everything,
                    endpoints_are_listed_newest_first_in_pages_of_one_tenant,
                    an_endpoint_is_replaced_only_if_it_has_not_changed,
                    what_needs_a_tenant_is_refused_without_one,
                    a_snapshot_shows_the_part_asked_for,
                    changes_are_announced,
                    a_listener_that_left_disturbs_nobody,
                ]
                ledger[
                    nothing_to_record_is_recorded,
                    an_event_reads_back,
                    an_attempt_reads_back,
                    records_merge_in_any_order_and_any_batches,
                    a_terminal_state_is_final,
                    the_higher_step_wins_and_the_first_of_equals,
                    a_terminal_state_wins_over_a_higher_step,
                    an_attempt_makes_its_delivery_before_the_event_is_known,
                    fetching_gives_what_a_dispatcher_needs,
                    concurrent_batches_with_the_same_rows_agree,
                    big_batches_are_written,
                    partitions_can_be_prepared_again_and_again,
                ]
                lists[
                    attempts_are_filtered,
                    attempts_are_paged_newest_first,
                    events_are_filtered_and_paged,
                    deliveries_are_filtered_and_paged,
                    one_tenant_never_sees_anothers,
                ]
                open[
                    what_is_overdue_is_swept_once_and_hidden,
                    a_swept_delivery_is_a_step_further,
                    nothing_terminal_or_held_is_swept,
                    two_sweepers_never_take_the_same,
                    held_deliveries_are_released_oldest_first,
                    two_releasers_never_take_the_same,
                    held_deliveries_of_a_deleted_endpoint_are_cancelled,
                    held_deliveries_of_older_events_are_cancelled_on_request,
                    states_tell_how_far_deliveries_are,
                    what_only_the_ledger_keeps_is_told_from_what_the_queue_lost,
                ]
                health[
                    an_endpoint_fails_and_recovers_with_one_notice_each,
                    the_last_word_of_a_batch_counts,
                    tests_and_what_can_not_be_rendered_mark_nothing,
                    single_deliveries_are_told_to_operational_endpoints_but_not_their_own,
                    an_endpoint_is_turned_off_once_with_a_notice,
                    a_mark_is_a_change_that_a_replacement_must_know,
                    an_endpoint_that_is_gone_is_not_marked,
                    a_notice_that_is_taken_is_hidden_longer_each_time,
                    two_notifiers_never_take_the_same,
                ]
                idempotency[
                    a_key_is_claimed_once,
                    a_settled_key_is_a_duplicate,
                    a_key_with_other_content_is_told_apart,
                    a_stale_claim_is_taken_over_with_its_event,
                    only_its_holder_settles_or_releases_a_claim,
                    a_released_key_is_free_at_once_for_the_same_event,
                    a_settled_key_is_not_released,
                    old_keys_are_forgotten,
                    one_of_many_claims_wins,
                    keys_belong_to_tenants,
                ]
            }
        }
    };
}

macro_rules! tests {
    ($open:path: $($module:ident[$($test:ident,)*])*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let opened = $open().await;
                crate::$module::$test(opened.store.clone()).await;
            })*
        })*
    };
}

contract!(postgres, crate::stores::postgres);
contract!(sqlite, crate::stores::sqlite);
