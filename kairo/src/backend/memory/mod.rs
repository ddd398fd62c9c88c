//! The store in memory: complete and quick, and gone with the process.
//!
//! One mutex guards everything. No method holds it across an `await`, so every future is done at
//! its first poll.

mod commit;
mod deliveries;
mod letters;
mod log;
mod timetable;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use uuid::Uuid;

use self::deliveries::Subscription;
use super::url::StoreUrl;
use crate::{
    clock::Timestamp,
    delivery::{Backend, DeadLetter},
    error::{Error, Result},
    event::{
        name::StreamName,
        record::{EventData, Recorded},
    },
    store::BoxFuture,
};

/// The one URL of this back end.
pub(super) const URL: &str = "memory:";

/// Opens a new, empty store.
///
/// # Errors
/// [`Error::Invalid`] when the URL names a place or an option: there are none.
pub(super) fn open(url: &StoreUrl) -> Result<Arc<dyn Backend>> {
    let [] = url.options([])?;
    if !url.place().is_empty() {
        return Err(url.invalid("a store in memory has no place; write `memory:`"));
    }
    Ok(Arc::new(MemoryStore::new()))
}

/// A store that lives as long as its process.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    commits: watch::Sender<u64>,
}

/// All that the store holds.
#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// The log: the event of sequence `n` is at index `n - 1`.
    log: Vec<Arc<Recorded>>,
    /// The indexes in the log of a stream's events, by version.
    streams: HashMap<StreamName, Vec<usize>>,
    /// The indexes in the log of events with derived ids.
    derived: HashMap<Uuid, usize>,
    subscriptions: BTreeMap<String, Subscription>,
    /// The epoch of the last claim of any subscription: one that is removed and made again does
    /// not return to epochs that an old owner may still hold.
    epoch: u64,
    letters: HashMap<Uuid, DeadLetter>,
    /// By the order in which letters are listed.
    letters_by_death: BTreeSet<(Timestamp, Uuid)>,
    timetable: BTreeMap<(Timestamp, u64), EventData>,
    due_of: HashMap<Uuid, (Timestamp, u64)>,
    /// Counts what was scheduled, to order what is due at one time.
    scheduled: u64,
}

impl MemoryStore {
    /// An empty store.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), commits: watch::Sender::new(0) }
    }

    /// Runs one call under the lock.
    fn with<'a, T: Send + 'a>(
        &self,
        call: impl FnOnce(&mut State) -> Result<T>,
    ) -> BoxFuture<'a, Result<T>> {
        let mut state = self.lock();
        let result = if state.closed { Err(Error::Closed) } else { call(&mut state) };
        Box::pin(ready(result))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A unit is checked before it is written, so the state is whole even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
