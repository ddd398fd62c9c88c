//! How events and what belongs to them lie in rows.
//!
//! Rows are read as they are found: people can write to the database too, and nothing in a row
//! may make reading panic.

use std::{borrow::Cow, collections::HashSet, str::FromStr};

use bytes::{Bytes, BytesMut};
use rusqlite::{
    Row, Statement, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Type, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    clock::{Timestamp, micros},
    error::BoxError,
    event::{
        fact::{Fact, Facts},
        name::{EventName, StreamName},
        record::{EventData, Metadata},
    },
    store::Position,
};

/// The columns of [`EventData`], in the order of [`bind_event`] and [`read_event`].
macro_rules! event_columns {
    () => {
        "derived, name, schema, stream, time, correlation, causation, depth, metadata, payload"
    };
}
pub(super) use event_columns;

/// The most names that are kept to be shared.
const NAMES_MAX: usize = 1_024;

/// The size of a buffer that payloads share, in bytes: what a single event may keep in memory.
const BUFFER: usize = 16 * 1024;

/// The largest payload that shares a buffer, in bytes.
const SHARED_MAX: usize = BUFFER / 8;

/// What events have in common that are read one after the other: their names, each kept once; the
/// last stream, which the next event often has too; and the buffer in which payloads lie side by
/// side, because memory that one thread takes and another one gives back is dear.
#[derive(Debug, Default)]
pub(super) struct Common {
    events: HashSet<EventName>,
    last_event: Option<EventName>,
    last_stream: Option<StreamName>,
    payloads: BytesMut,
}

impl Common {
    fn event(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<EventName> {
        let bytes = row.get_ref(column)?.as_bytes()?;
        if let Some(last) =
            self.last_event.as_ref().filter(|last| last.as_str().as_bytes() == bytes)
        {
            return Ok(last.clone());
        }
        let name = self.known(&lossy(bytes));
        self.last_event = Some(name.clone());
        Ok(name)
    }

    fn known(&mut self, name: &str) -> EventName {
        if let Some(known) = self.events.get(name) {
            return known.clone();
        }
        if self.events.len() == NAMES_MAX {
            self.events.clear();
        }
        let name = EventName::stored(name);
        self.events.insert(name.clone());
        name
    }

    fn stream(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<StreamName> {
        let bytes = row.get_ref(column)?.as_bytes()?;
        if let Some(last) =
            self.last_stream.as_ref().filter(|last| last.as_str().as_bytes() == bytes)
        {
            return Ok(last.clone());
        }
        let name = StreamName::stored(&lossy(bytes));
        self.last_stream = Some(name.clone());
        Ok(name)
    }

    fn payload(&mut self, row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
        match row.get_ref(column)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) if bytes.len() <= SHARED_MAX => {
                if self.payloads.capacity() < bytes.len() {
                    self.payloads = BytesMut::with_capacity(BUFFER);
                }
                self.payloads.extend_from_slice(bytes);
                Ok(self.payloads.split().freeze())
            }
            _ => row.get(column).map(|Payload(payload)| payload),
        }
    }
}

/// An id as 16 bytes.
pub(super) struct Id(pub(super) Uuid);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A number that is never negative; SQLite's integers are signed.
pub(super) struct Count(pub(super) u64);

impl ToSql for Count {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let value = value.as_i64()?;
        u64::try_from(value).map(Self).map_err(|_| FromSqlError::OutOfRange(value))
    }
}

/// A position of this store, as its sequence. One of another store lies beyond every event.
pub(super) struct Place(pub(super) Position);

impl ToSql for Place {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let foreign = 0 < self.0.epoch || 0 < self.0.order;
        let sequence = if foreign { u64::MAX } else { self.0.sequence };
        Ok(ToSqlOutput::from(i64::try_from(sequence).unwrap_or(i64::MAX)))
    }
}

impl FromSql for Place {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Count::column_result(value).map(|Count(sequence)| Self(Position::at_sequence(sequence)))
    }
}

/// A time in microseconds since 1970.
pub(super) struct Time(pub(super) Timestamp);

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.as_microsecond()))
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|time| Self(micros(time)))
    }
}

