//! Who appends now, and who waits.
//!
//! While few append, each does so by itself, at once. When more come than the server commits side
//! by side with profit, they queue, and lanes take the queue in batches. Nobody appends to a
//! stream to which somebody else here is appending, and the same holds for sagas: such units would
//! only collide.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use super::settings::Append;
use crate::{
    error::{Error, Result},
    event::name::StreamName,
    journal::SagaChange,
    store::{Committed, Unit},
};

/// The most units that have come in and are not done; whoever comes then waits for room.
const WAITING_MAX: u32 = 4_096;

/// The most units in a batch.
const BATCH_UNITS_MAX: usize = 256;

/// The most events in a batch, beyond those of its last unit.
const BATCH_EVENTS_MAX: usize = 1_024;

/// The most payload in a batch, in bytes, beyond that of its last unit.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many append at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crew {
    /// How many units are written by their own callers.
    pub(super) alone_max: usize,
    /// How many batches are written.
    pub(super) lanes: usize,
}

impl Crew {
    /// As many as commit side by side with profit: where a lock is held until the commit, each
    /// commit should take along as much as there is.
    pub(super) fn of(append: Append) -> Self {
        match append {
            Append::Gated => Self { alone_max: 8, lanes: 2 },
            Append::Locked => Self { alone_max: 1, lanes: 1 },
        }
    }
}

/// The way to the lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    alone_max: usize,
    state: Mutex<State>,
    room: Arc<Semaphore>,
    queued: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiter>,
    /// The streams to which somebody is appending.
    streams: HashSet<StreamName>,
    /// The sagas that somebody is changing.
    sagas: HashSet<Uuid>,
    /// How many units are being written.
    flying: usize,
    closed: bool,
    /// Nothing more will come.
    ended: bool,
}

#[derive(Debug)]
struct Waiter {
    unit: Unit,
    reply: oneshot::Sender<Result<Committed>>,
    room: OwnedSemaphorePermit,
}

/// How a unit has entered.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Entry {
    /// The caller writes it.
    Alone(Flight, Unit),
    /// A lane will.
    Queued(oneshot::Receiver<Result<Committed>>),
}

/// Units that are being written, until it is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    lanes: Arc<Lanes>,
    streams: Vec<StreamName>,
    sagas: Vec<Uuid>,
    units: usize,
    _rooms: Vec<OwnedSemaphorePermit>,
}

/// What a lane writes at a time: units whose streams all differ, in the order of their streams.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) units: Vec<Unit>,
    pub(super) replies: Vec<oneshot::Sender<Result<Committed>>>,
    pub(super) flight: Flight,
}

impl Lanes {
    pub(super) fn new(crew: Crew) -> Self {
        let room = Arc::new(Semaphore::new(WAITING_MAX as usize));
        let alone_max = crew.alone_max;
        Self { alone_max, state: Mutex::default(), room, queued: Notify::new() }
    }

