//! What runs in this process, and who else was there when somebody last looked.

use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use crate::{
    engine::dispatch::{self, Ready, Running},
    lease::Member,
};

/// The subscriptions of this process, and the processes that share the store.
#[derive(Debug)]
pub(crate) struct Roster {
    running: RwLock<Arc<[Arc<Running>]>>,
    members: RwLock<Vec<Member>>,
}

impl Default for Roster {
    fn default() -> Self {
        Self { running: RwLock::new(Arc::new([])), members: RwLock::default() }
    }
}

impl Roster {
    /// The subscriptions of this moment.
    pub(crate) fn running(&self) -> Arc<[Arc<Running>]> {
        Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The subscription of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Running>> {
        self.running().iter().find(|running| &*running.spec.name == name).cloned()
    }

    /// Lets subscriptions run. Nobody sees the list before they are in it.
    pub(crate) fn run(&self, ready: Vec<Ready>) -> Vec<Arc<Running>> {
        let mut list = self.running.write().unwrap_or_else(PoisonError::into_inner);
        let running = dispatch::run(ready);
        *list = list.iter().chain(&running).cloned().collect();
        running
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut list = self.running.write().unwrap_or_else(PoisonError::into_inner);
        *list = list.iter().filter(|running| &*running.spec.name != name).cloned().collect();
    }

    /// The names of what can run here, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let running = self.running();
        let able = running.iter().filter(|running| !running.has_ended());
        let mut names: Vec<_> = able.map(|running| running.spec.name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// The processes that share the store, as far as this one knows.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What people call a process.
    pub(crate) fn name_of(&self, member: Uuid) -> Option<String> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().find(|known| known.id == member).map(|known| known.name.clone())
    }

    pub(super) fn set_members(&self, members: Vec<Member>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members;
    }
}
