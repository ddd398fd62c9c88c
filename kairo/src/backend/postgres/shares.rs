//! Shares of subscriptions in their rows: how far they are, and what they have parked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    connections::{Connections, answered},
    places::{pack, unpack},
    rows::{bind_place, count, from_json, int, list, malformed, place, small, time},
    tables::{Statement, Tables},
};
use crate::{
    backend::shares::Held,
    delivery::{Ahead, Checkpoint, Parked, ParkedState, Partitions, Progress},
    error::{Error, Result},
    store::Position,
};

/// The columns of a share, in the order of [`read_share`].
macro_rules! share_columns {
    () => {
        "subscription, partitions, owner, epoch, clean, low_epoch, low_order, low_sequence, \
         finished, ahead"
    };
}
pub(super) use share_columns;

const INSERT: &str = concat!(
    "INSERT INTO {s}kairo_share (",
    share_columns!(),
    ") SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bigint[], $5::boolean[], \
     $6::integer[], $7::bigint[], $8::bigint[], $9::bytea[], $10::text[])"
);

const DELETE: &str = "DELETE FROM {s}kairo_share WHERE (subscription, epoch) IN \
     (SELECT * FROM unnest($1::text[], $2::bigint[]))";

/// The columns of a parked event in front of those that [`read_parked`] reads.
pub(super) const PARKED: &str = "SELECT subscription, epoch, order_id, sequence, key, state, due, \
     crashes, attempts, failures FROM {s}kairo_parked WHERE subscription = ANY($1) \
     ORDER BY subscription, epoch, order_id, sequence";

/// A share's new place, and nothing else if it has been claimed by somebody else.
macro_rules! advance {
    () => {
        "UPDATE {s}kairo_share SET low_epoch = $3, low_order = $4, low_sequence = $5, \
         finished = $6, ahead = $7 WHERE subscription = $1 AND epoch = $2 RETURNING 1"
    };
}

const ADVANCE: &str = advance!();

/// The same, with parked events and what failed last.
const ADVANCE_PARKED: &str = concat!(
    "WITH held AS (",
    advance!(),
    "), gone AS (DELETE FROM {s}kairo_parked AS p USING held, \
      unnest($8::integer[], $9::bigint[], $10::bigint[]) AS w (a, b, c) \
      WHERE p.subscription = $1 AND p.epoch = a AND p.order_id = b AND p.sequence = c), \
     put AS (INSERT INTO {s}kairo_parked (subscription, epoch, order_id, sequence, key, state, \
      due, crashes, attempts, failures) SELECT $1, w.* FROM held, \
      unnest($11::integer[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], \
      $16::bigint[], $17::bigint[], $18::bigint[], $19::text[]) AS w \
      ON CONFLICT (subscription, epoch, order_id, sequence) DO UPDATE SET key = excluded.key, \
      state = excluded.state, due = excluded.due, crashes = excluded.crashes, \
      attempts = excluded.attempts, failures = excluded.failures), \
     failed AS (INSERT INTO {s}kairo_failure SELECT $1, $20::text FROM held WHERE $20 IS NOT NULL \
      ON CONFLICT (subscription) DO UPDATE SET failure = excluded.failure) \
     SELECT 1 FROM held"
);

/// [`Ahead`] as it is stored.
#[derive(Serialize, Deserialize)]
struct AheadRow {
    partitions: u64,
    low_water: (u32, u64, u64),
}

/// Reads a share from the columns from `first` on: whose it is, and the share.
pub(super) fn read_share(row: &PgRow, first: usize, all: u32) -> sqlx::Result<Held> {
    Ok(Held {
        partitions: partitions(row, first + 1, all)?,
        owner: row.try_get(first + 2)?,
        epoch: count(row, first + 3)?,
        clean: row.try_get(first + 4)?,
        checkpoint: checkpoint(row, first + 5, all)?,
    })
}

/// Reads a set of `all` partitions.
pub(super) fn partitions(row: &PgRow, column: usize, all: u32) -> sqlx::Result<Partitions> {
    let bits: i64 = row.try_get(column)?;
    Partitions::of_bits(bits.cast_unsigned(), all).map_err(|error| malformed(column, error))
}

