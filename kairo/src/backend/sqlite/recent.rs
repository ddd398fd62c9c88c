//! The newest events in memory, so that whoever follows the log need not read them back.
//!
//! Only the writer adds to them, after each commit and before the next, so they are in log order.
//! Where a guest has written in between, the sequences have a gap, and what lies before it goes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    event::record::Recorded,
    store::{Committed, Page, Position, Unit},
};

/// The most events that are kept.
const EVENTS_MAX: usize = 1_024;

/// The most payload that is kept, in bytes, beside that of the newest event.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The newest events, without a gap.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
}

impl Recent {
    /// Keeps the events of a unit that has been committed.
    pub(super) fn keep(&self, unit: &Unit, committed: &Committed) {
        let events = unit.appends.iter().flat_map(|append| &append.events);
        let mut ring = self.lock();
        for (placed, event) in committed.placed.iter().zip(events) {
            if !placed.duplicate {
                let recorded = Recorded::new(placed.position, placed.version, event.clone());
                ring.push(Arc::new(recorded));
            }
        }
    }

    /// The events behind `after`, if they are here and there are any.
    pub(super) fn page(&self, after: Position, limit: usize) -> Option<Page> {
        let ring = self.lock();
        let first = ring.events.front()?.position.sequence;
        let is_here =
            after.epoch == 0 && after.order == 0 && first <= after.sequence.saturating_add(1);
        if !is_here {
            return None;
        }
        let start = ring.events.partition_point(|event| event.position <= after);
        let events = ring.events.range(start..).take(limit);
        let events: Vec<_> = events.map(|event| Recorded::clone(event)).collect();
        let end = events.last()?.position;
        let complete = ring.events.back().is_some_and(|newest| newest.position == end);
        Some(Page { events, end, complete })
    }

    /// Lets go of everything.
    pub(super) fn clear(&self) {
        *self.lock() = Ring::default();
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, event: Arc<Recorded>) {
        let follows = |last: &Arc<Recorded>| {
            last.position.sequence.checked_add(1) == Some(event.position.sequence)
        };
        if !self.events.back().is_some_and(follows) {
            *self = Self::default();
        }
        self.bytes += event.event.payload.len();
        self.events.push_back(event);
        while (EVENTS_MAX < self.events.len() || BYTES_MAX < self.bytes)
            && 1 < self.events.len()
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.event.payload.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::{
        clock::micros,
        event::{
            name::{EventName, StreamName},
            record::{EventData, Metadata},
        },
    };

    fn recorded(sequence: u64) -> Arc<Recorded> {
        let event = EventData {
            id: Uuid::nil(),
            derived: false,
            name: EventName::checked("sample"),
            schema: 1,
            stream: StreamName::stored("s"),
            time: micros(0),
            correlation: Uuid::nil(),
            causation: None,
            depth: 0,
            metadata: Metadata::new(),
            payload: Bytes::new(),
        };
        Arc::new(Recorded::new(Position::at_sequence(sequence), 1, event))
    }

    #[track_caller]
    fn check(recent: &Recent, after: u64, expected: Option<(usize, bool)>) {
        let page = recent.page(Position::at_sequence(after), 2);
        assert_eq!(page.map(|page| (page.events.len(), page.complete)), expected);
    }

    #[test]
    fn what_follows_without_a_gap_is_read_here() {
        let recent = Recent::default();
        check(&recent, 0, None);
        (5..=7).for_each(|sequence| recent.lock().push(recorded(sequence)));
        check(&recent, 3, None);
        check(&recent, 4, Some((2, false)));
        check(&recent, 6, Some((1, true)));
        check(&recent, 7, None);
        check(&recent, u64::MAX, None);
    }

    #[test]
    fn what_lies_before_a_gap_goes() {
        let recent = Recent::default();
        for sequence in [5, 6, 8] {
            recent.lock().push(recorded(sequence));
        }
        check(&recent, 5, None);
        check(&recent, 7, Some((1, true)));
    }

    #[test]
    fn the_oldest_go_first() {
        let recent = Recent::default();
        (1..=1_025).for_each(|sequence| recent.lock().push(recorded(sequence)));
        check(&recent, 0, None);
        check(&recent, 1, Some((2, false)));
    }
}
