//! The contract of the log: what is appended together, and how it is read.

pub mod position;
pub mod snapshot;
pub mod stream;
pub mod transaction;
pub mod unit;

use std::{any::Any, future::ready, ops::RangeInclusive, pin::Pin, sync::Arc};

use tokio::sync::watch;

pub use self::{
    position::{Position, Tip, Version},
    snapshot::Snapshot,
    stream::{Direction, StreamEnd, StreamRange, StreamStats},
    transaction::Transaction,
    unit::{Append, Committed, Placed, Removal, Unit},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    event::{
        fact::{Fact, Facts},
        name::{EventName, StreamName},
        record::{EventData, Recorded},
    },
};

/// A boxed future, as the contracts return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The largest payload that a store accepts, in bytes.
pub const PAYLOAD_MAX: usize = 1024 * 1024;

/// How many payload bytes a page of the log holds, beside that of its last event.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a store says that has no transactions for queries of others.
const NO_TRANSACTIONS: &str =
    "this store has no transactions that own queries can join: use SQLite or PostgreSQL";

/// What a store says that cannot write inside a transaction of others.
const NO_TRANSACTIONS_OF_OTHERS: &str =
    "this store cannot write inside a transaction that is not its own: use PostgreSQL";

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
/// - `a_deleted_stream_is_empty_and_its_versions_go_on`: its events leave the log; the next one gets
///   the version behind them, and the stream counts as one without events until then.
/// - `a_tombstone_is_final`: appends to the stream fail with
///   [`Error::Tombstone`].
/// - `a_tombstone_stops_writers_under_way`: no event of theirs is left.
/// - `a_deletion_expects_its_version`
/// - `pruning_keeps_what_somebody_needs`: events that a subscription has not passed, or has parked,
///   stay; versions of what is left do not change.
/// - `the_newest_snapshot_is_kept`: one that is older than the one that is there changes nothing.
/// - `a_deletion_takes_snapshots_along`
/// - `a_snapshot_of_what_was_deleted_is_not_kept`: one that was folded from events of a stream that
///   was deleted meanwhile comes too late.
/// - `a_snapshot_outlives_pruning`
/// - `a_pruned_stream_goes_on_behind_its_last_version`, also where older events are left.
/// - `positions_are_never_used_again`: the head does not go back either.
/// - `facts_are_what_the_stream_has`
/// - `a_stream_is_read_in_a_range` and `a_stream_is_read_backwards`
/// - `a_selection_between_times`, from the first on and before the second.
/// - `stats_say_what_is_there`
/// - `a_page_of_large_events_is_short`
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Makes everything in `unit` take effect together, or nothing of it.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Fenced`] and
    /// [`Error::NotFound`] are the unit's own; a unit that shares its
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

    /// Events of a stream with versions in a range, in its direction, at most `limit` of them, and
    /// fewer when their payloads have more than [`PAGE_BYTES_MAX`]; none only when none is left.
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        range: StreamRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>>;

    /// What a fold reads of a stream's events with these versions, in order, in pages as those of
    /// [`read_stream`](Self::read_stream). A page says whether it is the last one.
    ///
    /// A store whose rows hold more than a fold needs reads only that.
    fn read_facts<'a>(
        &'a self,
        stream: &'a StreamName,
        versions: RangeInclusive<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Facts>> {
        Box::pin(async move {
            let range = StreamRange::of(versions);
            Ok(facts_of(&self.read_stream(stream, range, limit).await?, limit))
        })
    }

    /// What there is to say about a stream; `None` when it never had an event.
    fn stream_stats<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<StreamStats>>>;

    /// The newest snapshot of a stream under this name.
    fn snapshot<'a>(
        &'a self,
        stream: &'a StreamName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Snapshot>>>;

    /// Deletes events that were published before a time and are selected, oldest first, at most
    /// `limit` of them, and says how many. What a subscription has not passed or has parked
    /// stays.
    fn prune<'a>(
        &'a self,
        before: Timestamp,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64>>;

    /// Begins a transaction that the caller's own queries can join.
    ///
    /// In a store with one writer, such as SQLite, nobody else writes before it ends. Whoever holds it
    /// must not wait for another commit to the same store, and should be done soon.
    ///
    /// # Errors
    /// [`Error::Misuse`] in a store without [such
    /// transactions](Features::transactions).
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(ready(Err(Error::Misuse(NO_TRANSACTIONS))))
    }

    /// Writes a unit inside a transaction of the caller's own, on a connection of the driver to this
    /// store's database. The unit takes effect when that transaction commits.
    ///
    /// # Errors
    /// [`Error::Misuse`] for any other connection, and in a store whose
    /// transactions nobody else can begin. What else goes wrong leaves the transaction for its owner
    /// to roll back.
    fn write_within<'a>(
        &'a self,
        connection: &'a mut (dyn Any + Send),
        unit: Unit,
    ) -> BoxFuture<'a, Result<Committed>> {
        let _ = (connection, unit);
        Box::pin(ready(Err(Error::Misuse(NO_TRANSACTIONS_OF_OTHERS))))
    }

    /// A signal that rises when events may have come in. It is a hint: a waiter must also look by
    /// itself from time to time.
    fn watch(&self) -> watch::Receiver<u64>;

    /// Waits for what is being written, then lets go of files and connections. Later calls fail
    /// with [`Error::Closed`].
    fn close(&self) -> BoxFuture<'_, Result>;

    /// The store's URL, without secrets.
    fn url(&self) -> &str;

    /// What has kept readers from the end of the log for some time, such as a transaction that
    /// somebody else has left open; for people.
    fn hindrance(&self) -> BoxFuture<'_, Result<Option<String>>> {
        Box::pin(ready(Ok(None)))
    }

    /// What this store promises beyond the laws that hold for all.
    fn features(&self) -> Features;

    /// Whether its URL lets it acknowledge what a loss of power can take, as
    /// `durability=relaxed` does.
    fn is_relaxed(&self) -> bool {
        false
    }
}

/// The facts of a page of a stream that was read with this limit.
pub(crate) fn facts_of(page: &[Arc<Recorded>], limit: usize) -> Facts {
    let facts: Facts = page.iter().map(|event| Fact::of(event)).collect();
    // It would have had room for more.
    let is_last = facts.len() < limit && facts.bytes() < PAGE_BYTES_MAX;
    if is_last { facts.last() } else { facts }
}

/// What a store promises beyond the laws that hold for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// What was committed is there after the store was closed and opened again. A store without
    /// this comes back empty, so that nobody is led to believe it.
    pub durable: bool,
    /// Several processes can have it open and share its subscriptions, by
    /// [leases](crate::lease). A store without this refuses a second process, or is another store
    /// in it.
    pub shared: bool,
    /// It has [transactions](Store::begin) that the caller's own queries can join.
    pub transactions: bool,
}

/// Which events a reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those with one of these names; sorted, so that equal selections are equal.
    Names(Vec<EventName>),
    /// Those that were published in a stretch of time.
    Between {
        /// Their names, sorted; none means all.
        names: Vec<EventName>,
        /// At this time or later.
        from: Timestamp,
        /// Before this time.
        until: Timestamp,
    },
}

impl Selection {
    /// Whether an event is selected.
    #[must_use]
    pub fn has(&self, event: &EventData) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(&event.name),
            Self::Between { names, from, until } => {
                (names.is_empty() || names.contains(&event.name))
                    && (*from..*until).contains(&event.time)
            }
        }
    }
}

/// A stretch of the log.
#[derive(Clone, Debug)]
pub struct Page {
    /// The selected events, in log order. They lie side by side: whoever shares them puts each into
    /// memory of its own, on the thread that will give that back.
    pub events: Vec<Recorded>,
    /// How far the log was searched: everything selected up to here is in `events`. It is at
    /// least `after`, and beyond the last event where unselected ones follow.
    pub end: Position,
    /// Whether `end` is the end of the log at this moment.
    pub complete: bool,
}
