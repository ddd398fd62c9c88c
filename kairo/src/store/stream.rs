//! Reading one stream: which versions, in which direction, and what is known about it.

use std::ops::RangeInclusive;

use super::Position;
use crate::clock::Timestamp;

/// In which direction a stream is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the oldest version to the newest.
    #[default]
    Forwards,
    /// From the newest version to the oldest.
    Backwards,
}

/// A stretch of a stream, by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRange {
    /// The lowest version.
    pub from: u64,
    /// The highest version.
    pub to: u64,
    /// The direction.
    pub direction: Direction,
}

impl StreamRange {
    /// The whole stream, forwards.
    pub const ALL: Self = Self::from(1);

    /// Everything from a version on, forwards.
    #[must_use]
    pub const fn from(version: u64) -> Self {
        Self { from: version, to: u64::MAX, direction: Direction::Forwards }
    }

    /// These versions, forwards.
    #[must_use]
    pub fn of(versions: RangeInclusive<u64>) -> Self {
        let (from, to) = versions.into_inner();
        Self { from, to, direction: Direction::Forwards }
    }

    /// Everything down from a version, backwards.
    #[must_use]
    pub const fn back_from(version: u64) -> Self {
        Self { from: 1, to: version, direction: Direction::Backwards }
    }

    /// What is left of the range behind `version`, the last one that was read.
    #[must_use]
    pub const fn behind(self, version: u64) -> Self {
        match self.direction {
            Direction::Forwards => Self { from: version.saturating_add(1), ..self },
            Direction::Backwards => Self { to: version.saturating_sub(1), ..self },
        }
    }

    /// Whether no version is in the range.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.to < self.from || self.to == 0
    }
}

/// What there is to say about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// How many events it has.
    pub events: u64,
    /// How many bytes their payloads have.
    pub bytes: u64,
    /// The version of its last event, also when that has been deleted.
    pub version: u64,
    /// Its first event: version, time and place; `None` when all are deleted.
    pub first: Option<StreamEnd>,
    /// Its last event.
    pub last: Option<StreamEnd>,
    /// Whether nothing can be appended to it any more.
    pub tombstone: bool,
}

impl StreamStats {
    /// A stream of which nothing is left but its version.
    #[must_use]
    pub const fn of_deleted(version: u64, tombstone: bool) -> Self {
        Self { events: 0, bytes: 0, version, first: None, last: None, tombstone }
    }

    /// A stream with events.
    #[must_use]
    pub const fn of_events(events: u64, bytes: u64, first: StreamEnd, last: StreamEnd) -> Self {
        let version = last.version;
        Self { events, bytes, version, first: Some(first), last: Some(last), tombstone: false }
    }
}

/// The first or last event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// Its version.
    pub version: u64,
    /// When it was published.
    pub time: Timestamp,
    /// Where it stands in the log.
    pub position: Position,
}
