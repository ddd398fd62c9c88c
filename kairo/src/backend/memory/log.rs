//! Reading and watching the log.

use std::sync::Arc;

use tokio::sync::watch;

use super::{MemoryStore, State};
use crate::{
    clock::Timestamp,
    error::Result,
    event::{name::StreamName, record::Recorded},
    store::{
        BoxFuture, Committed, Features, PAGE_BYTES_MAX, Page, Position, Selection, Snapshot, Store,
        StreamRange, StreamStats, Unit,
    },
};

/// The most events that are searched for selected ones at once, for others wait meanwhile.
const SEARCHED_MAX: usize = 10_000;

impl Store for MemoryStore {
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(async move {
            let committed = self.with(|state| state.commit(&unit)).await?;
            self.commits.send_modify(|commits| *commits += 1);
            self.tell_others();
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
        range: StreamRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(async move { self.with(|state| Ok(state.stream(stream, range, limit))).await })
    }

    fn stream_stats<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<StreamStats>>> {
        Box::pin(async move { self.with(|state| Ok(state.stats(stream))).await })
    }

    fn snapshot<'a>(
        &'a self,
        stream: &'a StreamName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Snapshot>>> {
        Box::pin(async move {
            self.with(|state| {
                Ok(state.snapshots.get(stream).and_then(|kept| kept.get(name)).cloned())
            })
            .await
        })
    }

    fn prune<'a>(
        &'a self,
        before: Timestamp,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move { self.with(|state| Ok(state.prune(before, selection, limit))).await })
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
        if self.shared { "memory:?shared=true" } else { "memory:" }
    }

    fn features(&self) -> Features {
        Features { durable: false, shared: self.shared, transactions: false }
    }
}

impl State {
    /// It does not go back when the newest events are deleted.
    pub(super) fn head(&self) -> Position {
        Position::at_sequence(self.newest)
    }

    fn page(&self, after: Position, selection: &Selection, limit: usize) -> Page {
        let head = self.head();
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut end = after;
        let mut searched = self.searched(after);
        while events.len() < limit
            && bytes < PAGE_BYTES_MAX
            && let Some(event) = searched.next()
        {
            end = event.position;
            if selection.has(&event.event) {
                bytes += event.event.payload.len();
                events.push(Recorded::clone(event));
            }
        }
        if 0 < limit && self.log.range(end.sequence.saturating_add(1)..).next().is_none() {
            end = end.max(head);
        }
        Page { events, end, complete: head <= end }
    }

    /// The selected events of one search, and where it ended.
    fn count(&self, after: Position, selection: &Selection) -> (u64, Position) {
        let (mut found, mut end) = (0, after);
        for event in self.searched(after) {
            found += u64::from(selection.has(&event.event));
            end = event.position;
        }
        (found, end)
    }

    /// The events behind a position, as many as are searched at once.
    fn searched(&self, after: Position) -> impl Iterator<Item = &Arc<Recorded>> {
        let behind = after.sequence.saturating_add(1)..;
        self.log.range(behind).map(|(_, event)| event).take(SEARCHED_MAX)
    }

    fn at(&self, positions: &[Position]) -> Vec<Arc<Recorded>> {
        let mut positions = positions.to_vec();
        positions.sort_unstable();
        positions.dedup();
        positions.iter().filter_map(|it| self.event_at(*it)).map(Arc::clone).collect()
    }
}
