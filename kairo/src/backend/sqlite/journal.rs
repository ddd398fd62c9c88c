//! Sagas.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use uuid::Uuid;

use super::{
    SqliteStore,
    commit::Syncing,
    rows::{Count, Id, Json, Payload, Time, text, word},
};
use crate::{
    clock::Timestamp,
    error::Result,
    journal::{Journal, Phase, SagaChange, SagaFilter, SagaRow},
    store::BoxFuture,
};

/// The columns of a saga, in the order of [`read`] and [`insert`], but the last.
macro_rules! columns_before_state {
    () => {
        "id, saga, key, shape, phase, due, cancelled, owner, epoch, revision, correlation, \
         causation, depth, started, changed"
    };
}

/// The columns of a saga, in the order of [`read`] and [`insert`].
macro_rules! columns {
    () => {
        concat!(columns_before_state!(), ", state")
    };
}

/// Which phases go on by themselves, as the index has it.
macro_rules! live {
    () => {
        "phase IN ('running', 'compensating')"
    };
}

impl Journal for SqliteStore {
    fn claim_sagas<'a>(
        &'a self,
        owner: Uuid,
        names: &'a [String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            let names = names.to_vec();
            // Where a loss of power takes a claim, whoever had it is gone as well.
            self.write("claiming sagas of", Syncing::Later, move |connection| {
                claim(connection, owner, &names, now, limit)
            })
            .await
        })
    }

    fn release_sagas(&self, owner: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(self.write("releasing sagas of", Syncing::Later, move |connection| {
            let update =
                concat!("UPDATE kairo_saga SET owner = NULL WHERE owner = ?1 AND ", live!());
            connection.prepare_cached(update)?.execute([Id(owner)]).map(drop)
        }))
    }

    fn saga(&self, id: Uuid) -> BoxFuture<'_, Result<Option<SagaRow>>> {
        Box::pin(self.read(move |reader| get(&reader.connection, id)))
    }

    fn sagas(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<SagaRow>>> {
        Box::pin(self.read(move |reader| filtered(&reader.connection, &filter)))
    }

    fn next_saga<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Option<Timestamp>>> {
        const SELECT: &str = concat!(
            "SELECT min(due) FROM kairo_saga WHERE owner IS NULL AND ",
            live!(),
            " AND saga IN (SELECT value FROM json_each(?1))"
        );
        Box::pin(async move {
            let names = names.to_vec();
            self.read(move |reader| {
                let mut select = reader.connection.prepare_cached(SELECT)?;
                let due: Option<Time> = select.query_row([Json(&names)], |row| row.get(0))?;
                Ok(due.map(|Time(due)| due))
            })
            .await
        })
    }

    fn prune_sagas(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.write("deleting sagas of", Syncing::Now, move |connection| {
            let delete = "DELETE FROM kairo_saga WHERE id IN (SELECT id FROM kairo_saga \
                 WHERE phase IN ('completed', 'compensated', 'failed') AND changed < ?1 \
                 ORDER BY changed, id LIMIT ?2)";
            let values = params![Time(before), Count(limit as u64)];
            connection.prepare_cached(delete)?.execute(values).map(|deleted| deleted as u64)
        }))
    }
}

