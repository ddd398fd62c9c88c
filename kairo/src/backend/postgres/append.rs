//! Appending in one statement: it looks at the streams, checks what is expected of them, and adds
//! the events, each a version further and no earlier in the log than the one before it.
//!
//! The statements find the last event of a stream by walking its index from the end. So their plan
//! is the right one however large the tables are.

use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    connections::answered,
    rows::{Columns, bind_event, count, event_columns, event_rows, place},
    tables::{Statement, Tables},
};
use crate::{
    event::record::EventData,
    store::{Append, Committed, Placed, Unit, Version},
};

/// The epoch, and the id of the statement's own transaction.
macro_rules! writer {
    () => {
        "(SELECT epoch, pg_current_xact_id()::text::bigint AS order_id FROM {s}kairo_store) AS s"
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

/// The order of an event that follows `l`: a transaction that was begun early and appends late
/// must not put it before that.
macro_rules! order {
    () => {
        "CASE WHEN l.epoch = s.epoch THEN greatest(l.order_id, s.order_id) ELSE s.order_id END"
    };
}

/// Whether the stream that `l` ends is as expected; see [`expectation`].
macro_rules! fits {
    ($expected:literal) => {
        concat!(
            "CASE ",
            $expected,
            " WHEN -1 THEN true WHEN -2 THEN l.version IS NOT NULL \
              ELSE coalesce(l.version, 0) = ",
            $expected,
            " END"
        )
    };
}

/// One event.
const ONE: &str = concat!(
    "INSERT INTO {event} (epoch, order_id, version, ",
    event_columns!(),
    ") SELECT s.epoch, ",
    order!(),
    ", coalesce(l.version, 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM ",
    writer!(),
    " LEFT JOIN LATERAL ",
    last_of!("$5"),
    " ON true WHERE ",
    fits!("$12::bigint"),
    " RETURNING epoch, order_id, sequence, version, id"
);

/// Events of different streams: all appends whose streams are as expected, or all or none.
macro_rules! many {
    ($condition:literal) => {
        concat!(
            "WITH r AS MATERIALIZED (SELECT a.no, coalesce(l.version, 0) AS version, ",
            order!(),
            " AS order_id, ",
            fits!("a.expected"),
            " AS fits FROM ",
            writer!(),
            " CROSS JOIN unnest($14::text[], $15::bigint[]) WITH ORDINALITY \
               AS a (stream, expected, no) LEFT JOIN LATERAL ",
            last_of!("a.stream"),
            " ON true), b AS MATERIALIZED (SELECT array_agg(version ORDER BY no) AS version, \
               array_agg(order_id ORDER BY no) AS order_id, array_agg(fits ORDER BY no) AS fits, \
               bool_and(fits) AS all_fit FROM r) \
               INSERT INTO {event} (epoch, order_id, version, ",
            event_columns!(),
            ") SELECT s.epoch, b.order_id[e.no], b.version[e.no] + e.step, e.id, e.derived, \
               e.name, e.schema, e.stream, e.time, e.correlation, e.causation, e.depth, \
               e.metadata, e.payload FROM b, ",
            writer!(),
            ", ",
            event_rows!("$12::bigint[]", "no", "$13::bigint[]", "step"),
            " WHERE ",
            $condition,
            " ORDER BY e.ord RETURNING epoch, order_id, sequence, version, id"
        )
    };
}

/// All or none.
const ALL: &str = many!("b.all_fit");

/// Those that fit.
const FITTING: &str = many!("b.fits[e.no]");

/// What a stream must be, as a number.
fn expectation(expected: Version) -> i64 {
    match expected {
        Version::Any => -1,
        Version::Exists => -2,
        Version::NoStream => 0,
        Version::At(version) => super::rows::int(version),
    }
}

/// Appends all events of a unit; `None` when one of its streams is not as expected, and then
/// nothing has been appended. Its streams differ.
pub(super) async fn append(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<Option<Committed>> {
    let statement = match unit.appends.as_slice() {
        [append @ Append { events, .. }] if events.len() == 1 => {
            bind_event(tables.query(ONE), &events[0]).bind(expectation(append.expected))
        }
        appends => many(tables.query(ALL), appends),
    };
    let rows = answered(statement.fetch_all(connection)).await?;
    let placed: Vec<_> = rows.iter().map(read).collect::<sqlx::Result<_>>()?;
    Ok((!placed.is_empty()).then_some(Committed { placed }))
}

/// Appends the events of several units in one transaction, as each of them fits. Each has one
/// append, and their streams differ.
pub(super) async fn append_fitting(
    connection: &mut PgConnection,
    tables: &Tables,
    units: &[&Unit],
) -> sqlx::Result<Vec<Option<Committed>>> {
    let appends = units.iter().flat_map(|unit| &unit.appends);
    let statement = many(tables.query(FITTING), appends);
    let rows = answered(statement.fetch_all(connection)).await?;
    let placed: Vec<_> = rows.iter().map(read).collect::<sqlx::Result<_>>()?;
    Ok(deal(units, &placed))
}

fn many<'a>(statement: Statement, appends: impl IntoIterator<Item = &'a Append>) -> Statement {
    let (mut numbers, mut steps) = (Vec::<i64>::new(), Vec::<i64>::new());
    let (mut streams, mut expected, mut columns) = (Vec::new(), Vec::new(), Columns::default());
    for (number, append) in (1..).zip(appends) {
        streams.push(append.stream.as_str());
        expected.push(expectation(append.expected));
        for (step, event) in (1..).zip(&append.events) {
            numbers.push(number);
            steps.push(step);
            columns.push(event);
        }
    }
    columns.bind(statement).bind(numbers).bind(steps).bind(streams).bind(expected)
}

/// Deals out places, which come in the order of the units, to those that have got theirs.
fn deal(units: &[&Unit], mut placed: &[Placed]) -> Vec<Option<Committed>> {
    let mut dealt = Vec::with_capacity(units.len());
    for unit in units {
        let events: Vec<&EventData> = unit.appends.iter().flat_map(|it| &it.events).collect();
        let is_next = placed.first().zip(events.first()).is_some_and(|(a, b)| a.id == b.id);
        let own = if is_next { placed.split_at_checked(events.len()) } else { None };
        dealt.push(own.map(|(own, rest)| {
            placed = rest;
            Committed { placed: own.to_vec() }
        }));
    }
    dealt
}

/// Reads the place of an event that has been added.
pub(super) fn read(row: &PgRow) -> sqlx::Result<Placed> {
    let id: Uuid = row.try_get(4)?;
    Ok(Placed { id, position: place(row, 0)?, version: count(row, 3)?, duplicate: false })
}
