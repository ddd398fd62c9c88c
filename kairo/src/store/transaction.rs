//! A transaction that is open in a store, for those whose own queries belong to it.

use std::{any::Any, fmt::Debug};

use super::{BoxFuture, Committed, Unit};
use crate::{
    documents::{Collection, Document},
    error::Result,
};

/// A transaction that is open in a store. Dropping it rolls it back.
///
/// # Laws
/// - `a_transaction_is_all_or_nothing`: what its units and its connection have done takes effect when
///   [`commit`](Self::commit) returns Ok, and nothing of it otherwise.
/// - `nothing_of_an_open_transaction_is_seen` by anybody else.
/// - `a_transaction_sees_what_it_has_written`, and so does its connection.
/// - `a_dropped_transaction_leaves_nothing`, and the store goes on.
/// - `a_refused_unit_ends_nothing_but_its_transaction`: after an error the transaction can only be
///   rolled back.
pub trait Transaction: Debug + Send {
    /// The driver's connection, inside the transaction; something else after an error. It is lent:
    /// its queries must leave the transaction open, and its settings as they are.
    fn connection(&mut self) -> &mut (dyn Any + Send);

    /// A document as the transaction sees it.
    fn document<'a>(
        &'a mut self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>>;

    /// Checks a unit as [`Store::commit`](super::Store::commit) does, and writes it inside the
    /// transaction. Its events have no final place before the commit.
    fn write(&mut self, unit: Unit) -> BoxFuture<'_, Result<Committed>>;

    /// Writes one more unit, and then lets everything take effect.
    fn commit(self: Box<Self>, unit: Unit) -> BoxFuture<'static, Result<Committed>>;

    /// Undoes everything.
    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result>;
}
