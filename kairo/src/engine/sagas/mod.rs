//! Sagas: who carries which one on, and what it does next.
//!
//! `machine` decides, and touches nothing; `run` carries one saga on, and writes down what it decided
//! before it does it; `claims` finds those that nobody carries on.

pub(crate) mod code;
pub(crate) mod state;
pub(crate) mod machine;
pub(crate) mod settle;
pub(crate) mod verbs;
mod attempt;
mod record;
mod running;
mod run;
mod begin;
mod claims;
mod start;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::{
    sync::{Notify, Semaphore, oneshot},
    task::JoinSet,
};
use uuid::Uuid;

pub(crate) use self::{
    claims::follow,
    start::{Begin, Origin, start},
};
use self::{code::Code, running::Running};
use super::trouble::Trouble;
use crate::{clock::Clock, journal::SagaRow};

/// The most sagas that a process carries on at a time; others wait in the store.
const RUNNING_MAX: usize = 1_024;

/// The sagas of a process.
pub(crate) struct Sagas {
    codes: RwLock<HashMap<&'static str, Arc<dyn Code>>>,
    /// Under which id sagas are claimed where nobody shares the store.
    pub(crate) owner: Uuid,
    /// Room for those that run.
    room: Arc<Semaphore>,
    /// Rings when one may have become free, or due earlier than was known.
    pub(crate) look: Notify,
    /// Those that run.
    tasks: Mutex<JoinSet<()>>,
    running: Arc<Running>,
    /// Who waits for the end of which saga.
    waiters: Mutex<HashMap<Uuid, Vec<oneshot::Sender<SagaRow>>>>,
    /// What looking for sagas fails with.
    pub(crate) trouble: Trouble,
}

impl Sagas {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            codes: RwLock::default(),
            owner: clock.new_id(),
            room: Arc::new(Semaphore::new(RUNNING_MAX)),
            look: Notify::new(),
            tasks: Mutex::default(),
            running: Arc::default(),
            waiters: Mutex::default(),
            trouble: Trouble::default(),
        }
    }

    /// Lets this process run a kind of saga; what was given last is what runs.
    pub(crate) fn add(&self, code: Arc<dyn Code>) {
        let name = code.plan().name;
        self.codes.write().unwrap_or_else(PoisonError::into_inner).insert(name, code);
        self.look.notify_one();
    }

    pub(crate) fn code(&self, name: &str) -> Option<Arc<dyn Code>> {
        self.codes.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The kinds that this process can run, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let codes = self.codes.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = codes.keys().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    }

    /// Tells when a saga goes no further by itself, if that happens in this process.
    pub(crate) fn wait(&self, id: Uuid) -> oneshot::Receiver<SagaRow> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiters.entry(id).or_default();
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push(sender);
        receiver
    }

    /// Nobody is left who waits for a saga, as far as this one knows.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiters.get_mut(&id) {
            waiting.retain(|waiter| !waiter.is_closed());
            if waiting.is_empty() {
                waiters.remove(&id);
            }
        }
    }

    /// Tells whoever waits that a saga goes no further by itself.
    fn tell(&self, row: &SagaRow) {
        let waiting = self.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
        for waiter in waiting.into_iter().flatten() {
            // Whoever does not wait any more need not be told.
            drop(waiter.send(row.clone()));
        }
    }
}

impl fmt::Debug for Sagas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sagas").field("names", &self.names()).finish_non_exhaustive()
    }
}
