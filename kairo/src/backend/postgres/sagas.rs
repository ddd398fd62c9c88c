//! Sagas in their rows: how they are written, by themselves or in a transaction.

use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    connections::answered,
    rows::{count, int, malformed, small},
    tables::{Statement, Tables},
};
use crate::{
    clock::micros,
    error::Error,
    journal::{Phase, SagaChange, SagaRow, SagaWrite},
    store::Unit,
};

/// The columns of a saga, in the order of [`read`] and [`bind_row`].
macro_rules! saga_columns {
    () => {
        "id, saga, key, shape, phase, due, cancelled, owner, epoch, revision, correlation, \
         causation, depth, started, changed, state"
    };
}
pub(super) use saga_columns;

/// Whether a phase is live, or over.
macro_rules! is_live {
    ($phase:literal) => {
        concat!($phase, " IN ('running', 'compensating')")
    };
}
pub(super) use is_live;
macro_rules! has_ended {
    ($phase:literal) => {
        concat!($phase, " IN ('completed', 'compensated', 'failed')")
    };
}
pub(super) use has_ended;

/// What indexes have of a saga: when it is due if nobody has it, who has it, and when it ended. The
/// server would have to work out generated columns from their text in every statement.
macro_rules! indexed {
    ($phase:literal, $due:literal, $owner:literal, $changed:literal) => {
        concat!(
            "CASE WHEN ",
            $owner,
            " IS NULL AND ",
            is_live!($phase),
            " THEN ",
            $due,
            " END, CASE WHEN ",
            is_live!($phase),
            " THEN ",
            $owner,
            " END, CASE WHEN ",
            has_ended!($phase),
            " THEN ",
            $changed,
            " END"
        )
    };
}
pub(super) use indexed;

/// A new saga.
macro_rules! insert {
    () => {
        concat!(
            "INSERT INTO {s}kairo_saga (",
            saga_columns!(),
            ", waits, held, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
             $13, $14, $15, $16, ",
            indexed!("$5", "$6", "$8", "$15"),
            ")"
        )
    };
}

const INSERT: &str = insert!();

/// A new saga, unless its id or its key is taken.
const START: &str = concat!(insert!(), " ON CONFLICT DO NOTHING RETURNING 1");

/// What a write sets; whoever keeps a saga has one that is live.
macro_rules! written {
    (
        $shape:literal, $phase:literal, $due:literal, $changed:literal, $state:literal,
        $keep:literal
    ) => {
        concat!(
            "shape = ",
            $shape,
            ", phase = ",
            $phase,
            ", due = ",
            $due,
            ", changed = ",
            $changed,
            ", state = ",
            $state,
            ", revision = o.revision + 1, owner = CASE WHEN ",
            $keep,
            " THEN o.owner END, held = CASE WHEN ",
            $keep,
            " THEN o.owner END, waits = CASE WHEN ",
            is_live!($phase),
            " AND (o.owner IS NULL OR NOT ",
            $keep,
            ") THEN ",
            $due,
            " END, ended = CASE WHEN ",
            has_ended!($phase),
            " THEN ",
            $changed,
            " END"
        )
    };
}
pub(super) use written;

/// A new state, if it is from somebody who has seen the last one.
const WRITE: &str = concat!(
    "UPDATE {s}kairo_saga AS o SET ",
    written!("$4", "$5", "$6", "$7", "$8", "$9"),
    " WHERE id = $1 AND epoch = $2 AND revision = $3 RETURNING 1"
);

const UPDATE: &str = concat!(
    "UPDATE {s}kairo_saga SET shape = $2, phase = $3, due = $4, cancelled = $5, owner = $6, \
     revision = $7, changed = $8, state = $9, (waits, held, ended) = ROW (",
    indexed!("$3", "$4", "$6", "$8"),
    ") WHERE id = $1"
);

const LOCKED: &str = concat!(
    "SELECT ",
    saga_columns!(),
    " FROM {s}kairo_saga WHERE id = ANY($1) ORDER BY id FOR UPDATE"
);

/// The sagas that were started under keys.
const OF_KEYS: &str = "SELECT w.saga, w.key, k.id FROM unnest($1::text[], $2::text[]) AS w (saga, key) \
     CROSS JOIN LATERAL (SELECT id FROM {s}kairo_saga AS s WHERE s.saga = w.saga \
      AND s.key = w.key LIMIT 1) AS k";

/// Binds a saga to as many parameters as it has columns.
pub(super) fn bind_row(statement: Statement, row: &SagaRow) -> Statement {
    statement
        .bind(row.id)
        .bind(row.saga.as_str())
        .bind(row.key.as_deref())
        .bind(row.shape.cast_signed())
        .bind(row.phase.word())
        .bind(row.due.as_microsecond())
        .bind(row.cancelled)
        .bind(row.owner)
        .bind(int(row.epoch))
        .bind(int(row.revision))
        .bind(row.correlation)
        .bind(row.causation)
        .bind(i64::from(row.depth))
        .bind(row.started.as_microsecond())
        .bind(row.changed.as_microsecond())
        .bind(&row.state[..])
}

