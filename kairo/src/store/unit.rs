//! The unit of change: everything that takes effect together or not at all.

use uuid::Uuid;

use super::{Position, Snapshot, Version};
use crate::{
    delivery::{LetterChange, Mark, Progress, Scheduled},
    documents::DocumentChange,
    event::{name::StreamName, record::EventData},
    journal::SagaChange,
};

/// Everything that takes effect together or not at all.
///
/// A back end checks the whole unit before it writes, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// What subscriptions have finished; each is fenced by its claim.
    pub progress: Vec<Progress>,
    /// Events that have been handled with all their effects; each is fenced by its claim.
    pub marks: Vec<Mark>,
    /// What happens to dead letters.
    pub letters: Vec<LetterChange>,
    /// Ids of delayed events to take from the timetable; each must still be there.
    pub unscheduled: Vec<Uuid>,
    /// Delayed events to put into the timetable.
    pub scheduled: Vec<Scheduled>,
    /// Streams whose events go.
    pub removals: Vec<Removal>,
    /// Events to append, in this order.
    pub appends: Vec<Append>,
    /// Snapshots to keep, of streams and names that differ.
    pub snapshots: Vec<Snapshot>,
    /// What happens to sagas, each once.
    pub sagas: Vec<SagaChange>,
    /// What happens to documents, each once.
    pub documents: Vec<DocumentChange>,
}

impl Unit {
    /// A unit of appends alone.
    #[must_use]
    pub fn of_appends(appends: Vec<Append>) -> Self {
        Self { appends, ..Self::default() }
    }

    /// A unit of one subscription's progress.
    #[must_use]
    pub fn of_progress(progress: Progress) -> Self {
        Self { progress: vec![progress], ..Self::default() }
    }
}

/// Events for one stream.
#[derive(Clone, Debug)]
pub struct Append {
    /// The stream.
    pub stream: StreamName,
    /// The version at which the stream must be.
    pub expected: Version,
    /// The events, in order; all of them name this stream.
    pub events: Vec<EventData>,
}

impl Append {
    /// One event for whatever version its stream has.
    #[must_use]
    pub fn one(event: EventData) -> Self {
        Self { stream: event.stream.clone(), expected: Version::Any, events: vec![event] }
    }
}

/// A stream whose events go. Its versions go on behind them.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The stream; a unit that removes it appends nothing to it.
    pub stream: StreamName,
    /// The version at which the stream must be.
    pub expected: Version,
    /// Whether nothing can be appended to it from now on.
    pub tombstone: bool,
}

/// What became of a unit's appends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The place of each event, in the order of the unit.
    pub placed: Vec<Placed>,
}

/// The place that an event got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The event's id.
    pub id: Uuid,
    /// Its place in the log.
    pub position: Position,
    /// Its place in its stream, from 1.
    pub version: u64,
    /// Whether the log had this derived id already; the place is then that of the first.
    pub duplicate: bool,
}
