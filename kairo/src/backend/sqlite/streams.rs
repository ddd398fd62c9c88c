//! Streams: where they end, what is left of them, and deleting from them.

use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, params, params_from_iter,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use super::{
    readers::Reader,
    rows::{Count, Json, Payload, Place, Time},
    selection::{Condition, first_micros},
};
use crate::{
    backend::plan::Removed,
    clock::Timestamp,
    event::name::StreamName,
    store::{Selection, Snapshot, StreamEnd, StreamStats, Tip},
};

/// The sequence of the newest event that there ever was.
macro_rules! newest {
    () => {
        "max((SELECT coalesce(max(sequence), 0) FROM kairo_event), \
         coalesce((SELECT value FROM kairo_value WHERE name = 'newest'), 0))"
    };
}
pub(super) use newest;

/// That nobody needs an event any more: every subscription has passed it, and none has parked it.
macro_rules! unneeded {
    () => {
        "sequence <= (SELECT coalesce(min(low_water), 9223372036854775807) FROM kairo_subscription) \
         AND sequence NOT IN (SELECT position FROM kairo_parked)"
    };
}

/// The most events that one transaction deletes, for others wait meanwhile.
pub(super) const PRUNED_MAX: u64 = 1_000;

/// 64 bits without a meaning as a number.
struct Bits(u64);

impl ToSql for Bits {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.cast_signed()))
    }
}

impl FromSql for Bits {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|bits| Self(bits.cast_unsigned()))
    }
}

/// Where a stream ends.
pub(super) fn tip(connection: &Connection, stream: &StreamName) -> rusqlite::Result<Tip> {
    let events = last_version(connection, stream)?;
    Ok(match gone(connection, stream)? {
        None => Tip::at(events),
        Some((version, tombstone)) => {
            Tip { version: version.max(events), has_events: 0 < events, tombstone }
        }
    })
}

/// The version of the last event that a stream has; 0 when it has none.
pub(super) fn last_version(connection: &Connection, stream: &StreamName) -> rusqlite::Result<u64> {
    let select = "SELECT max(version) FROM kairo_event WHERE stream = ?1";
    let version: Option<Count> =
        connection.prepare_cached(select)?.query_row([stream.as_str()], |row| row.get(0))?;
    Ok(version.map_or(0, |Count(version)| version))
}

/// Whether any stream has lost its newest event.
pub(super) fn any_gone(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM kairo_gone")?.exists([])
}

/// The version at which a stream lost its newest event, and whether it is closed.
fn gone(connection: &Connection, stream: &StreamName) -> rusqlite::Result<Option<(u64, bool)>> {
    let select = "SELECT version, tombstone FROM kairo_gone WHERE stream = ?1";
    let gone = |row: &Row<'_>| Ok((row.get::<_, Count>(0)?.0, row.get(1)?));
    connection.prepare_cached(select)?.query_row([stream.as_str()], gone).optional()
}

/// What there is to say about a stream.
pub(super) fn stats(
    connection: &mut Connection,
    stream: &StreamName,
) -> rusqlite::Result<Option<StreamStats>> {
    // One view of the file for all that is said.
    let transaction = connection.transaction()?;
    let gone = gone(&transaction, stream)?;
    let select = "SELECT count(*), coalesce(sum(octet_length(payload)), 0) \
         FROM kairo_event WHERE stream = ?1";
    let (Count(events), Count(bytes)) = transaction
        .prepare_cached(select)?
        .query_row([stream.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let first = end(
        &transaction,
        "SELECT version, time, sequence FROM kairo_event WHERE stream = ?1 ORDER BY version",
        stream,
    )?;
    let last = end(
        &transaction,
        "SELECT version, time, sequence FROM kairo_event WHERE stream = ?1 ORDER BY version DESC",
        stream,
    )?;
    Ok(match (first, last) {
        (Some(first), Some(last)) => {
            let stats = StreamStats::of_events(events, bytes, first, last);
            let deleted = gone.map_or(0, |(version, _)| version);
            Some(StreamStats { version: last.version.max(deleted), ..stats })
        }
        _ => gone.map(|(version, tombstone)| StreamStats::of_deleted(version, tombstone)),
    })
}

fn end(
    connection: &Connection,
    select: &str,
    stream: &StreamName,
) -> rusqlite::Result<Option<StreamEnd>> {
    let end = |row: &Row<'_>| {
        let (Count(version), Time(time), Place(position)) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(StreamEnd { version, time, position })
    };
    connection.prepare_cached(select)?.query_row([stream.as_str()], end).optional()
}

/// The newest snapshot of a stream under a name.
pub(super) fn snapshot(
    connection: &Connection,
    stream: &StreamName,
    name: &str,
) -> rusqlite::Result<Option<Snapshot>> {
    let select = "SELECT version, schema, time, payload FROM kairo_snapshot \
         WHERE stream = ?1 AND name = ?2";
    let read = |row: &Row<'_>| {
        Ok(Snapshot {
            stream: stream.clone(),
            name: name.to_owned(),
            version: row.get::<_, Count>(0)?.0,
            schema: row.get::<_, Bits>(1)?.0,
            time: row.get::<_, Time>(2)?.0,
            payload: row.get::<_, Payload>(3)?.0,
        })
    };
    connection.prepare_cached(select)?.query_row([stream.as_str(), name], read).optional()
}