fn checkpoint(row: &PgRow, first: usize, all: u32) -> sqlx::Result<Checkpoint> {
    let low_water = place(row, first)?;
    let finished = unpack(low_water, row.try_get(first + 3)?)
        .ok_or_else(|| malformed(first + 3, "these are no ascending places"))?;
    let ahead: Vec<AheadRow> = from_json(row, first + 4)?.unwrap_or_default();
    let ahead = ahead.into_iter().map(|row| {
        let (epoch, order, sequence) = row.low_water;
        let low_water = Position { epoch, order, sequence };
        let partitions = Partitions::of_bits(row.partitions, all);
        Ok(Ahead { partitions: partitions.map_err(|it| malformed(first + 4, it))?, low_water })
    });
    Ok(Checkpoint { low_water, finished, ahead: ahead.collect::<sqlx::Result<_>>()? })
}

fn ahead(checkpoint: &Checkpoint) -> Option<String> {
    let row = |ahead: &Ahead| {
        let Position { epoch, order, sequence } = ahead.low_water;
        AheadRow { partitions: ahead.partitions.bits(), low_water: (epoch, order, sequence) }
    };
    list(&checkpoint.ahead.iter().map(row).collect::<Vec<_>>())
}

/// Adds shares of subscriptions.
pub(super) async fn insert<'a>(
    connection: &mut PgConnection,
    tables: &Tables,
    shares: &[(&'a str, &'a Held)],
) -> sqlx::Result<()> {
    let bits = |(_, held): &(&str, &Held)| held.partitions.bits().cast_signed();
    let checkpoint = |(_, held): &(&'a str, &'a Held)| &held.checkpoint;
    let packed = |checkpoint: &Checkpoint| pack(checkpoint.low_water, &checkpoint.finished);
    let statement = tables
        .query(INSERT)
        .bind(shares.iter().map(|(name, _)| *name).collect::<Vec<_>>())
        .bind(shares.iter().map(bits).collect::<Vec<_>>())
        .bind(shares.iter().map(|(_, held)| held.owner).collect::<Vec<_>>())
        .bind(shares.iter().map(|(_, held)| int(held.epoch)).collect::<Vec<_>>())
        .bind(shares.iter().map(|(_, held)| held.clean).collect::<Vec<_>>());
    let places: Vec<Position> = shares.iter().map(|it| checkpoint(it).low_water).collect();
    let statement = bind_places(statement, &places)
        .bind(shares.iter().map(|it| packed(checkpoint(it))).collect::<Vec<_>>())
        .bind(shares.iter().map(|it| ahead(checkpoint(it))).collect::<Vec<_>>());
    answered(statement.execute(connection)).await.map(drop)
}

/// Takes shares away, by subscription and epoch.
pub(super) async fn delete(
    connection: &mut PgConnection,
    tables: &Tables,
    shares: &[(&str, u64)],
) -> sqlx::Result<()> {
    let names: Vec<&str> = shares.iter().map(|(name, _)| *name).collect();
    let epochs: Vec<i64> = shares.iter().map(|(_, epoch)| int(*epoch)).collect();
    let statement = tables.query(DELETE).bind(names).bind(epochs);
    answered(statement.execute(connection)).await.map(drop)
}

/// Binds places to three lists.
fn bind_places<'a>(
    statement: Statement,
    places: impl IntoIterator<Item = &'a Position> + Clone,
) -> Statement {
    let epoch = |place: &Position| i32::try_from(place.epoch).unwrap_or(i32::MAX);
    let epochs: Vec<_> = places.clone().into_iter().map(epoch).collect();
    let orders: Vec<_> = places.clone().into_iter().map(|place| int(place.order)).collect();
    let sequences: Vec<_> = places.into_iter().map(|place| int(place.sequence)).collect();
    statement.bind(epochs).bind(orders).bind(sequences)
}

