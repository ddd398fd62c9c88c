//! The contract of the log: what is appended together, and how it is read.

pub mod position;
pub mod unit;

use std::{pin::Pin, sync::Arc};

use tokio::sync::watch;

pub use self::{
    position::{Position, Version},
    unit::{Append, Committed, Placed, Unit},
};
use crate::{
    error::Result,
    event::{
        name::{EventName, StreamName},
        record::Recorded,
    },
};

/// A boxed future, as the contracts return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The largest payload that a store accepts, in bytes.
pub const PAYLOAD_MAX: usize = 1024 * 1024;

/// How many payload bytes a page of the log holds, beside that of its last event.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An append-only log of events, and the one way to change anything in a store.
///
/// # Laws
/// - `commit_is_all_or_nothing`: when [`commit`](Self::commit) returns an error, nothing of its
///   unit is there; when it returns Ok, all of it is durable and every read sees it.
/// - `versions_have_no_gap`: the versions of a stream are 1, 2, 3, …
/// - `a_conflict_names_both_versions`
/// - `a_derived_id_is_appended_once`: an append of a derived id that the log has is ignored and
///   reports the place that the first one got, with `duplicate` set.
/// - `a_repetition_fits_whatever_the_version_is`: an append of derived ids that the log has all of
///   is no conflict, whatever it expects. So is one of no events.
/// - `an_append_sees_those_before_it_in_its_unit`, and expects its stream behind them.
/// - `an_append_holds_events_of_its_own_stream_only`: others are refused.
/// - `one_of_many_wins_a_version`
/// - `log_order_is_stream_order`: a later version has a later position.
/// - `no_reader_passes_a_hole`: what [`read_log`](Self::read_log) has passed never changes: no
///   event commits at or before the `end` of a page that was returned.
/// - `a_count_is_what_a_reader_would_read`, up to its limit.
/// - `a_commit_wakes_the_watchers`
/// - `a_failed_commit_can_be_repeated`
/// - `a_dropped_commit_is_still_all_or_nothing`: dropping the future cancels nothing half-way.
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Makes everything in `unit` take effect together, or nothing of it.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict), [`Error::Fenced`](crate::Error::Fenced) and
    /// [`Error::NotFound`](crate::Error::NotFound) are the unit's own; a unit that shares its
    /// transaction with others gets exactly its own result.
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>>;

    /// The position of the last event that a reader can see.
    fn head(&self) -> BoxFuture<'_, Result<Position>>;

    /// Events behind `after` in log order, at most `limit` of them, and fewer when their payloads
    /// have more than [`PAGE_BYTES_MAX`].
    fn read_log<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>>;

    /// How many selected events lie behind `after`, counted up to `limit` and no further.
    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>>;

    /// The events at these positions, in log order; those that are not there are left out.
    fn read_at<'a>(
        &'a self,
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>>;

    /// Events of a stream from version `from`, ascending, at most `limit` of them.
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>>;

    /// A signal that rises when events may have come in. It is a hint: a waiter must also look by
    /// itself from time to time.
    fn watch(&self) -> watch::Receiver<u64>;

    /// Waits for what is being written, then lets go of files and connections. Later calls fail
    /// with [`Error::Closed`](crate::Error::Closed).
    fn close(&self) -> BoxFuture<'_, Result>;

    /// The store's URL, without secrets.
    fn url(&self) -> &str;
}

/// Which events a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those with one of these names; sorted, so that equal selections are equal.
    Names(Vec<EventName>),
}

impl Selection {
    /// Whether an event of this name is selected.
    #[must_use]
    pub fn has(&self, name: &EventName) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(name),
        }
    }
}

/// A stretch of the log.
#[derive(Clone, Debug)]
pub struct Page {
    /// The selected events, in log order.
    pub events: Vec<Arc<Recorded>>,
    /// How far the log was searched: everything selected up to here is in `events`. It is at
    /// least `after`, and beyond the last event where unselected ones follow.
    pub end: Position,
    /// Whether `end` is the end of the log at this moment.
    pub complete: bool,
}
