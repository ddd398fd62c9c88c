//! Reacting to what happens to entities, with closures.

use std::sync::Arc;

use super::{Created, Deleted, Emits, Repository, Updated};
use crate::{
    bus::Subscription, error::Result, event::envelope::Envelope, handler::delivery::ClosureOutput,
};

impl<T: Emits> Repository<T> {
    /// Handles the creation of entities, as a durable subscription of this name: what happens while the
    /// process is away is handled after the next start, when this is called again. It begins with what
    /// happens from the first call on, and is retried as the builder says; for other options, use
    /// `kairo.subscribe::<Created<User>>(name)` or a `#[handler]`.
    ///
    /// # Errors
    /// Those of [`Subscribe::handle`](crate::bus::Subscribe::handle);
    /// [`Error::Closed`](crate::Error::Closed) when the bus has gone.
    pub async fn on_created<F, Fut>(
        &self,
        name: impl Into<Arc<str>>,
        handler: F,
    ) -> Result<Subscription>
    where
        F: Fn(Envelope<Created<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ClosureOutput> + Send + 'static,
    {
        self.publisher.kairo()?.subscribe::<Created<T>>(name).handle(handler).await
    }

    /// Handles changes of entities, as [`on_created`](Self::on_created) their creation.
    ///
    /// # Errors
    /// As `on_created`.
    pub async fn on_updated<F, Fut>(
        &self,
        name: impl Into<Arc<str>>,
        handler: F,
    ) -> Result<Subscription>
    where
        F: Fn(Envelope<Updated<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ClosureOutput> + Send + 'static,
    {
        self.publisher.kairo()?.subscribe::<Updated<T>>(name).handle(handler).await
    }

    /// Handles the deletion of entities, as [`on_created`](Self::on_created) their creation.
    ///
    /// # Errors
    /// As `on_created`.
    pub async fn on_deleted<F, Fut>(
        &self,
        name: impl Into<Arc<str>>,
        handler: F,
    ) -> Result<Subscription>
    where
        F: Fn(Envelope<Deleted<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ClosureOutput> + Send + 'static,
    {
        self.publisher.kairo()?.subscribe::<Deleted<T>>(name).handle(handler).await
    }
}