/// Keeps a snapshot, unless there is a newer one, or its stream was deleted before it came.
pub(super) fn keep(connection: &Connection, snapshot: &Snapshot) -> rusqlite::Result<()> {
    let Snapshot { stream, name, version, schema, time, payload } = snapshot;
    let insert = "INSERT INTO kairo_snapshot (stream, name, version, schema, time, payload) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 \
         WHERE NOT EXISTS (SELECT 1 FROM kairo_gone WHERE stream = ?1 AND ?3 <= removed) \
         ON CONFLICT (stream, name) DO UPDATE SET version = excluded.version, \
         schema = excluded.schema, time = excluded.time, payload = excluded.payload \
         WHERE version <= excluded.version";
    connection
        .prepare_cached(insert)?
        .execute(params![
            stream.as_str(),
            name,
            Count(*version),
            Bits(*schema),
            Time(*time),
            Payload(payload.clone())
        ])
        .map(drop)
}

/// Takes a stream out of the log.
pub(super) fn remove(connection: &Connection, removed: &Removed<'_>) -> rusqlite::Result<()> {
    note_newest(connection)?;
    let stream = removed.stream.as_str();
    let gone = "INSERT INTO kairo_gone (stream, version, removed, tombstone) \
         VALUES (?1, ?2, ?2, ?3) \
         ON CONFLICT (stream) DO UPDATE SET version = excluded.version, \
         removed = excluded.removed, tombstone = excluded.tombstone";
    connection.prepare_cached(gone)?.execute(params![
        stream,
        Count(removed.version),
        removed.tombstone
    ])?;
    for delete in [
        "DELETE FROM kairo_event WHERE stream = ?1",
        "DELETE FROM kairo_snapshot WHERE stream = ?1",
    ] {
        connection.prepare_cached(delete)?.execute([stream])?;
    }
    Ok(())
}

/// The oldest events behind a sequence that may go, at most `limit` of them.
pub(super) fn prunable(
    reader: &Reader,
    after: u64,
    before: Timestamp,
    selection: &Selection,
    limit: u64,
) -> rusqlite::Result<Vec<u64>> {
    let condition = Condition::new(selection, 4);
    let select = format!(
        "SELECT sequence FROM kairo_event WHERE ?1 < sequence AND time < ?2 AND {} {} \
         ORDER BY sequence LIMIT ?3",
        unneeded!(),
        condition.sql
    );
    let (after, before, limit) = (Count(after), first_micros(before), Count(limit));
    let mut values: Vec<&dyn ToSql> = vec![&after, &before, &limit];
    values.extend(condition.values());
    let mut select = reader.connection.prepare_cached(&select)?;
    let sequences = select.query_map(params_from_iter(values), |row| row.get(0))?;
    sequences.map(|sequence| sequence.map(|Count(sequence)| sequence)).collect()
}

/// Deletes those of these events that nobody needs by now, and says how many.
pub(super) fn prune(connection: &Connection, found: &Vec<u64>) -> rusqlite::Result<u64> {
    const GONE: &str = concat!(
        "INSERT INTO kairo_gone (stream, version, tombstone) \
         SELECT stream, max(version), 0 FROM kairo_event AS event \
         WHERE sequence IN (SELECT value FROM json_each(?1)) AND ",
        unneeded!(),
        " GROUP BY stream HAVING max(version) = \
         (SELECT max(version) FROM kairo_event AS last WHERE last.stream = event.stream) \
         ON CONFLICT (stream) DO UPDATE SET version = max(version, excluded.version)"
    );
    const DELETE: &str = concat!(
        "DELETE FROM kairo_event WHERE sequence IN (SELECT value FROM json_each(?1)) AND ",
        unneeded!()
    );
    note_newest(connection)?;
    connection.prepare_cached(GONE)?.execute([Json(found)])?;
    connection.prepare_cached(DELETE)?.execute([Json(found)]).map(|deleted| deleted as u64)
}

/// Keeps what the log has reached, before the event that shows it may go.
fn note_newest(connection: &Connection) -> rusqlite::Result<()> {
    const UPDATE: &str =
        concat!("UPDATE kairo_value SET value = ", newest!(), " WHERE name = 'newest'");
    connection.prepare_cached(UPDATE)?.execute([]).map(drop)
}
