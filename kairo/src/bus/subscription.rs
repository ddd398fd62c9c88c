//! A subscription that runs: pause, resume, unsubscribe.

use std::{
    any::TypeId,
    fmt,
    sync::{Arc, PoisonError, Weak},
};

use super::Shared;
use crate::{
    engine::dispatch::{Command, Running, scope::refuse_in_handler, spec::Spec},
    error::{Error, Result},
};

/// A subscription that runs in this process. Dropping it changes nothing.
#[derive(Clone)]
pub struct Subscription {
    shared: Weak<Shared>,
    name: Arc<str>,
    /// What runs it; `None` for one of ephemeral events, which runs inside `publish`.
    running: Option<Arc<Running>>,
}

impl Subscription {
    pub(super) fn new(shared: &Arc<Shared>, running: Arc<Running>) -> Self {
        let name = Arc::clone(&running.spec.name);
        Self { shared: Arc::downgrade(shared), name, running: Some(running) }
    }

    /// A subscription to one kind of ephemeral event.
    pub(super) fn in_memory(
        shared: &Arc<Shared>,
        spec: Spec,
        event: (&'static str, TypeId),
    ) -> Self {
        let name = Arc::clone(&spec.name);
        let mut ephemerals = shared.ephemerals.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut ephemerals).add(spec, &[event], &shared.engine.states);
        Self { shared: Arc::downgrade(shared), name, running: None }
    }

    /// The durable name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins nothing new until resumed; what runs is finished. It survives a restart, and holds in
    /// every process that shares the store, as [`Subscriptions::pause`](super::Subscriptions::pause)
    /// says.
    ///
    /// # Errors
    /// [`Error::Closed`] when the bus has gone; [`Error::Misuse`] for ephemeral events;
    /// [`Error::Store`] when the store fails.
    pub async fn pause(&self) -> Result {
        self.shared()?.pause(&self.name).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self) -> Result {
        self.shared()?.resume(&self.name).await
    }

    fn shared(&self) -> Result<Arc<Shared>> {
        self.shared.upgrade().ok_or(Error::Closed)
    }

    /// Finishes what runs, stops, and deletes the subscription's place in the log; its dead
    /// letters stay. Other processes that run it stop as well.
    ///
    /// # Errors
    /// [`Error::Closed`] when the bus has gone; [`Error::Store`] when the store fails.
    pub async fn unsubscribe(self) -> Result {
        refuse_in_handler()?;
        let shared = self.shared()?;
        let Some(running) = &self.running else {
            let mut ephemerals = shared.ephemerals.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut ephemerals).remove(&self.name);
            return Ok(());
        };
        running.commands.send(Command::Stop).await.map_err(|_| Error::Closed)?;
        // The channel closes when the loop has written its last progress.
        running.commands.closed().await;
        shared.remove(&self.name);
        shared.engine.backend.remove_subscription(self.name.to_string()).await?;
        Ok(())
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("name", &self.name).finish_non_exhaustive()
    }
}
