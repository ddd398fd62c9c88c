//! The bus: what an application holds to publish, to subscribe, and to look after its letters.

mod builder;
mod settle_names;
mod ready;
mod publish;
mod publish_all;
mod published;
mod question;
mod publisher;
mod outbox;
mod ephemeral;
mod subscribe;
mod subscription;
mod subscriptions;
mod steer;
mod dead_letters;
mod letter_change;
mod event_store;
mod health;
mod shutdown;
mod signals;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::task::JoinHandle;
use uuid::Uuid;

pub use self::{
    builder::Builder,
    dead_letters::DeadLetterQueue,
    event_store::{EventStore, ReadLog, ReadStream},
    health::{Condition, Health, LAG_MAX, SubscriptionHealth, WAITING_MAX, WaitingSaga},
    outbox::Outbox,
    publish::Publish,
    publish_all::PublishAll,
    published::{Handled, Published},
    publisher::Publisher,
    subscribe::Subscribe,
    subscription::Subscription,
    subscriptions::{Owner, SubscriptionInfo, Subscriptions},
};
use self::{
    ephemeral::Ephemerals,
    publish::{Request, Run},
};
pub(crate) use self::{
    publish::{Bus, append_all, durable_draft, publish_on},
    ready::check_metadata,
};
use crate::{
    engine::{
        Engine,
        dispatch::{Ready, Running, spec::Defaults},
        registry::Wiring,
        tx::{Tx, transact},
    },
    error::{Error, Result},
    event::{Event, envelope::AnyEvent, publishable::Publishable},
    handler::Failure,
    retry::RetryPolicy,
    store::Unit,
};

/// A running bus. Cloning it is cheap, and all clones are the same bus.
///
/// When the last clone is dropped without [`shutdown`](Self::shutdown), everything stops at once;
/// what was being handled is handled again after the next start.
#[derive(Clone)]
pub struct Kairo {
    shared: Arc<Shared>,
}

