//! Reading and watching the log.

use std::{future, ops::RangeInclusive, sync::Arc};

use rusqlite::{OptionalExtension, Row, ToSql, params, params_from_iter};
use tokio::sync::watch;

use super::{
    SqliteStore,
    commit::Syncing,
    readers::Reader,
    rows::{Common, Count, Id, Place, event_columns, read_event, read_fact},
    selection::Condition,
    streams::{self, PRUNED_MAX, newest},
    transaction::SqliteTransaction,
};
use crate::{
    clock::Timestamp,
    error::Result,
    event::{fact::Facts, name::StreamName, record::Recorded},
    store::{
        BoxFuture, Committed, Direction, Features, PAGE_BYTES_MAX, Page, Position, Selection,
        Snapshot, Store, StreamRange, StreamStats, Transaction, Unit,
    },
};

/// The most events that one page searches for selected ones.
const SEARCHED_MAX: u64 = 10_000;

/// The longest page of facts that its caller waits for, so that no other thread need be woken; what
/// is longer is read while the caller does something else.
const SHORT_MAX: usize = 256;

/// The most events for which a page has room before they are read.
const ROOM_MAX: usize = 1_024;

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
        range: StreamRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        const FORWARDS: &str =
            select!("WHERE stream = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version LIMIT ?4");
        const BACKWARDS: &str = select!(
            "WHERE stream = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version DESC LIMIT ?4"
        );
        let stream = stream.clone();
        Box::pin(self.read(move |reader| {
            let select = match range.direction {
                Direction::Forwards => FORWARDS,
                Direction::Backwards => BACKWARDS,
            };
            let (from, to, limit) = (Count(range.from), Count(range.to), Count(limit as u64));
            let events =
                collect(reader, select, &[&stream.as_str(), &from, &to, &limit], Vec::new())?;
            Ok(events.into_iter().map(Arc::new).collect())
        }))
    }

    fn read_facts<'a>(
        &'a self,
        stream: &'a StreamName,
        versions: RangeInclusive<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Facts>> {
        let stream = stream.clone();
        let read = move |reader: &mut Reader| facts(reader, &stream, versions, limit);
        if limit <= SHORT_MAX {
            Box::pin(self.read(read))
        } else {
            Box::pin(self.read_beside(read))
        }
    }

    fn stream_stats<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<StreamStats>>> {
        let stream = stream.clone();
        Box::pin(self.read(move |reader| streams::stats(&mut reader.connection, &stream)))
    }

    fn snapshot<'a>(
        &'a self,
        stream: &'a StreamName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Snapshot>>> {
        let (stream, name) = (stream.clone(), name.to_owned());
        Box::pin(self.read(move |reader| streams::snapshot(&reader.connection, &stream, &name)))
    }

    fn prune<'a>(
        &'a self,
        before: Timestamp,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.prune_oldest(before, selection, limit as u64))
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(async move {
            let transaction = SqliteTransaction::begin(&self.shared).await?;
            Ok(Box::new(transaction) as Box<dyn Transaction>)
        })
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

    fn features(&self) -> Features {
        Features { durable: true, shared: false, transactions: true }
    }

    fn is_relaxed(&self) -> bool {
        self.is_relaxed
    }
}

impl SqliteStore {
    /// Searches beside the writer, and deletes what was found batch by batch.
    async fn prune_oldest(
        &self,
        before: Timestamp,
        selection: &Selection,
        limit: u64,
    ) -> Result<u64> {
        let (mut pruned, mut after) = (0, 0);
        while pruned < limit {
            let (selection, most) = (selection.clone(), (limit - pruned).min(PRUNED_MAX));
            let found = self
                .read(move |reader| streams::prunable(reader, after, before, &selection, most))
                .await?;
            let Some(last) = found.last() else { break };
            after = *last;
            pruned += self.delete(found).await?;
        }
        Ok(pruned)
    }

    async fn delete(&self, found: Vec<u64>) -> Result<u64> {
        let shared = Arc::clone(&self.shared);
        self.write("deleting events of", Syncing::Now, move |connection| {
            // Nothing is added to it in this turn, so nobody reads there what is gone.
            shared.recent.clear();
            streams::prune(connection, &found)
        })
        .await
    }
}