/// Takes over what was achieved, in a transaction in which the claim has been checked.
pub(super) async fn advance(
    connection: &mut PgConnection,
    tables: &Tables,
    progress: &Progress,
) -> sqlx::Result<()> {
    answered(statement(tables, progress).execute(connection)).await.map(drop)
}

/// Takes over what was achieved, as a whole or not at all.
///
/// # Errors
/// [`Error::Fenced`] when somebody else has claimed the share.
pub(super) async fn advance_alone(
    pool: &Connections,
    tables: &Tables,
    progress: &Progress,
) -> Result {
    let rows = pool.fetch("writing to", || statement(tables, progress)).await?;
    if rows.is_empty() {
        return Err(Error::Fenced { subscription: progress.subscription.clone() });
    }
    Ok(())
}

fn statement(tables: &Tables, progress: &Progress) -> Statement {
    let Progress { subscription, epoch, checkpoint, park, unpark, failure, .. } = progress;
    let is_plain = park.is_empty() && unpark.is_empty() && failure.is_none();
    let text = if is_plain { ADVANCE } else { ADVANCE_PARKED };
    let statement = tables.query(text).bind(subscription).bind(int(*epoch));
    let statement = bind_place(statement, checkpoint.low_water)
        .bind(pack(checkpoint.low_water, &checkpoint.finished))
        .bind(ahead(checkpoint));
    if is_plain {
        return statement;
    }
    // Of several rows for a place the last one counts, and one that goes away is not made.
    let mut rows: BTreeMap<Position, &Parked> =
        park.iter().map(|parked| (parked.position, parked)).collect();
    rows.retain(|position, _| !unpark.contains(position));
    // Numbers, times and strings are always JSON.
    let failure = failure.as_ref().and_then(|failure| serde_json::to_string(failure).ok());
    bind_parked(bind_places(statement, unpark), &rows).bind(failure)
}

fn bind_parked(statement: Statement, rows: &BTreeMap<Position, &Parked>) -> Statement {
    let statement = bind_places(statement, rows.keys());
    let rows = || rows.values();
    let state = |parked: &&Parked| match parked.state {
        ParkedState::Retry { .. } => "retry",
        ParkedState::Behind => "behind",
        ParkedState::Newer => "newer",
        ParkedState::Alone { .. } => "alone",
    };
    let due = |parked: &&Parked| match parked.state {
        ParkedState::Retry { due } => Some(due.as_microsecond()),
        _ => None,
    };
    let crashes = |parked: &&Parked| match parked.state {
        ParkedState::Alone { crashes } => Some(i64::from(crashes)),
        _ => None,
    };
    statement
        .bind(rows().map(|parked| parked.key.as_str()).collect::<Vec<_>>())
        .bind(rows().map(state).collect::<Vec<_>>())
        .bind(rows().map(due).collect::<Vec<_>>())
        .bind(rows().map(crashes).collect::<Vec<_>>())
        .bind(rows().map(|parked| i64::from(parked.attempts)).collect::<Vec<_>>())
        .bind(rows().map(|parked| list(&parked.failures)).collect::<Vec<_>>())
}

/// Reads a parked event from the columns of [`PARKED`].
pub(super) fn read_parked(row: &PgRow) -> sqlx::Result<Parked> {
    Ok(Parked {
        position: place(row, 1)?,
        key: row.try_get(4)?,
        state: parked_state(row, 5)?,
        attempts: small(row, 8)?,
        failures: from_json(row, 9)?.unwrap_or_default(),
    })
}

/// Reads what a parked event waits for from three columns.
pub(super) fn parked_state(row: &PgRow, first: usize) -> sqlx::Result<ParkedState> {
    let missing = || malformed(first + 1, "it has no due time");
    Ok(match row.try_get(first)? {
        "retry" => ParkedState::Retry { due: time(row, first + 1)?.ok_or_else(missing)? },
        "behind" => ParkedState::Behind,
        "newer" => ParkedState::Newer,
        "alone" => ParkedState::Alone { crashes: small(row, first + 2)? },
        other => {
            return Err(malformed(first, format!("`{other}` is no state of a parked event")));
        }
    })
}
