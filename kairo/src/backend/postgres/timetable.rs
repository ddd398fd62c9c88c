//! Events that are not due yet.

use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    PostgresStore,
    connections::answered,
    rows::{Columns, EVENT_COLUMNS, Names, event, event_columns, event_rows, int, time},
    tables::Tables,
};
use crate::{
    clock::{Timestamp, micros},
    delivery::{Scheduled, Timetable},
    error::Result,
    store::BoxFuture,
};

const DUE: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", due FROM {s}kairo_timetable WHERE due <= $1 ORDER BY due, ordinal LIMIT $2"
);

const SCHEDULE: &str = concat!(
    "INSERT INTO {s}kairo_timetable (",
    event_columns!(),
    ", due) SELECT ",
    event_columns!(),
    ", due FROM ",
    event_rows!("$12::bigint[]", "due"),
    " ORDER BY ord ON CONFLICT (id) DO NOTHING"
);

impl Timetable for PostgresStore {
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Scheduled>>> {
        Box::pin(async move {
            let (now, limit) = (now.as_microsecond(), int(limit as u64));
            let statement = || self.shared.tables.query(DUE).bind(now).bind(limit);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let mut names = Names::default();
            let due: sqlx::Result<_> = rows.iter().map(|row| read(row, &mut names)).collect();
            due.map_err(|error| self.unreadable(error))
        })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(async move {
            let statement = || self.shared.tables.query("SELECT min(due) FROM {s}kairo_timetable");
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let due = rows.first().map_or(Ok(None), |row| time(row, 0));
            due.map_err(|error| self.unreadable(error))
        })
    }
}

fn read(row: &PgRow, names: &mut Names) -> sqlx::Result<Scheduled> {
    Ok(Scheduled { due: micros(row.try_get(EVENT_COLUMNS)?), event: event(row, 0, names)? })
}

/// Takes events out of the timetable.
pub(super) async fn unschedule(
    connection: &mut PgConnection,
    tables: &Tables,
    ids: &[Uuid],
) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let delete = tables.query("DELETE FROM {s}kairo_timetable WHERE id = ANY($1)").bind(ids);
    answered(delete.execute(connection)).await.map(drop)
}

/// Puts events into the timetable.
pub(super) async fn schedule(
    connection: &mut PgConnection,
    tables: &Tables,
    scheduled: &[&Scheduled],
) -> sqlx::Result<()> {
    if scheduled.is_empty() {
        return Ok(());
    }
    let columns: Columns<'_> = scheduled.iter().map(|scheduled| &scheduled.event).collect();
    let due: Vec<_> = scheduled.iter().map(|scheduled| scheduled.due.as_microsecond()).collect();
    let insert = columns.bind(tables.query(SCHEDULE)).bind(due);
    answered(insert.execute(connection)).await.map(drop)
}