/// The position of the newest event, also when it has been deleted.
fn head(reader: &Reader) -> rusqlite::Result<Position> {
    let select = concat!("SELECT ", newest!());
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
        Selection::Names(_) | Selection::Between { .. } => {
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
            let most = usize::try_from(reach.sequence - after.sequence).unwrap_or(limit);
            let room = Vec::with_capacity(most.min(limit).min(ROOM_MAX));
            let values: [&dyn ToSql; 3] = [&Place(after), &Place(reach), &Count(limit as u64)];
            collect(reader, SELECT, &values, room)?
        }
        selection => selected(reader, after, reach, selection, limit)?,
    };
    let bytes: usize = events.iter().map(|event| event.event.payload.len()).sum();
    let end = match events.last() {
        Some(last) if events.len() == limit || PAGE_BYTES_MAX <= bytes => last.position,
        None if limit == 0 => after,
        _ => reach,
    };
    Ok(Page { events, end, complete: head <= end })
}

/// SQLite selects, so that the payloads of other events are not even read.
fn selected(
    reader: &mut Reader,
    after: Position,
    reach: Position,
    selection: &Selection,
    limit: usize,
) -> rusqlite::Result<Vec<Recorded>> {
    let condition = Condition::new(selection, 4);
    let select = format!(
        "{} {} ORDER BY sequence LIMIT ?3",
        select!("WHERE ?1 < sequence AND sequence <= ?2"),
        condition.sql
    );
    let limit = Count(limit as u64);
    let (after, reach) = (Place(after), Place(reach));
    let mut values: Vec<&dyn ToSql> = vec![&after, &reach, &limit];
    values.extend(condition.values());
    collect(reader, &select, &values, Vec::new())
}

/// Looks at names and times at most; a payload that is larger than its page is not even read.
fn count(
    reader: &Reader,
    after: Position,
    selection: &Selection,
    limit: u64,
) -> rusqlite::Result<u64> {
    let condition = Condition::new(selection, 3);
    let select = format!(
        "SELECT count(*) FROM (SELECT 1 FROM kairo_event WHERE ?1 < sequence {} LIMIT ?2)",
        condition.sql
    );
    let (after, limit) = (Place(after), Count(limit));
    let mut values: Vec<&dyn ToSql> = vec![&after, &limit];
    values.extend(condition.values());
    let mut select = reader.connection.prepare_cached(&select)?;
    select.query_row(params_from_iter(values), |row| row.get(0)).map(|Count(count)| count)
}

fn at(reader: &mut Reader, positions: &[Position]) -> rusqlite::Result<Vec<Arc<Recorded>>> {
    let Reader { connection, common } = reader;
    let mut select = connection.prepare_cached(select!("WHERE sequence = ?1"))?;
    let mut found = Vec::with_capacity(positions.len());
    for position in positions {
        let event = select.query_row([Place(*position)], |row| recorded(row, common)).optional()?;
        found.extend(event.map(Arc::new));
    }
    Ok(found)
}

fn collect(
    reader: &mut Reader,
    select: &str,
    values: &[&dyn ToSql],
    mut events: Vec<Recorded>,
) -> rusqlite::Result<Vec<Recorded>> {
    let Reader { connection, common } = reader;
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut bytes = 0;
    while bytes < PAGE_BYTES_MAX
        && let Some(row) = rows.next()?
    {
        let event = recorded(row, common)?;
        bytes += event.event.payload.len();
        events.push(event);
    }
    Ok(events)
}

fn facts(
    reader: &Reader,
    stream: &StreamName,
    versions: RangeInclusive<u64>,
    limit: usize,
) -> rusqlite::Result<Facts> {
    const SELECT: &str = "SELECT version, name, schema, time, payload FROM kairo_event \
         WHERE stream = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version LIMIT ?4";
    let (from, to) = versions.into_inner();
    let mut select = reader.connection.prepare_cached(SELECT)?;
    let values = params![stream.as_str(), Count(from), Count(to), Count(limit as u64)];
    let mut rows = select.query(values)?;
    let mut facts = Facts::default();
    while facts.bytes() < PAGE_BYTES_MAX {
        match rows.next()? {
            Some(row) => read_fact(row, &mut facts)?,
            None if facts.len() < limit => return Ok(facts.last()),
            None => break,
        }
    }
    Ok(facts)
}

fn recorded(row: &Row<'_>, common: &mut Common) -> rusqlite::Result<Recorded> {
    let (Place(position), Count(version), Id(id)) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Recorded::new(position, version, read_event(row, 3, id, common)?))
}
