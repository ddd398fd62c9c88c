//! The contract of documents: entities as JSON, with versions, unique values and queries.
//!
//! A document changes through [`Store::commit`], together with the events that tell of it; this
//! trait makes collections and reads them.

pub mod document;
pub mod entry;
pub mod query;

pub use self::{
    document::{Body, Change, Collection, Document, DocumentChange, Index, Seen},
    entry::{EntityEntry, EventNames},
    query::{Condition, Cursor, Order, Query},
};
use crate::{
    error::Result,
    store::{BoxFuture, Store},
};

/// The largest document that a store accepts, in bytes of JSON.
pub const DOCUMENT_MAX: usize = 1024 * 1024;

/// The most documents that one call of [`Documents::find`] returns.
pub const FOUND_MAX: usize = 1_000;

/// The documents of a store.
///
/// # Laws
/// - `a_document_comes_back_as_it_was`
/// - `an_id_is_taken_once`: a second insertion is refused with
///   [`Error::DocumentExists`](crate::Error::DocumentExists).
/// - `a_change_shows_what_it_has_seen`: a replacement or removal of another version, or of a document
///   that has gone or was made again, is refused with
///   [`Error::DocumentMoved`](crate::Error::DocumentMoved). One that succeeds raises the version by
///   one.
/// - `one_of_many_replaces_a_version`
/// - `a_document_that_is_made_again_is_another`: what was seen of the first does not fit the second,
///   though both begin at version 1.
/// - `documents_and_events_take_effect_together`, and so do several documents.
/// - `a_unit_changes_a_document_once`: more is refused with [`Error::Misuse`](crate::Error::Misuse).
/// - `a_unique_value_is_taken_once`: by one document of the collection, and by nobody again before that
///   one lets go of it; else [`Error::ValueTaken`](crate::Error::ValueTaken). `null` is no value.
/// - `unique_values_can_move_in_one_unit`: what one document lets go of, another can take.
/// - `queries_find_what_matches`
/// - `what_is_found_is_in_order`: by the fields of the query, and then by id; `null` comes first.
/// - `pages_follow_each_other`: a query behind a cursor finds what comes behind it in that order.
/// - `a_count_counts_what_matches`
/// - `collections_are_apart`
/// - `a_new_index_covers_what_is_there`, and makes no difference to what is found.
/// - `values_that_are_not_unique_are_refused_as_such`: a unique index over values of which one is there
///   twice is refused with [`Error::ValueTaken`](crate::Error::ValueTaken), and nothing changes.
/// - `an_index_that_is_not_declared_any_more_goes`
pub trait Documents: Store {
    /// Makes a collection where there is none, and its indexes what they are declared to be.
    ///
    /// Everything else that is done with the collection comes after this.
    ///
    /// # Errors
    /// [`Error::Foreign`](crate::Error::Foreign) when its table is somebody else's.
    fn make_collection(&self, collection: &'static Collection) -> BoxFuture<'_, Result>;

    /// One document.
    fn document<'a>(
        &'a self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>>;

    /// The documents that match, in the order of the query, at most its limit and [`FOUND_MAX`].
    fn find<'a>(
        &'a self,
        collection: &'static Collection,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Document>>>;

    /// How many documents match.
    fn count_documents<'a>(
        &'a self,
        collection: &'static Collection,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<u64>>;
}
