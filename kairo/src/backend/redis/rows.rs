//! How events and what belongs to them lie in Redis.
//!
//! Values are read as they are found: people can write to the server too, and nothing in a value
//! may make reading panic.

use std::str::FromStr;

use bytes::Bytes;
use redis::Value;
use uuid::Uuid;

use super::failure::Malformed;
use crate::{
    clock::{Timestamp, micros},
    event::{
        name::{EventName, StreamName},
        record::{EventData, Metadata, Recorded},
    },
    store::Position,
};

/// What comes of reading a value.
pub(super) type Read<T> = Result<T, Malformed>;

/// The bits of an event's head.
const CORRELATED: u8 = 1;
const CAUSED: u8 = 2;

/// Flipping the sign puts negative numbers before the others.
const SIGN: u64 = 1 << 63;

/// What people seldom ask of an event: flags, schema and depth; then the correlation where it is
/// not the id itself, the causation where there is one, and the metadata as JSON.
pub(super) fn pack_head(event: &EventData) -> Vec<u8> {
    let correlated = event.correlation != event.id;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(correlated, CORRELATED) | flag(event.causation.is_some(), CAUSED);
    let mut head = vec![flags];
    head.extend(event.schema.to_be_bytes());
    head.extend(event.depth.to_be_bytes());
    if correlated {
        head.extend(event.correlation.as_bytes());
    }
    if let Some(causation) = &event.causation {
        head.extend(causation.as_bytes());
    }
    if !event.metadata.is_empty() {
        // A map of strings is always JSON.
        head.extend(serde_json::to_vec(&event.metadata).unwrap_or_default());
    }
    head
}

/// What a head says.
struct Head {
    schema: u32,
    depth: u32,
    correlation: Option<Uuid>,
    causation: Option<Uuid>,
    metadata: Metadata,
}

impl Head {
    fn unpack(head: &[u8]) -> Option<Self> {
        let mut bytes = Cursor(head);
        let [flags] = bytes.take()?;
        let schema = u32::from_be_bytes(bytes.take()?);
        let depth = u32::from_be_bytes(bytes.take()?);
        let mut id = |bit| match flags & bit {
            0 => Some(None),
            _ => bytes.take().map(|id| Some(Uuid::from_bytes(id))),
        };
        let (correlation, causation) = (id(CORRELATED)?, id(CAUSED)?);
        let metadata = match bytes.0 {
            [] => Metadata::new(),
            json => serde_json::from_slice(json).ok()?,
        };
        Some(Self { schema, depth, correlation, causation, metadata })
    }
}

/// Bytes that have not been read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// Bytes behind their length.
    pub(super) fn take_part(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.take()?);
        let (part, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(part)
    }
}

/// Adds bytes behind their length, which is far below 4 GiB for all that a store accepts.
pub(super) fn put_part(packed: &mut Vec<u8>, part: &[u8]) {
    packed.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    packed.extend(part);
}

/// An event as one value, for where it is not in the log.
pub(super) fn pack_event(event: &EventData) -> Vec<u8> {
    let mut packed = event.id.as_bytes().to_vec();
    packed.push(u8::from(event.derived));
    packed.extend(sortable(event.time));
    for part in [event.name.as_str(), event.stream.as_str()] {
        put_part(&mut packed, part.as_bytes());
    }
    put_part(&mut packed, &pack_head(event));
    packed.extend(&event.payload);
    packed
}

/// Reads what [`pack_event`] made.
pub(super) fn unpack_event(packed: &[u8]) -> Read<EventData> {
    let mut bytes = Cursor(packed);
    let row = (|| {
        Some(Row {
            id: Uuid::from_bytes(bytes.take()?),
            derived: bytes.take()? != [0],
            time: time_of(bytes.take()?),
            name: bytes.take_part()?,
            stream: bytes.take_part()?,
            head: bytes.take_part()?,
        })
    })();
    row.ok_or(Malformed("an event"))?.event(Bytes::copy_from_slice(bytes.0))
}

