//! One event on its way through one subscription.

use std::sync::Arc;

use uuid::Uuid;

use super::waiters::Subject;
use crate::{
    delivery::{FailedAttempt, Parked, ParkedState, Reason, letter::FAILURES_MAX},
    event::{name::StreamName, record::Recorded},
};

/// An event that is to be handled, with its history in this subscription.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) event: Arc<Recorded>,
    pub(super) origin: Origin,
    /// How many attempts have failed.
    pub(super) attempts: u32,
    /// The last failures, oldest first.
    pub(super) failures: Vec<FailedAttempt>,
    /// Why the event would be dead if its last failed attempt were the last of all.
    pub(super) last_reason: Option<Reason>,
    /// How often the process went away while this event was alone in flight.
    pub(super) crashes: u32,
    /// What tells the edited payload of a letter from the original one.
    pub(super) edit: Option<Uuid>,
    /// Whether a row counts this run, because it runs alone.
    pub(super) counted: bool,
}

/// Where a job comes from, which says what must be written when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Read from the log for the first time.
    Log,
    /// A parked row whose turn has come.
    Row,
    /// A dead letter that is being reprocessed.
    Letter(Uuid),
}

impl Job {
    /// An event that is read for the first time.
    pub(super) const fn first(event: Arc<Recorded>) -> Self {
        Self::again(event, Origin::Log, 0, Vec::new())
    }

    /// An event whose earlier attempts have failed.
    pub(super) const fn again(
        event: Arc<Recorded>,
        origin: Origin,
        attempts: u32,
        failures: Vec<FailedAttempt>,
    ) -> Self {
        Self {
            event,
            origin,
            attempts,
            failures,
            last_reason: None,
            crashes: 0,
            edit: None,
            counted: false,
        }
    }

    /// The row that the event leaves behind while it waits.
    pub(super) fn parked(&self, state: ParkedState) -> Parked {
        Parked {
            position: self.event.position,
            key: self.key().to_string(),
            state,
            attempts: self.attempts,
            failures: self.failures.clone(),
        }
    }

    /// What somebody waits for who waits for its outcome.
    pub(super) fn subject(&self) -> Subject {
        match self.origin {
            Origin::Log | Origin::Row => Subject::Event(self.event.position),
            Origin::Letter(id) => Subject::Letter(id),
        }
    }

    pub(super) fn key(&self) -> &StreamName {
        &self.event.event.stream
    }

    /// Counts a failed attempt and keeps the last few.
    pub(super) fn note(&mut self, failed: FailedAttempt) {
        self.attempts = failed.attempt;
        if self.failures.len() == FAILURES_MAX {
            self.failures.remove(0);
        }
        self.failures.push(failed);
    }
}

#[cfg(test)]
impl Job {
    /// An event of this key at this place, for tests of order.
    pub(super) fn sample(key: &str, sequence: u64) -> Self {
        use bytes::Bytes;

        use crate::{
            clock::micros,
            event::{
                name::EventName,
                record::{EventData, Metadata},
            },
            store::Position,
        };
        let event = EventData {
            id: Uuid::nil(),
            derived: false,
            name: EventName::checked("sample"),
            schema: 1,
            stream: StreamName::stored(key),
            time: micros(0),
            correlation: Uuid::nil(),
            causation: None,
            depth: 0,
            metadata: Metadata::new(),
            payload: Bytes::new(),
        };
        Self::first(Arc::new(Recorded::new(Position::at_sequence(sequence), 1, event)))
    }
}
