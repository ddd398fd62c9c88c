//! The contract of journals: how far each saga is, and who carries it on.
//!
//! A saga is a row whose state is replaced as a whole. Whoever replaces it shows which state they
//! have seen, so two can never both carry on from the same one. All of it changes through
//! [`Store::commit`]; this trait claims and reads it.

pub mod events;
pub mod saga;
pub mod slot;

pub use self::saga::{Phase, SagaChange, SagaFilter, SagaRow, SagaWrite};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::Result,
    store::{BoxFuture, Store},
};

/// The largest state of a saga that a store accepts, in bytes.
pub const STATE_MAX: usize = 4 * 1024 * 1024;

/// The sagas of a store.
///
/// # Laws
/// - `a_saga_comes_back_as_it_was`
/// - `a_start_key_is_taken_once`: a second saga of the name under the same key is refused with
///   [`Error::SagaExists`](crate::Error::SagaExists), which names the first; so is one whose id is
///   there. Nothing of its unit takes effect.
/// - `one_of_many_starts_under_a_key`
/// - `a_write_shows_what_it_has_seen`: one whose epoch or revision is not that of the saga is refused
///   with [`Error::SagaMoved`](crate::Error::SagaMoved), and nothing of its unit takes effect. One
///   that succeeds raises the revision by one.
/// - `one_of_many_writes_a_revision`
/// - `a_saga_and_its_events_take_effect_together`
/// - `a_repeated_event_does_not_stop_its_saga`: an event whose derived id the log has is no reason to
///   refuse the unit.
/// - `whoever_repeats_carries_a_saga_on`: a repeated start is refused with the caller's own id, a
///   repeated write as one that has seen too little; reading the saga says whether the first took
///   effect.
/// - `a_claim_takes_what_is_due_and_free`, the longest due first, under the next epoch, and with the
///   revision raised by one.
/// - `what_one_has_claimed_no_other_gets`
/// - `what_is_given_back_can_be_claimed`
/// - `what_has_ended_or_waits_for_people_is_not_claimed`
/// - `a_cancelled_saga_says_so`: cancelling raises the revision and makes the saga due; twice is no
///   error.
/// - `a_finished_saga_cannot_be_cancelled`:
///   [`Error::WrongState`](crate::Error::WrongState).
/// - `sagas_are_listed_oldest_first`, by the time of their start and then by id; filters narrow them.
/// - `finished_sagas_are_pruned`, the longest finished first, and no others.
///
/// And in a store that processes [share](crate::store::Features::shared):
/// - `what_a_dead_member_had_of_sagas_is_free`
/// - `what_a_living_member_has_of_sagas_is_not_free`
pub trait Journal: Store {
    /// Takes sagas over that have something to do at `now` and that nobody carries on: those of
    /// these names that are [live](Phase::is_live), at most `limit` of them, the longest due first.
    ///
    /// In a store that is not shared, whoever else was the owner is gone, so only what `owner` has
    /// itself is passed over. In one that is, so is what a member has whose lease runs.
    ///
    /// A claim that failed may have taken effect: its sagas have their new owner, who is not given
    /// them again, until [`release_sagas`](Self::release_sagas) gives them back. A store may answer
    /// with fewer sagas than there are.
    fn claim_sagas<'a>(
        &'a self,
        owner: Uuid,
        names: &'a [String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SagaRow>>>;

    /// Gives back all that an owner has, so that it is free at once.
    fn release_sagas(&self, owner: Uuid) -> BoxFuture<'_, Result>;

    /// One saga.
    fn saga(&self, id: Uuid) -> BoxFuture<'_, Result<Option<SagaRow>>>;

    /// The sagas that pass the filter, oldest first.
    fn sagas(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<SagaRow>>>;

    /// When the next live saga of these names is due that has no owner.
    fn next_saga<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Option<Timestamp>>>;

    /// Deletes sagas that ended before a time, the longest ended first, at most `limit` of them,
    /// and says how many.
    fn prune_sagas(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>>;
}