/// One saga.
pub(super) fn get(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<SagaRow>> {
    const SELECT: &str = concat!("SELECT ", columns!(), " FROM kairo_saga WHERE id = ?1");
    connection.prepare_cached(SELECT)?.query_row([Id(id)], read).optional()
}

/// One saga without its state, which whoever changes it need not know.
pub(super) fn without_state(
    connection: &Connection,
    id: Uuid,
) -> rusqlite::Result<Option<SagaRow>> {
    const SELECT: &str =
        concat!("SELECT ", columns_before_state!(), ", '' FROM kairo_saga WHERE id = ?1");
    connection.prepare_cached(SELECT)?.query_row([Id(id)], read).optional()
}

/// The saga that was started under a key.
pub(super) fn of_key(
    connection: &Connection,
    saga: &str,
    key: &str,
) -> rusqlite::Result<Option<Uuid>> {
    let select = "SELECT id FROM kairo_saga WHERE saga = ?1 AND key = ?2";
    let id = |row: &Row<'_>| row.get(0).map(|Id(id)| id);
    connection.prepare_cached(select)?.query_row([saga, key], id).optional()
}

/// Writes what a change has made of a saga.
pub(super) fn set(
    connection: &Connection,
    row: &SagaRow,
    change: &SagaChange,
) -> rusqlite::Result<()> {
    match change {
        SagaChange::Start(_) => insert(connection, row),
        SagaChange::Write(_) => write(connection, row),
        SagaChange::Cancel { .. } => cancel(connection, row),
    }
}

fn write(connection: &Connection, row: &SagaRow) -> rusqlite::Result<()> {
    let update = "UPDATE kairo_saga SET shape = ?2, phase = ?3, due = ?4, owner = ?5, \
         revision = ?6, changed = ?7, state = ?8 WHERE id = ?1";
    let values = params![
        Id(row.id),
        row.shape.cast_signed(),
        row.phase.word(),
        Time(row.due),
        row.owner.map(Id),
        Count(row.revision),
        Time(row.changed),
        Payload(row.state.clone()),
    ];
    connection.prepare_cached(update)?.execute(values).map(drop)
}

fn cancel(connection: &Connection, row: &SagaRow) -> rusqlite::Result<()> {
    let update = "UPDATE kairo_saga SET cancelled = ?2, due = ?3, revision = ?4, changed = ?5 \
         WHERE id = ?1";
    let values =
        params![Id(row.id), row.cancelled, Time(row.due), Count(row.revision), Time(row.changed)];
    connection.prepare_cached(update)?.execute(values).map(drop)
}

fn insert(connection: &Connection, row: &SagaRow) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO kairo_saga (",
        columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    );
    let values = params![
        Id(row.id),
        row.saga,
        row.key,
        row.shape.cast_signed(),
        row.phase.word(),
        Time(row.due),
        row.cancelled,
        row.owner.map(Id),
        Count(row.epoch),
        Count(row.revision),
        Id(row.correlation),
        row.causation.map(Id),
        row.depth,
        Time(row.started),
        Time(row.changed),
        Payload(row.state.clone()),
    ];
    connection.prepare_cached(INSERT)?.execute(values).map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<SagaRow> {
    Ok(SagaRow {
        id: row.get(0).map(|Id(id)| id)?,
        saga: text(row, 1)?.into_owned(),
        key: row.get(2)?,
        shape: row.get::<_, i64>(3)?.cast_unsigned(),
        phase: word::<Phase>(row, 4)?,
        due: row.get(5).map(|Time(due)| due)?,
        cancelled: row.get(6)?,
        owner: row.get::<_, Option<Id>>(7)?.map(|Id(owner)| owner),
        epoch: row.get(8).map(|Count(epoch)| epoch)?,
        revision: row.get(9).map(|Count(revision)| revision)?,
        correlation: row.get(10).map(|Id(id)| id)?,
        causation: row.get::<_, Option<Id>>(11)?.map(|Id(id)| id),
        depth: row.get(12)?,
        started: row.get(13).map(|Time(started)| started)?,
        changed: row.get(14).map(|Time(changed)| changed)?,
        state: row.get(15).map(|Payload(state)| state)?,
    })
}

/// One process has the file, so whoever else owns a saga is gone.
fn claim(
    connection: &Connection,
    owner: Uuid,
    names: &Vec<String>,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<SagaRow>> {
    const SELECT: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM kairo_saga WHERE ",
        live!(),
        " AND due <= ?1 AND (owner IS NULL OR owner <> ?2) \
         AND saga IN (SELECT value FROM json_each(?3)) ORDER BY due, id LIMIT ?4"
    );
    let values = params![Time(now), Id(owner), Json(names), Count(limit as u64)];
    let mut select = connection.prepare_cached(SELECT)?;
    let rows: rusqlite::Result<Vec<_>> = select.query_map(values, read)?.collect();
    let mut rows = rows?;
    let update = "UPDATE kairo_saga SET owner = ?2, epoch = ?3, revision = ?4 WHERE id = ?1";
    let mut update = connection.prepare_cached(update)?;
    for row in &mut rows {
        row.owner = Some(owner);
        row.epoch += 1;
        row.revision += 1;
        update.execute(params![Id(row.id), Id(owner), Count(row.epoch), Count(row.revision)])?;
    }
    Ok(rows)
}

fn filtered(connection: &Connection, filter: &SagaFilter) -> rusqlite::Result<Vec<SagaRow>> {
    const SELECT: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM kairo_saga WHERE (started, id) > (?1, ?2) AND started < ?3 \
         AND (?4 IS NULL OR saga = ?4) AND (?5 IS NULL OR key = ?5) \
         AND (?6 = '[]' OR phase IN (SELECT value FROM json_each(?6))) \
         ORDER BY started, id LIMIT ?7"
    );
    let from = filter.from.map_or(i64::MIN, Timestamp::as_microsecond);
    let (after, after_id) = match filter.after {
        Some((time, id)) if from <= time.as_microsecond() => {
            (time.as_microsecond(), id.as_bytes().to_vec())
        }
        // No id is empty, so everything of this time lies behind it.
        _ => (from, Vec::new()),
    };
    let until = filter.until.map_or(i64::MAX, Timestamp::as_microsecond);
    let phases: Vec<_> = filter.phases.iter().map(|phase| phase.word()).collect();
    let (phases, limit) = (Json(&phases), Count(filter.limit as u64));
    let values: [&dyn ToSql; 7] =
        [&after, &after_id, &until, &filter.saga, &filter.key, &phases, &limit];
    let mut select = connection.prepare_cached(SELECT)?;
    select.query_map(params_from_iter(values), read)?.collect()
}
