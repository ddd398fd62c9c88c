//! Reading and watching the log.

use std::{future, sync::Arc};

use rusqlite::{OptionalExtension, Row, ToSql, params_from_iter};
use tokio::sync::watch;

use super::{
    SqliteStore,
    readers::Reader,
    rows::{Count, Id, Names, Place, event_columns, read_event},
};
use crate::{
    error::Result,
    event::{
        name::{EventName, StreamName},
        record::Recorded,
    },
    store::{BoxFuture, Committed, PAGE_BYTES_MAX, Page, Position, Selection, Store, Unit},
};

/// The most events that one page searches for selected ones.
const SEARCHED_MAX: u64 = 10_000;

/// What [`recorded`] reads.
macro_rules! select {
    ($($rest:literal),*) => {
        concat!("SELECT sequence, version, id, ", event_columns!(), " FROM kairo_event ", $($rest),*)
    };
}

impl Store for SqliteStore {
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(self.commit_unit(unit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(self.read(|reader| head(reader)))
    }

    fn read_log<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        if *selection == Selection::All
            && let Some(page) = self.shared.recent.page(after, limit)
        {
            return Box::pin(future::ready(Ok(page)));
        }
        let selection = selection.clone();
        Box::pin(self.read_beside(move |reader| page(reader, after, &selection, limit)))
    }

    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>> {
        let selection = selection.clone();
        Box::pin(self.read(move |reader| count(reader, after, &selection, limit)))
    }

    fn read_at<'a>(
        &'a self,
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        let mut positions = positions.to_vec();
        positions.sort_unstable();
        positions.dedup();
        Box::pin(self.read(move |reader| at(reader, &positions)))
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        let stream = stream.clone();
        Box::pin(self.read(move |reader| {
            const SELECT: &str =
                select!("WHERE stream = ?1 AND ?2 <= version ORDER BY version LIMIT ?3");
            let limit = Count(limit as u64);
            collect(reader, SELECT, &[&stream.as_str(), &Count(from), &limit])
        }))
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.shut())
    }

    fn url(&self) -> &str {
        self.shared.failing.url()
    }
}

/// The position of the last event.
fn head(reader: &Reader) -> rusqlite::Result<Position> {
    let select = "SELECT coalesce(max(sequence), 0) FROM kairo_event";
    let mut select = reader.connection.prepare_cached(select)?;
    select.query_row([], |row| row.get(0)).map(|Place(head)| head)
}

/// Everything up to the head that was read first is there: a single writer commits in order.
fn page(
    reader: &mut Reader,
    after: Position,
    selection: &Selection,
    limit: usize,
) -> rusqlite::Result<Page> {
    let head = head(reader)?;
    let reach = match selection {
        Selection::All => head,
        Selection::Names(_) => {
            head.min(Position::at_sequence(after.sequence.saturating_add(SEARCHED_MAX)))
        }
    };
    if reach <= after {
        return Ok(Page { events: Vec::new(), end: after, complete: true });
    }
    let events = match selection {
        Selection::All => {
            const SELECT: &str =
                select!("WHERE ?1 < sequence AND sequence <= ?2 ORDER BY sequence LIMIT ?3");
            collect(reader, SELECT, &[&Place(after), &Place(reach), &Count(limit as u64)])?
        }
        Selection::Names(names) => selected(reader, after, reach, names, limit)?,
    };
    let bytes: usize = events.iter().map(|event| event.event.payload.len()).sum();
    let end = match events.last() {
        Some(last) if events.len() == limit || PAGE_BYTES_MAX <= bytes => last.position,
        None if limit == 0 => after,
        _ => reach,
    };
    Ok(Page { events, end, complete: head <= end })
}

/// SQLite compares the names, so that the payloads of other events are not even read.
fn selected(
    reader: &mut Reader,
    after: Position,
    reach: Position,
    names: &[EventName],
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Recorded>>> {
    let select = format!(
        "{} AND name IN ({}) ORDER BY sequence LIMIT ?3",
        select!("WHERE ?1 < sequence AND sequence <= ?2"),
        marks(4, names.len())
    );
    let limit = Count(limit as u64);
    let (after, reach) = (Place(after), Place(reach));
    let names: Vec<_> = names.iter().map(EventName::as_str).collect();
    let mut values: Vec<&dyn ToSql> = vec![&after, &reach, &limit];
    values.extend(names.iter().map(|name| -> &dyn ToSql { name }));
    collect(reader, &select, &values)
}

/// The parameters of a list of values, `?4, ?5`.
fn marks(first: usize, count: usize) -> String {
    let marks: Vec<_> = (first..).take(count).map(|number| format!("?{number}")).collect();
    marks.join(", ")
}

/// Looks at names at most; a payload that is larger than its page is not even read.
fn count(
    reader: &Reader,
    after: Position,
    selection: &Selection,
    limit: u64,
) -> rusqlite::Result<u64> {
    let (condition, names) = match selection {
        Selection::All => (String::new(), &[][..]),
        Selection::Names(names) => {
            (format!("AND name IN ({})", marks(3, names.len())), names.as_slice())
        }
    };
    let select = format!(
        "SELECT count(*) FROM (SELECT 1 FROM kairo_event WHERE ?1 < sequence {condition} LIMIT ?2)"
    );
    let names: Vec<_> = names.iter().map(EventName::as_str).collect();
    let (after, limit) = (Place(after), Count(limit));
    let mut values: Vec<&dyn ToSql> = vec![&after, &limit];
    values.extend(names.iter().map(|name| -> &dyn ToSql { name }));
    let mut select = reader.connection.prepare_cached(&select)?;
    select.query_row(params_from_iter(values), |row| row.get(0)).map(|Count(count)| count)
}

fn at(reader: &mut Reader, positions: &[Position]) -> rusqlite::Result<Vec<Arc<Recorded>>> {
    let Reader { connection, names } = reader;
    let mut select = connection.prepare_cached(select!("WHERE sequence = ?1"))?;
    let mut found = Vec::with_capacity(positions.len());
    for position in positions {
        let event = select.query_row([Place(*position)], |row| recorded(row, names)).optional()?;
        found.extend(event.map(Arc::new));
    }
    Ok(found)
}

fn collect(
    reader: &mut Reader,
    select: &str,
    values: &[&dyn ToSql],
) -> rusqlite::Result<Vec<Arc<Recorded>>> {
    let Reader { connection, names } = reader;
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params_from_iter(values))?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < PAGE_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let event = Arc::new(recorded(row, names)?);
        bytes += event.event.payload.len();
        events.push(event);
    }
    Ok(events)
}

fn recorded(row: &Row<'_>, names: &mut Names) -> rusqlite::Result<Recorded> {
    let (Place(position), Count(version), Id(id)) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Recorded::new(position, version, read_event(row, 3, id, names)?))
}
