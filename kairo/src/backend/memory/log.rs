//! Reading and watching the log.

use std::sync::Arc;

use tokio::sync::watch;

use super::{MemoryStore, State, URL};
use crate::{
    error::Result,
    event::{name::StreamName, record::Recorded},
    store::{BoxFuture, Committed, PAGE_BYTES_MAX, Page, Position, Selection, Store, Unit},
};

/// The most events that are searched for selected ones at once, for others wait meanwhile.
const SEARCHED_MAX: usize = 10_000;

impl Store for MemoryStore {
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(async move {
            let committed = self.with(|state| state.commit(&unit)).await?;
            self.commits.send_modify(|commits| *commits += 1);
            Ok(committed)
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(async { self.with(|state| Ok(state.head())).await })
    }

    fn read_log<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { self.with(|state| Ok(state.page(after, selection, limit))).await })
    }

    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            let (mut after, mut counted) = (after, 0);
            loop {
                let (found, end) = self.with(|state| Ok(state.count(after, selection))).await?;
                counted += found;
                if limit <= counted || end == after {
                    return Ok(counted.min(limit));
                }
                after = end;
            }
        })
    }

    fn read_at<'a>(
        &'a self,
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(async move { self.with(|state| Ok(state.at(positions))).await })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(async move { self.with(|state| Ok(state.stream(stream, from, limit))).await })
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result> {
        Box::pin(async {
            self.lock().closed = true;
            Ok(())
        })
    }

    fn url(&self) -> &str {
        URL
    }
}

impl State {
    pub(super) fn head(&self) -> Position {
        self.log.last().map_or(Position::START, |recorded| recorded.position)
    }

    fn page(&self, after: Position, selection: &Selection, limit: usize) -> Page {
        let head = self.head();
        let searched = self.searched(after);
        let reach = searched.last().map_or(after, |last| last.position);
        let selected = searched.iter().filter(|recorded| selection.has(&recorded.event.name));
        let mut selected = selected.peekable();
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < limit
            && bytes < PAGE_BYTES_MAX
            && let Some(event) = selected.next()
        {
            bytes += event.event.payload.len();
            events.push(Arc::clone(event));
        }
        let end = match selected.peek() {
            // Where more is selected, the page ends at its last event.
            Some(_) => events.last().map_or(after, |last| last.position),
            None => reach,
        };
        Page { events, end, complete: head <= end }
    }

    /// The selected events of one search, and where it ended.
    fn count(&self, after: Position, selection: &Selection) -> (u64, Position) {
        let searched = self.searched(after);
        let selected = searched.iter().filter(|recorded| selection.has(&recorded.event.name));
        let end = searched.last().map_or(after, |last| last.position);
        (selected.count() as u64, end)
    }

    /// The events behind a position, as many as are searched at once.
    fn searched(&self, after: Position) -> &[Arc<Recorded>] {
        let start = self.log.partition_point(|recorded| recorded.position <= after);
        &self.log[start..self.log.len().min(start.saturating_add(SEARCHED_MAX))]
    }

    fn at(&self, positions: &[Position]) -> Vec<Arc<Recorded>> {
        let mut positions = positions.to_vec();
        positions.sort_unstable();
        positions.dedup();
        let find = |position: &Position| {
            self.log.binary_search_by_key(position, |recorded| recorded.position).ok()
        };
        positions.iter().filter_map(find).map(|index| Arc::clone(&self.log[index])).collect()
    }

    fn stream(&self, stream: &StreamName, from: u64, limit: usize) -> Vec<Arc<Recorded>> {
        let events = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let wanted = events.iter().skip(skipped).take(limit);
        wanted.map(|index| Arc::clone(&self.log[*index])).collect()
    }
}