/// Binds a write to nine parameters.
pub(super) fn bind_write(statement: Statement, write: &SagaWrite) -> Statement {
    statement
        .bind(write.id)
        .bind(int(write.epoch))
        .bind(int(write.revision))
        .bind(write.shape.cast_signed())
        .bind(write.phase.word())
        .bind(write.due.as_microsecond())
        .bind(write.changed.as_microsecond())
        .bind(&write.state[..])
        .bind(write.keeps_owner())
}

/// Reads a saga.
pub(super) fn read(row: &PgRow) -> sqlx::Result<SagaRow> {
    let phase: Phase =
        row.try_get::<&str, _>(4)?.parse().map_err(|error: Error| malformed(4, error))?;
    Ok(SagaRow {
        id: row.try_get(0)?,
        saga: row.try_get(1)?,
        key: row.try_get(2)?,
        shape: row.try_get::<i64, _>(3)?.cast_unsigned(),
        phase,
        due: micros(row.try_get(5)?),
        cancelled: row.try_get(6)?,
        owner: row.try_get(7)?,
        epoch: count(row, 8)?,
        revision: count(row, 9)?,
        correlation: row.try_get(10)?,
        causation: row.try_get(11)?,
        depth: small(row, 12)?,
        started: micros(row.try_get(13)?),
        changed: micros(row.try_get(14)?),
        state: row.try_get::<Vec<u8>, _>(15)?.into(),
    })
}

/// Reads sagas.
pub(super) fn read_all(rows: &[PgRow]) -> sqlx::Result<Vec<SagaRow>> {
    rows.iter().map(read).collect()
}

/// Makes one change by itself; whether it has found the saga as it must be. What is cancelled has
/// to be looked at first.
pub(super) async fn change_alone(
    connection: &mut PgConnection,
    tables: &Tables,
    change: &SagaChange,
) -> sqlx::Result<bool> {
    let statement = match change {
        SagaChange::Start(row) => bind_row(tables.query(START), row),
        SagaChange::Write(write) => bind_write(tables.query(WRITE), write),
        SagaChange::Cancel { .. } => return Ok(false),
    };
    Ok(answered(statement.fetch_optional(connection)).await?.is_some())
}

/// The sagas that a unit changes, as far as they are there; nobody else changes them until the
/// transaction ends.
pub(super) async fn locked(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<Vec<SagaRow>> {
    let ids: Vec<Uuid> = unit.sagas.iter().map(SagaChange::id).collect();
    let select = tables.query(LOCKED).bind(ids);
    read_all(&answered(select.fetch_all(connection)).await?)
}

/// Which of the keys that a unit starts sagas under are taken: kind, key and saga.
pub(super) async fn of_keys(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<Vec<(String, String, Uuid)>> {
    let key = |change: &'_ SagaChange| match change {
        SagaChange::Start(row) => Some((row.saga.clone(), row.key.clone()?)),
        _ => None,
    };
    let (sagas, keys): (Vec<String>, Vec<String>) = unit.sagas.iter().filter_map(key).unzip();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let select = tables.query(OF_KEYS).bind(sagas).bind(keys);
    let rows = answered(select.fetch_all(connection)).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// Writes a saga as it is after a change.
pub(super) async fn set(
    connection: &mut PgConnection,
    tables: &Tables,
    row: &SagaRow,
    change: &SagaChange,
) -> sqlx::Result<()> {
    let statement = match change {
        SagaChange::Start(_) => bind_row(tables.query(INSERT), row),
        SagaChange::Write(_) | SagaChange::Cancel { .. } => tables
            .query(UPDATE)
            .bind(row.id)
            .bind(row.shape.cast_signed())
            .bind(row.phase.word())
            .bind(row.due.as_microsecond())
            .bind(row.cancelled)
            .bind(row.owner)
            .bind(int(row.revision))
            .bind(row.changed.as_microsecond())
            .bind(&row.state[..]),
    };
    answered(statement.execute(connection)).await.map(drop)
}

/// Whether a row shows that a change has been made which may have been made.
pub(super) fn shows(rows: &[SagaRow], change: &SagaChange) -> bool {
    let row = rows.iter().find(|row| row.id == change.id());
    row.is_some_and(|row| match change {
        SagaChange::Start(_) => true,
        SagaChange::Write(write) => {
            (row.epoch, row.revision) == (write.epoch, write.revision + 1)
                && (row.phase, row.changed) == (write.phase, write.changed)
                && row.state == write.state
        }
        SagaChange::Cancel { .. } => row.cancelled,
    })
}

/// Whether a change is of interest to other processes: somebody else has something to do, or waits
/// for it.
pub(super) fn concerns_others(change: &SagaChange) -> bool {
    match change {
        SagaChange::Start(row) => row.owner.is_none(),
        SagaChange::Write(write) => !write.keeps_owner(),
        SagaChange::Cancel { .. } => true,
    }
}
