//! Streams: where they end, what is left of them, and deleting from them.

use std::{collections::BTreeMap, sync::Arc};

use super::{State, deliveries::Subscription};
use crate::{
    backend::plan::Removed,
    clock::Timestamp,
    event::{name::StreamName, record::Recorded},
    store::{
        Direction, PAGE_BYTES_MAX, Position, Selection, Snapshot, StreamEnd, StreamRange,
        StreamStats, Tip,
    },
};

/// A stream that has or had events.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The sequences of its events, by version.
    pub(super) events: BTreeMap<u64, u64>,
    /// The version of its last event, also when that has been deleted.
    pub(super) version: u64,
    /// The version that it had when it was last deleted, if it ever was.
    removed: Option<u64>,
    tombstone: bool,
}

impl Stream {
    pub(super) fn tip(&self) -> Tip {
        let has_events = !self.events.is_empty();
        Tip { version: self.version, has_events, tombstone: self.tombstone }
    }
}

impl State {
    pub(super) fn stream(
        &self,
        stream: &StreamName,
        range: StreamRange,
        limit: usize,
    ) -> Vec<Arc<Recorded>> {
        let Some(stream) = self.streams.get(stream).filter(|_| !range.is_empty()) else {
            return Vec::new();
        };
        let sequences = stream.events.range(range.from..=range.to).map(|(_, sequence)| sequence);
        let mut bytes = 0;
        let fits = |event: &Arc<Recorded>| {
            let is_full = PAGE_BYTES_MAX <= bytes;
            bytes += event.event.payload.len();
            !is_full
        };
        let event = |sequence: &u64| self.log.get(sequence).map(Arc::clone);
        match range.direction {
            Direction::Forwards => {
                sequences.filter_map(event).take(limit).take_while(fits).collect()
            }
            Direction::Backwards => {
                sequences.rev().filter_map(event).take(limit).take_while(fits).collect()
            }
        }
    }

    pub(super) fn stats(&self, stream: &StreamName) -> Option<StreamStats> {
        let stream = self.streams.get(stream)?;
        let events = || stream.events.values().filter_map(|sequence| self.log.get(sequence));
        let end = |event: &Arc<Recorded>| StreamEnd {
            version: event.version,
            time: event.event.time,
            position: event.position,
        };
        Some(match (events().next(), events().next_back()) {
            (Some(first), Some(last)) => {
                let bytes = events().map(|event| event.event.payload.len() as u64).sum();
                let count = events().count() as u64;
                let stats = StreamStats::of_events(count, bytes, end(first), end(last));
                StreamStats { version: stream.version, ..stats }
            }
            _ => StreamStats::of_deleted(stream.version, stream.tombstone),
        })
    }

    pub(super) fn remove(&mut self, removed: &Removed<'_>) {
        let stream = self.streams.entry(removed.stream.clone()).or_default();
        (stream.removed, stream.tombstone) = (Some(removed.version), removed.tombstone);
        let sequences: Vec<_> = std::mem::take(&mut stream.events).into_values().collect();
        for sequence in sequences {
            self.forget(sequence);
        }
        self.snapshots.remove(removed.stream);
    }

    /// Keeps a snapshot, unless there is a newer one, or its stream was deleted before it came.
    pub(super) fn keep(&mut self, snapshot: &Snapshot) {
        let removed = self.streams.get(&snapshot.stream).and_then(|stream| stream.removed);
        if removed.is_some_and(|removed| snapshot.version <= removed) {
            return;
        }
        let kept = self.snapshots.entry(snapshot.stream.clone()).or_default();
        let is_newer = kept.get(&snapshot.name).is_none_or(|it| it.version <= snapshot.version);
        if is_newer {
            kept.insert(snapshot.name.clone(), snapshot.clone());
        }
    }

    pub(super) fn prune(&mut self, before: Timestamp, selection: &Selection, limit: usize) -> u64 {
        let needed_behind = self.subscriptions.values().map(Subscription::low_water).min();
        let is_parked = |position: &Position| {
            self.subscriptions.values().any(|held| held.parked.contains_key(position))
        };
        let pruned: Vec<_> = self
            .log
            .values()
            .take_while(|event| needed_behind.is_none_or(|needed| event.position <= needed))
            .filter(|event| event.event.time < before && selection.has(&event.event))
            .filter(|event| !is_parked(&event.position))
            .take(limit)
            .map(|event| (event.position.sequence, event.event.stream.clone(), event.version))
            .collect();
        for (sequence, stream, version) in &pruned {
            if let Some(stream) = self.streams.get_mut(stream) {
                stream.events.remove(version);
            }
            self.forget(*sequence);
        }
        pruned.len() as u64
    }

    fn forget(&mut self, sequence: u64) {
        if let Some(event) = self.log.remove(&sequence)
            && event.event.derived
        {
            self.derived.remove(&event.event.id);
        }
    }

    /// The event at a place.
    pub(super) fn event_at(&self, position: Position) -> Option<&Arc<Recorded>> {
        self.log.get(&position.sequence).filter(|event| event.position == position)
    }
}
