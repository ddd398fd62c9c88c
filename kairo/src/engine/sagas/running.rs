//! Which sagas this process carries on, and whether the store may think that it carries on more.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use uuid::Uuid;

/// The sagas that this process carries on.
#[derive(Debug, Default)]
pub(super) struct Running {
    ids: Mutex<HashSet<Uuid>>,
    /// Whether a claim or a start may have taken effect of which nobody here knows, or a saga was
    /// dropped: then this process owns sagas that it does not run, and nobody else takes them.
    unsure: AtomicBool,
}

impl Running {
    /// Notes that a saga runs, until the mark is dropped; `None` when it does already.
    pub(super) fn mark(self: &Arc<Self>, id: Uuid) -> Option<Mark> {
        let is_new = self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_new.then(|| Mark { running: Arc::clone(self), id, given_up: true })
    }

    pub(super) fn has(&self, id: Uuid) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Something may have taken effect.
    pub(super) fn doubt(&self) {
        self.unsure.store(true, Ordering::Release);
    }

    /// Whether that was so; from now on it is not.
    pub(super) fn take_doubt(&self) -> bool {
        self.unsure.swap(false, Ordering::AcqRel)
    }
}

/// A saga runs while this is there.
#[derive(Debug)]
pub(super) struct Mark {
    running: Arc<Running>,
    id: Uuid,
    /// Whether it was dropped where it was, so that it may still be this process's.
    given_up: bool,
}

impl Mark {
    /// The saga is not this process's any more.
    pub(super) const fn let_go(&mut self) {
        self.given_up = false;
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.running.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        if self.given_up {
            self.running.doubt();
        }
    }
}
