//! Events that are not due yet.

use rusqlite::params;

use super::{
    SqliteStore,
    readers::Reader,
    rows::{Count, Id, Time, event_columns, read_event},
};
use crate::{
    clock::Timestamp,
    delivery::{Scheduled, Timetable},
    error::Result,
    store::BoxFuture,
};

impl Timetable for SqliteStore {
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Scheduled>>> {
        Box::pin(self.read(move |reader| due(reader, now, limit)))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(self.read(|reader| {
            let select = "SELECT min(due) FROM kairo_timetable";
            let mut select = reader.connection.prepare_cached(select)?;
            let due: Option<Time> = select.query_row([], |row| row.get(0))?;
            Ok(due.map(|Time(due)| due))
        }))
    }
}

fn due(reader: &mut Reader, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<Scheduled>> {
    const SELECT: &str = concat!(
        "SELECT due, id, ",
        event_columns!(),
        " FROM kairo_timetable WHERE due <= ?1 ORDER BY due, ordinal LIMIT ?2"
    );
    let Reader { connection, common } = reader;
    let mut select = connection.prepare_cached(SELECT)?;
    let rows = select.query_map(params![Time(now), Count(limit as u64)], |row| {
        let (Time(due), Id(id)) = (row.get(0)?, row.get(1)?);
        Ok(Scheduled { due, event: read_event(row, 2, id, common)? })
    })?;
    rows.collect()
}
