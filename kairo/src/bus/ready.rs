//! How an event is published, and what it becomes: an append, or a row of the timetable.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    clock::{Clock, Timestamp, after},
    delivery::Scheduled,
    engine::dispatch::scope::{Scope, event_of},
    error::{Error, Result},
    event::{
        name::StreamName,
        record::{Draft, Metadata},
    },
    store::{Append, Unit, Version},
};

/// The most metadata that an event can have, keys and values together, in bytes.
const METADATA_MAX: usize = 64 * 1024;

/// How an event is published.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) stream: Option<Result<StreamName>>,
    pub(super) expected: Version,
    pub(super) correlation: Option<Uuid>,
    pub(super) metadata: Metadata,
    pub(super) when: When,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum When {
    #[default]
    Now,
    After(Duration),
    At(Timestamp),
}

impl Options {
    /// An ephemeral event has no stream, no version and no later.
    pub(super) fn check_ephemeral(&self) -> Result {
        let plain = self.stream.is_none()
            && self.expected == Version::Any
            && self.correlation.is_none()
            && self.metadata.is_empty()
            && matches!(self.when, When::Now);
        if plain {
            return Ok(());
        }
        Err(Error::Misuse(
            "an ephemeral event is never stored, so it can have no stream, expected version, \
             correlation, metadata or delay",
        ))
    }

    /// Makes an event of a draft, as these options want it.
    pub(super) fn ready(self, clock: &Clock, scope: Option<&Scope>, draft: Draft) -> Result<Ready> {
        let due = self.due(clock.now());
        if due.is_some() && self.expected != Version::Any {
            return Err(Error::Misuse("`.expect(..)` cannot be checked for a delayed event"));
        }
        check_metadata(&self.metadata)?;
        let stream = self.stream.transpose()?;
        let mut event = event_of(clock, scope, draft)?;
        event.stream = stream.unwrap_or(event.stream);
        event.correlation = self.correlation.unwrap_or(event.correlation);
        event.metadata.extend(self.metadata);
        Ok(match due {
            Some(due) => Ready::Later(Scheduled { due, event }),
            None => Ready::Now(Append {
                stream: event.stream.clone(),
                expected: self.expected,
                events: vec![event],
            }),
        })
    }

    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        match self.when {
            When::Now => None,
            When::After(pause) => Some(after(now, pause)),
            When::At(time) => Some(time),
        }
    }
}

/// An event on its way into the log, or into the timetable.
pub(super) enum Ready {
    Now(Append),
    Later(Scheduled),
}

impl Ready {
    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Now(append) => append.events.first().map_or(Uuid::nil(), |event| event.id),
            Self::Later(scheduled) => scheduled.event.id,
        }
    }

    pub(super) fn into_unit(self) -> Unit {
        match self {
            Self::Now(append) => Unit::of_appends(vec![append]),
            Self::Later(scheduled) => Unit { scheduled: vec![scheduled], ..Unit::default() },
        }
    }
}

pub(crate) fn check_metadata(metadata: &Metadata) -> Result {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if METADATA_MAX < bytes {
        let value = format!("{bytes} bytes");
        return Err(Error::invalid("metadata", value, format!("use at most {METADATA_MAX} bytes")));
    }
    Ok(())
}
