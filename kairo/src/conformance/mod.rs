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
mod collection;
mod laws;
mod pair;
mod saga;
pub mod deliveries;
pub mod documents;
pub mod faults;
pub mod journal;
pub mod letters;
pub mod log;
pub mod marks;
pub mod members;
pub mod queries;
pub mod reading;
pub mod restart;
pub mod retention;
pub mod sharing;
pub mod steering;
pub mod streams;
pub mod takeover;
pub mod timetable;
pub mod transactions;
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
                    whoever_repeats_changes_a_document_once
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

                $crate::__tests! { once, "current_thread", $harness, [$($(#[$attribute])+)?], marks:
                    old_marks_are_pruned_below_the_low_water
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
