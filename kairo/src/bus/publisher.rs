//! A handle for whatever publishes and should not keep the bus running.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use uuid::Uuid;

use super::{
    Kairo, Shared,
    publish::{Bus, Publish, Request, Run},
    publish_all::PublishAll,
};
use crate::{
    engine::dispatch::scope::Scope,
    error::{Error, Result},
    event::publishable::Publishable,
    handler::{Context, Failure, FromContext},
};

/// Publishes on a bus without keeping it running. Handlers take it as an argument, services get it
/// from [`Builder::handlers_with`](super::Builder::handlers_with).
///
/// What a handler publishes has the handled event as its cause, shares its correlation, and is in
/// the log once even if the handler runs again: the `n`-th event of a name that an attempt
/// publishes is taken for the `n`-th one of every other attempt. A handle that the handler was
/// given keeps to that in tasks that it spawns; any other handle does so in the handler's own task.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<OnceLock<Weak<Shared>>>,
    /// The handler's run that it was given to.
    scope: Option<Arc<Scope>>,
}

impl Publisher {
    /// A handle for a bus that is about to start.
    pub(super) fn unconnected() -> Self {
        Self { shared: Arc::default(), scope: None }
    }

    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        let publisher = Self::unconnected();
        publisher.connect(shared);
        publisher
    }

    pub(super) fn connect(&self, shared: &Arc<Shared>) {
        // A handle is connected once; a second time would be the same bus.
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    /// Publishes an event, as [`Kairo::publish`](super::Kairo::publish).
    ///
    /// # Errors
    /// Also [`Error::Closed`] when the bus has gone, and [`Error::Misuse`] before it has started.
    pub fn publish<'a, E: Publishable + 'a>(&'a self, event: E) -> Publish<'a, E, impl Run<'a, E>> {
        Request::of(self.bus(), event)
    }

    /// Publishes several events in one commit, as [`Kairo::publish_all`](super::Kairo::publish_all).
    ///
    /// # Errors
    /// Also [`Error::Closed`] when the bus has gone, and [`Error::Misuse`] before it has started.
    pub fn publish_all<E: Publishable>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> PublishAll<'_> {
        PublishAll::new(self.bus(), events)
    }

    /// Takes a delayed event back, as [`Kairo::cancel`](super::Kairo::cancel).
    ///
    /// # Errors
    /// Also [`Error::Closed`] when the bus has gone, and [`Error::Misuse`] before it has started.
    pub async fn cancel(&self, id: Uuid) -> Result<bool> {
        self.bus()?.get().cancel(id).await
    }

    /// The bus itself, which runs at least as long as this is held.
    pub(crate) fn kairo(&self) -> Result<Kairo> {
        Ok(Kairo { shared: Arc::clone(self.bus()?.get()) })
    }

    pub(crate) fn bus(&self) -> Result<Bus<'static>> {
        let shared = self.shared.get().ok_or(Error::Misuse("the bus has not started yet"))?;
        let shared = shared.upgrade().ok_or(Error::Closed)?;
        Ok(Bus::Owned(shared, self.scope.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl FromContext for Publisher {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        let publisher = context.state::<Self>().ok_or_else(|| {
            Failure::permanent("this handler runs outside a bus, so there is nothing to publish on")
        })?;
        Ok(Self { shared: Arc::clone(&publisher.shared), scope: Scope::current() })
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected = self.shared.get().is_some_and(|shared| 0 < shared.strong_count());
        f.debug_struct("Publisher").field("connected", &connected).finish_non_exhaustive()
    }
}
