//! An event as the store keeps it: encoded, with everything that is known about it.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Event,
    name::{EventName, StreamName},
    own_stream,
};
use crate::{
    clock::Timestamp,
    error::{DecodeError, Error, Result},
    store::Position,
};

/// The metadata key under which a W3C trace context travels from cause to effect.
pub const TRACEPARENT: &str = "traceparent";

/// Free notes on an event, such as who caused it.
pub type Metadata = BTreeMap<String, String>;

/// A payload under its name, on its way to becoming an event.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The event's name.
    pub name: EventName,
    /// The version of the payload's shape.
    pub schema: u32,
    /// The stream that the payload names; without one the event becomes a stream of its own.
    pub stream: Option<StreamName>,
    /// The payload as JSON.
    pub payload: Bytes,
}

impl Draft {
    /// Encodes a payload.
    ///
    /// # Errors
    /// [`Error::Encode`] when serde cannot write it as JSON, [`Error::Invalid`] when its key makes
    /// no valid stream name.
    pub fn encode<E: Event>(event: &E) -> Result<Self> {
        let payload = serde_json::to_vec(event)
            .map_err(|source| Error::Encode { event: E::NAME.to_owned(), source })?;
        Ok(Self {
            name: EventName::checked(E::NAME),
            schema: E::SCHEMA,
            stream: event.stream().map(StreamName::new).transpose()?,
            payload: payload.into(),
        })
    }

    /// The event that it is under this id, as far as nothing has caused it.
    pub(crate) fn into_event(self, id: Uuid, time: Timestamp) -> EventData {
        EventData {
            id,
            derived: false,
            stream: self.stream.unwrap_or_else(|| own_stream(&self.name, id)),
            name: self.name,
            schema: self.schema,
            time,
            correlation: id,
            causation: None,
            depth: 0,
            metadata: Metadata::new(),
            payload: self.payload,
        }
    }
}

/// An event without its place: what is appended.
#[derive(Clone, Debug)]
pub struct EventData {
    /// UUID v7 of the publish, or UUID v8 derived from what caused it.
    pub id: Uuid,
    /// Whether the id is derived, so that a second append of it is ignored.
    pub derived: bool,
    /// The event's name.
    pub name: EventName,
    /// The version of the payload's shape.
    pub schema: u32,
    /// The stream, which is also the delivery key.
    pub stream: StreamName,
    /// When it was published.
    pub time: Timestamp,
    /// What belongs together: the first event's id, or what its publisher said.
    pub correlation: Uuid,
    /// The event whose handling published this one.
    pub causation: Option<Uuid>,
    /// How many causes lie before this event; 0 for one that no handler published.
    pub depth: u32,
    /// Free notes.
    pub metadata: Metadata,
    /// The payload, as bytes that were JSON when they were written.
    pub payload: Bytes,
}

/// An event in its place in the log.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where it stands in the log.
    pub position: Position,
    /// Where it stands in its stream, from 1.
    pub version: u64,
    /// The event itself.
    pub event: EventData,
    /// The first decoded form, shared by all handlers of that type.
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Recorded {
    /// Puts an event in its place.
    #[must_use]
    pub const fn new(position: Position, version: u64, event: EventData) -> Self {
        Self { position, version, event, decoded: OnceLock::new() }
    }

    /// The payload as a `T`, decoded at most once for the first type that asks.
    pub(crate) fn shared<T: Event>(&self) -> Result<Arc<T>, DecodeError> {
        if let Some(decoded) = self.decoded.get()
            && let Ok(payload) = Arc::clone(decoded).downcast::<T>()
        {
            return Ok(payload);
        }
        let payload =
            Arc::new(T::decode(self.event.name.as_str(), self.event.schema, &self.event.payload)?);
        // A second type finds the place taken; it is decoded each time, which stays correct.
        let _ = self.decoded.set(Arc::<T>::clone(&payload));
        Ok(payload)
    }
}

/// The wire form of [`EventData`]: how an event travels inside another one's payload.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventWire {
    id: Uuid,
    name: String,
    schema: u32,
    stream: String,
    time: Timestamp,
    correlation: Uuid,
    causation: Option<Uuid>,
    depth: u32,
    metadata: Metadata,
    payload: Payload,
}

/// A payload inside JSON: as JSON where it is that, otherwise as its bytes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Payload {
    Json(Box<serde_json::value::RawValue>),
    Bytes(Vec<u8>),
}

impl From<&EventData> for EventWire {
    fn from(event: &EventData) -> Self {
        let payload = serde_json::from_slice(&event.payload)
            .map_or_else(|_| Payload::Bytes(event.payload.to_vec()), Payload::Json);
        Self {
            id: event.id,
            name: event.name.as_str().to_owned(),
            schema: event.schema,
            stream: event.stream.as_str().to_owned(),
            time: event.time,
            correlation: event.correlation,
            causation: event.causation,
            depth: event.depth,
            metadata: event.metadata.clone(),
            payload,
        }
    }
}

impl From<EventWire> for EventData {
    fn from(wire: EventWire) -> Self {
        Self {
            id: wire.id,
            derived: false,
            name: EventName::stored(&wire.name),
            schema: wire.schema,
            stream: StreamName::stored(&wire.stream),
            time: wire.time,
            correlation: wire.correlation,
            causation: wire.causation,
            depth: wire.depth,
            metadata: wire.metadata,
            payload: match wire.payload {
                Payload::Json(json) => Bytes::from(String::from(Box::<str>::from(json))),
                Payload::Bytes(bytes) => bytes.into(),
            },
        }
    }
}

impl Serialize for EventData {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventWire::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventData {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EventWire::deserialize(deserializer).map(Self::from)
    }
}