    /// Brings a unit, once there is room.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) async fn enter(self: &Arc<Self>, unit: Unit) -> Result<Entry> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Error::Closed)?;
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if state.waiting.is_empty() && state.flying < self.alone_max && state.may_fly(&unit) {
            let (lanes, (streams, sagas)) = (Arc::clone(self), state.take_off(&unit));
            let flight = Flight { lanes, streams, sagas, units: 1, _rooms: vec![room] };
            return Ok(Entry::Alone(flight, unit));
        }
        let (reply, result) = oneshot::channel();
        state.waiting.push_back(Waiter { unit, reply, room });
        drop(state);
        self.queued.notify_one();
        Ok(Entry::Queued(result))
    }

    /// Waits for units to write together; `None` when there will be no more.
    pub(super) async fn batch(self: &Arc<Self>) -> Option<Batch> {
        loop {
            let queued = self.queued.notified();
            {
                let mut state = self.lock();
                if let Some(batch) = self.take(&mut state) {
                    if !state.waiting.is_empty() {
                        self.queued.notify_one();
                    }
                    return Some(batch);
                }
                if state.ended {
                    return None;
                }
            }
            queued.await;
        }
    }

    /// Lets nobody else in, and waits until all is written.
    pub(super) async fn close(&self) {
        self.lock().closed = true;
        let Ok(all) = self.room.acquire_many(WAITING_MAX).await else { return };
        self.room.close();
        drop(all);
        self.end();
    }

    /// Tells the lanes that nothing more will come.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        state.waiting.clear();
        drop(state);
        self.queued.notify_waiters();
        // One that is just about to wait.
        self.queued.notify_one();
    }

    /// Takes what may be written now from the front of the queue.
    fn take(self: &Arc<Self>, state: &mut State) -> Option<Batch> {
        let (mut taken, mut events, mut bytes) = (Vec::<Waiter>::new(), 0, 0);
        let (mut streams, mut sagas, mut index) = (Vec::new(), Vec::new(), 0);
        while index < state.waiting.len()
            && taken.len() < BATCH_UNITS_MAX
            && events < BATCH_EVENTS_MAX
            && bytes < BATCH_BYTES_MAX
        {
            let unit = &state.waiting[index].unit;
            if !state.may_fly(unit) {
                index += 1;
                continue;
            }
            let Some(waiter) = state.waiting.remove(index) else { break };
            let names = state.take_off(&waiter.unit);
            streams.extend(names.0);
            sagas.extend(names.1);
            let added = waiter.unit.appends.iter().flat_map(|append| &append.events);
            bytes += added.clone().map(|event| event.payload.len()).sum::<usize>();
            events += added.count() + waiter.unit.sagas.len();
            bytes += waiter.unit.sagas.iter().map(state_bytes).sum::<usize>();
            taken.push(waiter);
        }
        if taken.is_empty() {
            return None;
        }
        // All who write take their streams in one order, so that they do not wait in a circle.
        taken.sort_by(|one, other| first_stream(&one.unit).cmp(&first_stream(&other.unit)));
        let units = taken.len();
        let (mut batch, mut rooms) = ((Vec::new(), Vec::new()), Vec::new());
        for Waiter { unit, reply, room } in taken {
            batch.0.push(unit);
            batch.1.push(reply);
            rooms.push(room);
        }
        let lanes = Arc::clone(self);
        let flight = Flight { lanes, streams, sagas, units, _rooms: rooms };
        Some(Batch { units: batch.0, replies: batch.1, flight })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a unit's bytes is the state of a saga.
fn state_bytes(change: &SagaChange) -> usize {
    match change {
        SagaChange::Start(row) => row.state.len(),
        SagaChange::Write(write) => write.state.len(),
        SagaChange::Cancel { .. } => 0,
    }
}

fn first_stream(unit: &Unit) -> Option<&StreamName> {
    unit.appends.first().map(|append| &append.stream)
}

impl State {
    fn may_fly(&self, unit: &Unit) -> bool {
        unit.appends.iter().all(|append| !self.streams.contains(&append.stream))
            && unit.sagas.iter().all(|change| !self.sagas.contains(&change.id()))
    }

    fn take_off(&mut self, unit: &Unit) -> (Vec<StreamName>, Vec<Uuid>) {
        let streams: Vec<_> = unit.appends.iter().map(|append| append.stream.clone()).collect();
        let sagas: Vec<_> = unit.sagas.iter().map(SagaChange::id).collect();
        self.streams.extend(streams.iter().cloned());
        self.sagas.extend(&sagas);
        self.flying += 1;
        (streams, sagas)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.lanes.lock();
        for stream in &self.streams {
            state.streams.remove(stream);
        }
        for saga in &self.sagas {
            state.sagas.remove(saga);
        }
        state.flying -= self.units;
        if !state.waiting.is_empty() {
            self.lanes.queued.notify_one();
        }
    }
}
