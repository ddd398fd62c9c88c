//! What handlers write down, and gates that hold them up.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::soon;

/// A list that handlers add to and tests wait for. Clones are the same list.
#[derive(Clone, Debug)]
pub struct Journal<T> {
    entries: watch::Sender<Vec<T>>,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self { entries: watch::Sender::new(Vec::new()) }
    }
}

impl<T: Clone> Journal<T> {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry.
    pub fn note(&self, entry: T) {
        self.entries.send_modify(|entries| entries.push(entry));
    }

    /// Everything so far.
    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.entries.borrow().clone()
    }

    /// Everything, once there are at least so many.
    pub async fn at_least(&self, count: usize) -> Vec<T> {
        self.until(|entries| count <= entries.len()).await
    }

    /// Everything, once it is as wanted.
    pub async fn until(&self, wanted: impl Fn(&[T]) -> bool) -> Vec<T> {
        let mut entries = self.entries.subscribe();
        let found = soon(entries.wait_for(|entries| wanted(entries))).await;
        found.map(|entries| entries.clone()).unwrap_or_default()
    }

    /// Everything so far; the list is empty afterwards.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        self.entries.send_replace(Vec::new())
    }
}

impl<T: Clone + PartialEq> Journal<T> {
    /// Adds an entry; whether it is the first of its kind.
    #[must_use]
    pub fn is_new(&self, entry: T) -> bool {
        let mut is_new = false;
        self.entries.send_modify(|entries| {
            is_new = !entries.contains(&entry);
            entries.push(entry);
        });
        is_new
    }
}

/// Holds up whoever passes until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that is shut.
    #[must_use]
    pub fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Waits to be let through.
    pub async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }

    /// Lets one through.
    pub fn let_one(&self) {
        self.0.add_permits(1);
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        self.0.close();
    }

    /// Whether everybody gets through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_closed()
    }
}
