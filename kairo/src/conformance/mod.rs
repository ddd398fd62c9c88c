//! The laws of a back end as tests, for anyone's back end.
//!
//! A [`Harness`] opens the store; [`conformance!`](crate::conformance!) makes one test of each
//! law, once alone and, where that can matter, once ten times at a time in the same store. The
//! crate that calls it needs `tokio` with the features `macros` and `rt-multi-thread`.
//!
//! ```
//! use std::sync::Arc;
//! use kairo::{backend, clock::Clock, conformance::{Features, Harness}, delivery::Backend, store::BoxFuture};
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     fn features(&self) -> Features {
//!         Features { durable: false, shared: false, transactions: false }
//!     }
//!
//!     fn open(&self) -> BoxFuture<'_, kairo::Result<Arc<dyn Backend>>> {
//!         Box::pin(async { backend::open("memory:", &Clock::system()).await })
//!     }
//! }
//!
//! kairo::conformance!(memory, Memory);
//! ```
#![expect(clippy::missing_panics_doc, reason = "a broken law panics: that is what it is for")]
#![expect(clippy::missing_errors_doc, reason = "a law passes on what the store fails with")]

mod case;
mod pair;
mod saga;
pub mod deliveries;
pub mod faults;
pub mod journal;
pub mod letters;
pub mod log;
pub mod members;
pub mod reading;
pub mod restart;
pub mod retention;
pub mod sharing;
pub mod steering;
pub mod streams;
pub mod takeover;
pub mod timetable;
#[cfg(test)]
mod tests;

use std::{fmt::Display, sync::Arc};

pub use self::case::Case;
pub use crate::store::Features;
use crate::{delivery::Backend, error::Result, store::BoxFuture};

/// How many times a law runs at a time under stress.
const COPIES: usize = 10;

/// One place for a store.
pub trait Harness: Send + Sync + 'static {
    /// What the back end promises.
    fn features(&self) -> Features;

    /// Opens the store in its place: empty at the first call, as it was left at later ones. There
    /// is no other open store in the place.
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Backend>>>;

    /// Opens the store while it is open already, as another process does. A store that lives in
    /// its process is shared by its handle.
    fn open_beside<'a>(
        &'a self,
        open: &'a Arc<dyn Backend>,
    ) -> BoxFuture<'a, Result<Arc<dyn Backend>>> {
        let _ = open;
        self.open()
    }
}

/// Runs a law once, in a store of its own.
pub async fn once<F>(harness: impl Harness, law: impl Fn(Case) -> F)
where
    F: Future<Output = Result>,
{
    let store = expect(harness.open().await);
    expect(law(Case::new(&store, 0)).await);
    expect(store.close().await);
}

/// Runs a law many times at a time, in one store.
pub async fn stress<F>(harness: impl Harness, law: impl Fn(Case) -> F)
where
    F: Future<Output = Result> + Send + 'static,
{
    let store = expect(harness.open().await);
    let copies: Vec<_> =
        (0..COPIES).map(|copy| tokio::spawn(law(Case::new(&store, copy)))).collect();
    for copy in copies {
        expect(expect(copy.await));
    }
    expect(store.close().await);
}

/// Runs a law that opens and closes the store by itself.
pub async fn alone<F>(harness: impl Harness, law: impl FnOnce(Arc<dyn Harness>) -> F)
where
    F: Future<Output = Result>,
{
    expect(law(Arc::new(harness)).await);
}

#[track_caller]
fn expect<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the law does not hold: {error}"))
}

/// Makes one test of each law of a back end: `conformance!(name, harness)`, where `harness` is an
/// expression for a new [`Harness`](crate::conformance::Harness), evaluated once for each test.
///
/// Attributes may follow that every test gets, such as `#[ignore = "needs a server"]`.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $harness:expr $(, $(#[$attribute:meta])+)?) => {
        mod $name {
            use super::*;

            $crate::__laws! { once, "current_thread", $harness, [$($(#[$attribute])+)?] }

            mod stress {
                use super::*;

                $crate::__laws! { stress, "multi_thread", $harness, [$($(#[$attribute])+)?] }
            }

            mod restart {
                use super::*;

                $crate::__tests! { alone, "multi_thread", $harness, [$($(#[$attribute])+)?], restart:
                    a_closed_store_says_so
                    what_is_durable_survives_a_restart
                    positions_and_versions_go_on_after_a_restart
                    deletions_survive_a_restart
                    positions_are_never_used_again
                    a_store_says_what_it_promises
                    a_claim_is_unclean_after_a_restart_without_release
                }
            }

            mod faults {
                use super::*;

                $crate::__tests! { once, "current_thread", $harness, [$($(#[$attribute])+)?], faults:
                    a_caller_that_repeats_ends_right
                    an_operator_who_repeats_ends_right
                    whoever_repeats_carries_a_saga_on
                }
            }

            mod retention {
                use super::*;

                $crate::__tests! { once, "current_thread", $harness, [$($(#[$attribute])+)?], retention:
                    pruning_deletes_the_oldest_first
                    pruning_deletes_what_is_selected
                    pruning_keeps_what_somebody_needs
                    a_pruned_stream_goes_on_behind_its_last_version
                    a_snapshot_outlives_pruning
                    a_page_of_large_events_is_short
                }

                $crate::__tests! { once, "current_thread", $harness, [$($(#[$attribute])+)?], journal:
                    finished_sagas_are_pruned
                }
            }

            mod sharing {
                use super::*;

                $crate::__tests! { alone, "multi_thread", $harness, [$($(#[$attribute])+)?], sharing:
                    a_store_is_the_same_in_every_process
                    changes_of_others_are_signalled
                    what_another_member_has_is_not_claimed
                    a_share_is_split_for_who_wants_less
                    each_share_has_its_own_progress
                    shares_are_merged_by_a_claim
                    a_claim_gets_what_its_partitions_have_parked
                    a_released_share_is_free
                    many_who_claim_at_a_time_share
                    subscriptions_show_who_has_what
                    a_skip_fences_the_owner_of_its_key_alone
                }
            }

            mod members {
                use super::*;

                $crate::__tests! { alone, "multi_thread", $harness, [$($(#[$attribute])+)?], takeover:
                    what_a_dead_member_had_of_sagas_is_free
                    what_a_living_member_has_of_sagas_is_not_free
                }

                $crate::__tests! { alone, "multi_thread", $harness, [$($(#[$attribute])+)?], members:
                    a_lone_process_is_the_only_member
                    a_member_is_seen_by_others_until_it_leaves
                    a_lease_runs_out_on_the_store_s_clock
                    a_renewed_lease_goes_on
                    what_a_dead_member_has_claimed_is_free
                    what_a_member_has_claimed_that_left_is_free
                    what_a_living_member_has_claimed_is_not_free
                }
            }
        }
    };
}

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

/// One test of each law.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($run:ident, $flavor:literal, $harness:expr, $attributes:tt, $group:ident: $($law:ident)*) => {
        $($crate::__test! { $run, $flavor, $harness, $attributes, $group, $law })*
    };
}

/// The test of a law.
#[doc(hidden)]
#[macro_export]
macro_rules! __test {
    (
        $run:ident, $flavor:literal, $harness:expr, [$($attributes:tt)*], $group:ident, $law:ident
    ) => {
        #[::tokio::test(flavor = $flavor)]
        $($attributes)*
        async fn $law() {
            $crate::conformance::$run($harness, $crate::conformance::$group::$law).await;
        }
    };
}
