//! Which laws hold for a store that is open.

/// The laws that hold for a store that is open.
#[doc(hidden)]
#[macro_export]
macro_rules! __laws {
    ($run:ident, $flavor:literal, $harness:expr, $attributes:tt) => {
        mod log {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, log:
                commit_is_all_or_nothing
                versions_have_no_gap
                a_conflict_names_both_versions
                every_expectation_is_checked
                an_append_sees_those_before_it_in_its_unit
                an_append_holds_events_of_its_own_stream_only
                a_derived_id_is_appended_once
                a_derived_id_is_appended_once_by_many
                a_repetition_fits_whatever_the_version_is
                log_order_is_stream_order
                no_reader_passes_a_hole
                one_of_many_wins_a_version
                each_of_many_gets_its_own_result
                a_commit_wakes_the_watchers
                a_failed_commit_can_be_repeated
                a_dropped_commit_is_still_all_or_nothing
            }
        }

        mod reading {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, reading:
                an_event_comes_back_as_it_was
                bytes_that_are_no_json_come_back
                pages_cover_the_log_once
                a_selection_finds_its_names_only
                a_page_says_how_far_it_searched
                a_count_is_what_a_reader_would_read
                a_selection_between_times
                events_are_found_by_their_positions
                a_stream_is_read_from_a_version
                facts_are_what_the_stream_has
            }
        }

        mod deliveries {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, deliveries:
                a_claim_starts_where_the_last_one_stopped
                a_new_subscription_starts_where_it_asks
                an_old_claim_is_fenced
                an_unreleased_claim_is_unclean
                a_late_release_is_no_error
                many_are_claimed_in_the_order_of_the_requests
                a_renamed_subscription_keeps_its_place
                a_name_that_is_there_is_not_overwritten_by_a_renamed_one
                removing_a_subscription_removes_its_rows_and_letters_stay
                a_removed_subscription_fences_its_last_owner
                a_parked_event_is_replaced_by_its_position
                progress_and_its_events_take_effect_together
                the_last_failure_is_kept
            }
        }

        mod letters {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, letters:
                letters_are_listed_oldest_first
                filters_narrow_the_list
                the_list_goes_on_behind_a_letter
                the_newest_letters_come_first_on_request
                pending_letters_can_be_listed_alone
                a_letter_keeps_its_bytes
                a_letter_is_buried_once
                a_letter_is_reprocessed_and_dies_again
                a_claim_returns_what_is_replayed_or_holds_its_key
                a_change_of_a_missing_letter_is_not_found
                a_change_in_the_wrong_state_is_refused
            }
        }

        mod timetable {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, timetable:
                due_events_come_in_due_order
                a_delayed_event_comes_back_as_it_was
                the_next_due_time_is_known
                taking_a_missing_event_is_not_found
                one_of_many_takes_a_delayed_event
                an_event_is_scheduled_once
                a_delayed_event_can_be_moved
            }
        }

        mod streams {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, streams:
                a_stream_is_read_in_a_range
                a_stream_is_read_backwards
                stats_say_what_is_there
                a_deleted_stream_is_empty_and_its_versions_go_on
                deleted_events_leave_the_log
                a_tombstone_is_final
                a_tombstone_stops_writers_under_way
                a_deletion_expects_its_version
                a_unit_changes_no_stream_that_it_removes
                the_newest_snapshot_is_kept
                a_stream_has_one_snapshot_for_each_name
                a_deletion_takes_snapshots_along
                a_snapshot_of_what_was_deleted_is_not_kept
            }
        }

        mod journal {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, journal:
                a_saga_comes_back_as_it_was
                a_start_key_is_taken_once
                one_of_many_starts_under_a_key
                a_write_shows_what_it_has_seen
                one_of_many_writes_a_revision
                a_saga_and_its_events_take_effect_together
                a_repeated_event_does_not_stop_its_saga
                a_cancelled_saga_says_so
                a_finished_saga_cannot_be_cancelled
                sagas_are_listed_oldest_first
            }
        }

        mod takeover {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, takeover:
                a_claim_takes_what_is_due_and_free
                what_one_has_claimed_no_other_gets
                what_is_given_back_can_be_claimed
                what_has_ended_or_waits_for_people_is_not_claimed
            }
        }

        mod documents {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, documents:
                a_document_comes_back_as_it_was
                an_id_is_taken_once
                a_change_shows_what_it_has_seen
                one_of_many_replaces_a_version
                a_document_that_is_made_again_is_another
                documents_and_events_take_effect_together
                a_unit_changes_a_document_once
                a_unique_value_is_taken_once
                unique_values_can_move_in_one_unit
            }
        }

        mod queries {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, queries:
                queries_find_what_matches
                what_is_found_is_in_order
                pages_follow_each_other
                a_count_counts_what_matches
                collections_are_apart
                a_new_index_covers_what_is_there
                values_that_are_not_unique_are_refused_as_such
                an_index_that_is_not_declared_any_more_goes
            }
        }

        mod marks {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, marks:
                an_event_is_marked_once
                a_mark_and_its_effects_take_effect_together
                a_mark_of_an_old_claim_is_fenced
                a_mark_and_a_letter_change_together
                marks_follow_a_renamed_subscription
            }
        }

        mod transactions {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, transactions:
                a_transaction_is_all_or_nothing
                nothing_of_an_open_transaction_is_seen
                a_transaction_sees_what_it_has_written
                a_dropped_transaction_leaves_nothing
                a_refused_unit_ends_nothing_but_its_transaction
            }
        }

        mod steering {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, steering:
                a_pause_lasts_until_resumed
                a_move_forgets_what_was_parked
                a_skipped_event_is_not_claimed_again
                a_skip_of_what_is_handled_is_refused
                an_unknown_subscription_cannot_be_steered
                the_fate_of_an_event_is_what_was_recorded
            }
        }
    };
}
