//! Reading and watching the log.

use std::sync::Arc;

use redis::{Cmd, Value};
use tokio::sync::watch;

use super::{
    RedisStore,
    rows::{Read, list, number, parts, recorded, sequence_of},
    scripts,
};
use crate::{
    error::Result,
    event::{
        name::{EventName, StreamName},
        record::Recorded,
    },
    store::{BoxFuture, Committed, PAGE_BYTES_MAX, Page, Position, Selection, Store, Unit},
};

/// The most events that one answer of the server holds.
const EVENTS_MAX: usize = 1_000;

/// The most events that are fetched by their places at once; there may be large ones.
const PLACES_MAX: usize = 100;

/// The most places that a script compares to find a page of some names.
const COMPARED_MAX: usize = 10_000;

impl Store for RedisStore {
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(self.commit_unit(unit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(async { Ok(Position::at_sequence(self.last_sequence().await?)) })
    }

    fn read_log<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move {
            match selection {
                Selection::All => self.page(after, limit).await,
                Selection::Names(names) => self.page_of(after, names, limit).await,
            }
        })
    }

    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let after = sequence_of(after);
            let count = match selection {
                // The sequences of the log have no gap.
                Selection::All => self.last_sequence().await?.saturating_sub(after),
                Selection::Names(names) => self.count_of(after, names).await?,
            };
            Ok(count.min(limit))
        })
    }

    fn read_at<'a>(
        &'a self,
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(async move {
            let mut places: Vec<_> = positions.iter().copied().map(sequence_of).collect();
            places.sort_unstable();
            places.dedup();
            let mut events = Vec::with_capacity(places.len());
            for places in places.chunks(PLACES_MAX) {
                events.extend(self.at(places).await?);
            }
            Ok(events)
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(self.stretch(stream, from, limit))
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.signal.commits.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.shut())
    }

    fn url(&self) -> &str {
        self.link.failing.url()
    }
}

impl RedisStore {
    async fn last_sequence(&self) -> Result<u64> {
        let head = self.read(&scripts::HEAD, |_| {}).await?;
        self.understood(number(head))
    }

    async fn page(&self, after: Position, limit: usize) -> Result<Page> {
        let limit = limit.min(EVENTS_MAX);
        let found = self
            .read(&scripts::PAGE, |command| {
                command.arg(sequence_of(after)).arg(limit).arg(PAGE_BYTES_MAX);
            })
            .await?;
        self.understood(read_page(found, after, limit))
    }

    async fn page_of(&self, after: Position, names: &[EventName], limit: usize) -> Result<Page> {
        let limit = limit.min(EVENTS_MAX).min((COMPARED_MAX / names.len().max(1)).max(1));
        // The script asks for at least one event of each name.
        let names = if limit == 0 { &[] } else { names };
        let found = self
            .read(&scripts::PAGE_OF, |command| {
                command.arg(sequence_of(after)).arg(limit).arg(PAGE_BYTES_MAX);
                write_names(command, names);
            })
            .await?;
        self.understood(read_page(found, after, limit))
    }

    async fn count_of(&self, after: u64, names: &[EventName]) -> Result<u64> {
        let count = self
            .read(&scripts::COUNT, |command| {
                command.arg(after);
                write_names(command, names);
            })
            .await?;
        self.understood(number(count))
    }

    async fn at(&self, places: &[u64]) -> Result<Vec<Arc<Recorded>>> {
        let found = self
            .read(&scripts::AT, |command| {
                command.arg(places.len()).arg(places);
            })
            .await?;
        self.understood(read_events(found))
    }

    /// A stretch of a stream, in as many answers as it takes, up to the bytes of a page.
    async fn stretch(
        &self,
        stream: &StreamName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>> {
        let mut first = i64::try_from(from.saturating_sub(1)).unwrap_or(i64::MAX);
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < limit && bytes < PAGE_BYTES_MAX {
            let count = EVENTS_MAX.min(limit - events.len());
            let last = first.saturating_add_unsigned(count as u64 - 1);
            let found = self
                .read(&scripts::STREAM, |command| {
                    command.arg(stream.as_str()).arg(first).arg(last).arg(PAGE_BYTES_MAX);
                })
                .await?;
            let found = self.understood(read_events(found))?;
            let Some(last) = found.last() else { break };
            first = i64::try_from(last.version).unwrap_or(i64::MAX);
            bytes += found.iter().map(|event| event.event.payload.len()).sum::<usize>();
            events.extend(found);
        }
        Ok(events)
    }
}

fn write_names(command: &mut Cmd, names: &[EventName]) {
    command.arg(names.len());
    for name in names {
        command.arg(name.as_str());
    }
}

/// Reads the last sequence, how far the log was searched, and what was found.
fn read_page(found: Value, after: Position, limit: usize) -> Read<Page> {
    let [last, reach, events] = parts(found)?;
    let head = Position::at_sequence(number(last)?);
    let reach = Position::at_sequence(number(reach)?);
    let end = if limit == 0 { after } else { reach.max(after) };
    Ok(Page { events: read_events(events)?, end, complete: head <= end })
}

fn read_events(found: Value) -> Read<Vec<Arc<Recorded>>> {
    list(found)?.into_iter().map(|entry| recorded(entry).map(Arc::new)).collect()
}
