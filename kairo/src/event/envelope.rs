//! How a handler receives an event: decoded in an [`Envelope`], or as it is, as an [`AnyEvent`].

use std::{fmt, ops::Deref, sync::Arc};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Event, EventSet,
    name::{EventName, StreamName},
    record::{Draft, EventData, Metadata, Recorded},
};
use crate::{
    clock::{Clock, Timestamp},
    error::{DecodeError, Error, Result},
    store::Position,
};

macro_rules! about {
    () => {
        /// The event's name.
        #[must_use]
        pub fn name(&self) -> &str {
            self.data().name.as_str()
        }

        /// The version of the event within its stream, from 1; 0 while it is not in the log.
        #[must_use]
        pub fn version(&self) -> u64 {
            self.place().1
        }

        /// The version of the payload's shape, as in `#[event(.., version = 2)]`.
        #[must_use]
        pub fn schema(&self) -> u32 {
            self.data().schema
        }

        /// The event's id.
        #[must_use]
        pub fn id(&self) -> Uuid {
            self.data().id
        }

        /// When the event was published.
        #[must_use]
        pub fn time(&self) -> Timestamp {
            self.data().time
        }

        /// The event's stream, which is also the key of its order.
        #[must_use]
        pub fn stream(&self) -> &StreamName {
            &self.data().stream
        }

        /// The event's place in the log; [`Position::START`] while it is not in the log.
        #[must_use]
        pub fn position(&self) -> Position {
            self.place().0
        }

        /// What the event belongs to: the id of the first event of the chain, unless a publisher
        /// said otherwise.
        #[must_use]
        pub fn correlation(&self) -> Uuid {
            self.data().correlation
        }

        /// The event whose handling published this one.
        #[must_use]
        pub fn causation(&self) -> Option<Uuid> {
            self.data().causation
        }

        /// Free notes that were published with the event.
        #[must_use]
        pub fn metadata(&self) -> &Metadata {
            &self.data().metadata
        }
    };
}

/// A decoded payload together with everything that is known about its event.
///
/// It dereferences to the payload.
#[derive(Clone)]
pub struct Envelope<T> {
    pub(crate) source: AnyEvent,
    pub(crate) payload: Arc<T>,
}

impl<T> Envelope<T> {
    about!();

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// The payload by value; it is cloned only while another handler has it as well.
    #[must_use]
    pub fn into_payload(self) -> T
    where
        T: Clone,
    {
        // An event from the log keeps the payload for its other handlers.
        drop(self.source);
        Arc::unwrap_or_clone(self.payload)
    }

    fn data(&self) -> &EventData {
        self.source.data()
    }

    fn place(&self) -> (Position, u64) {
        self.source.place()
    }
}

impl<T: Event> Envelope<T> {
    /// An envelope outside a log, with an id and a time of its own, to call a handler with in a
    /// test.
    ///
    /// # Errors
    /// [`Error::Encode`] when the payload cannot be written as JSON, [`Error::Invalid`] when its
    /// key makes no valid stream name.
    pub fn of(payload: T) -> Result<Self> {
        let source = AnyEvent::fresh(Draft::encode(&payload)?, &Clock::system());
        Ok(Self { source, payload: Arc::new(payload) })
    }
}

impl<T> From<Envelope<T>> for AnyEvent {
    fn from(envelope: Envelope<T>) -> Self {
        envelope.source
    }
}

impl<T> Deref for Envelope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<T: fmt::Debug> fmt::Debug for Envelope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("id", &self.id())
            .field("stream", self.stream())
            .field("version", &self.version())
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

/// Any event, with its payload still as JSON.
#[derive(Clone)]
pub struct AnyEvent {
    source: Source,
}

#[derive(Clone)]
enum Source {
    /// From the log.
    Recorded(Arc<Recorded>),
    /// Made in this process: not, or not yet, in a log.
    Fresh(Arc<EventData>),
}

impl AnyEvent {
    about!();

    /// Makes an event from its name and its payload, checked against the type of that name. It can
    /// be published like any other.
    ///
    /// ```
    /// use kairo::{prelude::*, serde_json::json};
    ///
    /// #[event("user.created")]
    /// struct UserCreated { #[key] user_id: u64 }
    ///
    /// let event = AnyEvent::new("user.created", json!({ "user_id": 7 }))?;
    /// assert_eq!(event.stream().as_str(), "user-7");
    /// # Ok::<(), kairo::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for a malformed name or a payload that its type finds not valid,
    /// [`Error::NotFound`] when no `#[event]` of this binary has that name, [`Error::Decode`] when
    /// the payload is not what its type wants.
    #[expect(clippy::needless_pass_by_value, reason = "`json!(..)` is what people hand in")]
    pub fn new(name: &str, payload: serde_json::Value) -> Result<Self> {
        Self::from_json(name, payload.to_string())
    }