/// What the clones of a bus share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    defaults: Defaults,
    wiring: Wiring,
    /// Held while a closure subscribes, so that a name is taken once.
    subscribing: tokio::sync::Mutex<()>,
    ephemerals: RwLock<Arc<Ephemerals>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Kairo {
    /// Starts a bus with the store that `KAIRO_URL` names, or `./kairo.db`, and with every handler
    /// of every linked crate.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Configures a bus.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Publishes an event; await what comes back, or set options first.
    ///
    /// When the await returns Ok, the event is durable and every subscription will see it. An
    /// ephemeral event has been handled by then, and touches no disk.
    ///
    /// # Errors
    /// [`Error::Encode`], [`Error::PayloadTooLarge`] and [`Error::Invalid`] for what cannot be an
    /// event; [`Error::Conflict`] when the stream is not as [expected](Publish::expect);
    /// [`Error::Full`] and [`Error::Store`] when the store cannot take it, and then nothing was
    /// published. Dropping the future may publish the event or not, as with any commit.
    pub fn publish<'a, E: Publishable + 'a>(&'a self, event: E) -> Publish<'a, E, impl Run<'a, E>> {
        Request::of(Ok(self.bus()), event)
    }

    /// Publishes several events in one commit: all of them, in this order, or none.
    ///
    /// # Errors
    /// As [`publish`](Self::publish); and [`Error::Misuse`] for an ephemeral event.
    pub fn publish_all<E: Publishable>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> PublishAll<'_> {
        PublishAll::new(Ok(self.bus()), events)
    }

    /// Takes a delayed event back by its id; false when it is in the log already, or unknown.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails.
    pub async fn cancel(&self, id: Uuid) -> Result<bool> {
        self.shared.cancel(id).await
    }

    /// Subscribes a closure to one kind of event, under a durable name.
    pub fn subscribe<E: Event>(&self, name: impl Into<Arc<str>>) -> Subscribe<'_, E> {
        Subscribe::to_event(&self.shared, name.into())
    }

    /// Subscribes a closure to every event whose name matches a pattern, such as `user.*` (`*` is
    /// one segment) or `user.**` (`**`, at the end, any number of them).
    pub fn subscribe_any(
        &self,
        name: impl Into<Arc<str>>,
        pattern: impl Into<Cow<'static, str>>,
    ) -> Subscribe<'_, AnyEvent> {
        Subscribe::to_pattern(&self.shared, name.into(), pattern.into())
    }

    /// Subscribes a closure to every event whose whole name matches a regular expression.
    pub fn subscribe_regex(
        &self,
        name: impl Into<Arc<str>>,
        regex: &str,
    ) -> Subscribe<'_, AnyEvent> {
        Subscribe::to_regex(&self.shared, name.into(), regex)
    }

    /// The subscription of this name, if it runs in this process.
    #[must_use]
    pub fn subscription(&self, name: &str) -> Option<Subscription> {
        let running = self.shared.running(name)?;
        Some(Subscription::new(&self.shared, running))
    }

    /// All subscriptions of the store, with what an operator can do about them.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        Subscriptions::new(Arc::clone(&self.shared))
    }

    /// A handle for objects that publish. It does not keep the bus running.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::of(&self.shared)
    }

    /// The dead letters, with the verbs for them.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetterQueue {
        DeadLetterQueue::new(Arc::clone(&self.shared))
    }

    /// Runs a closure in a transaction: what it publishes and changes takes effect when it returns Ok,
    /// all of it together, and nothing of it otherwise. It is run once.
    ///
    /// ```
    /// # use kairo::prelude::*;
    /// # #[event("order.placed")]
    /// # struct OrderPlaced { #[key] order: u32 }
    /// # #[event("stock.reserved")]
    /// # struct StockReserved { #[key] order: u32 }
    /// # async fn run(kairo: Kairo) -> kairo::Result {
    /// kairo
    ///     .transaction(async |tx| {
    ///         tx.publish(OrderPlaced { order: 7 }).await?;
    ///         tx.publish(StockReserved { order: 7 }).await?;
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// Inside, everything goes through the [`Tx`]: once its [connection](Tx::connection) is used, any
    /// other write in this task is an error, because it would wait for the end of the transaction.
    ///
    /// # Errors
    /// An error of Kairo's that the closure returns, as it is; [`Error::Aborted`] with any other one;
    /// [`Error::Conflict`], [`Error::DocumentMoved`], [`Error::DocumentExists`] and
    /// [`Error::ValueTaken`] when the store is not as the transaction has seen it. Then nothing has
    /// happened. After an [`Error::Store`] at the commit it may have, if the store's answer was lost.
    /// Dropping the future undoes everything that has not been committed.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, Failure>,
    {
        transact(&self.shared.engine, work).await
    }

    /// Publishes inside transactions of your own on the store's PostgreSQL.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox::new(Arc::clone(&self.shared))
    }

    /// The event store: streams and the log.
    #[must_use]
    pub fn store(&self) -> EventStore {
        let engine = &self.shared.engine;
        EventStore::new(Arc::clone(&engine.backend), engine.clock.clone())
    }

    /// This bus, as those who publish on it hold it.
    pub(crate) const fn bus(&self) -> publish::Bus<'_> {
        publish::Bus::Borrowed(&self.shared)
    }

    /// What the clones of this bus share.
    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What was found in the linked crates at start.
    #[must_use]
    pub fn registry(&self) -> &Wiring {
        &self.shared.wiring
    }
}

impl fmt::Debug for Kairo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kairo")
            .field("store", &self.shared.engine.backend.url())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// How what states nothing itself is retried.
    pub(crate) const fn retry_default(&self) -> RetryPolicy {
        self.defaults.retry
    }

    /// The subscriptions of this moment.
    fn running_all(&self) -> Arc<[Arc<Running>]> {
        self.engine.roster.running()
    }

    async fn cancel(&self, id: Uuid) -> Result<bool> {
        let unit = Unit { unscheduled: vec![id], ..Unit::default() };
        match self.engine.backend.commit(unit).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn running(&self, name: &str) -> Option<Arc<Running>> {
        self.engine.roster.find(name)
    }

    /// Lets subscriptions run, and tells others that they can give some of theirs.
    fn run(&self, ready: Vec<Ready>) -> Vec<Arc<Running>> {
        let running = self.engine.roster.run(ready);
        self.engine.look.notify_one();
        running
    }

    /// Keeps a task that ends with the bus.
    fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    fn remove(&self, name: &str) {
        self.engine.roster.remove(name);
        self.engine.look.notify_one();
    }

    fn ephemerals(&self) -> Arc<Ephemerals> {
        Arc::clone(&self.ephemerals.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop_at_once();
    }
}
