//! Events that are not due yet.

use super::{MemoryStore, State};
use crate::{
    clock::Timestamp,
    delivery::{Scheduled, Timetable},
    error::Result,
    store::BoxFuture,
};

impl Timetable for MemoryStore {
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Scheduled>>> {
        Box::pin(async move { self.with(|state| Ok(state.due(now, limit))).await })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(async {
            self.with(|state| Ok(state.timetable.keys().next().map(|(due, _)| *due))).await
        })
    }
}

impl State {
    fn due(&self, now: Timestamp, limit: usize) -> Vec<Scheduled> {
        let due = self.timetable.range(..=(now, u64::MAX)).take(limit);
        due.map(|((due, _), event)| Scheduled { due: *due, event: event.clone() }).collect()
    }
}
