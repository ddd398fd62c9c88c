//! Marks of what has been handled.

use rusqlite::{Connection, params};

use super::{
    SqliteStore,
    commit::Syncing,
    rows::{Count, Id, Place, Time, text},
};
use crate::{
    clock::Timestamp,
    delivery::{Mark, MarkKey},
    error::Result,
};

/// The most marks that one transaction deletes, for others wait meanwhile.
const PRUNED_MAX: usize = 1_000;

pub(super) fn is_marked(connection: &Connection, key: &MarkKey) -> rusqlite::Result<bool> {
    let select =
        "SELECT 1 FROM kairo_mark WHERE subscription = ?1 AND generation = ?2 AND event = ?3";
    let values = params![key.subscription, key.generation, Id(key.event)];
    connection.prepare_cached(select)?.exists(values)
}

pub(super) fn mark(connection: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let insert = "INSERT INTO kairo_mark (subscription, generation, event, position, time) \
         VALUES (?1, ?2, ?3, ?4, ?5)";
    let Mark { key, position, time, .. } = mark;
    let values =
        params![key.subscription, key.generation, Id(key.event), Place(*position), Time(*time)];
    connection.prepare_cached(insert)?.execute(values).map(drop)
}

impl SqliteStore {
    /// Searches beside the writer, and deletes what was found batch by batch. A mark that nobody
    /// needs stays one: who goes back in the log begins a generation.
    pub(super) async fn prune_old_marks(&self, before: Timestamp, limit: usize) -> Result<u64> {
        let found = self.read(move |reader| prunable(&reader.connection, before, limit)).await?;
        let mut pruned = 0;
        for batch in found.chunks(PRUNED_MAX) {
            let batch = batch.to_vec();
            let delete = move |connection: &Connection| delete(connection, &batch);
            pruned += self.write("deleting marks of", Syncing::Now, delete).await?;
        }
        Ok(pruned)
    }
}

/// The oldest marks whose events their subscriptions have passed.
fn prunable(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<MarkKey>> {
    let select = "SELECT mark.subscription, mark.generation, mark.event FROM kairo_mark AS mark \
         LEFT JOIN kairo_subscription AS held ON held.name = mark.subscription \
         WHERE mark.time < ?1 AND (held.name IS NULL OR mark.position <= held.low_water) \
         ORDER BY mark.time LIMIT ?2";
    let mut select = connection.prepare_cached(select)?;
    let marks = select.query_map(params![Time(before), Count(limit as u64)], |row| {
        let (subscription, Id(event)) = (text(row, 0)?.into_owned(), row.get(2)?);
        Ok(MarkKey { subscription, generation: row.get(1)?, event })
    })?;
    marks.collect()
}

fn delete(connection: &Connection, keys: &[MarkKey]) -> rusqlite::Result<u64> {
    let delete =
        "DELETE FROM kairo_mark WHERE subscription = ?1 AND generation = ?2 AND event = ?3";
    let mut delete = connection.prepare_cached(delete)?;
    let mut deleted = 0;
    for key in keys {
        deleted += delete.execute(params![key.subscription, key.generation, Id(key.event)])?;
    }
    Ok(deleted as u64)
}
