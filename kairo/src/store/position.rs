//! Places: of an event in the whole log, and of an event in its stream.

use std::{fmt, str::FromStr};

use crate::error::Error;

/// Where an event stands in the log.
///
/// Positions are ordered and otherwise opaque: nothing follows from the difference of two, and the
/// number of events between them is counted, not subtracted. Written as text (`3-81-9`), a position
/// can be parsed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Rises when the log moves to a database whose transaction ids start again.
    pub epoch: u32,
    /// The order that the store's transactions give; 0 in stores with one writer.
    pub order: u64,
    /// The order within the above.
    pub sequence: u64,
}

impl Position {
    /// Before every event.
    pub const START: Self = Self { epoch: 0, order: 0, sequence: 0 };

    /// The last place before this one: no event lies between the two.
    pub(crate) const fn preceding(self) -> Self {
        match (self.sequence.checked_sub(1), self.order.checked_sub(1)) {
            (Some(sequence), _) => Self { sequence, ..self },
            // Stores keep positions as signed numbers.
            (None, Some(order)) => Self { order, sequence: i64::MAX.unsigned_abs(), ..self },
            (None, None) => self,
        }
    }

    /// A position in a store with one writer, where the sequence says it all.
    #[must_use]
    pub const fn at_sequence(sequence: u64) -> Self {
        Self { epoch: 0, order: 0, sequence }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.order, self.sequence)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '-');
        let position = (|| {
            Some(Self {
                epoch: parts.next()?.parse().ok()?,
                order: parts.next()?.parse().ok()?,
                sequence: parts.next()?.parse().ok()?,
            })
        })();
        position.ok_or_else(|| Error::invalid("position", text, "write three numbers, `0-0-17`"))
    }
}

/// The version at which an append expects its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Whatever it is.
    #[default]
    Any,
    /// The stream has no event yet.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// The stream's last event has this version; the first event of a stream has version 1.
    At(u64),
}

impl Version {
    /// Whether a stream with this tip is as expected.
    #[must_use]
    pub const fn allows(self, actual: Tip) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => !actual.has_events,
            Self::Exists => actual.has_events,
            Self::At(version) => version == actual.version,
        }
    }
}

/// Where a stream ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// The version of its last event, also when that has been deleted; 0 when it never had one.
    pub version: u64,
    /// Whether it has events.
    pub has_events: bool,
    /// Whether nothing can be appended to it any more.
    pub tombstone: bool,
}

impl Tip {
    /// A stream whose last event has this version, or that never had one: 0.
    #[must_use]
    pub const fn at(version: u64) -> Self {
        Self { version, has_events: 0 < version, tombstone: false }
    }

    /// A stream whose events have been deleted, up to this version.
    #[must_use]
    pub const fn deleted(version: u64, tombstone: bool) -> Self {
        Self { version, has_events: false, tombstone }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream => f.write_str("no stream"),
            Self::Exists => f.write_str("an existing stream"),
            Self::At(version) => version.fmt(f),
        }
    }
}
