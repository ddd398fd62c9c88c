//! Retention: events that are old enough go.

use std::{sync::Arc, time::Duration};

use super::EventStore;
use crate::{
    clock::Timestamp,
    engine::{Engine, stopped},
    error::Result,
    event::name::EventName,
    store::Selection,
};

/// How many events are deleted in one commit.
const BATCH: usize = 1_000;

/// How often a bus with a retention deletes what has become old.
const PERIOD: Duration = Duration::from_hours(1);

/// The pause between two batches, so that others come to write.
const PAUSE: Duration = Duration::from_millis(10);

impl EventStore {
    /// Deletes every event that was published before a time and has one of these names, or any name
    /// when there are none, and says how many there were. It does so in bounded batches; what was
    /// deleted stays so when it fails or is dropped in between.
    ///
    /// Events that a subscription has not passed yet, or that wait for a retry, stay. Streams keep
    /// their versions.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a name that no event can have;
    /// [`Error::Store`](crate::Error::Store) when the store fails.
    pub async fn prune(&self, before: Timestamp, names: &[&str]) -> Result<u64> {
        let mut names = names.iter().map(EventName::new).collect::<Result<Vec<_>>>()?;
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let selection = if names.is_empty() { Selection::All } else { Selection::Names(names) };
        let mut pruned = 0;
        loop {
            let batch = self.backend.prune(before, &selection, BATCH).await?;
            pruned += batch;
            if batch < BATCH as u64 {
                return Ok(pruned);
            }
            self.clock.sleep(PAUSE).await;
        }
    }
}

/// Deletes what is older than `age`, now and then, until the bus stops.
pub(in crate::bus) async fn keep_pruning(engine: Arc<Engine>, age: Duration) {
    let store = EventStore::new(Arc::clone(&engine.backend), engine.clock.clone());
    let mut stop = engine.stopping();
    loop {
        let before = crate::clock::before(engine.clock.now(), age);
        match store.prune(before, &[]).await {
            Ok(0) => {}
            Ok(pruned) => tracing::info!(pruned, %before, "old events were deleted"),
            Err(error) => tracing::warn!(%error, "old events cannot be deleted"),
        }
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = engine.clock.sleep(PERIOD) => {}
        }
    }
}
