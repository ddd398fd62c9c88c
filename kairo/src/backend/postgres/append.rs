//! Appending in one statement: it looks at the streams, checks what is expected of them, and adds
//! the events, each a version further and no earlier in the log than the one before it.
//!
//! The statements find the last event of a stream by walking its index from the end. So their plan
//! is the right one however large the tables are.

use std::collections::{HashMap, HashSet};

use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    connections::answered,
    rows::{Columns, bind_event, count, event_columns, event_rows, int, place},
    tables::{Statement, Tables},
};
use crate::{
    event::record::EventData,
    store::{Append, Committed, Placed, Unit, Version},
};

/// The lock of a store `o` whose appends are locked, until the transaction ends.
macro_rules! turn {
    () => {
        "pg_advisory_xact_lock(hashtextextended('kairo append', o.tableoid::bigint))"
    };
}
pub(super) use turn;

/// The epoch, and the id of the statement's own transaction; or, where appends are locked, the
/// same order for all. The lock is taken before the row is there, and so before an event that is
/// made of it gets its sequence.
macro_rules! writer {
    () => {
        concat!(
            "(SELECT o.epoch, CASE WHEN k.held IS NULL THEN pg_current_xact_id()::text::bigint \
              ELSE 1 END AS order_id FROM {s}kairo_store AS o LEFT JOIN LATERAL (SELECT ",
            turn!(),
            "::text AS held WHERE o.append = 'locked') AS k ON true) AS s"
        )
    };
}
pub(super) use writer;

/// The last event of a stream.
macro_rules! last_of {
    ($stream:literal) => {
        concat!(
            "(SELECT epoch, order_id, version FROM {event} WHERE stream = ",
            $stream,
            " ORDER BY version DESC LIMIT 1) AS l"
        )
    };
}
pub(super) use last_of;

/// Where deleted events have left a stream.
macro_rules! gone_of {
    ($stream:literal) => {
        concat!("(SELECT version, tombstone FROM {s}kairo_gone WHERE stream = ", $stream, ") AS d")
    };
}
pub(super) use gone_of;

/// The version of the last event, also when that has been deleted.
macro_rules! version {
    () => {
        "greatest(coalesce(l.version, 0), coalesce(d.version, 0))"
    };
}
pub(super) use version;

/// The order of an event that follows `l`: a transaction that was begun early and appends late
/// must not put it before that.
macro_rules! order {
    () => {
        "CASE WHEN l.epoch = s.epoch THEN greatest(l.order_id, s.order_id) ELSE s.order_id END"
    };
}
pub(super) use order;

/// Whether the stream that `l` and `d` end is as expected; see [`expectation`].
macro_rules! fits {
    ($expected:literal) => {
        concat!(
            "d.tombstone IS NOT true AND CASE ",
            $expected,
            " WHEN -1 THEN true WHEN -2 THEN l.version IS NOT NULL WHEN -3 THEN l.version IS NULL \
              ELSE ",
            version!(),
            " = ",
            $expected,
            " END"
        )
    };
}
pub(super) use fits;

/// One event.
const ONE: &str = concat!(
    "INSERT INTO {event} (epoch, order_id, version, ",
    event_columns!(),
    ") SELECT s.epoch, ",
    order!(),
    ", ",
    version!(),
    " + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM ",
    writer!(),
    " LEFT JOIN LATERAL ",
    last_of!("$5"),
    " ON true LEFT JOIN LATERAL ",
    gone_of!("$5"),
    " ON true WHERE ",
    fits!("$12::bigint"),
    " RETURNING epoch, order_id, sequence, version, id"
);

/// The streams `r` of units as they are, and the same as lists `b`. All streams of all units differ.
macro_rules! streams {
    () => {
        concat!(
            "r AS MATERIALIZED (SELECT a.no, a.unit, d.tombstone, ",
            version!(),
            " AS version, ",
            order!(),
            " AS order_id, ",
            fits!("a.expected"),
            " AS fits FROM ",
            writer!(),
            " CROSS JOIN unnest($14::text[], $15::bigint[], $16::bigint[]) WITH ORDINALITY \
               AS a (stream, expected, unit, no) LEFT JOIN LATERAL ",
            last_of!("a.stream"),
            " ON true LEFT JOIN LATERAL ",
            gone_of!("a.stream"),
            " ON true), b AS MATERIALIZED (SELECT array_agg(version ORDER BY no) AS version, \
               array_agg(order_id ORDER BY no) AS order_id, array_agg(unit ORDER BY no) AS unit \
               FROM r)"
        )
    };
}
pub(super) use streams;

/// Appends the events of units of which a list in `$from` says that they fit. What follows the
/// places is the version of each stream that is not as expected.
macro_rules! append_fitting {
    ($from:literal, $fit:literal) => {
        concat!(
            "i AS (INSERT INTO {event} (epoch, order_id, version, ",
            event_columns!(),
            ") SELECT s.epoch, b.order_id[e.no], b.version[e.no] + e.step, e.id, e.derived, \
               e.name, e.schema, e.stream, e.time, e.correlation, e.causation, e.depth, \
               e.metadata, e.payload FROM b, ",
            $from,
            ", ",
            writer!(),
            ", ",
            event_rows!("$12::bigint[]", "no", "$13::bigint[]", "step"),
            " WHERE ",
            $fit,
            "[b.unit[e.no]] ORDER BY e.ord \
               RETURNING epoch, order_id, sequence, version, id) \
               SELECT epoch, order_id, sequence, version, id, NULL::bigint, NULL::boolean FROM i \
               UNION ALL SELECT NULL, NULL, NULL, version, NULL, no, tombstone FROM r \
               WHERE NOT fits"
        )
    };
}
pub(super) use append_fitting;

