//! The one place at which a store is written, and the fair queue in front of it.
//!
//! Whoever holds the [`Writer`] writes; nobody else can. It is idle, or on its way to the thread
//! that writes whole queues at once, or lent to one caller as a [`Turn`].

use std::{
    collections::VecDeque,
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::commit::Writer;
use crate::{
    error::{Error, Result},
    store::{Committed, Unit},
};

/// The most units that wait; whoever comes then waits for room before it queues.
const WAITING_MAX: usize = 1_024;

/// The most units that share a transaction.
const BATCH_UNITS_MAX: usize = 256;

/// The most payload that shares a transaction, in bytes, beyond that of its last unit.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A unit's way back to its caller.
pub(super) type Reply = oneshot::Sender<Result<Committed>>;

/// A unit's room in the queue, which it keeps until it is taken, even when its caller goes away.
pub(super) type Room = OwnedSemaphorePermit;

/// The queue for a store's writer.
pub(super) struct Slot {
    state: Mutex<State>,
    handed: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    idle: Option<Writer>,
    /// On its way to the thread that writes the queue.
    handed: Option<Writer>,
    waiting: VecDeque<Waiter>,
    /// Whether the last transaction was shared, so that the next caller will not be alone either.
    crowded: bool,
    /// Nobody new may enter.
    closed: bool,
    /// The thread has nothing more to come.
    ended: bool,
}

#[expect(clippy::large_enum_variant, reason = "nearly all who wait bring a unit")]
enum Waiter {
    Unit(Unit, Reply, Room),
    Turn(oneshot::Sender<Turn>),
}

/// How a unit has entered.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Entry {
    /// Nobody is there: the caller writes it.
    Alone(Turn, Unit),
    /// It is in the queue.
    Queued(oneshot::Receiver<Result<Committed>>),
}

impl Slot {
    /// Opens the slot with its writer.
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            state: Mutex::new(State { idle: Some(writer), ..State::default() }),
            handed: Condvar::new(),
            room: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Whether somebody may still enter.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) fn check_open(&self) -> Result {
        if self.lock().closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// Waits for room in the queue.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) async fn room(&self) -> Result<Room> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| Error::Closed)
    }

    /// Brings a unit; it is written at once by the caller if `alone` and nobody else is there.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) fn enter(self: &Arc<Self>, unit: Unit, room: Room, alone: bool) -> Result<Entry> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if alone
            && !state.crowded
            && let Some(writer) = state.idle.take()
        {
            return Ok(Entry::Alone(Turn::new(writer, self), unit));
        }
        let (reply, result) = oneshot::channel();
        state.waiting.push_back(Waiter::Unit(unit, reply, room));
        self.wake(state);
        Ok(Entry::Queued(result))
    }

    /// Waits for a turn, behind everybody who came before.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) async fn turn(self: &Arc<Self>) -> Result<Turn> {
        let turn = {
            let state = self.lock();
            if state.closed {
                return Err(Error::Closed);
            }
            self.queue_turn(state)
        };
        turn.await.map_err(|_| Error::Closed)
    }

    /// Lets nobody else in, and waits for the last turn; `None` when it has been given before.
    pub(super) async fn close(self: &Arc<Self>) -> Option<Turn> {
        let turn = {
            let mut state = self.lock();
            state.closed = true;
            if state.ended {
                return None;
            }
            self.queue_turn(state)
        };
        turn.await.ok()
    }

    /// Tells the thread that nothing more will come once the queue is empty, and whoever else
    /// waits for a turn that there is none.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        state.waiting.retain(|waiter| matches!(waiter, Waiter::Unit(..)));
        self.handed.notify_all();
    }

    fn queue_turn(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> oneshot::Receiver<Turn> {
        let (sender, turn) = oneshot::channel();
        state.waiting.push_back(Waiter::Turn(sender));
        self.wake(state);
        turn
    }

    /// Sends an idle writer to whoever is first.
    fn wake(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if let Some(writer) = state.idle.take() {
            drop(state);
            self.release(writer);
        }
    }

    /// Passes the writer on, to whoever is first.
    fn release(self: &Arc<Self>, mut writer: Writer) {
        loop {
            let mut state = self.lock();
            match state.waiting.pop_front() {
                None => {
                    state.idle = Some(writer);
                    return;
                }
                Some(unit @ Waiter::Unit(..)) => {
                    state.waiting.push_front(unit);
                    state.handed = Some(writer);
                    self.handed.notify_one();
                    return;
                }
                Some(Waiter::Turn(sender)) => {
                    drop(state);
                    match sender.send(Turn::new(writer, self)) {
                        Ok(()) => return,
                        // Whoever waited has gone away: the next one.
                        Err(mut turn) => match turn.writer.take() {
                            Some(unused) => writer = unused,
                            None => return,
                        },
                    }
                }
            }
        }
    }

    /// Waits until there is a queue to write; `None` when the store has ended.
    pub(super) fn batch(self: &Arc<Self>) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(writer) = state.handed.take() {
                let (units, replies) = state.take_units();
                state.crowded = 1 < units.len();
                return Some(Batch { turn: Turn::new(writer, self), units, replies });
            }
            if state.ended {
                return None;
            }
            state = self.handed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The units at the front of the queue, as many as may share a transaction.
    fn take_units(&mut self) -> (Vec<Unit>, Vec<Reply>) {
        let (mut units, mut replies, mut bytes) = (Vec::new(), Vec::new(), 0);
        while units.len() < BATCH_UNITS_MAX && bytes < BATCH_BYTES_MAX {
            match self.waiting.pop_front() {
                Some(Waiter::Unit(unit, reply, _room)) => {
                    bytes += payload_bytes(&unit);
                    units.push(unit);
                    replies.push(reply);
                }
                Some(turn @ Waiter::Turn(_)) => {
                    self.waiting.push_front(turn);
                    break;
                }
                None => break,
            }
        }
        (units, replies)
    }
}

fn payload_bytes(unit: &Unit) -> usize {
    unit.appends.iter().flat_map(|append| &append.events).map(|event| event.payload.len()).sum()
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("waiting", &self.lock().waiting.len()).finish_non_exhaustive()
    }
}

/// Units that share a transaction, with the right to write them.
pub(super) struct Batch {
    pub(super) turn: Turn,
    pub(super) units: Vec<Unit>,
    pub(super) replies: Vec<Reply>,
}

/// The right to write; dropping it passes it on.
pub(super) struct Turn {
    /// Gone only while the turn is being taken apart.
    writer: Option<Writer>,
    slot: Arc<Slot>,
}

impl Turn {
    fn new(writer: Writer, slot: &Arc<Slot>) -> Self {
        Self { writer: Some(writer), slot: Arc::clone(slot) }
    }

    /// Keeps the writer for good.
    pub(super) fn into_writer(mut self) -> Option<Writer> {
        self.writer.take()
    }
}

impl Deref for Turn {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        self.writer.as_ref().expect("a turn has its writer until it ends")
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("a turn has its writer until it ends")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            writer.abandon();
            self.slot.release(writer);
        }
    }
}
