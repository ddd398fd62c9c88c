//! The laws of a back end as tests, for anyone's back end.
//!
//! A [`Harness`] opens the store; [`conformance!`](crate::conformance!) makes one test of each
//! law, once alone and once ten times at a time in the same store. The crate that calls it needs
//! `tokio` with the features `macros` and `rt-multi-thread`.
//!
//! ```
//! use std::sync::Arc;
//! use kairo::{backend, clock::Clock, conformance::{Features, Harness}, delivery::Backend, store::BoxFuture};
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     fn features(&self) -> Features {
//!         Features { durable: false, shared: false }
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
pub mod deliveries;
pub mod faults;
pub mod letters;
pub mod log;
pub mod reading;
pub mod restart;
pub mod timetable;

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
                    a_claim_is_unclean_after_a_restart_without_release
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
                events_are_found_by_their_positions
                a_stream_is_read_from_a_version
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

        mod faults {
            use super::*;

            $crate::__tests! { $run, $flavor, $harness, $attributes, faults:
                a_caller_that_repeats_ends_right
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

#[cfg(test)]
mod tests {
    #[test]
    fn every_law_is_made_a_test() {
        let groups = [
            include_str!("log.rs"),
            include_str!("reading.rs"),
            include_str!("deliveries.rs"),
            include_str!("letters.rs"),
            include_str!("timetable.rs"),
            include_str!("restart.rs"),
            include_str!("faults.rs"),
        ];
        let listed: Vec<_> = include_str!("mod.rs").split_whitespace().collect();
        for law in groups.iter().flat_map(|group| group.split("pub async fn ").skip(1)) {
            let name = law.split('(').next().unwrap_or_default();
            assert!(listed.contains(&name), "`{name}` is in no list");
        }
    }
}
