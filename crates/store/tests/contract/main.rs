//! What every store must do, whatever it is made of: one suite, run on each implementation.

#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod answers;
mod audit;
mod erasures;
mod event_types;
mod fixtures;
mod health;
mod idempotency;
mod keys;
mod ledger;
mod lists;
mod registry;
mod rekey;
mod replays;
mod stores;
mod sweep;
mod unreadable;
mod watch;

/// Runs the whole suite on the stores that a function opens.
macro_rules! contract {
    ($implementation:ident, $open:path) => {
        mod $implementation {
            tests! { $open:
                registry[
                    a_tenant_comes_with_its_first_key_or_not_at_all,
                    tenants_are_listed_newest_first_in_pages,
                    deleting_a_tenant_takes_its_keys_and_endpoints,
                    endpoints_are_stored_with_everything,
                    endpoints_are_listed_newest_first_in_pages_of_one_tenant,
                    endpoints_of_all_tenants_are_found_by_state_host_and_dialect,
                    an_endpoint_is_replaced_only_if_it_has_not_changed,
                    an_endpoint_is_deleted_only_as_it_was_seen,
                    a_tenant_is_replaced_only_if_it_has_not_changed,
                    what_needs_a_tenant_is_refused_without_one,
                    a_snapshot_shows_the_part_asked_for,
                    everything_is_read_in_pages_of_whole_tenants,
                    a_mark_is_another_after_each_change_of_its_tenant,
                    changes_are_announced,
                    a_listener_that_left_disturbs_nobody,
                ]
                keys[
                    keys_are_stored_listed_and_deleted,
                    only_one_operator_key_is_the_first,
                    keys_of_portal_links_are_listed_on_request_and_removed_when_expired,
                    a_rotated_key_expires_and_has_a_successor,
                    a_key_expires_when_it_is_told_to,
                    the_token_of_a_link_is_exchanged_once,
                    of_many_exchanges_at_once_one_succeeds,
                    the_latest_use_of_a_key_is_kept,
                    uses_noted_by_many_at_once_do_not_block_each_other,
                ]
                event_types[
                    versions_are_counted_from_one,
                    versions_made_at_once_have_different_numbers,
                    event_types_are_listed_by_name_in_pages,
                    a_deleted_event_type_is_gone_with_its_versions,
                ]
                audit[
                    what_changes_something_writes_an_entry,
                    what_changes_nothing_writes_no_entry,
                    what_is_kept_elsewhere_can_be_noted,
                    entries_outlive_their_tenant_and_are_paged_newest_first,
                    entries_are_filtered,
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
                    a_move_makes_no_delivery,
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
                    what_is_rare_is_found_page_by_page,
                    attempts_are_tallied_by_outcome_and_span,
                    one_tenant_never_sees_anothers,
                ]
                sweep[
                    what_is_overdue_is_swept_once_and_hidden,
                    a_swept_delivery_is_a_step_further,
                    nothing_terminal_or_held_is_swept,
                    what_is_overdue_longest_can_be_looked_at,
                    two_sweepers_never_take_the_same,
                    held_deliveries_are_released_oldest_first,
                    what_was_held_undecided_is_told_from_the_rest,
                    two_releasers_never_take_the_same,
                    held_deliveries_of_a_deleted_endpoint_are_cancelled,
                    what_is_put_off_is_known_to_wait_since_before,
                    what_is_held_when_somebody_asks_is_cancelled_once,
                    the_end_of_a_cancellation_is_announced,
                    states_tell_how_far_deliveries_are,
                    what_only_the_ledger_keeps_is_told_from_what_the_queue_lost,
                ]
                health[
                    an_endpoint_fails_and_recovers_with_one_notice_each,
                    the_last_word_of_a_batch_counts,
                    tests_and_what_can_not_be_rendered_mark_nothing,
                    single_deliveries_are_told_to_operational_endpoints_but_not_their_own,
                    an_endpoint_is_turned_off_once_with_a_notice,
                    what_a_url_said_turns_off_nothing_that_is_elsewhere_by_now,
                    writers_that_give_up_at_the_same_time_tell_of_it_once,
                    an_endpoint_that_fails_by_turns_is_told_once_and_stays_failing,
                    a_second_outage_in_a_day_is_told_when_it_lasts,
                    an_endpoint_that_was_turned_on_again_is_told_of_at_once,
                    a_mark_is_a_change_that_a_replacement_must_know,
                    an_endpoint_that_is_gone_is_not_marked,
                    a_notice_that_is_taken_is_hidden_longer_each_time,
                    two_notifiers_never_take_the_same,
                ]
                replays[
                    a_replay_reads_back,
                    a_replay_is_one_workers_until_its_claim_ends,
                    a_batch_makes_deliveries_that_are_due_now_and_each_once,
                    what_an_endpoint_got_can_be_left_out,
                    a_replay_that_is_paused_or_cancelled_makes_nothing,
                    changes_of_replays_are_audited,
                    a_replay_that_gets_on_does_not_stand,
                    one_delivery_is_sent_again_whatever_became_of_it,
                    what_was_erased_is_not_sent_again,
                    a_test_is_never_sent_again,
                ]
                erasures[
                    an_events_content_goes_and_that_it_happened_stays,
                    an_event_of_another_tenant_is_not_erased,
                    everything_of_a_tenant_goes_in_batches,
                    days_that_are_too_old_are_dropped_with_what_is_open_in_them,
                    a_tenant_may_keep_less_than_others,
                    what_was_erased_does_not_come_back,
                    an_erasure_leaves_alone_what_is_younger,
                    erasures_take_turns,
                    an_erasure_removes_idempotency_keys_in_batches,
                    one_process_at_a_time_has_the_upkeep,
                ]
                watch[
                    a_process_hears_what_others_tell_and_not_itself,
                ]
                answers[
                    an_answer_is_given_again_to_the_same_request,
                    callers_choose_keys_without_regard_to_each_other,
                    a_released_request_begins_anew,
                    a_stale_request_is_taken_over_by_the_same,
                    one_of_many_requests_is_claimed,
                    old_answers_are_forgotten,
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