    /// Makes an event as [`new`](Self::new) does, from a payload that is JSON text already.
    ///
    /// # Errors
    /// As `new`.
    pub fn from_json(name: &str, json: impl Into<Bytes>) -> Result<Self> {
        let name = EventName::new(name)?;
        let payload = json.into();
        let entry = super::registered(name.as_str())
            .ok_or_else(|| Error::NotFound { what: "event", value: name.to_string() })?;
        let stream = (entry.check)(entry.schema, &payload)?.map(StreamName::new).transpose()?;
        let draft = Draft { name, schema: entry.schema, stream, payload };
        Ok(Self::fresh(draft, &Clock::system()))
    }

    /// An event that is not in a log.
    pub(crate) fn fresh(draft: Draft, clock: &Clock) -> Self {
        let data = draft.into_event(clock.new_id(), clock.now());
        Self { source: Source::Fresh(Arc::new(data)) }
    }

    /// An event outside its place, such as the original of a dead letter.
    pub(crate) fn detached(event: EventData) -> Self {
        Self { source: Source::Fresh(Arc::new(event)) }
    }

    /// The payload's bytes: JSON, unless someone wrote something else into the store.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.data().payload
    }

    /// The payload as a JSON value.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] when the stored bytes are not JSON.
    pub fn json(&self) -> Result<serde_json::Value, DecodeError> {
        serde_json::from_slice(self.payload())
            .map_err(|source| DecodeError::Malformed { event: self.name().to_owned(), source })
    }

    /// The payload as a `T`; an older version of it is upcast.
    ///
    /// # Errors
    /// [`DecodeError`] when this is another event, a newer version, or does not fit the type.
    pub fn decode<T: Event>(&self) -> Result<T, DecodeError> {
        T::decode(self.name(), self.schema(), self.payload())
    }

    pub(crate) fn data(&self) -> &EventData {
        match &self.source {
            Source::Recorded(recorded) => &recorded.event,
            Source::Fresh(event) => event,
        }
    }

    /// The event in its place, if it comes from a log.
    pub(crate) fn recorded(&self) -> Option<Arc<Recorded>> {
        match &self.source {
            Source::Recorded(recorded) => Some(Arc::clone(recorded)),
            Source::Fresh(_) => None,
        }
    }

    fn place(&self) -> (Position, u64) {
        match &self.source {
            Source::Recorded(recorded) => (recorded.position, recorded.version),
            Source::Fresh(_) => (Position::START, 0),
        }
    }

    /// The payload as a `T`, decoded once for all who ask for the same type.
    pub(crate) fn shared<T: Event>(&self) -> Result<Arc<T>, DecodeError> {
        match &self.source {
            Source::Recorded(recorded) => recorded.shared(),
            Source::Fresh(_) => self.decode().map(Arc::new),
        }
    }
}

impl From<Arc<Recorded>> for AnyEvent {
    fn from(recorded: Arc<Recorded>) -> Self {
        Self { source: Source::Recorded(recorded) }
    }
}

#[diagnostic::do_not_recommend]
impl EventSet for AnyEvent {
    const NAMES: &'static [&'static str] = &[];
    const OPEN: bool = true;

    fn decode_set(event: &AnyEvent) -> Result<Self, DecodeError> {
        Ok(event.clone())
    }
}

impl fmt::Debug for AnyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEvent")
            .field("name", &self.name())
            .field("id", &self.id())
            .field("stream", self.stream())
            .field("version", &self.version())
            .field("payload", &String::from_utf8_lossy(self.payload()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    #[event("parcel.sent")]
    struct ParcelSent {
        #[key]
        parcel: u64,
    }

    #[test]
    fn an_envelope_outside_a_log_holds_its_payload_and_has_no_place() {
        let envelope = Envelope::of(ParcelSent { parcel: 7 }).unwrap();
        assert_eq!((envelope.name(), envelope.stream().as_str()), ("parcel.sent", "parcel-7"));
        assert_eq!((envelope.position(), envelope.version()), (Position::START, 0));
        assert_eq!(AnyEvent::from(envelope.clone()).decode::<ParcelSent>().unwrap().parcel, 7);
        assert_eq!(envelope.into_payload().parcel, 7);
    }
}
