//! The numbers of requests, which make it safe to repeat one whose answer was lost.
//!
//! A client has a few slots, and a request has one of them to itself. The server keeps the number
//! and the reply of each slot's last request, so what it keeps for a client is bounded.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::Cmd;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::link::Link;
use crate::{
    clock::Clock,
    error::{Error, Result},
};

/// The most requests that are under way at a time; others wait.
const SLOTS: u32 = 256;

/// How long a server remembers the requests of a client that does not return, in seconds.
pub(super) const REMEMBERED: u32 = 24 * 60 * 60;

/// How often a client says that it is still there.
const RENEWAL: Duration = Duration::from_hours(1);

/// A client's slots.
#[derive(Debug)]
pub(super) struct Requests {
    /// The client's own name, as the server knows it.
    pub(super) client: String,
    room: Semaphore,
    /// Slots that are not in use, with the number of their last request. The last one is taken
    /// first, so that few are used where few are needed.
    free: Mutex<Vec<Slot>>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    index: u32,
    serial: u64,
}

/// A slot in use; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    requests: &'a Requests,
    slot: Slot,
    _room: SemaphorePermit<'a>,
}

impl Requests {
    /// The slots of a new client.
    pub(super) fn new(client: Uuid) -> Self {
        let free = (0..SLOTS).rev().map(|index| Slot { index, serial: 0 }).collect();
        Self {
            client: client.simple().to_string(),
            room: Semaphore::new(SLOTS as usize),
            free: Mutex::new(free),
        }
    }

    /// Takes a slot, when there is one.
    ///
    /// # Errors
    /// [`Error::Closed`]
    pub(super) async fn turn(&self) -> Result<Turn<'_>> {
        let room = self.room.acquire().await.map_err(|_| Error::Closed)?;
        let slot = self.lock().pop().ok_or(Error::Closed)?;
        Ok(Turn { requests: self, slot, _room: room })
    }

    /// Waits for all that is under way; there will be no more.
    pub(super) async fn close(&self) {
        // It fails where the slots have been closed already, and then there is nothing to wait for.
        let all = self.room.acquire_many(SLOTS).await;
        self.room.close();
        drop(all);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        // Slots are pushed and popped whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Begins another request in this slot.
    pub(super) fn begin(&mut self) {
        self.slot.serial += 1;
    }

    /// The request's number, as scripts take it.
    pub(super) fn write(&self, command: &mut Cmd, repeated: bool) {
        command.arg(&self.requests.client).arg(self.slot.index).arg(self.slot.serial);
        command.arg(u8::from(repeated));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.requests.lock().push(self.slot);
    }
}

/// Keeps the server from forgetting a client, under its key, while it is there.
pub(super) async fn keep_remembered(link: Arc<Link>, key: String) {
    let clock = Clock::system();
    let mut expire = redis::cmd("EXPIRE");
    expire.arg(key).arg(REMEMBERED);
    loop {
        clock.sleep(RENEWAL).await;
        // There is time for many more tries.
        let _ = link.ask("renewing the requests of", &expire).await;
    }
}
