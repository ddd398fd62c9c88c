//! The calls of a store, as a rule of faults sees them.

use crate::{delivery::Claim, store::Unit};

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before it reaches the store: nothing has happened.
    Before,
    /// After the store has done it: it has happened, and the caller does not know.
    After,
}

/// A call of a store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Call<'a> {
    /// [`Store::commit`](crate::store::Store::commit)
    Commit(&'a Unit),
    /// [`Store::head`](crate::store::Store::head)
    Head,
    /// [`Store::read_log`](crate::store::Store::read_log)
    ReadLog,
    /// [`Store::count`](crate::store::Store::count)
    Count,
    /// [`Store::read_at`](crate::store::Store::read_at)
    ReadAt,
    /// [`Store::read_stream`](crate::store::Store::read_stream)
    ReadStream,
    /// [`Store::read_facts`](crate::store::Store::read_facts)
    ReadFacts,
    /// [`Store::stream_stats`](crate::store::Store::stream_stats)
    StreamStats,
    /// [`Store::snapshot`](crate::store::Store::snapshot)
    Snapshot,
    /// [`Store::prune`](crate::store::Store::prune)
    Prune,
    /// [`Store::close`](crate::store::Store::close)
    Close,
    /// [`Members::join`](crate::lease::Members::join)
    Join,
    /// [`Members::renew`](crate::lease::Members::renew)
    Renew,
    /// [`Members::leave`](crate::lease::Members::leave)
    Leave,
    /// [`Deliveries::claim`](crate::delivery::Deliveries::claim)
    Claim(&'a [Claim]),
    /// [`Deliveries::release`](crate::delivery::Deliveries::release)
    Release,
    /// [`Deliveries::subscriptions`](crate::delivery::Deliveries::subscriptions)
    Subscriptions,
    /// [`Deliveries::remove_subscription`](crate::delivery::Deliveries::remove_subscription)
    RemoveSubscription,
    /// [`Deliveries::steer`](crate::delivery::Deliveries::steer)
    Steer,
    /// [`Deliveries::fate`](crate::delivery::Deliveries::fate)
    Fate,
    /// [`DeadLetters::letters`](crate::delivery::DeadLetters::letters)
    Letters,
    /// [`DeadLetters::letter`](crate::delivery::DeadLetters::letter)
    Letter,
    /// [`Timetable::due`](crate::delivery::Timetable::due)
    Due,
    /// [`Timetable::next_due`](crate::delivery::Timetable::next_due)
    NextDue,
    /// [`Journal::claim_sagas`](crate::journal::Journal::claim_sagas)
    ClaimSagas,
    /// [`Journal::release_sagas`](crate::journal::Journal::release_sagas)
    ReleaseSagas,
    /// [`Journal::saga`](crate::journal::Journal::saga)
    Saga,
    /// [`Journal::sagas`](crate::journal::Journal::sagas)
    Sagas,
    /// [`Journal::next_saga`](crate::journal::Journal::next_saga)
    NextSaga,
    /// [`Journal::prune_sagas`](crate::journal::Journal::prune_sagas)
    PruneSagas,
    /// [`Deliveries::is_marked`](crate::delivery::Deliveries::is_marked)
    IsMarked,
    /// [`Deliveries::prune_marks`](crate::delivery::Deliveries::prune_marks)
    PruneMarks,
    /// [`Documents::make_collection`](crate::documents::Documents::make_collection)
    MakeCollection,
    /// [`Documents::document`](crate::documents::Documents::document)
    Document,
    /// [`Documents::find`](crate::documents::Documents::find)
    Find,
    /// [`Documents::count_documents`](crate::documents::Documents::count_documents)
    CountDocuments,
    /// [`Store::begin`](crate::store::Store::begin)
    Begin,
}
