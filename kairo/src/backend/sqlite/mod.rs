//! The store in one SQLite file: no server, no set-up, one owner.
//!
//! What writes goes through one [`Slot`]; what reads has connections of its own. [`super`] says
//! what the tables hold.

mod blocking;
mod claims;
mod collections;
mod commit;
mod deliveries;
mod documents;
mod failure;
mod inbox;
mod journal;
mod letters;
mod lock;
mod log;
mod members;
mod open;
mod places;
mod query;
mod readers;
mod recent;
mod rows;
mod schema;
mod seen;
mod selection;
mod slot;
mod steering;
mod streams;
mod stretches;
mod timetable;
mod transaction;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::watch;

use self::{
    blocking::Blocking,
    collections::Collections,
    commit::{Syncing, Writer},
    failure::Failing,
    lock::OwnerLock,
    readers::{Reader, Readers},
    recent::Recent,
    slot::{Batch, Entry, Slot},
};
use super::url::StoreUrl;
use crate::{
    clock::Clock,
    delivery::Backend,
    error::{Error, Result},
    store::{Committed, Unit},
};

/// Opens the store in a file, making it first where there is none.
pub(super) async fn open(url: &StoreUrl, clock: &Clock) -> Result<Arc<dyn Backend>> {
    let (url, now) = (url.clone(), clock.now());
    let store = Blocking::default().run(move || open::own(&url, now)).await?;
    Ok(Arc::new(store))
}

/// A store in one SQLite file, of which this process is the owner.
pub(crate) struct SqliteStore {
    shared: Arc<Shared>,
    /// Writes whole queues; there until the store is closed or dropped.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether commits are not synced by themselves.
    is_relaxed: bool,
}

/// What work in progress keeps alive. The connections go first, then the lock.
struct Shared {
    slot: Arc<Slot>,
    readers: Readers,
    recent: Arc<Recent>,
    collections: Arc<Collections>,
    commits: watch::Sender<u64>,
    /// Never rises: nobody else writes.
    others: watch::Sender<u64>,
    blocking: Blocking,
    failing: Failing,
    lock: Mutex<Option<OwnerLock>>,
}

impl SqliteStore {
    /// Sets an opened database to work.
    fn start(path: PathBuf, failing: &Failing, writer: Writer, lock: OwnerLock) -> Result<Self> {
        let shared = Arc::new(Shared {
            recent: writer.recent(),
            collections: writer.collections(),
            slot: Arc::new(Slot::new(writer)),
            readers: Readers::new(path, failing.clone()),
            commits: watch::Sender::new(0),
            others: watch::Sender::new(0),
            blocking: Blocking::default(),
            failing: failing.clone(),
            lock: Mutex::new(Some(lock)),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("kairo-sqlite".to_owned())
            .spawn(move || worker.write_batches())
            .map_err(|error| failing.of("starting the writer of", error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)), is_relaxed: false })
    }

    /// Commits a unit: on this thread when nobody else writes, else with those who wait.
    async fn commit_unit(&self, unit: Unit) -> Result<Committed> {
        let shared = &self.shared;
        let room = shared.slot.room().await?;
        // A subscription goes on while its progress is written, so its thread is not spared.
        let alone = unit.progress.is_empty() && shared.blocking.may_be_in_place();
        match shared.slot.enter(unit, room, alone)? {
            Entry::Alone(mut turn, unit) => {
                let job = {
                    let shared = Arc::clone(shared);
                    move || {
                        let result = turn.commit(&unit);
                        drop(turn);
                        shared.wake_watchers(result.is_ok());
                        result
                    }
                };
                shared.blocking.run(job).await
            }
            Entry::Queued(result) => result.await.unwrap_or_else(|_| Err(shared.interrupted())),
        }
    }

    /// Runs `read` on a connection that only reads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reader) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.shared.readers.permit().await?;
        let shared = Arc::clone(&self.shared);
        self.shared.blocking.run(move || shared.readers.read(permit, read)).await
    }

    /// Runs `read` as [`read`](Self::read) does, and lets the caller do something else meanwhile.
    async fn read_beside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reader) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.shared.readers.permit().await?;
        let shared = Arc::clone(&self.shared);
        Blocking::run_beside(move || shared.readers.read(permit, read)).await
    }

    /// Runs `change` in a transaction of its own, in its turn.
    async fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        syncing: Syncing,
        change: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut turn = self.shared.slot.turn().await?;
        let shared = Arc::clone(&self.shared);
        let job = move || {
            let result = turn.transact(action, syncing, change);
            shared.wake_watchers(result.is_ok());
            result
        };
        self.shared.blocking.run(job).await
    }

    /// Waits for what is being written and read, then lets go of the file.
    async fn shut(&self) -> Result {
        let Some(turn) = self.shared.slot.close().await else { return Ok(()) };
        self.shared.readers.close().await;
        self.shared.recent.clear();
        let closed = turn.into_writer().map_or(Ok(()), Writer::close);
        self.shared.slot.end();
        *self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
        closed
    }
}

impl Shared {
    /// Writes queues until the store ends.
    fn write_batches(&self) {
        while let Some(batch) = self.slot.batch() {
            // The queue must not lose its thread; callers whose reply is dropped get an error.
            let _ = catch_unwind(AssertUnwindSafe(|| self.write_batch(batch)));
        }
    }

    fn write_batch(&self, batch: Batch) {
        let Batch { mut turn, units, replies } = batch;
        let results = turn.commit_all(&units);
        drop(turn);
        self.wake_watchers(results.iter().any(Result::is_ok));
        for (reply, result) in replies.into_iter().zip(results) {
            // A caller that went away has no use for it; the unit took effect all the same.
            let _ = reply.send(result);
        }
    }

    fn wake_watchers(&self, changed: bool) {
        if changed {
            self.commits.send_modify(|commits| *commits += 1);
        }
    }

    fn interrupted(&self) -> Error {
        self.failing.of("writing to", "the writer was interrupted")
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.slot.end();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It ends with the queue, and does not panic.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("url", &self.shared.failing.url())
            .field("slot", &self.shared.slot)
            .finish_non_exhaustive()
    }
}
