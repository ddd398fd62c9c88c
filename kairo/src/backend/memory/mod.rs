//! The store in memory: complete and quick, and gone with the process.
//!
//! One mutex guards everything. No method holds it across an `await`, so every future is done at
//! its first poll.

mod commit;
mod deliveries;
mod documents;
mod inbox;
mod journal;
mod letters;
mod log;
mod members;
mod streams;
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

use self::{deliveries::Subscription, documents::Documents, members::Lease, streams::Stream};
use super::url::StoreUrl;
use crate::{
    clock::{Clock, Timestamp},
    delivery::{Backend, DeadLetter, Mark, MarkKey},
    error::{Error, Result},
    event::{
        name::StreamName,
        record::{EventData, Recorded},
    },
    journal::SagaRow,
    store::{BoxFuture, Snapshot},
};

/// Opens a new, empty store.
///
/// # Errors
/// [`Error::Invalid`] when the URL names a place, or an option that there is not.
pub(super) fn open(url: &StoreUrl, clock: &Clock) -> Result<Arc<dyn Backend>> {
    let [shared] = url.options(["shared"])?;
    if !url.place().is_empty() {
        return Err(url.invalid("a store in memory has no place; write `memory:`"));
    }
    let shared = match shared {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(url.invalid("`shared` is `true` or `false`")),
    };
    Ok(Arc::new(MemoryStore::new(shared, clock.clone())))
}

/// A store that lives as long as its process.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    commits: watch::Sender<u64>,
    /// Changes of anything else, in a store that several buses share.
    others: watch::Sender<u64>,
    shared: bool,
    clock: Clock,
}

/// All that the store holds.
#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// The log, by sequence.
    log: BTreeMap<u64, Arc<Recorded>>,
    /// The sequence of the newest event, also when it has been deleted.
    newest: u64,
    streams: HashMap<StreamName, Stream>,
    /// The sequences of events with derived ids.
    derived: HashMap<Uuid, u64>,
    snapshots: HashMap<StreamName, HashMap<String, Snapshot>>,
    members: BTreeMap<Uuid, Lease>,
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
    sagas: HashMap<Uuid, SagaRow>,
    /// The live ones.
    sagas_by_due: BTreeSet<(Timestamp, Uuid)>,
    saga_of_key: HashMap<(String, String), Uuid>,
    marks: BTreeMap<MarkKey, Mark>,
    /// By table.
    collections: HashMap<&'static str, Documents>,
}

impl MemoryStore {
    /// An empty store.
    pub(crate) fn new(shared: bool, clock: Clock) -> Self {
        let (commits, others) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { state: Mutex::default(), commits, others, shared, clock }
    }

    /// Tells the other buses that something has changed.
    fn tell_others(&self) {
        if self.shared {
            self.others.send_modify(|changes| *changes += 1);
        }
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