/// An event in its parts, without the payload.
struct Row<'a> {
    id: Uuid,
    derived: bool,
    time: Timestamp,
    name: &'a [u8],
    stream: &'a [u8],
    head: &'a [u8],
}

impl Row<'_> {
    fn event(self, payload: Bytes) -> Read<EventData> {
        let head = Head::unpack(self.head).ok_or(Malformed("the head of an event"))?;
        Ok(EventData {
            id: self.id,
            derived: self.derived,
            name: EventName::stored(&String::from_utf8_lossy(self.name)),
            schema: head.schema,
            stream: StreamName::stored(&String::from_utf8_lossy(self.stream)),
            time: self.time,
            correlation: head.correlation.unwrap_or(self.id),
            causation: head.causation,
            depth: head.depth,
            metadata: head.metadata,
            payload,
        })
    }
}

/// Reads an entry of the log: its place, and its fields in the order in which they are written.
pub(super) fn recorded(entry: Value) -> Read<Recorded> {
    const WHAT: Malformed = Malformed("an entry of the log");
    let [place, fields] = parts(entry)?;
    let place = text(place)?;
    let sequence = place.strip_prefix("0-").and_then(|number| number.parse().ok()).ok_or(WHAT)?;
    let fields = parts(fields)?;
    let [_, name, _, stream, _, version, _, id, _, time, _, derived, _, head, _, payload] = fields;
    let row = Row {
        id: Uuid::from_slice(&bytes(id)?).map_err(|_| WHAT)?,
        derived: bytes(derived)? != b"0",
        time: micros(number(time)?),
        name: &bytes(name)?,
        stream: &bytes(stream)?,
        head: &bytes(head)?,
    };
    let event = row.event(Bytes::from(bytes(payload)?))?;
    Ok(Recorded::new(Position::at_sequence(sequence), number(version)?, event))
}

/// The sequence of a position of this store. One of another store lies beyond every event.
pub(super) fn sequence_of(position: Position) -> u64 {
    let foreign = 0 < position.epoch || 0 < position.order;
    if foreign { u64::MAX } else { position.sequence }
}

/// The items of a list.
pub(super) fn list(value: Value) -> Read<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(Malformed("a list")),
    }
}

/// The items of a list of `N`.
pub(super) fn parts<const N: usize>(value: Value) -> Read<[Value; N]> {
    list(value)?.try_into().map_err(|_| Malformed("a list"))
}

pub(super) fn bytes(value: Value) -> Read<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        _ => Err(Malformed("a value")),
    }
}

/// Bytes where there are some.
pub(super) fn bytes_if_any(value: Value) -> Read<Option<Vec<u8>>> {
    match value {
        Value::Nil => Ok(None),
        value => bytes(value).map(Some),
    }
}

/// Text; what is not UTF-8 in it is replaced.
pub(super) fn text(value: Value) -> Read<String> {
    let bytes = bytes(value)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// A number, or whatever else is written as text.
pub(super) fn number<T: FromStr>(value: Value) -> Read<T> {
    text(value)?.parse().map_err(|_| Malformed("a number"))
}

/// A time in 8 bytes that sort as times do.
pub(super) fn sortable(time: Timestamp) -> [u8; 8] {
    (time.as_microsecond().cast_unsigned() ^ SIGN).to_be_bytes()
}

/// The time that [`sortable`] made.
pub(super) fn time_of(sortable: [u8; 8]) -> Timestamp {
    micros((u64::from_be_bytes(sortable) ^ SIGN).cast_signed())
}

/// Names and values in turns.
pub(super) fn pairs(found: Value) -> Read<Vec<(String, Value)>> {
    let mut found = list(found)?.into_iter();
    let mut pairs = Vec::with_capacity(found.len() / 2);
    while let (Some(name), Some(value)) = (found.next(), found.next()) {
        pairs.push((text(name)?, value));
    }
    Ok(pairs)
}
