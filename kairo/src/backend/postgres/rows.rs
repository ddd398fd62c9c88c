//! How events and what belongs to them lie in rows.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Decode, Postgres, Row, Type, postgres::PgRow};
use uuid::Uuid;

use super::tables::Statement;
use crate::{
    clock::{Timestamp, micros},
    event::{
        name::{EventName, StreamName},
        record::{EventData, Metadata},
    },
    store::Position,
};

/// The columns of [`EventData`], in the order of [`Columns::bind`] and of [`event`].
macro_rules! event_columns {
    () => {
        "id, derived, name, schema, stream, time, correlation, causation, depth, metadata, payload"
    };
}
pub(super) use event_columns;

/// The number of these columns.
pub(super) const EVENT_COLUMNS: usize = 11;

/// The rows of [`Columns`], bound to the first parameters, in their order by `ord`.
macro_rules! event_rows {
    ($($more:literal, $column:literal),*) => {
        concat!(
            "unnest($1::uuid[], $2::boolean[], $3::text[], $4::bigint[], $5::text[], \
             $6::bigint[], $7::uuid[], $8::uuid[], $9::bigint[], $10::text[], $11::bytea[]",
            $(", ", $more,)*
            ") WITH ORDINALITY AS e (",
            event_columns!(),
            $(", ", $column,)*
            ", ord)"
        )
    };
}
pub(super) use event_rows;

/// The most names that are kept to be shared.
const NAMES_MAX: usize = 1_024;

/// Event names that have been read, each kept once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<EventName>);

impl Names {
    fn get(&mut self, name: &str) -> EventName {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        if self.0.len() == NAMES_MAX {
            self.0.clear();
        }
        let name = EventName::stored(name);
        self.0.insert(name.clone());
        name
    }
}

/// Events by their columns, as a statement takes many of them.
#[derive(Default)]
pub(super) struct Columns<'a> {
    ids: Vec<Uuid>,
    derived: Vec<bool>,
    names: Vec<&'a str>,
    schemas: Vec<i64>,
    streams: Vec<&'a str>,
    times: Vec<i64>,
    correlations: Vec<Uuid>,
    causations: Vec<Option<Uuid>>,
    depths: Vec<i64>,
    metadata: Vec<Option<String>>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(super) fn push(&mut self, event: &'a EventData) {
        self.ids.push(event.id);
        self.derived.push(event.derived);
        self.names.push(event.name.as_str());
        self.schemas.push(event.schema.into());
        self.streams.push(event.stream.as_str());
        self.times.push(event.time.as_microsecond());
        self.correlations.push(event.correlation);
        self.causations.push(event.causation);
        self.depths.push(event.depth.into());
        self.metadata.push(metadata(event));
        self.payloads.push(&event.payload);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Binds the columns to the first parameters of a statement.
    pub(super) fn bind(&self, statement: Statement) -> Statement {
        statement
            .bind(&self.ids)
            .bind(&self.derived)
            .bind(&self.names)
            .bind(&self.schemas)
            .bind(&self.streams)
            .bind(&self.times)
            .bind(&self.correlations)
            .bind(&self.causations)
            .bind(&self.depths)
            .bind(&self.metadata)
            .bind(&self.payloads)
    }
}

impl<'a> FromIterator<&'a EventData> for Columns<'a> {
    fn from_iter<I: IntoIterator<Item = &'a EventData>>(events: I) -> Self {
        let mut columns = Self::default();
        events.into_iter().for_each(|event| columns.push(event));
        columns
    }
}

/// Binds one event to the first parameters of a statement.
pub(super) fn bind_event(statement: Statement, event: &EventData) -> Statement {
    statement
        .bind(event.id)
        .bind(event.derived)
        .bind(event.name.as_str())
        .bind(i64::from(event.schema))
        .bind(event.stream.as_str())
        .bind(event.time.as_microsecond())
        .bind(event.correlation)
        .bind(event.causation)
        .bind(i64::from(event.depth))
        .bind(metadata(event))
        .bind(&*event.payload)
}

fn metadata(event: &EventData) -> Option<String> {
    (!event.metadata.is_empty()).then(|| json(&event.metadata))
}

/// Reads an event from the columns from `first` on.
pub(super) fn event(row: &PgRow, first: usize, names: &mut Names) -> sqlx::Result<EventData> {
    Ok(EventData {
        id: row.try_get(first)?,
        derived: row.try_get(first + 1)?,
        name: names.get(row.try_get(first + 2)?),
        schema: small(row, first + 3)?,
        stream: StreamName::stored(row.try_get(first + 4)?),
        time: micros(row.try_get(first + 5)?),
        correlation: row.try_get(first + 6)?,
        causation: row.try_get(first + 7)?,
        depth: small(row, first + 8)?,
        metadata: from_json::<Metadata>(row, first + 9)?.unwrap_or_default(),
        payload: Bytes::copy_from_slice(row.try_get(first + 10)?),
    })
}

/// Binds a place to three parameters. One beyond what a row can hold lies beyond every row.
pub(super) fn bind_place(statement: Statement, place: Position) -> Statement {
    let epoch = i32::try_from(place.epoch).unwrap_or(i32::MAX);
    statement.bind(epoch).bind(int(place.order)).bind(int(place.sequence))
}

/// Reads a place from three columns.
pub(super) fn place(row: &PgRow, first: usize) -> sqlx::Result<Position> {
    let epoch: i32 = row.try_get(first)?;
    Ok(Position {
        epoch: u32::try_from(epoch).map_err(|error| malformed(first, error))?,
        order: count(row, first + 1)?,
        sequence: count(row, first + 2)?,
    })
}

/// A number that is never negative; PostgreSQL's are signed.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a number that is never negative.
pub(super) fn count(row: &PgRow, column: usize) -> sqlx::Result<u64> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|error| malformed(column, error))
}

/// Reads a small number that is never negative.
pub(super) fn small(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    let number: i64 = row.try_get(column)?;
    u32::try_from(number).map_err(|error| malformed(column, error))
}

/// Reads a time that may be missing.
pub(super) fn time(row: &PgRow, column: usize) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(micros))
}

/// A value as JSON. What is written here has string keys and no cycles, so it always can be.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A list as JSON; `None` where it is empty.
pub(super) fn list<T: Serialize>(items: &[T]) -> Option<String> {
    (!items.is_empty()).then(|| json(&items))
}

/// Reads a value as JSON; `None` where there is none.
pub(super) fn from_json<T: DeserializeOwned>(
    row: &PgRow,
    column: usize,
) -> sqlx::Result<Option<T>> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(serde_json::from_str).transpose().map_err(|error| malformed(column, error))
}

/// The first column of all rows.
pub(super) fn firsts<'r, T>(rows: &'r [PgRow]) -> sqlx::Result<Vec<T>>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The error for a column that does not hold what this store writes.
pub(super) fn malformed(column: usize, error: impl Into<crate::error::BoxError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_string(), source: error.into() }
}
