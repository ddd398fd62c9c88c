//! Reading and watching the log.

use std::sync::Arc;

use redis::{Cmd, Value};
use tokio::sync::watch;

use super::{
    RedisStore,
    rows::{Read, list, number, parts, recorded, sequence_of, text},
    scripts,
};
use crate::{
    clock::Timestamp,
    error::Result,
    event::{
        name::{EventName, StreamName},
        record::Recorded,
    },
    store::{
        BoxFuture, Committed, Features, PAGE_BYTES_MAX, Page, Position, Selection, Snapshot, Store,
        StreamRange, StreamStats, Unit,
    },
};

/// The most events that one answer of the server holds.
pub(super) const EVENTS_MAX: usize = 1_000;

/// The most events that are fetched by their places at once; there may be large ones.
const PLACES_MAX: usize = 100;

/// The most events that are counted one by one in one answer.
const COUNTED_MAX: usize = 1_000;

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
            let mut page = match names_of(selection) {
                None => self.page(after, limit).await?,
                Some(names) => self.page_of(after, names, limit).await?,
            };
            page.events.retain(|event| selection.has(&event.event));
            Ok(page)
        })
    }

    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            if let Selection::Between { .. } = selection {
                return self.count_by_reading(after, selection, limit).await;
            }
            let after = sequence_of(after);
            let Some(names) = names_of(selection) else {
                return self.count_of(after, "", limit).await;
            };
            let mut counted = 0;
            for name in names {
                if counted < limit {
                    counted += self.count_of(after, name.as_str(), limit - counted).await?;
                }
            }
            Ok(counted)
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
        range: StreamRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(self.stretch(stream, range, limit))
    }

    fn stream_stats<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<StreamStats>>> {
        Box::pin(self.stats(stream))
    }

    fn snapshot<'a>(
        &'a self,
        stream: &'a StreamName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Snapshot>>> {
        Box::pin(self.read_snapshot(stream, name))
    }

    fn prune<'a>(
        &'a self,
        before: Timestamp,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.prune_log(before, selection, limit))
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.signal.commits()
    }

    fn close(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.shut())
    }

    fn url(&self) -> &str {
        self.link.failing.url()
    }

    fn features(&self) -> Features {
        Features { durable: true, shared: true, transactions: false }
    }

    fn is_relaxed(&self) -> bool {
        self.is_relaxed
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

    /// How many events of a name, or of all with an empty one, lie behind a place.
    async fn count_of(&self, after: u64, name: &str, limit: u64) -> Result<u64> {
        let (mut counted, mut after) = (0, after.to_string());
        while counted < limit {
            let found = self
                .read(&scripts::COUNT, |command| {
                    command.arg(name).arg(&after).arg(COUNTED_MAX);
                })
                .await?;
            let (count, next) = self.understood(read_count(found))?;
            counted += count;
            if next.is_empty() {
                break;
            }
            after = next;
        }
        Ok(counted.min(limit))
    }

    /// Times are in no order in the log.
    async fn count_by_reading(
        &self,
        mut after: Position,
        selection: &Selection,
        limit: u64,
    ) -> Result<u64> {
        let mut counted = 0;
        while counted < limit {
            let page = self.read_log(after, selection, EVENTS_MAX).await?;
            counted += page.events.len() as u64;
            if page.complete {
                break;
            }
            after = page.end;
        }
        Ok(counted.min(limit))
    }

    async fn at(&self, places: &[u64]) -> Result<Vec<Arc<Recorded>>> {
        let found = self
            .read(&scripts::AT, |command| {
                command.arg(places.len()).arg(places);
            })
            .await?;
        self.understood(read_events(found))
    }
}

/// The names that are selected; `None` for all.
fn names_of(selection: &Selection) -> Option<&[EventName]> {
    match selection {
        Selection::All => None,
        Selection::Names(names) => Some(names),
        Selection::Between { names, .. } => (!names.is_empty()).then_some(names),
    }
}

pub(super) fn write_names(command: &mut Cmd, names: &[EventName]) {
    command.arg(names.len());
    for name in names {
        command.arg(name.as_str());
    }
}

/// Reads what was counted, and where to go on if not all of it was.
fn read_count(found: Value) -> Read<(u64, String)> {
    let [count, next] = parts(found)?;
    Ok((number(count)?, text(next)?))
}

/// Reads the last sequence, how far the log was searched, and what was found.
fn read_page(found: Value, after: Position, limit: usize) -> Read<Page> {
    let [last, reach, events] = parts(found)?;
    let head = Position::at_sequence(number(last)?);
    let reach = Position::at_sequence(number(reach)?);
    let end = if limit == 0 { after } else { reach.max(after) };
    let events = list(events)?.into_iter().map(recorded).collect::<Read<_>>()?;
    Ok(Page { events, end, complete: head <= end })
}

pub(super) fn read_events(found: Value) -> Read<Vec<Arc<Recorded>>> {
    list(found)?.into_iter().map(|entry| recorded(entry).map(Arc::new)).collect()
}