/// A value as JSON; NULL stands for one without content.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> ToSql for Json<&T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(self.0)
            .map(ToSqlOutput::from)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_slice(value.as_bytes()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A list as JSON, or NULL where it is empty.
pub(super) fn list<T>(items: &Vec<T>) -> Option<Json<&Vec<T>>> {
    (!items.is_empty()).then_some(Json(items))
}

/// A payload: text where it is UTF-8, so that people can query it.
pub(super) struct Payload(pub(super) Bytes);

impl ToSql for Payload {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match std::str::from_utf8(&self.0) {
            Ok(text) => ValueRef::Text(text.as_bytes()),
            Err(_) => ValueRef::Blob(&self.0),
        }))
    }
}

impl FromSql for Payload {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match payload(value) {
            Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Cow::Owned(bytes) => bytes.into(),
        }))
    }
}

/// The bytes of a payload.
fn payload(value: ValueRef<'_>) -> Cow<'_, [u8]> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cow::Borrowed(bytes),
        // Only somebody else can have written these; the decoder is to say what it thinks.
        ValueRef::Integer(number) => Cow::Owned(number.to_string().into()),
        ValueRef::Real(number) => Cow::Owned(number.to_string().into()),
        ValueRef::Null => Cow::Borrowed(&[]),
    }
}

/// Binds an event to the parameters from `first` on, in the order of [`event_columns`].
pub(super) fn bind_event(
    statement: &mut Statement<'_>,
    first: usize,
    event: &EventData,
) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(first, event.derived)?;
    statement.raw_bind_parameter(first + 1, event.name.as_str())?;
    statement.raw_bind_parameter(first + 2, event.schema)?;
    statement.raw_bind_parameter(first + 3, event.stream.as_str())?;
    statement.raw_bind_parameter(first + 4, Time(event.time))?;
    statement.raw_bind_parameter(first + 5, Id(event.correlation))?;
    statement.raw_bind_parameter(first + 6, event.causation.map(Id))?;
    statement.raw_bind_parameter(first + 7, event.depth)?;
    let metadata = (!event.metadata.is_empty()).then_some(Json(&event.metadata));
    statement.raw_bind_parameter(first + 8, metadata)?;
    statement.raw_bind_parameter(first + 9, Payload(event.payload.clone()))
}

/// Reads an event with this id from the columns from `first` on.
pub(super) fn read_event(
    row: &Row<'_>,
    first: usize,
    id: Uuid,
    common: &mut Common,
) -> rusqlite::Result<EventData> {
    Ok(EventData {
        id,
        derived: row.get(first)?,
        name: common.event(row, first + 1)?,
        schema: row.get(first + 2)?,
        stream: common.stream(row, first + 3)?,
        time: row.get::<_, Time>(first + 4)?.0,
        correlation: row.get::<_, Id>(first + 5)?.0,
        causation: row.get::<_, Option<Id>>(first + 6)?.map(|Id(id)| id),
        depth: row.get(first + 7)?,
        metadata: row
            .get::<_, Option<Json<Metadata>>>(first + 8)?
            .map(|Json(metadata)| metadata)
            .unwrap_or_default(),
        payload: common.payload(row, first + 9)?,
    })
}

/// Reads a fact from the columns version, name, schema, time and payload.
pub(super) fn read_fact(row: &Row<'_>, facts: &mut Facts) -> rusqlite::Result<()> {
    facts.push(Fact {
        version: row.get::<_, Count>(0)?.0,
        name: &text(row, 1)?,
        schema: row.get(2)?,
        time: row.get::<_, Time>(3)?.0,
        payload: &payload(row.get_ref(4)?),
    });
    Ok(())
}

/// The text of a column; what is not UTF-8 in it is replaced.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Cow<'a, str>> {
    Ok(lossy(row.get_ref(column)?.as_bytes()?))
}

/// What is UTF-8, as nearly everything is, is checked faster than it is searched for flaws.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A column whose text is one of a type's words.
pub(super) fn word<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: Into<BoxError>>,
{
    text(row, column)?.parse().map_err(|error: T::Err| malformed(column, error))
}

/// The error for a column that does not hold what this store writes.
pub(super) fn malformed(column: usize, error: impl Into<BoxError>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