/// Events of units, of which those are appended whose streams are all as expected.
const MANY: &str = concat!(
    "WITH ",
    streams!(),
    ", u AS MATERIALIZED (SELECT array_agg(fits ORDER BY unit) AS fits \
        FROM (SELECT unit, bool_and(fits) AS fits FROM r GROUP BY unit) AS g), ",
    append_fitting!("u", "u.fits")
);

/// What became of a unit that was brought to the log.
#[derive(Debug)]
pub(super) enum Appended {
    /// Its events are in the log.
    All(Committed),
    /// Nothing of it is: this append does not find its stream as expected.
    None(usize, Actual),
    /// Nothing of it is: perhaps its saga is not as expected. A transaction finds out.
    Stale,
}

/// What a stream was instead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Actual {
    /// At this version.
    At(u64),
    /// Closed for good.
    Tombstone,
}

/// What a stream must be, as a number.
pub(super) fn expectation(expected: Version) -> i64 {
    match expected {
        Version::Any => -1,
        Version::Exists => -2,
        Version::NoStream => -3,
        Version::At(version) => int(version),
    }
}

/// Appends one event; `None` when its stream is not as expected.
pub(super) async fn append_one(
    connection: &mut PgConnection,
    tables: &Tables,
    event: &EventData,
    expected: Version,
) -> sqlx::Result<Option<Placed>> {
    let statement = bind_event(tables.query(ONE), event).bind(expectation(expected));
    let row = answered(statement.fetch_optional(connection)).await?;
    row.as_ref().map(read).transpose()
}

/// Appends the units that fit in one transaction. No two of them have a stream in common, and what
/// an append expects counts where it is the first to its stream in its unit.
pub(super) async fn append_many<'a>(
    connection: &mut PgConnection,
    tables: &Tables,
    units: impl IntoIterator<Item = &'a Unit> + Clone,
) -> sqlx::Result<Vec<Appended>> {
    let statement = many(tables.query(MANY), units.clone());
    let rows = answered(statement.fetch_all(connection)).await?;
    deal(units, &rows)
}

/// The appends of a unit that are the first to their streams.
fn firsts(unit: &Unit) -> impl Iterator<Item = (usize, &Append)> {
    let mut streams = HashSet::new();
    unit.appends.iter().enumerate().filter(move |(_, append)| streams.insert(&append.stream))
}

/// Binds the events and the streams of units to the first 16 parameters.
pub(super) fn many<'a>(
    statement: Statement,
    units: impl IntoIterator<Item = &'a Unit>,
) -> Statement {
    let (mut streams, mut expected, mut numbers) = (Vec::new(), Vec::new(), Vec::<i64>::new());
    let (mut places, mut steps) = (Vec::<i64>::new(), Vec::<i64>::new());
    let mut columns = Columns::default();
    // Of each stream, which one it is, and how many events it gets.
    let mut known: HashMap<&str, (i64, i64)> = HashMap::new();
    for (number, unit) in (1..).zip(units) {
        for (_, append) in firsts(unit) {
            streams.push(append.stream.as_str());
            expected.push(expectation(append.expected));
            numbers.push(number);
            known.insert(append.stream.as_str(), (int(streams.len() as u64), 0));
        }
        for event in unit.appends.iter().flat_map(|append| &append.events) {
            if let Some((place, count)) = known.get_mut(event.stream.as_str()) {
                *count += 1;
                places.push(*place);
                steps.push(*count);
                columns.push(event);
            }
        }
    }
    let statement = columns.bind(statement).bind(places).bind(steps);
    statement.bind(streams).bind(expected).bind(numbers)
}

/// Deals out what came back: the places in the order of the units, and then, by the number of the
/// append, the versions that were not as expected, or below 0 the numbers of units that are stale.
pub(super) fn deal<'a>(
    units: impl IntoIterator<Item = &'a Unit>,
    rows: &[PgRow],
) -> sqlx::Result<Vec<Appended>> {
    let is_place = |row: &PgRow| row.try_get::<Option<i64>, _>(5).is_ok_and(|no| no.is_none());
    let (rows, refusals) = rows.split_at(rows.partition_point(is_place));
    let (mut actual, mut stale) = (HashMap::new(), HashSet::new());
    for row in refusals {
        let number: i64 = row.try_get(5)?;
        if number < 0 {
            stale.insert(number.unsigned_abs());
            continue;
        }
        let is_closed = row.try_get::<Option<bool>, _>(6)?.unwrap_or_default();
        let found = if is_closed { Actual::Tombstone } else { Actual::At(count(row, 3)?) };
        actual.insert(number.unsigned_abs(), found);
    }
    let (mut rows, mut number) = (rows.iter(), 0);
    let mut dealt = Vec::new();
    for (unit, place) in units.into_iter().zip(1..) {
        let mut refused = None;
        for (index, _) in firsts(unit) {
            number += 1;
            refused = refused.or_else(|| Some((index, *actual.get(&number)?)));
        }
        if let Some((index, actual)) = refused {
            dealt.push(Appended::None(index, actual));
            continue;
        }
        if stale.contains(&place) {
            dealt.push(Appended::Stale);
            continue;
        }
        let events: usize = unit.appends.iter().map(|append| append.events.len()).sum();
        let placed: Vec<_> = rows.by_ref().take(events).map(read).collect::<Result<_, _>>()?;
        if placed.len() < events {
            return Err(sqlx::Error::RowNotFound);
        }
        dealt.push(Appended::All(Committed { placed }));
    }
    Ok(dealt)
}

/// Reads the place of an event that has been added.
pub(super) fn read(row: &PgRow) -> sqlx::Result<Placed> {
    let id: Uuid = row.try_get(4)?;
    Ok(Placed { id, position: place(row, 0)?, version: count(row, 3)?, duplicate: false })
}
